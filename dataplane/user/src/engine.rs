//! The whole dataplane in the caller's thread: for tests, benches and whoever brings a loop along.

use base::{Instant, SaId};
use crossbeam_channel::{Receiver, Sender, unbounded};
use dataplane::{Counters, Dataplane, Event, Facts, Op, Rejected};

use crate::control::{Command, Control, Opener};
use crate::worker::Worker;

/// Events that wait for the control plane; more are lost, and come again if they matter.
pub(crate) const EVENTS: usize = 4096;

pub struct Engine {
    control: Control,
    worker: Worker,
    events: Receiver<Event>,
    readings: (Sender<Event>, Receiver<Event>),
}

/// It needs nothing that not every kernel has.
pub(crate) const FACTS: Facts =
    Facts { backend: "user", features: Vec::new(), problems: Vec::new(), resumed: false };

impl Engine {
    pub fn new(open: Opener) -> Self {
        let (sender, events) = crossbeam_channel::bounded(EVENTS);
        Self { control: Control::new(open), worker: Worker::new(sender, None), events, readings: unbounded() }
    }

    /// One round: receives from every NIC, leads the packets to their ends, sends. How many came in.
    pub fn run(&mut self, now: Instant) -> usize {
        self.worker.run(now)
    }
}

impl Dataplane for Engine {
    fn apply(&mut self, ops: &[Op]) -> Result<(), Vec<Rejected>> {
        let (commands, verdict) = self.control.apply(ops);
        commands.into_iter().for_each(|command| self.worker.obey(command));
        verdict
    }

    fn poll(&mut self) -> Option<Event> {
        self.events.try_recv().or_else(|_| self.readings.1.try_recv()).ok()
    }

    fn counters(&self) -> Counters {
        self.worker.counters()
    }

    fn read(&mut self, question: u64, sas: &[SaId]) {
        self.worker.obey(Command::Read(question, sas.to_vec(), self.readings.0.clone()));
    }

    fn facts(&self) -> Facts {
        FACTS
    }
}
