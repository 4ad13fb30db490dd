//! What routes share, kept once: attributes and next hops, named by numbers.

use core::hash::{Hash, Hasher};
use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::DefaultHasher;
use std::sync::Arc;

use base::VrfId;
use vrf::{RouteTarget, Source};

use crate::attributes::Attributes;
use crate::io::{Output, Reach};

/// Everything about a path that others may have in common with it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Shared {
    /// In the table where it was learned.
    pub(crate) attributes: Arc<Attributes>,
    /// As a VPN route, with route targets: what other VRFs and VPN peers see. `None`: they do not see it.
    pub(crate) exported: Option<Arc<Attributes>>,
    pub(crate) weight: u16,
    pub(crate) tag: u32,
    pub(crate) source: Source,
    /// The CE behind a route of ours, for labels per CE.
    pub(crate) gateway: Option<IpAddr>,
    /// Where the next hop is looked up; `None`: a route of ours, which needs none.
    pub(crate) vrf: Option<VrfId>,
}

pub(crate) struct Slot {
    pub(crate) shared: Shared,
    pub(crate) hop: Option<u32>,
    /// Whose MED it is, and how long the path: `decide` asks often.
    pub(crate) neighbor: Option<u32>,
    pub(crate) length: usize,
    /// Of `exported`.
    pub(crate) targets: Box<[RouteTarget]>,
    uses: u32,
}

/// Slots by number; a number is used again after its last user is gone.
pub(crate) struct Store {
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    /// By a keyed hash, so that nobody outside can make them collide.
    index: BTreeSet<(u64, u32)>,
    seed: u64,
    pub(crate) hops: Hops,
}

/// The next hops of all slots.
#[derive(Default)]
pub(crate) struct Hops {
    hops: Vec<Option<Hop>>,
    free: Vec<u32>,
    index: BTreeMap<(VrfId, IpAddr), u32>,
}

pub(crate) struct Hop {
    vrf: VrfId,
    address: IpAddr,
    pub(crate) reach: Option<Reach>,
    uses: u32,
}

impl Store {
    pub(crate) fn new(seed: u64) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), index: BTreeSet::new(), seed, hops: Hops::default() }
    }

    pub(crate) fn slot(&self, slot: u32) -> Option<&Slot> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// The number of `shared`, new or not, held once more. A next hop that was unknown is watched.
    pub(crate) fn hold(&mut self, shared: Shared, out: &mut Vec<Output>) -> u32 {
        let hash = self.hash(&shared);
        let known = self.index.range((hash, 0)..=(hash, u32::MAX)).map(|(_, slot)| *slot);
        let known = known.into_iter().find(|slot| self.slot(*slot).is_some_and(|slot| slot.shared == shared));
        if let Some(slot) = known {
            self.retain(slot, 1);
            return slot;
        }
        let hop = shared.vrf.map(|vrf| self.hops.hold(vrf, shared.attributes.next_hop, out));
        let slot = self.place();
        self.index.insert((hash, slot));
        if let Some(empty) = self.slots.get_mut(slot as usize) {
            *empty = Some(Slot::new(shared, hop));
        }
        slot
    }

    fn place(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        })
    }

    pub(crate) fn retain(&mut self, slot: u32, times: u32) {
        if let Some(Some(slot)) = self.slots.get_mut(slot as usize) {
            slot.uses += times;
        }
    }

    pub(crate) fn release(&mut self, number: u32, out: &mut Vec<Output>) {
        let Some(place) = self.slots.get_mut(number as usize) else { return };
        let Some(slot) = place else { return };
        slot.uses -= 1;
        if slot.uses > 0 {
            return;
        }
        if let Some(slot) = place.take() {
            self.index.remove(&(self.hash(&slot.shared), number));
            self.free.push(number);
            slot.hop.into_iter().for_each(|hop| self.hops.release(hop, out));
        }
    }

    /// Whether the next hop of a slot can be reached, and how; routes of ours need none.
    pub(crate) fn reach(&self, slot: &Slot) -> Option<Reach> {
        match slot.hop {
            None => Some(Reach { metric: 0, connected: true, labelled: true }),
            Some(hop) => self.hops.hops.get(hop as usize)?.as_ref()?.reach,
        }
    }

    /// Every slot with its number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Slot)> {
        (0..).zip(&self.slots).filter_map(|(number, slot)| Some((number, slot.as_ref()?)))
    }

    fn hash(&self, shared: &Shared) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.seed.hash(&mut hasher);
        shared.hash(&mut hasher);
        hasher.finish()
    }
}

impl Slot {
    fn new(shared: Shared, hop: Option<u32>) -> Self {
        let targets = shared.exported.iter().flat_map(|exported| exported.targets()).collect();
        let (neighbor, length) = (shared.attributes.neighbor(), shared.attributes.as_path.len());
        Self { shared, hop, neighbor, length, targets, uses: 1 }
    }
}

impl Hops {
    pub(crate) fn find(&self, vrf: VrfId, address: IpAddr) -> Option<u32> {
        self.index.get(&(vrf, address)).copied()
    }

    /// What is known of a next hop.
    pub(crate) fn reach_mut(&mut self, hop: u32) -> Option<&mut Option<Reach>> {
        Some(&mut self.hops.get_mut(hop as usize)?.as_mut()?.reach)
    }

    fn hold(&mut self, vrf: VrfId, address: IpAddr, out: &mut Vec<Output>) -> u32 {
        if let Some(number) = self.find(vrf, address) {
            self.hops.get_mut(number as usize).into_iter().flatten().for_each(|hop| hop.uses += 1);
            return number;
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.hops.push(None);
            u32::try_from(self.hops.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(place) = self.hops.get_mut(number as usize) {
            *place = Some(Hop { vrf, address, reach: None, uses: 1 });
        }
        self.index.insert((vrf, address), number);
        out.push(Output::Watch(vrf, address));
        number
    }

    fn release(&mut self, number: u32, out: &mut Vec<Output>) {
        let Some(place) = self.hops.get_mut(number as usize) else { return };
        let Some(hop) = place else { return };
        hop.uses -= 1;
        if hop.uses == 0
            && let Some(hop) = place.take()
        {
            self.index.remove(&(hop.vrf, hop.address));
            self.free.push(number);
            out.push(Output::Unwatch(hop.vrf, hop.address));
        }
    }
}
