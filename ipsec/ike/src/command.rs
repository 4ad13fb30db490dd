//! What operators do to a running engine: `clear`, and a new configuration.

use std::collections::BTreeSet;
use std::sync::Arc;

use base::PolicyId;

use crate::engine::Ike;
use crate::index::Index;
use crate::policy;
use crate::v1::session::Session;
use crate::wire::id::Name;
use crate::{ChildId, ChildState, Config, DownReason, SessionId, Target};

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
            Target::Session(id) => session.id == id,
            Target::Peer { front, remote } => {
                session.path.front == front && session.path.remote.ip() == remote
            }
            Target::Children
            | Target::Child(_)
            | Target::PeerChildren { .. }
            | Target::Inside(_)
            | Target::Policy(_) => false,
        });
        if target == Target::All {
            self.wants.retain(|_| false);
        }
        self.remove(children, sessions, DownReason::Cleared);
    }

    /// Closes what the new configuration changes; everything else runs on.
    pub(crate) fn configure(&mut self, new: Arc<Config>) {
        self.core.config = new.clone();
        let new = Arc::new(Index::of(new));
        let old = std::mem::replace(&mut self.core.index, new.clone());
        let change = Change::between(&old, &new);
        let sessions = self.sessions_where(|session| !change.leaves(session));
        let mut children = self.children_where(|child| !change.entries.contains(&child.policy));
        for session in sessions.iter().filter_map(|id| self.sessions.get(id)) {
            let all = self.children.of_peer(session.path.peer());
            children.extend(all.filter(|child| child.is_of(session)).map(|child| child.state.id));
        }
        children.sort();
        children.dedup();
        self.wants.retain(|policy| change.entries.contains(&policy));
        self.remove(children, sessions, DownReason::Reconfigured);
    }

    fn remove(&mut self, children: Vec<ChildId>, sessions: Vec<SessionId>, reason: DownReason) {
        children.into_iter().for_each(|id| self.delete_child(id, reason));
        sessions.into_iter().for_each(|id| self.close(id, reason));
        self.resume_wants();
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
        self.sessions.values().filter(|session| matches(session)).map(|session| session.id).collect()
    }
}

/// One configuration after another, and what is the same in both.
struct Change<'a> {
    old: &'a Index,
    new: &'a Index,
    nothing: bool,
    entries: BTreeSet<PolicyId>,
    profiles: BTreeSet<&'a str>,
}

impl<'a> Change<'a> {
    fn between(old: &'a Index, new: &'a Index) -> Self {
        let (entries, profiles) = (new.config().entries.iter(), new.config().profiles.iter());
        let entries = entries.filter(|entry| old.entry(entry.policy) == Some(entry));
        let profiles = profiles.filter(|profile| old.profile(&profile.name) == Some(profile));
        Self {
            old,
            new,
            nothing: old.config() == new.config(),
            entries: entries.map(|entry| entry.policy).collect(),
            profiles: profiles.map(|profile| profile.name.as_str()).collect(),
        }
    }

    /// Whether a session would come about as it is under the new configuration too.
    fn leaves(&self, session: &Session) -> bool {
        let Some(phase1) = session.established() else { return self.nothing };
        let (front, remote) = (session.path.front, session.path.remote.ip());
        let profile = session.place.profile.as_deref();
        let key = if session.initiator {
            policy::key_for_initiator(self.new, front, remote, profile)
        } else {
            policy::key_for_responder(self.new, front, remote)
        };
        key.as_ref() == Some(&phase1.key)
            && profile.is_none_or(|name| self.profiles.contains(name))
            && (is_served(self.new, session) || !is_served(self.old, session))
            && (session.initiator || is_still_placed(session, &phase1.identity, self.new))
    }
}

fn is_served(index: &Index, session: &Session) -> bool {
    let asker = session.asker();
    index.naming(asker.peer()).any(|entry| policy::serves(entry, asker))
}

fn is_still_placed(session: &Session, identity: &Name, index: &Index) -> bool {
    let front = session.path.front;
    let Some(ring) = session.established().map(|phase1| &phase1.key.ring) else { return false };
    let settled = policy::settle(index, front, ring, identity);
    settled.is_ok_and(|profile| {
        profile.map(|profile| &profile.name) == session.place.profile.as_ref()
            && profile.and_then(|profile| profile.inside).unwrap_or(front) == session.place.inside
    })
}
