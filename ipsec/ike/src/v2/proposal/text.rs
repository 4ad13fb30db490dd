//! Proposals in the field's words, for the operator who wonders why two sides do not agree.

use crypto::dh::Group;
use crypto::prf::Hash;

use super::numbers;
use crate::config::v2::{Encryption, Integrity, Prf};
use crate::v2::wire::sa::{self, Proposal, Transform, kind};

/// As `IKE: AES-GCM-256/AES-GCM-128, PRF-SHA256, DH 31/19`.
pub(super) fn of(proposal: &Proposal) -> String {
    let kinds = kind::ENCRYPTION..=kind::ADDITIONAL_7;
    let named = kinds.map(|kind| of_kind(proposal, kind)).filter(|words| !words.is_empty());
    format!("{}: {}", protocol(proposal.protocol), named.collect::<Vec<_>>().join(", "))
}

pub(super) const fn protocol(number: u8) -> &'static str {
    match number {
        sa::PROTOCOL_IKE => "IKE",
        sa::PROTOCOL_AH => "AH",
        sa::PROTOCOL_ESP => "ESP",
        _ => "an unknown protocol",
    }
}

/// Why nothing of one type is in both.
pub(super) fn mismatch(theirs: &Proposal, ours: &Proposal, kind: u8) -> String {
    let (they, we) = (of_kind(theirs, kind), of_kind(ours, kind));
    let or_none = |words: String| if words.is_empty() { "none".to_owned() } else { words };
    format!("{}: theirs {}, ours {}", name(kind), or_none(they), or_none(we))
}

const fn name(kind: u8) -> &'static str {
    match kind {
        kind::ENCRYPTION => "encryption",
        kind::PRF => "PRF",
        kind::INTEGRITY => "integrity",
        kind::KEY_EXCHANGE => "DH group",
        kind::ESN => "sequence numbers",
        kind::ADDITIONAL_1..=kind::ADDITIONAL_7 => "additional key exchange",
        _ => "an unknown transform type",
    }
}

fn of_kind(proposal: &Proposal, kind: u8) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in proposal.of(kind).map(word) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    let prefix = match kind {
        kind::PRF if !words.is_empty() => "PRF ",
        kind::KEY_EXCHANGE if !words.is_empty() => "DH ",
        kind::ADDITIONAL_1..=kind::ADDITIONAL_7 if !words.is_empty() => "and ",
        _ => "",
    };
    format!("{prefix}{}", words.join("/"))
}

fn word(transform: &Transform) -> String {
    let known = match transform.kind {
        _ if transform.foreign => None,
        kind::ENCRYPTION => numbers::cipher(transform).map(|_| of_encryption(transform)),
        kind::PRF => numbers::prf(transform).map(of_prf),
        kind::INTEGRITY => numbers::integrity(transform).map(|integrity| of_integrity(integrity).to_owned()),
        kind::ESN => Some(if transform.id == 0 { "32-bit numbers" } else { "ESN" }.to_owned()),
        kind::KEY_EXCHANGE | kind::ADDITIONAL_1..=kind::ADDITIONAL_7 => {
            Group::from_number(transform.id).map(|group| of_group(group).to_owned())
        }
        _ => None,
    };
    known.unwrap_or_else(|| unknown(transform))
}

fn unknown(transform: &Transform) -> String {
    match (transform.id, transform.bits) {
        (0, None) => "none".to_owned(),
        (id, None) => format!("number {id}"),
        (id, Some(bits)) => format!("number {id} of {bits} bits"),
    }
}

fn of_encryption(transform: &Transform) -> String {
    match numbers::encryption(transform) {
        None => "NULL".to_owned(),
        Some(Encryption::Des) => "DES".to_owned(),
        Some(Encryption::TripleDes) => "3DES".to_owned(),
        Some(Encryption::AesCbc(bits)) => format!("AES-CBC-{bits}"),
        Some(Encryption::AesCtr(bits)) => format!("AES-CTR-{bits}"),
        Some(Encryption::AesGcm(bits)) => format!("AES-GCM-{bits}"),
        Some(Encryption::AesCcm(bits)) => format!("AES-CCM-{bits}"),
        Some(Encryption::ChaCha20Poly1305) => "ChaCha20-Poly1305".to_owned(),
    }
}

fn of_prf(prf: Prf) -> String {
    match prf {
        Prf::Hmac(Hash::Md5) => "MD5",
        Prf::Hmac(Hash::Sha1) => "SHA1",
        Prf::Hmac(Hash::Sha256) => "SHA256",
        Prf::Hmac(Hash::Sha384) => "SHA384",
        Prf::Hmac(Hash::Sha512) => "SHA512",
        Prf::AesXcbc => "AES-XCBC",
        Prf::AesCmac => "AES-CMAC",
    }
    .to_owned()
}

const fn of_integrity(integrity: Integrity) -> &'static str {
    match integrity {
        Integrity::Md5 => "MD5-96",
        Integrity::Sha1 => "SHA1-96",
        Integrity::Sha256 => "SHA256-128",
        Integrity::Sha384 => "SHA384-192",
        Integrity::Sha512 => "SHA512-256",
        Integrity::AesXcbc => "AES-XCBC-96",
        Integrity::AesCmac => "AES-CMAC-96",
    }
}

const fn of_group(group: Group) -> &'static str {
    match group {
        Group::Modp768 => "1",
        Group::Modp1024 => "2",
        Group::Modp1536 => "5",
        Group::Modp2048 => "14",
        Group::Modp3072 => "15",
        Group::Modp4096 => "16",
        Group::Modp6144 => "17",
        Group::Modp8192 => "18",
        Group::EcpP256 => "19",
        Group::EcpP384 => "20",
        Group::EcpP521 => "21",
        Group::Curve25519 => "31",
        Group::MlKem768 => "ML-KEM-768",
        Group::MlKem1024 => "ML-KEM-1024",
    }
}
