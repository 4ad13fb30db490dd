//! The box as an engine: hands each input to whom it concerns and each result to whoever waits for it.

mod network;
mod speak;
#[cfg(test)]
mod tests;
mod tunnels;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base::{Engine, Instant, PortId, VrfId};
use bfd::Bfd;
use bgp::Bgp;
use config::Config;
use crypto::mac::Mac;
use crypto::prf::Hash;
use dataplane::{Counters, Op, Plan, SaCounters};
use ike::{Command, Ike};
use ipsec::Flow;
use ldp::Ldp;

use crate::ids::Ids;
use crate::log::Log;
use crate::past::Past;
use crate::plan::Neighbours;
use crate::problems::Problems;
use crate::routing::{Configured, Routing};
use crate::tables::Tables;
use crate::wiring::config_to_ipsec::{self, Placed};
use crate::wiring::ike_to_ipsec::Tunnels;
use crate::wiring::ipsec_to_vrf::ReverseRoutes;
use crate::wiring::labels::Labels;
use crate::wiring::link_to_all::{self, Links};
use crate::wiring::{config_to_ike, vrf_to_host};
use network::Spoken;

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
    pub(crate) routing: Routing,
    pub(crate) labels: Labels,
    pub(crate) reverse: ReverseRoutes,
    pub(crate) bgp: Bgp,
    pub(crate) ldp: Ldp,
    pub(crate) bfd: Bfd,
    pub(crate) spoken: Spoken,
    pub(crate) tunnels: Tunnels,
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
    host: Arc<Host>,
    pub(crate) debug: show::Debug,
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
            routing: Routing::default(),
            labels: Labels::default(),
            reverse: ReverseRoutes::default(),
            bgp: Bgp::new(derived(&seed, b"bgp")),
            ldp: Ldp::new(),
            bfd: Bfd::new(derived(&seed, b"bfd")),
            spoken: Spoken::default(),
            tunnels: Tunnels::default(),
            counters: Counters::default(),
            cleared: BTreeMap::new(),
            past: Past::default(),
            log: Log::default(),
            refusals: BTreeMap::new(),
            problems: Problems::default(),
            upkeep: None,
            host: Arc::default(),
            debug: show::Debug::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Everything the dataplane should hold now, for a backend that starts anew.
    pub fn plan(&self) -> Plan {
        plan::whole(self.ground(), &self.routing)
    }

    fn ground(&self) -> Plan {
        plan::ground(&self.tables, &self.labels, &self.tunnels, &self.neighbours)
    }

    /// What cannot be carried out at the moment.
    fn troubles(&self) -> Vec<Notice> {
        let routes = self.routing.problems(&self.ids);
        self.tables.problems.iter().cloned().chain(routes).chain(self.idle()).collect()
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
            Input::Close => {
                self.apply(plan::closing(&self.tables, &self.labels, &self.tunnels, &self.routing))
            }
            Input::Stream(service, streamed) => self.stream(now, service, streamed),
            Input::Hello(hello) => self.hello(now, hello),
            Input::Bfd(packet) => self.path_packet(now, packet),
            Input::Kept(text) => self.restore(&text),
            Input::Resumed => self.spoken.resumed = true,
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
        self.tick_network(now);
        if self.problems.deadline().is_some_and(|due| due <= now) {
            self.tell_troubles(now);
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        let own = [self.ike.deadline(), self.problems.deadline(), self.upkeep, self.network_deadline()];
        own.into_iter().flatten().min()
    }
}

/// Configuration and wires.
impl Pe {
    /// Prepares all, then applies all: what fails, fails before anything changed.
    fn configure(&mut self, now: Instant, config: Arc<Config>, trustpoints: Trustpoints) {
        let mut ids = self.ids.clone();
        let derived = Tables::derive(&config, &mut ids, &self.links, &self.spoken.stands);
        let checked =
            derived.and_then(|derived| self.labels.refuse(&derived.0.labels, &ids).map(|()| derived));
        let (tables, routes) = match checked {
            Ok(derived) => derived,
            Err(reason) => return self.refuse(now, reason),
        };
        let (ike_config, notices) = config_to_ike::ike_config(&config, &trustpoints, &mut ids);
        (self.ids, self.config, self.trustpoints) = (ids, config, trustpoints);
        self.tell_ike(now, ike::Input::Command(Command::Configure(Arc::new(ike_config))));
        notices.into_iter().for_each(|notice| self.notice(now, notice));
        let ops = self.settle(now, tables, routes);
        self.notice(now, Notice::Configured { ops });
        self.outputs.push_back(Output::Configured(Ok(Summary { ops })));
    }

    fn refuse(&mut self, now: Instant, reason: String) {
        self.notice(now, Notice::Refused { reason: reason.clone() });
        self.outputs.push_back(Output::Configured(Err(reason)));
    }

    /// The configuration stands, but the wires changed.
    fn rewire(&mut self, now: Instant) {
        match Tables::derive(&self.config, &mut self.ids, &self.links, &self.spoken.stands) {
            Ok((tables, routes)) => {
                self.settle(now, tables, routes);
            }
            Err(reason) => self.notice(now, Notice::Refused { reason }),
        }
    }

    /// Puts new tables in force; how many ops that took.
    fn settle(&mut self, now: Instant, tables: Tables, routes: Configured) -> usize {
        let had = self.ground();
        let before = std::mem::replace(&mut self.tables, tables);
        self.past.retain(|policy| self.tables.policies.contains_key(&policy));
        self.neighbours.retain(|(port, _), _| self.tables.ports.contains_key(port));
        self.labels.configure(self.config.mpls.range, &self.tables.labels);
        self.lay_routes(routes);
        self.watch_peers(&before.peers);
        let changes = self.routing.take_changes();
        self.relabel();
        let ops = plan::change(&had, &self.ground(), &changes);
        let count = ops.len();
        self.apply(ops);
        self.speak(now);
        self.reroute(now);
        self.refresh_host();
        self.problems.watch(now, &self.troubles());
        self.upkeep = (!self.tables.tunnels.is_empty()).then_some(now);
        count
    }

    /// Those of the configuration, and of tunnels that are up.
    fn lay_routes(&mut self, routes: Configured) {
        let Self { tables, routing, reverse, tunnels, .. } = self;
        let up = tables.ports.iter().filter(|(id, _)| tables.up.contains(id));
        routing.configure(&tables.vrfs, up.map(|(id, port)| (*id, port)), routes);
        reverse.rebuild(tunnels.children(), &tables.reverse, |vrf| tables.vrfs.contains(&vrf), routing);
    }

    /// IKE's way to them is the kernel's to know.
    fn watch_peers(&mut self, before: &BTreeSet<(VrfId, IpAddr)>) {
        let Self { tables, routing, .. } = self;
        tables.peers.difference(before).for_each(|(front, peer)| routing.watch(*front, *peer));
        before.difference(&tables.peers).for_each(|(front, peer)| routing.unwatch(*front, *peer));
    }

    fn refresh_host(&mut self) {
        let mut host = vrf_to_host::host(&self.tables, &self.routing);
        (host.flows, host.hellos) = (self.flows(), self.hello_ports());
        host.bfd = self.spoken.paths.keys().copied().collect();
        let number = |name: &String| Some((name.clone(), self.ids.known_vrf(Some(name))?));
        host.vrfs = self.config.vrfs.keys().filter_map(number).collect();
        if host != *self.host {
            self.host = Arc::new(host);
            self.outputs.push_back(Output::Host(Arc::clone(&self.host)));
        }
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
        let known = match mac {
            Some(mac) => self.neighbours.insert((port, address), mac),
            None => self.neighbours.remove(&(port, address)),
        };
        if known != mac {
            self.apply(vec![plan::meet(port, address, mac)]);
        }
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

/// What everything comes to.
impl Pe {
    fn tell_troubles(&mut self, now: Instant) {
        let due = self.problems.take_due(now, &self.troubles());
        due.into_iter().for_each(|problem| self.notice(now, problem));
    }

    pub(crate) fn notice(&mut self, now: Instant, notice: Notice) {
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

/// Randomness for one purpose, from which that of others does not follow.
fn derived(seed: &[u8; 32], purpose: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    Mac::new(Hash::Sha256, seed).tag(purpose, &[], &mut bytes);
    u64::from_le_bytes(bytes)
}
