//! Fixed answers against what they must look like; `UPDATE=1 cargo test -p onramp` rewrites the files
//! in `golden/` after a wanted change.

use std::net::IpAddr;
use std::path::Path;

use api::*;

use super::*;

mod ike;
mod routing;

fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/show/golden").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap();
    assert!(text == wanted, "{name}: is\n{text}\nbut should be\n{wanted}");
}

fn plain(response: &Response) -> String {
    render(&Request::ShowDrops, response, Look::Plain)
}

fn detail(response: &Response) -> String {
    render(&Request::ShowDrops, response, Look::Detail)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn isakmp_sa(connection: u32, remote: &str) -> IsakmpSa {
    IsakmpSa {
        version: 1,
        established: true,
        front: Some("internet".into()),
        inside: Some("vpn1".into()),
        local: ip(if remote.contains(':') { "2001:db8::1" } else { "172.18.1.1" }),
        local_port: 500,
        remote: ip(remote),
        remote_port: 500,
        state: "QM_IDLE".into(),
        connection,
        initiator: false,
        profile: Some("vpn1".into()),
        identity: Some(remote.into()),
        encryption: Some("3des".into()),
        hash: Some("sha".into()),
        authentication: Some("pre-share".into()),
        group: Some(2),
        nat: false,
        lifetime_left: Some(86_341),
        cookies: ("0123456789ABCDEF".into(), "FEDCBA9876543210".into()),
    }
}

fn isakmp_sas() -> Response {
    let negotiating = IsakmpSa {
        front: None,
        inside: None,
        state: "MM_KEY_EXCH".into(),
        established: false,
        initiator: true,
        encryption: None,
        hash: None,
        authentication: None,
        group: None,
        profile: None,
        identity: None,
        lifetime_left: None,
        nat: true,
        ..isakmp_sa(2, "10.1.1.1")
    };
    Response::IsakmpSas(vec![isakmp_sa(1, "172.16.1.1"), negotiating, isakmp_sa(3, "2001:db8::9")])
}

fn ipsec_sa(spi: u32, connection: u32) -> IpsecSa {
    IpsecSa {
        spi,
        transform: "esp-3des esp-sha-hmac".into(),
        mode: "Tunnel".into(),
        connection,
        seconds_left: 3421,
        kilobytes_left: Some(4_607_998),
        iv: 8,
        replay_window: 64,
        esn: false,
        packets: 4,
        bytes: 336,
        sequence: 4,
    }
}

fn proxy(address: &str, mask: &str) -> Proxy {
    Proxy { address: ip(address), mask: ip(mask), protocol: 0, port: 0 }
}

fn flow() -> IpsecFlow {
    IpsecFlow {
        interface: "Ethernet1/1".into(),
        map: "crypmap".into(),
        sequence: 1,
        local_address: ip("172.18.1.1"),
        front: None,
        inside: Some("vpn1".into()),
        local: proxy("10.1.0.0", "255.255.0.0"),
        remote: proxy("10.2.0.0", "255.255.0.0"),
        peer: ip("172.16.1.1"),
        peer_port: 500,
        connection: Some(1),
        encaps: 4,
        decaps: 5,
        encaps_bytes: 336,
        decaps_bytes: 420,
        send_errors: 0,
        recv_errors: 1,
        path_mtu: 1500,
        inbound: vec![ipsec_sa(0x0123_4567, 1)],
        outbound: vec![ipsec_sa(0xA1B2_C3D4, 2)],
    }
}

fn empty_flow() -> IpsecFlow {
    IpsecFlow {
        inside: None,
        sequence: 3,
        local: proxy("2001:db8:1::", "ffff:ffff:ffff::"),
        remote: proxy("2001:db8:2::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        connection: None,
        encaps: 0,
        decaps: 0,
        encaps_bytes: 0,
        decaps_bytes: 0,
        recv_errors: 0,
        inbound: Vec::new(),
        outbound: Vec::new(),
        ..flow()
    }
}

#[test]
fn isakmp_sas_name_both_vrfs_and_the_ends_as_the_first_message_had_them() {
    golden("isakmp-sa", &plain(&isakmp_sas()));
    golden("isakmp-sa-detail", &detail(&isakmp_sas()));
}

#[test]
fn isakmp_profiles_list_what_they_match() {
    let profile = |name: &str, keyrings: &[&str]| IsakmpProfile {
        name: name.into(),
        vrf: Some(name.into()),
        identities: vec!["address 172.16.1.1 255.255.255.255".into()],
        keyrings: keyrings.iter().map(|&ring| ring.to_owned()).collect(),
        certificate_maps: Vec::new(),
        trustpoints: Vec::new(),
        self_identity: None,
        aggressive: false,
        bindings: vec!["Ethernet1/1 (172.18.1.1:global)".into()],
    };
    golden(
        "isakmp-profile",
        &plain(&Response::IsakmpProfiles(vec![profile("vpn1", &["vpn1"]), profile("vpn2", &[])])),
    );
}

#[test]
fn keys_are_named_and_never_shown() {
    let key = |vrf: Option<&str>, peer: &str| IsakmpKey {
        keyring: vrf.unwrap_or("default").into(),
        vrf: vrf.map(str::to_owned),
        peer: peer.into(),
    };
    golden(
        "isakmp-key",
        &plain(&Response::IsakmpKeys(vec![key(None, "0.0.0.0 0.0.0.0"), key(Some("red"), "172.16.1.1")])),
    );
}

#[test]
fn policies_show_every_value_also_the_default_ones() {
    let policy = |priority, encryption: &str, hash: &str, authentication: &str| IsakmpPolicy {
        priority,
        default: priority == 65535,
        encryption: encryption.into(),
        hash: hash.into(),
        authentication: authentication.into(),
        group: 2,
        group_bits: 1024,
        lifetime: 86_400,
        left_out: (authentication == "rsa-sig").then(|| "no trustpoint has a key of ours".into()),
    };
    let policies = vec![
        policy(10, "3des", "sha", "pre-share"),
        policy(20, "aes 256", "sha256", "pre-share"),
        policy(65535, "des", "sha", "rsa-sig"),
    ];
    golden("isakmp-policy", &plain(&Response::IsakmpPolicies(policies)));
}

#[test]
fn ipsec_sas_have_ioss_fields_and_six_groups_also_when_there_is_none() {
    let flows = Response::IpsecSas(vec![flow(), empty_flow()]);
    golden("ipsec-sa", &plain(&flows));
    golden("ipsec-sa-detail", &detail(&flows));
}

#[test]
fn sessions_show_their_flows() {
    let session = Session {
        interface: "Ethernet1/1".into(),
        status: "UP-ACTIVE".into(),
        peer: ip("172.16.1.1"),
        peer_port: 500,
        front: None,
        inside: Some("vpn1".into()),
        description: Some("site A1".into()),
        identity: Some("172.16.1.1".into()),
        profile: Some("vpn1".into()),
        uptime: 93_784,
        isakmp: vec![isakmp_sa(1, "172.16.1.1")],
        flows: vec![flow(), empty_flow()],
    };
    let down = Session {
        status: "DOWN".into(),
        isakmp: Vec::new(),
        flows: vec![empty_flow()],
        uptime: 0,
        ..session.clone()
    };
    let sessions = Response::Sessions(vec![session, down]);
    golden("session", &plain(&sessions));
    golden("session-detail", &detail(&sessions));
}

#[test]
fn routes_say_through_which_table_and_under_which_labels() {
    let route = |prefix: &str, code: &str, next_hop: Option<&str>, interface: &str| RouteEntry {
        prefix: prefix.into(),
        code: code.into(),
        source: if code == "C" { "connected" } else { "static" }.into(),
        distance: 1,
        metric: 0,
        tag: 0,
        next_hop: next_hop.map(ip),
        interface: Some(interface.into()),
        global: false,
        labels: Vec::new(),
    };
    let vpn = RouteTable {
        vrf: Some("vpn1".into()),
        ipv6: false,
        routes: vec![
            route("0.0.0.0/0", "S", Some("172.18.1.2"), "Ethernet1/1"),
            RouteEntry {
                labels: vec![100],
                tag: 7,
                ..route("10.1.0.0/16", "S", Some("10.0.0.2"), "Ethernet0/0")
            },
            RouteEntry { global: true, ..route("10.2.0.0/16", "S", Some("172.18.1.2"), "Ethernet1/1") },
            route("192.0.2.0/24", "C", None, "Ethernet2/0"),
            route("203.0.113.0/24", "S", None, "Null0"),
            RouteEntry {
                source: "bgp".into(),
                distance: 200,
                global: true,
                labels: vec![17, 203],
                ..route("198.51.100.0/24", "B", Some("10.255.0.3"), "Ethernet0/0")
            },
        ],
        more: None,
    };
    let six = RouteTable {
        vrf: None,
        ipv6: true,
        routes: vec![
            route("2001:db8::/32", "S", Some("fe80::1"), "Ethernet0/0"),
            route("2001:db8:1::/64", "C", None, "Ethernet0/0"),
        ],
        more: None,
    };
    let one = Request::ShowRoute { vrf: Some("vpn1".into()), destination: "10.2.0.1".into() };
    let mut few = vpn.clone();
    few.routes.retain(|route| route.tag != 0 || route.code != "S");
    golden("route", &render(&one, &Response::Routes(vec![few]), Look::Plain));
    golden("routes", &plain(&Response::Routes(vec![vpn])));
    golden("routes-ipv6", &plain(&Response::Routes(vec![six])));
    let empty = RouteTable { vrf: None, ipv6: false, routes: Vec::new(), more: None };
    assert!(plain(&Response::Routes(vec![empty])).contains("Gateway of last resort is not set"));
}

#[test]
fn vrfs_show_their_interfaces_and_targets() {
    let vrf = |name: &str, rd: Option<&str>, interfaces: &[&str]| VrfSummary {
        name: name.into(),
        rd: rd.map(str::to_owned),
        import: vec!["100:1".into(), "100:2".into()],
        export: Vec::new(),
        ipv4: true,
        ipv6: rd.is_some(),
        interfaces: interfaces.iter().map(|&name| name.to_owned()).collect(),
        leaks: Vec::new(),
    };
    let leak = |import: bool, limit: u32, prefixes, beyond| VrfLeak {
        import,
        ipv6: !import,
        map: "SOME".into(),
        limit,
        prefixes,
        beyond,
    };
    let leaks = vec![leak(true, 2, 2, 7), leak(false, 1000, 12, 0)];
    let vrfs = Response::Vrfs(vec![
        VrfSummary { leaks, ..vrf("vpn1", Some("100:1"), &["Ethernet1/0", "Ethernet1/2"]) },
        vrf("vpn2", None, &[]),
    ]);
    golden("vrf", &plain(&vrfs));
    golden("vrf-detail", &detail(&vrfs));
    golden("vrf-families", &render(&Request::ShowVrfs, &vrfs, Look::Families));
}

#[test]
fn labels_come_in_columns() {
    let entry = |local, outgoing: &str, interface: Option<&str>, next_hop: Option<&str>| LabelEntry {
        local,
        outgoing: outgoing.into(),
        prefix: "10.2.0.0/16".into(),
        vrf: Some("vpn1".into()),
        bytes: Some(5400),
        packets: Some(10),
        interface: interface.map(str::to_owned),
        next_hop: next_hop.map(ip),
    };
    let entries = vec![
        entry(Some(101), "Pop Label", None, None),
        entry(None, "201", Some("Ethernet0/0"), Some("10.0.0.2")),
        entry(None, "No Label", None, Some("10.0.0.2")),
        LabelEntry {
            vrf: None,
            prefix: "10.255.0.3/32".into(),
            ..entry(Some(17), "18", Some("Ethernet0/0"), Some("10.0.0.2"))
        },
        entry(None, "17/203", Some("Ethernet0/0"), Some("10.0.0.2")),
    ];
    golden("mpls", &plain(&Response::MplsForwarding(LabelTable { entries, more: None })));
}

#[test]
fn the_dataplane_shows_what_it_lacks_and_refuses() {
    let feature = |name: &str, state: &str, found| Feature { name: name.into(), state: state.into(), found };
    let of = Dataplane {
        backend: "linux".into(),
        features: vec![feature("VRF", "", true), feature("MPLS", "modprobe mpls_router", false)],
        problems: vec!["wan0 does not offload ESP: done in software".into()],
        refused: vec!["label 100: there is no MPLS".into()],
    };
    golden("dataplane", &plain(&Response::Dataplane(of)));
    let of = Dataplane { backend: "user".into(), features: vec![], problems: vec![], refused: vec![] };
    assert_eq!(plain(&Response::Dataplane(of)), "Dataplane: user (onrampd itself forwards)\n");
}

#[test]
fn interfaces_show_state_place_and_counters() {
    let interface = InterfaceState {
        name: "Ethernet1/1".into(),
        device: "wan0".into(),
        description: Some("to the internet".into()),
        up: true,
        vrf: Some("internet".into()),
        mac: Some("0200.0000.0001".into()),
        mtu: 1500,
        addresses: vec!["172.18.1.1/24".into(), "2001:db8::1/64".into()],
        mpls: true,
        crypto_maps: vec!["crypmap".into(), "six".into()],
        packets_in: 10,
        bytes_in: 1400,
        packets_out: 9,
        bytes_out: 1300,
        drops_out: 1,
    };
    let bare = InterfaceState {
        up: false,
        name: "Ethernet9".into(),
        description: None,
        vrf: None,
        mac: None,
        addresses: Vec::new(),
        mpls: false,
        crypto_maps: Vec::new(),
        ..interface.clone()
    };
    golden("interfaces", &plain(&Response::Interfaces(vec![interface, bare])));
}

#[test]
fn drops_put_what_happened_first_with_what_it_means() {
    let drop = |name: &str, packets| Drop { name: name.into(), meaning: format!("about {name}"), packets };
    golden(
        "drops",
        &plain(&Response::Drops(vec![drop("malformed", 0), drop("no-sa", 3), drop("looping", 0)])),
    );
}

#[test]
fn a_trace_ends_where_the_packet_ends() {
    let step = |stage: &str, text: &str, drop: Option<&str>| TraceStep {
        stage: stage.into(),
        text: text.into(),
        drop: drop.map(str::to_owned),
    };
    let steps = vec![
        step("route", "10.1.0.0/16 via 10.0.0.2 out of Ethernet0/0", None),
        step("policy", "no entry of vrf vpn1 permits it", Some("outside-policy")),
    ];
    golden("trace", &plain(&Response::Trace(steps)));
}

#[test]
fn a_failure_says_what_to_do() {
    let failure = Response::Failed { error: "no VRF rde".into(), hint: Some("did you mean `red`?".into()) };
    assert_eq!(plain(&failure), "% no VRF rde\nhint: did you mean `red`?\n");
}

#[test]
fn orders_are_confirmed() {
    let done = Response::Done { count: 3 };
    let said = |request| render(&request, &done, Look::Plain);
    assert_eq!(said(Request::Reload), "Done; changes: 3\n");
    assert_eq!(said(Request::Clear(ClearSa::Sa(SaFilter::All))), "Cleared: 3\n");
    assert_eq!(said(Request::Clear(ClearSa::Counters)), "Counters cleared\n");
    let debug = Request::Debug { topic: DebugTopic::Isakmp, on: true };
    assert_eq!(said(debug), "Crypto ISAKMP debugging is on\n");
}

#[test]
fn a_running_configuration_is_printed_as_it_is() {
    assert_eq!(plain(&Response::Text("hostname pe1".into())), "hostname pe1\n");
}

#[test]
fn times_read_as_on_ios() {
    assert_eq!(clock(86_341), "23:59:01");
    assert_eq!(uptime(59), "00:00:59");
    assert_eq!(uptime(93_784), "1d02h");
}

#[test]
fn every_response_survives_the_wire() {
    for response in
        [isakmp_sas(), Response::IpsecSas(vec![flow(), empty_flow()]), Response::Text("x\ny".into())]
    {
        let line = serde_json::to_string(&response).unwrap();
        assert!(!line.contains('\n'), "one line each");
        assert_eq!(serde_json::from_str::<Response>(&line).unwrap(), response);
    }
}
