//! What the kernel needs for packets of the box itself: addresses, and in each VRF's table where to send.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use base::{Family, PortId, Prefix, VrfId};
use dataplane::{Address, Link, Port};
use vrf::Source;

use super::link_to_all::Wire;
use crate::routing::{Chosen, Routing, Way};
use crate::tables::Tables;
use crate::{Host, HostPort, HostRoute};

/// The kernel sends by itself only what leaves in clear from the packet's own VRF. All else goes
/// through the VRF's host port to the dataplane, which labels and protects. Routes that the configuration does not name
/// are the dataplane's alone: in a VRF that has any, whatever is not on a link goes through the host port.
pub(crate) fn host(tables: &Tables, routing: &Routing) -> Host {
    let doors = doors(tables);
    let protected = protected(tables);
    // There IKE must reach whoever asks in clear.
    let fronts: BTreeSet<_> = tables.policies.values().map(|policy| policy.front).collect();
    let mut routes: Routes = BTreeMap::new();
    for (vrf, prefix, Chosen { candidate, way }) in routing.named() {
        let is_fixed = candidate.source == Source::Connected || !routing.learns(vrf) || fronts.contains(&vrf);
        let may = is_fixed && !is_within(&protected, vrf, prefix);
        let direct = if may { wire(tables, vrf, way) } else { None };
        let exit = direct.or_else(|| through_dataplane(&doors, vrf, way));
        routes.extend(exit.map(|exit| ((vrf, prefix), exit)));
    }
    let detours =
        protected.iter().filter_map(|(vrf, prefix)| Some(((*vrf, *prefix), (*doors.get(vrf)?, None))));
    routes.extend(detours);
    for (vrf, door) in doors.iter().filter(|(vrf, _)| routing.learns(**vrf)) {
        for family in Family::BOTH {
            routes.entry((*vrf, Prefix::any(family))).or_insert((*door, None));
        }
    }
    let reach = |front, peer| routing.reach(front, peer)?.plain.ok();
    let peers = tables.peers.iter().filter_map(|(front, peer)| {
        let (port, gateway) = wire(tables, *front, reach(*front, *peer)?)?;
        Some(((*front, Prefix::host(*peer)), (port, gateway.filter(|gateway| gateway != peer))))
    });
    // IKE reaches its peers in clear, whatever the access lists say.
    routes.extend(peers);
    let route = |((vrf, prefix), (port, gateway))| HostRoute { vrf, prefix, port, gateway };
    Host {
        backend: tables.backend,
        ports: ports(tables),
        routes: routes.into_iter().map(route).collect(),
        vrfs: tables.names.clone(),
        servers: tables.servers.clone(),
        ..Host::default()
    }
}

type Exit = (PortId, Option<IpAddr>);
type Routes = BTreeMap<(VrfId, Prefix), Exit>;

/// Those of the dataplane, and the devices of interfaces that are shut.
fn ports(tables: &Tables) -> Vec<HostPort> {
    let shut = tables.wires.iter().filter(|(_, wire)| wire.shutdown).map(|(id, wire)| shut(*id, wire));
    let ports = tables.ports.values().filter(|port| is_device(port.link));
    ports.map(|of| port(tables, of, tables.wires.get(&of.id))).chain(shut).collect()
}

fn port(tables: &Tables, port: &Port, wire: Option<&Wire>) -> HostPort {
    let host = port.link == Link::Host;
    let is_own = |address: IpAddr| port.addresses.iter().any(|on| on.address == address);
    let ends = tables.ends.iter().filter(|(front, _)| *front == port.vrf && !host).map(|(_, end)| *end);
    let (own, others): (Vec<_>, Vec<_>) = ends.partition(|end| is_own(*end));
    HostPort {
        port: port.id,
        device: port.device.clone(),
        vrf: port.vrf,
        host,
        mtu: wire.map_or(port.mtu, |wire| wire.mtu),
        addresses: if host { inner(tables, port.vrf) } else { port.addresses.clone() },
        ike: port.crypto || !own.is_empty(),
        ends: others,
        shutdown: false,
    }
}

/// Whether the kernel has a device for it with either backend.
const fn is_device(link: Link) -> bool {
    match link {
        Link::Ethernet { .. } | Link::Vlan { .. } | Link::Host => true,
        Link::Tunnel(_) => false,
    }
}

/// The box's own addresses on interfaces of a VRF that the kernel has no device for.
fn inner(tables: &Tables, vrf: VrfId) -> Vec<Address> {
    tables.inner.get(&vrf).cloned().unwrap_or_default()
}

fn shut(port: PortId, wire: &Wire) -> HostPort {
    HostPort {
        port,
        device: wire.device.clone(),
        vrf: wire.vrf,
        host: false,
        mtu: wire.mtu,
        addresses: Vec::new(),
        ike: false,
        ends: Vec::new(),
        shutdown: true,
    }
}

fn doors(tables: &Tables) -> BTreeMap<VrfId, PortId> {
    let hosts = tables.ports.values().filter(|port| port.link == Link::Host);
    hosts.map(|port| (port.vrf, port.id)).collect()
}

/// What the box itself must not send in clear: the far sides of tunnels whose inside VRF is their front.
fn protected(tables: &Tables) -> BTreeSet<(VrfId, Prefix)> {
    // What goes into a tunnel interface is decided by routes.
    let policies = tables.policies.values().filter(|policy| !tables.tunnels.contains(&policy.id));
    let policies = policies.filter(|policy| policy.inside == policy.front);
    let rules = policies.flat_map(|policy| policy.rules.iter().map(|rule| (policy.inside, rule)));
    rules.filter(|(_, rule)| rule.permit).map(|(vrf, rule)| (vrf, rule.selector.remote)).collect()
}

fn is_within(set: &BTreeSet<(VrfId, Prefix)>, vrf: VrfId, prefix: Prefix) -> bool {
    let wider = (0..=prefix.length()).filter_map(|length| Prefix::new(prefix.address(), length).ok());
    !set.is_empty() && wider.into_iter().any(|wider| set.contains(&(vrf, wider)))
}

/// Where the kernel may send by itself.
fn wire(tables: &Tables, vrf: VrfId, way: Way) -> Option<Exit> {
    let Way::Out { port, gateway, push } = way else { return None };
    let own = tables.ports.get(&port).is_some_and(|port| port.vrf == vrf && is_device(port.link));
    (own && push.is_empty()).then_some((port, gateway))
}

/// The box's own addresses are no route: the kernel knows them.
fn through_dataplane(doors: &BTreeMap<VrfId, PortId>, vrf: VrfId, way: Way) -> Option<Exit> {
    if way == Way::Local { None } else { doors.get(&vrf).map(|door| (*door, None)) }
}
