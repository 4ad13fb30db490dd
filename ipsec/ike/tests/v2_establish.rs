//! IKEv2 tunnels come up: in both roles, by every way to prove who one is, and only for who may have one.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

mod world;

use std::time::Duration;

use base::{PolicyId, VrfId};
use crypto::dh::Group;
use ike::config::v2::{Authentication, Encryption, Integrity, KeyringPeer, Prf, Remote};
use ike::config::{Config, Hash, Identity, Peer};
use ike::{Command, Cookies, Notice};
use ipsec::{Cipher, Encap, Mode, Suite};
use world::v2::{
    GCM, cbc, certified, connected, connected_in, entry_v2, pair, pair_with, policy, ppk, profile, proposal,
    ring_peer, side_a, side_b, story,
};
use world::{A, B, LATENCY, Nat, World, pair_of, path};

fn address(text: &str) -> std::net::IpAddr {
    text.parse().unwrap()
}

fn up(world: &World) -> [ike::SessionState; 2] {
    [0, 1].map(|node| {
        let sessions = world.nodes[node].ike.sessions(world.now);
        sessions.into_iter().find(|session| session.established).expect("an established session")
    })
}

fn reads(world: &World, node: usize, words: &[&str]) {
    let peer = if node == 0 { B } else { A };
    let story = story(world, node, peer);
    for word in words {
        assert!(story.contains(word), "node {node} lacks `{word}`:\n{story}\n{}", world.told(node));
    }
}

#[test]
fn a_tunnel_comes_up_with_a_pre_shared_key_in_four_messages() {
    let world = connected();
    assert_eq!(world.sent.len(), 4, "{}", story(&world, 0, B));
    for node in 0..2 {
        assert_eq!(world.sessions_up(node), 1);
        assert!(world.nodes[node].leaks_no_spi());
        let suite = up(&world)[node].suite.clone().unwrap();
        assert_eq!(suite.authentication, ("PSK", "PSK"));
        assert_eq!(suite.groups, [Group::Curve25519]);
        assert_eq!(up(&world)[node].state, "READY");
        assert_eq!(up(&world)[node].own_identity.as_deref(), Some([A, B][node]));
        assert!(suite.mobike && suite.fragmentation && !suite.ppk);
    }
    assert_eq!(world.nodes[0].up[0].inside, VrfId(1));
    reads(&world, 1, &["established", "the peer is 172.18.1.1", "profile site: taken"]);
}

#[test]
fn every_suite_of_the_ike_sa_and_of_esp_carries_a_tunnel() {
    let ike = [
        (vec![Encryption::AesGcm(128)], vec![], vec![Prf::Hmac(Hash::Sha384)]),
        (vec![Encryption::AesCcm(256)], vec![], vec![Prf::AesCmac]),
        (vec![Encryption::ChaCha20Poly1305], vec![], vec![Prf::Hmac(Hash::Sha512)]),
        (vec![Encryption::AesCbc(256)], vec![Integrity::Sha512], vec![]),
        (vec![Encryption::AesCtr(128)], vec![Integrity::AesXcbc], vec![Prf::AesXcbc]),
        (vec![Encryption::TripleDes], vec![Integrity::Sha1], vec![]),
        (vec![Encryption::Des], vec![Integrity::Md5], vec![Prf::Hmac(Hash::Md5)]),
        (vec![Encryption::AesCbc(192)], vec![Integrity::AesCmac], vec![]),
    ];
    let esp = [
        GCM,
        Suite { cipher: Cipher::AesCbc(256), integrity: ipsec::Integrity::Sha512 },
        Suite { cipher: Cipher::Null, integrity: ipsec::Integrity::Sha256 },
        Suite { cipher: Cipher::TripleDes, integrity: ipsec::Integrity::Md5 },
    ];
    for (place, (encryption, integrity, prf)) in ike.into_iter().enumerate() {
        let suite = esp[place % esp.len()];
        let world = connected_in(pair_with(|config| {
            let one = &mut config.v2.proposals[0];
            (one.encryption, one.integrity, one.prf) = (encryption.clone(), integrity.clone(), prf.clone());
            config.entries[0].suites = vec![suite];
        }));
        assert_eq!(world.nodes[0].up[0].suite, suite);
        assert_eq!(up(&world)[1].suite.as_ref().unwrap().encryption, encryption[0]);
    }
}

#[test]
fn every_group_carries_a_tunnel() {
    for group in [Group::Modp1024, Group::Modp2048, Group::EcpP256, Group::EcpP521, Group::Curve25519] {
        let world = connected_in(pair_with(|config| config.v2.proposals[0].groups = vec![group]));
        assert_eq!(up(&world)[0].suite.as_ref().unwrap().groups, [group]);
    }
}

#[test]
fn additional_key_exchanges_with_ml_kem_go_into_the_keys_one_after_the_other() {
    for additional in [
        vec![vec![Group::MlKem768]],
        vec![vec![Group::MlKem1024], vec![Group::EcpP384], vec![Group::MlKem768, Group::Modp2048]],
    ] {
        let world = connected_in(pair_with(|config| config.v2.proposals[0].additional = additional.clone()));
        let groups: Vec<Group> =
            std::iter::once(Group::Curve25519).chain(additional.iter().map(|list| list[0])).collect();
        assert_eq!(up(&world)[0].suite.as_ref().unwrap().groups, groups);
        assert_eq!(up(&world)[0].suite, up(&world)[1].suite);
        assert!(world.sent.iter().any(|(_, datagram)| datagram.bytes[18] == 43), "IKE_INTERMEDIATE");
        assert!(world.sent.iter().all(|(_, datagram)| datagram.bytes.len() <= 1280), "in fragments");
    }
}

#[test]
fn seven_additional_key_exchanges_are_as_many_as_there_can_be() {
    let groups = [
        Group::MlKem768,
        Group::MlKem1024,
        Group::EcpP256,
        Group::EcpP384,
        Group::EcpP521,
        Group::Modp1024,
        Group::Modp1536,
    ];
    let additional: Vec<Vec<Group>> = groups.iter().map(|group| vec![*group]).collect();
    let world = connected_in(pair_with(|config| config.v2.proposals[0].additional = additional.clone()));
    assert_eq!(up(&world)[1].suite.as_ref().unwrap().groups.len(), 8);
}

#[test]
fn every_kind_of_key_signs_for_every_other() {
    let names = ["rsa", "ecdsa", "ecdsa384", "ecdsa521", "ed25519", "rsa4096"];
    let words = ["RSA", "ECDSA", "ECDSA", "ECDSA", "Ed25519", "RSA"];
    for (place, ours) in names.iter().enumerate() {
        let other = (place + 1) % names.len();
        let world = connected_in(certified(ours, names[other]));
        let suites = up(&world).map(|session| session.suite.unwrap().authentication);
        assert_eq!(suites, [(words[place], words[other]), (words[other], words[place])]);
        assert_eq!(up(&world)[1].identity.as_deref(), Some(format!("{ours}.example.com").as_str()));
    }
}

#[test]
fn certificates_travel_in_fragments_where_the_path_is_narrow() {
    let mut world = certified("rsa4096", "rsa");
    for node in 0..2 {
        let mut config = if node == 0 { side_a() } else { side_b() };
        let names = if node == 0 { ["rsa4096", "rsa"] } else { ["rsa", "rsa4096"] };
        config.trustpoints = vec![world::v2::trustpoint(names[0])];
        let profile = &mut config.v2.profiles[0];
        profile.local_authentication = Authentication::RsaSignature;
        profile.remote_authentication = vec![Authentication::RsaSignature];
        profile.identity = Some(Identity::Dn);
        profile.remote = vec![Remote::Any];
        config.v2.fragmentation = Some(576);
        world.command(node, Command::Configure(config.into()));
    }
    let world = connected_in(world);
    assert!(world.sent.iter().all(|(_, datagram)| datagram.bytes.len() <= 576));
    assert!(world.sent.len() > 8, "{}", world.sent.len());
    assert!(up(&world)[0].identity.as_ref().unwrap().contains("rsa.example.com"));
}

#[test]
fn a_side_may_sign_while_the_other_has_a_key() {
    let (mut a, mut b) = (side_a(), side_b());
    a.trustpoints = vec![world::v2::trustpoint("ecdsa")];
    a.v2.profiles[0].local_authentication = Authentication::EcdsaSignature;
    a.v2.profiles[0].identity = Some(Identity::UserFqdn("pe@ecdsa.example.com".into()));
    b.trustpoints = vec![world::v2::trustpoint("rsa")];
    b.v2.profiles[0].remote = vec![Remote::EmailDomain("ecdsa.example.com".into())];
    b.v2.profiles[0].remote_authentication = vec![Authentication::EcdsaSignature];
    let world = connected_in(pair_of(a, b));
    assert_eq!(up(&world)[0].suite.as_ref().unwrap().authentication, ("ECDSA", "PSK"));
}

#[test]
fn an_identity_that_is_not_in_the_certificate_is_refused_by_name_and_the_peer_hears_no_more_than_that() {
    let mut a = side_a();
    a.trustpoints = vec![world::v2::trustpoint("ecdsa")];
    a.v2.profiles[0].local_authentication = Authentication::EcdsaSignature;
    a.v2.profiles[0].identity = Some(Identity::Fqdn("other.example.com".into()));
    let mut b = side_b();
    b.trustpoints = vec![world::v2::trustpoint("rsa")];
    b.v2.profiles[0].remote = vec![Remote::Any];
    b.v2.profiles[0].remote_authentication = vec![Authentication::DigitalSignature];
    let mut world = pair_of(a, b);
    world.acquire(0, 1);
    world.run_secs(5);
    assert!(!world.connected(0, 1));
    reads(&world, 1, &["other.example.com", "AUTHENTICATION_FAILED"]);
    reads(&world, 0, &["AUTHENTICATION_FAILED", "authentication-failed"]);
}

#[test]
fn a_certificate_map_finds_the_profile_whatever_the_identity() {
    let line = pki::Criterion::new(pki::Field::SubjectName, pki::Test::Contains, "cn=ecdsa").unwrap();
    let map = ike::config::CertificateMap { sequences: [(10, vec![line])].into() };
    let (mut a, mut b) = (side_a(), side_b());
    a.trustpoints = vec![world::v2::trustpoint("ecdsa")];
    a.v2.profiles[0].local_authentication = Authentication::EcdsaSignature;
    a.v2.profiles[0].identity = Some(Identity::KeyId(b"whoever".to_vec()));
    b.trustpoints = vec![world::v2::trustpoint("rsa")];
    b.certificate_maps.insert("site".into(), map);
    b.v2.profiles[0].remote = vec![];
    b.v2.profiles[0].certificate_maps = vec!["site".into()];
    b.v2.profiles[0].remote_authentication = vec![Authentication::EcdsaSignature];
    connected_in(pair_of(a, b));
}

#[test]
fn different_keys_are_named_as_that_where_it_shows_and_told_as_a_failure_to_the_peer() {
    let mut b = side_b();
    b.v2.keyrings[0].peers[0] = ring_peer("peer", A, "other");
    let mut world = pair_of(side_a(), b);
    world.acquire(0, 1);
    world.run_secs(5);
    assert!(!world.connected(0, 1) && world.sessions_up(0) + world.sessions_up(1) == 0);
    reads(&world, 1, &["pre-shared-key-mismatch", "key peer: taken", "told the peer AUTHENTICATION_FAILED"]);
    reads(&world, 0, &["the peer says AUTHENTICATION_FAILED"]);
    assert!(world.said(0, "authentication-failed") && world.said(1, "pre-shared-key-mismatch"));
    let failures = |node: usize| {
        world.nodes[node].notices.iter().filter(|notice| matches!(notice, Notice::Failed { .. })).count()
    };
    assert_eq!(failures(1), 1, "{}", world.told(1));
    assert!(world.nodes.iter().all(world::Node::leaks_no_spi));
}

#[test]
fn proposals_without_anything_in_common_say_what_was_offered_and_what_we_have() {
    let mut b = side_b();
    b.v2.policies = vec![policy(&["classic"])];
    let mut world = pair_of(side_a(), b);
    world.acquire(0, 1);
    world.run_secs(5);
    assert!(world.said(1, "no-proposal-chosen") && world.said(0, "no-proposal-chosen"));
    reads(&world, 1, &["offer 1", "ours:"]);
    reads(&world, 0, &["NO_PROPOSAL_CHOSEN", "we offered"]);
    assert!(world.nodes[1].ike.sessions(world.now).is_empty(), "nothing is kept");
}

#[test]
fn a_peer_of_no_profile_is_refused_with_advice() {
    let mut b = side_b();
    b.v2.profiles[0].remote = vec![Remote::Fqdn("somebody.example.com".into())];
    let mut world = pair_of(side_a(), b);
    world.acquire(0, 1);
    world.run_secs(5);
    assert!(world.said(1, "no-profile-matches"));
    reads(&world, 1, &["profile site: is not for 172.18.1.1", "add a `match identity remote`"]);
}

#[test]
fn the_most_precise_profile_settles_the_inside_vrf_whatever_the_order() {
    let mut b = side_b();
    let wide = ike::config::v2::Profile {
        name: "wide".into(),
        remote: vec![Remote::Address("172.0.0.0/8".parse().unwrap())],
        inside: Some(VrfId(9)),
        ..profile(A)
    };
    b.v2.profiles.insert(0, wide);
    let world = connected_in(pair_of(side_a(), b));
    assert_eq!(world.nodes[1].up[0].inside, VrfId(1));
    assert_eq!(up(&world)[1].profile.as_deref(), Some("site"));
}

#[test]
fn a_responder_finds_the_key_by_who_the_peer_says_it_is() {
    let mut a = side_a();
    a.v2.profiles[0].identity = Some(Identity::Fqdn("a.example.com".into()));
    a.v2.keyrings[0].peers[0] = ring_peer("peer", B, "by name");
    let mut b = side_b();
    b.v2.profiles[0].remote = vec![Remote::FqdnDomain("example.com".into())];
    let named = KeyringPeer {
        address: None,
        identity: Some(Remote::Fqdn("A.example.com".into())),
        ..ring_peer("named", A, "by name")
    };
    b.v2.keyrings[0].peers.push(named);
    connected_in(pair_of(a, b));
}

#[test]
fn an_initiator_finds_the_key_by_the_name_under_which_it_opens() {
    let named = |host: &str| {
        let mut a = side_a();
        a.entries[0].peers = vec![Peer::Host("hub.example.com".into())];
        a.v2.keyrings[0].peers[0] =
            KeyringPeer { address: None, hostname: Some(host.into()), ..ring_peer("hub", B, "secret") };
        let mut world = pair_of(a, side_b());
        world.hosts.insert("hub.example.com".into(), vec![address(B)]);
        world
    };
    connected_in(named("Hub.example.com"));
    let mut world = named("spoke.example.com");
    world.acquire(0, 1);
    world.run_secs(5);
    reads(&world, 0, &["no-pre-shared-key", "the host name of the map entry"]);
}

#[test]
fn a_child_that_is_refused_leaves_the_ike_sa_up() {
    let mut b = side_b();
    b.entries[0].rules[0].selector.local = "10.9.0.0/16".parse().unwrap();
    let mut world = pair_of(side_a(), b);
    world.acquire(0, 1);
    world.run_secs(5);
    assert_eq!((world.sessions_up(0), world.sessions_up(1)), (1, 1), "{}", world.told(1));
    assert!(world.said(0, "child-refused") && world.said(1, "traffic-selectors-not-admitted"));
    assert!(world.nodes.iter().all(|node| node.up.is_empty() && node.leaks_no_spi()));
}

#[test]
fn selectors_are_narrowed_to_what_the_responder_permits() {
    let mut b = side_b();
    b.entries[0].rules[0].selector.local = "10.2.7.0/24".parse().unwrap();
    let world = connected_in(pair_of(side_a(), b));
    assert_eq!(world.nodes[0].up[0].selector.remote, "10.2.7.0/24".parse().unwrap());
}

#[test]
fn transport_mode_comes_about_only_where_both_want_it() {
    let transport = |config: &mut Config| config.entries[0].mode = Mode::Transport;
    let world = connected_in(pair_with(transport));
    assert_eq!(world.nodes[0].up[0].mode, Mode::Transport);
    assert_eq!(world.nodes[1].up[0].mode, Mode::Transport);
    let mut a = side_a();
    transport(&mut a);
    let world = connected_in(pair_of(a, side_b()));
    assert_eq!(world.nodes[0].up[0].mode, Mode::Tunnel);
}

#[test]
fn extended_sequence_numbers_are_agreed_on() {
    let world = connected_in(pair_with(|config| config.entries[0].replay.esn = true));
    assert!(world.nodes.iter().all(|node| node.up[0].replay.esn));
}

#[test]
fn behind_a_nat_ike_moves_to_the_other_port_and_esp_goes_in_udp() {
    let mut a = side_a();
    let mut b = side("192.0.2.7");
    b.v2.keyrings[0].peers[0] = ring_peer("peer", "192.0.2.7", "secret");
    b.v2.profiles[0].remote = vec![Remote::Address(format!("{A}/32").parse().unwrap())];
    a.v2.nat_keepalive = Some(Duration::from_secs(10));
    let mut world = pair_of(a, b);
    world.nats.push((0, Nat { inside: address(A), outside: address("192.0.2.7") }));
    world.acquire(0, 1);
    world.run_secs(5);
    assert!(world.connected(0, 1), "{}\n{}", world.told(0), world.told(1));
    assert_eq!(world.nodes[0].up[0].encap, Encap::Udp { local: 4500, remote: 4500 });
    assert_eq!(world.nodes[1].up[0].encap, Encap::Udp { local: 4500, remote: 14500 });
    let before = world.sent.len();
    world.run_secs(60);
    let keepalives = world.sent[before..].iter().filter(|(_, datagram)| datagram.bytes == [0xFF]).count();
    assert_eq!(keepalives, 6);
}

fn side(peer: &str) -> Config {
    world::v2::side(B, peer, "10.2.0.0/16", "10.1.0.0/16")
}

#[test]
fn under_load_a_cookie_comes_first_and_nothing_is_kept_before_it_is_right() {
    let mut b = side_b();
    b.v2.cookie_challenge = Some(0);
    let mut world = pair_of(side_a(), b);
    world.acquire(0, 1);
    world.run(LATENCY);
    assert!(world.nodes[1].ike.sessions(world.now).is_empty());
    world.run_secs(5);
    assert!(world.connected(0, 1));
    assert_eq!(world.sent.len(), 6);
    let (_, request) = world.sent[0].clone();
    let (_, with_cookie) = world.sent[2].clone();
    assert!(with_cookie.bytes.len() > request.bytes.len());
    let sessions = world.nodes[1].ike.sessions(world.now).len();
    let elsewhere = path(0, B, "192.0.2.99");
    world.inject(1, elsewhere, with_cookie.bytes.clone());
    assert_eq!(world.nodes[1].ike.sessions(world.now).len(), sessions, "a cookie is good for one address");
    let mut forged = with_cookie.bytes;
    forged[40] ^= 1;
    world.inject(1, path(0, B, A), forged);
    assert_eq!(world.nodes[1].ike.sessions(world.now).len(), sessions);
    let counted = world.nodes[1].ike.admission().cookies;
    assert_eq!(counted, Cookies { right: 1, wrong: 1, missing: 1 });
}

#[test]
fn another_group_is_asked_for_and_given() {
    let mut a = side_a();
    a.v2.proposals[0].groups = vec![Group::Curve25519, Group::EcpP384];
    let mut b = side_b();
    b.v2.proposals[0].groups = vec![Group::EcpP384];
    let world = connected_in(pair_of(a, b));
    assert_eq!(world.sent.len(), 6);
    assert_eq!(up(&world)[0].suite.as_ref().unwrap().groups, [Group::EcpP384]);
}

#[test]
fn a_post_quantum_key_goes_into_the_keys_if_both_have_it() {
    let with = |required| move |config: &mut Config| config.v2.keyrings[0].peers[0].ppk = Some(ppk(required));
    for required in [false, true] {
        let world = connected_in(pair_with(with(required)));
        assert!(up(&world).iter().all(|session| session.suite.as_ref().unwrap().ppk));
    }
    let mut a = side_a();
    with(false)(&mut a);
    let world = connected_in(pair_of(a.clone(), side_b()));
    assert!(up(&world).iter().all(|session| !session.suite.as_ref().unwrap().ppk));
    let mut b = side_b();
    b.v2.keyrings[0].peers[0].ppk = Some(ike::config::v2::Ppk { id: b"another".to_vec(), ..ppk(false) });
    let world = connected_in(pair_of(a, b));
    assert!(up(&world).iter().all(|session| !session.suite.as_ref().unwrap().ppk), "NO_PPK_AUTH");
}

#[test]
fn a_required_post_quantum_key_is_missed_by_name_on_both_sides() {
    let mut a = side_a();
    a.v2.keyrings[0].peers[0].ppk = Some(ppk(true));
    let mut world = pair_of(a, side_b());
    world.acquire(0, 1);
    world.run_secs(5);
    assert!(!world.connected(0, 1) && world.said(0, "ppk-required"));
    let mut b = side_b();
    b.v2.keyrings[0].peers[0].ppk = Some(ppk(true));
    let mut world = pair_of(side_a(), b);
    world.acquire(0, 1);
    world.run_secs(5);
    assert!(!world.connected(0, 1) && world.said(1, "ppk-required"));
}

#[test]
fn a_signature_with_a_post_quantum_key_beside_it_is_verified_with_and_without() {
    for b_has in [true, false] {
        let (mut a, mut b) = (side_a(), side_b());
        for (config, ours, theirs) in [(&mut a, "ecdsa", "rsa"), (&mut b, "rsa", "ecdsa")] {
            config.trustpoints = vec![world::v2::trustpoint(ours)];
            let profile = &mut config.v2.profiles[0];
            profile.local_authentication = Authentication::DigitalSignature;
            profile.remote_authentication = vec![Authentication::DigitalSignature];
            profile.identity = Some(Identity::Fqdn(format!("{ours}.example.com")));
            profile.remote = vec![Remote::Fqdn(format!("{theirs}.example.com"))];
        }
        a.v2.keyrings[0].peers[0].ppk = Some(ppk(false));
        let id = if b_has { b"quantum".to_vec() } else { b"another".to_vec() };
        b.v2.keyrings[0].peers[0].ppk = Some(ike::config::v2::Ppk { id, ..ppk(false) });
        let world = connected_in(pair_of(a, b));
        assert!(up(&world).iter().all(|session| session.suite.as_ref().unwrap().ppk == b_has));
    }
}

#[test]
fn a_restarted_peer_says_that_it_knows_nothing_and_what_it_had_goes() {
    let mut world = connected();
    world.restart(0, side_a());
    world.acquire(0, 1);
    world.run_secs(5);
    assert!(world.connected(0, 1));
    assert_eq!((world.sessions_up(0), world.sessions_up(1)), (1, 1));
    assert_eq!(world.nodes[1].up.len(), 1);
    assert!(world.nodes[1].leaks_no_spi());
}

#[test]
fn of_two_tunnels_that_are_opened_at_once_one_stays_and_traffic_goes_on() {
    let networks = [(0, 0), (0, 7), (0, 23), (10, 0), (25, 30)];
    for (seed, (loss, jitter)) in (0..20).flat_map(|seed| networks.map(|network| (seed, network))) {
        let mut world = pair();
        (0..seed).for_each(|_| world.skip_random());
        (world.loss, world.jitter) = (loss, Duration::from_millis(jitter));
        world.acquire(0, 1);
        let flow = world::flow("10.2.0.0", "10.1.0.0");
        world.command(1, Command::Acquire { policy: PolicyId(1), rule: 0, flow });
        world.run_secs(if loss == 0 { 1 } else { 60 });
        for _ in 0..150 {
            assert!(world.connected(0, 1), "{}\n{}", world.told(0), world.told(1));
            world.run_secs(1);
        }
        assert_eq!((world.sessions_up(0), world.sessions_up(1)), (1, 1), "{}", world.told(0));
        assert!(world.nodes.iter().all(|node| node.up.len() == 1 && node.leaks_no_spi()));
    }
}

#[test]
fn the_same_peer_in_another_front_vrf_is_another_peer() {
    let mut world = World::new();
    let of = |config: Config, front: u32| -> Config {
        let mut config = config;
        config.entries[0].front = VrfId(front);
        config.v2.profiles[0].front = ike::config::v2::Front::Vrf(VrfId(front));
        config
    };
    let (first, second) = (of(side_b(), 1), of(side_b(), 2));
    let mut both = first.clone();
    let mut entry = second.entries[0].clone();
    (entry.policy, entry.inside) = (PolicyId(2), VrfId(7));
    entry.profile = Some("second".into());
    both.entries.push(entry);
    let mut other = second.v2.profiles[0].clone();
    (other.name, other.inside, other.keyring) = ("second".into(), Some(VrfId(7)), Some("second".into()));
    both.v2.profiles.push(other);
    let ring = ike::config::v2::Keyring {
        name: "second".into(),
        peers: vec![ring_peer("peer", A, "second secret")],
    };
    both.v2.keyrings.push(ring);
    let mut a2 = side_a();
    a2.v2.keyrings[0].peers[0] = ring_peer("peer", B, "second secret");
    world.node(&[(0, 1, A)], side_a());
    world.node(&[(0, 2, A)], a2);
    world.node(&[(1, 1, B), (2, 2, B)], both);
    world.acquire(0, 1);
    world.acquire(1, 1);
    world.run_secs(5);
    assert!(world.nodes[2].up.len() == 2, "{}", world.told(2));
    let insides: Vec<VrfId> = world.nodes[2].up.iter().map(|child| child.inside).collect();
    assert!(insides.contains(&VrfId(1)) && insides.contains(&VrfId(7)));
}

#[test]
fn a_peer_that_never_answers_is_given_up_with_a_reason() {
    let mut world = pair();
    world.filter = Some(|datagram| datagram.path.local.ip().to_string() != B);
    world.acquire(0, 1);
    world.run_secs(120);
    assert!(world.said(0, "no-answer"));
    reads(&world, 0, &["sent IKE_SA_INIT request again", "no-answer"]);
    assert!(world.nodes[0].ike.sessions(world.now).is_empty() && world.nodes[0].leaks_no_spi());
}

#[test]
fn a_lossy_repeating_reordering_network_only_delays() {
    for seed in 1..12 {
        let mut world = pair_with(|config| {
            config.v2.proposals[0].additional = vec![vec![Group::EcpP256]];
            config.v2.fragmentation = Some(300);
        });
        (world.loss, world.repeat, world.jitter) = (25, 25, Duration::from_millis(300));
        (0..seed).for_each(|_| world.skip_random());
        world.acquire(0, 1);
        world.run_secs(240);
        for _ in 0..3 {
            if !world.connected(0, 1) {
                world.acquire(0, 1);
                world.run_secs(240);
            }
        }
        assert!(world.connected(0, 1), "seed {seed}: {}", world.told(0));
    }
}

#[test]
fn a_repeated_request_gets_the_same_bytes_and_touches_nothing() {
    let mut world = connected();
    let sent: Vec<_> = world.sent.iter().map(|(_, datagram)| datagram.clone()).collect();
    let before = world.nodes[1].ike.sessions(world.now);
    // IKE_SA_INIT is behind it; IKE_AUTH was the last.
    let count = world.sent.len();
    world.inject(1, path(0, B, A), sent[2].bytes.clone());
    let answers: Vec<_> = world.sent[count..].iter().map(|(_, datagram)| datagram.bytes.clone()).collect();
    assert_eq!(answers, [sent[3].bytes.clone()]);
    assert_eq!(world.nodes[1].ike.sessions(world.now), before);
}

#[test]
fn junk_at_every_step_changes_nothing() {
    for step in 0..4 {
        let mut world = pair();
        world.acquire(0, 1);
        world.run(LATENCY * step);
        let known: Vec<_> = world.sent.iter().map(|(_, datagram)| datagram.clone()).collect();
        for datagram in known {
            let (from, to) = (datagram.path.local.ip().to_string(), datagram.path.remote.ip().to_string());
            let node = usize::from(to == B);
            for place in (28..datagram.bytes.len()).step_by(7) {
                let mut bytes = datagram.bytes.clone();
                bytes[place] ^= 0x55;
                world.inject(node, path(0, &to, &from), bytes);
            }
            world.inject(node, path(0, &to, &from), datagram.bytes[..28].to_vec());
        }
        world.run_secs(200);
        if !world.connected(0, 1) {
            world.acquire(0, 1);
            world.run_secs(60);
        }
        assert!(world.connected(0, 1), "step {step}: {}\n{}", world.told(0), world.told(1));
        assert!(world.nodes.iter().all(world::Node::leaks_no_spi));
    }
}

#[test]
fn an_established_session_does_not_die_of_junk() {
    let mut world = connected();
    let before = world.nodes[1].ike.sessions(world.now);
    for (_, datagram) in world.sent.clone() {
        for flags in [0x00, 0x08, 0x20, 0x28] {
            for id in [0, 1, 2, 3, 0xFFFF_FFFF_u32] {
                for exchange in [34, 35, 36, 37, 43, 44, 99] {
                    let mut bytes = datagram.bytes.clone();
                    (bytes[18], bytes[19]) = (exchange, flags);
                    bytes[20..24].copy_from_slice(&id.to_be_bytes());
                    world.inject(1, path(0, B, A), bytes);
                }
            }
        }
    }
    let after = world.nodes[1].ike.sessions(world.now);
    assert_eq!(before[0].cookies, after[0].cookies);
    assert!(after[0].established && world.connected(0, 1));
}

#[test]
fn messages_of_one_version_do_not_touch_sessions_of_the_other() {
    let mut world = connected();
    let (_, datagram) = world.sent[2].clone();
    let mut bytes = datagram.bytes;
    bytes[17] = 0x10;
    world.inject(1, path(0, B, A), bytes.clone());
    assert!(world.said(1, "message-of-another-version"));
    bytes[17] = 0x30;
    world.inject(1, path(0, B, A), bytes);
    assert!(world.connected(0, 1));
}

/// Puts a notify in front of all payloads.
fn with_notify(bytes: &[u8], kind: u16) -> Vec<u8> {
    let [high, low] = kind.to_be_bytes();
    let notify = [bytes[16], 0, 0, 8, 0, 0, high, low];
    let mut new = [&bytes[..28], &notify, &bytes[28..]].concat();
    new[16] = 41;
    let length = u32::try_from(new.len()).unwrap();
    new[24..28].copy_from_slice(&length.to_be_bytes());
    new
}

#[test]
fn a_full_gateway_sends_peers_that_know_redirects_elsewhere() {
    let mut b = side_b();
    let gateway = ike::config::v2::Gateway::Address(address("203.0.113.9"));
    b.v2.redirect = Some(ike::config::v2::Redirect { above: Some(1), gateway });
    let mut world = connected_in(pair_of(side_a(), b));
    let request = with_notify(&world.sent[0].1.bytes, 16406);
    let count = world.sent.len();
    world.inject(1, path(0, B, "192.0.2.50"), request);
    let (_, answer) = &world.sent[count];
    assert_eq!(answer.bytes[28 + 6..28 + 8], 16407u16.to_be_bytes());
    assert_eq!(answer.bytes[28 + 8..28 + 14], [1, 4, 203, 0, 113, 9]);
    assert_eq!(world.nodes[1].ike.sessions(world.now).len(), 1);
}

#[test]
fn a_flood_of_openings_is_answered_with_cookies_and_real_peers_still_come_up() {
    let mut world = pair();
    world.acquire(0, 1);
    let request = world.sent[0].1.bytes.clone();
    for number in 0..3000u32 {
        let mut bytes = request.clone();
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        let from = std::net::Ipv4Addr::from(0xC612_0000 + number).to_string();
        world.inject(1, path(0, B, &from), bytes);
    }
    assert_eq!(world.nodes[1].ike.sessions(world.now).len(), 1000, "as many as come without a cookie");
    world.run_secs(5);
    assert!(world.connected(0, 1), "{}", world.told(0));
    world.run_secs(100);
    assert_eq!(world.nodes[1].ike.sessions(world.now).len(), 1);
}

#[test]
fn a_configuration_that_changes_the_profile_ends_its_sessions_and_no_others() {
    let mut world = connected();
    let mut config = side_b();
    config.entries.push(entry_v2(2, B, "192.0.2.1", "10.2.0.0/16", "10.77.0.0/16"));
    world.command(1, Command::Configure(config.clone().into()));
    world.run_secs(1);
    assert!(world.connected(0, 1), "an entry more is nothing to it");
    config.v2.keyrings[0].peers[0] = ring_peer("peer", A, "new secret");
    world.command(1, Command::Configure(config.into()));
    world.run_secs(2);
    assert_eq!((world.sessions_up(0), world.sessions_up(1)), (0, 0));
    assert!(world.nodes.iter().all(|node| node.up.is_empty() && node.leaks_no_spi()));
}

#[test]
fn proposals_with_and_without_an_aead_stand_side_by_side() {
    let mut a = side_a();
    a.v2.proposals[0].encryption.push(Encryption::AesCbc(128));
    a.v2.proposals[0].integrity = cbc().integrity;
    let mut b = side_b();
    b.v2.policies = vec![policy(&["classic"])];
    let world = connected_in(pair_of(a, b));
    assert_eq!(up(&world)[0].suite.as_ref().unwrap().encryption, Encryption::AesCbc(128));
    assert_eq!(proposal().groups, [Group::Curve25519]);
}

#[test]
fn a_session_that_is_made_anew_hands_its_child_over_without_a_gap() {
    let mut world = connected_in(pair_with(|config| {
        let profile = &mut config.v2.profiles[0];
        (profile.reauthentication, profile.lifetime) = (true, Duration::from_secs(600));
    }));
    let before = up(&world)[0].cookies;
    for _ in 0..70 {
        world.run_secs(10);
        assert!(world.connected(0, 1), "{}\n{}", world.told(0), world.told(1));
    }
    assert_ne!(up(&world)[0].cookies, before);
    assert_eq!((world.sessions_up(0), world.sessions_up(1)), (1, 1));
    assert!(world.nodes.iter().all(|node| node.up.len() == 1 && node.leaks_no_spi()));
}

#[test]
fn a_peer_of_a_later_version_hears_which_one_we_speak() {
    let mut world = connected();
    let mut bytes = world.sent[0].1.bytes.clone();
    (bytes[0], bytes[17]) = (bytes[0] ^ 1, 0x30);
    let count = world.sent.len();
    world.inject(1, path(0, B, A), bytes);
    let (_, answer) = &world.sent[count];
    assert_eq!((answer.bytes[17], answer.bytes[19] & 0x20), (0x20, 0x20));
    assert_eq!(answer.bytes[34..], [0, 5, 2]);
}

#[test]
fn a_session_that_is_cleared_takes_its_children_with_it_even_if_the_first_delete_is_lost() {
    let mut world = connected();
    world.loss = 100;
    world.command(0, Command::Clear(ike::Target::All));
    assert!(world.nodes[0].up.is_empty());
    assert_eq!(world.nodes[0].ike.sessions(world.now)[0].state, "DELETE");
    world.loss = 0;
    world.run_secs(5);
    assert!(world.nodes.iter().all(|node| node.up.is_empty() && node.ike.sessions(world.now).is_empty()));
    reads(&world, 1, &["peer-deleted"]);
}

#[test]
fn an_acquire_over_an_established_session_makes_one_more_child() {
    let more = |config: &mut Config, ours: &str, theirs: &str| {
        let (local, peer) = if ours.starts_with("10.1") { (A, B) } else { (B, A) };
        config.entries.push(entry_v2(2, local, peer, ours, theirs));
    };
    let (mut a, mut b) = (side_a(), side_b());
    more(&mut a, "10.1.0.0/16", "10.22.0.0/16");
    more(&mut b, "10.22.0.0/16", "10.1.0.0/16");
    let mut world = connected_in(pair_of(a, b));
    let flow = world::flow("10.1.0.0", "10.22.0.0");
    world.command(0, Command::Acquire { policy: PolicyId(2), rule: 0, flow });
    world.run_secs(5);
    assert_eq!((world.sessions_up(0), world.nodes[0].up.len(), world.nodes[1].up.len()), (1, 2, 2));
}
