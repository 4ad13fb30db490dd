//! MPLS label stack entries, RFC 3032 section 2.1.

use base::Label;

use crate::Malformed;

/// Bytes of one entry.
pub const ENTRY: usize = 4;

/// One entry of a label stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub label: Label,
    /// Traffic class, three bits, RFC 5462 (once EXP).
    pub tc: u8,
    /// Whether this is the last entry, with the packet behind it.
    pub bottom: bool,
    pub ttl: u8,
}

impl Entry {
    /// The first entry, and what is behind it.
    pub fn parse(stack: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let (entry, rest) = stack.split_first_chunk().ok_or(Malformed::Truncated)?;
        Ok((Self::from_bytes(*entry), rest))
    }

    pub fn from_bytes(bytes: [u8; ENTRY]) -> Self {
        let [high, middle, low, ttl] = bytes;
        let word = u32::from_be_bytes([0, high, middle, low]);
        // Twenty bits always fit a label.
        let label = Label::new(word >> 4).unwrap_or(Label::LAST);
        Self { label, tc: low >> 1 & 7, bottom: low & 1 == 1, ttl }
    }

    pub fn to_bytes(self) -> [u8; ENTRY] {
        let low = u32::from(self.tc & 7) << 1 | u32::from(self.bottom);
        let [_, high, middle, low] = (self.label.value() << 4 | low).to_be_bytes();
        [high, middle, low, self.ttl]
    }

    /// Writes the entry over the first four bytes of `out`.
    pub fn emit(self, out: &mut [u8]) -> Result<(), Malformed> {
        *out.first_chunk_mut().ok_or(Malformed::Truncated)? = self.to_bytes();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back_as_written_at_every_field_s_edge() {
        for value in [0, 3, 16, 0x12345, 0xF_FFFF] {
            for (tc, bottom, ttl) in [(0, true, 255), (7, false, 1), (5, true, 0)] {
                let entry = Entry { label: Label::new(value).unwrap(), tc, bottom, ttl };
                assert_eq!(Entry::from_bytes(entry.to_bytes()), entry);
            }
        }
        let entry = Entry { label: Label::new(0x12345).unwrap(), tc: 5, bottom: true, ttl: 64 };
        assert_eq!(entry.to_bytes(), [0x12, 0x34, 0x5B, 64]);
    }

    #[test]
    fn three_bytes_are_no_entry() {
        assert_eq!(Entry::parse(&[0, 1, 2]), Err(Malformed::Truncated));
    }
}
