//! Facts of trustpoints, certificates and revocation lists. Points in time are seconds since 1970.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trustpoint {
    pub name: String,
    pub vrf: Option<String>,
    /// Subjects of the CAs that are trusted.
    pub authorities: Vec<String>,
    /// The subject of our certificate and the kind of its key.
    pub own: Option<(String, String)>,
    /// In order.
    pub revocation: Vec<String>,
    pub crl_url: Option<String>,
    pub ocsp_url: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    pub ca: bool,
    /// Hexadecimal.
    pub serial: String,
    /// One `type=value` each.
    pub subject: Vec<String>,
    pub issuer: Vec<String>,
    /// Alternative names.
    pub names: Vec<String>,
    pub not_before: u64,
    pub not_after: u64,
    pub crl_urls: Vec<String>,
    pub trustpoints: Vec<String>,
}

/// A revocation list that is at hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crl {
    pub issuer: String,
    /// Where it came from.
    pub source: String,
    pub this_update: u64,
    pub next_update: Option<u64>,
    /// How many certificates it revokes.
    pub revoked: usize,
}
