//! Where the parts of a configuration are, by what they are asked for, so that an answer costs the same in
//! a large configuration as in a small one. The front VRF is part of every key.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use base::{PolicyId, Prefix, VrfId};

use crate::Config;
use crate::config::{Entry, Keyring, Match, PresharedKey, Profile};
use crate::demux::Peer;
use crate::wire::id::Name;

#[derive(Default)]
pub(crate) struct Index {
    config: Arc<Config>,
    by_policy: BTreeMap<PolicyId, usize>,
    by_peer: BTreeMap<Peer, Vec<usize>>,
    profiles: BTreeMap<String, usize>,
    /// The profiles that have such a line.
    matches: BTreeMap<Match, BTreeSet<usize>>,
    /// Names of the rings that some profile names.
    claimed: BTreeSet<String>,
    /// The first ring that has such a key, and its first line.
    keys: BTreeMap<(VrfId, Pool, Prefix), (usize, usize)>,
    /// Of every prefix in `keys` and `matches`.
    lengths: BTreeSet<u8>,
}

/// Rings that are asked together.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pool {
    All,
    /// Those that no profile names.
    Unclaimed,
    Ring(String),
}

impl Index {
    pub(crate) fn of(config: Arc<Config>) -> Self {
        let mut index = Self { config: config.clone(), ..Self::default() };
        for (place, entry) in config.entries.iter().enumerate() {
            index.add_entry(place, entry);
        }
        for (place, profile) in config.profiles.iter().enumerate() {
            index.add_profile(place, profile);
        }
        for (place, ring) in config.keyrings.iter().enumerate() {
            index.add_ring(place, ring);
        }
        index
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn entry(&self, policy: PolicyId) -> Option<&Entry> {
        self.config.entries.get(*self.by_policy.get(&policy)?)
    }

    /// The entries that name this peer, in configuration order.
    pub(crate) fn naming(&self, peer: Peer) -> impl Iterator<Item = &Entry> {
        let places = self.by_peer.get(&peer).into_iter().flatten();
        places.filter_map(|place| self.config.entries.get(*place))
    }

    pub(crate) fn profile(&self, name: &str) -> Option<&Profile> {
        self.config.profiles.get(*self.profiles.get(name)?)
    }

    /// The profile that describes `name` most precisely, then in configuration order (VRF-14).
    pub(crate) fn best_profile(&self, front: VrfId, name: &Name) -> Option<&Profile> {
        let mut having = self.describing(front, name).filter_map(|wanted| self.matches.get(&wanted));
        self.config.profiles.get(*having.next()?.first()?)
    }

    /// Whether a peer that says `name` is one of the profile's.
    pub(crate) fn admits(&self, profile: &str, front: VrfId, name: &Name) -> bool {
        let Some(place) = self.profiles.get(profile) else { return false };
        let mut having = self.describing(front, name).filter_map(|wanted| self.matches.get(&wanted));
        having.any(|places| places.contains(place))
    }

    pub(crate) fn is_claimed(&self, ring: &str) -> bool {
        self.claimed.contains(ring)
    }

    /// The longest prefix wins, then configuration order.
    pub(crate) fn key(
        &self,
        front: VrfId,
        pools: &[Pool],
        peer: IpAddr,
    ) -> Option<(&Keyring, &PresharedKey)> {
        let first = |prefix| {
            let found = pools.iter().filter_map(|pool| self.keys.get(&(front, pool.clone(), prefix)));
            found.min()
        };
        let (ring, line) = *self.prefixes_of(peer).find_map(first)?;
        let ring = self.config.keyrings.get(ring)?;
        Some((ring, ring.keys.get(line)?))
    }

    /// Every line that `name` meets, the most precise first.
    fn describing(&self, front: VrfId, name: &Name) -> impl Iterator<Item = Match> {
        let address = if let Name::Address(address) = name { Some(*address) } else { None };
        let prefixes = address.into_iter().flat_map(|address| self.prefixes_of(address));
        let lines = match name {
            Name::Fqdn(name) => whole_and_domain(name, '.', Match::Host, Match::HostDomain),
            Name::UserFqdn(name) => whole_and_domain(name, '@', Match::User, Match::UserDomain),
            Name::KeyId(id) => [String::from_utf8(id.clone()).ok().map(Match::Group), None],
            Name::Address(_) | Name::Subnet(_) | Name::Range(..) | Name::Other(..) => [None, None],
        };
        prefixes.map(move |prefix| Match::Address { prefix, front }).chain(lines.into_iter().flatten())
    }

    /// Those of the configuration's lengths, the longest first.
    fn prefixes_of(&self, address: IpAddr) -> impl Iterator<Item = Prefix> {
        self.lengths.iter().rev().filter_map(move |length| Prefix::new(address, *length).ok())
    }

    fn add_entry(&mut self, place: usize, entry: &Entry) {
        self.by_policy.insert(entry.policy, place);
        for peer in entry.addresses() {
            self.by_peer.entry((entry.front, entry.local, peer)).or_default().push(place);
        }
    }

    fn add_profile(&mut self, place: usize, profile: &Profile) {
        self.profiles.entry(profile.name.clone()).or_insert(place);
        self.claimed.extend(profile.keyrings.iter().cloned());
        for wanted in &profile.matches {
            if let Match::Address { prefix, .. } = wanted {
                self.lengths.insert(prefix.length());
            }
            self.matches.entry(in_lower_case(wanted)).or_default().insert(place);
        }
    }

    fn add_ring(&mut self, place: usize, ring: &Keyring) {
        let unclaimed = (!self.is_claimed(&ring.name)).then_some(Pool::Unclaimed);
        let pools = [Some(Pool::All), unclaimed, Some(Pool::Ring(ring.name.clone()))];
        for (line, key) in ring.keys.iter().enumerate() {
            self.lengths.insert(key.peer.length());
            for pool in pools.iter().flatten() {
                self.keys.entry((ring.front, pool.clone(), key.peer)).or_insert((place, line));
            }
        }
    }
}

/// The lines that name all of `name`, and what follows its first `mark`.
fn whole_and_domain(
    name: &str,
    mark: char,
    whole: fn(String) -> Match,
    domain: fn(String) -> Match,
) -> [Option<Match>; 2] {
    let name = name.to_ascii_lowercase();
    let rest = name.split_once(mark).map(|(_, rest)| domain(rest.to_owned()));
    [Some(whole(name)), rest]
}

/// Names compare without regard to case; groups do not.
fn in_lower_case(wanted: &Match) -> Match {
    match wanted {
        Match::Host(name) => Match::Host(name.to_ascii_lowercase()),
        Match::HostDomain(name) => Match::HostDomain(name.to_ascii_lowercase()),
        Match::User(name) => Match::User(name.to_ascii_lowercase()),
        Match::UserDomain(name) => Match::UserDomain(name.to_ascii_lowercase()),
        Match::Address { .. } | Match::Group(_) => wanted.clone(),
    }
}
