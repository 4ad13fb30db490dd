//! The ESP transforms: ciphers and integrity algorithms, their sizes and IOS names.

use core::fmt;

/// An ESP cipher. Key bits where the algorithm has a choice: 128, 192 or 256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cipher {
    /// RFC 2410.
    Null,
    /// RFC 2405; configured only with a warning.
    Des,
    /// RFC 2451.
    TripleDes,
    /// RFC 3602.
    AesCbc(u16),
    /// RFC 3686.
    AesCtr(u16),
    /// RFC 4106 with a 16-octet ICV.
    AesGcm(u16),
    /// RFC 4309 with a 16-octet ICV.
    AesCcm(u16),
    /// RFC 7634.
    ChaCha20Poly1305,
}

/// An ESP integrity algorithm, with the length its ICV is cut to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Integrity {
    /// Only with an AEAD cipher.
    None,
    /// RFC 2403, 96 bits.
    Md5,
    /// RFC 2404, 96 bits.
    Sha1,
    /// RFC 4868, 128 bits.
    Sha256,
    /// RFC 4868, 192 bits.
    Sha384,
    /// RFC 4868, 256 bits.
    Sha512,
    /// RFC 3566, 96 bits.
    AesXcbc,
    /// RFC 4494, 96 bits.
    AesCmac,
}

/// What protects the packets of an SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Suite {
    pub cipher: Cipher,
    pub integrity: Integrity,
}

impl Cipher {
    pub const fn is_aead(self) -> bool {
        matches!(self, Self::AesGcm(_) | Self::AesCcm(_) | Self::ChaCha20Poly1305)
    }

    /// Bytes of keying material: the key, and behind it the nonce or salt of counter modes (RFC 3686
    /// section 5.1, 4106 section 8.1, 4309 section 7.1, 7634 section 2).
    pub const fn key_len(self) -> usize {
        match self {
            Self::Null => 0,
            Self::Des => 8,
            Self::TripleDes => 24,
            Self::AesCbc(bits) => bits as usize / 8,
            Self::AesCtr(bits) | Self::AesGcm(bits) => bits as usize / 8 + 4,
            Self::AesCcm(bits) => bits as usize / 8 + 3,
            Self::ChaCha20Poly1305 => 36,
        }
    }

    /// Bytes of explicit IV in each packet.
    pub const fn iv_len(self) -> usize {
        match self {
            Self::Null => 0,
            Self::Des
            | Self::TripleDes
            | Self::AesCtr(_)
            | Self::AesGcm(_)
            | Self::AesCcm(_)
            | Self::ChaCha20Poly1305 => 8,
            Self::AesCbc(_) => 16,
        }
    }

    /// What the padded payload must be a multiple of, at least 4 (RFC 4303 section 2.4).
    pub const fn block_len(self) -> usize {
        match self {
            Self::Null | Self::AesCtr(_) | Self::AesGcm(_) | Self::AesCcm(_) | Self::ChaCha20Poly1305 => 4,
            Self::Des | Self::TripleDes => 8,
            Self::AesCbc(_) => 16,
        }
    }
}

impl Integrity {
    pub const fn key_len(self) -> usize {
        match self {
            Self::None => 0,
            Self::Md5 | Self::AesXcbc | Self::AesCmac => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    const fn icv_len(self) -> usize {
        match self {
            Self::None => 0,
            Self::Md5 | Self::Sha1 | Self::AesXcbc | Self::AesCmac => 12,
            Self::Sha256 => 16,
            Self::Sha384 => 24,
            Self::Sha512 => 32,
        }
    }
}

impl Suite {
    pub const fn icv_len(self) -> usize {
        if self.cipher.is_aead() { 16 } else { self.integrity.icv_len() }
    }

    /// The ESP packet's length for `payload` bytes of inner packet, from SPI to ICV.
    pub const fn sealed_len(self, payload: usize) -> usize {
        let padded = (payload + 2).next_multiple_of(self.cipher.block_len());
        8 + self.cipher.iv_len() + padded + self.icv_len()
    }

    /// The longest inner packet whose ESP packet fits `room` bytes (SPI to ICV); zero if none does.
    pub const fn payload_for(self, room: usize) -> usize {
        let overhead = 8 + self.cipher.iv_len() + self.icv_len();
        let padded = room.saturating_sub(overhead) / self.cipher.block_len() * self.cipher.block_len();
        padded.saturating_sub(2)
    }
}

/// As in `crypto ipsec transform-set`; counter mode, CCM and ChaCha20 have names of ours in its style.
impl fmt::Display for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("esp-null"),
            Self::Des => f.write_str("esp-des"),
            Self::TripleDes => f.write_str("esp-3des"),
            Self::AesCbc(128) => f.write_str("esp-aes"),
            Self::AesCbc(bits) => write!(f, "esp-aes {bits}"),
            Self::AesCtr(128) => f.write_str("esp-aes-ctr"),
            Self::AesCtr(bits) => write!(f, "esp-aes-ctr {bits}"),
            Self::AesGcm(128) => f.write_str("esp-gcm"),
            Self::AesGcm(bits) => write!(f, "esp-gcm {bits}"),
            Self::AesCcm(128) => f.write_str("esp-ccm"),
            Self::AesCcm(bits) => write!(f, "esp-ccm {bits}"),
            Self::ChaCha20Poly1305 => f.write_str("esp-chacha20-poly1305"),
        }
    }
}

/// As in `crypto ipsec transform-set`.
impl fmt::Display for Integrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "",
            Self::Md5 => "esp-md5-hmac",
            Self::Sha1 => "esp-sha-hmac",
            Self::Sha256 => "esp-sha256-hmac",
            Self::Sha384 => "esp-sha384-hmac",
            Self::Sha512 => "esp-sha512-hmac",
            Self::AesXcbc => "esp-aes-xcbc-mac",
            Self::AesCmac => "esp-aes-cmac",
        })
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.integrity == Integrity::None {
            write!(f, "{}", self.cipher)
        } else {
            write!(f, "{} {}", self.cipher, self.integrity)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published growth of 3DES/SHA tunnel packets: L2 sizes 64, 300, 1400 become 114, 354, 1450.
    #[test]
    fn esp_grows_packets_as_the_field_measured() {
        let suite = Suite { cipher: Cipher::TripleDes, integrity: Integrity::Sha1 };
        for (clear, sealed) in [(64, 114), (300, 354), (1400, 1450)] {
            assert_eq!(18 + 20 + suite.sealed_len(clear - 18), sealed);
        }
    }

    #[test]
    fn payload_for_is_the_inverse_of_sealed_len() {
        for cipher in
            [Cipher::Null, Cipher::Des, Cipher::AesCbc(128), Cipher::AesGcm(256), Cipher::AesCcm(128)]
        {
            let suite = Suite { cipher, integrity: Integrity::Sha1 };
            for room in 64..1500 {
                let payload = suite.payload_for(room);
                assert!(suite.sealed_len(payload) <= room, "{suite} {room}");
                assert!(suite.sealed_len(payload + 1) > room, "{suite} {room}");
            }
        }
    }
}
