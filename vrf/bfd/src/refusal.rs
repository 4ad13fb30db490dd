//! Why a packet changes nothing.

use core::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    Malformed,
    Version,
    /// No authentication is configured here, RFC 5880 section 6.8.6.
    Authenticated,
    /// Neither ours nor the state of one who does not know ours yet.
    NoDiscriminator,
    /// From further away than the next hop, RFC 5881 section 5.
    TimeToLive,
    /// There is no such session in this VRF.
    NoSession,
    /// The session is switched off.
    AdminDown,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed",
            Self::Version => "not of version 1",
            Self::Authenticated => "authentication is not supported",
            Self::NoDiscriminator => "without our discriminator",
            Self::TimeToLive => "TTL is not 255: not from the next hop",
            Self::NoSession => "of no session",
            Self::AdminDown => "the session is administratively down",
        })
    }
}
