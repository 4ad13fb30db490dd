//! Labels, and what LDP knows of them and of its neighbours.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelTable {
    pub entries: Vec<LabelEntry>,
    /// See `RouteTable`.
    pub more: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelEntry {
    /// `None`: a push, nothing of ours arrives with a label.
    pub local: Option<u32>,
    /// `Pop Label`, `No Label` or a stack such as `17/100`, outermost first.
    pub outgoing: String,
    pub prefix: String,
    pub vrf: Option<String>,
    /// `None`: nobody counts.
    pub bytes: Option<u64>,
    pub packets: Option<u64>,
    pub interface: Option<String>,
    pub next_hop: Option<IpAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LdpNeighbor {
    /// LDP identifiers: its and ours.
    pub peer: String,
    pub local: String,
    /// As in RFC 5036, `Oper` once the session is up.
    pub state: String,
    pub local_address: Option<IpAddr>,
    pub remote_address: Option<IpAddr>,
    /// We opened the connection.
    pub active: bool,
    /// Nothing is taken that a router passed on, RFC 6720.
    pub ttl_security: bool,
    pub messages_sent: u64,
    pub messages_received: u64,
    /// Seconds.
    pub uptime: Option<u64>,
    pub keepalive: Option<u64>,
    pub sources: Vec<LdpSource>,
    pub addresses: Vec<IpAddr>,
    /// Labels that it announced, and those of them that are left from an older session.
    pub bindings: usize,
    pub stale: usize,
    /// How long those are kept.
    pub stale_left: Option<u64>,
    /// Graceful restart: the reconnect and the recovery time that it announced.
    pub restart: Option<(u64, u64)>,
    /// Why the last session was refused.
    pub complaint: Option<String>,
}

/// Where its hellos come from; no interface: targeted ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LdpSource {
    pub interface: Option<String>,
    pub address: IpAddr,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LdpBindings {
    pub bindings: Vec<LdpBinding>,
    /// See `RouteTable`.
    pub more: Option<String>,
}

/// Of one prefix of the global table. Labels are numbers, `imp-null` or `exp-null`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LdpBinding {
    pub prefix: String,
    pub local: Option<String>,
    pub remote: Vec<LdpRemoteBinding>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LdpRemoteBinding {
    pub peer: String,
    pub label: String,
    pub stale: bool,
    /// Packets use it.
    pub in_use: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LdpDiscovery {
    pub router_id: Ipv4Addr,
    /// Interfaces on which hellos are sent.
    pub interfaces: Vec<String>,
    pub hellos: Vec<LdpHello>,
    /// Hellos that were not heard, by reason.
    pub ignored: Vec<(String, u64)>,
}

/// A neighbour that is heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LdpHello {
    /// `None`: a targeted one.
    pub interface: Option<String>,
    pub source: IpAddr,
    pub peer: String,
    pub transport: IpAddr,
    /// Hold time and what is left of it, in seconds; `None`: for ever.
    pub hold: Option<(u64, u64)>,
}
