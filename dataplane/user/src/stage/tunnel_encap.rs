//! A packet goes into a tunnel without protection: a GRE or UDP header, and an IP header in the front VRF (RFC 2784,
//! RFC 2890, RFC 4023, RFC 6040, RFC 7510).

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use dataplane::{Encapsulation, Port, Tunnel};
use wire::ip::{Flow, Packet};
use wire::{ethernet, gre, mpls, udp};

use crate::graph::{Next, Walk};
use crate::header::{Header, Outer, put_udp};
use crate::{Drop, Frame, Origin};

const TTL: u8 = 255;

/// What a tunnel costs of the stages that a packet may pass: each may cut it in two, so that a route into itself must end
/// before there are many pieces.
const STEPS: u8 = 12;

/// The ports that flows leave from, 49152 to 65535, have these bits in common (RFC 7510 section 3).
const DYNAMIC: u16 = 0xC000;

/// Labels looked at for the flow.
const DEPTH: usize = 8;

pub(crate) fn run<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame, port: &Port, tunnel: &Tunnel) -> Next<'t> {
    let Some((ethertype, tos)) = inner(frame) else { return Drop::Malformed.into() };
    if tunnel.encapsulation == Encapsulation::MplsUdp && ethertype != ethernet::MPLS {
        return Drop::Unlabelled.into();
    }
    walk.state.count_out(port.id, frame.len());
    let Some(protocol) = encapsulate(frame, tunnel, ethertype) else { return Drop::TooBig.into() };
    let (src, dst, ident) = (tunnel.local, tunnel.remote, walk.state.ident());
    let outer = Outer { src, dst, protocol, tos, df: false, ttl: TTL, ident };
    if outer.put(frame).is_none() {
        return Drop::TooBig.into();
    }
    frame.steps = frame.steps.saturating_add(STEPS);
    (frame.vrf, frame.origin, frame.labelled) = (tunnel.front, Origin::Wrapped, false);
    Next::IpLookup
}

/// The ethertype of what goes in, and the class that its outer header shows.
fn inner(frame: &Frame) -> Option<(u16, u8)> {
    if frame.labelled {
        let (top, _) = mpls::Entry::parse(frame.bytes()).ok()?;
        return Some((ethernet::MPLS, top.tc << 5));
    }
    let header = Header::of(frame.bytes())?;
    Some((if header.dst.is_ipv4() { ethernet::IPV4 } else { ethernet::IPV6 }, header.tos))
}

/// The protocol that the outer header leads to; `None` if there is no room.
fn encapsulate(frame: &mut Frame, tunnel: &Tunnel, ethertype: u16) -> Option<u8> {
    match tunnel.encapsulation {
        Encapsulation::Gre(key) => {
            let header = gre::Header { protocol: ethertype, key };
            let mut bytes = [0; gre::LONGEST];
            let room = bytes.get_mut(..header.length())?;
            header.emit(room).ok()?;
            frame.prepend(room).then_some(gre::PROTOCOL)
        }
        Encapsulation::MplsUdp => {
            let src = (tunnel.local, entropy(frame.bytes())).into();
            put_udp(frame, src, (tunnel.remote, Encapsulation::UDP_PORT).into())?;
            Some(udp::PROTOCOL)
        }
    }
}

/// The source port: the same for all packets of a flow, fragments included, for routers on the way look no deeper.
fn entropy(mut stack: &[u8]) -> u16 {
    let mut flow = DefaultHasher::new();
    for _ in 0..DEPTH {
        let Ok((entry, behind)) = mpls::Entry::parse(stack) else { break };
        entry.label.hash(&mut flow);
        stack = behind;
        if entry.bottom {
            inner_flow(stack).hash(&mut flow);
            break;
        }
    }
    let [.., high, low] = flow.finish().to_be_bytes();
    DYNAMIC | u16::from_be_bytes([high, low])
}

/// Fragments after the first have no ports, so none of them is asked for any.
fn inner_flow(bytes: &[u8]) -> Option<Flow> {
    let packet = Packet::new_checked(bytes).ok()?;
    let flow = packet.flow().ok()?;
    Some(if packet.fragment.is_some() { Flow { src_port: 0, dst_port: 0, ..flow } } else { flow })
}
