//! The dataplane in a thread of its own: ops go in by a queue, events come out by another.

use core::time::Duration;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant as Clock;

use base::{Instant, SaId};
use crossbeam_channel::{Receiver, Sender, TryRecvError};
use dataplane::{Counters, Dataplane, Event, Facts, Op, Port, Rejected};
use sys::{Epoll, Waker};

use crate::Nic;
use crate::control::{Command, Control};
use crate::engine::{EVENTS, FACTS};
use crate::worker::Worker;

pub struct User {
    control: Control,
    /// All commands of one `apply` come into force between the same two batches.
    commands: Option<Sender<Vec<Command>>>,
    events: Receiver<Event>,
    /// Each reading is wanted by somebody: none is lost, as an event may be.
    readings: (Sender<Event>, Receiver<Event>),
    /// Ends the worker's sleep.
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

impl User {
    /// Starts the worker; `open` opens the NIC of each port that is set, as [`nic::open`](crate::nic::open)
    /// does. Time in its counters runs from here.
    pub fn start(open: impl FnMut(&Port) -> io::Result<Box<dyn Nic>> + Send + 'static) -> io::Result<Self> {
        let (commands, orders) = crossbeam_channel::unbounded();
        let (tell, events) = crossbeam_channel::bounded(EVENTS);
        let waker = Arc::new(Waker::new()?);
        let heard = Arc::clone(&waker);
        let ready = Epoll::new()?;
        ready.add(&*waker, WAKER)?;
        let work = move || serve(Worker::new(tell, Some(ready)), &orders, &heard);
        let thread = thread::Builder::new().name("dp-user".to_owned()).spawn(work)?;
        Ok(Self {
            control: Control::new(Box::new(open)),
            commands: Some(commands),
            events,
            readings: crossbeam_channel::unbounded(),
            waker,
            thread: Some(thread),
        })
    }

    fn order(&self, commands: Vec<Command>) {
        let Some(sender) = &self.commands else { return };
        let wakes = commands.iter().any(Command::wakes) || sender.len() >= BACKLOG;
        if sender.send(commands).is_err() {
            tracing::error!("the packet worker is gone");
        }
        if wakes {
            self.waker.wake();
        }
    }
}

impl Dataplane for User {
    fn apply(&mut self, ops: &[Op]) -> Result<(), Vec<Rejected>> {
        let (commands, verdict) = self.control.apply(ops);
        if !commands.is_empty() {
            self.order(commands);
        }
        verdict
    }

    fn poll(&mut self) -> Option<Event> {
        self.events.try_recv().or_else(|_| self.readings.1.try_recv()).ok()
    }

    /// Asks the worker, who answers between two batches; nothing if it does not within a second.
    fn counters(&self) -> Counters {
        let (reply, answer) = crossbeam_channel::bounded(1);
        self.order(vec![Command::Counters(reply)]);
        answer.recv_timeout(Duration::from_secs(1)).unwrap_or_default()
    }

    fn read(&mut self, question: u64, sas: &[SaId]) {
        self.order(vec![Command::Read(question, sas.to_vec(), self.readings.0.clone())]);
    }

    fn facts(&self) -> Facts {
        FACTS
    }
}

impl Drop for User {
    /// Ends the worker; its NICs close.
    fn drop(&mut self) {
        self.commands = None;
        self.waker.wake();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the packet worker panicked");
        }
    }
}

/// Among what is waited for: no port has such a number.
const WAKER: u64 = u64::MAX;

/// Orders that wait for a packet; each may hold tables of its own.
const BACKLOG: usize = 16;

/// Rounds without a packet before the worker sleeps.
const IDLE_ROUNDS: u32 = 1;

/// Packets, or what is due, make a round; orders alone do not.
fn serve(mut worker: Worker, orders: &Receiver<Vec<Command>>, waker: &Waker) {
    let start = Clock::now();
    let (mut idle, mut packets) = (0_u32, true);
    while take(&mut worker, orders) {
        let now = Instant::from_micros(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX));
        if packets || worker.is_due(now) {
            idle = if worker.run(now) > 0 { 0 } else { idle.saturating_add(1) };
        }
        packets = idle <= IDLE_ROUNDS || sleep(&mut worker, waker);
    }
}

/// Obeys every command that is there; `false` when none can come any more.
fn take(worker: &mut Worker, orders: &Receiver<Vec<Command>>) -> bool {
    loop {
        match orders.try_recv() {
            Ok(commands) => commands.into_iter().for_each(|command| worker.obey(command)),
            Err(TryRecvError::Empty) => return true,
            Err(TryRecvError::Disconnected) => return false,
        }
    }
}

/// Until a packet or a command comes, or a tick is due; whether packets wait.
fn sleep(worker: &mut Worker, waker: &Waker) -> bool {
    match worker.wait() {
        Ok(told) => drop(told.contains(&WAKER) && waker.drain()),
        Err(error) => tracing::error!(%error, "the packet worker cannot wait"),
    }
    worker.is_ready()
}
