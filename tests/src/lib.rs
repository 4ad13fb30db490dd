//! What the cross-crate proofs share: one box whose customers and peers have equal addresses, on links in memory.
#![forbid(unsafe_code)]

pub mod internets;
pub mod judge;
pub mod packet;
pub mod setup;
pub mod world;
