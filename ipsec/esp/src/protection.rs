//! From an SA's suite and keys to ciphers that are ready for packets.

use crypto::BadLength;
use crypto::aead::Gcm;
use crypto::cbc::Block;
use crypto::mac::Mac;
use crypto::prf::Hash;
use ipsec::{Cipher, Integrity, Sa};

use crate::BadKey;

/// The keyed algorithms of a suite; `C` is the CBC cipher in the SA's direction.
#[allow(clippy::large_enum_variant, reason = "a pointer would be one more cache miss a packet")]
pub(crate) enum Protection<C> {
    Gcm {
        key: Gcm,
        salt: [u8; 4],
    },
    Cbc {
        cipher: C,
        mac: Mac,
    },
    /// RFC 2410.
    Null(Mac),
}

impl<C> Protection<C> {
    /// `cipher` makes the CBC cipher.
    pub(crate) fn new(sa: &Sa, cipher: fn(Block, &[u8]) -> Result<C, BadLength>) -> Result<Self, BadKey> {
        let (key, authentic) = (sa.keys.cipher.expose(), sa.keys.integrity.expose());
        if key.len() != sa.suite.cipher.key_len() || authentic.len() != sa.suite.integrity.key_len() {
            return Err(BadKey);
        }
        match (sa.suite.cipher, hash(sa.suite.integrity)) {
            (Cipher::AesGcm(_), None) => {
                let (key, salt) = key.split_last_chunk().ok_or(BadKey)?;
                Ok(Self::Gcm { key: Gcm::new(key).map_err(|_| BadKey)?, salt: *salt })
            }
            (Cipher::AesGcm(_), Some(_)) => Err(BadKey),
            // Encryption alone protects nothing, and lets anyone move the replay window.
            (_, None) => Err(BadKey),
            (Cipher::Null, Some(hash)) => Ok(Self::Null(Mac::new(hash, authentic))),
            (Cipher::Des, Some(hash)) => cbc(cipher(Block::Des, key), hash, authentic),
            (Cipher::TripleDes, Some(hash)) => cbc(cipher(Block::TripleDes, key), hash, authentic),
            (Cipher::AesCbc(bits), Some(hash)) => cbc(cipher(aes(bits)?, key), hash, authentic),
        }
    }
}

/// What RFC 4106 section 4 makes of the salt and the packet's IV.
pub(crate) const fn nonce([s0, s1, s2, s3]: [u8; 4], iv: [u8; 8]) -> [u8; 12] {
    let [i0, i1, i2, i3, i4, i5, i6, i7] = iv;
    [s0, s1, s2, s3, i0, i1, i2, i3, i4, i5, i6, i7]
}

fn cbc<C>(cipher: Result<C, BadLength>, hash: Hash, key: &[u8]) -> Result<Protection<C>, BadKey> {
    let cipher = cipher.map_err(|_| BadKey)?;
    Ok(Protection::Cbc { cipher, mac: Mac::new(hash, key) })
}

const fn aes(bits: u16) -> Result<Block, BadKey> {
    match bits {
        128 => Ok(Block::Aes128),
        192 => Ok(Block::Aes192),
        256 => Ok(Block::Aes256),
        _ => Err(BadKey),
    }
}

const fn hash(integrity: Integrity) -> Option<Hash> {
    match integrity {
        Integrity::None => None,
        Integrity::Md5 => Some(Hash::Md5),
        Integrity::Sha1 => Some(Hash::Sha1),
        Integrity::Sha256 => Some(Hash::Sha256),
        Integrity::Sha384 => Some(Hash::Sha384),
        Integrity::Sha512 => Some(Hash::Sha512),
    }
}
