//! Names of signature schemes: the AlgorithmIdentifiers of RFC 7427 appendix A and RFC 8420.

use crypto::prf::Hash;
use crypto::sign::Scheme;

/// Hash algorithms of SIGNATURE_HASH_ALGORITHMS (RFC 7427 section 7, RFC 8420).
pub(crate) mod hash {
    pub(crate) const SHA1: u16 = 1;
    pub(crate) const SHA256: u16 = 2;
    pub(crate) const SHA384: u16 = 3;
    pub(crate) const SHA512: u16 = 4;
    /// Ed25519 hashes by itself.
    pub(crate) const IDENTITY: u16 = 5;
}

/// What we verify, as SIGNATURE_HASH_ALGORITHMS says it.
pub(crate) const HASHES: [u16; 4] = [hash::SHA256, hash::SHA384, hash::SHA512, hash::IDENTITY];

const SEQUENCE: u8 = 0x30;
const OBJECT: u8 = 0x06;
const INTEGER: u8 = 0x02;
const NULL: [u8; 2] = [5, 0];
/// Hash, mask generation and salt length of PSS parameters.
const PSS: [u8; 3] = [0xa0, 0xa1, 0xa2];
const PSS_TRAILER: u8 = 0xa3;

/// 1.2.840.113549.1.1: what follows says which.
const RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01";
/// 1.2.840.10045.4.
const ECDSA: &[u8] = b"\x2a\x86\x48\xce\x3d\x04";
/// 2.16.840.1.101.3.4.2.
const SHA2: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02";
const SHA1: &[u8] = b"\x2b\x0e\x03\x02\x1a";
const ED25519: &[u8] = b"\x2b\x65\x70";
const RSA_MGF1: u8 = 8;
const RSA_PSS: u8 = 10;

/// `None`: RFC 7427 has no name for it.
pub(crate) fn encode(scheme: Scheme) -> Option<Vec<u8>> {
    Some(match scheme {
        Scheme::RsaPkcs1(hash) => algorithm(&[RSA, &[rsa_suffix(hash)?]].concat(), &NULL),
        Scheme::RsaPss(hash) => algorithm(&[RSA, &[RSA_PSS]].concat(), &pss(hash)?),
        Scheme::Ecdsa(Hash::Sha1) => algorithm(&[ECDSA, &[1]].concat(), &[]),
        Scheme::Ecdsa(hash) => algorithm(&[ECDSA, &[3, sha2_suffix(hash)? + 1]].concat(), &[]),
        Scheme::Ed25519 => algorithm(ED25519, &[]),
        Scheme::RsaRaw | Scheme::EcdsaFixed(_) | Scheme::EcdsaRaw => return None,
    })
}

/// `None`: not a scheme that we know. Optional parameters may be left out or be NULL.
pub(crate) fn decode(name: &[u8]) -> Option<Scheme> {
    let (body, []) = element(name, SEQUENCE)? else { return None };
    let (object, parameters) = element(body, OBJECT)?;
    if let [rest @ .., RSA_PSS] = object
        && rest == RSA
    {
        return decode_pss(parameters).map(Scheme::RsaPss);
    }
    if !parameters.is_empty() && parameters != NULL {
        return None;
    }
    if object == ED25519 {
        return Some(Scheme::Ed25519);
    }
    if let Some([suffix]) = object.strip_prefix(RSA) {
        return ALL.into_iter().find(|hash| rsa_suffix(*hash) == Some(*suffix)).map(Scheme::RsaPkcs1);
    }
    match object.strip_prefix(ECDSA)? {
        [1] => Some(Scheme::Ecdsa(Hash::Sha1)),
        [3, suffix] => ALL.into_iter().find(|hash| sha2_suffix(*hash) == Some(suffix - 1)).map(Scheme::Ecdsa),
        _ => None,
    }
}

const ALL: [Hash; 4] = [Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512];

fn der(tag: u8, body: &[u8]) -> Vec<u8> {
    // None of what we write is longer than a short length can say.
    [&[tag, u8::try_from(body.len()).unwrap_or(0x7f)], body].concat()
}

fn algorithm(object: &[u8], parameters: &[u8]) -> Vec<u8> {
    der(SEQUENCE, &[der(OBJECT, object).as_slice(), parameters].concat())
}

fn pss(hash: Hash) -> Option<Vec<u8>> {
    let digest = algorithm(&object_of(hash)?, &NULL);
    let mask = algorithm(&[RSA, &[RSA_MGF1]].concat(), &digest);
    let salt = der(INTEGER, &[u8::try_from(hash.len()).ok()?]);
    let fields = PSS.into_iter().zip([digest, mask, salt]);
    let fields: Vec<u8> = fields.flat_map(|(tag, field)| der(tag, &field)).collect();
    Some(der(SEQUENCE, &fields))
}

/// The hash that all parameters agree on: its own salt length, MGF1 with the same hash.
fn decode_pss(parameters: &[u8]) -> Option<Hash> {
    let (mut body, []) = element(parameters, SEQUENCE)? else { return None };
    let (mut digest, mut mask, mut salt) = (Hash::Sha1, Hash::Sha1, 20);
    if let Some((field, rest)) = element(body, PSS[0]) {
        (digest, body) = (decode_hash(field)?, rest);
    }
    if let Some((field, rest)) = element(body, PSS[1]) {
        let (object, inner) = element(element(field, SEQUENCE)?.0, OBJECT)?;
        let is_mgf1 = object.strip_prefix(RSA) == Some(&[RSA_MGF1]);
        (mask, body) = (decode_hash(inner).filter(|_| is_mgf1)?, rest);
    }
    if let Some((field, rest)) = element(body, PSS[2]) {
        let (&[length], []) = element(field, INTEGER)? else { return None };
        (salt, body) = (usize::from(length), rest);
    }
    if let Some((_, rest)) = element(body, PSS_TRAILER) {
        body = rest;
    }
    (body.is_empty() && digest == mask && salt == digest.len()).then_some(digest)
}

fn decode_hash(identifier: &[u8]) -> Option<Hash> {
    let (object, parameters) = element(element(identifier, SEQUENCE)?.0, OBJECT)?;
    let hash = ALL.into_iter().find(|hash| object_of(*hash).is_some_and(|known| known == object));
    hash.filter(|_| parameters.is_empty() || parameters == NULL)
}

/// The body of a DER element with this tag at the front of `bytes`, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, length], rest) = bytes.split_first_chunk::<2>()?;
    if found != tag {
        return None;
    }
    match length {
        0..=0x7f => rest.split_at_checked(usize::from(length)),
        0x81 => {
            let (length, rest) = rest.split_first()?;
            rest.split_at_checked(usize::from(*length))
        }
        _ => None,
    }
}

const fn rsa_suffix(hash: Hash) -> Option<u8> {
    match hash {
        Hash::Md5 => None,
        Hash::Sha1 => Some(5),
        Hash::Sha256 => Some(11),
        Hash::Sha384 => Some(12),
        Hash::Sha512 => Some(13),
    }
}

const fn sha2_suffix(hash: Hash) -> Option<u8> {
    match hash {
        Hash::Md5 | Hash::Sha1 => None,
        Hash::Sha256 => Some(1),
        Hash::Sha384 => Some(2),
        Hash::Sha512 => Some(3),
    }
}

fn object_of(hash: Hash) -> Option<Vec<u8>> {
    match hash {
        Hash::Sha1 => Some(SHA1.to_vec()),
        Hash::Md5 | Hash::Sha256 | Hash::Sha384 | Hash::Sha512 => {
            sha2_suffix(hash).map(|suffix| [SHA2, &[suffix]].concat())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    /// RFC 7427 appendix A and RFC 8420 appendix A.
    const PUBLISHED: [(Scheme, &str); 7] = [
        (Scheme::RsaPkcs1(Hash::Sha1), "300d06092a864886f70d0101050500"),
        (Scheme::RsaPkcs1(Hash::Sha256), "300d06092a864886f70d01010b0500"),
        (Scheme::RsaPkcs1(Hash::Sha512), "300d06092a864886f70d01010d0500"),
        (Scheme::Ecdsa(Hash::Sha1), "300906072a8648ce3d0401"),
        (Scheme::Ecdsa(Hash::Sha256), "300a06082a8648ce3d040302"),
        (Scheme::Ecdsa(Hash::Sha384), "300a06082a8648ce3d040303"),
        (Scheme::Ed25519, "300506032b6570"),
    ];

    const PSS_SHA256: &str = "304106092a864886f70d01010a3034a00f300d06096086480165030402010500\
        a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120";

    #[test]
    fn names_are_those_of_the_rfcs() {
        for (scheme, name) in PUBLISHED {
            assert_eq!(encode(scheme), Some(hex(name)));
            assert_eq!(decode(&hex(name)), Some(scheme));
        }
        assert_eq!(encode(Scheme::RsaPss(Hash::Sha256)), Some(hex(PSS_SHA256)));
    }

    #[test]
    fn every_scheme_that_has_a_name_is_known_by_it() {
        for hash in [Hash::Sha256, Hash::Sha384, Hash::Sha512] {
            for scheme in [Scheme::RsaPkcs1(hash), Scheme::RsaPss(hash), Scheme::Ecdsa(hash)] {
                assert_eq!(encode(scheme).and_then(|name| decode(&name)), Some(scheme));
            }
        }
        assert_eq!(encode(Scheme::EcdsaFixed(Hash::Sha256)), None);
    }

    #[test]
    fn absent_parameters_are_as_good_as_null_and_defaults_are_sha1() {
        let bare = hex("300b06092a864886f70d01010b");
        assert_eq!(decode(&bare), Some(Scheme::RsaPkcs1(Hash::Sha256)));
        assert_eq!(decode(&hex("300d06092a864886f70d01010a3000")), Some(Scheme::RsaPss(Hash::Sha1)));
    }

    #[test]
    fn pss_with_two_hashes_or_another_salt_is_unknown() {
        let good = hex(PSS_SHA256);
        assert!(decode(&good).is_some());
        for (place, value) in [(good.len() - 1, 0x1f), (30, 2), (good.len() - 8, 3), (1, 0x40)] {
            let mut bad = good.clone();
            bad[place] = value;
            assert_eq!(decode(&bad), None, "{place}");
        }
    }

    #[test]
    fn truncated_names_are_unknown() {
        for length in 0..hex(PSS_SHA256).len() {
            assert_eq!(decode(&hex(PSS_SHA256)[..length]), None);
        }
    }
}
