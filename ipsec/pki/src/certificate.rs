//! One certificate, and what of it matters to IKE (RFC 5280 section 4.1, RFC 4945).

mod extensions;
mod identity;

use crypto::prf::Hash;
use crypto::sign::{Kind, PublicKey};
use der::Sequence;
use der::asn1::{AnyRef, BitStringRef};

use crate::asn1::{self, Algorithm, Extension, Signed, Time};
use crate::{AltName, Dn, Malformed, Utc, pem};
use extensions::Extensions;
pub(crate) use extensions::full_name;

/// Compared by its DER.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub der: Vec<u8>,
    pub subject: Dn,
    pub issuer: Dn,
    /// Big-endian, without leading zeros.
    pub serial: Vec<u8>,
    /// Seconds since 1970.
    pub not_before: u64,
    pub not_after: u64,
    pub alt_names: Vec<AltName>,
    /// DER of the SubjectPublicKeyInfo.
    pub spki: Vec<u8>,
    /// CRL distribution points: HTTP URLs.
    pub crl_urls: Vec<String>,
    /// OCSP responders of the authority information access extension.
    pub ocsp_urls: Vec<String>,
    /// Basic constraints say that it is a CA.
    pub is_ca: bool,
    pub(crate) first_version: bool,
    pub(crate) rest: Extensions,
}

/// Whether a certificate is in force at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    InForce,
    NotYetValid,
    Expired,
}

/// For what its key usage extension lets it be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Signing and encryption, or nothing is said.
    General,
    Signature,
    Encryption,
    /// Neither.
    Other,
}

#[derive(Sequence)]
struct Tbs<'a> {
    #[asn1(context_specific = "0", default = "first")]
    version: u8,
    serial: AnyRef<'a>,
    algorithm: Algorithm<'a>,
    issuer: AnyRef<'a>,
    validity: Validity,
    subject: AnyRef<'a>,
    spki: AnyRef<'a>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    issuer_id: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT", optional = "true")]
    subject_id: Option<BitStringRef<'a>>,
    #[asn1(context_specific = "3", optional = "true")]
    extensions: Option<Vec<Extension<'a>>>,
}

#[derive(Sequence)]
struct Validity {
    not_before: Time,
    not_after: Time,
}

/// Version 1 is written as nothing.
const fn first() -> u8 {
    0
}

const WHAT: &str = "a certificate";

impl Certificate {
    /// Total; the work is bounded by the length. Says nothing of whether it is good.
    pub fn from_der(der: &[u8]) -> Result<Self, Malformed> {
        let signed: Signed<'_> = asn1::decode(WHAT, der)?;
        read(der, signed).map_err(|error| Malformed::new(WHAT, error))?
    }

    /// All certificates of a PEM file, in its order; text around them does not matter. At least one.
    pub fn from_pem_bundle(text: &[u8]) -> Result<Vec<Self>, Malformed> {
        let blocks = pem::blocks(text, &["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"])?;
        blocks.iter().map(|der| Self::from_der(der)).collect()
    }

    /// What IKEv2's CERTREQ names a CA by (RFC 7296 section 3.7): SHA-1 of its public key.
    pub fn key_hash(&self) -> Vec<u8> {
        Hash::Sha1.digest(&[&self.spki])
    }

    /// `None`: a kind of key that we cannot use.
    pub fn public_key(&self) -> Option<PublicKey> {
        PublicKey::from_spki(&self.spki).ok()
    }

    /// `None`: a kind of key that we cannot use.
    pub fn key_kind(&self) -> Option<Kind> {
        self.public_key().map(|key| key.kind())
    }

    /// At `now`, in seconds since 1970.
    pub const fn status(&self, now: u64) -> Status {
        if now < self.not_before {
            Status::NotYetValid
        } else if now > self.not_after {
            Status::Expired
        } else {
            Status::InForce
        }
    }

    pub const fn usage(&self) -> Usage {
        self.rest.usage()
    }

    /// In upper-case hexadecimal, as IOS prints it.
    pub fn serial_text(&self) -> String {
        self.serial.iter().map(|byte| format!("{byte:02X}")).collect()
    }

    /// Its own issuer by name; whether it signed itself is not looked at.
    pub fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    pub fn validity_text(&self) -> (Utc, Utc) {
        (Utc(self.not_before), Utc(self.not_after))
    }
}

fn read(der: &[u8], signed: Signed<'_>) -> der::Result<Result<Certificate, Malformed>> {
    let tbs: Tbs<'_> = signed.tbs.decode_as()?;
    if tbs.algorithm != signed.algorithm {
        return Ok(Err(Malformed::new(WHAT, "it names two signature algorithms")));
    }
    let (subject, issuer) = (Dn::from_der(&asn1::bytes(tbs.subject)), Dn::from_der(&asn1::bytes(tbs.issuer)));
    let rest = Extensions::read(tbs.extensions.as_deref().unwrap_or_default());
    let serial = asn1::serial(tbs.serial)?;
    Ok((|| {
        let (rest, names) = rest?;
        Ok(Certificate {
            der: der.to_vec(),
            subject: subject?,
            issuer: issuer?,
            serial,
            not_before: tbs.validity.not_before.seconds(),
            not_after: tbs.validity.not_after.seconds(),
            alt_names: names.alternative,
            spki: asn1::bytes(tbs.spki),
            crl_urls: names.crl_urls,
            ocsp_urls: names.ocsp_urls,
            is_ca: rest.is_ca,
            first_version: tbs.version == first(),
            rest,
        })
    })())
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

#[cfg(test)]
mod tests;
