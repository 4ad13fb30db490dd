//! Leaks between VRFs and the global table: what one of them chose among its own routes, and a route map permits, stands
//! in the other as well.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Family, Prefix, VrfId};

use crate::apply::Subject;
use crate::config::{self, Config};
use crate::io::Output;
use crate::net::PrefixMap;
use crate::notice::Notice;
use crate::ribs::Ribs;
use crate::store::Shared;
use crate::table::{Kind, Path};
use crate::update::Nlri;
use crate::vpn::Chosen;

/// Which way routes are leaked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Between {
    pub(crate) from: VrfId,
    pub(crate) family: Family,
    pub(crate) to: VrfId,
}

pub(crate) struct Leak {
    pub(crate) config: config::Leak,
    /// Prefixes that stand in the other table, and whose path each is.
    pub(crate) taken: PrefixMap<u32>,
    /// Those that are permitted, and more than may be.
    pub(crate) waiting: PrefixMap<()>,
}

/// The table that a leaked path comes from: a path identifier, as one table may have paths from several.
pub(crate) fn source(chosen: Chosen) -> Option<VrfId> {
    if chosen.path.kind() == Kind::Leaked { chosen.id.checked_sub(1).map(VrfId) } else { None }
}

impl Between {
    const fn id(self) -> u32 {
        self.from.0.saturating_add(1)
    }
}

impl Leak {
    const fn new(config: config::Leak) -> Self {
        Self { config, taken: PrefixMap::new(), waiting: PrefixMap::new() }
    }

    fn is_full(&self, family: Family) -> bool {
        self.taken.len(family) >= self.config.limit as usize
    }
}

impl Ribs {
    /// A table's choice for a prefix is now `best`: so is what others have of it.
    pub(crate) fn leak(&mut self, from: VrfId, prefix: Prefix, best: Option<Chosen>) {
        let to = |to| Between { from, family: prefix.family(), to: VrfId(to) };
        let all: Vec<Between> = self.leaks.range(to(0)..=to(u32::MAX)).map(|(between, _)| *between).collect();
        for between in all {
            self.pass_on(between, prefix, best);
            while let Some(next) = self.next_waiting(between) {
                let best = self.selection(from, next).best;
                self.pass_on(between, next, best);
            }
        }
    }

    fn pass_on(&mut self, between: Between, prefix: Prefix, best: Option<Chosen>) {
        let passed = best.and_then(|best| self.passed(between, prefix, best));
        let Some(leak) = self.leaks.get_mut(&between) else { return };
        let known = leak.taken.get(prefix).copied();
        let Some((peer, shared)) = passed else {
            leak.waiting.remove(prefix);
            leak.taken.remove(prefix);
            known.into_iter().for_each(|peer| self.fall(between, prefix, peer));
            return;
        };
        if known.is_none() && leak.is_full(between.family) {
            return self.refuse(between, prefix);
        }
        leak.taken.set(prefix, peer);
        self.stand(between, prefix, peer, shared);
        known.filter(|known| *known != peer).into_iter().for_each(|peer| self.fall(between, prefix, peer));
    }

    /// What the other table gets of a path. What does not stand in its table by itself goes no further: nothing leaks
    /// back, or through a second table.
    fn passed(&self, between: Between, prefix: Prefix, best: Chosen) -> Option<(u32, Shared)> {
        let view = self.views.get(&between.from).filter(|view| view.is_local(best.table, best.path));
        let Shared { attributes, tag, source, .. } =
            &self.store.slot(view.and(Some(best.path.slot))?)?.shared;
        let (tag, source, attributes) = (*tag, *source, attributes.as_ref().clone());
        let subject = Subject { prefix, source, tag, weight: 0, attributes };
        let map = &self.leaks.get(&between)?.config.map;
        let Subject { tag, weight, attributes, .. } = self.config.policies.run(map, subject)?;
        let attributes = Arc::new(attributes);
        let shared = Shared { attributes, exported: None, weight, tag, source, gateway: None, vrf: None };
        Some((best.path.peer, shared))
    }

    fn stand(&mut self, between: Between, prefix: Prefix, peer: u32, shared: Shared) {
        let Some(table) = self.views.get(&between.to).map(|view| view.table) else { return };
        let slot = self.store.hold(shared, &mut self.out);
        let route = Nlri { rd: None, prefix, label: None, path: Some(between.id()) };
        self.take_run(table, &[between.to], &[route], |_| Path::new(peer, slot, Kind::Leaked, None));
        self.store.release(slot, &mut self.out);
    }

    fn fall(&mut self, between: Between, prefix: Prefix, peer: u32) {
        if let Some(table) = self.views.get(&between.to).map(|view| view.table) {
            self.unlearn(table, prefix, peer, Kind::Leaked, between.id());
        }
    }

    /// One prefix more than may be. Of many, one is told of.
    fn refuse(&mut self, between: Between, prefix: Prefix) {
        let Some(leak) = self.leaks.get_mut(&between) else { return };
        let is_first = leak.waiting.is_empty();
        leak.waiting.set(prefix, ());
        if is_first {
            let limit = leak.config.limit;
            let name = |vrf| self.views.get(&vrf).and_then(|view| view.config.name.clone());
            let (from, to) = (name(between.from), name(between.to));
            self.out.push(Output::Notice(Notice::LeakLimit { from, to, limit }));
        }
    }

    /// There is room for one that waits.
    fn next_waiting(&mut self, between: Between) -> Option<Prefix> {
        let leak = self.leaks.get_mut(&between).filter(|leak| !leak.is_full(between.family))?;
        let next = leak.waiting.behind(between.family, None, 1).first().copied()?;
        leak.waiting.remove(next);
        Some(next)
    }

    /// Leaks that the new configuration does not have, or one of whose tables is made anew, end.
    pub(crate) fn end_leaks(&mut self, new: &Config, touched: &[VrfId]) {
        let wanted = new.leaks();
        let ends = |(between, leak): &(&Between, &Leak)| {
            let same = wanted.get(between).is_some_and(|config| **config == leak.config);
            !same || touched.contains(&between.from) || touched.contains(&between.to)
        };
        let gone: Vec<Between> = self.leaks.iter().filter(ends).map(|(between, _)| *between).collect();
        for between in gone {
            let Some(leak) = self.leaks.remove(&between) else { continue };
            for (prefix, peer) in leak.taken.iter(between.family) {
                self.fall(between, prefix, *peer);
            }
        }
    }

    /// Those of the configuration that are not there yet begin.
    pub(crate) fn begin_leaks(&mut self) {
        let config = self.config.clone();
        for (between, rule) in config.leaks() {
            if self.leaks.contains_key(&between) {
                continue;
            }
            let Some(view) = self.views.get(&between.from) else { continue };
            let all = view.routes.behind(between.family, None, usize::MAX);
            self.leaks.insert(between, Leak::new(rule.clone()));
            for prefix in all {
                let best = self.selection(between.from, prefix).best;
                self.pass_on(between, prefix, best);
            }
        }
    }
}

impl Config {
    fn leaks(&self) -> BTreeMap<Between, &config::Leak> {
        let families = Family::BOTH.into_iter().flat_map(|family| {
            self.vrfs.iter().filter_map(move |(vrf, its)| Some((*vrf, family, its.family(family)?)))
        });
        let named = families.filter(|(vrf, ..)| *vrf != VrfId::GLOBAL);
        let both = named.flat_map(|(vrf, family, its)| {
            let into = Between { from: VrfId::GLOBAL, family, to: vrf };
            let out = Between { from: vrf, family, to: VrfId::GLOBAL };
            [(into, its.global_import.as_ref()), (out, its.global_export.as_ref())]
        });
        both.filter_map(|(between, rule)| Some((between, rule?))).collect()
    }
}
