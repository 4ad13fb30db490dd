//! Sessions from the first connection to the last: who connects, what comes in, and how one ends, RFC 5036 section 2.5,
//! RFC 7552 section 6.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeSet;

use base::{Family, Instant};

use crate::discovery::Source;
use crate::engine::{Ldp, Timer};
use crate::fsm::{Event, Role, State};
use crate::peer::Peer;
use crate::session::Session;
use crate::wire::message::{Envelope, Message};
use crate::wire::notification::{Notification, Status};
use crate::{ConnectionId, LdpId, Notice, Output};

/// Connections that the engine asks for are numbered below this bit.
const ACCEPTED: u64 = 1 << 63;

/// How a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// We end it and tell the peer why, and because of which message.
    Tell(Status, (u32, u16)),
    /// The peer told us.
    Told,
    /// The connection is gone.
    Closed,
    /// The peer has made a new connection.
    Replaced,
}

impl How {
    /// Nobody wanted it to end: labels may outlive it.
    fn is_accident(self) -> bool {
        match self {
            Self::Tell(status, _) => [Status::HOLD_TIMER, Status::KEEPALIVE_TIMER].contains(&status),
            Self::Told => false,
            Self::Closed | Self::Replaced => true,
        }
    }
}

impl Ldp {
    /// Something about a peer changed: connects, if that is ours to do.
    pub(crate) fn reconsider(&mut self, id: LdpId) {
        let ends = match self.ends(id) {
            Ok(ends) => ends,
            Err(status) => return self.unfit(id, status),
        };
        self.move_transport(id, ends.map(|(_, remote)| remote));
        let Some((local, remote)) = ends else { return };
        let waits = self.agenda.is_set(&Timer::Connect(id));
        let idle = self.peers.get(&id).is_some_and(|peer| peer.session.is_none());
        if idle && !waits && local > remote {
            self.connect(id, local, remote);
        }
    }

    /// Our transport address and the peer's; `None`: not known yet. Which family, RFC 7552 section 6.1.1 says.
    fn ends(&self, id: LdpId) -> Result<Option<(IpAddr, IpAddr)>, Status> {
        let (Some(config), Some(peer)) = (&self.config, self.peers.get(&id)) else { return Ok(None) };
        let heard = || peer.adjacencies.iter().filter_map(|source| self.adjacencies.get_key_value(source));
        let families: BTreeSet<Family> = heard().map(|(source, _)| source.family()).collect();
        let theirs = heard().find_map(|(_, adjacency)| adjacency.preference);
        let wanted = match (config.preference(), theirs) {
            (Some(ours), Some(theirs)) if ours != theirs => return Err(Status::TRANSPORT_MISMATCH),
            (Some(_), None) if families.len() > 1 => return Err(Status::DUAL_STACK_NONCOMPLIANCE),
            (Some(ours), Some(_)) => Some(ours),
            (Some(_) | None, _) => None,
        };
        let fits = |source: &Source| wanted.is_none_or(|family| source.family() == family);
        let ends = heard()
            .filter(|(source, _)| fits(source))
            .filter_map(|(source, adjacency)| Some((config.transport_of(*source)?, adjacency.transport)));
        Ok(ends.into_iter().next())
    }

    /// There can be no session with this peer.
    fn unfit(&mut self, id: LdpId, status: Status) {
        self.move_transport(id, None);
        self.end(id, &status.to_string(), How::Tell(status, (0, 0)));
        self.complain(id, &status.to_string());
    }

    /// Files where connections of a peer come from. An address that another one has already stays with that one.
    fn move_transport(&mut self, id: LdpId, to: Option<IpAddr>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let old = core::mem::replace(&mut peer.transport, to);
        if old == to && to.is_none_or(|to| self.transports.contains_key(&to)) {
            return;
        }
        if let Some(old) = old.filter(|old| self.transports.get(old) == Some(&id)) {
            self.transports.remove(&old);
        }
        if let Some(to) = to {
            self.transports.entry(to).or_insert(id);
        }
        self.relisten = true;
    }

    fn connect(&mut self, id: LdpId, local: IpAddr, remote: IpAddr) {
        self.last_connection = (self.last_connection + 1) & !ACCEPTED;
        let connection = ConnectionId(self.last_connection);
        let password = self.config.as_ref().and_then(|config| config.passwords.get(&id.router).cloned());
        let near = self.is_near(id);
        self.out.push_back(Output::Connect { connection, local, remote, password, near });
        self.begin(id, Session::new(connection, Role::Active, (local, remote), self.now));
    }

    fn begin(&mut self, id: LdpId, mut session: Session) {
        session.near = self.is_near(id);
        let (Some(config), Some(peer)) = (&self.config, self.peers.get_mut(&id)) else { return };
        session.speak_as(config.id());
        self.connections.insert(session.connection, id);
        self.agenda.set(Timer::Session(id), Some(session.deadline()));
        peer.session = Some(session);
    }

    pub(crate) fn connected(&mut self, connection: ConnectionId, local: IpAddr) {
        let Some(id) = self.connections.get(&connection).copied() else {
            return self.out.push_back(Output::Close(connection));
        };
        if let Some(session) = self.session(id) {
            session.local = local;
            let role = session.role;
            self.step(id, Event::Connected(role), &Message::Strange, (0, 0));
        }
    }

    pub(crate) fn accepted(&mut self, connection: ConnectionId, remote: IpAddr, local: IpAddr) {
        let Some(id) = self.transports.get(&remote).copied().filter(|_| local < remote) else {
            return self.out.push_back(Output::Close(connection));
        };
        self.end(id, "the peer connects again", How::Replaced);
        self.begin(id, Session::new(connection, Role::Passive, (local, remote), self.now));
        self.step(id, Event::Connected(Role::Passive), &Message::Strange, (0, 0));
    }

    pub(crate) fn closed(&mut self, connection: ConnectionId) {
        if let Some(id) = self.connections.get(&connection).copied() {
            self.end(id, "TCP connection closed by peer", How::Closed);
        }
    }

    pub(crate) fn bytes(&mut self, connection: ConnectionId, bytes: &[u8]) {
        let Some(id) = self.connections.get(&connection).copied() else { return };
        if let Some(session) = self.session(id) {
            session.receive(bytes);
        }
        let now = self.now;
        while self.connections.get(&connection) == Some(&id) {
            let Some(session) = self.session(id) else { break };
            match session.next_pdu(id, now) {
                Ok(Some(messages)) => self.messages(id, connection, &messages),
                Ok(None) => break,
                Err(fault) => self.fault(id, fault, (0, 0)),
            }
        }
        self.reschedule(id);
    }

    fn messages(&mut self, id: LdpId, connection: ConnectionId, mut rest: &[u8]) {
        while !rest.is_empty() && self.connections.get(&connection) == Some(&id) {
            match Envelope::take(rest) {
                Ok((envelope, behind)) => {
                    self.message(id, envelope);
                    rest = behind;
                }
                Err(fault) => return self.fault(id, fault, (0, 0)),
            }
        }
    }

    pub(crate) fn session_due(&mut self, id: LdpId) {
        let now = self.now;
        let Some(session) = self.session(id) else { return };
        if !session.is_late(now) {
            self.say(id, &Message::KeepAlive);
            return;
        }
        if session.up.is_some() {
            self.end(id, "KeepAlive timer expired", How::Tell(Status::KEEPALIVE_TIMER, (0, 0)));
        } else {
            self.end(id, "the session did not come up in time", How::Tell(Status::SHUTDOWN, (0, 0)));
        }
    }

    /// An adjacency of a peer is gone.
    pub(crate) fn parted(&mut self, id: LdpId, why: &str) {
        if self.peers.get(&id).is_some_and(|peer| !peer.adjacencies.is_empty()) {
            return self.reconsider(id);
        }
        self.move_transport(id, None);
        self.end(id, why, How::Tell(Status::HOLD_TIMER, (0, 0)));
        self.agenda.set(Timer::Connect(id), None);
        self.tidy(id);
    }

    pub(crate) fn end(&mut self, id: LdpId, why: &str, how: How) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let Some(mut session) = peer.session.take() else { return };
        self.connections.remove(&session.connection);
        self.agenda.set(Timer::Session(id), None);
        self.talking.remove(&id);
        if let How::Tell(status, about) = how
            && session.state != State::NonExistent
        {
            session.say(&Message::Notification(Notification::of(status, about)));
        }
        if session.has_something_to_send() && matches!(how, How::Tell(..)) {
            self.out.push_back(Output::Send(session.connection, session.flush(self.now)));
        }
        if how != How::Closed {
            self.out.push_back(Output::Close(session.connection));
        }
        if self.up.remove(&id) {
            self.went_down(id, &session, why, how);
        } else {
            self.failed(id, &session, why);
        }
        self.tidy(id);
    }

    fn went_down(&mut self, id: LdpId, session: &Session, why: &str, how: How) {
        self.out.push_back(Output::Notice(Notice::Down(id, why.to_owned())));
        self.forgive(id);
        let ours = self.config.as_ref().and_then(|config| config.graceful_restart);
        let theirs = session.restart.filter(|restart| !restart.reconnect.is_zero() && how.is_accident());
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.epoch += 1;
            peer.overflowed = false;
            let keep = ours.zip(theirs).map(|(ours, theirs)| theirs.reconnect.min(ours.liveness));
            peer.stale_until = keep.map(|time| self.now + time);
            self.agenda.set(Timer::Stale(id), peer.stale_until);
            if peer.stale_until.is_none() {
                self.stale_expired(id);
            }
        }
        if session.role == Role::Active {
            self.agenda.set(Timer::Connect(id), Some(self.now + Duration::from_secs(1)));
        }
    }

    /// A session did not come up: the next attempt waits, RFC 5036 section 2.5.3.
    fn failed(&mut self, id: LdpId, session: &Session, why: &str) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.failures = peer.failures.saturating_add(1);
        let (first, longest) = self.config.as_ref().map(|config| config.backoff).unwrap_or_default();
        let refused = session.state != State::NonExistent;
        let (first, longest) = if refused { (first, longest) } else { (Duration::from_secs(1), first) };
        let wait = first.saturating_mul(1 << (peer.failures - 1).min(16)).min(longest);
        if session.role == Role::Active {
            self.agenda.set(Timer::Connect(id), Some(self.now + wait));
        }
        if refused {
            self.complain(id, why);
        }
    }

    fn complain(&mut self, id: LdpId, why: &str) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.complaint.as_deref() != Some(why) {
            peer.complaint = Some(why.to_owned());
            self.out.push_back(Output::Notice(Notice::Refused(id, why.to_owned())));
        }
    }

    pub(crate) fn retry_at_once(&mut self, id: LdpId) {
        self.agenda.set(Timer::Connect(id), None);
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.failures = 0;
        }
        self.reconsider(id);
    }

    pub(crate) fn tidy(&mut self, id: LdpId) {
        if self.peers.get(&id).is_some_and(Peer::is_idle) {
            self.peers.remove(&id);
            self.agenda.set(Timer::Connect(id), None);
        }
    }

    pub(crate) fn notify(&mut self, id: LdpId, status: Status, about: (u32, u16)) {
        self.say(id, &Message::Notification(Notification::of(status, about)));
    }

    pub(crate) fn say(&mut self, id: LdpId, message: &Message) {
        if let Some(session) = self.session(id) {
            session.say(message);
            self.talking.insert(id);
        }
    }

    pub(crate) fn flush(&mut self, id: LdpId) {
        let now = self.now;
        let Some(session) = self.session(id) else { return };
        let (connection, bytes) = (session.connection, session.flush(now));
        self.out.push_back(Output::Send(connection, bytes));
        self.reschedule(id);
    }

    pub(crate) fn reschedule(&mut self, id: LdpId) {
        let deadline: Option<Instant> = self.session(id).map(|session| session.deadline());
        self.agenda.set(Timer::Session(id), deadline);
    }

    pub(crate) fn session(&mut self, id: LdpId) -> Option<&mut Session> {
        self.peers.get_mut(&id)?.session.as_mut()
    }
}
