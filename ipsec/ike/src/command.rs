//! What operators do to a running engine: `clear`, and a new configuration.

use std::collections::BTreeSet;
use std::sync::Arc;

use base::PolicyId;

use crate::config::Version;
use crate::engine::Ike;
use crate::index::Index;
use crate::policy;
use crate::session::Session;
use crate::{ChildId, ChildState, Config, DownReason, SessionId, Target, v1};

impl Ike {
    pub(crate) fn clear(&mut self, target: Target) {
        let children = self.children_where(|child| match target {
            Target::All | Target::Children => true,
            Target::Session(session) => child.session == Some(session),
            Target::Child(id) => child.id == id,
            Target::Peer { front, remote } | Target::PeerChildren { front, remote } => {
                child.front == front && child.remote == remote
            }
            Target::Inside(inside) => child.inside == inside,
            Target::Policy(policy) => child.policy == policy,
        });
        let sessions = self.sessions_where(|session| match target {
            Target::All => true,
            Target::Session(id) => session.id() == id,
            Target::Peer { front, remote } => {
                session.path().front == front && session.path().remote.ip() == remote
            }
            Target::Children
            | Target::Child(_)
            | Target::PeerChildren { .. }
            | Target::Inside(_)
            | Target::Policy(_) => false,
        });
        if target == Target::All {
            self.wants.clear();
        }
        self.remove(children, sessions, DownReason::Cleared);
    }

    /// Closes what the new configuration changes; everything else runs on.
    pub(crate) fn configure(&mut self, new: Arc<Config>) {
        self.core.config = new.clone();
        let mut new = Index::of(new);
        new.inherit(&self.core.index);
        let new = Arc::new(new);
        let old = std::mem::replace(&mut self.core.index, new.clone());
        let change = Change::between(&old, &new);
        let sessions = self.sessions_where(|session| !change.leaves(session));
        let mut children = self.children_where(|child| !change.entries.contains(&child.policy));
        for session in sessions.iter().filter_map(|id| self.sessions.get(id)) {
            let all = self.children.of_peer(session.path().peer());
            children.extend(all.filter(|child| child.is_of(session)).map(|child| child.state.id));
        }
        children.sort();
        children.dedup();
        self.wants.retain(|policy| change.entries.contains(&policy));
        self.remove(children, sessions, DownReason::Reconfigured);
        self.send_away(old.config());
    }

    fn remove(&mut self, mut children: Vec<ChildId>, sessions: Vec<SessionId>, reason: DownReason) {
        children.retain(|id| !self.goes_with_one_of(*id, &sessions));
        children.into_iter().for_each(|id| self.delete_child(id, reason));
        sessions.into_iter().for_each(|id| self.close(id, reason));
        self.resume_wants();
    }

    /// Of version 2: its end needs no word of its own.
    fn goes_with_one_of(&self, child: ChildId, sessions: &[SessionId]) -> bool {
        let child = self.children.find(child).filter(|child| child.version == Version::V2);
        child.and_then(|child| child.state.session).is_some_and(|session| sessions.contains(&session))
    }

    fn children_where(&self, matches: impl Fn(&ChildState) -> bool) -> Vec<ChildId> {
        self.children
            .iter()
            .map(|child| &child.state)
            .filter(|child| matches(child))
            .map(|child| child.id)
            .collect()
    }

    fn sessions_where(&self, matches: impl Fn(&Session) -> bool) -> Vec<SessionId> {
        self.sessions.values().filter(|session| matches(session)).map(Session::id).collect()
    }
}

/// One configuration after another, and what is the same in both.
struct Change<'a> {
    old: &'a Index,
    new: &'a Index,
    nothing: bool,
    entries: BTreeSet<PolicyId>,
}

impl<'a> Change<'a> {
    fn between(old: &'a Index, new: &'a Index) -> Self {
        let entries = new.config().entries.iter().filter(|entry| old.entry(entry.policy) == Some(entry));
        Self {
            old,
            new,
            nothing: old.config() == new.config(),
            entries: entries.map(|entry| entry.policy).collect(),
        }
    }

    /// Whether a session would come about as it is under the new configuration too.
    fn leaves(&self, session: &Session) -> bool {
        if session.established().is_none() {
            return self.nothing;
        }
        let is_same = match session {
            Session::V1(one) => v1::trust::is_same_under(one, self.old, self.new),
            Session::V2(one) => one.is_same_under(self.old.config(), self.new.config()),
        };
        is_same && (is_served(self.new, session) || !is_served(self.old, session))
    }
}

fn is_served(index: &Index, session: &Session) -> bool {
    let asker = session.asker();
    index.answering(asker.peer()).any(|entry| policy::serves(index, entry, asker))
}
