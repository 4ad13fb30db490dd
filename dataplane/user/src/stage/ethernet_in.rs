//! A frame from a port: whose is it, and what is in it.

use dataplane::{Link, Port};
use wire::ethernet::{self, Header, Mac};

use crate::graph::{Next, Walk};
use crate::stage::vlan;
use crate::{Drop, Frame, Origin};

pub(crate) fn run<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame) -> Next<'t> {
    let Some(port) = walk.tables.port(frame.port) else { return Drop::UnknownPort.into() };
    match port.link {
        Link::Host => {
            walk.state.count_in(port.id, frame.len());
            (frame.vrf, frame.origin) = (port.vrf, Origin::Own);
            Next::IpInput
        }
        Link::Ethernet { mac } => {
            walk.state.count_in(port.id, frame.len());
            ethernet(walk, frame, port, mac)
        }
        Link::Vlan { parent, id, .. } => vlan::from_kernel(walk, frame, port, parent, id),
        Link::Tunnel(_) => Drop::UnknownPort.into(),
    }
}

/// Groups and what is neither IP nor MPLS are the kernel's: ARP, neighbour discovery, hellos.
pub(super) fn ethernet<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame, port: &'t Port, mac: Mac) -> Next<'t> {
    let Ok((header, _)) = Header::parse(frame.bytes()) else { return Drop::Malformed.into() };
    (frame.vrf, frame.origin) = (port.vrf, Origin::Wire);
    match header.ethertype {
        ethernet::VLAN | ethernet::PROVIDER_VLAN => return vlan::tagged(walk, frame, port),
        _ if ethernet::is_group(header.dst) => return vlan::to_kernel(port),
        _ if header.dst != mac => return Drop::NotOurs.into(),
        ethernet::IPV4 | ethernet::IPV6 | ethernet::MPLS => {}
        _ => return vlan::to_kernel(port),
    }
    frame.strip(ethernet::HEADER);
    if header.ethertype == ethernet::MPLS { Next::MplsInput } else { Next::IpInput }
}
