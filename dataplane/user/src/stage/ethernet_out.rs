//! The Ethernet header goes on; the packet is ready for its port.

use dataplane::{Link, Port};
use wire::ethernet::{self, Header, Mac};

use crate::graph::Next;
use crate::{Drop, Frame};

pub(crate) fn run<'t>(frame: &mut Frame, port: &'t Port, dst: Mac) -> Next<'t> {
    let Link::Ethernet { mac: src } = port.link else { return Next::Send(port) };
    let ethertype = match frame.bytes().first().map(|first| first >> 4) {
        _ if frame.labelled => ethernet::MPLS,
        Some(6) => ethernet::IPV6,
        _ => ethernet::IPV4,
    };
    if frame.prepend(&Header { dst, src, ethertype }.to_bytes()) {
        Next::Send(port)
    } else {
        Drop::Malformed.into()
    }
}
