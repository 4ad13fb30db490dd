//! Two customers with the same private addresses behind one public address, over real negotiations.

use std::time::Duration;

use api::{ClearSa, Request, Response, SaFilter};
use base::SaId;
use dataplane::{Event, Key, Object, Op};
use ike::DownReason;
use ipsec::{Direction, Encap};
use pe::{Input, Notice};

use crate::configs::{CPE_A, CPE_B, PE};
use crate::world::{Station, Wire, World, place};

const PUBLIC: &str = "172.18.1.1";
const A: &str = "172.16.1.1";
const B: &str = "10.1.1.1";

fn world() -> World {
    let stations = vec![
        (PUBLIC, Station::new(1, &["core0", "wan0"], PE)),
        (A, Station::new(2, &["wan0", "lan0"], CPE_A)),
        (B, Station::new(3, &["wan0", "lan0"], CPE_B)),
    ];
    let wire = |address| Wire { segment: 0, station: address, front: None, address };
    World::new(stations, [PUBLIC, A, B].map(wire).into())
}

/// Both tunnels up, each opened by its customer.
fn up() -> World {
    let mut world = world();
    world.traffic(A, "10.2.0.9", "10.1.0.9");
    world.traffic(B, "10.2.0.9", "10.1.0.9");
    world
}

fn statuses(world: &mut World) -> Vec<(String, Option<String>, String)> {
    let Response::Sessions(sessions) = world.ask(PUBLIC, Request::ShowSession) else { panic!("no sessions") };
    sessions.into_iter().map(|s| (s.peer.to_string(), s.inside, s.status)).collect()
}

fn status_of(world: &mut World, peer: &str) -> String {
    statuses(world).into_iter().find(|(of, ..)| of == peer).expect("an entry for the peer").2
}

/// The SAs of one VRF on the provider edge.
fn sas(world: &mut World, vrf: &str) -> Vec<(SaId, Direction, String)> {
    let pe = world.station(PUBLIC);
    let sas = pe.sas().into_iter().filter(|sa| pe.pe.vrf_name(sa.inside) == Some(vrf));
    sas.map(|sa| (sa.id, sa.direction, sa.remote.to_string())).collect()
}

#[test]
fn two_customers_with_equal_addresses_each_get_a_tunnel_into_their_own_vrf() {
    let mut world = up();
    assert_eq!(
        statuses(&mut world),
        [
            (A.to_owned(), Some("vpn1".to_owned()), "UP-ACTIVE".to_owned()),
            (B.to_owned(), Some("vpn2".to_owned()), "UP-ACTIVE".to_owned()),
        ]
    );
    for (vrf, peer) in [("vpn1", A), ("vpn2", B)] {
        let sas = sas(&mut world, vrf);
        assert_eq!(sas.len(), 2, "{vrf}");
        assert!(sas.iter().all(|(_, _, remote)| remote == peer), "{vrf}");
    }
    let pe = world.station(PUBLIC);
    assert_eq!(pe.policies().map(|policy| policy.bundles.len()).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn both_ends_hold_the_same_keys_under_the_same_spis() {
    let mut world = up();
    let far: Vec<_> = world.station(A).sas().into_iter().cloned().collect();
    assert_eq!(far.len(), 2);
    for near in world.station(PUBLIC).sas().into_iter().filter(|sa| sa.remote.to_string() == A) {
        let other = far.iter().find(|sa| sa.spi == near.spi).expect("the SPI at the other end");
        assert_ne!(other.direction, near.direction);
        assert!(other.keys == near.keys && other.suite == near.suite);
        assert_eq!(other.selector, near.selector.reversed());
    }
}

#[test]
fn the_edge_opens_the_tunnel_too_when_traffic_comes_from_the_core() {
    let mut world = world();
    let policies: Vec<_> = world.station(PUBLIC).policies().map(|policy| policy.id).collect();
    world.acquire(PUBLIC, policies[1], "10.1.0.9", "10.2.0.9");
    assert_eq!((status_of(&mut world, A).as_str(), status_of(&mut world, B).as_str()), ("DOWN", "UP-ACTIVE"));
}

#[test]
fn taking_one_customer_away_says_nothing_of_the_other() {
    let mut world = up();
    let kept = sas(&mut world, "vpn1");
    world.station(PUBLIC).ops.clear();
    let without = PE
        .replace(&PE[PE.find("crypto map crypmap 3").unwrap()..PE.find("interface Ethernet1/1").unwrap()], "")
        .replace("ip route vrf vpn2 10.2.0.0 255.255.0.0 172.18.1.2 global\n", "");
    let now = world.now;
    world.station(PUBLIC).configure(now, &without).unwrap();
    world.settle();
    let ops = std::mem::take(&mut world.station(PUBLIC).ops);
    assert!(!ops.is_empty());
    for op in &ops {
        assert!(!kept.iter().any(|(id, ..)| op.key() == Key::Sa(*id)), "an SA of customer A is mentioned");
        assert!(
            !matches!(op, Op::Set(Object::Policy(policy)) if place(policy) == 1),
            "A's policy is mentioned"
        );
    }
    assert_eq!(sas(&mut world, "vpn1"), kept);
    assert!(sas(&mut world, "vpn2").is_empty());
    assert_eq!(status_of(&mut world, A), "UP-ACTIVE");
    let down = |n: &Notice| matches!(n, Notice::ChildDown { reason: DownReason::Reconfigured, .. });
    assert!(world.station(PUBLIC).notices.iter().any(down));
    assert!(world.station(B).sas().is_empty(), "the peer was told");
}

#[test]
fn a_rekey_makes_before_it_breaks_and_touches_one_tunnel() {
    let mut world = up();
    let old = sas(&mut world, "vpn1");
    let (outbound, ..) = *old.iter().find(|(_, direction, _)| *direction == Direction::Out).unwrap();
    world.station(PUBLIC).ops.clear();
    world.tell(PUBLIC, Input::Event(Event::Expiring(outbound)));
    let soon = world.now + Duration::from_secs(5);
    world.run_to(soon);
    let ops = std::mem::take(&mut world.station(PUBLIC).ops);
    let position = |wanted: &dyn Fn(&Op) -> bool| ops.iter().position(wanted).expect("the op");
    let new_sa = position(&|op| matches!(op, Op::Set(Object::Sa(sa)) if sa.direction == Direction::Out));
    let policy = position(&|op| matches!(op, Op::Set(Object::Policy(policy)) if place(policy) == 1));
    assert!(new_sa < policy);
    assert!(
        matches!(&ops[policy], Op::Set(Object::Policy(policy)) if policy.bundles.len() == 1),
        "the old SA sends no more"
    );
    assert!(ops.len() <= 6, "{} ops for one rekey", ops.len());
    assert!(!ops.iter().any(|op| matches!(op, Op::Set(Object::Policy(policy)) if place(policy) == 3)));
    let horizon = world.now + Duration::from_secs(120);
    world.run_to(horizon);
    assert_eq!(sas(&mut world, "vpn1").len(), 2, "the old pair is gone in the end");
    assert!(!sas(&mut world, "vpn1").iter().any(|sa| old.contains(sa)));
}

#[test]
fn a_peer_that_its_nat_moved_is_followed_without_a_new_negotiation() {
    let mut world = world();
    world.nat = Some(A);
    world.traffic(A, "10.2.0.9", "10.1.0.9");
    world.traffic(B, "10.2.0.9", "10.1.0.9");
    let encaps = |world: &mut World| {
        let pe = world.station(PUBLIC);
        pe.sas().iter().map(|sa| (sa.remote.to_string(), sa.encap)).collect::<Vec<_>>()
    };
    let before = encaps(&mut world);
    let ids = sas(&mut world, "vpn1");
    let inbound = ids.iter().find(|(_, direction, _)| *direction == Direction::In).unwrap().0;
    world.station(PUBLIC).ops.clear();
    world.tell(PUBLIC, Input::Event(Event::Moved(inbound, 23_456)));
    assert_eq!(sas(&mut world, "vpn1"), ids, "the same SAs");
    assert_eq!(world.station(PUBLIC).ops.len(), 2, "and nothing else");
    let encap = |port| Encap::Udp { local: 4500, remote: port };
    for ((peer, was), (_, is)) in before.into_iter().zip(encaps(&mut world)) {
        let wanted = if peer == A { (encap(14_500), encap(23_456)) } else { (Encap::Esp, Encap::Esp) };
        assert_eq!((was, is), wanted, "{peer}");
    }
}

#[test]
fn tunnels_outlive_their_first_keys() {
    let mut world = up();
    let first = sas(&mut world, "vpn2");
    let horizon = world.now + Duration::from_secs(2 * 3600);
    world.run_to(horizon);
    let now = sas(&mut world, "vpn2");
    assert!(now.iter().any(|(_, direction, _)| *direction == Direction::Out));
    assert!(!now.iter().any(|sa| first.contains(sa)));
}

#[test]
fn a_gone_child_gives_its_spi_back() {
    let mut world = up();
    for _ in 0..8 {
        world.ask(PUBLIC, Request::Clear(ClearSa::Session { remote: None, front: None }));
        world.traffic(A, "10.2.0.9", "10.1.0.9");
    }
    let inbound: Vec<_> = world
        .station(PUBLIC)
        .sas()
        .into_iter()
        .filter(|sa| sa.direction == Direction::In)
        .map(|sa| sa.spi)
        .collect();
    assert_eq!(inbound.len(), 1);
    assert!(inbound.iter().all(|spi| ipsec::Sad::slot(*spi) < 5), "{inbound:?}");
}

#[test]
fn clearing_a_session_takes_both_ends_down_and_traffic_brings_it_back() {
    let mut world = up();
    let order = ClearSa::Session { remote: Some(A.parse().unwrap()), front: None };
    assert_eq!(world.ask(PUBLIC, Request::Clear(order)), Response::Done { count: 1 });
    assert_eq!((status_of(&mut world, A).as_str(), status_of(&mut world, B).as_str()), ("DOWN", "UP-ACTIVE"));
    assert!(world.station(A).sas().is_empty());
    world.traffic(A, "10.2.0.9", "10.1.0.9");
    assert_eq!(status_of(&mut world, A), "UP-ACTIVE");
}

#[test]
fn clearing_sas_of_an_inside_vrf_leaves_phase_one_and_the_other_vrf() {
    let mut world = up();
    let order = ClearSa::Sa(SaFilter::Inside("vpn2".to_owned()));
    assert_eq!(world.ask(PUBLIC, Request::Clear(order)), Response::Done { count: 1 });
    assert_eq!(
        (status_of(&mut world, A).as_str(), status_of(&mut world, B).as_str()),
        ("UP-ACTIVE", "UP-IDLE")
    );
}

#[test]
fn session_lines_name_peer_vrfs_and_identity() {
    let mut world = up();
    let log = world.station(PUBLIC).log();
    let line = log.iter().find(|line| line.contains("tunnel is UP") && line.contains(A)).expect("a line");
    assert!(
        line.starts_with("%CRYPTO-5-SESSION_STATUS: Crypto tunnel is UP. Peer 172.16.1.1:500 fvrf"),
        "{line}"
    );
    assert!(line.contains("fvrf: (none) ivrf: vpn1") && line.contains("Id: 172.16.1.1"), "{line}");
    world.ask(PUBLIC, Request::Clear(ClearSa::Session { remote: None, front: None }));
    let log = world.station(PUBLIC).log();
    let line = log.iter().find(|line| line.contains("tunnel is DOWN") && line.contains(B)).expect("a line");
    assert!(line.contains("ivrf: vpn2") && line.contains("Reason: cleared"), "{line}");
}
