//! Tables and tunnels become the plan; the only writer of `Hop`s and `Op`s.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base::{PolicyId, PortId, VrfId};
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
    // Before the first configuration there is not even a global table.
    let global = tables.vrfs.get(&VrfId::GLOBAL).map(|id| Vrf { id: *id, name: None, ttl: tables.ttl });
    let named = |(name, id): (&String, &VrfId)| Vrf { id: *id, name: Some(name.clone()), ttl: tables.ttl };
    let vrfs = tables.names.iter().map(named).chain(global).map(Object::Vrf);
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
pub(crate) fn closing(tables: &Tables, tunnels: &Tunnels) -> Vec<Op> {
    let is_plain = |vrf: VrfId, way: &Way| match way {
        Way::Out { port, .. } => tables.ports.get(port).is_some_and(|port| !port.crypto || port.vrf == vrf),
        Way::Protect(_) | Way::Discard | Way::Local => false,
    };
    let routes = tables.routing.all().filter(|(vrf, _, way)| is_plain(*vrf, way));
    let routes = routes.map(|(vrf, prefix, _)| Key::Route(vrf, prefix));
    let labels = tables.labels.keys().copied().map(Key::Label);
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
