//! Tunnels last: through rekeys, restarts, NATs, junk and new configurations.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

mod world;

use std::sync::Arc;
use std::time::Duration;

use base::Spi;
use ike::{Command, DownReason, Notice, Path};
use ipsec::{Encap, Lifetime};
use world::{A, B, Nat, World, connected, pair_of, path, ring, side, side_a, side_b};

/// Phase 2 for ten minutes, phase 1 for half an hour.
fn short_lived(mut config: ike::Config) -> ike::Config {
    config.entries[0].lifetime = Lifetime { time: Duration::from_secs(600), kilobytes: None };
    config.proposals[0].lifetime = Duration::from_secs(1800);
    config
}

/// Packets are sent both ways all the time: every one must find its SA.
fn run_under_traffic(world: &mut World, span: Duration) {
    let end = world.now + span;
    while world.now < end {
        world.run(Duration::from_millis(500));
        assert!(world.can_send(0, 1), "A to B at {}", world.now);
        assert!(world.can_send(1, 0), "B to A at {}", world.now);
    }
}

#[test]
fn both_phases_rekey_for_hours_without_losing_a_packet() {
    let mut world = pair_of(short_lived(side_a()), short_lived(side_b()));
    world.acquire(0, 1);
    world.run_secs(5);
    let first = world.nodes[0].up[0].spi_in;
    run_under_traffic(&mut world, Duration::from_secs(3 * 3600));
    assert_ne!(world.nodes[0].up.last().unwrap().spi_in, first);
    let rekeys = world.nodes[0].down.iter().filter(|(_, why)| *why == DownReason::Superseded).count()
        + world.nodes[0].down.iter().filter(|(_, why)| *why == DownReason::PeerDeleted).count();
    assert!(rekeys >= 18, "{:?}", world.nodes[0].down);
    let expired = |world: &World, node: usize| {
        world.nodes[node].down.iter().any(|(_, why)| *why == DownReason::Expired)
    };
    assert!(!expired(&world, 0) && !expired(&world, 1));
    assert!(world.sessions_up(0) >= 1);
    assert!(world.nodes.iter().all(world::Node::leaks_no_spi));
}

#[test]
fn rekeys_survive_a_lossy_network() {
    let mut world = pair_of(short_lived(side_a()), short_lived(side_b()));
    world.acquire(0, 1);
    world.run_secs(5);
    (world.loss, world.repeat, world.jitter) = (15, 10, Duration::from_millis(200));
    run_under_traffic(&mut world, Duration::from_secs(2 * 3600));
}

#[test]
fn the_outbound_sa_of_a_rekey_is_used_only_when_the_peer_has_it() {
    let mut world = pair_of(short_lived(side_a()), short_lived(side_b()));
    world.acquire(0, 1);
    world.run_secs(5);
    let old = world.nodes[0].up[0].id;
    world.command(0, Command::Rekey(old));
    for _ in 0..3000 {
        world.run(Duration::from_millis(1));
        assert!(world.can_send(0, 1) && world.can_send(1, 0));
    }
    assert_eq!(world.nodes[0].up.len(), 2, "the old one still receives");
    world.run_secs(60);
    assert_eq!((world.nodes[0].up.len(), world.nodes[1].up.len()), (1, 1));
    assert_ne!(world.nodes[0].up[0].id, old);
}

#[test]
fn rekeys_that_cross_leave_a_working_tunnel() {
    for skew in [0, 5, 10, 20, 35, 500, 990, 1005] {
        let mut world = connected();
        let (a, b) = (world.nodes[0].up[0].id, world.nodes[1].up[0].id);
        world.command(0, Command::Rekey(a));
        world.run(Duration::from_millis(skew));
        world.command(1, Command::Rekey(b));
        run_under_traffic(&mut world, Duration::from_secs(2 * 3600));
        assert!(world.nodes.iter().all(world::Node::leaks_no_spi));
        assert!(world.nodes[0].up.len() <= 3, "skew {skew}");
    }
}

#[test]
fn a_rekey_that_fails_is_tried_again_until_the_sa_expires() {
    let mut world = pair_of(short_lived(side_a()), short_lived(side_b()));
    world.acquire(0, 1);
    world.run_secs(5);
    world.loss = 100;
    world.run_secs(560);
    assert_eq!(world.nodes[0].up.len(), 1);
    world.run_secs(40);
    assert_eq!(world.nodes[0].down, [(world.nodes[0].down[0].0, DownReason::Expired)]);
    world.loss = 0;
    world.run_secs(200);
    world.acquire(0, 1);
    world.run_secs(10);
    assert!(world.connected(0, 1));
}

#[test]
fn initial_contact_of_a_restarted_peer_clears_what_it_forgot() {
    let mut world = connected();
    let forgotten = world.nodes[0].up[0].id;
    world.run_secs(10);
    world.restart(1, side_b());
    let flow = world::flow("10.2.0.1", "10.1.0.1");
    world.command(1, Command::Acquire { policy: base::PolicyId(1), rule: 0, flow });
    world.run_secs(5);
    assert_eq!(world.nodes[0].down, [(forgotten, DownReason::InitialContact)]);
    assert_eq!(world.sessions_up(0), 1);
    assert!(world.can_send(0, 1) && world.can_send(1, 0));
}

#[test]
fn esp_with_an_unknown_spi_from_a_configured_peer_brings_the_tunnel_back() {
    let mut world = connected();
    world.restart(0, side_a());
    let unknown = |spi| Command::UnknownSpi {
        front: base::VrfId(0),
        local: A.parse().unwrap(),
        remote: B.parse().unwrap(),
        spi: Spi(spi),
    };
    for spi in 0..50 {
        world.command(0, unknown(0x1000 + spi));
    }
    world.run_secs(4);
    assert!(world.can_send(0, 1) && world.can_send(1, 0));
    assert_eq!(world.nodes[1].down.last().unwrap().1, DownReason::InitialContact);
    assert_eq!(world.sessions_up(0), 1);
    let before = world.sent.len();
    world.command(
        0,
        Command::UnknownSpi {
            front: base::VrfId(0),
            local: A.parse().unwrap(),
            remote: "198.51.100.7".parse().unwrap(),
            spi: Spi(0x9999),
        },
    );
    assert_eq!(world.sent.len(), before, "a stranger moves nothing");
}

#[test]
fn a_peer_that_still_has_a_session_is_told_that_an_spi_is_gone() {
    let mut world = connected();
    let child = world.nodes[1].up[0].clone();
    // Lost on A's side alone.
    world.filter = Some(|_| false);
    world.command(0, Command::Clear(ike::Target::Children));
    world.run_secs(1);
    world.filter = None;
    assert_eq!(world.nodes[1].up.len(), 1);
    let (front, local, remote) = (base::VrfId(0), A.parse().unwrap(), B.parse().unwrap());
    world.command(0, Command::UnknownSpi { front, local, remote, spi: child.spi_out });
    world.run_secs(1);
    assert_eq!(world.nodes[1].down, [(child.id, DownReason::PeerDeleted)]);
}

#[test]
fn a_peer_that_forgot_the_session_is_found_again_by_our_own_traffic() {
    let mut world = connected();
    world.restart(1, side_b());
    let id = world.nodes[0].up[0].id;
    world.command(0, Command::Clear(ike::Target::Child(id)));
    world.acquire(0, 1);
    world.run_secs(80);
    assert!(world.can_send(0, 1) && world.can_send(1, 0));
}

/// B sits behind a NAT that shows it to A as 203.0.113.1.
fn natted() -> World {
    let outside = "203.0.113.1";
    let mut a = side(A, outside, "10.1.0.0/16", "10.2.0.0/16");
    a.profiles[0].matches.push(ike::config::Match::Address {
        prefix: "172.16.1.1/32".parse().unwrap(),
        front: base::VrfId(0),
    });
    let mut world = pair_of(a, side_b());
    world.nats.push((0, Nat { inside: B.parse().unwrap(), outside: outside.parse().unwrap() }));
    let flow = world::flow("10.2.0.1", "10.1.0.1");
    world.command(1, Command::Acquire { policy: base::PolicyId(1), rule: 0, flow });
    world.run_secs(5);
    world
}

#[test]
fn behind_a_nat_both_sides_float_to_port_4500_and_carry_esp_in_udp() {
    let world = natted();
    assert!(world.can_send(0, 1) && world.can_send(1, 0), "{:?}", world.nodes[0].notices);
    assert_eq!(world.nodes[0].up[0].encap, Encap::Udp { local: 4500, remote: 14500 });
    assert_eq!(world.nodes[1].up[0].encap, Encap::Udp { local: 4500, remote: 4500 });
    assert!(world.nodes[0].ike.sessions(world.now)[0].path.marker);
    assert!(world.nodes.iter().all(|node| node.ike.sessions(world.now)[0].nat));
}

#[test]
fn only_who_is_behind_the_nat_sends_keepalives() {
    let mut world = natted();
    let before = world.sent.len();
    world.run_secs(100);
    let keepalives: Vec<_> = world.sent[before..].iter().filter(|(_, d)| d.bytes == [0xFF]).collect();
    assert_eq!(keepalives.len(), 5);
    for (_, keepalive) in keepalives {
        assert_eq!(keepalive.path.local.to_string(), format!("{B}:4500"));
        assert!(!keepalive.path.marker);
    }
}

#[test]
fn a_natted_tunnel_rekeys_too() {
    let mut world = natted();
    let (a, b) = (world.nodes[0].up[0].id, world.nodes[1].up[0].id);
    world.command(0, Command::Rekey(a));
    world.run_secs(40);
    assert!(world.can_send(0, 1) && world.can_send(1, 0));
    assert_ne!(world.nodes[0].up[0].id, a);
    let b_now = world.nodes[1].up[0].id;
    assert_ne!(b_now, b);
    world.command(1, Command::Rekey(b_now));
    world.run_secs(40);
    assert!(world.can_send(0, 1) && world.can_send(1, 0));
}

#[test]
fn junk_at_every_step_never_harms_a_session() {
    let mut honest = connected();
    let sent = honest.sent.clone();
    let children = honest.nodes[0].up[0].id;
    for (_, datagram) in &sent {
        for mutation in 0..40 {
            let mut bytes = datagram.bytes.clone();
            let random = usize::try_from(honest.next_random() % 100_000).unwrap();
            match mutation % 4 {
                0 => bytes[16 + random % 12] ^= 1 << (random % 8),
                1 => bytes.truncate(random % bytes.len()),
                2 => {
                    let place = random % bytes.len();
                    bytes[place] = bytes[place].wrapping_add(1 + u8::try_from(random % 200).unwrap());
                }
                _ => bytes[28..].iter_mut().for_each(|byte| *byte ^= 0x5A),
            }
            let Path { local, remote, .. } = datagram.path;
            let to = usize::from(remote.ip().to_string() == B);
            let arrives = Path { local: remote, remote: local, ..datagram.path };
            honest.inject(to, arrives, bytes.clone());
            honest.inject(1 - to, Path { local, remote, ..datagram.path }, bytes);
        }
    }
    honest.run_secs(200);
    assert_eq!(honest.nodes[0].up[0].id, children);
    assert!(honest.connected(0, 1));
    assert_eq!((honest.sessions_up(0), honest.sessions_up(1)), (1, 1));
    let half_open = honest.nodes[1].ike.sessions(honest.now).iter().filter(|s| !s.established).count();
    assert_eq!(half_open, 0, "what junk opened has gone");
}

#[test]
fn junk_between_the_messages_of_main_mode_does_not_stop_it() {
    let mut world = world::pair();
    world.acquire(0, 1);
    for _ in 0..40 {
        world.run(Duration::from_millis(5));
        let Some((_, last)) = world.sent.last().cloned() else { continue };
        let mut bytes = last.bytes.clone();
        let end = bytes.len() - 1;
        bytes[end] ^= 1;
        bytes[20] ^= 0x80;
        let arrives = Path { local: last.path.remote, remote: last.path.local, ..last.path };
        let to = usize::from(last.path.remote.ip().to_string() == B);
        world.inject(to, arrives, bytes);
    }
    world.run_secs(30);
    assert!(world.connected(0, 1));
}

#[test]
fn a_quick_mode_message_changed_in_any_byte_reserves_nothing() {
    let mut world = world::pair();
    world.filter = Some(|datagram| datagram.bytes[18] != 32);
    world.acquire(0, 1);
    world.run_secs(1);
    let quick = world.sent.iter().find(|(_, d)| d.bytes[18] == 32).unwrap().1.bytes.clone();
    for place in 28..quick.len() {
        let mut changed = quick.clone();
        changed[place] ^= 0x10;
        world.inject(1, path(0, B, A), changed);
        assert_eq!(world.nodes[1].sad.len(), 0, "byte {place}");
    }
    world.inject(1, path(0, B, A), quick);
    assert_eq!(world.nodes[1].sad.len(), 1, "unchanged, it is welcome");
}

#[test]
fn a_replayed_exchange_and_a_reflected_one_are_refused() {
    let mut world = connected();
    let spis = world.nodes[1].sad.len();
    world.run_secs(300);
    let quick: Vec<_> = world.sent.iter().filter(|(_, d)| d.bytes[18] == 32).cloned().collect();
    for (_, datagram) in &quick {
        for node in [0, 1] {
            let (local, remote) = if node == 0 { (A, B) } else { (B, A) };
            world.inject(node, path(0, local, remote), datagram.bytes.clone());
        }
    }
    assert!(world.said(1, "message-id-used") && world.said(0, "message-id-used"));
    assert_eq!(world.nodes[1].sad.len(), spis);
}

#[test]
fn an_unauthenticated_notify_or_delete_is_counted_and_ignored() {
    let mut world = connected();
    let mut forged = world.sent[0].1.bytes[..28].to_vec();
    let cookies = world.sent.last().unwrap().1.bytes[..16].to_vec();
    forged[..16].copy_from_slice(&cookies);
    (forged[16], forged[17], forged[18], forged[19]) = (12, 0x10, 5, 0);
    let mut delete = vec![0, 0, 0, 28, 0, 0, 0, 1, 1, 16, 0, 1];
    delete.extend_from_slice(&cookies);
    forged[24..28].copy_from_slice(&u32::try_from(28 + delete.len()).unwrap().to_be_bytes());
    forged.extend(delete);
    world.inject(1, path(0, B, A), forged);
    assert!(world.said(1, "unauthenticated-notify"));
    assert_eq!(world.sessions_up(1), 1);
}

#[test]
fn messages_of_a_session_mean_nothing_in_another_front_vrf() {
    let mut world = connected();
    let before = world.nodes[1].ike.children(world.now);
    let from_a: Vec<_> =
        world.sent.iter().filter(|(_, d)| d.path.local.ip().to_string() == A).cloned().collect();
    for (_, datagram) in &from_a[1..] {
        let sent = world.sent.len();
        world.inject(1, path(5, B, A), datagram.bytes.clone());
        assert_eq!(world.sent.len(), sent, "not even the answer to a duplicate");
    }
    assert!(world.said(1, "unknown-cookies"));
    world.command(0, Command::Clear(ike::Target::Children));
    world.filter = Some(|_| false);
    let delete = world.sent.last().unwrap().1.bytes.clone();
    world.inject(1, path(5, B, A), delete);
    assert_eq!(world.nodes[1].ike.children(world.now), before);
}

#[test]
fn a_flood_of_openings_is_bounded_and_an_honest_peer_still_gets_through() {
    let mut world = connected();
    let opening = world.sent[0].1.bytes.clone();
    for number in 0..3000u32 {
        let mut bytes = opening.clone();
        bytes[..4].copy_from_slice(&(number + 1).to_be_bytes());
        world.inject(1, path(0, B, A), bytes);
    }
    assert!(world.nodes[1].ike.sessions(world.now).len() <= 33);
    world.restart(0, side_a());
    world.acquire(0, 1);
    world.run_secs(10);
    assert!(world.can_send(0, 1) && world.can_send(1, 0));
}

#[test]
fn other_versions_and_modes_are_refused_by_name() {
    let mut world = connected();
    let opening = world.sent[0].1.bytes.clone();
    let with = |place: usize, value: u8| {
        let mut bytes = opening.clone();
        bytes[0] ^= 0xFF;
        bytes[place] = value;
        bytes
    };
    for (bytes, word) in [
        (with(17, 0x20), "unknown-spis"),
        (with(17, 0x50), "unknown-ike-version"),
        (with(18, 4), "aggressive-mode-disabled"),
        (with(18, 32), "unknown-exchange"),
        (with(9, 1), "unknown-cookies"),
        (vec![1, 2, 3], "truncated"),
    ] {
        let sent = world.sent.len();
        world.inject(1, path(0, B, A), bytes);
        assert!(world.said(1, word), "{word}");
        let answers = usize::from(word == "unknown-ike-version");
        assert_eq!(world.sent.len(), sent + answers, "{word}: only INVALID_MAJOR_VERSION");
    }
}

#[test]
fn a_new_configuration_closes_only_what_it_changes() {
    let mut world = connected();
    world.command(0, Command::Configure(Arc::new(side_a())));
    let mut more = side_a();
    more.keyrings.push(ring("more", 0, "192.0.2.9/32", "x"));
    more.proposals.push(world::proposal());
    world.command(0, Command::Configure(Arc::new(more.clone())));
    world.run_secs(1);
    assert!(world.connected(0, 1) && world.nodes[0].down.is_empty(), "unrelated changes touch nothing");

    let mut rules = more.clone();
    rules.entries[0].rules[0].selector = world::selector("10.1.0.0/16", "10.9.0.0/16");
    world.command(0, Command::Configure(Arc::new(rules)));
    world.run_secs(1);
    assert_eq!(world.nodes[0].down.last().unwrap().1, DownReason::Reconfigured);
    assert_eq!(world.nodes[1].down.last().unwrap().1, DownReason::PeerDeleted);
    assert_eq!(world.sessions_up(0), 1, "the entry changed, phase 1 did not");

    let mut key = more;
    key.keyrings[0] = ring("keys", 0, "172.16.1.1/32", "changed");
    world.command(0, Command::Configure(Arc::new(key)));
    world.run_secs(1);
    assert_eq!((world.sessions_up(0), world.sessions_up(1)), (0, 0));
    let reasons = world.nodes[0].notices.iter().filter_map(|notice| match notice {
        Notice::SessionDown { reason, .. } => Some(*reason),
        _ => None,
    });
    assert_eq!(reasons.collect::<Vec<_>>(), [DownReason::Reconfigured]);
}

#[test]
fn a_configuration_that_changes_during_a_negotiation_wins_over_it() {
    for moment in (0..80).step_by(5) {
        let mut world = world::pair();
        world.acquire(0, 1);
        world.run(Duration::from_millis(moment));
        let mut other = side_a();
        other.entries[0].rules[0].selector = world::selector("10.1.0.0/16", "10.9.0.0/16");
        world.command(0, Command::Configure(Arc::new(other)));
        world.run_secs(5);
        assert!(world.nodes[0].up.is_empty(), "at {moment} ms");
        assert!(world.nodes.iter().all(world::Node::leaks_no_spi));

        world.command(0, Command::Configure(Arc::new(side_a())));
        world.acquire(0, 1);
        world.run_secs(5);
        assert!(world.connected(0, 1), "at {moment} ms: and back");
    }
}

#[test]
fn an_unrelated_change_during_main_mode_only_delays_the_tunnel() {
    for moment in (0..60).step_by(5) {
        let mut world = world::pair();
        world.acquire(0, 1);
        world.run(Duration::from_millis(moment));
        let mut more = side_a();
        more.keyrings.push(ring("more", 0, "192.0.2.9/32", "x"));
        world.command(0, Command::Configure(Arc::new(more)));
        world.run_secs(5);
        assert!(world.connected(0, 1), "at {moment} ms");
    }
}

#[test]
fn debugging_speaks_like_ios_and_only_when_asked() {
    let mut world = world::pair();
    world.command(1, Command::Debug(true));
    world.acquire(0, 1);
    world.run_secs(3);
    let lines = |node: usize| -> Vec<String> {
        let debug = |notice: &Notice| match notice {
            Notice::Debug { text, .. } => Some(text.clone()),
            _ => None,
        };
        world.nodes[node].notices.iter().filter_map(debug).collect()
    };
    assert!(lines(0).is_empty());
    let said = lines(1).join("\n");
    assert!(
        said.contains("checking ISAKMP transform 1 against priority 10 policy: atts are acceptable."),
        "{said}"
    );
    assert!(said.contains("peer matches site profile"), "{said}");
}
