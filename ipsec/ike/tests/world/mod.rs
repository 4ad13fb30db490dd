//! Several engines under virtual time, on networks that lose, repeat, reorder and translate.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "each test file uses its part"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base::{Engine, Instant, PolicyId, Prefix, Secret, VrfId};
use crypto::dh::Group;
use ike::config::{
    Authentication, Config, Encryption, Entry, Hash, Keyring, Match, Peer, PresharedKey, Profile, Proposal,
};
use ike::{
    Answer, Ask, Child, ChildId, Command, Datagram, DownReason, Ike, Input, Notice, Output, Path, Stage,
    Traffic,
};
use ipsec::{Cipher, Encap, Flow, Integrity, Rule, Sad, Selector, Suite};

pub mod certificates;
pub mod v2;

pub struct Node {
    pub ike: Ike,
    pub sad: Sad,
    pub ready: BTreeMap<ChildId, Child>,
    /// Carry traffic, newest last.
    pub up: Vec<Child>,
    pub down: Vec<(ChildId, DownReason)>,
    pub notices: Vec<Notice>,
    /// What each child has carried, as the dataplane would say; of others nothing is known.
    pub traffic: BTreeMap<ChildId, Traffic>,
    /// Front VRF, network, address.
    homes: Vec<(VrfId, u32, IpAddr)>,
}

/// Translates one address of a network.
#[derive(Clone, Copy)]
pub struct Nat {
    pub inside: IpAddr,
    pub outside: IpAddr,
}

#[derive(Default)]
pub struct World {
    pub now: Instant,
    pub nodes: Vec<Node>,
    wire: BTreeMap<(Instant, u64), (u32, Datagram)>,
    sequence: u64,
    random: u64,
    /// Percent.
    pub loss: u64,
    pub repeat: u64,
    /// Most extra delay.
    pub jitter: Duration,
    pub nats: Vec<(u32, Nat)>,
    /// What the names of hosts resolve to.
    pub hosts: BTreeMap<String, Vec<IpAddr>>,
    /// Everything sent: network, datagram.
    pub sent: Vec<(u32, Datagram)>,
    /// Called for each datagram on its way; `false` loses it.
    pub filter: Option<fn(&Datagram) -> bool>,
    seed: u8,
}

/// In seconds since 1970: all certificates of the tests are in force.
pub const TODAY: u64 = 2_000_000_000;

/// Neither CRLs nor OCSP responders are within reach.
struct NoLists;

impl pki::Evidence for NoLists {
    fn crl(&self, _vrf: Option<&str>, _url: &str) -> Result<Arc<pki::Crl>, String> {
        Err("no list".into())
    }

    fn ocsp(
        &self,
        _vrf: Option<&str>,
        _url: &str,
        _id: &pki::ocsp::CertId,
    ) -> Result<Arc<pki::ocsp::Response>, String> {
        Err("no responder".into())
    }
}

pub const LATENCY: Duration = Duration::from_millis(10);

impl World {
    pub fn new() -> Self {
        Self { random: 0x9E37_79B9_7F4A_7C15, ..Self::default() }
    }

    pub fn node(&mut self, homes: &[(u32, u32, &str)], config: Config) -> usize {
        let homes = homes.iter().map(|(front, net, ip)| (VrfId(*front), *net, ip.parse().unwrap())).collect();
        let ike = self.fresh();
        self.nodes.push(Node {
            ike,
            sad: Sad::default(),
            ready: BTreeMap::new(),
            up: Vec::new(),
            down: Vec::new(),
            notices: Vec::new(),
            traffic: BTreeMap::new(),
            homes,
        });
        let node = self.nodes.len() - 1;
        self.command(node, Command::Configure(Arc::new(config)));
        node
    }

    /// The node forgets everything but its configuration.
    pub fn restart(&mut self, node: usize, config: Config) {
        self.nodes[node].ike = self.fresh();
        self.nodes[node].sad = Sad::default();
        self.nodes[node].up.clear();
        self.nodes[node].ready.clear();
        self.nodes[node].down.clear();
        self.command(node, Command::Configure(Arc::new(config)));
    }

    fn fresh(&mut self) -> Ike {
        self.seed += 1;
        Ike::new([self.seed; 32])
    }

    pub fn command(&mut self, node: usize, command: Command) {
        let now = self.now;
        self.nodes[node].ike.handle(now, Input::Command(command));
        self.drain(node);
    }

    /// Traffic from A's site to B's hits the first line of an entry.
    pub fn acquire(&mut self, node: usize, policy: u32) {
        let flow = flow("10.1.0.0", "10.2.0.0");
        self.command(node, Command::Acquire { policy: PolicyId(policy), rule: 0, flow });
    }

    /// What is on its way never arrives.
    pub fn lose_all(&mut self) {
        self.wire.clear();
    }

    pub fn inject(&mut self, node: usize, path: Path, bytes: Vec<u8>) {
        let now = self.now;
        self.nodes[node].ike.handle(now, Input::Datagram(Datagram { path, bytes }));
        self.drain(node);
    }

    /// Lets everything happen that is due within `span`.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(next) = self.next().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.step();
        }
        self.now = end;
    }

    pub fn run_secs(&mut self, secs: u64) {
        self.run(Duration::from_secs(secs));
    }

    fn next(&self) -> Option<Instant> {
        let timers = self.nodes.iter().filter_map(|node| node.ike.deadline());
        self.wire.keys().next().map(|(at, _)| *at).into_iter().chain(timers).min()
    }

    fn step(&mut self) {
        let due: Vec<_> = self.wire.range(..=(self.now, u64::MAX)).map(|(key, _)| *key).collect();
        for key in due {
            let (network, datagram) = self.wire.remove(&key).unwrap();
            self.deliver(network, datagram);
        }
        for node in 0..self.nodes.len() {
            if self.nodes[node].ike.deadline().is_some_and(|at| at <= self.now) {
                let now = self.now;
                self.nodes[node].ike.tick(now);
                self.drain(node);
            }
        }
    }

    fn drain(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].ike.poll() {
            match output {
                Output::Transmit(datagram) => self.send(node, datagram),
                Output::Ask(id, ask) => {
                    let now = self.now;
                    let target = &mut self.nodes[node];
                    let answer = match ask {
                        Ask::Spi { random } => Answer::Spi(target.sad.reserve(random)),
                        Ask::ReleaseSpi(spi) => {
                            target.sad.release(spi);
                            continue;
                        }
                        Ask::Compute(job) => Answer::Computed(job.run()),
                        Ask::Validate(request) => Answer::Validated(pki::verify(&request, TODAY, &NoLists)),
                        Ask::Resolve { name, .. } => {
                            Answer::Resolved(self.hosts.get(&name).cloned().unwrap_or_default())
                        }
                        Ask::Traffic(child) => Answer::Traffic(target.traffic.get(&child).copied()),
                    };
                    target.ike.handle(now, Input::Answer(id, answer));
                }
                Output::ChildReady(child) => {
                    self.nodes[node].ready.insert(child.id, *child);
                }
                Output::ChildUp(child) => self.nodes[node].child_up(*child),
                Output::ChildReplaced { old, new } => {
                    assert!(self.nodes[node].up.iter().any(|child| child.id == old), "replaces what is up");
                    self.nodes[node].child_up(*new);
                }
                Output::ChildMoved(id, to) => self.nodes[node].child_moved(id, to.encap),
                Output::ChildDown(id, reason) => self.nodes[node].child_down(id, reason),
                Output::Notice(notice) => self.nodes[node].notices.push(notice),
            }
        }
    }

    fn send(&mut self, node: usize, datagram: Datagram) {
        let homes = &self.nodes[node].homes;
        let home = homes
            .iter()
            .find(|(front, _, ip)| *front == datagram.path.front && *ip == datagram.path.local.ip());
        let network = home.expect("sends from an address of its own").1;
        self.sent.push((network, datagram.clone()));
        let copies = if self.percent() < self.repeat { 2 } else { 1 };
        for _ in 0..copies {
            if self.percent() < self.loss || self.filter.is_some_and(|filter| !filter(&datagram)) {
                continue;
            }
            let extra = self.next_random() % (u64::try_from(self.jitter.as_micros()).unwrap() + 1);
            let at = self.now + LATENCY + Duration::from_micros(extra);
            self.sequence += 1;
            self.wire.insert((at, self.sequence), (network, datagram.clone()));
        }
    }

    fn deliver(&mut self, network: u32, datagram: Datagram) {
        let (mut from, mut to) = (datagram.path.local, datagram.path.remote);
        for (_, nat) in self.nats.iter().filter(|(of, _)| *of == network) {
            if from.ip() == nat.inside {
                from = SocketAddr::new(nat.outside, from.port() + 10_000);
            }
            if to.ip() == nat.outside {
                to = SocketAddr::new(nat.inside, to.port().saturating_sub(10_000));
            }
        }
        let home = self.nodes.iter().enumerate().find_map(|(index, node)| {
            let home = node.homes.iter().find(|(_, net, ip)| *net == network && *ip == to.ip())?;
            Some((index, home.0))
        });
        let Some((node, front)) = home else { return };
        let path = Path { front, local: to, remote: from, marker: datagram.path.marker };
        self.inject(node, path, datagram.bytes);
    }

    fn percent(&mut self) -> u64 {
        self.next_random() % 100
    }

    pub fn skip_random(&mut self) {
        self.next_random();
    }

    pub fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// Whether both carry traffic for each other on SAs that fit together.
    pub fn connected(&self, a: usize, b: usize) -> bool {
        self.can_send(a, b) && self.can_send(b, a)
    }

    /// Whether what `a` sends now arrives at `b`: `b` holds the inbound half of what `a` sends on.
    pub fn can_send(&self, a: usize, b: usize) -> bool {
        let Some(out) = self.nodes[a].up.last() else { return false };
        let inbound = self.nodes[b].up.iter().chain(self.nodes[b].ready.values());
        inbound.into_iter().any(|child| fits(out, child))
    }

    pub fn said(&self, node: usize, word: &str) -> bool {
        self.nodes[node].notices.iter().any(|notice| match notice {
            Notice::Failed { what, .. } | Notice::Ignored { what, .. } => *what == word,
            Notice::SessionUp { .. } | Notice::SessionDown { .. } | Notice::Debug { .. } => false,
        })
    }

    /// Everything that a node reported, for a message of a failed test.
    pub fn told(&self, node: usize) -> String {
        let lines = self.nodes[node].notices.iter().map(|notice| format!("{notice:?}"));
        lines.collect::<Vec<_>>().join("\n")
    }

    pub fn sessions_up(&self, node: usize) -> usize {
        self.nodes[node].ike.sessions(self.now).iter().filter(|session| session.established).count()
    }
}

impl Node {
    fn child_up(&mut self, child: Child) {
        self.ready.remove(&child.id);
        self.up.push(child);
    }

    fn child_down(&mut self, id: ChildId, reason: DownReason) {
        let gone = self.ready.remove(&id).or_else(|| {
            let place = self.up.iter().position(|child| child.id == id)?;
            Some(self.up.remove(place))
        });
        self.sad.release(gone.expect("a child that was announced").spi_in);
        self.down.push((id, reason));
    }

    fn child_moved(&mut self, id: ChildId, encap: Encap) {
        let all = self.up.iter_mut().chain(self.ready.values_mut());
        all.filter(|child| child.id == id).for_each(|child| child.encap = encap);
    }

    /// Every SPI that is reserved belongs to a child.
    pub fn leaks_no_spi(&self) -> bool {
        self.sad.len() == self.up.len() + self.ready.len()
    }

    pub fn stages(&self, now: Instant) -> BTreeSet<u8> {
        let stage = |stage| match stage {
            Stage::Ready => 0,
            Stage::Up => 1,
            Stage::Superseded => 2,
        };
        self.ike.children(now).iter().map(|child| stage(child.stage)).collect()
    }
}

/// The outbound half of one and the inbound half of the other.
pub fn fits(out: &Child, inbound: &Child) -> bool {
    out.spi_out == inbound.spi_in
        && out.keys_out == inbound.keys_in
        && out.suite == inbound.suite
        && out.replay.esn == inbound.replay.esn
        && out.selector == inbound.selector.reversed()
}

pub fn flow(local: &str, remote: &str) -> Flow {
    let (local, remote) = (local.parse().unwrap(), remote.parse().unwrap());
    Flow { local, remote, protocol: 1, local_port: 0, remote_port: 0 }
}

pub fn selector(local: &str, remote: &str) -> Selector {
    Selector::between(local.parse().unwrap(), remote.parse().unwrap())
}

pub const AES_SHA: Suite = Suite { cipher: Cipher::AesCbc(128), integrity: Integrity::Sha1 };

pub fn proposal() -> Proposal {
    Proposal {
        encryption: Encryption::Aes(128),
        hash: Hash::Sha1,
        authentication: Authentication::PreShared,
        group: Group::Modp1024,
        ..Proposal::new(10)
    }
}

pub fn ring(name: &str, front: u32, peer: &str, key: &str) -> Keyring {
    let key = PresharedKey { peer: peer.parse().unwrap(), key: Secret::from(key.as_bytes()) };
    Keyring { keys: vec![key], ..Keyring::new(name.into(), VrfId(front)) }
}

pub fn profile(name: &str, inside: Option<u32>, keyring: &str, peer: &str, front: u32) -> Profile {
    Profile {
        inside: inside.map(VrfId),
        keyrings: vec![keyring.into()],
        matches: vec![Match::Address { prefix: peer.parse().unwrap(), front: VrfId(front) }],
        ..Profile::new(name.into())
    }
}

pub fn entry(policy: u32, local: &str, peer: &str, selector: Selector) -> Entry {
    Entry {
        sequence: policy,
        profile: Some("site".into()),
        peers: vec![Peer::Address(peer.parse().unwrap())],
        suites: vec![AES_SHA],
        rules: vec![Rule { permit: true, selector }],
        ..Entry::new(PolicyId(policy), VrfId(0), VrfId(1), local.parse().unwrap())
    }
}

/// One side of a tunnel between 10.1/16 and 10.2/16.
pub fn side(local: &str, peer: &str, ours: &str, theirs: &str) -> Config {
    let host = Prefix::host(peer.parse().unwrap()).to_string();
    Config {
        proposals: vec![proposal()],
        keyrings: vec![ring("keys", 0, &host, "secret")],
        profiles: vec![profile("site", Some(1), "keys", &host, 0)],
        entries: vec![entry(1, local, peer, selector(ours, theirs))],
        ..Config::default()
    }
}

pub const A: &str = "172.18.1.1";
pub const B: &str = "172.16.1.1";

pub fn side_a() -> Config {
    side(A, B, "10.1.0.0/16", "10.2.0.0/16")
}

pub fn side_b() -> Config {
    side(B, A, "10.2.0.0/16", "10.1.0.0/16")
}

/// Two nodes with mirrored configurations on one network.
pub fn pair_of(a: Config, b: Config) -> World {
    let mut world = World::new();
    world.node(&[(0, 0, A)], a);
    world.node(&[(0, 0, B)], b);
    world
}

pub fn pair() -> World {
    pair_of(side_a(), side_b())
}

/// A pair with a tunnel that A opened.
pub fn connected() -> World {
    let mut world = pair();
    world.acquire(0, 1);
    world.run_secs(5);
    assert!(world.connected(0, 1), "{:?} {:?}", world.nodes[0].notices, world.nodes[1].notices);
    world
}

pub fn path(front: u32, local: &str, remote: &str) -> Path {
    let port = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 500);
    Path { front: VrfId(front), local: port(local), remote: port(remote), marker: false }
}
