//! ESP for one of our addresses: its SA by (front VRF, destination, SPI), then what is inside
//! (RFC 4301 section 5.2, RFC 4303 section 3.4, RFC 6040).

use core::ops::Range;
use std::net::IpAddr;

use ::esp::Refusal;
use base::{Family, SaId, VrfId};
use dataplane::Event;
use ipsec::{Encap, Mode};
use wire::ip::Packet;
use wire::{esp, ipv6, udp};

use crate::graph::{Next, Walk};
use crate::sas::End;
use crate::stage::ip_input::inbound_flow;
use crate::stage::{ecn, transport};
use crate::{Drop, Frame, Origin};

const IP_IN_IP: u8 = 4;
const IPV6_IN_IP: u8 = 41;

/// The outer packet's facts, before it is stripped.
struct Outer {
    src: IpAddr,
    dst: IpAddr,
    encap: Encap,
    ecn: u8,
    /// Where its IP header lies in the frame's buffer.
    head: Range<usize>,
    header: esp::Header,
}

pub(crate) fn run<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame) -> Next<'t> {
    match open(walk, frame) {
        Ok(inside) => {
            (frame.vrf, frame.origin) = (inside, Origin::Opened);
            Next::IpInput
        }
        Err(drop) => drop.into(),
    }
}

fn open(walk: &mut Walk<'_, '_>, frame: &mut Frame) -> Result<VrfId, Drop> {
    let outer = strip_outer(frame)?;
    let Some(live) = walk.state.sas.open(frame.vrf, outer.dst, outer.header.spi) else {
        tell_unknown(walk, frame.vrf, &outer);
        return Err(Drop::NoSa);
    };
    if !is_same_form(live.sa.encap, outer.encap) {
        live.count_error();
        return Err(Drop::WrongEncap);
    }
    let (id, inside, newest) = (live.sa.id, live.sa.inside, live.cipher.sequence());
    let checked = live.cipher.open(frame.bytes_mut()).map_err(refusal).and_then(|opened| {
        frame.keep(opened.payload).then_some(()).ok_or(Drop::EspMalformed)?;
        match live.sa.mode {
            Mode::Tunnel => inner(frame, opened.next_header, outer.ecn, &live.sa),
            Mode::Transport => transport::restore(frame, opened.next_header, outer.head.clone(), &live.sa),
        }
    });
    match checked {
        Ok(()) => live.count(frame.len(), live.cipher.sequence(), walk.now),
        Err(Drop::Dummy) => {}
        Err(_) => live.count_error(),
    }
    let end = live.end(live.cipher.nearly_spent(), checked == Err(Drop::Exhausted));
    let moved = new_port(&live.sa, &outer).filter(|_| checked.is_ok() && live.cipher.sequence() > newest);
    tell_end(walk, id, end);
    tell_moved(walk, id, moved);
    checked.map(|()| inside)
}

/// Leaves the ESP packet from its SPI to its ICV.
fn strip_outer(frame: &mut Frame) -> Result<Outer, Drop> {
    let packet = Packet::new_checked(frame.bytes()).map_err(|_| Drop::Malformed)?;
    let (encap, at, end) = if packet.protocol == udp::PROTOCOL {
        let datagram = udp::Packet::new_checked(packet.payload()).map_err(|_| Drop::Malformed)?;
        let at = packet.header_len.saturating_add(udp::HEADER);
        let encap = Encap::Udp { local: datagram.dst_port(), remote: datagram.src_port() };
        (encap, at, at.saturating_add(datagram.payload().len()))
    } else {
        (Encap::Esp, packet.header_len, packet.bytes.len())
    };
    let sealed = packet.bytes.get(at..end).unwrap_or_default();
    let (header, _) = esp::Header::parse(sealed).map_err(|_| Drop::EspMalformed)?;
    let (src, dst, ecn, length) = (packet.src, packet.dst, packet.tos & 3, packet.header_len);
    let start = frame.room().1.start;
    frame.keep(at..end);
    let outer = Outer { src, dst, encap, ecn, head: start..start.saturating_add(length), header };
    Ok(outer)
}

/// The peer may float behind its NAT: ports may differ, but bare ESP and UDP may not be exchanged.
const fn is_same_form(agreed: Encap, seen: Encap) -> bool {
    matches!(agreed, Encap::Esp) == matches!(seen, Encap::Esp)
}

/// The UDP port that a packet came from, if it is not the one we send to.
fn new_port(sa: &ipsec::Sa, outer: &Outer) -> Option<u16> {
    match (sa.encap, outer.encap) {
        (Encap::Udp { remote: known, .. }, Encap::Udp { remote, .. }) => {
            (remote != known && outer.src == sa.remote).then_some(remote)
        }
        (Encap::Esp, _) | (_, Encap::Esp) => None,
    }
}

fn tell_moved(walk: &mut Walk<'_, '_>, id: SaId, port: Option<u16>) {
    if let Some(port) = port
        && walk.state.limits.moved.allows(id, walk.now)
    {
        walk.state.tell(Event::Moved(id, port));
    }
}

fn tell_unknown(walk: &mut Walk<'_, '_>, front: VrfId, outer: &Outer) {
    if walk.state.limits.unknown_spi.allows((front, outer.src), walk.now) {
        let (local, remote, spi, encap) = (outer.dst, outer.src, outer.header.spi, outer.encap);
        walk.state.tell(Event::UnknownSpi { front, local, remote, spi, encap });
    }
}

pub(crate) fn tell_end(walk: &Walk<'_, '_>, id: SaId, end: Option<End>) {
    match end {
        Some(End::Near) => walk.state.tell(Event::Expiring(id)),
        Some(End::Reached) => walk.state.tell(Event::Expired(id)),
        None => {}
    }
}

/// Judges what was inside, cuts off TFC padding, and carries congestion over.
fn inner(frame: &mut Frame, next_header: u8, outer_ecn: u8, sa: &ipsec::Sa) -> Result<(), Drop> {
    let family = match next_header {
        IP_IN_IP => Family::V4,
        IPV6_IN_IP => Family::V6,
        ipv6::NO_NEXT => return Err(Drop::Dummy),
        _ => return Err(Drop::InnerMalformed),
    };
    let packet = Packet::new_checked(frame.bytes()).map_err(|_| Drop::InnerMalformed)?;
    if packet.family() != family {
        return Err(Drop::InnerMalformed);
    }
    let flow = inbound_flow(&packet).ok_or(Drop::InnerMalformed)?;
    if !sa.selector.matches(&flow) {
        return Err(Drop::OutsideSelector);
    }
    let length = packet.bytes.len();
    frame.truncate(length);
    ecn::carry(frame, outer_ecn)
}

const fn refusal(refusal: Refusal) -> Drop {
    match refusal {
        Refusal::Truncated | Refusal::Misaligned | Refusal::NoRoom => Drop::EspMalformed,
        Refusal::Replayed => Drop::Replayed,
        Refusal::TooOld => Drop::TooOld,
        Refusal::Unauthentic => Drop::BadIcv,
        Refusal::BadPadding => Drop::BadPadding,
        Refusal::SequenceExhausted | Refusal::VolumeExhausted => Drop::Exhausted,
    }
}
