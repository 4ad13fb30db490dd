//! From an SA's suite and keys to ciphers that are ready for packets.

use crypto::BadLength;
use crypto::aead::{Aead, Algorithm};
use crypto::cbc::Block;
use crypto::ctr::Ctr;
use crypto::mac::Mac;
use crypto::prf::Hash;
use ipsec::{Cipher, Integrity, Sa};

use crate::BadKey;

/// The keyed algorithms of a suite; `C` is the CBC cipher in the SA's direction.
#[allow(clippy::large_enum_variant, reason = "a pointer would be one more cache miss a packet")]
pub(crate) enum Protection<C> {
    Aead(Aead),
    Cbc {
        cipher: C,
        mac: Mac,
    },
    Ctr {
        cipher: Ctr,
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
        let mac = mac(sa.suite.integrity, authentic)?;
        Self::of(sa.suite.cipher, key, mac, cipher)
    }

    /// Encryption alone protects nothing, and lets anyone move the replay window.
    fn of(
        suite: Cipher,
        key: &[u8],
        mac: Option<Mac>,
        cipher: fn(Block, &[u8]) -> Result<C, BadLength>,
    ) -> Result<Self, BadKey> {
        let aead = |algorithm| Aead::new(algorithm, key).map(Self::Aead);
        let cbc = |block, mac| Ok(Self::Cbc { cipher: cipher(block, key)?, mac });
        let made = match (suite, mac) {
            (Cipher::AesGcm(bits), None) => aead(Algorithm::AesGcm(bits)),
            (Cipher::AesCcm(bits), None) => aead(Algorithm::AesCcm(bits)),
            (Cipher::ChaCha20Poly1305, None) => aead(Algorithm::ChaCha20Poly1305),
            (Cipher::Null, Some(mac)) => Ok(Self::Null(mac)),
            (Cipher::Des, Some(mac)) => cbc(Block::Des, mac),
            (Cipher::TripleDes, Some(mac)) => cbc(Block::TripleDes, mac),
            (Cipher::AesCbc(bits), Some(mac)) => cbc(aes(bits)?, mac),
            (Cipher::AesCtr(_), Some(mac)) => Ctr::new(key).map(|cipher| Self::Ctr { cipher, mac }),
            (_, None) | (Cipher::AesGcm(_) | Cipher::AesCcm(_) | Cipher::ChaCha20Poly1305, Some(_)) => {
                return Err(BadKey);
            }
        };
        made.map_err(|_| BadKey)
    }
}

const fn aes(bits: u16) -> Result<Block, BadKey> {
    match bits {
        128 => Ok(Block::Aes128),
        192 => Ok(Block::Aes192),
        256 => Ok(Block::Aes256),
        _ => Err(BadKey),
    }
}

/// `None` for a suite whose cipher authenticates.
fn mac(integrity: Integrity, key: &[u8]) -> Result<Option<Mac>, BadKey> {
    let hash = match integrity {
        Integrity::None => return Ok(None),
        Integrity::AesXcbc => return Mac::xcbc(key).map(Some).map_err(|_| BadKey),
        Integrity::AesCmac => return Mac::cmac(key).map(Some).map_err(|_| BadKey),
        Integrity::Md5 => Hash::Md5,
        Integrity::Sha1 => Hash::Sha1,
        Integrity::Sha256 => Hash::Sha256,
        Integrity::Sha384 => Hash::Sha384,
        Integrity::Sha512 => Hash::Sha512,
    };
    Ok(Some(Mac::new(hash, key)))
}
