//! Which key, which profile and which crypto-map entry a peer gets. The front VRF is part of every
//! question.

use std::net::IpAddr;

use base::{Secret, VrfId};
use ipsec::Selector;

use crate::config::{Entry, Keyring, PresharedKey, Profile};
use crate::demux::Peer;
use crate::error::Refusal;
use crate::index::{Index, Pool};
use crate::notice::Blame;
use crate::wire::id::Name;
use crate::wire::notify::{AUTHENTICATION_FAILED, INVALID_ID_INFORMATION};

/// A pre-shared key and where it was found.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) ring: String,
    pub(crate) secret: Secret,
}

/// Before the peer has said who it is: all rings of the front VRF (VRF-05).
pub(crate) fn key_for_responder(index: &Index, front: VrfId, peer: IpAddr) -> Option<Key> {
    index.key(front, &[Pool::All], peer).map(Key::new)
}

/// The rings that the profile names; without a profile, those that none names (VRF-11).
pub(crate) fn key_for_initiator(
    index: &Index,
    front: VrfId,
    peer: IpAddr,
    profile: Option<&str>,
) -> Option<Key> {
    let rings = profile.and_then(|name| index.profile(name)).map(|profile| profile.keyrings.as_slice());
    let pools = match rings {
        Some([]) | None => vec![Pool::Unclaimed],
        Some(rings) => rings.iter().cloned().map(Pool::Ring).collect(),
    };
    index.key(front, &pools, peer).map(Key::new)
}

/// The profile of a peer that proved `name` with a key of `ring`; `Ok(None)`: none is needed.
pub(crate) fn settle<'a>(
    index: &'a Index,
    front: VrfId,
    ring: &str,
    name: &Name,
) -> Result<Option<&'a Profile>, Refusal> {
    let profile = index.best_profile(front, name);
    if may_use(index, profile, ring) {
        return Ok(profile);
    }
    Err(match profile {
        Some(profile) => Refusal::because(
            Blame::Refused,
            "wrong-keyring",
            format!(
                "{name} is of profile {}, whose keyrings do not include {ring}: add `keyring {ring}` to it",
                profile.name
            ),
        ),
        None => Refusal::because(
            Blame::Refused,
            "no-profile-matches",
            format!(
                "no isakmp profile matches the identity {name} in this front VRF: add a `match identity`"
            ),
        ),
    }
    .telling(AUTHENTICATION_FAILED)
    .fatal())
}

/// Who asks for a child.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub(crate) front: VrfId,
    pub(crate) inside: VrfId,
    pub(crate) local: IpAddr,
    pub(crate) remote: IpAddr,
    pub(crate) profile: Option<&'a str>,
}

impl Asker<'_> {
    pub(crate) const fn peer(&self) -> Peer {
        (self.front, self.local, self.remote)
    }
}

/// The first entry, by sequence, that has the asker's inside VRF and names it, and admits the proxies
/// (VRF-26, IPS-08).
pub(crate) fn entry_for<'a>(
    index: &'a Index,
    asker: Asker<'_>,
    selector: &Selector,
) -> Result<&'a Entry, Refusal> {
    let named = index.naming(asker.peer());
    let mut entries: Vec<&Entry> = named.filter(|entry| serves(entry, asker)).collect();
    if entries.is_empty() {
        return Err(no_entry(asker));
    }
    entries.sort_by_key(|entry| entry.sequence);
    entries.into_iter().find(|entry| entry_admits(entry, selector)).ok_or_else(|| {
        Refusal::because(
            Blame::Refused,
            "proxy-identities-not-admitted",
            format!(
                "no access list of the peer's crypto-map entries permits {selector}: make them mirror images"
            ),
        )
        .telling(INVALID_ID_INFORMATION)
    })
}

/// Whether an entry is for this asker: it stands on its front VRF and address, leads into its inside VRF,
/// and names it as peer.
pub(crate) fn serves(entry: &Entry, asker: Asker<'_>) -> bool {
    entry.front == asker.front
        && entry.local == asker.local
        && entry.inside == asker.inside
        && entry.profile.as_deref().is_none_or(|profile| Some(profile) == asker.profile)
        && entry.addresses().any(|peer| peer == asker.remote)
}

/// The first line that covers all of it decides, as it does for a packet.
pub(crate) fn entry_admits(entry: &Entry, selector: &Selector) -> bool {
    entry.rules.iter().find(|rule| rule.selector.covers(selector)).is_some_and(|rule| rule.permit)
}

fn no_entry(asker: Asker<'_>) -> Refusal {
    Refusal::because(
        Blame::Refused,
        "no-crypto-map-entry",
        format!(
            "no crypto-map entry on {} of the inside VRF of profile {} has `set peer {}`",
            asker.local,
            asker.profile.unwrap_or("(none)"),
            asker.remote
        ),
    )
    .telling(INVALID_ID_INFORMATION)
}

/// As above: the rings of the profile, or those that no profile names.
fn may_use(index: &Index, profile: Option<&Profile>, ring: &str) -> bool {
    match profile {
        Some(profile) if !profile.keyrings.is_empty() => profile.keyrings.iter().any(|name| name == ring),
        Some(_) | None => !index.is_claimed(ring),
    }
}

impl Key {
    fn new((ring, key): (&Keyring, &PresharedKey)) -> Self {
        Self { ring: ring.name.clone(), secret: key.key.clone() }
    }
}

#[cfg(test)]
mod tests {
    use base::{PolicyId, Prefix};
    use ipsec::Rule;

    use super::*;
    use crate::Config;
    use crate::config::{Match, Peer};

    fn index(config: Config) -> Index {
        Index::of(config.into())
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn selector() -> Selector {
        Selector::between("10.1.0.0/16".parse().unwrap(), "10.2.0.0/16".parse().unwrap())
    }

    fn entry(sequence: u32, front: u32, inside: u32) -> Entry {
        Entry {
            sequence,
            peers: vec![Peer::Address(address("172.16.1.1"))],
            rules: vec![Rule { permit: true, selector: selector() }],
            ..Entry::new(PolicyId(sequence), VrfId(front), VrfId(inside), address("172.18.1.1"))
        }
    }

    fn asker(front: u32, inside: u32) -> Asker<'static> {
        let (local, remote) = (address("172.18.1.1"), address("172.16.1.1"));
        Asker { front: VrfId(front), inside: VrfId(inside), local, remote, profile: None }
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
            let key = key_for_responder(&index, VrfId(front), address(peer));
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
            let key = key_for_initiator(&index(config.clone()), VrfId(0), address("10.0.0.1"), profile);
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
    fn entries_of_other_front_and_inside_vrfs_are_passed_over() {
        let entries = vec![entry(1, 1, 8), entry(2, 2, 8), entry(3, 1, 9)];
        let index = index(Config { entries, ..Config::default() });
        let found = |front, inside| entry_for(&index, asker(front, inside), &selector()).map(|e| e.sequence);
        assert_eq!(found(1, 8), Ok(1));
        assert_eq!(found(2, 8), Ok(2));
        assert_eq!(found(1, 9), Ok(3));
        assert_eq!(found(2, 9).unwrap_err().what, "no-crypto-map-entry");
    }

    #[test]
    fn the_lowest_sequence_that_admits_the_proxies_is_taken_whatever_the_order() {
        let mut narrow = entry(5, 0, 1);
        narrow.rules[0].selector.local = "10.1.1.0/24".parse().unwrap();
        let index = index(Config { entries: vec![entry(20, 0, 1), narrow], ..Config::default() });
        assert_eq!(entry_for(&index, asker(0, 1), &selector()).unwrap().sequence, 20);
        let inner = Selector { local: "10.1.1.0/25".parse().unwrap(), ..selector() };
        assert_eq!(entry_for(&index, asker(0, 1), &inner).unwrap().sequence, 5);
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
        let settled = |front| settle(&index, VrfId(front), "ring", &name).unwrap().map(|p| p.name.as_str());
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
}
