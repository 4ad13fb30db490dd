//! The contract between deciding and forwarding: seven nouns, two verbs, and the events that come back.
//!
//! A backend is told [`Op`]s and nothing else. Setting an object again changes nothing: an identical
//! SA keeps its sequence number, window and counters.
#![forbid(unsafe_code)]

pub mod contract;

mod counters;
pub use counters::{Counters, DropCount, LabelCounters, PortCounters, SaCounters};

mod event;
pub use event::Event;

mod facts;
pub use facts::{Facts, Feature};

mod hop;
pub use hop::{Hop, LabelAction};

mod labels;
pub use labels::Labels;

mod memory;
pub use memory::Memory;

mod object;
pub use object::{
    Address, Encapsulation, Key, Link, Neighbour, Object, Op, Port, Route, TtlModel, Tunnel, Vrf,
};

mod plan;
pub use plan::Plan;

use std::fmt;

use base::SaId;

/// A forwarding backend.
pub trait Dataplane {
    /// Carries out `ops` in order. What cannot be carried out is told, and all the rest is in force: of an object
    /// that is refused the backend holds nothing, or what it held before, and it is told again when it is set again.
    fn apply(&mut self, ops: &[Op]) -> Result<(), Vec<Rejected>>;

    /// The next thing that happened, if any.
    fn poll(&mut self) -> Option<Event>;

    /// What was counted so far.
    fn counters(&self) -> Counters;

    /// Asks what these SAs counted so far, and does not wait: `Event::Counted` with this number answers.
    fn read(&mut self, question: u64, sas: &[SaId]);

    /// What it is and can do.
    fn facts(&self) -> Facts;
}

/// An op the backend cannot carry out, by its place in the list, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    pub index: usize,
    pub reason: String,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "op {}: {}", self.index, self.reason)
    }
}

impl std::error::Error for Rejected {}
