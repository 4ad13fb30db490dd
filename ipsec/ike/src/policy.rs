//! Which key, which profile and which crypto-map entry a peer gets. The front VRF is part of every
//! question.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base::{PolicyId, Secret, VrfId};
use ipsec::Selector;

use crate::Config;
use crate::config::{Entry, Keyring, Match, Profile};
use crate::demux::Peer;
use crate::error::Refusal;
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
pub(crate) fn key_for_responder(config: &Config, front: VrfId, peer: IpAddr) -> Option<Key> {
    longest_match(config.keyrings.iter().filter(|ring| ring.front == front), peer)
}

/// The rings that the profile names; without a profile, those that none names (VRF-11).
pub(crate) fn key_for_initiator(
    config: &Config,
    front: VrfId,
    peer: IpAddr,
    profile: Option<&str>,
) -> Option<Key> {
    let profile = profile.and_then(|name| find_profile(config, name));
    let rings = config.keyrings.iter().filter(|ring| ring.front == front);
    longest_match(rings.filter(|ring| may_use(config, profile, &ring.name)), peer)
}

pub(crate) fn find_profile<'a>(config: &'a Config, name: &str) -> Option<&'a Profile> {
    config.profiles.iter().find(|profile| profile.name == name)
}

/// The profile of a peer that proved `name` with a key of `ring`; `Ok(None)`: none is needed.
pub(crate) fn settle<'a>(
    config: &'a Config,
    front: VrfId,
    ring: &str,
    name: &Name,
) -> Result<Option<&'a Profile>, Refusal> {
    let profile = best_profile(config, front, name);
    if may_use(config, profile, ring) {
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

/// Whether a peer that says `name` is one of the profile's.
pub(crate) fn admits(profile: &Profile, front: VrfId, name: &Name) -> bool {
    profile.matches.iter().any(|wanted| precision(wanted, front, name).is_some())
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

/// Where the entries of a configuration are, by what they are asked for.
#[derive(Default)]
pub(crate) struct Entries {
    by_policy: BTreeMap<PolicyId, usize>,
    by_peer: BTreeMap<Peer, Vec<usize>>,
}

impl Asker<'_> {
    pub(crate) const fn peer(&self) -> Peer {
        (self.front, self.local, self.remote)
    }
}

impl Entries {
    pub(crate) fn of(config: &Config) -> Self {
        let mut entries = Self::default();
        for (place, entry) in config.entries.iter().enumerate() {
            entries.by_policy.insert(entry.policy, place);
            for peer in &entry.peers {
                entries.by_peer.entry((entry.front, entry.local, *peer)).or_default().push(place);
            }
        }
        entries
    }

    pub(crate) fn find<'a>(&self, config: &'a Config, policy: PolicyId) -> Option<&'a Entry> {
        config.entries.get(*self.by_policy.get(&policy)?)
    }

    /// Those that name this peer, in configuration order.
    pub(crate) fn naming<'a>(&self, config: &'a Config, peer: Peer) -> impl Iterator<Item = &'a Entry> {
        let places = self.by_peer.get(&peer).into_iter().flatten();
        places.filter_map(|place| config.entries.get(*place))
    }
}

/// The first entry, by sequence, that has the asker's inside VRF and names it, and admits the proxies
/// (VRF-26, IPS-08).
pub(crate) fn entry_for<'a>(
    config: &'a Config,
    asker: Asker<'_>,
    selector: &Selector,
) -> Result<&'a Entry, Refusal> {
    let mut entries: Vec<&Entry> = config.entries.iter().filter(|entry| serves(entry, asker)).collect();
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
        && entry.peers.contains(&asker.remote)
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

/// The longest prefix wins, then configuration order.
fn longest_match<'a>(rings: impl Iterator<Item = &'a Keyring>, peer: IpAddr) -> Option<Key> {
    let keys = rings.flat_map(|ring| ring.keys.iter().map(move |key| (ring, key)));
    // The last of equals wins in max_by_key, hence the reversal.
    let matching: Vec<_> = keys.filter(|(_, key)| key.peer.contains(peer)).collect();
    let (ring, key) = matching.into_iter().rev().max_by_key(|(_, key)| key.peer.length())?;
    Some(Key { ring: ring.name.clone(), secret: key.key.clone() })
}

fn may_use(config: &Config, profile: Option<&Profile>, ring: &str) -> bool {
    match profile {
        Some(profile) if !profile.keyrings.is_empty() => profile.keyrings.iter().any(|name| name == ring),
        Some(_) | None => {
            !config.profiles.iter().any(|profile| profile.keyrings.iter().any(|name| name == ring))
        }
    }
}

fn best_profile<'a>(config: &'a Config, front: VrfId, name: &Name) -> Option<&'a Profile> {
    let ranked = config.profiles.iter().filter_map(|profile| {
        let best = profile.matches.iter().filter_map(|wanted| precision(wanted, front, name)).max()?;
        Some((best, profile))
    });
    let ranked: Vec<_> = ranked.collect();
    ranked.into_iter().rev().max_by_key(|(precision, _)| *precision).map(|(_, profile)| profile)
}

/// How precisely `wanted` describes `name`; `None`: not at all.
fn precision(wanted: &Match, front: VrfId, name: &Name) -> Option<u8> {
    let matches = match (wanted, name) {
        (Match::Address { prefix, front: of }, Name::Address(address)) => {
            return (*of == front && prefix.contains(*address)).then(|| prefix.length());
        }
        (Match::Host(host), Name::Fqdn(fqdn)) => fqdn.eq_ignore_ascii_case(host),
        (Match::User(user), Name::UserFqdn(fqdn)) => fqdn.eq_ignore_ascii_case(user),
        (Match::Group(group), Name::KeyId(id)) => id == group.as_bytes(),
        (Match::HostDomain(domain), Name::Fqdn(fqdn)) => return is_in(fqdn, '.', domain).then_some(1),
        (Match::UserDomain(domain), Name::UserFqdn(fqdn)) => return is_in(fqdn, '@', domain).then_some(1),
        _ => false,
    };
    matches.then_some(u8::MAX)
}

/// Whether what follows the first `mark` of `name` is `domain`.
fn is_in(name: &str, mark: char, domain: &str) -> bool {
    name.split_once(mark).is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain))
}

#[cfg(test)]
mod tests {
    use base::Prefix;
    use ipsec::{Lifetime, Replay, Rule};

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn selector() -> Selector {
        Selector::between("10.1.0.0/16".parse().unwrap(), "10.2.0.0/16".parse().unwrap())
    }

    fn entry(sequence: u32, front: u32, inside: u32) -> Entry {
        Entry {
            policy: PolicyId(sequence),
            sequence,
            front: VrfId(front),
            local: address("172.18.1.1"),
            inside: VrfId(inside),
            profile: None,
            peers: vec![address("172.16.1.1")],
            suites: Vec::new(),
            rules: vec![Rule { permit: true, selector: selector() }],
            lifetime: Lifetime::DEFAULT,
            pfs: None,
            replay: Replay::DEFAULT,
        }
    }

    fn asker(front: u32, inside: u32) -> Asker<'static> {
        let (local, remote) = (address("172.18.1.1"), address("172.16.1.1"));
        Asker { front: VrfId(front), inside: VrfId(inside), local, remote, profile: None }
    }

    #[test]
    fn entries_of_other_front_and_inside_vrfs_are_passed_over() {
        let entries = vec![entry(1, 1, 8), entry(2, 2, 8), entry(3, 1, 9)];
        let config = Config { entries, ..Config::default() };
        let found = |front, inside| entry_for(&config, asker(front, inside), &selector()).map(|e| e.sequence);
        assert_eq!(found(1, 8), Ok(1));
        assert_eq!(found(2, 8), Ok(2));
        assert_eq!(found(1, 9), Ok(3));
        assert_eq!(found(2, 9).unwrap_err().what, "no-crypto-map-entry");
    }

    #[test]
    fn the_lowest_sequence_that_admits_the_proxies_is_taken_whatever_the_order() {
        let mut narrow = entry(5, 0, 1);
        narrow.rules[0].selector.local = "10.1.1.0/24".parse().unwrap();
        let config = Config { entries: vec![entry(20, 0, 1), narrow], ..Config::default() };
        assert_eq!(entry_for(&config, asker(0, 1), &selector()).unwrap().sequence, 20);
        let inner = Selector { local: "10.1.1.0/25".parse().unwrap(), ..selector() };
        assert_eq!(entry_for(&config, asker(0, 1), &inner).unwrap().sequence, 5);
    }

    #[test]
    fn an_address_matches_a_profile_only_in_the_front_vrf_that_it_names() {
        let profile = |name: &str, front| Profile {
            name: name.to_owned(),
            inside: None,
            keyrings: Vec::new(),
            matches: vec![Match::Address { prefix: Prefix::host(address("10.0.0.1")), front: VrfId(front) }],
            self_identity: None,
        };
        let config = Config { profiles: vec![profile("one", 1), profile("two", 2)], ..Config::default() };
        let name = Name::Address(address("10.0.0.1"));
        let settled = |front| settle(&config, VrfId(front), "ring", &name).unwrap().map(|p| p.name.as_str());
        assert_eq!((settled(1), settled(2), settled(3)), (Some("one"), Some("two"), None));
    }

    #[test]
    fn a_domain_is_what_follows_the_first_dot_or_the_at_sign() {
        let of = |wanted: Match, name| precision(&wanted, VrfId(0), &name).is_some();
        let host = |name: &str| Name::Fqdn(name.to_owned());
        let user = |name: &str| Name::UserFqdn(name.to_owned());
        let domain = || "example.com".to_owned();
        assert!(of(Match::HostDomain(domain()), host("pe.example.com")));
        assert!(!of(Match::HostDomain(domain()), host("pe.badexample.com")));
        assert!(!of(Match::HostDomain(domain()), host("example.com")));
        assert!(!of(Match::HostDomain(domain()), user("pe@example.com")));
        assert!(of(Match::UserDomain(domain()), user("joe@example.com")));
        assert!(of(Match::Group("sales".into()), Name::KeyId(b"sales".to_vec())));
    }
}
