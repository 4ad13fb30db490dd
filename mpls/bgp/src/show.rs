//! What people may see: neighbours, tables, and of each path whether it is best and by which rule.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Family, Instant, Label, Prefix, VrfId};
use mpls::Fec;
use vrf::{Rd, Source};

use crate::attributes::Attributes;
use crate::decide::Rule;
use crate::engine::Bgp;
use crate::io::{AddressFamily, PeerId};
use crate::leak;
use crate::rib_out::Key;
use crate::ribs::Ribs;
use crate::session::Status;
use crate::table::{Kind, OURSELVES};
use crate::update::{Membership, Nlri};
use crate::vpn::Chosen;

/// `show bgp neighbors`, `show bgp … summary`.
#[derive(Clone, Debug)]
pub struct NeighborView {
    pub status: Status,
    pub remote_as: u32,
    /// Those of the session, or of the one whose routes are kept.
    pub families: BTreeMap<AddressFamily, FamilyView>,
    /// Routes of the last session are kept until then, RFC 4724.
    pub stale_until: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyView {
    /// Paths of the neighbour in the tables; of route targets, those that it wants.
    pub accepted: u32,
    /// Routes that were not taken in, ever: by policy, as a loop, or as nobody imports them.
    pub denied: u64,
    /// Routes that it was told and that stand.
    pub sent: u32,
    /// Its `EndOfRib` came.
    pub complete: bool,
    /// It was told everything.
    pub told: bool,
}

/// A table of VPN routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableView {
    pub rd: Rd,
    /// The VRF whose own it is.
    pub vrf: Option<VrfId>,
    /// Prefixes of IPv4 and of IPv6.
    pub prefixes: [usize; 2],
}

/// One path of a prefix.
#[derive(Clone, Debug)]
pub struct PathView {
    /// `None`: a route of the box itself, from this source.
    pub peer: Option<PeerId>,
    pub source: Source,
    /// As this table sees them: in a VRF, after its import map.
    pub attributes: Arc<Attributes>,
    /// As received.
    pub label: Option<Label>,
    /// Ours, under which the route is announced.
    pub local_label: Option<Label>,
    /// The VRF in which that label looks for a way: it stands for all its routes.
    pub aggregate: Option<VrfId>,
    pub path: u32,
    pub weight: u16,
    pub tag: u32,
    pub external: bool,
    /// Under which it was learned, in a VRF that imports it.
    pub rd: Option<Rd>,
    /// The VRF of this box from which it was leaked.
    pub leaked: Option<VrfId>,
    /// To the next hop; `None`: that cannot be reached.
    pub metric: Option<u32>,
    pub stale: bool,
    /// Why it is the best one.
    pub best: Option<Rule>,
}

/// Routes between the global table and a VRF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeakView {
    pub from: VrfId,
    pub to: VrfId,
    pub family: Family,
    pub config: crate::config::Leak,
    /// Prefixes that are leaked.
    pub taken: usize,
    /// Those that are permitted, and beyond the limit.
    pub waiting: usize,
}

/// How large everything is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub prefixes: usize,
    pub paths: usize,
    /// Different sets of attributes.
    pub attributes: usize,
}

impl Bgp {
    /// In order of VRF and address.
    pub fn neighbors(&self) -> Vec<NeighborView> {
        let view = |status: Status| {
            let peer = self.ribs.numbers.get(&status.peer).and_then(|number| self.ribs.peer(*number))?;
            let families = peer.families.iter().map(|(family, its)| {
                let told = peer.up && its.walk.is_none() && its.pending.is_empty();
                let view = FamilyView {
                    accepted: its.accepted,
                    denied: its.denied,
                    sent: its.sent,
                    complete: its.complete,
                    told,
                };
                (*family, view)
            });
            let (remote_as, stale_until) = (peer.neighbor.remote_as, peer.stale_until);
            Some(NeighborView { remote_as, families: families.collect(), stale_until, status })
        };
        self.sessions.status().filter_map(view).collect()
    }

    /// The tables of VPN routes by route distinguisher.
    pub fn vpn_tables(&self) -> Vec<TableView> {
        let view = |(rd, number): (&Rd, &u32)| {
            let table = self.ribs.table(*number)?;
            Some(TableView {
                rd: *rd,
                vrf: table.vrf,
                prefixes: Family::BOTH.map(|family| table.paths.len(family)),
            })
        };
        self.ribs.by_rd.iter().filter_map(view).collect()
    }

    /// `show bgp vpnv4|vpnv6 … rd RD`: at most `count` prefixes in order, those behind `after`.
    pub fn vpn_prefixes(&self, rd: Rd, family: Family, after: Option<Prefix>, count: usize) -> Vec<Prefix> {
        let table = self.ribs.by_rd.get(&rd).and_then(|number| self.ribs.table(*number));
        table.map_or_else(Vec::new, |table| table.paths.behind(family, after, count))
    }

    /// The paths of one VPN route.
    pub fn vpn_route(&self, rd: Rd, prefix: Prefix) -> Vec<PathView> {
        let ribs = &self.ribs;
        let Some(number) = ribs.by_rd.get(&rd).copied() else { return Vec::new() };
        let best = ribs.vpn_pick(number, prefix);
        let paths = ribs.table(number).into_iter().flat_map(|table| table.paths(prefix));
        let paths = paths.filter(|(path, _)| path.kind() != Kind::Leaked);
        let view = |(path, id)| {
            let chosen = Chosen { table: number, path, id };
            let shared = &ribs.store.slot(path.slot)?.shared;
            let attributes = shared.exported.clone().unwrap_or_else(|| shared.attributes.clone());
            let why = best.filter(|(best, _)| *best == chosen).map(|(_, rule)| rule);
            ribs.path_view(None, prefix, chosen, (attributes, shared.weight, shared.tag), why)
        };
        paths.filter_map(view).collect()
    }

    /// `show ip bgp`, `show bgp vpnv4 vrf V`: the prefixes that a VRF sees, at most `count`, those behind `after`.
    pub fn vrf_prefixes(
        &self,
        vrf: VrfId,
        family: Family,
        after: Option<Prefix>,
        count: usize,
    ) -> Vec<Prefix> {
        let view = self.ribs.views.get(&vrf);
        view.map_or_else(Vec::new, |view| view.routes.behind(family, after, count))
    }

    /// `show bgp … neighbors A advertised-routes`: which of these prefixes of a table (`None`: of the neighbour's VRF) a
    /// neighbour is told, and how they look there.
    pub fn advertised(
        &self,
        peer: PeerId,
        family: AddressFamily,
        rd: Option<Rd>,
        prefixes: &[Prefix],
    ) -> Vec<(Nlri, Arc<Attributes>)> {
        let place = match rd {
            Some(rd) => self.ribs.by_rd.get(&rd).copied(),
            None => Some(peer.vrf.0),
        };
        let Some((number, place)) = self.ribs.numbers.get(&peer).copied().zip(place) else {
            return Vec::new();
        };
        let keys: Vec<_> = prefixes.iter().map(|prefix| Key { place, prefix: *prefix }).collect();
        self.ribs.told(number, family, &keys)
    }

    /// The paths of one prefix of a VRF, also those whose next hop cannot be reached.
    pub fn vrf_route(&self, vrf: VrfId, prefix: Prefix) -> Vec<PathView> {
        let Some(view) = self.ribs.views.get(&vrf) else { return Vec::new() };
        let usable = self.ribs.candidates(vrf, prefix);
        let best = self.ribs.pick(view, &usable);
        let all = self.ribs.in_view(vrf, prefix);
        let one = |chosen: Chosen| {
            let seen = self.ribs.seen(view, prefix, chosen)?;
            let why = best.filter(|(best, _)| *best == chosen).map(|(_, rule)| rule);
            self.ribs.path_view(Some(vrf), prefix, chosen, (seen.attributes, seen.weight, seen.tag), why)
        };
        all.into_iter().filter_map(one).collect()
    }

    /// What is leaked between the global table and VRFs.
    pub fn leaks(&self) -> impl Iterator<Item = LeakView> + '_ {
        self.ribs.leaks.iter().map(|(between, leak)| LeakView {
            from: between.from,
            to: between.to,
            family: between.family,
            config: leak.config.clone(),
            taken: leak.taken.len(between.family),
            waiting: leak.waiting.len(between.family),
        })
    }

    /// Who wants which targets, RFC 4684; `None` as peer: ourselves.
    pub fn memberships(&self) -> impl Iterator<Item = (Membership, Vec<Option<PeerId>>)> + '_ {
        let peer = |number: &u32| self.ribs.peer(*number).map(|peer| peer.id);
        self.ribs.members.iter().map(move |(membership, who)| (*membership, who.keys().map(peer).collect()))
    }

    /// Of all tables together.
    pub fn totals(&self) -> Totals {
        let prefixes = |table: &crate::table::Table| {
            Family::BOTH.map(|family| table.paths.len(family)).iter().sum::<usize>()
        };
        let paths =
            |table: &crate::table::Table| table.peers.values().map(|count| *count as usize).sum::<usize>();
        Totals {
            prefixes: self.ribs.tables.iter().map(prefixes).sum(),
            paths: self.ribs.tables.iter().map(paths).sum(),
            attributes: self.ribs.store.iter().count(),
        }
    }
}

impl Ribs {
    fn path_view(
        &self,
        vrf: Option<VrfId>,
        prefix: Prefix,
        chosen: Chosen,
        (attributes, weight, tag): (Arc<Attributes>, u16, u32),
        best: Option<Rule>,
    ) -> Option<PathView> {
        let (slot, path, table) =
            (self.store.slot(chosen.path.slot)?, chosen.path, self.table(chosen.table)?);
        let peer = self.peer(path.peer).filter(|_| path.peer != OURSELVES);
        let view = vrf.and_then(|vrf| self.views.get(&vrf));
        let local = view.is_none_or(|view| view.is_local(chosen.table, path));
        let fec = self.fec(chosen.table, prefix, path);
        let another = view.is_some_and(|view| view.is_of_another(chosen.table, path));
        let leaked = leak::source(chosen).or_else(|| table.vrf.filter(|_| another));
        let usable = if view.is_some() { self.serves(path) } else { self.is_usable(path) };
        Some(PathView {
            peer: peer.map(|peer| peer.id),
            source: slot.shared.source,
            attributes,
            label: path.label(),
            local_label: fec.and_then(|fec| self.labels.label(fec)),
            aggregate: fec.and_then(|fec| if let Fec::Vrf(vrf) = fec { Some(vrf) } else { None }),
            path: if path.kind() == Kind::Leaked { 0 } else { chosen.id },
            weight,
            tag,
            external: peer.is_some_and(crate::ribs::Peer::external),
            rd: if local || path.kind() == Kind::Leaked { None } else { table.rd },
            leaked,
            metric: self.store.reach(slot).filter(|_| usable).map(|reach| reach.metric),
            stale: path.stale(),
            best,
        })
    }
}
