//! The TCP header, RFC 9293 section 3.1, as far as segmenting and selectors need it.

use crate::Malformed;

/// The IP protocol number.
pub const PROTOCOL: u8 = 6;
/// Bytes of a header without options.
pub const HEADER: usize = 20;

pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const PSH: u8 = 0x08;
pub const CWR: u8 = 0x80;

/// A segment whose header lies within the bytes at hand.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    head: &'a [u8; HEADER],
    options: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Packet<'a> {
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let head = bytes.first_chunk::<HEADER>().ok_or(Malformed::Truncated)?;
        let (header, payload) =
            bytes.split_at_checked(usize::from(head[12] >> 4 << 2)).ok_or(Malformed::Length)?;
        Ok(Self { head, options: header.get(HEADER..).ok_or(Malformed::Length)?, payload })
    }

    pub fn src_port(&self) -> u16 {
        u16::from_be_bytes([self.head[0], self.head[1]])
    }

    pub fn dst_port(&self) -> u16 {
        u16::from_be_bytes([self.head[2], self.head[3]])
    }

    pub fn sequence(&self) -> u32 {
        u32::from_be_bytes([self.head[4], self.head[5], self.head[6], self.head[7]])
    }

    pub fn flags(&self) -> u8 {
        self.head[13]
    }

    /// Bytes of the header with its options.
    pub fn header_len(&self) -> usize {
        self.options.len().saturating_add(HEADER)
    }

    pub fn options(&self) -> &'a [u8] {
        self.options
    }

    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// Writes fields of a header that is there already; the checksum is left to the caller.
#[derive(Debug)]
pub struct PacketMut<'a>(&'a mut [u8; HEADER]);

impl<'a> PacketMut<'a> {
    pub fn new_checked(bytes: &'a mut [u8]) -> Result<Self, Malformed> {
        bytes.first_chunk_mut().map(Self).ok_or(Malformed::Truncated)
    }

    pub fn set_sequence(&mut self, sequence: u32) {
        [self.0[4], self.0[5], self.0[6], self.0[7]] = sequence.to_be_bytes();
    }

    pub fn set_flags(&mut self, flags: u8) {
        self.0[13] = flags;
    }

    pub fn set_checksum(&mut self, checksum: u16) {
        [self.0[16], self.0[17]] = checksum.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_read_back_as_written_and_a_short_data_offset_is_refused() {
        let mut bytes = [0u8; 25];
        bytes[..4].copy_from_slice(&[0, 80, 1, 2]);
        bytes[12] = 6 << 4;
        let mut header = PacketMut::new_checked(&mut bytes).unwrap();
        header.set_sequence(0xDEAD_BEEF);
        header.set_flags(PSH | FIN);
        let packet = Packet::new_checked(&bytes).unwrap();
        assert_eq!((packet.src_port(), packet.dst_port(), packet.sequence()), (80, 258, 0xDEAD_BEEF));
        assert_eq!((packet.flags(), packet.header_len(), packet.payload().len()), (PSH | FIN, 24, 1));
        for words in [0u8, 4, 7] {
            bytes[12] = words << 4;
            assert_eq!(Packet::new_checked(&bytes).err(), Some(Malformed::Length), "{words}");
        }
    }
}
