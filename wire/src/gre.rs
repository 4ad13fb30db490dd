//! GRE headers, RFC 2784, with the key and the sequence number of RFC 2890.

use crate::{Malformed, checksum};

pub const PROTOCOL: u8 = 47;

/// Bytes of a header that has everything we write.
pub const LONGEST: usize = 8;

/// Bytes of a header without key.
const SHORTEST: usize = 4;

const CHECKSUM: u16 = 0x8000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
/// Routing of RFC 1701, and what lies beside it: whoever does not know them drops the packet (RFC 2784 section 2.3).
const FOREIGN: u16 = 0x4000 | 0x0C00;
const VERSION: u16 = 0x0007;

/// What a header says of the packet behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// An ethertype.
    pub protocol: u16,
    pub key: Option<u32>,
}

impl Header {
    /// The header, and the packet behind it. A checksum must be right; a sequence number is passed over.
    pub fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let (head, mut rest) = bytes.split_first_chunk::<SHORTEST>().ok_or(Malformed::Truncated)?;
        let [f0, f1, p0, p1] = *head;
        let flags = u16::from_be_bytes([f0, f1]);
        if flags & VERSION != 0 {
            return Err(Malformed::Version);
        }
        if flags & FOREIGN != 0 {
            return Err(Malformed::Flags);
        }
        let summed = word(&mut rest, flags & CHECKSUM != 0)?;
        let key = word(&mut rest, flags & KEY != 0)?;
        word(&mut rest, flags & SEQUENCE != 0)?;
        if summed.is_some() && !checksum::Sum::ZERO.with(bytes).is_intact() {
            return Err(Malformed::Checksum);
        }
        Ok((Self { protocol: u16::from_be_bytes([p0, p1]), key }, rest))
    }

    /// Bytes that [`emit`](Self::emit) writes.
    pub const fn length(self) -> usize {
        if self.key.is_some() { LONGEST } else { SHORTEST }
    }

    /// Writes the header over the first bytes of `out`, without checksum and sequence number.
    pub fn emit(self, out: &mut [u8]) -> Result<(), Malformed> {
        let flags = if self.key.is_some() { KEY } else { 0 };
        let ([f0, f1], [p0, p1]) = (flags.to_be_bytes(), self.protocol.to_be_bytes());
        *out.first_chunk_mut().ok_or(Malformed::Truncated)? = [f0, f1, p0, p1];
        if let Some(key) = self.key {
            let out = out.get_mut(SHORTEST..).and_then(|rest| rest.first_chunk_mut());
            *out.ok_or(Malformed::Truncated)? = key.to_be_bytes();
        }
        Ok(())
    }
}

/// Takes a word off, if it is there at all.
fn word(rest: &mut &[u8], is_there: bool) -> Result<Option<u32>, Malformed> {
    if !is_there {
        return Ok(None);
    }
    let (word, behind) = rest.split_first_chunk().ok_or(Malformed::Truncated)?;
    *rest = behind;
    Ok(Some(u32::from_be_bytes(*word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_as_written_with_and_without_key() {
        for (key, bytes) in [
            (None, &[0, 0, 8, 0, 9, 9][..]),
            (Some(0x0102_0304), &[0x20, 0, 8, 0, 1, 2, 3, 4, 9, 9]),
            (Some(0), &[0x20, 0, 8, 0, 0, 0, 0, 0, 9, 9]),
        ] {
            let header = Header { protocol: 0x0800, key };
            let mut out = vec![9; header.length() + 2];
            header.emit(&mut out).unwrap();
            assert_eq!(out, bytes);
            assert_eq!(Header::parse(&out), Ok((header, &[9u8, 9][..])));
            for length in 0..header.length() {
                assert_eq!(Header::parse(&out[..length]), Err(Malformed::Truncated));
                assert_eq!(header.emit(&mut out[..length]), Err(Malformed::Truncated));
            }
        }
    }

    #[test]
    fn a_sequence_number_is_passed_over() {
        let bytes = [0x30, 0, 0x86, 0xDD, 0, 0, 0, 7, 0xFF, 0xFF, 0xFF, 0xFF, 9];
        let header = Header { protocol: 0x86DD, key: Some(7) };
        assert_eq!(Header::parse(&bytes), Ok((header, &[9u8][..])));
        assert_eq!(Header::parse(&bytes[..11]), Err(Malformed::Truncated));
    }

    #[test]
    fn a_checksum_must_be_right() {
        let mut bytes = [0xA0, 0, 0x88, 0x47, 0, 0, 0, 0, 0, 0, 0, 7, 1, 2, 3];
        let sum = checksum::internet(&bytes).to_be_bytes();
        bytes[4..6].copy_from_slice(&sum);
        let header = Header { protocol: 0x8847, key: Some(7) };
        assert_eq!(Header::parse(&bytes), Ok((header, &[1u8, 2, 3][..])));
        bytes[14] ^= 1;
        assert_eq!(Header::parse(&bytes), Err(Malformed::Checksum));
    }

    #[test]
    fn flags_of_other_protocols_are_refused_and_reserved_ones_ignored() {
        for bit in 0..16 {
            let flags: u16 = 1 << bit;
            let [f0, f1] = flags.to_be_bytes();
            let mut bytes = [f0, f1, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            if flags == CHECKSUM {
                let sum = checksum::internet(&bytes).to_be_bytes();
                bytes[4..6].copy_from_slice(&sum);
            }
            let refusal = match bit {
                0..=2 => Some(Malformed::Version),
                10 | 11 | 14 => Some(Malformed::Flags),
                _ => None,
            };
            assert_eq!(Header::parse(&bytes).err(), refusal, "{flags:#06x}");
        }
    }
}
