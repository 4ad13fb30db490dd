//! IPv4, RFC 791, with DSCP and ECN of RFC 2474 and RFC 3168.

use core::net::Ipv4Addr;

use crate::{Malformed, checksum};

/// Bytes of a header without options.
pub const HEADER: usize = 20;

const DF: u16 = 0x4000;
const MF: u16 = 0x2000;
const OFFSET: u16 = 0x1FFF;
const END_OF_OPTIONS: u8 = 0;
const NO_OPERATION: u8 = 1;
const LOOSE_ROUTE: u8 = 131;
const STRICT_ROUTE: u8 = 137;

/// A packet whose version, header length and total length are right. The checksum is judged apart.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    head: &'a [u8; HEADER],
    header: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// `bytes` may go on behind the packet (Ethernet padding); it is cut off there.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let head = bytes.first_chunk::<HEADER>().ok_or(Malformed::Truncated)?;
        if head[0] >> 4 != 4 {
            return Err(Malformed::Version);
        }
        let header_len = usize::from((head[0] & 15) << 2);
        let total_len = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let whole = bytes.get(..total_len).ok_or(Malformed::Length)?;
        let (header, payload) = whole.split_at_checked(header_len).ok_or(Malformed::Length)?;
        if header_len < HEADER {
            return Err(Malformed::Length);
        }
        Ok(Self { head, header, payload })
    }

    /// Bytes of the header with its options.
    pub fn header_len(&self) -> usize {
        self.header.len()
    }

    /// Bytes of header and payload.
    pub fn total_len(&self) -> usize {
        usize::from(u16::from_be_bytes([self.head[2], self.head[3]]))
    }

    pub fn options(&self) -> &'a [u8] {
        self.header.get(HEADER..).unwrap_or_default()
    }

    /// Whether the sender chose the route itself, loosely or strictly (RFC 791 section 3.1). Options that do
    /// not end where they should are refused.
    pub fn is_source_routed(&self) -> Result<bool, Malformed> {
        let mut rest = self.options();
        while let [kind, behind @ ..] = rest {
            rest = match (*kind, behind) {
                (END_OF_OPTIONS, _) => break,
                (NO_OPERATION, _) => behind,
                (LOOSE_ROUTE | STRICT_ROUTE, _) => return Ok(true),
                (_, [length @ 2..=u8::MAX, ..]) => {
                    rest.get(usize::from(*length)..).ok_or(Malformed::Length)?
                }
                _ => return Err(Malformed::Length),
            };
        }
        Ok(false)
    }

    pub fn tos(&self) -> u8 {
        self.head[1]
    }

    pub fn dscp(&self) -> u8 {
        self.tos() >> 2
    }

    pub fn ecn(&self) -> u8 {
        self.tos() & 3
    }

    pub fn ident(&self) -> u16 {
        u16::from_be_bytes([self.head[4], self.head[5]])
    }

    /// Don't fragment.
    pub fn df(&self) -> bool {
        self.fragment_word() & DF != 0
    }

    /// More fragments follow.
    pub fn mf(&self) -> bool {
        self.fragment_word() & MF != 0
    }

    /// Where the payload lies in the whole packet's, in bytes.
    pub fn fragment_offset(&self) -> usize {
        usize::from(self.fragment_word() & OFFSET) << 3
    }

    pub fn is_fragment(&self) -> bool {
        self.fragment_word() & (MF | OFFSET) != 0
    }

    pub fn ttl(&self) -> u8 {
        self.head[8]
    }

    pub fn protocol(&self) -> u8 {
        self.head[9]
    }

    pub fn checksum(&self) -> u16 {
        u16::from_be_bytes([self.head[10], self.head[11]])
    }

    pub fn is_intact(&self) -> bool {
        checksum::Sum::ZERO.with(self.header).is_intact()
    }

    pub fn src(&self) -> Ipv4Addr {
        Ipv4Addr::new(self.head[12], self.head[13], self.head[14], self.head[15])
    }

    pub fn dst(&self) -> Ipv4Addr {
        Ipv4Addr::new(self.head[16], self.head[17], self.head[18], self.head[19])
    }

    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    fn fragment_word(&self) -> u16 {
        u16::from_be_bytes([self.head[6], self.head[7]])
    }
}

/// Writes fields of a packet in place. Every setter keeps the header checksum as right, or as wrong, as
/// it was (RFC 1624).
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
        if head[0] >> 4 == 4 { Ok(Self(head)) } else { Err(Malformed::Version) }
    }

    pub fn set_tos(&mut self, tos: u8) {
        let old = u16::from_be_bytes([self.0[0], self.0[1]]);
        self.0[1] = tos;
        self.refresh(old, u16::from_be_bytes([self.0[0], tos]));
    }

    /// `total_len` in bytes; what lies there is the caller's business.
    pub fn set_total_len(&mut self, total_len: u16) {
        let old = u16::from_be_bytes([self.0[2], self.0[3]]);
        [self.0[2], self.0[3]] = total_len.to_be_bytes();
        self.refresh(old, total_len);
    }

    pub fn set_ident(&mut self, ident: u16) {
        let old = u16::from_be_bytes([self.0[4], self.0[5]]);
        [self.0[4], self.0[5]] = ident.to_be_bytes();
        self.refresh(old, ident);
    }

    pub fn set_df(&mut self, df: bool) {
        let word = u16::from_be_bytes([self.0[6], self.0[7]]);
        self.set_fragment_word(if df { word | DF } else { word & !DF });
    }

    /// Makes the packet a fragment. `offset` in bytes, a multiple of eight; DF is left as it is.
    pub fn set_fragment(&mut self, offset: usize, more: bool) {
        let df = u16::from_be_bytes([self.0[6], self.0[7]]) & DF;
        let offset = u16::try_from(offset >> 3).unwrap_or(OFFSET) & OFFSET;
        self.set_fragment_word(df | offset | if more { MF } else { 0 });
    }

    pub fn set_ttl(&mut self, ttl: u8) {
        let old = u16::from_be_bytes([self.0[8], self.0[9]]);
        self.0[8] = ttl;
        self.refresh(old, u16::from_be_bytes([ttl, self.0[9]]));
    }

    pub fn set_protocol(&mut self, protocol: u8) {
        let old = u16::from_be_bytes([self.0[8], self.0[9]]);
        self.0[9] = protocol;
        self.refresh(old, u16::from_be_bytes([self.0[8], protocol]));
    }

    fn set_fragment_word(&mut self, word: u16) {
        let old = u16::from_be_bytes([self.0[6], self.0[7]]);
        [self.0[6], self.0[7]] = word.to_be_bytes();
        self.refresh(old, word);
    }

    fn refresh(&mut self, old: u16, new: u16) {
        let sum = checksum::replace(u16::from_be_bytes([self.0[10], self.0[11]]), old, new);
        [self.0[10], self.0[11]] = sum.to_be_bytes();
    }
}

/// A fresh header without options, in values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub tos: u8,
    pub ident: u16,
    pub df: bool,
    pub ttl: u8,
    pub protocol: u8,
    pub src: Ipv4Addr,
    pub dst: Ipv4Addr,
    /// Bytes of payload.
    pub length: usize,
}

impl Header {
    /// Writes the header with its checksum over the first [`HEADER`] bytes of `out`.
    #[inline]
    pub fn emit(&self, out: &mut [u8]) -> Result<(), Malformed> {
        let head = out.first_chunk_mut::<HEADER>().ok_or(Malformed::Truncated)?;
        let total = self.length.checked_add(HEADER).and_then(|n| u16::try_from(n).ok());
        let [l0, l1] = total.ok_or(Malformed::Length)?.to_be_bytes();
        let ([i0, i1], df) = (self.ident.to_be_bytes(), if self.df { 0x40 } else { 0 });
        let (length, fragment) = ([0x45, self.tos, l0, l1], [i0, i1, df, 0]);
        let (src, dst) = (self.src.octets(), self.dst.octets());
        let words = [length, fragment, [self.ttl, self.protocol, 0, 0], src, dst];
        // Summed before they are written: to read again what was just written in smaller pieces is slow.
        let sum =
            words.into_iter().fold(checksum::Sum::ZERO, |sum, word| sum.with_u32(u32::from_be_bytes(word)));
        let [c0, c1] = sum.finish().to_be_bytes();
        let words = [length, fragment, [self.ttl, self.protocol, c0, c1], src, dst];
        head.copy_from_slice(words.as_flattened());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A capture: UDP 192.168.0.1 to 192.168.0.199, header only of 115 bytes, checksum 0xb861.
    const CAPTURE: [u8; 20] = [
        0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0,
        0xa8, 0x00, 0xc7,
    ];

    fn packet() -> Vec<u8> {
        let mut bytes = CAPTURE.to_vec();
        bytes.resize(0x73, 0xAA);
        bytes
    }

    #[test]
    fn a_known_header_reads_and_is_written_byte_for_byte() {
        let bytes = packet();
        let view = Packet::new_checked(&bytes).unwrap();
        assert!(view.is_intact() && view.df() && !view.mf() && !view.is_fragment());
        assert_eq!((view.header_len(), view.total_len(), view.ttl(), view.protocol()), (20, 115, 64, 17));
        assert_eq!((view.src(), view.dst()), ([192, 168, 0, 1].into(), [192, 168, 0, 199].into()));
        let header = Header {
            tos: 0,
            ident: 0,
            df: true,
            ttl: 64,
            protocol: 17,
            src: view.src(),
            dst: view.dst(),
            length: 95,
        };
        let mut out = [0u8; 20];
        header.emit(&mut out).unwrap();
        assert_eq!(out, CAPTURE);
    }

    #[test]
    fn every_setter_keeps_the_checksum_right() {
        let mut bytes = packet();
        let mut view = PacketMut::new_checked(&mut bytes).unwrap();
        view.set_tos(0xB9);
        view.set_ident(0xBEEF);
        view.set_df(false);
        view.set_fragment(1480, true);
        view.set_ttl(1);
        view.set_protocol(50);
        view.set_total_len(100);
        let view = Packet::new_checked(&bytes).unwrap();
        assert!(view.is_intact());
        assert_eq!((view.dscp(), view.ecn(), view.ident(), view.ttl()), (0x2E, 1, 0xBEEF, 1));
        assert_eq!(view.protocol(), 50);
        assert_eq!((view.df(), view.mf(), view.fragment_offset()), (false, true, 1480));
        assert_eq!((view.total_len(), view.payload().len()), (100, 80));
    }

    #[test]
    fn a_wrong_checksum_stays_wrong() {
        let mut bytes = packet();
        bytes[10] ^= 1;
        PacketMut::new_checked(&mut bytes).unwrap().set_ttl(9);
        assert!(!Packet::new_checked(&bytes).unwrap().is_intact());
    }

    #[test]
    fn options_are_part_of_the_header() {
        let mut bytes = packet();
        bytes[0] = 0x46;
        let view = Packet::new_checked(&bytes).unwrap();
        assert_eq!((view.header_len(), view.options(), view.payload().len()), (24, &[0xAA; 4][..], 91));
    }

    #[test]
    fn a_source_route_is_found_behind_other_options_and_not_inside_them() {
        let routed = |options: [u8; 8]| {
            let mut bytes = packet();
            bytes[0] = 0x47;
            bytes[20..28].copy_from_slice(&options);
            Packet::new_checked(&bytes).unwrap().is_source_routed()
        };
        assert_eq!(Packet::new_checked(&packet()).unwrap().is_source_routed(), Ok(false));
        assert_eq!(routed([1, 131, 7, 4, 192, 0, 2, 1]), Ok(true));
        assert_eq!(routed([148, 4, 0, 0, 137, 3, 4, 0]), Ok(true));
        assert_eq!(routed([148, 4, 131, 137, 0, 131, 7, 4]), Ok(false));
        assert_eq!(routed([148, 9, 0, 0, 0, 0, 0, 0]), Err(Malformed::Length));
        assert_eq!(routed([1, 1, 1, 1, 1, 1, 1, 148]), Err(Malformed::Length));
        assert_eq!(routed([7, 1, 0, 0, 0, 0, 0, 0]), Err(Malformed::Length));
    }

    #[test]
    fn contradictions_are_refused() {
        let refused = |change: fn(&mut Vec<u8>)| {
            let mut bytes = packet();
            change(&mut bytes);
            Packet::new_checked(&bytes).err()
        };
        assert_eq!(refused(|b| b.truncate(19)), Some(Malformed::Truncated));
        assert_eq!(refused(|b| b[0] = 0x65), Some(Malformed::Version));
        assert_eq!(refused(|b| b[0] = 0x44), Some(Malformed::Length));
        assert_eq!(refused(|b| b[3] = 19), Some(Malformed::Length));
        assert_eq!(refused(|b| b[3] = 0x74), Some(Malformed::Length));
        assert_eq!(
            refused(|b| {
                b[0] = 0x4F;
                b[3] = 59
            }),
            Some(Malformed::Length)
        );
    }
}
