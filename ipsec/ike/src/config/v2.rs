//! IKEv2 as IOS-XE writes it: proposals, policies, keyrings and profiles. Defaults stand next to the fields.

use std::net::IpAddr;
use std::time::Duration;

use base::{Prefix, Secret, VrfId};
use crypto::dh::Group;

use super::{Dpd, Identity};

pub use crypto::prf::Prf;

/// All of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// The default proposal is one of them, last, unless it is switched off.
    pub proposals: Vec<Proposal>,
    /// In configuration order; the default policy is the last.
    pub policies: Vec<Policy>,
    pub keyrings: Vec<Keyring>,
    /// In configuration order.
    pub profiles: Vec<Profile>,
    /// `crypto ikev2 dpd`; a profile's own comes first.
    pub dpd: Option<Dpd>,
    /// `crypto ikev2 cookie-challenge N`: from so many half-open SAs on, cookies; `None`: from 1000 on.
    pub cookie_challenge: Option<u32>,
    /// `crypto ikev2 limit max-in-negotiation-sa`, `max-sa`.
    pub most_negotiating: Option<u32>,
    pub most_sessions: Option<u32>,
    /// `crypto ikev2 fragmentation [mtu N]`: RFC 7383, with datagrams of at most so many bytes; `None`: off.
    pub fragmentation: Option<u16>,
    /// `crypto ikev2 nat keepalive`; `None`: that of version 1.
    pub nat_keepalive: Option<Duration>,
    /// `crypto ikev2 window N`: requests that a peer may have open, 1 to 20; default 5.
    pub window: u8,
    /// `crypto ikev2 redirect gateway`: where peers are sent when we are full (RFC 5685).
    pub redirect: Option<Redirect>,
}

/// Where to send peers instead of serving them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// `None`: always; else only once so many SAs are up.
    pub above: Option<u32>,
    pub gateway: Gateway,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gateway {
    Address(IpAddr),
    Fqdn(String),
}

/// An encryption transform of the IKE SA; bits where there is a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Encryption {
    Des,
    TripleDes,
    AesCbc(u16),
    AesCtr(u16),
    /// With a 16-byte tag.
    AesGcm(u16),
    /// With a 16-byte tag.
    AesCcm(u16),
    ChaCha20Poly1305,
}

/// An integrity transform of the IKE SA, cut as its RFC says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Integrity {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
    AesXcbc,
    AesCmac,
}

/// `crypto ikev2 proposal NAME`. Lists are best first; every combination is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    pub name: String,
    /// AEADs and others may stand side by side: they go out as separate proposals.
    pub encryption: Vec<Encryption>,
    /// Unused with an AEAD.
    pub integrity: Vec<Integrity>,
    /// Empty: the PRF of each integrity algorithm's hash.
    pub prf: Vec<Prf>,
    /// Key exchange methods of IKE_SA_INIT; a KEM is too large to stand here.
    pub groups: Vec<Group>,
    /// `additional-ke N`: RFC 9370, up to seven, in order; each list best first.
    pub additional: Vec<Vec<Group>>,
}

/// `crypto ikev2 policy NAME`: which proposals, for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub name: String,
    pub front: Front,
    /// `match address local`; empty: every address.
    pub local: Vec<IpAddr>,
    pub proposals: Vec<String>,
}

/// `match fvrf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    Any,
    Vrf(VrfId),
}

impl Default for Front {
    fn default() -> Self {
        Self::Vrf(VrfId::GLOBAL)
    }
}

impl Front {
    pub fn admits(self, vrf: VrfId) -> bool {
        match self {
            Self::Any => true,
            Self::Vrf(ours) => ours == vrf,
        }
    }
}

/// `crypto ikev2 keyring NAME`. It has no front VRF of its own: the profile that names it has.
#[derive(Clone, PartialEq, Eq)]
pub struct Keyring {
    pub name: String,
    pub peers: Vec<KeyringPeer>,
}

/// `peer NAME` of a keyring.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyringPeer {
    pub name: String,
    /// `address A [MASK]`.
    pub address: Option<Prefix>,
    /// `hostname H`: used as initiator.
    pub hostname: Option<String>,
    /// `identity …`: used as responder, and as initiator once the peer says who it is.
    pub identity: Option<Remote>,
    /// What we prove ourselves with, and what the peer proves itself with.
    pub local_key: Option<Secret>,
    pub remote_key: Option<Secret>,
    pub ppk: Option<Ppk>,
}

/// `ppk manual id ID key KEY [required]` (RFC 8784).
#[derive(Clone, PartialEq, Eq)]
pub struct Ppk {
    pub id: Vec<u8>,
    pub key: Secret,
    pub required: bool,
}

/// Which peers (`match identity remote`, `identity` of a keyring peer).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remote {
    Any,
    Address(Prefix),
    Fqdn(String),
    FqdnDomain(String),
    Email(String),
    EmailDomain(String),
    KeyId(Vec<u8>),
}

/// How a side proves who it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Authentication {
    /// `pre-share`: of the keyring; `pre-share key K`: this one.
    PreShared(Option<Secret>),
    RsaSignature,
    EcdsaSignature,
    /// RFC 8420; also whatever else the peer's certificate can sign (RFC 7427).
    DigitalSignature,
}

/// `crypto ikev2 profile NAME`. It serves peers that its front VRF, local address and one of `remote` or
/// `certificate_maps` describe.
#[derive(Clone, PartialEq, Eq)]
pub struct Profile {
    pub name: String,
    pub front: Front,
    /// `match address local`; empty: every address.
    pub local: Vec<IpAddr>,
    pub remote: Vec<Remote>,
    /// `match certificate MAP`.
    pub certificate_maps: Vec<String>,
    /// `ivrf`; `None`: the front VRF of the session.
    pub inside: Option<VrfId>,
    /// `identity local`; `None`: the address, or with a certificate its subject.
    pub identity: Option<Identity>,
    pub local_authentication: Authentication,
    /// Any of these will do.
    pub remote_authentication: Vec<Authentication>,
    /// `keyring local NAME`.
    pub keyring: Option<String>,
    /// `pki trustpoint NAME [sign | verify]`; empty: every trustpoint.
    pub sign: Vec<String>,
    pub verify: Vec<String>,
    /// `lifetime`, default 86400 s: the IKE SA is rekeyed before; with `reauthentication` made anew.
    pub lifetime: Duration,
    /// `reauthentication`: make before break instead of rekeying the IKE SA.
    pub reauthentication: bool,
    pub dpd: Option<Dpd>,
    pub nat_keepalive: Option<Duration>,
    /// `initial-contact force`.
    pub force_initial_contact: bool,
    /// `no mobike` is `false`.
    pub mobike: bool,
    /// `childless`: an IKE SA without children is welcome (RFC 6023), and how we open one that nothing needs yet.
    pub childless: bool,
}
