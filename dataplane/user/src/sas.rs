//! The SAs of one worker: their ciphers, sequence numbers, windows and counters.

use std::net::IpAddr;

use base::{Instant, SaId, Spi, VrfId};
use dataplane::SaCounters;
use ipsec::{Direction, Sa, Sad};

use crate::by_id::ById;

/// An SA at work in one direction.
pub(crate) struct Live<C> {
    pub sa: Sa,
    pub cipher: C,
    pub counters: SaCounters,
    /// Whether its end was announced.
    pub expiring: bool,
    pub expired: bool,
}

pub(crate) type Inbound = Live<esp::Inbound>;
pub(crate) type Outbound = Live<esp::Outbound>;

#[derive(Default)]
pub(crate) struct Sas {
    /// By slot of the SPI. SPIs that share a slot share the bucket; the whole key decides.
    inbound: Vec<Vec<Inbound>>,
    outbound: ById<Box<Outbound>>,
    /// Where each inbound SA is.
    spis: ById<Spi>,
}

/// The working half of an SA that is put in.
pub(crate) enum Cipher {
    In(Box<esp::Inbound>),
    Out(Box<esp::Outbound>),
}

/// What of its end an SA has to announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Near,
    Reached,
}

impl<C> Live<C> {
    fn after(old: Option<Self>, sa: Sa, cipher: C) -> Self {
        match old {
            Some(old) => Self { sa, ..old },
            None => Self { sa, cipher, counters: SaCounters::default(), expiring: false, expired: false },
        }
    }

    /// Counts a packet that passed.
    pub(crate) fn count(&mut self, bytes: usize, sequence: u64, now: Instant) {
        let counters = &mut self.counters;
        counters.packets = counters.packets.saturating_add(1);
        counters.bytes = counters.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        counters.sequence = counters.sequence.max(sequence);
        counters.last_used = now.as_micros();
    }

    pub(crate) fn count_error(&mut self) {
        self.counters.errors = self.counters.errors.saturating_add(1);
    }

    /// Each end is announced once.
    pub(crate) fn end(&mut self, near: bool, spent: bool) -> Option<End> {
        if spent && !core::mem::replace(&mut self.expired, true) {
            return Some(End::Reached);
        }
        (near && !core::mem::replace(&mut self.expiring, true)).then_some(End::Near)
    }
}

impl Cipher {
    pub(crate) fn of(sa: &Sa) -> Result<Self, esp::BadKey> {
        match sa.direction {
            Direction::In => esp::Inbound::new(sa).map(Box::new).map(Self::In),
            Direction::Out => esp::Outbound::new(sa).map(Box::new).map(Self::Out),
        }
    }
}

impl Sas {
    /// The inbound SA of a packet: the front VRF is part of the key.
    pub(crate) fn open(&mut self, front: VrfId, local: IpAddr, spi: Spi) -> Option<&mut Inbound> {
        let bucket = self.inbound.get_mut(slot(spi))?;
        bucket.iter_mut().find(|live| live.sa.spi == spi && live.sa.front == front && live.sa.local == local)
    }

    /// Has the memory of an SA that is needed soon brought near.
    pub(crate) fn fetch_inbound(&self, spi: Spi) {
        self.inbound.get(slot(spi)).into_iter().flatten().take(1).for_each(sys::prefetch);
    }

    /// As [`fetch_inbound`](Self::fetch_inbound).
    pub(crate) fn fetch_outbound(&self, id: SaId) {
        self.outbound.get(id.0).map(Box::as_ref).into_iter().for_each(sys::prefetch);
    }

    pub(crate) fn seal(&mut self, id: SaId) -> Option<&mut Outbound> {
        self.outbound.get_mut(id.0).map(Box::as_mut)
    }

    /// Puts an SA in. If one of this id has the same keys, its sequence numbers, window and counters go
    /// on (a NAT may have moved the peer; starting a counter again under one key would break the cipher);
    /// else it starts anew. A limit by volume stays what it was when the keys came.
    pub(crate) fn set(&mut self, sa: Sa, cipher: Cipher) {
        match cipher {
            Cipher::In(cipher) => self.set_inbound(sa, *cipher),
            Cipher::Out(cipher) => self.set_outbound(sa, *cipher),
        }
    }

    fn set_inbound(&mut self, sa: Sa, cipher: esp::Inbound) {
        self.outbound.remove(sa.id.0);
        let old = self.take_inbound(sa.id).filter(|old| is_same_cipher(&old.sa, &sa));
        self.spis.insert(sa.id.0, sa.spi);
        let slot = slot(sa.spi);
        if self.inbound.len() <= slot {
            self.inbound.resize_with(slot.saturating_add(1), Vec::new);
        }
        if let Some(bucket) = self.inbound.get_mut(slot) {
            // More than one is rare, and each is large.
            bucket.reserve_exact(1);
            bucket.push(Live::after(old, sa, cipher));
        }
    }

    fn set_outbound(&mut self, sa: Sa, cipher: esp::Outbound) {
        self.take_inbound(sa.id);
        let old = self.outbound.remove(sa.id.0).filter(|old| is_same_cipher(&old.sa, &sa));
        self.outbound.insert(sa.id.0, Box::new(Live::after(old.map(|old| *old), sa, cipher)));
    }

    /// Takes an SA out; what it had counted.
    pub(crate) fn unset(&mut self, id: SaId) -> Option<SaCounters> {
        let outbound = self.outbound.remove(id.0).map(|live| live.counters);
        outbound.or_else(|| self.take_inbound(id).map(|live| live.counters))
    }

    pub(crate) fn counters_of(&self, id: SaId) -> Option<SaCounters> {
        let outbound = self.outbound.get(id.0).map(|live| live.counters);
        outbound.or_else(|| {
            let bucket = self.inbound.get(slot(*self.spis.get(id.0)?))?;
            bucket.iter().find(|live| live.sa.id == id).map(|live| live.counters)
        })
    }

    pub(crate) fn counters(&self) -> impl Iterator<Item = (SaId, SaCounters)> {
        let inbound = self.inbound.iter().flatten().map(|live| (live.sa.id, live.counters));
        inbound.chain(self.outbound.values().map(|live| (live.sa.id, live.counters)))
    }

    fn take_inbound(&mut self, id: SaId) -> Option<Inbound> {
        let bucket = self.inbound.get_mut(slot(self.spis.remove(id.0)?))?;
        let at = bucket.iter().position(|live| live.sa.id == id)?;
        Some(bucket.swap_remove(at))
    }
}

fn slot(spi: Spi) -> usize {
    usize::try_from(Sad::slot(spi)).unwrap_or(usize::MAX)
}

fn is_same_cipher(a: &Sa, b: &Sa) -> bool {
    a.direction == b.direction
        && a.spi == b.spi
        && a.suite == b.suite
        && a.keys == b.keys
        && a.replay == b.replay
}
