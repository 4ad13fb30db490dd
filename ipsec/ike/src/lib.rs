//! IKE (RFC 2407-2409; RFC 7296 to come) as an engine: datagrams, commands and answers in; datagrams,
//! questions and child SAs out.
#![forbid(unsafe_code)]

pub mod config;
pub use config::Config;

mod io;
pub use io::{Answer, Ask, AskId, Child, ChildId, Command, Datagram, DownReason, Input, Output, Path, SessionId, Target};

mod notice;
pub use notice::{Blame, Notice};
