//! An IP packet that came to us in some VRF: is it sound, is it for us, may it pass (RFC 1812 section 5.2).

use std::net::IpAddr;

use base::{Family, Spi};
use dataplane::Encapsulation;
use ipsec::Flow;
use wire::ip::{self, Packet};
use wire::{Malformed, checksum, esp, gre, ipv4, udp};

use crate::graph::{Next, Trouble, Walk};
use crate::header::age;
use crate::{Drop, Frame, Origin};

/// Compiled once for each family: nothing in it asks again which one it is.
pub(crate) fn run<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame) -> Next<'t> {
    match ip::family(frame.bytes()) {
        Ok(Family::V4) => input(walk, frame, |bytes| Packet::v4(bytes)),
        Ok(Family::V6) => input(walk, frame, |bytes| Packet::v6(bytes)),
        Err(_) => Drop::Malformed.into(),
    }
}

#[inline(always)]
fn input<'t>(
    walk: &mut Walk<'t, '_>,
    frame: &mut Frame,
    parse: impl Fn(&[u8]) -> Result<Packet<'_>, Malformed>,
) -> Next<'t> {
    let Ok(packet) = parse(frame.bytes()) else { return Drop::Malformed.into() };
    if !is_intact(&packet) {
        return Drop::Checksum.into();
    }
    if let Some(drop) = misled(&packet) {
        return drop.into();
    }
    let (length, ttl) = (packet.bytes.len(), packet.ttl);
    if is_martian(packet.src) {
        return Drop::Martian.into();
    }
    if is_link_scoped(packet.dst) || is_link_scoped(packet.src) {
        return if frame.origin == Origin::Wire { Next::Kernel } else { Drop::Multicast.into() };
    }
    let Some(vrf) = walk.tables.vrf(frame.vrf) else { return Drop::UnknownVrf.into() };
    if frame.origin != Origin::Own && vrf.is_local(packet.src) {
        return Drop::Martian.into();
    }
    let next = if vrf.is_local(packet.dst) {
        for_us(&packet, frame.origin)
    } else if let Some(drop) = forbidden(walk, frame, &packet) {
        drop.into()
    } else if frame.origin == Origin::Own {
        Next::IpLookup
    } else {
        frame.truncate(length);
        return through(frame, ttl);
    };
    frame.truncate(length);
    next
}

/// One hop less, and on.
fn through<'t>(frame: &mut Frame, ttl: u8) -> Next<'t> {
    if ttl <= 1 {
        return Next::Icmp(Trouble::TTL);
    }
    match age(frame.bytes_mut()) {
        Some(()) => Next::IpLookup,
        None => Drop::Malformed.into(),
    }
}

#[inline(always)]
fn is_intact(packet: &Packet<'_>) -> bool {
    let Some((header, rest)) = packet.bytes.split_first_chunk::<{ ipv4::HEADER }>() else { return false };
    let options = rest.get(..packet.header_len.saturating_sub(ipv4::HEADER)).unwrap_or_default();
    packet.family() == Family::V6 || checksum::Sum::ZERO.with(header).with(options).is_intact()
}

/// A route of the sender's choice could lead around every policy (RFC 7126 sections 4.3 and 4.4).
#[inline(always)]
fn misled(packet: &Packet<'_>) -> Option<Drop> {
    if packet.family() == Family::V6 || packet.header_len <= ipv4::HEADER {
        return None;
    }
    match ipv4::Packet::new_checked(packet.bytes).and_then(|view| view.is_source_routed()) {
        Ok(routed) => routed.then_some(Drop::SourceRouted),
        Err(_) => Some(Drop::Malformed),
    }
}

/// Addresses that no packet comes from (RFC 1812 section 5.3.7, RFC 4291 section 2.7).
#[inline(always)]
fn is_martian(src: IpAddr) -> bool {
    match src {
        IpAddr::V4(v4) => v4.octets()[0] == 0 || v4.is_loopback() || v4.octets()[0] >= 224,
        IpAddr::V6(v6) => v6.is_unspecified() || v6.is_loopback() || v6.is_multicast(),
    }
}

/// Addresses that mean something on one link alone.
#[inline(always)]
fn is_link_scoped(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast() || v4.is_loopback(),
        IpAddr::V6(v6) => v6.is_multicast() || v6.is_unicast_link_local() || v6.is_loopback(),
    }
}

/// ESP is opened here, also out of UDP, and so are GRE and MPLS in UDP; the rest is the box's own. Fragments of either
/// are joined first.
fn for_us<'t>(packet: &Packet<'_>, origin: Origin) -> Next<'t> {
    match packet.protocol {
        esp::PROTOCOL | udp::PROTOCOL | gre::PROTOCOL if origin == Origin::Own => Next::Local,
        esp::PROTOCOL | udp::PROTOCOL | gre::PROTOCOL if packet.fragment.is_some() => Next::Reassemble,
        gre::PROTOCOL => Next::TunnelDecap,
        udp::PROTOCOL if carries_labels(packet) => Next::TunnelDecap,
        esp::PROTOCOL => spi(packet.payload()).map_or(Next::Drop(Drop::EspMalformed), Next::EspDecap),
        udp::PROTOCOL => carried_esp(packet).and_then(spi).map_or(Next::Local, Next::EspDecap),
        _ => Next::Local,
    }
}

fn spi(sealed: &[u8]) -> Option<Spi> {
    sealed.first_chunk().map(|spi| Spi(u32::from_be_bytes(*spi)))
}

/// Whether it is MPLS in UDP, should there be such a tunnel.
fn carries_labels(packet: &Packet<'_>) -> bool {
    packet.payload().get(2..4) == Some(&Encapsulation::UDP_PORT.to_be_bytes())
}

fn carried_esp<'a>(packet: &Packet<'a>) -> Option<&'a [u8]> {
    let datagram = udp::Packet::new_checked(packet.payload()).ok()?;
    match esp::Encapsulated::parse(datagram.payload()).ok()? {
        esp::Encapsulated::Esp(sealed) if datagram.dst_port() == esp::NATT_PORT => Some(sealed),
        esp::Encapsulated::Esp(_) | esp::Encapsulated::Ike(_) | esp::Encapsulated::Keepalive => None,
    }
}

/// What a crypto-map entry would protect on its way back must not come in clear by that port
/// (RFC 4301 section 5.2, step 3a).
fn forbidden(walk: &Walk<'_, '_>, frame: &Frame, packet: &Packet<'_>) -> Option<Drop> {
    let port = walk.tables.port(frame.port)?;
    // Explicit null, too, leads into the port's own VRF.
    let plain = frame.origin == Origin::Wire || frame.origin == Origin::Labelled && frame.vrf == port.vrf;
    if !plain || !port.crypto {
        return None;
    }
    let Some(flow) = inbound_flow(packet) else { return Some(Drop::Malformed) };
    let lines = walk.tables.lines(frame.port, frame.vrf, flow.remote)?;
    walk.tables.judge(lines, &flow).map(|_| Drop::ClearButProtected)
}

/// The flow of a packet that came in, as policies see it: the source is remote.
#[inline(always)]
pub(crate) fn inbound_flow(packet: &Packet<'_>) -> Option<Flow> {
    let flow = packet.flow().ok()?;
    Some(Flow {
        local: flow.dst,
        remote: flow.src,
        protocol: flow.protocol,
        local_port: flow.dst_port,
        remote_port: flow.src_port,
    })
}
