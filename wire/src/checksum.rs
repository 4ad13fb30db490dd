//! The Internet checksum, RFC 1071, its incremental update, RFC 1624, and pseudo-headers.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A running one's complement sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    pub const ZERO: Self = Self(0);

    /// Adds `bytes` as 16-bit words, the last padded with zero. Call it with an odd number of bytes
    /// only for the last piece.
    #[must_use]
    #[inline]
    pub fn with(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<4>();
        let sum = words.iter().fold(0u64, |sum, word| sum.wrapping_add(u32::from_be_bytes(*word).into()));
        let mut last = [0; 4];
        last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        self.with_u32(fold(sum).into()).with_u32(u32::from_be_bytes(last))
    }

    #[must_use]
    pub const fn with_u32(self, value: u32) -> Self {
        Self(self.0.wrapping_add(value as u64))
    }

    /// The checksum to put into a header whose checksum field was summed as zero.
    pub const fn finish(self) -> u16 {
        !fold(self.0)
    }

    /// Whether what was summed, its checksum field included, is intact.
    pub const fn is_intact(self) -> bool {
        fold(self.0) == 0xFFFF
    }

    /// The sum itself, not complemented: what a sender leaves in the field for hardware to complete.
    pub const fn partial(self) -> u16 {
        fold(self.0)
    }
}

/// The checksum over `bytes`.
#[inline]
pub fn internet(bytes: &[u8]) -> u16 {
    Sum::ZERO.with(bytes).finish()
}

/// The pseudo-header of RFC 793 or RFC 8200 section 8.1. `length`: of the upper-layer packet, in bytes.
/// Addresses of two families give a sum that fits neither.
pub fn pseudo(src: IpAddr, dst: IpAddr, protocol: u8, length: u32) -> Sum {
    address(address(Sum::ZERO, src), dst).with_u32(protocol.into()).with_u32(length)
}

pub fn pseudo_v4(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, length: u32) -> Sum {
    pseudo(src.into(), dst.into(), protocol, length)
}

pub fn pseudo_v6(src: Ipv6Addr, dst: Ipv6Addr, protocol: u8, length: u32) -> Sum {
    pseudo(src.into(), dst.into(), protocol, length)
}

/// The checksum after one 16-bit word changed, RFC 1624 equation 3.
#[inline]
pub const fn replace(checksum: u16, old: u16, new: u16) -> u16 {
    let sum = (!checksum as u64).wrapping_add(!old as u64).wrapping_add(new as u64);
    !fold(sum)
}

fn address(sum: Sum, address: IpAddr) -> Sum {
    match address {
        IpAddr::V4(address) => sum.with_u32(address.to_bits()),
        IpAddr::V6(address) => sum.with(&address.octets()),
    }
}

#[inline]
const fn fold(sum: u64) -> u16 {
    let sum = (sum & 0xFFFF_FFFF).wrapping_add(sum >> 32);
    let sum = (sum & 0xFFFF).wrapping_add(sum >> 16 & 0xFFFF).wrapping_add(sum >> 32);
    let sum = (sum & 0xFFFF).wrapping_add(sum >> 16);
    let sum = (sum & 0xFFFF).wrapping_add(sum >> 16);
    (sum & 0xFFFF) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_1071_sums_as_written_there() {
        let sum = Sum::ZERO.with(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.partial(), 0xddf2);
        assert_eq!(sum.finish(), !0xddf2);
    }

    #[test]
    fn an_odd_last_byte_counts_as_the_high_half_of_a_word() {
        for length in 0..9 {
            let bytes: Vec<u8> = (0..length).map(|i| 0xf3 ^ i).collect();
            let mut padded = bytes.clone();
            padded.resize(10, 0);
            assert_eq!(internet(&bytes), internet(&padded), "{length}");
        }
    }

    #[test]
    fn the_incremental_update_equals_a_fresh_sum_also_at_the_corner_of_rfc_1624() {
        // RFC 1624 section 4: checksum 0xDD2F, word 0x5555 becomes 0x3285, result 0x0000.
        assert_eq!(replace(0xDD2F, 0x5555, 0x3285), 0x0000);
        for (old, new) in [(0u16, 1u16), (0xFFFF, 0), (0x1234, 0xFEDC), (7, 7)] {
            let words = |word: u16| [[0xAB, 0xCD], word.to_be_bytes()].concat();
            assert_eq!(replace(internet(&words(old)), old, new), internet(&words(new)), "{old} {new}");
        }
    }

    #[test]
    fn a_large_sum_folds_without_losing_a_carry() {
        assert_eq!(Sum::ZERO.with(&[0xFF; 65536]).partial(), 0xFFFF);
        assert_eq!(fold(u64::MAX), 0xFFFF);
        assert_eq!(fold(0x1_0000_FFFF), 1);
    }
}
