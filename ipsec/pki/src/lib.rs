//! The nouns of public-key infrastructure (RFC 5280): certificates, distinguished names, trustpoints, and
//! the question whether a chain is good today. No I/O: whoever answers it brings the time and the lists.
#![forbid(unsafe_code)]

mod certificate;
pub use certificate::Certificate;

mod name;
pub use name::{AltName, Attribute, Criterion, Dn, Field, Test};

mod trustpoint;
pub use trustpoint::{Credential, Revocation, Trustpoint};

mod request;
pub use request::{Refusal, Request, Validated};
