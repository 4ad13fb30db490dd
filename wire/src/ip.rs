//! An IP packet of either family, as lookups and selectors see it.

use core::net::IpAddr;

use base::Family;

use crate::{Malformed, ipv4, ipv6, tcp, udp};

const DCCP: u8 = 33;
const SCTP: u8 = 132;
const UDP_LITE: u8 = 136;

/// A well-formed packet. In IPv6 the extension headers count as header.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    pub src: IpAddr,
    pub dst: IpAddr,
    /// The upper protocol, behind IPv6 extension headers.
    pub protocol: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// TOS or traffic class: DSCP and ECN.
    pub tos: u8,
    /// Whether a router may not fragment it: DF in IPv4, always in IPv6.
    pub df: bool,
    /// `None`: whole.
    pub fragment: Option<Fragment>,
    /// Bytes before the upper layer.
    pub header_len: usize,
    /// Header and payload, without what the link added behind.
    pub bytes: &'a [u8],
}

/// Which piece of a packet this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// IPv4: 16 bits.
    pub ident: u32,
    /// In bytes.
    pub offset: usize,
    pub more: bool,
}

/// What selectors and hashes look at. Ports are zero where the protocol has none, and in fragments
/// beyond the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    pub src: IpAddr,
    pub dst: IpAddr,
    pub protocol: u8,
    pub src_port: u16,
    pub dst_port: u16,
}

/// The family by the version field alone.
#[inline]
pub fn family(bytes: &[u8]) -> Result<Family, Malformed> {
    match bytes.first().ok_or(Malformed::Truncated)? >> 4 {
        4 => Ok(Family::V4),
        6 => Ok(Family::V6),
        _ => Err(Malformed::Version),
    }
}

impl<'a> Packet<'a> {
    /// Judges lengths and walks extension headers; the IPv4 checksum is not judged.
    ///
    /// It is always inlined: what this writes field by field and its caller reads again in larger pieces would cost every
    /// packet more than the judgement does.
    #[inline(always)]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, Malformed> {
        match family(bytes)? {
            Family::V4 => Self::v4(bytes),
            // Moved out of where the call left it, so that a packet of the other family need not lie there.
            Family::V6 => {
                let packet = Self::v6(bytes)?;
                Ok(packet)
            }
        }
    }

    #[inline]
    pub fn family(&self) -> Family {
        Family::of(self.src)
    }

    /// The upper layer's bytes.
    #[inline]
    pub fn payload(&self) -> &'a [u8] {
        self.bytes.get(self.header_len..).unwrap_or_default()
    }

    /// Whether this is a fragment without the upper layer's header.
    #[inline]
    pub fn is_later_fragment(&self) -> bool {
        self.fragment.is_some_and(|fragment| fragment.offset != 0)
    }

    /// A first fragment, or a whole packet, too short to show its ports is refused: it would slip past
    /// selectors (RFC 1858).
    #[inline]
    pub fn flow(&self) -> Result<Flow, Malformed> {
        let has_ports = matches!(self.protocol, tcp::PROTOCOL | udp::PROTOCOL | DCCP | SCTP | UDP_LITE);
        let (src_port, dst_port) = if has_ports && !self.is_later_fragment() {
            let [s0, s1, d0, d1] = *self.payload().first_chunk().ok_or(Malformed::Truncated)?;
            (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]))
        } else {
            (0, 0)
        };
        Ok(Flow { src: self.src, dst: self.dst, protocol: self.protocol, src_port, dst_port })
    }

    /// As [`new_checked`](Self::new_checked), of a packet that is taken for IPv4.
    #[inline(always)]
    pub fn v4(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let view = ipv4::Packet::new_checked(bytes)?;
        let piece = Fragment { ident: view.ident().into(), offset: view.fragment_offset(), more: view.mf() };
        Ok(Self {
            src: view.src().into(),
            dst: view.dst().into(),
            protocol: view.protocol(),
            ttl: view.ttl(),
            tos: view.tos(),
            df: view.df(),
            fragment: view.is_fragment().then_some(piece),
            header_len: view.header_len(),
            bytes: bytes.get(..view.total_len()).ok_or(Malformed::Length)?,
        })
    }

    /// As [`new_checked`](Self::new_checked), of a packet that is taken for IPv6.
    #[inline(never)]
    pub fn v6(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let view = ipv6::Packet::new_checked(bytes)?;
        let upper = view.upper()?;
        let piece = |f: ipv6::Fragment| Fragment { ident: f.ident, offset: f.offset, more: f.more };
        Ok(Self {
            src: view.src().into(),
            dst: view.dst().into(),
            protocol: upper.protocol,
            ttl: view.hop_limit(),
            tos: view.traffic_class(),
            df: true,
            // An atomic fragment (RFC 6946) is a whole packet.
            fragment: upper.fragment.map(piece).filter(|piece| piece.more || piece.offset != 0),
            header_len: upper.offset,
            bytes: bytes.get(..view.total_len()).ok_or(Malformed::Length)?,
        })
    }
}

/// Writes TTL or hop limit, whichever the packet has.
pub fn set_ttl(bytes: &mut [u8], ttl: u8) -> Result<(), Malformed> {
    match family(bytes)? {
        Family::V4 => ipv4::PacketMut::new_checked(bytes)?.set_ttl(ttl),
        Family::V6 => ipv6::PacketMut::new_checked(bytes)?.set_hop_limit(ttl),
    }
    Ok(())
}

/// Writes TOS or traffic class, whichever the packet has.
pub fn set_tos(bytes: &mut [u8], tos: u8) -> Result<(), Malformed> {
    match family(bytes)? {
        Family::V4 => ipv4::PacketMut::new_checked(bytes)?.set_tos(tos),
        Family::V6 => ipv6::PacketMut::new_checked(bytes)?.set_traffic_class(tos),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; ipv4::HEADER];
        let header = ipv4::Header {
            tos: 4,
            ident: 7,
            df: false,
            ttl: 9,
            protocol,
            src: [10, 0, 0, 1].into(),
            dst: [10, 0, 0, 2].into(),
            length: payload.len(),
        };
        header.emit(&mut bytes).unwrap();
        bytes.extend_from_slice(payload);
        bytes
    }

    fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
        let (src, dst) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        let mut bytes = vec![0; ipv6::HEADER];
        let header = ipv6::Header { traffic_class: 4, hop_limit: 9, next, src, dst, length: payload.len() };
        header.emit(&mut bytes).unwrap();
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn both_families_give_the_same_flow() {
        for bytes in [v4(17, &[1, 2, 3, 4, 0, 0]), v6(17, &[1, 2, 3, 4, 0, 0])] {
            let packet = Packet::new_checked(&bytes).unwrap();
            let flow = packet.flow().unwrap();
            assert_eq!((flow.protocol, flow.src_port, flow.dst_port), (17, 0x0102, 0x0304));
            assert_eq!((packet.ttl, packet.tos, packet.fragment), (9, 4, None));
            assert_eq!(packet.payload().len(), 6);
        }
    }

    #[test]
    fn a_later_fragment_has_no_ports() {
        let mut bytes = v4(17, &[1, 2, 3, 4, 0, 0]);
        ipv4::PacketMut::new_checked(&mut bytes).unwrap().set_fragment(64, true);
        let packet = Packet::new_checked(&bytes).unwrap();
        assert_eq!(packet.fragment, Some(Fragment { ident: 7, offset: 64, more: true }));
        assert_eq!(packet.flow().unwrap().src_port, 0);
        let bytes = v6(44, &[17, 0, 0, 64, 0, 0, 0, 5, 1, 2, 3, 4]);
        let packet = Packet::new_checked(&bytes).unwrap();
        assert_eq!(packet.fragment, Some(Fragment { ident: 5, offset: 64, more: false }));
        assert_eq!(packet.flow().unwrap().dst_port, 0);
    }

    #[test]
    fn a_first_fragment_that_hides_its_ports_is_refused() {
        let mut bytes = v4(6, &[1, 2, 3]);
        assert_eq!(Packet::new_checked(&bytes).unwrap().flow(), Err(Malformed::Truncated));
        ipv4::PacketMut::new_checked(&mut bytes).unwrap().set_fragment(0, true);
        assert_eq!(Packet::new_checked(&bytes).unwrap().flow(), Err(Malformed::Truncated));
        assert!(Packet::new_checked(&v4(50, &[])).unwrap().flow().is_ok());
    }

    #[test]
    fn an_atomic_fragment_is_a_whole_packet() {
        let bytes = v6(44, &[17, 0, 0, 0, 0, 0, 0, 5, 1, 2, 3, 4]);
        let packet = Packet::new_checked(&bytes).unwrap();
        assert_eq!((packet.fragment, packet.header_len), (None, 48));
        assert_eq!(packet.flow().unwrap().dst_port, 0x0304);
    }

    #[test]
    fn setters_work_on_both_families() {
        for mut bytes in [v4(17, &[]), v6(17, &[])] {
            set_ttl(&mut bytes, 2).unwrap();
            set_tos(&mut bytes, 0xFF).unwrap();
            let packet = Packet::new_checked(&bytes).unwrap();
            assert_eq!((packet.ttl, packet.tos), (2, 0xFF));
        }
        assert_eq!(set_ttl(&mut [0x75], 1), Err(Malformed::Version));
        assert_eq!(set_ttl(&mut [], 1), Err(Malformed::Truncated));
    }

    #[test]
    fn no_bytes_make_a_parser_panic() {
        let seeds = [v4(6, &[0; 24]), v6(0, &[60, 0, 0, 0, 0, 0, 0, 0, 44, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 1])];
        for seed in seeds {
            for cut in 0..=seed.len() {
                for at in 0..cut {
                    for value in [0, 1, 0x45, 0x4F, 0x60, 0xFF] {
                        let mut bytes = seed[..cut].to_vec();
                        bytes[at] = value;
                        let flow = Packet::new_checked(&bytes).and_then(|packet| packet.flow());
                        assert!(flow.is_err() || cut >= 20);
                    }
                }
            }
        }
    }
}
