//! Tables and tunnels become the plan; the only writer of `Hop`s and `Op`s.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base::{PolicyId, PortId};
use dataplane::{Hop, Key, Neighbour, Object, Op, Plan, Route, Vrf};
use ike::ChildId;
use ipsec::{Policy, Rule};

use crate::tables::Tables;
use crate::wiring::config_to_vrf::Way;
use crate::wiring::ike_to_ipsec::{Pair, Tunnels};

/// Link addresses that the kernel learnt.
pub(crate) type Neighbours = BTreeMap<(PortId, IpAddr), [u8; 6]>;

/// Everything the dataplane should hold.
pub(crate) fn whole(tables: &Tables, tunnels: &Tunnels, neighbours: &Neighbours) -> Plan {
    let vrfs = tables.vrfs.iter().map(|id| Object::Vrf(Vrf { id: *id, ttl: tables.ttl }));
    let ports = tables.ports.values().cloned().map(Object::Port);
    let neighbours = neighbours.iter().map(|((port, address), mac)| neighbour(*port, *address, *mac));
    let sas = tunnels.pairs().flat_map(Pair::sas).cloned().map(Object::Sa);
    let policies = tables.policies.keys().copied().chain(tunnels.leaves());
    let policies = policies.filter_map(|id| policy(tables, tunnels, id)).map(Object::Policy);
    let labels =
        tables.labels.iter().map(|(label, action)| Object::Label { label: *label, action: action.clone() });
    let routes =
        tables.routing.all().map(|(vrf, prefix, way)| Object::Route(Route { vrf, prefix, hop: hop(way) }));
    vrfs.chain(ports).chain(neighbours).chain(sas).chain(policies).chain(labels).chain(routes).collect()
}

/// A pair came up, or may receive: its SAs before the policy that sends through them, and that before the
/// policy which `before` sent what is now sent through it.
pub(crate) fn raise(
    plan: &mut Plan,
    tables: &Tables,
    tunnels: &Tunnels,
    child: ChildId,
    before: Option<PolicyId>,
) -> Vec<Op> {
    let Some(pair) = tunnels.pair(child) else { return Vec::new() };
    let mut ops: Vec<_> = pair.sas().cloned().filter_map(|sa| plan.set(Object::Sa(sa))).collect();
    for carrier in [Some(pair.carrier), before].into_iter().flatten() {
        ops.extend(carry(plan, tables, tunnels, carrier));
    }
    ops
}

/// A pair went down: no policy sends through its SAs any more, then they go.
pub(crate) fn lower(plan: &mut Plan, tables: &Tables, tunnels: &Tunnels, pair: &Pair) -> Vec<Op> {
    let ops: Vec<_> = carry(plan, tables, tunnels, pair.carrier).into_iter().collect();
    let keys = [pair.outbound.id, pair.inbound.id].map(Key::Sa);
    ops.into_iter().chain(keys.into_iter().filter_map(|key| plan.unset(key))).collect()
}

/// Brings one policy up to date.
fn carry(plan: &mut Plan, tables: &Tables, tunnels: &Tunnels, carrier: PolicyId) -> Option<Op> {
    match policy(tables, tunnels, carrier) {
        Some(policy) => plan.set(Object::Policy(policy)),
        None => plan.unset(Key::Policy(carrier)),
    }
}

/// The kernel learnt or lost a link address on a port that exists.
pub(crate) fn meet(plan: &mut Plan, port: PortId, address: IpAddr, mac: Option<[u8; 6]>) -> Option<Op> {
    match mac {
        Some(mac) => plan.set(neighbour(port, address, mac)),
        None => plan.unset(Key::Neighbour(port, address)),
    }
}

fn hop(way: &Way) -> Hop {
    match way {
        Way::Local => Hop::Local,
        Way::Discard => Hop::Drop,
        Way::Protect(policy) => Hop::Protect(*policy),
        Way::Out { port, gateway, push } => Hop::Out { port: *port, gateway: *gateway, push: push.clone() },
    }
}

fn neighbour(port: PortId, address: IpAddr, mac: [u8; 6]) -> Object {
    Object::Neighbour(Neighbour { port, address, mac })
}

/// `None` where the policy's port does not exist at the moment, and for a leaf through which nothing is sent.
fn policy(tables: &Tables, tunnels: &Tunnels, id: PolicyId) -> Option<Policy> {
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
