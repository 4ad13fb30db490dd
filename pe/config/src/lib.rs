//! The configuration language: IOS text to a typed `Config` and back, with every fault in its place.
#![forbid(unsafe_code)]

pub mod model;
pub use model::Config;
