//! A trustpoint: whom we trust, who we are there, and how revocation is checked (`crypto pki trustpoint`).

use std::sync::Arc;

use crypto::sign::PrivateKey;

use crate::Certificate;

#[derive(Clone, PartialEq, Eq)]
pub struct Trustpoint {
    pub name: String,
    /// The VRF in which its CA, CRLs and OCSP responders are reached; `None`: the global table (VRF-13).
    pub vrf: Option<String>,
    /// CA certificates; trusted as they stand.
    pub anchors: Vec<Certificate>,
    /// `None`: it only verifies peers.
    pub credential: Option<Credential>,
    /// `revocation-check`: the methods in order.
    pub revocation: Vec<Revocation>,
    /// Overrides what certificates say.
    pub crl_url: Option<String>,
    pub ocsp_url: Option<String>,
}

/// Our certificate under a trustpoint, and its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Ours first, then intermediate CAs.
    pub chain: Vec<Certificate>,
    pub key: Arc<PrivateKey>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    Crl,
    Ocsp,
    /// Accept without a check: last resort when the methods before it had no answer.
    None,
}
