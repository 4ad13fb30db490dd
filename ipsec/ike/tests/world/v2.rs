//! Configurations of IKEv2 for the worlds of the tests.

use std::sync::Arc;
use std::time::Duration;

use base::{Prefix, Secret, VrfId};
use crypto::dh::Group;
use ike::config::v2::{
    Authentication, Encryption, Front, Integrity, Keyring, KeyringPeer, Policy, Ppk, Prf, Profile, Proposal,
    Remote,
};
use ike::config::{Config, Entry, Hash, Identity, Version};
use ipsec::{Cipher, Suite};

use super::{A, B, World, entry, pair_of, selector};

pub const GCM: Suite = Suite { cipher: Cipher::AesGcm(128), integrity: ipsec::Integrity::None };

pub fn proposal() -> Proposal {
    Proposal {
        name: "modern".into(),
        encryption: vec![Encryption::AesGcm(256)],
        integrity: vec![],
        prf: vec![Prf::Hmac(Hash::Sha256)],
        groups: vec![Group::Curve25519],
        additional: vec![],
    }
}

pub fn cbc() -> Proposal {
    Proposal {
        name: "classic".into(),
        encryption: vec![Encryption::AesCbc(128)],
        integrity: vec![Integrity::Sha256],
        ..proposal()
    }
}

pub fn policy(proposals: &[&str]) -> Policy {
    Policy {
        name: "policy".into(),
        front: Front::Any,
        local: vec![],
        proposals: proposals.iter().map(|name| (*name).to_owned()).collect(),
    }
}

pub fn ring_peer(name: &str, address: &str, key: &str) -> KeyringPeer {
    let key = || Some(Secret::from(key.as_bytes()));
    KeyringPeer {
        name: name.into(),
        address: Some(address.parse().unwrap()),
        hostname: None,
        identity: None,
        local_key: key(),
        remote_key: key(),
        ppk: None,
    }
}

pub fn ppk(required: bool) -> Ppk {
    Ppk { id: b"quantum".to_vec(), key: Secret::from(&[7u8; 32][..]), required }
}

pub fn profile(peer: &str) -> Profile {
    Profile {
        name: "site".into(),
        front: Front::Vrf(VrfId(0)),
        local: vec![],
        remote: vec![Remote::Address(peer.parse().unwrap())],
        certificate_maps: vec![],
        inside: Some(VrfId(1)),
        identity: None,
        local_authentication: Authentication::PreShared(None),
        remote_authentication: vec![Authentication::PreShared(None)],
        keyring: Some("keys".into()),
        sign: vec![],
        verify: vec![],
        lifetime: Duration::from_secs(86_400),
        reauthentication: false,
        dpd: None,
        nat_keepalive: None,
        force_initial_contact: false,
        mobike: true,
        childless: false,
    }
}

pub fn entry_v2(policy: u32, local: &str, peer: &str, ours: &str, theirs: &str) -> Entry {
    Entry { version: Version::V2, suites: vec![GCM], ..entry(policy, local, peer, selector(ours, theirs)) }
}

/// One side of a tunnel between 10.1/16 and 10.2/16.
pub fn side(local: &str, peer: &str, ours: &str, theirs: &str) -> Config {
    let host = Prefix::host(peer.parse().unwrap()).to_string();
    Config {
        entries: vec![entry_v2(1, local, peer, ours, theirs)],
        v2: ike::config::v2::Config {
            proposals: vec![proposal(), cbc()],
            policies: vec![policy(&["modern"])],
            keyrings: vec![Keyring { name: "keys".into(), peers: vec![ring_peer("peer", &host, "secret")] }],
            profiles: vec![profile(&host)],
            fragmentation: Some(1280),
            window: 5,
            ..ike::config::v2::Config::default()
        },
        ..Config::default()
    }
}

pub fn side_a() -> Config {
    side(A, B, "10.1.0.0/16", "10.2.0.0/16")
}

pub fn side_b() -> Config {
    side(B, A, "10.2.0.0/16", "10.1.0.0/16")
}

pub fn pair() -> World {
    pair_of(side_a(), side_b())
}

/// Both sides changed in the same way.
pub fn pair_with(change: impl Fn(&mut Config)) -> World {
    let (mut a, mut b) = (side_a(), side_b());
    change(&mut a);
    change(&mut b);
    pair_of(a, b)
}

/// A pair with a tunnel that A opened.
pub fn connected() -> World {
    connected_in(pair())
}

pub fn connected_in(mut world: World) -> World {
    world.acquire(0, 1);
    world.run_secs(5);
    assert!(world.connected(0, 1), "{:?} {:?}", world.nodes[0].notices, world.nodes[1].notices);
    world
}

/// The story of the last attempt, as an operator reads it.
pub fn story(world: &World, node: usize, peer: &str) -> String {
    let records = world.nodes[node].ike.explain(VrfId(0), peer.parse().unwrap());
    let last = records.last().expect("a record");
    let facts: Vec<String> = last.facts.iter().map(|(_, fact)| fact.to_string()).collect();
    format!("{}\n{:?}", facts.join("\n"), last.outcome)
}

/// A trustpoint with a key and a certificate of the test CA.
pub fn trustpoint(name: &str) -> Arc<pki::Trustpoint> {
    let read = |file: &str| {
        let path = format!("{}/tests/keys/{file}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(path).unwrap()
    };
    let certificates = |file: &str| pki::Certificate::from_pem_bundle(&read(file)).unwrap();
    let key = crypto::sign::PrivateKey::from_pem(&read(&format!("{name}.key"))).unwrap();
    Arc::new(pki::Trustpoint {
        name: name.into(),
        vrf: None,
        anchors: certificates("ca.pem"),
        credential: Some(pki::Credential { chain: certificates(&format!("{name}.pem")), key: Arc::new(key) }),
        revocation: vec![pki::Revocation::None],
        crl_url: None,
        ocsp_url: None,
    })
}

/// Both sides prove themselves with certificates of these names.
pub fn certified(a: &str, b: &str) -> World {
    let (mut side_a, mut side_b) = (side_a(), side_b());
    for (config, ours, theirs) in [(&mut side_a, a, b), (&mut side_b, b, a)] {
        config.trustpoints = vec![trustpoint(ours)];
        let profile = &mut config.v2.profiles[0];
        profile.local_authentication = Authentication::DigitalSignature;
        profile.remote_authentication = vec![Authentication::DigitalSignature];
        profile.identity = Some(Identity::Fqdn(format!("{ours}.example.com")));
        profile.remote = vec![Remote::Fqdn(format!("{theirs}.example.com"))];
    }
    pair_of(side_a, side_b)
}
