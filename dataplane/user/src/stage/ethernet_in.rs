//! A frame from a port: whose is it, and what is in it.

use dataplane::Link;
use wire::ethernet::{self, Header};

use crate::graph::{Next, Walk};
use crate::{Drop, Frame, Origin};

pub(crate) fn run<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame) -> Next<'t> {
    let Some(port) = walk.tables.port(frame.port) else { return Drop::UnknownPort.into() };
    frame.vrf = port.vrf;
    match port.link {
        Link::Host => {
            frame.origin = Origin::Own;
            Next::IpInput
        }
        Link::Ethernet { mac } => ethernet(frame, mac),
    }
}

/// Groups and what is neither IP nor MPLS are the kernel's: ARP, neighbour discovery, hellos.
fn ethernet<'t>(frame: &mut Frame, mac: ethernet::Mac) -> Next<'t> {
    let Ok((header, _)) = Header::parse(frame.bytes()) else { return Drop::Malformed.into() };
    if ethernet::is_group(header.dst) {
        return Next::Kernel;
    }
    if header.dst != mac {
        return Drop::NotOurs.into();
    }
    frame.origin = Origin::Wire;
    frame.strip(ethernet::HEADER);
    match header.ethertype {
        ethernet::IPV4 | ethernet::IPV6 => Next::IpInput,
        ethernet::MPLS => Next::MplsInput,
        _ => Next::Kernel,
    }
}
