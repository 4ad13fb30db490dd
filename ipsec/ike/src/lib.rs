//! IKE (RFC 2407-2409, RFC 7296) as an engine: datagrams, commands and answers in; datagrams,
//! questions and child SAs out.
#![forbid(unsafe_code)]

mod admission;
pub use admission::{Admission, Cookies, Tally};

mod agenda;
mod auth;
mod child;
mod command;
pub mod config;
pub use config::Config;

mod core;
mod demux;
mod engine;
pub use engine::Ike;

mod error;
mod event;
#[doc(hidden)]
pub mod fuzz;
mod index;
mod io;
pub use io::{
    Answer, Ask, AskId, Child, ChildId, Command, Datagram, DownReason, Endpoints, Input, Output, Path,
    SessionId, Target, Traffic,
};

mod liveness;
mod natt;
mod notice;
pub use notice::{Blame, Notice};

mod opening;
mod peers;
mod policy;
mod reach;
pub mod record;
mod selector;
mod session;
mod status;
pub use status::{ChildState, SessionState, SessionSuite, Stage};

mod traffic;
mod v1;
mod v2;
mod want;
mod window;
mod wire;
