//! Who is told what: neighbours with equal outbound terms form a group, whose announcements are made once. What a
//! group was told is not kept: it follows from what was chosen before, which every change still knows.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Instant, Prefix, VrfId};

use crate::config::FamilyConfig;
use crate::io::{AddressFamily, PeerId};
use crate::ribs::{Peer, Ribs};
use crate::session::Refresh;
use crate::table::{Kind, OURSELVES};
use crate::update::Update;
use crate::vpn::Chosen;

mod compose;
use compose::{Batch, Entry, Tally};

mod walk;
pub(crate) use walk::{Walk, Whole};

/// Where announcements go.
pub(crate) trait Wire {
    /// Whether a peer takes more now.
    fn room(&self, peer: PeerId) -> bool;
    fn send(&mut self, peer: PeerId, update: &Update);
    fn refresh(&mut self, peer: PeerId, family: AddressFamily, what: Refresh);
}

/// A place where something is chosen: a table of VPN routes or a VRF, by number, and a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) place: u32,
    pub(crate) prefix: Prefix,
}

/// Everything that decides what a neighbour is told.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Outward {
    pub(crate) vrf: VrfId,
    pub(crate) family: AddressFamily,
    pub(crate) external: bool,
    /// What we put in front of AS paths: our AS as the neighbour knows it, and perhaps our own behind it.
    pub(crate) ours: Vec<u32>,
    pub(crate) local_as: u32,
    pub(crate) remote_as: u32,
    pub(crate) local: IpAddr,
    pub(crate) extended_next_hop: bool,
    pub(crate) interval: Duration,
    pub(crate) config: FamilyConfig,
}

pub(crate) struct Group {
    pub(crate) terms: Arc<Outward>,
    members: Vec<u32>,
    /// What changed since the last announcement, and what the group knew then.
    dirty: BTreeMap<Key, Option<Told>>,
    /// When it may be announced: `advertisement-interval`.
    next: Instant,
}

/// Whose path a group was told, and its slot, which is held until the group is told another.
#[derive(Clone, Copy)]
struct Told {
    peer: u32,
    slot: Option<u32>,
}

impl Outward {
    fn has_default(&self) -> bool {
        self.config.default_originate && !self.family.is_vpn()
    }
}

impl Ribs {
    /// A peer's session of a family begins, or its terms changed: it joins those with the same.
    pub(crate) fn join(&mut self, peer: u32, terms: Outward) -> Option<()> {
        let (vrf, family) = (terms.vrf, terms.family);
        let same = self.groups.iter().position(|group| !group.members.is_empty() && *group.terms == terms);
        let place = same.or_else(|| self.groups.iter().position(|group| group.members.is_empty()));
        let group = place.unwrap_or(self.groups.len());
        if same.is_none() {
            let new = Group {
                terms: Arc::new(terms),
                members: Vec::new(),
                dirty: BTreeMap::new(),
                next: Instant::START,
            };
            match self.groups.get_mut(group) {
                Some(empty) => *empty = new,
                None => self.groups.push(new),
            }
            self.audience.entry((vrf, family)).or_default().push(group);
        }
        self.groups.get_mut(group)?.members.push(peer);
        self.per_family(peer, family)?.group = Some(group);
        Some(())
    }

    pub(crate) fn part(&mut self, peer: u32, family: AddressFamily) {
        self.busy.remove(&(peer, family));
        let Some(its) = self.per_family(peer, family) else { return };
        (its.walk, its.hold, its.sent) = (None, None, 0);
        its.pending.clear();
        let Some(number) = its.group.take() else { return };
        let Some(group) = self.groups.get_mut(number) else { return };
        group.members.retain(|member| *member != peer);
        if !group.members.is_empty() {
            return;
        }
        let dirty = core::mem::take(&mut group.dirty);
        let key = (group.terms.vrf, group.terms.family);
        self.drop_told(dirty.into_values());
        self.dirty.remove(&number);
        if let Some(groups) = self.audience.get_mut(&key) {
            groups.retain(|group| *group != number);
            if groups.is_empty() {
                self.audience.remove(&key);
            }
        }
    }

    /// What a peer has still to be told, and whether it knows something of it.
    pub(crate) fn unsaid(&self, number: u32, family: AddressFamily) -> Vec<(Key, bool)> {
        let Some(peer) = self.peer(number) else { return Vec::new() };
        let Some(its) = peer.families.get(&family) else { return Vec::new() };
        let group = its.group.and_then(|group| self.groups.get(group));
        let told = |told: &Option<Told>| told.is_some_and(|told| self.knows(peer, family, told));
        let dirty =
            group.into_iter().flat_map(|group| &group.dirty).map(|(key, before)| (*key, told(before)));
        its.pending.iter().map(|(key, told)| (*key, *told)).chain(dirty).collect()
    }

    /// Whether a peer that wants its targets is told this choice, and not by a walk that is still to come there.
    pub(crate) fn tells(&self, number: u32, family: AddressFamily, key: Key, chosen: Chosen) -> bool {
        let its = self.peer(number).and_then(|peer| peer.families.get(&family));
        let group = its.and_then(|its| self.groups.get(its.group?));
        let later = its.and_then(|its| its.walk.as_ref()).is_some_and(|walk| !walk.leaves(key));
        chosen.path.peer != number
            && !later
            && group.is_some_and(|group| self.passes(&group.terms, key, chosen))
    }

    fn drop_told(&mut self, told: impl Iterator<Item = Option<Told>>) {
        for slot in told.flatten().filter_map(|told| told.slot) {
            self.store.release(slot, &mut self.out);
        }
    }

    /// What is chosen in a table of VPN routes changed.
    pub(crate) fn tell_vpn(&mut self, table: u32, prefix: Prefix, old: Option<Chosen>, new: Option<Chosen>) {
        let family = Kind::Vpn.address_family(prefix.family());
        if old != new {
            self.tell(VrfId::GLOBAL, family, Key { place: table, prefix }, old, new);
        }
    }

    /// What a VRF chose changed.
    pub(crate) fn tell_vrf(&mut self, vrf: VrfId, prefix: Prefix, old: Option<Chosen>, new: Option<Chosen>) {
        for kind in [Kind::Unicast, Kind::Labeled] {
            self.tell(vrf, kind.address_family(prefix.family()), Key { place: vrf.0, prefix }, old, new);
        }
    }

    fn tell(
        &mut self,
        vrf: VrfId,
        family: AddressFamily,
        key: Key,
        old: Option<Chosen>,
        new: Option<Chosen>,
    ) {
        let count = self.audience.get(&(vrf, family)).map_or(0, Vec::len);
        for at in 0..count {
            let Some(number) = self.audience.get(&(vrf, family)).and_then(|groups| groups.get(at)).copied()
            else {
                break;
            };
            let Some(terms) = self.groups.get(number).map(|group| group.terms.clone()) else { continue };
            let passes = |chosen: &Chosen| self.passes(&terms, key, *chosen);
            let (had, has) = (old.filter(passes), new.as_ref().is_some_and(passes));
            if old.is_some() && had.is_none() {
                self.withdraw_late(number, key);
            }
            if had.is_some() || has {
                let told = had.map(|had| Told { peer: had.path.peer, slot: Some(had.path.slot) });
                self.mark(number, key, told);
            }
        }
    }

    /// A route goes that a group is not told by its terms. Members with other terms before may know it still.
    fn withdraw_late(&mut self, number: usize, key: Key) {
        let Some(group) = self.groups.get(number) else { return };
        let family = group.terms.family;
        let knows = |member: &u32| {
            let its = self.peer(*member).and_then(|peer| peer.families.get(&family));
            its.and_then(|its| its.walk.as_ref()).is_some_and(|walk| walk.will_withdraw(key))
        };
        for member in group.members.iter().copied().filter(knows).collect::<Vec<_>>() {
            self.postpone(member, family, vec![(key, true)]);
        }
    }

    /// The same choice is to be told another way; `known`: it was told.
    pub(crate) fn retell_vpn(&mut self, table: u32, prefix: Prefix, best: Option<Chosen>, known: bool) {
        let family = Kind::Vpn.address_family(prefix.family());
        self.retell(VrfId::GLOBAL, family, Key { place: table, prefix }, best, known);
    }

    pub(crate) fn retell_vrf(&mut self, vrf: VrfId, prefix: Prefix, best: Option<Chosen>, known: bool) {
        let family = Kind::Labeled.address_family(prefix.family());
        self.retell(vrf, family, Key { place: vrf.0, prefix }, best, known);
    }

    fn retell(&mut self, vrf: VrfId, family: AddressFamily, key: Key, best: Option<Chosen>, known: bool) {
        let Some(best) = best else { return };
        for number in self.audience.get(&(vrf, family)).cloned().unwrap_or_default() {
            let told = Told { peer: best.path.peer, slot: Some(best.path.slot) };
            self.mark(number, key, known.then_some(told));
        }
    }

    fn mark(&mut self, number: usize, key: Key, told: Option<Told>) {
        let Some(group) = self.groups.get_mut(number) else { return };
        self.dirty.insert(number);
        let default = key.prefix.length() == 0 && group.terms.has_default();
        let told = told.or_else(|| default.then_some(Told { peer: OURSELVES, slot: None }));
        if let std::collections::btree_map::Entry::Vacant(entry) = group.dirty.entry(key) {
            entry.insert(told);
            told.and_then(|told| told.slot).into_iter().for_each(|slot| self.store.retain(slot, 1));
        }
    }

    /// Sends what is due, as much as the peers take.
    pub(crate) fn announce(&mut self, now: Instant, wire: &mut impl Wire) {
        if self.deferred.is_some_and(|until| now < until) {
            return;
        }
        self.deferred = None;
        for number in self.dirty.iter().copied().collect::<Vec<_>>() {
            if self.groups.get(number).is_some_and(|group| group.next <= now) {
                self.flush(now, number, wire);
            }
        }
        for (peer, family) in self.busy.iter().copied().collect::<Vec<_>>() {
            while self.step(now, peer, family, wire) {}
        }
    }

    /// When `announce` is due without any input.
    pub(crate) fn announce_at(&self) -> Option<Instant> {
        let groups = self.dirty.iter().filter_map(|number| self.groups.get(*number)).map(|group| group.next);
        let held = self.busy.iter().filter_map(|(peer, family)| self.peer(*peer)?.families.get(family)?.hold);
        let next = groups.chain(held).min();
        match self.deferred {
            Some(until) => Some(until),
            None => next,
        }
    }

    fn flush(&mut self, now: Instant, number: usize, wire: &mut impl Wire) {
        self.dirty.remove(&number);
        let Some(group) = self.groups.get_mut(number) else { return };
        group.next = now + group.terms.interval;
        let (terms, members) = (group.terms.clone(), group.members.clone());
        let dirty = core::mem::take(&mut group.dirty);
        let batch = self.compose(&terms, dirty.iter().map(|(key, told)| (*key, *told)));
        for member in members {
            self.serve(member, terms.family, &dirty, &batch, wire);
        }
        self.drop_told(dirty.into_values());
    }

    /// One member's share of what its group has to say: now if it takes it, later if not.
    fn serve(
        &mut self,
        member: u32,
        family: AddressFamily,
        dirty: &BTreeMap<Key, Option<Told>>,
        batch: &Batch,
        wire: &mut impl Wire,
    ) {
        let Some(peer) = self.peer(member) else { return };
        let Some(its) = peer.families.get(&family) else { return };
        let walk = its.walk.as_ref();
        let doubtful = |key: &&Key| walk.is_some_and(|walk| walk.will_withdraw(**key));
        let leaves = |key: &Key| walk.is_none_or(|walk| walk.leaves(*key)) && !doubtful(&key);
        let unsure: Vec<(Key, bool)> = dirty.keys().filter(doubtful).map(|key| (*key, true)).collect();
        if wire.room(peer.id) && its.pending.is_empty() {
            let entries =
                dirty.keys().zip(&batch.entries).filter(|(key, _)| leaves(key)).map(|(_, entry)| entry);
            let entries: Vec<&Entry> = entries.collect();
            self.deliver(member, family, entries.into_iter(), &batch.attributes, Tally::Changes, wire);
            self.postpone(member, family, unsure);
            return;
        }
        let told = |told: &Option<Told>| told.is_some_and(|told| self.knows(peer, family, told));
        let late = dirty.iter().filter(|(key, _)| leaves(key)).map(|(key, before)| (*key, told(before)));
        let late: Vec<(Key, bool)> = late.chain(unsure).collect();
        self.postpone(member, family, late);
    }

    /// Whether a peer is told this path if its group is: not its own, and wanted.
    fn knows(&self, peer: &Peer, family: AddressFamily, told: Told) -> bool {
        let own = self.peer(told.peer).is_some_and(|source| source.id == peer.id);
        let slot = told.slot.and_then(|slot| self.store.slot(slot));
        !own && (!family.is_vpn() || slot.is_none_or(|slot| peer.wants_any(&slot.targets)))
    }
}
