//! The words every crate shares: ids, prefixes, virtual time and the shape of a protocol engine.
#![forbid(unsafe_code)]

mod engine;
pub use engine::Engine;

mod id;
pub use id::{Label, PolicyId, PortId, SaId, Spi, VrfId};

mod prefix;
pub use prefix::{Family, InvalidPrefix, Prefix};

mod secret;
pub use secret::Secret;

mod time;
pub use time::Instant;
