//! The nouns of IPsec (RFC 4301): security associations, policies, selectors and the SPI space.
#![forbid(unsafe_code)]

mod encap;
pub use encap::Encap;

mod lifetime;
pub use lifetime::Lifetime;

mod offload;
pub use offload::Offload;

mod policy;
pub use policy::{Bundle, DfBit, Fragmentation, Policy, Rule, Verdict};

mod sa;
pub use sa::{Direction, Keys, Mode, Replay, Sa};

mod sad;
pub use sad::Sad;

mod selector;
pub use selector::{Flow, Ports, Selector};

mod suite;
pub use suite::{Cipher, Integrity, Suite};
