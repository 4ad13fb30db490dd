//! Everything a packet is looked up in, but SAs: an immutable snapshot, replaced whole between batches.
//!
//! A clone shares every table that the next op leaves alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use base::{Label, PolicyId, PortId, VrfId};
use dataplane::{Hop, Key, LabelAction, Link, Neighbour, Object, Op, Port, Route, TtlModel};
use ipsec::{Flow, Policy, Verdict};
use mpls::Lfib;
use vrf::Fib;
use wire::ethernet::Mac;

use crate::spd::Spd;

#[derive(Clone, Default)]
pub(crate) struct Tables {
    vrfs: BTreeMap<VrfId, Arc<VrfTable>>,
    ports: BTreeMap<PortId, Arc<Port>>,
    neighbours: Arc<BTreeMap<(PortId, IpAddr), Mac>>,
    labels: Arc<Lfib<LabelAction>>,
    policies: Arc<BTreeMap<PolicyId, Arc<Policy>>>,
    /// The policies of each port by inside VRF, ready for lookup.
    spds: BTreeMap<(PortId, VrfId), Arc<Spd>>,
    /// Which of them the ops of this apply made wrong.
    stale: BTreeSet<(PortId, VrfId)>,
}

#[derive(Clone, Default)]
pub(crate) struct VrfTable {
    pub ttl: TtlModel,
    pub fib: Fib<Hop>,
    /// Our own addresses in this VRF, sorted.
    locals: Vec<IpAddr>,
    /// The port that leads to this box's kernel.
    pub host: Option<PortId>,
}

/// Where a route leads, after every lookup in another VRF is done.
#[derive(Clone, Copy)]
pub(crate) enum Way<'t> {
    Local(VrfId),
    Drop,
    Out(Out<'t>),
    Protect(PolicyId),
    /// By a port that is not there.
    NoPort,
    None,
}

/// Out of a port, to a next hop, under labels.
#[derive(Clone, Copy)]
pub(crate) struct Out<'t> {
    pub port: &'t Port,
    /// `None`: the destination itself.
    pub gateway: &'t Option<IpAddr>,
    /// Outermost first, implicit null included.
    pub push: &'t [Label],
}

/// What a port's policies say of a flow.
#[derive(Clone, Copy)]
pub(crate) struct Ruling<'t> {
    pub policy: &'t Policy,
    pub verdict: Verdict,
}

impl Out<'_> {
    /// The labels that really go on the wire.
    pub(crate) fn labels(&self) -> impl DoubleEndedIterator<Item = Label> {
        self.push.iter().copied().filter(|label| *label != Label::IMPLICIT_NULL)
    }

    /// The longest IP packet that fits the port under the labels.
    pub(crate) fn mtu(&self) -> usize {
        usize::from(self.port.mtu).saturating_sub(self.labels().count().saturating_mul(4))
    }
}

impl VrfTable {
    pub(crate) fn is_local(&self, address: IpAddr) -> bool {
        self.locals.binary_search(&address).is_ok()
    }

    /// An own address of the same family as `like`.
    pub(crate) fn own(&self, like: IpAddr) -> Option<IpAddr> {
        self.locals.iter().copied().find(|local| local.is_ipv4() == like.is_ipv4())
    }

    fn is_unused(&self) -> bool {
        self.fib.is_empty() && self.locals.is_empty() && self.host.is_none()
    }
}

impl Tables {
    pub(crate) fn vrf(&self, id: VrfId) -> Option<&VrfTable> {
        self.vrfs.get(&id).map(Arc::as_ref)
    }

    pub(crate) fn port(&self, id: PortId) -> Option<&Port> {
        self.ports.get(&id).map(Arc::as_ref)
    }

    pub(crate) fn neighbour(&self, port: PortId, address: IpAddr) -> Option<Mac> {
        self.neighbours.get(&(port, address)).copied()
    }

    pub(crate) fn label(&self, label: Label) -> Option<&LabelAction> {
        self.labels.lookup(label)
    }

    pub(crate) fn policy(&self, id: PolicyId) -> Option<&Policy> {
        self.policies.get(&id).map(Arc::as_ref)
    }

    /// What the policies of `port` say of a flow of the VRF `inside`, as judged on its way out;
    /// `None`: no entry speaks of it.
    pub(crate) fn judge(&self, port: PortId, inside: VrfId, flow: &Flow) -> Option<Ruling<'_>> {
        let (id, rule) = self.spds.get(&(port, inside))?.permitting(flow)?;
        let policy = self.policy(id)?;
        let bundle = policy.bundles.iter().find(|bundle| bundle.selector.matches(flow));
        let verdict = bundle.map_or(Verdict::Acquire(rule), |bundle| Verdict::Seal(bundle.outbound));
        Some(Ruling { policy, verdict })
    }

    /// The longest match for `address` in `vrf`, followed through other VRFs.
    pub(crate) fn way(&self, vrf: VrfId, address: IpAddr) -> Way<'_> {
        let mut vrf = vrf;
        for _ in 0..Self::LOOKUPS {
            let Some(table) = self.vrf(vrf) else { return Way::None };
            if table.is_local(address) {
                return Way::Local(vrf);
            }
            match table.fib.lookup(address) {
                Some(Hop::Lookup(next)) => vrf = *next,
                Some(hop) => return self.follow(vrf, hop),
                None => return Way::None,
            }
        }
        Way::None
    }

    /// How many VRFs one lookup may lead through.
    const LOOKUPS: usize = 4;

    /// Where a hop leads that is not a lookup; a lookup leads nowhere.
    pub(crate) fn follow<'t>(&'t self, vrf: VrfId, hop: &'t Hop) -> Way<'t> {
        match hop {
            Hop::Local => Way::Local(vrf),
            Hop::Drop => Way::Drop,
            Hop::Protect(policy) => Way::Protect(*policy),
            Hop::Lookup(_) => Way::None,
            Hop::Out { port, gateway, push } => {
                self.port(*port).map_or(Way::NoPort, |port| Way::Out(Out { port, gateway, push }))
            }
        }
    }

    /// The next version of the tables; SAs are not theirs.
    pub(crate) fn apply<'o>(&mut self, ops: impl IntoIterator<Item = &'o Op>) {
        for op in ops {
            match op {
                Op::Set(object) => self.set(object),
                Op::Unset(key) => self.unset(*key),
            }
        }
        for (port, inside) in core::mem::take(&mut self.stale) {
            self.index(port, inside);
        }
    }

    fn set(&mut self, object: &Object) {
        match object {
            Object::Vrf(vrf) => self.vrf_mut(vrf.id).ttl = vrf.ttl,
            Object::Port(port) => self.set_port(port),
            Object::Neighbour(Neighbour { port, address, mac }) => {
                Arc::make_mut(&mut self.neighbours).insert((*port, *address), *mac);
            }
            Object::Sa(_) => {}
            Object::Policy(policy) => self.set_policy(policy),
            Object::Label { label, action } => {
                Arc::make_mut(&mut self.labels).insert(*label, action.clone());
            }
            Object::Route(Route { vrf, prefix, hop }) => {
                self.vrf_mut(*vrf).fib.insert(*prefix, hop.clone());
            }
        }
    }

    fn unset(&mut self, key: Key) {
        match key {
            Key::Vrf(vrf) => self.unset_vrf(vrf),
            Key::Port(port) => self.unset_port(port),
            Key::Neighbour(port, address) => {
                Arc::make_mut(&mut self.neighbours).remove(&(port, address));
            }
            Key::Sa(_) => {}
            Key::Policy(policy) => self.unset_policy(policy),
            Key::Label(label) => {
                Arc::make_mut(&mut self.labels).remove(label);
            }
            Key::Route(vrf, prefix) => {
                if let Some(table) = self.vrfs.get_mut(&vrf) {
                    Arc::make_mut(table).fib.remove(prefix);
                }
            }
        }
    }

    fn vrf_mut(&mut self, id: VrfId) -> &mut VrfTable {
        Arc::make_mut(self.vrfs.entry(id).or_default())
    }

    /// A VRF that ports or routes still name loses only what was set of itself.
    fn unset_vrf(&mut self, id: VrfId) {
        let Some(table) = self.vrfs.get_mut(&id) else { return };
        Arc::make_mut(table).ttl = TtlModel::default();
        if table.is_unused() {
            self.vrfs.remove(&id);
        }
    }

    fn set_port(&mut self, port: &Port) {
        let old = self.ports.insert(port.id, Arc::new(port.clone()));
        if let Some(old) = old.filter(|old| old.vrf != port.vrf) {
            self.collect_own(old.vrf);
        }
        self.collect_own(port.vrf);
    }

    fn unset_port(&mut self, id: PortId) {
        if let Some(old) = self.ports.remove(&id) {
            self.collect_own(old.vrf);
        }
    }

    /// Gathers what the ports of a VRF say of it: own addresses and the way to the kernel.
    fn collect_own(&mut self, id: VrfId) {
        let ports = self.ports.values().filter(|port| port.vrf == id);
        let mut locals: Vec<IpAddr> =
            ports.clone().flat_map(|port| &port.addresses).map(|own| own.address).collect();
        locals.sort_unstable();
        locals.dedup();
        let host = ports.clone().find(|port| port.link == Link::Host).map(|port| port.id);
        let table = self.vrf_mut(id);
        (table.locals, table.host) = (locals, host);
    }

    fn set_policy(&mut self, policy: &Policy) {
        let old = Arc::make_mut(&mut self.policies).insert(policy.id, Arc::new(policy.clone()));
        match old {
            // A rekey changes the bundles alone, which the index does not hold.
            Some(old) if same_rules(&old, policy) => {}
            Some(old) => self.stale.extend([(old.port, old.inside), (policy.port, policy.inside)]),
            None => self.stale.extend([(policy.port, policy.inside)]),
        }
    }

    fn unset_policy(&mut self, id: PolicyId) {
        if let Some(old) = Arc::make_mut(&mut self.policies).remove(&id) {
            self.stale.insert((old.port, old.inside));
        }
    }

    fn index(&mut self, port: PortId, inside: VrfId) {
        let mut entries: Vec<&Policy> = self.policies.values().map(Arc::as_ref).collect();
        entries.retain(|policy| policy.port == port && policy.inside == inside);
        entries.sort_by_key(|policy| (policy.sequence, policy.id));
        if entries.is_empty() {
            self.spds.remove(&(port, inside));
        } else {
            let spd = Spd::new(&entries);
            self.spds.insert((port, inside), Arc::new(spd));
        }
    }
}

fn same_rules(a: &Policy, b: &Policy) -> bool {
    (a.port, a.inside, a.sequence) == (b.port, b.inside, b.sequence) && a.rules == b.rules
}
