//! The SAs of one worker: their ciphers, sequence numbers, windows and counters.

use std::collections::HashMap;
use std::net::IpAddr;

use base::{Instant, SaId, Spi, VrfId};
use dataplane::SaCounters;
use ipsec::{Direction, Sa, Sad};

/// An SA at work in one direction.
pub struct Live<C> {
    pub sa: Sa,
    pub cipher: C,
    pub counters: SaCounters,
    /// Whether its end was announced.
    pub expiring: bool,
    pub expired: bool,
}

pub type Inbound = Live<esp::Inbound>;
pub type Outbound = Live<esp::Outbound>;

#[derive(Default)]
pub struct Sas {
    /// By slot of the SPI. SPIs that share a slot share the bucket; the whole key decides.
    inbound: Vec<Vec<Inbound>>,
    outbound: HashMap<SaId, Outbound>,
    /// Where each inbound SA is.
    spis: HashMap<SaId, Spi>,
}

/// What of its end an SA has to announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Near,
    Reached,
}

impl<C> Live<C> {
    fn new(sa: Sa, cipher: C) -> Self {
        Self { sa, cipher, counters: SaCounters::default(), expiring: false, expired: false }
    }

    /// Counts a packet that passed.
    pub fn count(&mut self, bytes: usize, sequence: u64, now: Instant) {
        let counters = &mut self.counters;
        counters.packets = counters.packets.saturating_add(1);
        counters.bytes = counters.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        counters.sequence = counters.sequence.max(sequence);
        counters.last_used = now.as_micros();
    }

    pub fn count_error(&mut self) {
        self.counters.errors = self.counters.errors.saturating_add(1);
    }

    /// Whether the agreed volume is used up: nothing passes any more.
    pub fn is_spent(&self) -> bool {
        self.sa.kilobytes.is_some_and(|limit| self.counters.bytes >= volume(limit))
    }

    /// Each end is announced once. `near` says what the sequence number says.
    pub fn end(&mut self, near: bool, spent: bool) -> Option<End> {
        let tenth_left = |limit| self.counters.bytes >= volume(limit).saturating_sub(volume(limit) / 10);
        let near = near || self.sa.kilobytes.is_some_and(tenth_left);
        if spent && !core::mem::replace(&mut self.expired, true) {
            return Some(End::Reached);
        }
        (near && !core::mem::replace(&mut self.expiring, true)).then_some(End::Near)
    }
}

impl Sas {
    /// The inbound SA of a packet: the front VRF is part of the key.
    pub fn open(&mut self, front: VrfId, local: IpAddr, spi: Spi) -> Option<&mut Inbound> {
        let bucket = self.inbound.get_mut(slot(spi))?;
        bucket.iter_mut().find(|live| {
            live.sa.spi == spi && live.sa.front == front && live.sa.local == local
        })
    }

    pub fn seal(&mut self, id: SaId) -> Option<&mut Outbound> {
        self.outbound.get_mut(&id)
    }

    /// Puts an SA in. If one of this id has the same keys, its sequence numbers, window and counters go
    /// on (a NAT may have moved the peer; starting a counter again under one key would break the cipher);
    /// else it starts anew.
    pub fn set(&mut self, sa: Sa) {
        match sa.direction {
            Direction::In => self.set_inbound(sa),
            Direction::Out => self.set_outbound(sa),
        }
    }

    fn set_inbound(&mut self, sa: Sa) {
        let live = match self.take_inbound(sa.id).filter(|old| is_same_cipher(&old.sa, &sa)) {
            Some(old) => Live { sa, ..old },
            None => Live::new(sa.clone(), esp::Inbound::new(&sa)),
        };
        self.outbound.remove(&live.sa.id);
        self.spis.insert(live.sa.id, live.sa.spi);
        let slot = slot(live.sa.spi);
        if self.inbound.len() <= slot {
            self.inbound.resize_with(slot.saturating_add(1), Vec::new);
        }
        if let Some(bucket) = self.inbound.get_mut(slot) {
            bucket.push(live);
        }
    }

    fn set_outbound(&mut self, sa: Sa) {
        self.take_inbound(sa.id);
        let live = match self.outbound.remove(&sa.id).filter(|old| is_same_cipher(&old.sa, &sa)) {
            Some(old) => Live { sa, ..old },
            None => Live::new(sa.clone(), esp::Outbound::new(&sa)),
        };
        self.outbound.insert(live.sa.id, live);
    }

    pub fn unset(&mut self, id: SaId) {
        self.outbound.remove(&id);
        self.take_inbound(id);
    }

    pub fn counters(&self) -> impl Iterator<Item = (SaId, SaCounters)> {
        let inbound = self.inbound.iter().flatten().map(|live| (live.sa.id, live.counters));
        inbound.chain(self.outbound.values().map(|live| (live.sa.id, live.counters)))
    }

    fn take_inbound(&mut self, id: SaId) -> Option<Inbound> {
        let bucket = self.inbound.get_mut(slot(self.spis.remove(&id)?))?;
        let at = bucket.iter().position(|live| live.sa.id == id)?;
        Some(bucket.swap_remove(at))
    }
}

fn slot(spi: Spi) -> usize {
    usize::try_from(Sad::slot(spi)).unwrap_or(usize::MAX)
}

const fn volume(kilobytes: u32) -> u64 {
    (kilobytes as u64).saturating_mul(1024)
}

fn is_same_cipher(a: &Sa, b: &Sa) -> bool {
    a.direction == b.direction && a.spi == b.spi && a.suite == b.suite && a.keys == b.keys && a.replay == b.replay
}
