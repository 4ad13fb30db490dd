//! AES-CCM as IPsec uses it (RFC 4309, 5282): nonces of 11 bytes, tags of 16.

use crate::BadLength;
use crate::aead::{TAG_LEN, Unauthentic};
use crate::aes::Aes;

/// An AES-CCM key ready for use.
pub(crate) struct Ccm(Aes);

impl Ccm {
    /// `key` must be 16, 24 or 32 bytes.
    pub(crate) fn new(key: &[u8]) -> Result<Self, BadLength> {
        Aes::new(key).map(Self)
    }

    pub(crate) fn seal(&self, nonce: [u8; 11], aad: &[u8], packet: &mut [u8]) -> Result<(), BadLength> {
        let (data, room) = packet.split_last_chunk_mut::<TAG_LEN>().ok_or(BadLength)?;
        let tag = self.tag(nonce, aad, data)?;
        self.0.ctr(counter(nonce, 1), data);
        *room = tag;
        Ok(())
    }

    pub(crate) fn open(&self, nonce: [u8; 11], aad: &[u8], packet: &mut [u8]) -> Result<(), Unauthentic> {
        let (data, tag) = packet.split_last_chunk_mut::<TAG_LEN>().ok_or(Unauthentic)?;
        self.0.ctr(counter(nonce, 1), data);
        let expected = self.tag(nonce, aad, data).map_err(|_| Unauthentic)?;
        crate::equal(&expected, tag).then_some(()).ok_or(Unauthentic)
    }

    /// RFC 3610 sections 2.2 and 2.3, over clear data.
    fn tag(&self, nonce: [u8; 11], aad: &[u8], data: &[u8]) -> Result<[u8; TAG_LEN], BadLength> {
        let length = u32::try_from(data.len()).map_err(|_| BadLength)?;
        let aad_len = u16::try_from(aad.len()).ok().filter(|&length| length < 0xff00).ok_or(BadLength)?;
        let mut state = counter(nonce, length);
        state[0] |= TAG_BITS | if aad.is_empty() { 0 } else { AAD_BIT };
        self.0.encrypt(&mut state);
        if aad_len > 0 {
            let mut first = [0; 16];
            first[..2].copy_from_slice(&aad_len.to_be_bytes());
            let (now, later) = aad.split_at(aad.len().min(14));
            first[2..2 + now.len()].copy_from_slice(now);
            self.0.absorb(&mut state, &first);
            self.0.absorb(&mut state, later);
        }
        self.0.absorb(&mut state, data);
        self.0.ctr(counter(nonce, 0), &mut state);
        Ok(state)
    }
}

/// The block that holds the nonce and a number of 4 bytes: `flags` say that it has 4.
fn counter(nonce: [u8; 11], number: u32) -> [u8; 16] {
    let mut block = [0; 16];
    block[0] = 3;
    block[1..12].copy_from_slice(&nonce);
    block[12..].copy_from_slice(&number.to_be_bytes());
    block
}

/// A tag of 16 bytes, and that there is associated data (RFC 3610 section 2.2).
const TAG_BITS: u8 = 7 << 3;
const AAD_BIT: u8 = 0x40;
