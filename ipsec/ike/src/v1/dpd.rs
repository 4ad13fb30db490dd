//! Dead-peer detection of version 1 (RFC 3706): R-U-THERE and its answer, each under a sequence number.

use base::Instant;

use super::informational;
use super::session::{Fate, Session};
use crate::core::{Core, Event};
use crate::error::Refusal;
use crate::liveness::{Due, Liveness};
use crate::notice::Blame;
use crate::record::Fact;
use crate::wire::notify::{self, Notify};

pub(crate) struct Dpd {
    liveness: Liveness,
    /// Of the first question that is open, and of the last one.
    first: u32,
    last: u32,
    /// Of the peer's newest question.
    peer: Option<u32>,
}

impl Dpd {
    pub(crate) const fn deadline(&self) -> Instant {
        self.liveness.deadline()
    }
}

/// Phase 1 is complete: if both sides do it, we watch the peer as its profile says (VRF-09).
pub(crate) fn start(session: &mut Session, core: &mut Core) {
    let profile = session.place.profile.as_deref().and_then(|name| core.index.profile(name));
    let dpd = profile.and_then(|profile| profile.dpd).or(core.config.dpd);
    let Some(dpd) = dpd.filter(|_| session.announced.dpd) else { return };
    let first = core.drbg.u32() >> 1;
    core.debug(Some(session.id), &session.path, || "IKE_DPD is enabled, initializing timers".to_owned());
    session.dpd =
        Some(Box::new(Dpd { liveness: Liveness::new(dpd, core.now), first, last: first, peer: None }));
}

pub(crate) fn tick(session: &mut Session, core: &mut Core) -> Fate {
    let due = session.dpd.as_mut().map_or(Due::Nothing, |dpd| dpd.liveness.tick(core.now));
    act(session, core, due)
}

/// So many children have been asked what they carried.
pub(crate) fn counting(session: &mut Session, core: &mut Core, children: usize) -> Fate {
    let due = session.dpd.as_mut().map_or(Due::Nothing, |dpd| dpd.liveness.counting(core.now, children));
    act(session, core, due)
}

/// What a child has carried since it was last asked.
pub(crate) fn counted(session: &mut Session, core: &mut Core, more: crate::Traffic) -> Fate {
    let due = session.dpd.as_mut().map_or(Due::Nothing, |dpd| dpd.liveness.counted(core.now, more));
    act(session, core, due)
}

/// An authentic message.
pub(crate) fn heard(session: &mut Session, core: &Core) {
    if let Some(dpd) = &mut session.dpd {
        dpd.liveness.heard(core.now);
    }
}

/// The peer asks whether we are there. A question with an old number may be a replay, and proves nothing.
pub(crate) fn asked(session: &mut Session, core: &Core, said: &Notify) {
    let Ok(number) = <[u8; 4]>::try_from(said.data.as_slice()).map(u32::from_be_bytes) else { return };
    if let Some(dpd) = &mut session.dpd
        && dpd.peer.is_none_or(|newest| number > newest)
    {
        dpd.peer = Some(number);
        dpd.liveness.heard(core.now);
    }
}

/// Whether an answer is to a question that is open; another proves nothing, it may be an old one.
pub(crate) fn is_answer(session: &Session, said: &Notify) -> bool {
    let number = <[u8; 4]>::try_from(said.data.as_slice()).map(u32::from_be_bytes);
    session.dpd.as_ref().is_some_and(|dpd| {
        dpd.liveness.is_asking() && number.is_ok_and(|number| (dpd.first..=dpd.last).contains(&number))
    })
}

fn act(session: &mut Session, core: &mut Core, due: Due) -> Fate {
    match due {
        Due::Nothing => Fate::Live,
        Due::Count => {
            core.events.push_back(Event::Doubt(session.id));
            Fate::Live
        }
        Due::Ask => {
            ask(session, core);
            Fate::Live
        }
        Due::Dead => {
            let detail = format!(
                "{} does not answer dead-peer detection: it or the path to it is down",
                session.path.remote.ip()
            );
            let refusal = Refusal::because(Blame::PeerMisbehaved, "peer-dead", detail);
            session.remember(core, &refusal);
            core.refuse(Some(session.id), &session.path, &refusal);
            core.events.push_back(Event::PeerDead(session.id));
            Fate::Live
        }
    }
}

fn ask(session: &mut Session, core: &mut Core) {
    let Some(dpd) = &mut session.dpd else { return };
    dpd.last = dpd.last.wrapping_add(1);
    if dpd.liveness.is_first_question() {
        dpd.first = dpd.last;
    }
    let (number, times) = (dpd.last, dpd.last.wrapping_sub(dpd.first));
    core.debug(Some(session.id), &session.path, || format!("sending R_U_THERE, sequence number {number}"));
    if times > 0 {
        session.story.tell(core.now, Fact::Repeated { message: notify::name(notify::R_U_THERE), times });
    }
    informational::notify(session, core, notify::R_U_THERE, number.to_be_bytes().to_vec());
}
