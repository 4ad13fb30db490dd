//! Virtual routing and forwarding tables: what a VRF is, its routes, and the lookup packets see.
#![forbid(unsafe_code)]

mod fib;
pub use fib::Fib;

mod rd;
pub use rd::{InvalidRd, Rd};

mod rib;
pub use rib::{Candidate, Candidates, Covering, Rib, Source};

mod target;
pub use target::RouteTarget;
