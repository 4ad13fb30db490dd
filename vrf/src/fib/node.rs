//! What the next eight address bits lead to: searched where it is little, a place for each value where it is much.

use core::array::from_fn;
use core::cmp::Reverse;
use core::ops::RangeInclusive;
use std::sync::Arc;

use base::Prefix;

use super::{Octets, Path, span};

/// Up to so many prefixes or children are searched.
const FEW: usize = 12;

type Places<T> = Box<[Option<Arc<T>>; 256]>;

pub(super) struct Node<T> {
    /// The prefixes that end here, those that longer ones hide as well: by first octet, the wider before the narrower.
    held: Box<[Held<T>]>,
    /// Of many, the longest for each octet.
    longest: Option<Places<T>>,
    children: Children<T>,
}

/// A prefix that ends in the node, by the octets that it holds.
struct Held<T> {
    first: u8,
    last: u8,
    value: Arc<T>,
}

enum Children<T> {
    /// In order.
    Few(Box<[(u8, Arc<Node<T>>)]>),
    Many(Places<Node<T>>),
}

impl<T> Node<T> {
    /// The longest prefix that ends here and holds the octet.
    #[inline]
    pub(super) fn longest(&self, octet: u8) -> Option<&Arc<T>> {
        match &self.longest {
            Some(places) => places[usize::from(octet)].as_ref(),
            None => longest(&self.held, octet),
        }
    }

    #[inline]
    pub(super) fn child(&self, octet: u8) -> Option<&Self> {
        match &self.children {
            Children::Few(few) => few.iter().find(|(of, _)| *of == octet).map(|(_, child)| child.as_ref()),
            Children::Many(places) => places[usize::from(octet)].as_deref(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.children.all().next().is_none()
    }

    pub(super) fn exact(&self, octet: u8, length: u8) -> Option<&Arc<T>> {
        self.place(&span(octet, length)).ok().map(|at| &self.held[at].value)
    }

    /// The longest prefix that ends here and is not longer than this one, which it covers.
    pub(super) fn covering(&self, octet: u8, length: u8) -> Option<&Arc<T>> {
        let wanted = span(octet, length);
        let end = self.place(&wanted).map_or_else(|at| at, |at| at + 1);
        let covers = |held: &&Held<T>| held.last >= *wanted.end();
        self.held[..end].iter().rfind(covers).map(|held| &held.value)
    }

    /// The prefixes at and below these octets that have at least this length; `octets` lead here.
    pub(super) fn collect(
        &self,
        depth: usize,
        wide: RangeInclusive<u8>,
        least: u8,
        octets: &mut Octets,
        found: &mut Vec<Prefix>,
    ) {
        for Held { first, last, .. } in self.held.iter().filter(|held| wide.contains(&held.first)) {
            octets.bytes_mut()[depth] = *first;
            let length = (depth as u8 + 1) * 8 - (last - first).count_ones() as u8;
            found.extend(octets.prefix(length).filter(|_| length >= least));
        }
        for (octet, child) in self.children.all().filter(|(octet, _)| wide.contains(octet)) {
            octets.bytes_mut()[depth] = octet;
            child.collect(depth + 1, 0..=u8::MAX, least, octets, found);
        }
        octets.bytes_mut()[depth] = 0;
    }

    /// Where a prefix is among those that are held, or belongs.
    fn place(&self, span: &RangeInclusive<u8>) -> Result<usize, usize> {
        let wanted = (*span.start(), Reverse(*span.end()));
        self.held.binary_search_by_key(&wanted, |held| (held.first, Reverse(held.last)))
    }
}

/// Changes. A node that somebody else sees as well is copied first; its children are shared on.
impl<T> Node<T> {
    /// Whether there was one.
    pub(super) fn insert(&mut self, path: Path<'_>, value: Arc<T>) -> bool {
        if let Some((octet, rest)) = path.descend() {
            return Arc::make_mut(self.children.get_or_insert(octet)).insert(rest, value);
        }
        let span = path.span();
        let at = self.place(&span);
        match at {
            Ok(at) => self.held[at].value = value,
            Err(at) => {
                let held = Held { first: *span.start(), last: *span.end(), value };
                change(&mut self.held, |all| all.insert(at, held));
            }
        }
        self.find_again(span);
        at.is_ok()
    }

    /// Takes a prefix out below `place`, and every node that holds nothing any more.
    pub(super) fn remove(place: &mut Option<Arc<Self>>, path: Path<'_>) {
        let Some(node) = place.as_mut().map(Arc::make_mut) else { return };
        match path.descend() {
            Some((octet, rest)) => node.children.remove_in(octet, rest),
            None => node.remove_held(path.span()),
        }
        if node.is_empty() {
            *place = None;
        }
    }

    fn remove_held(&mut self, span: RangeInclusive<u8>) {
        if let Ok(at) = self.place(&span) {
            change(&mut self.held, |all| drop(all.remove(at)));
            self.find_again(span);
        }
    }

    /// What is held of these octets changed.
    fn find_again(&mut self, span: RangeInclusive<u8>) {
        let all = match self.held.len() {
            0..=FEW => return self.longest = None,
            _ if self.longest.is_none() => 0..=u8::MAX,
            _ => span,
        };
        let places = self.longest.get_or_insert_with(|| Box::new(from_fn(|_| None)));
        for octet in all {
            places[usize::from(octet)] = longest(&self.held, octet).cloned();
        }
    }
}

/// Prefixes lie within each other or beside each other: of those that hold the octet the last is the narrowest.
#[inline]
fn longest<T>(held: &[Held<T>], octet: u8) -> Option<&Arc<T>> {
    let before = if held.len() > FEW { held.partition_point(|held| held.first <= octet) } else { held.len() };
    let holds = |held: &&Held<T>| held.first <= octet && octet <= held.last;
    held[..before].iter().rfind(holds).map(|held| &held.value)
}

impl<T> Children<T> {
    fn all(&self) -> impl Iterator<Item = (u8, &Arc<Node<T>>)> {
        let (few, many) = match self {
            Self::Few(few) => (Some(few.iter()), None),
            Self::Many(places) => (None, Some(places.iter().zip(0..=u8::MAX))),
        };
        let many = many.into_iter().flatten().filter_map(|(child, octet)| Some((octet, child.as_ref()?)));
        few.into_iter().flatten().map(|(octet, child)| (*octet, child)).chain(many)
    }

    fn get_or_insert(&mut self, octet: u8) -> &mut Arc<Node<T>> {
        if let Self::Few(few) = self
            && few.len() == FEW
            && few.iter().all(|(of, _)| *of != octet)
        {
            let mut places: Places<Node<T>> = Box::new(from_fn(|_| None));
            for (octet, child) in &**few {
                places[usize::from(*octet)] = Some(Arc::clone(child));
            }
            *self = Self::Many(places);
        }
        match self {
            Self::Many(places) => places[usize::from(octet)].get_or_insert_default(),
            Self::Few(few) => {
                let at = few.binary_search_by_key(&octet, |(of, _)| *of);
                if let Err(at) = at {
                    change(few, |all| all.insert(at, (octet, Arc::default())));
                }
                &mut few[at.unwrap_or_else(|at| at)].1
            }
        }
    }

    fn remove_in(&mut self, octet: u8, path: Path<'_>) {
        match self {
            Self::Many(places) => Node::remove(&mut places[usize::from(octet)], path),
            Self::Few(few) => {
                let Ok(at) = few.binary_search_by_key(&octet, |(of, _)| *of) else { return };
                let mut place = Some(std::mem::take(&mut few[at].1));
                Node::remove(&mut place, path);
                match place {
                    Some(child) => few[at].1 = child,
                    None => change(few, |all| drop(all.remove(at))),
                }
            }
        }
    }
}

/// There is no room for more than is there: most nodes of a sparse table hold one or two.
fn change<T>(all: &mut Box<[T]>, change: impl FnOnce(&mut Vec<T>)) {
    let mut changed = std::mem::take(all).into_vec();
    changed.reserve_exact(1);
    change(&mut changed);
    *all = changed.into_boxed_slice();
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { held: Box::default(), longest: None, children: Children::Few(Box::default()) }
    }
}

impl<T> Clone for Node<T> {
    fn clone(&self) -> Self {
        Self { held: self.held.clone(), longest: self.longest.clone(), children: self.children.clone() }
    }
}

impl<T> Clone for Held<T> {
    fn clone(&self) -> Self {
        Self { first: self.first, last: self.last, value: Arc::clone(&self.value) }
    }
}

impl<T> Clone for Children<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Few(few) => Self::Few(few.clone()),
            Self::Many(places) => Self::Many(places.clone()),
        }
    }
}
