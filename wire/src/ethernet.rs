//! Ethernet II frames, RFC 894.

use crate::Malformed;

pub type Mac = [u8; 6];

/// Bytes of a header without VLAN tag.
pub const HEADER: usize = 14;
pub const BROADCAST: Mac = [0xFF; 6];

pub const IPV4: u16 = 0x0800;
pub const ARP: u16 = 0x0806;
/// Of a customer: 802.1Q.
pub const VLAN: u16 = 0x8100;
/// Bytes of a tag, behind the addresses.
pub const TAG: usize = 4;
pub const IPV6: u16 = 0x86DD;
/// Of a provider: 802.1ad.
pub const PROVIDER_VLAN: u16 = 0x88A8;
/// RFC 5332: MPLS, whether unicast or with a label from upstream.
pub const MPLS: u16 = 0x8847;

/// A frame's three fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub dst: Mac,
    pub src: Mac,
    pub ethertype: u16,
}

impl Header {
    /// The header, and the payload behind it.
    pub fn parse(frame: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let (head, payload) = frame.split_first_chunk::<HEADER>().ok_or(Malformed::Truncated)?;
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = *head;
        let header = Self {
            dst: [d0, d1, d2, d3, d4, d5],
            src: [s0, s1, s2, s3, s4, s5],
            ethertype: u16::from_be_bytes([t0, t1]),
        };
        Ok((header, payload))
    }

    pub fn to_bytes(self) -> [u8; HEADER] {
        let Self { dst: d, src: s, ethertype } = self;
        let [t0, t1] = ethertype.to_be_bytes();
        [d[0], d[1], d[2], d[3], d[4], d[5], s[0], s[1], s[2], s[3], s[4], s[5], t0, t1]
    }

    /// Writes the header over the first [`HEADER`] bytes of `out`.
    pub fn emit(self, out: &mut [u8]) -> Result<(), Malformed> {
        *out.first_chunk_mut().ok_or(Malformed::Truncated)? = self.to_bytes();
        Ok(())
    }
}

/// Whether the frame goes to a group: broadcast or multicast.
pub const fn is_group(mac: Mac) -> bool {
    mac[0] & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_as_written_and_a_short_frame_is_refused() {
        let header = Header { dst: [1, 2, 3, 4, 5, 6], src: [7, 8, 9, 10, 11, 12], ethertype: MPLS };
        let mut frame = [0u8; 16];
        header.emit(&mut frame).unwrap();
        assert_eq!(frame[..14], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x88, 0x47]);
        assert_eq!(Header::parse(&frame), Ok((header, &[0u8, 0][..])));
        assert_eq!(Header::parse(&frame[..13]), Err(Malformed::Truncated));
        assert_eq!(header.emit(&mut [0; 13]), Err(Malformed::Truncated));
    }
}
