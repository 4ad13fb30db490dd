//! Children of version 2: each belongs to one IKE SA, moves to its successor and ends with it (RFC 7296
//! section 1.3).

use ipsec::Encap;

use super::{Children, GRACE, Installed, record};
use crate::config::Version;
use crate::core::Core;
use crate::session::Session;
use crate::{Child, ChildId, Endpoints, Output, SessionId, Stage};

impl Children {
    /// A child of version 2 is there, and carries traffic at once, unless the peer made it to replace
    /// `replaces`: then it does when that one is deleted.
    pub(crate) fn made(
        &mut self,
        core: &mut Core,
        child: Box<Child>,
        replaces: Option<ChildId>,
        session: &Session,
    ) {
        let (id, replaces) = (child.id, replaces.filter(|old| self.installed.contains_key(old)));
        let waits = !child.initiator && replaces.is_some();
        if waits {
            core.out.push_back(Output::ChildReady(child.clone()));
        }
        let mut installed = record(core, child, session);
        installed.replaces = replaces;
        installed.inherit(replaces.and_then(|old| self.find(old)));
        installed.promote_at = waits.then(|| core.now + GRACE);
        self.file(installed);
        if waits {
            self.plan(id);
        } else {
            self.switch(core, id);
        }
    }

    /// A child of version 2 is there, but another one carries its traffic and shall go on to: it only receives.
    pub(crate) fn made_in_vain(&mut self, core: &mut Core, child: Box<Child>, session: &Session) {
        let id = child.id;
        core.out.push_back(Output::ChildReady(child.clone()));
        let installed = record(core, child, session);
        self.file(installed);
        self.redundant(id);
    }

    /// Of version 2: from now on this one carries the traffic.
    pub(super) fn switch(&mut self, core: &mut Core, id: ChildId) {
        let Some(child) = self.installed.get(&id) else { return };
        let named = child.replaces.filter(|old| self.find(*old).is_some_and(Installed::is_up));
        let before = named.or_else(|| self.carrying(child.state.policy, &child.state.selector));
        let Some(child) = self.installed.get_mut(&id) else { return };
        let Some(new) = child.pending.take() else { return };
        let initiator = new.initiator;
        (child.state.stage, child.promote_at) = (Stage::Up, None);
        core.out.push_back(match before {
            Some(old) => Output::ChildReplaced { old, new },
            None => Output::ChildUp(new),
        });
        self.plan(id);
        if let Some(old) = before {
            // What the peer replaces without a word and we made, we delete.
            let is_ours = self.find(old).is_some_and(|old| old.state.initiator);
            self.supersede(old, (is_ours && !initiator).then_some(core.now));
        }
    }

    /// One that waits to carry the traffic of `id`, which goes.
    pub(super) fn heir(&self, id: ChildId) -> Option<ChildId> {
        let gone = self.find(id).filter(|gone| gone.version == Version::V2)?;
        let heirs = self.of_peer(gone.peer()).filter(|child| child.pending.is_some());
        let mut heirs = heirs.filter(|child| {
            let carries_same =
                (child.state.policy, child.state.selector) == (gone.state.policy, gone.state.selector);
            child.replaces == Some(id) || (gone.is_up() && carries_same)
        });
        heirs.find(|child| child.state.id != id).map(|child| child.state.id)
    }

    /// Of version 2: another one carries the traffic of the one that this was to replace; it only receives
    /// until its maker deletes it.
    pub(crate) fn redundant(&mut self, id: ChildId) {
        if let Some(child) = self.installed.get_mut(&id) {
            (child.pending, child.replaces, child.promote_at) = (None, None, None);
        }
        self.supersede(id, None);
    }

    /// Those of a session of version 2.
    pub(crate) fn of_session(&self, session: &Session) -> impl Iterator<Item = ChildId> {
        let id = Some(session.id());
        let all = session.children().into_iter();
        all.filter(move |child| self.find(*child).is_some_and(|child| child.state.session == id))
    }

    /// The children of one session of version 2 are another's now.
    pub(crate) fn adopt(&mut self, old: SessionId, new: &Session) {
        for id in new.children() {
            let Some(child) = self.installed.get_mut(&id) else { continue };
            if child.state.session == Some(old) {
                child.state.session = Some(new.id());
                child.pending.iter_mut().for_each(|pending| pending.session = new.id());
            }
        }
    }

    /// A session of version 2 is at another path now: so are its children.
    pub(crate) fn relocate(&mut self, core: &mut Core, session: &Session) {
        let (path, nat) = (session.path(), session.nat());
        let encap = if path.marker && nat.any() {
            Encap::Udp { local: path.local.port(), remote: path.remote.port() }
        } else {
            Encap::Esp
        };
        let endpoints = Endpoints { local: path.local.ip(), remote: path.remote.ip(), encap };
        for id in session.children() {
            let Some(child) = self.installed.get_mut(&id) else { continue };
            self.by_peer.remove(&(child.peer(), id));
            (child.state.local, child.state.remote) = (endpoints.local, endpoints.remote);
            (child.state.encap, child.port) = (encap, path.remote.port());
            child.is_behind_nat = nat.remote;
            if let Some(pending) = &mut child.pending {
                (pending.local, pending.remote) = (endpoints.local, endpoints.remote);
                pending.encap = encap;
            }
            self.by_peer.insert((child.peer(), id));
            core.out.push_back(Output::ChildMoved(id, endpoints));
        }
    }
}
