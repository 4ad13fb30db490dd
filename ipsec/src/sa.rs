//! One unidirectional security association: RFC 4301 section 4.4.2, with the two VRFs that are ours.

use core::net::IpAddr;

use base::{PolicyId, SaId, Secret, Spi, VrfId};

use crate::{Encap, Selector, Suite};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    In,
    Out,
}

/// Keying material, sized by the suite. No Debug: it would be seen.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// The cipher's key; for GCM followed by the 4-byte salt.
    pub cipher: Secret,
    /// The integrity key; empty for an AEAD.
    pub integrity: Secret,
}

/// What an SA protects of a packet (RFC 4301 section 4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// All of it, behind a new IP header.
    #[default]
    Tunnel,
    /// What follows its IP header.
    Transport,
}

/// Anti-replay, RFC 4303 section 3.4.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Window in packets, 64 to 4096; zero switches the check off.
    pub window: u16,
    /// Extended 64-bit sequence numbers.
    pub esn: bool,
}

/// What the dataplane needs to seal or open packets. VRF awareness is the two fields
/// `front` and `inside`, nothing more.
#[derive(Clone, PartialEq, Eq)]
pub struct Sa {
    pub id: SaId,
    pub direction: Direction,
    /// The entry or tunnel interface that it was negotiated under: where its inner packets come from and go to.
    pub policy: PolicyId,
    pub spi: Spi,
    /// The VRF of the outer packet; part of every key.
    pub front: VrfId,
    /// The VRF of the inner packet.
    pub inside: VrfId,
    /// Our outer address.
    pub local: IpAddr,
    /// The peer's outer address.
    pub remote: IpAddr,
    pub encap: Encap,
    pub suite: Suite,
    pub mode: Mode,
    pub keys: Keys,
    pub replay: Replay,
    /// What the peers agreed to carry, seen from this box; an inner packet outside it is refused.
    pub selector: Selector,
    /// Kilobytes after which the SA dies; `None`: never by volume.
    pub kilobytes: Option<u32>,
}

impl Replay {
    /// IOS: a window of 64 packets, 32-bit sequence numbers.
    pub const DEFAULT: Self = Self { window: 64, esn: false };
}

impl Default for Replay {
    fn default() -> Self {
        Self::DEFAULT
    }
}
