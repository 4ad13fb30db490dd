//! What VPN routes cost the box, from BGP's bytes to the tables that packets see: `pe` and `dp-user` in one thread.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "it is all test code")]

use std::fmt::Write as _;
use std::fs::read_to_string;
use std::sync::Arc;

use base::{Engine as _, Instant};
use dataplane::{Dataplane as _, Link, Port};
use dp_user::nic::pair;
use pe::{Device, Input, Output, Pe, Service, Streamed, Trustpoints};
use sys::clock::thread_nanos;

const NOW: Instant = Instant::from_secs(1);
const AS: u16 = 65000;
const CONNECTION: u64 = 1 << 63;

/// A box with this many VRFs, a core port, and a reflector behind it.
struct Edge {
    pe: Pe,
    plane: dp_user::Engine,
    routes: usize,
    batches: usize,
}

impl Edge {
    fn new(vrfs: u16) -> Self {
        let open = |port: &Port| Ok(Box::new(pair(port.link != Link::Host, 16).0) as Box<dyn dp_user::Nic>);
        let plane = dp_user::Engine::new(Box::new(open));
        let mut edge = Self { pe: Pe::new([1; 32]), plane, routes: 0, batches: 0 };
        let text = text(vrfs);
        let parsed = config::parse(&text);
        let parsed = parsed.unwrap_or_else(|findings| panic!("{}", config::report("test", &text, &findings)));
        edge.tell(Input::Device(Device { name: "core0".into(), mac: [2; 6], mtu: 1500, up: true }));
        edge.tell(Input::Configure(Arc::new(parsed.config), Trustpoints::default()));
        let [own, reflector] = [1, 2].map(|last| [192, 0, 2, last].into());
        let vrf = base::VrfId::GLOBAL;
        edge.stream(Streamed::Accepted { id: CONNECTION, vrf, remote: reflector, local: own });
        edge.bytes([open_message(), message(4, &[])].concat());
        edge
    }

    fn bytes(&mut self, bytes: Vec<u8>) {
        self.stream(Streamed::Bytes(CONNECTION, bytes));
    }

    fn stream(&mut self, streamed: Streamed) {
        self.tell(Input::Stream(Service::Bgp, streamed));
    }

    fn tell(&mut self, input: Input) {
        self.pe.handle(NOW, input);
        self.drain();
    }

    /// What is due at once, each in its turn; the most nanoseconds that one took.
    fn go_on(&mut self) -> u64 {
        let mut most = 0;
        while self.pe.deadline().is_some_and(|due| due <= NOW) {
            let before = thread_nanos();
            self.pe.tick(NOW);
            self.drain();
            most = most.max(thread_nanos() - before);
        }
        most
    }

    fn drain(&mut self) {
        while let Some(output) = self.pe.poll() {
            if let Output::Apply(ops) = output {
                self.routes += ops.len();
                self.batches += 1;
                assert!(self.plane.apply(&ops).is_ok());
            }
        }
    }

    /// Median nanoseconds for an UPDATE that moves one route to another label.
    fn one_change(&mut self) -> u64 {
        let cost = |round: u8| {
            let moved = update(7, &[prefix(7, 100, 1)], round + 20);
            let before = (self.routes, thread_nanos());
            self.bytes(moved);
            let cost = thread_nanos() - before.1;
            assert_eq!(self.routes, before.0 + 1, "the route is set again, and nothing else");
            cost
        };
        let mut costs: Vec<u64> = (0..101).map(cost).collect();
        costs.sort_unstable();
        costs[50]
    }
}

fn text(vrfs: u16) -> String {
    let mut text =
        "interface Ethernet0\n device core0\n ip address 192.0.2.1 255.255.255.0\n mpls ip\n".to_owned();
    for number in 1..=vrfs {
        writeln!(text, "ip vrf v{number}\n rd {AS}:{number}\n route-target both {AS}:{number}").unwrap();
    }
    let peer = "neighbor 192.0.2.2";
    writeln!(text, "router bgp {AS}\n bgp router-id 192.0.2.1\n no bgp default ipv4-unicast").unwrap();
    writeln!(text, " {peer} remote-as {AS}\n address-family vpnv4\n  {peer} activate").unwrap();
    text
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(19 + body.len()).unwrap();
    [&[0xFF; 16], &length.to_be_bytes()[..], &[kind], body].concat()
}

fn open_message() -> Vec<u8> {
    let capabilities = [&[1, 4, 0, 1, 0, 128, 65, 4][..], &u32::from(AS).to_be_bytes()].concat();
    let parameter = [&[2, u8::try_from(capabilities.len()).unwrap()], &capabilities[..]].concat();
    let head = [&[4][..], &AS.to_be_bytes(), &180u16.to_be_bytes(), &[192, 0, 2, 2]].concat();
    message(1, &[&head[..], &[u8::try_from(parameter.len()).unwrap()], &parameter].concat())
}

/// The upper three bytes of a /24: side by side, or far from each other.
fn prefix(number: u16, route: u32, stride: u32) -> [u8; 3] {
    let scattered = (route + (u32::from(number) << 8)).wrapping_mul(stride);
    let [_, a, b, c] = scattered.to_be_bytes();
    [10 + (a & 0x3F), b, c]
}

/// One UPDATE with routes of a VRF, behind the reflector itself; they stand under another RD than the VRF's own.
fn update(number: u16, prefixes: &[[u8; 3]], label: u8) -> Vec<u8> {
    let mut routes = Vec::new();
    for prefix in prefixes {
        routes.extend([24 + 64 + 24, 1, label, 1, 0, 0]);
        routes.extend((AS + 1).to_be_bytes());
        routes.extend(u32::from(number).to_be_bytes());
        routes.extend(prefix);
    }
    let reach = [&[0, 1, 128, 12, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 2, 0][..], &routes].concat();
    let target = [&[0, 2][..], &AS.to_be_bytes(), &u32::from(number).to_be_bytes()].concat();
    let attributes = [
        &[0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 5, 4, 0, 0, 0, 100, 0xC0, 16, 8][..],
        &target,
        &[0x90, 14],
        &u16::try_from(reach.len()).unwrap().to_be_bytes(),
        &reach,
    ]
    .concat();
    let length = u16::try_from(attributes.len()).unwrap();
    message(2, &[&[0, 0], &length.to_be_bytes()[..], &attributes].concat())
}

/// The routes of every VRF in UPDATEs of 250, as TCP might cut them.
fn feed(vrfs: u16, routes: u32, stride: u32) -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    for number in 1..=vrfs {
        let all: Vec<_> = (0..routes).map(|route| prefix(number, route, stride)).collect();
        all.chunks(250).for_each(|some| bytes.extend(update(number, some, 1)));
    }
    bytes.chunks(65536).map(<[u8]>::to_vec).collect()
}

#[test]
fn one_route_among_a_hundred_thousand_costs_what_one_among_a_thousand_does() {
    let [few, many] = [10, 1000].map(|routes| {
        let mut edge = Edge::new(100);
        feed(100, routes, 1).into_iter().for_each(|bytes| edge.bytes(bytes));
        edge.bytes(update(7, &[prefix(7, 100, 1)], 1));
        edge.one_change()
    });
    println!("{few} ns among a thousand routes, {many} ns among a hundred thousand");
    assert!(many <= few * 4, "{few} ns among a thousand routes, {many} ns among a hundred thousand");
}

/// CPU seconds of this process, and its memory now and at most in MB.
fn used() -> (f64, u64, u64) {
    let status = read_to_string("/proc/self/status").unwrap();
    let memory = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
    };
    (thread_nanos() as f64 / 1e9, memory("VmRSS:"), memory("VmHWM:"))
}

fn million(stride: u32) {
    let mut edge = Edge::new(1000);
    let feed = feed(1000, 1000, stride);
    let before = used();
    feed.into_iter().for_each(|bytes| edge.bytes(bytes));
    let after = used();
    println!("{} routes in {} batches: {:.2} s", edge.routes, edge.batches, after.0 - before.0);
    println!(
        "memory {} MB before (with 19 MB of input), {} MB after, {} MB at most",
        before.1, after.1, after.2
    );
    edge.bytes(update(7, &[prefix(7, 100, 1)], 1));
    println!("one more change: {} ns", edge.one_change());
    let before = used().0;
    edge.stream(Streamed::Closed(CONNECTION));
    let first = used().0 - before;
    let most = edge.go_on() as f64 / 1e6;
    let after = used();
    println!("the reflector goes: {:.2} s, {} MB at most, {} MB after", after.0 - before, after.2, after.1);
    println!("at once {:.1} ms, then at most {most:.1} ms at a time", first * 1e3);
}

/// `cargo test --release -p tests --test vpn_routes -- --ignored --nocapture --test-threads 1`.
#[test]
#[ignore = "measures"]
fn a_million_routes_side_by_side() {
    million(1);
}

#[test]
#[ignore = "measures"]
fn a_million_routes_far_apart() {
    million(2_654_435_761);
}
