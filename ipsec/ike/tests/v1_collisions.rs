//! Version 1 where both sides act at once, message by message: each order in which the messages can arrive.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

mod world;

use std::time::Duration;

use base::PolicyId;
use ike::config::{Authentication, Config, Hash, Identity};
use ike::{Command, DownReason, Target};
use world::certificates::trustpoint;
use world::{A, B, World, connected, pair_of, path, side_a, side_b};

/// Every step of so many milliseconds between what A and what B does.
const SKEWS: [u64; 12] = [0, 3, 9, 11, 19, 21, 29, 31, 39, 41, 61, 1009];

fn act(world: &mut World, skew: u64, a: impl FnOnce(&mut World), b: impl FnOnce(&mut World)) {
    a(world);
    world.run(Duration::from_millis(skew));
    b(world);
}

fn acquire_b(world: &mut World) {
    let flow = world::flow("10.2.0.1", "10.1.0.1");
    world.command(1, Command::Acquire { policy: PolicyId(1), rule: 0, flow });
}

/// Both sides can send, all the time.
fn carries(world: &mut World, span: Duration, what: &str) {
    let end = world.now + span;
    while world.now < end {
        world.run(Duration::from_millis(250));
        assert!(world.can_send(0, 1), "A to B: {what} at {}", world.now);
        assert!(world.can_send(1, 0), "B to A: {what} at {}", world.now);
    }
}

fn assert_clean(world: &World, what: &str) {
    for node in &world.nodes {
        assert!(node.leaks_no_spi(), "{what}");
    }
}

#[test]
fn phase_1_opened_from_both_sides_comes_up_once_or_twice_and_carries() {
    let aggressive = |mut config: Config| {
        config.aggressive = true;
        config.profiles[0].aggressive = true;
        config
    };
    for skew in SKEWS {
        for sides in [(side_a(), side_b()), (aggressive(side_a()), aggressive(side_b()))] {
            let mut world = pair_of(sides.0, sides.1);
            act(&mut world, skew, |world| world.acquire(0, 1), acquire_b);
            world.run_secs(60);
            let what = format!("skew {skew}");
            carries(&mut world, Duration::from_secs(60), &what);
            assert_clean(&world, &what);
            assert!(world.sessions_up(0) <= 2 && world.nodes[0].up.len() <= 3, "{what}");
        }
    }
}

#[test]
fn rekeys_from_both_sides_never_interrupt() {
    for skew in SKEWS {
        let mut world = connected();
        let (a, b) = (world.nodes[0].up[0].id, world.nodes[1].up[0].id);
        let rekey = |node, id| move |world: &mut World| world.command(node, Command::Rekey(id));
        act(&mut world, skew, rekey(0, a), rekey(1, b));
        let what = format!("skew {skew}");
        carries(&mut world, Duration::from_secs(180), &what);
        assert_clean(&world, &what);
    }
}

#[test]
fn a_rekey_that_meets_a_delete_ends_with_a_tunnel_or_with_none() {
    for skew in SKEWS {
        for target in [Target::All, Target::Children] {
            let mut world = connected();
            let old = world.nodes[0].up[0].id;
            let rekey = |world: &mut World| world.command(0, Command::Rekey(old));
            let clear = |world: &mut World| world.command(1, Command::Clear(target));
            act(&mut world, skew, rekey, clear);
            world.run_secs(200);
            let what = format!("skew {skew} {target:?}");
            assert_clean(&world, &what);
            let (sends, receives) = (world.can_send(0, 1), world.can_send(1, 0));
            assert!(sends == receives || world.nodes.iter().any(|node| node.up.is_empty()), "{what}");
            world.acquire(0, 1);
            acquire_b(&mut world);
            world.run_secs(60);
            assert!(world.connected(0, 1), "{what}: and it comes up again");
        }
    }
}

#[test]
fn deletes_from_both_sides_leave_nothing() {
    for skew in SKEWS {
        for target in [Target::All, Target::Children] {
            let mut world = connected();
            let clear = |node| move |world: &mut World| world.command(node, Command::Clear(target));
            act(&mut world, skew, clear(0), clear(1));
            world.run_secs(100);
            for node in &world.nodes {
                assert!(node.up.is_empty() && node.ready.is_empty() && node.sad.is_empty(), "skew {skew}");
            }
        }
    }
}

#[test]
fn phase_1_renewed_from_both_sides_at_once_keeps_one_that_serves() {
    let short = |mut config: Config| {
        config.proposals[0].lifetime = Duration::from_secs(600);
        config
    };
    for seed in 0..6 {
        let mut world = pair_of(short(side_a()), short(side_b()));
        (0..seed).for_each(|_| world.skip_random());
        act(&mut world, seed, |world| world.acquire(0, 1), acquire_b);
        world.run_secs(10);
        carries(&mut world, Duration::from_secs(4 * 600), &format!("seed {seed}"));
        assert!((1..=3).contains(&world.sessions_up(0)), "seed {seed}");
    }
}

#[test]
fn an_old_child_that_is_used_up_before_its_successor_took_over_hands_over_at_once() {
    let mut world = connected();
    let old = world.nodes[0].up[0].id;
    world.command(0, Command::Rekey(old));
    world.run(Duration::from_millis(50));
    assert_eq!(world.nodes[0].up.last().unwrap().id, old, "the new one waits for its moment");
    world.command(0, Command::Exhausted(old));
    assert_ne!(world.nodes[0].up.last().unwrap().id, old);
    carries(&mut world, Duration::from_secs(90), "used up");
    assert_clean(&world, "used up");
}

#[test]
fn a_child_whose_sa_is_lost_hands_over_as_soon_as_there_is_another() {
    for lost_after in [0, 50] {
        let mut world = connected();
        let old = world.nodes[0].up[0].id;
        if lost_after > 0 {
            world.command(0, Command::Rekey(old));
            world.run(Duration::from_millis(lost_after));
            assert_eq!(world.nodes[0].up.last().unwrap().id, old, "the new one waits for its moment");
        }
        world.command(0, Command::Lost(old));
        world.run(Duration::from_millis(50 - lost_after));
        let what = format!("lost after {lost_after} ms");
        assert_ne!(world.nodes[0].up.last().unwrap().id, old, "{what}");
        carries(&mut world, Duration::from_secs(90), &what);
        assert_clean(&world, &what);
    }
}

#[test]
fn an_old_child_that_is_used_up_while_its_successor_is_negotiated_goes_and_the_negotiation_goes_on() {
    for skew in [0, 5, 15, 25, 35] {
        let mut world = connected();
        let old = world.nodes[0].up[0].id;
        let quick_modes = |world: &World| world.sent.iter().filter(|(_, sent)| sent.bytes[18] == 32).count();
        let before = quick_modes(&world);
        world.command(0, Command::Rekey(old));
        world.run(Duration::from_millis(skew));
        world.command(0, Command::Exhausted(old));
        // Its traffic wants a child at once.
        world.acquire(0, 1);
        world.run(Duration::from_millis(50));
        let what = format!("used up after {skew} ms");
        assert_eq!(quick_modes(&world) - before, 3, "{what}");
        assert_eq!(world.nodes[0].down, [(old, DownReason::Exhausted)], "{what}");
        carries(&mut world, Duration::from_secs(90), &what);
        assert_clean(&world, &what);
    }
}

/// Main mode with keys and with certificates, and quick mode with PFS.
fn kinds() -> Vec<(Config, Config)> {
    let signed = |mut config: Config, ours| {
        config.trustpoints = vec![trustpoint(ours)];
        config.proposals[0].authentication = Authentication::RsaSignature;
        config.proposals[0].hash = Hash::Sha256;
        config.identity = Identity::Dn;
        config.profiles.clear();
        (config.entries[0].profile, config.entries[0].inside) = (None, base::VrfId(0));
        config
    };
    let pfs = |mut config: Config| {
        config.entries[0].pfs = Some(crypto::dh::Group::EcpP256);
        config
    };
    vec![
        (side_a(), side_b()),
        (pfs(side_a()), pfs(side_b())),
        (signed(side_a(), "rsa"), signed(side_b(), "rsa4096")),
    ]
}

#[test]
fn every_message_may_be_lost_once_repeated_or_come_late() {
    for (kind, (a, b)) in kinds().into_iter().enumerate() {
        for step in 0..10 {
            let mut world = pair_of(a.clone(), b.clone());
            world.acquire(0, 1);
            while world.sent.len() <= step && world.now < base::Instant::from_secs(2) {
                world.run(Duration::from_millis(1));
            }
            let Some((_, last)) = world.sent.get(step).cloned() else { continue };
            world.lose_all();
            world.run_secs(40);
            let what = format!("kind {kind}, message {step}");
            assert!(world.connected(0, 1), "{what} lost: {:?}", world.nodes[0].notices);
            let to = usize::from(last.path.local.ip().to_string() == A);
            let (local, remote) = if to == 1 { (B, A) } else { (A, B) };
            for _ in 0..3 {
                world.inject(to, path(0, local, remote), last.bytes.clone());
            }
            world.run_secs(200);
            assert!(world.connected(0, 1), "{what} late");
            assert_clean(&world, &what);
        }
    }
}

#[test]
fn junk_at_every_step_is_survived_and_an_established_tunnel_never_dies_of_it() {
    for (kind, (a, b)) in kinds().into_iter().enumerate() {
        for step in [0, 2, 4, 6, 8, 30] {
            let mut world = pair_of(a.clone(), b.clone());
            world.acquire(0, 1);
            while world.sent.len() <= step && world.now < base::Instant::from_secs(2) {
                world.run(Duration::from_millis(1));
            }
            let is_up = world.connected(0, 1);
            let all: Vec<_> = world.sent.iter().map(|(_, sent)| sent.clone()).collect();
            for sent in all {
                let to = usize::from(sent.path.local.ip().to_string() == A);
                let (local, remote) = if to == 1 { (B, A) } else { (A, B) };
                for place in (16..sent.bytes.len()).step_by(11) {
                    let mut bytes = sent.bytes.clone();
                    bytes[place] ^= 1 << (place % 8);
                    world.inject(to, path(0, local, remote), bytes);
                }
            }
            let what = format!("kind {kind}, after message {step}");
            if is_up {
                carries(&mut world, Duration::from_secs(20), &what);
            }
            world.run_secs(100);
            world.acquire(0, 1);
            world.run_secs(100);
            world.acquire(0, 1);
            world.run_secs(60);
            assert!(world.connected(0, 1), "{what}: {:?}", world.nodes[0].notices.last());
            assert_clean(&world, &what);
        }
    }
}
