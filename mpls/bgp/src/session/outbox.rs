//! What sessions have to say, in order; and what they share: numbers of connections, jitter, the next deadline.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use base::Instant;

use super::Event;
use crate::Notice;
use crate::io::{ConnectionId, Dial, Output, PeerId};

pub(super) struct Outbox {
    queue: VecDeque<Event>,
    /// Whose each connection is that we have not closed.
    owners: BTreeMap<ConnectionId, PeerId>,
    dialed: u64,
    jitter: u64,
    /// No later than the first timer.
    wake: Option<Instant>,
}

impl Outbox {
    pub(super) const fn new(seed: u64) -> Self {
        Self { queue: VecDeque::new(), owners: BTreeMap::new(), dialed: 0, jitter: seed, wake: None }
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        self.queue.pop_front()
    }

    pub(super) fn push(&mut self, event: Event) {
        self.queue.push_back(event);
    }

    pub(super) fn put(&mut self, output: Output) {
        self.push(Event::Output(output));
    }

    pub(super) fn tell(&mut self, notice: Notice) {
        self.put(Output::Notice(notice));
    }

    pub(super) fn dial(&mut self, dial: Dial) -> ConnectionId {
        self.dialed += 1;
        let connection = ConnectionId(self.dialed);
        self.own(connection, dial.peer);
        self.put(Output::Connect(connection, dial));
        connection
    }

    pub(super) fn own(&mut self, connection: ConnectionId, peer: PeerId) {
        self.owners.insert(connection, peer);
    }

    pub(super) fn owner(&self, connection: ConnectionId) -> Option<PeerId> {
        self.owners.get(&connection).copied()
    }

    /// The other side closed it.
    pub(super) fn disown(&mut self, connection: ConnectionId) {
        self.owners.remove(&connection);
    }

    pub(super) fn close(&mut self, connection: ConnectionId) {
        self.disown(connection);
        self.put(Output::Close(connection));
    }

    /// Messages in a row to one peer go out as one.
    pub(super) fn send(&mut self, connection: ConnectionId, bytes: Vec<u8>) {
        if let Some(Event::Output(Output::Send(to, before))) = self.queue.back_mut()
            && *to == connection
            && before.len() + bytes.len() <= LONGEST_SEND
        {
            before.extend_from_slice(&bytes);
            return;
        }
        self.put(Output::Send(connection, bytes));
    }

    pub(super) const fn wake(&self) -> Option<Instant> {
        self.wake
    }

    /// To be told all deadlines anew.
    pub(super) const fn sleep(&mut self) {
        self.wake = None;
    }

    pub(super) fn wake_at(&mut self, at: Instant) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    /// RFC 4271 section 10: between three quarters of it and all, so that neighbours do not beat in step.
    pub(super) fn jittered(&mut self, time: Duration) -> Duration {
        // SplitMix64: an even spread is all that is asked of it.
        self.jitter = self.jitter.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.jitter;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let share = u32::try_from((mixed ^ (mixed >> 31)) & 0xFF).unwrap_or(0);
        time * (768 + share) / 1024
    }
}

const LONGEST_SEND: usize = 65_536;
