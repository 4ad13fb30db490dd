//! Version 1 with certificates: signatures in both modes, who may come, and what a bad one leads to.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::wildcard_enum_match_arm)]

mod world;

use std::collections::BTreeMap;
use std::sync::Arc;

use crypto::dh::Group;
use ike::config::{Authentication, CertificateMap, Config, Hash, Identity, Match, PeerIdentity};
use pki::{Attribute, Criterion, Field, Test, Trustpoint};
use world::certificates::{authority, trustpoint};
use world::{World, pair_of, side_a, side_b};

/// A config that proves itself with this certificate and knows no key.
fn with(mut config: Config, ours: &Arc<Trustpoint>) -> Config {
    config.keyrings.clear();
    config.profiles[0].keyrings.clear();
    config.trustpoints = vec![ours.clone()];
    config.proposals[0].authentication = Authentication::RsaSignature;
    config.proposals[0].group = Group::EcpP256;
    config.proposals[0].hash = Hash::Sha256;
    config.identity = Identity::Dn;
    config.aggressive = true;
    config
}

/// Whoever has a certificate of the CA.
fn by_map(mut config: Config) -> Config {
    let line = Criterion::new(Field::IssuerName, Test::Contains, "cn = test ca").unwrap();
    let map = CertificateMap { sequences: BTreeMap::from([(10, vec![line])]) };
    config.certificate_maps.insert("ours".into(), map);
    config.profiles[0].matches.clear();
    config.profiles[0].certificate_maps = vec!["ours".into()];
    config
}

fn sides() -> (Config, Config) {
    (by_map(with(side_a(), &trustpoint("rsa"))), by_map(with(side_b(), &trustpoint("rsa4096"))))
}

fn aggressive((mut a, b): (Config, Config)) -> (Config, Config) {
    a.profiles[0].aggressive = true;
    (a, b)
}

fn run((a, b): (Config, Config)) -> World {
    let mut world = pair_of(a, b);
    world.acquire(0, 1);
    world.run_secs(40);
    world
}

fn assert_up(world: &World) {
    assert!(world.connected(0, 1), "{:?} {:?}", world.nodes[0].notices, world.nodes[1].notices);
}

#[test]
fn both_modes_come_up_with_rsa_signatures_and_say_who_the_peer_is() {
    for sides in [sides(), aggressive(sides())] {
        let world = run(sides);
        assert_up(&world);
        let seen = world.nodes[1].ike.sessions(world.now)[0].clone();
        assert!(seen.identity.unwrap().contains("rsa.example.com"));
        assert_eq!((seen.profile.as_deref(), seen.inside.0), (Some("site"), 1));
    }
}

#[test]
fn ecdsa_signs_with_the_hash_that_goes_with_its_curve() {
    for (name, hash) in [("ecdsa", Hash::Sha256), ("ecdsa384", Hash::Sha384), ("ecdsa521", Hash::Sha512)] {
        let ecdsa = |config| {
            let mut config = by_map(with(config, &trustpoint(name)));
            config.proposals[0].authentication = Authentication::EcdsaSignature;
            config.proposals[0].hash = hash;
            config
        };
        assert_up(&run((ecdsa(side_a()), ecdsa(side_b()))));
        let wrong = |config| {
            let mut config = ecdsa(config);
            config.proposals[0].hash = Hash::Sha1;
            config
        };
        let world = run((wrong(side_a()), ecdsa(side_b())));
        assert!(world.said(0, "no-isakmp-policy") || world.said(0, "no-pre-shared-key"), "{name}");
    }
}

#[test]
fn every_kind_of_identity_must_stand_in_the_certificate() {
    let says = |identity: Identity| {
        let (mut a, b) = sides();
        a.identity = identity;
        run((a, b))
    };
    assert_up(&says(Identity::Fqdn("rsa.example.com".into())));
    assert_up(&says(Identity::UserFqdn("pe@rsa.example.com".into())));
    // The certificate holds no address: its subject goes out instead.
    assert_up(&says(Identity::Address));
    for identity in
        [Identity::Fqdn("rsa4096.example.com".into()), Identity::UserFqdn("pe@example.com".into())]
    {
        let world = says(identity);
        assert!(world.said(1, "identity-not-in-certificate"), "{:?}", world.nodes[1].notices);
        assert_eq!(world.sessions_up(1), 0);
    }
}

#[test]
fn a_certificate_of_nobody_we_trust_is_refused_by_name_on_both_sides() {
    let (a, mut b) = sides();
    let mut stranger = Trustpoint::clone(&trustpoint("rsa4096"));
    stranger.anchors = trustpoint("ecdsa").credential.as_ref().unwrap().chain.clone();
    b.trustpoints = vec![Arc::new(stranger)];
    let world = run((a, b));
    assert!(world.said(1, "unknown-ca"), "{:?}", world.nodes[1].notices);
    assert_eq!((world.sessions_up(0), world.sessions_up(1)), (0, 0));
}

#[test]
fn a_profile_takes_only_its_own_trustpoints() {
    let (a, mut b) = sides();
    let mut other = Trustpoint::clone(&trustpoint("rsa4096"));
    other.name = "narrow".into();
    other.anchors = trustpoint("ecdsa").credential.as_ref().unwrap().chain.clone();
    b.trustpoints.push(Arc::new(other));
    assert_up(&run((a.clone(), b.clone())));
    b.profiles[0].trustpoints = vec!["narrow".into()];
    let world = run((a, b));
    assert!(world.said(1, "unknown-ca"), "the peer's CA is that of another trustpoint");
}

#[test]
fn a_certificate_map_finds_the_profile_of_whoever_no_identity_matches() {
    let (a, mut b) = sides();
    b.profiles[0].certificate_maps.clear();
    b.profiles[0].matches = vec![Match::Host("nobody.example.com".into())];
    let world = run((a.clone(), b.clone()));
    assert!(world.said(1, "no-crypto-map-entry"), "without a profile the entry of `site` is not for it");
    b = by_map(b);
    assert_up(&run((a, b)));
}

#[test]
fn an_entry_may_be_for_certain_subjects_alone() {
    let dn = |value: &str| PeerIdentity::Dn(vec![Attribute { kind: "cn".into(), value: value.into() }]);
    let (a, mut b) = sides();
    b.entries[0].identities = vec![dn("rsa.example.com")];
    assert_up(&run((a.clone(), b.clone())));
    b.entries[0].identities = vec![dn("other.example.com")];
    let world = run((a, b));
    assert!(world.said(1, "no-crypto-map-entry"), "{:?}", world.nodes[1].notices);
    assert!(world.nodes[1].up.is_empty());
}

#[test]
fn without_a_certificate_of_ours_no_signature_is_offered_or_taken() {
    let (mut a, b) = sides();
    a.trustpoints = vec![authority()];
    let world = run((a, b));
    assert!(world.said(0, "no-pre-shared-key"));
    let (a, mut b) = sides();
    b.trustpoints = vec![authority()];
    let world = run((a, b));
    assert!(world.said(1, "no-pre-shared-key"), "{:?}", world.nodes[1].notices);
}

#[test]
fn keys_and_signatures_may_stand_side_by_side() {
    let both = |mut config: Config, ours| {
        let plain = config.clone();
        config = by_map(with(config, &trustpoint(ours)));
        config.keyrings = plain.keyrings;
        config.profiles[0].keyrings = plain.profiles[0].keyrings.clone();
        config.profiles[0].matches = plain.profiles[0].matches.clone();
        config.proposals.push(plain.proposals[0]);
        config
    };
    let world = run((both(side_a(), "rsa"), side_b()));
    assert_up(&world);
    let world = run((both(side_a(), "rsa"), both(side_b(), "rsa4096")));
    assert_up(&world);
    let proposal = world.nodes[0].ike.sessions(world.now)[0].proposal.unwrap();
    assert_eq!(proposal.authentication, Authentication::RsaSignature);
}

#[test]
fn signatures_survive_loss_repetition_and_disorder() {
    for (seed, sides) in (0..12).flat_map(|seed| [(seed, sides()), (seed, aggressive(sides()))]) {
        let mut world = pair_of(sides.0, sides.1);
        (0..seed).for_each(|_| world.skip_random());
        (world.loss, world.repeat) = (25, 20);
        world.jitter = std::time::Duration::from_millis(300);
        world.acquire(0, 1);
        world.run_secs(100);
        if world.sessions_up(0) > 0 {
            world.loss = 0;
            world.run_secs(60);
        }
        assert!(world.nodes.iter().all(world::Node::leaks_no_spi), "seed {seed}");
        let (a, b) = (world.sessions_up(0), world.sessions_up(1));
        assert!(a <= b, "seed {seed}: the initiator never believes in more than the responder has");
    }
}
