//! The routes of every VRF, and which of them packets see. A change touches what depends on it and nothing else.

mod hops;
#[cfg(test)]
pub(crate) mod tests;
mod way;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use base::{Family, Label, PortId, Prefix, VrfId};
use dataplane::Port;
use vrf::{Candidate, Rib, Source};

use crate::Notice;
use crate::ids::Ids;
pub(crate) use hops::Reach;
use hops::{HopId, Hops};
use way::Problem;
pub(crate) use way::{NextHop, Target, To, Way};

/// All routes and where they lead now.
#[derive(Default)]
pub(crate) struct Routing {
    ground: Ground,
    hops: Hops,
    configured: Configured,
    /// Next hops to be found anew.
    dirty: BTreeSet<HopId>,
    changes: Vec<Change>,
    moved: BTreeSet<NextHop>,
    /// Whether another VRF has routes that the configuration does not name, or one has none any more.
    learning: bool,
}

/// What next hops are found in.
#[derive(Default)]
struct Ground {
    tables: BTreeMap<VrfId, Table>,
    /// Of ports that carry packets.
    exits: BTreeMap<PortId, Exit>,
    /// Label-switched paths of the global table.
    lsps: BTreeMap<Prefix, Lsp>,
}

#[derive(Default)]
struct Table {
    rib: Rib<To>,
    /// How many candidates are not configured.
    learnt: usize,
}

/// What of a port decides where packets may go.
#[derive(Clone, PartialEq, Eq)]
struct Exit {
    name: String,
    mpls: bool,
    crypto: bool,
}

/// What reaches a prefix of the global table label-switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lsp {
    pub(crate) port: PortId,
    pub(crate) next_hop: IpAddr,
    /// Implicit null: nothing is pushed.
    pub(crate) label: Label,
}

/// What the configuration makes of routes.
#[derive(Default)]
pub(crate) struct Configured {
    /// With distance and tag. Connected ones come first, so that next hops of others are found at once.
    pub(crate) routes: BTreeMap<(Source, VrfId, Prefix, Target), (u8, u32)>,
    /// Those over an interface that is absent or down.
    pub(crate) absent: Vec<(VrfId, Prefix)>,
}

/// A prefix's best candidate that leads somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) candidate: Candidate<To>,
    pub(crate) way: Way,
}

/// What packets see of a prefix, before and now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) vrf: VrfId,
    pub(crate) prefix: Prefix,
    pub(crate) before: Option<Chosen>,
    pub(crate) after: Option<Chosen>,
}

/// What changes.
impl Routing {
    /// The difference to what was configured is carried out. VRFs that are gone lose all routes.
    pub(crate) fn configure<'p>(
        &mut self,
        vrfs: &BTreeSet<VrfId>,
        up: impl Iterator<Item = (PortId, &'p Port)>,
        configured: Configured,
    ) {
        self.keep_vrfs(vrfs);
        self.set_exits(up);
        let before = std::mem::replace(&mut self.configured, configured);
        let gone = before.routes.keys().filter(|key| !self.configured.routes.contains_key(key));
        let gone: Vec<_> = gone.copied().collect();
        for (source, vrf, prefix, target) in gone {
            self.remove(vrf, prefix, source, target);
        }
        let fresh = self.configured.routes.iter().filter(|(key, of)| before.routes.get(key) != Some(of));
        let fresh: Vec<_> = fresh.map(|(key, of)| (*key, *of)).collect();
        for ((source, vrf, prefix, to), (distance, tag)) in fresh {
            self.add(vrf, prefix, Candidate { distance, metric: 0, source, to, tag });
        }
    }

    /// Adds a candidate; one with the same source and target is replaced. Without the VRF nothing happens.
    pub(crate) fn add(&mut self, vrf: VrfId, prefix: Prefix, candidate: Candidate<Target>) {
        self.put(vrf, prefix, candidate, false);
    }

    /// The source has this candidate for the prefix and no other; `None`: it has none.
    pub(crate) fn replace(
        &mut self,
        vrf: VrfId,
        prefix: Prefix,
        source: Source,
        candidate: Option<Candidate<Target>>,
    ) {
        match candidate {
            Some(candidate) => self.put(vrf, prefix, candidate, true),
            None => self.take(vrf, prefix, source, |_| true),
        }
    }

    pub(crate) fn remove(&mut self, vrf: VrfId, prefix: Prefix, source: Source, target: Target) {
        if let Some(known) = self.hops.known(target) {
            self.take(vrf, prefix, source, |to| *to == known);
        }
    }

    /// `None`: there is none any more.
    pub(crate) fn set_lsp(&mut self, prefix: Prefix, lsp: Option<Lsp>) {
        let before = match lsp {
            Some(lsp) => self.ground.lsps.insert(prefix, lsp),
            None => self.ground.lsps.remove(&prefix),
        };
        if before != lsp {
            self.dirty.extend(self.hops.within(VrfId::GLOBAL, prefix));
        }
    }

    /// From now on [`take_moved`](Self::take_moved) tells of this next hop.
    pub(crate) fn watch(&mut self, vrf: VrfId, address: IpAddr) {
        self.hops.watch(NextHop::In(vrf, address), &self.ground);
    }

    pub(crate) fn unwatch(&mut self, vrf: VrfId, address: IpAddr) {
        self.hops.unwatch(NextHop::In(vrf, address));
    }

    /// What packets see otherwise than when last asked, each prefix once, in order.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        self.settle();
        let mut changes = std::mem::take(&mut self.changes);
        let key = |change: &Change| (change.vrf, change.prefix);
        if !changes.is_sorted_by(|a, b| key(a) < key(b)) {
            changes.sort_by_key(key);
            changes.dedup_by(|later, first| {
                let is_same = key(later) == key(first);
                if is_same {
                    first.after = later.after;
                }
                is_same
            });
        }
        changes.retain(|change| change.before != change.after);
        changes
    }

    /// Whether [`learns`](Self::learns) says of some VRF otherwise than when last asked.
    pub(crate) fn take_learning(&mut self) -> bool {
        std::mem::take(&mut self.learning)
    }

    /// The watched next hops that are reached otherwise than when last asked.
    pub(crate) fn take_moved(&mut self) -> BTreeSet<NextHop> {
        self.settle();
        std::mem::take(&mut self.moved)
    }
}

/// What is so now, once changes were taken.
impl Routing {
    /// Every route that packets see.
    pub(crate) fn all(&self) -> impl Iterator<Item = (VrfId, Prefix, Chosen)> {
        let routes = self.ground.tables.iter().flat_map(|(vrf, table)| table.rib.iter().map(|at| (*vrf, at)));
        routes.filter_map(|(vrf, (prefix, all))| Some((vrf, prefix, choose(all, |id| self.hops.reach(id))?)))
    }

    /// The routes in use of those prefixes that the configuration names.
    pub(crate) fn named(&self) -> impl Iterator<Item = (VrfId, Prefix, Chosen)> {
        let named: BTreeSet<_> =
            self.configured.routes.keys().map(|(_, vrf, prefix, _)| (*vrf, *prefix)).collect();
        named.into_iter().filter_map(|(vrf, prefix)| Some((vrf, prefix, self.chosen(vrf, prefix)?)))
    }

    /// The routes in use of one VRF and family, by prefix: those behind one.
    pub(crate) fn behind(
        &self,
        vrf: VrfId,
        family: Family,
        after: Option<Prefix>,
    ) -> impl Iterator<Item = (Prefix, Chosen)> {
        let table = self.ground.tables.get(&vrf).into_iter();
        let routes = table.flat_map(move |table| table.rib.behind(family, after));
        routes.filter_map(|(prefix, all)| Some((prefix, choose(all, |id| self.hops.reach(id))?)))
    }

    /// The longest match.
    pub(crate) fn lookup(&self, vrf: VrfId, address: IpAddr) -> Option<(Prefix, Chosen)> {
        let mut routes = self.ground.tables.get(&vrf)?.rib.covering(address);
        routes.find_map(|(prefix, all)| Some((prefix, choose(all, |id| self.hops.reach(id))?)))
    }

    /// The route in use of exactly this prefix.
    pub(crate) fn chosen(&self, vrf: VrfId, prefix: Prefix) -> Option<Chosen> {
        choose(self.ground.tables.get(&vrf)?.rib.candidates(prefix), |id| self.hops.reach(id))
    }

    /// The way of a watched next hop, or of one that routes go through.
    pub(crate) fn reach(&self, vrf: VrfId, address: IpAddr) -> Option<Reach> {
        self.hops.reach_of(NextHop::In(vrf, address))
    }

    /// What LDP has for exactly this prefix of the global table.
    pub(crate) fn lsp(&self, prefix: Prefix) -> Option<Lsp> {
        self.ground.lsps.get(&prefix).copied()
    }

    /// Whether the port carries a crypto map.
    pub(crate) fn is_guarded(&self, port: PortId) -> bool {
        self.ground.exits.get(&port).is_some_and(|exit| exit.crypto)
    }

    /// This box's own in a VRF.
    pub(crate) fn own_addresses(&self, vrf: VrfId) -> Vec<IpAddr> {
        let own = self.configured.routes.keys().filter(|(_, of, _, to)| *to == Target::Local && *of == vrf);
        own.map(|(_, _, prefix, _)| prefix.address()).collect()
    }

    pub(crate) fn target(&self, to: To) -> Target {
        self.hops.target(to)
    }

    /// Whether a VRF has routes that the configuration does not name.
    pub(crate) fn learns(&self, vrf: VrfId) -> bool {
        self.ground.tables.get(&vrf).is_some_and(|table| table.learnt > 0)
    }

    /// Configured routes and label bindings that lead nowhere.
    pub(crate) fn problems(&self, ids: &Ids) -> Vec<Notice> {
        let notice = |vrf, prefix: Prefix, problem: Problem| Notice::RouteUnusable {
            vrf: ids.vrf_name(vrf).map(str::to_owned),
            prefix: prefix.to_string(),
            problem: problem.text(|port| self.name(port)),
        };
        let absent =
            self.configured.absent.iter().map(|(vrf, prefix)| notice(*vrf, *prefix, Problem::Absent));
        let unusable = self.configured.routes.keys().filter_map(|(_, vrf, prefix, target)| {
            let to = self.hops.known(*target)?;
            Some(notice(*vrf, *prefix, way(to, |id| self.hops.reach(id)).err()?))
        });
        absent.chain(unusable).collect()
    }

    fn name(&self, port: PortId) -> String {
        self.ground.exits.get(&port).map_or_else(String::new, |exit| exit.name.clone())
    }
}

/// How a change is carried out.
impl Routing {
    fn put(&mut self, vrf: VrfId, prefix: Prefix, candidate: Candidate<Target>, alone: bool) {
        if !self.ground.tables.contains_key(&vrf) {
            return;
        }
        let to = self.hops.acquire(candidate.to, vrf, &self.ground);
        let Candidate { distance, metric, source, to: _, tag } = candidate;
        let candidate = Candidate { distance, metric, source, to, tag };
        let (hops, reach) = (&self.hops, |id| self.hops.reach(id));
        let Some(table) = self.ground.tables.get_mut(&vrf) else { return };
        let (before, replaced, after) = table.rib.update(prefix, |all| {
            let before = choose(all.as_slice(), reach);
            let other = if alone { all.take(source, |_| true) } else { None };
            let same = all.put(candidate, |a, b| hops.target(*a).cmp(&hops.target(*b)));
            (before, other.or(same), choose(all.as_slice(), reach))
        });
        if is_learnt(source) && replaced.is_none() {
            table.learnt += 1;
            self.learning |= table.learnt == 1;
        }
        self.note(Change { vrf, prefix, before, after });
        replaced.into_iter().for_each(|replaced| self.hops.release(replaced.to, vrf));
    }

    fn take(&mut self, vrf: VrfId, prefix: Prefix, source: Source, which: impl Fn(&To) -> bool) {
        let reach = |id| self.hops.reach(id);
        let Some(table) = self.ground.tables.get_mut(&vrf) else { return };
        let (before, taken, after) = table.rib.update(prefix, |all| {
            let before = choose(all.as_slice(), reach);
            (before, all.take(source, which), choose(all.as_slice(), reach))
        });
        let Some(taken) = taken else { return };
        if is_learnt(source) {
            table.learnt -= 1;
            self.learning |= table.learnt == 0;
        }
        self.note(Change { vrf, prefix, before, after });
        self.hops.release(taken.to, vrf);
    }

    fn note(&mut self, change: Change) {
        self.dirty.extend(self.hops.within(change.vrf, change.prefix));
        self.changes.push(change);
    }

    fn keep_vrfs(&mut self, vrfs: &BTreeSet<VrfId>) {
        let gone: Vec<_> = self.ground.tables.keys().filter(|vrf| !vrfs.contains(vrf)).copied().collect();
        for vrf in gone {
            let Some(table) = self.ground.tables.remove(&vrf) else { continue };
            for (prefix, all) in table.rib.iter() {
                let before = choose(all, |id| self.hops.reach(id));
                self.note(Change { vrf, prefix, before, after: None });
            }
            for candidate in table.rib.iter().flat_map(|(_, all)| all) {
                self.hops.release(candidate.to, vrf);
            }
        }
        for vrf in vrfs {
            self.ground.tables.entry(*vrf).or_default();
        }
    }

    fn set_exits<'p>(&mut self, up: impl Iterator<Item = (PortId, &'p Port)>) {
        let exit = |port: &Port| Exit { name: port.name.clone(), mpls: port.mpls, crypto: port.crypto };
        let exits = up.map(|(id, port)| (id, exit(port))).collect();
        if self.ground.exits != exits {
            self.ground.exits = exits;
            self.dirty.extend(self.hops.all());
        }
    }

    /// Finds next hops anew, and chooses again where candidates go through those that are reached otherwise now.
    fn settle(&mut self) {
        if self.dirty.is_empty() {
            return;
        }
        let moved = self.hops.refind(std::mem::take(&mut self.dirty), &self.ground);
        self.moved.extend(moved.keys().filter_map(|id| self.hops.watched(*id)));
        let vrfs: BTreeSet<_> = moved.keys().flat_map(|id| self.hops.users(*id)).collect();
        let now = |id| self.hops.reach(id);
        let then = |id| moved.get(&id).copied().unwrap_or_else(|| now(id));
        for (vrf, table) in vrfs.into_iter().filter_map(|vrf| Some((vrf, self.ground.tables.get(&vrf)?))) {
            for (prefix, all) in table.rib.iter() {
                let uses =
                    |candidate: &Candidate<To>| candidate.to.hop().is_some_and(|id| moved.contains_key(&id));
                if all.iter().any(uses) {
                    let (before, after) = (choose(all, then), choose(all, now));
                    self.changes.push(Change { vrf, prefix, before, after });
                }
            }
        }
    }
}

fn choose(candidates: &[Candidate<To>], reach: impl Fn(HopId) -> Reach) -> Option<Chosen> {
    let usable = candidates.iter().filter(|candidate| candidate.is_usable());
    usable
        .into_iter()
        .find_map(|candidate| Some(Chosen { candidate: *candidate, way: way(candidate.to, &reach).ok()? }))
}

/// Where a candidate leads in the end, or why nowhere.
fn way(to: To, reach: impl Fn(HopId) -> Reach) -> Result<Way, Problem> {
    match to {
        To::Local => Ok(Way::Local),
        To::Discard => Ok(Way::Discard),
        To::Tunnel(policy) => Ok(Way::Protect(policy)),
        To::Port(port) => Ok(Way::Out { port, gateway: None, push: dataplane::Labels::default() }),
        To::Vrf(vrf) => Ok(Way::Lookup(vrf)),
        To::Through(hop) | To::Labelled(hop, _) => reach(hop).of(to),
    }
}

const fn is_learnt(source: Source) -> bool {
    matches!(source, Source::Reverse | Source::Bgp)
}
