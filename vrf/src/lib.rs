//! Virtual routing and forwarding tables: what a VRF is, its routes, and the lookup packets see.
#![forbid(unsafe_code)]

mod rd;
pub use rd::{InvalidRd, Rd};

mod target;
pub use target::RouteTarget;
