//! One certificate, and what of it matters to IKE (RFC 5280 section 4.1, RFC 4945).

use crate::{AltName, Dn};

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
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}
