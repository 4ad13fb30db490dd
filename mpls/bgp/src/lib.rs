//! BGP (RFC 4271) for unicast and VPN routes (RFC 4364, RFC 4659) as an engine: connections' bytes, next hops and own
//! routes in; bytes, and routes for VRFs out.
#![forbid(unsafe_code)]

mod apply;
pub mod attributes;
pub mod config;
pub use config::Config;

mod constraint;

mod decide;
pub use decide::{Contender, Rule, decide};

mod engine;
pub use engine::Bgp;

mod fsm;
#[doc(hidden)]
pub mod fuzz;

mod io;
pub use io::{
    AddressFamily, Change, Clear, ClearHow, ConnectionId, Dial, Exit, Input, Listener, Output, Own, PeerId,
    Reach, Route, TtlRule,
};

mod labels;
mod leak;
mod net;

mod notice;
pub use notice::Notice;

mod outward;
pub mod policy;
mod reconfigure;
mod restart;
mod rib_in;
mod rib_out;
mod ribs;
pub mod session;

mod show;
pub use show::{FamilyView, LeakView, NeighborView, PathView, TableView, Totals};

mod store;
mod table;
pub mod update;
mod vpn;

mod wire;
