//! The control thread: it owns the box and the dataplane, and carries values between them, the kernel
//! side and the operator. No locks, no await.

mod farewell;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{Engine, PortId, SaId};
use dataplane::{Dataplane, Event, Facts, Feature, Key, Object, Op, Rejected};
use pe::{Device, Input, Output, RequestId, Summary};
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use crate::file::{Loaded, Source};
use crate::io::sockets::Sockets;
use crate::kept::Kept;
use crate::load::Load;
use crate::log;
use crate::master::Secrets;
use crate::names::Names;
use crate::queue::{Arrival, Arrivals, Next};
use crate::validate::Validator;
use crate::worker::Workers;

/// What the kernel side does for the control thread.
pub(crate) enum Errand {
    Stream(pe::Service, pe::Stream),
    Hello(pe::Hello),
    Bfd {
        key: pe::SessionKey,
        source_port: u16,
        bytes: Vec<u8>,
    },
    Host(Arc<pe::Host>),
    /// Make the kernel ask for a neighbour.
    Resolve(PortId, std::net::IpAddr),
    /// The first configuration is in force.
    Ready,
}

/// Who works beside the control thread.
pub(crate) struct Beside {
    pub(crate) workers: Workers,
    pub(crate) validator: Arc<Validator>,
    pub(crate) names: Arc<Names>,
    /// IKE's.
    pub(crate) sockets: Sockets,
    /// `--keep-forwarding`.
    pub(crate) keeps_forwarding: bool,
}

pub(crate) struct Control<E, D> {
    engine: E,
    dataplane: D,
    source: Source,
    kept: Kept,
    arrivals: Arrivals,
    errands: mpsc::Sender<Errand>,
    beside: Beside,
    in_force: Arc<config::Config>,
    /// `Some` while the configuration limits the load.
    load: Option<Load>,
    start: Instant,
    /// What one burst of arrivals comes to: one change of the dataplane, then what is sent.
    ops: Vec<Op>,
    datagrams: Vec<ike::Datagram>,
    /// To be stored.
    keep: Option<String>,
    replies: BTreeMap<RequestId, oneshot::Sender<api::Response>>,
    next_request: u64,
    /// Reloads that were asked for while outputs were being drained.
    reloads: Vec<RequestId>,
    configured: Option<Result<Summary, String>>,
    /// What the dataplane refuses, and why: asked for again at a reload.
    refused: BTreeMap<Key, (Op, String)>,
    /// SAs among them of which IKE has not heard yet: it ends them.
    stillborn: Vec<SaId>,
}

/// How often the dataplane is asked for events when nothing else happens.
const POLL: Duration = Duration::from_millis(5);
/// Events taken from the dataplane before everyone else has a turn.
const EVENTS: usize = 256;
/// Arrivals that come into force together: what a change of the dataplane costs is shared.
const BURST: usize = 64;
/// No more arrivals come into force together once they made so many ops: a peer's whole table is megabytes of them.
const OPS: usize = 8192;

impl<E: Engine<Input = Input, Output = Output>, D: Dataplane> Control<E, D> {
    pub(crate) fn new(
        engine: E,
        dataplane: D,
        source: Source,
        arrivals: Arrivals,
        errands: mpsc::Sender<Errand>,
        beside: Beside,
    ) -> Self {
        Self {
            engine,
            dataplane,
            kept: Kept::beside(&source.path),
            source,
            arrivals,
            errands,
            beside,
            in_force: Arc::default(),
            load: None,
            start: Instant::now(),
            ops: Vec::new(),
            datagrams: Vec::new(),
            keep: None,
            replies: BTreeMap::new(),
            next_request: 0,
            reloads: Vec::new(),
            configured: None,
            refused: BTreeMap::new(),
            stillborn: Vec::new(),
        }
    }

    /// Runs until told to stop. The error is why it had to.
    pub(crate) fn run(mut self, devices: Vec<Device>, loaded: Loaded) -> Result<(), String> {
        for device in devices {
            self.feed(Input::Device(device));
        }
        if let Some(text) = self.kept.read() {
            self.feed(Input::Kept(text));
        }
        if self.dataplane.facts().resumed {
            self.feed(Input::Resumed);
        }
        let changed = self.configure(loaded)?;
        info!(changes = changed, "configuration in force");
        self.errand(Errand::Ready);
        let reason = loop {
            if let Some(reason) = self.burst() {
                break reason;
            }
            self.dataplane_events();
            self.timers();
            self.flush();
        };
        self.farewell();
        reason.map_or(Ok(()), Err)
    }

    /// Takes what has arrived, and waits for something if nothing has. `Some`: it is time to end, and why.
    fn burst(&mut self) -> Option<Option<String>> {
        let patience = if self.arrivals.rest() { self.patience() } else { Duration::ZERO };
        for datagram in self.beside.sockets.receive(patience) {
            self.feed(Input::Ike(datagram));
        }
        for _ in 0..BURST {
            if self.ops.len() >= OPS {
                break;
            }
            match self.arrivals.next() {
                Next::Arrived(Arrival::Stop(reason)) => return Some(reason),
                Next::Arrived(arrival) => self.take(arrival),
                Next::Nothing => return None,
                Next::Closed => return Some(None),
            }
        }
        None
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
        if let Some(percent) = self.load.as_mut().and_then(Load::sample) {
            self.feed(Input::Load(percent));
        }
    }

    fn dataplane_events(&mut self) {
        for sa in std::mem::take(&mut self.stillborn) {
            self.feed(Input::Event(Event::Expired(sa)));
        }
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
            Output::Ike(datagram) => self.datagrams.push(datagram),
            Output::Stream(service, order) => self.errand(Errand::Stream(service, order)),
            Output::Hello(hello) => self.errand(Errand::Hello(hello)),
            Output::Bfd { key, source_port, bytes } => {
                self.errand(Errand::Bfd { key, source_port, bytes });
            }
            Output::Ask(id, ask) => self.beside.workers.ask(id, ask),
            Output::Apply(ops) => self.ops.extend(ops),
            Output::Read(question, sas) => {
                self.flush();
                self.dataplane.read(question, &sas);
            }
            Output::Host(host) => {
                self.flush();
                self.beside.validator.host(&host);
                self.beside.names.host(&host);
                self.errand(Errand::Host(host));
            }
            Output::Keep(text) => self.keep = Some(text),
            Output::Configured(outcome) => {
                self.flush();
                self.configured = Some(outcome);
            }
            Output::Reply(id, response) => self.reply(id, response),
            Output::Reload(id) => self.reloads.push(id),
            Output::Notice(notice) => log::notice(&notice),
        }
    }

    /// SAs are in force before the peer is told of them.
    fn flush(&mut self) {
        let ops = std::mem::take(&mut self.ops);
        self.apply(&ops);
        if let Some(text) = self.keep.take() {
            self.kept.write(&text);
        }
        if !self.datagrams.is_empty() {
            self.beside.sockets.send(self.datagrams.drain(..));
        }
    }

    /// An op that is refused leaves its packets without SA, route or port: they are dropped, never
    /// sent in clear. It is shown until the object is set with success, or goes.
    fn apply(&mut self, ops: &[Op]) {
        if ops.is_empty() {
            return;
        }
        let refused = self.dataplane.apply(ops).err().unwrap_or_default();
        if !self.refused.is_empty() {
            ops.iter().for_each(|op| drop(self.refused.remove(&op.key())));
        }
        for Rejected { index, reason } in refused {
            error!(reason, "the dataplane refused a change");
            let Some(op) = ops.get(index) else { continue };
            if let Op::Set(Object::Sa(sa)) = op {
                self.stillborn.push(sa.id);
            }
            self.refused.insert(op.key(), (op.clone(), reason));
        }
    }

    fn errand(&self, errand: Errand) {
        // Blocks only while thousands of errands wait; the kernel side never waits for this thread.
        if self.errands.blocking_send(errand).is_err() {
            warn!("the network thread is gone");
        }
    }

    fn request(&mut self, request: api::Request, reply: oneshot::Sender<api::Response>) {
        if let Some(response) = self.of_daemon(&request) {
            // Who asked may have gone.
            return drop(reply.send(response));
        }
        let id = self.expect_reply(reply);
        self.engine.handle(self.now(), Input::Counters(self.dataplane.counters()));
        self.feed(Input::Request(id, request));
    }

    /// What concerns files and lists, which the engine does not see.
    fn of_daemon(&mut self, request: &api::Request) -> Option<api::Response> {
        let secrets = Secrets { path: &self.source.path, config: &self.in_force };
        if let Some(response) = secrets.answer(request) {
            return Some(response);
        }
        if *request == api::Request::ShowCrls {
            return Some(api::Response::Crls(self.beside.validator.lists()));
        }
        if *request == api::Request::ShowDataplane {
            return Some(api::Response::Dataplane(self.facts()));
        }
        let clears = *request == api::Request::Clear(api::ClearSa::Crls);
        clears.then(|| api::Response::Done { count: self.beside.validator.clear() })
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
        if loaded.config.dataplane != self.in_force.dataplane {
            return Err((
                "the file names another dataplane".to_owned(),
                "nothing was changed: restart onrampd",
            ));
        }
        self.configure(loaded).map_err(|error| (error, "the log says more: show logging"))
    }

    /// How many things changed.
    fn configure(&mut self, loaded: Loaded) -> Result<usize, String> {
        let Loaded { config, trustpoints, warnings: _ } = loaded;
        self.configured = None;
        self.load = config.admission.load.map(|_| self.load.take().unwrap_or_default());
        let again: Vec<_> = self.refused.values().map(|(op, _)| op.clone()).collect();
        self.apply(&again);
        let wanted = Arc::clone(&config);
        self.engine.handle(self.now(), Input::Configure(config, trustpoints));
        self.drain();
        let summary = self.configured.take().ok_or("the engine gave no answer to the configuration")??;
        self.in_force = wanted;
        // An SA is no configuration.
        let reasons = self.refused.iter().filter(|(key, _)| !matches!(key, Key::Sa(_)));
        let reasons: Vec<_> = reasons.map(|(_, (_, reason))| reason.as_str()).collect();
        if reasons.is_empty() {
            return Ok(summary.ops);
        }
        Err(format!("the dataplane refuses: {}", reasons.join("; ")))
    }

    /// For `show dataplane`.
    fn facts(&self) -> api::Dataplane {
        let Facts { backend, features, problems, resumed: _ } = self.dataplane.facts();
        let feature = |Feature { name, state, found }| api::Feature { name, state, found };
        api::Dataplane {
            backend: backend.to_owned(),
            features: features.into_iter().map(feature).collect(),
            problems,
            refused: self.refused.values().map(|(_, reason)| reason.clone()).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
