//! One worker: its NICs, the packets of each round, and the commands between rounds.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use base::{Instant, PortId};
use crossbeam_channel::Sender;
use dataplane::{Counters, Event, PortCounters};

use crate::control::Command;
use crate::graph::{Next, Via, Walk};
use crate::state::State;
use crate::tables::Tables;
use crate::{Drop, Frame, Nic};

pub(crate) struct Worker {
    tables: Arc<Tables>,
    state: State,
    sides: BTreeMap<PortId, Side>,
    /// Stations that became known since the last round.
    known: Vec<(PortId, IpAddr)>,
    next_tick: Instant,
}

struct Side {
    nic: Box<dyn Nic>,
    counters: PortCounters,
}

impl Worker {
    /// How often what waits is looked at.
    pub(crate) const TICK: Duration = Duration::from_millis(100);

    pub(crate) fn new(events: Sender<Event>) -> Self {
        Self {
            tables: Arc::default(),
            state: State::new(events),
            sides: BTreeMap::new(),
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
                let counters = self.sides.remove(&port).map(|old| old.counters).unwrap_or_default();
                self.sides.insert(port, Side { nic, counters });
            }
            Command::Close(port) => drop(self.sides.remove(&port)),
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

    /// One round over all ports; how many packets came in.
    pub(crate) fn run(&mut self, now: Instant) -> usize {
        let tables = Arc::clone(&self.tables);
        let ports: usize = self.release(&tables, now);
        let mut packets = ports;
        for (port, side) in &mut self.sides {
            side.nic.receive(&mut self.state.batch);
            self.state.drops.add(Drop::Unfit, self.state.batch.take_lost());
            packets = packets.saturating_add(self.state.batch.len());
            let mut walk = Walk::new(&tables, &mut self.state, now);
            while let Some(mut frame) = walk.state.batch.pop() {
                frame.port = *port;
                count(&mut side.counters.packets_in, &mut side.counters.bytes_in, &frame);
                walk.run(frame, Next::EthernetIn);
            }
            walk.finish();
        }
        self.flush();
        if now >= self.next_tick {
            self.state.tick(now);
            self.next_tick = now + Self::TICK;
        }
        packets
    }

    /// What becomes readable when packets wait.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sides.values().filter_map(|side| side.nic.descriptor())
    }

    pub(crate) fn counters(&self) -> Counters {
        Counters {
            sas: self.state.sas.counters().collect(),
            ports: self.sides.iter().map(|(port, side)| (*port, side.counters)).collect(),
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
            let Some(port) = tables.port(id) else { continue };
            for frame in walk.state.waiting.release(port, address) {
                released = released.saturating_add(1);
                walk.run(frame, Next::Neighbour(Via { port, address }));
            }
        }
        walk.finish();
        released
    }

    fn flush(&mut self) {
        let (outgoing, batch, drops) = self.state.outgoing();
        for (port, frames) in outgoing.iter_mut() {
            let Some(side) = self.sides.get_mut(&PortId(port)) else {
                for frame in frames.drain(..) {
                    drops.count(Drop::UnknownPort);
                    batch.recycle(frame);
                }
                continue;
            };
            for frame in frames.drain(..) {
                count(&mut side.counters.packets_out, &mut side.counters.bytes_out, &frame);
                batch.push(frame);
            }
            if !batch.is_empty() {
                side.nic.send(batch);
                side.counters.drops_out = side.counters.drops_out.saturating_add(batch.take_lost());
            }
        }
    }
}

fn count(packets: &mut u64, bytes: &mut u64, frame: &Frame) {
    *packets = packets.saturating_add(1);
    *bytes = bytes.saturating_add(u64::try_from(frame.len()).unwrap_or(u64::MAX));
}
