//! The userspace dataplane: a graph of stages over NICs, fed by the ops of `dataplane`.
//!
//! A packet's way is in [`graph`](self): one `match`, one file in `stage/` for each arrow. [`User`] runs it
//! in a thread of its own, [`Engine`] in the caller's.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod by_id;

mod control;
pub use control::Opener;

mod drop;
pub use drop::Drop;

mod engine;
pub use engine::Engine;

mod frame;
pub use frame::{Batch, Body, Frame, HEADROOM, LONGEST, Origin, TAILROOM};

mod graph;
mod header;
mod limit;

pub mod nic;
pub use nic::{Capabilities, Nic};

mod sas;
mod spd;
mod stage;
mod state;
mod tables;

mod user;
pub use user::User;

mod worker;
