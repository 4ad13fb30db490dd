//! What routing protocols say, and what becomes of routes: each to whoever it concerns.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base::{Engine as _, Instant, Label, PortId, Prefix, VrfId};
use bfd::SessionKey;
use bgp::{Own, PeerId};
use dataplane::Op;
use mpls::Fec;

use super::Pe;
use crate::routing::{Change, Chosen, NextHop};
use crate::stream::{Hello, Service, Socket, Stream, Streamed};
use crate::wiring::{bgp_to_host, bgp_to_vrf, config_to_bfd, ldp_to_mpls, vrf_to_bgp, vrf_to_ldp};
use crate::{Network, Notice, Output, plan};

/// What was said to the protocols, and what they said that stands.
#[derive(Default)]
pub(crate) struct Spoken {
    pub(crate) bgp: Option<Arc<bgp::Config>>,
    pub(crate) ldp: Option<Arc<ldp::Config>>,
    pub(super) originated: BTreeMap<(VrfId, Prefix), Own>,
    pub(super) classes: BTreeMap<Prefix, ldp::Route>,
    pub(super) interfaces: BTreeMap<PortId, ldp::Interface>,
    pub(super) addresses: Vec<IpAddr>,
    /// Neighbours of BGP on a network of a port that is up.
    pub(super) linked: BTreeSet<PeerId>,
    /// Next hops that BGP wants to hear of.
    pub(super) watched: BTreeSet<(VrfId, IpAddr)>,
    /// Neighbours of BGP that BFD is to watch.
    pub(crate) guarded: BTreeSet<PeerId>,
    /// What LDP says of labels of ours.
    pub(super) swaps: BTreeMap<Label, ldp::Swap>,
    pub(crate) paths: BTreeMap<SessionKey, bfd::Timers>,
    /// Those that are up, or that their peer does not watch.
    pub(crate) stands: BTreeSet<SessionKey>,
    pub(super) listened: BTreeMap<Service, Vec<Socket>>,
    /// Neighbours that kept our routes through the restart may use them on.
    pub(super) resumed: bool,
    /// When the kernel side is told which VRFs learn routes.
    pub(super) host_due: Option<Instant>,
}

/// Routes.
impl Pe {
    /// After anything that may have changed routes: until nobody has more to say of it.
    pub(super) fn reroute(&mut self, now: Instant) {
        self.hear(now);
        loop {
            let (changes, moved) = (self.routing.take_changes(), self.routing.take_moved());
            if changes.is_empty() && moved.is_empty() {
                return;
            }
            self.apply(plan::reroute(&changes).collect());
            self.tell_routes(now, &changes);
            self.tell_hops(now, &moved);
            if self.routing.take_learning() {
                // A peer's tables come in many pieces, and the kernel side is set as a whole.
                self.spoken.host_due.get_or_insert(now + Self::SETTLE);
            }
            if !moved.is_empty() {
                self.problems.watch(now, &self.troubles());
            }
            self.hear(now);
        }
    }

    fn tell_routes(&mut self, now: Instant, changes: &[Change]) {
        for change in changes {
            let Change { vrf, prefix, before, after } = *change;
            if is_own(before) || is_own(after) {
                self.originate(now, vrf, prefix, after);
                if vrf == VrfId::GLOBAL {
                    self.classify(now, prefix, after);
                }
            }
            let op = self.labels.refresh(Fec::Prefix(vrf, prefix), &self.routing);
            self.apply(op.into_iter().collect());
        }
    }

    fn tell_hops(&mut self, now: Instant, moved: &BTreeSet<NextHop>) {
        let (mut peers, mut paths) = (false, false);
        for hop in moved {
            let NextHop::In(vrf, address) = *hop else { continue };
            peers |= self.tables.peers.contains(&(vrf, address));
            paths |= self.spoken.guarded.contains(&PeerId { vrf, address });
            if self.spoken.watched.contains(&(vrf, address)) {
                self.tell_reach(now, vrf, address);
            }
            let op = self.labels.refresh(Fec::NextHop(vrf, address), &self.routing);
            self.apply(op.into_iter().collect());
        }
        if paths {
            self.watch_paths(now);
        }
        if peers {
            self.refresh_host();
        }
    }

    fn tell_reach(&mut self, now: Instant, vrf: VrfId, address: IpAddr) {
        let reach = vrf_to_bgp::reach(self.routing.reach(vrf, address));
        self.bgp.handle(now, bgp::Input::NextHop(vrf, address, reach));
    }

    /// A route in use that BGP may announce, or none any more.
    pub(super) fn originate(&mut self, now: Instant, vrf: VrfId, prefix: Prefix, chosen: Option<Chosen>) {
        let config = self.spoken.bgp.as_ref();
        let takes = |own: &Own| config.is_some_and(|config| config.takes(vrf, prefix, own.source));
        let route = chosen.and_then(vrf_to_bgp::own).filter(takes);
        let before = match route {
            Some(own) => self.spoken.originated.insert((vrf, prefix), own),
            None => self.spoken.originated.remove(&(vrf, prefix)),
        };
        if before != route {
            self.bgp.handle(now, bgp::Input::Originate { vrf, prefix, route });
        }
    }

    pub(super) fn classify(&mut self, now: Instant, prefix: Prefix, chosen: Option<Chosen>) {
        let runs = self.spoken.ldp.is_some();
        let route = chosen.filter(|_| runs).and_then(vrf_to_ldp::route);
        let before = match route {
            Some(route) => self.spoken.classes.insert(prefix, route),
            None => self.spoken.classes.remove(&prefix),
        };
        if before != route {
            self.ldp.handle(now, ldp::Input::Route(prefix, route));
        }
    }
}

/// Connections and packets.
impl Pe {
    pub(super) fn stream(&mut self, now: Instant, service: Service, streamed: Streamed) {
        match service {
            Service::Bgp => self.bgp.handle(now, bgp_to_host::to_bgp(streamed)),
            Service::Ldp => {
                if let Some(input) = bgp_to_host::to_ldp(streamed) {
                    self.ldp.handle(now, input);
                }
            }
        }
        self.reroute(now);
    }

    pub(crate) fn clear_bgp(&mut self, now: Instant, clear: bgp::Clear) {
        self.bgp.handle(now, bgp::Input::Clear(clear));
        self.reroute(now);
    }

    pub(crate) fn clear_ldp(&mut self, now: Instant, peer: Option<std::net::Ipv4Addr>) {
        self.ldp.handle(now, ldp::Input::Clear(peer));
        self.reroute(now);
    }

    pub(super) fn hello(&mut self, now: Instant, hello: Hello) {
        let Hello { port, remote: source, multicast, bytes } = hello;
        self.ldp.handle(now, ldp::Input::Hello { port, source, multicast, bytes });
        self.reroute(now);
    }

    pub(super) fn path_packet(&mut self, now: Instant, packet: bfd::Input) {
        self.bfd.handle(now, packet);
        self.reroute(now);
    }

    pub(super) fn tick_network(&mut self, now: Instant) {
        self.bgp.tick(now);
        self.ldp.tick(now);
        self.bfd.tick(now);
        self.reroute(now);
        if self.spoken.host_due.take_if(|due| *due <= now).is_some() {
            self.refresh_host();
        }
        let text = self.labels.take_due(now);
        self.outputs.extend(text.map(Output::Keep));
    }

    pub(super) fn network_deadline(&self) -> Option<Instant> {
        let engines = [self.bgp.deadline(), self.ldp.deadline(), self.bfd.deadline(), self.labels.deadline()];
        engines.into_iter().chain([self.spoken.host_due]).flatten().min()
    }

    /// Until the kernel side hears that VRFs learn routes, or do not any more.
    const SETTLE: Duration = Duration::from_millis(500);

    /// Until no protocol has anything more to say.
    fn hear(&mut self, now: Instant) {
        loop {
            if let Some(output) = self.bgp.poll() {
                self.bgp_says(now, output);
            } else if let Some(output) = self.ldp.poll() {
                self.ldp_says(now, output);
            } else if let Some(output) = self.bfd.poll() {
                self.bfd_says(now, output);
            } else {
                return self.debug_sessions(now);
            }
        }
    }

    fn bgp_says(&mut self, now: Instant, output: bgp::Output) {
        match output {
            bgp::Output::Listen(all) => self.listen(Service::Bgp, bgp_to_host::listen(all)),
            bgp::Output::Connect(id, to) => {
                self.say(Service::Bgp, Stream::Connect(id.0, bgp_to_host::dial(to)));
            }
            bgp::Output::Send(id, bytes) => self.say(Service::Bgp, Stream::Send(id.0, bytes)),
            bgp::Output::Close(id) => self.say(Service::Bgp, Stream::Close(id.0)),
            bgp::Output::Watch(vrf, address) => {
                if self.spoken.watched.insert((vrf, address)) {
                    self.routing.watch(vrf, address);
                }
                self.tell_reach(now, vrf, address);
            }
            bgp::Output::Unwatch(vrf, address) => {
                if self.spoken.watched.remove(&(vrf, address)) {
                    self.routing.unwatch(vrf, address);
                }
            }
            bgp::Output::Bind(fec) => {
                let label = self.bind(now, fec, Service::Bgp);
                self.bgp.handle(now, bgp::Input::Bound(fec, label));
            }
            bgp::Output::Release(fec) => self.release(fec, Service::Bgp),
            bgp::Output::Routes(changes) => {
                self.debug_routes(now, &changes);
                changes.iter().for_each(|change| bgp_to_vrf::change(&mut self.routing, change));
            }
            bgp::Output::Guard(peer, on) => self.guard(now, peer, on),
            bgp::Output::Notice(notice) => {
                let vrf = bgp_vrf(&notice).and_then(|vrf| self.ids.vrf_name(vrf)).map(str::to_owned);
                self.notice(now, Notice::Network(Network::Bgp { vrf, notice }));
            }
        }
    }

    fn ldp_says(&mut self, now: Instant, output: ldp::Output) {
        match output {
            ldp::Output::Hello { port, to, bytes } => {
                let multicast = port.is_some();
                self.outputs.push_back(Output::Hello(Hello { port, remote: to, multicast, bytes }));
            }
            ldp::Output::Listen(all) => {
                let socket = |with| bgp_to_host::ldp_socket(None, with);
                self.listen(Service::Ldp, all.into_iter().map(socket).collect());
            }
            ldp::Output::Connect { connection, local, remote: from, password, near } => {
                let socket = bgp_to_host::ldp_socket(Some(local), ldp::Listener { from, password, near });
                self.say(Service::Ldp, Stream::Connect(connection.0, socket));
            }
            ldp::Output::Send(id, bytes) => self.say(Service::Ldp, Stream::Send(id.0, bytes)),
            ldp::Output::Close(id) => self.say(Service::Ldp, Stream::Close(id.0)),
            ldp::Output::Bind(fec) => {
                let label = self.bind(now, fec, Service::Ldp);
                self.ldp.handle(now, ldp::Input::Bound(fec, label));
            }
            ldp::Output::Release(fec) => self.release(fec, Service::Ldp),
            ldp::Output::Lsp(prefix, lsp) => {
                self.debug_lsp(now, prefix, lsp);
                self.routing.set_lsp(prefix, lsp.map(ldp_to_mpls::lsp));
            }
            ldp::Output::Swap(label, swap) => self.swap(label, swap),
            ldp::Output::Notice(notice) => self.notice(now, Notice::Network(Network::Ldp(notice))),
        }
    }

    fn bfd_says(&mut self, now: Instant, output: bfd::Output) {
        match output {
            bfd::Output::Transmit { key, source_port, bytes } => {
                self.outputs.push_back(Output::Bfd { key, source_port, bytes });
            }
            bfd::Output::Changed { key, state, diagnostic } => {
                let vrf = self.ids.vrf_name(key.vrf).map(str::to_owned);
                let up = state == bfd::State::Up;
                self.notice(now, Notice::Network(Network::Bfd { vrf, remote: key.remote, up, diagnostic }));
                self.path(now, key, state != bfd::State::Down);
            }
        }
    }

    /// A peer that switched BFD off has not failed (RFC 5882 section 3.2).
    pub(super) fn path(&mut self, now: Instant, key: SessionKey, stands: bool) {
        let peer = PeerId { vrf: key.vrf, address: key.remote };
        if !stands && self.spoken.guarded.contains(&peer) {
            self.bgp.handle(now, bgp::Input::PathDown(peer));
        }
        let changed = if stands { self.spoken.stands.insert(key) } else { self.spoken.stands.remove(&key) };
        let of_static = config_to_bfd::hops(&self.config, &self.ids).any(|(hop, _)| hop == key);
        if changed && of_static {
            self.rewire(now);
        }
    }

    fn say(&mut self, service: Service, stream: Stream) {
        self.outputs.push_back(Output::Stream(service, stream));
    }

    fn listen(&mut self, service: Service, sockets: Vec<Socket>) {
        self.spoken.listened.insert(service, sockets.clone());
        self.say(service, Stream::Listen(sockets));
        self.refresh_host();
    }

    fn bind(&mut self, now: Instant, fec: Fec, by: Service) -> Option<Label> {
        let is_new = !self.labels.is_bound(fec);
        let label = self.labels.bind(now, fec, by, &self.ids)?;
        if let Fec::NextHop(vrf, address) = fec
            && is_new
        {
            self.routing.watch(vrf, address);
        }
        let op = self.labels.refresh(fec, &self.routing);
        self.apply(op.into_iter().collect());
        Some(label)
    }

    fn release(&mut self, fec: Fec, by: Service) {
        let (is_gone, op) = self.labels.release(fec, by);
        if let Fec::NextHop(vrf, address) = fec
            && is_gone
        {
            self.routing.unwatch(vrf, address);
        }
        self.apply(op.into_iter().collect());
    }

    fn swap(&mut self, label: Label, swap: Option<ldp::Swap>) {
        match swap {
            Some(swap) => self.spoken.swaps.insert(label, swap),
            None => self.spoken.swaps.remove(&label),
        };
        let action = swap.map(|swap| ldp_to_mpls::action(swap, &self.routing));
        let op: Vec<Op> = self.labels.set(label, action).into_iter().collect();
        self.apply(op);
    }

    fn guard(&mut self, now: Instant, peer: PeerId, on: bool) {
        let changed = if on { self.spoken.guarded.insert(peer) } else { self.spoken.guarded.remove(&peer) };
        if changed && on {
            self.routing.watch(peer.vrf, peer.address);
        } else if changed {
            self.routing.unwatch(peer.vrf, peer.address);
        }
        self.watch_paths(now);
    }
}

/// Not of BGP.
fn is_own(chosen: Option<Chosen>) -> bool {
    chosen.is_some_and(|chosen| chosen.candidate.source != vrf::Source::Bgp)
}

const fn bgp_vrf(notice: &bgp::Notice) -> Option<VrfId> {
    match notice {
        bgp::Notice::Up(peer)
        | bgp::Notice::Down(peer, _)
        | bgp::Notice::Notification { peer, .. }
        | bgp::Notice::Malformed { peer, .. }
        | bgp::Notice::MaximumPrefix { peer, .. }
        | bgp::Notice::Refused(peer, _) => Some(peer.vrf),
        bgp::Notice::NoLabel(_) | bgp::Notice::LeakLimit { .. } => None,
    }
}
