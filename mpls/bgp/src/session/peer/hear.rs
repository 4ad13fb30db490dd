//! What a neighbour says: octets to messages, messages to events of the machine and routes for the tables.

use core::time::Duration;
use std::borrow::Cow;
use std::sync::Arc;

use base::Instant;

use super::{Cause, Peer, Which};
use crate::Notice;
use crate::fsm::{self, State};
use crate::io::{AddressFamily, ConnectionId};
use crate::session::Event;
use crate::session::link::Agreed;
use crate::session::negotiate;
use crate::session::outbox::Outbox;
use crate::wire::{self, Decoded, Message, Notification, Open};

impl Peer {
    pub(in crate::session) fn bytes(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        bytes: &[u8],
        out: &mut Outbox,
    ) {
        let link = self.which(connection).and_then(|which| self.link(which));
        let held = link.map(|link| core::mem::take(&mut link.input)).unwrap_or_default();
        let all = if held.is_empty() { Cow::Borrowed(bytes) } else { Cow::Owned([&held, bytes].concat()) };
        let mut rest = &*all;
        // Each message may be the connection's last, or make it the other machine's.
        while let Some(which) = self.which(connection)
            && let Some(link) = self.link(which)
        {
            match wire::take(rest, link.longest()) {
                Ok(None) => {
                    link.input = rest.to_vec();
                    break;
                }
                Ok(Some((message, length))) => {
                    rest = &rest[length..];
                    self.message(which, now, message, out);
                }
                Err(error) => self.run(which, now, &Cause::malformed(error), out),
            }
            self.settle(now, out);
        }
    }

    fn message(&mut self, which: Which, now: Instant, message: Message<'_>, out: &mut Outbox) {
        self.received.messages += 1;
        match message {
            Message::Open(open) => self.open(which, now, &open, out),
            Message::Keepalive => self.run(which, now, &fsm::Event::Keepalive.into(), out),
            Message::Update(body) => self.update(which, now, body, out),
            Message::Notification(notification) => self.notification(which, now, notification, out),
            Message::Refresh(what) => {
                self.run(which, now, &fsm::Event::Update.into(), out);
                if let Some((family, kind)) = what.filter(|&(family, kind)| self.has_refresh(family, kind)) {
                    out.push(Event::Refresh(self.id, family, kind));
                }
            }
        }
    }

    fn open(&mut self, which: Which, now: Instant, theirs: &Open, out: &mut Outbox) {
        let Some(link) = self.link(which) else { return };
        let (state, local, ours) = (link.state, link.local, link.ours.clone());
        let (State::OpenSent, Some(local), Some(ours)) = (state, local, ours) else {
            return self.run(which, now, &fsm::Event::Open.into(), out);
        };
        let terms = match negotiate::negotiate(&ours, theirs, &self.neighbor, local, now) {
            Ok(terms) => terms,
            Err(error) => return self.run(which, now, &Cause::malformed(error), out),
        };
        let dialed_wins = (u32::from(ours.router_id), ours.asn) > (u32::from(theirs.router_id), theirs.asn);
        let loser = self.collision(dialed_wins);
        if let Some(loser) = loser {
            self.run(loser, now, &fsm::Event::Collision.into(), out);
        }
        if loser != Some(which)
            && let Some(link) = self.link(which)
        {
            link.agreed = Some(Agreed::new(Arc::new(terms)));
            self.run(which, now, &fsm::Event::Open.into(), out);
        }
    }

    /// RFC 4271 section 6.8: of two connections the one begun by the side with the higher identifier stays (RFC 6286:
    /// or AS). Decided with the first OPEN of either: waiting for the second, as the RFC allows, one side could have
    /// established the connection that the other closes.
    fn collision(&self, dialed_wins: bool) -> Option<Which> {
        let second = self.second.as_ref()?;
        if self.main.state < State::OpenSent || second.state < State::OpenSent {
            return None;
        }
        // If the peer began both, it has given up the first.
        let main_wins = !self.main.accepted && dialed_wins;
        Some(if main_wins { Which::Second } else { Which::Main })
    }

    fn update(&mut self, which: Which, now: Instant, body: &[u8], out: &mut Outbox) {
        self.received.updates += 1;
        let agreed = self.main.agreed.as_mut();
        let Some(agreed) = agreed.filter(|_| which == Which::Main && self.main.state == State::Established)
        else {
            return self.run(which, now, &fsm::Event::Update.into(), out);
        };
        match agreed.reader.read(body, &mut agreed.cache) {
            Err(error) => self.run(which, now, &Cause::malformed(error), out),
            Ok(decoded) => {
                self.run(which, now, &fsm::Event::Update.into(), out);
                self.deliver(now, decoded, out);
            }
        }
    }

    fn deliver(&mut self, now: Instant, decoded: Decoded, out: &mut Outbox) {
        for update in decoded.updates {
            out.push(Event::Update(self.id, update));
        }
        if let Some((family, problem)) = decoded.problem {
            self.malformed(now, family, problem, out);
        }
        if let Some(family) = decoded.disabled {
            if let Some(agreed) = &mut self.main.agreed {
                agreed.reader.heard.remove(&family);
            }
            out.push(Event::Disabled(self.id, family));
        }
    }

    /// A peer that sends nothing else does not fill the log.
    fn malformed(&mut self, now: Instant, family: AddressFamily, problem: String, out: &mut Outbox) {
        if self.told.is_none_or(|told| now.since(told) >= TELL_AGAIN) {
            self.told = Some(now);
            out.tell(Notice::Malformed { peer: self.id, family: Some(family), problem });
        }
    }

    fn notification(&mut self, which: Which, now: Instant, notification: Notification, out: &mut Outbox) {
        self.received.notifications += 1;
        if notification != Notification::collision() {
            self.tell(false, &notification, out);
            self.last = Some((now, format!("BGP Notification received: {}", notification.text())));
        }
        let cause = Cause { event: fsm::Event::Notification, notification: Some(notification) };
        self.run(which, now, &cause, out);
    }
}

const TELL_AGAIN: Duration = Duration::from_secs(1);
