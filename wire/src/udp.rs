//! UDP, RFC 768.

use core::net::IpAddr;

use crate::{Malformed, checksum};

/// The IP protocol number.
pub const PROTOCOL: u8 = 17;
/// Bytes of a header.
pub const HEADER: usize = 8;

/// A datagram whose length field lies within the bytes at hand.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    head: &'a [u8; HEADER],
    whole: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// `bytes` may go on behind the datagram; it is cut off there.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let head = bytes.first_chunk::<HEADER>().ok_or(Malformed::Truncated)?;
        let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
        let whole = bytes.get(..length).ok_or(Malformed::Length)?;
        let payload = whole.get(HEADER..).ok_or(Malformed::Length)?;
        Ok(Self { head, whole, payload })
    }

    pub fn src_port(&self) -> u16 {
        u16::from_be_bytes([self.head[0], self.head[1]])
    }

    pub fn dst_port(&self) -> u16 {
        u16::from_be_bytes([self.head[2], self.head[3]])
    }

    /// As sent; zero: none was computed.
    pub fn checksum(&self) -> u16 {
        u16::from_be_bytes([self.head[6], self.head[7]])
    }

    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Whether the checksum fits, or none was sent. IPv6 forbids sending none except for tunnels
    /// (RFC 6935), which the caller judges.
    pub fn is_intact(&self, src: IpAddr, dst: IpAddr) -> bool {
        let length = u32::try_from(self.whole.len()).unwrap_or(0);
        self.checksum() == 0 || checksum::pseudo(src, dst, PROTOCOL, length).with(self.whole).is_intact()
    }
}

/// Writes a header with checksum zero for `length` bytes of payload over the first [`HEADER`] bytes of
/// `out`. RFC 3948 wants zero for ESP in UDP.
pub fn emit(out: &mut [u8], src_port: u16, dst_port: u16, length: usize) -> Result<(), Malformed> {
    let head = out.first_chunk_mut::<HEADER>().ok_or(Malformed::Truncated)?;
    let whole = length.checked_add(HEADER).and_then(|n| u16::try_from(n).ok()).ok_or(Malformed::Length)?;
    let ([s0, s1], [d0, d1], [l0, l1]) =
        (src_port.to_be_bytes(), dst_port.to_be_bytes(), whole.to_be_bytes());
    *head = [s0, s1, d0, d1, l0, l1, 0, 0];
    Ok(())
}

/// Computes the checksum of the whole datagram in `bytes` and writes it.
pub fn fill_checksum(bytes: &mut [u8], src: IpAddr, dst: IpAddr) -> Result<(), Malformed> {
    let length = u32::try_from(bytes.len()).map_err(|_| Malformed::Length)?;
    set_checksum(bytes, 0)?;
    let sum = checksum::pseudo(src, dst, PROTOCOL, length).with(bytes).finish();
    // Zero means "none", so a sum of zero goes as its other form.
    set_checksum(bytes, if sum == 0 { 0xFFFF } else { sum })
}

fn set_checksum(bytes: &mut [u8], checksum: u16) -> Result<(), Malformed> {
    let head = bytes.first_chunk_mut::<HEADER>().ok_or(Malformed::Truncated)?;
    [head[6], head[7]] = checksum.to_be_bytes();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> (IpAddr, IpAddr) {
        ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap())
    }

    #[test]
    fn a_datagram_reads_back_as_written_and_a_flipped_bit_shows() {
        let (src, dst) = addresses();
        let mut bytes = [0u8; 11];
        bytes[8..].copy_from_slice(b"abc");
        emit(&mut bytes, 500, 4500, 3).unwrap();
        fill_checksum(&mut bytes, src, dst).unwrap();
        let packet = Packet::new_checked(&bytes).unwrap();
        assert_eq!((packet.src_port(), packet.dst_port(), packet.payload()), (500, 4500, &b"abc"[..]));
        assert!(packet.is_intact(src, dst));
        bytes[9] ^= 4;
        assert!(!Packet::new_checked(&bytes).unwrap().is_intact(src, dst));
    }

    #[test]
    fn a_length_below_the_header_or_beyond_the_bytes_is_refused() {
        for length in [0u8, 7, 9] {
            assert_eq!(Packet::new_checked(&[0, 1, 0, 2, 0, length, 0, 0]).err(), Some(Malformed::Length));
        }
        assert!(Packet::new_checked(&[0, 1, 0, 2, 0, 8, 0, 0, 99]).unwrap().payload().is_empty());
        assert_eq!(emit(&mut [0; 8], 1, 2, 65528), Err(Malformed::Length));
    }
}
