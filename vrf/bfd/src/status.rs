//! What `show bfd neighbors` prints.

use core::time::Duration;

use base::Instant;

use crate::fsm::words;
use crate::session::Session;
use crate::{SessionKey, State};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub key: SessionKey,
    pub state: State,
    /// Since when it is in this state.
    pub since: Duration,
    /// What the peer says of itself; `None`: it is silent.
    pub remote: Option<State>,
    pub discriminators: (u32, u32),
    /// Between our packets before jitter; `None`: the peer wants none.
    pub transmit: Option<Duration>,
    /// How long the peer may be silent.
    pub detection: Duration,
    pub multipliers: (u8, u8),
    /// Why the last state was left, as we say and as the peer says.
    pub diagnostics: (&'static str, &'static str),
    pub sent: u64,
    pub received: u64,
}

impl Status {
    pub(crate) fn of(key: SessionKey, session: &Session, now: Instant) -> Self {
        let heard = session.heard;
        Self {
            key,
            state: session.state,
            since: now.since(session.since),
            remote: heard.map(|heard| heard.state),
            discriminators: (session.discriminator, heard.map_or(0, |heard| heard.mine)),
            transmit: session.interval(),
            detection: session.detection(),
            multipliers: (session.timers.multiplier, heard.map_or(0, |heard| heard.multiplier)),
            diagnostics: (
                words(session.diagnostic.code()),
                heard.map_or(words(0), |heard| words(heard.diagnostic)),
            ),
            sent: session.sent,
            received: session.received,
        }
    }
}
