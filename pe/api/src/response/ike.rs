//! Facts of IKE version 2, and the stories of negotiations of both versions.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// One SA of version 2. Algorithms are in the words of `crypto ikev2 proposal`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ikev2Sa {
    pub id: u32,
    pub front: Option<String>,
    pub inside: Option<String>,
    pub local: IpAddr,
    pub local_port: u16,
    pub remote: IpAddr,
    pub remote_port: u16,
    /// `IN-NEG`, `READY` or `DELETE`.
    pub state: String,
    pub initiator: bool,
    pub profile: Option<String>,
    pub identity: Option<String>,
    /// These six are empty until the peer is known.
    pub encryption: Option<String>,
    pub integrity: Option<String>,
    pub prf: Option<String>,
    /// Of the first key exchange, then of the additional ones.
    pub groups: Vec<u16>,
    /// Who we said we are.
    pub own_identity: Option<String>,
    /// How we and how the peer proved who we are, for instance `PSK`.
    pub authentication: Option<(String, String)>,
    /// Its own lifetime, and for how long it is up.
    pub lifetime: u64,
    pub active: u64,
    pub spis: (String, String),
    pub nat: bool,
    pub ppk: bool,
    pub mobike: bool,
    pub fragmentation: bool,
    pub children: Vec<Ikev2Child>,
}

/// One pair of IPsec SAs under it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ikev2Child {
    /// First and last address, protocol, first and last port.
    pub local: (IpAddr, IpAddr, u16, u16),
    pub remote: (IpAddr, IpAddr, u16, u16),
    pub protocol: u8,
    pub spi_in: u32,
    pub spi_out: u32,
    /// As a transform set is written.
    pub transform: String,
    pub transport: bool,
    pub esn: bool,
    pub seconds_left: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ikev2Proposal {
    pub name: String,
    pub encryption: Vec<String>,
    pub integrity: Vec<String>,
    pub prf: Vec<String>,
    pub groups: Vec<u16>,
    pub additional: Vec<Vec<u16>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ikev2Policy {
    pub name: String,
    /// `any`, `global` or a VRF.
    pub front: String,
    /// Empty: every address.
    pub local: Vec<IpAddr>,
    pub proposals: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ikev2Profile {
    pub name: String,
    /// `any`, `global` or a VRF.
    pub front: String,
    pub local: Vec<IpAddr>,
    /// As after `match identity remote`.
    pub identities: Vec<String>,
    pub certificate_maps: Vec<String>,
    pub local_identity: Option<String>,
    pub local_authentication: Option<String>,
    pub remote_authentication: Vec<String>,
    pub keyring: Option<String>,
    pub sign: Vec<String>,
    pub verify: Vec<String>,
    pub lifetime: u64,
    pub reauthentication: bool,
    /// Seconds between probes and between attempts; whether also without traffic.
    pub dpd: Option<(u64, u64, bool)>,
    pub nat_keepalive: Option<u64>,
    pub inside: Option<String>,
    pub mobike: bool,
    /// Whether it lacks something and so serves nobody.
    pub incomplete: bool,
}

/// Call admission control (CAC-05): limits, and what was let in and refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// Percent; zero: none.
    pub load_limit: u32,
    /// Zero: none.
    pub most: u32,
    pub most_negotiating: u32,
    pub active: u64,
    pub negotiating: u64,
    pub incoming_accepted: u64,
    pub incoming_rejected: u64,
    pub outgoing_accepted: u64,
    pub outgoing_rejected: u64,
    pub rejected_for_load: u64,
    pub rejected_for_limit: u64,
    /// Of IKE_SA_INIT under load: those that showed the right cookie, a wrong one, and none.
    pub cookies_right: u64,
    pub cookies_wrong: u64,
    pub cookies_missing: u64,
}

/// All that is known of a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    pub remote: IpAddr,
    /// The crypto-map entries and tunnels that name it.
    pub known: Vec<Known>,
    /// Oldest first.
    pub stories: Vec<Story>,
}

/// A place in the configuration that names a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// For instance `crypto map M 10 on Ethernet0/0`.
    pub place: String,
    /// 1 or 2.
    pub version: u8,
    pub front: Option<String>,
    pub inside: Option<String>,
    pub profile: Option<String>,
    /// As in `show crypto session`.
    pub status: String,
    /// What it needs before it can do anything.
    pub missing: Option<String>,
}

/// One session, or one attempt at one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    /// 1 or 2.
    pub version: u8,
    pub connection: Option<u32>,
    pub front: Option<String>,
    pub local: IpAddr,
    pub initiator: bool,
    /// Seconds ago.
    pub began: u64,
    pub steps: Vec<StoryStep>,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoryStep {
    /// Milliseconds after the beginning.
    pub after: u64,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Negotiating,
    Up,
    /// It was up.
    Down {
        why: String,
    },
    Failed {
        /// Who is to blame.
        blame: String,
        /// A stable word.
        what: String,
        /// What was offered, what we have, what to change.
        detail: String,
    },
}
