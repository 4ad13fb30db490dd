//! Graceful restart: what stays of a peer whose session is gone, and what we say of ourselves, RFC 3478 section 3.

use core::time::Duration;

use crate::LdpId;
use crate::engine::{Ldp, Timer};
use crate::wire::initialization::FtSession;

impl Ldp {
    /// What we say of graceful restart, RFC 3478 section 3.1: to a peer that we had a session with, that all it knows of
    /// still stands; after a start of ours nothing does.
    pub(crate) fn our_restart(&self, id: LdpId) -> Option<FtSession> {
        let restart = self.config.as_ref()?.graceful_restart?;
        let known = self.peers.get(&id).is_some_and(|peer| peer.known);
        let recovery = if known { restart.recovery } else { Duration::ZERO };
        Some(FtSession { reconnect: restart.reconnect, recovery })
    }

    /// A peer is back: what it told before its restart stays until it has had time to tell it again.
    pub(crate) fn resume(&mut self, id: LdpId) {
        let ours = self.config.as_ref().and_then(|config| config.graceful_restart);
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.stale_until.is_some()) else { return };
        let theirs = peer.session.as_ref().and_then(|session| session.restart);
        match (ours, theirs) {
            (Some(ours), Some(theirs)) if !theirs.recovery.is_zero() => {
                peer.stale_until = Some(self.now + theirs.recovery.min(ours.recovery));
                self.agenda.set(Timer::Stale(id), peer.stale_until);
            }
            _ => self.stale_expired(id),
        }
    }

    /// What a peer told in an older session and not again is no more.
    pub(crate) fn stale_expired(&mut self, id: LdpId) {
        self.agenda.set(Timer::Stale(id), None);
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.stale_until = None;
        }
        self.purge(id, None);
        self.tidy(id);
    }

    pub(crate) fn forget_stale(&mut self) {
        let stale = self.peers.iter().filter(|(_, peer)| peer.stale_until.is_some());
        let peers: Vec<LdpId> = stale.map(|(id, _)| *id).collect();
        peers.into_iter().for_each(|peer| self.stale_expired(peer));
    }
}
