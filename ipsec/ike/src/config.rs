//! What an operator asks of IKE, resolved: VRFs are ids, map entries stand on their interfaces.
//! Every field's default is IOS's and stands next to it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base::{PolicyId, Prefix, Secret, VrfId};
use crypto::dh::Group;
pub use crypto::prf::Hash;
use ipsec::{Lifetime, Mode, Replay, Rule, Suite};

pub mod v2;

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
    /// `crypto isakmp keepalive`; a profile's own comes first.
    pub dpd: Option<Dpd>,
    /// `crypto isakmp aggressive-mode disable` is `false`.
    pub aggressive: bool,
    /// `crypto isakmp peer`: whom we open in aggressive mode, and as whom (AGG-01).
    pub aggressive_peers: Vec<AggressivePeer>,
    /// `crypto isakmp fragmentation`: the field's fragments of version 1.
    pub fragmentation: bool,
    /// In configuration order.
    pub trustpoints: Vec<Arc<pki::Trustpoint>>,
    /// `crypto pki certificate map`, by name.
    pub certificate_maps: BTreeMap<String, CertificateMap>,
    pub admission: Admission,
    pub v2: v2::Config,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    V1,
    V2,
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
    /// RFC 4754: SHA-256 goes with P-256, SHA-384 with P-384, SHA-512 with P-521.
    EcdsaSignature,
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
    /// `local-address`: and only for sessions on this address of ours (LOC-02).
    pub local: Option<IpAddr>,
    pub keys: Vec<PresharedKey>,
    /// `pre-shared-key hostname`: for peers that say this name, by any address.
    pub named: Vec<NamedKey>,
}

#[derive(Clone, PartialEq, Eq)]
pub struct PresharedKey {
    /// Whose key it is; the longest matching prefix wins.
    pub peer: Prefix,
    pub key: Secret,
}

#[derive(Clone, PartialEq, Eq)]
pub struct NamedKey {
    pub host: String,
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
    /// `local-address`: only for sessions in this front VRF on this address of ours (LOC-01).
    pub local: Option<(VrfId, IpAddr)>,
    /// `match certificate MAP` (CMAP-01).
    pub certificate_maps: Vec<String>,
    /// `ca trust-point`; empty: every trustpoint (VRF-12).
    pub trustpoints: Vec<String>,
    /// `keepalive`.
    pub dpd: Option<Dpd>,
    /// `initiate mode aggressive` (VRF-17).
    pub aggressive: bool,
}

/// Dead-peer detection (RFC 3706; RFC 7296 section 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dpd {
    /// `false`: only when we send and hear nothing for this long.
    pub periodic: bool,
    /// 10 to 3600 seconds.
    pub every: Duration,
    /// 2 to 60 seconds between attempts once one was not answered.
    pub retry: Duration,
}

/// `crypto isakmp peer address A [vrf V]`, `set aggressive-mode …`.
#[derive(Clone, PartialEq, Eq)]
pub struct AggressivePeer {
    pub front: VrfId,
    pub address: IpAddr,
    /// `set aggressive-mode client-endpoint`: what we call ourselves.
    pub identity: Option<Identity>,
    /// `set aggressive-mode password`.
    pub key: Option<Secret>,
}

/// Every line of one sequence number must hold; one sequence number that holds is enough (CMAP-01).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateMap {
    pub sequences: BTreeMap<u32, Vec<pki::Criterion>>,
}

/// Call admission control (CAC-01 to CAC-03); `None`: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// `crypto call admission limit ike sa N`.
    pub sessions: Option<u32>,
    /// `crypto call admission limit ike in-negotiation-sa N`.
    pub negotiating: Option<u32>,
    /// `call admission limit N`: refuse while the machine is busier than this, in percent.
    pub load: Option<u8>,
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
    /// This address, wherever the session runs.
    Exactly(IpAddr),
    Fqdn(String),
    UserFqdn(String),
    KeyId(Vec<u8>),
    /// The subject of our certificate.
    Dn,
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
    /// Which version's negotiations it takes part in.
    pub version: Version,
    /// The name of an ISAKMP profile, or of an IKEv2 profile if that is the version.
    pub profile: Option<String>,
    /// From a dynamic map: it has no peers of its own and only answers.
    pub dynamic: bool,
    /// A tunnel interface: its inside VRF is its own, whatever the peer's profile says.
    pub tunnel: bool,
    /// Tried in order.
    pub peers: Vec<Peer>,
    /// The first peer is the preferred one: every new negotiation starts with it (PP-1).
    pub prefers_first: bool,
    /// `set identity`: only for peers that one of these describes (DN-02); empty: for all.
    pub identities: Vec<PeerIdentity>,
    /// Acceptable transform sets, best first.
    pub suites: Vec<Suite>,
    pub mode: Mode,
    /// Empty in a dynamic entry: whatever the peer asks for.
    pub rules: Vec<Rule>,
    pub lifetime: Lifetime,
    pub pfs: Option<Group>,
    pub replay: Replay,
    /// `set security-association idle-time`: a child that carries nothing for this long goes.
    pub idle: Option<Duration>,
    /// `set security-association idle-time … default`: and the next negotiation starts with the first peer (PP-2).
    pub idle_resets_peer: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    Address(IpAddr),
    /// `set peer NAME dynamic`: resolved each time before we open to it (DNS-1).
    Host(String),
}

/// A line of `crypto identity` (DN-01).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerIdentity {
    /// All of these stand in the subject of its certificate.
    Dn(Vec<pki::Attribute>),
    Fqdn(String),
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

impl CertificateMap {
    pub fn holds(&self, certificate: &pki::Certificate) -> bool {
        let mut sequences = self.sequences.values().filter(|lines| !lines.is_empty());
        sequences.any(|lines| lines.iter().all(|line| line.holds(certificate)))
    }
}

impl Keyring {
    /// A keyring of which nothing but the name and the front VRF is written.
    pub const fn new(name: String, front: VrfId) -> Self {
        Self { name, front, local: None, keys: Vec::new(), named: Vec::new() }
    }
}

impl Profile {
    /// A profile of which nothing but the name is written.
    pub const fn new(name: String) -> Self {
        Self {
            name,
            inside: None,
            keyrings: Vec::new(),
            matches: Vec::new(),
            self_identity: None,
            local: None,
            certificate_maps: Vec::new(),
            trustpoints: Vec::new(),
            dpd: None,
            aggressive: false,
        }
    }
}

impl Entry {
    /// An entry of version 1 and tunnel mode of which nothing but its place is known.
    pub const fn new(policy: PolicyId, front: VrfId, inside: VrfId, local: IpAddr) -> Self {
        Self {
            policy,
            sequence: 0,
            front,
            local,
            inside,
            version: Version::V1,
            profile: None,
            dynamic: false,
            tunnel: false,
            peers: Vec::new(),
            prefers_first: false,
            identities: Vec::new(),
            suites: Vec::new(),
            mode: Mode::Tunnel,
            rules: Vec::new(),
            lifetime: Lifetime::DEFAULT,
            pfs: None,
            replay: Replay::DEFAULT,
            idle: None,
            idle_resets_peer: false,
        }
    }

    /// The peers that are named by address, in order.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.peers.iter().filter_map(|peer| match peer {
            Peer::Address(address) => Some(*address),
            Peer::Host(_) => None,
        })
    }
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
