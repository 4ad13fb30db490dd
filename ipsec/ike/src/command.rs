//! What operators do to a running engine: `clear`, and a new configuration.

use std::sync::Arc;

use crate::config::Entry;
use crate::engine::Ike;
use crate::policy::{self, Asker, Entries};
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
        let old = std::mem::replace(&mut self.core.config, new.clone());
        let index = Arc::new(Entries::of(&new));
        let before = std::mem::replace(&mut self.core.entries, index.clone());
        let unchanged = |policy| {
            let now = index.find(&new, policy);
            now.is_some() && before.find(&old, policy) == now
        };
        let served = |asker: Asker<'_>| {
            let serves = |entry: &Entry| policy::serves(entry, asker);
            index.naming(&new, asker.peer()).any(serves) || !before.naming(&old, asker.peer()).any(serves)
        };
        let sessions = self.sessions_where(|session| !is_still_right(session, &old, &new, served));
        let lost =
            |child: &ChildState| !unchanged(child.policy) || sessions.iter().any(|id| self.made(*id, child));
        let children = self.children_where(lost);
        self.wants.retain(unchanged);
        self.remove(children, sessions, DownReason::Reconfigured);
    }

    /// Whether `child` is with the peer of this session, whose key or profile is not what it was.
    fn made(&self, id: SessionId, child: &ChildState) -> bool {
        let session = self.sessions.get(&id);
        let installed = self.children.find(child.id);
        session.zip(installed).is_some_and(|(session, child)| child.is_of(session))
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

/// Whether a session would come about as it is under the new configuration too.
fn is_still_right(session: &Session, old: &Config, new: &Config, served: impl Fn(Asker<'_>) -> bool) -> bool {
    let Some(phase1) = session.established() else { return old == new };
    let (front, remote) = (session.path.front, session.path.remote.ip());
    let profile = session.place.profile.as_deref();
    let key = if session.initiator {
        policy::key_for_initiator(new, front, remote, profile)
    } else {
        policy::key_for_responder(new, front, remote)
    };
    let definition = |config: &Config| profile.and_then(|name| policy::find_profile(config, name).cloned());
    key.as_ref() == Some(&phase1.key)
        && definition(old) == definition(new)
        && served(session.asker())
        && (session.initiator || is_still_placed(session, &phase1.identity, new))
}

fn is_still_placed(session: &Session, identity: &Name, config: &Config) -> bool {
    let front = session.path.front;
    let Some(ring) = session.established().map(|phase1| &phase1.key.ring) else { return false };
    let settled = policy::settle(config, front, ring, identity);
    settled.is_ok_and(|profile| {
        profile.map(|profile| &profile.name) == session.place.profile.as_ref()
            && profile.and_then(|profile| profile.inside).unwrap_or(front) == session.place.inside
    })
}
