//! Messages that belong to no session: who may open one, and how little the others can make us do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base::VrfId;

use crate::admission::Direction;
use crate::demux::Peer;
use crate::engine::Ike;
use crate::error::Refusal;
use crate::notice::Blame;
use crate::record::{Outcome, Story};
use crate::session::{Message, Session};
use crate::wire::header::{Cookie, Header, exchange};
use crate::wire::notify::Notify;
use crate::wire::payload::{self, Builder};
use crate::wire::sa;
use crate::{Path, SessionId, config::Version, v1, v2};

/// Half-open sessions that peers of one front VRF opened; the oldest makes room. After a restart every
/// peer comes at once, and each needs its place for a few round trips.
const MOST_HALF_OPEN: usize = 10_000;

/// Half-open sessions of one address.
const MOST_HALF_OPEN_EACH: usize = 32;

/// With so many half-open sessions nobody opens aggressive mode: a message 1 that costs us a key exchange is
/// easily forged.
const MOST_AGGRESSIVE: usize = 1000;

/// A peer that is refused before it has a session gets one line in the log for this long.
const COMPLAIN_AGAIN: Duration = Duration::from_secs(10);

/// Peers whose refusals are remembered.
const MOST_COMPLAINTS: usize = 1024;

/// Sessions that peers opened and that are not established. What one front VRF holds takes nothing from
/// another.
#[derive(Default)]
pub(crate) struct HalfOpen {
    by_front: BTreeMap<VrfId, BTreeSet<SessionId>>,
    by_peer: BTreeMap<Peer, BTreeSet<SessionId>>,
    /// Where each stands in the others: its path may change.
    of: BTreeMap<SessionId, Peer>,
}

impl HalfOpen {
    fn insert(&mut self, path: &Path, id: SessionId) {
        self.by_front.entry(path.front).or_default().insert(id);
        self.by_peer.entry(path.peer()).or_default().insert(id);
        self.of.insert(id, path.peer());
    }

    pub(crate) fn remove(&mut self, id: SessionId) {
        let Some(peer) = self.of.remove(&id) else { return };
        if let Some(ids) = self.by_front.get_mut(&peer.0) {
            ids.remove(&id);
        }
        if self.by_peer.get_mut(&peer).is_some_and(|ids| ids.remove(&id) && ids.is_empty()) {
            self.by_peer.remove(&peer);
        }
    }

    fn of_front(&self, front: VrfId) -> usize {
        self.by_front.get(&front).map_or(0, BTreeSet::len)
    }

    /// Who has to go before another one comes by this path.
    fn excess(&self, path: &Path) -> Option<SessionId> {
        let of_peer = self.by_peer.get(&path.peer());
        let of_front = self.by_front.get(&path.front);
        let oldest = |ids: Option<&BTreeSet<SessionId>>, most| {
            ids.filter(|ids| ids.len() >= most).and_then(|ids| ids.first().copied())
        };
        oldest(of_peer, MOST_HALF_OPEN_EACH).or_else(|| oldest(of_front, MOST_HALF_OPEN))
    }
}

impl Ike {
    /// A message of a session that we do not have.
    pub(crate) fn open(&mut self, message: &Message<'_>) {
        let (header, path) = (&message.header, &message.path);
        let refusal = match header.version >> 4 {
            1 | 2 if header.responder != Cookie::default() || header.initiator == Cookie::default() => {
                Refusal::ignored("unknown-cookies")
            }
            1 => match self.open_v1(message) {
                Ok(()) => return,
                Err(refusal) => refusal,
            },
            2 => match self.open_v2(message) {
                Ok(()) => return,
                Err(refusal) => refusal,
            },
            version => {
                if version > 2 {
                    v2::sa_init::refuse_version(&mut self.core, message);
                }
                Refusal { blame: Blame::PeerIncompatible, ..Refusal::ignored("unknown-ike-version") }
            }
        };
        self.core.refuse(None, path, &refusal);
    }

    /// Phase 1 may begin.
    fn open_v1(&mut self, message: &Message<'_>) -> Result<(), Refusal> {
        if ![exchange::MAIN, exchange::AGGRESSIVE].contains(&message.header.exchange) {
            return Err(Refusal::ignored("unknown-exchange"));
        }
        if message.header.exchange == exchange::AGGRESSIVE
            && self.half_open.of_front(message.path.front) >= MOST_AGGRESSIVE
        {
            return Err(Refusal::ignored("too-many-half-open"));
        }
        let mut story = Story::begin(self.core.now);
        if let Err(refusal) = self.admit(Direction::Incoming, &message.path) {
            self.refuse_opening(message, Version::V1, story, refusal);
            return Ok(());
        }
        self.make_room(&message.path);
        match v1::session::Session::respond(&mut self.core, message, &mut story) {
            Ok(session) => self.half_opened(Session::V1(Box::new(session)), story),
            Err(refusal) => {
                self.tell_in_clear(message, &refusal);
                self.refuse_opening(message, Version::V1, story, refusal);
            }
        }
        Ok(())
    }

    /// IKE_SA_INIT, but for cookies in front of it.
    fn open_v2(&mut self, message: &Message<'_>) -> Result<(), Refusal> {
        let mut story = Story::begin(self.core.now);
        let half_open = self.half_open.of_front(message.path.front);
        if let Err(refusal) = self.admit(Direction::Incoming, &message.path) {
            self.refuse_opening(message, Version::V2, story, refusal);
            return Ok(());
        }
        match v2::sa_init::open(&mut self.core, message, half_open, self.sessions.len(), &mut story) {
            Ok(None) => {}
            Ok(Some(session)) => {
                self.make_room(&message.path);
                self.half_opened(Session::V2(session), story);
            }
            Err(refusal) if refusal.detail.is_empty() => return Err(refusal),
            Err(refusal) => self.refuse_opening(message, Version::V2, story, refusal),
        }
        Ok(())
    }

    fn half_opened(&mut self, mut session: Session, story: Story) {
        session.set_story(story);
        self.half_open.insert(&session.path(), session.id());
        self.keep(session);
    }

    /// Tells the peer why.
    fn tell_in_clear(&mut self, message: &Message<'_>, refusal: &Refusal) {
        let Some(kind) = refusal.notify else { return };
        let spi = [message.header.initiator, message.header.responder].concat();
        let notify = Notify { protocol: sa::PROTOCOL_ISAKMP, spi, kind, data: Vec::new() };
        let mut chain = Builder::default();
        chain.push(payload::NOTIFY, &notify.encode());
        let header = Header { next: chain.first(), exchange: exchange::INFORMATIONAL, ..message.header };
        self.core.transmit(message.path, header.encode(chain.bytes()));
    }

    /// Tells the operator, in the log once in a while.
    fn refuse_opening(
        &mut self,
        message: &Message<'_>,
        version: Version,
        mut story: Story,
        mut refusal: Refusal,
    ) {
        let (path, now) = (message.path, self.core.now);
        if !refusal.detail.is_empty() {
            story.fail(&refusal);
            let record = story.record(None, version, &path, false);
            self.core.records.keep(record);
        }
        self.complaints.retain(|_, since| now < *since + COMPLAIN_AGAIN);
        let peer = (path.front, path.remote.ip());
        if self.complaints.contains_key(&peer) || self.complaints.len() >= MOST_COMPLAINTS {
            refusal.detail.clear();
        } else if !refusal.detail.is_empty() {
            self.complaints.insert(peer, now);
        }
        self.core.refuse(None, &path, &refusal);
    }

    /// The oldest half-open session goes if there are too many, of this front VRF or of this peer.
    fn make_room(&mut self, path: &Path) {
        if let Some(session) = self.half_open.excess(path).and_then(|id| self.sessions.remove(&id)) {
            self.core.refuse(Some(session.id()), path, &Refusal::ignored("too-many-half-open"));
            self.forget(session);
        }
    }

    /// A session ended that was never established: its story is kept.
    pub(crate) fn remember_failure(&mut self, session: &Session) {
        let record = session.record();
        if matches!(record.outcome, Outcome::Failed { .. }) {
            self.core.records.keep(record);
        }
    }
}
