//! Version 1 in service: dead peers, idle children, several peers, names, admission, dynamic entries and
//! fragments.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

mod world;

use std::net::IpAddr;
use std::time::Duration;

use base::{PolicyId, VrfId};
use crypto::dh::Group;
use ike::config::{Admission, Authentication, Config, Dpd, Entry, Hash, Identity, Match, Peer};
use ike::{Command, DownReason, Notice, Traffic};
use ipsec::{Mode, Rule};
use world::certificates::trustpoint;
use world::{A, B, World, pair_of, ring, selector, side, side_a, side_b};

const DPD: Dpd = Dpd { periodic: true, every: Duration::from_secs(10), retry: Duration::from_secs(2) };
const C: &str = "172.16.2.1";

fn with_dpd(mut config: Config, periodic: bool) -> Config {
    config.dpd = Some(Dpd { periodic, ..DPD });
    config
}

fn up(a: Config, b: Config) -> World {
    let mut world = pair_of(a, b);
    world.acquire(0, 1);
    world.run_secs(5);
    assert!(world.connected(0, 1), "{:?} {:?}", world.nodes[0].notices, world.nodes[1].notices);
    world
}

fn informationals(world: &World) -> usize {
    world.sent.iter().filter(|(_, sent)| sent.bytes.get(18) == Some(&5)).count()
}

#[test]
fn a_living_peer_is_asked_every_interval_and_answers() {
    let mut world = up(with_dpd(side_a(), true), side_b());
    let before = informationals(&world);
    world.run_secs(60);
    let asked = (informationals(&world) - before) / 2;
    assert!((5..=6).contains(&asked), "{asked}");
    assert_eq!((world.sessions_up(0), world.nodes[0].up.len()), (1, 1));
}

#[test]
fn a_peer_that_falls_silent_goes_with_its_children_within_the_time_of_the_questions() {
    let mut world = up(with_dpd(side_a(), true), side_b());
    world.filter = Some(|_| false);
    world.run_secs(14);
    assert_eq!(world.sessions_up(0), 1);
    world.run_secs(3);
    assert!(world.said(0, "peer-dead"));
    assert_eq!(world.nodes[0].down, [(world.nodes[0].down[0].0, DownReason::PeerSilent)]);
    assert!(world.nodes[0].ike.sessions(world.now).is_empty() && world.nodes[0].sad.is_empty());
}

#[test]
fn received_traffic_suppresses_questions_and_on_demand_asks_only_when_we_send() {
    let carry = |world: &mut World, received, sent| {
        let id = world.nodes[0].up[0].id;
        let traffic = world.nodes[0].traffic.entry(id).or_default();
        *traffic = Traffic { received: traffic.received + received, sent: traffic.sent + sent };
    };
    for (periodic, received, sent, asks) in
        [(true, 1, 1, false), (false, 0, 0, false), (false, 1, 1, false), (false, 0, 1, true)]
    {
        let mut world = up(with_dpd(side_a(), periodic), side_b());
        let before = informationals(&world);
        for _ in 0..40 {
            carry(&mut world, received, sent);
            world.run_secs(1);
        }
        assert_eq!(informationals(&world) > before, asks, "{periodic} {received} {sent}");
    }
}

#[test]
fn a_profile_has_its_own_detection_and_a_peer_without_any_is_not_asked() {
    let mut a = with_dpd(side_a(), true);
    a.profiles[0].dpd = Some(Dpd { every: Duration::from_secs(1000), ..DPD });
    let mut world = up(a, side_b());
    let before = informationals(&world);
    world.run_secs(100);
    assert_eq!(informationals(&world), before);
}

#[test]
fn an_old_answer_is_no_sign_of_life() {
    let mut world = up(with_dpd(side_a(), true), side_b());
    world.run_secs(12);
    let answers =
        world.sent.iter().filter(|(_, sent)| sent.path.local.ip().to_string() == B && sent.bytes[18] == 5);
    let answers: Vec<_> = answers.map(|(_, sent)| sent.bytes.clone()).collect();
    assert!(!answers.is_empty());
    world.filter = Some(|_| false);
    for _ in 0..30 {
        world.run_secs(1);
        for bytes in &answers {
            world.inject(0, world::path(0, A, B), bytes.clone());
        }
    }
    assert_eq!(world.sessions_up(0), 0);
}

#[test]
fn an_idle_child_goes_and_its_session_with_it() {
    let mut a = side_a();
    a.entries[0].idle = Some(Duration::from_secs(60));
    let mut world = up(a, side_b());
    let id = world.nodes[0].up[0].id;
    for second in 0..100 {
        world.nodes[0].traffic.insert(id, Traffic { received: 0, sent: second / 30 });
        world.run_secs(1);
    }
    assert_eq!(world.nodes[0].up.len(), 1, "it carried something");
    world.run_secs(80);
    assert_eq!(world.nodes[0].down, [(id, DownReason::Idle)]);
    assert_eq!((world.sessions_up(0), world.sessions_up(1)), (0, 0));
    assert_eq!(world.nodes[1].down.len(), 1, "the peer was told");
}

/// A with two hubs, B and C.
fn two_hubs(change: impl Fn(&mut Entry)) -> World {
    let mut a = with_dpd(side_a(), true);
    a.entries[0].peers.push(Peer::Address(C.parse().unwrap()));
    a.keyrings.push(ring("second", 0, &format!("{C}/32"), "secret"));
    a.profiles[0].keyrings.push("second".into());
    a.profiles[0]
        .matches
        .push(Match::Address { prefix: format!("{C}/32").parse().unwrap(), front: VrfId(0) });
    change(&mut a.entries[0]);
    let mut world = World::new();
    world.node(&[(0, 0, A)], a);
    world.node(&[(0, 0, B)], side_b());
    world.node(&[(0, 0, C)], side(C, A, "10.2.0.0/16", "10.1.0.0/16"));
    world
}

fn remote(world: &World) -> Option<String> {
    world.nodes[0].up.last().map(|child| child.remote.to_string())
}

fn acquire(world: &mut World) {
    world.acquire(0, 1);
    world.run_secs(5);
}

fn without_b(datagram: &ike::Datagram) -> bool {
    let b: IpAddr = B.parse().unwrap();
    datagram.path.local.ip() != b && datagram.path.remote.ip() != b
}

#[test]
fn a_dead_peer_hands_over_to_the_next_one_which_stays_current() {
    let mut world = two_hubs(|_| {});
    acquire(&mut world);
    assert_eq!(remote(&world).as_deref(), Some(B));
    world.filter = Some(without_b);
    world.run_secs(30);
    assert_eq!(remote(&world), None);
    acquire(&mut world);
    assert_eq!(remote(&world).as_deref(), Some(C));
    world.filter = None;
    world.command(0, Command::Clear(ike::Target::All));
    acquire(&mut world);
    assert_eq!(remote(&world).as_deref(), Some(C), "the list goes on from where it was");
}

#[test]
fn the_preferred_peer_is_tried_first_after_every_loss() {
    let mut world = two_hubs(|entry| entry.prefers_first = true);
    world.filter = Some(without_b);
    world.acquire(0, 1);
    world.run_secs(90);
    assert_eq!(remote(&world).as_deref(), Some(C));
    world.filter = Some(|datagram| {
        let c: IpAddr = C.parse().unwrap();
        datagram.path.local.ip() != c && datagram.path.remote.ip() != c
    });
    world.run_secs(30);
    acquire(&mut world);
    assert_eq!(remote(&world).as_deref(), Some(B));
}

#[test]
fn an_idle_time_with_default_begins_with_the_first_peer_again() {
    for resets in [false, true] {
        let mut world = two_hubs(|entry| {
            entry.idle = Some(Duration::from_secs(120));
            entry.idle_resets_peer = resets;
        });
        world.filter = Some(without_b);
        world.acquire(0, 1);
        world.run_secs(90);
        assert_eq!(remote(&world).as_deref(), Some(C));
        world.filter = None;
        world.run_secs(200);
        assert_eq!(remote(&world), None);
        acquire(&mut world);
        assert_eq!(remote(&world).as_deref(), Some(if resets { B } else { C }));
    }
}

#[test]
fn a_peer_by_name_is_looked_up_each_time_before_we_open() {
    let mut world = two_hubs(|entry| entry.peers = vec![Peer::Host("hub.example.com".into())]);
    acquire(&mut world);
    assert!(world.said(0, "peer-name-unknown"));
    world.run_secs(5);
    for hub in [B, C] {
        world.hosts.insert("hub.example.com".into(), vec![hub.parse().unwrap()]);
        acquire(&mut world);
        assert_eq!(remote(&world).as_deref(), Some(hub));
        world.command(0, Command::Clear(ike::Target::All));
        world.run_secs(5);
    }
    let dead = "172.16.7.7".parse().unwrap();
    world
        .hosts
        .insert("hub.example.com".into(), vec!["2001:db8::1".parse().unwrap(), dead, B.parse().unwrap()]);
    world.acquire(0, 1);
    world.run_secs(90);
    assert_eq!(remote(&world).as_deref(), Some(B), "each address of our family in turn");
}

#[test]
fn call_admission_refuses_new_peers_and_counts_them_but_no_rekeys() {
    let mut world = two_hubs(|_| {});
    acquire(&mut world);
    let mut limited = side_a();
    limited.admission = Admission { sessions: Some(1), negotiating: None, load: Some(80) };
    limited.keyrings.push(ring("second", 0, &format!("{C}/32"), "secret"));
    let mut other = limited.entries[0].clone();
    (other.policy, other.sequence) = (PolicyId(2), 2);
    other.peers = vec![Peer::Address(C.parse().unwrap())];
    limited.entries.push(other);
    let mut world = World::new();
    world.node(&[(0, 0, A)], limited);
    world.node(&[(0, 0, B)], side_b());
    world.node(&[(0, 0, C)], side(C, A, "10.2.0.0/16", "10.1.0.0/16"));
    acquire(&mut world);
    assert_eq!(world.nodes[0].up.len(), 1);
    world.acquire(0, 2);
    let flow = world::flow("10.2.0.1", "10.1.0.1");
    world.command(2, Command::Acquire { policy: PolicyId(1), rule: 0, flow });
    world.run_secs(5);
    let state = world.nodes[0].ike.admission();
    assert_eq!((state.active, state.negotiating), (1, 0));
    assert_eq!((state.outgoing.accepted, state.outgoing.rejected), (1, 1));
    assert!(state.incoming.rejected > 0 && state.incoming.accepted == 0);
    assert_eq!(state.over_limit, state.incoming.rejected + state.outgoing.rejected);
    assert!(world.said(0, "call-admission-limit"));
    let old = world.nodes[0].up[0].id;
    world.command(0, Command::Rekey(old));
    world.run_secs(5);
    assert_ne!(world.nodes[0].up.last().unwrap().id, old);
    world.command(0, Command::Clear(ike::Target::All));
    world.command(0, Command::Load(90));
    acquire(&mut world);
    assert!(world.nodes[0].up.is_empty());
    assert!(world.nodes[0].ike.admission().low_resources > 0);
}

#[test]
fn a_dynamic_entry_takes_what_any_peer_asks_for_and_rekeys_it() {
    let mut b = side_b();
    b.entries[0] = Entry { dynamic: true, peers: vec![], rules: vec![], ..b.entries[0].clone() };
    let mut world = up(side_a(), b);
    assert_eq!(world.nodes[1].up[0].selector, selector("10.2.0.0/16", "10.1.0.0/16"));
    let (old, mine) = (world.nodes[1].up[0].id, world.nodes[0].up[0].id);
    world.command(1, Command::Rekey(old));
    world.run_secs(60);
    assert!(world.connected(0, 1));
    assert_ne!(world.nodes[1].up.last().unwrap().id, old, "the responder may rekey");
    assert_ne!(world.nodes[0].up.last().unwrap().id, mine);
    world.command(0, Command::Clear(ike::Target::All));
    world.run_secs(2);
    let flow = world::flow("10.2.0.1", "10.1.0.1");
    world.command(1, Command::Acquire { policy: PolicyId(1), rule: 0, flow });
    world.run_secs(5);
    assert!(world.nodes[1].up.is_empty(), "it never opens by itself");
}

#[test]
fn transport_mode_is_for_the_endpoints_alone() {
    let between = |mut config: Config, mode| {
        let entry = &mut config.entries[0];
        let (local, remote) = (format!("{}/32", entry.local), entry.addresses().next().unwrap());
        entry.rules = vec![Rule { permit: true, selector: selector(&local, &format!("{remote}/32")) }];
        entry.mode = mode;
        config
    };
    let mode = |a, b| {
        let world = up(a, b);
        (world.nodes[0].up[0].mode, world.nodes[1].up[0].mode)
    };
    let (tunnel, transport) = (Mode::Tunnel, Mode::Transport);
    let sides = |mode| (between(side_a(), mode), between(side_b(), mode));
    let (a, b) = sides(transport);
    assert_eq!(mode(a.clone(), b), (transport, transport));
    assert_eq!(mode(a, sides(tunnel).1), (tunnel, tunnel), "it takes either");
    let plain = |mut config: Config| {
        config.entries[0].mode = transport;
        config
    };
    assert_eq!(mode(plain(side_a()), plain(side_b())), (tunnel, tunnel), "these are networks");
}

#[test]
fn transport_mode_passes_a_nat_though_each_side_sees_other_addresses() {
    let outside = "203.0.113.1";
    let host = |mut config: Config, local: &str, remote: &str| {
        let hosts = selector(&format!("{local}/32"), &format!("{remote}/32"));
        config.entries[0].rules = vec![Rule { permit: true, selector: hosts }];
        config.entries[0].mode = Mode::Transport;
        config
    };
    let mut a = host(side(A, outside, "10.1.0.0/16", "10.2.0.0/16"), A, outside);
    a.profiles[0]
        .matches
        .push(Match::Address { prefix: format!("{B}/32").parse().unwrap(), front: VrfId(0) });
    let mut world = pair_of(a, host(side_b(), B, A));
    world.nats.push((0, world::Nat { inside: B.parse().unwrap(), outside: outside.parse().unwrap() }));
    world.command(1, Command::Acquire { policy: PolicyId(1), rule: 0, flow: world::flow(B, A) });
    world.run_secs(5);
    assert!(world.nodes.iter().all(|node| node.up.len() == 1), "{:?}", world.nodes[0].notices);
    for (node, remote) in [(0, outside), (1, A)] {
        let child = &world.nodes[node].up[0];
        assert_eq!(child.mode, Mode::Transport);
        assert!(matches!(child.encap, ipsec::Encap::Udp { .. }));
        assert_eq!(child.selector.remote.address().to_string(), remote);
    }
}

/// Both with 4096-bit keys, whose messages are long.
fn long(mut config: Config) -> Config {
    config.fragmentation = true;
    config.trustpoints = vec![trustpoint("rsa4096")];
    config.proposals[0].authentication = Authentication::RsaSignature;
    config.proposals[0].hash = Hash::Sha256;
    config.proposals[0].group = Group::EcpP256;
    config.identity = Identity::Dn;
    config.profiles.clear();
    config.entries[0].profile = None;
    config.entries[0].inside = VrfId(0);
    config
}

#[test]
fn long_messages_go_in_fragments_if_both_sides_take_them() {
    let mut world = pair_of(long(side_a()), long(side_b()));
    world.acquire(0, 1);
    world.run_secs(5);
    assert!(world.connected(0, 1), "{:?} {:?}", world.nodes[0].notices, world.nodes[1].notices);
    let longest = world.sent.iter().map(|(_, sent)| sent.bytes.len()).max().unwrap();
    assert!(longest <= 1200, "{longest}");
    assert!(world.sent.iter().filter(|(_, sent)| sent.bytes.get(16) == Some(&132)).count() >= 4);
    let mut plain = long(side_b());
    plain.fragmentation = false;
    let mut world = pair_of(long(side_a()), plain);
    world.acquire(0, 1);
    world.run_secs(5);
    assert!(world.connected(0, 1));
    assert!(world.sent.iter().all(|(_, sent)| sent.bytes.get(16) != Some(&132)));
}

#[test]
fn fragments_survive_loss_repetition_and_disorder() {
    for seed in 0..12 {
        let mut world = pair_of(long(side_a()), long(side_b()));
        (0..seed).for_each(|_| world.skip_random());
        (world.loss, world.repeat, world.jitter) = (10, 20, Duration::from_millis(300));
        for _ in 0..3 {
            world.acquire(0, 1);
            world.run_secs(60);
        }
        world.loss = 0;
        world.acquire(0, 1);
        world.run_secs(60);
        assert!(world.connected(0, 1), "seed {seed}: {:?}", world.nodes[0].notices);
    }
}

#[test]
fn a_failure_leaves_a_story_that_says_what_did_not_fit() {
    let mut b = side_b();
    b.proposals[0].group = Group::Modp2048;
    let mut world = pair_of(side_a(), b);
    world.acquire(0, 1);
    world.run_secs(80);
    let story = |node: usize, peer: &str| {
        let records = world.nodes[node].ike.explain(VrfId(0), peer.parse().unwrap());
        let record = records.last().unwrap().clone();
        let facts: Vec<String> = record.facts.iter().map(|(_, fact)| fact.to_string()).collect();
        format!("{}\n{:?}", facts.join("\n"), record.outcome)
    };
    let responder = story(1, A);
    for wanted in
        ["received main mode 1", "keyring keys: taken", "AES-128/Sha1/pre-share/group 2", "group 14"]
    {
        assert!(responder.contains(wanted), "{wanted} in\n{responder}");
    }
    let initiator = story(0, B);
    for wanted in ["sent main mode 1 again (4)", "the peer says no-proposal-chosen", "no-answer"] {
        assert!(initiator.contains(wanted), "{wanted} in\n{initiator}");
    }
}

#[test]
fn every_failure_comes_with_advice() {
    let mut b = side_b();
    b.entries[0].rules[0].selector = selector("10.9.0.0/16", "10.1.0.0/16");
    let mut world = pair_of(side_a(), b);
    world.acquire(0, 1);
    world.run_secs(60);
    let story = world.nodes[1].ike.explain(VrfId(0), A.parse().unwrap());
    let facts: Vec<String> =
        story.iter().flat_map(|record| &record.facts).map(|(_, fact)| fact.to_string()).collect();
    assert!(facts.iter().any(|fact| fact.contains("its access list does not permit")), "{facts:?}");
    for notice in world.nodes.iter().flat_map(|node| &node.notices) {
        if let Notice::Failed { detail, .. } = notice {
            assert!(detail.len() > 20, "{detail}");
        }
    }
}
