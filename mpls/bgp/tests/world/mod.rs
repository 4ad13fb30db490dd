//! Several speakers on a network without loss, in virtual time.
#![allow(dead_code)] // not every test file uses all of it

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base::{Engine, Instant, Label, Prefix, VrfId};
use bgp::config::{FamilyConfig, Neighbor, SendCommunity, Vrf, VrfFamily};
use bgp::{
    AddressFamily, Bgp, Clear, ClearHow, Config, ConnectionId, Exit, Input, Notice, Output, Own, PeerId,
    Reach, Route,
};
use mpls::Fec;
use vrf::Source;

pub(crate) const RED: VrfId = VrfId(1);
pub(crate) const BLUE: VrfId = VrfId(2);

/// One end of a wire: a speaker, its VRF and its address there.
pub(crate) type End = (usize, VrfId, IpAddr);

pub(crate) struct Node {
    pub(crate) bgp: Bgp,
    pub(crate) config: Config,
    /// What BGP gave to VRFs.
    pub(crate) routes: BTreeMap<(VrfId, Prefix), Route>,
    pub(crate) labels: BTreeMap<Fec, Label>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) released: usize,
    watched: BTreeSet<(VrfId, IpAddr)>,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) nodes: Vec<Node>,
    pub(crate) wires: Vec<(End, End)>,
    /// Metrics to next hops that are not ten; `None`: unreachable.
    pub(crate) reach: BTreeMap<(usize, IpAddr), Option<u32>>,
    connections: BTreeMap<(usize, ConnectionId), (usize, ConnectionId)>,
    accepted: u64,
    queue: VecDeque<(usize, Input)>,
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn p(text: &str) -> Prefix {
    text.parse().unwrap()
}

/// As every PE has it: both communities, VPNv4.
pub(crate) fn vpn(neighbor: &mut Neighbor) {
    let both = SendCommunity { standard: true, extended: true };
    let family = FamilyConfig { send_community: both, ..FamilyConfig::default() };
    neighbor.families.insert(AddressFamily::Vpnv4, family);
}

/// A VRF with an RD and targets, that redistributes everything.
pub(crate) fn vrf(rd: &str, import: &[&str], export: &[&str]) -> Vrf {
    let targets = |list: &[&str]| list.iter().map(|target| target.parse().unwrap()).collect();
    let line = |source| bgp::config::Redistribute { source, metric: None, route_map: None };
    let family = VrfFamily {
        import: targets(import),
        export: targets(export),
        redistribute: vec![line(Source::Connected), line(Source::Static)],
        ..VrfFamily::default()
    };
    Vrf { name: None, rd: Some(rd.parse().unwrap()), ipv4: Some(family.clone()), ipv6: Some(family) }
}

pub(crate) fn own() -> Own {
    Own { source: Source::Static, metric: 0, tag: 0, gateway: None }
}

impl World {
    pub(crate) fn new(configs: Vec<Config>, wires: Vec<(End, End)>) -> Self {
        let nodes = configs.into_iter().map(Node::new).collect();
        let mut world = Self {
            now: Instant::from_secs(1),
            nodes,
            wires,
            reach: BTreeMap::new(),
            connections: BTreeMap::new(),
            accepted: 0,
            queue: VecDeque::new(),
        };
        (0..world.nodes.len()).for_each(|node| world.configure(node, |_| ()));
        world.pass(30);
        world
    }

    /// Changes a speaker's configuration and lets everything settle.
    pub(crate) fn configure(&mut self, node: usize, change: impl FnOnce(&mut Config)) {
        change(&mut self.nodes[node].config);
        let config = Arc::new(self.nodes[node].config.clone());
        self.give(node, Input::Configure(Some(config)));
    }

    pub(crate) fn originate(&mut self, node: usize, vrf: VrfId, prefix: &str, route: Option<Own>) {
        self.give(node, Input::Originate { vrf, prefix: p(prefix), route });
    }

    pub(crate) fn clear(&mut self, node: usize, how: ClearHow) {
        self.give(node, Input::Clear(Clear { peer: None, how }));
    }

    pub(crate) fn give(&mut self, node: usize, input: Input) {
        self.queue.push_back((node, input));
        self.settle();
    }

    /// Another next hop metric, or none: told to who watches.
    pub(crate) fn set_reach(&mut self, node: usize, address: &str, metric: Option<u32>) {
        self.reach.insert((node, ip(address)), metric);
        let reach = metric.map(|metric| Reach { metric, connected: true, labelled: true });
        self.tell_reach(node, ip(address), reach);
    }

    /// Labelled packets do not get there any more.
    pub(crate) fn unlabel(&mut self, node: usize, address: &str) {
        self.tell_reach(node, ip(address), Some(Reach { metric: 10, connected: true, labelled: false }));
    }

    fn tell_reach(&mut self, node: usize, address: IpAddr, reach: Option<Reach>) {
        for (vrf, address) in self.nodes[node].watched.clone().into_iter().filter(|(_, its)| *its == address)
        {
            self.give(node, Input::NextHop(vrf, address, reach));
        }
    }

    /// Seconds go by.
    pub(crate) fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        loop {
            let next = self.nodes.iter().filter_map(|node| node.bgp.deadline()).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = next.max(self.now);
            for node in 0..self.nodes.len() {
                if self.nodes[node].bgp.deadline().is_some_and(|at| at <= self.now) {
                    self.nodes[node].bgp.tick(self.now);
                    self.drain(node);
                }
            }
            self.settle();
        }
        self.now = end;
    }

    /// All connections of a speaker break.
    pub(crate) fn cut(&mut self, node: usize) {
        let cut: Vec<_> =
            self.connections.iter().map(|(a, b)| (*a, *b)).filter(|(a, _)| a.0 == node).collect();
        for (a, b) in cut {
            self.connections.remove(&a);
            self.connections.remove(&b);
            self.give(a.0, Input::Closed(a.1));
            self.give(b.0, Input::Closed(b.1));
        }
    }

    /// The program of a speaker ends and starts again.
    pub(crate) fn restart(&mut self, node: usize) {
        let config = self.nodes[node].config.clone();
        let ends: Vec<_> =
            self.connections.iter().filter(|(a, _)| a.0 == node).map(|(a, b)| (*a, *b)).collect();
        self.nodes[node] = Node::new(config);
        for (a, b) in ends {
            self.connections.remove(&a);
            self.connections.remove(&b);
            self.give(b.0, Input::Closed(b.1));
        }
    }

    fn settle(&mut self) {
        while let Some((node, input)) = self.queue.pop_front() {
            self.nodes[node].bgp.handle(self.now, input);
            self.drain(node);
        }
    }

    fn drain(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].bgp.poll() {
            self.output(node, output);
        }
    }

    fn output(&mut self, node: usize, output: Output) {
        match output {
            Output::Connect(connection, dial) => self.connect(node, connection, dial.peer),
            Output::Send(connection, bytes) => {
                if let Some((other, its)) = self.connections.get(&(node, connection)) {
                    self.queue.push_back((*other, Input::Bytes(*its, bytes)));
                    self.queue.push_back((node, Input::Writable(connection)));
                }
            }
            Output::Close(connection) => {
                if let Some((other, its)) = self.connections.remove(&(node, connection)) {
                    self.connections.remove(&(other, its));
                    self.queue.push_back((other, Input::Closed(its)));
                }
            }
            Output::Watch(vrf, address) => {
                assert!(self.nodes[node].watched.insert((vrf, address)), "watched twice");
                let metric = self.reach.get(&(node, address)).copied().unwrap_or(Some(10));
                let reach = metric.map(|metric| Reach { metric, connected: true, labelled: true });
                self.queue.push_back((node, Input::NextHop(vrf, address, reach)));
            }
            Output::Unwatch(vrf, address) => assert!(self.nodes[node].watched.remove(&(vrf, address))),
            Output::Bind(fec) => {
                let number = 1000 * (u32::try_from(node).unwrap() + 1)
                    + u32::try_from(self.nodes[node].labels.len()).unwrap();
                let label = Label::new(number + u32::try_from(self.nodes[node].released).unwrap()).unwrap();
                assert!(self.nodes[node].labels.insert(fec, label).is_none(), "bound twice");
                self.queue.push_back((node, Input::Bound(fec, Some(label))));
            }
            Output::Release(fec) => {
                self.nodes[node].labels.remove(&fec).unwrap();
                self.nodes[node].released += 1;
            }
            Output::Routes(changes) => changes.into_iter().for_each(|change| {
                let routes = &mut self.nodes[node].routes;
                match change.route {
                    Some(route) => drop(routes.insert((change.vrf, change.prefix), route)),
                    None => drop(routes.remove(&(change.vrf, change.prefix))),
                }
            }),
            Output::Notice(notice) => self.nodes[node].notices.push(notice),
            Output::Listen(_) | Output::Guard(..) => (),
        }
    }

    fn connect(&mut self, node: usize, connection: ConnectionId, peer: PeerId) {
        let ends = self.wires.iter().flat_map(|(a, b)| [(*a, *b), (*b, *a)]);
        let mut ends = ends.filter(|(from, to)| (from.0, from.1) == (node, peer.vrf) && to.2 == peer.address);
        let Some((from, to)) = ends.next() else {
            return self.queue.push_back((node, Input::Closed(connection)));
        };
        self.accepted += 1;
        let theirs = ConnectionId(self.accepted | 1 << 63);
        self.connections.insert((node, connection), (to.0, theirs));
        self.connections.insert((to.0, theirs), (node, connection));
        self.queue.push_back((node, Input::Connected(connection, from.2)));
        let peer = PeerId { vrf: to.1, address: from.2 };
        self.queue.push_back((to.0, Input::Accepted(theirs, peer, to.2)));
    }

    /// The exit of a route that a VRF of a speaker got from BGP.
    pub(crate) fn exit(&self, node: usize, vrf: VrfId, prefix: &str) -> Option<Exit> {
        self.nodes[node].routes.get(&(vrf, p(prefix))).map(|route| route.to)
    }

    /// The only or best path of a VRF's prefix.
    pub(crate) fn best(&self, node: usize, vrf: VrfId, prefix: &str) -> Option<bgp::PathView> {
        self.nodes[node].bgp.vrf_route(vrf, p(prefix)).into_iter().find(|path| path.best.is_some())
    }

    /// What a speaker sent to, and took from, a neighbour.
    pub(crate) fn counts(&self, node: usize, peer: &str, family: AddressFamily) -> (u32, u32) {
        let neighbors = self.nodes[node].bgp.neighbors();
        let neighbor = neighbors.iter().find(|view| view.status.peer.address == ip(peer)).unwrap();
        neighbor.families.get(&family).map_or((0, 0), |its| (its.sent, its.accepted))
    }
}

impl Node {
    fn new(config: Config) -> Self {
        Self {
            bgp: Bgp::new(7),
            config,
            routes: BTreeMap::new(),
            labels: BTreeMap::new(),
            notices: Vec::new(),
            released: 0,
            watched: BTreeSet::new(),
        }
    }
}
