//! What operators read of phase 1: where it stands, and which message is which.

use super::Session;
use crate::v1::phase1::State;
use crate::v1::{aggressive, main, prove};
use crate::wire::header::exchange;

/// IOS's word for where phase 1 stands.
pub(crate) const fn state_word(session: &Session) -> &'static str {
    match &session.state {
        State::Main(state) => main::word(state),
        State::Aggressive(state) => aggressive::word(state),
        State::Proving(state) => prove::word(state),
        State::Established(_) => "QM_IDLE",
    }
}

/// The message that `state` waits for.
pub(super) const fn awaited(state: &State) -> &'static str {
    match state {
        State::Main(state) => match &**state {
            main::State::ExpectSa(_) => "main mode 2",
            main::State::ExpectKey(_) => "main mode 3",
            main::State::ExpectPeerKey(_) => "main mode 4",
            main::State::ExpectClaim(_) => "main mode 5",
            main::State::ExpectProof(_) => "main mode 6",
            main::State::ExpectKeyPair(_)
            | main::State::ExpectSecret(..)
            | main::State::ExpectAgreement(_) => "a main mode message",
        },
        State::Aggressive(state) => match &**state {
            aggressive::State::ExpectAnswer(_) => "aggressive mode 2",
            aggressive::State::ExpectConfirmation(_) => "aggressive mode 3",
            aggressive::State::ExpectKeyPair(_)
            | aggressive::State::ExpectSecret(_)
            | aggressive::State::ExpectAgreement(_) => "an aggressive mode message",
        },
        State::Proving(_) | State::Established(_) => "a phase 1 message",
    }
}

/// The message that led to `state`, of this exchange.
pub(super) const fn sent(state: &State, exchange: u8) -> &'static str {
    match state {
        State::Main(state) => match &**state {
            main::State::ExpectSa(_) => "main mode 1",
            main::State::ExpectKey(_) => "main mode 2",
            main::State::ExpectPeerKey(_) => "main mode 3",
            main::State::ExpectClaim(_) => "main mode 4",
            main::State::ExpectProof(_) => "main mode 5",
            main::State::ExpectKeyPair(_)
            | main::State::ExpectSecret(..)
            | main::State::ExpectAgreement(_) => "a main mode message",
        },
        State::Aggressive(state) => match &**state {
            aggressive::State::ExpectAnswer(_) => "aggressive mode 1",
            aggressive::State::ExpectConfirmation(_) => "aggressive mode 2",
            aggressive::State::ExpectKeyPair(_)
            | aggressive::State::ExpectSecret(_)
            | aggressive::State::ExpectAgreement(_) => "an aggressive mode message",
        },
        State::Proving(_) => "a phase 1 message",
        State::Established(_) if exchange == exchange::AGGRESSIVE => "aggressive mode 3",
        State::Established(_) => "main mode 6",
    }
}
