//! The control thread: it owns the box and the dataplane, and carries values between them, the kernel
//! side and the operator. No locks, no await.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{Engine, PortId};
use config::Config;
use dataplane::{Dataplane, Event, Op};
use pe::{Device, Input, Output, RequestId, Summary};
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use crate::file::Source;
use crate::log::{self, Tally};
use crate::queue::{Arrival, Arrivals, Next};

/// What the kernel side does for the control thread.
pub(crate) enum Errand {
    Send(ike::Datagram),
    Host(pe::Host),
    /// Make the kernel ask for a neighbour.
    Resolve(PortId, std::net::IpAddr),
    /// The first configuration is in force.
    Ready,
    /// Answer when everything before is done.
    Flush(oneshot::Sender<()>),
}

pub(crate) struct Control<E, D> {
    engine: E,
    dataplane: D,
    source: Source,
    arrivals: Arrivals,
    errands: mpsc::Sender<Errand>,
    jobs: std::sync::mpsc::Sender<(ike::AskId, ike::Ask)>,
    start: Instant,
    replies: BTreeMap<RequestId, oneshot::Sender<api::Response>>,
    next_request: u64,
    /// Reloads that were asked for while outputs were being drained.
    reloads: Vec<RequestId>,
    configured: Option<Result<Summary, String>>,
    /// What the dataplane refused since the last `Configure`.
    refused: Vec<String>,
    unsent: Tally,
}

/// How often the dataplane is asked for events when nothing else happens.
const POLL: Duration = Duration::from_millis(5);
/// Events taken from the dataplane before everyone else has a turn.
const EVENTS: usize = 256;

impl<E: Engine<Input = Input, Output = Output>, D: Dataplane> Control<E, D> {
    pub(crate) fn new(
        engine: E,
        dataplane: D,
        source: Source,
        arrivals: Arrivals,
        errands: mpsc::Sender<Errand>,
        jobs: std::sync::mpsc::Sender<(ike::AskId, ike::Ask)>,
    ) -> Self {
        Self {
            engine,
            dataplane,
            source,
            arrivals,
            errands,
            jobs,
            start: Instant::now(),
            replies: BTreeMap::new(),
            next_request: 0,
            reloads: Vec::new(),
            configured: None,
            refused: Vec::new(),
            unsent: Tally::new("IKE datagrams not sent: the network thread does not keep up"),
        }
    }

    /// Runs until told to stop. The error is why it had to.
    pub(crate) fn run(mut self, devices: Vec<Device>, config: Arc<Config>) -> Result<(), String> {
        for device in devices {
            self.feed(Input::Device(device));
        }
        let changed = self.configure(config)?;
        info!(changes = changed, "configuration in force");
        self.errand(Errand::Ready);
        let reason = loop {
            match self.arrivals.next(self.patience()) {
                Next::Arrived(Arrival::Stop(reason)) => break reason,
                Next::Arrived(arrival) => self.take(arrival),
                Next::TimedOut => {}
                Next::Closed => break None,
            }
            self.dataplane_events();
            self.timers();
        };
        self.farewell();
        reason.map_or(Ok(()), Err)
    }

    fn now(&self) -> base::Instant {
        base::Instant::from_micros(u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    fn patience(&self) -> Duration {
        let now = self.now();
        self.engine.deadline().map_or(POLL, |deadline| deadline.since(now).min(POLL))
    }

    fn take(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Ike(datagram) => self.feed(Input::Ike(datagram)),
            Arrival::Kernel(input) => self.feed(input),
            Arrival::Answer(id, answer) => self.feed(Input::Answer(id, answer)),
            Arrival::Request(request, reply) => self.request(request, reply),
            Arrival::Reload => drop(self.reload()),
            // The loop has seen to it.
            Arrival::Stop(_) => {}
        }
    }

    fn feed(&mut self, input: Input) {
        self.engine.handle(self.now(), input);
        self.drain();
        while let Some(id) = self.reloads.pop() {
            let response = self.reload();
            self.reply(id, response);
        }
    }

    fn timers(&mut self) {
        let now = self.now();
        if self.engine.deadline().is_some_and(|deadline| deadline <= now) {
            self.engine.tick(now);
            self.drain();
        }
    }

    fn dataplane_events(&mut self) {
        for _ in 0..EVENTS {
            let Some(event) = self.dataplane.poll() else { return };
            if let Event::Resolve(port, address) = event {
                self.errand(Errand::Resolve(port, address));
            }
            self.feed(Input::Event(event));
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll() {
            self.carry_out(output);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Ike(datagram) => {
                if self.errands.try_send(Errand::Send(datagram)).is_err() {
                    self.unsent.add();
                }
            }
            // The worker is gone only when the program ends.
            Output::Ask(id, ask) => drop(self.jobs.send((id, ask))),
            Output::Apply(ops) => self.apply(&ops),
            Output::Host(host) => self.errand(Errand::Host(host)),
            Output::Configured(outcome) => self.configured = Some(outcome),
            Output::Reply(id, response) => self.reply(id, response),
            Output::Reload(id) => self.reloads.push(id),
            Output::Notice(notice) => log::notice(&notice),
        }
    }

    /// An op that is refused leaves its packets without SA, route or port: they are dropped, never
    /// sent in clear. The ops after it still count.
    fn apply(&mut self, ops: &[Op]) {
        let mut rest = ops;
        while let Err(rejected) = self.dataplane.apply(rest) {
            error!(reason = rejected.reason, "the dataplane refused a change");
            self.refused.push(rejected.reason);
            match rest.get(rejected.index.saturating_add(1)..) {
                Some(after) if !after.is_empty() => rest = after,
                Some(_) | None => return,
            }
        }
    }

    fn errand(&self, errand: Errand) {
        // Blocks only while thousands of errands wait; the kernel side never waits for this thread.
        if self.errands.blocking_send(errand).is_err() {
            warn!("the network thread is gone");
        }
    }

    fn request(&mut self, request: api::Request, reply: oneshot::Sender<api::Response>) {
        let id = self.expect_reply(reply);
        self.engine.handle(self.now(), Input::Counters(self.dataplane.counters()));
        self.feed(Input::Request(id, request));
    }

    fn expect_reply(&mut self, reply: oneshot::Sender<api::Response>) -> RequestId {
        self.next_request += 1;
        let id = RequestId(self.next_request);
        self.replies.insert(id, reply);
        id
    }

    fn reply(&mut self, id: RequestId, response: api::Response) {
        if let Some(reply) = self.replies.remove(&id) {
            // Who asked may have gone.
            let _ = reply.send(response);
        }
    }

    /// Reads the file again. Whatever is wrong, the configuration in force stays whole.
    fn reload(&mut self) -> api::Response {
        match self.load_and_configure() {
            Ok(count) => {
                info!(changes = count, "configuration reloaded");
                api::Response::Done { count }
            }
            Err((error, hint)) => {
                error!("configuration not reloaded: {error}");
                api::Response::Failed { error, hint: Some(hint.to_owned()) }
            }
        }
    }

    fn load_and_configure(&mut self) -> Result<usize, (String, &'static str)> {
        let loaded = self
            .source
            .load()
            .map_err(|report| (report, "nothing was changed: mend the file and reload again"))?;
        if !loaded.warnings.is_empty() {
            warn!("{}", loaded.warnings);
        }
        self.configure(loaded.config).map_err(|error| (error, "the log says more: show logging"))
    }

    /// How many things changed.
    fn configure(&mut self, config: Arc<Config>) -> Result<usize, String> {
        self.refused.clear();
        self.configured = None;
        self.engine.handle(self.now(), Input::Configure(config));
        self.drain();
        let summary = self.configured.take().ok_or("the engine gave no answer to the configuration")??;
        if self.refused.is_empty() {
            return Ok(summary.ops);
        }
        Err(format!("the dataplane refused: {}", self.refused.join("; ")))
    }

    /// Tells every peer that its SAs end, so that none sends into the void until its next rekey.
    fn farewell(&mut self) {
        let (reply, _gone) = oneshot::channel();
        let id = self.expect_reply(reply);
        let everything = api::ClearSa::Session { remote: None, front: None };
        self.feed(Input::Request(id, api::Request::Clear(everything)));
        let (done, flushed) = oneshot::channel();
        self.errand(Errand::Flush(done));
        // An error means that the network thread ended first.
        let _ = flushed.blocking_recv();
    }
}

#[cfg(test)]
mod tests;
