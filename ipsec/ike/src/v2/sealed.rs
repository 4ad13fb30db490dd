//! The encrypted payload: RFC 7296 section 3.14, with combined modes (RFC 5282, RFC 7634), and IntAuth's
//! view of it (RFC 9242).

use crypto::aead::{self, Aead};
use crypto::cbc::{self, Block};
use crypto::ctr::Ctr;
use crypto::drbg::Drbg;
use crypto::prf::Hash;

use super::keys::Keys;
use super::wire::header::{Header, LENGTH};
use super::wire::payload::{Chain, ENCRYPTED, GENERIC_HEADER};
use crate::config::v2::{Encryption, Integrity, Prf};
use crate::error::Refusal;
use crate::notice::Blame;
use crate::wire::length16;

pub(crate) mod fragment;
pub(crate) use fragment::{Fragment, Reassembly};

/// What an authentic message holds.
pub(crate) enum Opened {
    Whole(Clear),
    Fragment(Fragment),
}

/// The payloads of a message that was sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clear {
    /// Type of the first one.
    pub(crate) first: u8,
    pub(crate) bytes: Vec<u8>,
}

impl Clear {
    pub(crate) fn chain(&self) -> Result<Chain<'_>, Refusal> {
        Ok(Chain::decode(self.first, &self.bytes)?)
    }
}

impl Keys {
    /// The message with `clear` in its encrypted payload, `first` being the type of the first payload there.
    pub(crate) fn seal(
        &mut self,
        drbg: &mut Drbg,
        header: Header,
        first: u8,
        clear: &[u8],
    ) -> Result<Vec<u8>, Refusal> {
        self.seal_as(drbg, header, (ENCRYPTED, first), &[], clear)
    }

    /// Checks and opens a message. Nothing of it is looked at before it has proved to be the peer's.
    pub(crate) fn open(&self, header: &Header, body: &[u8]) -> Result<Opened, Refusal> {
        let chain = Chain::decode(header.next, body)?;
        let (kind, first, sealed) = chain.encrypted().ok_or(Refusal::ignored("not-encrypted"))?;
        let numbers = if kind == ENCRYPTED { 0 } else { fragment::NUMBERS };
        let (numbers, sealed) =
            sealed.split_at_checked(numbers).ok_or(Refusal::ignored("encrypted-payload-too-short"))?;
        let whole = header.encode(body);
        let clear = self.open_sealed(&whole, sealed.len())?;
        match numbers {
            &[n1, n2, t1, t2] => {
                let (number, total) = (u16::from_be_bytes([n1, n2]), u16::from_be_bytes([t1, t2]));
                Ok(Opened::Fragment(Fragment { number, total, first, clear }))
            }
            _ => Ok(Opened::Whole(Clear { first, bytes: clear })),
        }
    }

    /// The longest `clear` whose message is not longer than `room` bytes.
    fn room(&self, room: usize, more: usize) -> usize {
        let fixed = LENGTH + GENERIC_HEADER + more + iv_len(self.encryption) + self.icv_len();
        let block = block_len(self.encryption);
        (room.saturating_sub(fixed) / block * block).saturating_sub(1)
    }

    fn seal_as(
        &mut self,
        drbg: &mut Drbg,
        header: Header,
        (kind, first): (u8, u8),
        numbers: &[u8],
        clear: &[u8],
    ) -> Result<Vec<u8>, Refusal> {
        let block = block_len(self.encryption);
        let padding = (clear.len() + 1).next_multiple_of(block) - clear.len() - 1;
        let iv = self.next_iv(drbg);
        let length = GENERIC_HEADER + numbers.len() + iv.len() + clear.len() + padding + 1 + self.icv_len();
        let mut body = Vec::with_capacity(length);
        body.extend_from_slice(&[first, 0]);
        body.extend_from_slice(&length16(length).to_be_bytes());
        body.extend_from_slice(numbers);
        let covered = LENGTH + body.len();
        body.extend_from_slice(&iv);
        body.extend_from_slice(clear);
        body.resize(body.len() + padding, 0);
        body.push(u8::try_from(padding).unwrap_or_default());
        body.resize(length, 0);
        let mut whole = Header { next: kind, ..header }.encode(&body);
        self.protect(&mut whole, covered, &iv).ok_or_else(failed)?;
        Ok(whole)
    }

    /// Never twice the same, and for CBC one that nobody can foretell.
    fn next_iv(&mut self, drbg: &mut Drbg) -> Vec<u8> {
        self.sealed += 1;
        match self.encryption {
            Encryption::Des | Encryption::TripleDes => drbg.bytes::<8>().to_vec(),
            Encryption::AesCbc(_) => drbg.bytes::<16>().to_vec(),
            Encryption::AesCtr(_)
            | Encryption::AesGcm(_)
            | Encryption::AesCcm(_)
            | Encryption::ChaCha20Poly1305 => self.sealed.to_be_bytes().to_vec(),
        }
    }

    /// Encrypts and authenticates a message in place; its IV begins at `covered`, its ICV is still zero.
    fn protect(&self, whole: &mut [u8], covered: usize, iv: &[u8]) -> Option<()> {
        let (encrypt, authenticate) = self.protection(self.initiator);
        let (head, data) = whole.split_at_mut_checked(covered + iv.len())?;
        if let Some(algorithm) = combined(self.encryption) {
            let aead = Aead::new(algorithm, encrypt).ok()?;
            return aead.seal(iv.try_into().ok()?, head.get(..covered)?, data).ok();
        }
        let icv = self.icv_len();
        let end = data.len().checked_sub(icv)?;
        self.encrypt(encrypt, iv, data.get_mut(..end)?)?;
        let (covered, tag) = whole.split_at_mut_checked(whole.len() - icv)?;
        let mac = mac(self.integrity?).compute(authenticate, &[covered]);
        tag.copy_from_slice(mac.expose().get(..icv)?);
        Some(())
    }

    /// The clear bytes without padding; `sealed` bytes at the end of the message are IV, ciphertext, ICV.
    fn open_sealed(&self, whole: &[u8], sealed: usize) -> Result<Vec<u8>, Refusal> {
        let too_short = || Refusal::ignored("encrypted-payload-too-short");
        let (head, sealed) = whole.split_at_checked(whole.len() - sealed).ok_or_else(too_short)?;
        let (iv, data) = sealed.split_at_checked(iv_len(self.encryption)).ok_or_else(too_short)?;
        let length = data.len().checked_sub(self.icv_len()).ok_or_else(too_short)?;
        let (encrypt, authenticate) = self.protection(!self.initiator);
        let mut data = data.to_vec();
        let unauthentic = || Refusal::ignored("unauthentic-message");
        if let Some(algorithm) = combined(self.encryption) {
            let aead = Aead::new(algorithm, encrypt).map_err(|_| failed())?;
            let iv = iv.try_into().map_err(|_| too_short())?;
            aead.open(iv, head, &mut data).map_err(|_| unauthentic())?;
            data.truncate(length);
        } else {
            let (covered, tag) =
                whole.split_at_checked(whole.len() - self.icv_len()).ok_or_else(too_short)?;
            let mac = mac(self.integrity.ok_or_else(failed)?).compute(authenticate, &[covered]);
            let expected = mac.expose().get(..tag.len()).ok_or_else(too_short)?;
            if !crypto::equal(expected, tag) {
                return Err(unauthentic());
            }
            data.truncate(length);
            self.decrypt(encrypt, iv, &mut data).ok_or(Refusal::ignored("bad-ciphertext-length"))?;
        }
        let padding = usize::from(*data.last().ok_or_else(too_short)?) + 1;
        let kept = data.len().checked_sub(padding).ok_or(Refusal::ignored("bad-padding"))?;
        data.truncate(kept);
        Ok(data)
    }

    fn encrypt(&self, key: &[u8], iv: &[u8], data: &mut [u8]) -> Option<()> {
        match block(self.encryption) {
            Some(block) => cbc::encrypt(block, key, iv, data).ok(),
            None => count(key, iv, data),
        }
    }

    fn decrypt(&self, key: &[u8], iv: &[u8], data: &mut [u8]) -> Option<()> {
        match block(self.encryption) {
            Some(block) if data.len().is_multiple_of(block.block_len()) => {
                cbc::decrypt(block, key, iv, data).ok()
            }
            Some(_) => None,
            None => count(key, iv, data),
        }
    }

    fn icv_len(&self) -> usize {
        self.integrity.map_or(aead::TAG_LEN, icv_len)
    }
}

/// What IntAuth covers of a message besides its payloads: header and generic header, as long as they would
/// be if `clear` were all that the encrypted payload holds (RFC 9242 section 3.3.2).
pub(crate) fn int_auth_head(header: &Header, clear: &Clear) -> Vec<u8> {
    let length = length16(GENERIC_HEADER + clear.bytes.len()).to_be_bytes();
    let generic = [clear.first, 0, length[0], length[1]];
    let mut whole =
        Header { next: ENCRYPTED, ..*header }.encode(&[&generic, clear.bytes.as_slice()].concat());
    whole.truncate(LENGTH + GENERIC_HEADER);
    whole
}

fn failed() -> Refusal {
    Refusal::because(Blame::Local, "cipher-failed", "cannot encrypt or decrypt a message".to_owned())
}

fn count(material: &[u8], iv: &[u8], data: &mut [u8]) -> Option<()> {
    Ctr::new(material).ok()?.apply(iv.try_into().ok()?, data);
    Some(())
}

const fn combined(encryption: Encryption) -> Option<aead::Algorithm> {
    match encryption {
        Encryption::AesGcm(bits) => Some(aead::Algorithm::AesGcm(bits)),
        Encryption::AesCcm(bits) => Some(aead::Algorithm::AesCcm(bits)),
        Encryption::ChaCha20Poly1305 => Some(aead::Algorithm::ChaCha20Poly1305),
        Encryption::Des | Encryption::TripleDes | Encryption::AesCbc(_) | Encryption::AesCtr(_) => None,
    }
}

/// `None`: not CBC.
const fn block(encryption: Encryption) -> Option<Block> {
    match encryption {
        Encryption::Des => Some(Block::Des),
        Encryption::TripleDes => Some(Block::TripleDes),
        Encryption::AesCbc(256) => Some(Block::Aes256),
        Encryption::AesCbc(192) => Some(Block::Aes192),
        Encryption::AesCbc(_) => Some(Block::Aes128),
        Encryption::AesCtr(_)
        | Encryption::AesGcm(_)
        | Encryption::AesCcm(_)
        | Encryption::ChaCha20Poly1305 => None,
    }
}

/// Bytes of SK_e: the key, and the salt or nonce behind it.
pub(super) const fn key_len(encryption: Encryption) -> usize {
    match encryption {
        Encryption::Des => 8,
        Encryption::TripleDes => 24,
        Encryption::AesCbc(bits) => bits as usize / 8,
        Encryption::AesCtr(bits) | Encryption::AesGcm(bits) => bits as usize / 8 + 4,
        Encryption::AesCcm(bits) => bits as usize / 8 + 3,
        Encryption::ChaCha20Poly1305 => 36,
    }
}

const fn iv_len(encryption: Encryption) -> usize {
    match encryption {
        Encryption::AesCbc(_) => 16,
        Encryption::Des
        | Encryption::TripleDes
        | Encryption::AesCtr(_)
        | Encryption::AesGcm(_)
        | Encryption::AesCcm(_)
        | Encryption::ChaCha20Poly1305 => 8,
    }
}

fn block_len(encryption: Encryption) -> usize {
    block(encryption).map_or(1, Block::block_len)
}

/// Bytes of SK_a.
pub(super) const fn mac_key_len(integrity: Integrity) -> usize {
    match integrity {
        Integrity::Md5 | Integrity::AesXcbc | Integrity::AesCmac => 16,
        Integrity::Sha1 => 20,
        Integrity::Sha256 => 32,
        Integrity::Sha384 => 48,
        Integrity::Sha512 => 64,
    }
}

const fn icv_len(integrity: Integrity) -> usize {
    match integrity {
        Integrity::Md5 | Integrity::Sha1 | Integrity::AesXcbc | Integrity::AesCmac => 12,
        Integrity::Sha256 => 16,
        Integrity::Sha384 => 24,
        Integrity::Sha512 => 32,
    }
}

/// The MAC before it is cut.
pub(super) const fn mac(integrity: Integrity) -> Prf {
    match integrity {
        Integrity::Md5 => Prf::Hmac(Hash::Md5),
        Integrity::Sha1 => Prf::Hmac(Hash::Sha1),
        Integrity::Sha256 => Prf::Hmac(Hash::Sha256),
        Integrity::Sha384 => Prf::Hmac(Hash::Sha384),
        Integrity::Sha512 => Prf::Hmac(Hash::Sha512),
        Integrity::AesXcbc => Prf::AesXcbc,
        Integrity::AesCmac => Prf::AesCmac,
    }
}

#[cfg(test)]
mod tests;
