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
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Inner {
    /// Byte by byte; of pieces, the whole.
    Packet(Vec<u8>),
    /// An error of the box: to whom, type, code, and the MTU told if any.
    Error {
        to: IpAddr,
        kind: u8,
        code: u8,
        mtu: u16,
    },
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
        let mut sealed: Vec<(usize, Sealed)> = Vec::new();
        let mut left = Vec::new();
        for (port, frame) in frames {
            let Ok((header, packet)) = ethernet::Header::parse(frame) else { continue };
            let to = header.dst;
            if header.ethertype == ethernet::MPLS {
                let (labels, inner) = stack(packet);
                left.push(Left { port: *port, to, labels, outer: None, inner: told(inner) });
            } else if let Some(piece) = Sealed::of(*port, packet) {
                match sealed.iter_mut().find(|(_, whole)| whole.goes_on(&piece)) {
                    Some((_, whole)) => whole.pieces.extend(piece.pieces),
                    None => {
                        sealed.push((left.len(), piece));
                        left.push(Left {
                            port: *port,
                            to,
                            labels: Vec::new(),
                            outer: None,
                            inner: Inner::Unreadable(Vec::new()),
                        });
                    }
                }
            } else if header.ethertype != ethernet::ARP && !is_chatter(packet) {
                left.push(Left { port: *port, to, labels: Vec::new(), outer: None, inner: told(packet) });
            }
        }
        for (at, whole) in sealed {
            (left[at].outer, left[at].inner) = self.open(left[at].port, whole);
        }
        joined(left)
    }

    fn open(&mut self, port: PortId, whole: Sealed) -> (Option<Outer>, Inner) {
        let Sealed { mut outer, mut pieces, .. } = whole;
        pieces.sort();
        let mut bytes: Vec<u8> = pieces.into_iter().flat_map(|(_, bytes)| bytes).collect();
        if outer.ports.is_some() {
            outer.ports =
                udp::Packet::new_checked(&bytes).ok().map(|packet| (packet.src_port(), packet.dst_port()));
            bytes.drain(..udp::HEADER);
        }
        outer.spi = bytes.first_chunk().map_or(Spi(0), |spi| Spi(u32::from_be_bytes(*spi)));
        let opened = self.sas.get_mut(&(port, outer.spi, outer.dst)).and_then(|sa| sa.open(&mut bytes).ok());
        let inner = match opened {
            Some(opened) => told(&bytes[opened.payload]),
            None => Inner::Unreadable(bytes),
        };
        (Some(outer), inner)
    }
}

/// ESP, or a piece of it.
struct Sealed {
    port: PortId,
    ident: Option<u32>,
    outer: Outer,
    /// By offset.
    pieces: Vec<(usize, Vec<u8>)>,
}

impl Sealed {
    /// `None`: it is none.
    fn of(port: PortId, bytes: &[u8]) -> Option<Self> {
        let packet = Packet::new_checked(bytes).ok()?;
        let natt = wire_esp::NATT_PORT.to_be_bytes();
        let ports = match packet.protocol {
            wire_esp::PROTOCOL => None,
            udp::PROTOCOL if packet.is_later_fragment() || packet.payload().starts_with(&natt) => {
                Some((0, 0))
            }
            _ => return None,
        };
        let Packet { src, dst, tos, ttl, df, fragment, .. } = packet;
        let outer = Outer { src, dst, ports, tos, ttl, df, spi: Spi(0) };
        let offset = fragment.as_ref().map_or(0, |fragment| fragment.offset);
        let ident = fragment.map(|fragment| fragment.ident);
        Some(Self { port, ident, outer, pieces: vec![(offset, packet.payload().to_vec())] })
    }

    fn goes_on(&self, piece: &Self) -> bool {
        self.ident.is_some()
            && (self.port, self.ident, &self.outer) == (piece.port, piece.ident, &piece.outer)
    }
}

/// Neighbour discovery, group membership, and what the kernel sends by itself.
fn is_chatter(bytes: &[u8]) -> bool {
    let Ok(packet) = Packet::new_checked(bytes) else { return false };
    packet.dst.is_multicast()
        || packet.dst == IpAddr::from([255; 4])
        || packet.protocol == icmp::V6
            && packet.payload().first().is_some_and(|kind| (130..138).contains(kind))
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
