//! Boxes that speak LDP in virtual time: links that carry hellos, connections that carry bytes, and a label space each.
#![allow(dead_code, clippy::unwrap_used)] // each test uses a part of it; it may panic

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use base::{Engine, Instant, Label, PortId, Prefix, Secret, VrfId};
use ldp::config::{Config, GracefulRestart, PortConfig};
use ldp::{ConnectionId, Input, Interface, Ldp, LdpId, Listener, Lsp, Notice, Output, Route, State, Swap};
use mpls::Fec;

/// How long anything is on its way.
const LATENCY: Duration = Duration::from_millis(1);

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) nodes: Vec<Node>,
    /// Ends of each link.
    links: Vec<[(usize, PortId); 2]>,
    /// Nothing passes between these two.
    pub(crate) cut: BTreeSet<(usize, usize)>,
    /// Their Initialization messages leave without capabilities (RFC 5561): nobody tells them End-of-LIB.
    pub(crate) plain: BTreeSet<usize>,
    queue: BTreeMap<(Instant, u64), (usize, Event)>,
    sequence: u64,
    /// The other end of each connection.
    pairs: BTreeMap<(usize, ConnectionId), (usize, ConnectionId)>,
    accepted: u64,
}

enum Event {
    Input(Input),
    /// A connection from another node: who, its connection, its address, the one it wants, its password.
    Connect(usize, ConnectionId, IpAddr, IpAddr, Option<Secret>),
}

pub(crate) struct Node {
    pub(crate) ldp: Ldp,
    pub(crate) config: Config,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) ports: BTreeMap<PortId, Vec<IpAddr>>,
    pub(crate) lsps: BTreeMap<Prefix, Lsp>,
    pub(crate) swaps: BTreeMap<Label, Swap>,
    pub(crate) bound: BTreeMap<Prefix, Label>,
    pub(crate) notices: Vec<Notice>,
    /// Every path that was put out, in order.
    pub(crate) history: Vec<(Prefix, Option<Lsp>)>,
    pub(crate) sent: Vec<(ConnectionId, Vec<u8>)>,
    pub(crate) connections: Vec<ConnectionId>,
    /// Of those.
    pub(crate) near: Vec<bool>,
    pub(crate) listening: Vec<Listener>,
    next_label: u32,
    /// Labels of this box run out here.
    pub(crate) last_label: u32,
}

pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

pub(crate) fn label(value: u32) -> Label {
    Label::new(value).unwrap()
}

/// Router 10.0.0.N.
pub(crate) fn router(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, number as u8 + 1)
}

pub(crate) fn id(number: usize) -> LdpId {
    LdpId { router: router(number), space: 0 }
}

/// The address of a node on the link of two.
pub(crate) fn on_link(node: usize, other: usize) -> IpAddr {
    let (low, high) = (node.min(other) as u8, node.max(other) as u8);
    IpAddr::from([192, 0, low * 10 + high, node as u8 + 1])
}

pub(crate) fn loopback(node: usize) -> Prefix {
    Prefix::host(router(node).into())
}

pub(crate) fn port(other: usize) -> PortId {
    PortId(other as u32 + 1)
}

impl World {
    /// `count` routers, nothing between them yet.
    pub(crate) fn new(count: usize) -> Self {
        Self {
            now: Instant::START,
            nodes: (0..count).map(Node::new).collect(),
            links: Vec::new(),
            cut: BTreeSet::new(),
            plain: BTreeSet::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            pairs: BTreeMap::new(),
            accepted: 1 << 63,
        }
    }

    /// A row of routers, each joined to the next, each with routes to every loopback.
    pub(crate) fn row(count: usize, change: impl Fn(usize, &mut Config)) -> Self {
        let mut world = Self::new(count);
        for node in 1..count {
            world.join(node - 1, node);
        }
        for node in 0..count {
            change(node, &mut world.nodes[node].config);
            world.start(node);
            world.row_routes(node);
        }
        world
    }

    pub(crate) fn row_routes(&mut self, node: usize) {
        for other in 0..self.nodes.len() {
            if other == node {
                self.route(node, loopback(node), Some(Route::Here));
            } else {
                let next = if other > node { node + 1 } else { node - 1 };
                self.route(node, loopback(other), Some(via(node, next)));
            }
        }
    }

    pub(crate) fn join(&mut self, a: usize, b: usize) {
        self.links.push([(a, port(b)), (b, port(a))]);
        for (node, other) in [(a, b), (b, a)] {
            let here = on_link(node, other);
            self.nodes[node].addresses.push(here);
            self.nodes[node].ports.insert(port(other), vec![here]);
            self.nodes[node].config.ports.insert(port(other), PortConfig::default());
        }
    }

    pub(crate) fn start(&mut self, node: usize) {
        let addresses = self.nodes[node].addresses.clone();
        self.input(node, Input::Addresses(addresses));
        for (port, addresses) in self.nodes[node].ports.clone() {
            self.input(node, Input::Interface(port, Some(Interface { addresses })));
        }
        self.configure(node);
    }

    pub(crate) fn configure(&mut self, node: usize) {
        let config = Arc::new(self.nodes[node].config.clone());
        self.input(node, Input::Configure(Some(config)));
    }

    pub(crate) fn route(&mut self, node: usize, prefix: Prefix, route: Option<Route>) {
        self.input(node, Input::Route(prefix, route));
    }

    pub(crate) fn input(&mut self, node: usize, input: Input) {
        self.nodes[node].ldp.handle(self.now, input);
        self.drain(node);
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.next().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.happen();
        }
        self.now = end;
    }

    pub(crate) fn seconds(&mut self, seconds: u64) {
        self.run(Duration::from_secs(seconds));
    }

    fn next(&self) -> Option<Instant> {
        let queued = self.queue.keys().next().map(|(at, _)| *at);
        let due = self.nodes.iter().filter_map(|node| node.ldp.deadline());
        due.chain(queued).min()
    }

    fn happen(&mut self) {
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (node, event) = entry.remove();
            match event {
                Event::Input(input) => self.input(node, input),
                Event::Connect(from, connection, local, remote, password) => {
                    self.welcome(node, from, connection, local, remote, password);
                }
            }
        }
        for node in 0..self.nodes.len() {
            if self.nodes[node].ldp.deadline().is_some_and(|at| at <= self.now) {
                self.nodes[node].ldp.tick(self.now);
                self.drain(node);
            }
        }
    }

    fn welcome(
        &mut self,
        node: usize,
        from: usize,
        connection: ConnectionId,
        local: IpAddr,
        remote: IpAddr,
        password: Option<Secret>,
    ) {
        let welcome = self.nodes[node].listening.iter().any(|it| it.from == local && it.password == password);
        if !welcome {
            return self.later(from, Event::Input(Input::Closed(connection)));
        }
        self.accepted += 1;
        let accepted = ConnectionId(self.accepted);
        self.pairs.insert((from, connection), (node, accepted));
        self.pairs.insert((node, accepted), (from, connection));
        self.later(from, Event::Input(Input::Connected(connection, local)));
        self.input(node, Input::Accepted(accepted, local, remote));
    }

    fn later(&mut self, node: usize, event: Event) {
        self.sequence += 1;
        self.queue.insert((self.now + LATENCY, self.sequence), (node, event));
    }

    fn drain(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].ldp.poll() {
            match output {
                Output::Hello { port, to, bytes } => self.hello(node, port, to, &bytes),
                Output::Listen(from) => self.nodes[node].listening = from,
                Output::Connect { connection, local, remote, password, near } => {
                    self.nodes[node].connections.push(connection);
                    self.nodes[node].near.push(near);
                    match self.owner(remote).filter(|other| !self.is_cut(node, *other)) {
                        Some(other) => {
                            self.later(other, Event::Connect(node, connection, local, remote, password));
                        }
                        None => self.later(node, Event::Input(Input::Closed(connection))),
                    }
                }
                Output::Send(connection, bytes) => {
                    let bytes = if self.plain.contains(&node) { without_capabilities(bytes) } else { bytes };
                    self.nodes[node].sent.push((connection, bytes.clone()));
                    self.pass_on(node, connection, |other| Input::Bytes(other, bytes));
                }
                Output::Close(connection) => {
                    self.pass_on(node, connection, Input::Closed);
                    self.pairs.remove(&(node, connection));
                }
                Output::Bind(fec) => {
                    let label = self.nodes[node].bind(fec);
                    self.later(node, Event::Input(Input::Bound(fec, label)));
                }
                Output::Release(fec) => self.nodes[node].release(fec),
                Output::Lsp(prefix, lsp) => {
                    self.nodes[node].history.push((prefix, lsp));
                    put(&mut self.nodes[node].lsps, prefix, lsp);
                }
                Output::Swap(label, swap) => put(&mut self.nodes[node].swaps, label, swap),
                Output::Notice(notice) => self.nodes[node].notices.push(notice),
            }
        }
    }

    fn hello(&mut self, node: usize, port: Option<PortId>, to: IpAddr, bytes: &[u8]) {
        let v4 = to.is_ipv4();
        let Some(port) = port else {
            let source = v4.then(|| IpAddr::from(router(node)));
            if let (Some(other), Some(source)) = (self.owner(to), source)
                && !self.is_cut(node, other)
            {
                let hello = Input::Hello { port: None, source, multicast: false, bytes: bytes.to_vec() };
                self.later(other, Event::Input(hello));
            }
            return;
        };
        let source = self.nodes[node].ports[&port].iter().copied().find(|address| address.is_ipv4() == v4);
        let ends = self.links.iter().find(|ends| ends.contains(&(node, port))).copied();
        let other = ends.and_then(|ends| ends.into_iter().find(|end| *end != (node, port)));
        if let (Some(source), Some((other, port))) = (source, other)
            && !self.is_cut(node, other)
        {
            let hello = Input::Hello { port: Some(port), source, multicast: true, bytes: bytes.to_vec() };
            self.later(other, Event::Input(hello));
        }
    }

    fn pass_on(&mut self, node: usize, connection: ConnectionId, input: impl FnOnce(ConnectionId) -> Input) {
        if let Some((other, theirs)) = self.pairs.get(&(node, connection)).copied()
            && !self.is_cut(node, other)
        {
            self.later(other, Event::Input(input(theirs)));
        }
    }

    fn owner(&self, address: IpAddr) -> Option<usize> {
        let owns = |node: &Node| {
            node.addresses.contains(&address)
                || IpAddr::from(node.config.router_id) == address
                || node.config.transport.ipv6.map(IpAddr::from) == Some(address)
        };
        self.nodes.iter().position(owns)
    }

    fn is_cut(&self, a: usize, b: usize) -> bool {
        self.cut.contains(&(a.min(b), a.max(b)))
    }

    /// The box loses its engine, and all that it forwards.
    pub(crate) fn crash(&mut self, node: usize) {
        self.nodes[node].ldp = Ldp::new();
        self.nodes[node].lsps.clear();
        self.lose_sessions(node);
    }

    /// Both ends of every connection of the box see it close.
    pub(crate) fn lose_sessions(&mut self, node: usize) {
        let gone: Vec<_> = self.pairs.keys().filter(|(owner, _)| *owner == node).copied().collect();
        for (_, connection) in gone {
            self.pass_on(node, connection, Input::Closed);
            self.later(node, Event::Input(Input::Closed(connection)));
            if let Some(other) = self.pairs.remove(&(node, connection)) {
                self.pairs.remove(&other);
            }
        }
    }

    pub(crate) fn state(&self, node: usize, peer: usize) -> State {
        let neighbours = self.nodes[node].ldp.neighbours(self.now);
        neighbours.iter().find(|found| found.peer == id(peer)).map_or(State::NonExistent, |found| found.state)
    }

    pub(crate) fn is_up(&self, a: usize, b: usize) -> bool {
        self.state(a, b) == State::Operational && self.state(b, a) == State::Operational
    }

    pub(crate) fn lsp(&self, node: usize, to: Prefix) -> Option<Label> {
        self.nodes[node].lsps.get(&to).map(|lsp| lsp.label)
    }

    /// The connection of a session of `node`, and bytes in the name of the peer into it.
    pub(crate) fn inject(&mut self, node: usize, bytes: Vec<u8>) {
        let own = self.pairs.keys().filter(|(owner, _)| *owner == node);
        let connection = own.map(|(_, id)| *id).max().unwrap();
        self.input(node, Input::Bytes(connection, bytes));
        self.run(LATENCY * 4);
    }
}

impl Node {
    fn new(number: usize) -> Self {
        Self {
            ldp: Ldp::new(),
            config: Config::new(router(number)),
            addresses: vec![router(number).into()],
            ports: BTreeMap::new(),
            lsps: BTreeMap::new(),
            swaps: BTreeMap::new(),
            bound: BTreeMap::new(),
            notices: Vec::new(),
            history: Vec::new(),
            sent: Vec::new(),
            connections: Vec::new(),
            near: Vec::new(),
            listening: Vec::new(),
            next_label: 100 * (number as u32 + 1),
            last_label: u32::MAX,
        }
    }

    fn bind(&mut self, fec: Fec) -> Option<Label> {
        let Fec::Prefix(VrfId::GLOBAL, prefix) = fec else { panic!("{fec}") };
        if let Some(label) = self.bound.get(&prefix) {
            return Some(*label);
        }
        self.next_label += 1;
        if self.next_label > self.last_label {
            return None;
        }
        self.bound.insert(prefix, label(self.next_label));
        Some(label(self.next_label))
    }

    fn release(&mut self, fec: Fec) {
        let Fec::Prefix(VrfId::GLOBAL, prefix) = fec else { panic!("{fec}") };
        let label = self.bound.remove(&prefix).expect("a label that is not bound is released");
        assert!(!self.swaps.contains_key(&label), "a label that leads somewhere is released");
    }
}

pub(crate) fn via(node: usize, next: usize) -> Route {
    Route::Via { port: port(next), next_hop: on_link(next, node) }
}

pub(crate) fn restart() -> Option<GracefulRestart> {
    Some(GracefulRestart::default())
}

/// Those that End-of-LIB needs become TLVs of a kind that nobody knows.
fn without_capabilities(mut bytes: Vec<u8>) -> Vec<u8> {
    const INITIALIZATION: [u8; 2] = [2, 0];
    if bytes.get(10..12) == Some(&INITIALIZATION) {
        for at in 12..bytes.len() - 1 {
            if matches!(bytes[at..at + 2], [0x85, 0x0B] | [0x86, 0x03]) {
                bytes[at..at + 2].copy_from_slice(&[0xBE, 0xEF]);
            }
        }
    }
    bytes
}

fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}
