//! What comes in: loop checks, inbound policy, and into the tables; routes of the box itself, too.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use base::{Family, Prefix, VrfId};
use vrf::Source;

use crate::apply::Subject;
use crate::attributes::{Attributes, Origin};
use crate::config::{Beyond, FamilyConfig, MaximumPrefix, Redistribute, VrfFamily};
use crate::io::Output;
use crate::io::{AddressFamily, Own};
use crate::notice::Notice;
use crate::ribs::{Fill, Learned, Ribs};
use crate::store::Shared;
use crate::table::{Kind, OURSELVES, Path};
use crate::update::{Nlri, Update};

/// IOS: of routes that the box itself brings in.
const OWN_WEIGHT: u16 = 32768;

impl Ribs {
    pub(crate) fn update(&mut self, number: u32, update: Update) {
        match update {
            Update::Reach { family, attributes, routes } => self.reach(number, family, attributes, &routes),
            Update::Unreach { family, routes } => self.unreach(number, family, &routes),
            Update::Wants { attributes, targets } => self.member(number, Some(&attributes), &targets),
            Update::WantsNot(targets) => self.member(number, None, &targets),
            Update::EndOfRib(family) => self.complete(number, family),
        }
    }

    fn reach(&mut self, number: u32, family: AddressFamily, attributes: Arc<Attributes>, routes: &[Nlri]) {
        let Some(peer) = self.peer(number) else { return };
        let Some(config) = peer.neighbor.families.get(&family).cloned() else { return };
        let vrf = peer.id.vrf;
        if self.is_loop(number, family, &attributes) {
            self.deny(number, family, routes);
            return;
        }
        let attributes = self.taken(number, &config, attributes);
        let export_map = !family.is_vpn() && self.export_map(vrf, family).is_some();
        if config.route_map_in.is_none() && config.prefix_list_in.is_none() && !export_map {
            let shared = routes.first().and_then(|first| {
                let subject = subject(first.prefix, &config, attributes.as_ref().clone());
                self.shared(vrf, family, subject)
            });
            self.take_in(number, family, shared, routes);
        } else {
            for route in routes {
                let subject = subject(route.prefix, &config, attributes.as_ref().clone());
                let passed = self.inbound(&config, subject);
                let shared = passed.and_then(|passed| self.shared(vrf, family, passed));
                self.take_in(number, family, shared, core::slice::from_ref(route));
            }
        }
        if let Some(maximum) = config.maximum_prefix {
            self.measure(number, family, maximum);
        }
    }

    /// A neighbour's attributes before any policy: route targets are the provider's, so a customer says none.
    fn taken(&self, number: u32, config: &FamilyConfig, mut attributes: Arc<Attributes>) -> Arc<Attributes> {
        let Some(peer) = self.peer(number) else { return attributes };
        let site = config.soo.filter(|_| attributes.sites().next().is_none());
        let shown = peer.neighbor.local_as.filter(|shown| shown.prepend && peer.external());
        let targets = peer.id.vrf != VrfId::GLOBAL && attributes.targets().next().is_some();
        if site.is_none() && shown.is_none() && !targets {
            return attributes;
        }
        let taken = Arc::make_mut(&mut attributes);
        if targets {
            taken.clear_targets();
        }
        site.into_iter().for_each(|site| taken.add_site(site));
        shown.into_iter().for_each(|shown| taken.prepend(&[shown.asn]));
        attributes
    }

    fn inbound(&self, config: &FamilyConfig, subject: Subject) -> Option<Subject> {
        let policies = &self.config.policies;
        if config.prefix_list_in.as_ref().is_some_and(|list| !policies.permits(list, subject.prefix)) {
            return None;
        }
        match &config.route_map_in {
            Some(map) => policies.run(map, subject),
            None => Some(subject),
        }
    }

    fn export_map(&self, vrf: VrfId, family: AddressFamily) -> Option<&String> {
        self.views.get(&vrf)?.config.family(family.family()?)?.export_map.as_ref()
    }

    /// What stands for a neighbour's route in the tables. `None`: nobody wants it.
    pub(crate) fn shared(&self, vrf: VrfId, family: AddressFamily, subject: Subject) -> Option<Shared> {
        let afi = family.family()?;
        let (tag, weight, source) = (subject.tag, subject.weight, subject.source);
        let (attributes, exported, vrf) = if family.is_vpn() {
            let imported = |target| self.importers.contains_key(&(afi, target));
            if !self.keeps_all && !subject.attributes.targets().any(imported) {
                return None;
            }
            let attributes = Arc::new(subject.attributes);
            (attributes.clone(), Some(attributes), VrfId::GLOBAL)
        } else {
            let exported = self.export(vrf, &subject);
            (Arc::new(subject.attributes), exported, vrf)
        };
        Some(Shared { attributes, exported, weight, tag, source, gateway: None, vrf: Some(vrf) })
    }

    /// Routes that share everything go into their tables, or out of them if they were denied.
    pub(crate) fn take_in(
        &mut self,
        number: u32,
        family: AddressFamily,
        shared: Option<Shared>,
        routes: &[Nlri],
    ) {
        let Some(shared) = shared else { return self.deny(number, family, routes) };
        let Some(afi) = family.family() else { return };
        let Some(vrf) = self.peer(number).map(|peer| peer.id.vrf) else { return };
        let slot = self.store.hold(shared, &mut self.out);
        let targets = self.store.slot(slot).map(|slot| slot.targets.clone()).unwrap_or_default();
        let views = self.concerned(afi, &targets, (!family.is_vpn()).then_some(vrf));
        for run in routes.chunk_by(|a, b| a.rd == b.rd) {
            let rd = run.first().and_then(|route| route.rd);
            let table = match rd {
                Some(rd) => Some(self.table_of(rd)),
                None => self.views.get(&vrf).map(|view| view.table),
            };
            let Some(table) = table else { continue };
            let fresh = self
                .take_run(table, &views, run, |route| Path::new(number, slot, Kind::of(family), route.label));
            self.accept(number, family, fresh);
        }
        self.store.release(slot, &mut self.out);
    }

    /// Routes of one table; how many more there are.
    pub(crate) fn take_run(
        &mut self,
        table: u32,
        views: &[VrfId],
        run: &[Nlri],
        path: impl Fn(&Nlri) -> Path,
    ) -> i64 {
        let (mut fresh, mut uses) = (0i64, 0u32);
        for route in run {
            let learned = self.learn(table, route.prefix, path(route), route.path.unwrap_or(0), views);
            fresh += i64::from(learned == Learned::New);
            uses += u32::from(learned != Learned::Same);
        }
        if let Some(path) = run.first().map(path)
            && uses > 0
        {
            self.store.retain(path.slot, uses);
            self.tables.get_mut(table as usize).into_iter().for_each(|table| table.count(path, uses));
        }
        fresh
    }

    fn unreach(&mut self, number: u32, family: AddressFamily, routes: &[Nlri]) {
        let Some(vrf) = self.peer(number).map(|peer| peer.id.vrf) else { return };
        for route in routes {
            let table = match route.rd {
                Some(rd) => self.by_rd.get(&rd).copied(),
                None => self.views.get(&vrf).map(|view| view.table),
            };
            let Some(table) = table else { continue };
            let id = route.path.unwrap_or(0);
            if self.unlearn(table, route.prefix, number, Kind::of(family), id) {
                self.accept(number, family, -1);
                self.tidy(table);
            }
        }
    }

    /// What was accepted before under these names is gone, too.
    fn deny(&mut self, number: u32, family: AddressFamily, routes: &[Nlri]) {
        self.unreach(number, family, routes);
        if let Some(its) = self.per_family(number, family) {
            its.denied += routes.len() as u64;
        }
    }

    /// Whether a route has been here already, or cannot have come the way that it says.
    pub(crate) fn is_loop(&self, number: u32, family: AddressFamily, attributes: &Attributes) -> bool {
        let Some(peer) = self.peer(number) else { return false };
        let Some(session) = &peer.terms else { return true };
        let allowed = peer.neighbor.families.get(&family).map_or(0, |family| family.allowas_in);
        let ours = attributes.occurrences(self.config.asn);
        let shown =
            if session.local_as == self.config.asn { 0 } else { attributes.occurrences(session.local_as) };
        let cluster = self.config.cluster_id.unwrap_or(self.config.router_id);
        ours + shown > usize::from(allowed)
            || attributes.originator == Some(self.config.router_id)
            || attributes.clusters.contains(&cluster)
            || (session.external && attributes.neighbor() != Some(session.remote_as))
            || attributes.next_hop == session.local.to_canonical()
    }

    /// `maximum-prefix`.
    fn measure(&mut self, number: u32, family: AddressFamily, maximum: MaximumPrefix) {
        let Some(peer) = self.peer_mut(number) else { return };
        let id = peer.id;
        let Some(its) = peer.families.get_mut(&family) else { return };
        let (received, limit) = (its.accepted, maximum.limit);
        let beyond = received > limit;
        let fill = match u64::from(received) * 100 > u64::from(limit) * u64::from(maximum.warn) {
            _ if beyond => Fill::Beyond,
            true => Fill::Near,
            false => Fill::Below,
        };
        let told = core::mem::replace(&mut its.fill, fill);
        if fill > told || (beyond && maximum.beyond != Beyond::Warn) {
            self.out.push(Output::Notice(Notice::MaximumPrefix { peer: id, family, received, limit }));
        }
        match maximum.beyond {
            Beyond::Warn => (),
            Beyond::Shut if beyond => self.overrun.push((id, family, limit, None)),
            Beyond::Restart(after) if beyond => self.overrun.push((id, family, limit, Some(after))),
            Beyond::Shut | Beyond::Restart(_) => (),
        }
    }

    /// The route in use of a VRF changed.
    pub(crate) fn originate(&mut self, vrf: VrfId, prefix: Prefix, route: Option<Own>) {
        match route {
            Some(route) => self.own.insert((vrf, prefix), route),
            None => self.own.remove(&(vrf, prefix)),
        };
        self.bring_in(vrf, prefix);
    }

    /// Puts a route of the box into its VRF's table as the configuration says now, or takes it out.
    pub(crate) fn bring_in(&mut self, vrf: VrfId, prefix: Prefix) {
        let Some(table) = self.views.get(&vrf).map(|view| view.table) else { return };
        let own = self.own.get(&(vrf, prefix)).copied();
        let Some(shared) = own.and_then(|own| self.own_shared(vrf, prefix, own)) else {
            self.unlearn(table, prefix, OURSELVES, Kind::Unicast, 0);
            return;
        };
        let slot = self.store.hold(shared, &mut self.out);
        let targets = self.store.slot(slot).map(|slot| slot.targets.clone()).unwrap_or_default();
        let views = self.concerned(prefix.family(), &targets, Some(vrf));
        let route = Nlri { rd: None, prefix, label: None, path: None };
        self.take_run(table, &views, &[route], |_| Path::new(OURSELVES, slot, Kind::Unicast, None));
        self.store.release(slot, &mut self.out);
    }

    fn own_shared(&self, vrf: VrfId, prefix: Prefix, own: Own) -> Option<Shared> {
        let family = self.views.get(&vrf)?.config.family(prefix.family())?;
        let (origin, metric, map) = match family.networks.get(&prefix) {
            Some(map) => (Origin::Igp, None, map),
            None => {
                let line = family.redistributes(own.source)?;
                (Origin::Incomplete, line.metric, &line.route_map)
            }
        };
        let mut attributes = Attributes::new(origin, nowhere(prefix.family()));
        attributes.med = Some(metric.unwrap_or(own.metric));
        let (source, tag) = (own.source, own.tag);
        let subject = Subject { prefix, source, tag, weight: OWN_WEIGHT, attributes };
        let passed = match map {
            Some(map) => self.config.policies.run(map, subject)?,
            None => subject,
        };
        let exported = self.export(vrf, &passed);
        let (attributes, gateway) = (Arc::new(passed.attributes), own.gateway);
        let (weight, tag) = (passed.weight, passed.tag);
        Some(Shared { attributes, exported, weight, tag, source, gateway, vrf: None })
    }
}

impl VrfFamily {
    /// The line that redistributes routes of a source: `static` also means reverse routes that have no line.
    pub fn redistributes(&self, source: Source) -> Option<&Redistribute> {
        let line = |source| self.redistribute.iter().find(|line| line.source == source);
        let also = (source == Source::Reverse).then(|| line(Source::Static)).flatten();
        line(source).or(also)
    }
}

fn subject(prefix: Prefix, config: &FamilyConfig, attributes: Attributes) -> Subject {
    Subject { prefix, source: Source::Bgp, tag: 0, weight: config.weight, attributes }
}

const fn nowhere(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}
