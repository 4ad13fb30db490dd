//! A packet goes into a GRE tunnel: a GRE header, and an IP header in the front VRF (RFC 2784, RFC 2890, RFC 4023,
//! RFC 6040).

use dataplane::{Gre, Port};
use wire::{ethernet, gre, mpls};

use crate::graph::{Next, Walk};
use crate::header::{Header, Outer};
use crate::{Drop, Frame, Origin};

const TTL: u8 = 255;

/// What a tunnel costs of the stages that a packet may pass: each may cut it in two, so that a route into itself must end
/// before there are many pieces.
const STEPS: u8 = 12;

pub(crate) fn run<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame, port: &Port, tunnel: &Gre) -> Next<'t> {
    let Some((protocol, tos)) = inner(frame) else { return Drop::Malformed.into() };
    walk.state.count_out(port.id, frame.len());
    let header = gre::Header { protocol, key: tunnel.key };
    let mut bytes = [0; gre::LONGEST];
    let Some(room) = bytes.get_mut(..header.length()) else { return Drop::TooBig.into() };
    if header.emit(room).is_err() || !frame.prepend(room) {
        return Drop::TooBig.into();
    }
    let (src, dst, ident) = (tunnel.local, tunnel.remote, walk.state.ident());
    let outer = Outer { src, dst, protocol: gre::PROTOCOL, tos, df: false, ttl: TTL, ident };
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
