//! Two engines in virtual time, on a path that loses packets, in overlapping VRFs.
#![allow(clippy::unwrap_used)] // a test's own functions may panic

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use base::{Engine, Instant, PortId, VrfId};
use bfd::{Bfd, Input, Output, Packet, Refusal, SessionKey, State, Status, Timers};
use proptest::prelude::*;

const LATENCY: Duration = Duration::from_millis(2);

fn timers(millis: u64, multiplier: u8) -> Timers {
    let interval = Duration::from_millis(millis);
    Timers { transmit: interval, receive: interval, multiplier }
}

fn key(side: usize, vrf: u32) -> SessionKey {
    let address = |side: usize| IpAddr::from([192, 0, 2, side as u8 + 1]);
    SessionKey { vrf: VrfId(vrf), local: address(side), remote: address(1 - side), port: Some(PortId(vrf)) }
}

struct Pair {
    now: Instant,
    ends: [Bfd; 2],
    wanted: [BTreeMap<SessionKey, Timers>; 2],
    queue: BTreeMap<(Instant, u64), (usize, SessionKey, Vec<u8>)>,
    count: u64,
    /// Of 1000 packets so many are lost.
    loss: u64,
    random: u64,
    /// When each packet left, from whom, and as what.
    sent: Vec<(Instant, usize, SessionKey, u16, Packet)>,
    changes: [Vec<(SessionKey, State, &'static str)>; 2],
    ttl: u8,
}

impl Pair {
    fn new(left: Timers, right: Timers) -> Self {
        let mut pair = Self {
            now: Instant::from_secs(1),
            ends: [Bfd::new(1), Bfd::new(2)],
            wanted: [BTreeMap::new(), BTreeMap::new()],
            queue: BTreeMap::new(),
            count: 0,
            loss: 0,
            random: 7,
            sent: Vec::new(),
            changes: [Vec::new(), Vec::new()],
            ttl: 255,
        };
        pair.want(0, 1, Some(left));
        pair.want(1, 1, Some(right));
        pair
    }

    fn want(&mut self, side: usize, vrf: u32, timers: Option<Timers>) {
        match timers {
            Some(timers) => self.wanted[side].insert(key(side, vrf), timers),
            None => self.wanted[side].remove(&key(side, vrf)),
        };
        let wanted = self.wanted[side].clone();
        self.ends[side].handle(self.now, Input::Configure(wanted));
        self.drain(side);
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let queued = self.queue.keys().next().map(|(at, _)| *at);
            let due = self.ends.iter().filter_map(Engine::deadline).chain(queued).min();
            let Some(next) = due.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (side, key, bytes) = entry.remove();
                self.arrive(side, key, self.ttl, bytes);
            }
            for side in 0..2 {
                self.ends[side].tick(self.now);
                self.drain(side);
            }
        }
        self.now = end;
    }

    fn seconds(&mut self, seconds: u64) {
        self.run(Duration::from_secs(seconds));
    }

    fn arrive(&mut self, side: usize, key: SessionKey, ttl: u8, bytes: Vec<u8>) {
        let SessionKey { vrf, local, remote, port } = key;
        let multihop = port.is_none();
        let port = port.unwrap_or_default();
        self.ends[side].handle(self.now, Input::Packet { vrf, port, local, remote, multihop, ttl, bytes });
        self.drain(side);
    }

    fn drain(&mut self, side: usize) {
        while let Some(output) = self.ends[side].poll() {
            match output {
                Output::Changed { key, state, diagnostic } => {
                    self.changes[side].push((key, state, diagnostic))
                }
                Output::Transmit { key, source_port, bytes } => {
                    self.sent.push((self.now, side, key, source_port, Packet::decode(&bytes).unwrap()));
                    self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    if (self.random >> 33) % 1000 >= self.loss {
                        self.count += 1;
                        let there = SessionKey { local: key.remote, remote: key.local, ..key };
                        self.queue.insert((self.now + LATENCY, self.count), (1 - side, there, bytes));
                    }
                }
            }
        }
    }

    fn status(&self, side: usize, vrf: u32) -> Status {
        self.ends[side].sessions(self.now).find(|status| status.key == key(side, vrf)).unwrap()
    }

    fn states(&self) -> [State; 2] {
        [0, 1].map(|side| self.status(side, 1).state)
    }

    /// Gaps between the packets that left one side since `from`.
    fn gaps(&self, side: usize, from: Instant) -> Vec<Duration> {
        let sent = self.sent.iter().filter(|(at, who, ..)| *who == side && *at >= from);
        let times: Vec<Instant> = sent.map(|(at, ..)| *at).collect();
        times.windows(2).map(|pair| pair[1].since(pair[0])).collect()
    }
}

fn up(left: Timers, right: Timers) -> Pair {
    let mut pair = Pair::new(left, right);
    pair.seconds(5);
    assert_eq!(pair.states(), [State::Up, State::Up]);
    pair
}

#[test]
fn two_ends_come_up_and_speak_as_often_as_the_slower_wants() {
    let mut pair = up(timers(50, 3), timers(200, 4));
    let from = pair.now;
    pair.seconds(60);
    for side in 0..2 {
        let gaps = pair.gaps(side, from);
        let (least, most) = (Duration::from_millis(150), Duration::from_millis(200));
        assert!(gaps.iter().all(|gap| (least..=most).contains(gap)), "{gaps:?}");
        // Jitter: not always the same.
        assert!(gaps.iter().min() < Some(&Duration::from_millis(160)));
        assert!(gaps.iter().max() > Some(&Duration::from_millis(190)));
        assert_eq!(pair.changes[side], [(key(side, 1), State::Up, "no diagnostic")]);
    }
    assert_eq!(pair.status(0, 1).detection, Duration::from_millis(800));
    assert_eq!(pair.status(1, 1).detection, Duration::from_millis(600));
}

#[test]
fn a_multiplier_of_one_leaves_room_for_a_late_packet() {
    let mut pair = up(timers(100, 1), timers(100, 1));
    let from = pair.now;
    pair.seconds(60);
    assert_eq!(pair.states(), [State::Up, State::Up]);
    assert!(pair.gaps(0, from).iter().all(|gap| (75..=90).contains(&gap.as_millis())));
}

#[test]
fn while_it_is_not_up_an_end_speaks_once_a_second() {
    let mut pair = Pair::new(timers(50, 3), timers(50, 3));
    pair.loss = 1000;
    let from = pair.now;
    pair.seconds(30);
    assert_eq!(pair.states(), [State::Down, State::Down]);
    assert!(pair.gaps(0, from).iter().all(|gap| (750..=1000).contains(&gap.as_millis())));
    assert!(pair.sent.iter().all(|(.., packet)| packet.transmit == Duration::from_secs(1)));
}

#[test]
fn silence_is_noticed_within_the_detection_time_and_ends_by_itself() {
    let mut pair = up(timers(50, 3), timers(50, 3));
    pair.loss = 1000;
    pair.run(Duration::from_millis(90));
    assert_eq!(pair.states(), [State::Up, State::Up]);
    pair.run(Duration::from_millis(70));
    assert_eq!(pair.states(), [State::Down, State::Down]);
    let expired = "control detection time expired";
    assert_eq!(pair.changes[0].last(), Some(&(key(0, 1), State::Down, expired)));
    assert_eq!(pair.status(0, 1).diagnostics.0, expired);
    pair.loss = 0;
    pair.seconds(4);
    assert_eq!(pair.states(), [State::Up, State::Up]);
}

#[test]
fn one_way_silence_takes_both_ends_down() {
    let mut pair = up(timers(50, 3), timers(50, 3));
    // Side 0 hears nothing more; what it says then still arrives.
    pair.queue.clear();
    pair.ends[1] = Bfd::new(9);
    pair.run(Duration::from_millis(160));
    assert_eq!(pair.status(0, 1).state, State::Down);
    pair.want(1, 1, Some(timers(50, 3)));
    pair.seconds(4);
    assert_eq!(pair.states(), [State::Up, State::Up]);
}

#[test]
fn a_restarted_peer_is_found_by_its_addresses() {
    let mut pair = up(timers(300, 5), timers(300, 5));
    pair.ends[1] = Bfd::new(9);
    pair.want(1, 1, Some(timers(300, 5)));
    pair.seconds(4);
    assert_eq!(pair.states(), [State::Up, State::Up]);
    let down = (key(0, 1), State::Down, "neighbor signaled session down");
    assert_eq!(pair.changes[0][1], down);
}

#[test]
fn lost_packets_below_the_multiplier_are_no_failure() {
    let mut pair = up(timers(50, 8), timers(50, 8));
    pair.loss = 100;
    pair.seconds(60);
    assert_eq!(pair.states(), [State::Up, State::Up]);
    assert_eq!(pair.changes[0].len(), 1);
}

#[test]
fn other_timers_are_agreed_on_by_a_poll_and_nobody_goes_down_for_it() {
    let mut pair = up(timers(50, 3), timers(50, 3));
    for millis in [500, 20, 1000, 50] {
        let from = pair.now;
        pair.want(0, 1, Some(timers(millis, 3)));
        pair.seconds(10);
        let since = pair.sent.iter().filter(|(at, ..)| *at >= from);
        let polls = since.clone().filter(|(_, side, .., packet)| *side == 0 && packet.poll).count();
        let finals = since.clone().filter(|(_, side, .., packet)| *side == 1 && packet.last).count();
        assert!(polls >= 1 && finals == polls, "{millis}: {polls} polls, {finals} answers");
        let after = pair.now;
        pair.seconds(10);
        assert!(pair.sent.iter().all(|(at, .., packet)| *at < after || !(packet.poll || packet.last)));
        let slower = Duration::from_millis(millis.max(50));
        assert!(pair.gaps(1, after).iter().all(|gap| *gap <= slower && *gap >= slower * 3 / 4));
        assert_eq!(pair.status(1, 1).detection, slower * 3);
    }
    assert_eq!((pair.changes[0].len(), pair.changes[1].len()), (1, 1));
}

#[test]
fn parameters_that_change_during_a_poll_are_polled_for_again() {
    let mut pair = up(timers(50, 3), timers(50, 3));
    pair.want(0, 1, Some(timers(400, 3)));
    pair.run(Duration::from_millis(1));
    pair.want(0, 1, Some(timers(900, 3)));
    pair.seconds(20);
    assert_eq!(pair.changes[1].len(), 1);
    assert_eq!(pair.status(1, 1).detection, Duration::from_millis(2700));
}

#[test]
fn a_session_that_is_switched_off_is_no_failure_and_its_peer_is_told() {
    let mut pair = up(timers(50, 3), timers(50, 3));
    pair.want(1, 1, None);
    pair.run(Duration::from_millis(20));
    let told = (key(0, 1), State::AdminDown, "neighbor signaled session down");
    assert_eq!(pair.changes[0].last(), Some(&told));
    pair.seconds(10);
    assert_eq!(pair.ends[1].sessions(pair.now).count(), 0);
    assert_eq!(pair.status(0, 1).state, State::Down);
    pair.want(1, 1, Some(timers(50, 3)));
    pair.seconds(4);
    assert_eq!(pair.states(), [State::Up, State::Up]);
    // On and off and on again before the peer has noticed anything.
    pair.want(1, 1, None);
    pair.want(1, 1, Some(timers(50, 3)));
    pair.seconds(4);
    assert_eq!(pair.states(), [State::Up, State::Up]);
}

#[test]
fn a_peer_that_wants_nothing_hears_nothing() {
    let mut pair = Pair::new(timers(50, 3), timers(50, 3));
    let quiet = Packet {
        diagnostic: 0,
        state: State::Down,
        poll: false,
        last: false,
        demand: false,
        multiplier: 3,
        mine: 5,
        yours: 0,
        transmit: Duration::from_secs(1),
        receive: Duration::ZERO,
    };
    pair.loss = 1000;
    pair.arrive(0, key(0, 1), 255, quiet.encode());
    let before = pair.sent.len();
    pair.run(Duration::from_millis(2500));
    assert_eq!(pair.sent.iter().skip(before).filter(|(_, side, ..)| *side == 0).count(), 0);
}

#[test]
fn a_peer_in_demand_mode_is_left_alone_once_both_are_up() {
    let mut pair = up(timers(50, 3), timers(50, 3));
    let status = pair.status(0, 1);
    pair.loss = 1000;
    let (from, mut polls) = (pair.now, 0);
    let demand = Packet {
        diagnostic: 0,
        state: State::Up,
        poll: false,
        last: false,
        demand: true,
        multiplier: 255,
        mine: status.discriminators.1,
        yours: status.discriminators.0,
        transmit: Duration::from_secs(1),
        receive: Duration::from_millis(50),
    };
    pair.arrive(0, key(0, 1), 255, demand.encode());
    pair.seconds(2);
    assert_eq!(pair.gaps(0, from).len(), 0);
    // A poll is answered all the same.
    pair.arrive(0, key(0, 1), 255, Packet { poll: true, ..demand }.encode());
    polls +=
        pair.sent.iter().filter(|(at, side, .., packet)| *at >= from && *side == 0 && packet.last).count();
    assert_eq!(polls, 1);
}

#[test]
fn the_same_addresses_in_two_vrfs_are_two_sessions() {
    let mut pair = up(timers(50, 3), timers(50, 3));
    for side in 0..2 {
        pair.want(side, 2, Some(timers(100, 3)));
    }
    pair.seconds(5);
    assert_eq!([0, 1].map(|side| pair.status(side, 2).state), [State::Up, State::Up]);
    let (one, two) = (pair.status(0, 1).discriminators, pair.status(0, 2).discriminators);
    assert!(one.0 != two.0 && one.1 != two.1);
    // What belongs to the one changes nothing in the other: not by discriminator, not by address.
    let stolen = pair.sent.iter().rev().find(|(_, side, key, ..)| *side == 1 && key.vrf == VrfId(1)).unwrap();
    let down = Packet { state: State::AdminDown, ..stolen.4 };
    pair.arrive(0, key(0, 2), 255, down.encode());
    assert_eq!([1, 2].map(|vrf| pair.status(0, vrf).state), [State::Up, State::Up]);
    assert_eq!(pair.ends[0].refused(), &[(Refusal::NoSession, 1)].into());
    pair.want(1, 2, None);
    pair.seconds(1);
    assert_eq!([1, 2].map(|vrf| pair.status(0, vrf).state), [State::Up, State::Down]);
}

#[test]
fn a_single_hop_session_takes_nothing_from_further_away_and_a_multihop_session_does() {
    let mut pair = Pair::new(timers(50, 3), timers(50, 3));
    pair.ttl = 254;
    pair.seconds(5);
    assert_eq!(pair.states(), [State::Down, State::Down]);
    assert!(pair.ends[0].refused()[&Refusal::TimeToLive] > 3);
    let far = |side: usize| SessionKey { port: None, ..key(side, 1) };
    for side in 0..2 {
        pair.wanted[side].insert(far(side), timers(300, 3));
        pair.want(side, 1, None);
    }
    pair.seconds(5);
    let state =
        |pair: &Pair| pair.ends[0].sessions(pair.now).find(|status| status.key == far(0)).unwrap().state;
    assert_eq!(state(&pair), State::Up);
    let ports: Vec<u16> =
        pair.sent.iter().filter(|(.., key, _, _)| *key == far(0)).map(|sent| sent.3).collect();
    assert!(ports.iter().all(|port| *port >= 49152 && *port == ports[0]));
}

#[test]
fn what_is_refused_changes_nothing() {
    let mut pair = up(timers(50, 3), timers(50, 3));
    let before = pair.status(0, 1);
    let good = pair.sent.iter().rev().find(|(_, side, ..)| *side == 1).unwrap().4;
    let mut authenticated = Packet { state: State::Down, ..good }.encode();
    authenticated[1] |= 4;
    let other = Packet { state: State::Down, yours: good.yours ^ 1, ..good };
    for (bytes, refusal) in [
        (authenticated, Refusal::Authenticated),
        (other.encode(), Refusal::NoSession),
        (vec![0x40; 24], Refusal::Version),
        (vec![0x20; 23], Refusal::Malformed),
        (Packet { yours: 0, ..good }.encode(), Refusal::NoDiscriminator),
    ] {
        pair.arrive(0, key(0, 1), 255, bytes);
        assert_eq!(pair.ends[0].refused()[&refusal], 1, "{refusal}");
    }
    assert_eq!(pair.status(0, 1), before);
}

#[test]
fn no_interval_is_so_short_that_time_stands_still() {
    let pair = up(timers(0, 1), timers(0, 1));
    assert_eq!(pair.status(0, 1).transmit, Some(Duration::from_millis(1)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whatever_is_lost_and_sent_both_ends_are_up_in_the_end(
        loss in 0u64..900,
        millis in 20u64..1000,
        junk in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 0..20),
    ) {
        let mut pair = Pair::new(timers(millis, 3), timers(50, 5));
        pair.loss = loss;
        for bytes in junk {
            pair.arrive(0, key(0, 1), 255, bytes);
            pair.run(Duration::from_millis(700));
        }
        pair.loss = 0;
        pair.seconds(20);
        prop_assert_eq!(pair.states(), [State::Up, State::Up]);
    }
}
