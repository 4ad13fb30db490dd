//! A new configuration: only VRFs and neighbours that it changes are touched, and what they choose then is compared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::{Family, Instant, Prefix, VrfId};
use mpls::Fec;

use crate::apply::Subject;
use crate::config::{Config, FamilyConfig, Neighbor, NextHopSelf, Vrf, VrfFamily};
use crate::io::{AddressFamily, PeerId};
use crate::rib_out::{Outward, Whole};
use crate::ribs::{Peer, Ribs};
use crate::store::Shared;
use crate::table::{Kind, OURSELVES, Path, Table};
use crate::update::Nlri;
use crate::vpn::{Selection, View};

/// A path of a neighbour in a VRF that is being changed.
struct Taken {
    vrf: VrfId,
    number: u32,
    family: AddressFamily,
    nlri: Nlri,
    shared: Shared,
}

impl Ribs {
    pub(crate) fn configure(&mut self, now: Instant, new: Arc<Config>) {
        let gone: Vec<PeerId> =
            self.numbers.keys().filter(|id| !new.neighbors.contains_key(id)).copied().collect();
        gone.into_iter().for_each(|id| self.remove(now, id));
        let (touched, old) = (self.touched(&new), self.config.clone());
        self.end_leaks(&new, &touched);
        let fecs = self.fecs(&touched);
        fecs.iter().for_each(|fec| self.labels.hold(*fec, &mut self.out));
        let taken: Vec<Taken> = touched.iter().flat_map(|vrf| self.close(*vrf)).collect();
        let imported: BTreeSet<_> = self.importers.keys().copied().collect();
        if new.restarting && old.neighbors.is_empty() {
            self.deferred = new.graceful_restart.map(|restart| now + restart.restart);
        }
        self.config = new;
        self.keeps_all = keeps_all(&self.config);
        self.swaps = swaps(&self.config);
        touched.iter().for_each(|vrf| self.place(*vrf));
        self.index_importers();
        touched.iter().for_each(|vrf| self.open(*vrf));
        taken.into_iter().for_each(|taken| self.put_back(taken));
        self.begin_leaks();
        fecs.iter().for_each(|fec| self.labels.release(*fec, &mut self.out));
        self.prune();
        self.want();
        self.reneighbor(&old);
        if self.keeps_all != keeps_all(&old) || self.importers.keys().any(|key| !imported.contains(key)) {
            self.want_vpn_again();
        }
        self.coalesce();
    }

    /// A neighbour is not configured any more.
    fn remove(&mut self, now: Instant, id: PeerId) {
        self.down(now, id, false);
        let Some(number) = self.numbers.remove(&id) else { return };
        self.disown(number, true);
        if let Some(place) = self.peers.get_mut(number as usize) {
            *place = None;
        }
    }

    /// The VRFs that the new configuration changes, makes or ends.
    fn touched(&self, new: &Config) -> Vec<VrfId> {
        let old = &self.config;
        let global = |config: &Config| {
            (config.always_compare_med, config.local_preference, config.router_id, swaps(config))
        };
        let all = global(old) != global(new) || self.views.is_empty();
        let policies = old.policies != new.policies;
        let mapped = |vrf: Option<&Vrf>| {
            let families = vrf.into_iter().flat_map(|vrf| [&vrf.ipv4, &vrf.ipv6]).flatten();
            families.into_iter().any(VrfFamily::uses_maps)
        };
        let wanted = tables(new);
        let known = self.views.keys().copied();
        let every: BTreeSet<VrfId> = known.chain(wanted.iter().copied()).collect();
        let changes = |vrf: &VrfId| {
            let (before, after) = (old.vrfs.get(vrf), new.vrfs.get(vrf));
            let stays = self.views.contains_key(vrf) == wanted.contains(vrf);
            all || !stays || before != after || (policies && mapped(after))
        };
        every.into_iter().filter(changes).collect()
    }

    /// What the labels of these VRFs stand for: none is given back only to be asked for again.
    fn fecs(&self, vrfs: &[VrfId]) -> Vec<Fec> {
        let mut fecs = BTreeSet::new();
        for table in vrfs.iter().filter_map(|vrf| self.views.get(vrf)).map(|view| view.table) {
            let paths = self.table(table).map(|table| &table.paths);
            for (prefix, paths) in Family::BOTH
                .into_iter()
                .flat_map(|family| paths.into_iter().flat_map(move |its| its.iter(family)))
            {
                fecs.extend(paths.iter().filter_map(|(path, _)| self.fec(table, prefix, path)));
            }
        }
        fecs.into_iter().collect()
    }

    /// Takes a VRF's routes out of all choices; gives those of its neighbours.
    fn close(&mut self, vrf: VrfId) -> Vec<Taken> {
        let Some(number) = self.views.get(&vrf).map(|view| view.table) else { return Vec::new() };
        let mut taken = Vec::new();
        for (prefix, path, id) in self.local_paths(number) {
            let family = path.kind().address_family(prefix.family());
            if path.peer != OURSELVES
                && let Some(slot) = self.store.slot(path.slot)
            {
                let nlri = Nlri { rd: None, prefix, label: path.label(), path: (id != 0).then_some(id) };
                taken.push(Taken { vrf, number: path.peer, family, nlri, shared: slot.shared.clone() });
            }
            self.unlearn(number, prefix, path.peer, path.kind(), id);
            self.accept(path.peer, family, -1);
        }
        for family in Family::BOTH {
            let all = self.views.get(&vrf).map(|view| view.routes.behind(family, None, usize::MAX));
            for prefix in all.unwrap_or_default() {
                let old = self.selection(vrf, prefix);
                self.choose(vrf, prefix, old, Selection::default());
            }
        }
        taken
    }

    fn local_paths(&self, number: u32) -> Vec<(Prefix, Path, u32)> {
        let paths = self.table(number).map(|table| &table.paths);
        let all = Family::BOTH
            .into_iter()
            .flat_map(|family| paths.into_iter().flat_map(move |its| its.iter(family)));
        let local = all.flat_map(|(prefix, paths)| paths.iter().map(move |(path, id)| (prefix, path, id)));
        local.filter(|(_, path, _)| path.kind() != Kind::Vpn).collect()
    }

    /// Gives a VRF its table and its targets as the configuration says, or ends it.
    fn place(&mut self, vrf: VrfId) {
        let config = self.config.vrfs.get(&vrf).cloned().unwrap_or_default();
        let number = match self.views.remove(&vrf) {
            Some(view) if self.table(view.table).is_some_and(|table| table.rd == config.rd) => {
                Some(view.table)
            }
            Some(view) => {
                self.abandon(view.table);
                None
            }
            None => None,
        };
        if !tables(&self.config).contains(&vrf) {
            number.into_iter().for_each(|number| self.abandon(number));
            return;
        }
        let number = number.unwrap_or_else(|| match config.rd {
            Some(rd) => self.table_of(rd),
            None => self.new_table(Table::default()),
        });
        self.tables.get_mut(number as usize).into_iter().for_each(|table| table.vrf = Some(vrf));
        self.views.insert(vrf, View::new(number, config));
    }

    /// A table is no VRF's own any more.
    fn abandon(&mut self, number: u32) {
        let Some(table) = self.tables.get_mut(number as usize) else { return };
        table.vrf = None;
        match table.rd {
            Some(_) => self.tidy(number),
            None => self.free.push(number),
        }
    }

    fn index_importers(&mut self) {
        self.importers.clear();
        for (vrf, view) in &self.views {
            for family in Family::BOTH {
                for target in view.imports(family) {
                    let its = self.importers.entry((family, *target)).or_default();
                    if its.last() != Some(vrf) {
                        its.push(*vrf);
                    }
                }
            }
        }
    }

    /// A VRF sees what its targets bring, and chooses; its own routes come in.
    fn open(&mut self, vrf: VrfId) {
        for (number, prefix) in self.imported(vrf) {
            self.list(vrf, number, prefix);
        }
        for family in Family::BOTH {
            let all = self.views.get(&vrf).map(|view| view.routes.behind(family, None, usize::MAX));
            for prefix in all.unwrap_or_default() {
                let new = self.selection(vrf, prefix);
                self.choose(vrf, prefix, Selection::default(), new);
            }
        }
        let last = Prefix::host([u16::MAX; 8].into());
        let first = Prefix::any(Family::V4);
        let own: Vec<Prefix> =
            self.own.range((vrf, first)..=(vrf, last)).map(|((_, prefix), _)| *prefix).collect();
        own.into_iter().for_each(|prefix| self.bring_in(vrf, prefix));
    }

    fn imported(&self, vrf: VrfId) -> Vec<(u32, Prefix)> {
        let Some(view) = self.views.get(&vrf) else { return Vec::new() };
        let mut found = Vec::new();
        for family in Family::BOTH.into_iter().filter(|family| !view.imports(*family).is_empty()) {
            let brings = |slot: &u32| {
                let targets = self.store.slot(*slot).map_or(&[][..], |slot| &slot.targets);
                targets.iter().any(|target| view.imports(family).binary_search(target).is_ok())
            };
            for (number, table) in (0..).zip(&self.tables).filter(|(_, table)| table.slots.keys().any(brings))
            {
                let with = table
                    .paths
                    .iter(family)
                    .filter(|(_, paths)| paths.iter().any(|(path, _)| brings(&path.slot)));
                found.extend(with.map(|(prefix, _)| (number, prefix)));
            }
        }
        found
    }

    /// A neighbour's route as the VRF exports it now.
    fn put_back(&mut self, taken: Taken) {
        let Taken { vrf, number, family, nlri, shared } = taken;
        if !self.views.contains_key(&vrf) {
            return;
        }
        let (tag, weight, source) = (shared.tag, shared.weight, shared.source);
        let attributes = shared.attributes.as_ref().clone();
        let subject = Subject { prefix: nlri.prefix, source, tag, weight, attributes };
        let shared = self.shared(vrf, family, subject);
        self.take_in(number, family, shared, &[nlri]);
    }

    /// VPN routes that no VRF imports any more go.
    fn prune(&mut self) {
        if self.keeps_all {
            return;
        }
        let mut gone = Vec::new();
        for family in Family::BOTH {
            let unwanted = |slot: u32| {
                let targets = self.store.slot(slot).map_or(&[][..], |slot| &slot.targets);
                !targets.iter().any(|target| self.importers.contains_key(&(family, *target)))
            };
            for (number, table) in
                (0..).zip(&self.tables).filter(|(_, table)| table.slots.keys().any(|slot| unwanted(*slot)))
            {
                for (prefix, paths) in table.paths.iter(family) {
                    let its =
                        paths.iter().filter(|(path, _)| path.kind() == Kind::Vpn && unwanted(path.slot));
                    gone.extend(its.map(|(path, id)| (number, prefix, path.peer, id)));
                }
            }
        }
        for (number, prefix, peer, id) in gone {
            self.unlearn(number, prefix, peer, Kind::Vpn, id);
            self.accept(peer, Kind::Vpn.address_family(prefix.family()), -1);
            self.tidy(number);
        }
    }

    /// Neighbours that stay up: whose terms changed is told anew, or is asked to tell anew.
    fn reneighbor(&mut self, old: &Config) {
        let config = self.config.clone();
        let policies = old.policies != config.policies;
        let reflected = reflected_anew(old, &config);
        for (id, neighbor) in &config.neighbors {
            let number = self.number(*id, neighbor);
            let before = old.neighbors.get(id);
            self.disown(number, before.is_some_and(|before| before.remote_as != neighbor.remote_as));
            let up = self.peer(number).is_some_and(|peer| peer.up);
            for (family, its) in neighbor.families.iter().filter(|_| up) {
                let was = before.and_then(|before| before.families.get(family));
                if was.is_none_or(|was| !was.same_inbound(its)) || (policies && its.filters_inbound()) {
                    self.again.insert((*id, *family));
                }
                let terms = self.peer(number).and_then(|peer| self.outward(peer, *family));
                let all = reflected.contains(family) || (policies && its.filters_outbound());
                terms.into_iter().for_each(|terms| self.rejoin(number, terms, all));
            }
        }
    }

    fn number(&mut self, id: PeerId, neighbor: &Neighbor) -> u32 {
        if let Some(number) = self.numbers.get(&id).copied() {
            self.peer_mut(number).into_iter().for_each(|peer| peer.neighbor = neighbor.clone());
            return number;
        }
        let free = self.peers.iter().skip(1).position(Option::is_none).map(|at| at + 1);
        let at = free.unwrap_or(self.peers.len());
        let peer = Some(Peer::new(id, neighbor.clone()));
        match self.peers.get_mut(at) {
            Some(place) => *place = peer,
            None => self.peers.push(peer),
        }
        let number = u32::try_from(at).unwrap_or(u32::MAX);
        self.numbers.insert(id, number);
        number
    }

    fn rejoin(&mut self, number: u32, terms: Outward, all: bool) {
        let family = terms.family;
        let group = self.peer(number).and_then(|peer| peer.families.get(&family)).and_then(|its| its.group);
        let Some(group) = group.and_then(|group| self.groups.get(group)) else { return };
        if *group.terms == terms && !all {
            return;
        }
        let waiting = self.unsaid(number, family);
        self.part(number, family);
        self.join(number, terms);
        self.postpone(number, family, waiting);
        self.walk(number, family, Whole::Again);
    }

    fn want_vpn_again(&mut self) {
        for peer in self.peers.iter().flatten().filter(|peer| peer.up) {
            if !self.keeps_all && peer.families.contains_key(&AddressFamily::RouteTarget) {
                continue;
            }
            let vpn = peer.families.keys().filter(|family| family.is_vpn());
            self.again.extend(vpn.map(|family| (peer.id, *family)));
        }
    }

    /// Of several changes of one route the last one counts.
    fn coalesce(&mut self) {
        let changes = core::mem::take(&mut self.changes);
        let last: BTreeMap<_, _> =
            changes.into_iter().map(|change| ((change.vrf, change.prefix), change)).collect();
        self.changes = last.into_values().collect();
    }
}

/// Every VRF that has routes or neighbours.
fn tables(config: &Config) -> BTreeSet<VrfId> {
    config.vrfs.keys().copied().chain(config.neighbors.keys().map(|id| id.vrf)).collect()
}

/// For reflector clients, or as the configuration says.
fn keeps_all(config: &Config) -> bool {
    let mut families = config.neighbors.values().flat_map(|neighbor| &neighbor.families);
    !config.target_filter || families.any(|(family, its)| family.is_vpn() && its.route_reflector_client)
}

/// Whether labelled routes of others are announced with ourselves as next hop.
fn swaps(config: &Config) -> bool {
    config.neighbors.values().any(|neighbor| {
        let external = neighbor.remote_as != neighbor.shown_as(config.asn);
        let mut labeled = neighbor.families.iter().filter(|(family, _)| family.is_labeled_unicast());
        labeled.any(|(_, family)| external || family.next_hop_self != NextHopSelf::No)
    })
}

/// The families in which a neighbour became a client, or is none any more: others hear more or less of it.
fn reflected_anew(old: &Config, new: &Config) -> BTreeSet<AddressFamily> {
    let clients = |config: &Config, id: &PeerId, family: AddressFamily| {
        let its = config.neighbors.get(id).and_then(|neighbor| neighbor.families.get(&family));
        its.is_some_and(|its| its.route_reflector_client)
    };
    let differs = |family: &AddressFamily| {
        new.neighbors.keys().any(|id| clients(old, id, *family) != clients(new, id, *family))
    };
    AddressFamily::ALL.into_iter().filter(differs).collect()
}

impl VrfFamily {
    fn uses_maps(&self) -> bool {
        let lines = self.redistribute.iter().any(|line| line.route_map.is_some());
        self.import_map.is_some()
            || self.export_map.is_some()
            || self.global_import.is_some()
            || self.global_export.is_some()
            || lines
            || self.networks.values().any(Option::is_some)
    }
}

impl FamilyConfig {
    fn filters_inbound(&self) -> bool {
        self.route_map_in.is_some() || self.prefix_list_in.is_some()
    }

    fn filters_outbound(&self) -> bool {
        self.route_map_out.is_some() || self.prefix_list_out.is_some()
    }

    fn same_inbound(&self, other: &Self) -> bool {
        let of = |its: &Self| {
            (its.allowas_in, its.soo, its.weight, its.route_map_in.clone(), its.prefix_list_in.clone())
        };
        of(self) == of(other)
    }
}
