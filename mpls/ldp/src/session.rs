//! One session: its connection, what was agreed on, its timers and counters, RFC 5036 sections 2.5 and 3.5.3.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeSet;

use base::{Family, Instant};

use crate::fsm::{Role, State};
use crate::wire::initialization::{Capabilities, FtSession, Initialization};
use crate::wire::message::Message;
use crate::wire::notification::{Fault, Status};
use crate::wire::pdu::{DEFAULT_LENGTH, Outbox, Pdu};
use crate::{ConnectionId, LdpId};

/// How long a session may take to come up, from the first packet of its connection on.
const OPENING: Duration = Duration::from_secs(15);

pub(crate) struct Session {
    pub(crate) connection: ConnectionId,
    pub(crate) role: Role,
    pub(crate) state: State,
    pub(crate) local: IpAddr,
    pub(crate) remote: IpAddr,
    /// Its connection takes nothing that a router passed on.
    pub(crate) near: bool,
    pub(crate) began: Instant,
    pub(crate) up: Option<Instant>,
    /// What is agreed on, once it is.
    pub(crate) keepalive: Duration,
    pub(crate) capabilities: Capabilities,
    pub(crate) restart: Option<FtSession>,
    /// What the peer wants to hear of.
    pub(crate) families: BTreeSet<Family>,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    heard: Instant,
    spoke: Instant,
    /// What came in; up to `taken` it is done with.
    buffer: Vec<u8>,
    taken: usize,
    /// The longest PDU that may come.
    most: u16,
    outbox: Outbox,
}

impl Session {
    pub(crate) fn new(connection: ConnectionId, role: Role, ends: (IpAddr, IpAddr), now: Instant) -> Self {
        let nobody = LdpId { router: core::net::Ipv4Addr::UNSPECIFIED, space: 0 };
        Self {
            connection,
            role,
            state: State::NonExistent,
            local: ends.0,
            remote: ends.1,
            near: false,
            began: now,
            up: None,
            keepalive: OPENING,
            capabilities: Capabilities::default(),
            restart: None,
            families: BTreeSet::new(),
            received: 0,
            sent: 0,
            heard: now,
            spoke: now,
            buffer: Vec::new(),
            taken: 0,
            most: DEFAULT_LENGTH,
            outbox: Outbox::new(nobody),
        }
    }

    /// From now on PDUs leave in the name of `sender`.
    pub(crate) fn speak_as(&mut self, sender: LdpId) {
        self.outbox = Outbox::new(sender);
    }

    /// Takes what both sides can do.
    pub(crate) fn agree(&mut self, theirs: &Initialization, keepalive: Duration) {
        self.keepalive = keepalive.min(Duration::from_secs(theirs.keepalive.into()));
        self.capabilities = theirs.capabilities;
        self.restart = theirs.restart;
        self.most = theirs.longest().min(DEFAULT_LENGTH);
        self.outbox.most = self.most;
    }

    pub(crate) fn say(&mut self, message: &Message) {
        let sent = &mut self.sent;
        let messages = message.encode(|| {
            *sent += 1;
            u32::try_from(*sent & u64::from(u32::MAX)).unwrap_or(0)
        });
        messages.iter().for_each(|message| self.outbox.push(message));
    }

    pub(crate) fn has_something_to_send(&self) -> bool {
        !self.outbox.is_empty()
    }

    pub(crate) fn flush(&mut self, now: Instant) -> Vec<u8> {
        self.spoke = now;
        self.outbox.take()
    }

    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The messages of the next whole PDU from `peer`.
    pub(crate) fn next_pdu(&mut self, peer: LdpId, now: Instant) -> Result<Option<Vec<u8>>, Fault> {
        let rest = self.buffer.get(self.taken..).unwrap_or_default();
        let Some((pdu, length)) = Pdu::take(rest, self.most)? else { return Ok(None) };
        if pdu.sender != peer {
            let opening = self.state < State::Operational;
            return Err(if opening { Status::NO_HELLO } else { Status::BAD_IDENTIFIER }.into());
        }
        let messages = pdu.messages.to_vec();
        self.taken += length;
        self.heard = now;
        Ok(Some(messages))
    }

    /// When the peer must have said something, and when we must.
    pub(crate) fn deadline(&self) -> Instant {
        match self.up {
            None => self.began + OPENING,
            Some(_) => self.expires().min(self.spoke + self.keepalive / 3),
        }
    }

    /// The peer was silent for too long.
    pub(crate) fn is_late(&self, now: Instant) -> bool {
        now >= if self.up.is_some() { self.expires() } else { self.began + OPENING }
    }

    fn expires(&self) -> Instant {
        self.heard + self.keepalive
    }
}
