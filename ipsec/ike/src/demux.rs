//! Which session a datagram is for. Front VRF and cookies together name one; the front VRF keeps apart
//! peers that have the same address and, by chance or malice, the same cookies.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use base::VrfId;

use crate::v1::session::Session;
use crate::wire::header::{Cookie, Header};
use crate::{Path, SessionId};

/// Who talks to whom: the front VRF, our address and the peer's.
pub(crate) type Peer = (VrfId, IpAddr, IpAddr);

#[derive(Default)]
pub(crate) struct Demux {
    pairs: BTreeMap<(VrfId, Cookie, Cookie), SessionId>,
    /// By the initiator's cookie alone: for the peer's repeated message 1, and for the answer to ours.
    openings: BTreeMap<(VrfId, IpAddr, Cookie), SessionId>,
    peers: BTreeMap<Peer, BTreeSet<SessionId>>,
}

impl Path {
    pub(crate) const fn peer(&self) -> Peer {
        (self.front, self.local.ip(), self.remote.ip())
    }
}

impl Demux {
    pub(crate) fn find(&self, path: &Path, header: &Header) -> Option<SessionId> {
        let pair = (path.front, header.initiator, header.responder);
        self.pairs.get(&pair).copied().or_else(|| self.opening(path, header))
    }

    /// The session that `header` may complete or repeat the opening of.
    fn opening(&self, path: &Path, header: &Header) -> Option<SessionId> {
        let id = *self.openings.get(&(path.front, path.remote.ip(), header.initiator))?;
        let unanswered = (path.front, header.initiator, Cookie::default());
        let ours = self.pairs.contains_key(&unanswered);
        (ours || header.responder == Cookie::default()).then_some(id)
    }

    /// Every session between these two, oldest first.
    pub(crate) fn between(&self, peer: Peer) -> impl Iterator<Item = SessionId> {
        self.peers.get(&peer).into_iter().flatten().copied()
    }

    /// Both cookies may have become known since.
    pub(crate) fn bind(&mut self, session: &Session) {
        let (front, (initiator, responder)) = (session.path.front, session.cookies);
        if responder != Cookie::default() {
            self.pairs.remove(&(front, initiator, Cookie::default()));
        }
        self.pairs.insert((front, initiator, responder), session.id);
        self.openings.insert((front, session.path.remote.ip(), initiator), session.id);
        self.peers.entry(session.path.peer()).or_default().insert(session.id);
    }

    pub(crate) fn unbind(&mut self, session: &Session) {
        let (front, (initiator, responder)) = (session.path.front, session.cookies);
        self.pairs.remove(&(front, initiator, responder));
        self.openings.remove(&(front, session.path.remote.ip(), initiator));
        if let Some(sessions) = self.peers.get_mut(&session.path.peer()) {
            sessions.remove(&session.id);
            if sessions.is_empty() {
                self.peers.remove(&session.path.peer());
            }
        }
    }
}
