//! The whole box as one engine: it composes the domains and is the only crate that knows two at once.
//!
//! [`Pe`] only routes values; each file in `wiring/` is one meeting of two domains; `plan` turns what
//! they say into ops; `show` and `trace` answer questions.
#![forbid(unsafe_code)]

pub use bfd::{Input as BfdInput, SessionKey};

mod io;
pub use io::{Device, Host, HostPort, HostRoute, Input, Output, RequestId, Summary, Trustpoints};

mod stream;
pub use stream::{Hello, HostFlow, Service, Socket, Stream, StreamId, Streamed, Transport};

mod notice;
pub use notice::{Network, Notice, Peer, Severity};

mod pe;
pub use pe::Pe;

mod ids;
mod log;
mod past;
mod plan;
mod problems;
mod routing;
mod show;
mod tables;
mod trace;
mod wiring;
