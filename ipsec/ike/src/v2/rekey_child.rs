//! A child in place of another: what a rekey says beside a new child, and what becomes of both
//! (RFC 7296 sections 1.3.3 and 2.8).

use base::{PolicyId, Secret, Spi};
use ipsec::Selector;

use super::child::{self, Agreed};
use super::collide::{self, Crossed};
use super::create_child::{self, ChildAim, Initiator};
use super::session::{ChildRef, Life, Session};
use super::task::{Denial, Task};
use super::wire::notify::{self, Notify};
use super::wire::payload::{self, Builder, Chain};
use crate::core::{Core, Event, WantId};
use crate::error::Refusal;
use crate::{Child, ChildId, DownReason};

/// Our rekey of a child, unless it is on its way out.
pub(crate) fn initiate(session: &Session, child: ChildId) -> Option<Initiator> {
    let known = session.children.iter().find(|known| known.id == child && known.life == Life::Up)?;
    Some(Initiator::new(create_child::Aim::Child(ChildAim {
        policy: known.policy,
        selector: known.selector,
        want: None,
        replaces: Some(child),
        spi: None,
        crossed: None,
        gone: Vec::new(),
    })))
}

/// Says which child the new one replaces, by the SPI on which we receive.
pub(super) fn announce(chain: &mut Builder, session: &Session, aim: &ChildAim) {
    let old = session.children.iter().find(|child| Some(child.id) == aim.replaces);
    if let Some(old) = old {
        chain.push(payload::NOTIFY, &Notify::of_child(notify::REKEY_SA, old.spi_in.0).encode());
    }
}

/// The child that the peer wants to replace, by the SPI on which it receives.
pub(super) fn rekeyed(chain: &Chain<'_>) -> Result<Option<Spi>, Denial> {
    match chain.notify(notify::REKEY_SA) {
        Some(notify) => match notify.esp_spi() {
            Some(spi) => Ok(Some(Spi(spi))),
            None => Err(Refusal::ignored("bad-rekey-spi").into()),
        },
        None => Ok(None),
    }
}

/// Our exchange is complete.
pub(super) fn made(
    session: &mut Session,
    core: &mut Core,
    aim: &mut ChildAim,
    agreed: &Agreed,
    nonces: (&[u8], &[u8]),
    shared: &[Secret],
) {
    if aim.gone.contains(&agreed.spi_out) {
        return abandon(session, core, aim, false);
    }
    let Some(spi) = aim.spi.take() else { return };
    let old = session.children.iter().find(|child| Some(child.id) == aim.replaces).map(|old| old.id);
    let crossed = aim.crossed.take();
    if crossed.as_ref().is_some_and(|theirs| theirs.beats(nonces)) {
        mark(session, old, Life::Replaced);
        core.release(spi);
        aim.want.take().into_iter().for_each(|want| core.events.push_back(Event::Fulfilled(want)));
        return session.tasks.push_back(Task::delete_children(vec![spi]));
    }
    let Some(sa) = session.established() else { return core.release(spi) };
    let keys = sa.keys.child(agreed.terms.suite, shared, nonces);
    let child = child::make(session, core, agreed, spi, keys, true);
    install(session, core, child, old, aim.want.take());
    if let Some(theirs) = crossed {
        mark(session, Some(theirs.made), Life::Replaced);
        core.events.push_back(Event::ChildRedundant(theirs.made));
    }
    if let Some(old) = mark(session, old, Life::Leaving) {
        session.tasks.push_front(Task::Retire(old));
    }
}

/// The peer's exchange is complete: its response is about to go out.
pub(super) fn made_by_peer(
    session: &mut Session,
    core: &mut Core,
    replaces: Option<ChildId>,
    agreed: &Agreed,
    spi: Spi,
    nonces: (&[u8], &[u8]),
    shared: &[Secret],
) {
    let Some(sa) = session.established() else { return core.release(spi) };
    let keys = sa.keys.child(agreed.terms.suite, shared, nonces);
    let child = child::make(session, core, agreed, spi, keys, false);
    let (id, same) = (child.id, like(session, agreed.policy, &agreed.selector));
    install(session, core, child, replaces.or(same), None);
    match (collide::ours_like(session, agreed.policy, &agreed.selector, replaces), replaces) {
        (Some(crossed), _) => *crossed = Some(Crossed::new(id, nonces)),
        (None, Some(_)) => drop(mark(session, replaces, Life::Replaced)),
        (None, None) => {}
    }
}

/// The child that carries the same.
pub(super) fn like(session: &Session, policy: PolicyId, selector: &Selector) -> Option<ChildId> {
    let is_like = |child: &&ChildRef| child.policy == policy && child.selector == *selector;
    let mut all = session.children.iter().filter(is_like);
    all.find(|child| child.life == Life::Up).map(|child| child.id)
}

/// Whether the peer has made meanwhile what somebody here wants.
pub(super) fn is_fulfilled(session: &Session, core: &mut Core, aim: &mut ChildAim) -> bool {
    if aim.replaces.is_some() || like(session, aim.policy, &aim.selector).is_none() {
        return false;
    }
    aim.spi.take().into_iter().for_each(|spi| core.release(spi));
    aim.want.take().into_iter().for_each(|want| core.events.push_back(Event::Fulfilled(want)));
    true
}

/// The peer does not replace the child, or does not make it.
pub(super) fn refused(session: &mut Session, core: &mut Core, aim: &mut ChildAim, kind: u16) {
    let old = aim.replaces.filter(|id| session.children.iter().any(|child| child.id == *id));
    match (old, kind) {
        (Some(id), notify::CHILD_SA_NOT_FOUND) if aim.crossed.is_none() => {
            // The peer has lost it: a new one takes its place.
            session.children.retain(|child| child.id != id);
            core.events.push_back(Event::ChildGone(id, DownReason::PeerDeleted));
            let again = again(aim, None);
            session.tasks.push_back(again);
            aim.replaces = None;
        }
        (None, notify::TEMPORARY_FAILURE) if let Some(want) = aim.want.take() => {
            let again = again(aim, Some(want));
            session.upkeep.defer(core, again);
        }
        _ => {}
    }
    abandon(session, core, aim, false);
}

/// It ends without a child: gives back what it holds and tells whoever waits for it.
pub(super) fn abandon(session: &mut Session, core: &mut Core, aim: &mut ChildAim, silent: bool) {
    aim.spi.take().into_iter().for_each(|spi| core.release(spi));
    if let Some(want) = aim.want.take() {
        core.events.push_back(Event::NegotiationFailed { session: session.id, want, silent });
    }
    let Some(old) = aim.replaces else { return };
    if aim.crossed.take().is_some() {
        mark(session, Some(old), Life::Replaced);
    } else {
        core.events.push_back(Event::RekeyFailed(old));
    }
}

/// The same child from the beginning, in nobody's place.
fn again(aim: &ChildAim, want: Option<WantId>) -> Task {
    let ChildAim { policy, selector, .. } = *aim;
    let (replaces, spi, crossed, gone) = (None, None, None, Vec::new());
    let aim = ChildAim { policy, selector, want, replaces, spi, crossed, gone };
    Task::Create(Box::new(Initiator::new(create_child::Aim::Child(aim))))
}

fn mark(session: &mut Session, id: Option<ChildId>, life: Life) -> Option<ChildRef> {
    let child = session.children.iter_mut().find(|child| Some(child.id) == id)?;
    child.life = life;
    Some(*child)
}

/// The child is there: the session has one more, and everybody hears of it.
pub(crate) fn install(
    session: &mut Session,
    core: &mut Core,
    child: Box<Child>,
    replaces: Option<ChildId>,
    want: Option<WantId>,
) {
    session.add_child(&child);
    core.events.push_back(Event::ChildMade { child, replaces, want });
}
