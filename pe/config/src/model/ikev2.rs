//! `crypto ikev2`: IKE's own types where nothing refers to a VRF; names of VRFs where something does.

use std::net::IpAddr;
use std::time::Duration;

use crypto::dh::Group;
use crypto::prf::Hash;
use ike::config::v2::{Authentication, Encryption, Integrity, KeyringPeer, Prf, Proposal, Redirect, Remote};
use ike::config::{Dpd, Identity};

/// All of it. Lists are in configuration order.
#[derive(Clone, PartialEq, Eq)]
pub struct Ikev2 {
    /// As written; `Ikev2::proposals` fills in what is not.
    pub proposals: Vec<Proposal>,
    /// `no crypto ikev2 proposal default` is `false`.
    pub default_proposal: bool,
    pub policies: Vec<Ikev2Policy>,
    /// `no crypto ikev2 policy default` is `false`.
    pub default_policy: bool,
    pub keyrings: Vec<Ikev2Keyring>,
    pub profiles: Vec<Ikev2Profile>,
    /// `crypto ikev2 dpd`; a profile's own comes first.
    pub dpd: Option<Dpd>,
    /// `crypto ikev2 cookie-challenge`; `None`: IKE's own default.
    pub cookie_challenge: Option<u32>,
    /// `crypto ikev2 limit max-in-negotiation-sa`.
    pub most_negotiating: Option<u32>,
    /// `crypto ikev2 limit max-sa`.
    pub most_sessions: Option<u32>,
    /// Datagrams of at most so many bytes (RFC 7383); `None`: `no crypto ikev2 fragmentation`.
    pub fragmentation: Option<u16>,
    /// `crypto ikev2 nat keepalive`; `None`: that of `crypto isakmp`.
    pub nat_keepalive: Option<Duration>,
    /// `crypto ikev2 window`: 1 to 20.
    pub window: u8,
    /// `crypto ikev2 redirect gateway`.
    pub redirect: Option<Redirect>,
}

/// `crypto ikev2 policy NAME`. Without a proposal it is incomplete: accepted with a warning, and unused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ikev2Policy {
    pub name: String,
    pub front: Front,
    /// `match address local`; empty: every address.
    pub local: Vec<IpAddr>,
    pub proposals: Vec<String>,
}

/// `match fvrf`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Front {
    Any,
    /// `None`: the global table, also where nothing is written.
    Vrf(Option<String>),
}

#[derive(Clone, PartialEq, Eq)]
pub struct Ikev2Keyring {
    pub name: String,
    pub peers: Vec<Ikev2Peer>,
}

/// `peer NAME` of a keyring.
#[derive(Clone, PartialEq, Eq)]
pub struct Ikev2Peer {
    pub description: Option<String>,
    pub peer: KeyringPeer,
}

/// `crypto ikev2 profile NAME`. Without `match identity` or `match certificate`, or without both
/// `authentication local` and `authentication remote`, it is incomplete: accepted with a warning, and unused.
#[derive(Clone, PartialEq, Eq)]
pub struct Ikev2Profile {
    pub name: String,
    pub description: Option<String>,
    pub front: Front,
    /// `match address local`; empty: every address.
    pub local: Vec<IpAddr>,
    /// `match identity remote`.
    pub remote: Vec<Remote>,
    /// `match certificate`.
    pub certificate_maps: Vec<String>,
    /// `ivrf`; `None`: the front VRF.
    pub vrf: Option<String>,
    /// `identity local`; a host name is as it is written.
    pub identity: Option<Identity>,
    pub local_authentication: Option<Authentication>,
    /// Any of these will do.
    pub remote_authentication: Vec<Authentication>,
    /// `keyring local`.
    pub keyring: Option<String>,
    /// `pki trustpoint`: which sign for us and which verify the peer; without a word a trustpoint is in both.
    pub sign: Vec<String>,
    pub verify: Vec<String>,
    /// 120 to 86400 seconds; default a day.
    pub lifetime: Duration,
    pub reauthentication: bool,
    pub dpd: Option<Dpd>,
    pub nat_keepalive: Option<Duration>,
    /// `initial-contact force`.
    pub force_initial_contact: bool,
    /// `no mobike` is `false`.
    pub mobike: bool,
    pub childless: bool,
}

impl Ikev2 {
    /// The proposal and the policy that are there unless they are switched off.
    pub const DEFAULT: &str = "default";
    pub const FRAGMENT: u16 = 1280;
    pub const WINDOW: u8 = 5;

    /// The built-in one: what it says counts wherever a proposal says nothing.
    pub fn built_in_proposal() -> Proposal {
        Proposal {
            name: Self::DEFAULT.to_owned(),
            encryption: vec![
                Encryption::AesGcm(256),
                Encryption::AesGcm(128),
                Encryption::AesCbc(256),
                Encryption::AesCbc(128),
            ],
            integrity: vec![Integrity::Sha512, Integrity::Sha384, Integrity::Sha256],
            prf: vec![Prf::Hmac(Hash::Sha512), Prf::Hmac(Hash::Sha384), Prf::Hmac(Hash::Sha256)],
            groups: vec![Group::EcpP256, Group::Curve25519, Group::Modp2048, Group::EcpP384, Group::EcpP521],
            additional: Vec::new(),
        }
    }

    /// Every proposal in force, complete; the default one last.
    pub fn proposals(&self) -> impl Iterator<Item = Proposal> {
        let written = self.proposals.iter().filter(|proposal| proposal.name != Self::DEFAULT);
        let changed = self.proposals.iter().find(|proposal| proposal.name == Self::DEFAULT);
        let default = changed.map_or_else(Self::built_in_proposal, completed);
        written.map(completed).chain(self.default_proposal.then_some(default))
    }

    /// Every policy in force; the default one, for every front VRF, last.
    pub fn policies(&self) -> impl Iterator<Item = Ikev2Policy> {
        let complete = self.policies.iter().filter(|policy| !policy.proposals.is_empty());
        let default = Ikev2Policy {
            front: Front::Any,
            proposals: vec![Self::DEFAULT.to_owned()],
            ..Ikev2Policy::new(Self::DEFAULT.to_owned())
        };
        let default = (self.default_policy && self.default_proposal).then_some(default);
        complete.cloned().chain(default)
    }
}

/// With the built-in's lists where nothing is written. The PRFs of an AEAD are among these; others have the
/// PRF of their integrity algorithm's hash.
fn completed(proposal: &Proposal) -> Proposal {
    let built_in = Ikev2::built_in_proposal();
    let Proposal { name, encryption, integrity, prf, groups, additional } = proposal.clone();
    let encryption = or(encryption, built_in.encryption);
    let has_aead = encryption.iter().any(|encryption| is_aead(*encryption));
    Proposal {
        name,
        integrity: or(integrity, built_in.integrity),
        prf: if has_aead { or(prf, built_in.prf) } else { prf },
        groups: or(groups, built_in.groups),
        additional,
        encryption,
    }
}

fn or<T>(written: Vec<T>, built_in: Vec<T>) -> Vec<T> {
    if written.is_empty() { built_in } else { written }
}

/// Whether it protects integrity itself.
pub(crate) const fn is_aead(encryption: Encryption) -> bool {
    match encryption {
        Encryption::AesGcm(_) | Encryption::AesCcm(_) | Encryption::ChaCha20Poly1305 => true,
        Encryption::Des | Encryption::TripleDes | Encryption::AesCbc(_) | Encryption::AesCtr(_) => false,
    }
}

impl Default for Ikev2 {
    fn default() -> Self {
        Self {
            proposals: Vec::new(),
            default_proposal: true,
            policies: Vec::new(),
            default_policy: true,
            keyrings: Vec::new(),
            profiles: Vec::new(),
            dpd: None,
            cookie_challenge: None,
            most_negotiating: None,
            most_sessions: None,
            fragmentation: Some(Self::FRAGMENT),
            nat_keepalive: None,
            window: Self::WINDOW,
            redirect: None,
        }
    }
}

impl Default for Front {
    fn default() -> Self {
        Self::Vrf(None)
    }
}

impl Ikev2Policy {
    /// A policy of which nothing but the name is written.
    pub const fn new(name: String) -> Self {
        Self { name, front: Front::Vrf(None), local: Vec::new(), proposals: Vec::new() }
    }
}

impl Ikev2Peer {
    /// A peer of which nothing but the name is written.
    pub const fn new(name: String) -> Self {
        let peer = KeyringPeer {
            name,
            address: None,
            hostname: None,
            identity: None,
            local_key: None,
            remote_key: None,
            ppk: None,
        };
        Self { description: None, peer }
    }
}

impl Ikev2Profile {
    pub const LIFETIME: Duration = Duration::from_secs(86_400);

    /// A profile of which nothing but the name is written.
    pub const fn new(name: String) -> Self {
        Self {
            name,
            description: None,
            front: Front::Vrf(None),
            local: Vec::new(),
            remote: Vec::new(),
            certificate_maps: Vec::new(),
            vrf: None,
            identity: None,
            local_authentication: None,
            remote_authentication: Vec::new(),
            keyring: None,
            sign: Vec::new(),
            verify: Vec::new(),
            lifetime: Self::LIFETIME,
            reauthentication: false,
            dpd: None,
            nat_keepalive: None,
            force_initial_contact: false,
            mobike: true,
            childless: false,
        }
    }

    /// Whether it can serve anybody: see the type.
    pub const fn is_complete(&self) -> bool {
        let matches = !self.remote.is_empty() || !self.certificate_maps.is_empty();
        matches && self.local_authentication.is_some() && !self.remote_authentication.is_empty()
    }
}

/// A proposal of which nothing but the name is written.
pub(crate) const fn blank_proposal(name: String) -> Proposal {
    Proposal {
        name,
        encryption: Vec::new(),
        integrity: Vec::new(),
        prf: Vec::new(),
        groups: Vec::new(),
        additional: Vec::new(),
    }
}
