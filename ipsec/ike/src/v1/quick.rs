//! Quick mode: a pair of ESP SAs in three messages (RFC 2409 section 5.5).
//!
//! ```text
//! initiator                                   responder
//! 1  {HASH(1), SA, Ni [, KE], IDci, IDcr} ->
//!                                         <-  2   {HASH(2), SA, Nr [, KE], IDci, IDcr [, N]}
//! 3  {HASH(3)}                            ->
//! ```
//!
//! The responder can receive once message 2 is out and sends once message 3 is in.

use std::time::Duration;

use base::{Instant, Secret, Spi};
use crypto::dh;
use crypto::job::{Failed, Outcome};

use super::dpd;
use super::session::{Fate, Message, Session};
use crate::core::{Asker, Core, Event};
use crate::error::Refusal;
use crate::notice::Blame;
use crate::want::Plan;
use crate::window::{Due, Window};
use crate::wire::notify::{self, Notify};
use crate::wire::{payload, sa};
use crate::{Answer, Ask, ChildId};

pub(crate) mod initiator;
mod material;
pub(crate) mod offer;
pub(crate) mod responder;

/// How long an exchange may take, and how long it answers duplicates afterwards.
const REMEMBERED: Duration = Duration::from_secs(120);

/// Exchanges that one peer may have open or remembered at once.
const MOST_EXCHANGES: usize = 1024;

pub(crate) struct Quick {
    window: Window,
    /// Of the next message.
    iv: Vec<u8>,
    state: State,
    /// Then it is forgotten.
    until: Instant,
}

/// Where an exchange stands. Each name says what comes next.
pub(crate) enum State {
    /// As initiator: our SPI.
    ExpectSpi(Plan),
    /// As initiator: our key pair.
    ExpectKeyPair(Plan, Spi),
    /// As initiator, message 1 is out.
    ExpectAnswer(initiator::Proposed),
    /// As initiator: the shared secret.
    ExpectSecret(initiator::Answered),
    /// As responder: our SPI.
    ExpectInboundSpi(responder::Offer),
    /// As responder: our key pair and the shared secret.
    ExpectAgreement(responder::Offer, Spi),
    /// As responder, message 2 is out.
    ExpectConfirmation {
        child: ChildId,
        hash: Secret,
    },
    Done,
}

/// What a message or an answer leads to.
pub(crate) struct Step {
    state: State,
    /// Of the next message, if it is another one now.
    iv: Option<Vec<u8>>,
    send: Option<Vec<u8>>,
    until_answered: bool,
    ask: Option<Ask>,
    event: Option<Event>,
}

impl Step {
    const fn to(state: State) -> Self {
        Self { state, iv: None, send: None, until_answered: false, ask: None, event: None }
    }
}

/// We want a child for `plan`.
pub(crate) fn initiate(session: &mut Session, core: &mut Core, plan: Plan) -> u32 {
    let id = session.fresh_id(core);
    let (path, random) = (session.path, core.drbg.u32());
    core.debug(Some(session.id), &path, || format!("beginning Quick Mode exchange, M-ID of {id}"));
    let quick = Quick::new(core.now, State::ExpectSpi(plan));
    session.quicks.insert(id, Box::new(quick));
    core.ask(Asker::Quick(session.id, id), Ask::Spi { random });
    id
}

pub(crate) fn receive(session: &mut Session, core: &mut Core, message: &Message<'_>) -> Result<(), Refusal> {
    let id = message.header.message_id;
    if id == 0 || session.established().is_none() {
        return Err(Refusal::ignored("quick-mode-before-phase-1"));
    }
    let Some(quick) = session.quicks.get(&id) else { return open(session, core, message) };
    if quick.window.is_duplicate(&message.digest) {
        let (path, reply) = (session.path, quick.window.reply().cloned());
        core.debug(Some(session.id), &path, || {
            "phase 2 packet is a duplicate of a previous packet.".to_owned()
        });
        reply.into_iter().for_each(|bytes| session.transmit(core, &bytes));
        return Ok(());
    }
    let result = match &quick.state {
        State::ExpectAnswer(state) => initiator::receive_answer(session, core, quick, state, message),
        State::ExpectConfirmation { child, hash } => {
            responder::receive_confirmation(session, quick, *child, hash, message)
        }
        State::ExpectSpi(_)
        | State::ExpectKeyPair(..)
        | State::ExpectSecret(_)
        | State::ExpectInboundSpi(_)
        | State::ExpectAgreement(..)
        | State::Done => Err(Refusal::ignored("unexpected-quick-mode-message")),
    };
    conclude(session, core, id, Some(message), result)
}

/// Message 1 of a new exchange.
fn open(session: &mut Session, core: &mut Core, message: &Message<'_>) -> Result<(), Refusal> {
    let id = message.header.message_id;
    if session.has_used(id) {
        return Err(Refusal::ignored("message-id-used"));
    }
    if session.quicks.len() >= MOST_EXCHANGES {
        return Err(Refusal::ignored("too-many-exchanges"));
    }
    let mut quick = Quick::new(core.now, State::Done);
    let result = responder::receive_offer(session, core, message);
    if let Err(refusal) = &result
        && refusal.notify.is_none()
    {
        return Err(refusal.clone());
    }
    session.use_id(id);
    if let Err(Refusal { notify: Some(kind), .. }) = &result {
        // The peer proved itself: it is told why, and told again if it repeats itself.
        quick.window.accept(message.digest.clone());
        let notify = Notify { protocol: sa::PROTOCOL_ESP, spi: Vec::new(), kind: *kind, data: Vec::new() };
        if let Some(bytes) = super::informational::message(session, core, payload::NOTIFY, &notify.encode()) {
            session.transmit(core, &bytes);
            quick.window.send(bytes);
        }
        session.quicks.insert(id, Box::new(quick));
        return result.map(|_| ());
    }
    session.quicks.insert(id, Box::new(quick));
    conclude(session, core, id, Some(message), result)
}

/// The SPI that an exchange asked for.
pub(crate) fn reserved(session: &mut Session, core: &mut Core, id: u32, spi: Option<Spi>) -> Fate {
    let Some(quick) = session.quicks.get(&id) else {
        spi.into_iter().for_each(|spi| core.release(spi));
        return Fate::Live;
    };
    let result = match (&quick.state, spi) {
        (_, None) => {
            let detail = "every inbound SPI is taken: fewer tunnels fit on this box".to_owned();
            Err(Refusal::because(Blame::Local, "no-spi-left", detail).fatal())
        }
        (State::ExpectSpi(plan), Some(spi)) => initiator::propose(session, core, id, plan, spi),
        (State::ExpectInboundSpi(offer), Some(spi)) => responder::reserved(session, core, id, offer, spi),
        (_, Some(spi)) => {
            core.release(spi);
            Err(Refusal::ignored("answer-out-of-place"))
        }
    };
    finish(session, core, id, result)
}

/// The Diffie-Hellman computation that an exchange asked for.
pub(crate) fn computed(
    session: &mut Session,
    core: &mut Core,
    id: u32,
    outcome: Result<Outcome, Failed>,
) -> Fate {
    let Some(quick) = session.quicks.get(&id) else { return Fate::Live };
    let result = match (&quick.state, outcome) {
        (_, Err(_)) => Err(Refusal::ignored("bad-public-value").fatal()),
        (
            State::ExpectKeyPair(plan, spi),
            Ok(Outcome::Exchanged(dh::Outcome::Generated { private, public })),
        ) => initiator::send_proposal(session, core, id, plan, *spi, Some((private, public))),
        (State::ExpectSecret(answered), Ok(Outcome::Exchanged(dh::Outcome::Finished { shared }))) => {
            initiator::confirm(session, core, id, answered, Some(&shared))
        }
        (
            State::ExpectAgreement(offer, spi),
            Ok(Outcome::Exchanged(dh::Outcome::Agreed { public, shared })),
        ) => responder::answer(session, core, id, offer, *spi, Some((public, shared))),
        _ => Err(Refusal::ignored("answer-out-of-place")),
    };
    finish(session, core, id, result)
}

/// As an answer has no sender, its refusal is reported here.
fn finish(session: &mut Session, core: &mut Core, id: u32, result: Result<Step, Refusal>) -> Fate {
    if let Err(refusal) = conclude(session, core, id, None, result) {
        session.remember(core, &refusal);
        core.refuse(Some(session.id), &session.path, &refusal);
    }
    Fate::Live
}

fn conclude(
    session: &mut Session,
    core: &mut Core,
    id: u32,
    message: Option<&Message<'_>>,
    result: Result<Step, Refusal>,
) -> Result<(), Refusal> {
    let step = match result {
        Ok(step) => step,
        Err(refusal) => {
            if refusal.fatal {
                abandon(session, core, id, false);
            }
            return Err(refusal);
        }
    };
    if let Some(message) = message {
        session.follow(core, &message.path);
        dpd::heard(session, core);
    }
    if let Some(bytes) = &step.send {
        session.transmit(core, bytes);
    }
    let timers = core.config.timers;
    let Some(quick) = session.quicks.get_mut(&id) else { return Ok(()) };
    if let Some(message) = message {
        quick.window.accept(message.digest.clone());
    }
    quick.state = step.state;
    if let Some(iv) = step.iv {
        quick.iv = iv;
    }
    if let Some(bytes) = step.send {
        if step.until_answered {
            quick.window.send_until_answered(bytes, core.now, &timers);
        } else {
            quick.window.send(bytes);
        }
    }
    step.ask.into_iter().for_each(|ask| core.ask(Asker::Quick(session.id, id), ask));
    core.events.extend(step.event);
    Ok(())
}

/// The peer refuses an exchange of ours; it said so under the session's keys.
pub(crate) fn refused_by_peer(session: &mut Session, core: &mut Core, said: &Notify) {
    let ours = session.quicks.iter().filter_map(|(id, quick)| match &quick.state {
        State::ExpectAnswer(proposed) => Some((*id, proposed.spi())),
        State::ExpectSpi(_)
        | State::ExpectKeyPair(..)
        | State::ExpectSecret(_)
        | State::ExpectInboundSpi(_)
        | State::ExpectAgreement(..)
        | State::ExpectConfirmation { .. }
        | State::Done => None,
    });
    let ours: Vec<_> = ours.collect();
    let named = ours.iter().find(|(_, spi)| said.spi == spi.0.to_be_bytes());
    // Peers that name no SPI, or their own, mean the only exchange there is.
    let only = ours.first().filter(|_| ours.len() == 1);
    let Some((id, _)) = named.or(only) else { return };
    let detail = format!(
        "the peer refuses our phase 2 proposal: {}; compare transform sets, access lists and PFS",
        notify::name(said.kind)
    );
    let refusal = Refusal::because(Blame::PeerIncompatible, notify::name(said.kind), detail);
    session.remember(core, &refusal);
    core.refuse(Some(session.id), &session.path, &refusal);
    abandon(session, core, *id, false);
}

/// Every exchange ends with its session.
pub(crate) fn abandon_all(session: &mut Session, core: &mut Core) {
    let ids: Vec<u32> = session.quicks.keys().copied().collect();
    ids.into_iter().for_each(|id| abandon(session, core, id, true));
}

/// Ends an exchange without a child: gives back its SPI and tells whoever waits for it.
fn abandon(session: &mut Session, core: &mut Core, id: u32, silent: bool) {
    let Some(quick) = session.quicks.get_mut(&id) else { return };
    quick.window.stop();
    let (spi, want, aborted) = match std::mem::replace(&mut quick.state, State::Done) {
        State::ExpectSpi(plan) => (None, Some(plan.want), None),
        State::ExpectKeyPair(plan, spi) => (Some(spi), Some(plan.want), None),
        State::ExpectAnswer(proposed) => (Some(proposed.spi()), Some(proposed.want()), None),
        State::ExpectSecret(answered) => (Some(answered.spi()), Some(answered.want()), None),
        State::ExpectAgreement(_, spi) => (Some(spi), None, None),
        State::ExpectConfirmation { child, .. } => (None, None, Some(child)),
        State::ExpectInboundSpi(_) | State::Done => (None, None, None),
    };
    spi.into_iter().for_each(|spi| core.release(spi));
    core.events.extend(aborted.map(Event::ChildAborted));
    core.events.extend(want.map(|want| Event::NegotiationFailed { session: session.id, want, silent }));
}

pub(crate) fn tick(session: &mut Session, core: &mut Core) {
    let ids: Vec<u32> = session.quicks.keys().copied().collect();
    for id in ids {
        let Some(quick) = session.quicks.get_mut(&id) else { continue };
        if quick.until <= core.now {
            abandon(session, core, id, true);
            session.quicks.remove(&id);
            continue;
        }
        match quick.window.tick(core.now) {
            Due::Nothing => {}
            Due::Retransmit(bytes) => session.transmit(core, &bytes),
            Due::GiveUp => {
                let detail = format!(
                    "{} does not answer in quick mode: it refuses our proposal in silence, or is down",
                    session.path.remote.ip()
                );
                let refusal = Refusal::because(Blame::PeerMisbehaved, "quick-mode-unanswered", detail);
                session.remember(core, &refusal);
                core.refuse(Some(session.id), &session.path, &refusal);
                abandon(session, core, id, true);
            }
        }
    }
}

impl Quick {
    const fn new(now: Instant, state: State) -> Self {
        Self { window: Window::new(), iv: Vec::new(), state, until: later(now) }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.window.deadline().map_or(self.until, |at| at.min(self.until))
    }
}

const fn later(now: Instant) -> Instant {
    Instant::from_micros(now.as_micros().saturating_add(REMEMBERED.as_micros() as u64))
}

/// Routes an answer to where it was asked.
pub(crate) fn answered(session: &mut Session, core: &mut Core, id: u32, answer: Answer) -> Fate {
    let fate = match answer {
        Answer::Spi(spi) => reserved(session, core, id, spi),
        Answer::Computed(outcome) => computed(session, core, id, outcome),
        Answer::Validated(_) | Answer::Resolved(_) | Answer::Traffic(_) => Fate::Live,
    };
    session.listen(core);
    fate
}
