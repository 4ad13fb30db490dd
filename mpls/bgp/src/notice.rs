//! What an operator should hear of, RFC 4271 section 6 and 8.

use core::fmt;

use crate::io::{AddressFamily, PeerId};

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// `%BGP-5-ADJCHANGE: neighbor … Up`.
    Up(PeerId),
    /// Why in a few words: `Hold time expired`, `Peer closed the session`, …
    Down(PeerId, String),
    /// A NOTIFICATION: code, subcode and what they mean; `sent`: by us.
    Notification { peer: PeerId, sent: bool, code: u8, subcode: u8, text: String },
    /// RFC 7606: an UPDATE's routes were taken as withdrawn, or attributes of it discarded.
    Malformed { peer: PeerId, family: Option<AddressFamily>, problem: String },
    /// `%BGP-4-MAXPFX`: received, limit.
    MaximumPrefix { peer: PeerId, family: AddressFamily, received: u32, limit: u32 },
    /// A connection that belongs to nobody, or a mismatch of the OPEN.
    Refused(PeerId, String),
    /// No label is left for what a VRF exports.
    NoLabel(String),
    /// More prefixes are permitted between two tables than may be; `None`: the global table.
    LeakLimit { from: Option<String>, to: Option<String>, limit: u32 },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up(peer) => write!(f, "neighbor {} Up", peer.address),
            Self::Down(peer, why) => write!(f, "neighbor {} Down {why}", peer.address),
            Self::Notification { peer, sent, code, subcode, text } => {
                let way = if *sent { "sent to" } else { "received from" };
                write!(f, "{way} neighbor {} {code}/{subcode} ({text})", peer.address)
            }
            Self::Malformed { peer, problem, .. } => {
                write!(f, "neighbor {} sent a malformed UPDATE: {problem}", peer.address)
            }
            Self::MaximumPrefix { peer, family, received, limit } => write!(
                f,
                "No. of prefix received from {} ({family}) reaches {received}, max {limit}",
                peer.address
            ),
            Self::Refused(peer, why) => write!(f, "neighbor {} refused: {why}", peer.address),
            Self::LeakLimit { from, to, limit } => {
                let name = |vrf: &Option<String>| {
                    vrf.as_ref().map_or_else(|| "the global table".to_owned(), |name| format!("vrf {name}"))
                };
                write!(f, "{} takes no more than {limit} prefixes of {}", name(to), name(from))
            }
            Self::NoLabel(what) => write!(f, "no label is left for {what}: widen `mpls label range`"),
        }
    }
}
