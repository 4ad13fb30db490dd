//! Version 1 in aggressive mode with pre-shared keys: by which name, for whom, and through what.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

mod world;

use std::time::Duration;

use base::{PolicyId, Secret, VrfId};
use ike::config::{AggressivePeer, Config, Identity, Keyring, Match, NamedKey, Profile};
use ike::{Command, Notice};
use ipsec::Encap;
use world::{A, B, Nat, World, pair_of, path, ring, side_a, side_b};

fn named(host: &str, key: &str) -> Keyring {
    let named = vec![NamedKey { host: host.into(), key: Secret::from(key.as_bytes()) }];
    Keyring { named, ..Keyring::new("named".into(), VrfId(0)) }
}

/// A opens in aggressive mode, as `crypto isakmp peer` says; B knows it by that name alone.
fn by_name(identity: Identity, name: &str, wanted: Match) -> (Config, Config) {
    let (mut a, mut b) = (side_a(), side_b());
    (a.aggressive, b.aggressive) = (true, true);
    a.keyrings.clear();
    a.profiles[0].keyrings.clear();
    let key = Some(Secret::from(&b"password"[..]));
    let peer = AggressivePeer { front: VrfId(0), address: B.parse().unwrap(), identity: Some(identity), key };
    a.aggressive_peers = vec![peer];
    b.keyrings = vec![named(name, "password")];
    b.profiles[0].keyrings = vec!["named".into()];
    b.profiles[0].matches = vec![wanted];
    (a, b)
}

fn client() -> (Config, Config) {
    let name = || "branch.example.com".to_owned();
    by_name(Identity::Fqdn(name()), "branch.example.com", Match::Host(name()))
}

fn run((a, b): (Config, Config)) -> World {
    let mut world = pair_of(a, b);
    world.acquire(0, 1);
    world.run_secs(40);
    world
}

fn assert_up(world: &World) {
    assert!(world.connected(0, 1), "{:?} {:?}", world.nodes[0].notices, world.nodes[1].notices);
}

#[test]
fn a_key_goes_by_host_name_user_name_and_key_id() {
    let text = |text: &str| text.to_owned();
    for (identity, name, wanted) in [
        (
            Identity::Fqdn(text("Branch.example.com")),
            "branch.example.com",
            Match::HostDomain(text("example.com")),
        ),
        (
            Identity::UserFqdn(text("joe@example.com")),
            "joe@example.com",
            Match::User(text("joe@example.com")),
        ),
        (Identity::KeyId(b"sales".to_vec()), "sales", Match::Group(text("sales"))),
    ] {
        let world = run(by_name(identity, name, wanted));
        assert_up(&world);
        assert_eq!(world.sent[0].1.bytes[18], 4, "aggressive");
        assert_eq!(world.nodes[1].ike.sessions(world.now)[0].profile.as_deref(), Some("site"));
    }
}

#[test]
fn a_profile_that_opens_aggressively_uses_the_address_and_its_key_as_well() {
    let (mut a, mut b) = (side_a(), side_b());
    (a.aggressive, b.aggressive) = (true, true);
    a.profiles[0].aggressive = true;
    let world = run((a.clone(), b.clone()));
    assert_up(&world);
    b.aggressive = false;
    let world = run((a.clone(), b));
    assert!(world.said(1, "aggressive-mode-disabled"));
    assert!(world.nodes[1].up.is_empty());
    a.aggressive = false;
    let world = run((a, side_b()));
    assert!(world.said(0, "aggressive-mode-disabled"), "nor do we open in it");
    assert!(world.sent.is_empty());
}

#[test]
fn nobody_that_we_do_not_know_gets_an_answer_with_a_hash() {
    let (a, mut b) = client();
    b.keyrings = vec![named("other.example.com", "password")];
    let world = run((a, b));
    assert!(world.said(1, "no-pre-shared-key"), "{:?}", world.nodes[1].notices);
    assert!(world.sent.iter().all(|(_, sent)| sent.path.local.ip().to_string() == A || sent.bytes[18] == 5));
    assert_eq!(world.nodes[1].ike.sessions(world.now).len(), 0);
}

#[test]
fn a_wrong_password_fails_on_both_sides_and_says_so() {
    let (mut a, b) = client();
    a.aggressive_peers[0].key = Some(Secret::from(&b"other"[..]));
    let mut world = run((a, b));
    assert!(world.said(0, "pre-shared-key-mismatch"), "{:?}", world.nodes[0].notices);
    world.run_secs(120);
    assert_eq!((world.sessions_up(0), world.sessions_up(1)), (0, 0));
    assert!(world.nodes.iter().all(|node| node.sad.is_empty()));
    let advice = world.nodes[0].notices.iter().find_map(|notice| match notice {
        Notice::Failed { what: "pre-shared-key-mismatch", detail, .. } => Some(detail.clone()),
        _ => None,
    });
    assert!(advice.unwrap().contains("set the same one on both sides"));
}

#[test]
fn a_client_behind_a_nat_floats_after_message_2() {
    let (a, b) = client();
    for behind in [A, B] {
        let (mut a, mut b) = (a.clone(), b.clone());
        let outside = "203.0.113.1";
        if behind == A {
            b.entries[0].peers = vec![ike::config::Peer::Address(outside.parse().unwrap())];
        } else {
            a.entries[0].peers = vec![ike::config::Peer::Address(outside.parse().unwrap())];
            a.aggressive_peers[0].address = outside.parse().unwrap();
            a.profiles[0].matches =
                vec![Match::Address { prefix: format!("{B}/32").parse().unwrap(), front: VrfId(0) }];
        }
        let mut world = pair_of(a, b);
        world.nats.push((0, Nat { inside: behind.parse().unwrap(), outside: outside.parse().unwrap() }));
        world.acquire(0, 1);
        world.run_secs(5);
        assert_up(&world);
        for node in 0..2 {
            assert!(matches!(world.nodes[node].up[0].encap, Encap::Udp { .. }), "{behind} {node}");
            let session = &world.nodes[node].ike.sessions(world.now)[0];
            assert!(session.nat && session.path.marker);
        }
    }
}

#[test]
fn aggressive_mode_survives_loss_repetition_and_disorder() {
    for seed in 0..40 {
        let (a, b) = client();
        let mut world = pair_of(a, b);
        (0..seed).for_each(|_| world.skip_random());
        (world.loss, world.repeat, world.jitter) = (30, 20, Duration::from_millis(400));
        for _ in 0..4 {
            world.acquire(0, 1);
            world.run_secs(40);
        }
        (world.loss, world.repeat) = (0, 0);
        world.acquire(0, 1);
        world.run_secs(60);
        assert!(world.connected(0, 1), "seed {seed}: {:?}", world.nodes[0].notices);
        assert!(world.nodes.iter().all(world::Node::leaks_no_spi), "seed {seed}");
    }
}

#[test]
fn junk_after_any_message_changes_nothing() {
    for stop in 0..6 {
        let (a, b) = client();
        let mut world = pair_of(a, b);
        world.acquire(0, 1);
        while world.sent.len() <= stop && world.now < base::Instant::from_secs(5) {
            world.run(Duration::from_millis(1));
        }
        let all: Vec<_> = world.sent.iter().map(|(_, sent)| sent.clone()).collect();
        for sent in all {
            let node = usize::from(sent.path.local.ip().to_string() == A);
            let (local, remote) = if node == 1 { (B, A) } else { (A, B) };
            for place in (8..sent.bytes.len()).step_by(5) {
                let mut bytes = sent.bytes.clone();
                bytes[place] ^= 0x55;
                world.inject(node, path(0, local, remote), bytes);
            }
            world.inject(node, path(0, local, remote), sent.bytes[..sent.bytes.len() / 2].to_vec());
        }
        world.run_secs(30);
        assert!(world.connected(0, 1), "after message {stop}: {:?}", world.nodes[0].notices);
    }
}

#[test]
fn initial_contact_of_a_client_that_restarted_clears_what_it_forgot() {
    let (a, b) = client();
    let mut world = run((a.clone(), b));
    assert_up(&world);
    let old = world.nodes[1].up[0].id;
    world.restart(0, a);
    world.acquire(0, 1);
    world.run_secs(5);
    assert!(world.connected(0, 1));
    assert_eq!(world.nodes[1].down.first().map(|(id, _)| *id), Some(old));
    assert_eq!(world.sessions_up(1), 1);
}

#[test]
fn rings_and_profiles_that_are_bound_to_another_address_of_ours_are_passed_over() {
    let (mut a, mut b) = (side_a(), side_b());
    a.aggressive = true;
    let mut elsewhere = ring("elsewhere", 0, &format!("{A}/32"), "other");
    elsewhere.local = Some("172.16.9.9".parse().unwrap());
    b.keyrings.insert(0, elsewhere);
    let mut bound = b.profiles[0].clone();
    bound.name = "bound".into();
    bound.keyrings = vec!["elsewhere".into()];
    bound.local = Some((VrfId(0), "172.16.9.9".parse().unwrap()));
    let in_another_vrf = Profile { local: Some((VrfId(7), B.parse().unwrap())), ..bound.clone() };
    b.profiles.splice(0..0, [bound, Profile { name: "of-another-vrf".into(), ..in_another_vrf }]);
    let world = run((a, b));
    assert_up(&world);
    assert_eq!(world.nodes[1].ike.sessions(world.now)[0].profile.as_deref(), Some("site"));
}

#[test]
fn a_key_that_goes_by_name_alone_makes_us_open_aggressively() {
    let (mut a, b) = client();
    a.aggressive_peers.clear();
    a.keyrings = vec![named("hub.example.com", "password")];
    a.profiles[0].keyrings = vec!["named".into()];
    a.identity = Identity::Fqdn("branch.example.com".into());
    a.entries[0].peers = vec![ike::config::Peer::Host("hub.example.com".into())];
    let mut world = pair_of(a, b);
    world.hosts.insert("hub.example.com".into(), vec![B.parse().unwrap()]);
    world.command(
        0,
        Command::Acquire { policy: PolicyId(1), rule: 0, flow: world::flow("10.1.0.1", "10.2.0.1") },
    );
    world.run_secs(5);
    assert_up(&world);
    assert_eq!(world.sent[0].1.bytes[18], 4);
}
