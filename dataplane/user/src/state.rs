//! What one worker owns and writes to: SAs, counters, waiting packets and what leaves in this batch.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::IpAddr;

use base::{Instant, Label, PolicyId, PortId, SaId, VrfId};
use crossbeam_channel::Sender;
use dataplane::{Event, LabelCounters, PortCounters};

use crate::by_id::ById;
use crate::drop::Drops;
use crate::limit::{Bucket, Once};
use crate::sas::Sas;
use crate::stage::neighbour::Waiting;
use crate::stage::reassemble::Pieces;
use crate::{Batch, Drop, Frame};

pub(crate) struct State {
    pub sas: Sas,
    pub drops: Drops,
    pub labels: BTreeMap<Label, LabelCounters>,
    /// Of every port that is there.
    pub ports: ById<PortCounters>,
    pub waiting: Waiting,
    pub pieces: Pieces,
    pub limits: Limits,
    /// Lends buffers; between packets it holds none to send.
    pub batch: Batch,
    /// Frames ready for each port, in order.
    outgoing: ById<Vec<Frame>>,
    ident: u16,
    events: Sender<Event>,
}

/// What is told at most so often.
pub(crate) struct Limits {
    pub acquire: Once<(PolicyId, usize)>,
    pub unknown_spi: Once<(VrfId, IpAddr)>,
    pub resolve: Once<(PortId, IpAddr)>,
    pub moved: Once<SaId>,
    icmp: BTreeMap<VrfId, Bucket>,
}

impl Default for Limits {
    fn default() -> Self {
        let second = Duration::from_secs(1);
        Self {
            acquire: Once::every(second),
            unknown_spi: Once::every(second),
            resolve: Once::every(second),
            moved: Once::every(second),
            icmp: BTreeMap::new(),
        }
    }
}

impl Limits {
    /// Whether another ICMP error may be sent in a VRF: a hundred a second, fifty at once.
    pub(crate) fn icmp(&mut self, vrf: VrfId, now: Instant) -> bool {
        let fresh = || Bucket::new(Duration::from_millis(10), 50);
        self.icmp.entry(vrf).or_insert_with(fresh).allows(now)
    }
}

impl State {
    pub(crate) fn new(events: Sender<Event>) -> Self {
        Self {
            sas: Sas::default(),
            drops: Drops::default(),
            labels: BTreeMap::new(),
            ports: ById::default(),
            waiting: Waiting::default(),
            pieces: Pieces::default(),
            limits: Limits::default(),
            batch: Batch::default(),
            outgoing: ById::default(),
            ident: 0,
            events,
        }
    }

    /// Tells the control plane; when it does not keep up, the event is lost: each comes again.
    pub(crate) fn tell(&self, event: Event) {
        let _full = self.events.try_send(event);
    }

    /// A fresh IPv4 identification for a packet of our own.
    pub(crate) fn ident(&mut self) -> u16 {
        self.ident = self.ident.wrapping_add(1);
        self.ident
    }

    pub(crate) fn count_label(&mut self, label: Label, bytes: usize) {
        let counters = self.labels.entry(label).or_default();
        counters.packets = counters.packets.saturating_add(1);
        counters.bytes = counters.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// A frame or packet of so many bytes came in by a port.
    pub(crate) fn count_in(&mut self, port: PortId, bytes: usize) {
        if let Some(counters) = self.ports.get_mut(port.0) {
            count(&mut counters.packets_in, &mut counters.bytes_in, bytes);
        }
    }

    /// It left by one.
    pub(crate) fn count_out(&mut self, port: PortId, bytes: usize) {
        if let Some(counters) = self.ports.get_mut(port.0) {
            count(&mut counters.packets_out, &mut counters.bytes_out, bytes);
        }
    }

    /// A port's link did not take so many.
    pub(crate) fn count_lost(&mut self, port: PortId, frames: u64) {
        if let Some(counters) = self.ports.get_mut(port.0) {
            counters.drops_out = counters.drops_out.saturating_add(frames);
        }
    }

    pub(crate) fn send(&mut self, port: PortId, frame: Frame) {
        self.outgoing.get_or_default(port.0).push(frame);
    }

    /// The end of a packet that dies.
    pub(crate) fn bury(&mut self, frame: Frame, drop: Drop) {
        self.drops.count(drop);
        self.batch.recycle(frame);
    }

    /// Takes everything that is ready for ports; give it back empty.
    pub(crate) fn take_outgoing(&mut self) -> ById<Vec<Frame>> {
        core::mem::take(&mut self.outgoing)
    }

    pub(crate) fn emptied(&mut self, outgoing: ById<Vec<Frame>>) {
        self.outgoing = outgoing;
    }

    /// Time passed: what waited too long dies.
    pub(crate) fn tick(&mut self, now: Instant) {
        for frame in self.waiting.expired(now) {
            self.bury(frame, Drop::NeighbourTimeout);
        }
        for _ in 0..self.pieces.expire(now) {
            self.drops.count(Drop::FragmentTimeout);
        }
    }
}

fn count(packets: &mut u64, bytes: &mut u64, more: usize) {
    *packets = packets.saturating_add(1);
    *bytes = bytes.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
}
