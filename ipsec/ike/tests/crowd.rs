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

use base::{Engine, Instant, PolicyId, Prefix, VrfId};
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
    config.keyrings = (0..FRONTS).map(|of| ring(&format!("keys-{of}"), of, &whom.to_string(), "secret")).collect();
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

    /// Every entry sends on what the other side receives on.
    fn connected(&self) -> usize {
        let [hub, spokes] = &self.sides;
        let sends = |a: &Side, b: &Side, policy: &PolicyId| {
            let out = a.carrying.get(policy).and_then(|id| a.children.get(id));
            out.is_some_and(|out| b.children.values().any(|child| out.spi_out == child.spi_in && fits(out, child)))
        };
        let all = hub.carrying.keys().filter(|policy| spokes.carrying.contains_key(policy));
        // What is searched is small where this is asked of many.
        if hub.carrying.len() > 100 {
            let inbound = |side: &Side| -> BTreeMap<_, Child> {
                side.children.values().map(|child| (child.spi_in, child.clone())).collect()
            };
            let (of_hub, of_spokes) = (inbound(hub), inbound(spokes));
            let meets = |a: &Side, b: &BTreeMap<_, Child>, policy: &PolicyId| {
                let out = a.carrying.get(policy).and_then(|id| a.children.get(id));
                out.is_some_and(|out| b.get(&out.spi_out).is_some_and(|child| fits(out, child)))
            };
            return all.filter(|one| meets(hub, &of_spokes, one) && meets(spokes, &of_hub, one)).count();
        }
        all.filter(|policy| sends(hub, spokes, policy) && sends(spokes, hub, policy)).count()
    }

    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}
