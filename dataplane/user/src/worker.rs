//! One worker: its NICs, the packets of each round, and the commands between rounds.

use core::time::Duration;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use base::{Instant, PortId};
use crossbeam_channel::Sender;
use dataplane::{Counters, Event, Link};
use sys::Epoll;

use crate::control::Command;
use crate::graph::{Next, Walk};
use crate::state::State;
use crate::tables::Tables;
use crate::{Drop, Frame, Nic};

pub(crate) struct Worker {
    tables: Arc<Tables>,
    state: State,
    nics: BTreeMap<PortId, Line>,
    /// Tells which NICs packets wait at; without it each of them is asked in every round.
    ready: Option<Epoll>,
    rounds: u64,
    /// Stations that became known since the last round.
    known: Vec<(PortId, IpAddr)>,
    next_tick: Instant,
}

struct Line {
    nic: Box<dyn Nic>,
    /// Whether we are told of it; otherwise it is asked in every round.
    is_told: bool,
    /// Packets may wait: we were told so, or some came when it was last asked.
    ready: bool,
}

impl Worker {
    /// How often what waits is looked at.
    pub(crate) const TICK: Duration = Duration::from_millis(100);
    /// Under load nobody is told what is ready: in one round of so many every NIC is asked.
    const ALL: u64 = 16;

    pub(crate) fn new(events: Sender<Event>, ready: Option<Epoll>) -> Self {
        Self {
            tables: Arc::default(),
            state: State::new(events),
            nics: BTreeMap::new(),
            ready,
            rounds: 0,
            known: Vec::new(),
            next_tick: Instant::START,
        }
    }

    pub(crate) fn obey(&mut self, command: Command) {
        match command {
            Command::Tables(tables) => self.tables = tables,
            Command::Sa(sa, cipher) => self.state.sas.set(*sa, cipher),
            Command::UnsetSa(id) => {
                let counted = self.state.sas.unset(id);
                counted.into_iter().for_each(|counted| self.state.tell(Event::Gone(id, counted)));
            }
            Command::Open(port, nic) => {
                self.state.ports.get_or_default(port.0);
                self.close(port);
                nic.into_iter().for_each(|nic| self.open(port, nic));
            }
            Command::Close(port) => {
                self.close(port);
                self.state.ports.remove(port.0);
            }
            Command::Known(port, address) => self.known.push((port, address)),
            Command::Counters(reply) => drop(reply.send(self.counters())),
            Command::Read(question, sas, reply) => {
                let counted = sas.into_iter().map(|id| self.state.sas.counters_of(id)).collect();
                // Who asked may be gone.
                let _ = reply.send(Event::Counted(question, counted));
            }
        }
    }

    /// Whether a round has something to do though no packet came.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        !self.known.is_empty() || now >= self.next_tick
    }

    fn open(&mut self, port: PortId, nic: Box<dyn Nic>) {
        let told = self.ready.as_ref().zip(nic.descriptor());
        let told = told.map(|(ready, descriptor)| ready.add(descriptor, port.0.into()));
        if let Some(Err(error)) = &told {
            tracing::error!(%error, "the packet worker cannot wait for port {}", port.0);
        }
        self.nics.insert(port, Line { is_told: matches!(told, Some(Ok(()))), nic, ready: true });
    }

    fn close(&mut self, port: PortId) {
        let Some(line) = self.nics.remove(&port) else { return };
        if let (Some(ready), Some(descriptor)) = (&self.ready, line.nic.descriptor()) {
            // It closes with the NIC, whatever comes of this.
            let _ = ready.remove(descriptor);
        }
    }

    /// Until packets wait, something else is told, or a tick is due; what else was told.
    pub(crate) fn wait(&mut self) -> io::Result<Vec<u64>> {
        let Some(ready) = &self.ready else { return Ok(Vec::new()) };
        let mut others = Vec::new();
        for number in ready.wait(Self::TICK)? {
            let port = u32::try_from(number).ok().and_then(|port| self.nics.get_mut(&PortId(port)));
            match port {
                Some(line) => line.ready = true,
                None => others.push(number),
            }
        }
        Ok(others)
    }

    /// Whether packets may wait at some NIC.
    pub(crate) fn is_ready(&self) -> bool {
        self.nics.values().any(|line| line.ready)
    }

    /// One round over all ports at which packets may wait; how many packets came in.
    pub(crate) fn run(&mut self, now: Instant) -> usize {
        let tables = Arc::clone(&self.tables);
        let ports: usize = self.release(&tables, now);
        let mut packets = ports;
        let all = self.rounds.is_multiple_of(Self::ALL);
        self.rounds = self.rounds.wrapping_add(1);
        let mut walk = Walk::new(&tables, &mut self.state, now);
        for (port, line) in self.nics.iter_mut().filter(|(_, line)| line.ready || all || !line.is_told) {
            line.nic.receive(&mut walk.state.batch);
            line.ready = !walk.state.batch.is_empty();
            let lost = walk.state.batch.take_lost();
            walk.state.drops.add(Drop::Unfit, lost);
            packets = packets.saturating_add(walk.state.batch.len());
            while let Some(mut frame) = walk.state.batch.pop() {
                frame.port = *port;
                walk.run(frame, Next::EthernetIn);
            }
        }
        walk.finish();
        self.flush(&tables);
        if now >= self.next_tick {
            self.state.tick(now);
            self.next_tick = now + Self::TICK;
        }
        packets
    }

    pub(crate) fn counters(&self) -> Counters {
        Counters {
            sas: self.state.sas.counters().collect(),
            ports: self.state.ports.iter().map(|(port, counted)| (PortId(port), *counted)).collect(),
            labels: self.state.labels.clone(),
            drops: self.state.drops.rows(),
        }
    }

    /// Sends what waited for stations that are known now.
    fn release(&mut self, tables: &Tables, now: Instant) -> usize {
        let mut released = 0_usize;
        let known = core::mem::take(&mut self.known);
        let mut walk = Walk::new(tables, &mut self.state, now);
        for (id, address) in known {
            let (Some(port), Some(mac)) = (tables.port(id), tables.neighbour(id, address)) else { continue };
            for frame in walk.state.waiting.release(port, address) {
                released = released.saturating_add(1);
                walk.run(frame, Next::EthernetOut(port, mac));
            }
        }
        walk.finish();
        released
    }

    fn flush(&mut self, tables: &Tables) {
        let mut outgoing = self.state.take_outgoing();
        for (port, frames) in outgoing.iter_mut() {
            self.leave(PortId(port), frames, tables);
        }
        self.state.emptied(outgoing);
    }

    /// By the port's own NIC. That of a VLAN leads to the kernel: what leaves by its wire was counted before.
    fn leave(&mut self, port: PortId, frames: &mut Vec<Frame>, tables: &Tables) {
        let Some(Line { nic, .. }) = self.nics.get_mut(&port) else {
            frames.drain(..).for_each(|frame| self.state.bury(frame, Drop::UnknownPort));
            return;
        };
        let counts = tables.port(port).is_none_or(|port| !matches!(port.link, Link::Vlan { .. }));
        for frame in frames.drain(..) {
            if counts {
                self.state.count_out(port, frame.len());
            }
            self.state.batch.push(frame);
        }
        if !self.state.batch.is_empty() {
            nic.send(&mut self.state.batch);
            let lost = self.state.batch.take_lost();
            self.state.count_lost(port, lost);
        }
    }
}

#[cfg(test)]
mod tests;
