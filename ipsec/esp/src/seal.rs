//! Outbound packets: RFC 4303 section 3.3.

use core::ops::Range;

use base::Spi;
use crypto::cbc::Encryptor;
use ipsec::{Sa, Suite};
use wire::esp::{HEADER, Header};

use crate::esn::Sequence;
use crate::protection::Protection;
use crate::volume::{Volume, nine_tenths};
use crate::{BadKey, Refusal};

/// Bytes that [`Outbound::seal`] needs before the payload, with any suite: header and IV.
pub const HEADROOM: usize = HEADER + LONGEST_IV;
/// Bytes that it needs after the payload, with any suite: padding, trailer and ICV.
pub const TAILROOM: usize = 15 + TRAILER + 32;

/// An outbound SA at work.
pub struct Outbound {
    spi: Spi,
    suite: Suite,
    esn: bool,
    /// The last number used.
    sequence: u64,
    volume: Volume,
    protection: Protection<Encryptor>,
}

impl Outbound {
    pub fn new(sa: &Sa) -> Result<Self, BadKey> {
        Self::resume(sa, 0)
    }

    /// An SA whose numbers up to `sequence` were used before.
    pub fn resume(sa: &Sa, sequence: u64) -> Result<Self, BadKey> {
        Ok(Self {
            spi: sa.spi,
            suite: sa.suite,
            esn: sa.replay.esn,
            sequence,
            volume: Volume::new(sa.kilobytes),
            protection: Protection::new(sa, Encryptor::new)?,
        })
    }

    /// Seals in place the packet of protocol `next_header` that lies in `room` at `payload`, and
    /// returns where the ESP packet lies, from SPI to ICV. At most [`HEADROOM`] bytes before and
    /// [`TAILROOM`] bytes after the payload are written. A refused packet uses up nothing.
    pub fn seal(
        &mut self,
        room: &mut [u8],
        payload: Range<usize>,
        next_header: u8,
    ) -> Result<Range<usize>, Refusal> {
        let length = room.get(payload.clone()).ok_or(Refusal::NoRoom)?.len();
        let place = self.place(&payload, length).ok_or(Refusal::NoRoom)?;
        let packet = room.get_mut(place.clone()).ok_or(Refusal::NoRoom)?;
        let sequence = self.next()?;
        self.volume.spend(length)?;
        self.sequence = sequence.value;
        Header { spi: self.spi, sequence: sequence.low() }.emit(packet).map_err(|_| Refusal::NoRoom)?;
        self.trail(packet, length, next_header).ok_or(Refusal::NoRoom)?;
        self.protect(packet, sequence).ok_or(Refusal::NoRoom)?;
        Ok(place)
    }

    /// The last sequence number used; zero for none.
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Nine tenths of the sequence numbers or of the volume are used: time for a new SA.
    pub fn nearly_spent(&self) -> bool {
        self.sequence >= nine_tenths(Sequence::last(self.esn)) || self.volume.nearly_spent()
    }

    /// Where the ESP packet will lie.
    fn place(&self, payload: &Range<usize>, length: usize) -> Option<Range<usize>> {
        let start = payload.start.checked_sub(HEADER)?.checked_sub(self.suite.cipher.iv_len())?;
        Some(start..start.checked_add(self.suite.sealed_len(length))?)
    }

    /// The counter never wraps, RFC 4303 section 3.3.3.
    fn next(&self) -> Result<Sequence, Refusal> {
        match self.sequence.checked_add(1) {
            Some(value) if value <= Sequence::last(self.esn) => Ok(Sequence { value, esn: self.esn }),
            Some(_) | None => Err(Refusal::SequenceExhausted),
        }
    }

    /// Writes padding 1, 2, 3…, its length and the next header: RFC 4303 section 2.4.
    fn trail(&self, packet: &mut [u8], length: usize, next_header: u8) -> Option<()> {
        let clear = packet.len().checked_sub(self.suite.icv_len())?;
        let padding = HEADER.checked_add(self.suite.cipher.iv_len())?.checked_add(length)?;
        let (padding, trailer) = packet.get_mut(padding..clear)?.split_last_chunk_mut::<TRAILER>()?;
        padding.iter_mut().zip(1..).for_each(|(byte, value)| *byte = value);
        *trailer = [u8::try_from(padding.len()).ok()?, next_header];
        Some(())
    }

    /// `None` cannot be, for `packet` has the length that the suite asks for.
    fn protect(&self, packet: &mut [u8], sequence: Sequence) -> Option<()> {
        match &self.protection {
            Protection::Aead(key) => {
                let (header, rest) = packet.split_first_chunk_mut()?;
                let (iv, sealed) = rest.split_first_chunk_mut()?;
                // It must be unique, and may be a counter: RFC 4106 section 3.1, 4309 section 3.1, 7634 section 2.
                *iv = sequence.value.to_be_bytes();
                key.seal(*iv, sequence.associated(*header).as_ref(), sealed).ok()
            }
            Protection::Cbc { cipher, mac } => {
                let (signed, icv) = self.split(packet)?;
                let data = signed.get_mut(HEADER..)?;
                let iv_len = self.suite.cipher.iv_len();
                // The IV is the sequence number encrypted under the same key, so nobody can predict
                // it (NIST SP 800-38A appendix C): one more block at the head of the same chain.
                let iv = data.get_mut(..iv_len)?;
                iv.fill(0);
                *iv.last_chunk_mut()? = sequence.value.to_be_bytes();
                cipher.encrypt([0; LONGEST_IV].get(..iv_len)?, data).ok()?;
                mac.tag(signed, sequence.implied().as_ref(), icv);
                Some(())
            }
            Protection::Ctr { cipher, mac } => {
                let (signed, icv) = self.split(packet)?;
                let (iv, data) = signed.get_mut(HEADER..)?.split_first_chunk_mut()?;
                *iv = sequence.value.to_be_bytes();
                cipher.apply(*iv, data);
                mac.tag(signed, sequence.implied().as_ref(), icv);
                Some(())
            }
            Protection::Null(mac) => {
                let (signed, icv) = self.split(packet)?;
                mac.tag(signed, sequence.implied().as_ref(), icv);
                Some(())
            }
        }
    }

    /// What the ICV covers, and the ICV.
    fn split<'a>(&self, packet: &'a mut [u8]) -> Option<(&'a mut [u8], &'a mut [u8])> {
        packet.split_at_mut_checked(packet.len().checked_sub(self.suite.icv_len())?)
    }
}

const LONGEST_IV: usize = 16;
/// The padding's length and the next header.
pub(crate) const TRAILER: usize = 2;
