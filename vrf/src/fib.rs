//! The lookup packets see: longest prefix match by eight address bits a step, without allocation.

use core::array::from_fn;
use core::net::IpAddr;
use core::ops::RangeInclusive;
use std::sync::Arc;

use base::{Family, Prefix};

/// Longest prefix match over both families. A clone costs four pointers: the two share every node until one of them
/// changes it. Empty, it owns no memory; each node is 4 KB, and a prefix needs at most one node for each eight bits of
/// its length, shared with its neighbours.
pub struct Fib<T> {
    v4: Trie<T>,
    v6: Trie<T>,
    length: usize,
}

struct Trie<T> {
    /// The route of length zero.
    default: Option<Arc<Route<T>>>,
    root: Option<Arc<Node<T>>>,
}

struct Route<T> {
    length: u8,
    value: T,
}

/// What the next eight address bits lead to.
struct Node<T> {
    slots: [Slot<T>; 256],
    /// The prefixes that end in this node, those that longer ones hide as well: by first slot, then length.
    routes: Vec<(u8, Arc<Route<T>>)>,
}

/// What one value of eight address bits leads to.
struct Slot<T> {
    /// The longest prefix that ends within this node and holds the slot.
    route: Option<Arc<Route<T>>>,
    child: Option<Arc<Node<T>>>,
}

impl<T> Default for Fib<T> {
    fn default() -> Self {
        Self { v4: Trie::default(), v6: Trie::default(), length: 0 }
    }
}

impl<T> Clone for Fib<T> {
    fn clone(&self) -> Self {
        Self { v4: self.v4.clone(), v6: self.v6.clone(), length: self.length }
    }
}

impl<T> Fib<T> {
    /// The value of the longest prefix that holds `address`.
    #[inline]
    pub fn lookup(&self, address: IpAddr) -> Option<&T> {
        match address {
            IpAddr::V4(address) => self.v4.lookup(&address.octets()),
            IpAddr::V6(address) => self.v6.lookup(&address.octets()),
        }
    }

    /// The value of exactly this prefix.
    pub fn exact(&self, prefix: Prefix) -> Option<&T> {
        let octets = Octets::of(prefix.address());
        self.trie(prefix.family()).exact(octets.bytes(), prefix.length()).map(|route| &route.value)
    }

    /// The value of the longest prefix that covers this one, which may be itself.
    pub fn covering(&self, prefix: Prefix) -> Option<&T> {
        let octets = Octets::of(prefix.address());
        self.trie(prefix.family()).covering(octets.bytes(), prefix.length()).map(|route| &route.value)
    }

    /// The prefixes that this one covers, itself as well if it is there.
    pub fn within(&self, wide: Prefix) -> Vec<Prefix> {
        let mut found = Vec::new();
        self.trie(wide.family()).within(Octets::of(wide.address()), wide.length(), &mut found);
        found
    }

    /// Sets the value of a prefix; whether it had one.
    pub fn insert(&mut self, prefix: Prefix, value: T) -> bool {
        let octets = Octets::of(prefix.address());
        let route = Arc::new(Route { length: prefix.length(), value });
        let replaced = self.trie_mut(prefix.family()).insert(octets.bytes(), route);
        self.length += usize::from(!replaced);
        replaced
    }

    /// Takes a prefix out; whether it was there.
    pub fn remove(&mut self, prefix: Prefix) -> bool {
        let is_there = self.exact(prefix).is_some();
        if is_there {
            let octets = Octets::of(prefix.address());
            self.trie_mut(prefix.family()).remove(octets.bytes(), prefix.length());
            self.length -= 1;
        }
        is_there
    }

    pub fn len(&self) -> usize {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn trie(&self, family: Family) -> &Trie<T> {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    fn trie_mut(&mut self, family: Family) -> &mut Trie<T> {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }
}

impl<T> FromIterator<(Prefix, T)> for Fib<T> {
    fn from_iter<I: IntoIterator<Item = (Prefix, T)>>(routes: I) -> Self {
        let mut fib = Self::default();
        for (prefix, value) in routes {
            fib.insert(prefix, value);
        }
        fib
    }
}

impl<T> Default for Trie<T> {
    fn default() -> Self {
        Self { default: None, root: None }
    }
}

impl<T> Clone for Trie<T> {
    fn clone(&self) -> Self {
        Self { default: self.default.clone(), root: self.root.clone() }
    }
}

impl<T> Trie<T> {
    #[inline]
    fn lookup(&self, octets: &[u8]) -> Option<&T> {
        let (mut best, mut node) = (&self.default, &self.root);
        for octet in octets {
            let Some(here) = node else { break };
            let Slot { route, child } = &here.slots[usize::from(*octet)];
            if route.is_some() {
                best = route;
            }
            node = child;
        }
        best.as_deref().map(|route| &route.value)
    }

    fn exact(&self, octets: &[u8], length: u8) -> Option<&Route<T>> {
        let Some((path, last)) = steps(octets, length) else { return self.default.as_deref() };
        self.node(path)?.find(last, length).map(AsRef::as_ref)
    }

    fn covering(&self, octets: &[u8], length: u8) -> Option<&Route<T>> {
        let (mut best, mut node) = (&self.default, &self.root);
        let Some((path, last)) = steps(octets, length) else { return best.as_deref() };
        for octet in path {
            let Some(here) = node else { return best.as_deref() };
            let Slot { route, child } = &here.slots[usize::from(*octet)];
            if route.is_some() {
                best = route;
            }
            node = child;
        }
        let here =
            node.as_deref().and_then(|here| here.find(last, length).or_else(|| here.heir(last, length)));
        here.or(best.as_ref()).map(AsRef::as_ref)
    }

    fn within(&self, wide: Octets, length: u8, found: &mut Vec<Prefix>) {
        let mut octets = wide;
        let Some((path, last)) = steps(wide.bytes(), length) else {
            found.extend(self.default.iter().filter_map(|_| octets.prefix(0)));
            return self.root.iter().for_each(|root| root.collect(0, 0..=u8::MAX, 0, &mut octets, found));
        };
        if let Some(node) = self.node(path) {
            node.collect(path.len(), span(last, length), length, &mut octets, found);
        }
    }

    fn node(&self, path: &[u8]) -> Option<&Node<T>> {
        let root = self.root.as_deref();
        path.iter().try_fold(root?, |node, octet| node.slots[usize::from(*octet)].child.as_deref())
    }

    fn insert(&mut self, octets: &[u8], route: Arc<Route<T>>) -> bool {
        let Some((path, last)) = steps(octets, route.length) else {
            return self.default.replace(route).is_some();
        };
        let mut node = Arc::make_mut(self.root.get_or_insert_default());
        for octet in path {
            node = Arc::make_mut(node.slots[usize::from(*octet)].child.get_or_insert_default());
        }
        node.insert(last, route)
    }

    fn remove(&mut self, octets: &[u8], length: u8) {
        match steps(octets, length) {
            Some((path, last)) => remove(&mut self.root, path, last, length),
            None => self.default = None,
        }
    }
}

/// Takes a prefix out below `place`, and every node that holds nothing any more.
fn remove<T>(place: &mut Option<Arc<Node<T>>>, path: &[u8], last: u8, length: u8) {
    let Some(shared) = place else { return };
    let node = Arc::make_mut(shared);
    match path.split_first() {
        Some((octet, rest)) => remove(&mut node.slots[usize::from(*octet)].child, rest, last, length),
        None => node.remove(last, length),
    }
    if node.is_empty() {
        *place = None;
    }
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { slots: from_fn(|_| Slot { route: None, child: None }), routes: Vec::new() }
    }
}

impl<T> Clone for Node<T> {
    fn clone(&self) -> Self {
        Self { slots: self.slots.clone(), routes: self.routes.clone() }
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self { route: self.route.clone(), child: self.child.clone() }
    }
}

impl<T> Node<T> {
    fn is_empty(&self) -> bool {
        self.routes.is_empty() && self.slots.iter().all(|slot| slot.child.is_none())
    }

    fn find(&self, first: u8, length: u8) -> Option<&Arc<Route<T>>> {
        self.place(first, length).ok().map(|at| &self.routes[at].1)
    }

    /// The next shorter prefix that ends in this node: it gets the slots of one that goes.
    fn heir(&self, first: u8, length: u8) -> Option<&Arc<Route<T>>> {
        let floor = length.saturating_sub(1) / 8 * 8;
        (floor + 1..length).rev().find_map(|length| self.find(*span(first, length).start(), length))
    }

    fn insert(&mut self, first: u8, route: Arc<Route<T>>) -> bool {
        for slot in self.span_mut(first, route.length) {
            if slot.route.as_ref().is_none_or(|other| other.length <= route.length) {
                slot.route = Some(Arc::clone(&route));
            }
        }
        match self.place(first, route.length) {
            Ok(at) => self.routes[at].1 = route,
            Err(at) => {
                self.routes.insert(at, (first, route));
                return false;
            }
        }
        true
    }

    fn remove(&mut self, first: u8, length: u8) {
        let Ok(at) = self.place(first, length) else { return };
        self.routes.remove(at);
        let heir = self.heir(first, length).cloned();
        for slot in self.span_mut(first, length) {
            if slot.route.as_ref().is_some_and(|route| route.length == length) {
                slot.route.clone_from(&heir);
            }
        }
    }

    /// Where a prefix is among the routes, or belongs.
    fn place(&self, first: u8, length: u8) -> Result<usize, usize> {
        self.routes.binary_search_by_key(&(first, length), |(first, route)| (*first, route.length))
    }

    fn span_mut(&mut self, first: u8, length: u8) -> impl Iterator<Item = &mut Slot<T>> {
        let span = span(first, length);
        self.slots[usize::from(*span.start())..=usize::from(*span.end())].iter_mut()
    }

    /// The prefixes at and below these slots that have at least this length; `octets` lead here.
    fn collect(
        &self,
        depth: usize,
        span: RangeInclusive<u8>,
        least: u8,
        octets: &mut Octets,
        found: &mut Vec<Prefix>,
    ) {
        let from = self.routes.partition_point(|(first, _)| first < span.start());
        for (first, route) in self.routes[from..].iter().take_while(|(first, _)| first <= span.end()) {
            octets.bytes_mut()[depth] = *first;
            found.extend(octets.prefix(route.length).filter(|_| route.length >= least));
        }
        for at in span {
            octets.bytes_mut()[depth] = at;
            if let Some(child) = &self.slots[usize::from(at)].child {
                child.collect(depth + 1, 0..=u8::MAX, least, octets, found);
            }
        }
        octets.bytes_mut()[depth] = 0;
    }
}

/// An address's bytes, whichever family.
#[derive(Clone, Copy)]
enum Octets {
    V4([u8; 4]),
    V6([u8; 16]),
}

impl Octets {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => Self::V6(address.octets()),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::V4(bytes) => bytes,
            Self::V6(bytes) => bytes,
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::V4(bytes) => bytes,
            Self::V6(bytes) => bytes,
        }
    }

    fn prefix(&self, length: u8) -> Option<Prefix> {
        let address = match self {
            Self::V4(bytes) => IpAddr::from(*bytes),
            Self::V6(bytes) => IpAddr::from(*bytes),
        };
        Prefix::new(address, length).ok()
    }
}

/// The octets that lead to the node in which a prefix ends, and its octet there. `None`: length zero.
fn steps(octets: &[u8], length: u8) -> Option<(&[u8], u8)> {
    let depth = usize::from(length.checked_sub(1)? / 8);
    Some((octets.get(..depth)?, *octets.get(depth)?))
}

/// The slots that a prefix of `length` fills in its node.
fn span(octet: u8, length: u8) -> RangeInclusive<u8> {
    let hosts = ((1_u16 << ((8 - length % 8) % 8)) - 1) as u8;
    octet & !hosts..=octet | hosts
}

#[cfg(test)]
mod tests;
