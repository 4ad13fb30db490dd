//! What an established session does: one task at a time of ours, and the responses to the peer's requests.
//! One file per exchange holds its corners: request, respond, conclude, abandon.

use std::time::Duration;

use base::{Instant, Spi};

use super::create_child::{Initiator, respond as create};
use super::liveness::Watch;
use super::mobike::Routability;
use super::session::{ChildRef, Exchange, Session};
use super::wire::header::exchange;
use super::wire::notify::{self, Notify};
use super::wire::payload::{self, Builder};
use super::{delete, informational, liveness, mobike, redirect, rekey_child};
use crate::core::Core;
use crate::error::Refusal;
use crate::want::Plan;
use crate::wire::Malformed;
use crate::{Answer, ChildId, SessionId};

/// After TEMPORARY_FAILURE, before the same is asked again.
const DEFERRED: Duration = Duration::from_secs(5);

/// How long a peer may take between two key exchanges of one request, and how many such may be.
const FOLLOWED: Duration = Duration::from_secs(60);
const MOST_FOLLOWUPS: usize = 16;

/// Something to do under the session's keys that takes an exchange or more.
pub(crate) enum Task {
    /// A new child, or a rekey that has begun.
    Create(Box<Initiator>),
    RekeyChild(ChildId),
    RekeyIke,
    /// They are gone already; the peer shall know.
    DeleteChildren(Vec<Spi>),
    /// It was replaced; it goes when the peer knows.
    Retire(ChildRef),
    Liveness,
    Route(Routability),
    /// The data of REDIRECT.
    Redirect(Vec<u8>),
}

/// What a task does next.
pub(crate) enum Step {
    /// Sends this request; the response comes to [`conclude`].
    Request {
        exchange: u8,
        chain: Builder,
    },
    /// Has asked as `Asker::V2(session, Waiting::Task)`, and goes on in [`answered`].
    Waits,
    Done,
}

/// What a request of the peer leads to.
pub(crate) enum Reply {
    Response(Builder),
    /// Has asked as `Asker::V2(session, Waiting::Response(message_id))`, and goes on in [`resume`].
    Waits(Pending),
}

/// A request whose response waits for an answer.
pub(crate) struct Pending(pub(super) Box<create::Responder>);

/// Why a request is refused, and what the peer hears of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denial {
    pub(crate) refusal: Refusal,
    pub(crate) notify: Notify,
}

/// What an established session keeps besides its task.
#[derive(Default)]
pub(crate) struct Upkeep {
    /// Another IKE SA has taken its place; it only waits for its delete.
    pub(crate) superseded: bool,
    /// It was made by a rekey of that one which crosses another: it has no children yet.
    pub(super) apart: Option<SessionId>,
    pub(super) watch: Option<Box<Watch>>,
    /// Tasks for later.
    deferred: Vec<(Instant, Task)>,
    /// Requests that wait for one more key exchange.
    pub(super) followups: Vec<Followup>,
}

/// A request that waits for one more key exchange of the peer.
pub(crate) struct Followup {
    /// Our name for it.
    pub(super) link: Vec<u8>,
    pub(super) responder: Box<create::Responder>,
    until: Instant,
}

impl Task {
    pub(crate) fn create_child(plan: &Plan) -> Self {
        Self::Create(Box::new(Initiator::child(plan)))
    }

    pub(crate) const fn rekey_child(child: ChildId) -> Self {
        Self::RekeyChild(child)
    }

    pub(crate) const fn rekey_ike() -> Self {
        Self::RekeyIke
    }

    /// They are gone already; the peer shall know.
    pub(crate) const fn delete_children(spis: Vec<Spi>) -> Self {
        Self::DeleteChildren(spis)
    }

    pub(crate) const fn liveness() -> Self {
        Self::Liveness
    }
}

impl Reply {
    pub(crate) fn notify(notify: &Notify) -> Self {
        let mut chain = Builder::default();
        chain.push(payload::NOTIFY, &notify.encode());
        Self::Response(chain)
    }
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        let notify = Notify::new(refusal.notify.unwrap_or(notify::INVALID_SYNTAX), Vec::new());
        Self { refusal, notify }
    }
}

impl From<Malformed> for Denial {
    fn from(malformed: Malformed) -> Self {
        Refusal::from(malformed).into()
    }
}

impl Upkeep {
    /// Neither of two that replace the same does anything before it is settled which one stays.
    pub(crate) const fn may_begin(&self) -> bool {
        !self.superseded && self.apart.is_none()
    }

    /// Once more in a while.
    pub(super) fn defer(&mut self, core: &Core, task: Task) {
        self.deferred.push((core.now + DEFERRED, task));
    }

    pub(super) fn follow(&mut self, core: &mut Core, link: Vec<u8>, responder: Box<create::Responder>) {
        if self.followups.len() >= MOST_FOLLOWUPS {
            self.followups.remove(0).responder.forsake(core);
        }
        self.followups.push(Followup { link, responder, until: core.now + FOLLOWED });
    }

    /// Another IKE SA takes its place, and what is to be done later.
    pub(super) fn hand_over(&mut self, core: &mut Core, heir: &mut Self) {
        let old = std::mem::take(self);
        self.superseded = true;
        heir.deferred.extend(old.deferred);
        old.followups.iter().for_each(|followup| followup.responder.forsake(core));
    }

    fn deadline(&self) -> Option<Instant> {
        let deferred = self.deferred.iter().map(|(at, _)| *at);
        deferred.chain(self.followups.iter().map(|followup| followup.until)).min()
    }
}

/// The session is established: what it does of its own accord begins.
pub(crate) fn greet(session: &mut Session, core: &mut Core) {
    liveness::watch(session, core);
    session.start(core);
}

/// The task's first request.
pub(crate) fn begin(session: &mut Session, core: &mut Core, task: &mut Task) -> Step {
    match task {
        Task::RekeyChild(child) => match rekey_child::initiate(session, *child) {
            Some(initiator) => {
                *task = Task::Create(Box::new(initiator));
                begin(session, core, task)
            }
            None => Step::Done,
        },
        Task::RekeyIke => {
            *task = Task::Create(Box::new(Initiator::ike()));
            begin(session, core, task)
        }
        Task::Create(initiator) => initiator.begin(session, core),
        Task::DeleteChildren(spis) => delete::request(spis),
        Task::Retire(child) => delete::request(&[child.spi_in]),
        Task::Liveness => liveness::request(),
        Task::Route(routability) => routability.request(),
        Task::Redirect(data) => redirect::request(data),
    }
}

/// What it asked has been answered.
pub(crate) fn answered(session: &mut Session, core: &mut Core, task: &mut Task, answer: Answer) -> Step {
    match task {
        Task::Create(initiator) => initiator.answered(session, core, answer),
        Task::RekeyChild(_)
        | Task::RekeyIke
        | Task::DeleteChildren(_)
        | Task::Retire(_)
        | Task::Liveness
        | Task::Route(_)
        | Task::Redirect(_) => Step::Done,
    }
}

/// The peer responds.
pub(crate) fn conclude(
    session: &mut Session,
    core: &mut Core,
    task: &mut Task,
    response: &Exchange<'_>,
) -> Step {
    mobike::follow(session, core, &response.path);
    match task {
        Task::Create(initiator) => return initiator.conclude(session, core, response),
        Task::Retire(child) => delete::retired(session, core, child),
        Task::Route(routability) => routability.conclude(session, core, response),
        Task::RekeyChild(_)
        | Task::RekeyIke
        | Task::DeleteChildren(_)
        | Task::Liveness
        | Task::Redirect(_) => {}
    }
    Step::Done
}

/// It ends without result: gives back what it holds and tells whoever waits for it.
pub(crate) fn abandon(session: &mut Session, core: &mut Core, task: Task, silent: bool) {
    if let Task::Create(mut initiator) = task {
        initiator.abandon(session, core, silent);
    }
}

/// A request of the peer.
pub(crate) fn respond(session: &mut Session, core: &mut Core, request: &Exchange<'_>) -> Reply {
    mobike::follow(session, core, &request.path);
    match request.kind {
        exchange::CREATE_CHILD_SA => create::receive(session, core, request),
        exchange::FOLLOWUP_KE => create::follow_up(session, core, request),
        exchange::INFORMATIONAL => informational::respond(session, core, request),
        _ => malformed(),
    }
}

/// What a response waited for: the type of its exchange, and how it goes on.
pub(crate) fn resume(
    session: &mut Session,
    core: &mut Core,
    pending: Pending,
    answer: Answer,
) -> (u8, Reply) {
    let exchange = pending.0.exchange();
    (exchange, pending.0.resume(session, core, answer))
}

/// The session ends before the response.
pub(crate) fn forsake(core: &mut Core, pending: &Pending) {
    pending.0.forsake(core);
}

/// A refusal for the operator, and for the peer.
pub(super) fn refuse(session: &mut Session, core: &mut Core, denial: Denial) -> Reply {
    let path = session.path;
    session.refused(core, &path, &denial.refusal);
    Reply::notify(&denial.notify)
}

/// INVALID_SYNTAX: what is authentic and makes no sense.
pub(crate) fn malformed() -> Reply {
    Reply::notify(&Notify::new(notify::INVALID_SYNTAX, Vec::new()))
}

/// UNSUPPORTED_CRITICAL_PAYLOAD.
pub(crate) fn unsupported(kind: u8) -> Reply {
    Reply::notify(&Notify::new(notify::UNSUPPORTED_CRITICAL_PAYLOAD, vec![kind]))
}

/// The delete of the IKE SA itself.
pub(crate) fn delete_ike() -> Builder {
    delete::ike()
}

/// When the session must do something of its own accord, apart from retransmission, rekeying and the end.
pub(crate) fn deadline(session: &Session) -> Option<Instant> {
    [liveness::deadline(session), session.upkeep.deadline()].into_iter().flatten().min()
}

/// Does what is due.
pub(crate) fn tick(session: &mut Session, core: &mut Core) {
    let now = core.now;
    for lost in session.upkeep.followups.extract_if(.., |followup| followup.until <= now) {
        lost.responder.forsake(core);
    }
    let due: Vec<_> = session.upkeep.deferred.extract_if(.., |(at, _)| *at <= now).collect();
    for (_, task) in due {
        session.enqueue(core, task);
    }
    liveness::tick(session, core);
}
