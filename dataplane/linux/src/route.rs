//! Routes of the kernel: into a VRF's table, out of a device, under a label stack.
#![allow(clippy::wildcard_enum_match_arm, reason = "the kernel has more attributes than anybody lists")]

use std::net::{IpAddr, Ipv4Addr};

use base::{Family, Label, Prefix, VrfId};
use dataplane::{Hop, Port, Route, TtlModel};
use netlink_packet_route::route::{
    MplsLabel, RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteLwEnCapType, RouteLwTunnelEncap,
    RouteMessage, RouteMplsIpTunnel, RouteProtocol, RouteScope, RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::ground::{Carrier, Ground, Link, Place};
use crate::request::{CREATE, REPLACE, Request};
use crate::thing::{Key, Name, PROTOCOL, Thing, Unable};

/// The priority of our routes, between the kernel's own and those of routing daemons: a route of equal prefix and
/// priority would take the place of theirs.
const METRIC: u32 = 11;
/// Behind every route that anybody sets.
const LAST: u32 = 0xFF00_2000;
/// Below the scopes that mean something.
const SCOPES: u32 = 200;

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// For this box, as if the address stood on the device.
    Local(Name),
    Blackhole,
    Out(Box<Out>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Out {
    pub(crate) device: Name,
    /// `None`: the destination itself, or whatever a VRF device or tunnel makes of the packet.
    pub(crate) gateway: Option<IpAddr>,
    /// Outermost first.
    pub(crate) push: Box<[Label]>,
    /// Where the outermost label has its TTL from; uniform where there is none.
    pub(crate) ttl: TtlModel,
}

impl Way {
    /// The device that takes the route with it when it goes down, and in IPv4 says nothing about it.
    pub(crate) fn device(&self) -> Option<&Name> {
        match self {
            Self::Local(device) => Some(device),
            Self::Blackhole => None,
            Self::Out(out) => Some(&out.device),
        }
    }

    fn into(device: &Name) -> Self {
        let push = Box::default();
        Self::Out(Box::new(Out { device: device.clone(), gateway: None, push, ttl: TtlModel::Uniform }))
    }
}

/// What a route is in the kernel: nothing where the kernel has it by itself.
pub(crate) fn things(route: &Route, ground: &Ground) -> Result<Vec<(Key, Thing)>, Unable> {
    let Route { vrf, prefix, hop } = route;
    let place = place(*vrf, ground)?;
    if is_the_kernels(*vrf, *prefix, hop, ground) {
        return Ok(Vec::new());
    }
    let way = way(*vrf, *prefix, hop, ground)?;
    let ends = enters_tunnel(*vrf, hop, ground) && prefix.length() > 0;
    let end = ends.then_some((Key::End(place.table, *prefix), Thing::End));
    Ok(end.into_iter().chain([(Key::route(place.table, *prefix), Thing::Route(way))]).collect())
}

/// What stands at the end of a VRF's tables, so that nothing of it is looked up in the global table.
pub(crate) fn end(table: u32) -> [(Key, Thing); 2] {
    Family::BOTH.map(|family| (Key::End(table, Prefix::any(family)), Thing::End))
}

pub(crate) fn set(table: u32, prefix: Prefix, way: &Way, ground: &Ground) -> Result<Vec<Request>, Unable> {
    let message = encode(table, prefix, way, ground)?;
    Ok(vec![Request::route(&RouteNetlinkMessage::NewRoute(message), CREATE | REPLACE)])
}

/// By table, prefix, protocol and metric; whatever the way is.
pub(crate) fn unset(table: u32, prefix: Prefix, _: &Way) -> Result<Vec<Request>, Unable> {
    let mut message = blank(table, prefix, METRIC);
    message.header.scope = RouteScope::NoWhere;
    Ok(vec![Request::route(&RouteNetlinkMessage::DelRoute(message), 0)])
}

/// Behind a VRF's table its sender is told; behind a route into a tunnel, which goes with its device, nobody.
pub(crate) fn set_end(table: u32, prefix: Prefix) -> Result<Vec<Request>, Unable> {
    let mut message = blank(table, prefix, LAST);
    message.header.kind = if prefix.length() == 0 { RouteType::Unreachable } else { RouteType::BlackHole };
    Ok(vec![Request::route(&RouteNetlinkMessage::NewRoute(message), CREATE | REPLACE)])
}

pub(crate) fn unset_end(table: u32, prefix: Prefix) -> Result<Vec<Request>, Unable> {
    let mut message = blank(table, prefix, LAST);
    message.header.scope = RouteScope::NoWhere;
    Ok(vec![Request::route(&RouteNetlinkMessage::DelRoute(message), 0)])
}

/// Ours only.
pub(crate) fn read(message: &RouteMessage, ground: &Ground) -> Option<(Key, Thing)> {
    let header = &message.header;
    if header.protocol != RouteProtocol::Other(PROTOCOL) || header.flags.contains(RouteFlags::Cloned) {
        return None;
    }
    let seen = Seen::of(message, ground);
    let table = seen.table.unwrap_or_else(|| u32::from(header.table));
    let any = Prefix::any(family_of(header.address_family)?).address();
    let prefix = Prefix::new(seen.destination.unwrap_or(any), header.destination_prefix_length).ok()?;
    match (seen.metric, header.kind) {
        (LAST, RouteType::Unreachable | RouteType::BlackHole) => Some((Key::End(table, prefix), Thing::End)),
        (METRIC, kind) => Some((Key::route(table, prefix), Thing::Route(seen.way(kind)?))),
        _ => None,
    }
}

/// The device of `out` if it is there and up: a route by one that is down is refused.
pub(crate) fn up<'g>(device: &Name, ground: &'g Ground) -> Result<&'g Link, Unable> {
    let link = ground.links.get(device).filter(|link| link.enabled);
    link.ok_or_else(|| Unable::Wait(device.clone()))
}

pub(crate) fn place(vrf: VrfId, ground: &Ground) -> Result<&Place, Unable> {
    ground.vrfs.get(&vrf).ok_or_else(|| Unable::Never(format!("VRF {} is not there", vrf.0)))
}

/// The stack as the kernel wants it: the last label is the bottom.
pub(crate) fn stack(labels: &[Label]) -> Vec<MplsLabel> {
    let bottom = labels.len().saturating_sub(1);
    let entry = |(at, label): (usize, &Label)| MplsLabel {
        label: label.value(),
        traffic_class: 0,
        bottom_of_stack: at == bottom,
        ttl: 0,
    };
    labels.iter().enumerate().map(entry).collect()
}

pub(crate) fn labels(stack: &[MplsLabel]) -> Box<[Label]> {
    stack.iter().filter_map(|entry| Label::new(entry.label)).collect()
}

/// Implicit null never goes on the wire (RFC 3032 section 2.1).
pub(crate) fn on_the_wire(push: &[Label]) -> Box<[Label]> {
    push.iter().copied().filter(|label| *label != Label::IMPLICIT_NULL).collect()
}

/// The kernel has a local route for each of its own addresses and a connected one for each link.
fn is_the_kernels(vrf: VrfId, prefix: Prefix, hop: &Hop, ground: &Ground) -> bool {
    let mut ports = ground.ports.values().filter(|port| port.vrf == vrf);
    match hop {
        Hop::Local => ports.any(|port| port.addresses.iter().any(|own| Prefix::host(own.address) == prefix)),
        Hop::Out { port, gateway: None, push } if push.is_empty() => ports
            .filter(|own| own.id == *port)
            .any(|port| port.addresses.iter().any(|own| Prefix::new(own.address, own.length) == Ok(prefix))),
        Hop::Out { .. } | Hop::Drop | Hop::Protect(_) | Hop::Lookup(_) => false,
    }
}

fn way(vrf: VrfId, prefix: Prefix, hop: &Hop, ground: &Ground) -> Result<Way, Unable> {
    match hop {
        Hop::Local => {
            let device = place(vrf, ground)?.device.clone().unwrap_or_else(|| Name::from("lo"));
            Ok(Way::Local(device))
        }
        Hop::Drop => Ok(Way::Blackhole),
        Hop::Protect(policy) => Ok(tunnel(Carrier::Interface(*policy), ground)),
        Hop::Lookup(other) => match &place(*other, ground)?.device {
            Some(device) => Ok(Way::into(device)),
            None => Err(Unable::Never("a route of a VRF cannot lead into the global table".to_owned())),
        },
        Hop::Out { port, gateway, push } => {
            let Some(port) = ground.ports.get(port) else {
                return Err(Unable::Never(format!("port {} of the route to {prefix} is not there", port.0)));
            };
            out(vrf, prefix, port, *gateway, on_the_wire(push), ground)
        }
    }
}

/// Nothing of another VRF leaves a port with a crypto map in clear; labels keep a packet in its VPN.
fn out(
    vrf: VrfId,
    prefix: Prefix,
    port: &Port,
    gateway: Option<IpAddr>,
    push: Box<[Label]>,
    ground: &Ground,
) -> Result<Way, Unable> {
    if guarded(vrf, port) && push.is_empty() {
        return Ok(tunnel(Carrier::Map { port: port.id, inside: vrf }, ground));
    }
    if push.is_empty() && prefix.address().is_ipv6() && gateway.is_some_and(|gateway| gateway.is_ipv4()) {
        return Err(Unable::Never(format!("{prefix}: IPv6 without labels cannot go by an IPv4 next hop")));
    }
    let ttl = if push.is_empty() { TtlModel::Uniform } else { place(vrf, ground)?.ttl };
    Ok(Way::Out(Box::new(Out { device: Name::from(port.device.as_str()), gateway, push, ttl })))
}

/// Whether nothing of this VRF may leave by the port in clear.
fn guarded(vrf: VrfId, port: &Port) -> bool {
    port.crypto && port.vrf != vrf
}

fn enters_tunnel(vrf: VrfId, hop: &Hop, ground: &Ground) -> bool {
    match hop {
        Hop::Protect(_) => true,
        Hop::Out { port, push, .. } => {
            ground.ports.get(port).is_some_and(|port| guarded(vrf, port)) && on_the_wire(push).is_empty()
        }
        Hop::Local | Hop::Drop | Hop::Lookup(_) => false,
    }
}

/// Where no policy is, nothing may leave.
fn tunnel(carrier: Carrier, ground: &Ground) -> Way {
    ground.tunnels.get(&carrier).map_or(Way::Blackhole, |tunnel| Way::into(&tunnel.device))
}

fn blank(table: u32, prefix: Prefix, metric: u32) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: match prefix.address() {
            IpAddr::V4(_) => AddressFamily::Inet,
            IpAddr::V6(_) => AddressFamily::Inet6,
        },
        destination_prefix_length: prefix.length(),
        protocol: RouteProtocol::Other(PROTOCOL),
        ..RouteHeader::default()
    };
    let destination = RouteAttribute::Destination(prefix.address().into());
    message.attributes.extend((prefix.length() > 0).then_some(destination));
    message.attributes.extend([RouteAttribute::Table(table), RouteAttribute::Priority(metric)]);
    message
}

fn encode(table: u32, prefix: Prefix, way: &Way, ground: &Ground) -> Result<RouteMessage, Unable> {
    let mut message = blank(table, prefix, METRIC);
    message.header.kind = match way {
        Way::Local(_) => RouteType::Local,
        Way::Blackhole => RouteType::BlackHole,
        Way::Out(_) => RouteType::Unicast,
    };
    message.header.scope = match way {
        Way::Local(_) => RouteScope::Host,
        Way::Out(out) if out.gateway.is_none() => RouteScope::Link,
        Way::Out(out) => scope(&out.push),
        Way::Blackhole => RouteScope::Universe,
    };
    if let Some(device) = way.device() {
        message.attributes.push(RouteAttribute::Oif(up(device, ground)?.index));
    }
    if let Way::Out(out) = way {
        next_hop(&mut message, prefix, out);
    }
    Ok(message)
}

/// The kernel compares a new IPv4 next hop with every other of the same device, metric and scope: one by one, a hundred
/// thousand label stacks would take minutes. Beyond its own next hop, which is on the link, a scope means nothing.
fn scope(push: &[Label]) -> RouteScope {
    let sum = push.iter().fold(0, |sum: u32, label| sum.wrapping_mul(31).wrapping_add(label.value()));
    RouteScope::from(u8::try_from(sum % SCOPES).unwrap_or(0))
}

fn next_hop(message: &mut RouteMessage, prefix: Prefix, out: &Out) {
    if let Some(gateway) = out.gateway {
        message.header.flags |= RouteFlags::Onlink;
        message.attributes.push(match (prefix.address(), gateway) {
            (IpAddr::V4(_), IpAddr::V6(_)) => RouteAttribute::Via(RouteVia::from(gateway)),
            // How the kernel spells an IPv4 next hop of a labelled IPv6 packet (RFC 4798).
            (IpAddr::V6(_), IpAddr::V4(v4)) => RouteAttribute::Gateway(v4.to_ipv6_mapped().into()),
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
                RouteAttribute::Gateway(gateway.into())
            }
        });
    }
    if !out.push.is_empty() {
        let encap = [
            RouteMplsIpTunnel::Destination(stack(&out.push)),
            RouteMplsIpTunnel::Ttl(match out.ttl {
                TtlModel::Uniform => 0,
                TtlModel::Pipe => u8::MAX,
            }),
        ];
        message.attributes.extend([
            RouteAttribute::EncapType(RouteLwEnCapType::Mpls),
            RouteAttribute::Encap(encap.map(RouteLwTunnelEncap::Mpls).into()),
        ]);
    }
}

fn family_of(family: AddressFamily) -> Option<Family> {
    if family == AddressFamily::Inet {
        Some(Family::V4)
    } else {
        (family == AddressFamily::Inet6).then_some(Family::V6)
    }
}

/// The attributes of a route of ours.
#[derive(Default)]
struct Seen {
    destination: Option<IpAddr>,
    table: Option<u32>,
    metric: u32,
    device: Option<Name>,
    gateway: Option<IpAddr>,
    push: Box<[Label]>,
    ttl: TtlModel,
}

impl Seen {
    fn of(message: &RouteMessage, ground: &Ground) -> Self {
        let mut seen = Self::default();
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Destination(destination) => seen.destination = address(destination),
                RouteAttribute::Table(table) => seen.table = Some(*table),
                RouteAttribute::Priority(metric) => seen.metric = *metric,
                RouteAttribute::Oif(index) => seen.device = ground.device(*index).cloned(),
                RouteAttribute::Gateway(gateway) => seen.gateway = address(gateway).map(unmapped),
                RouteAttribute::Via(via) => seen.gateway = hop(via),
                RouteAttribute::Encap(encap) => seen.encap(encap),
                _ => {}
            }
        }
        seen
    }

    fn encap(&mut self, encap: &[RouteLwTunnelEncap]) {
        for attribute in encap {
            match attribute {
                RouteLwTunnelEncap::Mpls(RouteMplsIpTunnel::Destination(stack)) => self.push = labels(stack),
                RouteLwTunnelEncap::Mpls(RouteMplsIpTunnel::Ttl(ttl)) if *ttl > 0 => {
                    self.ttl = TtlModel::Pipe
                }
                _ => {}
            }
        }
    }

    fn way(self, kind: RouteType) -> Option<Way> {
        let Self { device, gateway, push, ttl, .. } = self;
        if kind == RouteType::BlackHole {
            return Some(Way::Blackhole);
        }
        let device = device?;
        if kind == RouteType::Local {
            return Some(Way::Local(device));
        }
        (kind == RouteType::Unicast).then(|| Way::Out(Box::new(Out { device, gateway, push, ttl })))
    }
}

pub(crate) fn hop(via: &RouteVia) -> Option<IpAddr> {
    if let RouteVia::Inet(v4) = via {
        return Some((*v4).into());
    }
    if let RouteVia::Inet6(v6) = via { Some((*v6).into()) } else { None }
}

fn address(address: &RouteAddress) -> Option<IpAddr> {
    if let RouteAddress::Inet(v4) = address {
        return Some((*v4).into());
    }
    if let RouteAddress::Inet6(v6) = address { Some((*v6).into()) } else { None }
}

fn unmapped(gateway: IpAddr) -> IpAddr {
    let mapped = |v6: std::net::Ipv6Addr| v6.to_ipv4_mapped().map(Ipv4Addr::into);
    match gateway {
        IpAddr::V6(v6) => mapped(v6).unwrap_or(gateway),
        IpAddr::V4(_) => gateway,
    }
}

#[cfg(test)]
mod tests;
