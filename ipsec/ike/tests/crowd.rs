//! Thousands of peers at the same moment: all rekey at once, and floods from addresses that are nobody's.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test may panic, and looks at what concerns it"
)]

mod world;

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base::{Engine, Instant, PolicyId, Prefix, Spi, VrfId};
use crypto::dh::Group;
use ike::config::{Config, Entry, Peer, Version, v2};
use ike::{Answer, Ask, Child, ChildId, Command, Datagram, Ike, Input, Output, Path};
use ipsec::{Flow, Sad, Selector};
use world::{AES_SHA, fits, proposal, ring};

const HUB: Ipv4Addr = Ipv4Addr::new(172, 18, 1, 1);

/// Front VRFs that the peers come from.
const FRONTS: u32 = 4;

fn front(number: u32) -> VrfId {
    VrfId(number % FRONTS)
}

fn outer(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0A40_0000 + number)
}

fn inner(number: u32, side: u32) -> Prefix {
    Prefix::new(Ipv4Addr::from((side << 28) + (number << 8)).into(), 24).unwrap()
}

/// The hub's or the spokes' half of so many tunnels; those of an odd number of fours are of version 1 if `mixed`.
fn config(count: u32, hub: bool, mixed: bool) -> Config {
    let mut config = world::v2::side("172.18.1.1", "10.64.0.0", "10.1.0.0/16", "10.2.0.0/16");
    let whom: Prefix = if hub { "10.64.0.0/10" } else { "172.18.1.1/32" }.parse().unwrap();
    let profile = &mut config.v2.profiles[0];
    (profile.front, profile.remote) = (v2::Front::Any, vec![v2::Remote::Address(whom)]);
    (profile.inside, profile.lifetime) = (None, Duration::from_secs(3600));
    config.v2.keyrings[0].peers = vec![world::v2::ring_peer("peer", &whom.to_string(), "secret")];
    config.proposals = vec![ike::config::Proposal { group: Group::EcpP256, ..proposal() }];
    config.keyrings =
        (0..FRONTS).map(|of| ring(&format!("keys-{of}"), of, &whom.to_string(), "secret")).collect();
    let template = config.entries.remove(0);
    let entry = |number: u32| {
        let (local, remote) = if hub { (HUB, outer(number)) } else { (outer(number), HUB) };
        let (here, there) = if hub { (1, 2) } else { (2, 1) };
        let mut entry = Entry {
            policy: PolicyId(number),
            sequence: number,
            front: front(number),
            local: local.into(),
            inside: front(number),
            peers: vec![Peer::Address(remote.into())],
            ..template.clone()
        };
        if mixed && number / FRONTS % 2 == 1 {
            (entry.version, entry.profile, entry.suites) = (Version::V1, None, vec![AES_SHA]);
        }
        entry.rules[0].selector = Selector::between(inner(number, here), inner(number, there));
        entry
    };
    config.entries = (0..count).map(entry).collect();
    config
}

fn acquire(number: u32) -> Input {
    let (remote, local) = (inner(number, 1).address(), inner(number, 2).address());
    let flow = Flow { local, remote, protocol: 1, local_port: 0, remote_port: 0 };
    Input::Command(Command::Acquire { policy: PolicyId(number), rule: 0, flow })
}

struct Side {
    ike: Ike,
    sad: Sad,
    children: BTreeMap<ChildId, Child>,
    /// What each entry sends on.
    carrying: BTreeMap<PolicyId, ChildId>,
    /// Entries that had nothing to send on for a while.
    lost: u32,
    replaced: u32,
    cookies: u32,
}

impl Side {
    fn new(seed: u8, config: Config) -> Self {
        let mut side = Self {
            ike: Ike::new([seed; 32]),
            sad: Sad::default(),
            children: BTreeMap::new(),
            carrying: BTreeMap::new(),
            lost: 0,
            replaced: 0,
            cookies: 0,
        };
        side.tell(Instant::START, Input::Command(Command::Configure(Arc::new(config))));
        side
    }

    fn tell(&mut self, now: Instant, input: Input) -> Vec<Datagram> {
        self.ike.handle(now, input);
        self.drain(now)
    }

    fn drain(&mut self, now: Instant) -> Vec<Datagram> {
        let mut sent = Vec::new();
        while let Some(output) = self.ike.poll() {
            match output {
                Output::Transmit(datagram) => sent.push(datagram),
                Output::Ask(_, Ask::ReleaseSpi(spi)) => self.sad.release(spi),
                Output::Ask(id, ask) => {
                    let answer = match ask {
                        Ask::Spi { random } => Answer::Spi(self.sad.reserve(random)),
                        Ask::Compute(job) => Answer::Computed(job.run()),
                        _ => Answer::Traffic(None),
                    };
                    self.ike.handle(now, Input::Answer(id, answer));
                }
                Output::ChildReady(child) => drop(self.children.insert(child.id, *child)),
                Output::ChildUp(child) => self.carry(*child),
                Output::ChildReplaced { new, .. } => {
                    self.replaced += 1;
                    self.carry(*new);
                }
                Output::ChildDown(id, _) => self.down(id),
                _ => {}
            }
        }
        self.cookies += u32::try_from(sent.iter().filter(|one| is_cookie(&one.bytes)).count()).unwrap();
        sent
    }

    fn carry(&mut self, child: Child) {
        self.carrying.insert(child.policy, child.id);
        self.children.insert(child.id, child);
    }

    fn down(&mut self, id: ChildId) {
        let child = self.children.remove(&id).expect("a child that was announced");
        self.sad.release(child.spi_in);
        if self.carrying.get(&child.policy) == Some(&id) {
            self.carrying.remove(&child.policy);
            self.lost += 1;
        }
    }

    fn inbound(&self) -> BTreeMap<Spi, &Child> {
        self.children.values().map(|child| (child.spi_in, child)).collect()
    }

    fn established(&self, now: Instant) -> usize {
        self.ike.sessions(now).iter().filter(|session| session.established).count()
    }
}

/// IKE_SA_INIT's answer whose only payload is N(COOKIE).
fn is_cookie(bytes: &[u8]) -> bool {
    bytes.get(16..19) == Some(&[41, 0x20, 34]) && bytes.get(34..36) == Some(&16390u16.to_be_bytes())
}

/// The hub is 0, the spokes are 1.
struct Net {
    now: Instant,
    sides: [Side; 2],
    /// Ordered by arrival.
    wire: VecDeque<(Instant, usize, Datagram)>,
    random: u64,
}

const LATENCY: Duration = Duration::from_millis(10);

impl Net {
    fn new(count: u32, mixed: bool) -> Self {
        let sides = [true, false].map(|hub| Side::new(1 + u8::from(hub), config(count, hub, mixed)));
        Self { now: Instant::from_secs(1), sides, wire: VecDeque::new(), random: 0x9E37_79B9_7F4A_7C15 }
    }

    fn send(&mut self, from: usize, sent: Vec<Datagram>) {
        let at = self.now + LATENCY;
        self.wire.extend(sent.into_iter().map(|datagram| (at, 1 - from, datagram)));
    }

    fn tell(&mut self, side: usize, input: Input) {
        let sent = self.sides[side].tell(self.now, input);
        self.send(side, sent);
    }

    fn tick(&mut self) {
        for side in 0..2 {
            if self.sides[side].ike.deadline().is_some_and(|at| at <= self.now) {
                self.sides[side].ike.tick(self.now);
                let sent = self.sides[side].drain(self.now);
                self.send(side, sent);
            }
        }
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let timers = self.sides.iter().filter_map(|side| side.ike.deadline());
            let next = timers.chain(self.wire.front().map(|(at, ..)| *at)).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            self.tick();
            while self.wire.front().is_some_and(|(at, ..)| *at <= self.now) {
                let (_, to, mut datagram) = self.wire.pop_front().unwrap();
                std::mem::swap(&mut datagram.path.local, &mut datagram.path.remote);
                self.tell(to, Input::Datagram(datagram));
            }
        }
        self.now = end;
    }

    /// Entries both of whose sides send on what the other receives on.
    fn connected(&self) -> usize {
        let inbound = self.sides.each_ref().map(Side::inbound);
        let sends = |from: usize, policy: &PolicyId| {
            let side = &self.sides[from];
            let out = side.carrying.get(policy).map(|id| &side.children[id]);
            out.is_some_and(|out| inbound[1 - from].get(&out.spi_out).is_some_and(|child| fits(out, child)))
        };
        self.sides[0].carrying.keys().filter(|policy| sends(0, policy) && sends(1, policy)).count()
    }

    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

/// Both sides of every tunnel find at the same moment that IKE SA and child are due.
fn rekey_at_once(count: u32) {
    let mut net = Net::new(count, false);
    for number in 0..count {
        net.tell(1, acquire(number));
    }
    net.run(Duration::from_secs(60));
    let all = count as usize;
    assert_eq!(net.connected(), all);
    net.now = Instant::from_secs(3450);
    net.run(Duration::from_secs(100));
    assert_eq!(net.connected(), all);
    net.run(Duration::from_secs(60));
    assert_eq!(net.connected(), all, "and all that is old may be gone");
    for side in &net.sides {
        assert_eq!(side.lost, 0);
        assert!(side.replaced >= count, "{} of {count} were rekeyed", side.replaced);
        assert_eq!(side.established(net.now), all);
        let sessions = side.ike.sessions(net.now);
        let young = |since: Option<Instant>| since.is_some_and(|at| at >= Instant::from_secs(3450));
        assert!(sessions.iter().all(|session| young(session.since)));
        assert_eq!((side.children.len(), side.sad.len()), (all, all));
    }
}

#[test]
fn a_thousand_tunnels_that_rekey_at_once_from_both_sides_all_survive() {
    rekey_at_once(1000);
}

#[test]
#[ignore = "a quarter of a minute of processor time"]
fn sixteen_thousand_tunnels_that_rekey_at_once_from_both_sides_all_survive() {
    rekey_at_once(16_000);
}

/// A first message of either version, as a peer would send it; the first 8 bytes are the initiator's.
fn openings() -> [Vec<u8>; 2] {
    let mut spokes = Side::new(9, config(2 * FRONTS, false, true));
    [0, FRONTS].map(|number| spokes.tell(Instant::from_secs(1), acquire(number)).remove(0).bytes)
}

impl Net {
    /// Openings of this form from anywhere in 10.96.0.0/11, whose peers have a key too, in any of the front VRFs; the hub alone hears of them.
    fn flood(&mut self, opening: &[u8], count: u32) {
        for _ in 0..count {
            let (spi, who) = (self.random(), self.random());
            let bytes = [&spi.to_be_bytes(), &opening[8..]].concat();
            let address = Ipv4Addr::from(0x0A60_0000 | u32::try_from(who >> 43).unwrap());
            let path = Path {
                front: front(u32::try_from(who & 0xFF).unwrap()),
                local: SocketAddr::new(HUB.into(), 500),
                remote: SocketAddr::new(IpAddr::V4(address), 500),
                marker: false,
            };
            // What the hub answers goes nowhere.
            self.sides[0].tell(self.now, Input::Datagram(Datagram { path, bytes }));
        }
    }
}

/// Tunnels before the flood and after it, and its size in messages of each version.
const OLD: u32 = 1000;
const NEW: u32 = 1100;
const FLOOD: u32 = 50_000;

#[test]
fn a_flood_of_openings_takes_no_tunnel_and_keeps_no_new_one_from_coming_up() {
    let openings = openings();
    let mut net = Net::new(NEW, true);
    for number in 0..OLD {
        net.tell(1, acquire(number));
    }
    net.run(Duration::from_secs(30));
    assert_eq!(net.connected(), OLD as usize);
    for _ in 0..100 {
        openings.iter().for_each(|opening| net.flood(opening, FLOOD / 200));
        net.run(Duration::from_millis(10));
    }
    let most = OLD as usize + FRONTS as usize * 10_000;
    assert!(net.sides[0].ike.sessions(net.now).len() <= most);
    assert!(net.sides[0].cookies > FLOOD / 4, "{} cookies", net.sides[0].cookies);
    for number in OLD..NEW {
        net.tell(1, acquire(number));
    }
    // It goes on while they come up.
    for _ in 0..100 {
        openings.iter().for_each(|opening| net.flood(opening, FLOOD / 200));
        net.run(Duration::from_millis(10));
        assert!(net.sides[0].ike.sessions(net.now).len() <= most + 100);
    }
    net.run(Duration::from_secs(10));
    assert_eq!(net.connected(), NEW as usize);
    net.run(Duration::from_secs(120));
    for side in &net.sides {
        assert_eq!((side.lost, side.ike.sessions(net.now).len()), (0, NEW as usize));
    }
}
