//! Reverse routes, row by row of the reference: RRI-01 to RRI-10, HA-1 to HA-3.

use api::{ClearSa, Request, Response};
use base::Instant;

use crate::configs::{CPE_A, CPE_B, PE};
use crate::network::{A, PUBLIC, edge, routes, wire, world};
use crate::world::{Station, World};

const B: &str = "10.1.1.1";

/// The routes of the first customer on the provider edge that no static binding made: prefix, distance, tag, next hop.
fn reverse(world: &mut World, vrf: Option<&str>) -> Vec<(String, u8, u32, String)> {
    let all = routes(world, PUBLIC, vrf).into_iter();
    let all = all.filter(|route| route.code == "S" && route.interface.as_deref() == Some("Ethernet1/2"));
    all.map(|route| {
        let next_hop = route.next_hop.map_or_else(String::new, |hop| hop.to_string());
        (route.prefix, route.distance, route.tag, next_hop)
    })
    .collect()
}

fn route(prefix: &str, distance: u8, tag: u32, hop: &str) -> (String, u8, u32, String) {
    (prefix.to_owned(), distance, tag, hop.to_owned())
}

/// The same for a box that has no static route to the peer itself.
fn far(line: &str) -> World {
    let text = edge(line).replace("172.16.1.1 255.255.255.255 172.18.1.2", "0.0.0.0 0.0.0.0 172.18.1.2");
    world(&text)
}

fn clear(world: &mut World) {
    world.ask(PUBLIC, Request::Clear(ClearSa::Session { remote: None, front: None }));
}

#[test]
fn a_reverse_route_comes_with_the_first_sa_survives_a_rekey_and_goes_with_the_last() {
    let mut world = world(&edge(" reverse-route\n set reverse-route tag 77\n"));
    assert_eq!(reverse(&mut world, Some("vpn1")), []);
    world.traffic(A, "10.2.0.9", "10.1.0.9");
    assert_eq!(reverse(&mut world, Some("vpn1")), [route("10.2.0.0/16", 1, 77, A)]);
    world.station(PUBLIC).told();
    world.run_to(Instant::from_secs(3600));
    let told = world.station(PUBLIC).told();
    assert!(told.iter().any(|op| op.starts_with("set sa")), "it was rekeyed");
    assert!(!told.iter().any(|op| op.contains("10.2.0.0/16") && op.contains("route")), "{told:?}");
    clear(&mut world);
    assert_eq!(reverse(&mut world, Some("vpn1")), []);
}

#[test]
fn the_forms_of_reverse_route_make_the_routes_of_the_reference() {
    let up = |line: &str| {
        let mut world = far(line);
        world.traffic(A, "10.2.0.9", "10.1.0.9");
        let inside = reverse(&mut world, Some("vpn1"));
        let mut front = reverse(&mut world, None);
        front.retain(|route| route.0 == "172.16.1.1/32");
        clear(&mut world);
        let all = reverse(&mut world, None).len() + reverse(&mut world, Some("vpn1")).len();
        assert_eq!(all, 2, "what is configured stays: the ways to the front's default and to the other peer");
        (inside, front)
    };
    let by = |hop| vec![route("10.2.0.0/16", 1, 0, hop)];
    let host = |hop| vec![route("172.16.1.1/32", 1, 0, hop)];
    assert_eq!(up(" reverse-route\n"), (by(A), vec![]));
    assert_eq!(up(" reverse-route remote-peer 172.18.1.9\n"), (by("172.18.1.9"), vec![]));
    assert_eq!(up(" reverse-route remote-peer\n"), (by(A), host("")));
    assert_eq!(up(" reverse-route remote-peer 172.18.1.9 gateway\n"), (by(A), host("172.18.1.9")));
    let weak = " reverse-route remote-peer 172.18.1.9 gateway\n set reverse-route distance 20\n set reverse-route tag 5\n";
    let ranked = |prefix, hop| vec![route(prefix, 20, 5, hop)];
    assert_eq!(up(weak), (ranked("10.2.0.0/16", A), ranked("172.16.1.1/32", "172.18.1.9")));
}

#[test]
fn a_static_reverse_route_stands_without_an_sa_by_the_first_peer_until_line_peer_or_list_go() {
    let line = " reverse-route static\n";
    let with = edge(line).replace(" set peer 172.16.1.1\n", " set peer 172.16.1.1\n set peer 172.16.1.7\n");
    let shown = [route("10.2.0.0/16", 1, 0, A)];
    let mut world = world(&with);
    assert_eq!(reverse(&mut world, Some("vpn1")), shown);
    world.traffic(A, "10.2.0.9", "10.1.0.9");
    assert_eq!(reverse(&mut world, Some("vpn1")), shown);
    clear(&mut world);
    assert_eq!(reverse(&mut world, Some("vpn1")), shown);
    let now = world.now;
    let without = [
        with.replace(line, ""),
        with.replace(" set peer 172.16.1.1\n set peer 172.16.1.7\n", ""),
        with.replace(" match address 101\n", ""),
        with.replace("access-list 101 permit ip 10.1.0.0", "access-list 101 deny ip 10.1.0.0"),
    ];
    for text in without {
        world.station(PUBLIC).configure(now, &text).unwrap();
        assert_eq!(reverse(&mut world, Some("vpn1")), []);
        world.station(PUBLIC).configure(now, &with).unwrap();
        assert_eq!(reverse(&mut world, Some("vpn1")), shown);
    }
}

#[test]
fn an_entry_without_the_line_makes_no_route_though_its_sibling_has_it() {
    let text = edge(" reverse-route static\n");
    let mut world = world(&text);
    assert_eq!(reverse(&mut world, Some("vpn1")).len(), 1);
    assert_eq!(reverse(&mut world, Some("vpn2")), []);
}

#[test]
fn each_entry_of_a_dynamic_map_decides_for_itself_and_each_peer_s_profile_says_which_vrf() {
    let maps = |second: &str| {
        let first = PE.find("crypto map crypmap 1").unwrap();
        let rest = PE.find("interface Ethernet1/1").unwrap();
        let dynamic = format!(
            "crypto dynamic-map sites 10\n set transform-set vpn1\n set isakmp-profile vpn1\n reverse-route\n\
             crypto dynamic-map sites 20\n set transform-set vpn2\n set isakmp-profile vpn2\n{second}\
             crypto map crypmap 1 ipsec-isakmp dynamic sites\n"
        );
        let text = format!("{}{dynamic}{}", &PE[..first], &PE[rest..]);
        text.lines()
            .filter(|line| !line.ends_with(" global"))
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };
    for (second, of_b) in [("", vec![]), (" reverse-route\n", vec![route("10.2.0.0/16", 1, 0, B)])] {
        let stations = vec![
            (PUBLIC, Station::new(1, &["core0", "wan0"], &maps(second))),
            (A, Station::new(2, &["wan0", "lan0"], CPE_A)),
            (B, Station::new(3, &["wan0", "lan0"], CPE_B)),
        ];
        let mut world = World::new(stations, vec![wire(0, PUBLIC, PUBLIC), wire(0, A, A), wire(0, B, B)]);
        assert_eq!(reverse(&mut world, Some("vpn1")), []);
        world.traffic(A, "10.2.0.9", "10.1.0.9");
        world.traffic(B, "10.2.0.9", "10.1.0.9");
        assert_eq!(world.station(PUBLIC).sas().len(), 4);
        assert_eq!(reverse(&mut world, Some("vpn1")), [route("10.2.0.0/16", 1, 0, A)]);
        assert_eq!(reverse(&mut world, Some("vpn2")), of_b);
        clear(&mut world);
        assert_eq!((reverse(&mut world, Some("vpn1")), reverse(&mut world, Some("vpn2"))), (vec![], vec![]));
    }
}

#[test]
fn a_route_that_the_operator_wrote_is_preferred_and_stays() {
    let written = "ip route vrf vpn1 10.2.0.0 255.255.0.0 172.18.1.2 global tag 9\n";
    let mut world = world(&format!("{}{written}", edge(" reverse-route\n")));
    let own = [route("10.2.0.0/16", 1, 9, "172.18.1.2")];
    assert_eq!(reverse(&mut world, Some("vpn1")), own);
    world.traffic(A, "10.2.0.9", "10.1.0.9");
    assert_eq!(reverse(&mut world, Some("vpn1")), own);
    clear(&mut world);
    assert_eq!(reverse(&mut world, Some("vpn1")), own);
}

/// One end of a tunnel between IPv6 networks, `here` and `there`.
fn six(own: &str, peer: &str, (here, there): (&str, &str), line: &str) -> String {
    format!(
        "vrf definition sites\n rd 1:1\n address-family ipv6\n exit-address-family\n\
         crypto ikev2 keyring ring\n peer far\n  address {peer}/128\n  pre-shared-key of-six\n\
         crypto ikev2 profile far\n match identity remote address {peer}/128\n ivrf sites\n \
         authentication local pre-share\n authentication remote pre-share\n keyring local ring\n\
         crypto ipsec transform-set gcm esp-gcm 256\n\
         crypto map ipv6 M 10 ipsec-isakmp\n set peer {peer}\n set transform-set gcm\n \
         set ikev2-profile far\n match address SIX\n{line}\
         interface Ethernet0\n device wan0\n ipv6 address {own}/64\n ipv6 crypto map M\n\
         ipv6 access-list SIX\n permit ipv6 {here} {there}\n"
    )
}

#[test]
fn networks_of_ipv6_become_reverse_routes_too() {
    let (near, far) = ("2001:db8:1::/48", "2001:db8:2::/48");
    let (own, peer, other) = ("2001:db8:9::1", "2001:db8:9::2", "2001:db8:9::7");
    let hop = format!(" reverse-route remote-peer {other}\n");
    for (line, hop, stays) in
        [(" reverse-route\n", peer, false), (&hop, other, false), (" reverse-route static\n", peer, true)]
    {
        let stations = vec![
            (own, Station::new(1, &["wan0"], &six(own, peer, (near, far), line))),
            (peer, Station::new(2, &["wan0"], &six(peer, own, (far, near), ""))),
        ];
        let mut world = World::new(stations, vec![wire(0, own, own), wire(0, peer, peer)]);
        let shown = |world: &mut World| {
            let request = Request::ShowRoutes { vrf: Some("sites".to_owned()), ipv6: true };
            let Response::Routes(mut tables) = world.ask(own, request) else { panic!("no routes") };
            let all = tables.remove(0).routes.into_iter();
            all.map(|route| (route.prefix, route.source, route.next_hop, route.interface)).collect::<Vec<_>>()
        };
        let interface = Some("Ethernet0".to_owned());
        let route = [(far.to_owned(), "reverse".to_owned(), hop.parse().ok(), interface)];
        for _ in 0..2 {
            assert_eq!(shown(&mut world) == route, stays, "{line}");
            world.traffic(peer, "2001:db8:2::9", "2001:db8:1::9");
            assert_eq!(world.station(own).sas().len(), 2, "{:#?}", world.station(own).log());
            assert_eq!(shown(&mut world), route);
            world.ask(own, Request::Clear(ClearSa::Session { remote: None, front: None }));
        }
        assert_eq!(shown(&mut world).len(), usize::from(stays));
    }
}
