//! Whether the peer is alive, asked by an empty INFORMATIONAL: RFC 7296 section 2.4.

use base::Instant;

use super::session::{Session, unanswered};
use super::task::{Step, Task};
use super::wire::header::exchange;
use super::wire::payload::Builder;
use crate::Traffic;
use crate::core::{Core, Event};
use crate::liveness::{Due, Liveness};

/// When to ask, and when the peer was last heard.
pub(crate) struct Watch {
    liveness: Liveness,
    heard: Instant,
}

/// An established session is watched if the configuration says so.
pub(super) fn watch(session: &mut Session, core: &Core) {
    let own = session.profile(&core.config).and_then(|profile| profile.dpd);
    let dpd = own.or(core.config.v2.dpd);
    let watch = |dpd| Box::new(Watch { liveness: Liveness::new(dpd, core.now), heard: core.now });
    session.upkeep.watch = dpd.map(watch);
}

pub(super) fn deadline(session: &Session) -> Option<Instant> {
    session.upkeep.watch.as_ref().map(|watch| watch.liveness.deadline())
}

pub(super) fn tick(session: &mut Session, core: &mut Core) {
    let heard = session.heard;
    ask(session, core, |watch, now| {
        if heard > watch.heard {
            watch.heard = heard;
            watch.liveness.heard(heard);
        }
        watch.liveness.tick(now)
    });
}

/// So many children have been asked what they carried.
pub(crate) fn counting(session: &mut Session, core: &mut Core, children: usize) {
    ask(session, core, |watch, now| watch.liveness.counting(now, children));
}

/// What a child has carried since it was last asked.
pub(crate) fn counted(session: &mut Session, core: &mut Core, more: Traffic) {
    ask(session, core, |watch, now| watch.liveness.counted(now, more));
}

pub(super) fn request() -> Step {
    Step::Request { exchange: exchange::INFORMATIONAL, chain: Builder::default() }
}

fn ask(session: &mut Session, core: &mut Core, work: impl FnOnce(&mut Watch, Instant) -> Due) {
    let Some(watch) = &mut session.upkeep.watch else { return };
    match work(watch, core.now) {
        Due::Nothing => {}
        Due::Count => core.events.push_back(Event::Doubt(session.id)),
        Due::Ask => {
            // A request that is open asks the same.
            let is_asked = session.tasks.iter().any(|task| matches!(task, Task::Liveness));
            if !is_asked && !session.window.is_open() {
                session.enqueue(core, Task::liveness());
            }
        }
        Due::Dead => {
            core.refuse(Some(session.id), &session.path, &unanswered(&session.path));
            core.events.push_back(Event::PeerDead(session.id));
        }
    }
}
