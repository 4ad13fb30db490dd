//! Deletes of children and of the IKE SA: RFC 7296 sections 1.4.1 and 2.25.

use base::Spi;

use super::session::{ChildRef, Life, Session};
use super::task::Step;
use super::wire::delete::Delete;
use super::wire::header::exchange;
use super::wire::payload::{self, Builder};
use super::{collide, rekey_ike};
use crate::DownReason;
use crate::core::{Core, Event};

/// The delete of the children that we receive on these SPIs.
pub(super) fn request(spis: &[Spi]) -> Step {
    let mut chain = Builder::default();
    push(&mut chain, spis.iter().map(|spi| spi.0).collect());
    Step::Request { exchange: exchange::INFORMATIONAL, chain }
}

/// The delete of the IKE SA that it travels on.
pub(super) fn ike() -> Builder {
    let mut chain = Builder::default();
    chain.push(payload::DELETE, &Delete::Ike.encode());
    chain
}

/// A child that was replaced is gone, and the peer knows.
pub(super) fn retired(session: &mut Session, core: &mut Core, child: &ChildRef) {
    let before = session.children.len();
    session.children.retain(|known| known.id != child.id);
    if session.children.len() < before {
        core.events.push_back(Event::ChildGone(child.id, DownReason::Superseded));
    }
}

/// What the peer deletes goes; the answer names our halves of it, but not of what we are deleting
/// ourselves.
pub(super) fn respond(session: &mut Session, core: &mut Core, wanted: &Delete, answer: &mut Builder) {
    let theirs = match wanted {
        Delete::Ike => {
            rekey_ike::deleted(session, core);
            return core.events.push_back(Event::SessionDeleted(session.id));
        }
        Delete::Children { spis, .. } => spis,
    };
    let is_known = |spi: &u32| session.children.iter().any(|child| child.spi_out.0 == *spi);
    let unknown: Vec<Spi> = theirs.iter().filter(|spi| !is_known(spi)).map(|spi| Spi(*spi)).collect();
    collide::unknown_deleted(session, unknown);
    let is_theirs = |child: &ChildRef| theirs.contains(&child.spi_out.0);
    let gone: Vec<ChildRef> = session.children.iter().filter(|child| is_theirs(child)).copied().collect();
    session.children.retain(|child| !is_theirs(child));
    for child in &gone {
        let reason = if child.life == Life::Up { DownReason::PeerDeleted } else { DownReason::Superseded };
        core.events.push_back(Event::ChildGone(child.id, reason));
    }
    let ours = gone.iter().filter(|child| child.life != Life::Leaving);
    push(answer, ours.map(|child| child.spi_in.0).collect());
}

fn push(chain: &mut Builder, spis: Vec<u32>) {
    if !spis.is_empty() {
        chain.push(payload::DELETE, &Delete::esp(spis).encode());
    }
}
