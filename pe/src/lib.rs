//! The whole box as one engine: it composes the domains and is the only crate that knows two at once.
//!
//! [`Pe`] only routes values; each file in `wiring/` is one meeting of two domains; `plan` turns what
//! they say into ops; `show` and `trace` answer questions.
#![forbid(unsafe_code)]

mod io;
pub use io::{Device, Host, HostPort, HostRoute, Input, Output, RequestId, Summary, Trustpoints};

mod notice;
pub use notice::{Notice, Peer, Severity};

mod pe;
pub use pe::Pe;

mod ids;
mod log;
mod past;
mod plan;
mod problems;
mod show;
mod tables;
mod trace;
mod wiring;
