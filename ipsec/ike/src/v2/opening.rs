//! How a session of version 2 comes to be established: each message and each answer goes to the exchange
//! whose turn it is.

use base::Spi;
use crypto::dh;
use crypto::job::{Failed, Outcome};

use super::sealed::{Clear, Opened};
use super::session::{Exchange, Session, exchange_of, release};
use super::state::{Opening, Secured, State, Step};
use super::wire::header::{exchange, name};
use super::wire::notify::{self, INVALID_SYNTAX, Notify, UNSUPPORTED_CRITICAL_PAYLOAD};
use super::wire::payload::{self, Builder};
use super::{auth, intermediate, sa_init};
use crate::Answer;
use crate::core::{Core, Event, WantId};
use crate::error::Refusal;
use crate::notice::Blame;
use crate::record::Fact;
use crate::session::{Fate, Message};
use crate::want::Plan;

/// A message for a session that is not established. Nothing changes before it has proved to be the peer's.
pub(crate) fn receive(session: &mut Session, core: &mut Core, message: &Message<'_>) -> Fate {
    if session.repeat(core, message) {
        return Fate::Live;
    }
    let result = match message.header.exchange {
        _ if session.path.peer() != message.path.peer() => Err(Refusal::ignored("from-another-address")),
        exchange::SA_INIT if message.header.is_response() => sa_init::receive(session, core, message),
        _ => receive_sealed(session, core, message),
    };
    match result {
        Ok(()) => Fate::Live,
        Err(refusal) => session.refused(core, &message.path, &refusal),
    }
}

fn receive_sealed(session: &mut Session, core: &mut Core, message: &Message<'_>) -> Result<(), Refusal> {
    let header = &message.header;
    if header.is_response() {
        session.window.expects(header)?;
    } else {
        session.window.admits(header)?;
        session.is_turn_of(header.exchange)?;
    }
    let keys = session.state.keys().ok_or(Refusal::ignored("message-while-computing"))?;
    let clear = match keys.open(header, message.body)? {
        Opened::Whole(clear) => clear,
        Opened::Fragment(fragment) => match session.reassembly.push(header, fragment)? {
            Some(clear) => clear,
            None => return Ok(()),
        },
    };
    session.heard = core.now;
    session.tell(core, Fact::Received { message: name(header.exchange, header.is_response()) });
    if header.is_response() {
        session.window.answered();
    } else {
        session.window.accept(message);
        // On the NAT port if the initiator found a NAT.
        session.path = message.path;
    }
    let step = take_authentic(session, core, message, clear);
    let request = (!header.is_response()).then_some((header.exchange, header.message_id));
    session.settle(core, step, request)
}

fn take_authentic(
    session: &mut Session,
    core: &mut Core,
    message: &Message<'_>,
    clear: Clear,
) -> Result<Step, Refusal> {
    let chain = clear.chain().map_err(|refusal| unreadable(refusal.what))?;
    if let Some(kind) = chain.unsupported() {
        let detail = format!("a critical payload of the unknown type {kind}");
        let refusal = Refusal::because(Blame::PeerIncompatible, "unsupported-critical-payload", detail);
        return Err(refusal.telling(UNSUPPORTED_CRITICAL_PAYLOAD));
    }
    let exchange = exchange_of(message, chain);
    note(session, core, &exchange);
    let header = &message.header;
    match (session.take_turn(), exchange.kind) {
        (Step::ExpectRequest, exchange::INTERMEDIATE) => {
            intermediate::receive_request(session, core, header, &clear, &exchange)
        }
        (Step::ExpectRequest, _) => auth::responder::receive(session, core, clear.clone(), &exchange),
        (Step::Round(private), _) => {
            intermediate::receive_response(session, core, private, header, &clear, &exchange)
        }
        (Step::Claiming(claiming), _) => {
            auth::initiator::receive(session, core, claiming, clear.clone(), &exchange)
        }
        (step, _) => Ok(step),
    }
}

/// Every notify of an error makes part of the story.
fn note(session: &mut Session, core: &Core, exchange: &Exchange<'_>) {
    if let Some(said) = exchange.chain.error() {
        session.tell(core, Fact::Notified { ours: false, name: notify::name(said.kind) });
    }
}

fn unreadable(what: &str) -> Refusal {
    let detail = format!("an authentic message cannot be read: {what}");
    Refusal::because(Blame::PeerMisbehaved, "malformed-payloads", detail).telling(INVALID_SYNTAX)
}

/// An answer to what the opening asked.
pub(crate) fn answered(session: &mut Session, core: &mut Core, answer: Answer) -> Fate {
    if !session.is_opening() {
        release(core, &answer);
        return Fate::Live;
    }
    let request = session.open_request();
    let step = match (session.take_turn(), answer) {
        (Step::Claiming(claiming), answer) => auth::initiator::answered(session, core, claiming, answer),
        (Step::Judging(judging), answer) => auth::responder::answered(session, core, judging, answer),
        (step, Answer::Computed(outcome)) => computed(session, core, step, exchanged(outcome)),
        (step, answer) => {
            release(core, &answer);
            Ok(step)
        }
    };
    match session.settle(core, step, request) {
        Ok(()) => Fate::Live,
        Err(refusal) => session.refused(core, &session.path.clone(), &refusal),
    }
}

fn exchanged(outcome: Result<Outcome, Failed>) -> Option<dh::Outcome> {
    match outcome {
        Ok(Outcome::Exchanged(outcome)) => Some(outcome),
        Ok(Outcome::Signed(_) | Outcome::Verified) | Err(_) => None,
    }
}

/// A key exchange was computed; `None`: the peer's value was no good.
fn computed(
    session: &mut Session,
    core: &mut Core,
    step: Step,
    outcome: Option<dh::Outcome>,
) -> Result<Step, Refusal> {
    use dh::Outcome::{Agreed, Finished, Generated};
    match (step, outcome) {
        (Step::ExpectPair(request), Some(Generated { private, public })) => {
            Ok(sa_init::send(session, core, request, (private, public)))
        }
        (Step::ExpectShared(response), Some(Finished { shared })) => {
            sa_init::answered(session, core, response, &shared)
        }
        (Step::ExpectAgreement(received), Some(Agreed { public, shared })) => {
            Ok(sa_init::agreed(session, core, received, &public, &shared))
        }
        (Step::RoundPair, Some(Generated { private, public })) => {
            intermediate::send(session, core, private, &public)
        }
        (Step::RoundShared, Some(Finished { shared })) => {
            intermediate::turn(session, &shared);
            intermediate::proceed(session, core)
        }
        (Step::RoundAgreement(id), Some(Agreed { public, shared })) => {
            intermediate::answer(session, core, id, &public, &shared)
        }
        (
            Step::ExpectPair(_)
            | Step::ExpectShared(_)
            | Step::ExpectAgreement(_)
            | Step::RoundPair
            | Step::RoundShared
            | Step::RoundAgreement(_),
            _,
        ) => Err(sa_init::bad_public(session)),
        (step, _) => Ok(step),
    }
}

impl Session {
    pub(crate) const fn opening(&self) -> Option<&Opening> {
        match &self.state {
            State::Opening(opening) => Some(opening),
            State::Established(_) | State::Closing(_) => None,
        }
    }

    pub(crate) const fn opening_mut(&mut self) -> Option<&mut Opening> {
        match &mut self.state {
            State::Opening(opening) => Some(opening),
            State::Established(_) | State::Closing(_) => None,
        }
    }

    pub(crate) fn secured(&self) -> Option<&Secured> {
        self.opening()?.secured.as_ref()
    }

    pub(crate) fn secured_mut(&mut self) -> Option<&mut Secured> {
        self.opening_mut()?.secured.as_mut()
    }

    /// What the first child is to be, and our SPI of it.
    pub(crate) fn plan(&self) -> Option<&Plan> {
        self.opening()?.plan.as_ref()
    }

    pub(crate) fn held_spi(&self) -> Option<Spi> {
        self.opening()?.spi
    }

    pub(crate) fn hold_spi(&mut self, spi: Spi) {
        if let Some(opening) = self.opening_mut() {
            opening.spi = Some(spi);
        }
    }

    /// Whose first child it was opened for; nobody's from now on.
    pub(crate) fn take_want(&mut self) -> Option<WantId> {
        self.opening_mut()?.plan.take().map(|plan| plan.want)
    }

    /// All that the opening gathered; what is left behind is replaced at once.
    pub(crate) fn take_opening(&mut self) -> Option<Opening> {
        self.opening_mut().map(|opening| std::mem::replace(opening, Opening::new(Step::Failed)))
    }

    fn take_turn(&mut self) -> Step {
        self.opening_mut().map_or(Step::Over, |opening| std::mem::replace(&mut opening.step, Step::Failed))
    }

    pub(crate) fn take_init_request(&mut self) -> Option<sa_init::Request> {
        let step = self.take_turn();
        if let Step::ExpectInit(request) = step {
            return Some(request);
        }
        self.put_step(step);
        None
    }

    fn put_step(&mut self, step: Step) {
        if let Some(opening) = self.opening_mut() {
            opening.step = step;
        }
    }

    /// Whether this is the exchange that the peer has to begin now.
    fn is_turn_of(&self, kind: u8) -> Result<(), Refusal> {
        let expects = self.opening().is_some_and(|opening| matches!(opening.step, Step::ExpectRequest));
        let turn = match self.secured().and_then(Secured::next_group) {
            Some(_) => exchange::INTERMEDIATE,
            None => exchange::AUTH,
        };
        if expects && kind == turn { Ok(()) } else { Err(Refusal::ignored("unexpected-exchange")) }
    }

    /// The peer's request that is being answered.
    fn open_request(&self) -> Option<(u8, u32)> {
        let step = &self.opening()?.step;
        if let Step::RoundAgreement(id) = step {
            return Some((exchange::INTERMEDIATE, *id));
        }
        if let Step::Judging(judging) = step { Some((exchange::AUTH, judging.message_id())) } else { None }
    }

    /// Goes on, or ends without result: a responder says so in its response and stays for a while to
    /// repeat that, an initiator goes.
    pub(crate) fn settle(
        &mut self,
        core: &mut Core,
        step: Result<Step, Refusal>,
        request: Option<(u8, u32)>,
    ) -> Result<(), Refusal> {
        let refusal = match step {
            Ok(step) => {
                self.put_step(step);
                return Ok(());
            }
            Err(refusal) => refusal,
        };
        self.put_step(Step::Failed);
        let told = refusal.notify.filter(|_| self.secured().is_some());
        if let Some(kind) = told {
            self.tell(core, Fact::Notified { ours: true, name: notify::name(kind) });
        }
        match (request, told) {
            (Some((exchange, id)), Some(kind)) => {
                self.send_response(core, exchange, id, &notify_alone(kind));
                Err(loud(refusal))
            }
            (None, Some(kind)) if self.initiator => {
                // The peer takes the IKE SA for established: RFC 7296 section 2.21.2.
                self.send_request(core, exchange::INFORMATIONAL, &notify_alone(kind));
                Err(loud(refusal).fatal())
            }
            _ => Err(loud(refusal).fatal()),
        }
    }
}

/// A negotiation that ends is never only counted.
fn loud(refusal: Refusal) -> Refusal {
    let detail = if refusal.detail.is_empty() {
        format!("the negotiation ended: {}", refusal.what)
    } else {
        refusal.detail.clone()
    };
    Refusal { detail, ..refusal }
}

fn notify_alone(kind: u16) -> Builder {
    let mut chain = Builder::default();
    chain.push(payload::NOTIFY, &Notify::new(kind, Vec::new()).encode());
    chain
}

/// The session ends before it was established: gives back what it holds.
pub(crate) fn abandon(session: &mut Session, core: &mut Core) {
    let id = session.id;
    let Some(opening) = session.opening_mut() else { return };
    let (spi, plan) = (opening.spi.take(), opening.plan.take());
    spi.into_iter().for_each(|spi| core.release(spi));
    let failed = plan.map(|plan| Event::NegotiationFailed { session: id, want: plan.want, silent: true });
    core.events.extend(failed);
}

/// Every retransmission of ours was in vain.
pub(crate) fn unanswered(session: &Session) -> Refusal {
    let peer = session.path.remote.ip();
    let (what, why) = match session.opening().map(|opening| &opening.step) {
        Some(Step::ExpectInit(_)) => {
            ("no-answer", "it is unreachable, does not know us, or does not speak IKEv2")
        }
        Some(Step::Claiming(_)) => (
            "no-answer-to-identity",
            "IKE_SA_INIT was answered, IKE_AUTH is not: it may be too long for the path, see `crypto ikev2 fragmentation`, or UDP port 4500 is blocked",
        ),
        _ => ("no-answer", "it fell silent in the middle of the negotiation"),
    };
    Refusal::because(Blame::PeerIncompatible, what, format!("{peer} does not answer: {why}"))
}
