//! IKE of one box with two internets whose peers are equal in address, identity and cookies: only their
//! keys differ. In either version of IKE. Whatever happens in one changes nothing in the other, or the world stops.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base::{Engine as _, Instant, PolicyId, Prefix, Secret, Spi, VrfId};
use crypto::dh::Group;
use ike::config::{
    Authentication, Config, Encryption, Entry, Hash, Keyring, Match, Peer, PresharedKey, Profile, Proposal,
    Version, v2,
};
use ike::{Answer, Ask, Child, Command, Datagram, Ike, Input, Notice, Output, Path, Target};
use ipsec::{Cipher, Flow, Integrity, Rule, Sad, Selector, Suite};

pub const FRONTS: usize = 2;
const BOX: &str = "172.18.1.1";
const PEER: &str = "172.16.1.1";
const INSIDE: u32 = 10;

/// The box with two internets, and a peer in each.
pub struct Internets {
    now: Instant,
    pe: Station,
    peers: [Station; FRONTS],
    restarts: [u8; FRONTS],
    /// Datagrams under way in each internet, and whether to the box.
    wires: [VecDeque<(bool, Vec<u8>)>; FRONTS],
    /// Everything ever sent, and where.
    pub captured: Vec<(usize, Vec<u8>)>,
    version: Version,
    /// Whether both internets share an inside VRF, and in version 1 a profile.
    shared: bool,
}

struct Station {
    ike: Ike,
    sad: Sad,
    up: Vec<Child>,
}

fn vrf(front: usize) -> VrfId {
    VrfId(u32::try_from(front).expect("few fronts"))
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// As `local` sees the way to `remote`.
fn path(front: VrfId, local: &str, remote: &str) -> Path {
    let end = |text| SocketAddr::new(address(text), 500);
    Path { front, local: end(local), remote: end(remote), marker: false }
}

fn key(front: usize) -> Secret {
    Secret::from(format!("key of internet {front}").into_bytes())
}

fn ring(front: usize, of: VrfId, peer: &str) -> Keyring {
    let keys = vec![PresharedKey { peer: Prefix::host(address(peer)), key: key(front) }];
    Keyring { keys, ..Keyring::new(format!("ring{front}"), of) }
}

fn entry(policy: usize, version: Version, front: VrfId, inside: VrfId, ends: [&str; 2]) -> Entry {
    let any = Prefix::any(base::Family::V4);
    let policy = PolicyId(u32::try_from(policy).expect("few fronts"));
    let [local, remote] = ends;
    Entry {
        version,
        sequence: 10,
        peers: vec![Peer::Address(address(remote))],
        suites: vec![Suite { cipher: Cipher::AesGcm(128), integrity: Integrity::None }],
        rules: vec![Rule { permit: true, selector: Selector::between(any, any) }],
        ..Entry::new(policy, front, inside, address(local))
    }
}

fn proposals() -> Vec<Proposal> {
    vec![Proposal {
        encryption: Encryption::Aes(128),
        hash: Hash::Sha1,
        authentication: Authentication::PreShared,
        group: Group::Modp1024,
        ..Proposal::new(10)
    }]
}

fn profile(name: &str, inside: VrfId, fronts: &[usize]) -> Profile {
    let of = |front: &usize| Match::Address { prefix: Prefix::host(address(PEER)), front: vrf(*front) };
    Profile {
        inside: Some(inside),
        keyrings: fronts.iter().map(|front| format!("ring{front}")).collect(),
        matches: fronts.iter().map(of).collect(),
        ..Profile::new(name.to_owned())
    }
}

fn inside(shared: bool, front: usize) -> VrfId {
    VrfId(INSIDE + if shared { 0 } else { vrf(front).0 })
}

/// A profile of version 2, and its keyring.
fn profile_v2(front: usize, of: VrfId, inside: VrfId, peer: &str) -> (v2::Profile, v2::Keyring) {
    let peer = Prefix::host(address(peer));
    let ring = v2::KeyringPeer {
        name: "peer".to_owned(),
        address: Some(peer),
        hostname: None,
        identity: None,
        local_key: Some(key(front)),
        remote_key: Some(key(front)),
        ppk: None,
    };
    let profile = v2::Profile {
        name: format!("profile{front}"),
        front: v2::Front::Vrf(of),
        local: Vec::new(),
        remote: vec![v2::Remote::Address(peer)],
        certificate_maps: Vec::new(),
        inside: Some(inside),
        identity: None,
        local_authentication: v2::Authentication::PreShared(None),
        remote_authentication: vec![v2::Authentication::PreShared(None)],
        keyring: Some(format!("ring{front}")),
        sign: Vec::new(),
        verify: Vec::new(),
        lifetime: Duration::from_secs(86_400),
        reauthentication: false,
        dpd: None,
        nat_keepalive: None,
        force_initial_contact: false,
        mobike: false,
        childless: false,
    };
    (profile, v2::Keyring { name: format!("ring{front}"), peers: vec![ring] })
}

fn config_v2(profiles: impl Iterator<Item = (v2::Profile, v2::Keyring)>) -> v2::Config {
    let proposal = v2::Proposal {
        name: "one".to_owned(),
        encryption: vec![v2::Encryption::AesGcm(128)],
        integrity: Vec::new(),
        prf: vec![v2::Prf::Hmac(Hash::Sha256)],
        groups: vec![Group::Modp1024],
        additional: Vec::new(),
    };
    let (name, front, local) = ("one".to_owned(), v2::Front::Any, Vec::new());
    let policy = v2::Policy { name, front, local, proposals: vec!["one".to_owned()] };
    let (profiles, keyrings) = profiles.unzip();
    v2::Config {
        proposals: vec![proposal],
        policies: vec![policy],
        profiles,
        keyrings,
        fragmentation: Some(576),
        window: 5,
        ..v2::Config::default()
    }
}

fn box_config(version: Version, shared: bool) -> Config {
    let one = shared && version == Version::V1;
    let name = |front: usize| if one { "both".to_owned() } else { format!("profile{front}") };
    let profiles = match one {
        true => vec![profile("both", inside(true, 0), &[0, 1])],
        false => (0..FRONTS).map(|front| profile(&name(front), inside(false, front), &[front])).collect(),
    };
    let entries = (0..FRONTS).map(|front| Entry {
        profile: Some(name(front)),
        ..entry(front, version, vrf(front), inside(shared, front), [BOX, PEER])
    });
    let profiles_v2 = (0..FRONTS).map(|front| profile_v2(front, vrf(front), inside(shared, front), PEER));
    Config {
        proposals: proposals(),
        keyrings: (0..FRONTS).map(|front| ring(front, vrf(front), PEER)).collect(),
        profiles,
        entries: entries.collect(),
        v2: config_v2(profiles_v2),
        ..Config::default()
    }
}

fn peer_config(version: Version, front: usize) -> Config {
    let profile = (version == Version::V2).then(|| format!("profile{front}"));
    let (global, ends) = (VrfId::GLOBAL, [PEER, BOX]);
    Config {
        proposals: proposals(),
        keyrings: vec![ring(front, VrfId::GLOBAL, BOX)],
        entries: vec![Entry { profile, ..entry(0, version, global, global, ends) }],
        v2: config_v2([profile_v2(front, global, global, BOX)].into_iter()),
        ..Config::default()
    }
}

impl Station {
    fn new(seed: u8, config: Config) -> Self {
        let mut station = Self { ike: Ike::new([seed; 32]), sad: Sad::default(), up: Vec::new() };
        station.handle(Instant::START, Input::Command(Command::Configure(Arc::new(config))));
        station
    }

    /// What it says, questions answered.
    fn handle(&mut self, now: Instant, input: Input) -> Vec<Output> {
        self.ike.handle(now, input);
        self.drain(now)
    }

    fn drain(&mut self, now: Instant) -> Vec<Output> {
        let mut said = Vec::new();
        while let Some(output) = self.ike.poll() {
            let Output::Ask(id, ask) = output else {
                self.note(&output);
                said.push(output);
                continue;
            };
            let answer = match ask {
                Ask::Spi { random } => Answer::Spi(self.sad.reserve(random)),
                Ask::Compute(job) => Answer::Computed(job.run()),
                Ask::Validate(_) | Ask::Resolve { .. } | Ask::Traffic(_) => {
                    panic!("nothing here has certificates, host names or timers of traffic")
                }
                Ask::ReleaseSpi(spi) => {
                    self.sad.release(spi);
                    continue;
                }
            };
            self.ike.handle(now, Input::Answer(id, answer));
        }
        said
    }

    fn note(&mut self, output: &Output) {
        match output {
            Output::ChildUp(child) | Output::ChildReplaced { new: child, .. } => {
                self.up.push((**child).clone())
            }
            Output::ChildDown(id, _) => self.up.retain(|child| child.id != *id),
            Output::Transmit(_)
            | Output::Ask(..)
            | Output::ChildReady(_)
            | Output::ChildMoved(..)
            | Output::Notice(_) => {}
        }
    }

    /// All that can be seen of one front VRF.
    fn state(&self, now: Instant, front: VrfId) -> String {
        let sessions = self.ike.sessions(now).into_iter().filter(|session| session.path.front == front);
        let children = self.ike.children(now).into_iter().filter(|child| child.front == front);
        format!("{:#?}\n{:#?}", sessions.collect::<Vec<_>>(), children.collect::<Vec<_>>())
    }
}

impl Internets {
    /// In version 1.
    pub fn new(shared: bool) -> Self {
        Self::of(Version::V1, shared)
    }

    pub fn of(version: Version, shared: bool) -> Self {
        Self {
            now: Instant::from_secs(1),
            pe: Station::new(99, box_config(version, shared)),
            // Equal seeds: equal cookies, nonces and Diffie-Hellman values.
            peers: [0, 1].map(|front| Station::new(1, peer_config(version, front))),
            version,
            restarts: [1; FRONTS],
            wires: [const { VecDeque::new() }; FRONTS],
            captured: Vec::new(),
            shared,
        }
    }

    /// Something happens in one internet: the box speaks of it alone, and nothing changes elsewhere.
    fn tell(&mut self, front: usize, input: Input) {
        let others: Vec<VrfId> = (0..FRONTS).filter(|other| *other != front).map(vrf).collect();
        let before = others.iter().map(|other| self.pe.state(self.now, *other));
        let before: Vec<String> = before.collect();
        let said = self.pe.handle(self.now, input);
        for (other, before) in others.iter().zip(before) {
            assert_eq!(self.pe.state(self.now, *other), before, "front {front} reached into another");
        }
        for output in said {
            assert!(front_of(&output).is_none_or(|of| of == vrf(front)), "front {front} made another speak");
            self.take(output);
        }
    }

    fn take(&mut self, output: Output) {
        match output {
            Output::Transmit(Datagram { path, bytes }) => self.send(path.front, false, bytes),
            Output::ChildReady(child) | Output::ChildUp(child) | Output::ChildReplaced { new: child, .. } => {
                self.check(&child);
            }
            Output::Ask(..) | Output::ChildMoved(..) | Output::ChildDown(..) | Output::Notice(_) => {}
        }
    }

    /// The crypto-map entry and the inside VRF are those of the internet that the child came from.
    fn check(&self, child: &Child) {
        let front = usize::try_from(child.front.0).expect("few fronts");
        assert_eq!((child.policy, child.inside), (PolicyId(child.front.0), inside(self.shared, front)));
    }

    fn send(&mut self, front: VrfId, to_box: bool, bytes: Vec<u8>) {
        let front = usize::try_from(front.0).expect("few fronts");
        self.captured.push((front, bytes.clone()));
        self.wires[front].push_back((to_box, bytes));
    }

    /// The oldest datagram of an internet arrives.
    pub fn deliver(&mut self, front: usize) {
        match self.wires[front].pop_front() {
            Some((true, bytes)) => self.arrive(front, bytes),
            Some((false, bytes)) => {
                let path = path(VrfId::GLOBAL, PEER, BOX);
                let said = self.peers[front].handle(self.now, Input::Datagram(Datagram { path, bytes }));
                self.peer_said(front, said);
            }
            None => {}
        }
    }

    /// Every datagram of an internet arrives, and what it leads to.
    pub fn deliver_all(&mut self, front: usize) {
        while !self.wires[front].is_empty() {
            self.deliver(front);
        }
    }

    /// Bytes arrive at the box from an internet.
    pub fn arrive(&mut self, front: usize, bytes: Vec<u8>) {
        let path = path(vrf(front), BOX, PEER);
        self.tell(front, Input::Datagram(Datagram { path, bytes }));
    }

    /// Something once sent in an internet arrives at the box in the other.
    pub fn inject(&mut self, index: usize) {
        if let Some((front, bytes)) = self.captured.get(index % self.captured.len().max(1)).cloned() {
            self.arrive((front + 1) % FRONTS, bytes);
        }
    }

    fn peer_said(&mut self, front: usize, said: Vec<Output>) {
        for output in said {
            if let Output::Transmit(datagram) = output {
                self.send(vrf(front), true, datagram.bytes);
            }
        }
    }

    /// Traffic wants a tunnel.
    pub fn box_opens(&mut self, front: usize) {
        let policy = PolicyId(vrf(front).0);
        self.tell(front, Input::Command(Command::Acquire { policy, rule: 0, flow: flow() }));
    }

    /// Traffic at the peer wants a tunnel.
    pub fn peer_opens(&mut self, front: usize) {
        let acquire = Command::Acquire { policy: PolicyId(0), rule: 0, flow: flow() };
        let said = self.peers[front].handle(self.now, Input::Command(acquire));
        self.peer_said(front, said);
    }

    /// A peer forgets everything.
    pub fn peer_restarts(&mut self, front: usize) {
        self.restarts[front] += 1;
        self.peers[front] = Station::new(self.restarts[front], peer_config(self.version, front));
    }

    /// An operator clears the peer of an internet.
    pub fn clear(&mut self, front: usize) {
        self.tell(front, Input::Command(clear(front)));
    }

    /// The oldest datagram of an internet is lost.
    pub fn lose(&mut self, front: usize) {
        self.wires[front].pop_front();
    }

    /// The oldest datagram of an internet arrives with this bit turned over, besides itself.
    pub fn corrupt(&mut self, front: usize, bit: usize) {
        let Some((to_box, mut bytes)) = self.wires[front].front().cloned() else { return };
        let bit = bit % (bytes.len() * 8).max(1);
        if let Some(byte) = bytes.get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
        }
        self.wires[front].push_front((to_box, bytes));
        self.deliver(front);
    }

    /// The oldest datagram of an internet arrives, and will once more after all others.
    pub fn repeat(&mut self, front: usize) {
        let first = self.wires[front].front().cloned();
        self.deliver(front);
        self.wires[front].extend(first);
    }

    /// Every child of the box in an internet is due for a successor.
    pub fn rekey(&mut self, front: usize) {
        let children: Vec<_> = self.pe.up.iter().filter(|child| child.front == vrf(front)).collect();
        let children: Vec<_> = children.into_iter().map(|child| child.id).collect();
        children.into_iter().for_each(|child| self.tell(front, Input::Command(Command::Rekey(child))));
    }

    /// And every child of a peer.
    pub fn peer_rekeys(&mut self, front: usize) {
        let children: Vec<_> = self.peers[front].up.iter().map(|child| child.id).collect();
        for child in children {
            let said = self.peers[front].handle(self.now, Input::Command(Command::Rekey(child)));
            self.peer_said(front, said);
        }
    }

    /// The cookies of the box's newest session, as they stand in a message.
    pub fn cookies(&self) -> Option<[u8; 16]> {
        let (initiator, responder) = self.pe.ike.sessions(self.now).last()?.cookies;
        Some((u128::from(initiator) << 64 | u128::from(responder)).to_be_bytes())
    }

    /// ESP that nobody has an SA for came from an internet.
    pub fn unknown_spi(&mut self, front: usize) {
        let (local, remote) = (address(BOX), address(PEER));
        let unknown = Command::UnknownSpi { front: vrf(front), local, remote, spi: Spi(0xBEEF_0000) };
        self.tell(front, Input::Command(unknown));
    }

    pub fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        self.pe.ike.tick(self.now);
        self.pe.drain(self.now).into_iter().for_each(|output| self.take(output));
        for front in 0..FRONTS {
            self.peers[front].ike.tick(self.now);
            let said = self.peers[front].drain(self.now);
            self.peer_said(front, said);
        }
    }

    /// Whatever happened: when both peers start afresh, both come up, each with its own key.
    pub fn everyone_is_served(&mut self) {
        for front in 0..FRONTS {
            self.wires[front].clear();
            self.peer_restarts(front);
        }
        self.wait(Duration::from_secs(100));
        // As many restarts, so that the cookies are equal again, and at the same time.
        self.restarts = [200; FRONTS];
        (0..FRONTS).for_each(|front| self.peer_restarts(front));
        (0..FRONTS).for_each(|front| self.peer_opens(front));
        self.settle();
        (0..FRONTS).for_each(|front| assert!(self.is_connected(front), "the peer opens in {front}"));
        (0..FRONTS).for_each(|front| self.clear(front));
        self.settle();
        (0..FRONTS).for_each(|front| assert!(!self.is_connected(front), "cleared in {front}"));
        (0..FRONTS).for_each(|front| self.unknown_spi(front));
        self.settle();
        (0..FRONTS).for_each(|front| assert!(self.is_connected(front), "the box opens in {front}"));
    }

    /// A datagram of each internet in turn, until nobody has anything to say for a while.
    pub fn settle(&mut self) {
        for _ in 0..10 {
            while self.wires.iter().any(|wire| !wire.is_empty()) {
                (0..FRONTS).for_each(|front| self.deliver(front));
            }
            self.wait(Duration::from_secs(1));
        }
    }

    pub fn is_connected(&self, front: usize) -> bool {
        let mut ours = self.pe.up.iter().filter(|child| child.front == vrf(front));
        let theirs = &self.peers[front].up;
        ours.any(|ours| {
            theirs.iter().any(|theirs| ours.keys_in == theirs.keys_out && ours.spi_in == theirs.spi_out)
        })
    }
}

fn clear(front: usize) -> Command {
    Command::Clear(Target::Peer { front: vrf(front), remote: address(PEER) })
}

fn flow() -> Flow {
    Flow {
        local: address("10.1.0.1"),
        remote: address("10.2.0.1"),
        protocol: 1,
        local_port: 0,
        remote_port: 0,
    }
}

/// Which front VRF an output speaks of.
fn front_of(output: &Output) -> Option<VrfId> {
    match output {
        Output::Transmit(datagram) => Some(datagram.path.front),
        Output::ChildReady(child) | Output::ChildUp(child) | Output::ChildReplaced { new: child, .. } => {
            Some(child.front)
        }
        Output::Ask(..) | Output::ChildMoved(..) | Output::ChildDown(..) => None,
        Output::Notice(
            Notice::SessionUp { front, .. }
            | Notice::SessionDown { front, .. }
            | Notice::Failed { front, .. }
            | Notice::Ignored { front, .. }
            | Notice::Debug { front, .. },
        ) => Some(*front),
    }
}
