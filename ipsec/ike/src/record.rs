//! Why it failed: what happened in a negotiation, small enough to keep for every session, and for peers
//! whose session never came up.

use std::fmt;
use std::net::IpAddr;

use base::{Instant, VrfId};

use crate::notice::Blame;
use crate::{SessionId, config::Version};

/// The story of one session, or of one attempt at one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub session: Option<SessionId>,
    pub version: Version,
    pub front: VrfId,
    pub local: IpAddr,
    pub remote: IpAddr,
    pub initiator: bool,
    pub began: Instant,
    /// Oldest first; of a story that is too long the middle is left out.
    pub facts: Vec<(Instant, Fact)>,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Negotiating,
    Up,
    /// It was up.
    Down(&'static str),
    Failed {
        blame: Blame,
        /// A stable word.
        what: &'static str,
        /// What was offered, what we have, what to change.
        detail: String,
    },
}

/// One thing that happened or was decided. Display is one line without a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A message by its name in the RFC, such as `main mode 1` or `IKE_AUTH request`.
    Received {
        message: &'static str,
    },
    Sent {
        message: &'static str,
    },
    /// The peer did not answer so far; the how manieth repetition this is.
    Repeated {
        message: &'static str,
        times: u32,
    },
    /// What the peer offered, in the field's words, and the first thing of it that fits nothing of ours.
    Offered {
        number: u8,
        offer: Box<str>,
        mismatch: Option<Box<str>>,
    },
    /// What both will use.
    Chosen {
        what: Box<str>,
    },
    /// A keyring, key, profile, policy, trustpoint or map entry was looked at.
    Considered {
        kind: Kind,
        name: Box<str>,
        verdict: Verdict,
    },
    /// Who the peer says it is.
    Identity {
        name: Box<str>,
    },
    /// A notify, by name.
    Notified {
        ours: bool,
        name: &'static str,
    },
    Nat {
        local: bool,
        remote: bool,
    },
    Established,
    /// Anything that has no better word.
    Note(Box<str>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Policy,
    Keyring,
    Key,
    Profile,
    Trustpoint,
    Entry,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Chosen,
    /// Why not.
    Passed(Box<str>),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Policy => "policy",
            Self::Keyring => "keyring",
            Self::Key => "key",
            Self::Profile => "profile",
            Self::Trustpoint => "trustpoint",
            Self::Entry => "crypto-map entry",
        })
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Received { message } => write!(f, "received {message}"),
            Self::Sent { message } => write!(f, "sent {message}"),
            Self::Repeated { message, times } => write!(f, "sent {message} again ({times})"),
            Self::Offered { number, offer, mismatch: None } => write!(f, "offer {number}: {offer}: fits"),
            Self::Offered { number, offer, mismatch: Some(why) } => {
                write!(f, "offer {number}: {offer}: {why}")
            }
            Self::Chosen { what } => write!(f, "chosen: {what}"),
            Self::Considered { kind, name, verdict: Verdict::Chosen } => write!(f, "{kind} {name}: taken"),
            Self::Considered { kind, name, verdict: Verdict::Passed(why) } => {
                write!(f, "{kind} {name}: {why}")
            }
            Self::Identity { name } => write!(f, "the peer is {name}"),
            Self::Notified { ours: true, name } => write!(f, "told the peer {name}"),
            Self::Notified { ours: false, name } => write!(f, "the peer says {name}"),
            Self::Nat { local, remote } => f.write_str(match (local, remote) {
                (false, false) => "no NAT on the path",
                (true, false) => "a NAT on our side",
                (false, true) => "a NAT on the peer's side",
                (true, true) => "a NAT on both sides",
            }),
            Self::Established => f.write_str("established"),
            Self::Note(text) => f.write_str(text),
        }
    }
}
