//! Bidirectional forwarding detection (RFC 5880, 5881, 5883) as an engine: packets in; packets, and paths that failed or
//! came back, out.
#![forbid(unsafe_code)]

mod engine;
pub use engine::Bfd;

mod fsm;
mod io;
pub use io::{Input, Output, SessionKey, State, Timers};

mod packet;
#[doc(hidden)]
pub use packet::Packet;

mod refusal;
pub use refusal::Refusal;

mod session;
mod status;
pub use status::Status;
