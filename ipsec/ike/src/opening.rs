//! Messages that belong to no session: who may open one, and how little the others can make us do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base::VrfId;

use crate::demux::Peer;
use crate::engine::Ike;
use crate::error::Refusal;
use crate::notice::Blame;
use crate::v1::session::{Message, Session};
use crate::wire::header::{Cookie, Header, VERSION_1, exchange};
use crate::wire::notify::Notify;
use crate::wire::payload::{self, Builder};
use crate::wire::sa;
use crate::{Path, SessionId};

/// Half-open sessions that peers of one front VRF opened; the oldest makes room. After a restart every
/// peer comes at once, and each needs its place for a few round trips.
const MOST_HALF_OPEN: usize = 10_000;

/// Half-open sessions of one address.
const MOST_HALF_OPEN_EACH: usize = 32;

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
}

impl HalfOpen {
    fn insert(&mut self, path: &Path, id: SessionId) {
        self.by_front.entry(path.front).or_default().insert(id);
        self.by_peer.entry(path.peer()).or_default().insert(id);
    }

    pub(crate) fn remove(&mut self, path: &Path, id: SessionId) {
        if let Some(ids) = self.by_front.get_mut(&path.front) {
            ids.remove(&id);
        }
        if self.by_peer.get_mut(&path.peer()).is_some_and(|ids| ids.remove(&id) && ids.is_empty()) {
            self.by_peer.remove(&path.peer());
        }
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
    /// A message of a session that we do not have: main mode may begin.
    pub(crate) fn open(&mut self, message: &Message<'_>) {
        let (header, path) = (&message.header, &message.path);
        let refusal = if header.responder != Cookie::default() || header.initiator == Cookie::default() {
            Refusal::ignored("unknown-cookies")
        } else if header.exchange == exchange::AGGRESSIVE {
            Refusal::ignored("aggressive-mode-not-supported")
        } else if header.exchange != exchange::MAIN {
            Refusal::ignored("unknown-exchange")
        } else {
            self.make_room(path);
            match Session::respond(&mut self.core, message) {
                Ok(session) => {
                    self.half_open.insert(path, session.id);
                    return self.keep(session);
                }
                Err(refusal) => return self.refuse_opening(message, refusal),
            }
        };
        self.core.refuse(None, path, &refusal);
    }

    /// Tells the peer why, and the operator once in a while.
    fn refuse_opening(&mut self, message: &Message<'_>, mut refusal: Refusal) {
        let (path, now) = (message.path, self.core.now);
        if let Some(kind) = refusal.notify {
            let spi = [message.header.initiator, message.header.responder].concat();
            let notify = Notify { protocol: sa::PROTOCOL_ISAKMP, spi, kind, data: Vec::new() };
            let mut chain = Builder::default();
            chain.push(payload::NOTIFY, &notify.encode());
            let header = Header { next: chain.first(), exchange: exchange::INFORMATIONAL, ..message.header };
            self.core.transmit(path, header.encode(chain.bytes()));
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
            self.core.refuse(Some(session.id), path, &Refusal::ignored("too-many-half-open"));
            self.forget(session);
        }
    }
}

pub(crate) fn wrong_version(version: u8) -> Option<Refusal> {
    let what = match version >> 4 {
        _ if version == VERSION_1 => return None,
        1 => return None,
        2 => "ike-version-2",
        _ => "unknown-ike-version",
    };
    Some(Refusal { blame: Blame::PeerIncompatible, ..Refusal::ignored(what) })
}
