//! All tables together, and what follows from one path's coming or going: which VRFs choose anew, who is told.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::{Family, Instant, Prefix, VrfId};
use vrf::{Rd, RouteTarget};

use crate::config::Config;
use crate::io::{AddressFamily, Change, Output, Own, PeerId};
use crate::labels::Labels;
use crate::leak::{Between, Leak};
use crate::rib_out::Group;
use crate::store::Store;
use crate::table::{Kind, Path, Paths, Table};
use crate::update::Membership;
use crate::vpn::{Chosen, Selection, View};

mod peer;
pub(crate) use peer::{Fill, Peer, PerFamily};

mod reach;

pub(crate) struct Ribs {
    pub(crate) config: Arc<Config>,
    /// By number; the first is the speaker itself. `None`: free.
    pub(crate) peers: Vec<Option<Peer>>,
    pub(crate) numbers: BTreeMap<PeerId, u32>,
    pub(crate) store: Store,
    /// By number, as views and paths name them; one without VRF and paths is free.
    pub(crate) tables: Vec<Table>,
    pub(crate) free: Vec<u32>,
    /// Those that may have lost their last path.
    idle: BTreeSet<u32>,
    pub(crate) by_rd: BTreeMap<Rd, u32>,
    pub(crate) views: BTreeMap<VrfId, View>,
    /// Which VRFs import a target.
    pub(crate) importers: BTreeMap<(Family, RouteTarget), Vec<VrfId>>,
    /// Routes in use of the box's own tables.
    pub(crate) own: BTreeMap<(VrfId, Prefix), Own>,
    pub(crate) leaks: BTreeMap<Between, Leak>,
    pub(crate) labels: Labels,
    pub(crate) groups: Vec<Group>,
    /// The groups that hear of a VRF's routes of a family; VPN routes are the global table's.
    pub(crate) audience: BTreeMap<(VrfId, AddressFamily), Vec<usize>>,
    /// The groups that something is to be told.
    pub(crate) dirty: BTreeSet<usize>,
    /// The peers that are told something beside their group.
    pub(crate) busy: BTreeSet<(u32, AddressFamily)>,
    /// Memberships of RFC 4684 by who has them, with the slot of their attributes.
    pub(crate) members: BTreeMap<Membership, BTreeMap<u32, u32>>,
    /// They changed, and nobody was told yet.
    pub(crate) constrained: bool,
    /// Until when nothing is announced, as this speaker has just restarted.
    pub(crate) deferred: Option<Instant>,
    /// When whose stale routes go.
    pub(crate) stale: BTreeSet<(Instant, u32)>,
    /// Whose stale routes are going, and since when.
    pub(crate) leaving: BTreeMap<(u32, AddressFamily), Instant>,
    /// Peers with more routes than they may have, and after what time they may come back.
    pub(crate) overrun: Vec<(PeerId, AddressFamily, u32, Option<Duration>)>,
    /// Whose routes are wanted again, as what is done with them changed.
    pub(crate) again: BTreeSet<(PeerId, AddressFamily)>,
    /// Of the configuration: VPN routes are kept that no VRF imports; labels of others' routes are swapped.
    pub(crate) keeps_all: bool,
    pub(crate) swaps: bool,
    pub(crate) changes: Vec<Change>,
    pub(crate) out: Vec<Output>,
}

/// What was chosen before a change, wherever the change may reach.
pub(crate) struct Before {
    table: u32,
    prefix: Prefix,
    vpn: Option<Chosen>,
    views: Vec<(VrfId, Selection)>,
}

/// What became of a path that was put into a table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Learned {
    New,
    /// One with other attributes was there.
    Replaced,
    Same,
}

impl Ribs {
    pub(crate) fn new(seed: u64, config: Arc<Config>) -> Self {
        Self {
            config,
            peers: vec![None],
            numbers: BTreeMap::new(),
            store: Store::new(seed),
            tables: Vec::new(),
            free: Vec::new(),
            idle: BTreeSet::new(),
            by_rd: BTreeMap::new(),
            views: BTreeMap::new(),
            importers: BTreeMap::new(),
            own: BTreeMap::new(),
            leaks: BTreeMap::new(),
            labels: Labels::default(),
            groups: Vec::new(),
            audience: BTreeMap::new(),
            dirty: BTreeSet::new(),
            busy: BTreeSet::new(),
            members: BTreeMap::new(),
            constrained: false,
            deferred: None,
            stale: BTreeSet::new(),
            leaving: BTreeMap::new(),
            overrun: Vec::new(),
            again: BTreeSet::new(),
            keeps_all: false,
            swaps: false,
            changes: Vec::new(),
            out: Vec::new(),
        }
    }

    pub(crate) fn table(&self, number: u32) -> Option<&Table> {
        self.tables.get(number as usize)
    }

    /// The table of a route distinguisher, new or not.
    pub(crate) fn table_of(&mut self, rd: Rd) -> u32 {
        if let Some(table) = self.by_rd.get(&rd) {
            return *table;
        }
        let table = self.new_table(Table { rd: Some(rd), ..Table::default() });
        self.by_rd.insert(rd, table);
        table
    }

    pub(crate) fn new_table(&mut self, table: Table) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.tables.push(Table::default());
            u32::try_from(self.tables.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(place) = self.tables.get_mut(number as usize) {
            *place = table;
        }
        number
    }

    /// A table may be empty now.
    pub(crate) fn tidy(&mut self, number: u32) {
        self.idle.insert(number);
    }

    /// Tables that nobody needs any more are given back. While somebody is to be told of their routes, they stay.
    pub(crate) fn reclaim(&mut self) {
        if !self.dirty.is_empty() || !self.busy.is_empty() {
            return;
        }
        for number in core::mem::take(&mut self.idle) {
            let Some(table) = self.tables.get_mut(number as usize) else { continue };
            if table.vrf.is_none()
                && table.paths.is_empty()
                && let Some(rd) = table.rd.take()
            {
                self.by_rd.remove(&rd);
                self.free.push(number);
            }
        }
    }

    /// The VRFs that import one of these targets, and the one whose own table it is: all that a path concerns.
    pub(crate) fn concerned(
        &self,
        family: Family,
        targets: &[RouteTarget],
        own: Option<VrfId>,
    ) -> Vec<VrfId> {
        let importers = targets.iter().filter_map(|target| self.importers.get(&(family, *target)));
        let mut views: Vec<VrfId> = importers.flatten().copied().chain(own).collect();
        views.sort_unstable();
        views.dedup();
        views
    }

    /// Puts a path, which concerns `views`. To count the use of its slot is the caller's, unless it stood there.
    pub(crate) fn learn(
        &mut self,
        number: u32,
        prefix: Prefix,
        path: Path,
        id: u32,
        views: &[VrfId],
    ) -> Learned {
        let Some(table) = self.tables.get_mut(number as usize) else { return Learned::Same };
        if id == 0 && table.paths.get_or_insert(prefix, Paths::One(path)).is_none() {
            self.first(number, prefix, path, views);
            return Learned::New;
        }
        let before = self.observe(number, prefix, views);
        let Some(table) = self.tables.get_mut(number as usize) else { return Learned::Same };
        let old = table.put(prefix, path, id);
        self.bind_path(number, prefix, path);
        self.settle(before);
        let Some(old) = old else { return Learned::New };
        self.unbind_path(number, prefix, old);
        if (old.peer, old.slot) == (path.peer, path.slot) {
            return Learned::Same;
        }
        self.forget(number, old);
        Learned::Replaced
    }

    /// A prefix's first path in its table: nothing was chosen there before, which spares most of the work.
    fn first(&mut self, number: u32, prefix: Prefix, path: Path, views: &[VrfId]) {
        self.bind_path(number, prefix, path);
        let chosen = Chosen { table: number, path, id: 0 };
        for vrf in views {
            let Some(view) = self.views.get_mut(vrf) else { continue };
            if !view.has(prefix) {
                view.routes.insert(prefix, number);
                let new = self.only(*vrf, prefix, chosen);
                self.choose(*vrf, prefix, Selection::default(), new);
                continue;
            }
            let old = self.selection(*vrf, prefix);
            if let Some(view) = self.views.get_mut(vrf) {
                view.routes.insert(prefix, number);
            }
            let new = self.selection(*vrf, prefix);
            self.choose(*vrf, prefix, old, new);
        }
        let slot = self.store.slot(path.slot).filter(|slot| slot.shared.exported.is_some());
        if slot.is_some()
            && self.is_usable(path)
            && self.table(number).is_some_and(|table| table.rd.is_some())
        {
            self.tell_vpn(number, prefix, None, Some(chosen));
        }
    }

    /// Takes a path out; whether there was one.
    pub(crate) fn unlearn(&mut self, number: u32, prefix: Prefix, peer: u32, kind: Kind, id: u32) -> bool {
        let Some(table) = self.table(number) else { return false };
        let mut paths = table.paths(prefix);
        if !paths.any(|(path, its)| (path.peer, path.kind(), its) == (peer, kind, id)) {
            return false;
        }
        drop(paths);
        let before = self.observe(number, prefix, &[]);
        let table = self.tables.get_mut(number as usize);
        let Some(old) = table.and_then(|table| table.take(prefix, peer, kind, id)) else { return false };
        self.settle(before);
        self.unbind_path(number, prefix, old);
        self.forget(number, old);
        true
    }

    /// A path is gone from its table: so are its counts.
    fn forget(&mut self, number: u32, old: Path) {
        if let Some(table) = self.tables.get_mut(number as usize) {
            table.discount(old);
        }
        self.store.release(old.slot, &mut self.out);
    }

    /// What is chosen now wherever the paths of a prefix, or a path that concerns `more`, may be seen.
    pub(crate) fn observe(&self, number: u32, prefix: Prefix, more: &[VrfId]) -> Before {
        let mut views = more.to_vec();
        let table = self.table(number);
        for (path, _) in table.into_iter().flat_map(|table| table.paths(prefix)) {
            let targets = self.store.slot(path.slot).map_or(&[][..], |slot| &slot.targets);
            views.extend(self.concerned(prefix.family(), targets, None));
        }
        views.extend(table.and_then(|table| table.vrf));
        views.sort_unstable();
        views.dedup();
        let views = views.into_iter().map(|vrf| (vrf, self.selection(vrf, prefix))).collect();
        Before { table: number, prefix, vpn: self.vpn_best(number, prefix), views }
    }

    /// Compares with what is chosen now.
    pub(crate) fn settle(&mut self, before: Before) {
        let Before { table, prefix, vpn, views } = before;
        for (vrf, old) in views {
            self.list(vrf, table, prefix);
            let new = self.selection(vrf, prefix);
            self.choose(vrf, prefix, old, new);
        }
        let now = self.vpn_best(table, prefix);
        self.tell_vpn(table, prefix, vpn, now);
    }

    /// Has a VRF list the table for a prefix exactly if it sees a path there.
    pub(crate) fn list(&mut self, vrf: VrfId, number: u32, prefix: Prefix) {
        let seen = self.views.get(&vrf).is_some_and(|view| {
            let mut paths = self.table(number).into_iter().flat_map(|table| table.paths(prefix));
            paths.any(|(path, _)| self.sees(view, prefix.family(), number, path))
        });
        let Some(view) = self.views.get_mut(&vrf) else { return };
        if seen {
            view.routes.insert(prefix, number)
        } else {
            view.routes.remove(prefix, number)
        };
    }

    /// A VRF's choice changed from `old` to `new`.
    pub(crate) fn choose(&mut self, vrf: VrfId, prefix: Prefix, old: Selection, new: Selection) {
        if old.installed != new.installed {
            let route = new.installed.and_then(|chosen| self.route(vrf, prefix, chosen));
            self.changes.push(Change { vrf, prefix, route });
        }
        if old.best != new.best {
            self.tell_vrf(vrf, prefix, old.best, new.best);
            self.leak(vrf, prefix, new.best);
        }
    }
}

#[cfg(test)]
mod tests;
