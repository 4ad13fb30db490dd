//! Signatures and keys against those of others, and our two halves against each other.

use super::*;
use crate::testing::{Record, hex};

const SIGNATURES: &str = include_str!("../../tests/vectors/signatures.txt");
const OPENSSL: &str = include_str!("../../tests/vectors/openssl.txt");

const RSA: &[u8] = include_bytes!("../../tests/keys/rsa-pkcs8.pem");
const P256: &[u8] = include_bytes!("../../tests/keys/ec256-pkcs8.pem");
const P384: &[u8] = include_bytes!("../../tests/keys/ec384-pkcs8.pem");
const P521: &[u8] = include_bytes!("../../tests/keys/ec521-pkcs8.pem");
const ED25519: &[u8] = include_bytes!("../../tests/keys/ed25519-pkcs8.pem");

const HASHES: [Hash; 5] = [Hash::Md5, Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512];

fn scheme(name: &str) -> Scheme {
    let hash = match name.rsplit('-').next() {
        Some("sha1") => Hash::Sha1,
        Some("sha384") => Hash::Sha384,
        Some("sha512") => Hash::Sha512,
        _ => Hash::Sha256,
    };
    match name.rsplit_once('-').map_or(name, |(kind, _)| kind) {
        "ecdsa" => Scheme::Ecdsa(hash),
        "ecdsa-fixed" => Scheme::EcdsaFixed(hash),
        "rsa-pkcs1" => Scheme::RsaPkcs1(hash),
        "rsa-pss" => Scheme::RsaPss(hash),
        "ed25519" => Scheme::Ed25519,
        other => panic!("{other}"),
    }
}

fn keys() -> Vec<PrivateKey> {
    [RSA, P256, P384, P521, ED25519].map(|pem| PrivateKey::from_pem(pem).unwrap()).into()
}

fn schemes() -> Vec<Scheme> {
    let hashed =
        |hash| [Scheme::RsaPkcs1(hash), Scheme::RsaPss(hash), Scheme::Ecdsa(hash), Scheme::EcdsaFixed(hash)];
    HASHES.into_iter().flat_map(hashed).chain([Scheme::RsaRaw, Scheme::Ed25519]).collect()
}

#[test]
fn signatures_of_wycheproof_are_good_and_bad_as_it_says() {
    let records = Record::all(SIGNATURES);
    assert!(records.len() > 100);
    for record in records {
        let key = PublicKey::from_spki(&record.bytes("spki")).unwrap();
        let good =
            key.verify(scheme(record.text("scheme")), &record.bytes("message"), &record.bytes("signature"));
        let expected = if record.text("result") == "valid" { Ok(()) } else { Err(Failed::BadSignature) };
        assert_eq!(good, expected, "{}, {}", record.text("scheme"), record.text("comment"));
    }
}

#[test]
fn every_key_verifies_what_it_signed_and_nothing_else() {
    for key in keys() {
        for scheme in schemes() {
            let message = b"a hash of 20 bytes..";
            let Ok(mut signature) = key.sign(scheme, message) else {
                assert!(!scheme.suits(key.kind()), "{scheme:?} {:?}", key.kind());
                assert_eq!(key.sign(scheme, message), Err(Failed::Unsuitable));
                assert_eq!(key.public().verify(scheme, message, &[0; 64]), Err(Failed::Unsuitable));
                continue;
            };
            assert_eq!(key.public().verify(scheme, message, &signature), Ok(()), "{scheme:?}");
            assert_eq!(key.public().verify(scheme, b"another", &signature), Err(Failed::BadSignature));
            let middle = signature.len() / 2;
            signature[middle] ^= 1;
            assert_eq!(key.public().verify(scheme, message, &signature), Err(Failed::BadSignature));
            assert_eq!(key.public().verify(scheme, message, &[]), Err(Failed::BadSignature));
        }
    }
}

#[test]
fn a_fixed_signature_is_as_long_as_two_coordinates() {
    for (key, length) in keys().iter().skip(1).zip([64, 96, 132]) {
        for _ in 0..20 {
            assert_eq!(key.sign(Scheme::EcdsaFixed(Hash::Sha256), b"m").unwrap().len(), length);
        }
    }
}

#[test]
fn raw_rsa_and_sha1_are_what_openssl_makes() {
    let key = PrivateKey::from_pem(RSA).unwrap();
    let [published] = &Record::all(OPENSSL)[..] else { panic!("one record") };
    let message = b"0123456789abcdef0123";
    assert_eq!(key.sign(Scheme::RsaRaw, message), Ok(published.bytes("raw")));
    assert_eq!(key.sign(Scheme::RsaPkcs1(Hash::Sha1), message), Ok(published.bytes("sha1")));
    assert_eq!(key.sign(Scheme::RsaRaw, &[0; 246]), Err(Failed::Unsuitable), "no room for the padding");
}

/// RFC 8032 section 7.1, tests 1 and 3.
#[test]
fn ed25519_agrees_with_rfc_8032() {
    let published = [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155
             5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac
             18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ];
    for (seed, message, signature) in published {
        let pkcs8 = [hex("302e020100300506032b657004220420"), hex(seed)].concat();
        let key = PrivateKey::from_der(&pkcs8).unwrap();
        assert_eq!(key.sign(Scheme::Ed25519, &hex(message)), Ok(hex(signature)));
    }
}

/// RFC 6979 appendix A.2.5: the signature of "sample" with SHA-256, a P-256 key and its public point.
#[test]
fn ecdsa_agrees_with_rfc_6979() {
    let public = hex("3059301306072a8648ce3d020106082a8648ce3d030107034200 04
         60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6
         7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299");
    let signature = hex("EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
         F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8");
    let key = PublicKey::from_spki(&public).unwrap();
    assert_eq!(key.verify(Scheme::EcdsaFixed(Hash::Sha256), b"sample", &signature), Ok(()));
    assert_eq!(
        key.verify(Scheme::EcdsaFixed(Hash::Sha256), b"simple", &signature),
        Err(Failed::BadSignature)
    );
}

#[test]
fn a_key_is_the_same_in_each_of_its_forms() {
    let older: [&[u8]; 4] = [
        include_bytes!("../../tests/keys/rsa-pkcs1.pem"),
        include_bytes!("../../tests/keys/ec256-sec1.pem"),
        include_bytes!("../../tests/keys/ec384-sec1.pem"),
        include_bytes!("../../tests/keys/ec521-sec1.pem"),
    ];
    let kinds = [Kind::Rsa(2048), Kind::EcP256, Kind::EcP384, Kind::EcP521];
    for ((older, newer), kind) in older.into_iter().zip([RSA, P256, P384, P521]).zip(kinds) {
        let (older, newer) = (PrivateKey::from_pem(older).unwrap(), PrivateKey::from_pem(newer).unwrap());
        assert!(older == newer && older.kind() == kind, "{kind}");
        assert_eq!(PublicKey::from_spki(newer.public().spki()).as_ref(), Ok(older.public()));
    }
    assert_eq!(PrivateKey::from_pem(ED25519).unwrap().kind(), Kind::Ed25519);
}

#[test]
fn a_key_that_cannot_be_used_is_refused_with_its_reason() {
    let tries: [(&[u8], BadKey); 5] = [
        (b"-----BEGIN CERTIFICATE-----\nZm9v\n-----END CERTIFICATE-----\n", BadKey::Absent),
        (include_bytes!("../../tests/keys/encrypted-pkcs8.pem"), BadKey::Encrypted),
        (include_bytes!("../../tests/keys/encrypted-pkcs1.pem"), BadKey::Encrypted),
        (include_bytes!("../../tests/keys/rsa1024.pem"), BadKey::Length(1024)),
        (include_bytes!("../../tests/keys/secp256k1.pem"), BadKey::Unsupported),
    ];
    for (pem, why) in tries {
        assert_eq!(PrivateKey::from_pem(pem).err(), Some(why));
    }
}

#[test]
fn a_key_cut_or_lengthened_anywhere_is_malformed() {
    for key in keys() {
        let spki = key.public().spki();
        for cut in 0..spki.len() {
            assert_eq!(PublicKey::from_spki(&spki[..cut]), Err(BadKey::Malformed));
        }
        assert_eq!(PublicKey::from_spki(&[spki, &[0]].concat()), Err(BadKey::Malformed));
    }
}

#[test]
fn a_changed_bit_in_a_key_or_a_signature_never_panics() {
    for key in keys() {
        let scheme = schemes().into_iter().find(|scheme| key.sign(*scheme, b"m").is_ok()).unwrap();
        let (spki, signature) = (key.public().spki(), key.sign(scheme, b"m").unwrap());
        for bit in 0..spki.len() * 8 {
            let mut changed = spki.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            if let Ok(other) = PublicKey::from_spki(&changed) {
                let same = other == *key.public();
                assert_eq!(other.verify(scheme, b"m", &signature).is_ok(), same, "{bit}");
            }
        }
        for bit in 0..signature.len() * 8 {
            let mut changed = signature.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.public().verify(scheme, b"m", &changed), Err(Failed::BadSignature));
        }
    }
}

#[test]
fn a_key_is_used_by_many_threads_at_once() {
    let key = PrivateKey::from_pem(RSA).unwrap();
    let work = || {
        for _ in 0..5 {
            let signature = key.sign(Scheme::RsaPss(Hash::Sha256), b"m").unwrap();
            assert_eq!(key.public().verify(Scheme::RsaPss(Hash::Sha256), b"m", &signature), Ok(()));
        }
    };
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(work))));
}
