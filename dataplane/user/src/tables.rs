//! Everything a packet is looked up in, but SAs: an immutable snapshot, replaced whole between batches.
//!
//! A clone shares all that the next op leaves alone: one more tunnel costs the same however many there are.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use base::{Label, PolicyId, PortId, VrfId};
use dataplane::{
    Encapsulation, Hop, Key, LabelAction, Link, Neighbour, Object, Op, Port, Route, TtlModel, Tunnel,
};
use ipsec::{Bundle, Flow, Policy, Verdict};
use mpls::Lfib;
use vrf::Fib;
use wire::ethernet::Mac;

use crate::by_id::Shared;
use crate::spd::{Lines, Spd};

#[derive(Clone, Default)]
pub(crate) struct Tables {
    vrfs: Shared<Arc<VrfTable>>,
    ports: Shared<Arc<Port>>,
    /// By the port whose wire they share.
    vlans: Arc<BTreeMap<(PortId, u16), PortId>>,
    tunnels: Arc<BTreeMap<Tunnel, PortId>>,
    neighbours: Arc<BTreeMap<(PortId, IpAddr), Mac>>,
    labels: Arc<Lfib<LabelAction>>,
    policies: Shared<Entry>,
    /// The policies of each inside VRF by port, ready for lookup.
    spds: Shared<BTreeMap<PortId, Spd>>,
}

/// A policy, and of its bundles the newest at hand: most packets need no other.
#[derive(Clone)]
struct Entry {
    newest: Option<Bundle>,
    policy: Arc<Policy>,
}

#[derive(Clone, Default)]
pub(crate) struct VrfTable {
    pub ttl: TtlModel,
    pub fib: Fib<Hop>,
    /// Our own addresses in this VRF, sorted.
    local_v4: Vec<Ipv4Addr>,
    local_v6: Vec<Ipv6Addr>,
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
    /// A [`Hop::Out`].
    hop: &'t Hop,
}

/// What a port's policies say of a flow.
#[derive(Clone, Copy)]
pub(crate) struct Ruling<'t> {
    pub policy: &'t Policy,
    pub verdict: Verdict,
}

impl<'t> Out<'t> {
    /// `None`: the destination itself.
    #[inline]
    pub(crate) fn gateway(self) -> Option<IpAddr> {
        let Hop::Out { gateway, .. } = self.hop else { return None };
        *gateway
    }

    /// What goes on the wire, outermost first.
    #[inline]
    pub(crate) fn push(self) -> &'t [Label] {
        let Hop::Out { push, .. } = self.hop else { return &[] };
        push
    }

    /// The longest IP packet that fits the port under the labels.
    pub(crate) fn mtu(self) -> usize {
        usize::from(self.port.mtu).saturating_sub(self.push().len().saturating_mul(4))
    }
}

impl Entry {
    fn of(policy: &Policy) -> Self {
        Self { newest: policy.bundles.first().copied(), policy: Arc::new(policy.clone()) }
    }
}

impl VrfTable {
    #[inline]
    pub(crate) fn is_local(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.local_v4.binary_search(&address).is_ok(),
            IpAddr::V6(address) => self.local_v6.binary_search(&address).is_ok(),
        }
    }

    /// An own address of the same family as `like`.
    pub(crate) fn own(&self, like: IpAddr) -> Option<IpAddr> {
        match like {
            IpAddr::V4(_) => self.local_v4.first().copied().map(IpAddr::V4),
            IpAddr::V6(_) => self.local_v6.first().copied().map(IpAddr::V6),
        }
    }

    fn is_unused(&self) -> bool {
        self.fib.is_empty() && self.local_v4.is_empty() && self.local_v6.is_empty() && self.host.is_none()
    }
}

impl Tables {
    pub(crate) fn vrf(&self, id: VrfId) -> Option<&VrfTable> {
        self.vrfs.get(id.0).map(Arc::as_ref)
    }

    pub(crate) fn port(&self, id: PortId) -> Option<&Port> {
        self.ports.get(id.0).map(Arc::as_ref)
    }

    /// The port of a VLAN on the wire of `parent`.
    pub(crate) fn vlan(&self, parent: PortId, id: u16) -> Option<&Port> {
        self.port(*self.vlans.get(&(parent, id))?)
    }

    /// The port of a tunnel without protection.
    pub(crate) fn tunnel(&self, tunnel: &Tunnel) -> Option<&Port> {
        self.port(*self.tunnels.get(tunnel)?)
    }

    /// Whether any GRE tunnel has these ends, with whatever key.
    pub(crate) fn has_gre(&self, front: VrfId, local: IpAddr, remote: IpAddr) -> bool {
        let tunnel = |key| Tunnel { front, local, remote, encapsulation: Encapsulation::Gre(key) };
        self.tunnels.range(tunnel(None)..=tunnel(Some(u32::MAX))).next().is_some()
    }

    pub(crate) fn neighbour(&self, port: PortId, address: IpAddr) -> Option<Mac> {
        self.neighbours.get(&(port, address)).copied()
    }

    pub(crate) fn label(&self, label: Label) -> Option<&LabelAction> {
        self.labels.lookup(label)
    }

    pub(crate) fn policy(&self, id: PolicyId) -> Option<&Policy> {
        self.policies.get(id.0).map(|entry| entry.policy.as_ref())
    }

    /// What the policies of `port` say of packets of the VRF `inside` to `remote`.
    pub(crate) fn lines(&self, port: PortId, inside: VrfId, remote: IpAddr) -> Option<&Lines> {
        self.spds.get(inside.0)?.get(&port)?.toward(remote)
    }

    /// What these lines say of a flow, as judged on its way out; `None`: no entry speaks of it.
    pub(crate) fn judge(&self, lines: &Lines, flow: &Flow) -> Option<Ruling<'_>> {
        let (id, rule) = lines.permitting(flow)?;
        let Entry { newest, policy } = self.policies.get(id.0)?;
        let carries = |bundle: &&Bundle| bundle.selector.matches(flow);
        let bundle = newest.as_ref().filter(carries).or_else(|| policy.bundles.iter().find(carries));
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
            Hop::Out { port, .. } => self.port(*port).map_or(Way::NoPort, |port| Way::Out(Out { port, hop })),
        }
    }

    /// The next version of the tables; SAs are not theirs.
    pub(crate) fn apply(&mut self, op: &Op) {
        match op {
            Op::Set(object) => self.set(object),
            Op::Unset(key) => self.unset(*key),
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
                Arc::make_mut(&mut self.labels).insert(*label, on_the_wire(action));
            }
            Object::Route(Route { vrf, prefix, hop }) => {
                self.vrf_mut(*vrf).fib.insert(*prefix, without_nulls(hop));
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
                if self.vrfs.get(vrf.0).is_some() {
                    self.vrf_mut(vrf).fib.remove(prefix);
                }
            }
        }
    }

    fn vrf_mut(&mut self, id: VrfId) -> &mut VrfTable {
        Arc::make_mut(self.vrfs.get_or_default(id.0))
    }

    /// A VRF that ports or routes still name loses only what was set of itself.
    fn unset_vrf(&mut self, id: VrfId) {
        if self.vrfs.get(id.0).is_some() {
            self.vrf_mut(id).ttl = TtlModel::default();
            if self.vrf(id).is_some_and(VrfTable::is_unused) {
                self.vrfs.remove(id.0);
            }
        }
    }

    fn set_port(&mut self, port: &Port) {
        let old = self.ports.insert(port.id.0, Arc::new(port.clone()));
        if let Some(old) = old {
            self.unlist_link(&old);
            if old.vrf != port.vrf {
                self.collect_own(old.vrf);
            }
        }
        self.list_link(port);
        self.collect_own(port.vrf);
    }

    fn list_link(&mut self, port: &Port) {
        match port.link {
            Link::Vlan { parent, id, .. } => {
                Arc::make_mut(&mut self.vlans).insert((parent, id), port.id);
            }
            Link::Tunnel(tunnel) => {
                Arc::make_mut(&mut self.tunnels).insert(tunnel, port.id);
            }
            Link::Ethernet { .. } | Link::Host => {}
        }
    }

    /// What another port has taken over stays its.
    fn unlist_link(&mut self, port: &Port) {
        match port.link {
            Link::Vlan { parent, id, .. } if self.vlans.get(&(parent, id)) == Some(&port.id) => {
                Arc::make_mut(&mut self.vlans).remove(&(parent, id));
            }
            Link::Tunnel(tunnel) if self.tunnels.get(&tunnel) == Some(&port.id) => {
                Arc::make_mut(&mut self.tunnels).remove(&tunnel);
            }
            Link::Ethernet { .. } | Link::Vlan { .. } | Link::Tunnel(_) | Link::Host => {}
        }
    }

    fn unset_port(&mut self, id: PortId) {
        if let Some(old) = self.ports.remove(id.0) {
            self.unlist_link(&old);
            self.collect_own(old.vrf);
        }
    }

    /// Gathers what the ports of a VRF say of it: own addresses and the way to the kernel.
    fn collect_own(&mut self, id: VrfId) {
        let (mut local_v4, mut local_v6, mut host) = (Vec::new(), Vec::new(), None);
        for port in self.ports.values().filter(|port| port.vrf == id) {
            for own in &port.addresses {
                match own.address {
                    IpAddr::V4(address) => local_v4.push(address),
                    IpAddr::V6(address) => local_v6.push(address),
                }
            }
            if port.link == Link::Host && host.is_none() {
                host = Some(port.id);
            }
        }
        local_v4.sort_unstable();
        local_v6.sort_unstable();
        let table = self.vrf_mut(id);
        (table.local_v4, table.local_v6, table.host) = (local_v4, local_v6, host);
    }

    fn set_policy(&mut self, policy: &Policy) {
        let old = self.policies.insert(policy.id.0, Entry::of(policy));
        // A rekey changes the bundles alone, which the index does not hold.
        if old.as_ref().is_some_and(|old| same_rules(&old.policy, policy)) {
            return;
        }
        old.into_iter().for_each(|old| self.unlist(&old.policy));
        self.spds.get_or_default(policy.inside.0).entry(policy.port).or_default().insert(policy);
    }

    fn unset_policy(&mut self, id: PolicyId) {
        if let Some(Entry { policy: old, .. }) = self.policies.remove(id.0) {
            self.unlist(&old);
        }
    }

    /// Nothing is found by way of this policy any more.
    fn unlist(&mut self, policy: &Policy) {
        let ports = self.spds.get_or_default(policy.inside.0);
        if let Some(spd) = ports.get_mut(&policy.port) {
            spd.remove(policy);
            ports.retain(|_, spd| !spd.is_empty());
        }
    }
}

/// Implicit null is a label that never goes on the wire (RFC 3032 section 2.1).
fn without_nulls(hop: &Hop) -> Hop {
    let mut hop = *hop;
    if let Hop::Out { push, .. } = &mut hop {
        *push = push.without_nulls();
    }
    hop
}

fn on_the_wire(action: &LabelAction) -> LabelAction {
    match action {
        LabelAction::PopTo(vrf) => LabelAction::PopTo(*vrf),
        LabelAction::Swap(label, hop) => LabelAction::Swap(*label, without_nulls(hop)),
    }
}

fn same_rules(a: &Policy, b: &Policy) -> bool {
    (a.port, a.inside, a.sequence) == (b.port, b.inside, b.sequence) && a.rules == b.rules
}
