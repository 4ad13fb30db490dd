//! Two front VRFs with the same local address, whose peers have the same remote address and other keys.

use api::{Request, Response, SaFilter};

use crate::configs::{FRONT_CPE, FRONT_PE};
use crate::world::{Station, Wire, World};

const LOCAL: &str = "192.0.2.1";
const REMOTE: &str = "192.0.2.2";

/// `keys`: what each site's gateway uses.
fn world(keys: [&str; 2]) -> World {
    let cpe = |seed, key: &str| Station::new(seed, &["wan0", "lan0"], &FRONT_CPE.replace("KEY", key));
    let stations = vec![
        ("pe", Station::new(1, &["wan1", "wan2", "core0"], FRONT_PE)),
        ("red", cpe(2, keys[0])),
        ("blue", cpe(3, keys[1])),
    ];
    let wire = |segment, station, front, address| Wire { segment, station, front, address };
    let wires = vec![
        wire(1, "pe", Some("red"), LOCAL),
        wire(1, "red", None, REMOTE),
        wire(2, "pe", Some("blue"), LOCAL),
        wire(2, "blue", None, REMOTE),
    ];
    let mut world = World::new(stations, wires);
    world.traffic("red", "10.2.0.9", "10.1.0.9");
    world.traffic("blue", "10.2.0.9", "10.1.0.9");
    world
}

fn statuses(world: &mut World) -> Vec<(Option<String>, String)> {
    let Response::Sessions(sessions) = world.ask("pe", Request::ShowSession) else { panic!("no sessions") };
    sessions.into_iter().map(|session| (session.front, session.status)).collect()
}

#[test]
fn both_front_vrfs_have_their_tunnel_at_once() {
    let mut world = world(["key-of-red", "key-of-blue"]);
    let up = |vrf: &str| (Some(vrf.to_owned()), "UP-ACTIVE".to_owned());
    assert_eq!(statuses(&mut world), [up("red"), up("blue")]);
    let pe = world.station("pe");
    assert_eq!(pe.sas().len(), 4);
    assert!(pe.sas().iter().all(|sa| sa.front == sa.inside), "without a profile the inside is the front");
}

#[test]
fn the_key_of_one_front_vrf_opens_nothing_in_the_other() {
    let mut world = world(["key-of-red", "key-of-red"]);
    assert_eq!(
        statuses(&mut world).into_iter().filter(|(_, status)| status == "UP-ACTIVE").collect::<Vec<_>>(),
        [(Some("red".to_owned()), "UP-ACTIVE".to_owned())]
    );
    let blue = world.station("pe").vrf(Some("blue"));
    assert!(world.station("pe").sas().iter().all(|sa| sa.front != blue));
}

#[test]
fn a_peer_is_named_together_with_its_front_vrf() {
    let mut world = world(["key-of-red", "key-of-blue"]);
    let filter = SaFilter::Peer { front: Some("blue".to_owned()), address: REMOTE.parse().unwrap() };
    let Response::IpsecSas(flows) = world.ask("pe", Request::ShowIpsecSa(filter.clone())) else { panic!() };
    assert_eq!((flows.len(), flows[0].interface.as_str()), (1, "Ethernet0/2"));
    world.ask("pe", Request::Clear(api::ClearSa::Sa(filter)));
    let statuses: Vec<_> = statuses(&mut world).into_iter().map(|(_, status)| status).collect();
    assert_eq!(statuses, ["UP-ACTIVE", "UP-IDLE"]);
}
