//! The two boxes: one on memory NICs, one that is the kernel, on veth pairs whose far ends are ours.

use std::collections::{BTreeMap, BTreeSet};
use std::net::UdpSocket;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{Instant, PolicyId, PortId};
use dataplane::{Dataplane, Event, Op, Port};
use dp_linux::Linux;
use dp_user::nic::{Memory, Packet, pair};
use dp_user::{Batch, Engine, Frame, Nic};
use wire::ethernet;

use crate::config::{PORTS, device, mac};

/// Drops by name.
pub(crate) type Counts = BTreeMap<&'static str, u64>;

/// What became of one packet.
pub(crate) struct Outcome {
    /// By the port it left by, in order.
    pub(crate) frames: Vec<(PortId, Vec<u8>)>,
    /// What was counted of it.
    pub(crate) drops: Counts,
    /// Entries and lines for which IKE was asked.
    pub(crate) asked: BTreeSet<(PolicyId, usize)>,
}

/// A backend between links whose other ends are here.
pub(crate) trait Bench {
    fn plane(&mut self) -> &mut dyn Dataplane;
    /// A frame comes from the far end of a port's link.
    fn put(&mut self, port: PortId, frame: &[u8]);
    /// The frames that arrived there.
    fn take(&mut self, port: PortId) -> Vec<Vec<u8>>;
    /// Gives the backend the time it needs to deal with what it got.
    fn work(&mut self);

    fn configure(&mut self, ops: &[Op]) {
        let refused = self.plane().apply(ops);
        assert!(refused.is_ok(), "{refused:?}");
        self.work();
        self.collect();
    }

    /// A packet comes in by a port; what becomes of it. `counted` are the drops so far.
    fn carry(&mut self, port: PortId, packet: &[u8], counted: &mut Counts) -> Outcome {
        self.put(port, &framed(port, packet));
        self.work();
        let (frames, events) = self.collect();
        let before = std::mem::replace(counted, self.drops());
        let more = counted
            .iter()
            .map(|(name, count)| (*name, count - before.get(name).copied().unwrap_or_default()));
        let drops = more.filter(|(_, more)| *more > 0).collect();
        let asked = events.into_iter().filter_map(|event| {
            if let Event::Acquire { policy, rule, .. } = event { Some((policy, rule)) } else { None }
        });
        Outcome { frames, drops, asked: asked.collect() }
    }

    fn drops(&mut self) -> Counts {
        self.plane().counters().drops.into_iter().map(|row| (row.name, row.packets)).collect()
    }

    /// What was sent since last asked, and what was told.
    fn collect(&mut self) -> (Vec<(PortId, Vec<u8>)>, Vec<Event>) {
        let mut frames = Vec::new();
        for port in PORTS {
            frames.extend(self.take(port).into_iter().map(|frame| (port, frame)));
        }
        (frames, std::iter::from_fn(|| self.plane().poll()).collect())
    }
}

/// A packet or label stack from the neighbour of a port to us.
fn framed(port: PortId, packet: &[u8]) -> Vec<u8> {
    let ethertype = match packet[0] >> 4 {
        4 => ethernet::IPV4,
        6 => ethernet::IPV6,
        _ => ethernet::MPLS,
    };
    let header = ethernet::Header { dst: mac(port, 1), src: mac(port, 2), ethertype };
    [&header.to_bytes()[..], packet].concat()
}

fn put(nic: &mut dyn Nic, frame: &[u8]) {
    let mut batch = Batch::new(1);
    batch.push(Frame::of(frame));
    nic.send(&mut batch);
}

fn take(nic: &mut dyn Nic) -> Vec<Vec<u8>> {
    let mut batch = Batch::new(64);
    nic.receive(&mut batch);
    std::iter::from_fn(|| batch.pop()).map(|frame| frame.bytes().to_vec()).collect()
}

/// The userspace dataplane.
pub(crate) struct User {
    engine: Engine,
    ends: Arc<Mutex<BTreeMap<PortId, Memory>>>,
    now: Instant,
}

impl User {
    pub(crate) fn new() -> Self {
        let ends: Arc<Mutex<BTreeMap<PortId, Memory>>> = Arc::default();
        let others = Arc::clone(&ends);
        let open = move |port: &Port| {
            let (ours, theirs) = pair(true, 256);
            others.lock().unwrap().insert(port.id, theirs);
            Ok(Box::new(ours) as Box<dyn Nic>)
        };
        Self { engine: Engine::new(Box::new(open)), ends, now: Instant::from_secs(1) }
    }
}

impl Bench for User {
    fn plane(&mut self) -> &mut dyn Dataplane {
        &mut self.engine
    }

    fn put(&mut self, port: PortId, frame: &[u8]) {
        put(self.ends.lock().unwrap().get_mut(&port).unwrap(), frame);
    }

    fn take(&mut self, port: PortId) -> Vec<Vec<u8>> {
        self.ends.lock().unwrap().get_mut(&port).map(|end| take(end)).unwrap_or_default()
    }

    /// So much later that nothing told to senders or asked of IKE is too much.
    fn work(&mut self) {
        self.now = self.now + Duration::from_secs(2);
        self.engine.run(self.now);
    }
}

/// The kernel of this machine.
pub(crate) struct Kernel {
    linux: Linux,
    ends: BTreeMap<PortId, Packet>,
    /// ESP in UDP reaches the kernel by them.
    _natt: [UdpSocket; 2],
}

impl Kernel {
    pub(crate) fn new() -> Self {
        for (name, value) in SYSCTLS {
            std::fs::write(format!("/proc/sys/net/{name}"), value)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        PORTS.into_iter().for_each(wire_up);
        let linux = Linux::start().expect("a kernel that can do it all");
        let ends = PORTS
            .map(|port| (port, Packet::open(&far_device(port)).expect("the right to open packet sockets")));
        let natt = ["0.0.0.0:4500", "[::]:4500"].map(|address| {
            let socket = UdpSocket::bind(address).unwrap();
            sys::give_esp_to_kernel(&socket).unwrap();
            socket
        });
        Self { linux, ends: ends.into(), _natt: natt }
    }
}

/// What a machine of its own may have otherwise: nothing that is told to senders may be too much.
const SYSCTLS: [(&str, &str); 6] = [
    ("ipv4/icmp_ratelimit", "0"),
    ("ipv4/route/error_cost", "0"),
    ("ipv4/icmp_msgs_per_sec", "1000000"),
    ("ipv6/icmp/ratelimit", "0"),
    ("ipv4/udp_l3mdev_accept", "1"),
    ("ipv6/bindv6only", "1"),
];

/// The box's end of a link, and ours, which hears everything and answers nothing.
fn wire_up(port: PortId) {
    let (near, far) = (device(port), far_device(port));
    let [near_mac, far_mac] =
        [1, 2].map(|station| mac(port, station).map(|octet| format!("{octet:02x}")).join(":"));
    run(&format!("ip link add {near} address {near_mac} type veth peer name {far} address {far_mac}"));
    std::fs::write(format!("/proc/sys/net/ipv6/conf/{far}/disable_ipv6"), "1").unwrap();
    std::fs::write(format!("/proc/sys/net/ipv6/conf/{near}/accept_dad"), "0").unwrap();
    run(&format!("ip link set {far} arp off up"));
    run(&format!("tc qdisc add dev {far} clsact"));
    run(&format!("tc filter add dev {far} ingress matchall action drop"));
    run(&format!("ip link set {near} up"));
}

fn far_device(port: PortId) -> String {
    format!("far{}", port.0)
}

fn run(line: &str) {
    let mut words = line.split_whitespace();
    let status = Command::new(words.next().unwrap()).args(words).status();
    assert!(status.as_ref().is_ok_and(std::process::ExitStatus::success), "{line}: {status:?}");
}

impl Bench for Kernel {
    fn plane(&mut self) -> &mut dyn Dataplane {
        &mut self.linux
    }

    fn put(&mut self, port: PortId, frame: &[u8]) {
        put(self.ends.get_mut(&port).unwrap(), frame);
    }

    fn take(&mut self, port: PortId) -> Vec<Vec<u8>> {
        self.ends.get_mut(&port).map(|end| take(end)).unwrap_or_default()
    }

    /// What the kernel does with a packet is done when the sender of it is run again, but for what waits for a
    /// thread of the kernel.
    fn work(&mut self) {
        std::thread::sleep(Duration::from_millis(2));
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        for port in PORTS {
            let _ = Command::new("ip").args(["link", "delete", &device(port)]).status();
        }
    }
}
