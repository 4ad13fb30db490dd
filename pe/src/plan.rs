//! Tables and tunnels become the plan; the only writer of `Hop`s and `Op`s.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base::{PolicyId, PortId, Prefix, VrfId};
use dataplane::{Hop, Key, Neighbour, Object, Op, Plan, Route, Vrf};
use ike::ChildId;
use ipsec::{Policy, Rule};

use crate::routing::{Change, Routing, Way};
use crate::tables::Tables;
use crate::wiring::ike_to_ipsec::{Pair, Tunnels};
use crate::wiring::labels::Labels;

/// Link addresses that the kernel learnt.
pub(crate) type Neighbours = BTreeMap<(PortId, IpAddr), [u8; 6]>;

/// Everything the dataplane should hold.
pub(crate) fn whole(ground: Plan, routing: &Routing) -> Plan {
    let mut plan = ground;
    for (vrf, prefix, chosen) in routing.all() {
        plan.set(route(vrf, prefix, chosen.way));
    }
    plan
}

/// Everything but routes.
pub(crate) fn ground(tables: &Tables, labels: &Labels, tunnels: &Tunnels, neighbours: &Neighbours) -> Plan {
    // Before the first configuration there is not even a global table.
    let global = tables.vrfs.get(&VrfId::GLOBAL).map(|id| Vrf { id: *id, name: None, ttl: tables.ttl });
    let named = |(name, id): (&String, &VrfId)| Vrf { id: *id, name: Some(name.clone()), ttl: tables.ttl };
    let vrfs = tables.names.iter().map(named).chain(global).map(Object::Vrf);
    let ports = tables.ports.values().cloned().map(Object::Port);
    let neighbours = neighbours.iter().map(|((port, address), mac)| neighbour(*port, *address, *mac));
    let sas = tunnels.pairs().flat_map(Pair::sas).cloned().map(Object::Sa);
    let policies = tables.policies.keys().copied().chain(tunnels.leaves());
    let policies = policies.filter_map(|id| policy(tables, tunnels, id)).map(Object::Policy);
    let labels = tables.labels.iter().map(|(label, action)| (*label, *action)).chain(labels.actions());
    let labels = labels.map(|(label, action)| Object::Label { label, action });
    vrfs.chain(ports).chain(neighbours).chain(sas).chain(policies).chain(labels).collect()
}

/// From one ground to another, make before break, the routes between the two: they stand on either.
pub(crate) fn change(had: &Plan, wanted: &Plan, changes: &[Change]) -> Vec<Op> {
    let mut sets = had.toward(wanted);
    let unsets = sets.split_off(sets.partition_point(|op| matches!(op, Op::Set(_))));
    sets.into_iter().chain(reroute(changes)).chain(unsets).collect()
}

/// What packets see otherwise now.
pub(crate) fn reroute(changes: &[Change]) -> impl Iterator<Item = Op> {
    let sets = changes.iter().filter_map(|change| {
        let way = change.after?.way;
        let is_new = change.before.is_none_or(|before| before.way != way);
        is_new.then(|| Op::Set(route(change.vrf, change.prefix, way)))
    });
    let unsets = changes.iter().filter(|change| change.before.is_some() && change.after.is_none());
    sets.chain(unsets.map(|change| Op::Unset(Key::Route(change.vrf, change.prefix))))
}

/// A pair may receive, or its peer moved: its SAs in force.
pub(crate) fn protect(tunnels: &Tunnels, child: ChildId) -> Vec<Op> {
    let sas = tunnels.pair(child).into_iter().flat_map(Pair::sas);
    sas.map(|sa| Op::Set(Object::Sa(sa.clone()))).collect()
}

/// A pair came up: its SAs, but not the inbound one if it `receives` already, before the policy that sends through
/// them, and that before the policy which `before` sent what is now sent through it.
pub(crate) fn raise(
    tables: &Tables,
    tunnels: &Tunnels,
    (child, receives): (ChildId, bool),
    before: Option<PolicyId>,
) -> Vec<Op> {
    let carrier = tunnels.pair(child).map(|pair| pair.carrier);
    let carriers = [carrier, before.filter(|before| Some(*before) != carrier)].into_iter().flatten();
    let sas = protect(tunnels, child).into_iter().skip(usize::from(receives));
    sas.chain(carriers.map(|carrier| carry(tables, tunnels, carrier))).collect()
}

/// A pair went down: no policy sends through its SAs any more, if one did, then they go.
pub(crate) fn lower(tables: &Tables, tunnels: &Tunnels, pair: &Pair, sent: bool) -> Vec<Op> {
    let carrier = sent.then(|| carry(tables, tunnels, pair.carrier));
    let outbound = pair.up.then_some(pair.outbound.id);
    let sas = outbound.into_iter().chain([pair.inbound.id]).map(|sa| Op::Unset(Key::Sa(sa)));
    carrier.into_iter().chain(sas).collect()
}

/// Brings one policy up to date.
fn carry(tables: &Tables, tunnels: &Tunnels, carrier: PolicyId) -> Op {
    policy(tables, tunnels, carrier)
        .map_or(Op::Unset(Key::Policy(carrier)), |policy| Op::Set(Object::Policy(policy)))
}

/// What goes at the end, so that nothing is forwarded: not the routes into tunnels, for without them another route
/// could lead the same packets out in clear.
pub(crate) fn closing(tables: &Tables, labels: &Labels, tunnels: &Tunnels, routing: &Routing) -> Vec<Op> {
    let is_plain = |vrf: VrfId, way: Way| match way {
        Way::Out { port, .. } => tables.ports.get(&port).is_some_and(|port| !port.crypto || port.vrf == vrf),
        Way::Protect(_) | Way::Discard | Way::Local | Way::Lookup(_) => false,
    };
    let routes = routing.all().filter(|(vrf, _, chosen)| is_plain(*vrf, chosen.way));
    let routes = routes.map(|(vrf, prefix, _)| Key::Route(vrf, prefix));
    let dynamic = labels.actions().map(|(label, _)| label);
    let labels = tables.labels.keys().copied().chain(dynamic).map(Key::Label);
    let sas = tunnels.pairs().flat_map(Pair::sas).map(|sa| Key::Sa(sa.id));
    routes.chain(labels).chain(sas).map(Op::Unset).collect()
}

/// The kernel learnt or lost a link address on a port that exists.
pub(crate) fn meet(port: PortId, address: IpAddr, mac: Option<[u8; 6]>) -> Op {
    match mac {
        Some(mac) => Op::Set(neighbour(port, address, mac)),
        None => Op::Unset(Key::Neighbour(port, address)),
    }
}

fn route(vrf: VrfId, prefix: Prefix, way: Way) -> Object {
    Object::Route(Route { vrf, prefix, hop: hop(way) })
}

pub(crate) const fn hop(way: Way) -> Hop {
    match way {
        Way::Local => Hop::Local,
        Way::Discard => Hop::Drop,
        Way::Protect(policy) => Hop::Protect(policy),
        Way::Out { port, gateway, push } => Hop::Out { port, gateway, push },
        Way::Lookup(vrf) => Hop::Lookup(vrf),
    }
}

fn neighbour(port: PortId, address: IpAddr, mac: [u8; 6]) -> Object {
    Object::Neighbour(Neighbour { port, address, mac })
}

/// `None` where the policy's port does not exist at the moment, and for a leaf through which nothing is sent.
pub(crate) fn policy(tables: &Tables, tunnels: &Tunnels, id: PolicyId) -> Option<Policy> {
    let bundles = tunnels.bundles(id).to_vec();
    let Some((entry, selector)) = tunnels.entry_of(id) else {
        return Some(Policy { bundles, ..present(tables, id)?.clone() });
    };
    let entry = present(tables, entry)?;
    let rules = vec![Rule { permit: true, selector }];
    let sequence = entry.sequence.saturating_sub(1);
    Some(Policy { id, sequence, rules, bundles, ..entry.clone() })
}

fn present(tables: &Tables, id: PolicyId) -> Option<&Policy> {
    let stands = |policy: &&Policy| tables.ports.contains_key(&policy.port) || tables.tunnels.contains(&id);
    tables.policies.get(&id).filter(stands)
}
