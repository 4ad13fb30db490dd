//! Sessions to the peers of crypto-map entries: which one serves an entry, how one is opened, and how one is
//! followed by its successor.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::admission::Direction;
use crate::config::{Entry, Version};
use crate::engine::Ike;
use crate::error::Refusal;
use crate::natt::IKE_PORT;
use crate::policy::{self, Asker, Place};
use crate::record::Story;
use crate::session::{Fate, Session};
use crate::want::Plan;
use crate::wire::id::Name;
use crate::{Path, SessionId, v1, v2};

/// After a failed attempt to replace a session.
const RENEW_AGAIN: Duration = Duration::from_secs(10);

/// Whom to open a session to.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) entry: &'a Entry,
    pub(crate) path: Path,
    /// The name by which the entry knows the peer.
    pub(crate) host: Option<&'a str>,
    /// The session to be replaced.
    pub(crate) replaces: Option<SessionId>,
}

impl Ike {
    /// A session nears its end: a new one, unless a younger one or no child is there.
    pub(crate) fn renew_session(&mut self, id: SessionId) {
        let Some(old) = self.sessions.get(&id) else { return };
        let Some(phase1) = old.established() else { return };
        let asker = old.asker();
        let younger = self.sessions_between(old.path().peer()).any(|other| {
            other.version() == old.version()
                && other.place() == old.place()
                && other.established().is_some_and(|new| new.expires > phase1.expires)
        });
        let child = self.children.of_peer(old.path().peer()).find(|child| child.is_of(old));
        let Some(child) = child.filter(|_| !younger) else { return };
        let again = (child.state.policy, child.state.selector);
        let index = self.core.index.clone();
        let mut answering = index.answering(asker.peer());
        let Some(entry) = answering.find(|entry| policy::serves(&index, entry, asker)) else { return };
        let (remote, path) = (asker.remote, old.path());
        if self.is_opening(entry, remote) {
            return;
        }
        let plan = (old.version() == Version::V2).then(|| self.plan_again(again)).flatten();
        let host = index.host_of(entry, remote);
        let target = Target { entry, path, host, replaces: Some(id) };
        if let Err(refusal) = self.open_to(target, plan) {
            self.core.refuse(Some(id), &path, &refusal);
        }
    }

    pub(crate) fn renew_again(&mut self, id: SessionId) {
        self.with(id, |session, core| {
            session.renew_at(core.now + RENEW_AGAIN);
            Fate::Live
        });
    }

    /// Opens a session. `plan`: what is wanted of it; returns the session if its opening makes that as well.
    pub(crate) fn open_to(
        &mut self,
        target: Target<'_>,
        plan: Option<Plan>,
    ) -> Result<Option<SessionId>, Refusal> {
        let Target { entry, path, host, replaces } = target;
        self.admit(Direction::Outgoing, &path)?;
        let place = Place { profile: entry.profile.clone(), inside: entry.inside };
        let mut session = match entry.version {
            Version::V1 => self.open_phase1(path, host, place)?,
            Version::V2 => Session::V2(v2::sa_init::initiate(&mut self.core, path, place, plan)?),
        };
        session.set_replaces(replaces);
        let opening = (entry.version == Version::V2).then(|| session.id());
        self.keep(session);
        Ok(opening)
    }

    fn open_phase1(&mut self, path: Path, host: Option<&str>, place: Place) -> Result<Session, Refusal> {
        let opening = v1::opening::choose(&mut self.core, &path, host, place.profile.as_deref());
        let opening = opening.inspect_err(|refusal| {
            let mut story = Story::begin(self.core.now);
            story.listen(&mut self.core);
            story.fail(refusal);
            self.core.records.keep(story.record(None, Version::V1, &path, true));
        })?;
        let session = v1::session::Session::initiate(&mut self.core, path, place, opening);
        Ok(Session::V1(Box::new(session)))
    }

    /// The youngest established session over which an entry's children can be negotiated with `peer`: if there
    /// is one, that of `whose` identity, for several peers may share an address.
    pub(crate) fn session_for(&self, entry: &Entry, peer: IpAddr, whose: Option<&Name>) -> Option<SessionId> {
        let usable = self.sessions_between((entry.front, entry.local, peer)).filter(|session| {
            session.retire_at().is_none() && policy::serves(&self.core.index, entry, session.asker())
        });
        let established = usable.filter_map(|session| {
            let sa = session.established()?;
            Some((whose == Some(sa.identity), sa.since, session.id()))
        });
        established.max().map(|(_, _, id)| id)
    }

    /// Whether an opening of ours to `peer` is under way that the entry can use.
    pub(crate) fn is_opening(&self, entry: &Entry, peer: IpAddr) -> bool {
        self.sessions_between((entry.front, entry.local, peer)).any(|session| {
            session.is_opening()
                && session.place().profile == entry.profile
                && policy::serves(&self.core.index, entry, Asker { remote: peer, ..session.asker() })
        })
    }
}

pub(crate) const fn path_to(entry: &Entry, peer: IpAddr) -> Path {
    Path {
        front: entry.front,
        local: SocketAddr::new(entry.local, IKE_PORT),
        remote: SocketAddr::new(peer, IKE_PORT),
        marker: false,
    }
}
