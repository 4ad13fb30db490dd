//! The few fields of an IP header that stages read again of a packet that `ip_input` has judged, or that
//! was made here; and the outer header of what is made here.

use std::net::{IpAddr, SocketAddr};

use wire::{checksum, ipv4, ipv6, udp};

use crate::Frame;

/// What routing, cutting and labelling look at.
#[derive(Clone, Copy)]
pub(crate) struct Header {
    pub dst: IpAddr,
    pub tos: u8,
    pub ttl: u8,
    /// Whether it may be cut on its way: IPv4 without DF.
    pub divisible: bool,
}

impl Header {
    /// Trusts the packet's lengths; `None` if not even the fixed header is there.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.first()? >> 4 == 4 {
            let head: &[u8; ipv4::HEADER] = bytes.first_chunk()?;
            let dst = [head[16], head[17], head[18], head[19]].into();
            Some(Self { dst, tos: head[1], ttl: head[8], divisible: head[6] & 0x40 == 0 })
        } else {
            let (head, dst) = bytes.first_chunk::<{ ipv6::HEADER }>()?.split_last_chunk::<16>()?;
            let [first, second, .., ttl] = *head.first_chunk::<8>()?;
            Some(Self { dst: (*dst).into(), tos: first << 4 | second >> 4, ttl, divisible: false })
        }
    }
}

/// An IP header around a packet of ours.
#[derive(Clone, Copy)]
pub(crate) struct Outer {
    pub src: IpAddr,
    pub dst: IpAddr,
    pub protocol: u8,
    pub tos: u8,
    pub df: bool,
    pub ttl: u8,
    pub ident: u16,
}

impl Outer {
    /// `None` if there is no room, or the addresses are of two families.
    pub(crate) fn put(self, frame: &mut Frame) -> Option<()> {
        let Self { protocol, tos, df, ttl, ident, .. } = self;
        let length = frame.len();
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                frame.prepend(&[0; ipv4::HEADER]).then_some(())?;
                let header = ipv4::Header { tos, ident, df, ttl, protocol, src, dst, length };
                header.emit(frame.bytes_mut()).ok()
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                frame.prepend(&[0; ipv6::HEADER]).then_some(())?;
                let header =
                    ipv6::Header { traffic_class: tos, hop_limit: ttl, next: protocol, src, dst, length };
                header.emit(frame.bytes_mut()).ok()
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
        }
    }
}

/// A UDP header around a packet of ours; `None` if there is no room. Over IPv4 it has no checksum; over IPv6 a datagram
/// without one is only for tunnels that say so.
#[inline]
pub(crate) fn put_udp(frame: &mut Frame, src: SocketAddr, dst: SocketAddr) -> Option<()> {
    let length = frame.len();
    frame.prepend(&[0; udp::HEADER]).then_some(())?;
    udp::emit(frame.bytes_mut(), src.port(), dst.port(), length).ok()?;
    if dst.is_ipv6() {
        udp::fill_checksum(frame.bytes_mut(), src.ip(), dst.ip()).ok()?;
    }
    Some(())
}

/// Takes one from the TTL or hop limit and keeps the IPv4 checksum right; `None` if nothing is left.
pub(crate) fn age(bytes: &mut [u8]) -> Option<()> {
    if bytes.first()? >> 4 != 4 {
        let limit = bytes.get_mut(7)?;
        *limit = limit.checked_sub(1)?;
        return Some(());
    }
    let head: &mut [u8; ipv4::HEADER] = bytes.first_chunk_mut()?;
    let old = u16::from_be_bytes([head[8], head[9]]);
    head[8] = head[8].checked_sub(1)?;
    let new = u16::from_be_bytes([head[8], head[9]]);
    let sum = checksum::replace(u16::from_be_bytes([head[10], head[11]]), old, new);
    [head[10], head[11]] = sum.to_be_bytes();
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(ttl: u8) -> Vec<u8> {
        let (src, dst) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let header = ipv4::Header { tos: 0xB8, ident: 0, df: true, ttl, protocol: 17, src, dst, length: 4 };
        let mut bytes = vec![0; 24];
        header.emit(&mut bytes).unwrap();
        bytes
    }

    fn v6(hop_limit: u8) -> Vec<u8> {
        let (src, dst) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        let header = ipv6::Header { traffic_class: 0xB8, hop_limit, next: 17, src, dst, length: 0 };
        let mut bytes = vec![0; 40];
        header.emit(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn the_short_look_sees_what_the_long_one_sees() {
        for bytes in [v4(9), v6(9)] {
            let (short, long) = (Header::of(&bytes).unwrap(), wire::ip::Packet::new_checked(&bytes).unwrap());
            assert_eq!((short.dst, short.tos, short.ttl), (long.dst, long.tos, long.ttl));
            assert_eq!(short.divisible, !long.df);
            for cut in 0..bytes.len().min(20) {
                assert!(Header::of(&bytes[..cut]).is_none());
            }
        }
    }

    #[test]
    fn a_hop_takes_one_and_the_checksum_stays_right() {
        for (mut bytes, younger) in [(v4(9), v4(8)), (v6(9), v6(8))] {
            age(&mut bytes).unwrap();
            assert_eq!(bytes, younger);
        }
        assert_eq!((age(&mut v4(0)), age(&mut v6(0)), age(&mut [])), (None, None, None));
    }
}
