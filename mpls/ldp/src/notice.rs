//! What an operator should hear of.

use core::fmt;

use crate::io::LdpId;

/// One line of the log: `%LDP-5-NBRCHG` and its kin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    Up(LdpId),
    Down(LdpId, String),
    /// A session that cannot come up, and why.
    Refused(LdpId, String),
    NoLabel(String),
    /// It announces more than we remember of one neighbour.
    Overflow(LdpId),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up(peer) => write!(f, "LDP Neighbor {peer} is UP"),
            Self::Down(peer, why) => write!(f, "LDP Neighbor {peer} is DOWN ({why})"),
            Self::Refused(peer, why) => write!(f, "LDP session with {peer} refused: {why}"),
            Self::NoLabel(what) => write!(f, "no label is left for {what}: widen `mpls label range`"),
            Self::Overflow(peer) => {
                write!(f, "LDP Neighbor {peer} announces too many labels or addresses: the rest is released")
            }
        }
    }
}
