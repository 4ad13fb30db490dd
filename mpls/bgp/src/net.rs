//! Prefixes as small keys, and ordered maps and sets of them: a million routes should not cost a million times 18 bytes.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet, btree_map};

use base::{Family, Prefix};

/// An IPv4 prefix in eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Net4(u32, u8);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Net6([u8; 16], u8);

enum Net {
    V4(Net4),
    V6(Net6),
}

/// Values by prefix, IPv4 before IPv6, by address, then length.
pub(crate) struct PrefixMap<V> {
    v4: BTreeMap<Net4, V>,
    v6: BTreeMap<Net6, V>,
}

/// Pairs of a prefix and a number, in order.
#[derive(Default)]
pub(crate) struct PrefixSet {
    v4: BTreeSet<(Net4, u32)>,
    v6: BTreeSet<(Net6, u32)>,
}

impl Net {
    fn of(prefix: Prefix) -> Self {
        match prefix.address() {
            IpAddr::V4(address) => Self::V4(Net4(address.to_bits(), prefix.length())),
            IpAddr::V6(address) => Self::V6(Net6(address.octets(), prefix.length())),
        }
    }
}

impl Net4 {
    fn prefix(self) -> Prefix {
        Prefix::new(IpAddr::from(self.0.to_be_bytes()), self.1).unwrap_or_else(|_| Prefix::any(Family::V4))
    }
}

impl Net6 {
    fn prefix(self) -> Prefix {
        Prefix::new(IpAddr::from(self.0), self.1).unwrap_or_else(|_| Prefix::any(Family::V6))
    }
}

impl<V> Default for PrefixMap<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> PrefixMap<V> {
    pub(crate) const fn new() -> Self {
        Self { v4: BTreeMap::new(), v6: BTreeMap::new() }
    }

    pub(crate) fn set(&mut self, prefix: Prefix, value: V) {
        match Net::of(prefix) {
            Net::V4(net) => drop(self.v4.insert(net, value)),
            Net::V6(net) => drop(self.v6.insert(net, value)),
        }
    }

    pub(crate) fn get(&self, prefix: Prefix) -> Option<&V> {
        match Net::of(prefix) {
            Net::V4(net) => self.v4.get(&net),
            Net::V6(net) => self.v6.get(&net),
        }
    }

    pub(crate) fn get_mut(&mut self, prefix: Prefix) -> Option<&mut V> {
        match Net::of(prefix) {
            Net::V4(net) => self.v4.get_mut(&net),
            Net::V6(net) => self.v6.get_mut(&net),
        }
    }

    /// What stands there; `value` is put there if nothing does, and then the answer is `None`.
    pub(crate) fn get_or_insert(&mut self, prefix: Prefix, value: V) -> Option<&mut V> {
        match Net::of(prefix) {
            Net::V4(net) => vacant(self.v4.entry(net), value),
            Net::V6(net) => vacant(self.v6.entry(net), value),
        }
    }

    pub(crate) fn remove(&mut self, prefix: Prefix) {
        match Net::of(prefix) {
            Net::V4(net) => drop(self.v4.remove(&net)),
            Net::V6(net) => drop(self.v6.remove(&net)),
        }
    }

    pub(crate) fn iter(&self, family: Family) -> Box<dyn Iterator<Item = (Prefix, &V)> + '_> {
        match family {
            Family::V4 => Box::new(self.v4.iter().map(|(net, value)| (net.prefix(), value))),
            Family::V6 => Box::new(self.v6.iter().map(|(net, value)| (net.prefix(), value))),
        }
    }

    /// At most `count` prefixes of a family in order, those behind `after`.
    pub(crate) fn behind(&self, family: Family, after: Option<Prefix>, count: usize) -> Vec<Prefix> {
        use core::ops::Bound::{Excluded, Unbounded};
        match (family, after.map(Net::of)) {
            (Family::V4, Some(Net::V4(net))) => {
                self.v4.range((Excluded(net), Unbounded)).take(count).map(|(net, _)| net.prefix()).collect()
            }
            (Family::V6, Some(Net::V6(net))) => {
                self.v6.range((Excluded(net), Unbounded)).take(count).map(|(net, _)| net.prefix()).collect()
            }
            (Family::V4, _) => self.v4.keys().take(count).map(|net| net.prefix()).collect(),
            (Family::V6, _) => self.v6.keys().take(count).map(|net| net.prefix()).collect(),
        }
    }

    pub(crate) fn len(&self, family: Family) -> usize {
        match family {
            Family::V4 => self.v4.len(),
            Family::V6 => self.v6.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

fn vacant<K: Ord, V>(entry: btree_map::Entry<'_, K, V>, value: V) -> Option<&mut V> {
    match entry {
        btree_map::Entry::Vacant(entry) => {
            entry.insert(value);
            None
        }
        btree_map::Entry::Occupied(entry) => Some(entry.into_mut()),
    }
}

impl PrefixSet {
    pub(crate) fn insert(&mut self, prefix: Prefix, number: u32) -> bool {
        match Net::of(prefix) {
            Net::V4(net) => self.v4.insert((net, number)),
            Net::V6(net) => self.v6.insert((net, number)),
        }
    }

    pub(crate) fn remove(&mut self, prefix: Prefix, number: u32) -> bool {
        match Net::of(prefix) {
            Net::V4(net) => self.v4.remove(&(net, number)),
            Net::V6(net) => self.v6.remove(&(net, number)),
        }
    }

    /// The numbers that stand with a prefix, in order: calls `each` for every one.
    pub(crate) fn each(&self, prefix: Prefix, mut each: impl FnMut(u32)) {
        match Net::of(prefix) {
            Net::V4(net) => self.v4.range((net, 0)..=(net, u32::MAX)).for_each(|(_, number)| each(*number)),
            Net::V6(net) => self.v6.range((net, 0)..=(net, u32::MAX)).for_each(|(_, number)| each(*number)),
        }
    }

    pub(crate) fn has(&self, prefix: Prefix) -> bool {
        match Net::of(prefix) {
            Net::V4(net) => self.v4.range((net, 0)..=(net, u32::MAX)).next().is_some(),
            Net::V6(net) => self.v6.range((net, 0)..=(net, u32::MAX)).next().is_some(),
        }
    }

    /// At most `count` prefixes of a family in order, each once, those behind `after`.
    pub(crate) fn behind(&self, family: Family, after: Option<Prefix>, count: usize) -> Vec<Prefix> {
        use core::ops::Bound::{Excluded, Unbounded};
        let mut found: Vec<Prefix> = match (family, after.map(Net::of)) {
            (Family::V4, Some(Net::V4(net))) => {
                once(self.v4.range((Excluded((net, u32::MAX)), Unbounded)).map(|(net, _)| *net), count)
                    .map(Net4::prefix)
                    .collect()
            }
            (Family::V6, Some(Net::V6(net))) => {
                once(self.v6.range((Excluded((net, u32::MAX)), Unbounded)).map(|(net, _)| *net), count)
                    .map(Net6::prefix)
                    .collect()
            }
            (Family::V4, _) => once(self.v4.iter().map(|(net, _)| *net), count).map(Net4::prefix).collect(),
            (Family::V6, _) => once(self.v6.iter().map(|(net, _)| *net), count).map(Net6::prefix).collect(),
        };
        found.truncate(count);
        found
    }
}

/// The first `count` different values of an ordered iterator.
fn once<N: Copy + PartialEq>(nets: impl Iterator<Item = N>, count: usize) -> impl Iterator<Item = N> {
    let mut last = None;
    nets.filter(move |net| last.replace(*net) != Some(*net)).take(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn a_prefix_survives_being_a_key_and_order_is_by_address_then_length() {
        let all = ["0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/9", "10.0.0.1/32", "::/0", "2001:db8::/32"].map(p);
        let mut map = PrefixMap::default();
        for prefix in all.iter().rev() {
            assert!(map.get_or_insert(*prefix, *prefix).is_none());
        }
        assert_eq!(map.get_or_insert(p("::/0"), p("::/0")), Some(&mut p("::/0")));
        let listed: Vec<Prefix> =
            Family::BOTH.into_iter().flat_map(|family| map.behind(family, None, 9)).collect();
        assert_eq!(listed, all);
        assert_eq!(map.behind(Family::V4, Some(p("10.0.0.0/8")), 1), [p("10.0.0.0/9")]);
        map.remove(p("10.0.0.0/9"));
        assert_eq!((map.get(p("10.0.0.0/9")), map.len(Family::V4)), (None, 3));
    }

    #[test]
    fn a_set_lists_each_prefix_once_and_all_its_numbers() {
        let mut set = PrefixSet::default();
        for (prefix, number) in [("10.0.0.0/8", 3), ("10.0.0.0/8", 1), ("10.0.0.0/9", 2), ("::/0", 7)] {
            assert!(set.insert(p(prefix), number));
        }
        let mut numbers = Vec::new();
        set.each(p("10.0.0.0/8"), |number| numbers.push(number));
        assert_eq!(numbers, [1, 3]);
        assert_eq!(set.behind(Family::V4, None, 9), [p("10.0.0.0/8"), p("10.0.0.0/9")]);
        assert_eq!(set.behind(Family::V4, Some(p("10.0.0.0/8")), 9), [p("10.0.0.0/9")]);
        assert!(set.remove(p("10.0.0.0/8"), 1) && !set.remove(p("10.0.0.0/8"), 1));
    }
}
