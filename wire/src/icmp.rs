//! ICMP errors: RFC 792, RFC 1812, RFC 4443, with the label stack of RFC 4884 and RFC 4950.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base::Family;

use crate::{Malformed, checksum, ip, ipv4, ipv6, mpls};

/// The IP protocol numbers.
pub const V4: u8 = 1;
pub const V6: u8 = 58;
/// Bytes before the original datagram.
pub const HEADER: usize = 8;

/// RFC 1812 section 4.3.2.3: as much of the original as fits this.
const V4_MAX: usize = 576;
/// RFC 4884 section 3: extensions start no earlier than here in the body.
const ORIGINAL_MIN: usize = 128;
/// Internetwork control, as RFC 1812 section 4.3.2.5 asks of errors.
const TOS: u8 = 0xC0;

/// What went wrong with a packet, in words of both families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    TtlExceeded,
    ReassemblyTimeExceeded,
    NoRoute,
    AddressUnreachable,
    PortUnreachable,
    /// Policy forbids it.
    Prohibited,
    /// The largest packet that would have passed, in bytes.
    TooBig(u16),
}

/// An ICMP message of either family; the checksum is judged apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    pub kind: u8,
    pub code: u8,
    /// The four bytes behind the checksum.
    pub word: [u8; 4],
    pub body: &'a [u8],
}

impl<'a> Message<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (head, body) = bytes.split_first_chunk::<HEADER>().ok_or(Malformed::Truncated)?;
        let [kind, code, _, _, w0, w1, w2, w3] = *head;
        Ok(Self { kind, code, word: [w0, w1, w2, w3], body })
    }

    /// The next hop's MTU if this says that a packet was too big; zero: a router of before RFC 1191.
    pub fn too_big(&self, family: Family) -> Option<u32> {
        match (family, self.kind, self.code) {
            (Family::V4, 3, 4) => Some(u16::from_be_bytes([self.word[2], self.word[3]]).into()),
            (Family::V6, 2, _) => Some(u32::from_be_bytes(self.word)),
            _ => None,
        }
    }
}

/// Whether an error may be sent about `original`, an IP packet from its first byte on: not about another
/// error, a later fragment, or what went to or came from anything but one host (RFC 1122 section 3.2.2,
/// RFC 4443 section 2.4). A packet too big may go to a group in IPv6.
pub fn may_answer(original: &[u8], problem: Problem) -> bool {
    let Ok(packet) = ip::Packet::new_checked(original) else { return false };
    let group = packet.dst.is_multicast() && !(packet.src.is_ipv6() && matches!(problem, Problem::TooBig(_)));
    !group
        && !packet.is_later_fragment()
        && is_host(packet.src)
        && is_host_or_group(packet.dst)
        && !is_error(&packet)
}

/// Writes a whole IP packet from `src` to `dst` that reports `problem` about `original`, and says how
/// long it is; at most 576 bytes in IPv4, 1280 in IPv6. `labels`: the stack that `original` arrived
/// with, outermost first, empty if it came without. IPv6 has no place for labels in "packet too big".
pub fn emit(
    out: &mut [u8],
    src: IpAddr,
    dst: IpAddr,
    problem: Problem,
    original: &[u8],
    labels: &[mpls::Entry],
) -> Result<usize, Malformed> {
    match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => emit_v4(out, src, dst, problem, original, labels),
        (IpAddr::V6(src), IpAddr::V6(dst)) => emit_v6(out, src, dst, problem, original, labels),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => Err(Malformed::Version),
    }
}

fn emit_v4(
    out: &mut [u8],
    src: Ipv4Addr,
    dst: Ipv4Addr,
    problem: Problem,
    original: &[u8],
    labels: &[mpls::Entry],
) -> Result<usize, Malformed> {
    let (head, body) = out.split_at_mut_checked(ipv4::HEADER).ok_or(Malformed::Truncated)?;
    let (kind, code, mtu) = v4_numbers(problem);
    let [m0, m1] = mtu.to_be_bytes();
    let limit = V4_MAX.saturating_sub(ipv4::HEADER);
    let (length, words) = emit_body(body, limit, original, labels, 4)?;
    let message = body.get_mut(..length).ok_or(Malformed::Truncated)?;
    set_head(message, [kind, code, 0, 0, 0, words, m0, m1])?;
    set_checksum(message, checksum::internet(message))?;
    let header = ipv4::Header { tos: TOS, ident: 0, df: true, ttl: 255, protocol: V4, src, dst, length };
    header.emit(head)?;
    Ok(length.saturating_add(ipv4::HEADER))
}

fn emit_v6(
    out: &mut [u8],
    src: Ipv6Addr,
    dst: Ipv6Addr,
    problem: Problem,
    original: &[u8],
    labels: &[mpls::Entry],
) -> Result<usize, Malformed> {
    let (head, body) = out.split_at_mut_checked(ipv6::HEADER).ok_or(Malformed::Truncated)?;
    let (kind, code, mtu) = v6_numbers(problem);
    let labels = if mtu == 0 { labels } else { &[] };
    let limit = ipv6::MIN_MTU.saturating_sub(ipv6::HEADER);
    let (length, words) = emit_body(body, limit, original, labels, 8)?;
    let message = body.get_mut(..length).ok_or(Malformed::Truncated)?;
    let [m0, m1] = mtu.to_be_bytes();
    set_head(message, [kind, code, 0, 0, words, 0, m0, m1])?;
    let upper = u32::try_from(length).map_err(|_| Malformed::Length)?;
    set_checksum(message, checksum::pseudo_v6(src, dst, V6, upper).with(message).finish())?;
    let header = ipv6::Header { traffic_class: TOS, hop_limit: 255, next: V6, src, dst, length };
    header.emit(head)?;
    Ok(length.saturating_add(ipv6::HEADER))
}

/// Puts the original, and the labels behind it, after the eight bytes of header. Gives the message's
/// length and the RFC 4884 length of the original in `unit`s of bytes, zero without extensions.
fn emit_body(
    message: &mut [u8],
    limit: usize,
    original: &[u8],
    labels: &[mpls::Entry],
    unit: usize,
) -> Result<(usize, u8), Malformed> {
    let body = message.get_mut(HEADER..).ok_or(Malformed::Truncated)?;
    let extension = if labels.is_empty() { 0 } else { extension_length(labels) };
    let room = limit.min(body.len()).saturating_sub(HEADER).saturating_sub(extension);
    let copied = original.get(..room).unwrap_or(original);
    let padded = match extension {
        0 => copied.len(),
        _ => copied.len().next_multiple_of(unit).clamp(ORIGINAL_MIN, room.max(ORIGINAL_MIN) & !7),
    };
    let (quoted, rest) = body.split_at_mut_checked(padded).ok_or(Malformed::Truncated)?;
    quoted.fill(0);
    quoted.iter_mut().zip(copied).for_each(|(to, from)| *to = *from);
    if extension == 0 {
        return Ok((padded.saturating_add(HEADER), 0));
    }
    emit_labels(rest.get_mut(..extension).ok_or(Malformed::Truncated)?, labels)?;
    let words =
        padded.checked_div(unit).and_then(|words| u8::try_from(words).ok()).ok_or(Malformed::Length)?;
    Ok((padded.saturating_add(extension).saturating_add(HEADER), words))
}

/// RFC 4884 section 7 and RFC 4950 section 3: version 2, one object of class 1, type 1.
fn emit_labels(out: &mut [u8], labels: &[mpls::Entry]) -> Result<(), Malformed> {
    let object = extension_length(labels).saturating_sub(4);
    let [l0, l1] = u16::try_from(object).map_err(|_| Malformed::Length)?.to_be_bytes();
    let entries = labels.iter().flat_map(|entry| entry.to_bytes());
    let bytes = [0x20, 0, 0, 0, l0, l1, 1, 1].into_iter().chain(entries);
    out.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    set_checksum(out, checksum::internet(out))
}

/// Extension header, object header, entries.
fn extension_length(labels: &[mpls::Entry]) -> usize {
    labels.len().saturating_mul(mpls::ENTRY).saturating_add(8)
}

fn set_head(message: &mut [u8], head: [u8; HEADER]) -> Result<(), Malformed> {
    *message.first_chunk_mut().ok_or(Malformed::Truncated)? = head;
    Ok(())
}

/// Messages and extensions alike have it at bytes 2 and 3.
fn set_checksum(message: &mut [u8], checksum: u16) -> Result<(), Malformed> {
    let head = message.first_chunk_mut::<4>().ok_or(Malformed::Truncated)?;
    [head[2], head[3]] = checksum.to_be_bytes();
    Ok(())
}

fn v4_numbers(problem: Problem) -> (u8, u8, u16) {
    match problem {
        Problem::TtlExceeded => (11, 0, 0),
        Problem::ReassemblyTimeExceeded => (11, 1, 0),
        Problem::NoRoute => (3, 0, 0),
        Problem::AddressUnreachable => (3, 1, 0),
        Problem::PortUnreachable => (3, 3, 0),
        Problem::Prohibited => (3, 13, 0),
        Problem::TooBig(mtu) => (3, 4, mtu),
    }
}

fn v6_numbers(problem: Problem) -> (u8, u8, u16) {
    match problem {
        Problem::TtlExceeded => (3, 0, 0),
        Problem::ReassemblyTimeExceeded => (3, 1, 0),
        Problem::NoRoute => (1, 0, 0),
        Problem::Prohibited => (1, 1, 0),
        Problem::AddressUnreachable => (1, 3, 0),
        Problem::PortUnreachable => (1, 4, 0),
        // A next hop cannot offer less than the least MTU of IPv6.
        Problem::TooBig(mtu) => (2, 0, mtu.max(1280)),
    }
}

fn is_host(address: IpAddr) -> bool {
    !address.is_multicast()
        && !address.is_unspecified()
        && !address.is_loopback()
        && is_host_or_group(address)
}

fn is_host_or_group(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_broadcast() && address.octets()[0] < 240,
        IpAddr::V6(_) => true,
    }
}

/// In IPv4 every message but the queries; in IPv6 kinds below 128. One too short to tell counts.
fn is_error(packet: &ip::Packet<'_>) -> bool {
    let kind = packet.payload().first().copied();
    match packet.protocol {
        V4 => !matches!(kind, Some(0 | 8 | 9 | 10 | 13..=18)),
        V6 => kind.is_none_or(|kind| kind < 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
