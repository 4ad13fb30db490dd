//! Aggressive mode: three messages, identities in clear (RFC 2409 sections 5.1 and 5.4).
//!
//! ```text
//! initiator                             responder
//! 1  SA, KE, Ni, IDii, VID       ->
//!                                <-     2   SA, KE, Nr, IDir, HASH | CERT, SIG, [CERTREQ], VID, NAT-D x2
//! 3  {NAT-D x2, HASH | CERT, SIG} ->           on port 4500 if a NAT is in between
//! ```
//!
//! Message 3 may come in clear.

use crypto::dh;

use super::phase1::{self, Secured, Step};
use super::session::{Message, Session};
use crate::core::Core;
use crate::error::Refusal;

pub(crate) mod initiator;
pub(crate) mod responder;

/// Where aggressive mode stands.
#[allow(clippy::enum_variant_names, reason = "each name says what comes next")]
pub(crate) enum State {
    /// As initiator: our key pair.
    ExpectKeyPair(initiator::Offered),
    /// As initiator, message 1 is out.
    ExpectAnswer(initiator::Opened),
    /// As initiator: the shared secret.
    ExpectSecret(Box<initiator::Answered>),
    /// As responder: our key pair and the shared secret.
    ExpectAgreement(responder::Opened),
    /// As responder, message 2 is out.
    ExpectConfirmation(Secured),
}

pub(crate) fn receive(
    session: &Session,
    core: &mut Core,
    state: &State,
    message: &Message<'_>,
) -> Result<Step, Refusal> {
    match state {
        State::ExpectAnswer(opened) => initiator::receive_answer(session, core, opened, message),
        State::ExpectConfirmation(secured) => {
            responder::receive_confirmation(session, core, secured, message)
        }
        State::ExpectKeyPair(_) | State::ExpectSecret(_) | State::ExpectAgreement(_) => {
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
        (State::ExpectKeyPair(offered), dh::Outcome::Generated { private, public }) => {
            Ok(initiator::first_message(session, core, offered, private, public))
        }
        (State::ExpectSecret(answered), dh::Outcome::Finished { shared }) => {
            initiator::judge(session, core, answered, &shared)
        }
        (State::ExpectAgreement(opened), dh::Outcome::Agreed { public, shared }) => {
            responder::secure(session, core, opened, public, &shared)
        }
        _ => Err(Refusal::ignored("answer-out-of-place")),
    }
}

/// IOS's word for where it stands.
pub(crate) const fn word(state: &State) -> &'static str {
    match state {
        State::ExpectKeyPair(_) | State::ExpectAnswer(_) => "AG_NO_STATE",
        State::ExpectSecret(_) | State::ExpectAgreement(_) | State::ExpectConfirmation(_) => "AG_INIT_EXCH",
    }
}

impl From<State> for phase1::State {
    fn from(state: State) -> Self {
        Self::Aggressive(Box::new(state))
    }
}
