//! The responder's side of main mode: sends messages 2, 4 and 6.

use base::Secret;
use crypto::dh::Job;

use super::State;
use crate::Ask;
use crate::core::Core;
use crate::error::Refusal;
use crate::natt::{Dialect, Nat};
use crate::v1::phase1::{self, Agreed, Mode, Proved, Secured, Step, Values};
use crate::v1::prove::{self, Before, Proof};
use crate::v1::session::{Message, Session};
use crate::v1::{offer, trust};
use crate::wire::header::exchange;
use crate::wire::payload::{self, Builder, Chain};
use crate::wire::{ke, nonce};

/// Message 3 is in.
pub(crate) struct Answering {
    agreed: Agreed,
    public_i: Vec<u8>,
    nonce_i: Vec<u8>,
    nat: Nat,
    requests: Vec<Vec<u8>>,
}

/// Message 1: what we agree to, and the SA payload that says so.
pub(crate) fn open(core: &mut Core, message: &Message<'_>) -> Result<Agreed, Refusal> {
    let path = message.path;
    let chain = phase1::in_clear(message)?;
    let (sa_i, offered) = offer::read(&chain)?;
    let means = trust::means_for_responder(core, &path)?;
    let (chosen, answer) = offer::choose(core, &path, &means, &offered)?;
    let auth = means.auth(chosen.proposal.authentication)?;
    let dialect = Dialect::announced(&chain);
    Ok(Agreed { mode: Mode::Main, chosen, sa_i, sa_r: answer.encode(), auth, dialect })
}

/// Message 2.
pub(crate) fn second_message(session: &Session, core: &Core, agreed: &Agreed) -> Vec<u8> {
    let mut chain = Builder::default();
    chain.push(payload::SA, &agreed.sa_r);
    phase1::announce(core, &mut chain, Some(agreed.dialect));
    session.clear_message(exchange::MAIN, &chain)
}

/// Message 3: asks for our key pair and the shared secret.
pub(super) fn receive_key(
    session: &Session,
    core: &mut Core,
    agreed: &Agreed,
    message: &Message<'_>,
) -> Result<Step, Refusal> {
    let chain = phase1::in_clear(message)?;
    let public_i = ke::decode(chain.first(payload::KEY_EXCHANGE)?)?;
    let nonce_i = nonce::decode(chain.first(payload::NONCE)?)?;
    let nat = agreed.detect_nat(core, &chain, session.cookies, &session.path);
    core.debug(Some(session.id), &session.path, || {
        format!("NAT found: we are behind one {}, the peer is {}", nat.local, nat.remote)
    });
    let group = agreed.chosen.proposal.group;
    let job = Job::Agree { group, seed: core.drbg.bytes(), peer: public_i.clone() };
    let requests = phase1::requests(&chain);
    let state = Answering { agreed: agreed.clone(), public_i, nonce_i, nat, requests };
    Ok(Step::main(State::ExpectAgreement(state)).asking(Ask::Compute(job.into())))
}

/// Message 4.
pub(super) fn send_key(
    session: &Session,
    core: &mut Core,
    state: &Answering,
    public_r: Vec<u8>,
    shared: &Secret,
) -> Step {
    let nonce_r = core.nonce();
    let requests = prove::our_requests(session, core, &state.agreed.auth);
    let message = state.agreed.key_message(session, &public_r, &nonce_r, &requests);
    let values = Values {
        cookies: session.cookies,
        public_i: state.public_i.clone(),
        public_r,
        nonce_i: state.nonce_i.clone(),
        nonce_r,
        nat: state.nat,
        requests: state.requests.clone(),
        said: None,
    };
    Step::main(State::ExpectClaim(values.secure(&state.agreed, shared))).sending(message)
}

/// Message 5: the peer proves who it is; that settles profile and inside VRF.
pub(super) fn receive_claim(
    session: &Session,
    core: &mut Core,
    state: &Secured,
    message: &Message<'_>,
) -> Result<Step, Refusal> {
    let (clear, iv) = message.open(&state.keys, &state.iv)?;
    let chain = Chain::decode(message.header.next, &clear).map_err(|_| prove::mismatch(session, state))?;
    let mut secured = Secured { iv, ..state.clone() };
    secured.values.requests.extend(phase1::requests(&chain));
    // Who found a NAT comes by the NAT port. What told us of one was not authenticated.
    if !message.path.marker {
        secured.values.nat = Nat::default();
    }
    let before = Before::Secured(state.clone());
    prove::examine(session, core, secured, &chain, (&message.path, &message.digest), before)
}

/// Message 6: phase 1 is complete.
pub(crate) fn answer(
    session: &Session,
    core: &mut Core,
    secured: &Secured,
    proved: Proved,
    proof: &Proof,
) -> Result<Step, Refusal> {
    let mut chain = Builder::default();
    proof.push(&mut chain);
    let (sealed, last_block) = secured.keys.seal(&secured.iv, chain.bytes())?;
    let sent = session.sealed_message(exchange::MAIN, 0, chain.first(), &sealed);
    let state = secured.establish(core, &proved, last_block, false);
    let path = Some(proved.path);
    Ok(Step { path, ..Step::to(state).with(proved).sending(sent) })
}
