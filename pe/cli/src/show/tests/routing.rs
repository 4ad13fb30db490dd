//! BGP, LDP, BFD and what belongs to them.

use super::*;

fn path(next_hop: &str, from: Option<&str>) -> BgpPath {
    BgpPath {
        from: from.map(ip),
        from_router_id: from.map(|_| [10, 255, 0, 9].into()),
        source: from.is_none().then(|| "reverse".into()),
        external: false,
        next_hop: ip(next_hop),
        igp_metric: Some(0),
        med: Some(0),
        local_preference: from.map(|_| 100),
        weight: if from.is_none() { 32768 } else { 0 },
        as_path: Vec::new(),
        origin: "incomplete".into(),
        atomic_aggregate: false,
        aggregator: None,
        communities: Vec::new(),
        extended_communities: vec!["RT:100:1".into()],
        large_communities: Vec::new(),
        originator: None,
        clusters: Vec::new(),
        label: None,
        local_label: None,
        aggregate: None,
        path_id: 0,
        tag: 0,
        imported_from: None,
        leaked_from: None,
        stale: false,
        best: Some("only path".into()),
    }
}

fn route(prefix: &str, paths: Vec<BgpPath>) -> BgpRoute {
    BgpRoute { prefix: prefix.into(), paths }
}

fn table(rd: &str, vrf: Option<&str>, routes: Vec<BgpRoute>) -> BgpTable {
    BgpTable { rd: Some(rd.into()), vrf: vrf.map(str::to_owned), routes }
}

fn routes(tables: Vec<BgpTable>) -> BgpRoutes {
    BgpRoutes {
        router_id: [10, 255, 0, 1].into(),
        local_as: 65000,
        family: "VPNv4 Unicast".into(),
        tables,
        more: None,
    }
}

fn vpn() -> BgpRoutes {
    let own = BgpPath { local_label: Some(16), aggregate: Some("vpn1".into()), ..path("0.0.0.0", None) };
    let learnt = BgpPath {
        label: Some(203),
        igp_metric: Some(20),
        imported_from: Some("100:2".into()),
        originator: Some([10, 255, 0, 3].into()),
        clusters: vec![[10, 255, 0, 9].into()],
        best: Some("local preference".into()),
        local_preference: Some(200),
        ..path("10.255.0.3", Some("10.255.0.9"))
    };
    let customer = BgpPath {
        external: true,
        local_preference: None,
        as_path: vec![65001, 65002],
        origin: "IGP".into(),
        communities: vec!["65001:7".into(), "no-export".into()],
        extended_communities: vec!["SoO:100:7".into(), "RT:100:1".into()],
        large_communities: vec!["65001:1:2".into()],
        aggregator: Some((65002, [192, 0, 2, 1].into())),
        atomic_aggregate: true,
        med: None,
        stale: true,
        best: None,
        tag: 65001,
        ..path("10.1.0.2", Some("10.1.0.2"))
    };
    let lost = BgpPath { igp_metric: None, best: None, path_id: 7, ..path("10.255.0.4", Some("10.255.0.9")) };
    let vpn1 =
        vec![route("10.1.0.0/16", vec![own]), route("10.2.0.0/16", vec![learnt.clone(), customer, lost])];
    let far = BgpPath { imported_from: None, ..learnt };
    let long = route("2001:db8:1:2::/64", vec![path("2001:db8:ffff:ffff::1", Some("10.255.0.9"))]);
    let mapped = route("2001:db8:3::/48", vec![path("10.255.0.3", Some("10.255.0.9"))]);
    routes(vec![
        table("100:1", Some("vpn1"), vpn1),
        table("100:2", None, vec![route("10.2.0.0/16", vec![far]), long, mapped]),
    ])
}

#[test]
fn tables_of_bgp_have_ioss_columns() {
    golden("bgp", &plain(&Response::Bgp(vpn())));
    golden("bgp-labels", &render(&Request::ShowDrops, &Response::Bgp(vpn()), Look::Labels));
    assert!(!plain(&Response::Bgp(routes(Vec::new()))).contains("Distinguisher"));
}

#[test]
fn a_route_of_bgp_is_shown_with_all_that_is_known_of_each_path() {
    let scope = BgpScope { family: BgpFamily::Vpnv4, tables: BgpTables::All };
    let request = Request::ShowBgp { scope, what: BgpWhat::Prefix("10.2.0.0/16".into()) };
    golden("bgp-route", &render(&request, &Response::Bgp(vpn()), Look::Plain));
}

#[test]
fn a_page_goes_on_in_the_table_where_the_one_before_ended() {
    let mut first = Response::Bgp(BgpRoutes { more: Some("100:1 10.1.0.0/16".into()), ..vpn() });
    let Response::Bgp(BgpRoutes { tables, more, .. }) = &mut first else { panic!("not of BGP") };
    let rest = BgpRoutes { tables: tables.split_off(1), more: None, ..vpn() };
    let second = table("100:1", Some("vpn1"), tables[0].routes.split_off(1));
    assert_eq!(more.as_deref(), Some("100:1 10.1.0.0/16"));
    first.join(Response::Bgp(BgpRoutes { tables: [vec![second], rest.tables].concat(), ..rest }));
    assert_eq!(first, Response::Bgp(vpn()));
    first.join(Response::Failed { error: "no VRF red".into(), hint: None });
    assert!(matches!(first, Response::Failed { .. }), "half an answer is none");
}

fn line(address: &str, vrf: Option<&str>, uptime: Option<u64>) -> BgpSummaryLine {
    BgpSummaryLine {
        vrf: vrf.map(str::to_owned),
        address: ip(address),
        remote_as: 65000,
        received: 35,
        sent: 36,
        state: if uptime.is_some() { "Established" } else { "Idle (Admin)" }.into(),
        uptime,
        downtime: None,
        prefixes_accepted: 2,
        prefixes_sent: 1,
        description: None,
    }
}

#[test]
fn a_summary_has_a_line_for_each_neighbor() {
    let family = |family: &str, neighbors| BgpFamilySummary { family: family.into(), neighbors };
    let vpn = vec![
        line("10.255.0.9", None, Some(1801)),
        line("10.255.0.10", None, None),
        BgpSummaryLine { state: "Active".into(), downtime: Some(12), ..line("10.255.0.11", None, None) },
        BgpSummaryLine { remote_as: 4_200_000_000, ..line("10.1.0.2", Some("vpn1"), Some(93_784)) },
    ];
    let summary = BgpSummary {
        router_id: [10, 255, 0, 1].into(),
        local_as: 65000,
        prefixes: 4,
        paths: 5,
        attributes: 1,
        families: vec![
            family("VPNv4 Unicast", vpn),
            family("IPv6 Unicast", vec![line("2001:db8:ffff::1234", None, Some(5))]),
        ],
    };
    golden("bgp-summary", &plain(&Response::BgpSummary(summary)));
}

fn neighbor() -> BgpNeighbor {
    let family = BgpFamilyState {
        family: "VPNv4 Unicast".into(),
        route_reflector_client: true,
        next_hop_self: true,
        accepted: 2,
        denied: 3,
        sent: 1,
        maximum_prefix: Some(1000),
        route_map_in: Some("IN".into()),
        route_map_out: None,
        prefix_list_in: None,
        prefix_list_out: Some("OUT".into()),
        end_of_rib: true,
        told: false,
    };
    BgpNeighbor {
        vrf: None,
        address: ip("10.255.0.9"),
        description: Some("route reflector".into()),
        remote_as: 65000,
        local_as: 65000,
        external: false,
        state: "Established".into(),
        local_address: Some(ip("10.255.0.1")),
        remote_router_id: Some([10, 255, 0, 9].into()),
        uptime: Some(1801),
        downtime: None,
        hold: 180,
        keepalive: 60,
        four_octet_as: true,
        route_refresh: true,
        enhanced_refresh: false,
        extended_message: true,
        graceful_restart: Some(120),
        stale_left: None,
        bfd: true,
        password: true,
        messages_sent: 36,
        messages_received: 35,
        updates_sent: 1,
        updates_received: 2,
        notifications_sent: 0,
        notifications_received: 0,
        established: 1,
        dropped: 0,
        last_reset: None,
        families: vec![family],
    }
}

#[test]
fn neighbors_say_what_both_sides_can_and_what_was_exchanged() {
    let lost = BgpNeighbor {
        vrf: Some("vpn1".into()),
        address: ip("10.1.0.2"),
        description: None,
        remote_as: 65001,
        external: true,
        state: "Active".into(),
        local_address: None,
        remote_router_id: None,
        uptime: None,
        downtime: Some(13),
        stale_left: Some(77),
        bfd: false,
        password: false,
        dropped: 1,
        last_reset: Some(BgpReset { since: 13, reason: "Hold time expired".into() }),
        families: Vec::new(),
        ..neighbor()
    };
    golden("bgp-neighbors", &plain(&Response::BgpNeighbors(vec![neighbor(), lost])));
}

fn ldp_neighbor() -> LdpNeighbor {
    LdpNeighbor {
        peer: "10.255.0.2:0".into(),
        local: "10.255.0.1:0".into(),
        state: "Oper".into(),
        local_address: Some(ip("10.255.0.1")),
        remote_address: Some(ip("10.255.0.2")),
        active: false,
        ttl_security: true,
        messages_sent: 13,
        messages_received: 14,
        uptime: Some(242),
        keepalive: Some(180),
        sources: vec![
            LdpSource { interface: Some("Ethernet0/0".into()), address: ip("172.17.1.2") },
            LdpSource { interface: None, address: ip("10.255.0.2") },
        ],
        addresses: ["172.17.1.2", "172.19.1.2", "10.255.0.2", "172.20.1.2", "2001:db8::2", "fe80::2"]
            .map(ip)
            .to_vec(),
        bindings: 4,
        stale: 1,
        stale_left: Some(90),
        restart: Some((120, 0)),
        complaint: None,
    }
}

#[test]
fn ldp_neighbors_show_sessions_sources_and_addresses() {
    let refused = LdpNeighbor {
        peer: "10.255.0.5:0".into(),
        state: "Nonexistent".into(),
        local_address: None,
        remote_address: None,
        ttl_security: false,
        uptime: None,
        keepalive: None,
        sources: Vec::new(),
        addresses: Vec::new(),
        stale_left: None,
        restart: None,
        complaint: Some("Session Rejected/No Hello".into()),
        ..ldp_neighbor()
    };
    let neighbors = Response::LdpNeighbors(vec![ldp_neighbor(), refused]);
    golden("ldp-neighbor", &plain(&neighbors));
    golden("ldp-neighbor-detail", &detail(&neighbors));
}

#[test]
fn ldp_bindings_tell_the_one_in_use() {
    let remote = |peer: &str, label: &str, in_use: bool| LdpRemoteBinding {
        peer: peer.into(),
        label: label.into(),
        stale: !in_use,
        in_use,
    };
    let binding = |prefix: &str, local: Option<&str>, remote| LdpBinding {
        prefix: prefix.into(),
        local: local.map(str::to_owned),
        remote,
    };
    let bindings = vec![
        binding("10.255.0.1/32", Some("imp-null"), vec![]),
        binding(
            "10.255.0.3/32",
            Some("17"),
            vec![remote("10.255.0.2:0", "18", true), remote("10.255.0.5:0", "exp-null", false)],
        ),
        binding("192.0.2.0/24", None, vec![remote("10.255.0.2:0", "19", true)]),
    ];
    golden("ldp-bindings", &plain(&Response::LdpBindings(LdpBindings { bindings, more: None })));
}

#[test]
fn ldp_discovery_shows_where_hellos_are_sent_and_heard() {
    let hello = |interface: Option<&str>, hold| LdpHello {
        interface: interface.map(str::to_owned),
        source: ip("172.17.1.2"),
        peer: "10.255.0.2:0".into(),
        transport: ip("10.255.0.2"),
        hold,
    };
    let discovery = Response::LdpDiscovery(LdpDiscovery {
        router_id: [10, 255, 0, 1].into(),
        interfaces: vec!["Ethernet0/0".into(), "Ethernet0/1".into()],
        hellos: vec![hello(Some("Ethernet0/0"), Some((15, 12))), hello(None, None)],
        ignored: vec![("our own router id".into(), 3)],
    });
    golden("ldp-discovery", &plain(&discovery));
    golden("ldp-discovery-detail", &detail(&discovery));
}

#[test]
fn bfd_sessions_stand_by_family() {
    let session = |remote: &str, interface: Option<&str>| BfdSession {
        vrf: interface.is_none().then(|| "vpn1".into()),
        local: ip("172.17.1.1"),
        remote: ip(remote),
        interface: interface.map(str::to_owned),
        state: "Up".into(),
        remote_state: Some("Up".into()),
        since: 62,
        discriminators: (1, 4097),
        multipliers: (3, 5),
        diagnostics: ("No Diagnostic".into(), "Neighbor Signaled Session Down".into()),
        transmit: Some(50),
        detection: 250,
        sent: 1200,
        received: 1199,
        clients: vec!["BGP".into(), "Static".into()],
    };
    let silent = BfdSession {
        state: "Down".into(),
        remote_state: None,
        discriminators: (2, 0),
        transmit: None,
        ..session("10.255.0.9", None)
    };
    let sessions = Response::Bfd(vec![
        session("172.17.1.2", Some("Ethernet0/0")),
        silent,
        session("2001:db8::2", Some("Ethernet0/0")),
    ]);
    golden("bfd", &plain(&sessions));
    golden("bfd-details", &detail(&sessions));
}

#[test]
fn routes_of_tunnels_have_the_form_of_the_reference() {
    let route = |vrf: Option<&str>, prefix: &str, next_hop: Option<&str>, code: &str| CryptoRoute {
        vrf: vrf.map(str::to_owned),
        prefix: prefix.into(),
        distance: 1,
        tag: 0,
        next_hop: next_hop.map(ip),
        interface: Some("Ethernet1/2".into()),
        code: code.into(),
        users: 1,
        in_use: true,
    };
    let routes = vec![
        route(None, "172.16.1.1/32", Some("172.18.1.2"), "RRI"),
        CryptoRoute {
            distance: 10,
            tag: 77,
            ..route(Some("vpn1"), "10.2.0.0/16", Some("172.16.1.1"), "RRI")
        },
        CryptoRoute { in_use: false, ..route(Some("vpn1"), "10.3.0.0/16", Some("172.16.1.1"), "S") },
        CryptoRoute {
            interface: Some("Tunnel0".into()),
            ..route(Some("vpn1"), "2001:db8::/48", None, "VTI")
        },
    ];
    golden("crypto-route", &plain(&Response::CryptoRoutes(routes)));
}

#[test]
fn policies_read_as_they_are_written() {
    let entry = |sequence, permit, matches: &[&str], sets: &[&str], next| RouteMapEntry {
        sequence,
        permit,
        matches: matches.iter().map(|&line| line.to_owned()).collect(),
        sets: sets.iter().map(|&line| line.to_owned()).collect(),
        next,
    };
    let map = RouteMap {
        name: "CUST".into(),
        entries: vec![
            entry(
                10,
                true,
                &["ip address prefix-list P"],
                &["local-preference 200", "community 1:2"],
                Some(20),
            ),
            entry(20, false, &[], &[], None),
        ],
    };
    golden("route-map", &plain(&Response::RouteMaps(vec![map])));
    let rule =
        |sequence, prefix: &str, ge, le| PrefixRule { sequence, permit: true, prefix: prefix.into(), ge, le };
    let list = |name: &str, ipv6, rules| PrefixList { name: name.into(), ipv6, rules };
    let lists = vec![
        list(
            "P",
            false,
            vec![rule(5, "10.0.0.0/8", Some(16), Some(24)), rule(10, "192.0.2.0/24", None, None)],
        ),
        list("SIX", true, vec![rule(5, "2001:db8::/32", None, Some(48))]),
    ];
    golden("prefix-list", &plain(&Response::PrefixLists(lists)));
}

#[test]
fn orders_say_how_many_sessions_they_concerned() {
    let done = |request: &Request| render(request, &Response::Done { count: 2 }, Look::Plain);
    let clear =
        Request::ClearBgp { vrf: None, family: None, neighbors: BgpNeighbors::All, how: ClearBgp::Hard };
    assert_eq!(done(&clear), "Cleared: 2\n");
    assert_eq!(done(&Request::ClearLdp { peer: None }), "Cleared: 2\n");
    let debug = Request::Debug { topic: DebugTopic::Bgp, on: true };
    assert_eq!(done(&debug), "BGP debugging is on\n");
}
