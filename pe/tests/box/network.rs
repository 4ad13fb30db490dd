//! What BGP makes of tunnels at another box, over a link or a core with LDP.

use std::time::Duration;

use api::{ClearSa, Request, Response, RouteEntry};
use base::{Instant, Label};
use dataplane::{Hop, Key, LabelAction, Object};

use crate::configs::{CPE_A, PE};
use crate::world::{Station, Wire, World};

pub(crate) const PUBLIC: &str = "172.18.1.1";
pub(crate) const A: &str = "172.16.1.1";
pub(crate) const FAR: &str = "172.17.1.2";

const BGP: &str = "\
router bgp 65000
 bgp router-id OWN
 no bgp default ipv4-unicast
 neighbor OTHER remote-as 65000
 address-family vpnv4
  neighbor OTHER activate
  neighbor OTHER send-community extended
 address-family ipv4 vrf vpn1
  redistribute static
";

pub(crate) const FAR_PE: &str = "\
hostname far
ip vrf vpn1
 rd 100:2
 route-target export 100:1
 route-target import 100:1
interface Ethernet0
 device core0
 ip address 172.17.1.2 255.255.0.0
 tag-switching ip
";

/// The provider edge with this line under the first customer's entry, and no static routes to customers.
pub(crate) fn edge(line: &str) -> String {
    let text: String =
        PE.lines().filter(|line| !line.ends_with(" global")).map(|line| format!("{line}\n")).collect();
    text.replace(" set isakmp-profile vpn1\n", &format!(" set isakmp-profile vpn1\n{line}"))
}

pub(crate) fn bgp(own: &str, other: &str) -> String {
    BGP.replace("OWN", own).replace("OTHER", other)
}

pub(crate) fn wire(segment: u8, station: &'static str, address: &'static str) -> Wire {
    Wire { segment, station, front: None, address }
}

/// The provider edge beside another one that is `FAR_PE`.
pub(crate) fn world(pe: &str) -> World {
    beside(pe, &format!("{FAR_PE}{}", bgp(FAR, "172.17.1.1")))
}

/// The provider edge, one of its customers, and another provider edge behind the core.
pub(crate) fn beside(pe: &str, far: &str) -> World {
    let stations = vec![
        (PUBLIC, Station::new(1, &["core0", "wan0"], pe)),
        (A, Station::new(2, &["wan0", "lan0"], CPE_A)),
        (FAR, Station::new(3, &["core0", "lan0"], far)),
    ];
    let wires = vec![
        wire(0, PUBLIC, PUBLIC),
        wire(0, A, A),
        wire(1, PUBLIC, "172.17.1.1"),
        wire(1, FAR, FAR),
        // What only routing reaches.
        wire(9, PUBLIC, "10.255.0.1"),
        wire(9, FAR, "10.255.0.3"),
    ];
    World::new(stations, wires)
}

pub(crate) fn routes(world: &mut World, at: &str, vrf: Option<&str>) -> Vec<RouteEntry> {
    let request = Request::ShowRoutes { vrf: vrf.map(str::to_owned), ipv6: false };
    let Response::Routes(mut tables) = world.ask(at, request) else { panic!("no routes") };
    tables.remove(0).routes
}

#[test]
fn a_tunnel_becomes_a_vpn_route_at_the_far_provider_edge_and_goes_with_it() {
    let text = format!("{}{}", edge(" reverse-route\n"), bgp("172.17.1.1", FAR));
    let mut world = world(&text);
    world.run_to(Instant::from_secs(60));
    world.traffic(A, "10.2.0.9", "10.1.0.9");
    world.run_to(world.now + Duration::from_secs(1));
    let far = routes(&mut world, FAR, Some("vpn1"));
    let [learnt] = far.as_slice() else { panic!("{far:?}\n{:#?}", world.station(FAR).log()) };
    assert_eq!((learnt.prefix.as_str(), learnt.code.as_str()), ("10.2.0.0/16", "B"));
    assert_eq!(learnt.next_hop, Some("172.17.1.1".parse().unwrap()));
    let label = learnt.labels[0];
    let edge = world.station(PUBLIC);
    let vpn1 = edge.vrf(Some("vpn1"));
    let pops = |object: &Object| matches!(object, Object::Label { label: of, action: LabelAction::PopTo(vrf) } if of.value() == label && *vrf == vpn1);
    assert!(edge.memory.values().any(pops), "its label leads into the VRF");
    world.ask(PUBLIC, Request::Clear(ClearSa::Session { remote: None, front: None }));
    world.run_to(world.now + Duration::from_secs(1));
    assert_eq!(routes(&mut world, FAR, Some("vpn1")), []);
    let kept = world.station(PUBLIC).kept.clone().expect("labels are kept");
    assert!(kept.contains(&format!("{label} vrf vpn1")), "{kept}");
}

#[test]
fn a_vrf_that_learns_routes_sends_what_the_box_says_there_through_the_dataplane() {
    let text = format!("{}{}", edge(" reverse-route\n"), bgp("172.17.1.1", FAR));
    let mut world = world(&text);
    world.run_to(Instant::from_secs(60));
    let of_vpn1 = |world: &mut World| {
        let far = world.station(FAR);
        let vrf = far.vrf(Some("vpn1"));
        far.host
            .routes
            .iter()
            .filter(|route| route.vrf == vrf)
            .map(|it| it.prefix.to_string())
            .collect::<Vec<_>>()
    };
    assert!(of_vpn1(&mut world).is_empty());
    world.traffic(A, "10.2.0.9", "10.1.0.9");
    world.run_to(world.now + Duration::from_secs(1));
    assert_eq!(of_vpn1(&mut world), ["0.0.0.0/0", "::/0"], "not one for each");
}

#[test]
fn what_a_lost_wire_carried_is_lost_at_the_far_side_and_comes_back() {
    let text = format!("{}{}", edge(" reverse-route static\n"), bgp("172.17.1.1", FAR));
    let mut world = world(&text);
    world.run_to(Instant::from_secs(60));
    assert_eq!(routes(&mut world, FAR, Some("vpn1")).len(), 1);
    let wan = world.station(PUBLIC).policies().next().unwrap().port;
    assert!(world.station(PUBLIC).memory.contains_key(&Key::Port(wan)));
    for (up, count) in [(false, 0), (true, 1)] {
        world.tell(PUBLIC, pe::Input::Event(dataplane::Event::Link { port: wan, up }));
        world.run_to(world.now + Duration::from_secs(1));
        assert_eq!(routes(&mut world, FAR, Some("vpn1")).len(), count);
    }
}

const LDP: &str = "\
mpls label protocol ldp
mpls ldp router-id Loopback0 force
interface Loopback0
 ip address OWN 255.255.255.255
";

const CORE: &str = "\
hostname core
interface Ethernet0
 device core0
 ip address 172.17.1.2 255.255.0.0
 tag-switching ip
interface Ethernet1
 device core1
 ip address 172.19.1.2 255.255.255.0
 tag-switching ip
ip route 10.255.0.1 255.255.255.255 172.17.1.1
ip route 10.255.0.3 255.255.255.255 172.19.1.1
";

/// Two provider edges, and a router of the core between them that knows nothing of VPNs; `lines` are the first one's.
pub(crate) fn core(line: &str, lines: &str) -> World {
    let over = |own: &str, other: &str| {
        let peer = format!(" neighbor {other} remote-as 65000\n");
        let text =
            bgp(own, other).replace(&peer, &format!("{peer} neighbor {other} update-source Loopback0\n"));
        format!("{}{text}", LDP.replace("OWN", own))
    };
    let edge = format!(
        "{}{}ip route 10.255.0.3 255.255.255.255 172.17.1.2\n{lines}",
        edge(line),
        over("10.255.0.1", "10.255.0.3")
    );
    let far = format!(
        "{}{}ip route 10.255.0.1 255.255.255.255 172.19.1.2\n",
        FAR_PE.replace("172.17.1.2 255.255.0.0", "172.19.1.1 255.255.255.0"),
        over("10.255.0.3", "10.255.0.1")
    );
    let core = format!("{CORE}{}", LDP.replace("OWN", "10.255.0.2"));
    let stations = vec![
        (PUBLIC, Station::new(1, &["core0", "wan0"], &edge)),
        (A, Station::new(2, &["wan0", "lan0"], CPE_A)),
        ("core", Station::new(3, &["core0", "core1"], &core)),
        (FAR, Station::new(4, &["core0"], &far)),
    ];
    let wires = vec![
        wire(0, PUBLIC, PUBLIC),
        wire(0, A, A),
        wire(1, PUBLIC, "172.17.1.1"),
        wire(1, "core", "172.17.1.2"),
        wire(2, "core", "172.19.1.2"),
        wire(2, FAR, "172.19.1.1"),
        // What only routing reaches.
        wire(9, PUBLIC, "10.255.0.1"),
        wire(9, "core", "10.255.0.2"),
        wire(9, FAR, "10.255.0.3"),
    ];
    World::new(stations, wires)
}

/// What the core does with the transport label of a route of the far side.
fn at_core(world: &mut World, learnt: &RouteEntry) -> (Label, Option<std::net::IpAddr>) {
    let [transport, _] = learnt.labels[..] else { panic!("{learnt:?}") };
    let core = world.station("core");
    let action = core.memory.values().find_map(|object| {
        let Object::Label { label, action } = object else { return None };
        (label.value() == transport).then_some(*action)
    });
    let Some(LabelAction::Swap(label, Hop::Out { gateway, .. })) = action else { panic!("{action:?}") };
    (label, gateway)
}

#[test]
fn a_vpn_route_takes_the_path_of_ldp_through_a_core_that_pops_its_label() {
    let mut world = core(" reverse-route static\n", "");
    world.run_to(Instant::from_secs(120));
    let far = routes(&mut world, FAR, Some("vpn1"));
    let [learnt] = far.as_slice() else { panic!("{far:?}\n{:#?}", world.station(FAR).log()) };
    assert_eq!(learnt.next_hop, Some("10.255.0.1".parse().unwrap()));
    assert_eq!(at_core(&mut world, learnt), (Label::IMPLICIT_NULL, Some("172.17.1.1".parse().unwrap())));
    world.tell("core", pe::Input::DeviceGone("core0".to_owned()));
    world.run_to(world.now + Duration::from_secs(30));
    assert_eq!(routes(&mut world, FAR, Some("vpn1")), [], "no plain IP for what carries another's label");
}

#[test]
fn a_provider_edge_that_asks_for_explicit_null_gets_a_label_on_the_last_hop() {
    let mut world = core(" reverse-route static\n", "mpls ldp explicit-null\n");
    world.run_to(Instant::from_secs(120));
    let far = routes(&mut world, FAR, Some("vpn1"));
    let [learnt] = far.as_slice() else { panic!("{far:?}\n{:#?}", world.station(FAR).log()) };
    assert_eq!(at_core(&mut world, learnt).0, Label::IPV4_EXPLICIT_NULL);
}

#[test]
fn labelled_unicast_of_bgp_is_a_path_and_a_route_without_labels_is_none() {
    let over = |own: &str, link: &str, other: &str, line: &str| {
        let loopback = format!("interface Loopback0\n ip address {own} 255.255.255.255\n");
        let peer = format!(" neighbor {other} remote-as 65000\n");
        let more = format!(
            "{peer} neighbor {other} update-source Loopback0\n neighbor {link} remote-as 65000\n address-family ipv4\n  \
             network {own} mask 255.255.255.255\n  neighbor {link} activate\n{line}"
        );
        format!("{loopback}{}", bgp(own, other).replace(&peer, &more))
    };
    for (labelled, count) in [(true, 1), (false, 0)] {
        let line =
            |link: &str| if labelled { format!("  neighbor {link} send-label\n") } else { String::new() };
        let near = over("10.255.0.1", FAR, "10.255.0.3", &line(FAR));
        let far = over("10.255.0.3", "172.17.1.1", "10.255.0.1", &line("172.17.1.1"));
        let near = format!("{}{near}", edge(" reverse-route static\n"));
        let mut world = beside(&near, &format!("{FAR_PE}{far}"));
        world.run_to(Instant::from_secs(120));
        let core = routes(&mut world, FAR, None);
        assert!(core.iter().any(|route| route.prefix == "10.255.0.1/32" && route.code == "B"), "{core:?}");
        let all = routes(&mut world, FAR, Some("vpn1"));
        assert_eq!(all.len(), count, "{all:?}\n{:#?}", world.station(FAR).log());
        assert!(all.iter().all(|route| route.labels.len() == 1), "the path's own label is implicit null");
    }
}
