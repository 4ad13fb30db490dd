//! The box as a whole, by its own face only: inputs, outputs and virtual time.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test may panic, also in what its cases share")]

mod configs;
mod forwarding;
mod front;
mod ike;
mod links;
mod network;
mod operator;
mod protocols;
mod reverse;
mod tunnels;
mod vpn;
mod world;
