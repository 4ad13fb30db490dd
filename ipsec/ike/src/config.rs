//! What an operator asks of IKE, resolved: VRFs are ids, map entries stand on their interfaces.
//! Every field's default is IOS's and stands next to it.

use std::net::IpAddr;
use std::time::Duration;

use base::{PolicyId, Prefix, Secret, VrfId};
use crypto::dh::Group;
pub use crypto::prf::Hash;
use ipsec::{Lifetime, Replay, Rule, Suite};

/// All of it. Order matters where the comment says so.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// Phase 1 proposals, best first (IKE-03).
    pub proposals: Vec<Proposal>,
    /// In configuration order. Global keys are a ring named `default` in the global front VRF (IKE-10).
    pub keyrings: Vec<Keyring>,
    /// In configuration order.
    pub profiles: Vec<Profile>,
    /// Crypto-map entries, by interface and sequence number.
    pub entries: Vec<Entry>,
    pub identity: Identity,
    pub timers: Timers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    Des,
    TripleDes,
    /// Key bits: 128, 192 or 256.
    Aes(u16),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    PreShared,
    RsaSignature,
    RsaEncryption,
}

/// `crypto isakmp policy N`. The defaults are IOS's: DES, SHA-1, RSA signatures, group 1, a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// 1 to 10000, 1 best; 65535 is IOS's built-in last resort.
    pub priority: u16,
    pub encryption: Encryption,
    pub hash: Hash,
    pub authentication: Authentication,
    pub group: Group,
    /// 60 to 86400 seconds.
    pub lifetime: Duration,
}

/// `crypto keyring NAME [vrf FVRF]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Keyring {
    pub name: String,
    /// Consulted only for peers of this front VRF (VRF-05).
    pub front: VrfId,
    pub keys: Vec<PresharedKey>,
}

#[derive(Clone, PartialEq, Eq)]
pub struct PresharedKey {
    /// Whose key it is; the longest matching prefix wins.
    pub peer: Prefix,
    pub key: Secret,
}

/// `crypto isakmp profile NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub name: String,
    /// `vrf`: the inside VRF; `None`: the front VRF (VRF-08).
    pub inside: Option<VrfId>,
    /// Names of its keyrings; empty: the keys no profile claims (VRF-11).
    pub keyrings: Vec<String>,
    pub matches: Vec<Match>,
    /// `self-identity`; `None`: the global one.
    pub self_identity: Option<Identity>,
}

/// `match identity` (VRF-14). The most specific match wins, then configuration order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Match {
    /// `address A [MASK] [FVRF]`; `front` is the global VRF when none is written.
    Address {
        prefix: Prefix,
        front: VrfId,
    },
    Host(String),
    HostDomain(String),
    User(String),
    UserDomain(String),
    Group(String),
}

/// What we call ourselves in the ID payload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Identity {
    /// The address the session runs on.
    #[default]
    Address,
    Fqdn(String),
    UserFqdn(String),
}

/// One `ipsec-isakmp` entry of a crypto map, on one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub policy: PolicyId,
    /// Place in the map, lower first.
    pub sequence: u32,
    /// The interface's VRF and primary address of the peer's family.
    pub front: VrfId,
    pub local: IpAddr,
    /// The profile's inside VRF, else the front VRF.
    pub inside: VrfId,
    pub profile: Option<String>,
    /// Tried in order.
    pub peers: Vec<IpAddr>,
    /// Acceptable transform sets, best first.
    pub suites: Vec<Suite>,
    pub rules: Vec<Rule>,
    pub lifetime: Lifetime,
    pub pfs: Option<Group>,
    pub replay: Replay,
}

/// What only tests and impatient operators change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// First retransmission; doubles at each.
    pub retransmit: Duration,
    /// Retransmissions before a peer is given up.
    pub tries: u32,
    /// Between two attempts to open IKE because of an unknown SPI, for each peer.
    pub unknown_spi_hold: Duration,
    /// `crypto isakmp nat keepalive`: seconds between NAT keepalives while behind a NAT.
    pub nat_keepalive: Duration,
}

impl Proposal {
    pub const PRIORITY_BUILT_IN: u16 = 65535;

    /// A policy of which nothing but the number is written.
    pub const fn new(priority: u16) -> Self {
        Self {
            priority,
            encryption: Encryption::Des,
            hash: Hash::Sha1,
            authentication: Authentication::RsaSignature,
            group: Group::Modp768,
            lifetime: Duration::from_secs(86_400),
        }
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            retransmit: Duration::from_secs(2),
            tries: 4,
            unknown_spi_hold: Duration::from_secs(5),
            nat_keepalive: Duration::from_secs(20),
        }
    }
}
