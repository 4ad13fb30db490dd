//! The box as an engine: hands each input to whom it concerns and each result to whoever waits for it.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base::{Engine, Instant, PortId, VrfId};
use config::Config;
use dataplane::{Counters, Event, Op, Plan, SaCounters};
use ike::{Answer, Ask, AskId, Command, Ike};
use ipsec::Flow;

use crate::ids::Ids;
use crate::log::Log;
use crate::past::Past;
use crate::plan::Neighbours;
use crate::problems::Problems;
use crate::tables::Tables;
use crate::wiring::config_to_ipsec::{self, Placed};
use crate::wiring::config_to_names::{self, Known};
use crate::wiring::ike_to_ipsec::Tunnels;
use crate::wiring::link_to_all::{self, Links};
use crate::wiring::{config_to_ike, dataplane_to_ike, ike_to_notice, vrf_to_host};
use crate::{Device, Host, Input, Notice, Output, Summary, Trustpoints, plan, show};

/// Everything the box knows, and no socket, clock or thread.
pub struct Pe {
    pub(crate) ike: Ike,
    pub(crate) ids: Ids,
    pub(crate) config: Arc<Config>,
    pub(crate) trustpoints: Trustpoints,
    pub(crate) links: Links,
    pub(crate) neighbours: Neighbours,
    pub(crate) tables: Tables,
    pub(crate) tunnels: Tunnels,
    pub(crate) plan: Plan,
    pub(crate) counters: Counters,
    /// What `clear crypto sa counters` subtracts.
    pub(crate) cleared: BTreeMap<base::SaId, SaCounters>,
    pub(crate) past: Past,
    pub(crate) log: Log,
    /// How often IKE refused a packet, by name.
    pub(crate) refusals: BTreeMap<&'static str, u64>,
    problems: Problems,
    /// When tunnel interfaces are next asked whether they are up.
    upkeep: Option<Instant>,
    host: Host,
    debug_ipsec: bool,
    outputs: VecDeque<Output>,
}

impl Pe {
    /// Between two looks at the tunnel interfaces.
    const UPKEEP: Duration = Duration::from_secs(10);

    /// An unconfigured box. All its randomness comes from `seed`, which must never be used twice.
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            ike: Ike::new(seed),
            ids: Ids::default(),
            config: Arc::default(),
            trustpoints: Arc::default(),
            links: Links::default(),
            neighbours: Neighbours::default(),
            tables: Tables::default(),
            tunnels: Tunnels::default(),
            plan: Plan::default(),
            counters: Counters::default(),
            cleared: BTreeMap::new(),
            past: Past::default(),
            log: Log::default(),
            refusals: BTreeMap::new(),
            problems: Problems::default(),
            upkeep: None,
            host: Host::default(),
            debug_ipsec: false,
            outputs: VecDeque::new(),
        }
    }

    /// Everything the dataplane should hold now, for a backend that starts anew.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Every crypto-map entry on every interface.
    pub(crate) fn placed(&self) -> Vec<Placed<'_>> {
        config_to_ipsec::placed(&self.config, &mut self.ids.clone())
    }

    /// The VRF's name; `None` is the global table.
    pub fn vrf_name(&self, id: VrfId) -> Option<&str> {
        self.ids.vrf_name(id)
    }
}

impl Engine for Pe {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Configure(config, trustpoints) => self.configure(now, config, trustpoints),
            Input::Ike(datagram) => self.tell_ike(now, ike::Input::Datagram(datagram)),
            Input::Answer(id, answer) => self.answer(now, id, *answer),
            Input::Event(event) => self.event(now, event),
            Input::Load(percent) => self.command(now, Command::Load(percent)),
            Input::Counters(counters) => self.counters = counters,
            Input::Device(device) => self.device(now, device),
            Input::DeviceGone(name) => {
                if self.links.gone(&name) {
                    self.rewire(now);
                }
            }
            Input::Neighbour { port, address, mac } => self.neighbour(port, address, mac),
            Input::Request(id, api::Request::Reload) => self.outputs.push_back(Output::Reload(id)),
            Input::Request(id, request) => {
                let response = show::answer(self, now, request);
                self.outputs.push_back(Output::Reply(id, response));
            }
        }
    }

    fn tick(&mut self, now: Instant) {
        self.ike.tick(now);
        self.drain_ike(now);
        self.keep_tunnels(now);
        let due = self.problems.take_due(now, &self.tables.problems);
        due.into_iter().for_each(|problem| self.notice(now, problem));
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        [self.ike.deadline(), self.problems.deadline(), self.upkeep].into_iter().flatten().min()
    }
}

/// Configuration and wires.
impl Pe {
    /// Prepares all, then applies all: what fails, fails before anything changed.
    fn configure(&mut self, now: Instant, config: Arc<Config>, trustpoints: Trustpoints) {
        let mut ids = self.ids.clone();
        let tables = match Tables::derive(&config, &mut ids, &self.links) {
            Ok(tables) => tables,
            Err(reason) => return self.refuse(now, reason),
        };
        let (ike_config, notices) = config_to_ike::ike_config(&config, &trustpoints, &mut ids);
        (self.ids, self.config, self.trustpoints) = (ids, config, trustpoints);
        self.tell_ike(now, ike::Input::Command(Command::Configure(Arc::new(ike_config))));
        notices.into_iter().for_each(|notice| self.notice(now, notice));
        let ops = self.settle(now, tables);
        self.notice(now, Notice::Configured { ops });
        self.outputs.push_back(Output::Configured(Ok(Summary { ops })));
    }

    fn refuse(&mut self, now: Instant, reason: String) {
        self.notice(now, Notice::Refused { reason: reason.clone() });
        self.outputs.push_back(Output::Configured(Err(reason)));
    }

    /// The configuration stands, but the wires changed.
    fn rewire(&mut self, now: Instant) {
        match Tables::derive(&self.config, &mut self.ids, &self.links) {
            Ok(tables) => {
                self.settle(now, tables);
            }
            Err(reason) => self.notice(now, Notice::Refused { reason }),
        }
    }

    /// Puts new tables in force; how many ops that took.
    fn settle(&mut self, now: Instant, tables: Tables) -> usize {
        self.tables = tables;
        self.past.retain(|policy| self.tables.policies.contains_key(&policy));
        self.neighbours.retain(|(port, _), _| self.tables.ports.contains_key(port));
        let wanted = plan::whole(&self.tables, &self.tunnels, &self.neighbours);
        let ops = self.plan.toward(&wanted);
        let count = ops.len();
        self.plan = wanted;
        self.apply(ops);
        let mut host = vrf_to_host::host(&self.tables);
        let number = |name: &String| Some((name.clone(), self.ids.known_vrf(Some(name))?));
        host.vrfs = self.config.vrfs.keys().filter_map(number).collect();
        if host != self.host {
            self.host = host.clone();
            self.outputs.push_back(Output::Host(host));
        }
        self.problems.watch(now, &self.tables.problems);
        self.upkeep = (!self.tables.tunnels.is_empty()).then_some(now);
        count
    }

    /// A tunnel interface is up without traffic: where it is not, IKE is asked for it, and does nothing where
    /// it is or tries already.
    fn keep_tunnels(&mut self, now: Instant) {
        if self.upkeep.is_none_or(|due| now < due) {
            return;
        }
        self.upkeep = Some(now + Self::UPKEEP);
        let tunnels = self.tables.tunnels.iter().filter_map(|id| self.tables.policies.get(id));
        let wanted: Vec<_> =
            tunnels.filter_map(|policy| Some((policy.id, policy.rules.first()?.selector))).collect();
        for (policy, any) in wanted {
            let (local, remote) = (any.local.address(), any.remote.address());
            let flow = Flow { local, remote, protocol: 0, local_port: 0, remote_port: 0 };
            self.command(now, Command::Acquire { policy, rule: 0, flow });
        }
    }

    fn device(&mut self, now: Instant, device: Device) {
        let interface = self.interface_of(&device.name);
        let was_up = self.links.known(&device.name).map(|known| known.up);
        let up = device.up;
        let set = self.sets_mtu(&device.name);
        if !self.links.device(device, set) {
            return;
        }
        if let Some((interface, _)) = interface
            && was_up.is_some_and(|was| was != up)
        {
            self.notice(now, Notice::Link { interface, up });
        }
        self.rewire(now);
    }

    fn link(&mut self, now: Instant, port: PortId, up: bool) {
        if self.links.carrier(port, up) {
            let interface = self.ids.interface(port).map(str::to_owned);
            interface.into_iter().for_each(|interface| self.notice(now, Notice::Link { interface, up }));
            self.rewire(now);
        }
    }

    fn neighbour(&mut self, port: PortId, address: IpAddr, mac: Option<[u8; 6]>) {
        let mac = mac.filter(|_| self.tables.ports.contains_key(&port));
        match mac {
            Some(mac) => self.neighbours.insert((port, address), mac),
            None => self.neighbours.remove(&(port, address)),
        };
        let op = plan::meet(&mut self.plan, port, address, mac);
        self.apply(op.into_iter().collect());
    }

    /// Whether the configuration gives the device its MTU.
    fn sets_mtu(&self, device: &str) -> bool {
        let mut interfaces = self.config.interfaces.iter();
        interfaces.any(|(name, of)| of.mtu.is_some() && link_to_all::device_name(name, of) == device)
    }

    fn interface_of(&self, device: &str) -> Option<(String, PortId)> {
        let port = self.tables.ports.values().find(|port| port.device == device)?;
        Some((port.name.clone(), port.id))
    }
}

/// IKE and the dataplane.
impl Pe {
    fn event(&mut self, now: Instant, event: Event) {
        if let Event::Link { port, up } = event {
            return self.link(now, port, up);
        }
        if let Event::Gone(sa, counted) = event {
            return self.sa_gone(sa, counted);
        }
        if let Event::Counted(question, counted) = &event {
            return self.answer(now, AskId(*question), Answer::Traffic(traffic(counted)));
        }
        let notice = ike_to_notice::event(&event, &self.tables.peers, &self.ids, self.debug_ipsec);
        notice.into_iter().for_each(|notice| self.notice(now, notice));
        if let Some(command) = dataplane_to_ike::command(event, &self.tunnels) {
            self.command(now, command);
        }
    }

    /// Only flows that are shown are remembered: peers choose selectors, and might choose many.
    fn sa_gone(&mut self, sa: base::SaId, counted: SaCounters) {
        let cleared = self.cleared.remove(&sa).unwrap_or_default();
        let Some(flow) = self.past.gone(sa) else { return };
        let (policy, selector, _) = flow;
        let Some(entry) = self.tables.policies.get(&policy) else { return };
        let is_rule = entry.rules.iter().any(|rule| rule.permit && rule.selector == selector);
        if is_rule || self.tunnels.carries(policy, &selector) {
            self.past.add(flow, counted, cleared);
        } else {
            self.past.forget(&flow);
        }
    }

    pub(crate) fn command(&mut self, now: Instant, command: Command) {
        self.tell_ike(now, ike::Input::Command(command));
    }

    pub(crate) fn debug_ipsec(&mut self, on: bool) {
        self.debug_ipsec = on;
    }

    fn answer(&mut self, now: Instant, id: AskId, answer: Answer) {
        self.tell_ike(now, ike::Input::Answer(id, answer));
    }

    fn tell_ike(&mut self, now: Instant, input: ike::Input) {
        self.ike.handle(now, input);
        self.drain_ike(now);
    }

    /// Answers what can be answered here at once, until IKE has nothing more to say.
    fn drain_ike(&mut self, now: Instant) {
        while let Some(output) = self.ike.poll() {
            match output {
                ike::Output::Transmit(datagram) => self.outputs.push_back(Output::Ike(datagram)),
                ike::Output::Ask(id, ask @ (Ask::Compute(_) | Ask::Validate(_))) => {
                    self.outputs.push_back(Output::Ask(id, ask));
                }
                ike::Output::Ask(id, Ask::Resolve { front, name }) => self.resolve(now, id, front, &name),
                ike::Output::Ask(id, Ask::Traffic(child)) => self.read_traffic(now, id, child),
                ike::Output::Ask(id, Ask::Spi { random }) => {
                    let answer = Answer::Spi(self.tunnels.reserve(random));
                    self.ike.handle(now, ike::Input::Answer(id, answer));
                }
                ike::Output::Ask(_, Ask::ReleaseSpi(spi)) => self.tunnels.release(spi),
                ike::Output::ChildReady(child) => {
                    let child = self.inside(child);
                    self.tunnels.ready(&child);
                    self.raise(child.id, None);
                }
                ike::Output::ChildUp(child) => self.child_up(now, None, child),
                ike::Output::ChildReplaced { old, new } => self.child_up(now, Some(old), new),
                ike::Output::ChildMoved(id, endpoints) => {
                    self.tunnels.moved(id, endpoints);
                    self.raise(id, None);
                }
                ike::Output::ChildDown(id, reason) => self.child_down(now, id, reason),
                ike::Output::Notice(notice) => self.ike_notice(now, notice),
            }
        }
    }

    fn resolve(&mut self, now: Instant, id: AskId, front: VrfId, name: &str) {
        match config_to_names::look_up(&self.config.names, self.ids.vrf_name(front), name) {
            Known::Addresses(known) => self.ike.handle(now, ike::Input::Answer(id, Answer::Resolved(known))),
            Known::Ask(name) => self.outputs.push_back(Output::Ask(id, Ask::Resolve { front, name })),
        }
    }

    /// Under a tunnel interface the inside VRF is the interface's.
    fn inside(&self, mut child: Box<ike::Child>) -> Box<ike::Child> {
        if self.tables.tunnels.contains(&child.policy)
            && let Some(policy) = self.tables.policies.get(&child.policy)
        {
            child.inside = policy.inside;
        }
        child
    }

    /// The dataplane is asked for these two SAs alone: what one tunnel costs does not depend on the others.
    fn read_traffic(&mut self, now: Instant, id: AskId, child: ike::ChildId) {
        match self.tunnels.pair(child) {
            Some(pair) => self.outputs.push_back(Output::Read(id.0, vec![pair.inbound.id, pair.outbound.id])),
            None => self.ike.handle(now, ike::Input::Answer(id, Answer::Traffic(None))),
        }
    }

    fn child_up(&mut self, now: Instant, old: Option<ike::ChildId>, child: Box<ike::Child>) {
        let child = &*self.inside(child);
        let Self { tables, tunnels, ids, .. } = self;
        let mut leaf = || ids.nameless_policy();
        let is_dynamic = tables.dynamic.contains(&child.policy);
        tunnels.up(child, is_dynamic.then_some(&mut leaf));
        // Only now: the policy that sends through both is never without either.
        let before = old.and_then(|old| Some((old, tunnels.pair(old)?.carrier)));
        before.into_iter().for_each(|(old, _)| tunnels.silence(old));
        self.raise(child.id, before.map(|(_, carrier)| carrier));
        self.notice(now, ike_to_notice::child_up(child, old.is_some(), &self.ids));
    }

    fn raise(&mut self, id: ike::ChildId, before: Option<base::PolicyId>) {
        let ops = plan::raise(&mut self.plan, &self.tables, &self.tunnels, id, before);
        self.apply(ops);
    }

    fn child_down(&mut self, now: Instant, id: ike::ChildId, reason: ike::DownReason) {
        let Some(pair) = self.tunnels.down(id) else { return };
        self.past.going(&pair);
        let ops = plan::lower(&mut self.plan, &self.tables, &self.tunnels, &pair);
        self.apply(ops);
        if pair.up {
            self.notice(now, ike_to_notice::child_down(&pair, reason, &self.ids));
        }
    }

    fn ike_notice(&mut self, now: Instant, notice: ike::Notice) {
        let times = match &notice {
            ike::Notice::Ignored { what, .. } => {
                self.refusals.entry(what).and_modify(|n| *n += 1).or_insert(1)
            }
            ike::Notice::SessionUp { .. }
            | ike::Notice::SessionDown { .. }
            | ike::Notice::Failed { .. }
            | ike::Notice::Debug { .. } => &1,
        };
        // A flood of refused packets must not wash everything else out of the log.
        if times.is_power_of_two() {
            let notice = ike_to_notice::named(notice, *times, &self.ids);
            self.notice(now, notice);
        }
    }

    fn notice(&mut self, now: Instant, notice: Notice) {
        self.log.add(now, &notice);
        self.outputs.push_back(Output::Notice(notice));
    }

    /// Joins ops that nothing stands between into one batch.
    fn apply(&mut self, ops: Vec<Op>) {
        if let Some(Output::Apply(last)) = self.outputs.back_mut() {
            last.extend(ops);
        } else if !ops.is_empty() {
            self.outputs.push_back(Output::Apply(ops));
        }
    }
}

/// The inbound SA, then the outbound one, which may not be installed yet.
fn traffic(counted: &[Option<SaCounters>]) -> Option<ike::Traffic> {
    let [Some(inbound), outbound] = counted else { return None };
    Some(ike::Traffic { received: inbound.packets, sent: outbound.map_or(0, |outbound| outbound.packets) })
}
