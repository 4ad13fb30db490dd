//! A port goes down: what becomes of sessions and routes that hang on it.

use std::collections::BTreeMap;
use std::time::Duration;

use api::{BgpFamily, BgpNeighbor, BgpScope, BgpTables, BgpWhat, Request, Response};
use base::Instant;
use pe::Input;

use crate::network::{FAR, FAR_PE, PUBLIC, beside, bgp, edge, routes};
use crate::world::World;

const NEAR: &str = "172.17.1.1";

fn pe(lines: &str) -> String {
    format!("{}{}{lines}", edge(" reverse-route static\n"), bgp(NEAR, FAR))
}

fn far(lines: &str) -> String {
    format!("{FAR_PE}{}{lines}", bgp(FAR, NEAR))
}

fn joined(near: &str, far: &str) -> World {
    let mut world = beside(near, far);
    world.run_to(Instant::from_secs(60));
    assert_eq!(neighbor(&mut world).state, "Established");
    world
}

/// As the provider edge sees the other one.
fn neighbor(world: &mut World) -> BgpNeighbor {
    let request = Request::ShowBgpNeighbors { scope: None, address: Some(FAR.parse().unwrap()) };
    let Response::BgpNeighbors(mut all) = world.ask(PUBLIC, request) else { panic!("no neighbor") };
    all.remove(0)
}

fn reason(of: &BgpNeighbor) -> Option<&str> {
    of.last_reset.as_ref().map(|reset| reset.reason.as_str())
}

/// The provider edge's port into the core.
fn link(world: &mut World, up: bool) {
    let port = world.station(PUBLIC).port_of(NEAR).expect("a port");
    world.tell(PUBLIC, Input::Event(dataplane::Event::Link { port, up }));
}

fn logged(world: &mut World, part: &str) -> bool {
    world.station(PUBLIC).log().iter().any(|line| line.contains(part))
}

#[test]
fn the_session_of_an_ebgp_neighbor_goes_at_once_with_the_link_that_it_is_on() {
    let multihop = format!(" neighbor {FAR} ebgp-multihop 2\n");
    let usual = format!(" neighbor {FAR} remote-as 65001\n");
    let cases = [
        (true, usual.clone()),
        (true, format!(" no bgp fast-external-fallover\n bgp fast-external-fallover\n{usual}")),
        (false, format!(" no bgp fast-external-fallover\n{usual}")),
        (false, format!("{usual}{multihop}")),
        (false, format!(" neighbor {FAR} remote-as 65000\n")),
    ];
    for (falls, lines) in cases {
        let asn = if lines.contains("65001") { "router bgp 65001" } else { "router bgp 65000" };
        let near = pe("").replace(&format!(" neighbor {FAR} remote-as 65000\n"), &lines);
        let mut world = joined(&near, &far("").replace("router bgp 65000", asn));
        link(&mut world, false);
        let seen = neighbor(&mut world);
        assert_eq!(seen.downtime, falls.then_some(0));
        assert_eq!((seen.state == "Established", seen.dropped), (!falls, u32::from(falls)), "{lines}");
        assert_eq!(logged(&mut world, "%BGP-5-ADJCHANGE: neighbor 172.17.1.2 Down Interface flap"), falls);
        assert_eq!(reason(&seen), falls.then_some("Interface flap"));
        link(&mut world, true);
        world.run_to(world.now + Duration::from_secs(60));
        let seen = neighbor(&mut world);
        assert_eq!((seen.state.as_str(), seen.dropped), ("Established", u32::from(falls)), "{lines}");
    }
}

#[test]
fn own_routes_are_shown_with_their_gateway_and_without_one_with_none() {
    let lines = "ip route vrf vpn1 10.3.0.0 255.255.0.0 172.18.1.3 global\n\
                 ip route vrf vpn1 10.4.0.0 255.255.0.0 Null0\n";
    let mut world = joined(&pe(lines), &far(""));
    let scope = BgpScope { family: BgpFamily::Vpnv4, tables: BgpTables::All };
    let mut shown = |at: &str, what: BgpWhat| {
        let response = world.ask(at, Request::ShowBgp { scope: scope.clone(), what });
        let Response::Bgp(routes) = response else { panic!("{response:?}") };
        let routes = routes.tables.into_iter().flat_map(|table| table.routes);
        let hops: BTreeMap<_, _> =
            routes.map(|route| (route.prefix, route.paths[0].next_hop.to_string())).collect();
        ["10.3.0.0/16", "10.4.0.0/16"].map(|prefix| hops[prefix].clone())
    };
    assert_eq!(shown(PUBLIC, BgpWhat::All), ["172.18.1.3", "0.0.0.0"]);
    assert_eq!(shown(PUBLIC, BgpWhat::To(FAR.parse().unwrap())), [NEAR, NEAR], "as they are sent");
    assert_eq!(shown(FAR, BgpWhat::All), [NEAR, NEAR]);
}

#[test]
fn an_interface_that_is_shut_down_is_a_link_that_is_gone() {
    let ebgp = format!("neighbor {FAR} remote-as 65001\n");
    let near = pe("").replace(&format!("neighbor {FAR} remote-as 65000\n"), &ebgp);
    let mut world = joined(&near, &far("").replace("router bgp 65000", "router bgp 65001"));
    let now = world.now;
    let address = format!(" ip address {NEAR} 255.255.0.0\n");
    assert!(near.contains(&address), "{near}");
    let shut = near.replace(&address, &format!("{address} shutdown\n"));
    world.station(PUBLIC).configure(now, &shut).unwrap();
    assert_eq!(reason(&neighbor(&mut world)), Some("Interface flap"));
}

const INTERVAL: &str = " bfd interval 100 min_rx 100 multiplier 3\n tag-switching ip\n";

fn watched(text: &str) -> String {
    text.replace(" tag-switching ip\n", INTERVAL)
}

fn falling(text: String, peer: &str) -> String {
    let line = format!(" neighbor {peer} remote-as 65000\n");
    text.replace(&line, &format!("{line} neighbor {peer} fall-over bfd\n"))
}

#[test]
fn a_path_that_bfd_watches_fails_with_its_port_and_not_with_its_configuration() {
    let near = falling(watched(&pe("")), FAR);
    let far = falling(watched(&far("")), NEAR);
    for fails in [true, false] {
        let mut world = joined(&near, &far);
        if fails {
            link(&mut world, false);
        } else {
            let now = world.now;
            let unwatched = near.replace(INTERVAL, " tag-switching ip\n");
            world.station(PUBLIC).configure(now, &unwatched).unwrap();
            world.settle();
            world.run_to(world.now + Duration::from_secs(2));
        }
        let seen = neighbor(&mut world);
        assert_eq!(seen.state == "Established", !fails, "{:#?}", world.station(PUBLIC).log());
        assert_eq!(reason(&seen), fails.then_some("BFD Down"));
        assert_eq!(logged(&mut world, "%BFD-5-SESS_DOWN: path to 172.17.1.2"), fails);
    }
}

#[test]
fn a_path_of_several_hops_fails_with_the_last_route_there() {
    let over = |text: String, own: &str, other: &str, link: &str, gateway: &str| {
        let peer = format!(" neighbor {other} remote-as 65000\n");
        let more =
            format!("{peer} neighbor {other} update-source Loopback0\n neighbor {other} fall-over bfd\n");
        format!(
            "interface Loopback0\n ip address {own} 255.255.255.255\n\
             bfd-template multi-hop M\n interval min-tx 100 min-rx 100 multiplier 3\n\
             bfd map ipv4 {other}/32 {own}/32 M\nip route {other} 255.255.255.255 {gateway}\n{}",
            text.replace(link, other).replace(&peer, &more)
        )
    };
    let (one, other) = ("10.255.0.1", "10.255.0.3");
    let near = format!("{}{}", edge(""), over(bgp(NEAR, FAR), one, other, FAR, FAR));
    let far = format!("{FAR_PE}{}", over(bgp(FAR, NEAR), other, one, NEAR, NEAR));
    let mut world = beside(&near, &far);
    world.run_to(Instant::from_secs(60));
    let state = |world: &mut World| {
        let request = Request::ShowBgpNeighbors { scope: None, address: other.parse().ok() };
        let Response::BgpNeighbors(all) = world.ask(PUBLIC, request) else { panic!("no neighbor") };
        (all[0].state == "Established", reason(&all[0]).map(str::to_owned))
    };
    assert_eq!(state(&mut world), (true, None));
    assert!(logged(&mut world, "%BFD-5-SESS_UP: path to 10.255.0.3"), "{:#?}", world.station(PUBLIC).log());
    link(&mut world, false);
    assert_eq!(state(&mut world), (false, Some("BFD Down".to_owned())));
    assert!(logged(&mut world, "%BFD-5-SESS_DOWN: path to 10.255.0.3"));
}

#[test]
fn a_static_route_that_bfd_watches_does_not_come_back_with_its_port_alone() {
    let watch = |text: String, interface: &str, gateway: &str| {
        let route = format!("ip route vrf vpn1 10.99.0.0 255.255.0.0 {interface} {gateway}\n");
        format!("{}ip route static bfd {interface} {gateway}\n{route}", watched(&text))
    };
    let near = watch(pe(""), "Ethernet1/1", FAR);
    let mut world = beside(&near, &watch(far(""), "Ethernet0", NEAR));
    world.run_to(Instant::from_secs(60));
    let stands = |world: &mut World| {
        routes(world, PUBLIC, Some("vpn1"))
            .iter()
            .any(|route| route.prefix == "10.99.0.0/16" && route.code == "S")
    };
    assert!(stands(&mut world));
    link(&mut world, false);
    assert!(!stands(&mut world));
    assert!(logged(&mut world, "%BFD-5-SESS_DOWN: path to 172.17.1.2"));
    link(&mut world, true);
    assert!(!stands(&mut world), "nobody has answered since");
    world.run_to(world.now + Duration::from_secs(20));
    assert!(stands(&mut world));
}
