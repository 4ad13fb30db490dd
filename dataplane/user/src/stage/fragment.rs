//! A packet that leaves must fit its port: as it is, in pieces (RFC 791 section 3.2, RFC 8200 section
//! 4.5), or not at all.

use std::net::IpAddr;

use base::Family;
use wire::ip::Packet;
use wire::{checksum, ipv4, ipv6};

use crate::graph::{Next, Trouble, Walk};
use crate::header::Header;
use crate::tables::Out;
use crate::{Drop, Frame, Origin};

pub(crate) fn fit<'t>(frame: &Frame, out: Out<'t>) -> Next<'t> {
    let Some(header) = Header::of(frame.bytes()) else { return Drop::Malformed.into() };
    let mtu = out.mtu();
    if frame.len() > mtu {
        return match (matches!(frame.origin, Origin::Sealed | Origin::Wrapped), header.dst) {
            (_, _) if header.divisible => Next::Fragment(limit(mtu), out),
            (true, IpAddr::V6(_)) => Next::Fragment(limit(mtu), out),
            // We made it to fit; the route changed since.
            (true, IpAddr::V4(_)) => Drop::TooBig.into(),
            (false, _) => Next::Icmp(Trouble::too_big(mtu)),
        };
    }
    if out.push().is_empty() { Next::Neighbour(out) } else { Next::MplsPush(out) }
}

/// No packet is longer than its length can say.
pub(super) fn limit(bytes: usize) -> u16 {
    u16::try_from(bytes).unwrap_or(u16::MAX)
}

/// Pieces of at most `limit` bytes, as equal in size as eight-byte units allow, so that none is cut
/// again further on. Each goes on with `next`.
pub(crate) fn run<'t>(walk: &mut Walk<'t, '_>, frame: &mut Frame, limit: u16, next: Next<'t>) -> Next<'t> {
    let ident = u32::from(walk.state.ident());
    let Some(cut) = Cut::of(frame.bytes(), limit.into(), ident) else { return Drop::TooBig.into() };
    for number in 0..cut.count {
        let mut piece = walk.child(frame);
        if cut.write(&mut piece, number).is_none() {
            return Drop::Malformed.into();
        }
        walk.later(piece, next);
    }
    Next::Held
}

struct Cut<'a> {
    family: Family,
    header: &'a [u8],
    payload: &'a [u8],
    /// Bytes of payload in each piece but the last.
    each: usize,
    count: usize,
    /// Where the payload lies in the packet that this may be a piece of.
    offset: usize,
    more: bool,
    ident: u32,
}

impl<'a> Cut<'a> {
    /// `None` if not even eight bytes fit beside the header.
    fn of(bytes: &'a [u8], limit: usize, ident: u32) -> Option<Self> {
        let packet = Packet::new_checked(bytes).ok()?;
        let (header, overhead) = match packet.family() {
            Family::V4 => (packet.header_len, packet.header_len),
            Family::V6 => (ipv6::HEADER, ipv6::HEADER.saturating_add(ipv6::FRAGMENT_HEADER)),
        };
        let (header, payload) = packet.bytes.split_at_checked(header)?;
        let room = limit.checked_sub(overhead)? & !7;
        let count = payload.len().checked_add(room)?.checked_sub(1)?.checked_div(room)?;
        let each = payload.len().div_ceil(count.max(1)).next_multiple_of(8);
        let (offset, more) = packet.fragment.map_or((0, false), |piece| (piece.offset, piece.more));
        Some(Self { family: packet.family(), header, payload, each, count, offset, more, ident })
    }

    fn write(&self, piece: &mut Frame, number: usize) -> Option<()> {
        let at = self.each.checked_mul(number)?;
        let rest = self.payload.get(at..)?;
        let part = rest.get(..self.each).unwrap_or(rest);
        let (offset, more) = (self.offset.checked_add(at)?, self.more || part.len() < rest.len());
        match self.family {
            Family::V4 => self.write_v4(piece, part, offset, more),
            Family::V6 => self.write_v6(piece, part, offset, more),
        }
    }

    fn write_v4(&self, piece: &mut Frame, part: &[u8], offset: usize, more: bool) -> Option<()> {
        piece.fill(self.header);
        if offset != self.offset {
            keep_copied_options(piece.bytes_mut())?;
        }
        // The header still tells the length of the whole; say the truth before it is judged.
        let total = u16::try_from(self.header.len().checked_add(part.len())?).ok()?;
        let old = piece.bytes_mut().get_mut(2..4)?;
        let was = u16::from_be_bytes(*old.first_chunk()?);
        old.copy_from_slice(&total.to_be_bytes());
        let sum = piece.bytes_mut().get_mut(10..12)?;
        let fixed = checksum::replace(u16::from_be_bytes(*sum.first_chunk()?), was, total);
        sum.copy_from_slice(&fixed.to_be_bytes());
        piece.append(part).then_some(())?;
        let mut header = ipv4::PacketMut::new_checked(piece.bytes_mut()).ok()?;
        header.set_df(false);
        header.set_fragment(offset, more);
        Some(())
    }

    fn write_v6(&self, piece: &mut Frame, part: &[u8], offset: usize, more: bool) -> Option<()> {
        let next = *self.header.get(6)?;
        let fragment = ipv6::Fragment { next, offset, more, ident: self.ident, at: 0, named_at: 0 };
        piece.fill(self.header);
        (piece.append(&fragment.to_bytes()) && piece.append(part)).then_some(())?;
        let length = u16::try_from(part.len().checked_add(ipv6::FRAGMENT_HEADER)?).ok()?;
        let header = piece.bytes_mut();
        header.get_mut(4..6)?.copy_from_slice(&length.to_be_bytes());
        *header.get_mut(6)? = ipv6::FRAGMENT;
        Some(())
    }
}

/// Options without the copy flag stand in the first piece alone (RFC 791 section 3.1); elsewhere
/// no-operations take their place.
fn keep_copied_options(header: &mut [u8]) -> Option<()> {
    const END: u8 = 0;
    const NOP: u8 = 1;
    let mut options = header.get_mut(ipv4::HEADER..)?;
    while let [kind, rest @ ..] = &*options {
        let length = match *kind {
            END => break,
            NOP => 1,
            _ => usize::from(*rest.first()?).max(2),
        };
        let copied = *kind & 0x80 != 0;
        let (option, behind) = options.split_at_mut_checked(length)?;
        if !copied {
            option.fill(NOP);
        }
        options = behind;
    }
    header.get_mut(10..12)?.fill(0);
    let sum = checksum::internet(header);
    header.get_mut(10..12)?.copy_from_slice(&sum.to_be_bytes());
    Some(())
}
