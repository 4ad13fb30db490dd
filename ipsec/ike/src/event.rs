//! What sessions have to tell, and what follows from it for other sessions, for children and for those who want one.

use std::time::Duration;

use base::Instant;

use crate::config::Version;
use crate::core::Event;
use crate::engine::Ike;
use crate::session::{Fate, Session};
use crate::v2;
use crate::{Child, ChildId, DownReason, SessionId};

/// How long the old session outlives its successor.
pub(crate) const SESSION_GRACE: Duration = Duration::from_secs(10);

/// Within this time after a rekey the peer deletes the old session; otherwise we do.
pub(crate) const LATE_DELETE: Duration = Duration::from_secs(60);

impl Ike {
    /// Lets every consequence of what happened happen.
    pub(crate) fn settle(&mut self) {
        while let Some(event) = self.core.events.pop_front() {
            match event {
                Event::Established(id) => self.established(id),
                Event::Doubt(id) => self.doubt(id),
                Event::PeerDead(id) => self.peer_dead(id),
                Event::RekeyDue(id) => self.renew_session(id),
                Event::InitialContact(id) => self.initial_contact(id),
                Event::ChildrenDeleted(id, spis) => self.children_deleted(id, &spis),
                Event::Moved(id, from) => self.session_moved(id, from),
                Event::SessionDeleted(id) => self.close(id, DownReason::PeerDeleted),
                Event::ChildReady { child, want } => {
                    want.into_iter().for_each(|want| self.wants.fulfil(want));
                    self.child_ready(child);
                }
                Event::ChildConfirmed(id) => self.children.promote(&mut self.core, id),
                Event::ChildAborted(id) => self.drop_child(id, DownReason::PeerSilent),
                Event::ChildMade { child, replaces, want } => {
                    want.into_iter().for_each(|want| self.wants.fulfil(want));
                    self.child_made(child, replaces);
                }
                Event::ChildGone(id, reason) => self.drop_child(id, reason),
                Event::RekeyFailed(id) => self.children.rekey_again(id, self.core.now),
                Event::Succeeded { old, new } => self.succeeded(old, new),
                Event::SessionAdded(new) => self.keep(Session::V2(new)),
                Event::SessionRedundant { id, ours } => self.session_redundant(id, ours),
                Event::Inherited { old, new } => self.session_inherited(old, new),
                Event::Fulfilled(want) => self.wants.fulfil(want),
                Event::ChildRedundant(id) => self.children.redundant(id),
                Event::Relocated(id) => self.session_relocated(id),
                Event::NegotiationFailed { session, want, silent } => {
                    self.negotiation_failed(session, want, silent);
                }
            }
        }
    }

    fn child_ready(&mut self, child: Box<Child>) {
        let Some(session) = self.sessions.get(&child.session) else { return self.core.release(child.spi_in) };
        if self.is_welcome(&child, session) {
            return self.children.ready(&mut self.core, child, session);
        }
        self.core.release(child.spi_in);
        self.with(child.session, |session, core| {
            session.delete_children(core, &[child.spi_in]);
            Fate::Live
        });
    }

    fn child_made(&mut self, child: Box<Child>, replaces: Option<ChildId>) {
        let welcome = self.sessions.get(&child.session).filter(|session| self.is_welcome(&child, session));
        let Some(session) = welcome else { return self.child_ready(child) };
        let goes = if replaces.is_none() { self.crossing(&child) } else { None };
        let asking = if child.initiator { Vec::new() } else { self.asking_for(&child) };
        if goes.is_some_and(|(id, _)| id == child.session) {
            self.children.made_in_vain(&mut self.core, child, session);
        } else {
            self.children.made(&mut self.core, child, replaces, session);
        }
        goes.into_iter().for_each(|goes| self.give_way(goes));
        asking.into_iter().for_each(|session| self.stop_asking(session));
    }

    /// A session of version 2 was rekeyed: its children are the new one's. Who rekeyed deletes the old one.
    fn succeeded(&mut self, old: SessionId, new: Box<v2::session::Session>) {
        let (id, ours) = (new.id, new.initiator);
        self.keep(Session::V2(new));
        let Some(session) = self.sessions.get(&id) else { return };
        self.children.adopt(old, session);
        session.up_notice().into_iter().for_each(|notice| self.core.notice(notice));
        let end = self.core.now + if ours { Duration::ZERO } else { LATE_DELETE };
        self.retire(old, end);
    }

    pub(crate) fn retire(&mut self, id: SessionId, at: Instant) {
        self.with(id, |session, _| {
            session.retire(at);
            Fate::Live
        });
    }

    fn established(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let (replaces, notice) = (session.replaces(), session.up_notice());
        notice.into_iter().for_each(|notice| self.core.notice(notice));
        self.with(id, |session, core| {
            session.greet(core);
            Fate::Live
        });
        if let Some(old) = replaces {
            self.retire(old, self.core.now + SESSION_GRACE);
            self.remake_children(old);
        }
        self.serve_wants(id);
    }

    /// The peer lost its memory: what it had with us before this session began is gone (VRF-24).
    fn initial_contact(&mut self, id: SessionId) {
        let Some(fresh) = self.sessions.get(&id) else { return };
        let Some(identity) = fresh.established().map(|phase1| phase1.identity.clone()) else { return };
        let (path, since, port) = (fresh.path(), fresh.created(), fresh.path().remote.port());
        let of_peer = self.children.of_peer(path.peer()).filter(|child| child.version == Version::V1);
        let gone = of_peer.filter(|child| {
            (child.identity == identity || child.port == port) && child.state.installed < since
        });
        let gone: Vec<ChildId> = gone.map(|child| child.state.id).collect();
        let sessions = self.sessions_between(path.peer()).filter(|other| {
            other.id() != id
                && other.established().is_some_and(|sa| {
                    sa.since < since && (*sa.identity == identity || other.path().remote.port() == port)
                })
        });
        let sessions: Vec<SessionId> = sessions.map(Session::id).collect();
        gone.into_iter().for_each(|child| self.drop_child(child, DownReason::InitialContact));
        sessions.into_iter().for_each(|session| self.close(session, DownReason::InitialContact));
    }

    fn children_deleted(&mut self, id: SessionId, spis: &[u32]) {
        let Some(session) = self.sessions.get(&id) else { return };
        let gone = self.children.of_peer(session.path().peer()).filter(|child| child.is_of(session));
        let gone: Vec<ChildId> =
            gone.filter(|child| spis.contains(&child.state.spi_out.0)).map(|child| child.state.id).collect();
        gone.into_iter().for_each(|child| self.drop_child(child, DownReason::PeerDeleted));
    }
}
