//! The box as a whole, by its own face only: inputs, outputs and virtual time.

mod configs;
mod forwarding;
mod operator;
mod tunnels;
mod world;
