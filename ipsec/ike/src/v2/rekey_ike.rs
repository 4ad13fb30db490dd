//! An IKE SA in place of another: RFC 7296 sections 1.3.2 and 2.18. Its children move.

use std::time::Duration;

use base::{Instant, Secret};
use crypto::dh::Group;

use super::collide::{self, Crossed};
use super::keys::{Inputs, Keys};
use super::proposal::{self, Suite};
use super::sealed::Clear;
use super::session::Session;
use super::state::{Established, State};
use super::task;
use super::wire::delete::Delete;
use super::wire::payload::{self, Chain};
use super::wire::sa::{Sa, kind};
use crate::core::{Core, Event};
use crate::engine::Ike;
use crate::error::Refusal;
use crate::event::LATE_DELETE;
use crate::notice::Blame;
use crate::session::Fate;
use crate::wire::header::Cookie;
use crate::{SessionId, session};

/// After a failed attempt.
const AGAIN: Duration = Duration::from_secs(10);

pub(crate) struct Aim {
    /// Ours, of the new IKE SA.
    spi: Cookie,
    /// The peer's rekey, done while ours was on its way.
    crossed: Option<Crossed<SessionId>>,
}

impl Aim {
    pub(super) const fn new(spi: Cookie) -> Self {
        Self { spi, crossed: None }
    }
}

/// Our SPI, what we offer, and the key exchange method to begin with: that of the IKE SA as it is.
pub(super) fn offer(session: &Session, core: &mut Core) -> Option<(Cookie, Sa, Group)> {
    let spi: Cookie = core.drbg.bytes();
    let path = session.path;
    let ours = proposal::proposals_for(&core.config.v2, path.front, path.local.ip());
    let offer = proposal::ike_offer(&ours, &spi);
    let current = session.established().map(|sa| sa.suite.group);
    let is_offered = |group: &Group| {
        let mut methods = offer.proposals.iter().flat_map(|one| one.of(kind::KEY_EXCHANGE));
        methods.any(|method| method.id == group.number())
    };
    let group = current.filter(is_offered).or_else(|| proposal::first_group(&offer))?;
    Some((spi, offer, group))
}

pub(super) fn no_proposal() -> Refusal {
    let detail = "no ikev2 policy has a proposal for this address".to_owned();
    Refusal::because(Blame::Refused, "no-ikev2-proposal", detail)
}

/// Our exchange is complete.
pub(super) fn made(
    session: &mut Session,
    core: &mut Core,
    aim: &mut Aim,
    suite: Suite,
    theirs: Cookie,
    nonces: (&[u8], &[u8]),
    shared: &[Secret],
) {
    let spis = (aim.spi, theirs);
    let Some(sa) = renewed(session, core, suite, true, shared, &Inputs { nonces, spis }) else { return };
    match aim.crossed.take() {
        Some(crossed) if crossed.beats(nonces) => {
            let ours = apart(session, core, spis, true, sa);
            let id = ours.id;
            core.events.push_back(Event::SessionAdded(ours));
            core.events.push_back(Event::SessionRedundant { id, ours: true });
            inherit(session, core, crossed.made);
        }
        crossed => {
            succeed(session, core, spis, true, sa);
            if let Some(theirs) = crossed {
                core.events.push_back(Event::SessionRedundant { id: theirs.made, ours: false });
            }
        }
    }
}

/// The peer's exchange is complete: its response is about to go out.
pub(super) fn made_by_peer(
    session: &mut Session,
    core: &mut Core,
    suite: Suite,
    spis: (Cookie, Cookie),
    nonces: (&[u8], &[u8]),
    shared: &[Secret],
) {
    let Some(sa) = renewed(session, core, suite, false, shared, &Inputs { nonces, spis }) else { return };
    if collide::our_rekey_of_ike(session).is_none() {
        return succeed(session, core, spis, false, sa);
    }
    let theirs = apart(session, core, spis, false, sa);
    if let Some(aim) = collide::our_rekey_of_ike(session) {
        aim.crossed = Some(Crossed::new(theirs.id, nonces));
    }
    core.events.push_back(Event::SessionAdded(theirs));
}

/// The peer does not do it: the one that it made meanwhile, if there is one, or once more later.
pub(super) fn refused(session: &mut Session, core: &mut Core, aim: &mut Aim) {
    match aim.crossed.take() {
        Some(crossed) => inherit(session, core, crossed.made),
        None if session.upkeep.superseded => {}
        None => {
            // Both sides may have been in each other's way: the next time not at the same moment.
            let again = core.now + core.jitter(AGAIN, 80, 160);
            session.renew_at(again);
        }
    }
}

pub(super) fn abandon(session: &mut Session, core: &mut Core, aim: &mut Aim) {
    refused(session, core, aim);
}

/// The peer deletes the old one while our own rekey of it runs: the one that it made is left.
pub(super) fn deleted(session: &mut Session, core: &mut Core) {
    let crossed = collide::our_rekey_of_ike(session).and_then(|aim| aim.crossed.take());
    if let Some(crossed) = crossed {
        inherit(session, core, crossed.made);
    }
}

/// A request on an IKE SA of the peer's that crosses ours says that it is the one which stays, unless it
/// deletes it. Before it is heard the children have to be there: the peer will repeat it.
pub(super) fn is_called(session: &mut Session, core: &mut Core, request: &Clear) -> bool {
    let Some(old) = session.upkeep.apart else { return false };
    let deletes = request.chain().is_ok_and(|chain| chain.has(payload::DELETE) && is_of_ike(&chain));
    if !deletes {
        core.events.push_back(Event::Inherited { old, new: session.id });
    }
    !deletes
}

fn is_of_ike(chain: &Chain<'_>) -> bool {
    chain.all(payload::DELETE).any(|body| Delete::decode(body) == Ok(Delete::Ike))
}

fn succeed(session: &mut Session, core: &mut Core, spis: (Cookie, Cookie), ours: bool, sa: Established) {
    let mut new = session.successor(core, spis, ours, sa);
    session.upkeep.hand_over(core, &mut new.upkeep);
    supersede(session);
    task::greet(&mut new, core);
    core.events.push_back(Event::Succeeded { old: session.id, new });
}

fn inherit(session: &mut Session, core: &mut Core, new: SessionId) {
    supersede(session);
    core.events.push_back(Event::Inherited { old: session.id, new });
}

/// Nothing is due any more but its end.
fn supersede(session: &mut Session) {
    session.upkeep.superseded = true;
    if let Some(sa) = session.established_mut() {
        sa.rekey_at = None;
    }
}

/// One that has nothing of the old one yet.
fn apart(
    session: &Session,
    core: &mut Core,
    spis: (Cookie, Cookie),
    ours: bool,
    sa: Established,
) -> Box<Session> {
    let state = State::Established(Box::new(sa));
    let mut new = Session::new(core, session.path, spis, ours, session.place.clone(), state);
    new.story = session.story.clone();
    new.home.clone_from(&session.home);
    new.upkeep.apart = Some(session.id);
    Box::new(new)
}

/// What the old one is, with new keys and a new life.
fn renewed(
    session: &Session,
    core: &mut Core,
    suite: Suite,
    initiator: bool,
    shared: &[Secret],
    inputs: &Inputs<'_>,
) -> Option<Established> {
    let old = session.established()?;
    let keys: Keys = old.keys.successor(&suite, initiator, shared, inputs);
    let (low, high) = if initiator { (85, 90) } else { (91, 95) };
    let reauthenticates = session.profile(&core.config).is_some_and(|profile| profile.reauthentication);
    // Nobody lives longer by a rekey who has to prove itself anew.
    let (expires, rekey_at): (Instant, Option<Instant>) = if reauthenticates {
        (old.expires, old.rekey_at)
    } else {
        (core.now + old.lifetime, Some(core.now + core.jitter(old.lifetime, low, high)))
    };
    Some(Established {
        keys,
        suite,
        identity: old.identity.clone(),
        own: old.own.clone(),
        authentication: old.authentication,
        peer: old.peer,
        nat: old.nat,
        since: core.now,
        expires,
        rekey_at,
        lifetime: old.lifetime,
        ppk: old.ppk,
    })
}

impl Ike {
    /// What a session was and had is now one's that is there already.
    pub(crate) fn session_inherited(&mut self, old: SessionId, new: SessionId) {
        let is_apart = |session: &session::Session| matches!(session, session::Session::V2(session) if session.upkeep.apart.is_some());
        if !self.sessions.get(&new).is_some_and(is_apart) {
            return;
        }
        let Some(session::Session::V2(from)) = self.sessions.get_mut(&old) else { return };
        supersede(from);
        let (children, tasks) = (std::mem::take(&mut from.children), std::mem::take(&mut from.tasks));
        let mut upkeep = task::Upkeep::default();
        from.upkeep.hand_over(&mut self.core, &mut upkeep);
        self.with(new, |session, core| {
            if let session::Session::V2(to) = session {
                to.children.extend(children);
                to.tasks.extend(tasks);
                to.upkeep = upkeep;
                task::greet(to, core);
            }
            Fate::Live
        });
        if let Some(session) = self.sessions.get(&new) {
            self.children.adopt(old, session);
            session.up_notice().into_iter().for_each(|notice| self.core.notice(notice));
        }
        self.retire(old, self.core.now + LATE_DELETE);
    }

    /// One of two that replace the same: its maker deletes it.
    pub(crate) fn session_redundant(&mut self, id: SessionId, ours: bool) {
        self.retire(id, self.core.now + if ours { Duration::ZERO } else { LATE_DELETE });
    }
}
