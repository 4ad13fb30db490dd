//! Extended sequence numbers: 64 bits of which 32 travel (RFC 4303 section 2.2.1 and appendix A).

use wire::esp::HEADER;

/// A whole sequence number, which knows whether the SA counts in 32 or in 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sequence {
    pub(crate) value: u64,
    pub(crate) esn: bool,
}

/// A few bytes of a length that the SA decides.
pub(crate) struct Short {
    bytes: [u8; 12],
    length: usize,
}

impl Sequence {
    /// The last number that may be used.
    pub(crate) fn last(esn: bool) -> u64 {
        if esn { u64::MAX } else { u64::from(u32::MAX) }
    }

    /// The bits that travel.
    pub(crate) const fn low(self) -> u32 {
        (self.value & 0xffff_ffff) as u32
    }

    /// What the ICV of a separate integrity algorithm covers behind the packet's own bytes.
    pub(crate) const fn implied(self) -> Short {
        let [h0, h1, h2, h3, ..] = self.value.to_be_bytes();
        let length = if self.esn { 4 } else { 0 };
        Short { bytes: [h0, h1, h2, h3, 0, 0, 0, 0, 0, 0, 0, 0], length }
    }

    /// What an AEAD authenticates besides the ciphertext: RFC 4106 section 5, 4309 section 5, 7634 section 2.1.
    pub(crate) const fn associated(self, header: [u8; HEADER]) -> Short {
        let [s0, s1, s2, s3, l0, l1, l2, l3] = header;
        let [h0, h1, h2, h3, ..] = self.value.to_be_bytes();
        if self.esn {
            Short { bytes: [s0, s1, s2, s3, h0, h1, h2, h3, l0, l1, l2, l3], length: 12 }
        } else {
            Short { bytes: [s0, s1, s2, s3, l0, l1, l2, l3, 0, 0, 0, 0], length: 8 }
        }
    }
}

impl AsRef<[u8]> for Short {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// The one number that ends in `low` and lies at most 2^32 - 1 above `bottom`, the window's left
/// edge; `None` beyond 2^64. This is RFC 4303 appendix A2.1, both of its cases: the window never
/// lets a number below its left edge be meant.
pub(crate) fn infer(bottom: u64, low: u32) -> Option<u64> {
    let bottom_low = (bottom & 0xffff_ffff) as u32;
    bottom.checked_add(u64::from(low.wrapping_sub(bottom_low)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Th and Tl as in appendix A2.1, written out case by case.
    fn appendix_a2(top: u64, window: u64, low: u32) -> Option<u64> {
        let (high, tl, low) = (top >> 32, top & 0xffff_ffff, u64::from(low));
        let high = if tl >= window - 1 {
            if low + window > tl { high } else { high + 1 }
        } else if low + window > tl + (1 << 32) {
            high.checked_sub(1)?
        } else {
            high
        };
        (high < 1 << 32).then_some(high << 32 | low)
    }

    #[test]
    fn the_high_bits_are_those_of_appendix_a2() {
        let wrap = 1_u64 << 32;
        let lows = [0, 1, 62, 63, 64, 65, 1000, 1 << 31, u32::MAX - 64, u32::MAX - 1, u32::MAX];
        for top in [64, wrap - 1, wrap, wrap + 5, wrap + 63, wrap + 64, 3 * wrap - 1, 3 * wrap + 10, u64::MAX]
        {
            for low in lows {
                let expected = appendix_a2(top, 64, low);
                assert_eq!(infer(top - 63, low), expected, "top {top:#x} low {low:#x}");
            }
        }
    }
}
