//! VPN routes between two provider edges: two ways to one site, labels, maps, leaks, and what fails.

use std::collections::BTreeSet;
use std::time::Duration;

use api::{ClearSa, Request, Response, Trace};
use base::{Instant, VrfId};
use dataplane::{Encapsulation, Hop, Link, Object, Tunnel};
use pe::Input;

use crate::network::{A, FAR, FAR_PE, PUBLIC, beside, bgp, edge, routes, world};
use crate::world::{Station, World};

const SITE: &str = "10.2.0.0/16";

/// The other provider edge reaches the same site by a link of its own.
const OTHER_WAY: &str = "\
interface Ethernet1
 device lan0
 ip vrf forwarding vpn1
 ip address 10.66.0.1 255.255.255.0
ip route vrf vpn1 10.2.0.0 255.255.0.0 10.66.0.2
";

fn near(line: &str, lines: &str) -> String {
    format!("{}{}{lines}", edge(line), bgp("172.17.1.1", FAR))
}

fn far(lines: &str) -> String {
    format!("{FAR_PE}{}{lines}", bgp(FAR, "172.17.1.1"))
}

/// Two provider edges whose session is up.
fn joined(near: &str, far: &str) -> World {
    let mut world = beside(near, far);
    world.run_to(Instant::from_secs(60));
    world
}

fn seconds(world: &mut World, count: u64) {
    world.run_to(world.now + Duration::from_secs(count));
}

fn clear(world: &mut World) {
    world.ask(PUBLIC, Request::Clear(ClearSa::Session { remote: None, front: None }));
}

/// Prefix, code and distance of the routes of a VRF beside those of its links and of static bindings.
fn shown(world: &mut World, at: &str, vrf: &str) -> Vec<(String, String, u8)> {
    let all = routes(world, at, Some(vrf)).into_iter();
    let all = all.filter(|route| !["C", "L"].contains(&route.code.as_str()) && route.prefix != "10.1.0.0/16");
    all.map(|route| (route.prefix, route.code, route.distance)).collect()
}

fn one(prefix: &str, code: &str, distance: u8) -> Vec<(String, String, u8)> {
    vec![(prefix.to_owned(), code.to_owned(), distance)]
}

#[test]
fn of_two_ways_to_a_site_the_own_tunnel_is_taken_while_it_stands() {
    let mut world = joined(&near(" reverse-route\n", ""), &far(OTHER_WAY));
    for _ in 0..2 {
        assert_eq!(shown(&mut world, PUBLIC, "vpn1"), one(SITE, "B", 200));
        world.traffic(A, "10.2.0.9", "10.1.0.9");
        assert_eq!(shown(&mut world, PUBLIC, "vpn1"), one(SITE, "S", 1));
        seconds(&mut world, 1);
        assert_eq!(shown(&mut world, FAR, "vpn1"), one(SITE, "S", 1), "each prefers its own");
        world.station(PUBLIC).told();
        clear(&mut world);
        // At once, without a word of the other one, and without a moment without any.
        assert_eq!(shown(&mut world, PUBLIC, "vpn1"), one(SITE, "B", 200));
        let told = world.station(PUBLIC).told();
        assert!(!told.iter().any(|op| op.contains("unset route vpn1")), "{told:?}");
    }
}

#[test]
fn a_reverse_route_with_a_great_distance_waits_for_the_other_way_to_go() {
    let weak = near(" reverse-route\n set reverse-route distance 210\n", "");
    let mut world = joined(&weak, &far(OTHER_WAY));
    world.traffic(A, "10.2.0.9", "10.1.0.9");
    seconds(&mut world, 1);
    assert_eq!(shown(&mut world, PUBLIC, "vpn1"), one(SITE, "B", 200));
    let now = world.now;
    world.station(FAR).configure(now, &far("")).unwrap();
    world.settle();
    seconds(&mut world, 1);
    assert_eq!(shown(&mut world, PUBLIC, "vpn1"), one(SITE, "S", 210));
    assert_eq!(shown(&mut world, FAR, "vpn1"), one(SITE, "B", 200));
    world.station(FAR).configure(now, &far(OTHER_WAY)).unwrap();
    world.settle();
    seconds(&mut world, 1);
    assert_eq!(shown(&mut world, PUBLIC, "vpn1"), one(SITE, "B", 200));
    assert_eq!(shown(&mut world, FAR, "vpn1"), one(SITE, "S", 1));
}

#[test]
fn a_route_map_knows_reverse_routes_by_their_tag() {
    let lines = "ip route vrf vpn1 10.9.0.0 255.255.0.0 172.18.1.2 global\n\
                 route-map TUNNELS permit 10\n match tag 77\n";
    let text = near(" reverse-route\n set reverse-route tag 77\n", lines);
    let text = text.replace("redistribute static", "redistribute static route-map TUNNELS");
    let mut world = joined(&text, &far(""));
    assert_eq!(shown(&mut world, FAR, "vpn1"), []);
    world.traffic(A, "10.2.0.9", "10.1.0.9");
    seconds(&mut world, 1);
    assert_eq!(shown(&mut world, FAR, "vpn1"), one(SITE, "B", 200));
}

#[test]
fn a_tunnel_that_comes_and_goes_while_the_session_takes_nothing_leaves_no_trace() {
    let mut world = joined(&near(" reverse-route\n", ""), &far(""));
    for stands in [false, true, false] {
        world.stalled.insert(PUBLIC);
        for _ in 0..3 {
            world.traffic(A, "10.2.0.9", "10.1.0.9");
            clear(&mut world);
        }
        if stands {
            world.traffic(A, "10.2.0.9", "10.1.0.9");
        }
        world.stalled.clear();
        world.settle();
        seconds(&mut world, 1);
        assert_eq!(shown(&mut world, FAR, "vpn1").len(), usize::from(stands));
        clear(&mut world);
        seconds(&mut world, 1);
        assert_eq!(shown(&mut world, FAR, "vpn1"), []);
    }
}

/// Two sites of one customer, each behind a peer of its own, and a third network behind the first.
const SITES: &str = "\
ip route vrf vpn1 10.3.0.0 255.255.0.0 172.18.1.3 global
ip route vrf vpn1 10.4.0.0 255.255.0.0 172.18.1.4 global
ip route vrf vpn1 10.5.0.0 255.255.0.0 172.18.1.3 global
";

/// The labels of the three networks at the far side, and what the near side keeps over a restart.
fn labels(near: Station) -> (Vec<u32>, Option<String>) {
    let mut world = world("");
    world.replace(PUBLIC, near);
    world.run_to(Instant::from_secs(60));
    let all = routes(&mut world, FAR, Some("vpn1"));
    let prefixes: Vec<_> = all.iter().map(|route| route.prefix.as_str()).collect();
    assert_eq!(prefixes, ["10.3.0.0/16", "10.4.0.0/16", "10.5.0.0/16"]);
    let kept = world.station(PUBLIC).kept.clone();
    (all.iter().map(|route| route.labels[0]).collect(), kept)
}

#[test]
fn labels_are_given_to_vrfs_prefixes_or_ces_and_outlive_a_restart() {
    for (mode, different, alike) in [("per-vrf", 1, (0, 1)), ("per-prefix", 3, (0, 0)), ("per-ce", 2, (0, 2))]
    {
        let lines = format!("{SITES}mpls label mode vrf vpn1 protocol bgp-vpnv4 {mode}\n");
        let text = near("", &lines);
        let (given, kept) = labels(Station::new(1, &["core0", "wan0"], &text));
        assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), different, "{mode}: {given:?}");
        assert_eq!(given[alike.0], given[alike.1], "{mode}: {given:?}");
        // After the restart another class asks for a label first.
        let family = " address-family ipv4 vrf vpn1\n";
        let first = format!(" address-family ipv4 vrf aaa\n  redistribute static\n{family}");
        let other = format!(
            "ip vrf aaa\n rd 9:9\n route-target export 9:9\nip route vrf aaa 10.1.0.0 255.255.0.0 Null0\n{}",
            text.replace(family, &first)
        );
        let mut again = Station::bare(9, &["core0", "wan0"]);
        again.tell(Instant::START, Input::Kept(kept.expect("labels are kept")));
        again.configure(Instant::START, &other).unwrap();
        assert_eq!(labels(again).0, given, "{mode}");
    }
}

/// Another VRF of the far box that takes the customer's routes in, and an import map.
const LEAK: &str = "\
ip vrf shared
 rd 100:9
 route-target import 100:1
 route-target import 100:5
 import map SOME
ip vrf other
 rd 100:8
 route-target import 100:5
ip route vrf vpn1 10.7.0.0 255.255.0.0 Null0
ip route vrf vpn1 10.8.0.0 255.255.0.0 Null0
ip prefix-list SOME seq 5 permit 10.2.0.0/16
ip prefix-list SOME seq 10 permit 10.7.0.0/16
ip prefix-list SEVEN seq 5 permit 10.7.0.0/16
route-map SOME permit 10
 match ip address prefix-list SOME
route-map OUT permit 10
 match ip address prefix-list SEVEN
 set extcommunity rt 100:5
route-map OUT permit 20
";

#[test]
fn routes_leak_between_vrfs_by_their_targets_as_import_and_export_maps_say() {
    let far = far(LEAK).replace(" rd 100:2\n", " rd 100:2\n export map OUT\n");
    let mut world = joined(&near(" reverse-route static\n", ""), &far);
    let prefixes = |world: &mut World, vrf: &str| {
        shown(world, FAR, vrf).into_iter().map(|(prefix, ..)| prefix).collect::<Vec<_>>()
    };
    assert_eq!(prefixes(&mut world, "vpn1"), ["10.2.0.0/16", "10.7.0.0/16", "10.8.0.0/16"]);
    assert_eq!(prefixes(&mut world, "shared"), ["10.2.0.0/16", "10.7.0.0/16"]);
    assert_eq!(prefixes(&mut world, "other"), ["10.7.0.0/16"], "the export map gave it another target");
    assert_eq!(
        shown(&mut world, PUBLIC, "vpn1"),
        [one(SITE, "S", 1), one("10.8.0.0/16", "B", 200)].concat(),
        "and took the usual one"
    );
    let told = world.station(FAR).told();
    let vpn1 = world.station(FAR).vrf(Some("vpn1"));
    let leads = |vrf: &str| format!("set route {vrf} 10.7.0.0/16 Lookup({vpn1:?})");
    assert!(told.contains(&leads("shared")) && told.contains(&leads("other")), "{told:#?}");
}

/// A customer of the far box that has the box's own networks, and gives it one of its own.
const GLOBAL_LEAK: &str = "\
ip route 10.30.0.0 255.255.0.0 172.17.1.1
ip route 10.40.0.0 255.255.0.0 172.17.1.1
ip route 192.168.0.0 255.255.0.0 172.17.1.1
ip route vrf vpn1 10.7.0.0 255.255.0.0 Null0
ip route vrf vpn1 10.8.0.0 255.255.0.0 Null0
ip prefix-list GIVEN seq 5 permit 10.7.0.0/16
ip prefix-list TAKEN seq 5 permit 10.0.0.0/8 le 16
route-map GIVEN permit 10
 match ip address prefix-list GIVEN
route-map TAKEN permit 10
 match ip address prefix-list TAKEN
";

#[test]
fn routes_leak_between_a_vrf_and_the_global_table_as_route_maps_say() {
    let lines = " rd 100:2\n import ipv4 unicast 1 map TAKEN\n export ipv4 unicast map GIVEN\n";
    let families = " address-family ipv4\n  redistribute static\n address-family vpnv4\n";
    let text = far(GLOBAL_LEAK).replace(" rd 100:2\n", lines).replace(" address-family vpnv4\n", families);
    let mut world = joined(&near(" reverse-route static\n", ""), &text);
    let leaked = |world: &mut World, vrf: Option<&str>| {
        let all =
            routes(world, FAR, vrf).into_iter().filter(|route| route.code == "B" && route.labels.is_empty());
        all.map(|route| (route.prefix, route.interface.unwrap_or_default())).collect::<Vec<_>>()
    };
    let way = |prefix: &str, table: &str| vec![(prefix.to_owned(), table.to_owned())];
    assert_eq!(leaked(&mut world, Some("vpn1")), way("10.30.0.0/16", "global"), "one may be");
    assert_eq!(leaked(&mut world, None), way("10.7.0.0/16", "vpn1"));
    let vpn1 = world.station(FAR).vrf(Some("vpn1"));
    let told = world.station(FAR).told();
    for route in
        ["vpn1 10.30.0.0/16 Lookup(VrfId(0))".to_owned(), format!("global 10.7.0.0/16 Lookup({vpn1:?})")]
    {
        assert!(told.contains(&format!("set route {route}")), "{told:#?}");
    }
    let log = world.station(FAR).log();
    let limit = "%BGP-4-LEAKLIMIT: vrf vpn1 takes no more than 1 prefixes of the global table";
    assert!(log.iter().any(|line| line.contains(limit)), "{log:#?}");
    let beyond = [one(SITE, "S", 1), one("10.7.0.0/16", "B", 200), one("10.8.0.0/16", "B", 200)].concat();
    assert_eq!(shown(&mut world, PUBLIC, "vpn1"), beyond, "what comes from the global table is no VPN route");
    let steps = traced(&mut world, Some("vpn1"), [10, 30, 0, 9]);
    assert!(
        steps.iter().any(|step| step.1 == "10.30.0.0/16 in vrf vpn1 leads into vrf global"),
        "{steps:#?}"
    );
    let now = world.now;
    world.station(FAR).configure(now, &text.replace("ip route 10.30.", "ip route 10.31.")).unwrap();
    world.settle();
    assert_eq!(leaked(&mut world, Some("vpn1")), way("10.40.0.0/16", "global"), "the next one's turn");
    world.station(FAR).configure(now, &text.replace(" export ipv4 unicast map GIVEN\n", "")).unwrap();
    world.settle();
    assert_eq!(leaked(&mut world, None), []);
}

#[test]
fn bfd_ends_the_session_of_a_neighbor_that_no_packet_reaches_any_more() {
    let interval = " bfd interval 100 min_rx 100 multiplier 3\n tag-switching ip\n";
    let fall = |text: String, peer: &str| {
        let line = format!(" neighbor {peer} remote-as 65000\n");
        let text = text.replace(" tag-switching ip\n", interval);
        text.replace(&line, &format!("{line} neighbor {peer} fall-over bfd\n"))
    };
    let near = fall(near(" reverse-route static\n", ""), FAR);
    let mut world = joined(&near, &fall(far(""), "172.17.1.1"));
    assert_eq!(shown(&mut world, FAR, "vpn1").len(), 1);
    world.cut.insert(1);
    seconds(&mut world, 1);
    assert_eq!(shown(&mut world, FAR, "vpn1"), []);
    let log = world.station(FAR).log();
    assert!(log.iter().any(|line| line.contains("BFD")), "{log:#?}");
}

#[test]
fn a_static_route_that_bfd_watches_stands_while_its_gateway_answers() {
    let watch = |text: String, interface: &str, gateway: &str| {
        let interval = " bfd interval 100 min_rx 100 multiplier 3\n tag-switching ip\n";
        let text = text.replace(" tag-switching ip\n", interval);
        format!(
            "{text}ip route static bfd {interface} {gateway}\nip route vrf vpn1 10.99.0.0 255.255.0.0 {interface} {gateway}\n"
        )
    };
    let near = watch(near("", ""), "Ethernet1/1", FAR);
    let mut world = beside(&near, &watch(far(""), "Ethernet0", "172.17.1.1"));
    let stands = |world: &mut World| {
        shown(world, PUBLIC, "vpn1").iter().any(|(prefix, code, _)| prefix == "10.99.0.0/16" && code == "S")
    };
    assert!(!stands(&mut world), "nobody has answered yet");
    for cut in [false, true, false] {
        if cut {
            world.cut.insert(1);
        } else {
            world.cut.clear();
        }
        seconds(&mut world, 20);
        assert_eq!(stands(&mut world), !cut);
    }
}

/// To the other provider edge only plain IP leads, and a tunnel of labels in UDP, which no session goes through.
const IN_UDP: &str = "\
interface Tunnel9
 tunnel mode mpls udp ip
 tunnel source Ethernet0
 tunnel destination 172.17.1.1
 mpls ip
ip route 10.255.9.1 255.255.255.255 Tunnel9
route-map UDP permit 10
 set ip next-hop 10.255.9.1
";

/// What stands at the far side with `IN_UDP`.
fn in_udp(lines: &str) -> World {
    let activate = "  neighbor 172.17.1.1 activate\n";
    let text = far(lines)
        .replace(" tag-switching ip\n", "")
        .replace(activate, &format!("{activate}  neighbor 172.17.1.1 route-map UDP in\n"));
    joined(&near(" reverse-route static\n", ""), &text)
}

/// Stage, text and drop of each step at the far side.
fn traced(
    world: &mut World,
    vrf: Option<&str>,
    destination: [u8; 4],
) -> Vec<(String, String, Option<String>)> {
    let request = Trace {
        vrf: vrf.map(str::to_owned),
        source: [10, 1, 0, 9].into(),
        destination: destination.into(),
        protocol: 1,
        source_port: 0,
        destination_port: 0,
        size: 100,
    };
    let Response::Trace(steps) = world.ask(FAR, Request::Trace(request)) else { panic!("no trace") };
    steps.into_iter().map(|step| (step.stage, step.text, step.drop)).collect()
}

#[test]
fn over_plain_ip_a_vpn_route_goes_into_udp_under_its_vpn_label_alone() {
    let mut world = in_udp(IN_UDP);
    let learnt = routes(&mut world, FAR, Some("vpn1"));
    let [route] = &learnt[..] else { panic!("{learnt:?}\n{:#?}", world.station(FAR).log()) };
    assert_eq!((route.prefix.as_str(), route.labels.len()), (SITE, 1));
    let station = world.station(FAR);
    let ports = station.memory.values().filter_map(|object| {
        let Object::Port(port) = object else { return None };
        (port.name == "Tunnel9").then_some(port)
    });
    let [port] = ports.collect::<Vec<_>>()[..] else { panic!("no port") };
    let (local, remote) = ([172, 17, 1, 2].into(), [172, 17, 1, 1].into());
    let tunnel = Tunnel { front: VrfId::GLOBAL, local, remote, encapsulation: Encapsulation::MplsUdp };
    assert_eq!((port.mtu, port.link), (1472, Link::Tunnel(tunnel)));
    let leads = station.memory.values().any(|object| {
        let Object::Route(dataplane::Route { hop: Hop::Out { port: by, push, .. }, .. }) = object else {
            return false;
        };
        *by == port.id && push.iter().map(|label| label.value()).eq([route.labels[0]])
    });
    assert!(leads, "the VPN label alone");
    let steps = traced(&mut world, Some("vpn1"), [10, 2, 0, 9]);
    let said = |stage: &str, text: &str| steps.iter().any(|step| step.0 == stage && step.1.contains(text));
    assert!(said("labels", &format!("push {} (outermost first)", route.labels[0])), "{steps:#?}");
    assert!(said("udp", "from 172.17.1.2 to 172.17.1.1 port 6635 in vrf global"), "{steps:#?}");
    assert!(said("mtu", "100 bytes of the packet, 1468 fit on Tunnel9 (mtu 1472)"), "{steps:#?}");
    assert!(said("mtu", "132 bytes of the packet, 1500 fit on Ethernet0"), "{steps:#?}");
    let unlabelled = traced(&mut world, None, [10, 255, 9, 1]);
    assert_eq!(unlabelled.last().unwrap().2.as_deref(), Some("unlabelled"));
}

#[test]
fn without_mpls_ip_a_tunnel_of_labels_is_no_port() {
    let mut world = in_udp(&IN_UDP.replace(" mpls ip\n", ""));
    assert_eq!(routes(&mut world, FAR, Some("vpn1")), []);
    let log = world.station(FAR).log();
    assert!(log.iter().any(|line| line.contains("it carries labels alone, and has no `mpls ip`")), "{log:?}");
}
