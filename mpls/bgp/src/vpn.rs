//! VRFs as views of the tables: what each sees by its import targets, what it chooses, what it exports, RFC 4364.

use std::sync::Arc;

use base::{Family, Prefix, VrfId};
use vrf::{RouteTarget, Source};

use crate::apply::Subject;
use crate::attributes::Attributes;
use crate::config::{Ttl, VrfFamily};
use crate::decide::{Contender, Rule, decide};
use crate::io::{Exit, Route};
use crate::leak;
use crate::net::PrefixSet;
use crate::ribs::Ribs;
use crate::store::Slot;
use crate::table::{Kind, OURSELVES, Path};

/// A VRF: its routes stand in tables, here is only which tables have some.
pub(crate) struct View {
    /// Its own table.
    pub(crate) table: u32,
    pub(crate) routes: PrefixSet,
    pub(crate) config: crate::config::Vrf,
    /// Import targets of IPv4 and of IPv6, sorted.
    imports: [Vec<RouteTarget>; 2],
}

/// A path and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) table: u32,
    pub(crate) path: Path,
    pub(crate) id: u32,
}

/// What a VRF chose for a prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Of all: what its neighbours are told.
    pub(crate) best: Option<Chosen>,
    /// Of those that are not the VRF's own routes, which the box has anyway: the candidate for its table.
    pub(crate) installed: Option<Chosen>,
}

/// A path as a VRF sees it.
pub(crate) struct Seen {
    pub(crate) attributes: Arc<Attributes>,
    pub(crate) weight: u16,
    pub(crate) tag: u32,
}

impl View {
    pub(crate) fn new(table: u32, config: crate::config::Vrf) -> Self {
        let imports = Family::BOTH.map(|family| {
            let mut targets = config.family(family).map_or_else(Vec::new, |family| family.import.clone());
            targets.sort_unstable();
            targets
        });
        Self { table, routes: PrefixSet::default(), config, imports }
    }

    pub(crate) fn imports(&self, family: Family) -> &[RouteTarget] {
        let [v4, v6] = &self.imports;
        match family {
            Family::V4 => v4,
            Family::V6 => v6,
        }
    }

    pub(crate) fn has(&self, prefix: Prefix) -> bool {
        self.routes.has(prefix)
    }

    /// Whether a path of its own table came from a neighbour in the VRF, or is the VRF's own.
    pub(crate) fn is_local(&self, table: u32, path: Path) -> bool {
        self.holds(table, path) && path.kind() != Kind::Leaked
    }

    /// Whether a path stands in its own table for itself.
    fn holds(&self, table: u32, path: Path) -> bool {
        table == self.table && path.kind() != Kind::Vpn
    }

    /// Whether a path stands in the table of another VRF of this box, and is no VPN route there.
    pub(crate) fn is_of_another(&self, table: u32, path: Path) -> bool {
        table != self.table && path.kind() != Kind::Vpn
    }
}

impl crate::config::Vrf {
    pub fn family(&self, family: Family) -> Option<&VrfFamily> {
        match family {
            Family::V4 => self.ipv4.as_ref(),
            Family::V6 => self.ipv6.as_ref(),
        }
    }
}

impl Ribs {
    /// Whether a VRF has a path in view: its own, or one with a target that it imports.
    pub(crate) fn sees(&self, view: &View, family: Family, table: u32, path: Path) -> bool {
        if view.holds(table, path) {
            return true;
        }
        let imports = view.imports(family);
        let slot = self.store.slot(path.slot);
        slot.is_some_and(|slot| slot.targets.iter().any(|target| imports.binary_search(target).is_ok()))
    }

    /// All paths in view of a VRF.
    pub(crate) fn in_view(&self, vrf: VrfId, prefix: Prefix) -> Vec<Chosen> {
        let mut found = Vec::new();
        let Some(view) = self.views.get(&vrf) else { return found };
        view.routes.each(prefix, |number| {
            let paths = self.table(number).into_iter().flat_map(|table| table.paths(prefix));
            let all = paths.map(|(path, id)| Chosen { table: number, path, id });
            found.extend(all.filter(|chosen| self.sees(view, prefix.family(), number, chosen.path)));
        });
        found
    }

    /// Those whose next hop can be reached and that the VRF's import map lets pass.
    pub(crate) fn candidates(&self, vrf: VrfId, prefix: Prefix) -> Vec<(Chosen, Seen)> {
        let Some(view) = self.views.get(&vrf) else { return Vec::new() };
        let usable = self.in_view(vrf, prefix).into_iter().filter(|chosen| self.serves(chosen.path));
        usable.filter_map(|chosen| Some((chosen, self.seen(view, prefix, chosen)?))).collect()
    }

    pub(crate) fn selection(&self, vrf: VrfId, prefix: Prefix) -> Selection {
        let mut all = self.candidates(vrf, prefix);
        let Some(view) = self.views.get(&vrf) else { return Selection::default() };
        let best = self.pick(view, &all).map(|(chosen, _)| chosen);
        let own = |chosen: Chosen| chosen.path.peer == OURSELVES && view.is_local(chosen.table, chosen.path);
        if !all.iter().any(|(chosen, _)| own(*chosen)) {
            return Selection { best, installed: best };
        }
        // A leak displaces nothing, not even a route of the box that others of the table would.
        all.retain(|(chosen, _)| !own(*chosen) && chosen.path.kind() != Kind::Leaked);
        let installed = self.pick(view, &all).map(|(chosen, _)| chosen);
        Selection { best, installed }
    }

    /// As `selection` for a prefix that has this path alone.
    pub(crate) fn only(&self, vrf: VrfId, prefix: Prefix, chosen: Chosen) -> Selection {
        let Some(view) = self.views.get(&vrf) else { return Selection::default() };
        if !self.serves(chosen.path) || !self.passes_import(view, prefix, chosen) {
            return Selection::default();
        }
        let own = chosen.path.peer == OURSELVES && view.is_local(chosen.table, chosen.path);
        Selection { best: Some(chosen), installed: (!own).then_some(chosen) }
    }

    /// The best of what a VRF sees, and the rule that decided.
    pub(crate) fn pick(&self, view: &View, all: &[(Chosen, Seen)]) -> Option<(Chosen, Rule)> {
        if let [(only, _)] = all {
            return Some((*only, Rule::OnlyPath));
        }
        let contenders = all.iter().filter_map(|(chosen, seen)| {
            let slot = self.store.slot(chosen.path.slot)?;
            let weight = if view.is_of_another(chosen.table, chosen.path) { 0 } else { seen.weight };
            Some(self.contender(slot, *chosen, &seen.attributes, weight))
        });
        let contenders: Vec<Contender> = contenders.collect();
        let (best, rule) = decide(&contenders, self.config.always_compare_med)?;
        all.get(best).map(|(chosen, _)| (*chosen, rule))
    }

    /// The best path of a table that may be told as a VPN route.
    pub(crate) fn vpn_best(&self, number: u32, prefix: Prefix) -> Option<Chosen> {
        self.vpn_pick(number, prefix).map(|(chosen, _)| chosen)
    }

    pub(crate) fn vpn_pick(&self, number: u32, prefix: Prefix) -> Option<(Chosen, Rule)> {
        let table = self.table(number).filter(|table| table.rd.is_some())?;
        let slot = |path: Path| self.store.slot(path.slot).filter(|slot| slot.shared.exported.is_some());
        let paths = table.paths(prefix).filter(|(path, _)| slot(*path).is_some() && self.is_usable(*path));
        let all: Vec<Chosen> = paths.map(|(path, id)| Chosen { table: number, path, id }).collect();
        if let [only] = all.as_slice() {
            return Some((*only, Rule::OnlyPath));
        }
        let contenders = all.iter().filter_map(|chosen| {
            let slot = slot(chosen.path)?;
            let attributes = slot.shared.exported.as_ref()?;
            Some(self.contender(slot, *chosen, attributes, slot.shared.weight))
        });
        let contenders: Vec<Contender> = contenders.collect();
        let (best, rule) = decide(&contenders, self.config.always_compare_med)?;
        all.get(best).map(|chosen| (*chosen, rule))
    }

    fn contender(&self, slot: &Slot, chosen: Chosen, attributes: &Arc<Attributes>, weight: u16) -> Contender {
        let peer = self.peer(chosen.path.peer);
        let same = Arc::ptr_eq(attributes, &slot.shared.attributes);
        Contender {
            leaked: chosen.path.kind() == Kind::Leaked,
            weight,
            local_preference: attributes.local_preference.unwrap_or(self.config.local_preference),
            own: chosen.path.peer == OURSELVES,
            length: if same { slot.length } else { attributes.as_path.len() },
            origin: attributes.origin,
            med: attributes.med.unwrap_or(0),
            neighbor: if same { slot.neighbor } else { attributes.neighbor() },
            external: peer.is_some_and(crate::ribs::Peer::external),
            metric: self.store.reach(slot).map_or(u32::MAX, |reach| reach.metric),
            router: attributes
                .originator
                .unwrap_or_else(|| peer.map_or(self.config.router_id, crate::ribs::Peer::router_id)),
            clusters: attributes.clusters.len(),
            peer: peer.map(|peer| peer.id.address),
            labelled: chosen.path.label().is_some(),
            path: chosen.id,
            rd: self.table(chosen.table).and_then(|table| table.rd),
        }
    }

    /// Whether a VRF may take it in: what is labelled needs a labelled way. A reflector passes it on without.
    pub(crate) fn serves(&self, path: Path) -> bool {
        let reach = || self.store.slot(path.slot).and_then(|slot| self.store.reach(slot));
        self.is_usable(path) && (path.kind() != Kind::Vpn || reach().is_some_and(|reach| reach.labelled))
    }

    /// Whether its next hop can be reached: of a neighbour that must be at most one hop away, directly.
    pub(crate) fn is_usable(&self, path: Path) -> bool {
        let Some(reach) = self.store.slot(path.slot).and_then(|slot| self.store.reach(slot)) else {
            return false;
        };
        let near = |peer: &crate::ribs::Peer| peer.external() && peer.neighbor.ttl == Ttl::Default;
        reach.connected || path.kind() == Kind::Vpn || !self.peer(path.peer).is_some_and(near)
    }

    fn passes_import(&self, view: &View, prefix: Prefix, chosen: Chosen) -> bool {
        let map = view.config.family(prefix.family()).and_then(|family| family.import_map.as_ref());
        map.is_none() || self.seen(view, prefix, chosen).is_some()
    }

    /// A path as a VRF sees it, if its import map lets it pass.
    pub(crate) fn seen(&self, view: &View, prefix: Prefix, chosen: Chosen) -> Option<Seen> {
        let shared = &self.store.slot(chosen.path.slot)?.shared;
        if view.holds(chosen.table, chosen.path) {
            return Some(Seen {
                attributes: shared.attributes.clone(),
                weight: shared.weight,
                tag: shared.tag,
            });
        }
        let attributes = shared.exported.clone()?;
        let map = view.config.family(prefix.family()).and_then(|family| family.import_map.as_ref());
        let Some(map) = map else { return Some(Seen { attributes, weight: shared.weight, tag: shared.tag }) };
        let subject = Subject {
            prefix,
            source: Source::Bgp,
            tag: shared.tag,
            weight: shared.weight,
            attributes: attributes.as_ref().clone(),
        };
        let Subject { weight, tag, attributes, .. } = self.config.policies.run(map, subject)?;
        Some(Seen { attributes: Arc::new(attributes), weight, tag })
    }

    /// What a VRF's table gets of a path.
    pub(crate) fn route(&self, vrf: VrfId, prefix: Prefix, chosen: Chosen) -> Option<Route> {
        let view = self.views.get(&vrf)?;
        let seen = self.seen(view, prefix, chosen)?;
        let peer = self.peer(chosen.path.peer);
        let external = peer.is_none_or(crate::ribs::Peer::external);
        let distance = view.config.family(prefix.family()).map(|family| family.distance).unwrap_or_default();
        Some(Route {
            to: self.exit(view, chosen, &seen)?,
            source: Source::Bgp,
            distance: if external { distance.external } else { distance.internal },
            metric: seen.attributes.med.unwrap_or(0),
            tag: if seen.tag == 0 { seen.attributes.neighbor().unwrap_or(0) } else { seen.tag },
        })
    }

    fn exit(&self, view: &View, chosen: Chosen, seen: &Seen) -> Option<Exit> {
        let next_hop = seen.attributes.next_hop;
        if let Some(from) = leak::source(chosen) {
            return Some(Exit::Vrf(from));
        }
        if view.is_of_another(chosen.table, chosen.path) {
            return self.table(chosen.table)?.vrf.map(Exit::Vrf);
        }
        Some(match chosen.path.label() {
            Some(label) => Exit::Labelled { next_hop, label },
            None => Exit::Gateway(next_hop),
        })
    }

    /// A VRF's route as a VPN route: with the VRF's targets beside those that a route map gave it, if the export map lets
    /// it pass. `None`: nobody else sees it.
    pub(crate) fn export(&self, vrf: VrfId, subject: &Subject) -> Option<Arc<Attributes>> {
        let view = self.views.get(&vrf).filter(|_| vrf != VrfId::GLOBAL)?;
        let family = view.config.family(subject.prefix.family())?;
        let mut subject = subject.clone();
        family.export.iter().for_each(|target| subject.attributes.add_target(*target));
        if let Some(map) = &family.export_map {
            subject = self.config.policies.run(map, subject)?;
        }
        subject.attributes.targets().next()?;
        Some(Arc::new(subject.attributes))
    }
}
