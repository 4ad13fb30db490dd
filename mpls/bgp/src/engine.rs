//! The speaker: what sessions say goes into the tables, what the tables say goes to sessions and to the owner.

use std::collections::VecDeque;
use std::sync::Arc;

use base::{Engine, Instant};

use crate::config::Config;
use crate::io::{AddressFamily, Clear, ClearHow, Input, Output, PeerId};
use crate::rib_out::{Whole, Wire};
use crate::ribs::Ribs;
use crate::session::{Event, Refresh, Sessions, Why};
use crate::update::Update;

/// One BGP speaker with all its neighbours and tables.
pub struct Bgp {
    pub(crate) sessions: Sessions,
    pub(crate) ribs: Ribs,
    outputs: VecDeque<Output>,
}

/// The sessions at a moment.
struct Line<'s> {
    now: Instant,
    sessions: &'s mut Sessions,
}

impl Wire for Line<'_> {
    fn room(&self, peer: PeerId) -> bool {
        self.sessions.room(peer)
    }

    fn send(&mut self, peer: PeerId, update: &Update) {
        self.sessions.send(self.now, peer, update);
    }

    fn refresh(&mut self, peer: PeerId, family: AddressFamily, what: Refresh) {
        self.sessions.refresh(self.now, peer, family, what);
    }
}

impl Bgp {
    /// `seed`: for the jitter of timers, and so that nobody outside can foresee the order of internal tables.
    pub fn new(seed: u64) -> Self {
        Self { sessions: Sessions::new(seed), ribs: Ribs::new(seed, nothing()), outputs: VecDeque::new() }
    }

    /// Sessions come first: what ends by the new configuration ends under the old one.
    fn configure(&mut self, now: Instant, config: Option<&Arc<Config>>) {
        self.sessions.configure(now, config);
        self.listen(now);
        self.ribs.configure(now, config.cloned().unwrap_or_else(nothing));
    }

    fn listen(&mut self, now: Instant) -> bool {
        let mut heard = false;
        while let Some(event) = self.sessions.poll() {
            heard = true;
            self.event(now, event);
        }
        heard
    }

    fn event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Up(peer, terms) => self.ribs.up(now, peer, &terms),
            Event::Down { peer, graceful, .. } => self.ribs.down(now, peer, graceful),
            Event::Update(peer, update) => {
                if let Some(number) = self.ribs.numbers.get(&peer).copied() {
                    self.ribs.update(number, update);
                }
            }
            Event::Refresh(peer, family, what) => self.ribs.refresh(peer, family, what),
            Event::Disabled(peer, family) => self.ribs.disable(peer, family),
            // What waits for room is tried again after every input.
            Event::Room(_) => (),
            Event::Output(output) => self.outputs.push_back(output),
        }
    }

    /// Until neither side has anything to say.
    fn run(&mut self, now: Instant) {
        self.ribs.expire(now);
        let mut first = true;
        while self.listen(now) || first {
            first = false;
            for (peer, family, limit, restart) in core::mem::take(&mut self.ribs.overrun) {
                self.sessions.close(now, peer, &Why::MaximumPrefix { family, limit, restart });
            }
            for (peer, family) in core::mem::take(&mut self.ribs.again) {
                self.ask_again(now, peer, family);
            }
            let mut line = Line { now, sessions: &mut self.sessions };
            self.ribs.constrain(&mut line);
            self.ribs.announce(now, &mut line);
        }
        self.ribs.reclaim();
        self.outputs.extend(self.ribs.out.drain(..));
        let changes = core::mem::take(&mut self.ribs.changes);
        if !changes.is_empty() {
            self.outputs.push_back(Output::Routes(changes));
        }
    }

    /// Without route refresh only a new session brings the routes again.
    fn ask_again(&mut self, now: Instant, peer: PeerId, family: AddressFamily) {
        let Some(terms) = self.sessions.negotiated(peer) else { return };
        if terms.refresh {
            self.sessions.refresh(now, peer, family, Refresh::Request);
        } else {
            self.sessions.close(now, peer, &Why::Changed);
        }
    }

    fn clear(&mut self, now: Instant, clear: Clear) {
        let peers = self.ribs.numbers.keys().copied();
        let peers: Vec<PeerId> = peers.filter(|id| clear.peer.is_none_or(|peer| peer == *id)).collect();
        for peer in peers {
            match clear.how {
                ClearHow::Hard => self.sessions.close(now, peer, &Why::Cleared),
                ClearHow::SoftIn => {
                    let families = self.families(peer).into_iter().map(|family| (peer, family));
                    self.ribs.again.extend(families);
                }
                ClearHow::SoftOut => {
                    let number = self.ribs.numbers.get(&peer).copied().unwrap_or_default();
                    self.families(peer)
                        .into_iter()
                        .for_each(|family| self.ribs.walk(number, family, Whole::Again));
                }
            }
        }
    }

    fn families(&self, peer: PeerId) -> Vec<AddressFamily> {
        self.sessions.negotiated(peer).map_or_else(Vec::new, |terms| terms.families.keys().copied().collect())
    }
}

impl Engine for Bgp {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Configure(config) => self.configure(now, config.as_ref()),
            Input::Connected(connection, local) => self.sessions.connected(now, connection, local),
            Input::Accepted(connection, peer, local) => self.sessions.accepted(now, connection, peer, local),
            Input::Bytes(connection, bytes) => self.sessions.bytes(now, connection, &bytes),
            Input::Closed(connection) => self.sessions.closed(now, connection),
            Input::Writable(connection) => self.sessions.writable(connection),
            Input::NextHop(vrf, address, reach) => self.ribs.next_hop(vrf, address, reach),
            Input::Originate { vrf, prefix, route } => self.ribs.originate(vrf, prefix, route),
            Input::Bound(fec, label) => self.ribs.bound(fec, label),
            Input::PathDown(peer) => self.sessions.path_down(now, peer),
            Input::LinkDown(peer) => self.sessions.link_down(now, peer),
            Input::Clear(clear) => self.clear(now, clear),
        }
        self.run(now);
    }

    fn tick(&mut self, now: Instant) {
        self.sessions.tick(now);
        self.run(now);
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        let stale = self.ribs.stale.first().map(|(at, _)| *at);
        let leaving = self.ribs.leaving.values().next().copied();
        self.sessions.deadline().into_iter().chain(stale).chain(leaving).chain(self.ribs.announce_at()).min()
    }
}

/// Without configuration there is no neighbour and no VRF.
fn nothing() -> Arc<Config> {
    Arc::new(Config::new(0, core::net::Ipv4Addr::UNSPECIFIED))
}
