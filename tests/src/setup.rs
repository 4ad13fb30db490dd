//! One box between two internets, with six customers whose addresses, peers, SPIs and lists are all
//! equal: what an operator may change of it, and the plan that follows.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use base::{Label, PolicyId, PortId, Prefix, SaId, Secret, Spi, VrfId};
use dataplane::{
    Address, Hop, Key, LabelAction, Labels, Link, Neighbour, Object, Plan, Port, Route, TtlModel, Vrf,
};
use ipsec::{
    Bundle, Cipher, DfBit, Direction, Encap, Fragmentation, Integrity, Keys, Policy, Replay, Rule, Sa,
    Selector, Suite,
};

/// Internets, each a front VRF of its own.
pub const FRONTS: usize = 2;
/// Tunnels of each internet: bare ESP; ESP in UDP; and one whose inside VRF is the front VRF itself.
pub const TUNNELS: usize = 3;
pub const CUSTOMERS: usize = FRONTS * TUNNELS;
/// Customers with an inside VRF and an attachment port of their own.
pub const INSIDES: usize = FRONTS * 2;

pub const CORE: PortId = PortId(1);
/// Where labelled packets pass that are no customer's.
pub const TRANSIT: VrfId = VrfId(900);
pub const TRANSIT_IN: u32 = 300;
pub const TRANSIT_OUT: u32 = 400;
const CUSTOMER_IN: u32 = 100;
const CUSTOMER_OUT: u32 = 200;

/// The box's address in every internet, and the gateway there.
pub const PUBLIC: Ipv4Addr = Ipv4Addr::new(172, 18, 1, 1);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 18, 1, 254);
/// The peers of each internet's tunnels; the second lies in what every customer calls its far site.
pub const PEERS: [Ipv4Addr; TUNNELS] =
    [Ipv4Addr::new(172, 16, 1, 1), Ipv4Addr::new(10, 1, 1, 1), Ipv4Addr::new(172, 16, 1, 2)];
/// A host of the customer's near site, behind the tunnel; the last tunnel's is another.
pub const NEAR: [Ipv4Addr; TUNNELS] =
    [Ipv4Addr::new(10, 2, 0, 9), Ipv4Addr::new(10, 2, 0, 9), Ipv4Addr::new(10, 7, 0, 9)];
/// A host of the far site, behind the core.
pub const FAR: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 9);
/// A host on the attachment port, and the box there.
pub const ATTACHED: Ipv4Addr = Ipv4Addr::new(10, 3, 0, 2);
pub const BOX: Ipv4Addr = Ipv4Addr::new(10, 3, 0, 1);
const CORE_SELF: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 1);
const CORE_NEXT: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 2);

pub const SUITE: Suite = Suite { cipher: Cipher::AesGcm(128), integrity: Integrity::None };

/// What of the box is as an operator or a peer wants it now.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The internet of each WAN port.
    pub wan_front: [usize; FRONTS],
    /// Whom each attachment port serves, by inside VRF.
    pub attached: [usize; INSIDES],
    /// The customer of each incoming label.
    pub labels: [usize; CUSTOMERS],
    /// How often each tunnel was rekeyed.
    pub generation: [u32; CUSTOMERS],
    /// Whose list denies some hosts first.
    pub denies: [bool; CUSTOMERS],
    /// Whose packets are cut after encryption.
    pub cuts_after: [bool; CUSTOMERS],
    /// Whether the WAN ports carry 600 bytes only.
    pub narrow: bool,
    pub pipe: bool,
    /// What is missing of the plan.
    pub masked: BTreeSet<Key>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            wan_front: [0, 1],
            attached: [0, 1, 2, 3],
            labels: [0, 1, 2, 3, 4, 5],
            generation: [0; CUSTOMERS],
            denies: [false; CUSTOMERS],
            cuts_after: [false; CUSTOMERS],
            narrow: false,
            pipe: false,
            masked: BTreeSet::new(),
        }
    }
}

/// Which internet a customer's peer is in.
pub const fn front_of(customer: usize) -> usize {
    customer / TUNNELS
}

/// Which tunnel of its internet is the customer's.
pub const fn tunnel_of(customer: usize) -> usize {
    customer % TUNNELS
}

/// An internet's VRF; the first is the global table.
pub const fn front_vrf(front: usize) -> VrfId {
    VrfId(front as u32)
}

/// The VRF of a customer's inner packets.
pub const fn inside_vrf(customer: usize) -> VrfId {
    match tunnel_of(customer) {
        2 => front_vrf(front_of(customer)),
        tunnel => VrfId(10 + (front_of(customer) * 2 + tunnel) as u32),
    }
}

/// The customer of the `index`th inside VRF.
pub const fn customer_of(index: usize) -> usize {
    index / 2 * TUNNELS + index % 2
}

pub fn wan(index: usize) -> PortId {
    PortId(10 + number(index))
}

pub fn attachment(index: usize) -> PortId {
    PortId(20 + number(index))
}

pub fn host(vrf: VrfId) -> PortId {
    PortId(100 + vrf.0)
}

/// All VRFs of the box.
pub fn vrfs() -> impl Iterator<Item = VrfId> {
    (0..FRONTS).map(front_vrf).chain((0..INSIDES).map(|index| inside_vrf(customer_of(index))))
}

/// Our own station on a port's link, and the stations beyond: the port is in the address.
pub fn mac(port: PortId, station: u8) -> [u8; 6] {
    let [high, low] = u16::try_from(port.0).unwrap_or_default().to_be_bytes();
    [2, 0, high, low, 0, station]
}

pub fn label_in(index: usize) -> Label {
    label(CUSTOMER_IN + number(index))
}

pub fn label_out(customer: usize) -> Label {
    label(CUSTOMER_OUT + number(customer))
}

/// The VRF that a label on the core's wire belongs to.
pub fn vrf_of_label_out(label: Label) -> Option<VrfId> {
    if label.value() == TRANSIT_OUT {
        return Some(TRANSIT);
    }
    (0..CUSTOMERS).find(|customer| label_out(*customer) == label).map(inside_vrf)
}

/// Incoming SPIs, keys, addresses and lists are the same in every internet; outgoing keys are not.
pub fn sa(customer: usize, generation: u32, direction: Direction) -> Sa {
    let (tunnel, front) = (tunnel_of(customer), front_vrf(front_of(customer)));
    let (way, seed, spi) = match direction {
        Direction::In => (0, tunnel, number(tunnel + 1) << 12 | generation),
        Direction::Out => (1, CUSTOMERS + customer, 0xA000_0000 | number(tunnel) << 16 | generation),
    };
    let encap = if tunnel == 1 { Encap::Udp { local: 4500, remote: 4500 } } else { Encap::Esp };
    Sa {
        id: SaId((number(customer) * 1000 + generation) * 2 + way),
        direction,
        policy: PolicyId(number(customer)),
        spi: Spi(spi),
        front,
        inside: inside_vrf(customer),
        local: PUBLIC.into(),
        remote: PEERS[tunnel].into(),
        encap,
        suite: SUITE,
        mode: ipsec::Mode::Tunnel,
        keys: key(seed, generation),
        replay: Replay::DEFAULT,
        selector: selector(tunnel),
        kilobytes: None,
    }
}

fn key(seed: usize, generation: u32) -> Keys {
    let mut bytes = vec![0; SUITE.cipher.key_len()];
    bytes[..4].copy_from_slice(&generation.to_be_bytes());
    bytes[4..8].copy_from_slice(&number(seed).to_be_bytes());
    Keys { cipher: Secret::from(bytes), integrity: Secret::default() }
}

fn selector(tunnel: usize) -> Selector {
    Selector::between(prefix([10, 0, 0, 0], 8), prefix(NEAR[tunnel].octets(), 16))
}

/// The part of a near site that some lists deny.
pub const DENIED: [Ipv4Addr; TUNNELS] =
    [Ipv4Addr::new(10, 2, 9, 9), Ipv4Addr::new(10, 2, 9, 9), Ipv4Addr::new(10, 7, 9, 9)];

impl Setup {
    /// Everything that a backend should hold.
    pub fn plan(&self) -> Plan {
        let customers = (0..CUSTOMERS).flat_map(|customer| self.customer(customer));
        let insides = (0..INSIDES).flat_map(|index| self.attachment(index));
        let fronts = (0..FRONTS).flat_map(|index| self.front(index));
        let objects = vrfs().flat_map(|vrf| self.vrf(vrf)).chain(core()).chain(fronts);
        let objects = objects.chain(insides).chain(customers);
        objects.filter(|object| !self.masked.contains(&object.key())).collect()
    }

    /// The WAN port of an internet.
    pub fn wan_of(&self, front: usize) -> PortId {
        wan(self.wan_front.iter().position(|of| *of == front).unwrap_or_default())
    }

    /// The customer of a port's internet whose tunnel it is.
    pub fn customer_at(&self, wan: usize, tunnel: usize) -> usize {
        self.wan_front[wan] * TUNNELS + tunnel
    }

    fn vrf(&self, id: VrfId) -> [Object; 2] {
        let ttl = if self.pipe { TtlModel::Pipe } else { TtlModel::Uniform };
        [Object::Vrf(Vrf { id, name: None, ttl }), Object::Port(port(host(id), id, Link::Host, &[]))]
    }

    fn front(&self, index: usize) -> Vec<Object> {
        let (vrf, id) = (front_vrf(self.wan_front[index]), wan(index));
        let link = Link::Ethernet { mac: mac(id, 1) };
        let mtu = if self.narrow { 600 } else { 1500 };
        let port = Port { mtu, crypto: true, ..port(id, vrf, link, &[(PUBLIC, 24)]) };
        let mut objects = vec![
            Object::Port(port),
            neighbour(id, GATEWAY),
            route(vrf, prefix([0; 4], 0), out(id, Some(GATEWAY))),
            route(vrf, prefix([172, 18, 1, 0], 24), out(id, None)),
        ];
        let peers = PEERS.map(|peer| route(vrf, Prefix::host(peer.into()), out(id, Some(GATEWAY))));
        objects.extend(peers);
        objects
    }

    fn attachment(&self, index: usize) -> Vec<Object> {
        let (vrf, id) = (inside_vrf(customer_of(self.attached[index])), attachment(index));
        let link = Link::Ethernet { mac: mac(id, 1) };
        vec![
            Object::Port(port(id, vrf, link, &[(BOX, 24)])),
            neighbour(id, ATTACHED),
            route(vrf, prefix([10, 3, 0, 0], 24), out(id, None)),
        ]
    }

    fn customer(&self, customer: usize) -> Vec<Object> {
        let (vrf, generation) = (inside_vrf(customer), self.generation[customer]);
        let core = || Hop::Out {
            port: CORE,
            gateway: Some(CORE_NEXT.into()),
            push: Labels::from([label_out(customer)]),
        };
        let wan = || out(self.wan_of(front_of(customer)), Some(GATEWAY));
        let near = NEAR[tunnel_of(customer)].octets();
        let mut objects = vec![
            Object::Sa(sa(customer, generation, Direction::In)),
            Object::Sa(sa(customer, generation, Direction::Out)),
            Object::Policy(self.policy(customer)),
            route(vrf, prefix([10, 1, 0, 0], 16), core()),
            route(vrf, prefix(near, 16), wan()),
        ];
        if tunnel_of(customer) != 2 {
            // As `ip route vrf V 0.0.0.0 0.0.0.0 GATEWAY global`; and the peers' own addresses are in use
            // on the inside as well.
            objects.push(route(vrf, prefix([0; 4], 0), wan()));
            objects.push(route(vrf, prefix([172, 16, 0, 0], 16), core()));
        }
        let labels = (0..CUSTOMERS).filter(|index| self.labels[*index] == customer);
        objects.extend(
            labels.map(|index| Object::Label { label: label_in(index), action: LabelAction::PopTo(vrf) }),
        );
        objects
    }

    fn policy(&self, customer: usize) -> Policy {
        let (tunnel, generation) = (tunnel_of(customer), self.generation[customer]);
        let all = selector(tunnel);
        let denied = Selector { remote: prefix(DENIED[tunnel].octets(), 24), ..all };
        let deny = self.denies[customer].then_some(Rule { permit: false, selector: denied });
        let after = self.cuts_after[customer];
        Policy {
            id: PolicyId(number(customer)),
            port: self.wan_of(front_of(customer)),
            sequence: number(tunnel) * 10,
            front: front_vrf(front_of(customer)),
            inside: inside_vrf(customer),
            rules: deny.into_iter().chain([Rule { permit: true, selector: all }]).collect(),
            bundles: vec![Bundle { selector: all, outbound: sa(customer, generation, Direction::Out).id }],
            df: DfBit::Copy,
            fragmentation: if after {
                Fragmentation::AfterEncryption
            } else {
                Fragmentation::BeforeEncryption
            },
            interface: None,
        }
    }
}

/// The core's port is in the global table; labels keep the customers apart.
fn core() -> [Object; 3] {
    let link = Link::Ethernet { mac: mac(CORE, 1) };
    let port = Port { mpls: true, ..port(CORE, VrfId::GLOBAL, link, &[(CORE_SELF, 24)]) };
    let next = out(CORE, Some(CORE_NEXT));
    let action = LabelAction::Swap(label(TRANSIT_OUT), next);
    [Object::Port(port), neighbour(CORE, CORE_NEXT), Object::Label { label: label(TRANSIT_IN), action }]
}

fn port(id: PortId, vrf: VrfId, link: Link, addresses: &[(Ipv4Addr, u8)]) -> Port {
    let addresses =
        addresses.iter().map(|(address, length)| Address { address: (*address).into(), length: *length });
    Port {
        id,
        name: format!("port{}", id.0),
        device: format!("memory{}", id.0),
        vrf,
        link,
        mtu: 1500,
        addresses: addresses.collect(),
        mpls: false,
        crypto: false,
        offload: None,
    }
}

fn neighbour(port: PortId, address: Ipv4Addr) -> Object {
    Object::Neighbour(Neighbour { port, address: address.into(), mac: mac(port, 2) })
}

fn route(vrf: VrfId, prefix: Prefix, hop: Hop) -> Object {
    Object::Route(Route { vrf, prefix, hop })
}

fn out(port: PortId, gateway: Option<Ipv4Addr>) -> Hop {
    Hop::Out { port, gateway: gateway.map(IpAddr::from), push: Labels::default() }
}

fn prefix(address: [u8; 4], length: u8) -> Prefix {
    Prefix::new(address.into(), length).expect("a length of IPv4")
}

fn label(value: u32) -> Label {
    Label::new(value).expect("20 bits")
}

fn number(index: usize) -> u32 {
    u32::try_from(index).expect("a small number")
}
