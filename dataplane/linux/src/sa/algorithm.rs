//! Ciphers and integrity algorithms by the names and lengths of the kernel's cryptographic templates.

use base::Secret;
use ipsec::{Cipher, Integrity, Keys, Suite};

use crate::xfrm::{Attributes, Body, NAME_LEN, Reader, attribute};

pub(super) fn write(body: &mut Body, suite: Suite, keys: &Keys) {
    let icv = u32::try_from(suite.icv_len() * 8).unwrap_or(0);
    let cipher = cipher_name(suite.cipher);
    if suite.cipher.is_aead() {
        body.attribute(attribute::AEAD, |body| algorithm(body, cipher, Some(icv), &keys.cipher));
        return;
    }
    body.attribute(attribute::INTEGRITY, |body| {
        algorithm(body, integrity_name(suite.integrity), Some(icv), &keys.integrity);
    });
    body.attribute(attribute::CIPHER, |body| algorithm(body, cipher, None, &keys.cipher));
}

pub(super) fn read(attributes: &Attributes<'_>) -> Option<(Suite, Keys)> {
    if let Some(content) = attributes.find(attribute::AEAD) {
        let (name, key) = named_key(content, true)?;
        let cipher = cipher(name, key.len())?;
        let suite = Suite { cipher, integrity: Integrity::None };
        return Some((suite, Keys { cipher: key, integrity: Secret::default() }));
    }
    let (name, cipher_key) = named_key(attributes.find(attribute::CIPHER)?, false)?;
    let cipher = cipher(name, cipher_key.len())?;
    let (name, integrity_key) = named_key(attributes.find(attribute::INTEGRITY)?, true)?;
    let integrity =
        INTEGRITIES.into_iter().find(|integrity| integrity_name(*integrity).as_bytes() == name)?;
    Some((Suite { cipher, integrity }, Keys { cipher: cipher_key, integrity: integrity_key }))
}

/// `struct xfrm_algo`, or with the ICV's length in bits `xfrm_algo_aead` and `xfrm_algo_auth`.
fn algorithm(body: &mut Body, name: &str, icv: Option<u32>, key: &Secret) {
    body.bytes(name.as_bytes()).zeros(NAME_LEN.saturating_sub(name.len()));
    body.u32(u32::try_from(key.len() * 8).unwrap_or(0));
    if let Some(icv) = icv {
        body.u32(icv);
    }
    body.bytes(key.expose());
}

fn named_key(mut content: Reader<'_>, has_icv: bool) -> Option<(&[u8], Secret)> {
    let name = content.take(NAME_LEN)?.split(|octet| *octet == 0).next()?;
    let bits = content.u32()?;
    if has_icv {
        content.u32()?;
    }
    let key = content.take(usize::try_from(bits).ok()?.div_ceil(8))?;
    Some((name, Secret::from(key)))
}

const fn cipher_name(cipher: Cipher) -> &'static str {
    match cipher {
        Cipher::Null => "ecb(cipher_null)",
        Cipher::Des => "cbc(des)",
        Cipher::TripleDes => "cbc(des3_ede)",
        Cipher::AesCbc(_) => "cbc(aes)",
        Cipher::AesCtr(_) => "rfc3686(ctr(aes))",
        Cipher::AesGcm(_) => "rfc4106(gcm(aes))",
        Cipher::AesCcm(_) => "rfc4309(ccm(aes))",
        Cipher::ChaCha20Poly1305 => "rfc7539esp(chacha20,poly1305)",
    }
}

/// By name and length of key.
fn cipher(name: &[u8], length: usize) -> Option<Cipher> {
    const SIZES: [u16; 3] = [128, 192, 256];
    let sized = SIZES.into_iter().flat_map(|bits| {
        [Cipher::AesCbc(bits), Cipher::AesCtr(bits), Cipher::AesGcm(bits), Cipher::AesCcm(bits)]
    });
    let fixed = [Cipher::Null, Cipher::Des, Cipher::TripleDes, Cipher::ChaCha20Poly1305];
    fixed
        .into_iter()
        .chain(sized)
        .find(|cipher| cipher_name(*cipher).as_bytes() == name && cipher.key_len() == length)
}

const INTEGRITIES: [Integrity; 7] = [
    Integrity::Md5,
    Integrity::Sha1,
    Integrity::Sha256,
    Integrity::Sha384,
    Integrity::Sha512,
    Integrity::AesXcbc,
    Integrity::AesCmac,
];

const fn integrity_name(integrity: Integrity) -> &'static str {
    match integrity {
        Integrity::None => "digest_null",
        Integrity::Md5 => "hmac(md5)",
        Integrity::Sha1 => "hmac(sha1)",
        Integrity::Sha256 => "hmac(sha256)",
        Integrity::Sha384 => "hmac(sha384)",
        Integrity::Sha512 => "hmac(sha512)",
        Integrity::AesXcbc => "xcbc(aes)",
        Integrity::AesCmac => "cmac(aes)",
    }
}
