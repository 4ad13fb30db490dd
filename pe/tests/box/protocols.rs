//! What an operator sees of BGP, LDP and their routes, and may order.

use std::time::Duration;

use api::{
    BgpFamily, BgpNeighbors, BgpRoutes, BgpScope, BgpTable, BgpTables, BgpWhat, ClearBgp, DebugTopic,
    LabelTable, Request, Response, Trace,
};
use base::Instant;

use crate::configs::PE;
use crate::network::{FAR, PUBLIC, core};
use crate::world::{Station, World};

const NEAR_ID: &str = "10.255.0.1";
const CORE_ID: &str = "10.255.0.2:0";

/// The provider edge with a tunnel's route, a core with LDP, and another provider edge; all sessions are up.
fn up() -> World {
    let mut world = core(" reverse-route static\n", "");
    world.run_to(Instant::from_secs(120));
    world
}

fn vpnv4(tables: BgpTables) -> BgpScope {
    BgpScope { family: BgpFamily::Vpnv4, tables }
}

fn bgp(world: &mut World, at: &str, tables: BgpTables, what: BgpWhat) -> Result<BgpRoutes, String> {
    let response = world.ask(at, Request::ShowBgp { scope: vpnv4(tables), what });
    if let Response::Failed { error, .. } = response {
        return Err(error);
    }
    let Response::Bgp(routes) = response else { panic!("{response:?}") };
    Ok(routes)
}

/// Route distinguisher and VRF of each table, and its prefixes.
fn outline(of: &BgpRoutes) -> Vec<(&str, Option<&str>, Vec<&str>)> {
    let mut rows = Vec::new();
    for BgpTable { rd, vrf, routes } in &of.tables {
        let prefixes = routes.iter().map(|route| route.prefix.as_str()).collect();
        rows.push((rd.as_deref().unwrap_or_default(), vrf.as_deref(), prefixes));
    }
    rows
}

fn clear_all() -> Request {
    let neighbors = BgpNeighbors::All;
    Request::ClearBgp { vrf: None, family: None, neighbors, how: ClearBgp::Hard }
}

fn labels(world: &mut World, at: &str, vrf: Option<&str>) -> LabelTable {
    let response = world.ask(at, Request::ShowMplsForwarding { vrf: vrf.map(str::to_owned) });
    let Response::MplsForwarding(table) = response else { panic!("{response:?}") };
    table
}

#[test]
fn vpn_routes_stand_by_distinguisher_and_imported_ones_in_their_vrf_too() {
    let mut world = up();
    let far = bgp(&mut world, FAR, BgpTables::All, BgpWhat::All).unwrap();
    assert_eq!(
        outline(&far),
        [("100:1", None, vec!["10.2.0.0/16"]), ("100:2", Some("vpn1"), vec!["10.2.0.0/16"])]
    );
    let [learned, imported] = [0, 1].map(|at: usize| far.tables[at].routes[0].paths[0].clone());
    assert_eq!((learned.imported_from, imported.imported_from.as_deref()), (None, Some("100:1")));
    assert_eq!(imported.from, Some(NEAR_ID.parse().unwrap()));
    assert_eq!(imported.from_router_id, Some(NEAR_ID.parse().unwrap()));
    assert_eq!(imported.extended_communities, ["RT:100:1"]);
    assert_eq!(imported.best.as_deref(), Some("only path"));
    assert!(imported.label.is_some() && imported.igp_metric.is_some() && !imported.external);
    let near = bgp(&mut world, PUBLIC, BgpTables::Vrf("vpn1".into()), BgpWhat::All).unwrap();
    assert_eq!(outline(&near), [("100:1", Some("vpn1"), vec!["10.2.0.0/16"])]);
    let own = &near.tables[0].routes[0].paths[0];
    assert_eq!((own.source.as_deref(), own.weight, own.from), (Some("reverse"), 32768, None));
    assert_eq!(own.aggregate.as_deref(), Some("vpn1"));
    assert_eq!(own.extended_communities, ["RT:100:1"], "as it is exported");
    assert_eq!(own.local_label, learned.label);
    let rd = bgp(&mut world, FAR, BgpTables::Rd("100:1".into()), BgpWhat::All).unwrap();
    assert_eq!(outline(&rd), [("100:1", None, vec!["10.2.0.0/16"])]);
    assert_eq!(
        bgp(&mut world, FAR, BgpTables::Rd("9:9".into()), BgpWhat::All).err().as_deref(),
        Some("no routes under 9:9")
    );
}

#[test]
fn one_route_is_found_by_network_or_by_the_longest_with_an_address() {
    let mut world = up();
    for text in ["10.2.0.0/16", "10.2.9.9"] {
        let found = bgp(&mut world, FAR, BgpTables::All, BgpWhat::Prefix(text.into())).unwrap();
        assert_eq!(found.tables.len(), 2, "{text}");
    }
    let fault = |world: &mut World, text: &str| {
        bgp(world, FAR, BgpTables::All, BgpWhat::Prefix(text.into())).err().unwrap()
    };
    assert_eq!(fault(&mut world, "10.2.0.0/17"), "Network not in table");
    assert_eq!(fault(&mut world, "192.0.2.1"), "Network not in table");
    assert_eq!(fault(&mut world, "2001:db8::1"), "2001:db8::1 is no network or address of this family");
}

#[test]
fn what_a_neighbor_is_told_is_what_it_takes_in() {
    let mut world = up();
    let (near, far) = (NEAR_ID.parse().unwrap(), "10.255.0.3".parse().unwrap());
    let told = bgp(&mut world, PUBLIC, BgpTables::All, BgpWhat::To(far)).unwrap();
    assert_eq!(outline(&told), [("100:1", Some("vpn1"), vec!["10.2.0.0/16"])]);
    let taken = bgp(&mut world, FAR, BgpTables::All, BgpWhat::From(near)).unwrap();
    let [told, taken] = [told, taken].map(|of| of.tables[0].routes[0].paths[0].clone());
    assert_eq!((told.next_hop, told.label), (taken.next_hop, taken.label));
    assert_eq!(told.next_hop, near);
    assert_eq!(bgp(&mut world, FAR, BgpTables::All, BgpWhat::To(near)).unwrap().tables, []);
    assert!(bgp(&mut world, FAR, BgpTables::All, BgpWhat::Received(near)).is_err());
    let fault = bgp(&mut world, FAR, BgpTables::All, BgpWhat::From(far)).err();
    assert_eq!(fault.as_deref(), Some("no neighbor 10.255.0.3"));
}

#[test]
fn neighbors_are_counted_and_come_back_after_they_were_cleared() {
    let mut world = up();
    let request = Request::ShowBgpSummary { scope: Some(vpnv4(BgpTables::All)) };
    let Response::BgpSummary(summary) = world.ask(FAR, request.clone()) else { panic!("no summary") };
    let [family] = &summary.families[..] else { panic!("{summary:?}") };
    let [line] = &family.neighbors[..] else { panic!("{summary:?}") };
    assert_eq!((summary.local_as, family.family.as_str()), (65000, "VPNv4 Unicast"));
    assert_eq!((line.state.as_str(), line.prefixes_accepted, line.prefixes_sent), ("Established", 1, 0));
    assert!(line.uptime.is_some() && line.received > 0);
    let clear = |vrf: Option<&str>, family, neighbors| Request::ClearBgp {
        vrf: vrf.map(str::to_owned),
        family,
        neighbors,
        how: ClearBgp::Hard,
    };
    for (count, vrf, family, neighbors) in [
        (0, Some("vpn1"), None, BgpNeighbors::All),
        (0, None, Some(BgpFamily::Vpnv6), BgpNeighbors::All),
        (0, None, None, BgpNeighbors::As(65001)),
        (1, None, Some(BgpFamily::Vpnv4), BgpNeighbors::As(65000)),
    ] {
        assert_eq!(world.ask(FAR, clear(vrf, family, neighbors)), Response::Done { count });
    }
    world.run_to(world.now + Duration::from_secs(60));
    let request = Request::ShowBgpNeighbors { scope: None, address: Some(NEAR_ID.parse().unwrap()) };
    let Response::BgpNeighbors(neighbors) = world.ask(FAR, request) else { panic!("no neighbors") };
    let [neighbor] = &neighbors[..] else { panic!("{neighbors:?}") };
    assert_eq!((neighbor.established, neighbor.dropped, neighbor.state.as_str()), (2, 1, "Established"));
    let reset = neighbor.last_reset.as_ref().unwrap();
    assert_eq!((reset.reason.as_str(), reset.since), ("Administrative Reset", 60));
    assert!(neighbor.families[0].told && neighbor.downtime.is_none());
    let one = clear(None, None, BgpNeighbors::Address(NEAR_ID.parse().unwrap()));
    let Request::ClearBgp { vrf, family, neighbors, .. } = one else { panic!("{one:?}") };
    let soft = Request::ClearBgp { vrf, family, neighbors, how: ClearBgp::Soft };
    assert_eq!(world.ask(FAR, soft), Response::Done { count: 1 });
    let stranger = Request::ShowBgpNeighbors { scope: None, address: Some([192, 0, 2, 9].into()) };
    assert!(matches!(world.ask(FAR, stranger), Response::Failed { .. }));
}

#[test]
fn ldp_shows_neighbors_labels_and_hellos_and_comes_back_after_it_was_cleared() {
    let mut world = up();
    let Response::LdpNeighbors(neighbors) = world.ask(FAR, Request::ShowLdpNeighbors { peer: None }) else {
        panic!("no neighbors")
    };
    let [neighbor] = &neighbors[..] else { panic!("{neighbors:?}") };
    assert_eq!((neighbor.peer.as_str(), neighbor.state.as_str()), (CORE_ID, "Oper"));
    assert_eq!(neighbor.sources[0].interface.as_deref(), Some("Ethernet0"));
    let Response::LdpBindings(all) = world.ask(FAR, Request::ShowLdpBindings) else { panic!("no bindings") };
    let binding = all.bindings.iter().find(|binding| binding.prefix == "10.255.0.1/32").unwrap();
    assert!(binding.remote.iter().any(|remote| remote.peer == CORE_ID && remote.in_use), "{binding:?}");
    let Response::LdpDiscovery(discovery) = world.ask(FAR, Request::ShowLdpDiscovery) else { panic!("none") };
    assert_eq!(discovery.interfaces, ["Ethernet0"]);
    assert_eq!(discovery.hellos[0].peer, CORE_ID);
    let by_address = Request::ShowLdpNeighbors { peer: Some([172, 17, 1, 2].into()) };
    assert!(matches!(world.ask(FAR, by_address), Response::LdpNeighbors(found) if found.len() == 1));
    let stranger = Request::ClearLdp { peer: Some([192, 0, 2, 9].into()) };
    assert!(matches!(world.ask(FAR, stranger), Response::Failed { .. }));
    assert_eq!(world.ask(FAR, Request::ClearLdp { peer: None }), Response::Done { count: 1 });
    world.run_to(world.now + Duration::from_secs(60));
    let Response::LdpNeighbors(neighbors) = world.ask(FAR, Request::ShowLdpNeighbors { peer: None }) else {
        panic!("no neighbors")
    };
    assert_eq!(neighbors[0].state, "Oper");
    assert!(neighbors[0].uptime < Some(61));
}

#[test]
fn labels_are_shown_with_what_leaves_instead_and_a_vrf_with_what_it_pushes() {
    let mut world = up();
    let core = labels(&mut world, "core", None);
    let to_near = core.entries.iter().find(|entry| entry.prefix == "10.255.0.1/32").unwrap();
    assert_eq!((to_near.outgoing.as_str(), to_near.interface.as_deref()), ("Pop Label", Some("Ethernet0")));
    assert_eq!(to_near.next_hop, Some([172, 17, 1, 1].into()));
    let vpn = labels(&mut world, FAR, Some("vpn1"));
    let [pushed] = &vpn.entries[..] else { panic!("{vpn:?}") };
    let given = labels(&mut world, PUBLIC, Some("vpn1"));
    let given = given.entries.iter().find(|entry| entry.prefix == "aggregate").unwrap();
    assert_eq!((given.outgoing.as_str(), given.vrf.as_deref()), ("Pop Label", Some("vpn1")));
    let stack = format!("{}/{}", to_near.local.unwrap(), given.local.unwrap());
    assert_eq!((pushed.prefix.as_str(), pushed.local, &pushed.outgoing), ("10.2.0.0/16", None, &stack));
    assert_eq!(pushed.next_hop, Some([172, 19, 1, 2].into()));
}

#[test]
fn a_traced_packet_names_who_gave_each_label() {
    let mut world = up();
    let request = Request::Trace(Trace {
        vrf: Some("vpn1".into()),
        source: [10, 1, 0, 9].into(),
        destination: [10, 2, 0, 9].into(),
        protocol: 1,
        source_port: 0,
        destination_port: 0,
        size: 84,
    });
    let Response::Trace(steps) = world.ask(FAR, request) else { panic!("no trace") };
    let step = steps.iter().find(|step| step.stage == "labels").unwrap();
    let [transport, vpn] = labels(&mut world, FAR, Some("vpn1"))
        .entries
        .pop()
        .unwrap()
        .outgoing
        .split('/')
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    assert_eq!(
        step.text,
        format!(
            "push {transport} {vpn} (outermost first): {vpn} by BGP neighbor {NEAR_ID} for next hop {NEAR_ID}, \
             {transport} by LDP neighbor {CORE_ID} to {NEAR_ID}/32"
        )
    );
}

#[test]
fn one_route_of_a_vrf_says_what_it_is_known_by() {
    let mut world = up();
    let ask = |world: &mut World, at, destination: &str| {
        world.ask(at, Request::ShowRoute { vrf: Some("vpn1".into()), destination: destination.into() })
    };
    let Response::Routes(tables) = ask(&mut world, FAR, "10.2.9.9") else { panic!("no route") };
    let route = &tables[0].routes[0];
    assert_eq!((route.prefix.as_str(), route.source.as_str(), route.labels.len()), ("10.2.0.0/16", "bgp", 2));
    let Response::Routes(tables) = ask(&mut world, PUBLIC, "10.2.0.0/16") else { panic!("no route") };
    assert_eq!((tables[0].routes[0].source.as_str(), tables[0].routes[0].code.as_str()), ("reverse", "S"));
    for destination in ["10.2.0.0/17", "192.0.2.1", "nowhere"] {
        assert!(matches!(ask(&mut world, FAR, destination), Response::Failed { .. }), "{destination}");
    }
    let Response::CryptoRoutes(routes) = world.ask(PUBLIC, Request::ShowCryptoRoutes) else { panic!("none") };
    let [route] = &routes[..] else { panic!("{routes:?}") };
    assert_eq!((route.vrf.as_deref(), route.prefix.as_str()), (Some("vpn1"), "10.2.0.0/16"));
    assert_eq!((route.code.as_str(), route.users, route.in_use), ("S", 1, true));
}

#[test]
fn debugging_tells_of_sessions_and_routes_until_it_is_switched_off() {
    let mut world = up();
    let debug = |topic, on| Request::Debug { topic, on };
    let lines = |world: &mut World| {
        let log = world.station(FAR).log();
        log.into_iter()
            .filter(|line| line.starts_with("BGP: ") || line.starts_with("ldp: "))
            .collect::<Vec<_>>()
    };
    assert_eq!(lines(&mut world), [""; 0]);
    world.ask(FAR, debug(DebugTopic::Bgp, true));
    world.ask(FAR, debug(DebugTopic::Ldp, true));
    world.ask(FAR, clear_all());
    world.ask(FAR, Request::ClearLdp { peer: None });
    world.run_to(world.now + Duration::from_secs(60));
    let told = lines(&mut world);
    for part in [
        "BGP: 10.255.0.1 went from Established to Idle",
        "BGP: vrf vpn1: 10.2.0.0/16 withdrawn",
        "BGP: vrf vpn1: 10.2.0.0/16 [200/0] via 10.255.0.1 label",
        "ldp: 10.255.0.2:0 went from Oper to",
        "ldp: 10.255.0.1/32: no label-switched path any more",
        "via 172.19.1.2 of 10.255.0.2:0",
    ] {
        assert!(told.iter().any(|line| line.contains(part)), "{part} is not in\n{}", told.join("\n"));
    }
    world.ask(FAR, debug(DebugTopic::All, false));
    let before = lines(&mut world).len();
    world.run_to(world.now + Duration::from_secs(200));
    assert_eq!(lines(&mut world).len(), before);
}

/// A box with this many static routes in a VRF, which BGP takes.
fn many(count: usize) -> Station {
    let route =
        |at: usize| format!("ip route vrf vpn2 10.{}.{}.0 255.255.255.0 Null0\n", 100 + at / 256, at % 256);
    let routes: String = (0..count).map(route).collect();
    Station::new(
        1,
        &["core0", "wan0"],
        &format!("{PE}{routes}router bgp 65000\n address-family ipv4 vrf vpn2\n  redistribute static\n"),
    )
}

fn pages(station: &mut Station, request: &Request) -> (Response, usize) {
    let now = Instant::from_secs(1);
    let mut whole = station.ask(now, request.clone());
    let mut count = 1;
    while let Some(after) = whole.more().map(str::to_owned) {
        whole.join(station.ask(now, Request::More { of: Box::new(request.clone()), after }));
        count += 1;
    }
    (whole, count)
}

#[test]
fn long_tables_come_in_pages_that_leave_nothing_out() {
    let mut station = many(2100);
    let (Response::Routes(tables), 3) =
        pages(&mut station, &Request::ShowRoutes { vrf: Some("vpn2".into()), ipv6: false })
    else {
        panic!("not three pages")
    };
    let prefixes: Vec<_> = tables[0].routes.iter().map(|route| route.prefix.clone()).collect();
    let many = prefixes.iter().filter(|prefix| prefix.ends_with(".0/24")).count();
    assert_eq!((tables.len(), many), (1, 2100));
    let what = BgpWhat::All;
    let request = Request::ShowBgp { scope: vpnv4(BgpTables::All), what };
    let (Response::Bgp(routes), 3) = pages(&mut station, &request) else { panic!("not three pages") };
    let [table] = &routes.tables[..] else { panic!("{:?}", outline(&routes)) };
    assert_eq!((table.rd.as_deref(), table.vrf.as_deref()), (Some("101:1"), Some("vpn2")));
    let shown: Vec<_> = table.routes.iter().map(|route| route.prefix.as_str()).collect();
    assert_eq!(shown.iter().filter(|prefix| prefix.ends_with(".0/24")).count(), 2100);
    let bad = Request::More { of: Box::new(request), after: "nonsense".into() };
    assert!(matches!(station.ask(Instant::from_secs(1), bad), Response::Failed { .. }));
    let none = Request::More { of: Box::new(Request::ShowDrops), after: String::new() };
    assert!(matches!(station.ask(Instant::from_secs(1), none), Response::Failed { .. }));
}

#[test]
fn policies_are_listed_as_they_stand_in_the_configuration() {
    let text = "\
ip prefix-list P seq 5 permit 10.0.0.0/8 ge 16 le 24
ip prefix-list P seq 10 deny 0.0.0.0/0 le 32
ipv6 prefix-list SIX seq 5 permit 2001:db8::/32 ge 48
route-map CUST permit 10
 match ip address prefix-list P
 set local-preference 200
 continue 20
route-map CUST deny 20
route-map OTHER permit 10
";
    let mut station = Station::new(1, &["core0", "wan0"], &format!("{PE}{text}"));
    let now = Instant::from_secs(1);
    let Response::RouteMaps(maps) = station.ask(now, Request::ShowRouteMaps { name: None }) else {
        panic!("none")
    };
    let [cust, other] = &maps[..] else { panic!("{maps:?}") };
    assert_eq!((cust.name.as_str(), other.name.as_str()), ("CUST", "OTHER"));
    assert_eq!(cust.entries[0].matches, ["ip address prefix-list P"]);
    assert_eq!(
        (&cust.entries[0].sets[..], cust.entries[0].next),
        (["local-preference 200".to_owned()].as_slice(), Some(20))
    );
    assert_eq!((cust.entries[1].sequence, cust.entries[1].permit), (20, false));
    let lists = |station: &mut Station, ipv6| {
        let response = station.ask(now, Request::ShowPrefixLists { name: None, ipv6 });
        let Response::PrefixLists(lists) = response else { panic!("{response:?}") };
        lists
            .into_iter()
            .flat_map(|list| list.rules)
            .map(|rule| (rule.prefix, rule.ge, rule.le))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        lists(&mut station, false),
        [("10.0.0.0/8".into(), Some(16), Some(24)), ("0.0.0.0/0".into(), None, Some(32))]
    );
    assert_eq!(lists(&mut station, true), [("2001:db8::/32".into(), Some(48), None)]);
    let named = |name: &str| Request::ShowRouteMaps { name: Some(name.into()) };
    assert!(matches!(station.ask(now, named("OTHER")), Response::RouteMaps(maps) if maps.len() == 1));
    assert!(matches!(station.ask(now, named("NONE")), Response::Failed { .. }));
}

#[test]
fn what_does_not_run_says_what_it_lacks() {
    let mut station = Station::new(1, &["wan0"], "interface Ethernet0\n device wan0\n");
    for request in [
        Request::ShowBgpSummary { scope: None },
        Request::ShowBgp { scope: vpnv4(BgpTables::All), what: BgpWhat::All },
        clear_all(),
        Request::ShowLdpBindings,
        Request::ShowLdpNeighbors { peer: None },
        Request::ClearLdp { peer: None },
    ] {
        let Response::Failed { error, hint } = station.ask(Instant::from_secs(1), request) else {
            panic!("nothing runs")
        };
        assert!(error.ends_with("not active") && hint.is_some());
    }
}
