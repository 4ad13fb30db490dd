//! `crypto isakmp` and `crypto keyring`: version 1 of IKE, its keys and its profiles.

use std::net::IpAddr;

use base::{Prefix, Secret};
use ike::config::{Dpd, Identity, NamedKey, PresharedKey};

/// Global `crypto isakmp` lines.
#[derive(Clone, PartialEq, Eq)]
pub struct Isakmp {
    /// `no crypto isakmp` is `false`: version 1 is not spoken (IKE-01).
    pub enabled: bool,
    /// `crypto isakmp aggressive-mode disable` is `false`: then we neither open nor answer so.
    pub aggressive: bool,
    /// `crypto isakmp fragmentation`.
    pub fragmentation: bool,
    /// `crypto isakmp keepalive`; a profile's own comes first.
    pub dpd: Option<Dpd>,
    /// `crypto isakmp peer`, in configuration order.
    pub peers: Vec<AggressivePeer>,
}

/// `crypto isakmp peer address A [vrf V]`: whom we open in aggressive mode. It counts once it has both
/// an identity and a password (AGG-01).
#[derive(Clone, PartialEq, Eq)]
pub struct AggressivePeer {
    pub vrf: Option<String>,
    pub address: IpAddr,
    /// `set aggressive-mode client-endpoint`.
    pub identity: Option<Identity>,
    /// `set aggressive-mode password`.
    pub password: Option<Secret>,
}

/// `local-address`: where sessions must end. An interface stands for its primary address; one without
/// address, or an address that no interface has, puts the ring or profile out of use (LOC-03).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalAddress {
    Interface(String),
    /// In a front VRF; `None`: the global table.
    Address {
        address: IpAddr,
        vrf: Option<String>,
    },
}

#[derive(Clone, PartialEq, Eq)]
pub struct Keyring {
    pub name: String,
    pub description: Option<String>,
    /// The front VRF.
    pub vrf: Option<String>,
    /// `local-address` (LOC-02).
    pub local: Option<LocalAddress>,
    pub keys: Vec<PresharedKey>,
    /// `pre-shared-key hostname`, in configuration order.
    pub named: Vec<NamedKey>,
}

impl Keyring {
    /// What `keyring default` in a profile names: the global keys. No ring is called so.
    pub const DEFAULT: &str = "default";

    /// A keyring of which nothing but the name is written.
    pub const fn new(name: String) -> Self {
        Self { name, description: None, vrf: None, local: None, keys: Vec::new(), named: Vec::new() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub name: String,
    pub description: Option<String>,
    /// The inside VRF.
    pub vrf: Option<String>,
    pub keyrings: Vec<String>,
    pub matches: Vec<Match>,
    /// `match certificate` (CMAP-01).
    pub certificate_maps: Vec<String>,
    pub self_identity: Option<Identity>,
    /// `local-address` (LOC-01).
    pub local: Option<LocalAddress>,
    /// `keepalive S retry R`: periodic.
    pub dpd: Option<Dpd>,
    /// `ca trust-point`; empty: every trustpoint (VRF-12).
    pub trustpoints: Vec<String>,
    /// `initiate mode aggressive` (VRF-17).
    pub aggressive: bool,
}

/// `match identity …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    Address { prefix: Prefix, vrf: Option<String> },
    Host(String),
    HostDomain(String),
    User(String),
    UserDomain(String),
    Group(String),
}

impl Default for Isakmp {
    fn default() -> Self {
        Self { enabled: true, aggressive: true, fragmentation: false, dpd: None, peers: Vec::new() }
    }
}

impl AggressivePeer {
    /// A peer of which nothing but its place is written.
    pub const fn new(vrf: Option<String>, address: IpAddr) -> Self {
        Self { vrf, address, identity: None, password: None }
    }
}

impl Profile {
    /// A profile of which nothing but the name is written.
    pub const fn new(name: String) -> Self {
        Self {
            name,
            description: None,
            vrf: None,
            keyrings: Vec::new(),
            matches: Vec::new(),
            certificate_maps: Vec::new(),
            self_identity: None,
            local: None,
            dpd: None,
            trustpoints: Vec::new(),
            aggressive: false,
        }
    }
}
