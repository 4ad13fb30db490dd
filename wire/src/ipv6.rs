//! IPv6, RFC 8200: the fixed header, the walk to the upper layer, fragments.

use core::net::Ipv6Addr;

use crate::Malformed;

/// Bytes of the fixed header.
pub const HEADER: usize = 40;
/// Bytes of a fragment header.
pub const FRAGMENT_HEADER: usize = 8;
/// The least MTU of a link, section 5.
pub const MIN_MTU: usize = 1280;

pub const HOP_BY_HOP: u8 = 0;
pub const ROUTING: u8 = 43;
pub const FRAGMENT: u8 = 44;
pub const NO_NEXT: u8 = 59;
pub const DESTINATION: u8 = 60;

/// Nobody sends more; a walk ends here.
const MAX_EXTENSIONS: usize = 8;

/// A packet whose version and payload length are right. Jumbograms are refused.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    head: &'a [u8; HEADER],
    payload: &'a [u8],
}

/// Where the upper layer lies behind the extension headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upper {
    /// The upper protocol. In a fragment beyond the first: what its fragment header says comes next.
    pub protocol: u8,
    /// From the start of the fixed header, in bytes.
    pub offset: usize,
    pub fragment: Option<Fragment>,
}

/// A fragment header, section 4.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// What comes behind it.
    pub next: u8,
    /// Where the payload lies in the whole packet's fragmentable part, in bytes.
    pub offset: usize,
    pub more: bool,
    pub ident: u32,
    /// Where the fragment header lies, from the start of the fixed header.
    pub at: usize,
    /// Where the Next Header byte that names it lies: reassembly writes `next` there.
    pub named_at: usize,
}

impl<'a> Packet<'a> {
    /// `bytes` may go on behind the packet; it is cut off there.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (head, rest) = bytes.split_first_chunk::<HEADER>().ok_or(Malformed::Truncated)?;
        if head[0] >> 4 != 6 {
            return Err(Malformed::Version);
        }
        let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
        Ok(Self { head, payload: rest.get(..length).ok_or(Malformed::Length)? })
    }

    /// Bytes of fixed header and payload.
    pub fn total_len(&self) -> usize {
        self.payload.len().saturating_add(HEADER)
    }

    pub fn traffic_class(&self) -> u8 {
        self.head[0] << 4 | self.head[1] >> 4
    }

    pub fn flow_label(&self) -> u32 {
        u32::from_be_bytes([0, self.head[1] & 15, self.head[2], self.head[3]])
    }

    pub fn next_header(&self) -> u8 {
        self.head[6]
    }

    pub fn hop_limit(&self) -> u8 {
        self.head[7]
    }

    pub fn src(&self) -> Ipv6Addr {
        address(self.head, 8)
    }

    pub fn dst(&self) -> Ipv6Addr {
        address(self.head, 24)
    }

    /// Everything behind the fixed header.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Walks hop-by-hop, routing, destination and fragment headers; anything else is the upper layer,
    /// AH and ESP too. Behind the header of a fragment beyond the first nothing is walked.
    pub fn upper(&self) -> Result<Upper, Malformed> {
        let mut upper = Upper { protocol: self.next_header(), offset: HEADER, fragment: None };
        let (mut rest, mut named_at) = (self.payload, 6);
        for _ in 0..=MAX_EXTENSIONS {
            let length = match upper.protocol {
                HOP_BY_HOP | ROUTING | DESTINATION => extension_length(rest)?,
                FRAGMENT => FRAGMENT_HEADER,
                _ => return Ok(upper),
            };
            let (header, behind) = rest.split_at_checked(length).ok_or(Malformed::Truncated)?;
            if upper.protocol == FRAGMENT {
                upper.fragment = Some(Fragment::parse(header, upper.offset, named_at)?);
            }
            (rest, named_at) = (behind, upper.offset);
            upper.protocol = *header.first().ok_or(Malformed::Truncated)?;
            upper.offset = upper.offset.saturating_add(length);
            if upper.fragment.is_some_and(|fragment| fragment.offset != 0) {
                return Ok(upper);
            }
        }
        Err(Malformed::Chain)
    }
}

impl Fragment {
    /// The header's eight bytes, with `more` and `offset` as the fields say. `at` and `named_at` are not
    /// on the wire.
    pub fn to_bytes(self) -> [u8; FRAGMENT_HEADER] {
        let offset = u16::try_from(self.offset).unwrap_or(u16::MAX) & 0xFFF8;
        let ([o0, o1], [i0, i1, i2, i3]) =
            ((offset | u16::from(self.more)).to_be_bytes(), self.ident.to_be_bytes());
        [self.next, 0, o0, o1, i0, i1, i2, i3]
    }

    fn parse(header: &[u8], at: usize, named_at: usize) -> Result<Self, Malformed> {
        let h = header.first_chunk::<FRAGMENT_HEADER>().ok_or(Malformed::Truncated)?;
        let word = u16::from_be_bytes([h[2], h[3]]);
        Ok(Self {
            next: h[0],
            offset: usize::from(word & 0xFFF8),
            more: word & 1 == 1,
            ident: u32::from_be_bytes([h[4], h[5], h[6], h[7]]),
            at,
            named_at,
        })
    }
}

/// Writes fields of a packet in place.
#[derive(Debug)]
pub struct PacketMut<'a>(&'a mut [u8; HEADER]);

impl<'a> PacketMut<'a> {
    pub fn new_checked(bytes: &'a mut [u8]) -> Result<Self, Malformed> {
        Packet::new_checked(bytes)?;
        Self::header(bytes)
    }

    /// For a header that has not got its packet yet: only the version is judged.
    pub fn header(bytes: &'a mut [u8]) -> Result<Self, Malformed> {
        let head = bytes.first_chunk_mut::<HEADER>().ok_or(Malformed::Truncated)?;
        if head[0] >> 4 == 6 { Ok(Self(head)) } else { Err(Malformed::Version) }
    }

    pub fn set_traffic_class(&mut self, class: u8) {
        self.0[0] = self.0[0] & 0xF0 | class >> 4;
        self.0[1] = self.0[1] & 0x0F | class << 4;
    }

    /// Bytes behind the fixed header; what lies there is the caller's business.
    pub fn set_payload_len(&mut self, length: u16) {
        [self.0[4], self.0[5]] = length.to_be_bytes();
    }

    pub fn set_next_header(&mut self, protocol: u8) {
        self.0[6] = protocol;
    }

    pub fn set_hop_limit(&mut self, hop_limit: u8) {
        self.0[7] = hop_limit;
    }
}

/// A fresh header in values; the flow label is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub traffic_class: u8,
    pub hop_limit: u8,
    pub next: u8,
    pub src: Ipv6Addr,
    pub dst: Ipv6Addr,
    /// Bytes behind the fixed header.
    pub length: usize,
}

impl Header {
    /// Writes the header over the first [`HEADER`] bytes of `out`.
    pub fn emit(&self, out: &mut [u8]) -> Result<(), Malformed> {
        let head = out.first_chunk_mut::<HEADER>().ok_or(Malformed::Truncated)?;
        let [l0, l1] = u16::try_from(self.length).map_err(|_| Malformed::Length)?.to_be_bytes();
        let start = [
            0x60 | self.traffic_class >> 4,
            self.traffic_class << 4,
            0,
            0,
            l0,
            l1,
            self.next,
            self.hop_limit,
        ];
        let bytes = start.into_iter().chain(self.src.octets()).chain(self.dst.octets());
        head.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        Ok(())
    }
}

fn extension_length(header: &[u8]) -> Result<usize, Malformed> {
    let units = usize::from(*header.get(1).ok_or(Malformed::Truncated)?);
    Ok(units.saturating_add(1) << 3)
}

fn address(head: &[u8; HEADER], at: usize) -> Ipv6Addr {
    let octets = head.get(at..).and_then(|rest| rest.first_chunk::<16>());
    octets.map_or(Ipv6Addr::UNSPECIFIED, |octets| Ipv6Addr::from(*octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(next: u8, length: usize) -> Header {
        Header {
            traffic_class: 0xB9,
            hop_limit: 64,
            next,
            src: "2001:db8::1".parse().unwrap(),
            dst: "2001:db8::2".parse().unwrap(),
            length,
        }
    }

    fn packet(next: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        header(next, payload.len()).emit(&mut bytes).unwrap();
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn a_header_reads_back_as_written() {
        let mut bytes = packet(17, &[1, 2, 3]);
        assert_eq!(bytes[..8], [0x6B, 0x90, 0, 0, 0, 3, 17, 64]);
        bytes.push(0xEE);
        let view = Packet::new_checked(&bytes).unwrap();
        assert_eq!((view.traffic_class(), view.flow_label(), view.hop_limit()), (0xB9, 0, 64));
        assert_eq!((view.src(), view.dst()), (header(17, 3).src, header(17, 3).dst));
        assert_eq!((view.total_len(), view.payload()), (43, &[1u8, 2, 3][..]));
        assert_eq!(view.upper(), Ok(Upper { protocol: 17, offset: 40, fragment: None }));
    }

    #[test]
    fn setters_touch_their_field_alone() {
        let mut bytes = packet(17, &[0; 9]);
        bytes[1] |= 0x0C;
        let mut view = PacketMut::new_checked(&mut bytes).unwrap();
        view.set_traffic_class(0x46);
        view.set_hop_limit(3);
        view.set_payload_len(5);
        let view = Packet::new_checked(&bytes).unwrap();
        assert_eq!((view.traffic_class(), view.flow_label()), (0x46, 0xC_0000));
        assert_eq!((view.hop_limit(), view.payload().len(), view.next_header()), (3, 5, 17));
    }

    #[test]
    fn the_walk_goes_over_every_extension_to_the_upper_layer() {
        let mut payload = vec![DESTINATION, 0, 0, 0, 0, 0, 0, 0];
        payload.extend([FRAGMENT, 1].into_iter().chain([0; 14]));
        let fragment = Fragment { next: 6, offset: 0, more: true, ident: 0xABCD, at: 64, named_at: 48 };
        payload.extend(fragment.to_bytes());
        payload.extend([0xAA; 4]);
        let bytes = packet(HOP_BY_HOP, &payload);
        let upper = Packet::new_checked(&bytes).unwrap().upper().unwrap();
        assert_eq!(upper, Upper { protocol: 6, offset: 72, fragment: Some(fragment) });
        assert_eq!(bytes[fragment.named_at], FRAGMENT);
    }

    #[test]
    fn nothing_is_walked_behind_a_later_fragment() {
        let fragment =
            Fragment { next: DESTINATION, offset: 1448, more: false, ident: 1, at: 40, named_at: 6 };
        let bytes = packet(FRAGMENT, &fragment.to_bytes());
        let upper = Packet::new_checked(&bytes).unwrap().upper().unwrap();
        assert_eq!(upper, Upper { protocol: DESTINATION, offset: 48, fragment: Some(fragment) });
    }

    #[test]
    fn a_chain_without_end_or_beyond_the_packet_is_refused() {
        let endless = packet(DESTINATION, &[DESTINATION, 0, 0, 0, 0, 0, 0, 0].repeat(20));
        assert_eq!(Packet::new_checked(&endless).unwrap().upper(), Err(Malformed::Chain));
        let cut = packet(ROUTING, &[6, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Packet::new_checked(&cut).unwrap().upper(), Err(Malformed::Truncated));
        let none = packet(FRAGMENT, &[]);
        assert_eq!(Packet::new_checked(&none).unwrap().upper(), Err(Malformed::Truncated));
    }

    #[test]
    fn contradictions_are_refused() {
        let bytes = packet(17, &[0; 4]);
        assert_eq!(Packet::new_checked(&bytes[..39]).err(), Some(Malformed::Truncated));
        assert_eq!(Packet::new_checked(&bytes[..43]).err(), Some(Malformed::Length));
        assert_eq!(Packet::new_checked(&[0x45; 60]).err(), Some(Malformed::Version));
    }
}
