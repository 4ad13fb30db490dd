//! Transform IDs and what they mean: IANA's registry of IKEv2 parameters, as far as we speak it.

use crypto::dh::Group;
use crypto::prf::Hash;
use ipsec::Cipher;

use crate::config::v2::{Encryption, Integrity, Prf};
use crate::v2::wire::sa::{Transform, kind};

const DES: u16 = 2;
const TRIPLE_DES: u16 = 3;
const NULL: u16 = 11;
const AES_CBC: u16 = 12;
const AES_CTR: u16 = 13;
/// With a 16-byte ICV, as the next.
const AES_CCM: u16 = 16;
const AES_GCM: u16 = 20;
const CHACHA20_POLY1305: u16 = 28;

pub(super) const fn is_aead(encryption: Encryption) -> bool {
    matches!(encryption, Encryption::AesGcm(_) | Encryption::AesCcm(_) | Encryption::ChaCha20Poly1305)
}

pub(super) fn of_encryption(encryption: Encryption) -> Transform {
    let (id, bits) = match encryption {
        Encryption::Des => (DES, None),
        Encryption::TripleDes => (TRIPLE_DES, None),
        Encryption::AesCbc(bits) => (AES_CBC, Some(bits)),
        Encryption::AesCtr(bits) => (AES_CTR, Some(bits)),
        Encryption::AesGcm(bits) => (AES_GCM, Some(bits)),
        Encryption::AesCcm(bits) => (AES_CCM, Some(bits)),
        Encryption::ChaCha20Poly1305 => (CHACHA20_POLY1305, None),
    };
    Transform { bits, ..Transform::new(kind::ENCRYPTION, id) }
}

pub(super) fn encryption(transform: &Transform) -> Option<Encryption> {
    Some(match (transform.id, transform.bits) {
        (DES, None) => Encryption::Des,
        (TRIPLE_DES, None) => Encryption::TripleDes,
        (AES_CBC, Some(bits @ (128 | 192 | 256))) => Encryption::AesCbc(bits),
        (AES_CTR, Some(bits @ (128 | 192 | 256))) => Encryption::AesCtr(bits),
        (AES_GCM, Some(bits @ (128 | 192 | 256))) => Encryption::AesGcm(bits),
        (AES_CCM, Some(bits @ (128 | 192 | 256))) => Encryption::AesCcm(bits),
        (CHACHA20_POLY1305, None) => Encryption::ChaCha20Poly1305,
        _ => return None,
    })
}

pub(super) fn of_cipher(cipher: Cipher) -> Transform {
    let (id, bits) = match cipher {
        Cipher::Null => (NULL, None),
        Cipher::Des => (DES, None),
        Cipher::TripleDes => (TRIPLE_DES, None),
        Cipher::AesCbc(bits) => (AES_CBC, Some(bits)),
        Cipher::AesCtr(bits) => (AES_CTR, Some(bits)),
        Cipher::AesGcm(bits) => (AES_GCM, Some(bits)),
        Cipher::AesCcm(bits) => (AES_CCM, Some(bits)),
        Cipher::ChaCha20Poly1305 => (CHACHA20_POLY1305, None),
    };
    Transform { bits, ..Transform::new(kind::ENCRYPTION, id) }
}

pub(super) fn cipher(transform: &Transform) -> Option<Cipher> {
    if (transform.id, transform.bits) == (NULL, None) {
        return Some(Cipher::Null);
    }
    Some(match encryption(transform)? {
        Encryption::Des => Cipher::Des,
        Encryption::TripleDes => Cipher::TripleDes,
        Encryption::AesCbc(bits) => Cipher::AesCbc(bits),
        Encryption::AesCtr(bits) => Cipher::AesCtr(bits),
        Encryption::AesGcm(bits) => Cipher::AesGcm(bits),
        Encryption::AesCcm(bits) => Cipher::AesCcm(bits),
        Encryption::ChaCha20Poly1305 => Cipher::ChaCha20Poly1305,
    })
}

const PRFS: [(u16, Prf); 7] = [
    (1, Prf::Hmac(Hash::Md5)),
    (2, Prf::Hmac(Hash::Sha1)),
    (4, Prf::AesXcbc),
    (5, Prf::Hmac(Hash::Sha256)),
    (6, Prf::Hmac(Hash::Sha384)),
    (7, Prf::Hmac(Hash::Sha512)),
    (8, Prf::AesCmac),
];

pub(super) fn of_prf(prf: Prf) -> Transform {
    let id = PRFS.iter().find(|(_, known)| *known == prf).map_or(0, |(id, _)| *id);
    Transform::new(kind::PRF, id)
}

pub(super) fn prf(transform: &Transform) -> Option<Prf> {
    PRFS.iter().find(|(id, _)| *id == transform.id).map(|(_, prf)| *prf)
}

const INTEGRITIES: [(u16, Integrity, ipsec::Integrity); 7] = [
    (1, Integrity::Md5, ipsec::Integrity::Md5),
    (2, Integrity::Sha1, ipsec::Integrity::Sha1),
    (5, Integrity::AesXcbc, ipsec::Integrity::AesXcbc),
    (8, Integrity::AesCmac, ipsec::Integrity::AesCmac),
    (12, Integrity::Sha256, ipsec::Integrity::Sha256),
    (13, Integrity::Sha384, ipsec::Integrity::Sha384),
    (14, Integrity::Sha512, ipsec::Integrity::Sha512),
];

pub(super) fn of_integrity(integrity: Integrity) -> Transform {
    let id = INTEGRITIES.iter().find(|(_, known, _)| *known == integrity).map_or(0, |(id, ..)| *id);
    Transform::new(kind::INTEGRITY, id)
}

pub(super) fn integrity(transform: &Transform) -> Option<Integrity> {
    INTEGRITIES.iter().find(|(id, ..)| *id == transform.id).map(|(_, integrity, _)| *integrity)
}

/// Zero, NONE, for no integrity.
pub(super) fn of_esp_integrity(integrity: ipsec::Integrity) -> Transform {
    let id = INTEGRITIES.iter().find(|(_, _, known)| *known == integrity).map_or(0, |(id, ..)| *id);
    Transform::new(kind::INTEGRITY, id)
}

pub(super) fn esp_integrity(transform: &Transform) -> Option<ipsec::Integrity> {
    INTEGRITIES.iter().find(|(id, ..)| *id == transform.id).map(|(_, _, integrity)| *integrity)
}

pub(super) const fn of_group(kind: u8, group: Group) -> Transform {
    Transform::new(kind, group.number())
}
