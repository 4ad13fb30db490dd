//! Boxes in virtual time: IKE passes between them at once, key agreement runs on the spot, and every
//! op goes into a memory of what a backend would hold, which checks that nothing dangles.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use api::{Request, Response};
use base::{Engine, Instant, PolicyId, PortId, SaId, VrfId};
use config::Config;
use dataplane::{Event, Hop, Key, Object, Op, SaCounters};
use ike::{Datagram, Path};
use ipsec::Flow;
use pe::{BfdInput, Hello, Service, SessionKey, Socket, Stream, StreamId, Streamed};
use pe::{Device, Host, Input, Notice, Output, Pe, RequestId, Trustpoints};

/// One box with everything it said.
pub(crate) struct Station {
    pub(crate) pe: Pe,
    pub(crate) memory: BTreeMap<Key, Object>,
    /// Since last taken.
    pub(crate) ops: Vec<Op>,
    pub(crate) host: Arc<Host>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) trustpoints: Trustpoints,
    /// What host names resolve to.
    pub(crate) names: BTreeMap<String, Vec<IpAddr>>,
    /// What SAs that exist have counted, as far as it is not nothing.
    pub(crate) counted: BTreeMap<SaId, SaCounters>,
    /// What it asked to keep over a restart.
    pub(crate) kept: Option<String>,
    configured: Option<Result<usize, String>>,
    replies: VecDeque<Response>,
    sent: VecDeque<Datagram>,
    streams: VecDeque<(Service, Stream)>,
    hellos: VecDeque<Hello>,
    paths: VecDeque<(SessionKey, Vec<u8>)>,
}

impl Station {
    /// Devices come first, as the daemon does it.
    pub(crate) fn new(seed: u8, devices: &[&str], text: &str) -> Self {
        let mut station = Self::bare(seed, devices);
        assert_eq!(station.configure(Instant::START, text).err(), None);
        station
    }

    /// Not configured yet.
    pub(crate) fn bare(seed: u8, devices: &[&str]) -> Self {
        let mut station = Self {
            pe: Pe::new([seed; 32]),
            memory: BTreeMap::new(),
            ops: Vec::new(),
            host: Arc::default(),
            notices: Vec::new(),
            trustpoints: Trustpoints::default(),
            names: BTreeMap::new(),
            counted: BTreeMap::new(),
            kept: None,
            configured: None,
            replies: VecDeque::new(),
            sent: VecDeque::new(),
            streams: VecDeque::new(),
            hellos: VecDeque::new(),
            paths: VecDeque::new(),
        };
        for name in devices {
            station.tell(Instant::START, Input::Device(device(name)));
        }
        station
    }

    /// How many ops it took.
    pub(crate) fn configure(&mut self, now: Instant, text: &str) -> Result<usize, String> {
        let parsed = config::parse(text)
            .unwrap_or_else(|findings| panic!("{}", config::report("test", text, &findings)));
        self.apply_config(now, parsed.config)
    }

    pub(crate) fn apply_config(&mut self, now: Instant, config: Config) -> Result<usize, String> {
        self.tell(now, Input::Configure(Arc::new(config), self.trustpoints.clone()));
        self.configured.take().expect("Configure is answered")
    }

    pub(crate) fn tell(&mut self, now: Instant, input: Input) {
        self.pe.handle(now, input);
        self.drain(now);
    }

    pub(crate) fn tick(&mut self, now: Instant) {
        self.pe.tick(now);
        self.drain(now);
    }

    pub(crate) fn ask(&mut self, now: Instant, request: Request) -> Response {
        self.tell(now, Input::Request(RequestId(1), request));
        self.replies.pop_front().expect("a request is answered")
    }

    fn drain(&mut self, now: Instant) {
        while let Some(output) = self.pe.poll() {
            match output {
                Output::Ike(datagram) => self.sent.push_back(datagram),
                Output::Ask(id, ike::Ask::Compute(job)) => {
                    self.pe.handle(now, Input::Answer(id, Box::new(ike::Answer::Computed(job.run()))));
                }
                Output::Ask(id, ike::Ask::Resolve { name, .. }) => {
                    let known = self.names.get(&name).cloned().unwrap_or_default();
                    self.pe.handle(now, Input::Answer(id, Box::new(ike::Answer::Resolved(known))));
                }
                Output::Ask(..) => panic!("nothing here has certificates"),
                Output::Read(question, sas) => self.read(now, question, &sas),
                Output::Apply(ops) => self.apply(ops),
                Output::Host(host) => self.host = host,
                Output::Configured(result) => self.configured = Some(result.map(|summary| summary.ops)),
                Output::Reply(_, response) => self.replies.push_back(response),
                Output::Reload(_) => panic!("nobody asked to reload"),
                Output::Notice(notice) => self.notices.push(notice),
                Output::Stream(service, stream) => self.streams.push_back((service, stream)),
                Output::Hello(hello) => self.hellos.push_back(hello),
                Output::Bfd { key, source_port: _, bytes } => self.paths.push_back((key, bytes)),
                Output::Keep(text) => self.kept = Some(text),
            }
        }
        let planned: Vec<Key> = self.pe.plan().objects().map(Object::key).collect();
        assert_eq!(planned, self.memory.keys().copied().collect::<Vec<_>>(), "plan and backend agree");
    }

    fn read(&mut self, now: Instant, question: u64, sas: &[SaId]) {
        let counted = sas.iter().map(|id| {
            let exists = self.memory.contains_key(&Key::Sa(*id));
            exists.then(|| self.counted.get(id).copied().unwrap_or_default())
        });
        let event = Event::Counted(question, counted.collect());
        self.pe.handle(now, Input::Event(event));
    }

    /// As a backend would; what an object refers to must be there first.
    fn apply(&mut self, ops: Vec<Op>) {
        for op in &ops {
            match op {
                Op::Set(object) => {
                    self.check(object);
                    self.memory.insert(object.key(), object.clone());
                }
                Op::Unset(key) => assert!(self.memory.remove(key).is_some(), "{key:?} was never set"),
            }
            self.policies_send_through_sas_that_exist();
        }
        self.ops.extend(ops);
    }

    fn check(&self, object: &Object) {
        let has =
            |key: Key| assert!(self.memory.contains_key(&key), "{key:?} is referred to before it is set");
        match object {
            Object::Vrf(_) => {}
            Object::Port(port) => has(Key::Vrf(port.vrf)),
            Object::Neighbour(neighbour) => has(Key::Port(neighbour.port)),
            Object::Sa(sa) => {
                has(Key::Vrf(sa.front));
                has(Key::Vrf(sa.inside));
            }
            // That of a tunnel interface stands on no port: routes lead to it.
            Object::Policy(policy) if policy.sequence == 0 => {}
            Object::Policy(policy) => has(Key::Port(policy.port)),
            Object::Label { .. } => {}
            Object::Route(route) => {
                has(Key::Vrf(route.vrf));
                if let Hop::Out { port, .. } = &route.hop {
                    has(Key::Port(*port));
                }
                if let Hop::Protect(policy) = &route.hop {
                    has(Key::Policy(*policy));
                }
            }
        }
    }

    fn policies_send_through_sas_that_exist(&self) {
        for policy in self.policies() {
            for bundle in &policy.bundles {
                assert!(
                    self.memory.contains_key(&Key::Sa(bundle.outbound)),
                    "a policy sends through a gone SA"
                );
            }
        }
    }

    pub(crate) fn policies(&self) -> impl Iterator<Item = &ipsec::Policy> {
        self.memory.values().filter_map(|object| {
            let Object::Policy(policy) = object else { return None };
            Some(policy)
        })
    }

    pub(crate) fn sas(&self) -> Vec<&ipsec::Sa> {
        let objects = self.memory.values();
        let sas = objects.filter_map(|object| {
            let Object::Sa(sa) = object else { return None };
            Some(sa)
        });
        sas.collect()
    }

    /// The ops since last asked, in words.
    pub(crate) fn told(&mut self) -> Vec<String> {
        let ops = std::mem::take(&mut self.ops);
        ops.iter().map(|op| words(&self.pe, op)).collect()
    }

    /// The port with this address.
    pub(crate) fn port_of(&self, address: &str) -> Option<PortId> {
        let address: IpAddr = address.parse().unwrap();
        self.memory.values().find_map(|object| {
            let Object::Port(port) = object else { return None };
            port.addresses.iter().any(|on| on.address == address).then_some(port.id)
        })
    }

    /// The VRF of that name, as the box numbers it.
    pub(crate) fn vrf(&self, name: Option<&str>) -> VrfId {
        let mut ids =
            self.memory.keys().filter_map(|key| if let Key::Vrf(id) = key { Some(*id) } else { None });
        ids.find(|id| self.pe.vrf_name(*id) == name).expect("a VRF")
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.notices.iter().map(Notice::to_string).collect()
    }
}

/// Several boxes, joined by segments.
pub(crate) struct World {
    pub(crate) now: Instant,
    stations: BTreeMap<&'static str, Station>,
    wires: Vec<Wire>,
    /// The box behind a NAT that keeps its address and changes its ports.
    pub(crate) nat: Option<&'static str>,
    /// Segments that carry nothing.
    pub(crate) cut: BTreeSet<u8>,
    /// Boxes whose connections take nothing at the moment: what they write waits.
    pub(crate) stalled: BTreeSet<&'static str>,
    connections: BTreeMap<End, End>,
    accepted: StreamId,
}

/// One end of a TCP connection.
type End = (&'static str, Service, StreamId);

/// What the NAT adds to a port.
const SHIFT: u16 = 10_000;

/// Where a box is attached: it has `address` in its front VRF on this segment.
pub(crate) struct Wire {
    pub(crate) segment: u8,
    pub(crate) station: &'static str,
    /// `None`: the global table.
    pub(crate) front: Option<&'static str>,
    pub(crate) address: &'static str,
}

impl World {
    pub(crate) fn new(stations: Vec<(&'static str, Station)>, wires: Vec<Wire>) -> Self {
        Self {
            now: Instant::from_secs(1),
            stations: stations.into_iter().collect(),
            wires,
            nat: None,
            cut: BTreeSet::new(),
            stalled: BTreeSet::new(),
            connections: BTreeMap::new(),
            accepted: 1 << 63,
        }
    }

    pub(crate) fn station(&mut self, name: &str) -> &mut Station {
        self.stations.get_mut(name).expect("a station")
    }

    /// Another box in its place.
    pub(crate) fn replace(&mut self, name: &'static str, station: Station) {
        self.stations.insert(name, station);
    }

    /// Until no box has anything to send.
    pub(crate) fn settle(&mut self) {
        loop {
            self.settle_datagrams();
            self.settle_hellos();
            self.settle_paths();
            let mut stations = self.stations.iter_mut().filter(|(name, _)| !self.stalled.contains(*name));
            let next = stations.find_map(|(name, station)| Some((*name, station.streams.pop_front()?)));
            let Some((from, (service, stream))) = next else { return };
            self.stream(from, service, stream);
        }
    }

    fn stream(&mut self, from: &'static str, service: Service, stream: Stream) {
        let now = self.now;
        match stream {
            Stream::Listen(_) => {}
            Stream::Connect(id, socket) => self.connect((from, service, id), &socket),
            Stream::Send(id, bytes) => {
                if let Some((to, service, other)) = self.connections.get(&(from, service, id)).copied() {
                    self.station(to).tell(now, Input::Stream(service, Streamed::Bytes(other, bytes)));
                    self.station(from).tell(now, Input::Stream(service, Streamed::Writable(id)));
                }
            }
            Stream::Close(id) => {
                if let Some((to, service, other)) = self.connections.remove(&(from, service, id)) {
                    self.connections.remove(&(to, service, other));
                    self.station(to).tell(now, Input::Stream(service, Streamed::Closed(other)));
                }
            }
        }
    }

    fn connect(&mut self, end: End, socket: &Socket) {
        let now = self.now;
        let (from, service, id) = end;
        let into = self.wires.iter().find(|wire| wire.address.parse() == Ok(socket.remote));
        let out = into.and_then(|into| {
            self.wires.iter().find(|wire| wire.station == from && wire.segment == into.segment)
        });
        let (Some(out), Some(into)) = (out, into) else {
            return self.station(from).tell(now, Input::Stream(service, Streamed::Closed(id)));
        };
        let (local, remote, to) = (out.address.parse().unwrap(), socket.remote, into.station);
        self.accepted += 1;
        let other = (to, service, self.accepted);
        self.connections.extend([(end, other), (other, end)]);
        let accepted = Streamed::Accepted { id: other.2, vrf: socket.vrf, remote: local, local: remote };
        self.station(to).tell(now, Input::Stream(service, accepted));
        self.station(from).tell(now, Input::Stream(service, Streamed::Connected(id, local)));
    }

    /// From each port to everybody on its segment.
    fn settle_hellos(&mut self) {
        let now = self.now;
        let mut stations = self.stations.iter_mut();
        while let Some((from, hello)) =
            stations.find_map(|(name, station)| Some((*name, station.hellos.pop_front()?)))
        {
            let sender = &self.stations[from];
            let of_port = |wire: &&Wire| wire.station == from && sender.port_of(wire.address) == hello.port;
            let out = self.wires.iter().find(of_port).expect("hellos leave by a wire");
            let others = self.wires.iter().filter(|it| it.segment == out.segment && it.station != from);
            let reached: Vec<_> = others.map(|wire| (wire.station, wire.address)).collect();
            let remote = out.address.parse().unwrap();
            for (to, address) in reached {
                let port = self.stations[to].port_of(address);
                let heard = Hello { port, remote, ..hello.clone() };
                self.station(to).tell(now, Input::Hello(heard));
            }
            stations = self.stations.iter_mut();
        }
    }

    /// BFD: to whoever has the far address on the segment.
    fn settle_paths(&mut self) {
        let now = self.now;
        while let Some((from, (key, bytes))) =
            self.stations.iter_mut().find_map(|(name, station)| Some((*name, station.paths.pop_front()?)))
        {
            let out = self.wires.iter().find(|it| it.station == from && it.address.parse() == Ok(key.local));
            let out = out.expect("a path begins at a wire").segment;
            let into = self.wires.iter().find(|it| it.segment == out && it.address.parse() == Ok(key.remote));
            if let Some(into) = into.filter(|_| !self.cut.contains(&out)) {
                let (name, port) = (into.station, self.stations[into.station].port_of(into.address));
                let vrf = self.stations[name].vrf(into.front);
                let (local, remote, multihop) = (key.remote, key.local, key.port.is_none());
                let port =
                    port.or_else(|| multihop.then_some(PortId(0))).expect("a path of one hop ends at a port");
                let packet = BfdInput::Packet { vrf, port, local, remote, multihop, ttl: 255, bytes };
                self.station(name).tell(now, Input::Bfd(packet));
            }
        }
    }

    fn settle_datagrams(&mut self) {
        while let Some((from, sent)) =
            self.stations.iter_mut().find_map(|(name, station)| Some((*name, station.sent.pop_front()?)))
        {
            if let Some((to, path)) = self.carry(from, sent.path) {
                let now = self.now;
                self.station(to).tell(now, Input::Ike(Datagram { path, bytes: sent.bytes }));
            }
        }
    }

    /// Who a datagram reaches, and what its path looks like from there.
    fn carry(&self, from: &str, path: Path) -> Option<(&'static str, Path)> {
        let front = |wire: &Wire| self.stations[wire.station].vrf(wire.front) == path.front;
        let is_at = |wire: &Wire, address: IpAddr| wire.address.parse() == Ok(address);
        let out = self.wires.iter().find(|w| w.station == from && front(w) && is_at(w, path.local.ip()))?;
        let into = self.wires.iter().find(|w| w.segment == out.segment && is_at(w, path.remote.ip()))?;
        let front = self.stations[into.station].vrf(into.front);
        let (mut local, mut remote) = (path.remote, path.local);
        if self.nat == Some(from) {
            remote.set_port(remote.port() + SHIFT);
        } else if self.nat == Some(into.station) {
            local.set_port(local.port().saturating_sub(SHIFT));
        }
        Some((into.station, Path { front, local, remote, marker: path.marker }))
    }

    /// A packet of the first permit line wants out of the box's only crypto-map entry.
    pub(crate) fn traffic(&mut self, from: &str, source: &str, destination: &str) {
        let policy = self.station(from).policies().next().expect("a policy").id;
        self.acquire(from, policy, source, destination);
    }

    pub(crate) fn acquire(&mut self, at: &str, policy: PolicyId, source: &str, destination: &str) {
        let flow = Flow {
            local: source.parse().unwrap(),
            remote: destination.parse().unwrap(),
            protocol: 1,
            local_port: 0,
            remote_port: 0,
        };
        self.tell(at, Input::Event(Event::Acquire { policy, rule: 0, flow }));
    }

    pub(crate) fn tell(&mut self, at: &str, input: Input) {
        let now = self.now;
        self.station(at).tell(now, input);
        self.settle();
    }

    pub(crate) fn ask(&mut self, at: &str, request: Request) -> Response {
        let now = self.now;
        let response = self.station(at).ask(now, request);
        self.settle();
        response
    }

    /// Runs every timer that is due up to `until`.
    pub(crate) fn run_to(&mut self, until: Instant) {
        while let Some(due) = self.stations.values().filter_map(|station| station.pe.deadline()).min()
            && due <= until
        {
            self.now = self.now.max(due);
            let now = self.now;
            for station in self.stations.values_mut() {
                station.pe.tick(now);
                station.drain(now);
            }
            self.settle();
        }
        self.now = until;
    }
}

pub(crate) fn device(name: &str) -> Device {
    Device { name: name.to_owned(), mac: [2, 0, 0, 0, 0, 1], mtu: 1500, up: true }
}

/// An op as a person would say it, VRFs by name.
fn words(pe: &Pe, op: &Op) -> String {
    match op {
        Op::Set(object) => format!("set {}", object_words(pe, object)),
        Op::Unset(key) => format!("unset {}", key_words(pe, key)),
    }
}

fn key_words(pe: &Pe, key: &Key) -> String {
    if let Key::Route(vrf, prefix) = key {
        return format!("route {} {prefix}", vrf_words(pe, *vrf));
    }
    format!("{key:?}")
}

fn object_words(pe: &Pe, object: &Object) -> String {
    match object {
        Object::Vrf(vrf) => format!("vrf {}", vrf_words(pe, vrf.id)),
        Object::Port(port) => {
            let vrf = vrf_words(pe, port.vrf);
            format!(
                "port {} on {} in {vrf} mtu {} mpls {} crypto {}",
                port.name, port.device, port.mtu, port.mpls, port.crypto
            )
        }
        Object::Neighbour(neighbour) => format!("neighbour {}", neighbour.address),
        Object::Sa(sa) => format!("sa {:?} {} to {}", sa.direction, sa.id.0, sa.remote),
        Object::Policy(policy) => {
            let rules: Vec<_> =
                policy.rules.iter().map(|rule| format!("{} {}", rule.permit, rule.selector)).collect();
            let (front, inside) = (vrf_words(pe, policy.front), vrf_words(pe, policy.inside));
            let bundles: Vec<_> = policy.bundles.iter().map(|bundle| bundle.outbound.0).collect();
            format!("policy {} {front}/{inside} {} through {bundles:?}", place(policy), rules.join(", "))
        }
        Object::Label { label, action: dataplane::LabelAction::PopTo(vrf) } => {
            format!("label {label} pops to {}", vrf_words(pe, *vrf))
        }
        Object::Label { label, .. } => format!("label {label} swaps"),
        Object::Route(route) => {
            format!("route {} {} {}", vrf_words(pe, route.vrf), route.prefix, hop_words(pe, &route.hop))
        }
    }
}

/// The number of its entry in the map.
pub(crate) fn place(policy: &ipsec::Policy) -> u32 {
    policy.sequence >> 16
}

fn hop_words(pe: &Pe, hop: &Hop) -> String {
    let Hop::Out { port, gateway, push } = hop else { return format!("{hop:?}") };
    let plan = pe.plan();
    let Some(Object::Port(port)) = plan.get(&Key::Port(*port)) else {
        return "out of nowhere".to_owned();
    };
    let gateway = gateway.map_or_else(String::new, |gateway| format!(" via {gateway}"));
    let push: String = push.iter().map(|label| format!(" push {label}")).collect();
    format!("out {}{gateway}{push}", port.name)
}

fn vrf_words(pe: &Pe, vrf: VrfId) -> String {
    pe.vrf_name(vrf).unwrap_or("global").to_owned()
}
