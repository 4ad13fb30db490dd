//! One connection to a neighbour, or the attempt at one: its state, timers, and what has come and gone on it.

use core::net::IpAddr;
use core::time::Duration;
use std::sync::Arc;

use base::Instant;

use super::Negotiated;
use super::outbox::Outbox;
use crate::fsm::State;
use crate::io::ConnectionId;
use crate::wire::{Cache, LONGEST, Open, Reader, Writer};

#[derive(Default)]
pub(super) struct Link {
    pub(super) state: State,
    pub(super) connection: Option<ConnectionId>,
    /// Our address of it, once it stands.
    pub(super) local: Option<IpAddr>,
    /// The peer connected to us.
    pub(super) accepted: bool,
    /// What we sent, to compare the peer's with.
    pub(super) ours: Option<Open>,
    /// Since the peer's OPEN.
    pub(super) agreed: Option<Agreed>,
    /// The begin of a message.
    pub(super) input: Vec<u8>,
    pub(super) timers: Timers,
    /// Octets sent since the connection took all.
    in_flight: usize,
}

pub(super) struct Agreed {
    pub(super) terms: Arc<Negotiated>,
    pub(super) reader: Reader,
    pub(super) writer: Writer,
    pub(super) cache: Cache,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Timers {
    pub(super) retry: Option<Instant>,
    pub(super) hold: Option<Instant>,
    pub(super) keepalive: Option<Instant>,
    /// RFC 9687: the peer reads nothing.
    pub(super) send_hold: Option<Instant>,
}

impl Timers {
    pub(super) fn first(self) -> Option<Instant> {
        [self.retry, self.hold, self.keepalive, self.send_hold].into_iter().flatten().min()
    }
}

impl Agreed {
    pub(super) fn new(terms: Arc<Negotiated>) -> Self {
        let heard = terms.families.iter().map(|(&family, of)| (family, of.add_path_receive)).collect();
        let (four_octet, external, longest) = (terms.four_octet, terms.external, terms.message);
        Self {
            terms,
            reader: Reader { four_octet, external, heard },
            writer: Writer { four_octet, longest },
            cache: Cache::default(),
        }
    }
}

impl Link {
    pub(super) fn accepted(connection: ConnectionId, local: IpAddr) -> Self {
        Self {
            state: State::Active,
            connection: Some(connection),
            local: Some(local),
            accepted: true,
            ..Self::default()
        }
    }

    pub(super) fn terms(&self) -> Option<&Arc<Negotiated>> {
        self.agreed.as_ref().map(|agreed| &agreed.terms)
    }

    /// How long a message of the peer's may be.
    pub(super) fn longest(&self) -> u16 {
        self.terms().map_or(LONGEST, |terms| u16::try_from(terms.message).unwrap_or(LONGEST))
    }

    pub(super) fn send(&mut self, now: Instant, bytes: Vec<u8>, out: &mut Outbox) {
        let Some(connection) = self.connection else { return };
        self.in_flight += bytes.len();
        if self.timers.send_hold.is_none()
            && let Some(terms) = self.terms().filter(|terms| !terms.hold.is_zero())
        {
            let at = now + SEND_HOLD.max(terms.hold * 2);
            self.timers.send_hold = Some(at);
            out.wake_at(at);
        }
        out.send(connection, bytes);
    }

    /// True: there was no room before.
    pub(super) const fn drained(&mut self) -> bool {
        let was = self.has_room();
        self.in_flight = 0;
        self.timers.send_hold = None;
        !was
    }

    pub(super) const fn has_room(&self) -> bool {
        self.in_flight < IN_FLIGHT
    }

    /// The connection is given up; the state stays.
    pub(super) fn close(&mut self, out: &mut Outbox) {
        if let Some(connection) = self.connection {
            out.close(connection);
        }
        *self = Self { state: self.state, ..Self::default() };
    }
}

/// What may be on its way to a peer before it must have taken it.
const IN_FLIGHT: usize = 256 * 1024;
/// RFC 9687 section 5: eight minutes, or twice the hold time.
const SEND_HOLD: Duration = Duration::from_secs(480);
