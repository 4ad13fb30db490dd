//! The engine: hands hellos, bytes, routes and the passage of time to those that they concern.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use base::{Engine, Family, Instant, PortId};

use crate::agenda::Agenda;
use crate::discovery::{Adjacency, Source, Unheard};
use crate::fec::Fecs;
use crate::neighbour::How;
use crate::peer::Peer;
use crate::wire::notification::Status;
use crate::{Config, ConnectionId, Input, Interface, LdpId, Listener, Output};

/// LDP for the whole box. Without a configuration it says nothing and hears nothing, but remembers ports, addresses
/// and routes.
pub struct Ldp {
    pub(crate) now: Instant,
    pub(crate) config: Option<Arc<Config>>,
    /// Counts configurations, as hellos tell.
    pub(crate) sequence: u32,
    pub(crate) interfaces: BTreeMap<PortId, Interface>,
    /// What Address messages say.
    pub(crate) addresses: BTreeSet<IpAddr>,
    pub(crate) adjacencies: BTreeMap<Source, Adjacency>,
    pub(crate) unheard: BTreeMap<Unheard, u64>,
    pub(crate) peers: BTreeMap<LdpId, Peer>,
    /// Peers with an operational session.
    pub(crate) up: BTreeSet<LdpId>,
    /// Whose connections come from an address.
    pub(crate) transports: BTreeMap<IpAddr, LdpId>,
    pub(crate) connections: BTreeMap<ConnectionId, LdpId>,
    /// Who said that an address is its; the first one counts.
    pub(crate) owners: BTreeMap<IpAddr, Vec<LdpId>>,
    pub(crate) fecs: Fecs,
    pub(crate) agenda: Agenda<Timer>,
    /// Peers with something in the outbox.
    pub(crate) talking: BTreeSet<LdpId>,
    pub(crate) last_connection: u64,
    pub(crate) out: VecDeque<Output>,
    listening: Vec<Listener>,
    /// Whose connections are welcome may have changed.
    pub(crate) relisten: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    Hello(PortId, Family),
    Targeted(IpAddr),
    Adjacency(Source),
    Session(LdpId),
    Connect(LdpId),
    Stale(LdpId),
}

impl Engine for Ldp {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Instant, input: Input) {
        self.now = now;
        match input {
            Input::Configure(config) => self.configure(config),
            Input::Interface(port, interface) => self.interface(port, interface),
            Input::Addresses(addresses) => self.own_addresses(addresses),
            Input::Hello { port, source, multicast, bytes } => self.hear(port, source, multicast, &bytes),
            Input::Connected(connection, local) => self.connected(connection, local),
            Input::Accepted(connection, remote, local) => self.accepted(connection, remote, local),
            Input::Bytes(connection, bytes) => self.bytes(connection, &bytes),
            Input::Closed(connection) => self.closed(connection),
            Input::Route(prefix, route) => self.route(prefix, route),
            Input::Bound(fec, label) => self.bound(fec, label),
            Input::Clear(router) => self.clear(router),
        }
        self.settle();
    }

    fn tick(&mut self, now: Instant) {
        self.now = now;
        while let Some(timer) = self.agenda.take_due(now) {
            self.due(timer);
        }
        self.settle();
    }

    fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        self.agenda.next()
    }
}

impl Ldp {
    pub fn new() -> Self {
        Self {
            now: Instant::START,
            config: None,
            sequence: 0,
            interfaces: BTreeMap::new(),
            addresses: BTreeSet::new(),
            adjacencies: BTreeMap::new(),
            unheard: BTreeMap::new(),
            peers: BTreeMap::new(),
            up: BTreeSet::new(),
            transports: BTreeMap::new(),
            connections: BTreeMap::new(),
            owners: BTreeMap::new(),
            fecs: Fecs::default(),
            agenda: Agenda::new(),
            talking: BTreeSet::new(),
            last_connection: 0,
            out: VecDeque::new(),
            listening: Vec::new(),
            relisten: false,
        }
    }

    fn due(&mut self, timer: Timer) {
        match timer {
            Timer::Hello(port, family) => self.greet_port(port, family),
            Timer::Targeted(address) => self.greet_targeted(address),
            Timer::Adjacency(source) => self.part(source, "hello hold time expired"),
            Timer::Session(peer) => self.session_due(peer),
            Timer::Connect(peer) => self.reconsider(peer),
            Timer::Stale(peer) => self.stale_expired(peer),
        }
    }

    fn configure(&mut self, config: Option<Arc<Config>>) {
        let old = core::mem::replace(&mut self.config, config);
        if old == self.config {
            return;
        }
        self.sequence += 1;
        self.relisten = true;
        let same = |of: fn(&Config) -> (Ipv4Addr, crate::config::Transport, bool)| {
            old.as_deref().map(of) == self.config.as_deref().map(of)
        };
        if !same(|config| (config.router_id, config.transport, config.gtsm())) {
            self.end_all("configuration changed");
        }
        if self.config.as_ref().is_none_or(|config| config.graceful_restart.is_none()) {
            self.forget_stale();
        }
        self.passwords_changed(old.as_deref());
        self.ports_changed(old.as_deref());
        self.labels_changed();
    }

    /// Ends the sessions whose password is another one now.
    fn passwords_changed(&mut self, old: Option<&Config>) {
        let password = |config: Option<&Config>, peer: &LdpId| {
            config.and_then(|config| config.passwords.get(&peer.router).cloned())
        };
        let new = self.config.as_deref();
        let differs = |peer: &&LdpId| password(old, peer) != password(new, peer);
        let changed: Vec<LdpId> = self.peers.keys().filter(differs).copied().collect();
        for peer in changed {
            self.end(peer, "password changed", How::Tell(Status::SHUTDOWN, (0, 0)));
            self.retry_at_once(peer);
        }
    }

    /// Parts with neighbours that we hear no more, and says hello where we do.
    fn ports_changed(&mut self, old: Option<&Config>) {
        self.part_unwanted();
        let configured = self.config.clone();
        let ports: BTreeSet<PortId> = [old, configured.as_deref()]
            .into_iter()
            .flatten()
            .flat_map(|config| config.ports.keys().copied())
            .collect();
        for port in ports {
            Family::BOTH.into_iter().for_each(|family| self.greet_port(port, family));
        }
        let targets: BTreeSet<IpAddr> = [old, configured.as_deref()]
            .into_iter()
            .flatten()
            .flat_map(|config| config.targeted.iter().copied())
            .collect();
        targets.into_iter().for_each(|address| self.greet_targeted(address));
    }

    fn part_unwanted(&mut self) {
        let accepted = |address: &IpAddr| {
            self.config
                .as_ref()
                .is_some_and(|config| config.accept_targeted || config.targeted.contains(address))
        };
        let unwanted = |source: &&Source| match source {
            Source::Link(port, address) => !self.speaks_on(*port, Family::of(*address)),
            Source::Targeted(address) => !accepted(address),
        };
        let parted: Vec<Source> = self.adjacencies.keys().filter(unwanted).copied().collect();
        parted.into_iter().for_each(|source| self.part(source, "LDP is off there"));
    }

    fn interface(&mut self, port: PortId, interface: Option<Interface>) {
        match interface {
            Some(up) => self.interfaces.insert(port, up),
            None => self.interfaces.remove(&port),
        };
        self.part_unwanted();
        Family::BOTH.into_iter().for_each(|family| self.greet_port(port, family));
    }

    fn clear(&mut self, router: Option<Ipv4Addr>) {
        let meant = |peer: &&LdpId| router.is_none_or(|router| peer.router == router);
        let peers: Vec<LdpId> = self.peers.keys().filter(meant).copied().collect();
        for peer in peers {
            self.end(peer, "cleared by the operator", How::Tell(Status::SHUTDOWN, (0, 0)));
            self.retry_at_once(peer);
        }
    }

    /// Ends every session and forgets every neighbour.
    fn end_all(&mut self, why: &str) {
        self.forget_stale();
        let peers: Vec<LdpId> = self.peers.keys().copied().collect();
        peers.into_iter().for_each(|peer| self.end(peer, why, How::Tell(Status::SHUTDOWN, (0, 0))));
        let sources: Vec<Source> = self.adjacencies.keys().copied().collect();
        sources.into_iter().for_each(|source| self.part(source, why));
    }

    /// Sends what is to be said, and says whose connections are welcome.
    fn settle(&mut self) {
        for id in core::mem::take(&mut self.talking) {
            self.flush(id);
        }
        if core::mem::take(&mut self.relisten) {
            self.listen();
        }
    }

    fn listen(&mut self) {
        let Some(config) = &self.config else {
            if !core::mem::take(&mut self.listening).is_empty() {
                self.out.push_back(Output::Listen(Vec::new()));
            }
            return;
        };
        let password = |peer: &LdpId| config.passwords.get(&peer.router).cloned();
        let listener = |(from, peer): (&IpAddr, &LdpId)| Listener {
            from: *from,
            password: password(peer),
            near: self.is_near(*peer),
        };
        let wanted: Vec<_> = self.transports.iter().map(listener).collect();
        if wanted != self.listening {
            self.listening.clone_from(&wanted);
            self.out.push_back(Output::Listen(wanted));
        }
    }
}

impl Default for Ldp {
    fn default() -> Self {
        Self::new()
    }
}
