//! Inbound packets: RFC 4303 section 3.4.

use core::ops::Range;

use crypto::cbc::Decryptor;
use ipsec::{Sa, Suite};
use wire::esp::{HEADER, Header};

use crate::esn::Sequence;
use crate::protection::Protection;
use crate::replay::Window;
use crate::seal::TRAILER;
use crate::volume::{Volume, nine_tenths};
use crate::{BadKey, Refusal};

/// An inbound SA at work.
pub struct Inbound {
    suite: Suite,
    esn: bool,
    window: Window,
    volume: Volume,
    protection: Protection<Decryptor>,
}

/// An authentic packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Where the payload lies in the packet. With traffic flow confidentiality it is longer than the
    /// inner packet: bytes behind that one's own length are padding (RFC 4303 section 2.7).
    pub payload: Range<usize>,
    /// The payload's protocol; [`crate::NO_NEXT_HEADER`] for a dummy.
    pub next_header: u8,
}

impl Inbound {
    pub fn new(sa: &Sa) -> Result<Self, BadKey> {
        Self::resume(sa, 0)
    }

    /// An SA whose window has its right edge at `sequence`.
    pub fn resume(sa: &Sa, sequence: u64) -> Result<Self, BadKey> {
        Ok(Self {
            suite: sa.suite,
            esn: sa.replay.esn,
            window: Window::new(sa.replay.window, sa.replay.esn, sequence),
            volume: Volume::new(sa.kilobytes),
            protection: Protection::new(sa, Decryptor::new)?,
        })
    }

    /// Opens in place a packet that begins with the SPI and ends with the ICV. The window moves only
    /// for an authentic packet; the bytes of a refused one are unspecified.
    pub fn open(&mut self, packet: &mut [u8]) -> Result<Opened, Refusal> {
        let (header, _) = Header::parse(packet).map_err(|_| Refusal::Truncated)?;
        let clear = self.clear(packet.len())?;
        let replay = self.window.check(header.sequence)?;
        self.unprotect(packet, replay.sequence()).ok_or(Refusal::Unauthentic)?;
        self.window.accept(replay);
        let opened = strip(packet, clear).ok_or(Refusal::BadPadding)?;
        self.volume.spend(opened.payload.len())?;
        Ok(opened)
    }

    /// The highest sequence number accepted; zero for none.
    pub const fn sequence(&self) -> u64 {
        self.window.top()
    }

    /// Nine tenths of the sequence numbers or of the volume are used: time for a new SA.
    pub fn nearly_spent(&self) -> bool {
        self.sequence() >= nine_tenths(Sequence::last(self.esn)) || self.volume.nearly_spent()
    }

    /// Where payload and trailer lie in a packet of `length` bytes.
    fn clear(&self, length: usize) -> Result<Range<usize>, Refusal> {
        let start = HEADER.saturating_add(self.suite.cipher.iv_len());
        let end = length.saturating_sub(self.suite.icv_len());
        match end.checked_sub(start) {
            None | Some(..TRAILER) => Err(Refusal::Truncated),
            Some(length) if !length.is_multiple_of(self.suite.cipher.block_len()) => Err(Refusal::Misaligned),
            Some(_) => Ok(start..end),
        }
    }

    /// `None`: not authentic.
    fn unprotect(&self, packet: &mut [u8], sequence: Sequence) -> Option<()> {
        match &self.protection {
            Protection::Aead(key) => {
                let (header, rest) = packet.split_first_chunk_mut()?;
                let (iv, sealed) = rest.split_first_chunk_mut()?;
                key.open(*iv, sequence.associated(*header).as_ref(), sealed).ok()
            }
            Protection::Cbc { cipher, mac } => {
                let (signed, icv) = self.split(packet)?;
                mac.verify(signed, sequence.implied().as_ref(), icv).then_some(())?;
                let (iv, data) =
                    signed.get_mut(HEADER..)?.split_at_mut_checked(self.suite.cipher.iv_len())?;
                cipher.decrypt(iv, data).ok()
            }
            Protection::Ctr { cipher, mac } => {
                let (signed, icv) = self.split(packet)?;
                mac.verify(signed, sequence.implied().as_ref(), icv).then_some(())?;
                let (iv, data) = signed.get_mut(HEADER..)?.split_first_chunk_mut()?;
                cipher.apply(*iv, data);
                Some(())
            }
            Protection::Null(mac) => {
                let (signed, icv) = self.split(packet)?;
                mac.verify(signed, sequence.implied().as_ref(), icv).then_some(())
            }
        }
    }

    /// What the ICV covers, and the ICV.
    fn split<'a>(&self, packet: &'a mut [u8]) -> Option<(&'a mut [u8], &'a mut [u8])> {
        packet.split_at_mut_checked(packet.len().checked_sub(self.suite.icv_len())?)
    }
}

/// Takes off the trailer; `None` if the padding is not 1, 2, 3… (RFC 4303 section 2.4).
fn strip(packet: &[u8], clear: Range<usize>) -> Option<Opened> {
    let (body, &[pad, next_header]) = packet.get(clear.clone())?.split_last_chunk::<TRAILER>()?;
    let length = body.len().checked_sub(usize::from(pad))?;
    let padding = body.get(length..)?;
    let payload = clear.start..clear.start.checked_add(length)?;
    padding.iter().copied().eq(1..=pad).then_some(Opened { payload, next_header })
}
