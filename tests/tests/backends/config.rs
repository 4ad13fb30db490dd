//! Generated configurations: two customers, three front VRFs with equal addresses (one is the global table), tunnels
//! with equal peers and SPIs, overlapping lines, and an MPLS core.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base::{Label, PolicyId, PortId, Prefix, SaId, Secret, Spi, VrfId};
use dataplane::{
    Address, Hop, LabelAction, Labels, Link, Neighbour, Object, Plan, Port, Route, TtlModel, Vrf,
};
use ipsec::{
    Bundle, Cipher, DfBit, Direction, Encap, Fragmentation, Integrity, Keys, Policy, Ports, Replay, Rule, Sa,
    Selector, Suite,
};

use crate::dice::Dice;

pub(crate) const RED: VrfId = VrfId(1);
pub(crate) const BLUE: VrfId = VrfId(2);
pub(crate) const FRONTS: [VrfId; 3] = [VrfId(10), VrfId(20), VrfId::GLOBAL];

/// The ports with crypto maps, one in each front VRF.
pub(crate) const WANS: [PortId; 3] = [PortId(1), PortId(2), PortId(3)];
pub(crate) const CORE: PortId = PortId(4);
/// Attachments of RED and BLUE.
pub(crate) const LANS: [PortId; 2] = [PortId(5), PortId(6)];
pub(crate) const PORTS: [PortId; 6] = [PortId(1), PortId(2), PortId(3), CORE, PortId(5), PortId(6)];

pub(crate) const WAN_V4: Ipv4Addr = Ipv4Addr::new(172, 18, 1, 1);
pub(crate) const WAN_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xDB8, 0x18, 0, 0, 0, 0, 1);
const WAN_NEXT_V4: Ipv4Addr = Ipv4Addr::new(172, 18, 1, 254);
const WAN_NEXT_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xDB8, 0x18, 0, 0, 0, 0, 0xFE);
const CORE_NEXT_V4: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 2);
const CORE_NEXT_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xDB8, 0xC, 0, 0, 0, 0, 2);

/// Labels that lead into RED, BLUE and the first front VRF; that are swapped, and that are taken off.
pub(crate) const INTO: [(u32, VrfId); 3] = [(3001, RED), (3002, BLUE), (3003, FRONTS[0])];
pub(crate) const SWAPPED: u32 = 3004;
pub(crate) const PUSHED: u32 = 3005;
pub(crate) const POPPED: u32 = 3006;
/// What each VRF's packets carry into the core.
pub(crate) const VPN: u32 = 2000;

const SUITES: [Suite; 6] = [
    Suite { cipher: Cipher::AesGcm(128), integrity: Integrity::None },
    Suite { cipher: Cipher::AesGcm(256), integrity: Integrity::None },
    Suite { cipher: Cipher::AesCbc(128), integrity: Integrity::Sha1 },
    Suite { cipher: Cipher::AesCbc(256), integrity: Integrity::Sha256 },
    Suite { cipher: Cipher::TripleDes, integrity: Integrity::Md5 },
    Suite { cipher: Cipher::Null, integrity: Integrity::Sha1 },
];

/// A configuration.
pub(crate) struct Setup {
    pub(crate) plan: Plan,
    pub(crate) ttl: TtlModel,
    pub(crate) tunnels: Vec<Tunnel>,
}

/// A crypto-map entry with its SAs.
#[derive(Clone)]
pub(crate) struct Tunnel {
    pub(crate) wan: PortId,
    pub(crate) policy: Policy,
    /// Inbound and outbound; none: IKE has to be asked.
    pub(crate) sas: Option<[Sa; 2]>,
    /// What lies behind the peer, of one family.
    pub(crate) site: Prefix,
}

impl Setup {
    /// `round` makes the numbers of SAs new.
    pub(crate) fn new(dice: &mut Dice, round: u32) -> Self {
        let ttl = dice.pick(&[TtlModel::Uniform, TtlModel::Pipe]);
        let mut objects = fixed(ttl);
        let mut tunnels = Vec::new();
        for (at, wan) in WANS.into_iter().enumerate() {
            let insides = [RED, BLUE, FRONTS[at]];
            // Inside by inside the same peers, sites and SPIs in each front VRF.
            for number in 0..4 {
                let inside = dice.pick(&insides);
                let tunnel = tunnel(dice, at, wan, inside, number, round);
                tunnels.push(tunnel);
            }
        }
        for tunnel in &tunnels {
            objects.push(Object::Policy(tunnel.policy.clone()));
            objects.extend(tunnel.sas.iter().flatten().cloned().map(Object::Sa));
        }
        for (vrf, site, wan) in ways(&tunnels) {
            objects.push(route(vrf, site, wan, next_of_wan(site), &[]));
        }
        Self { plan: objects.into_iter().collect(), ttl, tunnels }
    }
}

/// By which port each inside VRF reaches a site: the first tunnel's.
fn ways(tunnels: &[Tunnel]) -> Vec<(VrfId, Prefix, PortId)> {
    let mut ways: Vec<(VrfId, Prefix, PortId)> = Vec::new();
    for tunnel in tunnels {
        let (vrf, site) = (tunnel.policy.inside, tunnel.site);
        if !ways.iter().any(|(of, to, _)| (*of, *to) == (vrf, site)) {
            ways.push((vrf, site, tunnel.wan));
        }
    }
    ways
}

fn tunnel(dice: &mut Dice, front: usize, wan: PortId, inside: VrfId, number: u16, round: u32) -> Tunnel {
    let of = u32::try_from(front).unwrap() * 4 + u32::from(number);
    // The configuration refuses IPv6 in a crypto map for its port's own VRF: the kernel does not ask policies of a
    // port about IPv6 packets that it sends itself, or takes from under a label.
    let site = site(number, dice.once_in(3) && inside != FRONTS[front]);
    let all = Selector::between(near(site), site);
    let (rules, bundled) = lines(dice, all);
    let v6 = dice.once_in(4);
    let id = |way: u32| SaId((round * 100 + of) * 2 + way);
    let encap = if dice.once_in(4) { Encap::Udp { local: 4500, remote: 4500 + number } } else { Encap::Esp };
    let suite = dice.pick(&SUITES);
    let key = |way: u8, length: usize| {
        let seed = [round.to_be_bytes(), of.to_be_bytes()].concat();
        Secret::from(
            (0..length).map(|at| seed[at % 8] ^ way.wrapping_mul(37) ^ at as u8).collect::<Vec<u8>>(),
        )
    };
    let sa = |way: u8, direction, spi| Sa {
        id: id(way.into()),
        direction,
        policy: PolicyId(of),
        spi: Spi(spi),
        front: FRONTS[front],
        inside,
        local: if v6 { WAN_V6.into() } else { WAN_V4.into() },
        remote: if v6 { peer_v6(number) } else { peer_v4(number) },
        encap,
        suite,
        mode: ipsec::Mode::Tunnel,
        keys: Keys {
            cipher: key(way, suite.cipher.key_len()),
            integrity: key(way + 2, suite.integrity.key_len()),
        },
        replay: Replay { window: 64, esn: number == 3 },
        selector: bundled,
        kilobytes: None,
    };
    let spi = round * 4 + u32::from(number) + 1;
    // Where the port's own VRF is inside, SAs have no mark that tells front VRFs apart.
    let own = if inside == FRONTS[front] { of << 16 } else { 0 };
    let sas = (!dice.once_in(6))
        .then(|| [sa(0, Direction::In, spi << 12 | 7), sa(1, Direction::Out, 0x0C00_0000 | own | spi)]);
    let bundles = sas.iter().map(|[_, out]| Bundle { selector: bundled, outbound: out.id }).collect();
    let policy = Policy {
        id: PolicyId(of),
        port: wan,
        sequence: u32::from(number) * 10,
        front: FRONTS[front],
        inside,
        rules,
        bundles,
        df: dice.pick(&[DfBit::Copy, DfBit::Copy, DfBit::Clear]),
        fragmentation: Fragmentation::BeforeEncryption,
        interface: None,
    };
    Tunnel { wan, policy, sas, site }
}

/// The lines of an entry for `all`, and what its SAs carry.
fn lines(dice: &mut Dice, all: Selector) -> (Vec<Rule>, Selector) {
    let permit = |selector| Rule { permit: true, selector };
    let deny = |selector| Rule { permit: false, selector };
    let half = Selector { remote: Prefix::new(all.remote.last(), all.remote.length() + 1).unwrap(), ..all };
    let some = Selector { protocol: Some(17), remote_ports: Ports { first: 2000, last: 2010 }, ..all };
    // The kernel holds arriving packets to one port or to all.
    let one = Selector { remote_ports: Ports::one(2000), ..some };
    match dice.below(6) {
        0 => (vec![deny(half), permit(all)], all),
        1 => (vec![permit(all)], half),
        2 => (vec![permit(one)], one),
        3 => (vec![deny(some), permit(all)], all),
        _ => (vec![permit(all)], all),
    }
}

/// What all devices, addresses, routes and labels are, whatever the tunnels.
fn fixed(ttl: TtlModel) -> Vec<Object> {
    let names = [
        (VrfId::GLOBAL, None),
        (RED, Some("red")),
        (BLUE, Some("blue")),
        (FRONTS[0], Some("fronta")),
        (FRONTS[1], Some("frontb")),
    ];
    let vrf = |(id, name): (VrfId, Option<&str>)| Object::Vrf(Vrf { id, name: name.map(str::to_owned), ttl });
    let mut objects: Vec<Object> = names.into_iter().map(vrf).collect();
    for (port, front) in WANS.into_iter().zip(FRONTS) {
        objects.push(Object::Port(self::port(port, front, &[(WAN_V4.into(), 24), (WAN_V6.into(), 64)])));
        objects.push(neighbour(port, WAN_NEXT_V4.into()));
        objects.push(neighbour(port, WAN_NEXT_V6.into()));
        for any in ["0.0.0.0/0", "::/0"].map(prefix) {
            objects.push(route(front, any, port, next_of_wan(any), &[]));
        }
        objects.extend(connected(front, port, "172.18.1.0/24", "2001:db8:18::/64"));
        objects.extend(far(front));
    }
    let core = [(Ipv4Addr::new(192, 168, 0, 1).into(), 24), ("2001:db8:c::1".parse().unwrap(), 64)];
    objects.push(Object::Port(port(CORE, VrfId::GLOBAL, &core)));
    objects.push(neighbour(CORE, CORE_NEXT_V4.into()));
    objects.push(neighbour(CORE, CORE_NEXT_V6.into()));
    objects.extend(connected(VrfId::GLOBAL, CORE, "192.168.0.0/24", "2001:db8:c::/64"));
    for (lan, vrf) in LANS.into_iter().zip([RED, BLUE]) {
        let own = [(Ipv4Addr::new(10, 5, 0, 1).into(), 24), ("2001:db8:5::1".parse().unwrap(), 64)];
        objects.push(Object::Port(port(lan, vrf, &own)));
        objects.push(neighbour(lan, Ipv4Addr::new(10, 5, 0, 2).into()));
        objects.push(neighbour(lan, "2001:db8:5::2".parse().unwrap()));
        objects.extend(connected(vrf, lan, "10.5.0.0/24", "2001:db8:5::/64"));
        objects.extend(far(vrf));
        objects.push(Object::Route(Route { vrf, prefix: prefix("10.4.0.0/16"), hop: Hop::Drop }));
        objects.push(Object::Route(Route { vrf, prefix: prefix("2001:db8:4::/48"), hop: Hop::Drop }));
        // Nobody's policy speaks of these.
        objects.push(route(vrf, prefix("10.6.0.0/16"), WANS[0], Some(WAN_NEXT_V4.into()), &[]));
        objects.push(route(vrf, prefix("2001:db8:6::/48"), WANS[1], Some(WAN_NEXT_V6.into()), &[]));
    }
    objects.extend(INTO.map(|(label, vrf)| labelled(label, LabelAction::PopTo(vrf))));
    let hop = |push: &[u32]| Hop::Out { port: CORE, gateway: Some(CORE_NEXT_V4.into()), push: labels(push) };
    objects.push(labelled(SWAPPED, LabelAction::Swap(label(4004), hop(&[]))));
    objects.push(labelled(PUSHED, LabelAction::Swap(label(4005), hop(&[4999]))));
    objects.push(labelled(POPPED, LabelAction::Swap(Label::IMPLICIT_NULL, hop(&[]))));
    objects
}

/// A customer's site behind the core: IPv6 over IPv4 transport.
fn far(vrf: VrfId) -> [Object; 2] {
    let via = Some(CORE_NEXT_V4.into());
    ["10.1.0.0/16", "2001:db8:1::/48"].map(|to| route(vrf, prefix(to), CORE, via, &[3, VPN + vrf.0]))
}

fn connected(vrf: VrfId, port: PortId, v4: &str, v6: &str) -> [Object; 2] {
    [v4, v6].map(|link| route(vrf, prefix(link), port, None, &[]))
}

pub(crate) fn site(number: u16, v6: bool) -> Prefix {
    prefix(&if v6 { format!("2001:db8:2:{number}::/64") } else { format!("10.2.{number}.0/24") })
}

/// What may talk to a site.
fn near(site: Prefix) -> Prefix {
    prefix(if site.address().is_ipv4() { "10.1.0.0/16" } else { "2001:db8:1::/48" })
}

fn peer_v4(number: u16) -> IpAddr {
    Ipv4Addr::new(198, 51, 100, 1 + u8::try_from(number).unwrap()).into()
}

fn peer_v6(number: u16) -> IpAddr {
    Ipv6Addr::new(0x2001, 0xDB8, 0x99, 0, 0, 0, 0, 1 + number).into()
}

fn next_of_wan(to: Prefix) -> Option<IpAddr> {
    Some(if to.address().is_ipv4() { WAN_NEXT_V4.into() } else { WAN_NEXT_V6.into() })
}

/// Our own station on a port's link, and its neighbour.
pub(crate) fn mac(port: PortId, station: u8) -> [u8; 6] {
    [2, 0, 0, 0, u8::try_from(port.0).unwrap(), station]
}

pub(crate) fn device(port: PortId) -> String {
    format!("near{}", port.0)
}

fn port(id: PortId, vrf: VrfId, addresses: &[(IpAddr, u8)]) -> Port {
    let address = |(address, length): &(IpAddr, u8)| Address { address: *address, length: *length };
    Port {
        id,
        name: format!("Ethernet{}", id.0),
        device: device(id),
        vrf,
        link: Link::Ethernet { mac: mac(id, 1) },
        mtu: 1500,
        addresses: addresses.iter().map(address).collect(),
        mpls: id == CORE,
        crypto: WANS.contains(&id),
        offload: None,
    }
}

fn neighbour(port: PortId, address: IpAddr) -> Object {
    Object::Neighbour(Neighbour { port, address, mac: mac(port, 2) })
}

fn route(vrf: VrfId, prefix: Prefix, port: PortId, gateway: Option<IpAddr>, push: &[u32]) -> Object {
    Object::Route(Route { vrf, prefix, hop: Hop::Out { port, gateway, push: labels(push) } })
}

fn labelled(value: u32, action: LabelAction) -> Object {
    Object::Label { label: label(value), action }
}

fn labels(values: &[u32]) -> Labels {
    let labels: Vec<_> = values.iter().map(|value| label(*value)).collect();
    Labels::of(&labels).unwrap()
}

fn label(value: u32) -> Label {
    Label::new(value).unwrap()
}

pub(crate) fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}
