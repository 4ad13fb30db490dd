//! The whole box as one engine: it composes the domains and is the only crate that knows two at once.
#![forbid(unsafe_code)]

mod io;
pub use io::{Device, Host, HostPort, HostRoute, Input, Output, RequestId};
