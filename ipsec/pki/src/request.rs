//! The question whether a chain of certificates is good today, and its answer.

use std::fmt;
use std::sync::Arc;

use crate::{Certificate, Trustpoint};

#[derive(Clone)]
pub struct Request {
    /// DER; the peer's own first, the others in any order. Nothing here is believed yet.
    pub chain: Vec<Vec<u8>>,
    /// Any of these will do (VRF-12).
    pub trustpoints: Vec<Arc<Trustpoint>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validated {
    /// The peer's own.
    pub certificate: Certificate,
    /// Name of the trustpoint under which it is good.
    pub trustpoint: String,
}

/// Why it is not good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A stable word such as `certificate-expired`, `certificate-revoked`, `unknown-ca`.
    pub what: &'static str,
    /// What is wrong with which certificate, and what to do.
    pub detail: String,
}

impl Refusal {
    pub fn new(what: &'static str, detail: impl Into<String>) -> Self {
        Self { what, detail: detail.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.detail)
    }
}

impl std::error::Error for Refusal {}
