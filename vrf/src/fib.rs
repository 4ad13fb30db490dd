//! The lookup packets see: longest prefix match by eight address bits a step, without allocation.

use core::fmt;
use core::net::IpAddr;
use std::collections::BTreeMap;

use base::{Family, Prefix};

/// Longest prefix match over both families. Empty, it owns no memory; each node is 3 KB, and a prefix
/// needs at most one node for each eight bits of its length, shared with its neighbours.
#[derive(Clone)]
pub struct Fib<T> {
    v4: Trie,
    v6: Trie,
    values: Slab<T>,
    numbers: BTreeMap<Prefix, Number>,
}

/// A value's place in the slab plus one; zero: none.
type Number = u32;

/// What one value of eight address bits leads to.
#[derive(Clone, Copy, Default)]
struct Slot {
    /// The longest prefix that ends within this node and holds the slot.
    route: Number,
    /// That prefix's length.
    length: u8,
    /// The node below plus one; zero: none.
    child: u32,
}

type Node = [Slot; 256];

#[derive(Clone, Default)]
struct Trie {
    /// The route of length zero.
    default: Number,
    /// The root first.
    nodes: Vec<Node>,
    /// How many prefixes and children each node has.
    used: Vec<u32>,
    free: Vec<u32>,
}

#[derive(Clone)]
struct Slab<T> {
    values: Vec<Option<T>>,
    free: Vec<Number>,
}

impl<T> Default for Fib<T> {
    fn default() -> Self {
        let values = Slab { values: Vec::new(), free: Vec::new() };
        Self { v4: Trie::default(), v6: Trie::default(), values, numbers: BTreeMap::new() }
    }
}

impl<T> Fib<T> {
    /// The value of the longest prefix that holds `address`.
    #[inline]
    pub fn lookup(&self, address: IpAddr) -> Option<&T> {
        self.values.at(match address {
            IpAddr::V4(address) => self.v4.lookup(&address.octets()),
            IpAddr::V6(address) => self.v6.lookup(&address.octets()),
        })
    }

    /// The value of exactly this prefix.
    pub fn exact(&self, prefix: Prefix) -> Option<&T> {
        self.values.at(*self.numbers.get(&prefix)?)
    }

    /// Sets the value of a prefix; gives the one it had.
    pub fn insert(&mut self, prefix: Prefix, value: T) -> Option<T> {
        if let Some(number) = self.numbers.get(&prefix) {
            return self.values.replace(*number, value);
        }
        let number = self.values.insert(value);
        self.numbers.insert(prefix, number);
        let octets = Octets::of(prefix.address());
        self.trie_mut(prefix.family()).insert(octets.bytes(), prefix.length(), number);
        None
    }

    /// Takes a prefix out; gives its value.
    pub fn remove(&mut self, prefix: Prefix) -> Option<T> {
        let number = self.numbers.remove(&prefix)?;
        let octets = Octets::of(prefix.address());
        let heir = self.heir(prefix);
        self.trie_mut(prefix.family()).remove(octets.bytes(), prefix.length(), heir);
        self.values.remove(number)
    }

    /// All prefixes, IPv4 before IPv6, by address, then length.
    pub fn iter(&self) -> impl Iterator<Item = (Prefix, &T)> {
        self.numbers.iter().filter_map(|(prefix, number)| Some((*prefix, self.values.at(*number)?)))
    }

    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// The next shorter prefix that ends in the same node: it gets the slots of one that goes.
    fn heir(&self, prefix: Prefix) -> (Number, u8) {
        let floor = prefix.length().saturating_sub(1) / 8 * 8;
        (floor + 1..prefix.length())
            .rev()
            .find_map(|length| {
                let shorter = Prefix::new(prefix.address(), length).ok()?;
                Some((*self.numbers.get(&shorter)?, length))
            })
            .unwrap_or_default()
    }

    fn trie_mut(&mut self, family: Family) -> &mut Trie {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }
}

impl<T> FromIterator<(Prefix, T)> for Fib<T> {
    fn from_iter<I: IntoIterator<Item = (Prefix, T)>>(routes: I) -> Self {
        let mut fib = Self::default();
        routes.into_iter().for_each(|(prefix, value)| drop(fib.insert(prefix, value)));
        fib
    }
}

impl<T: fmt::Debug> fmt::Debug for Fib<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<T: PartialEq> PartialEq for Fib<T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Trie {
    #[inline]
    fn lookup(&self, octets: &[u8]) -> Number {
        let (mut best, mut node) = (self.default, self.nodes.first());
        for octet in octets {
            let Some(slots) = node else { break };
            let slot = slots[usize::from(*octet)];
            if slot.route != 0 {
                best = slot.route;
            }
            node = self.child(slot);
        }
        best
    }

    fn insert(&mut self, octets: &[u8], length: u8, number: Number) {
        let Some((path, last)) = steps(octets, length) else {
            self.default = number;
            return;
        };
        let mut node = if self.nodes.is_empty() { self.new_node() } else { 0 };
        for octet in path {
            node = self.descend(node, *octet);
        }
        self.used[node] += 1;
        for slot in &mut self.nodes[node][span(last, length)] {
            if slot.length <= length {
                (slot.route, slot.length) = (number, length);
            }
        }
    }

    fn remove(&mut self, octets: &[u8], length: u8, (heir, heir_length): (Number, u8)) {
        let Some((path, last)) = steps(octets, length) else {
            self.default = 0;
            return;
        };
        let mut node = 0;
        let mut passed = [(0, 0); 16];
        for (step, octet) in passed.iter_mut().zip(path) {
            *step = (node, *octet);
            node = index(self.nodes[node][usize::from(*octet)].child);
        }
        for slot in &mut self.nodes[node][span(last, length)] {
            if slot.length == length {
                (slot.route, slot.length) = (heir, heir_length);
            }
        }
        self.release(node, &passed[..path.len()]);
    }

    /// Counts one thing less in `node`, and frees it and those above it that hold nothing now.
    fn release(&mut self, mut node: usize, passed: &[(usize, u8)]) {
        self.used[node] -= 1;
        for (parent, octet) in passed.iter().rev() {
            if self.used[node] != 0 {
                return;
            }
            self.free.push(self.nodes[*parent][usize::from(*octet)].child);
            self.nodes[*parent][usize::from(*octet)].child = 0;
            self.used[*parent] -= 1;
            node = *parent;
        }
        if self.used[0] == 0 {
            *self = Self { default: self.default, ..Self::default() };
        }
    }

    /// The node below, made if there is none.
    fn descend(&mut self, node: usize, octet: u8) -> usize {
        if self.nodes[node][usize::from(octet)].child == 0 {
            let child = self.new_node();
            // A node takes 3 KB: memory ends long before 32 bits do.
            self.nodes[node][usize::from(octet)].child = u32::try_from(child + 1).unwrap_or(0);
            self.used[node] += 1;
        }
        index(self.nodes[node][usize::from(octet)].child)
    }

    /// A freed node is blank: all that was in it was taken out.
    fn new_node(&mut self) -> usize {
        if let Some(child) = self.free.pop() {
            return index(child);
        }
        self.nodes.push([Slot::default(); 256]);
        self.used.push(0);
        self.nodes.len() - 1
    }

    fn child(&self, slot: Slot) -> Option<&Node> {
        self.nodes.get(usize::try_from(slot.child.checked_sub(1)?).ok()?)
    }
}

impl<T> Slab<T> {
    fn at(&self, number: Number) -> Option<&T> {
        self.values.get(usize::try_from(number.checked_sub(1)?).ok()?)?.as_ref()
    }

    fn insert(&mut self, value: T) -> Number {
        if let Some(number) = self.free.pop() {
            self.replace(number, value);
            return number;
        }
        self.values.push(Some(value));
        u32::try_from(self.values.len()).unwrap_or(0)
    }

    fn replace(&mut self, number: Number, value: T) -> Option<T> {
        self.values.get_mut(index(number))?.replace(value)
    }

    fn remove(&mut self, number: Number) -> Option<T> {
        self.free.push(number);
        self.values.get_mut(index(number))?.take()
    }
}

/// An address's bytes, whichever family.
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
}

/// The octets that lead to the node in which a prefix ends, and its octet there. `None`: length zero.
fn steps(octets: &[u8], length: u8) -> Option<(&[u8], u8)> {
    let depth = usize::from(length.checked_sub(1)? / 8);
    Some((octets.get(..depth)?, *octets.get(depth)?))
}

/// The slots that a prefix of `length` fills in its node.
fn span(first: u8, length: u8) -> core::ops::RangeInclusive<usize> {
    let free = (8 - length % 8) % 8;
    usize::from(first)..=usize::from(first) + (1 << free) - 1
}

/// From "plus one" to a place. Only what is known to be set comes here.
fn index(number: u32) -> usize {
    usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
