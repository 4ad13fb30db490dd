//! Transport mode (RFC 4301 section 4.1, RFC 4303 section 3.1.1): ESP stands between a packet's own IP
//! header and what follows it, and the packet goes from one end of the SA to the other.

use core::ops::Range;

use base::Family;
use ipsec::{Encap, Sa};
use wire::ip::Packet;
use wire::{checksum, ipv4, ipv6, tcp, udp};

use crate::graph::{Next, Seal, Trouble, Walk};
use crate::header::Header;
use crate::stage::esp_decap::tell_end;
use crate::stage::esp_encap::{Cut, close, cut, encapsulate, outer_df};
use crate::stage::ip_input::inbound_flow;
use crate::tables::Way;
use crate::{Drop, Frame, Origin};

/// Bytes of the longest IPv4 header.
const LONGEST: usize = 60;

/// Bytes of the IPv6 header that its length field does not count.
const FIXED: u16 = 40;

/// A packet's own header, which ESP's place in front of the payload overwrites.
struct Head {
    bytes: [u8; LONGEST],
    length: usize,
    /// What follows it.
    protocol: u8,
}

impl Head {
    /// `None` for a packet that only tunnel mode can carry: not from end to end of the SA, a fragment, or
    /// with IPv6 extension headers.
    fn of(bytes: &[u8], sa: &Sa) -> Option<Self> {
        let packet = Packet::new_checked(bytes).ok()?;
        let ends = packet.src == sa.local && packet.dst == sa.remote;
        let plain = packet.family() == Family::V4 || packet.header_len == ipv6::HEADER;
        (ends && plain && packet.fragment.is_none()).then_some(())?;
        let mut head = Self { bytes: [0; LONGEST], length: packet.header_len, protocol: packet.protocol };
        head.bytes.get_mut(..head.length)?.copy_from_slice(bytes.get(..head.length)?);
        Some(head)
    }
}

/// Seals what follows the packet's header. A packet too long is cut behind its ESP header alone: a fragment
/// cannot be sealed.
pub(crate) fn run<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame, seal: Seal<'t>) -> Next<'t> {
    let ident = walk.state.ident();
    let Some(live) = walk.state.sas.seal(seal.sa) else { return Drop::NoSaYet.into() };
    let (sa, header) = (&live.sa, Header::of(frame.bytes()));
    let (Some(header), Some(head)) = (header, Head::of(frame.bytes(), sa)) else {
        return Drop::NotTransport.into();
    };
    let Way::Out(out) = walk.tables.way(sa.front, sa.remote) else { return Drop::NoRoute.into() };
    let room = out.mtu().saturating_sub(head.length).saturating_sub(sa.encap.overhead());
    let limit = head.length.saturating_add(sa.suite.payload_for(room));
    let fits = frame.len() <= limit;
    if !fits && let Cut::Refuse(mtu) = cut(&header, frame.len(), seal.policy, limit) {
        return Next::Icmp(Trouble::too_big(mtu));
    }
    let df = fits && outer_df(&header, seal.policy.df);
    let front = sa.front;
    let sealed = close(live, frame, head.length, head.protocol, walk.now);
    let end = live.end(live.cipher.nearly_spent(), sealed == Err(Drop::Exhausted));
    let wrapped = sealed.and_then(|()| wrap(frame, &head, &live.sa, df, ident).ok_or(Drop::TooBig));
    tell_end(walk, seal.sa, end);
    if let Err(drop) = wrapped {
        return drop.into();
    }
    (frame.vrf, frame.origin) = (front, Origin::Sealed);
    Next::Fit(out)
}

/// The packet's header again, in front of what it now leads to.
fn wrap(frame: &mut Frame, head: &Head, sa: &Sa, df: bool, ident: u16) -> Option<()> {
    let protocol = encapsulate(frame, sa)?;
    frame.prepend(head.bytes.get(..head.length)?).then_some(())?;
    if let Ok(mut header) = ipv4::PacketMut::header(frame.bytes_mut()) {
        header.set_ident(ident);
        header.set_df(df);
    }
    lead_to(frame.bytes_mut(), protocol)
}

/// Puts the header that lay at `head` of the buffer in front of the payload again, and judges the packet.
pub(crate) fn restore(frame: &mut Frame, next_header: u8, head: Range<usize>, sa: &Sa) -> Result<(), Drop> {
    if next_header == ipv6::NO_NEXT {
        return Err(Drop::Dummy);
    }
    rejoin(frame, head).ok_or(Drop::InnerMalformed)?;
    lead_to(frame.bytes_mut(), next_header).ok_or(Drop::InnerMalformed)?;
    let packet = Packet::new_checked(frame.bytes()).map_err(|_| Drop::InnerMalformed)?;
    let flow = inbound_flow(&packet).filter(|_| packet.fragment.is_none()).ok_or(Drop::InnerMalformed)?;
    if !sa.selector.matches(&flow) {
        return Err(Drop::OutsideSelector);
    }
    let protocol = packet.protocol;
    match sa.encap {
        Encap::Esp => Ok(()),
        // The sender summed addresses that a NAT has changed since (RFC 3948 section 3.1.2); what was
        // sealed is intact, so the sum is made anew.
        Encap::Udp { .. } => resum(frame.bytes_mut(), protocol).ok_or(Drop::InnerMalformed),
    }
}

fn rejoin(frame: &mut Frame, head: Range<usize>) -> Option<()> {
    let (room, payload) = frame.room();
    let start = payload.start.checked_sub(head.len())?;
    room.get(head.clone())?;
    room.copy_within(head, start);
    frame.narrow(start..payload.end).then_some(())
}

/// Makes the header tell of `protocol` and of the packet's length.
fn lead_to(bytes: &mut [u8], protocol: u8) -> Option<()> {
    let length = u16::try_from(bytes.len()).ok()?;
    if let Ok(mut header) = ipv4::PacketMut::header(bytes) {
        header.set_total_len(length);
        header.set_protocol(protocol);
    } else {
        let mut header = ipv6::PacketMut::header(bytes).ok()?;
        header.set_payload_len(length.checked_sub(FIXED)?);
        header.set_next_header(protocol);
    }
    Some(())
}

/// Computes the checksum of TCP or UDP anew; none is left where UDP has none.
fn resum(bytes: &mut [u8], protocol: u8) -> Option<()> {
    let field = match protocol {
        tcp::PROTOCOL => 16,
        udp::PROTOCOL => 6,
        _ => return Some(()),
    };
    let packet = Packet::new_checked(bytes).ok()?;
    let (src, dst, at) = (packet.src, packet.dst, packet.header_len);
    let upper = bytes.get_mut(at..)?;
    let length = u32::try_from(upper.len()).ok()?;
    let sum: &mut [u8; 2] = upper.get_mut(field..)?.first_chunk_mut()?;
    if protocol == udp::PROTOCOL && *sum == [0, 0] {
        return Some(());
    }
    *sum = [0, 0];
    let fresh = checksum::pseudo(src, dst, protocol, length).with(upper).finish();
    // In UDP zero means "none", so a sum of zero goes as its other form.
    let fresh = if fresh == 0 && protocol == udp::PROTOCOL { 0xFFFF } else { fresh };
    upper.get_mut(field..)?.first_chunk_mut::<2>().map(|sum| *sum = fresh.to_be_bytes())
}
