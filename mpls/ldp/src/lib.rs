//! LDP (RFC 5036, RFC 7552) as an engine: hellos, connections' bytes and routes in; hellos, bytes and label-switched paths
//! out.
#![forbid(unsafe_code)]

mod agenda;
pub mod config;
pub use config::Config;

mod discovery;
pub use discovery::{Source, Unheard};

mod engine;
pub use engine::Ldp;

mod exchange;
mod fec;
mod fsm;
pub use fsm::State;

#[doc(hidden)]
pub mod fuzz;
mod io;
pub use io::{ConnectionId, Input, Interface, LdpId, Listener, Lsp, Output, Route, Swap};

mod labels;
mod messages;
mod neighbour;
mod notice;
pub use notice::Notice;

mod peer;
mod restart;
mod session;
mod status;
pub use status::{Bindings, Connection, Discovered, Neighbour};

mod wire;
