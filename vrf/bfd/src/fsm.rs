//! The states of a session, RFC 5880 sections 6.2 and 6.8.6.

use crate::State;

/// Why the last state was left, RFC 5880 section 4.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Diagnostic {
    #[default]
    None,
    Expired,
    Neighbour,
    AdminDown,
}

impl Diagnostic {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Expired => 1,
            Self::Neighbour => 3,
            Self::AdminDown => 7,
        }
    }
}

/// The words for a diagnostic code.
pub(crate) const fn words(code: u8) -> &'static str {
    match code {
        0 => "no diagnostic",
        1 => "control detection time expired",
        2 => "echo function failed",
        3 => "neighbor signaled session down",
        4 => "forwarding plane reset",
        5 => "path down",
        6 => "concatenated path down",
        7 => "administratively down",
        8 => "reverse concatenated path down",
        _ => "unknown diagnostic",
    }
}

/// The state behind a packet in which the peer says its own, and why it changed.
pub(crate) const fn heard(state: State, theirs: State) -> (State, Option<Diagnostic>) {
    match (state, theirs) {
        (State::AdminDown, _) => (State::AdminDown, None),
        (State::Init | State::Up, State::AdminDown) | (State::Up, State::Down) => {
            (State::Down, Some(Diagnostic::Neighbour))
        }
        (State::Down, State::Down) => (State::Init, None),
        (State::Down, State::Init) | (State::Init | State::Up, State::Init | State::Up) => (State::Up, None),
        (State::Down, State::AdminDown | State::Up) => (State::Down, None),
        (State::Init, State::Down) => (State::Init, None),
    }
}

/// The state behind a detection time without a packet.
pub(crate) const fn silent(state: State) -> (State, Option<Diagnostic>) {
    match state {
        State::Init | State::Up => (State::Down, Some(Diagnostic::Expired)),
        State::Down | State::AdminDown => (state, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The drawing of RFC 5880 section 6.2, row by row: what is heard against what we are.
    #[test]
    fn the_table_is_that_of_the_rfc() {
        use State::{AdminDown, Down, Init, Up};
        let told = Some(Diagnostic::Neighbour);
        let rows = [
            (AdminDown, [(AdminDown, None); 4]),
            (Down, [(Down, None), (Init, None), (Up, None), (Down, None)]),
            (Init, [(Down, told), (Init, None), (Up, None), (Up, None)]),
            (Up, [(Down, told), (Down, told), (Up, None), (Up, None)]),
        ];
        for (state, row) in rows {
            for (theirs, expected) in [AdminDown, Down, Init, Up].into_iter().zip(row) {
                assert_eq!(heard(state, theirs), expected, "{state:?} hears {theirs:?}");
            }
        }
        let expired = Some(Diagnostic::Expired);
        let silence = [AdminDown, Down, Init, Up].map(silent);
        assert_eq!(silence, [(AdminDown, None), (Down, None), (Down, expired), (Down, expired)]);
    }
}
