//! What goes into the engine and what comes out.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use base::{PortId, VrfId};

/// A path that is watched. The VRF is part of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    pub vrf: VrfId,
    pub local: IpAddr,
    pub remote: IpAddr,
    /// The port of a single-hop session (UDP 3784, TTL 255 both ways); `None`: several hops (UDP 4784).
    pub port: Option<PortId>,
}

/// `bfd interval N min_rx N multiplier N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    pub transmit: Duration,
    pub receive: Duration,
    pub multiplier: u8,
}

/// RFC 5880 section 4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    AdminDown,
    Down,
    Init,
    Up,
}

pub enum Input {
    /// All sessions that are wanted.
    Configure(BTreeMap<SessionKey, Timers>),
    /// A control packet; `ttl` as it arrived.
    Packet {
        vrf: VrfId,
        port: PortId,
        local: IpAddr,
        remote: IpAddr,
        multihop: bool,
        ttl: u8,
        bytes: Vec<u8>,
    },
}

pub enum Output {
    /// From a source port of the ephemeral range that belongs to the session, with TTL 255.
    Transmit { key: SessionKey, source_port: u16, bytes: Vec<u8> },
    /// The session came up, or it went down after it had been up, with the diagnostic in words. `AdminDown`: the peer
    /// switched it off, which is no failure of the path (RFC 5882 section 3.2).
    Changed { key: SessionKey, state: State, diagnostic: &'static str },
}
