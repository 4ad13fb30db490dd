//! What much state costs: time to install it, to take it over after a restart, and to remove it; memory.
//!
//! Run by `./x bench linux` in a kernel of its own: it makes devices and is all that uses the kernel.

use std::net::IpAddr;
use std::process::Command;
use std::time::Instant;

use base::{Label, PolicyId, PortId, Prefix, SaId, Secret, Spi, VrfId};
use dataplane::{
    Address, Dataplane, Hop, LabelAction, Labels, Link, Neighbour, Object, Op, Plan, Port, Route,
};
use dataplane::{TtlModel, Vrf};
use dp_linux::Linux;
use ipsec::{Bundle, Cipher, DfBit, Direction, Encap, Fragmentation, Integrity, Keys, Mode, Policy};
use ipsec::{Replay, Rule, Sa, Selector, Suite};

const VRFS: u32 = 100;
const ROUTES: u32 = 100_000;

const FRONT: VrfId = VrfId(1000);
const CORE: PortId = PortId(1);
const WAN: PortId = PortId(2);

fn main() {
    println!("{ROUTES} labelled routes in {VRFS} VRFs\n");
    // The kernel needs milliseconds for a device.
    for (count, by_interface, name) in
        [(10_000, false, "by one crypto map"), (2_000, true, "with a tunnel interface each")]
    {
        println!("{count} tunnels {name}");
        for device in ["core", "wan"] {
            ip(&format!("link add {device} type dummy"));
            ip(&format!("link set {device} up"));
        }
        measure(count, by_interface);
        ip("link delete core");
        ip("link delete wan");
        println!();
    }
}

/// Every phase from an empty kernel to an empty kernel.
fn measure(count: u32, by_interface: bool) {
    let (ground, tunnels, routes) = (ground(), tunnels(count, by_interface), routes());
    let before = available();
    let mut linux = start();
    apply(&mut linux, "ground", &sets(&ground));
    apply(&mut linux, "tunnels installed", &sets(&tunnels));
    apply(&mut linux, "routes installed", &sets(&routes));
    assert_eq!(linux.counters().sas.len(), 2 * count as usize, "SAs in the kernel");
    row("memory of the process", &format!("{} MiB", resident() / 1024));
    row("memory of the kernel", &format!("{} MiB", before.saturating_sub(available() + resident()) / 1024));
    drop(linux);

    let all: Plan = [&ground, &tunnels, &routes].into_iter().flatten().cloned().collect();
    let held = said("xfrm state count");
    let begun = Instant::now();
    let mut linux = start();
    row("restart: state read", &seconds(begun));
    apply(&mut linux, "restart: plan applied", &Plan::default().toward(&all));
    row("restart: in all", &seconds(begun));
    assert_eq!(said("xfrm state count"), held, "a restart takes over and makes nothing anew");

    apply(&mut linux, "routes removed", &unsets(&routes));
    apply(&mut linux, "tunnels removed", &unsets(&tunnels));
    apply(&mut linux, "ground removed", &unsets(&ground));
    assert!(linux.counters().sas.is_empty(), "SAs are left");
}

fn start() -> Linux {
    Linux::start().unwrap_or_else(|error| panic!("{error}"))
}

fn apply(linux: &mut Linux, what: &str, ops: &[Op]) {
    let begun = Instant::now();
    if let Err(rejected) = linux.apply(ops) {
        panic!("{what}: {} ops refused, such as {}", rejected.len(), rejected[0]);
    }
    row(what, &seconds(begun));
}

fn row(what: &str, value: &str) {
    println!("  {what:24} {value:>10}");
}

fn seconds(begun: Instant) -> String {
    format!("{:.2} s", begun.elapsed().as_secs_f64())
}

fn sets(objects: &[Object]) -> Vec<Op> {
    objects.iter().cloned().map(Op::Set).collect()
}

fn unsets(objects: &[Object]) -> Vec<Op> {
    objects.iter().rev().map(|object| Op::Unset(object.key())).collect()
}

/// VRFs, ports, a label and the way to the core for each VRF.
fn ground() -> Vec<Object> {
    let global = Vrf { id: VrfId::GLOBAL, name: None, ttl: TtlModel::Uniform };
    let named = |id: VrfId| Vrf { id, name: Some(format!("vpn{}", id.0)), ttl: TtlModel::Uniform };
    let vrfs = [global, named(FRONT)].into_iter().chain((1..=VRFS).map(|number| named(VrfId(number))));
    let labels = (1..=VRFS).map(|number| Object::Label {
        label: label(1000 + number),
        action: LabelAction::PopTo(VrfId(number)),
    });
    let neighbour = |port, address| Object::Neighbour(Neighbour { port, address, mac: [2, 0, 0, 0, 0, 9] });
    let front =
        Route { vrf: FRONT, prefix: prefix([0; 4], 0), hop: out(WAN, [172, 18, 1, 254], Labels::default()) };
    let mut objects: Vec<Object> = vrfs.map(Object::Vrf).collect();
    objects.push(Object::Port(port(CORE, "core", VrfId::GLOBAL, [172, 17, 1, 1])));
    objects.push(Object::Port(port(WAN, "wan", FRONT, [172, 18, 1, 1])));
    objects.push(neighbour(CORE, v4([172, 17, 1, 2])));
    objects.push(neighbour(WAN, v4([172, 18, 1, 254])));
    objects.extend(labels);
    objects.push(Object::Route(front));
    objects
}

/// Two SAs, a policy and a route to the site behind it for each tunnel.
fn tunnels(count: u32, by_interface: bool) -> Vec<Object> {
    let numbers = || 1..=count;
    let sas =
        numbers().flat_map(|number| [Direction::In, Direction::Out].map(|way| Object::Sa(sa(number, way))));
    let policies = numbers().map(|number| Object::Policy(policy(number, by_interface)));
    let routes = numbers().map(|number| {
        let hop = if by_interface {
            Hop::Protect(PolicyId(number))
        } else {
            out(WAN, [172, 18, 1, 254], Labels::default())
        };
        Object::Route(Route { vrf: inside(number), prefix: site(number), hop })
    });
    sas.chain(policies).chain(routes).collect()
}

/// Far sites, each with the label of its VPN under the label of the path.
fn routes() -> Vec<Object> {
    let route = |number: u32| {
        let [_, a, b, c] = (number / VRFS).to_be_bytes();
        let hop = out(CORE, [172, 17, 1, 2], Labels::from([label(300), label(100_000 + number)]));
        Object::Route(Route { vrf: inside(number), prefix: prefix([20 + a, b, c, 0], 24), hop })
    };
    (0..ROUTES).map(route).collect()
}

fn out(port: PortId, gateway: [u8; 4], push: Labels) -> Hop {
    Hop::Out { port, gateway: Some(v4(gateway)), push }
}

fn inside(number: u32) -> VrfId {
    VrfId(number % VRFS + 1)
}

fn site(number: u32) -> Prefix {
    let [_, _, a, b] = number.to_be_bytes();
    prefix([11, a, b, 0], 24)
}

fn port(id: PortId, device: &str, vrf: VrfId, address: [u8; 4]) -> Port {
    Port {
        id,
        name: device.to_owned(),
        device: device.to_owned(),
        vrf,
        link: Link::Ethernet { mac: [2, 0, 0, 0, 0, 1] },
        mtu: 1500,
        addresses: vec![Address { address: v4(address), length: 24 }],
        mpls: id == CORE,
        crypto: id == WAN,
        offload: None,
    }
}

fn sa(number: u32, direction: Direction) -> Sa {
    let [_, _, a, b] = number.to_be_bytes();
    let way = u32::from(direction == Direction::Out);
    Sa {
        id: SaId(2 * number + way),
        direction,
        policy: PolicyId(number),
        spi: Spi(0x1000_0000 * (way + 1) + number),
        front: FRONT,
        inside: inside(number),
        local: v4([172, 18, 1, 1]),
        remote: v4([198, 18, a, b]),
        encap: Encap::Esp,
        suite: Suite { cipher: Cipher::AesGcm(128), integrity: Integrity::None },
        mode: Mode::Tunnel,
        keys: Keys { cipher: Secret::from(vec![7; 20]), integrity: Secret::default() },
        replay: Replay::DEFAULT,
        selector: selector(number),
        kilobytes: None,
    }
}

fn policy(number: u32, by_interface: bool) -> Policy {
    let selector = selector(number);
    Policy {
        id: PolicyId(number),
        port: WAN,
        sequence: number,
        front: FRONT,
        inside: inside(number),
        rules: vec![Rule { permit: true, selector }],
        bundles: vec![Bundle { selector, outbound: SaId(2 * number + 1) }],
        df: DfBit::Copy,
        fragmentation: Fragmentation::BeforeEncryption,
        interface: by_interface.then(|| format!("Tunnel{number}")),
    }
}

fn selector(number: u32) -> Selector {
    Selector::between(prefix([20, 0, 0, 0], 6), site(number))
}

fn prefix(network: [u8; 4], length: u8) -> Prefix {
    Prefix::new(v4(network), length).unwrap_or_else(|_| Prefix::host(v4(network)))
}

fn label(value: u32) -> Label {
    Label::new(value).unwrap_or(Label::LAST)
}

fn v4(octets: [u8; 4]) -> IpAddr {
    IpAddr::from(octets)
}

fn ip(words: &str) {
    let status = Command::new("ip").args(words.split(' ')).status();
    assert!(status.is_ok_and(|status| status.success()), "ip {words}");
}

fn said(words: &str) -> String {
    let output = Command::new("ip").args(words.split(' ')).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

/// Kibibytes that this process holds.
fn resident() -> usize {
    kibibytes("/proc/self/status", "VmRSS:")
}

/// Kibibytes that nobody holds.
fn available() -> usize {
    kibibytes("/proc/meminfo", "MemAvailable:")
}

fn kibibytes(file: &str, name: &str) -> usize {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or_default()
}
