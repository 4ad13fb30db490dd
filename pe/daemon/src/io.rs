//! The network thread: which sockets there are, netlink, signals and the operator's socket, on one runtime.

mod bfd;
mod guard;
mod hello;
pub(crate) mod hold;
mod netlink;
mod place;
mod reconcile;
pub(crate) mod sockets;
mod stream;
mod subscribe;
mod sysctl;
mod udp;
mod unix;
mod watch;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use config::model::Backend;
use netlink_packet_route::RouteNetlinkMessage;
use pe::{Device, Host, Input};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_local};
use tracing::{debug, error, info, warn};

use crate::control::Errand;
use crate::host::Thing;
use crate::queue::{Arrival, Queue};
use bfd::Detectors;
use hello::Hellos;
use netlink::Kernel;
use reconcile::{Held, Outcome};
use sockets::Sockets;
use stream::Streams;
use subscribe::{Change, DEVICES, ROUTES, subscribe};
use udp::Udp;
use watch::Watch;

/// How often neighbours in use are confirmed and the kernel is asked for what we may have missed.
const REFRESH: Duration = Duration::from_secs(30);
/// Changes of the kernel come in bursts.
const SETTLE: Duration = Duration::from_millis(200);

/// Work for the task that sets the kernel side.
#[derive(Debug, PartialEq, Eq)]
enum Work {
    Host(Arc<Host>),
    /// A device of ours changed.
    Again,
    /// It went, and is ours.
    Missing(Thing),
    /// We do not know what the kernel has of us.
    Lost,
    Ready,
}

/// The network side before the control thread runs.
pub(crate) struct Net {
    kernel: Kernel,
    listener: UnixListener,
    control: PathBuf,
    changes: mpsc::UnboundedReceiver<Change>,
    /// Every device, for the first inputs of the box.
    pub(crate) devices: Vec<Device>,
}

impl Net {
    /// Subscribes before it lists, so that no change falls between. Needs a `LocalSet`.
    pub(crate) async fn open(control: &Path) -> anyhow::Result<Self> {
        let changes = subscribe(&DEVICES).context("netlink")?;
        let kernel = Kernel::connect().context("netlink")?;
        let links = kernel.links().await.map_err(anyhow::Error::msg).context("listing devices")?;
        let listener =
            unix::listen(control).with_context(|| format!("control socket {}", control.display()))?;
        Ok(Self {
            kernel,
            listener,
            control: control.to_owned(),
            changes,
            devices: links.iter().filter_map(watch::device).collect(),
        })
    }

    /// Serves until the control thread drops its errands. `sockets` are what it works with.
    pub(crate) async fn run(
        self,
        queue: Queue,
        mut errands: mpsc::Receiver<Errand>,
        sockets: Sockets,
    ) -> anyhow::Result<()> {
        signals(&queue).context("signals")?;
        spawn_local(unix::serve(self.listener, queue.clone()));
        let (work, waiting) = mpsc::unbounded_channel();
        let side = Rc::new(Side {
            kernel: self.kernel,
            watch: RefCell::default(),
            udp: RefCell::new(Udp::new(sockets, hold::place(&self.control))),
            streams: Streams::new(queue.clone()),
            hellos: RefCell::new(Hellos::new(queue.clone())),
            detectors: RefCell::new(Detectors::new(queue.clone())),
            queue,
            work,
        });
        side.resync().await;
        spawn_local(Rc::clone(&side).follow(self.changes));
        spawn_local(Rc::clone(&side).refresh());
        spawn_local(Rc::clone(&side).set_kernel(waiting));
        while let Some(errand) = errands.recv().await {
            side.errand(errand);
        }
        side.streams.end().await;
        Ok(())
    }
}

fn signals(queue: &Queue) -> std::io::Result<()> {
    let mut reload = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let queue = queue.clone();
    spawn_local(async move {
        loop {
            let arrival = tokio::select! {
                _ = reload.recv() => Arrival::Reload,
                _ = interrupt.recv() => Arrival::Stop(None),
                _ = terminate.recv() => Arrival::Stop(None),
            };
            queue.send(arrival).await;
        }
    });
    Ok(())
}

/// What the tasks of the network thread share.
struct Side {
    kernel: Kernel,
    watch: RefCell<Watch>,
    udp: RefCell<Udp>,
    streams: Streams,
    hellos: RefCell<Hellos>,
    detectors: RefCell<Detectors>,
    queue: Queue,
    work: mpsc::UnboundedSender<Work>,
}

impl Side {
    fn errand(self: &Rc<Self>, errand: Errand) {
        match errand {
            Errand::Stream(service, order) => {
                let faults = self.streams.order(service, order);
                faults.iter().for_each(|fault| error!("kernel: {fault}"));
            }
            Errand::Hello(hello) => self.hellos.borrow_mut().send(hello),
            Errand::Bfd { key, source_port, bytes } => {
                self.detectors.borrow_mut().send(key, source_port, &bytes);
            }
            Errand::Host(host) => self.todo(Work::Host(host)),
            Errand::Ready => self.todo(Work::Ready),
            Errand::Resolve(port, address) => {
                let index = self.watch.borrow_mut().ask(port, address);
                if let Some(index) = index {
                    drop(self.ask(index, address));
                }
            }
        }
    }

    fn todo(&self, work: Work) {
        // The task that does it lives as long as this thread.
        let _ = self.work.send(work);
    }

    fn ask(self: &Rc<Self>, index: u32, address: std::net::IpAddr) -> JoinHandle<()> {
        let side = Rc::clone(self);
        spawn_local(async move {
            if let Err(error) = side.kernel.ask(index, address).await {
                debug!("neighbour {address}: {error}");
            }
        })
    }

    async fn tell(&self, inputs: impl IntoIterator<Item = Input>) {
        for input in inputs {
            self.queue.send(Arrival::Kernel(input)).await;
        }
    }

    /// Devices and neighbours as they are, in case a change of them was lost.
    async fn resync(&self) {
        let links = self.kernel.links().await.unwrap_or_default();
        let missing = self.watch.borrow().missing(&links);
        let gone: Vec<_> = missing.iter().filter_map(|index| self.watch.borrow_mut().gone(*index)).collect();
        self.tell(gone).await;
        for link in links {
            let (inputs, work) = self.watch.borrow_mut().link(link);
            self.tell(inputs).await;
            work.into_iter().for_each(|work| self.todo(work));
        }
        self.neighbours().await;
    }

    async fn neighbours(&self) {
        for known in self.kernel.neighbours().await.unwrap_or_default() {
            let input = self.watch.borrow_mut().neighbour(known);
            self.tell(input).await;
        }
    }

    async fn refresh(self: Rc<Self>) {
        loop {
            tokio::time::sleep(REFRESH).await;
            let asked = self.watch.borrow().asked();
            for (index, address) in asked {
                // One after the other: a burst of questions would be one of answers.
                let _ = self.ask(index, address).await;
            }
            self.resync().await;
        }
    }

    async fn follow(self: Rc<Self>, mut changes: mpsc::UnboundedReceiver<Change>) {
        while let Some(change) = changes.recv().await {
            let Some(change) = change else {
                self.resync().await;
                self.todo(Work::Lost);
                continue;
            };
            let (inputs, work) = self.change(&change);
            self.tell(inputs).await;
            work.into_iter().for_each(|work| self.todo(work));
        }
    }

    /// Inputs for the box, and what is to be set again of the kernel side.
    fn change(&self, change: &RouteNetlinkMessage) -> (Vec<Input>, Option<Work>) {
        let mut watch = self.watch.borrow_mut();
        if let RouteNetlinkMessage::NewLink(message) = change {
            return netlink::link(message).map(|link| watch.link(link)).unwrap_or_default();
        }
        if let RouteNetlinkMessage::DelLink(message) = change {
            return (watch.gone(message.header.index).into_iter().collect(), None);
        }
        if let RouteNetlinkMessage::NewNeighbour(message) = change {
            let input = netlink::neighbour(message).and_then(|known| watch.neighbour(known));
            return (input.into_iter().collect(), None);
        }
        if let RouteNetlinkMessage::DelNeighbour(message) = change {
            let gone = netlink::neighbour(message).map(|known| netlink::Known { mac: None, ..known });
            return (gone.and_then(|gone| watch.neighbour(gone)).into_iter().collect(), None);
        }
        if let RouteNetlinkMessage::DelRule(message) = change {
            return (Vec::new(), netlink::rule(message).and_then(|rule| watch.missed(Thing::Rule(rule))));
        }
        if let RouteNetlinkMessage::DelRoute(message) = change {
            let route = netlink::route(message, |index| watch.name(index));
            return (Vec::new(), route.and_then(|route| watch.missed(Thing::Route(route))));
        }
        let address = |message, gone| watch.address(netlink::address(message)?, gone);
        if let RouteNetlinkMessage::NewAddress(message) = change {
            return (Vec::new(), address(message, false));
        }
        if let RouteNetlinkMessage::DelAddress(message) = change {
            return (Vec::new(), address(message, true));
        }
        (Vec::new(), None)
    }

    /// One at a time, the newest only.
    async fn set_kernel(self: Rc<Self>, mut waiting: mpsc::UnboundedReceiver<Work>) {
        // Before there is one, an earlier guard stands.
        let mut host: Option<Arc<Host>> = None;
        let mut held = Held::default();
        let mut told = Vec::new();
        let mut guarded = false;
        while let Some(first) = waiting.recv().await {
            // At the start peers may be waiting already.
            if guarded {
                tokio::time::sleep(SETTLE).await;
            }
            let (mut ready, mut moved) = (false, false);
            let mut work = Some(first);
            while let Some(one) = work {
                match one {
                    Work::Host(newer) => {
                        moved |= host.as_ref().is_none_or(|old| old.ports != newer.ports);
                        self.watch.borrow_mut().want(&newer);
                        host = Some(newer);
                    }
                    Work::Again => {}
                    Work::Missing(thing) => held.forget(&thing),
                    Work::Lost => held = Held::default(),
                    Work::Ready => {
                        ready = true;
                        host.get_or_insert_default();
                    }
                }
                work = waiting.try_recv().ok();
            }
            let Some(host) = &host else { continue };
            if moved {
                self.watch.borrow_mut().host(host);
            }
            if !guarded && host.backend == Backend::User {
                Rc::clone(&self).hear_routes();
            }
            let outcome = self.set(&mut held, host, guarded).await;
            if moved {
                self.neighbours().await;
            }
            if outcome.faults != told {
                outcome.faults.iter().for_each(|fault| error!("kernel: {fault}"));
                told = outcome.faults;
            }
            match outcome.guard {
                Some(fault) => Rc::clone(&self).unguarded(fault, guarded).await,
                None => guarded = true,
            }
            if ready && guarded {
                announce();
            }
        }
    }

    fn hear_routes(self: Rc<Self>) {
        match subscribe(&ROUTES) {
            Ok(changes) => drop(spawn_local(self.follow(changes))),
            Err(error) => warn!("netlink: routes that others take away are not mended: {error}"),
        }
    }

    async fn set(&self, held: &mut Held, host: &Arc<Host>, guarded: bool) -> Outcome {
        if !held.is_known() || self.watch.borrow().misses(host) {
            self.resync().await;
        }
        let mut links = self.watch.borrow().links();
        let prepare = |index| self.watch.borrow_mut().prepare(index);
        let mut outcome = held.set(&self.kernel, host, &mut links, prepare).await;
        if host.backend == Backend::Linux && !guarded {
            outcome.faults.extend(guard::lift().await.err());
        }
        let index = |device: &str| links.get(device).map(|link| link.index);
        for faults in [
            self.udp.borrow_mut().reconcile(host.backend, &reconcile::present(host, &links)),
            self.streams.host(host),
            self.hellos.borrow_mut().reconcile(host, index),
            self.detectors.borrow_mut().reconcile(host),
        ] {
            outcome.faults.extend(faults);
        }
        outcome
    }

    /// Without any guard the kernel might forward in clear what the dataplane drops: the end. Where
    /// an earlier one still stands, a device has gone while it was replaced: try again.
    async fn unguarded(self: Rc<Self>, fault: String, guarded: bool) {
        if !guarded {
            return self.queue.send(Arrival::Stop(Some(fault))).await;
        }
        error!("kernel: {fault}");
        spawn_local(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.todo(Work::Again);
        });
    }
}

fn announce() {
    info!("ready");
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
        warn!("service manager: {error}");
    }
}
