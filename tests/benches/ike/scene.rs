//! The tunnels of the benchmark: ten to a customer, each customer with its own keyring and profile.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use base::{PolicyId, Prefix, Secret, VrfId};
use crypto::dh::Group;
use crypto::sign::PrivateKey;
use ike::Config;
use ike::config::{self, Entry, Hash, Identity, Keyring, Match, Peer, PresharedKey, Version, v2};
use ipsec::{Cipher, Integrity, Rule, Selector, Suite};
use pki::{Certificate, Credential, Revocation, Trustpoint};

use crate::bed::FRONT;

/// How a tunnel comes up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    V2X25519,
    V2Modp2048,
    V2Ecdsa,
    V2MlKem768,
    V1Modp2048,
}

pub(crate) const KINDS: [Kind; 5] =
    [Kind::V2X25519, Kind::V2Modp2048, Kind::V2Ecdsa, Kind::V2MlKem768, Kind::V1Modp2048];

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::V2X25519 => "v2-psk-x25519",
            Self::V2Modp2048 => "v2-psk-modp2048",
            Self::V2Ecdsa => "v2-ecdsa-p256",
            Self::V2MlKem768 => "v2-psk-x25519-mlkem768",
            Self::V1Modp2048 => "v1-psk-modp2048",
        }
    }

    /// Milliseconds of processor time for a tunnel, engine and mathematics, that are not to be exceeded.
    pub(crate) const fn aim(self) -> f64 {
        match self {
            Self::V2X25519 => 0.2,
            Self::V2Modp2048 | Self::V1Modp2048 => 1.0,
            Self::V2Ecdsa => 0.4,
            Self::V2MlKem768 => 0.3,
        }
    }

    pub(crate) const fn group(self) -> Group {
        match self {
            Self::V2X25519 | Self::V2Ecdsa | Self::V2MlKem768 => Group::Curve25519,
            Self::V2Modp2048 | Self::V1Modp2048 => Group::Modp2048,
        }
    }
}

const PER_CUSTOMER: u32 = 10;

const HUB: Ipv4Addr = Ipv4Addr::new(172, 18, 1, 1);

/// A customer has a /28.
fn outer(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0A40_0000 + number / PER_CUSTOMER * 16 + number % PER_CUSTOMER)
}

fn customer_net(customer: u32) -> Prefix {
    prefix(Ipv4Addr::from(0x0A40_0000 + customer * 16), 28)
}

/// What is behind the hub (1) or the spoke (2).
pub(crate) fn inner(number: u32, side: u32) -> Prefix {
    prefix(Ipv4Addr::from((side << 28) + (number << 8)), 24)
}

fn prefix(address: Ipv4Addr, length: u8) -> Prefix {
    Prefix::new(address.into(), length).unwrap_or_else(|_| Prefix::host(address.into()))
}

/// The hub's or the spokes' half.
pub(crate) fn config(kind: Kind, tunnels: u32, hub: bool) -> Config {
    let customers = tunnels.div_ceil(PER_CUSTOMER);
    let mut config = Config {
        entries: (0..tunnels).map(|number| entry(kind, number, hub)).collect(),
        identity: if kind == Kind::V2Ecdsa { Identity::Fqdn(NAME.into()) } else { Identity::Address },
        ..Config::default()
    };
    if kind == Kind::V1Modp2048 {
        config.proposals = vec![config::Proposal {
            encryption: config::Encryption::Aes(128),
            hash: Hash::Sha256,
            authentication: config::Authentication::PreShared,
            group: kind.group(),
            ..config::Proposal::new(10)
        }];
        config.keyrings = (0..customers).map(|customer| ring(customer, hub)).collect();
        config.profiles = (0..customers).map(|customer| profile(customer, hub)).collect();
    } else {
        config.v2 = version_2(kind, customers, hub);
        config.trustpoints = if kind == Kind::V2Ecdsa { vec![trustpoint()] } else { Vec::new() };
    }
    config
}

fn entry(kind: Kind, number: u32, hub: bool) -> Entry {
    let (local, remote) = if hub { (HUB, outer(number)) } else { (outer(number), HUB) };
    let (here, there) = if hub { (1, 2) } else { (2, 1) };
    let selector = Selector::between(inner(number, here), inner(number, there));
    let customer = if kind == Kind::V2Ecdsa { 0 } else { number / PER_CUSTOMER };
    Entry {
        sequence: number,
        version: if kind == Kind::V1Modp2048 { Version::V1 } else { Version::V2 },
        profile: Some(customer_name(customer)),
        peers: vec![Peer::Address(remote.into())],
        suites: vec![Suite { cipher: Cipher::AesGcm(128), integrity: Integrity::None }],
        rules: vec![Rule { permit: true, selector }],
        ..Entry::new(PolicyId(number), FRONT, inside(customer), local.into())
    }
}

fn customer_name(customer: u32) -> String {
    format!("customer-{customer}")
}

const fn inside(customer: u32) -> VrfId {
    VrfId(customer + 1)
}

fn secret(customer: u32) -> Secret {
    Secret::from(format!("the secret of {}", customer_name(customer)).as_bytes())
}

fn peers_of(customer: u32, hub: bool) -> Prefix {
    if hub { customer_net(customer) } else { Prefix::host(HUB.into()) }
}

/// The spokes all have the hub as their peer: one ring, which holds the key of the first customer.
fn ring(customer: u32, hub: bool) -> Keyring {
    let key = PresharedKey { peer: peers_of(customer, hub), key: secret(0) };
    Keyring { keys: vec![key], ..Keyring::new(customer_name(customer), FRONT) }
}

fn profile(customer: u32, hub: bool) -> config::Profile {
    config::Profile {
        inside: Some(inside(customer)),
        keyrings: vec![customer_name(customer)],
        matches: vec![Match::Address { prefix: peers_of(customer, hub), front: FRONT }],
        ..config::Profile::new(customer_name(customer))
    }
}

fn version_2(kind: Kind, customers: u32, hub: bool) -> v2::Config {
    let proposal = v2::Proposal {
        name: "modern".into(),
        encryption: vec![v2::Encryption::AesGcm(128)],
        integrity: Vec::new(),
        prf: vec![v2::Prf::Hmac(Hash::Sha256)],
        groups: vec![kind.group()],
        additional: if kind == Kind::V2MlKem768 { vec![vec![Group::MlKem768]] } else { Vec::new() },
    };
    let policy = v2::Policy {
        name: "all".into(),
        front: v2::Front::Any,
        local: Vec::new(),
        proposals: vec!["modern".into()],
    };
    v2::Config {
        proposals: vec![proposal],
        policies: vec![policy],
        keyrings: (0..customers).map(|customer| ring_v2(customer, hub)).collect(),
        profiles: (0..customers).map(|customer| profile_v2(kind, customer, hub)).collect(),
        fragmentation: Some(1280),
        window: 5,
        ..v2::Config::default()
    }
}

fn ring_v2(customer: u32, hub: bool) -> v2::Keyring {
    let peer = v2::KeyringPeer {
        name: "peer".into(),
        address: Some(peers_of(customer, hub)),
        hostname: None,
        identity: None,
        local_key: Some(secret(0)),
        remote_key: Some(secret(0)),
        ppk: None,
    };
    v2::Keyring { name: customer_name(customer), peers: vec![peer] }
}

/// With certificates all peers have the same name, that of the one certificate: the first customer has them all.
fn profile_v2(kind: Kind, customer: u32, hub: bool) -> v2::Profile {
    let signs = kind == Kind::V2Ecdsa;
    let name =
        if customer == 0 { NAME.to_owned() } else { format!("{}.example.com", customer_name(customer)) };
    let authentication =
        || if signs { v2::Authentication::EcdsaSignature } else { v2::Authentication::PreShared(None) };
    let remote = if signs { v2::Remote::Fqdn(name) } else { v2::Remote::Address(peers_of(customer, hub)) };
    v2::Profile {
        name: customer_name(customer),
        front: v2::Front::Vrf(FRONT),
        local: Vec::new(),
        remote: vec![remote],
        certificate_maps: Vec::new(),
        inside: Some(inside(customer)),
        identity: signs.then(|| Identity::Fqdn(NAME.into())),
        local_authentication: authentication(),
        remote_authentication: vec![authentication()],
        keyring: Some(customer_name(customer)),
        sign: Vec::new(),
        verify: Vec::new(),
        lifetime: Duration::from_secs(86_400),
        reauthentication: false,
        dpd: None,
        nat_keepalive: None,
        force_initial_contact: false,
        mobike: true,
        childless: false,
    }
}

/// What the certificate of both sides says.
const NAME: &str = "ecdsa.example.com";

/// In seconds since 1970: the certificates are in force.
const TODAY: u64 = 2_000_000_000;

macro_rules! pem {
    ($file:literal) => {
        include_bytes!(concat!("../../../ipsec/ike/tests/keys/", $file))
    };
}

fn trustpoint() -> Arc<Trustpoint> {
    let bundle = |pem: &[u8]| Certificate::from_pem_bundle(pem).unwrap_or_default();
    let key = PrivateKey::from_pem(pem!("ecdsa.key")).unwrap_or_else(|_| panic!("a key"));
    Arc::new(Trustpoint {
        name: "ca".into(),
        vrf: None,
        anchors: bundle(pem!("ca.pem")),
        credential: Some(Credential { chain: bundle(pem!("ecdsa.pem")), key: Arc::new(key) }),
        revocation: vec![Revocation::None],
        crl_url: None,
        ocsp_url: None,
    })
}

pub(crate) fn key() -> Arc<PrivateKey> {
    Arc::new(PrivateKey::from_pem(pem!("ecdsa.key")).unwrap_or_else(|_| panic!("a key")))
}

pub(crate) fn validate(request: &pki::Request) -> Result<pki::Validated, pki::Refusal> {
    pki::verify(request, TODAY, &NoLists)
}

/// Neither CRLs nor OCSP responders are asked.
struct NoLists;

impl pki::Evidence for NoLists {
    fn crl(&self, _vrf: Option<&str>, _url: &str) -> Result<Arc<pki::Crl>, String> {
        Err("no list".into())
    }

    fn ocsp(
        &self,
        _vrf: Option<&str>,
        _url: &str,
        _id: &pki::ocsp::CertId,
    ) -> Result<Arc<pki::ocsp::Response>, String> {
        Err("no responder".into())
    }
}
