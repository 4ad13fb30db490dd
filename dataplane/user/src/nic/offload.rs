//! What a kernel leaves undone on frames that no wire has carried yet: partial checksums, and
//! super-frames to be cut into packets. Pure functions over frames with Ethernet headers.

use base::Family;
use sys::packet::{PartialChecksum, SegmentKind, Segments};
use wire::checksum::{Sum, pseudo};
use wire::{ethernet, ip, ipv4, ipv6, tcp, udp};

/// How one super-frame is cut. Segments are numbered from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    family: Family,
    upper: Upper,
    /// Where the transport header and its payload begin, and where the packet ends, in the frame.
    header: usize,
    payload: usize,
    end: usize,
    /// Payload bytes of a segment.
    size: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upper {
    Tcp,
    Udp,
}

/// Completes a checksum of which only the pseudo-header is summed. `None`: it does not lie in the frame.
pub(super) fn complete(frame: &mut [u8], partial: PartialChecksum) -> Option<()> {
    let summed = frame.get_mut(partial.start..)?;
    let checksum = match Sum::ZERO.with(summed).finish() {
        // In UDP zero means "none"; in TCP both forms are right.
        0 => 0xFFFF,
        checksum => checksum,
    };
    *summed.get_mut(partial.offset..)?.first_chunk_mut()? = checksum.to_be_bytes();
    Some(())
}

impl Cut {
    /// `None`: not a well-formed super-frame of that kind.
    pub(super) fn new(frame: &[u8], segments: Segments) -> Option<Self> {
        let (_, packet) = ethernet::Header::parse(frame).ok()?;
        let packet = ip::Packet::new_checked(packet).ok()?;
        let upper = match (segments.kind, packet.protocol, packet.family()) {
            (SegmentKind::TcpV4, tcp::PROTOCOL, Family::V4) => Upper::Tcp,
            (SegmentKind::TcpV6, tcp::PROTOCOL, Family::V6) => Upper::Tcp,
            (SegmentKind::Udp, udp::PROTOCOL, _) => Upper::Udp,
            _ => return None,
        };
        let header_len = match upper {
            Upper::Tcp => tcp::Packet::new_checked(packet.payload()).ok()?.header_len(),
            Upper::Udp => udp::HEADER,
        };
        let header = ethernet::HEADER.checked_add(packet.header_len)?;
        let (payload, end) =
            (header.checked_add(header_len)?, ethernet::HEADER.checked_add(packet.bytes.len())?);
        let fits = packet.fragment.is_none() && payload <= end && segments.size > 0;
        fits.then_some(Self { family: packet.family(), upper, header, payload, end, size: segments.size })
    }

    /// How many segments there are: at least one.
    pub(super) fn count(&self) -> usize {
        self.end.saturating_sub(self.payload).div_ceil(self.size).max(1)
    }

    /// Writes segment `number` of `frame` as a whole frame; its length. `None`: no such segment, or `out`
    /// is too small.
    pub(super) fn write(&self, frame: &[u8], number: usize, out: &mut [u8]) -> Option<usize> {
        let offset = number.checked_mul(self.size).filter(|_| number < self.count())?;
        let start = self.payload.checked_add(offset)?;
        let payload = frame.get(start..self.end.min(start.checked_add(self.size)?))?;
        let length = self.payload.checked_add(payload.len())?;
        let out = out.get_mut(..length)?;
        let (headers, body) = out.split_at_mut_checked(self.payload)?;
        headers.copy_from_slice(frame.get(..self.payload)?);
        body.copy_from_slice(payload);
        self.fix_ip(out, number)?;
        match self.upper {
            Upper::Tcp => self.fix_tcp(out, number, offset)?,
            Upper::Udp => self.fix_udp(out)?,
        }
        Some(length)
    }

    /// The length, and in IPv4 an identification of its own.
    fn fix_ip(&self, out: &mut [u8], number: usize) -> Option<()> {
        let packet = out.get_mut(ethernet::HEADER..)?;
        let length = packet.len();
        match self.family {
            Family::V4 => {
                let ident = packet.get(4..)?.first_chunk().copied().map(u16::from_be_bytes)?;
                let mut header = ipv4::PacketMut::header(packet).ok()?;
                header.set_total_len(u16::try_from(length).ok()?);
                header.set_ident(ident.wrapping_add(u16::try_from(number).ok()?));
            }
            Family::V6 => {
                let length = u16::try_from(length.checked_sub(ipv6::HEADER)?).ok()?;
                ipv6::PacketMut::header(packet).ok()?.set_payload_len(length);
            }
        }
        Some(())
    }

    /// FIN and PSH belong to the last segment, CWR to the first (RFC 3168 section 6.1.2).
    fn fix_tcp(&self, out: &mut [u8], number: usize, offset: usize) -> Option<()> {
        let segment = out.get_mut(self.header..)?;
        let (sequence, mut flags) = {
            let view = tcp::Packet::new_checked(segment).ok()?;
            (view.sequence().wrapping_add(u32::try_from(offset).ok()?), view.flags())
        };
        if number.checked_add(1)? < self.count() {
            flags &= !(tcp::FIN | tcp::PSH);
        }
        if number > 0 {
            flags &= !tcp::CWR;
        }
        let mut header = tcp::PacketMut::new_checked(segment).ok()?;
        header.set_sequence(sequence);
        header.set_flags(flags);
        header.set_checksum(0);
        let checksum = self.sum(out)?.finish();
        tcp::PacketMut::new_checked(out.get_mut(self.header..)?).ok()?.set_checksum(checksum);
        Some(())
    }

    fn fix_udp(&self, out: &mut [u8]) -> Option<()> {
        let packet = ip::Packet::new_checked(out.get(ethernet::HEADER..)?).ok()?;
        let (src, dst) = (packet.src, packet.dst);
        let datagram = out.get_mut(self.header..)?;
        let [l0, l1] = u16::try_from(datagram.len()).ok()?.to_be_bytes();
        datagram.iter_mut().skip(4).zip([l0, l1]).for_each(|(to, from)| *to = from);
        udp::fill_checksum(datagram, src, dst).ok()
    }

    /// Pseudo-header and transport of a segment whose IP header is right.
    fn sum(&self, out: &[u8]) -> Option<Sum> {
        let packet = ip::Packet::new_checked(out.get(ethernet::HEADER..)?).ok()?;
        let length = u32::try_from(packet.payload().len()).ok()?;
        Some(pseudo(packet.src, packet.dst, packet.protocol, length).with(packet.payload()))
    }
}

#[cfg(test)]
mod tests;
