//! What both sides want at once: every rule of RFC 7296 sections 2.8 and 2.25, and the one that it lacks.
//!
//! | the peer asks to …   | while we …                            | it gets                              |
//! |----------------------|---------------------------------------|--------------------------------------|
//! | make a child         | rekey or have rekeyed the IKE SA      | TEMPORARY_FAILURE                    |
//! | rekey a child        | delete it, or the peer replaced it    | TEMPORARY_FAILURE                    |
//! | rekey a child        | do not know it                        | CHILD_SA_NOT_FOUND                   |
//! | rekey or delete one  | wait for the response that makes it   | TEMPORARY_FAILURE; it is gone then   |
//! | rekey a child        | rekey it too                          | its child; then the nonces decide    |
//! | make a child         | make one for the same selector        | its child; then the nonces decide    |
//! | delete a child       | delete it too                         | a response without it                |
//! | delete a child       | rekey it                              | its delete; ours stands alone        |
//! | rekey the IKE SA     | make, rekey or delete a child         | TEMPORARY_FAILURE                    |
//! | rekey the IKE SA     | rekey it too                          | its IKE SA; then the nonces decide   |
//! | delete the IKE SA    | do anything                           | its delete                           |
//! | open an IKE SA       | open one with the same first child    | its IKE SA; then the SPIs decide     |
//!
//! Of two SAs that replace the same one, that with the lowest of the four nonces goes, by a delete of the side
//! that made it. The other side's initiator deletes what both replace. Of two IKE SAs that both sides opened at once
//! for the same traffic that with the lower SPI of its initiator goes: by a delete of that side, or of ours in the end.

use base::{PolicyId, Spi};
use crypto::dh::Group;
use ipsec::Selector;

use super::create_child::{Aim, Initiator};
use super::session::{ChildRef, Life, Session};
use super::task::{Denial, Task};
use super::wire::notify::{CHILD_SA_NOT_FOUND, INVALID_KE_PAYLOAD, Notify, TEMPORARY_FAILURE};
use crate::engine::Ike;
use crate::error::Refusal;
use crate::event::{LATE_DELETE, SESSION_GRACE};
use crate::session;
use crate::want::Plan;
use crate::{Child, ChildId, SessionId};

/// A rekey of the peer's that was complete while ours of the same SA was on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Crossed<T> {
    /// What it made.
    pub(crate) made: T,
    /// The lower of its nonces.
    lowest: Vec<u8>,
}

impl<T> Crossed<T> {
    pub(crate) fn new(made: T, nonces: (&[u8], &[u8])) -> Self {
        Self { made, lowest: lowest(nonces).to_vec() }
    }

    /// Whether ours, of these nonces, is the one that goes.
    pub(crate) fn beats(&self, ours: (&[u8], &[u8])) -> bool {
        lowest(ours) < self.lowest.as_slice()
    }
}

/// Nonces compare byte by byte; of one that begins the other the shorter is lower.
fn lowest<'a>((initiator, responder): (&'a [u8], &'a [u8])) -> &'a [u8] {
    initiator.min(responder)
}

/// Whether the peer may have a child now; with `rekeyed`, its inbound SPI, in place of that one.
pub(crate) fn admit_child(session: &Session, rekeyed: Option<Spi>) -> Result<Option<ChildRef>, Denial> {
    if session.upkeep.superseded || is_rekeying_ike(session) {
        return Err(later("child-while-ike-is-rekeyed"));
    }
    let Some(spi) = rekeyed else { return Ok(None) };
    let known = session.children.iter().find(|child| child.spi_out == spi);
    let child = known.ok_or_else(|| match is_making_child(session) {
        // It may be the one whose response has not come.
        true => later("rekey-of-a-child-in-the-making"),
        false => unknown(spi),
    })?;
    match child.life {
        Life::Up => Ok(Some(*child)),
        Life::Replaced | Life::Leaving => Err(later("rekey-of-a-leaving-child")),
    }
}

/// As above, once its response could be sent.
pub(crate) fn still_admits_child(session: &Session, replaces: Option<ChildId>) -> Result<(), Denial> {
    let Some(id) = replaces else { return admit_child(session, None).map(drop) };
    let known = session.children.iter().find(|child| child.id == id);
    let spi = known.map(|child| child.spi_out).ok_or_else(|| later("rekey-of-a-leaving-child"))?;
    admit_child(session, Some(spi)).map(drop)
}

/// Whether the peer may rekey the IKE SA now.
pub(crate) fn admit_ike(session: &Session) -> Result<(), Denial> {
    let busy = match &session.task {
        Some(Task::Create(ours)) => matches!(ours.aim, Aim::Child(_)),
        Some(Task::DeleteChildren(_) | Task::Retire(_)) => true,
        Some(Task::RekeyChild(_) | Task::RekeyIke | Task::Liveness | Task::Route(_) | Task::Redirect(_))
        | None => false,
    };
    if busy || session.upkeep.superseded || !session.pending.is_empty() {
        return Err(later("ike-rekey-while-busy"));
    }
    Ok(())
}

/// Our rekey of the same child, or what we make for the same selector, if the peer may be at work for it.
pub(crate) fn ours_like<'a>(
    session: &'a mut Session,
    policy: PolicyId,
    selector: &Selector,
    replaces: Option<ChildId>,
) -> Option<&'a mut Option<Crossed<ChildId>>> {
    let Aim::Child(aim) = session.task.as_mut().and_then(out)? else { return None };
    let is_like = replaces.is_some() || aim.policy == policy && aim.selector == *selector;
    (aim.replaces == replaces && is_like).then_some(&mut aim.crossed)
}

/// Our rekey of the IKE SA, if the peer may be at work for it.
pub(crate) fn our_rekey_of_ike(session: &mut Session) -> Option<&mut super::rekey_ike::Aim> {
    match session.task.as_mut().and_then(out)? {
        Aim::Ike(aim) => Some(aim),
        Aim::Child(_) => None,
    }
}

/// The peer shall come back with a value of this group.
pub(crate) fn wanting(group: Group) -> Denial {
    let notify = Notify::new(INVALID_KE_PAYLOAD, group.number().to_be_bytes().to_vec());
    Denial { refusal: Refusal::ignored("another-group-wanted"), notify }
}

fn out(task: &mut Task) -> Option<&mut Aim> {
    match task {
        Task::Create(ours) if ours.is_out() => Some(&mut ours.aim),
        Task::Create(_)
        | Task::RekeyChild(_)
        | Task::RekeyIke
        | Task::DeleteChildren(_)
        | Task::Retire(_)
        | Task::Liveness
        | Task::Route(_)
        | Task::Redirect(_) => None,
    }
}

fn is_making_child(session: &Session) -> bool {
    let is_child = |ours: &Initiator| matches!(ours.aim, Aim::Child(_)) && ours.is_out();
    matches!(&session.task, Some(Task::Create(ours)) if is_child(ours))
}

/// The peer deletes what we do not know: it may be the child whose response has not come.
pub(crate) fn unknown_deleted(session: &mut Session, spis: Vec<Spi>) {
    if let Some(Aim::Child(aim)) = session.task.as_mut().and_then(out) {
        aim.gone.extend(spis);
    }
}

fn is_rekeying_ike(session: &Session) -> bool {
    let is_ike = |ours: &Initiator| matches!(ours.aim, Aim::Ike(_)) && ours.is_out();
    matches!(&session.task, Some(Task::Create(ours)) if is_ike(ours))
}

fn later(what: &'static str) -> Denial {
    Denial { refusal: Refusal::ignored(what), notify: Notify::new(TEMPORARY_FAILURE, Vec::new()) }
}

fn unknown(spi: Spi) -> Denial {
    let notify = Notify::of_child(CHILD_SA_NOT_FOUND, spi.0);
    Denial { refusal: Refusal::ignored("rekey-of-an-unknown-child"), notify }
}

/// Which of two goes, if the peer opened one while we opened the other.
fn loser(one: &session::Session, other: &session::Session) -> Option<(SessionId, bool)> {
    let since = |session: &session::Session| session.established().map(|sa| sa.since);
    let (late, early) = if since(one) < since(other) { (other, one) } else { (one, other) };
    let crossed = one.initiator() != other.initiator() && Some(late.created()) <= since(early);
    let goes = if one.cookies().0 < other.cookies().0 { one } else { other };
    crossed.then_some((goes.id(), goes.initiator()))
}

impl Ike {
    /// The IKE SA that goes, and whether that is ours, because another one's child carries what this first child of its
    /// own would.
    pub(crate) fn crossing(&self, child: &Child) -> Option<(SessionId, bool)> {
        let carrying = self.children.carrying(child.policy, &child.selector)?;
        let other = self.sessions.get(&self.children.find(carrying)?.state.session?)?;
        let session = self.sessions.get(&child.session).filter(|session| session.id() != other.id())?;
        let are_first =
            [session, other].iter().all(|one| one.children().len() == 1 && one.replaces().is_none());
        loser(session, other).filter(|_| are_first)
    }

    /// IKE SAs of ours that have no answer yet and are to have a first child like this one of the peer's.
    pub(crate) fn asking_for(&self, child: &Child) -> Vec<SessionId> {
        let is_like = |plan: &Plan| (plan.entry.policy, plan.selector) == (child.policy, child.selector);
        let between = self.sessions_between((child.front, child.local, child.remote));
        let asking = between.filter_map(|session| match session {
            session::Session::V2(one) if one.initiator && one.secured().is_none() => Some(one),
            session::Session::V1(_) | session::Session::V2(_) => None,
        });
        let asking = asking.filter(|one| one.replaces.is_none() && one.plan().is_some_and(is_like));
        asking.map(|one| one.id).collect()
    }

    /// The peer's opening serves as well. So both sides agree on what crossed: what was opened before the other side's
    /// was up has been answered by then, or never comes up.
    pub(crate) fn stop_asking(&mut self, id: SessionId) {
        let Some(mut session) = self.sessions.remove(&id) else { return };
        session.take_want().into_iter().for_each(|want| self.wants.fulfil(want));
        self.forget(session);
    }

    /// It goes once nothing is on its way any more.
    pub(crate) fn give_way(&mut self, (id, ours): (SessionId, bool)) {
        self.retire(id, self.core.now + if ours { SESSION_GRACE } else { LATE_DELETE });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_of_four_nonces_loses_whoever_drew_it() {
        let theirs = Crossed::new((), (&[5, 0], &[7]));
        assert!(theirs.beats((&[9], &[4])), "ours has the lowest");
        assert!(theirs.beats((&[5], &[9])), "the beginning of another is lower");
        assert!(!theirs.beats((&[6], &[8])), "theirs has the lowest");
    }
}
