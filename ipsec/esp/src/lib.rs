//! ESP (RFC 4303): seals packets under an outbound SA and opens them under an inbound one, in place.
//!
//! [`Outbound`] and [`Inbound`] hold what changes with every packet (the counter, the replay window,
//! the volume) beside keys that are ready to use; each belongs to one worker, so nothing is locked,
//! and nothing is allocated for a packet. Every packet that they do not take has a [`Refusal`].
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod error;
pub use error::{BadKey, Refusal};

mod esn;

mod open;
pub use open::{Inbound, Opened};

mod protection;

pub mod replay;

mod seal;
pub use seal::{HEADROOM, Outbound, TAILROOM};

mod volume;

/// The next header of a dummy packet, which the receiver drops in silence: RFC 4303 section 2.6.
pub const NO_NEXT_HEADER: u8 = 59;

#[cfg(test)]
mod tests;
