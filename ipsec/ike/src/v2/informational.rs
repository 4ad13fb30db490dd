//! INFORMATIONAL as responder: deletes, notifies, and whatever else comes (RFC 7296 section 1.4).

use super::session::{Exchange, Session};
use super::task::Reply;
use super::wire::delete::Delete;
use super::wire::notify::{self, Notify};
use super::wire::payload::{self, Builder};
use super::{delete, mobike};
use crate::core::{Core, Event};
use crate::error::Refusal;

pub(crate) fn respond(session: &mut Session, core: &mut Core, request: &Exchange<'_>) -> Reply {
    let mut answer = Builder::default();
    for body in request.chain.all(payload::DELETE) {
        match Delete::decode(body) {
            Ok(wanted) => delete::respond(session, core, &wanted, &mut answer),
            Err(malformed) => core.refuse(Some(session.id), &request.path, &malformed.into()),
        }
    }
    match request.chain.notifies() {
        Ok(notifies) => {
            notifies.iter().for_each(|notify| heed(session, core, notify));
            mobike::respond(session, core, request, &notifies, &mut answer);
        }
        Err(malformed) => core.refuse(Some(session.id), &request.path, &malformed.into()),
    }
    Reply::Response(answer)
}

/// A peer that takes back its belief in us ends the session; other errors are for the operator.
fn heed(session: &Session, core: &mut Core, notify: &Notify) {
    if notify.kind == notify::AUTHENTICATION_FAILED {
        core.events.push_back(Event::SessionDeleted(session.id));
    }
    if notify.is_error() {
        core.debug(Some(session.id), &session.path, || {
            format!("the peer says {}", notify::name(notify.kind))
        });
        core.refuse(Some(session.id), &session.path, &Refusal::ignored("error-notify"));
    }
}
