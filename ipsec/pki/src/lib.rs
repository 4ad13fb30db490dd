//! The nouns of public-key infrastructure (RFC 5280): certificates, distinguished names, trustpoints, and
//! the question whether a chain is good today. No I/O: whoever answers it brings the time and the lists.
#![forbid(unsafe_code)]

mod asn1;
mod pem;
#[cfg(test)]
mod testing;

mod error;
pub use error::Malformed;

mod time;
pub use time::Utc;

mod name;
pub use name::{AltName, Attribute, Dn};

mod certificate;
pub use certificate::{Certificate, Status, Usage};

mod map;
pub use map::{Criterion, Field, Test};

mod trustpoint;
pub use trustpoint::{Credential, Revocation, Trustpoint};

mod signature;

mod path;
pub use path::verify;

mod crl;
pub use crl::Crl;

pub mod ocsp;

mod revocation;
pub use revocation::Evidence;

mod request;
pub use request::{Refusal, Request, Validated};
