//! The userspace dataplane: a graph of stages over NICs, fed by the ops of `dataplane`.
#![forbid(unsafe_code)]

mod frame;
pub use frame::{Batch, Frame, HEADROOM, LONGEST, Origin, TAILROOM};

pub mod nic;
pub use nic::{Capabilities, Nic};
