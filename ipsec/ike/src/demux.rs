//! Which session a datagram is for. Front VRF and cookies together name one; the front VRF keeps apart
//! peers that have the same address and, by chance or malice, the same cookies. In version 2 the cookies
//! are called SPIs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use base::VrfId;

use crate::session::Session;
use crate::wire::header::{Cookie, Header};
use crate::{Path, SessionId};

/// Who talks to whom: the front VRF, our address and the peer's.
pub(crate) type Peer = (VrfId, IpAddr, IpAddr);

/// Where the peer is, where it was first if that is elsewhere, and the cookies.
type Bound = (Peer, Option<Box<Peer>>, (Cookie, Cookie));

#[derive(Default)]
pub(crate) struct Demux {
    pairs: BTreeMap<(VrfId, Cookie, Cookie), SessionId>,
    /// By the initiator's cookie alone: for the peer's repeated message 1, and for the answer to ours.
    openings: BTreeMap<(VrfId, IpAddr, Cookie), SessionId>,
    peers: BTreeMap<Peer, BTreeSet<SessionId>>,
    /// Under what each session stands in the others.
    bound: BTreeMap<SessionId, Bound>,
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

    /// Cookies and path may have changed since.
    pub(crate) fn bind(&mut self, session: &Session) {
        let (id, peer, home) = (session.id(), session.path().peer(), session.home());
        let bound = (peer, (home != peer).then(|| Box::new(home)), session.cookies());
        if self.bound.get(&id) == Some(&bound) {
            return;
        }
        self.unbind(id);
        let ((front, _, remote), (initiator, responder)) = (peer, bound.2);
        self.pairs.insert((front, initiator, responder), id);
        self.openings.insert((front, remote, initiator), id);
        for peer in [peer, home] {
            self.peers.entry(peer).or_default().insert(id);
        }
        self.bound.insert(id, bound);
    }

    pub(crate) fn unbind(&mut self, id: SessionId) {
        let Some((peer @ (front, _, remote), home, (initiator, responder))) = self.bound.remove(&id) else {
            return;
        };
        let remove = |found: Option<&SessionId>| found == Some(&id);
        if remove(self.pairs.get(&(front, initiator, responder))) {
            self.pairs.remove(&(front, initiator, responder));
        }
        if remove(self.openings.get(&(front, remote, initiator))) {
            self.openings.remove(&(front, remote, initiator));
        }
        for peer in [Some(peer), home.map(|home| *home)].into_iter().flatten() {
            if self.peers.get_mut(&peer).is_some_and(|ids| ids.remove(&id) && ids.is_empty()) {
                self.peers.remove(&peer);
            }
        }
    }
}
