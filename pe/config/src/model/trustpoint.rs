//! `crypto pki trustpoint`: files that hold certificates and keys, and how revocation is checked. Whoever
//! reads the files makes a `pki::Trustpoint` of it.

use pki::Revocation;

/// `crypto pki trustpoint NAME`. Paths are as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trustpoint {
    pub name: String,
    pub description: Option<String>,
    /// The VRF in which CRLs and OCSP responders are reached; `None`: the global table (VRF-13).
    pub vrf: Option<String>,
    /// `ca-certificate file`: PEM, one or more certificates each; all are trusted.
    pub ca_certificates: Vec<String>,
    /// `certificate file`: PEM, ours first, then intermediate CAs.
    pub certificate: Option<String>,
    /// `private-key file`: PEM.
    pub private_key: Option<String>,
    /// In order; never empty. The default is CRL alone.
    pub revocation: Vec<Revocation>,
    pub crl: Option<Crl>,
    /// `ocsp url`: instead of what certificates say.
    pub ocsp_url: Option<String>,
}

/// Where the CRL is, instead of where certificates say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Crl {
    Url(String),
    /// PEM or DER.
    File(String),
}

impl Trustpoint {
    pub const REVOCATION: [Revocation; 1] = [Revocation::Crl];

    /// A trustpoint of which nothing but the name is written.
    pub fn new(name: String) -> Self {
        Self {
            name,
            description: None,
            vrf: None,
            ca_certificates: Vec::new(),
            certificate: None,
            private_key: None,
            revocation: Self::REVOCATION.to_vec(),
            crl: None,
            ocsp_url: None,
        }
    }
}
