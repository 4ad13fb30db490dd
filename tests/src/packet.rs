//! Packets that carry a mark in every eight bytes of their payload, so that each piece tells whose it is.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use base::Label;
use wire::{checksum, ethernet, icmp, ipv4, mpls, udp};

/// What one injected packet is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(pub u32);

const MAGIC: [u8; 4] = [0xA5, b'M', b'R', 0x5A];
const ECHO: [u8; 8] = [8, 0, 0, 0, 0, 1, 0, 1];

impl Mark {
    /// As it stands in a packet.
    pub fn bytes(self) -> [u8; 8] {
        let ([a, b, c, d], [e, f, g, h]) = (MAGIC, self.0.to_be_bytes());
        [a, b, c, d, e, f, g, h]
    }

    /// Takes the marks out of bytes that come from elsewhere.
    pub fn erase(bytes: &mut [u8]) {
        for at in 0..bytes.len() {
            if bytes[at..].starts_with(&MAGIC) {
                bytes[at] = 0;
            }
        }
    }

    /// Every mark in `bytes`, wherever it lies.
    pub fn all_in(bytes: &[u8]) -> BTreeSet<Self> {
        let words = bytes.windows(8).filter_map(|word| word.strip_prefix(&MAGIC)?.first_chunk());
        words.map(|number| Self(u32::from_be_bytes(*number))).collect()
    }
}

/// What a test varies of a marked packet.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub ttl: u8,
    /// 1,200 bytes of payload, else 64.
    pub big: bool,
    pub df: bool,
    /// An ICMP echo request, else a UDP datagram.
    pub ping: bool,
}

impl Shape {
    pub const PLAIN: Self = Self { ttl: 64, big: false, df: false, ping: false };
}

/// An IPv4 packet full of `mark`.
pub fn marked(mark: Mark, src: Ipv4Addr, dst: Ipv4Addr, shape: Shape) -> Vec<u8> {
    let payload = mark.bytes().repeat(if shape.big { 150 } else { 8 });
    let (protocol, body) = if shape.ping {
        let mut message = [&ECHO[..], &payload].concat();
        let sum = checksum::internet(&message).to_be_bytes();
        message[2..4].copy_from_slice(&sum);
        (icmp::V4, message)
    } else {
        (udp::PROTOCOL, datagram(7000, 7000, &payload))
    };
    ip(src, dst, protocol, shape.ttl, shape.df, 0, &body)
}

/// An IPv4 packet around `body`.
pub fn ip(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, ttl: u8, df: bool, ident: u16, body: &[u8]) -> Vec<u8> {
    let mut packet = [&[0; ipv4::HEADER][..], body].concat();
    let header = ipv4::Header { tos: 0, ident, df, ttl, protocol, src, dst, length: body.len() };
    header.emit(&mut packet).expect("room for a header");
    packet
}

/// A UDP datagram without checksum.
pub fn datagram(src: u16, dst: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = [&[0; udp::HEADER][..], payload].concat();
    udp::emit(&mut bytes, src, dst, payload.len()).expect("room for a header");
    bytes
}

/// `packet` in two fragments.
pub fn halves(packet: &[u8]) -> [Vec<u8>; 2] {
    let (header, payload) = packet.split_at(ipv4::HEADER);
    let middle = (payload.len() / 2).next_multiple_of(8);
    let piece = |part: &[u8], offset: usize, more: bool| {
        let mut bytes = [header, part].concat();
        let length = u16::try_from(bytes.len()).expect("a piece of a packet");
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        bytes[10..12].fill(0);
        let sum = checksum::internet(&bytes[..ipv4::HEADER]).to_be_bytes();
        bytes[10..12].copy_from_slice(&sum);
        ipv4::PacketMut::new_checked(&mut bytes).expect("a header").set_fragment(offset, more);
        bytes
    };
    [piece(&payload[..middle], 0, true), piece(&payload[middle..], middle, false)]
}

/// `packet` under one label.
pub fn labelled(label: Label, ttl: u8, packet: &[u8]) -> Vec<u8> {
    let entry = mpls::Entry { label, tc: 0, bottom: true, ttl };
    [&entry.to_bytes(), packet].concat()
}

pub fn frame(dst: ethernet::Mac, src: ethernet::Mac, ethertype: u16, packet: &[u8]) -> Vec<u8> {
    [&ethernet::Header { dst, src, ethertype }.to_bytes(), packet].concat()
}
