//! The routes of one VRF: for each prefix every candidate, the most preferred first.

use core::cmp::Ordering;
use core::net::IpAddr;
use core::ops::Bound::{Excluded, Included};
use core::slice::from_ref;
use std::collections::BTreeMap;
use std::collections::btree_map::{Entry, Range};

use base::{Family, Prefix};

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
    /// From a BGP neighbour, or from another VRF.
    Bgp,
}

/// One way that a prefix may be routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<T> {
    /// Administrative distance; 255 is never used.
    pub distance: u8,
    pub metric: u32,
    pub source: Source,
    pub to: T,
    pub tag: u32,
}

/// Every way that a prefix may be routed, the most preferred first: by distance, metric, source, then `to`, so that
/// the order never depends on who came first. The usual single candidate owns no memory of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Candidates<T> {
    One(Candidate<T>),
    /// None, or several.
    Several(Box<[Candidate<T>]>),
}

/// The routes of one VRF, both families, in order: IPv4 before IPv6, by address, then length.
#[derive(Clone, Debug)]
pub struct Rib<T>(BTreeMap<Prefix, Candidates<T>>);

/// Every prefix that holds an address, the longest first.
pub struct Covering<'r, T> {
    routes: &'r BTreeMap<Prefix, Candidates<T>>,
    address: IpAddr,
    /// Nothing longer comes any more; `None`: nothing at all.
    longest: Option<u8>,
}

impl Source {
    /// The letter of `show ip route`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Connected => "C",
            Self::Local => "L",
            Self::Static | Self::Reverse => "S",
            Self::Bgp => "B",
        }
    }
}

impl<T> Candidate<T> {
    /// Whether it may be used at all.
    pub const fn is_usable(&self) -> bool {
        self.distance < u8::MAX
    }

    fn compare(&self, other: &Self, by: impl Fn(&T, &T) -> Ordering) -> Ordering {
        let rank = |of: &Self| (of.distance, of.metric, of.source);
        rank(self).cmp(&rank(other)).then_with(|| by(&self.to, &other.to)).then(self.tag.cmp(&other.tag))
    }
}

impl<T> Default for Candidates<T> {
    fn default() -> Self {
        Self::Several(Box::default())
    }
}

impl<T: Copy + Eq> Candidates<T> {
    /// Adds a candidate; `order` compares where two lead. One with the same source and `to` is replaced, and given
    /// back.
    pub fn put(
        &mut self,
        candidate: Candidate<T>,
        order: impl Fn(&T, &T) -> Ordering,
    ) -> Option<Candidate<T>> {
        if self.as_slice().is_empty() {
            *self = Self::One(candidate);
            return None;
        }
        let replaced = self.take(candidate.source, |to| *to == candidate.to);
        let mut all = self.as_slice().to_vec();
        let at = all.partition_point(|other| other.compare(&candidate, &order).is_lt());
        all.insert(at, candidate);
        *self = Self::of(all);
        replaced
    }

    /// Takes the first candidate of `source` that leads where `which` says out.
    pub fn take(&mut self, source: Source, which: impl Fn(&T) -> bool) -> Option<Candidate<T>> {
        let is_it = |candidate: &Candidate<T>| candidate.source == source && which(&candidate.to);
        let at = self.as_slice().iter().position(is_it)?;
        let mut all = self.as_slice().to_vec();
        let taken = all.remove(at);
        *self = Self::of(all);
        Some(taken)
    }

    fn of(all: Vec<Candidate<T>>) -> Self {
        match all.as_slice() {
            [one] => Self::One(*one),
            _ => Self::Several(all.into()),
        }
    }
}

impl<T> Candidates<T> {
    pub fn as_slice(&self) -> &[Candidate<T>] {
        match self {
            Self::One(one) => from_ref(one),
            Self::Several(all) => all,
        }
    }
}

impl<T> Default for Rib<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Rib<T> {
    /// Lets `change` have the candidates of exactly this prefix.
    pub fn update<R>(&mut self, prefix: Prefix, change: impl FnOnce(&mut Candidates<T>) -> R) -> R {
        match self.0.entry(prefix) {
            Entry::Occupied(mut held) => {
                let result = change(held.get_mut());
                if held.get().as_slice().is_empty() {
                    held.remove();
                }
                result
            }
            Entry::Vacant(place) => {
                let mut fresh = Candidates::default();
                let result = change(&mut fresh);
                if !fresh.as_slice().is_empty() {
                    place.insert(fresh);
                }
                result
            }
        }
    }

    /// Every candidate of exactly this prefix, the most preferred first.
    pub fn candidates(&self, prefix: Prefix) -> &[Candidate<T>] {
        self.0.get(&prefix).map_or(&[], Candidates::as_slice)
    }

    /// Every prefix that holds `address`, the longest first, with its candidates.
    pub fn covering(&self, address: IpAddr) -> Covering<'_, T> {
        Covering { routes: &self.0, address, longest: Some(Family::of(address).bits()) }
    }

    /// All routes in order.
    pub fn iter(&self) -> impl Iterator<Item = (Prefix, &[Candidate<T>])> {
        self.0.iter().map(|(prefix, candidates)| (*prefix, candidates.as_slice()))
    }

    /// The routes of one family in order.
    pub fn of(&self, family: Family) -> impl Iterator<Item = (Prefix, &[Candidate<T>])> {
        self.behind(family, None)
    }

    /// The routes of one family in order, from behind a prefix of it on.
    pub fn behind(
        &self,
        family: Family,
        after: Option<Prefix>,
    ) -> impl Iterator<Item = (Prefix, &[Candidate<T>])> {
        let last = Prefix::host(Prefix::any(family).last());
        let first = after.filter(|after| after.family() == family && *after < last);
        let first = first.map_or_else(|| Included(Prefix::any(family)), Excluded);
        let routes: Range<'_, _, _> = self.0.range((first, Included(last)));
        let is_done = after == Some(last);
        let routes = routes.filter(move |_| !is_done);
        routes.map(|(prefix, candidates)| (*prefix, candidates.as_slice()))
    }

    /// How many prefixes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'r, T> Iterator for Covering<'r, T> {
    type Item = (Prefix, &'r [Candidate<T>]);

    /// The nearest prefix before the longest that may come either holds the address, and is next, or differs from it
    /// in a bit: whatever holds the address is not longer than what the two have in common.
    fn next(&mut self) -> Option<Self::Item> {
        while let Some(longest) = self.longest {
            let bound = Prefix::new(self.address, longest).ok()?;
            let (prefix, candidates) = self.routes.range(..=bound).next_back()?;
            if prefix.family() != bound.family() {
                return None;
            }
            if prefix.contains(self.address) {
                self.longest = prefix.length().checked_sub(1);
                return Some((*prefix, candidates.as_slice()));
            }
            self.longest = Some(common(prefix.address(), self.address));
        }
        None
    }
}

/// How many leading bits two addresses of a family share.
fn common(a: IpAddr, b: IpAddr) -> u8 {
    let zeros = match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => 0,
    };
    zeros as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidate(distance: u8, source: Source, to: u8) -> Candidate<u8> {
        Candidate { distance, metric: 0, source, to, tag: 0 }
    }

    fn p(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    fn insert(rib: &mut Rib<u8>, prefix: Prefix, of: Candidate<u8>) -> Option<Candidate<u8>> {
        rib.update(prefix, |candidates| candidates.put(of, Ord::cmp))
    }

    fn remove(rib: &mut Rib<u8>, prefix: Prefix, source: Source, to: u8) -> bool {
        rib.update(prefix, |candidates| candidates.take(source, |other| *other == to)).is_some()
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
            order.iter().for_each(|at| assert_eq!(insert(&mut rib, p("10.0.0.0/8"), routes[*at]), None));
            let tos: Vec<u8> = rib.candidates(p("10.0.0.0/8")).iter().map(|c| c.to).collect();
            assert_eq!(tos, [5, 3, 9]);
        }
    }

    #[test]
    fn a_candidate_replaces_only_its_own_kind_and_is_removed_by_it() {
        let (mut rib, net) = (Rib::default(), p("10.0.0.0/8"));
        assert_eq!(insert(&mut rib, net, candidate(1, Source::Static, 7)), None);
        assert_eq!(insert(&mut rib, net, candidate(1, Source::Reverse, 7)), None);
        let replaced = insert(&mut rib, net, candidate(200, Source::Static, 7));
        assert_eq!(replaced, Some(candidate(1, Source::Static, 7)));
        let held = |rib: &Rib<u8>| rib.candidates(net).iter().map(|c| c.source).collect::<Vec<_>>();
        assert_eq!(held(&rib), [Source::Reverse, Source::Static]);
        assert!(remove(&mut rib, net, Source::Reverse, 7));
        assert!(!remove(&mut rib, net, Source::Reverse, 7));
        assert_eq!(held(&rib), [Source::Static]);
        assert!(remove(&mut rib, net, Source::Static, 7));
        assert!(rib.is_empty());
    }

    #[test]
    fn covering_goes_from_long_to_short_within_the_family() {
        let mut rib = Rib::default();
        for text in ["::/0", "0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.1.1/32", "10.2.0.0/16"] {
            insert(&mut rib, p(text), candidate(1, Source::Static, 0));
        }
        let found: Vec<_> = rib.covering("10.1.1.1".parse().unwrap()).map(|(prefix, _)| prefix).collect();
        assert_eq!(found, [p("10.1.1.1/32"), p("10.1.0.0/16"), p("10.0.0.0/8"), p("0.0.0.0/0")]);
        assert_eq!((rib.iter().count(), rib.of(Family::V6).count(), rib.of(Family::V4).count()), (6, 1, 5));
    }

    #[test]
    fn a_route_with_one_candidate_is_small() {
        assert!(size_of::<Candidates<[u32; 3]>>() <= 24);
    }

    proptest! {
        #[test]
        fn covering_finds_what_a_search_through_all_finds(
            routes in prop::collection::vec((any::<u32>(), 0..=32_u8), 0..60),
            near in any::<prop::sample::Index>(),
            noise in 0..4096_u32,
        ) {
            let mut rib = Rib::default();
            // Few different bits, so that prefixes lie within each other.
            let thin = |bits: u32| IpAddr::V4((bits & 0xC0C0_C00C).into());
            for (bits, length) in &routes {
                insert(&mut rib, Prefix::new(thin(*bits), *length).unwrap(), candidate(1, Source::Static, 0));
            }
            let start = if routes.is_empty() { 0 } else { near.get(&routes).0 };
            let address = thin(start ^ noise);
            let found: Vec<_> = rib.covering(address).map(|(prefix, _)| prefix).collect();
            let mut wanted: Vec<_> = rib.iter().map(|(p, _)| p).filter(|p| p.contains(address)).collect();
            wanted.reverse();
            prop_assert_eq!(found, wanted);
        }
    }
}
