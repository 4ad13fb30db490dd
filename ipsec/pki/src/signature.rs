//! Signatures of CAs and responders (RFC 4055, 5758, 8410): which are accepted, and whether one is good.

use crypto::prf::Hash;
use crypto::sign::{PublicKey, Scheme};
use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Sequence, Tag};

use crate::Refusal;
use crate::asn1::{self, Algorithm, Signed};

/// Why a signature does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Made with MD2, MD4 or MD5: anyone can make another certificate of the same hash.
    Weak,
    /// By its OID.
    Unknown(String),
    /// The signer's key is of no use: too short, or of another kind.
    Key,
    /// Not made with this key, or not over this.
    Forged,
}

#[derive(Sequence)]
struct PssParameters<'a> {
    #[asn1(context_specific = "0", optional = "true")]
    hash: Option<Algorithm<'a>>,
    #[asn1(context_specific = "1", optional = "true")]
    mask: Option<Algorithm<'a>>,
    #[asn1(context_specific = "2", optional = "true")]
    salt: Option<u16>,
    #[asn1(context_specific = "3", optional = "true")]
    trailer: Option<u8>,
}

const fn oid(dotted: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(dotted)
}

const PSS: ObjectIdentifier = oid("1.2.840.113549.1.1.10");
const MGF1: ObjectIdentifier = oid("1.2.840.113549.1.1.8");

const WEAK: [ObjectIdentifier; 3] =
    [oid("1.2.840.113549.1.1.2"), oid("1.2.840.113549.1.1.3"), oid("1.2.840.113549.1.1.4")];

/// SHA-1 is among them: CAs of the field still sign with it, and to forge one takes a CA whose serial numbers
/// can be foreseen.
const SCHEMES: [(ObjectIdentifier, Scheme); 9] = [
    (oid("1.2.840.113549.1.1.5"), Scheme::RsaPkcs1(Hash::Sha1)),
    (oid("1.2.840.113549.1.1.11"), Scheme::RsaPkcs1(Hash::Sha256)),
    (oid("1.2.840.113549.1.1.12"), Scheme::RsaPkcs1(Hash::Sha384)),
    (oid("1.2.840.113549.1.1.13"), Scheme::RsaPkcs1(Hash::Sha512)),
    (oid("1.2.840.10045.4.1"), Scheme::Ecdsa(Hash::Sha1)),
    (oid("1.2.840.10045.4.3.2"), Scheme::Ecdsa(Hash::Sha256)),
    (oid("1.2.840.10045.4.3.3"), Scheme::Ecdsa(Hash::Sha384)),
    (oid("1.2.840.10045.4.3.4"), Scheme::Ecdsa(Hash::Sha512)),
    (oid("1.3.101.112"), Scheme::Ed25519),
];

const HASHES: [(ObjectIdentifier, Hash); 4] = [
    (oid("1.3.14.3.2.26"), Hash::Sha1),
    (oid("2.16.840.1.101.3.4.2.1"), Hash::Sha256),
    (oid("2.16.840.1.101.3.4.2.2"), Hash::Sha384),
    (oid("2.16.840.1.101.3.4.2.3"), Hash::Sha512),
];

/// Whether `key` signed it.
pub(crate) fn check(signed: &Signed<'_>, key: Option<&PublicKey>) -> Result<(), Fault> {
    let scheme = scheme(&signed.algorithm)?;
    let key = key.ok_or(Fault::Key)?;
    let signature = signed.signature.as_bytes().ok_or(Fault::Forged)?;
    key.verify(scheme, &asn1::bytes(signed.tbs), signature).map_err(|_| Fault::Forged)
}

fn scheme(algorithm: &Algorithm<'_>) -> Result<Scheme, Fault> {
    if WEAK.contains(&algorithm.oid) {
        return Err(Fault::Weak);
    }
    let known = SCHEMES.iter().find(|(oid, _)| *oid == algorithm.oid).map(|(_, scheme)| *scheme);
    let pss = || algorithm.parameters.filter(|_| algorithm.oid == PSS).and_then(pss).map(Scheme::RsaPss);
    known.or_else(pss).ok_or_else(|| Fault::Unknown(algorithm.oid.to_string()))
}

/// The hash, if the mask is MGF1 of the same one. What is left out is SHA-1 (RFC 4055 section 3.1).
fn pss(parameters: AnyRef<'_>) -> Option<Hash> {
    let parameters = (parameters.header().tag() == Tag::Sequence)
        .then(|| parameters.decode_as::<PssParameters<'_>>().ok())
        .flatten()?;
    let hash = parameters.hash.map_or(Some(Hash::Sha1), |hash| hash_of(hash.oid))?;
    let masked = match parameters.mask {
        None => Some(Hash::Sha1),
        Some(mask) if mask.oid == MGF1 => {
            mask.parameters?.decode_as::<Algorithm<'_>>().ok().and_then(|inner| hash_of(inner.oid))
        }
        Some(_) => None,
    };
    (masked == Some(hash)).then_some(hash)
}

fn hash_of(oid: ObjectIdentifier) -> Option<Hash> {
    HASHES.iter().find(|(known, _)| *known == oid).map(|(_, hash)| *hash)
}

impl Fault {
    /// As a refusal of `what`, something that was to be signed by `signer`.
    pub(crate) fn refusal(&self, what: &str, signer: &str) -> Refusal {
        match self {
            Self::Weak => Refusal::new(
                "weak-signature",
                format!(
                    "{what} is signed with MD5 or older, which can be forged: have the CA issue it again"
                ),
            ),
            Self::Unknown(oid) => Refusal::new(
                "unknown-signature-algorithm",
                format!("{what} is signed by algorithm {oid}, which is not supported"),
            ),
            Self::Key => Refusal::new(
                "weak-key",
                format!(
                    "the key of {signer} is not one we trust: RSA of 1024 to 8192 bits, ECDSA on P-256, P-384 or P-521, or Ed25519"
                ),
            ),
            Self::Forged => Refusal::new(
                "bad-signature",
                format!(
                    "{what} is not signed by the key of {signer}: another CA of the same name issued it, or it was changed"
                ),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{oid as der_of, sequence, tlv};

    const SHA256: &str = "2.16.840.1.101.3.4.2.1";
    const SHA384: &str = "2.16.840.1.101.3.4.2.2";

    /// RSASSA-PSS with this hash and a mask of that one.
    fn pss(hash: &str, mask: &str) -> Result<Scheme, Fault> {
        let mask = sequence(&[der_of("1.2.840.113549.1.1.8"), sequence(&[der_of(mask)])]);
        let parameters = [tlv(0xa0, &sequence(&[der_of(hash)])), tlv(0xa1, &mask), tlv(0xa2, &tlv(2, &[32]))];
        read("1.2.840.113549.1.1.10", &sequence(&parameters))
    }

    fn read(id: &str, parameters: &[u8]) -> Result<Scheme, Fault> {
        let der = sequence(&[der_of(id), parameters.to_vec()]);
        scheme(&asn1::decode("an algorithm", &der).unwrap())
    }

    #[test]
    fn pss_takes_a_mask_of_its_own_hash_and_sha1_where_nothing_is_said() {
        assert_eq!(pss(SHA256, SHA256), Ok(Scheme::RsaPss(Hash::Sha256)));
        assert!(matches!(pss(SHA256, SHA384), Err(Fault::Unknown(_))));
        assert!(matches!(pss(SHA256, "1.2.3"), Err(Fault::Unknown(_))));
        assert_eq!(read("1.2.840.113549.1.1.10", &sequence(&[])), Ok(Scheme::RsaPss(Hash::Sha1)));
        assert!(read("1.2.840.113549.1.1.10", &tlv(5, &[])).is_err());
    }

    #[test]
    fn old_and_unknown_algorithms_are_told_apart() {
        assert_eq!(read("1.2.840.113549.1.1.4", &tlv(5, &[])), Err(Fault::Weak));
        assert_eq!(read("1.2.840.113549.1.1.11", &tlv(5, &[])), Ok(Scheme::RsaPkcs1(Hash::Sha256)));
        assert_eq!(read("1.2.3.4", &[]), Err(Fault::Unknown("1.2.3.4".to_owned())));
    }
}
