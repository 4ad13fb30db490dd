//! The routes of one VRF: for each prefix every candidate, the most preferred first.

use core::fmt;
use core::net::IpAddr;

use base::Prefix;
use ipnetwork::IpNetwork;
use prefix_trie::joint::JointPrefixMap;

/// Who a route comes from, in order of preference between equals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The prefix of an interface's address.
    Connected,
    /// An interface's own address.
    Local,
    /// Configured.
    Static,
    /// Reverse route injection: a protected network behind a tunnel. Shown as static.
    Reverse,
}

/// One way that a prefix may be routed. Candidates of a prefix compare by preference: distance,
/// metric, source, then `to`, so that the order never depends on who came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Candidate<T> {
    /// Administrative distance; 255 is never used.
    pub distance: u8,
    pub metric: u32,
    pub source: Source,
    pub to: T,
    pub tag: u32,
}

/// The routes of one VRF, both families.
#[derive(Clone)]
pub struct Rib<T>(JointPrefixMap<IpNetwork, Vec<Candidate<T>>>);

impl Source {
    /// The letter of `show ip route`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Connected => "C",
            Self::Local => "L",
            Self::Static | Self::Reverse => "S",
        }
    }
}

impl<T> Candidate<T> {
    /// Whether it may be used at all.
    pub const fn is_usable(&self) -> bool {
        self.distance < u8::MAX
    }
}

impl<T> Default for Rib<T> {
    fn default() -> Self {
        Self(JointPrefixMap::default())
    }
}

impl<T: Ord> Rib<T> {
    /// Adds a candidate. One with the same source and `to` is replaced.
    pub fn insert(&mut self, prefix: Prefix, candidate: Candidate<T>) {
        let candidates = self.0.entry(prefix.network()).or_default();
        candidates.retain(|other| (other.source, &other.to) != (candidate.source, &candidate.to));
        let at = candidates.partition_point(|other| *other < candidate);
        candidates.insert(at, candidate);
    }

    /// Takes the candidate of `source` that leads to `to` out; `false` if there is none.
    pub fn remove(&mut self, prefix: Prefix, source: Source, to: &T) -> bool {
        let Some(candidates) = self.0.get_mut(&prefix.network()) else { return false };
        let before = candidates.len();
        candidates.retain(|other| (other.source, &other.to) != (source, to));
        let removed = candidates.len() != before;
        if candidates.is_empty() {
            self.0.remove(&prefix.network());
        }
        removed
    }
}

impl<T> Rib<T> {
    /// Every candidate of exactly this prefix, the most preferred first.
    pub fn candidates(&self, prefix: Prefix) -> &[Candidate<T>] {
        self.0.get(&prefix.network()).map_or(&[], Vec::as_slice)
    }

    /// The most preferred usable candidate of exactly this prefix, whether or not it resolves; see
    /// [`select`](crate::select) for one that does.
    pub fn best(&self, prefix: Prefix) -> Option<&Candidate<T>> {
        self.candidates(prefix).iter().find(|candidate| candidate.is_usable())
    }

    /// Every prefix that holds `address`, the longest first, with its candidates.
    pub fn covering(&self, address: IpAddr) -> impl Iterator<Item = (Prefix, &[Candidate<T>])> {
        let mut found: Vec<_> = self.0.cover(&IpNetwork::from(address)).collect();
        found.reverse();
        found.into_iter().filter_map(|(network, candidates)| Some((prefix(network)?, candidates.as_slice())))
    }

    /// All routes, IPv4 before IPv6, by address, then length.
    pub fn iter(&self) -> impl Iterator<Item = (Prefix, &[Candidate<T>])> {
        self.0.iter().filter_map(|(network, candidates)| Some((prefix(network)?, candidates.as_slice())))
    }

    /// How many prefixes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: fmt::Debug> fmt::Debug for Rib<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

fn prefix(network: IpNetwork) -> Option<Prefix> {
    Prefix::new(network.ip(), network.prefix()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(distance: u8, source: Source, to: u8) -> Candidate<u8> {
        Candidate { distance, metric: 0, source, to, tag: 0 }
    }

    fn p(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn the_least_distance_wins_whoever_came_first() {
        let routes = [
            candidate(1, Source::Static, 9),
            candidate(0, Source::Connected, 5),
            candidate(1, Source::Static, 3),
        ];
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let mut rib = Rib::default();
            order.iter().for_each(|at| rib.insert(p("10.0.0.0/8"), routes[*at]));
            let tos: Vec<u8> = rib.candidates(p("10.0.0.0/8")).iter().map(|c| c.to).collect();
            assert_eq!(tos, [5, 3, 9]);
        }
    }

    #[test]
    fn a_candidate_replaces_only_its_own_kind_and_is_removed_by_it() {
        let mut rib = Rib::default();
        rib.insert(p("10.0.0.0/8"), candidate(1, Source::Static, 7));
        rib.insert(p("10.0.0.0/8"), candidate(1, Source::Reverse, 7));
        rib.insert(p("10.0.0.0/8"), candidate(200, Source::Static, 7));
        assert_eq!(rib.candidates(p("10.0.0.0/8")).len(), 2);
        assert_eq!(rib.best(p("10.0.0.0/8")).map(|c| c.source), Some(Source::Reverse));
        assert!(rib.remove(p("10.0.0.0/8"), Source::Reverse, &7));
        assert!(!rib.remove(p("10.0.0.0/8"), Source::Reverse, &7));
        assert_eq!(rib.best(p("10.0.0.0/8")).map(|c| c.distance), Some(200));
        assert!(rib.remove(p("10.0.0.0/8"), Source::Static, &7));
        assert!(rib.is_empty());
    }

    #[test]
    fn distance_255_is_kept_and_never_used() {
        let mut rib = Rib::default();
        rib.insert(p("::/0"), candidate(255, Source::Static, 7));
        assert_eq!((rib.len(), rib.best(p("::/0"))), (1, None));
    }

    #[test]
    fn covering_goes_from_long_to_short_within_the_family() {
        let mut rib = Rib::default();
        for text in ["::/0", "0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.1.1/32", "10.2.0.0/16"] {
            rib.insert(p(text), candidate(1, Source::Static, 0));
        }
        let found: Vec<_> = rib.covering("10.1.1.1".parse().unwrap()).map(|(prefix, _)| prefix).collect();
        assert_eq!(found, [p("10.1.1.1/32"), p("10.1.0.0/16"), p("10.0.0.0/8"), p("0.0.0.0/0")]);
        assert_eq!(rib.iter().count(), 6);
    }
}
