//! Version 2, explanations, maps, certificates and admission.

use super::*;

fn child() -> Ikev2Child {
    Ikev2Child {
        local: (ip("10.1.0.0"), ip("10.1.255.255"), 0, 65_535),
        remote: (ip("10.2.0.0"), ip("10.2.255.255"), 0, 65_535),
        protocol: 0,
        spi_in: 0x0123_4567,
        spi_out: 0xA1B2_C3D4,
        transform: "esp-gcm 256".into(),
        transport: false,
        esn: true,
        seconds_left: 3421,
    }
}

fn sa(id: u32, remote: &str) -> Ikev2Sa {
    Ikev2Sa {
        id,
        front: Some("internet".into()),
        inside: Some("vpn1".into()),
        local: ip(if remote.contains(':') { "2001:db8::1" } else { "172.18.1.1" }),
        local_port: 4500,
        remote: ip(remote),
        remote_port: 4500,
        state: "READY".into(),
        initiator: false,
        profile: Some("road".into()),
        identity: Some("gw.example.net".into()),
        encryption: Some("aes-gcm-256".into()),
        integrity: None,
        prf: Some("sha512".into()),
        groups: vec![31, 36],
        own_identity: Some("172.18.1.1".into()),
        authentication: Some(("PSK".into(), "ECDSA".into())),
        lifetime: 86_400,
        active: 59,
        spis: ("0123456789ABCDEF".into(), "FEDCBA9876543210".into()),
        nat: true,
        ppk: false,
        mobike: true,
        fragmentation: true,
        children: vec![child()],
    }
}

fn sas() -> Response {
    let negotiating = Ikev2Sa {
        front: None,
        inside: None,
        state: "IN-NEG".into(),
        profile: None,
        identity: None,
        encryption: None,
        prf: None,
        groups: Vec::new(),
        own_identity: None,
        authentication: None,
        nat: false,
        children: Vec::new(),
        ..sa(2, "10.1.1.1")
    };
    Response::Ikev2Sas(vec![sa(1, "172.16.1.1"), negotiating, sa(3, "2001:db8::9")])
}

#[test]
fn sas_of_version_2_have_ioss_layout() {
    golden("ikev2-sa", &plain(&sas()));
    golden("ikev2-sa-detailed", &detail(&sas()));
    golden("ikev2-session", &render(&Request::ShowIkev2Sas, &sas(), Look::Sessions));
    golden("ikev2-session-detailed", &render(&Request::ShowIkev2Sas, &sas(), Look::SessionsDetail));
}

#[test]
fn proposals_policies_and_profiles_of_version_2_show_what_holds() {
    let words = |list: &[&str]| list.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let proposal = Ikev2Proposal {
        name: "default".into(),
        encryption: words(&["aes-gcm-256", "aes-cbc-128"]),
        integrity: words(&["sha512", "sha1"]),
        prf: words(&["sha512"]),
        groups: vec![19, 31],
        additional: vec![vec![36, 37]],
    };
    golden("ikev2-proposal", &plain(&Response::Ikev2Proposals(vec![proposal])));
    let policy = |front: &str, local: &[&str]| Ikev2Policy {
        name: "default".into(),
        front: front.into(),
        local: local.iter().map(|address| ip(address)).collect(),
        proposals: words(&["default"]),
    };
    golden(
        "ikev2-policy",
        &plain(&Response::Ikev2Policies(vec![policy("any", &[]), policy("red", &["192.0.2.1"])])),
    );
    let profile = Ikev2Profile {
        name: "road".into(),
        front: "global".into(),
        local: Vec::new(),
        identities: words(&["address 172.16.1.1 255.255.255.255", "fqdn domain example.net"]),
        certificate_maps: Vec::new(),
        local_identity: Some("fqdn hub.example.net".into()),
        local_authentication: Some("pre-share".into()),
        remote_authentication: words(&["pre-share", "rsa-sig"]),
        keyring: Some("ring".into()),
        sign: Vec::new(),
        verify: words(&["corp"]),
        lifetime: 86_400,
        reauthentication: true,
        dpd: Some((30, 5, true)),
        nat_keepalive: None,
        inside: Some("vpn1".into()),
        mobike: true,
        incomplete: false,
    };
    let incomplete = Ikev2Profile {
        name: "new".into(),
        identities: Vec::new(),
        local_identity: None,
        local_authentication: None,
        remote_authentication: Vec::new(),
        keyring: None,
        dpd: None,
        nat_keepalive: Some(20),
        inside: None,
        mobike: false,
        reauthentication: false,
        incomplete: true,
        ..profile.clone()
    };
    golden("ikev2-profile", &plain(&Response::Ikev2Profiles(vec![profile, incomplete])));
}

fn story(began: u64, outcome: Outcome) -> Story {
    let step = |after, text: &str| StoryStep { after, text: text.into() };
    Story {
        version: 2,
        connection: Some(7),
        front: Some("internet".into()),
        local: ip("172.18.1.1"),
        initiator: true,
        began,
        steps: vec![
            step(0, "sent IKE_SA_INIT request"),
            step(2003, "sent IKE_SA_INIT request again (1)"),
            step(2051, "offer 1: aes-cbc-128 sha1 group 2: group 2 is not in our proposal (19 31 14 20 21)"),
        ],
        outcome,
    }
}

#[test]
fn an_explanation_begins_with_the_verdict_and_says_who_and_what_to_do() {
    let failed = Outcome::Failed {
        blame: "the two ends do not agree".into(),
        what: "no-proposal-chosen".into(),
        detail:
            "the peer offers aes-cbc-128 sha1 group 2, we have aes-gcm-256 sha512 group 19 31 14: give both \
                 ends one proposal (crypto ikev2 proposal)"
                .into(),
    };
    let known = Known {
        place: "crypto map outside 10 on Ethernet0/1".into(),
        version: 2,
        front: Some("internet".into()),
        inside: None,
        profile: Some("site1".into()),
        status: "DOWN".into(),
        missing: None,
    };
    let incomplete = Known {
        place: "crypto map outside 20 on Ethernet0/1".into(),
        missing: Some("a transform set (set transform-set)".into()),
        ..known.clone()
    };
    let stories = vec![story(7265, Outcome::Down { why: "peer-silent".into() }), story(12, failed)];
    let whole = Explanation { remote: ip("192.0.2.7"), known: vec![known.clone(), incomplete], stories };
    golden("explain", &plain(&Response::Explained(whole)));
    let up = Explanation {
        remote: ip("192.0.2.7"),
        known: Vec::new(),
        stories: vec![story(90_061, Outcome::Up), story(75, Outcome::Negotiating)],
    };
    let mut childless = story(7, Outcome::Up);
    childless.steps.push(StoryStep { after: 2060, text: "no child: no crypto-map entry permits it".into() });
    let idle = Known { status: "UP-IDLE".into(), ..known };
    let active = Known { status: "UP-ACTIVE".into(), ..idle.clone() };
    let of = |known| Explanation { known: vec![known], stories: vec![childless.clone()], ..up.clone() };
    let why = "  Why:  no child: no crypto-map entry permits it\n";
    assert!(plain(&Response::Explained(of(idle))).contains(why));
    assert!(!plain(&Response::Explained(of(active))).contains(why));
    golden("explain-up", &plain(&Response::Explained(up)));
    let nothing = Explanation { remote: ip("192.0.2.7"), known: Vec::new(), stories: Vec::new() };
    golden("explain-nothing", &plain(&Response::Explained(nothing)));
}

#[test]
fn admission_has_ioss_table() {
    let counted = Admission {
        load_limit: 90,
        most: 25,
        most_negotiating: 0,
        active: 338,
        negotiating: 21,
        incoming_accepted: 166,
        incoming_rejected: 1131,
        outgoing_accepted: 195,
        outgoing_rejected: 1576,
        rejected_for_load: 1314,
        rejected_for_limit: 1393,
        cookies_right: 7,
        cookies_wrong: 2,
        cookies_missing: 12,
    };
    golden("call-admission", &plain(&Response::Admission(counted)));
    golden("ikev2-stats", &plain(&Response::Ikev2Statistics(counted)));
}

#[test]
fn maps_show_every_limit_also_where_nothing_is_written() {
    let entry = MapEntry {
        map: "outside".into(),
        sequence: 10,
        template: false,
        dynamic: None,
        description: Some("site A".into()),
        peers: vec!["192.0.2.7".into(), "gw.example.net (dynamic)".into()],
        prefers_first: true,
        version: 2,
        profile: Some("site1".into()),
        identity: Some("corp".into()),
        access_list: Some("101".into()),
        lines: vec!["permit ip 10.1.0.0/16 10.2.0.0/16".into()],
        transform_sets: vec![TransformSet {
            name: "gcm".into(),
            transforms: "esp-gcm 256".into(),
            transport: true,
        }],
        kilobytes: Some(4_608_000),
        seconds: 3600,
        pfs: Some(19),
        idle: Some(120),
        replay_window: 64,
        esn: true,
        interfaces: vec!["Ethernet0/1".into()],
        missing: None,
    };
    let dynamic = MapEntry {
        sequence: 65_000,
        dynamic: Some("road".into()),
        transform_sets: Vec::new(),
        ..entry.clone()
    };
    let template = MapEntry {
        map: "road".into(),
        template: true,
        description: None,
        peers: Vec::new(),
        version: 1,
        profile: None,
        identity: None,
        access_list: None,
        transform_sets: Vec::new(),
        kilobytes: None,
        pfs: None,
        idle: None,
        replay_window: 0,
        missing: Some("a transform set (set transform-set)".into()),
        ..entry.clone()
    };
    golden("map", &plain(&Response::Maps(vec![entry, dynamic])));
    golden("dynamic-map", &plain(&Response::Maps(vec![template])));
    let lines = vec!["dn ou=sales,o=Example".into(), "fqdn gw.example.net".into()];
    golden("identity", &plain(&Response::Identities(vec![Identity { name: "corp".into(), lines }])));
}

#[test]
fn certificates_have_ioss_layout() {
    let certificate = |ca, not_after| Certificate {
        ca,
        serial: "0A1B2C".into(),
        subject: vec!["cn=gw.example.net".into(), "o=Example".into()],
        issuer: vec!["cn=Example CA".into()],
        names: vec!["dns gw.example.net".into()],
        not_before: 1_700_000_000,
        not_after,
        crl_urls: vec!["http://crl.example.net/ca.crl".into()],
        trustpoints: vec!["corp".into()],
    };
    let now = 1_750_000_000;
    let certificates = [certificate(false, 1_800_000_000), certificate(true, 1_740_000_000)];
    golden("pki-certificates", &pki::certificates(&certificates, now));
    let trustpoint = Trustpoint {
        name: "corp".into(),
        vrf: Some("internet".into()),
        authorities: vec!["cn=Example CA".into()],
        own: Some(("cn=gw.example.net,o=Example".into(), "ECDSA P-256".into())),
        revocation: vec!["crl".into(), "none".into()],
        crl_url: None,
        ocsp_url: Some("http://ocsp.example.net".into()),
    };
    let verifies = Trustpoint { own: None, vrf: None, ocsp_url: None, ..trustpoint.clone() };
    golden("pki-trustpoints", &plain(&Response::Trustpoints(vec![trustpoint, verifies])));
    let crl = Crl {
        issuer: "cn=Example CA".into(),
        source: "http://crl.example.net/ca.crl".into(),
        this_update: 1_749_000_000,
        next_update: Some(1_751_000_000),
        revoked: 3,
    };
    golden("pki-crls", &plain(&Response::Crls(vec![crl])));
    assert_eq!(plain(&Response::Crls(Vec::new())), "No CRL is at hand\n");
}

#[test]
fn peers_that_are_opened_in_aggressive_mode_hide_their_password() {
    let peer = |password| IsakmpPeer {
        address: ip("192.0.2.7"),
        vrf: Some("internet".into()),
        identity: Some("fqdn spoke".into()),
        password,
    };
    golden("isakmp-peers", &plain(&Response::IsakmpPeers(vec![peer(true), peer(false)])));
}

#[test]
fn a_master_key_is_confirmed_and_its_text_never_repeated() {
    let order = |new: Option<&str>| Request::MasterKey { old: None, new: new.map(|new| Hidden(new.into())) };
    let said = |request| render(&request, &Response::Done { count: 2 }, Look::Plain);
    assert_eq!(
        said(order(Some("correct-horse"))),
        "Master key configured; keys encrypted in the configuration file: 2\n"
    );
    assert_eq!(said(order(None)), "Master key deleted; keys of type 6 are of no use any more\n");
    assert_eq!(said(Request::Write), "Done; keys encrypted in the configuration file: 2\n");
    assert!(!format!("{:?}", order(Some("correct-horse"))).contains("correct"));
}
