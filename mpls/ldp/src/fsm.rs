//! The states of a session and what moves it between them: the table of RFC 5036 section 2.5.4.

use core::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// No connection yet.
    NonExistent,
    /// Connected; the peer, who plays the active role, speaks first.
    Initialized,
    OpenRec,
    OpenSent,
    Operational,
}

/// Who opens the connection and speaks first: whose transport address is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Active,
    Passive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Connected(Role),
    /// An Initialization whose parameters we take.
    Initialization,
    /// One that we do not take.
    Unacceptable,
    KeepAlive,
    /// Any other message.
    Other,
    /// A fatal notification, a timeout, the end of the connection.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Nothing,
    SendInitialization,
    SendInitializationAndKeepAlive,
    SendKeepAlive,
    /// The session is up: say everything.
    Up,
    /// Look into the message.
    Process,
    /// Refuse the session with a notification, and close.
    Refuse,
    Close,
}

pub(crate) const fn step(state: State, event: Event) -> (State, Action) {
    use State::{Initialized, NonExistent, OpenRec, OpenSent, Operational};
    match (state, event) {
        (NonExistent, Event::Connected(Role::Active)) => (OpenSent, Action::SendInitialization),
        (NonExistent, Event::Connected(Role::Passive)) => (Initialized, Action::Nothing),
        (Initialized, Event::Initialization) => (OpenRec, Action::SendInitializationAndKeepAlive),
        (OpenSent, Event::Initialization) => (OpenRec, Action::SendKeepAlive),
        (OpenRec, Event::KeepAlive) => (Operational, Action::Up),
        (Operational, Event::Other) => (Operational, Action::Process),
        (
            Operational,
            Event::KeepAlive | Event::Initialization | Event::Unacceptable | Event::Connected(_),
        ) => (Operational, Action::Nothing),
        (NonExistent, _) => (NonExistent, Action::Nothing),
        (Initialized | OpenRec | OpenSent | Operational, Event::End) => (NonExistent, Action::Close),
        (Initialized | OpenRec | OpenSent, _) => (NonExistent, Action::Refuse),
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NonExistent => "Nonexistent",
            Self::Initialized => "Initialized",
            Self::OpenRec => "Openrec",
            Self::OpenSent => "Opensent",
            Self::Operational => "Oper",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5036 section 2.5.4, row by row; what the table does not name refuses the session or changes nothing.
    #[test]
    fn the_table_is_that_of_the_rfc() {
        use Action as A;
        use Event as E;
        use State::{Initialized, NonExistent, OpenRec, OpenSent, Operational};
        let events = [
            E::Connected(Role::Active),
            E::Connected(Role::Passive),
            E::Initialization,
            E::Unacceptable,
            E::KeepAlive,
            E::Other,
            E::End,
        ];
        let none = (NonExistent, A::Nothing);
        let (refused, closed) = ((NonExistent, A::Refuse), (NonExistent, A::Close));
        let stays = (Operational, A::Nothing);
        let rows = [
            (
                NonExistent,
                [(OpenSent, A::SendInitialization), (Initialized, A::Nothing), none, none, none, none, none],
            ),
            (
                Initialized,
                [
                    refused,
                    refused,
                    (OpenRec, A::SendInitializationAndKeepAlive),
                    refused,
                    refused,
                    refused,
                    closed,
                ],
            ),
            (OpenSent, [refused, refused, (OpenRec, A::SendKeepAlive), refused, refused, refused, closed]),
            (OpenRec, [refused, refused, refused, refused, (Operational, A::Up), refused, closed]),
            (Operational, [stays, stays, stays, stays, stays, (Operational, A::Process), closed]),
        ];
        for (state, row) in rows {
            for (event, expected) in events.into_iter().zip(row) {
                assert_eq!(step(state, event), expected, "{state:?} {event:?}");
            }
        }
    }
}
