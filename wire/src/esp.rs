//! The clear head of ESP, RFC 4303 section 2, and what shares UDP 4500 with it, RFC 3948 section 2.

use base::Spi;

use crate::Malformed;

/// The IP protocol number.
pub const PROTOCOL: u8 = 50;
/// Bytes of SPI and sequence number.
pub const HEADER: usize = 8;
/// The UDP port of RFC 3948.
pub const NATT_PORT: u16 = 4500;

/// What goes in clear before the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub spi: Spi,
    /// The low 32 bits of the sequence number.
    pub sequence: u32,
}

/// What a UDP datagram on port 4500 carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encapsulated<'a> {
    /// ESP, from its SPI on.
    Esp(&'a [u8]),
    /// IKE, behind the zero marker.
    Ike(&'a [u8]),
    /// One byte 0xFF that only keeps a NAT's binding alive.
    Keepalive,
}

impl Header {
    /// The header, and the payload behind it. SPI values below 256 are reserved, which the caller judges.
    pub fn parse(packet: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let (head, rest) = packet.split_first_chunk::<HEADER>().ok_or(Malformed::Truncated)?;
        let [s0, s1, s2, s3, n0, n1, n2, n3] = *head;
        let spi = Spi(u32::from_be_bytes([s0, s1, s2, s3]));
        Ok((Self { spi, sequence: u32::from_be_bytes([n0, n1, n2, n3]) }, rest))
    }

    pub fn to_bytes(self) -> [u8; HEADER] {
        let ([s0, s1, s2, s3], [n0, n1, n2, n3]) = (self.spi.0.to_be_bytes(), self.sequence.to_be_bytes());
        [s0, s1, s2, s3, n0, n1, n2, n3]
    }

    /// Writes the header over the first [`HEADER`] bytes of `out`.
    pub fn emit(self, out: &mut [u8]) -> Result<(), Malformed> {
        *out.first_chunk_mut().ok_or(Malformed::Truncated)? = self.to_bytes();
        Ok(())
    }
}

impl<'a> Encapsulated<'a> {
    /// Tells apart what a UDP payload on port 4500 is.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Malformed> {
        if payload == [0xFF] {
            return Ok(Self::Keepalive);
        }
        match payload.split_first_chunk::<4>().ok_or(Malformed::Truncated)? {
            ([0, 0, 0, 0], ike) => Ok(Self::Ike(ike)),
            _ => Ok(Self::Esp(payload)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_as_written() {
        let header = Header { spi: Spi(0xC0FF_EE01), sequence: 7 };
        assert_eq!(header.to_bytes(), [0xC0, 0xFF, 0xEE, 0x01, 0, 0, 0, 7]);
        assert_eq!(Header::parse(&header.to_bytes()), Ok((header, &[][..])));
        assert_eq!(Header::parse(&[0; 7]), Err(Malformed::Truncated));
    }

    #[test]
    fn port_4500_carries_esp_or_marked_ike_or_a_keepalive() {
        assert_eq!(Encapsulated::parse(&[0xFF]), Ok(Encapsulated::Keepalive));
        assert_eq!(Encapsulated::parse(&[0, 0, 0, 0, 9]), Ok(Encapsulated::Ike(&[9])));
        assert_eq!(Encapsulated::parse(&[0, 0, 1, 0, 9]), Ok(Encapsulated::Esp(&[0, 0, 1, 0, 9])));
        assert_eq!(Encapsulated::parse(&[0xFE]), Err(Malformed::Truncated));
    }
}
