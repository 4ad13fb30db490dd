//! Paths that BFD watches, routes that tunnels hold up, and policies of routes.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Times are milliseconds but for `since`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BfdSession {
    pub vrf: Option<String>,
    pub local: IpAddr,
    pub remote: IpAddr,
    /// `None`: over several hops.
    pub interface: Option<String>,
    /// `Up`, `Down`, `Init` or `AdminDown`.
    pub state: String,
    /// What the peer says of itself; `None`: it is silent.
    pub remote_state: Option<String>,
    /// Seconds in this state.
    pub since: u64,
    /// Discriminators, ours and the peer's; likewise the next two.
    pub discriminators: (u32, u32),
    pub multipliers: (u8, u8),
    pub diagnostics: (String, String),
    /// Between our packets; `None`: the peer wants none.
    pub transmit: Option<u64>,
    /// How long the peer may be silent.
    pub detection: u64,
    pub sent: u64,
    pub received: u64,
    /// Who asked for it: `BGP`, `Static`.
    pub clients: Vec<String>,
}

/// A route of the network behind a tunnel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CryptoRoute {
    pub vrf: Option<String>,
    pub prefix: String,
    pub distance: u8,
    pub tag: u32,
    pub next_hop: Option<IpAddr>,
    pub interface: Option<String>,
    /// `RRI`; `VTI` of a tunnel interface; `S`: `reverse-route static`, SA or not.
    pub code: String,
    /// How many SAs, and entries with `static`, hold it up.
    pub users: u32,
    /// Packets see it.
    pub in_use: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteMap {
    pub name: String,
    pub entries: Vec<RouteMapEntry>,
}

/// Lines are those of the configuration, without `match` and `set`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteMapEntry {
    pub sequence: u32,
    pub permit: bool,
    pub matches: Vec<String>,
    pub sets: Vec<String>,
    /// `continue`.
    pub next: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixList {
    pub name: String,
    pub ipv6: bool,
    pub rules: Vec<PrefixRule>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixRule {
    pub sequence: u32,
    pub permit: bool,
    pub prefix: String,
    /// The lengths that match where they are not the prefix's own alone.
    pub ge: Option<u8>,
    pub le: Option<u8>,
}
