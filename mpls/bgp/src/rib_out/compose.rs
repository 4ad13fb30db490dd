//! Announcements: what of a place a group is told now, with attributes that several prefixes share, and what of that
//! each member does not know yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Family, Label};

use super::{Key, Outward, Told, Wire};
use crate::attributes::Attributes;
use crate::io::AddressFamily;
use crate::ribs::{PerFamily, Ribs};
use crate::table::OURSELVES;
use crate::update::{Nlri, Update};
use crate::vpn::Chosen;

/// How announcements change the number of routes that a peer was told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tally {
    /// By what it was told before.
    Changes,
    /// Each is one more.
    All,
    /// It was told each of them already.
    Nothing,
}

pub(super) struct Entry {
    key: Key,
    nlri: Nlri,
    before: Option<Told>,
    after: Option<(usize, Told)>,
}

/// Attributes of announcements that are being made, each once.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) attributes: Vec<Arc<Attributes>>,
    by_path: BTreeMap<(u32, u32), usize>,
    by_value: BTreeMap<Arc<Attributes>, usize>,
    pub(super) entries: Vec<Entry>,
}

impl Ribs {
    pub(super) fn compose(
        &self,
        terms: &Arc<Outward>,
        keys: impl Iterator<Item = (Key, Option<Told>)>,
    ) -> Batch {
        let mut batch = Batch::default();
        for (key, before) in keys {
            let vpn = terms.family.is_vpn();
            let best = if vpn {
                self.vpn_best(key.place, key.prefix)
            } else {
                self.selection(terms.vrf, key.prefix).best
            };
            let shaped = best.and_then(|best| self.shaped(&mut batch, terms, key, best));
            let shaped = shaped.or_else(|| self.default_route(&mut batch, terms, key));
            let rd = if vpn { self.table(key.place).and_then(|table| table.rd) } else { None };
            let label = shaped.and_then(|(_, _, label)| label);
            let nlri = Nlri { rd, prefix: key.prefix, label, path: None };
            batch.entries.push(Entry { key, nlri, before, after: shaped.map(|(at, told, _)| (at, told)) });
        }
        batch
    }

    fn shaped(
        &self,
        batch: &mut Batch,
        terms: &Outward,
        key: Key,
        best: Chosen,
    ) -> Option<(usize, Told, Option<Label>)> {
        let admitted = self.admit(terms, key, best)?;
        let told = Told { peer: best.path.peer, slot: Some(best.path.slot) };
        let path = (best.path.slot, best.path.peer);
        let same = terms.config.route_map_out.is_none() && admitted.common;
        if let Some(at) = batch.by_path.get(&path).filter(|_| same) {
            return Some((*at, told, admitted.label));
        }
        let label = admitted.label;
        let at = batch.intern(self.shape(terms, key.prefix, best, &admitted)?);
        if same {
            batch.by_path.insert(path, at);
        }
        Some((at, told, label))
    }

    /// What of these a peer is told, and how it looks there.
    pub(crate) fn told(
        &self,
        number: u32,
        family: AddressFamily,
        keys: &[Key],
    ) -> Vec<(Nlri, Arc<Attributes>)> {
        let Some(peer) = self.peer(number) else { return Vec::new() };
        let group = peer.families.get(&family).and_then(|its| self.groups.get(its.group?));
        let Some(terms) = group.map(|group| group.terms.clone()) else { return Vec::new() };
        let batch = self.compose(&terms, keys.iter().map(|key| (*key, None)));
        let told = |entry: &Entry| {
            let (at, _) = entry.after.filter(|(_, told)| self.knows(peer, family, *told))?;
            Some((entry.nlri, batch.attributes.get(at)?.clone()))
        };
        batch.entries.iter().filter_map(told).collect()
    }

    /// `default-originate`: whether there is such a route or not.
    fn default_route(
        &self,
        batch: &mut Batch,
        terms: &Outward,
        key: Key,
    ) -> Option<(usize, Told, Option<Label>)> {
        let tellable = !terms.local.is_ipv6() || terms.extended_next_hop || key.prefix.family() == Family::V6;
        let default = key.prefix.length() == 0 && terms.has_default() && tellable;
        let attributes = default.then(|| self.default_attributes(terms))?;
        let label = terms.family.is_labeled_unicast().then_some(Label::IMPLICIT_NULL);
        Some((batch.intern(attributes), Told { peer: OURSELVES, slot: None }, label))
    }

    /// Sends a peer what of these it does not know, and what of it is no more.
    pub(super) fn deliver<'e>(
        &mut self,
        number: u32,
        family: AddressFamily,
        entries: impl Iterator<Item = &'e Entry>,
        attributes: &[Arc<Attributes>],
        tally: Tally,
        wire: &mut impl Wire,
    ) {
        let Some(peer) = self.peer(number) else { return };
        let walk = peer.families.get(&family).and_then(|its| its.walk.as_ref());
        let changes = |key| tally == Tally::Changes && walk.is_none_or(|walk| walk.counts(key));
        let (id, mut gone, mut sent) = (peer.id, Vec::new(), 0i64);
        let mut reach: BTreeMap<usize, Vec<Nlri>> = BTreeMap::new();
        for entry in entries {
            let told = entry.before.is_some_and(|told| self.knows(peer, family, told));
            match entry.after.filter(|(_, told)| self.knows(peer, family, *told)) {
                Some((at, _)) => {
                    reach.entry(at).or_default().push(entry.nlri);
                    sent += i64::from(tally == Tally::All || (changes(entry.key) && !told));
                }
                None if told => {
                    gone.push(Nlri { label: None, ..entry.nlri });
                    sent -= i64::from(changes(entry.key));
                }
                None => (),
            }
        }
        self.per_family(number, family).into_iter().for_each(|its| its.count(sent));
        if !gone.is_empty() {
            wire.send(id, &Update::Unreach { family, routes: gone });
        }
        for (at, routes) in reach {
            if let Some(attributes) = attributes.get(at).cloned() {
                wire.send(id, &Update::Reach { family, attributes, routes });
            }
        }
    }
}

impl PerFamily {
    fn count(&mut self, more: i64) {
        self.sent = u32::try_from(i64::from(self.sent) + more).unwrap_or(0);
    }
}

impl Batch {
    fn intern(&mut self, attributes: Attributes) -> usize {
        let attributes = Arc::new(attributes);
        let next = self.attributes.len();
        let at = *self.by_value.entry(attributes.clone()).or_insert(next);
        if at == next {
            self.attributes.push(attributes);
        }
        at
    }
}
