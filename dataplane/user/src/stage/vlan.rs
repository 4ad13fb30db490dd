//! VLANs (IEEE 802.1Q): which port a tag belongs to, and the kernel's part of a VLAN, which reaches it by a device of the
//! port's own, without tags.

use base::PortId;
use dataplane::{Link, Port};
use wire::ethernet::{self, Header, Mac};

use crate::graph::{Next, Walk};
use crate::stage::ethernet_in;
use crate::{Drop, Frame};

/// Of a tag: where in the VLAN's own traffic it stands, and which VLAN that is.
const ID: u16 = 0x0FFF;

/// A frame with a tag, from the wire of `port`. Tag zero is a mere priority.
pub(super) fn tagged<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame, port: &'t Port) -> Next<'t> {
    let tag = frame.bytes().get(ethernet::HEADER - 2..).and_then(|rest| rest.first_chunk());
    let Some([t0, t1, c0, c1]) = tag.copied() else { return Drop::Malformed.into() };
    let id = u16::from_be_bytes([c0, c1]) & ID;
    let known = u16::from_be_bytes([t0, t1]) == ethernet::VLAN;
    let Link::Ethernet { mac } = port.link else { return Drop::UnknownVlan.into() };
    if !known || !frame.untag() || is_tagged(frame) {
        return Drop::UnknownVlan.into();
    }
    if id == 0 {
        return ethernet_in::ethernet(walk, frame, port, mac);
    }
    let Some(port) = walk.tables.vlan(port.id, id) else { return Drop::UnknownVlan.into() };
    walk.state.count_in(port.id, frame.len());
    frame.port = port.id;
    match port.link {
        Link::Vlan { mac, .. } => ethernet_in::ethernet(walk, frame, port, mac),
        Link::Ethernet { .. } | Link::Tunnel(_) | Link::Host => Drop::UnknownVlan.into(),
    }
}

/// One tag in another is nobody's here.
fn is_tagged(frame: &Frame) -> bool {
    Header::parse(frame.bytes())
        .is_ok_and(|(header, _)| matches!(header.ethertype, ethernet::VLAN | ethernet::PROVIDER_VLAN))
}

/// What of a port's frames is the kernel's: on a wire it has seen them, in a VLAN it has not.
pub(super) const fn to_kernel(port: &Port) -> Next<'_> {
    match port.link {
        Link::Vlan { .. } => Next::Send(port),
        Link::Ethernet { .. } | Link::Tunnel(_) | Link::Host => Next::Kernel,
    }
}

/// A packet that came plain by the frame's port, and is the kernel's.
pub(crate) fn kernel<'t>(walk: &Walk<'t, '_>, frame: &mut Frame) -> Next<'t> {
    let Some(port) = walk.tables.port(frame.port) else { return Drop::UnknownPort.into() };
    let Link::Vlan { mac, .. } = port.link else { return Next::Held };
    // Who sent it is of no interest above this layer.
    let header = header(frame, mac, mac).to_bytes();
    if frame.prepend(&header) { Next::Send(port) } else { Drop::Malformed.into() }
}

/// Ethernet in front of a packet.
pub(super) fn header(frame: &Frame, dst: Mac, src: Mac) -> Header {
    let ethertype = match frame.bytes().first().map(|first| first >> 4) {
        _ if frame.labelled => ethernet::MPLS,
        Some(6) => ethernet::IPV6,
        _ => ethernet::IPV4,
    };
    Header { dst, src, ethertype }
}

/// A frame of the kernel's goes to the wire.
pub(super) fn from_kernel<'t>(
    walk: &mut Walk<'t, '_>,
    frame: &mut Frame,
    port: &Port,
    parent: PortId,
    id: u16,
) -> Next<'t> {
    if frame.len() < ethernet::HEADER {
        return Drop::Malformed.into();
    }
    to_wire(walk, frame, port, parent, id)
}

/// A frame of the VLAN leaves by its parent's wire.
pub(super) fn to_wire<'t>(
    walk: &mut Walk<'t, '_>,
    frame: &mut Frame,
    port: &Port,
    parent: PortId,
    id: u16,
) -> Next<'t> {
    let Some(parent) = walk.tables.port(parent) else { return Drop::UnknownPort.into() };
    let ([t0, t1], [c0, c1]) = (ethernet::VLAN.to_be_bytes(), (id & ID).to_be_bytes());
    walk.state.count_out(port.id, frame.len());
    if frame.tag([t0, t1, c0, c1]) { Next::Send(parent) } else { Drop::Malformed.into() }
}
