//! The lookup packets see: longest prefix match by eight address bits a step, without allocation.

mod node;

use core::net::IpAddr;
use core::ops::RangeInclusive;
use std::sync::Arc;

use base::{Family, Prefix};

use node::Node;

/// Longest prefix match over both families. A clone costs a few pointers: the two share every node until one of them
/// changes it. Empty, it owns no memory; prefixes close together cost some 30 bytes each, lonely ones some 160, if what
/// is inserted one after the other has equal values.
pub struct Fib<T> {
    v4: Trie<T>,
    v6: Trie<T>,
    length: usize,
    /// The last value inserted: the next one is often the same.
    last: Option<Arc<T>>,
}

struct Trie<T> {
    /// The route of length zero.
    default: Option<Arc<T>>,
    root: Option<Arc<Node<T>>>,
}

impl<T> Default for Fib<T> {
    fn default() -> Self {
        Self { v4: Trie::default(), v6: Trie::default(), length: 0, last: None }
    }
}

impl<T> Clone for Fib<T> {
    fn clone(&self) -> Self {
        let last = self.last.clone();
        Self { v4: self.v4.clone(), v6: self.v6.clone(), length: self.length, last }
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
        self.trie(prefix.family()).exact(octets.bytes(), prefix.length())
    }

    /// The value of the longest prefix that covers this one, which may be itself.
    pub fn covering(&self, prefix: Prefix) -> Option<&T> {
        let octets = Octets::of(prefix.address());
        self.trie(prefix.family()).covering(octets.bytes(), prefix.length())
    }

    /// The prefixes that this one covers, itself as well if it is there.
    pub fn within(&self, wide: Prefix) -> Vec<Prefix> {
        let mut found = Vec::new();
        self.trie(wide.family()).within(Octets::of(wide.address()), wide.length(), &mut found);
        found
    }

    /// Sets the value of a prefix; whether it had one.
    pub fn insert(&mut self, prefix: Prefix, value: T) -> bool
    where
        T: PartialEq,
    {
        let same = self.last.take().filter(|last| **last == value);
        let value = same.unwrap_or_else(|| Arc::new(value));
        self.last = Some(Arc::clone(&value));
        let octets = Octets::of(prefix.address());
        let replaced = self.trie_mut(prefix.family()).insert(octets.bytes(), prefix.length(), value);
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
        if self.length == 0 {
            self.last = None;
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

impl<T: PartialEq> FromIterator<(Prefix, T)> for Fib<T> {
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
        self.follow(octets).0.map(AsRef::as_ref)
    }

    /// The longest prefix on the way that the octets lead, and the node behind it.
    #[inline]
    fn follow(&self, octets: &[u8]) -> (Option<&Arc<T>>, Option<&Node<T>>) {
        let (mut best, mut node) = (self.default.as_ref(), self.root.as_deref());
        for octet in octets {
            let Some(here) = node else { break };
            best = here.longest(*octet).or(best);
            node = here.child(*octet);
        }
        (best, node)
    }

    fn exact(&self, octets: &[u8], length: u8) -> Option<&T> {
        let Some((path, last)) = steps(octets, length) else { return self.default.as_deref() };
        self.node(path)?.exact(last, length).map(AsRef::as_ref)
    }

    fn covering(&self, octets: &[u8], length: u8) -> Option<&T> {
        let Some((path, last)) = steps(octets, length) else { return self.default.as_deref() };
        let (best, node) = self.follow(path);
        node.and_then(|node| node.covering(last, length)).or(best).map(AsRef::as_ref)
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
        path.iter().try_fold(self.root.as_deref()?, |node, octet| node.child(*octet))
    }

    fn insert(&mut self, octets: &[u8], length: u8, value: Arc<T>) -> bool {
        match steps(octets, length) {
            Some((path, last)) => {
                let root = Arc::make_mut(self.root.get_or_insert_default());
                root.insert(Path { path, last, length }, value)
            }
            None => self.default.replace(value).is_some(),
        }
    }

    fn remove(&mut self, octets: &[u8], length: u8) {
        match steps(octets, length) {
            Some((path, last)) => Node::remove(&mut self.root, Path { path, last, length }),
            None => self.default = None,
        }
    }
}

/// The way from a node to the one in which a prefix ends, and what of the prefix is left there.
#[derive(Clone, Copy)]
struct Path<'p> {
    path: &'p [u8],
    last: u8,
    length: u8,
}

impl Path<'_> {
    /// The next octet, and the way from the child. `None`: the prefix ends here.
    fn descend(self) -> Option<(u8, Self)> {
        let (octet, path) = self.path.split_first()?;
        Some((*octet, Self { path, ..self }))
    }

    /// The octets that the prefix holds where it ends.
    fn span(self) -> RangeInclusive<u8> {
        span(self.last, self.length)
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
