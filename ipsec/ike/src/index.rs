//! Where the parts of a configuration are, by what they are asked for, so that an answer costs the same in
//! a large configuration as in a small one. The front VRF is part of every key.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use base::{PolicyId, Prefix, VrfId};
use pki::Certificate;

use crate::config::{Entry, Keyring, Match, NamedKey, Peer as Target, PresharedKey, Profile};
use crate::demux::Peer;
use crate::v2::keyring::Rings;
use crate::wire::id::Name;
use crate::{Config, Path};

#[derive(Clone, Default)]
pub(crate) struct Index {
    config: Arc<Config>,
    by_policy: BTreeMap<PolicyId, usize>,
    by_peer: BTreeMap<Peer, Vec<usize>>,
    /// Dynamic entries without peers, by front VRF and address of ours.
    dynamic: BTreeMap<(VrfId, IpAddr), Vec<usize>>,
    /// What host names of peers were last found to be.
    resolved: BTreeMap<(VrfId, String), Vec<IpAddr>>,
    profiles: BTreeMap<String, usize>,
    /// The profiles that have such a line.
    matches: BTreeMap<Match, BTreeSet<usize>>,
    /// Names of the rings that some profile names.
    claimed: BTreeSet<String>,
    /// The profiles that have a certificate map.
    mapped: Vec<usize>,
    /// The first ring that has such a key, and its first line.
    keys: BTreeMap<(Where, Pool, Prefix), (usize, usize)>,
    /// Likewise, by name in lower case.
    named_keys: BTreeMap<(Where, Pool, String), (usize, usize)>,
    /// Of every prefix in `keys` and `matches`.
    lengths: BTreeSet<u8>,
    /// Those of version 2.
    rings: Arc<Rings>,
}

/// Where a ring is consulted: its front VRF, and the address of ours that it is bound to, if any.
type Where = (VrfId, Option<IpAddr>);

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
        let rings = Arc::new(Rings::of(&config.v2));
        let mut index = Self { config: config.clone(), rings, ..Self::default() };
        for (place, entry) in config.entries.iter().enumerate() {
            index.by_policy.insert(entry.policy, place);
        }
        index.file_peers();
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

    /// Keyrings of version 2.
    pub(crate) fn rings(&self) -> &Rings {
        &self.rings
    }

    pub(crate) fn entry(&self, policy: PolicyId) -> Option<&Entry> {
        self.config.entries.get(*self.by_policy.get(&policy)?)
    }

    /// The entries that name this peer, in configuration order.
    pub(crate) fn naming(&self, peer: Peer) -> impl Iterator<Item = &Entry> {
        let places = self.by_peer.get(&peer).into_iter().flatten();
        places.filter_map(|place| self.config.entries.get(*place))
    }

    /// Those, and the dynamic ones that any peer may use.
    pub(crate) fn answering(&self, peer: Peer) -> impl Iterator<Item = &Entry> {
        let places = self.dynamic.get(&(peer.0, peer.1)).into_iter().flatten();
        self.naming(peer).chain(places.filter_map(|place| self.config.entries.get(*place)))
    }

    /// The addresses of an entry's peers, in order; of a host name those that it had when it was last asked for.
    pub(crate) fn peers(&self, entry: &Entry) -> impl Iterator<Item = IpAddr> {
        entry.peers.iter().flat_map(|peer| self.addresses(entry.front, peer))
    }

    pub(crate) fn addresses(&self, front: VrfId, peer: &Target) -> Vec<IpAddr> {
        match peer {
            Target::Address(address) => vec![*address],
            Target::Host(name) => self.resolved.get(&(front, name.clone())).cloned().unwrap_or_default(),
        }
    }

    /// The name by which an entry knows this peer, if it is one.
    pub(crate) fn host_of<'a>(&self, entry: &'a Entry, peer: IpAddr) -> Option<&'a str> {
        entry.peers.iter().find_map(|wanted| match wanted {
            Target::Host(name) if self.addresses(entry.front, wanted).contains(&peer) => Some(name.as_str()),
            Target::Host(_) | Target::Address(_) => None,
        })
    }

    /// The names by which entries know the peer at the far end of this path.
    pub(crate) fn hosts_at(&self, path: &Path) -> impl Iterator<Item = &str> {
        let remote = path.remote.ip();
        let entries = self.naming((path.front, path.local.ip(), remote));
        entries.filter_map(move |entry| self.host_of(entry, remote))
    }

    /// The host name has these addresses from now on.
    pub(crate) fn resolve(&mut self, front: VrfId, name: String, addresses: Vec<IpAddr>) {
        self.resolved.insert((front, name), addresses);
        self.file_peers();
    }

    /// What names were found to be stays known under a new configuration.
    pub(crate) fn inherit(&mut self, old: &Self) {
        self.resolved.clone_from(&old.resolved);
        if !self.resolved.is_empty() {
            self.file_peers();
        }
    }

    pub(crate) fn profile(&self, name: &str) -> Option<&Profile> {
        self.config.profiles.get(*self.profiles.get(name)?)
    }

    /// The profile that describes `name` most precisely, then in configuration order (VRF-14); not one that is
    /// bound to another address of ours (LOC-01).
    pub(crate) fn best_profile(&self, front: VrfId, local: IpAddr, name: &Name) -> Option<&Profile> {
        let places = self.describing(front, name).filter_map(|wanted| self.matches.get(&wanted)).flatten();
        let mut profiles = places.filter_map(|place| self.config.profiles.get(*place));
        profiles.find(|profile| profile.local.is_none_or(|bound| bound == (front, local)))
    }

    /// The first profile one of whose certificate maps holds (CMAP-01).
    pub(crate) fn profile_by_map(
        &self,
        front: VrfId,
        local: IpAddr,
        certificate: &Certificate,
    ) -> Option<&Profile> {
        let mut profiles = self.mapped.iter().filter_map(|place| self.config.profiles.get(*place));
        profiles.find(|profile| {
            profile.local.is_none_or(|bound| bound == (front, local))
                && self.maps_of_admit(profile, certificate)
        })
    }

    /// Whether a certificate map of this profile holds.
    pub(crate) fn maps_admit(&self, profile: &str, certificate: &Certificate) -> bool {
        self.profile(profile).is_some_and(|profile| self.maps_of_admit(profile, certificate))
    }

    fn maps_of_admit(&self, profile: &Profile, certificate: &Certificate) -> bool {
        let maps = profile.certificate_maps.iter().filter_map(|name| self.config.certificate_maps.get(name));
        maps.into_iter().any(|map| map.holds(certificate))
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
        local: IpAddr,
        pools: &[Pool],
        peer: IpAddr,
    ) -> Option<(&Keyring, &PresharedKey)> {
        let first = |prefix: Prefix| {
            let found =
                questions(front, local, pools).filter_map(|(at, pool)| self.keys.get(&(at, pool, prefix)));
            found.min()
        };
        let (ring, line) = *self.prefixes_of(peer).find_map(first)?;
        let ring = self.config.keyrings.get(ring)?;
        Some((ring, ring.keys.get(line)?))
    }

    /// The key of a name, in configuration order.
    pub(crate) fn named_key(
        &self,
        front: VrfId,
        local: IpAddr,
        pools: &[Pool],
        name: &str,
    ) -> Option<(&Keyring, &NamedKey)> {
        let name = name.to_ascii_lowercase();
        let found = questions(front, local, pools)
            .filter_map(|(at, pool)| self.named_keys.get(&(at, pool, name.clone())));
        let (ring, line) = *found.min()?;
        let ring = self.config.keyrings.get(ring)?;
        Some((ring, ring.named.get(line)?))
    }

    /// Every line that `name` meets, the most precise first.
    fn describing(&self, front: VrfId, name: &Name) -> impl Iterator<Item = Match> {
        let address = if let Name::Address(address) = name { Some(*address) } else { None };
        let prefixes = address.into_iter().flat_map(|address| self.prefixes_of(address));
        let lines = match name {
            Name::Fqdn(name) => whole_and_domain(name, '.', Match::Host, Match::HostDomain),
            Name::UserFqdn(name) => whole_and_domain(name, '@', Match::User, Match::UserDomain),
            Name::KeyId(id) => [String::from_utf8(id.clone()).ok().map(Match::Group), None],
            // The first OU is the group of a certificate's holder.
            Name::Dn(dn) => [dn.values("ou").next().map(|ou| Match::Group(ou.to_owned())), None],
            Name::Address(_) | Name::Subnet(_) | Name::Range(..) | Name::Other(..) => [None, None],
        };
        prefixes.map(move |prefix| Match::Address { prefix, front }).chain(lines.into_iter().flatten())
    }

    /// Those of the configuration's lengths, the longest first.
    fn prefixes_of(&self, address: IpAddr) -> impl Iterator<Item = Prefix> {
        self.lengths.iter().rev().filter_map(move |length| Prefix::new(address, *length).ok())
    }

    fn file_peers(&mut self) {
        self.by_peer.clear();
        self.dynamic.clear();
        for (place, entry) in self.config.clone().entries.iter().enumerate() {
            if entry.dynamic && entry.peers.is_empty() {
                self.dynamic.entry((entry.front, entry.local)).or_default().push(place);
            }
            for peer in self.peers(entry).collect::<Vec<_>>() {
                self.by_peer.entry((entry.front, entry.local, peer)).or_default().push(place);
            }
        }
    }

    fn add_profile(&mut self, place: usize, profile: &Profile) {
        self.profiles.entry(profile.name.clone()).or_insert(place);
        self.claimed.extend(profile.keyrings.iter().cloned());
        if !profile.certificate_maps.is_empty() {
            self.mapped.push(place);
        }
        for wanted in &profile.matches {
            if let Match::Address { prefix, .. } = wanted {
                self.lengths.insert(prefix.length());
            }
            self.matches.entry(in_lower_case(wanted)).or_default().insert(place);
        }
    }

    fn add_ring(&mut self, place: usize, ring: &Keyring) {
        let at = (ring.front, ring.local);
        let unclaimed = (!self.is_claimed(&ring.name)).then_some(Pool::Unclaimed);
        let pools = [Some(Pool::All), unclaimed, Some(Pool::Ring(ring.name.clone()))];
        for (line, key) in ring.keys.iter().enumerate() {
            self.lengths.insert(key.peer.length());
            for pool in pools.iter().flatten() {
                self.keys.entry((at, pool.clone(), key.peer)).or_insert((place, line));
            }
        }
        for (line, key) in ring.named.iter().enumerate() {
            for pool in pools.iter().flatten() {
                let name = key.host.to_ascii_lowercase();
                self.named_keys.entry((at, pool.clone(), name)).or_insert((place, line));
            }
        }
    }
}

/// Rings that are bound to `local`, and those that are bound to nothing (LOC-02).
fn questions(front: VrfId, local: IpAddr, pools: &[Pool]) -> impl Iterator<Item = (Where, Pool)> {
    let places = [(front, Some(local)), (front, None)];
    places.into_iter().flat_map(move |at| pools.iter().map(move |pool| (at, pool.clone())))
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
