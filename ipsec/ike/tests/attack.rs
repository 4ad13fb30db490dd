//! What an attacker or a careless peer tries, and what it must not leave behind.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

mod world;

use std::time::Duration;

use base::{Engine, PolicyId, VrfId};
use crypto::dh::Group;
use ike::config::{Match, Proposal};
use ike::{Command, Config, Target};
use ipsec::{Cipher, Encap, Integrity, Rule, Suite};
use world::{A, B, Nat, World, connected, pair, pair_of, path, proposal, selector, side, side_a, side_b};

#[test]
fn our_own_first_message_sent_back_leaves_main_mode_where_it_was() {
    let mut world = pair();
    world.acquire(0, 1);
    let opening = world.sent[0].1.bytes.clone();
    world.inject(0, path(0, A, B), opening);
    assert!(world.said(0, "no-responder-cookie"));
    world.run_secs(1);
    assert!(world.connected(0, 1));
}

#[test]
fn proxies_that_a_deny_line_takes_out_are_not_admitted() {
    let mut b = side_b();
    let denied = Rule { permit: false, selector: selector("10.2.9.0/24", "10.1.0.0/16") };
    b.entries[0].rules.insert(0, denied);
    let mut a = side_a();
    a.entries[0].rules[0].selector.remote = "10.2.9.0/25".parse().unwrap();
    let mut world = pair_of(a, b);
    let flow = world::flow("10.1.0.1", "10.2.9.1");
    world.command(0, Command::Acquire { policy: PolicyId(1), rule: 0, flow });
    world.run_secs(5);
    assert!(world.said(1, "proxy-identities-not-admitted"));
    assert!(world.nodes[1].up.is_empty() && world.nodes[1].sad.is_empty());
}

#[test]
fn ike_and_its_identities_work_over_ipv6() {
    let (a, b) = ("2001:db8::a", "2001:db8::b");
    let mut world = World::new();
    world.node(&[(0, 0, a)], side(a, b, "10.1.0.0/16", "10.2.0.0/16"));
    world.node(&[(0, 0, b)], side(b, a, "10.2.0.0/16", "10.1.0.0/16"));
    world.acquire(0, 1);
    world.run_secs(2);
    assert!(world.connected(0, 1), "{:?}", world.nodes[0].notices);
    assert_eq!(world.nodes[0].up[0].remote.to_string(), b);
}

/// Ways in which B does not suit A.
fn unsuitable() -> Vec<(&'static str, Config)> {
    let change = |change: fn(&mut Config)| {
        let mut config = side_b();
        change(&mut config);
        config
    };
    vec![
        ("key", change(|b| b.keyrings[0].keys[0].key = base::Secret::from(&b"other"[..]))),
        ("no key", change(|b| b.keyrings.clear())),
        ("profile", change(|b| b.profiles[0].matches = vec![Match::Host("nobody".into())])),
        ("phase 1", change(|b| b.proposals[0].group = Group::Modp2048)),
        ("no entry", change(|b| b.entries.clear())),
        ("proxies", change(|b| b.entries[0].rules[0].selector = selector("10.9.0.0/16", "10.1.0.0/16"))),
        ("pfs", change(|b| b.entries[0].pfs = Some(Group::Modp1024))),
        (
            "suite",
            change(|b| {
                b.entries[0].suites = vec![Suite { cipher: Cipher::AesGcm(256), integrity: Integrity::None }];
            }),
        ),
    ]
}

#[test]
fn failed_negotiations_of_every_kind_hold_no_spi_and_end() {
    for (what, b) in unsuitable() {
        let mut world = pair_of(side_a(), b);
        for _ in 0..5 {
            world.acquire(0, 1);
            let flow = world::flow("10.2.0.1", "10.1.0.1");
            world.command(1, Command::Acquire { policy: PolicyId(1), rule: 0, flow });
            world.run_secs(40);
        }
        world.command(0, Command::Clear(Target::All));
        world.run_secs(200);
        for node in &world.nodes {
            assert!(node.sad.is_empty(), "{what}: {} SPIs", node.sad.len());
            assert!(node.up.is_empty() && node.ready.is_empty(), "{what}");
        }
    }
}

#[test]
fn an_exchange_that_stops_after_any_message_holds_no_spi_in_the_end() {
    for group in [None, Some(Group::EcpP256)] {
        for last in 0..10 {
            let with = |mut config: Config| {
                config.entries[0].pfs = group;
                config
            };
            let mut world = pair_of(with(side_a()), with(side_b()));
            world.acquire(0, 1);
            while world.sent.len() <= last && world.now < base::Instant::from_secs(5) {
                world.run(Duration::from_millis(1));
            }
            world.filter = Some(|_| false);
            world.run_secs(300);
            for target in [Target::Children, Target::All] {
                (0..2).for_each(|node| world.command(node, Command::Clear(target)));
            }
            assert!(world.nodes.iter().all(|node| node.sad.is_empty()), "after message {last}");
            world.run_secs(300);
            for node in &world.nodes {
                assert!(node.ike.sessions(world.now).is_empty(), "after message {last}");
                assert_eq!(node.ike.deadline(), None, "nothing is left to wake for");
            }
        }
    }
}

#[test]
fn tunnels_that_come_and_go_leave_nothing() {
    let fast =
        |config| Config { proposals: vec![Proposal { group: Group::EcpP256, ..proposal() }], ..config };
    let mut world = pair_of(fast(side_a()), fast(side_b()));
    for _ in 0..200 {
        world.acquire(0, 1);
        world.run(Duration::from_millis(200));
        assert!(world.connected(0, 1));
        world.command(0, Command::Clear(Target::All));
        world.run(Duration::from_millis(200));
    }
    for node in &world.nodes {
        assert!(node.sad.is_empty() && node.ike.sessions(world.now).is_empty());
        assert!(node.ike.children(world.now).is_empty());
        assert_eq!(node.ike.deadline(), None);
    }
}

/// B sits behind a NAT that shows it to A as 203.0.113.1, its port 4500 as 14500.
fn natted() -> World {
    let outside = "203.0.113.1";
    let mut a = side(A, outside, "10.1.0.0/16", "10.2.0.0/16");
    a.profiles[0].matches.push(Match::Address { prefix: "172.16.1.1/32".parse().unwrap(), front: VrfId(0) });
    let mut world = pair_of(a, side_b());
    world.nats.push((0, Nat { inside: B.parse().unwrap(), outside: outside.parse().unwrap() }));
    let flow = world::flow("10.2.0.1", "10.1.0.1");
    world.command(1, Command::Acquire { policy: PolicyId(1), rule: 0, flow });
    world.run_secs(5);
    world
}

#[test]
fn a_peer_whose_nat_gives_it_another_port_is_followed_by_its_children_and_its_session() {
    let mut world = natted();
    let child = world.nodes[0].up[0].id;
    world.command(0, Command::Moved { child, port: 23456 });
    let moved = Encap::Udp { local: 4500, remote: 23456 };
    assert_eq!(world.nodes[0].up[0].encap, moved);
    assert_eq!(world.nodes[0].ike.children(world.now)[0].encap, moved);
    assert_eq!(world.nodes[0].ike.sessions(world.now)[0].path.remote.port(), 23456);
}

#[test]
fn an_authentic_message_from_another_port_takes_the_children_along() {
    let mut world = natted();
    world.filter = Some(|_| false);
    world.command(1, Command::Rekey(world.nodes[1].up[0].id));
    let rekey = world.sent.last().unwrap().1.bytes.clone();
    let mut from = path(0, A, "203.0.113.1");
    (from.marker, from.local) = (true, format!("{A}:4500").parse().unwrap());
    from.remote.set_port(34567);
    let mut forged = rekey.clone();
    *forged.last_mut().unwrap() ^= 1;
    world.inject(0, from, forged);
    assert_eq!(world.nodes[0].up[0].encap, Encap::Udp { local: 4500, remote: 14500 }, "not authentic");
    world.inject(0, from, rekey);
    assert_eq!(world.nodes[0].up[0].encap, Encap::Udp { local: 4500, remote: 34567 });
}

#[test]
fn who_is_behind_no_nat_or_is_behind_one_itself_moves_nobody() {
    let mut plain = connected();
    let child = plain.nodes[0].up[0].id;
    plain.command(0, Command::Moved { child, port: 23456 });
    assert_eq!(plain.nodes[0].up[0].encap, Encap::Esp);
    let mut world = natted();
    let child = world.nodes[1].up[0].id;
    world.command(1, Command::Moved { child, port: 23456 });
    assert_eq!(world.nodes[1].up[0].encap, Encap::Udp { local: 4500, remote: 4500 });
}
