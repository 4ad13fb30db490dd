//! Next hops come into reach and go: wherever a path leads through them, the choice is made anew.

use core::net::IpAddr;
use std::collections::BTreeSet;

use base::{Family, Prefix, VrfId};

use super::Ribs;
use crate::io::Reach;

impl Ribs {
    /// A next hop can be reached, or not any more, or by another way.
    pub(crate) fn next_hop(&mut self, vrf: VrfId, address: IpAddr, new: Option<Reach>) {
        let Some(hop) = self.store.hops.find(vrf, address) else { return };
        let Some(reach) = self.store.hops.reach_mut(hop) else { return };
        let old = core::mem::replace(reach, new);
        if old == new {
            return;
        }
        let slots: BTreeSet<u32> =
            self.store.iter().filter(|(_, slot)| slot.hop == Some(hop)).map(|(number, _)| number).collect();
        for (table, prefix) in self.with_slots(&slots) {
            self.set_reach(hop, old);
            let before = self.observe(table, prefix, &[]);
            self.set_reach(hop, new);
            self.settle(before);
        }
    }

    fn set_reach(&mut self, hop: u32, reach: Option<Reach>) {
        self.store.hops.reach_mut(hop).into_iter().for_each(|place| *place = reach);
    }

    /// Every prefix with a path of one of these slots.
    fn with_slots(&self, slots: &BTreeSet<u32>) -> Vec<(u32, Prefix)> {
        let mut found = Vec::new();
        for (number, table) in (0..).zip(&self.tables) {
            if !table.slots.keys().any(|slot| slots.contains(slot)) {
                continue;
            }
            for (prefix, paths) in Family::BOTH.into_iter().flat_map(|family| table.paths.iter(family)) {
                if paths.iter().any(|(path, _)| slots.contains(&path.slot)) {
                    found.push((number, prefix));
                }
            }
        }
        found
    }
}
