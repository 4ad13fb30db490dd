//! What became of a packet: where it left, in what, and what was inside.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use base::{PortId, Spi};
use wire::ip::Packet;
use wire::{esp as wire_esp, ethernet, icmp, mpls, udp};

use crate::config::Setup;

/// A packet that left the box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) port: PortId,
    pub(crate) to: ethernet::Mac,
    /// Label, traffic class, TTL, outermost first.
    pub(crate) labels: Vec<(u32, u8, u8)>,
    pub(crate) outer: Option<Outer>,
    pub(crate) inner: Inner,
}

/// What ESP was in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outer {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    /// Of UDP.
    pub(crate) ports: Option<(u16, u16)>,
    pub(crate) tos: u8,
    pub(crate) ttl: u8,
    pub(crate) df: bool,
    pub(crate) spi: Spi,
    pub(crate) sequence: u32,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Inner {
    /// Byte by byte; of pieces, the whole.
    Packet(Vec<u8>),
    /// An error of the box: to whom, type, code, and the MTU told if any.
    Error { to: IpAddr, kind: u8, code: u8, mtu: u16 },
    Unreadable(Vec<u8>),
}

/// The bytes that differ are nearly always in the header.
impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packet(bytes) => write!(f, "{} bytes {:02x?}", bytes.len(), &bytes[..bytes.len().min(48)]),
            Self::Error { to, kind, code, mtu } => write!(f, "error {kind}.{code} mtu {mtu} to {to}"),
            Self::Unreadable(bytes) => write!(f, "unreadable, {} bytes", bytes.len()),
        }
    }
}

/// Opens what a backend sealed; has replay windows of its own.
pub(crate) struct Opener {
    /// By port and SPI with the address: as a receiver in that front VRF would.
    sas: BTreeMap<(PortId, Spi, IpAddr), esp::Inbound>,
}

impl Opener {
    pub(crate) fn new(setup: &Setup) -> Self {
        let outbound = setup.tunnels.iter().filter_map(|tunnel| Some((tunnel.wan, &tunnel.sas.as_ref()?[1])));
        let sas = outbound.map(|(wan, sa)| ((wan, sa.spi, sa.remote), esp::Inbound::new(sa).unwrap()));
        Self { sas: sas.collect() }
    }

    /// Frames that a backend sent because of one packet.
    pub(crate) fn read(&mut self, frames: &[(PortId, Vec<u8>)]) -> Vec<Left> {
        let left = frames.iter().filter_map(|(port, frame)| self.one(*port, frame)).collect();
        joined(left)
    }

    /// `None`: chatter of the kernel with its neighbours.
    fn one(&mut self, port: PortId, frame: &[u8]) -> Option<Left> {
        let (header, packet) = ethernet::Header::parse(frame).ok()?;
        let to = header.dst;
        if header.ethertype == ethernet::MPLS {
            let (labels, inner) = stack(packet);
            return Some(Left { port, to, labels, outer: None, inner: told(inner) });
        }
        if header.ethertype != ethernet::IPV4 && header.ethertype != ethernet::IPV6 || is_chatter(packet) {
            return None;
        }
        let (outer, inner) = self.open(port, packet).unwrap_or_else(|| (None, told(packet)));
        Some(Left { port, to, labels: Vec::new(), outer, inner })
    }

    /// `None`: it is not sealed.
    fn open(&mut self, port: PortId, bytes: &[u8]) -> Option<(Option<Outer>, Inner)> {
        let packet = Packet::new_checked(bytes).ok()?;
        let (ports, sealed) = match packet.protocol {
            wire_esp::PROTOCOL => (None, packet.payload()),
            udp::PROTOCOL => {
                let datagram = udp::Packet::new_checked(packet.payload()).ok()?;
                if datagram.src_port() != wire_esp::NATT_PORT {
                    return None;
                }
                (Some((datagram.src_port(), datagram.dst_port())), packet.payload().get(udp::HEADER..)?)
            }
            _ => return None,
        };
        let word = |at: usize| Some(u32::from_be_bytes(*sealed.get(at..)?.first_chunk()?));
        let (spi, sequence) = (Spi(word(0)?), word(4)?);
        let Packet { src, dst, tos, ttl, df, .. } = packet;
        let outer = Outer { src, dst, ports, tos, ttl, df, spi, sequence };
        let mut room = sealed.to_vec();
        let opened = self.sas.get_mut(&(port, spi, dst)).and_then(|sa| sa.open(&mut room).ok());
        let inner = opened.map_or_else(|| Inner::Unreadable(sealed.to_vec()), |opened| told(&room[opened.payload]));
        Some((Some(outer), inner))
    }
}

/// Neighbour discovery, group membership, and what the kernel sends by itself.
fn is_chatter(bytes: &[u8]) -> bool {
    let Ok(packet) = Packet::new_checked(bytes) else { return false };
    packet.dst.is_multicast() || packet.dst == IpAddr::from([255; 4])
        || packet.protocol == icmp::V6 && packet.payload().first().is_some_and(|kind| (130..138).contains(kind))
}

/// The packet itself, or the gist of an error: how much of the original is quoted is each backend's choice.
fn told(bytes: &[u8]) -> Inner {
    let Ok(packet) = Packet::new_checked(bytes) else { return Inner::Unreadable(bytes.to_vec()) };
    let error = match (packet.protocol, packet.payload().first()) {
        (icmp::V4, Some(3 | 11 | 12)) => true,
        (icmp::V6, Some(kind)) => *kind < 128,
        _ => false,
    };
    match packet.payload() {
        [kind, code, _, _, _, _, m0, m1, ..] if error => {
            let mtu = if (*kind, *code) == (11, 0) { 0 } else { u16::from_be_bytes([*m0, *m1]) };
            Inner::Error { to: packet.dst, kind: *kind, code: *code, mtu }
        }
        _ => Inner::Packet(bytes.to_vec()),
    }
}

fn stack(bytes: &[u8]) -> (Vec<(u32, u8, u8)>, &[u8]) {
    let (mut labels, mut rest) = (Vec::new(), bytes);
    while let Ok((entry, behind)) = mpls::Entry::parse(rest) {
        labels.push((entry.label.value(), entry.tc, entry.ttl));
        rest = behind;
        if entry.bottom {
            break;
        }
    }
    (labels, rest)
}

/// Pieces of one packet become the packet, in the place of the first: where to cut is each backend's choice.
fn joined(mut left: Vec<Left>) -> Vec<Left> {
    let mut pieces: Vec<(usize, Vec<u8>)> = Vec::new();
    let mut first: Option<usize> = None;
    let mut at = 0;
    while at < left.len() {
        match &left[at].inner {
            Inner::Packet(bytes) if offset(bytes).is_some() => {
                pieces.push((offset(bytes).unwrap_or_default(), bytes.clone()));
                if first.is_some() {
                    left.remove(at);
                    continue;
                }
                first = Some(at);
            }
            Inner::Packet(_) | Inner::Error { .. } | Inner::Unreadable(_) => {}
        }
        at += 1;
    }
    if let Some(first) = first {
        pieces.sort();
        let header = pieces[0].1[..20].to_vec();
        let payload = pieces.iter().flat_map(|(_, bytes)| bytes[20..].to_vec());
        let mut whole: Vec<u8> = header.into_iter().chain(payload).collect();
        let length = u16::try_from(whole.len()).unwrap();
        whole[2..4].copy_from_slice(&length.to_be_bytes());
        whole[6..8].fill(0);
        whole[10..12].fill(0);
        let sum = wire::checksum::internet(&whole[..20]).to_be_bytes();
        whole[10..12].copy_from_slice(&sum);
        left[first].inner = Inner::Packet(whole);
    }
    left
}

/// Of a piece of an IPv4 packet.
fn offset(bytes: &[u8]) -> Option<usize> {
    let packet = Packet::new_checked(bytes).ok()?;
    packet.fragment.map(|fragment| fragment.offset)
}
