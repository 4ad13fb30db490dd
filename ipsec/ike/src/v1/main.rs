//! Main mode: identity protection in six messages (RFC 2409 sections 5.1 and 5.4).
//!
//! ```text
//! initiator                                      responder
//! 1  SA, VID                              ->
//!                                         <-     2   SA, VID
//! 3  KE, Ni, NAT-D x2                     ->
//!                                         <-     4   KE, Nr, [CERTREQ], NAT-D x2
//! 5  {ID, HASH | CERT, SIG, CERTREQ, [N]} ->             on port 4500 if a NAT is in between
//!                                         <-     6   {ID, HASH | CERT, SIG}
//! ```

use crypto::dh;

use super::phase1::{self, Agreed, Secured, Step, Values};
use super::session::{Message, Session};
use crate::core::Core;
use crate::error::Refusal;
use crate::wire::header::exchange;
use crate::wire::payload::{self, Builder};

pub(crate) mod initiator;
pub(crate) mod responder;

/// Where main mode stands.
#[allow(clippy::enum_variant_names, reason = "each name says what comes next")]
pub(crate) enum State {
    /// As initiator, message 1 is out.
    ExpectSa(initiator::Offered),
    /// As initiator: our key pair.
    ExpectKeyPair(Agreed),
    /// As initiator, message 3 is out.
    ExpectPeerKey(initiator::Committed),
    /// As initiator: the shared secret.
    ExpectSecret(Agreed, Values),
    /// As initiator, message 5 is out.
    ExpectProof(Secured),
    /// As responder, message 2 is out.
    ExpectKey(Agreed),
    /// As responder: our key pair and the shared secret.
    ExpectAgreement(responder::Answering),
    /// As responder, message 4 is out.
    ExpectClaim(Secured),
}

pub(crate) fn receive(
    session: &Session,
    core: &mut Core,
    state: &State,
    message: &Message<'_>,
) -> Result<Step, Refusal> {
    match state {
        State::ExpectSa(state) => initiator::receive_sa(session, core, state, message),
        State::ExpectPeerKey(state) => initiator::receive_key(session, core, state, message),
        State::ExpectProof(state) => initiator::receive_proof(session, core, state, message),
        State::ExpectKey(state) => responder::receive_key(session, core, state, message),
        State::ExpectClaim(state) => responder::receive_claim(session, core, state, message),
        State::ExpectKeyPair(_) | State::ExpectSecret(..) | State::ExpectAgreement(_) => {
            Err(Refusal::ignored("message-while-computing"))
        }
    }
}

/// A Diffie-Hellman computation is done.
pub(crate) fn computed(
    session: &Session,
    core: &mut Core,
    state: &State,
    outcome: dh::Outcome,
) -> Result<Step, Refusal> {
    match (state, outcome) {
        (State::ExpectKeyPair(agreed), dh::Outcome::Generated { private, public }) => {
            Ok(initiator::send_key(session, core, agreed, private, public))
        }
        (State::ExpectSecret(agreed, values), dh::Outcome::Finished { shared }) => {
            initiator::claim(session, core, values.clone().secure(agreed, &shared))
        }
        (State::ExpectAgreement(state), dh::Outcome::Agreed { public, shared }) => {
            Ok(responder::send_key(session, core, state, public, &shared))
        }
        _ => Err(Refusal::ignored("answer-out-of-place")),
    }
}

/// IOS's word for where it stands.
pub(crate) const fn word(state: &State) -> &'static str {
    match state {
        State::ExpectSa(_) => "MM_NO_STATE",
        State::ExpectKeyPair(_) | State::ExpectPeerKey(_) | State::ExpectKey(_) => "MM_SA_SETUP",
        State::ExpectSecret(..)
        | State::ExpectProof(_)
        | State::ExpectAgreement(_)
        | State::ExpectClaim(_) => "MM_KEY_EXCH",
    }
}

impl Agreed {
    /// Message 3 or 4.
    fn key_message(&self, session: &Session, public: &[u8], nonce: &[u8], requests: &[Vec<u8>]) -> Vec<u8> {
        let mut chain = Builder::default();
        chain.push(payload::KEY_EXCHANGE, public).push(payload::NONCE, nonce);
        for request in requests {
            chain.push(payload::CERTIFICATE_REQUEST, request);
        }
        self.describe_path(&mut chain, session.cookies, &session.path);
        session.clear_message(exchange::MAIN, &chain)
    }
}

impl From<State> for phase1::State {
    fn from(state: State) -> Self {
        Self::Main(Box::new(state))
    }
}
