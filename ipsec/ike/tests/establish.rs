//! Tunnels come up: in both roles, with every suite, through loss, and only for who may have one.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

mod world;

use std::time::Duration;

use base::{PolicyId, VrfId};
use crypto::dh::Group;
use ike::config::{Encryption, Hash, Identity, Match, Proposal};
use ike::{Command, DownReason, Notice, Target};
use ipsec::{Cipher, Encap, Integrity, Lifetime, Ports, Replay, Suite};
use world::{
    A, B, connected, entry, pair, pair_of, path, profile, proposal, ring, selector, side, side_a, side_b,
};

#[test]
fn traffic_brings_a_tunnel_up_on_both_ends() {
    let world = connected();
    let (a, b) = (&world.nodes[0], &world.nodes[1]);
    assert_eq!((a.up.len(), b.up.len()), (1, 1));
    assert!(a.up[0].initiator && !b.up[0].initiator);
    assert_eq!(a.up[0].inside, VrfId(1));
    assert_eq!(a.up[0].encap, Encap::Esp);
    assert!(a.leaks_no_spi() && b.leaks_no_spi());
    for node in [a, b] {
        let up = |notice: &&Notice| matches!(notice, Notice::SessionUp { profile: Some(name), .. } if name == "site");
        assert_eq!(node.notices.iter().filter(up).count(), 1);
    }
}

#[test]
fn every_phase_1_suite_comes_up() {
    let ciphers = [
        Encryption::Des,
        Encryption::TripleDes,
        Encryption::Aes(128),
        Encryption::Aes(192),
        Encryption::Aes(256),
    ];
    let hashes = [Hash::Md5, Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512];
    let groups = [Group::Modp768, Group::Modp1024, Group::Modp2048, Group::EcpP256, Group::EcpP521];
    for index in 0..5 {
        for shift in 0..2 {
            let chosen = Proposal {
                encryption: ciphers[index],
                hash: hashes[(index + shift) % 5],
                group: groups[(index + 2 * shift) % 5],
                ..proposal()
            };
            let with = |config| ike::Config { proposals: vec![chosen], ..config };
            let mut world = pair_of(with(side_a()), with(side_b()));
            world.acquire(0, 1);
            world.run_secs(2);
            assert!(world.connected(0, 1), "{chosen:?}");
        }
    }
}

#[test]
fn every_phase_2_suite_comes_up_with_pfs_and_without() {
    let ciphers = [Cipher::Null, Cipher::Des, Cipher::TripleDes, Cipher::AesCbc(192), Cipher::AesCbc(256)];
    let macs = [Integrity::Md5, Integrity::Sha1, Integrity::Sha256, Integrity::Sha384, Integrity::Sha512];
    let stitched = (0..5).map(|i| Suite { cipher: ciphers[i], integrity: macs[i] });
    let aead = [128, 192, 256].map(|bits| Suite { cipher: Cipher::AesGcm(bits), integrity: Integrity::None });
    for suite in stitched.chain(aead) {
        for pfs in [None, Some(Group::Modp1024), Some(Group::EcpP256)] {
            let with = |mut config: ike::Config| {
                config.entries[0].suites = vec![suite];
                config.entries[0].pfs = pfs;
                config.entries[0].replay = Replay { window: 128, esn: pfs.is_some() };
                config
            };
            let mut world = pair_of(with(side_a()), with(side_b()));
            world.acquire(0, 1);
            world.run_secs(2);
            assert!(world.connected(0, 1), "{suite} {pfs:?}");
            let child = &world.nodes[0].up[0];
            assert_eq!((child.suite, child.replay.esn, child.replay.window), (suite, pfs.is_some(), 128));
            assert_eq!(child.keys_in.cipher.len(), suite.cipher.key_len());
            assert_eq!(child.keys_in.integrity.len(), suite.integrity.key_len());
            assert!(child.keys_in != child.keys_out, "each direction has its own keys");
        }
    }
}

#[test]
fn a_lossy_repeating_reordering_network_only_delays() {
    for seed in 1..12 {
        let mut world = pair();
        (world.loss, world.repeat, world.jitter) = (25, 25, Duration::from_millis(300));
        (0..seed).for_each(|_| world.skip_random());
        world.acquire(0, 1);
        world.run_secs(240);
        if !world.connected(0, 1) {
            world.acquire(0, 1);
            world.run_secs(120);
        }
        assert!(world.connected(0, 1), "seed {seed}: {:?}", world.nodes[0].notices);
    }
}

#[test]
fn a_duplicate_gets_the_same_bytes_and_touches_nothing() {
    let mut world = connected();
    let before = world.nodes[1].ike.sessions(world.now).len();
    let from_a: Vec<_> =
        world.sent.iter().filter(|(_, d)| d.path.local.ip().to_string() == A).cloned().collect();
    let from_b: Vec<_> =
        world.sent.iter().filter(|(_, d)| d.path.local.ip().to_string() == B).cloned().collect();
    // Message 5 and quick mode's first: the last request of each exchange.
    for (request, reply) in [(2, 2), (3, 3)] {
        let count = world.sent.len();
        world.inject(1, path(0, B, A), from_a[request].1.bytes.clone());
        let answers: Vec<_> = world.sent[count..].iter().map(|(_, d)| d.bytes.clone()).collect();
        if request == 2 {
            assert_eq!(answers, [from_b[reply].1.bytes.clone()]);
        } else {
            assert!(answers.is_empty(), "quick mode has moved on");
        }
    }
    assert_eq!(world.nodes[1].ike.sessions(world.now).len(), before);
    assert!(world.connected(0, 1));
}

#[test]
fn both_sides_opening_at_once_end_with_a_working_tunnel() {
    for skew in [0, 3, 10, 15, 25, 60] {
        let mut world = pair();
        world.acquire(0, 1);
        world.run(Duration::from_millis(skew));
        let flow = world::flow("10.2.0.1", "10.1.0.1");
        world.command(1, Command::Acquire { policy: PolicyId(1), rule: 0, flow });
        world.run_secs(60);
        assert!(world.can_send(0, 1) && world.can_send(1, 0), "skew {skew}");
        assert!(world.nodes.iter().all(world::Node::leaks_no_spi));
    }
}

#[test]
fn a_wrong_key_is_refused_by_name_and_nothing_comes_up() {
    let mut other = side_b();
    other.keyrings = vec![ring("keys", 0, "172.18.1.1/32", "another")];
    let mut world = pair_of(side_a(), other);
    world.acquire(0, 1);
    world.run_secs(200);
    assert!(world.said(1, "pre-shared-key-mismatch"));
    assert!(world.said(0, "no-answer-to-identity"));
    assert_eq!((world.sessions_up(0), world.sessions_up(1)), (0, 0));
    assert!(
        world.nodes[0].ike.sessions(world.now).is_empty()
            && world.nodes[1].ike.sessions(world.now).is_empty()
    );
    let complaint =
        |notice: &&Notice| matches!(notice, Notice::Failed { what: "pre-shared-key-mismatch", .. });
    assert_eq!(world.nodes[1].notices.iter().filter(complaint).count(), 1, "one line however often it tries");
}

#[test]
fn a_wrong_identity_is_refused_by_name_in_both_roles() {
    let named = |config| ike::Config { identity: Identity::Fqdn("stranger.example".into()), ..config };
    let mut world = pair_of(named(side_a()), side_b());
    world.acquire(0, 1);
    world.run_secs(100);
    assert!(world.said(1, "no-profile-matches"));
    assert_eq!(world.sessions_up(1), 0);

    let mut world = pair_of(side_a(), named(side_b()));
    world.acquire(0, 1);
    world.run_secs(100);
    assert!(world.said(0, "no-profile-matches"));
    assert_eq!(world.sessions_up(0), 0);
}

#[test]
fn names_and_domains_choose_the_profile_and_the_most_specific_wins() {
    let mut b = side_b();
    b.profiles[0].matches = vec![Match::HostDomain("example.com".into())];
    let mut special = b.profiles[0].clone();
    (special.name, special.inside) = ("special".into(), Some(VrfId(9)));
    special.matches = vec![Match::Host("pe1.example.com".into())];
    b.profiles.push(special);
    let a = ike::Config { identity: Identity::Fqdn("PE1.example.com".into()), ..side_a() };
    let mut world = pair_of(a, b);
    world.acquire(0, 1);
    world.run_secs(5);
    let session = &world.nodes[1].ike.sessions(world.now)[0];
    assert_eq!((session.profile.as_deref(), session.inside), (Some("special"), VrfId(9)));
    assert!(world.nodes[1].up.is_empty(), "its inside VRF has no entry");
    assert!(world.said(1, "no-crypto-map-entry"));
}

#[test]
fn a_key_from_a_ring_that_the_profile_does_not_name_is_refused() {
    let mut b = side_b();
    b.keyrings.push(ring("others", 0, "172.18.1.0/24", "unused"));
    b.profiles[0].keyrings = vec!["others".into()];
    let mut world = pair_of(side_a(), b);
    world.acquire(0, 1);
    world.run_secs(30);
    assert!(world.said(1, "wrong-keyring"));
    assert_eq!(world.sessions_up(1), 0);
}

#[test]
fn without_any_profile_the_key_alone_lets_a_peer_in() {
    let bare = |mut config: ike::Config| {
        config.profiles.clear();
        config.entries[0].profile = None;
        config.entries[0].inside = VrfId(0);
        config
    };
    let mut world = pair_of(bare(side_a()), bare(side_b()));
    world.acquire(0, 1);
    world.run_secs(5);
    assert!(world.connected(0, 1));
    assert_eq!(world.nodes[1].up[0].inside, VrfId(0));
}

#[test]
fn the_longest_key_prefix_wins() {
    let mut b = side_b();
    b.keyrings[0].keys.insert(0, ring("", 0, "0.0.0.0/0", "wildcard").keys.remove(0));
    let mut world = pair_of(side_a(), b);
    world.acquire(0, 1);
    world.run_secs(5);
    assert!(world.connected(0, 1));
}

#[test]
fn equal_addresses_in_two_front_vrfs_are_two_peers_with_two_keys() {
    let mut pe = ike::Config { proposals: vec![proposal()], ..ike::Config::default() };
    for (front, key) in [(1, "red"), (2, "blue")] {
        let name = format!("site{front}");
        pe.keyrings.push(ring(&name, front, "172.16.1.1/32", key));
        pe.profiles.push(profile(&name, Some(front + 10), &name, "172.16.1.1/32", front));
        let mut entry = entry(front, A, B, selector("10.1.0.0/16", "10.2.0.0/16"));
        (entry.front, entry.inside, entry.profile) = (VrfId(front), VrfId(front + 10), Some(name));
        pe.entries.push(entry);
    }
    let mut world = world::World::new();
    world.node(&[(1, 1, A), (2, 2, A)], pe);
    for (network, key) in [(1, "red"), (2, "blue")] {
        let mut site = side_b();
        site.keyrings = vec![ring("keys", 0, "172.18.1.1/32", key)];
        world.node(&[(0, network, B)], site);
    }
    for policy in [1, 2] {
        world.acquire(0, policy);
    }
    world.run_secs(5);
    let ups = &world.nodes[0].up;
    assert_eq!(ups.iter().map(|c| (c.front, c.inside)).collect::<Vec<_>>().len(), 2);
    for (site, front) in [(1, VrfId(1)), (2, VrfId(2))] {
        let ours = ups.iter().find(|child| child.front == front).unwrap();
        assert_eq!(ours.inside, VrfId(front.0 + 10));
        assert!(world::fits(ours, &world.nodes[site].up[0]), "each in its own front VRF");
        assert!(!world::fits(ours, &world.nodes[3 - site].up[0]));
    }
}

#[test]
fn a_peer_of_another_front_vrf_gets_no_key() {
    let mut b = side_b();
    b.keyrings[0].front = VrfId(7);
    let mut world = pair_of(side_a(), b);
    world.acquire(0, 1);
    world.run_secs(5);
    assert!(world.said(1, "no-pre-shared-key"));
}

#[test]
fn a_narrower_flow_is_admitted_and_a_wider_one_refused() {
    let mut world = pair_of(side(A, B, "10.1.5.0/24", "10.2.0.0/16"), side_b());
    world.command(0, acquire("10.1.5.1", "10.2.0.1"));
    world.run_secs(5);
    assert!(world.connected(0, 1));
    assert_eq!(world.nodes[1].up[0].selector, selector("10.2.0.0/16", "10.1.5.0/24"));

    let mut world = pair_of(side(A, B, "10.0.0.0/8", "10.2.0.0/16"), side_b());
    world.command(0, acquire("10.1.5.1", "10.2.0.1"));
    world.run_secs(5);
    assert!(world.said(1, "proxy-identities-not-admitted"));
    assert!(world.said(0, "invalid-id-information"), "the peer is told");
    assert_eq!(world.sessions_up(0), 1, "phase 1 stays");
    assert!(world.nodes.iter().all(world::Node::leaks_no_spi));
}

#[test]
fn protocol_and_ports_are_part_of_the_proxies() {
    let with = |mut config: ike::Config, local: Ports, remote: Ports| {
        let rule = &mut config.entries[0].rules[0].selector;
        (rule.protocol, rule.local_ports, rule.remote_ports) = (Some(6), local, remote);
        config
    };
    let (web, any) = (Ports::one(80), Ports::ANY);
    let mut world = pair_of(with(side_a(), any, web), with(side_b(), web, any));
    let flow = ipsec::Flow {
        local: "10.1.0.1".parse().unwrap(),
        remote: "10.2.0.1".parse().unwrap(),
        protocol: 6,
        local_port: 999,
        remote_port: 80,
    };
    world.command(0, Command::Acquire { policy: PolicyId(1), rule: 0, flow });
    world.run_secs(5);
    assert!(world.connected(0, 1));
    assert_eq!(world.nodes[1].up[0].selector.local_ports, web);
}

#[test]
fn transform_sets_of_the_entry_alone_are_judged_and_the_refusal_is_told() {
    let mut b = side_b();
    b.entries[0].suites = vec![Suite { cipher: Cipher::AesGcm(256), integrity: Integrity::None }];
    let mut elsewhere = side_b().entries[0].clone();
    (elsewhere.policy, elsewhere.sequence, elsewhere.inside) = (PolicyId(2), 2, VrfId(5));
    b.entries.push(elsewhere);
    let mut world = pair_of(side_a(), b);
    world.acquire(0, 1);
    world.run_secs(5);
    assert!(world.said(1, "no-proposal-chosen"));
    assert!(world.said(0, "no-proposal-chosen"));
    assert!(world.nodes[0].up.is_empty());
}

#[test]
fn pfs_is_demanded_where_it_is_configured() {
    let mut b = side_b();
    b.entries[0].pfs = Some(Group::Modp1024);
    let mut world = pair_of(side_a(), b);
    world.acquire(0, 1);
    world.run_secs(5);
    assert!(world.said(1, "no-proposal-chosen"));
    assert!(world.nodes[1].up.is_empty());
}

#[test]
fn the_shorter_lifetime_governs_on_both_ends() {
    let lives = |mut config: ike::Config, seconds, phase1| {
        config.entries[0].lifetime = Lifetime { time: Duration::from_secs(seconds), kilobytes: Some(1000) };
        config.proposals[0].lifetime = Duration::from_secs(phase1);
        config
    };
    for (a, b) in [((600, 7200), (1200, 900)), ((1200, 900), (600, 7200))] {
        let mut world = pair_of(lives(side_a(), a.0, a.1), lives(side_b(), b.0, b.1));
        world.acquire(0, 1);
        world.run_secs(5);
        for node in &world.nodes {
            assert_eq!(node.up[0].lifetime.time, Duration::from_secs(600));
            let left = node.ike.sessions(world.now)[0].left.unwrap();
            assert!(left <= Duration::from_secs(900), "{left:?}");
        }
    }
}

#[test]
fn no_common_phase_1_proposal_is_named_on_both_ends() {
    let b = ike::Config { proposals: vec![Proposal { hash: Hash::Sha512, ..proposal() }], ..side_b() };
    let mut world = pair_of(side_a(), b);
    world.acquire(0, 1);
    world.run_secs(120);
    assert!(world.said(1, "no-proposal-chosen"));
    let told = world.nodes[0].notices.iter().any(|notice| match notice {
        Notice::Failed { what: "no-answer", detail, .. } => detail.contains("no-proposal-chosen"),
        _ => false,
    });
    assert!(told, "the hint of the unauthenticated notify is in the failure");
}

#[test]
fn the_next_peer_is_tried_when_the_first_is_silent() {
    let mut a = side_a();
    a.entries[0].peers =
        ["192.0.2.1", B].map(|peer| ike::config::Peer::Address(peer.parse().unwrap())).into();
    a.keyrings.push(ring("keys", 0, "192.0.2.0/24", "secret"));
    let mut world = pair_of(a, side_b());
    world.acquire(0, 1);
    world.run_secs(90);
    assert!(world.connected(0, 1));
}

#[test]
fn several_children_live_under_one_session() {
    let with = |mut config: ike::Config, ours, theirs| {
        let rule = ipsec::Rule { permit: true, selector: selector(ours, theirs) };
        config.entries[0].rules.push(rule);
        config
    };
    let a = with(side_a(), "10.3.0.0/16", "10.4.0.0/16");
    let b = with(side_b(), "10.4.0.0/16", "10.3.0.0/16");
    let mut world = pair_of(a, b);
    world.acquire(0, 1);
    let flow = world::flow("10.3.0.1", "10.4.0.1");
    world.command(0, Command::Acquire { policy: PolicyId(1), rule: 1, flow });
    world.run_secs(5);
    assert_eq!((world.nodes[0].up.len(), world.sessions_up(0)), (2, 1));
    assert_eq!(
        world.nodes[0].up.iter().filter(|c| c.selector == selector("10.3.0.0/16", "10.4.0.0/16")).count(),
        1
    );
}

#[test]
fn asking_twice_for_the_same_negotiates_once() {
    let mut world = pair();
    (0..10).for_each(|_| world.acquire(0, 1));
    world.run_secs(5);
    world.acquire(0, 1);
    world.run_secs(5);
    assert_eq!((world.nodes[0].up.len(), world.nodes[1].up.len(), world.sessions_up(0)), (1, 1, 1));
}

#[test]
fn clearing_tells_the_peer() {
    let mut world = connected();
    world.command(0, Command::Clear(Target::Children));
    world.run_secs(1);
    assert_eq!(world.nodes[0].down, [(world.nodes[0].down[0].0, DownReason::Cleared)]);
    assert_eq!(world.nodes[1].down.last().unwrap().1, DownReason::PeerDeleted);
    assert_eq!((world.sessions_up(0), world.sessions_up(1)), (1, 1));
    world.command(0, Command::Clear(Target::All));
    world.run_secs(1);
    assert_eq!((world.sessions_up(0), world.sessions_up(1)), (0, 0));
    world.acquire(0, 1);
    world.run_secs(5);
    assert!(world.connected(0, 1), "and traffic brings it up again");
}

fn acquire(local: &str, remote: &str) -> Command {
    Command::Acquire { policy: PolicyId(1), rule: 0, flow: world::flow(local, remote) }
}
