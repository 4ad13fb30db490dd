//! What the cross-crate proofs share: one box whose customers have equal addresses, on links in memory.
#![forbid(unsafe_code)]

pub mod judge;
pub mod packet;
pub mod setup;
pub mod world;
