//! The Ethernet header goes on; the packet is ready for its port.

use dataplane::{Link, Port};
use wire::ethernet::Mac;

use crate::graph::{Next, Walk};
use crate::stage::vlan;
use crate::{Drop, Frame};

pub(crate) fn run<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame, port: &'t Port, dst: Mac) -> Next<'t> {
    let src = match port.link {
        Link::Ethernet { mac } | Link::Vlan { mac, .. } => mac,
        Link::Tunnel(_) | Link::Host => return Next::Send(port),
    };
    let header = vlan::header(frame, dst, src).to_bytes();
    if !frame.prepend(&header) {
        return Drop::Malformed.into();
    }
    match port.link {
        Link::Vlan { parent, id, .. } => vlan::to_wire(walk, frame, port, parent, id),
        Link::Ethernet { .. } | Link::Tunnel(_) | Link::Host => Next::Send(port),
    }
}
