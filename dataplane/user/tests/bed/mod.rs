//! A box on memory NICs with two front VRFs of equal addresses, two customers of equal addresses and an
//! MPLS core; and the peers' half of the cryptography.
#![allow(dead_code, reason = "each test program uses its part")]
#![allow(unreachable_pub, clippy::unwrap_used, clippy::missing_panics_doc)]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{Instant, Label, PolicyId, PortId, SaId, Secret, Spi, VrfId};
use dataplane::{
    Address, Dataplane, Event, Hop, LabelAction, Labels, Link, Neighbour, Object, Op, Port, Route, TtlModel,
    Vrf,
};
use dp_user::nic::{Memory, pair};
use dp_user::{Batch, Engine, Frame, LONGEST, Nic, Opener};
use ipsec::{
    Bundle, Cipher, DfBit, Direction, Encap, Fragmentation, Integrity, Keys, Policy, Replay, Rule, Sa,
    Selector, Suite,
};
use wire::{ethernet, ipv4, ipv6, mpls, udp};

pub const GLOBAL: VrfId = VrfId(0);
pub const RED: VrfId = VrfId(1);
pub const BLUE: VrfId = VrfId(2);
pub const FRONT: VrfId = VrfId(10);
pub const OTHER_FRONT: VrfId = VrfId(20);

/// In FRONT, with a crypto map.
pub const WAN: PortId = PortId(1);
/// In OTHER_FRONT, with a crypto map and WAN's very addresses.
pub const OTHER_WAN: PortId = PortId(2);
/// Towards the MPLS core.
pub const CORE: PortId = PortId(3);
/// The kernel in RED.
pub const HOST: PortId = PortId(4);
/// A plain attachment of BLUE.
pub const LAN: PortId = PortId(5);

pub const OUR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

pub const GCM: Suite = Suite { cipher: Cipher::AesGcm(128), integrity: Integrity::None };
pub const CBC: Suite = Suite { cipher: Cipher::AesCbc(128), integrity: Integrity::Sha1 };

pub const RED_LABEL: u32 = 3001;
pub const BLUE_LABEL: u32 = 3002;
pub const TRANSIT_LABEL: u32 = 3003;
pub const PENULTIMATE_LABEL: u32 = 3004;

pub struct Bed {
    pub engine: Engine,
    ends: Arc<Mutex<BTreeMap<PortId, Memory>>>,
    batch: Batch,
    pub now: Instant,
}

impl Bed {
    pub fn new() -> Self {
        let mut bed = Self::empty();
        bed.apply(topology());
        bed
    }

    pub fn empty() -> Self {
        let (open, ends) = opener(1024);
        Self { engine: Engine::new(open), ends, batch: Batch::new(1024), now: Instant::from_secs(1) }
    }

    /// With the first tunnel of RED and BLUE up, both through WAN.
    pub fn with_tunnels() -> Self {
        let mut bed = Self::new();
        bed.apply(tunnel(1, WAN, RED, "198.51.100.1", GCM));
        bed.apply(tunnel(2, WAN, BLUE, "198.51.100.2", CBC));
        bed
    }

    pub fn apply(&mut self, objects: Vec<Object>) {
        let ops: Vec<Op> = objects.into_iter().map(Op::Set).collect();
        self.engine.apply(&ops).unwrap();
    }

    /// A frame from the link's other end.
    pub fn put(&mut self, port: PortId, frame: &[u8]) {
        let mut sent = if frame.len() > LONGEST { Frame::of(frame) } else { self.batch.buffer() };
        sent.fill(frame);
        self.batch.push(sent);
        self.ends.lock().unwrap().get_mut(&port).unwrap().send(&mut self.batch);
    }

    /// An IP packet or label stack from the link's other end, to us; then a round.
    pub fn send(&mut self, port: PortId, packet: &[u8]) {
        if port == HOST {
            self.put(port, packet);
        } else {
            self.put(port, &framed(OUR_MAC, packet));
        }
        self.run();
    }

    pub fn run(&mut self) {
        self.engine.run(self.now);
    }

    pub fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        self.run();
    }

    /// What arrived at the link's other end, Ethernet header and all.
    pub fn frames(&mut self, port: PortId) -> Vec<Vec<u8>> {
        self.ends.lock().unwrap().get_mut(&port).unwrap().receive(&mut self.batch);
        let mut frames = Vec::new();
        while let Some(frame) = self.batch.pop() {
            frames.push(frame.bytes().to_vec());
            self.batch.recycle(frame);
        }
        frames
    }

    /// The packets of these frames.
    pub fn packets(&mut self, port: PortId) -> Vec<Vec<u8>> {
        let skip = if port == HOST { 0 } else { ethernet::HEADER };
        self.frames(port).into_iter().map(|frame| frame[skip..].to_vec()).collect()
    }

    /// The only packet that arrived at this port.
    #[track_caller]
    pub fn only(&mut self, port: PortId) -> Vec<u8> {
        let mut packets = self.packets(port);
        assert_eq!(packets.len(), 1, "drops: {:?}", self.drops());
        packets.remove(0)
    }

    /// Drop counters that are not zero.
    pub fn drops(&self) -> BTreeMap<&'static str, u64> {
        let rows = self.engine.counters().drops;
        rows.into_iter().filter(|row| row.packets > 0).map(|row| (row.name, row.packets)).collect()
    }

    /// Nothing left the box, and this one drop is counted once.
    #[track_caller]
    pub fn died_of(&mut self, name: &str) {
        assert_eq!(self.drops(), BTreeMap::from([(name, 1)]));
        for port in [WAN, OTHER_WAN, CORE, HOST, LAN] {
            assert!(self.frames(port).is_empty(), "{port:?}");
        }
    }

    pub fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.engine.poll()).collect()
    }
}

/// Ends of memory links by port.
pub type Ends = Arc<Mutex<BTreeMap<PortId, Memory>>>;

/// Opens one end of a memory link for each port; the other ends are in the map.
pub fn opener(depth: usize) -> (Opener, Ends) {
    let ends = Ends::default();
    let others = Arc::clone(&ends);
    let open = move |port: &Port| {
        let (ours, theirs) = pair(port.link != Link::Host, depth);
        others.lock().unwrap().insert(port.id, theirs);
        Ok(Box::new(ours) as Box<dyn Nic>)
    };
    (Box::new(open), ends)
}

pub fn framed(dst: [u8; 6], packet: &[u8]) -> Vec<u8> {
    let ethertype = match packet.first().map(|first| first >> 4) {
        Some(4) => ethernet::IPV4,
        Some(6) => ethernet::IPV6,
        _ => ethernet::MPLS,
    };
    let header = ethernet::Header { dst, src: PEER_MAC, ethertype };
    [&header.to_bytes(), packet].concat()
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn label(value: u32) -> Label {
    Label::new(value).unwrap()
}

pub fn port(id: PortId, vrf: VrfId, addresses: &[(&str, u8)]) -> Port {
    let address = |(text, length): &(&str, u8)| Address { address: ip(text), length: *length };
    Port {
        id,
        name: format!("port{}", id.0),
        device: format!("dev{}", id.0),
        vrf,
        link: if id == HOST { Link::Host } else { Link::Ethernet { mac: OUR_MAC } },
        mtu: 1500,
        addresses: addresses.iter().map(address).collect(),
        mpls: id == CORE,
        crypto: id == WAN || id == OTHER_WAN,
        offload: None,
    }
}

pub fn route(vrf: VrfId, prefix: &str, port: PortId, gateway: &str, push: &[u32]) -> Object {
    let gateway = (!gateway.is_empty()).then(|| ip(gateway));
    let push = labels(push);
    Object::Route(Route { vrf, prefix: prefix.parse().unwrap(), hop: Hop::Out { port, gateway, push } })
}

pub fn labels(values: &[u32]) -> Labels {
    let labels: Vec<_> = values.iter().map(|value| label(*value)).collect();
    Labels::of(&labels).unwrap()
}

pub fn neighbour(port: PortId, address: &str) -> Object {
    Object::Neighbour(Neighbour { port, address: ip(address), mac: PEER_MAC })
}

fn topology() -> Vec<Object> {
    let vrfs = [GLOBAL, RED, BLUE, FRONT, OTHER_FRONT];
    let mut objects: Vec<Object> =
        vrfs.into_iter().map(|id| Object::Vrf(Vrf { id, name: None, ttl: TtlModel::Uniform })).collect();
    let public = [("172.18.1.1", 24), ("2001:db8:18::1", 64)];
    objects.extend([
        Object::Port(port(WAN, FRONT, &public)),
        Object::Port(port(OTHER_WAN, OTHER_FRONT, &public)),
        Object::Port(port(CORE, GLOBAL, &[("192.168.0.1", 24), ("2001:db8:c::1", 64)])),
        Object::Port(port(HOST, RED, &[("10.9.9.1", 32), ("2001:db8:9::1", 128)])),
        Object::Port(port(LAN, BLUE, &[("10.5.0.1", 24)])),
        neighbour(WAN, "172.18.1.254"),
        neighbour(WAN, "2001:db8:18::fe"),
        neighbour(OTHER_WAN, "172.18.1.254"),
        neighbour(CORE, "192.168.0.2"),
        neighbour(LAN, "10.5.0.2"),
    ]);
    for vrf in [FRONT, OTHER_FRONT] {
        let wan = if vrf == FRONT { WAN } else { OTHER_WAN };
        objects.push(route(vrf, "0.0.0.0/0", wan, "172.18.1.254", &[]));
        objects.push(route(vrf, "::/0", wan, "2001:db8:18::fe", &[]));
    }
    for (vrf, vpn) in [(RED, 2001), (BLUE, 2002)] {
        // Transport implicit null, as on a core of one link.
        objects.push(route(vrf, "10.1.0.0/16", CORE, "192.168.0.2", &[3, vpn]));
        objects.push(route(vrf, "2001:db8:1::/48", CORE, "192.168.0.2", &[3, vpn]));
        objects.push(route(vrf, "10.2.0.0/16", WAN, "172.18.1.254", &[]));
        objects.push(route(vrf, "2001:db8:2::/48", WAN, "2001:db8:18::fe", &[]));
    }
    objects.push(route(BLUE, "10.5.0.0/24", LAN, "", &[]));
    objects.extend([
        labelled(RED_LABEL, LabelAction::PopTo(RED)),
        labelled(BLUE_LABEL, LabelAction::PopTo(BLUE)),
        labelled(TRANSIT_LABEL, LabelAction::Swap(label(4003), core_hop())),
        labelled(PENULTIMATE_LABEL, LabelAction::Swap(Label::IMPLICIT_NULL, core_hop())),
    ]);
    objects
}

fn core_hop() -> Hop {
    Hop::Out { port: CORE, gateway: Some(ip("192.168.0.2")), push: Labels::default() }
}

fn labelled(value: u32, action: LabelAction) -> Object {
    Object::Label { label: label(value), action }
}

/// Everything a site sends to 10.1.0.0/16, and back, in both families.
pub fn selectors() -> [Selector; 2] {
    let between =
        |local: &str, remote: &str| Selector::between(local.parse().unwrap(), remote.parse().unwrap());
    [between("10.1.0.0/16", "10.2.0.0/16"), between("2001:db8:1::/48", "2001:db8:2::/48")]
}

/// Our two SAs and the policy of tunnel `number`, for IPv4 inside.
pub fn tunnel(number: u32, wan: PortId, inside: VrfId, remote: &str, suite: Suite) -> Vec<Object> {
    let [inbound, outbound] =
        [Direction::In, Direction::Out].map(|direction| sa(number, direction, wan, inside, remote, suite));
    vec![Object::Sa(inbound), Object::Sa(outbound), Object::Policy(policy(number, wan, inside))]
}

pub fn policy(number: u32, wan: PortId, inside: VrfId) -> Policy {
    let [v4, v6] = selectors();
    Policy {
        id: PolicyId(number),
        port: wan,
        sequence: number * 10,
        front: front_of(wan),
        inside,
        rules: [v4, v6].map(|selector| Rule { permit: true, selector }).to_vec(),
        bundles: [v4, v6].map(|selector| Bundle { selector, outbound: SaId(number * 2 + 1) }).to_vec(),
        df: DfBit::Copy,
        fragmentation: Fragmentation::BeforeEncryption,
        interface: None,
    }
}

const fn front_of(wan: PortId) -> VrfId {
    if wan.0 == WAN.0 { FRONT } else { OTHER_FRONT }
}

/// Inbound SAs have SPIs as the SAD gives them out; each pair of keys is its own.
pub fn sa(number: u32, direction: Direction, wan: PortId, inside: VrfId, remote: &str, suite: Suite) -> Sa {
    let inbound = direction == Direction::In;
    let id = number * 2 + u32::from(!inbound);
    let seed = u8::try_from(id % 251).unwrap();
    let remote = ip(remote);
    Sa {
        id: SaId(id),
        direction,
        policy: PolicyId(number),
        spi: if inbound { inbound_spi(number) } else { Spi(0x0C00_0000 + number) },
        front: front_of(wan),
        inside,
        local: ip(if remote.is_ipv4() { "172.18.1.1" } else { "2001:db8:18::1" }),
        remote,
        encap: Encap::Esp,
        suite,
        mode: ipsec::Mode::Tunnel,
        keys: Keys {
            cipher: Secret::from(vec![seed; suite.cipher.key_len()]),
            integrity: Secret::from(vec![seed ^ 0xFF; suite.integrity.key_len()]),
        },
        replay: Replay::DEFAULT,
        selector: selectors()[0],
        kilobytes: None,
    }
}

pub const fn inbound_spi(number: u32) -> Spi {
    Spi(number << 12 | 0xABC)
}

/// The peer's half of an SA: what we receive it sends, and the other way round.
pub fn mirrored(ours: &Sa) -> Sa {
    let direction = match ours.direction {
        Direction::In => Direction::Out,
        Direction::Out => Direction::In,
    };
    let encap = match ours.encap {
        Encap::Esp => Encap::Esp,
        Encap::Udp { local, remote } => Encap::Udp { local: remote, remote: local },
    };
    let (local, remote, selector) = (ours.remote, ours.local, ours.selector.reversed());
    Sa { direction, encap, local, remote, selector, ..ours.clone() }
}

/// The peer, sealing for one of our inbound SAs.
pub struct Sender {
    sa: Sa,
    cipher: esp::Outbound,
    pub tos: u8,
}

impl Sender {
    pub fn to(ours: &Sa) -> Self {
        let sa = mirrored(ours);
        Self { cipher: esp::Outbound::new(&sa).unwrap(), sa, tos: 0 }
    }

    /// The outer packet around `inner`.
    pub fn seal(&mut self, inner: &[u8]) -> Vec<u8> {
        self.seal_as(inner, if inner[0] >> 4 == 4 { 4 } else { 41 })
    }

    pub fn seal_as(&mut self, inner: &[u8], next_header: u8) -> Vec<u8> {
        let esp = self.esp(inner, next_header);
        match self.sa.encap {
            Encap::Esp => self.outer(50, &esp),
            Encap::Udp { local, remote } => self.outer(17, &datagram(local, remote, &esp)),
        }
    }

    pub fn esp(&mut self, inner: &[u8], next_header: u8) -> Vec<u8> {
        let mut room = vec![0; esp::HEADROOM + inner.len() + esp::TAILROOM];
        let at = esp::HEADROOM..esp::HEADROOM + inner.len();
        room[at.clone()].copy_from_slice(inner);
        let sealed = self.cipher.seal(&mut room, at, next_header).unwrap();
        room[sealed].to_vec()
    }

    pub fn outer(&self, protocol: u8, payload: &[u8]) -> Vec<u8> {
        Build { protocol, tos: self.tos, ..Build::between(self.sa.local, self.sa.remote) }.with(payload)
    }
}

/// The peer, opening what one of our outbound SAs sealed.
pub struct Receiver {
    cipher: esp::Inbound,
}

impl Receiver {
    pub fn of(ours: &Sa) -> Self {
        Self { cipher: esp::Inbound::new(&mirrored(ours)).unwrap() }
    }

    /// The inner packet and its protocol.
    pub fn open(&mut self, outer: &[u8]) -> Vec<u8> {
        let packet = wire::ip::Packet::new_checked(outer).unwrap();
        let mut sealed = match packet.protocol {
            50 => packet.payload().to_vec(),
            17 => packet.payload()[udp::HEADER..].to_vec(),
            other => panic!("protocol {other} is not ESP"),
        };
        let opened = self.cipher.open(&mut sealed).unwrap();
        sealed[opened.payload].to_vec()
    }
}

/// An IP packet in the making.
#[derive(Clone, Copy)]
pub struct Build {
    pub src: IpAddr,
    pub dst: IpAddr,
    pub protocol: u8,
    pub tos: u8,
    pub ttl: u8,
    pub df: bool,
}

impl Build {
    pub fn between(src: IpAddr, dst: IpAddr) -> Self {
        Self { src, dst, protocol: 17, tos: 0, ttl: 64, df: false }
    }

    /// Around this payload.
    pub fn with(self, payload: &[u8]) -> Vec<u8> {
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => self.v4(src, dst, payload),
            (IpAddr::V6(src), IpAddr::V6(dst)) => self.v6(src, dst, payload),
            _ => panic!("addresses of two families"),
        }
    }

    /// A UDP packet of `length` bytes in all.
    pub fn long(self, length: usize) -> Vec<u8> {
        let header = if self.src.is_ipv4() { ipv4::HEADER } else { ipv6::HEADER };
        let payload: Vec<u8> = (0..length - header - udp::HEADER).map(|i| (i % 251) as u8).collect();
        self.with(&datagram(1000, 2000, &payload))
    }

    fn v4(self, src: Ipv4Addr, dst: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
        let Self { tos, df, ttl, protocol, .. } = self;
        let mut bytes = vec![0; ipv4::HEADER];
        let length = payload.len();
        ipv4::Header { tos, ident: 77, df, ttl, protocol, src, dst, length }.emit(&mut bytes).unwrap();
        [&bytes, payload].concat()
    }

    fn v6(self, src: Ipv6Addr, dst: Ipv6Addr, payload: &[u8]) -> Vec<u8> {
        let Self { tos, ttl, protocol, .. } = self;
        let mut bytes = vec![0; ipv6::HEADER];
        let length = payload.len();
        ipv6::Header { traffic_class: tos, hop_limit: ttl, next: protocol, src, dst, length }
            .emit(&mut bytes)
            .unwrap();
        [&bytes, payload].concat()
    }
}

/// From a customer's far site behind the core to the site behind the tunnel.
pub fn to_site() -> Build {
    Build::between(ip("10.1.0.7"), ip("10.2.0.9"))
}

/// The other way.
pub fn from_site() -> Build {
    Build::between(ip("10.2.0.9"), ip("10.1.0.7"))
}

pub fn datagram(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; udp::HEADER];
    udp::emit(&mut bytes, from, to, payload.len()).unwrap();
    [&bytes, payload].concat()
}

/// Under labels, outermost first.
pub fn under(labels: &[u32], ttl: u8, packet: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, value) in labels.iter().enumerate() {
        let entry = mpls::Entry { label: label(*value), tc: 0, bottom: number + 1 == labels.len(), ttl };
        bytes.extend(entry.to_bytes());
    }
    [&bytes, packet].concat()
}

/// The label stack, outermost first, and the packet beneath.
pub fn stack(bytes: &[u8]) -> (Vec<mpls::Entry>, &[u8]) {
    let (mut entries, mut rest) = (Vec::new(), bytes);
    loop {
        let (entry, behind) = mpls::Entry::parse(rest).unwrap();
        entries.push(entry);
        rest = behind;
        if entry.bottom {
            return (entries, rest);
        }
    }
}

/// The same packet after so many hops.
pub fn aged(packet: &[u8], hops: u8) -> Vec<u8> {
    let mut packet = packet.to_vec();
    let ttl = wire::ip::Packet::new_checked(&packet).unwrap().ttl;
    wire::ip::set_ttl(&mut packet, ttl - hops).unwrap();
    packet
}
