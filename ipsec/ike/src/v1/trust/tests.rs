//! Which key and which profile a peer gets.

use std::net::SocketAddr;

use base::{Prefix, Secret, VrfId};

use super::*;
use crate::Config;
use crate::config::{Keyring, Match, NamedKey, PresharedKey, Profile};

fn index(config: Config) -> Index {
    Index::of(config.into())
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn path(front: u32, peer: &str) -> Path {
    let at = |ip: &str| SocketAddr::new(address(ip), 500);
    let local = if peer.contains(':') { "2001:db8:ffff::1" } else { "172.18.1.1" };
    Path { front: VrfId(front), local: at(local), remote: at(peer), marker: false }
}

fn profile(name: &str, rings: &[&str], matches: Vec<Match>) -> Profile {
    let keyrings = rings.iter().map(|ring| (*ring).to_owned()).collect();
    Profile { keyrings, matches, ..Profile::new(name.to_owned()) }
}

fn ring(name: &str, front: u32, peers: &[&str]) -> Keyring {
    let key = |peer: &&str| PresharedKey {
        peer: peer.parse().unwrap(),
        key: Secret::from(format!("{name} {peer}").into_bytes()),
    };
    Keyring { keys: peers.iter().map(key).collect(), ..Keyring::new(name.to_owned(), VrfId(front)) }
}

#[test]
fn the_longest_prefix_of_the_front_vrf_wins_then_the_first_ring() {
    let keyrings = vec![
        ring("wide", 1, &["0.0.0.0/0", "10.0.0.0/8"]),
        ring("other", 2, &["10.0.0.1/32"]),
        ring("first", 1, &["10.0.0.0/24", "2001:db8::/32"]),
        ring("second", 1, &["10.0.0.0/24"]),
    ];
    let index = index(Config { keyrings, ..Config::default() });
    let found = |front, peer| {
        let key = key_for_responder(&index, &path(front, peer));
        key.map(|key| String::from_utf8(key.secret.expose().to_vec()).unwrap())
    };
    let is = |front, peer, key: &str| assert_eq!(found(front, peer).as_deref(), Some(key));
    is(1, "10.0.0.1", "first 10.0.0.0/24");
    is(2, "10.0.0.1", "other 10.0.0.1/32");
    is(1, "10.9.0.1", "wide 10.0.0.0/8");
    is(1, "192.0.2.1", "wide 0.0.0.0/0");
    is(1, "2001:db8::1", "first 2001:db8::/32");
    assert_eq!((found(1, "2001:db9::1"), found(2, "10.0.0.2"), found(3, "10.0.0.1")), (None, None, None));
}

#[test]
fn a_profile_opens_with_its_own_rings_and_else_with_those_that_none_names() {
    let peer = &["10.0.0.0/24"];
    let rings = [ring("named", 0, &["10.0.0.1/32"]), ring("free", 0, peer), ring("late", 0, peer)];
    let config = Config {
        keyrings: rings.into(),
        profiles: vec![profile("own", &["late", "free"], vec![]), profile("bare", &[], vec![])],
        ..Config::default()
    };
    let found = |config: &Config, profile| {
        let key = key_for_initiator(&index(config.clone()), &path(0, "10.0.0.1"), None, profile);
        key.map(|key| key.ring)
    };
    assert_eq!(found(&config, Some("own")).as_deref(), Some("free"), "the order of the rings decides");
    assert_eq!(found(&config, Some("bare")).as_deref(), Some("named"));
    assert_eq!(found(&config, None).as_deref(), Some("named"));
    let claimed = Config { profiles: vec![profile("own", &["named"], vec![])], ..config };
    assert_eq!(found(&claimed, Some("own")).as_deref(), Some("named"));
    assert_eq!(found(&claimed, None).as_deref(), Some("free"));
}

#[test]
fn an_address_matches_a_profile_only_in_the_front_vrf_that_it_names() {
    let profile = |name, front| {
        let prefix = Prefix::host(address("10.0.0.1"));
        profile(name, &[], vec![Match::Address { prefix, front: VrfId(front) }])
    };
    let profiles = vec![profile("one", 1), profile("two", 2)];
    let index = index(Config { profiles, ..Config::default() });
    let name = Name::Address(address("10.0.0.1"));
    let settled = |front| {
        settle(&index, VrfId(front), address("172.18.1.1"), "ring", &name).unwrap().map(|p| p.name.as_str())
    };
    assert_eq!((settled(1), settled(2), settled(3)), (Some("one"), Some("two"), None));
}

#[test]
fn a_domain_is_what_follows_the_first_dot_or_the_at_sign() {
    let of = |wanted, name| {
        let profiles = vec![profile("one", &[], vec![wanted])];
        index(Config { profiles, ..Config::default() }).admits("one", VrfId(0), &name)
    };
    let host = |name: &str| Name::Fqdn(name.to_owned());
    let user = |name: &str| Name::UserFqdn(name.to_owned());
    let domain = || "example.com".to_owned();
    assert!(of(Match::HostDomain(domain()), host("PE.Example.com")));
    assert!(!of(Match::HostDomain(domain()), host("pe.badexample.com")));
    assert!(!of(Match::HostDomain(domain()), host("example.com")));
    assert!(!of(Match::HostDomain(domain()), user("pe@example.com")));
    assert!(of(Match::UserDomain(domain()), user("joe@example.com")));
    assert!(of(Match::Group("sales".into()), Name::KeyId(b"sales".to_vec())));
}

#[test]
fn a_ring_that_is_bound_to_another_address_of_ours_is_passed_over() {
    let mut bound = ring("bound", 0, &["10.0.0.1/32"]);
    bound.local = Some(address("192.0.2.9"));
    let keyrings = vec![bound, ring("free", 0, &["10.0.0.0/24"])];
    let index = index(Config { keyrings, ..Config::default() });
    let there = Path { local: SocketAddr::new(address("192.0.2.9"), 500), ..path(0, "10.0.0.1") };
    assert_eq!(key_for_responder(&index, &path(0, "10.0.0.1")).unwrap().ring, "free");
    assert_eq!(key_for_responder(&index, &there).unwrap().ring, "bound");
}

#[test]
fn a_name_comes_before_an_address_and_is_compared_without_regard_to_case() {
    let mut named = ring("named", 0, &["10.0.0.0/24"]);
    let key = Secret::from(&b"by name"[..]);
    named.named = vec![NamedKey { host: "Site.Example.com".into(), key }];
    let index = index(Config { keyrings: vec![named], ..Config::default() });
    let key = |name| key_for_name(&index, &path(0, "10.0.0.1"), &name, None).unwrap().secret;
    assert_eq!(key(Name::Fqdn("site.example.com".into())).expose(), b"by name");
    assert_eq!(key(Name::KeyId(b"SITE.example.com".to_vec())).expose(), b"by name");
    assert_eq!(key(Name::Fqdn("other.example.com".into())).expose(), b"named 10.0.0.0/24");
}
