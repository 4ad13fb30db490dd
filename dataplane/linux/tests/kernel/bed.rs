//! A box with two ports, each with a wire to nobody, in a network namespace of its own.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base::Spi;
use dataplane::contract::{self, Subject};
use dataplane::{Dataplane, Event, Object};
use dp_linux::Linux;
use ipsec::{Policy, Sa};
use sys::packet::{Inbox, PacketSocket};

/// Set where a test runs in its namespace.
const INSIDE: &str = "ONRAMP_KERNEL_TEST";

/// Runs `test`, which is called `name`, in a network namespace of its own: this program again, inside.
pub(crate) fn namespaced(name: &str, test: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return test();
    }
    let namespace = format!("onramp-{}", &name[..name.len().min(40)]);
    let _gone = Namespace(namespace.clone());
    ip(&["netns", "add", &namespace]);
    let this = std::env::current_exe().unwrap();
    let status = Command::new("ip")
        .args(["netns", "exec", &namespace])
        .arg(this)
        .args(["--exact", name, "--ignored", "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .status();
    assert!(status.unwrap().success(), "{name} failed in its namespace");
}

struct Namespace(String);

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&["netns", "del", &self.0]);
    }
}

/// What `ip` says. Panics where it says no.
pub(crate) fn ip(arguments: &[&str]) -> String {
    let output = Command::new("ip").args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {}: {error}", arguments.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

/// Where two states differ, line by line.
pub(crate) fn assert_same(before: &str, after: &str, what: &str) {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let missing: Vec<&&str> = old.iter().filter(|line| !new.contains(line)).collect();
    let added: Vec<&&str> = new.iter().filter(|line| !old.contains(line)).collect();
    assert!(missing.is_empty() && added.is_empty(), "{what}: missing {missing:#?}, added {added:#?}");
}

/// Everything that the kernel has of what we deal with, as text, without what changes by itself.
pub(crate) fn state() -> String {
    let mut all = String::new();
    for what in [
        "-d -br link",
        "-br addr",
        "-4 rule",
        "-6 rule",
        "-4 route show table all",
        "-6 route show table all",
        "-M route",
        "neigh show nud permanent",
        "xfrm state",
        "xfrm policy",
    ] {
        let arguments: Vec<&str> = what.split(' ').collect();
        let mut lines: Vec<String> = ip(&arguments).lines().map(|line| format!("{line}\n")).collect();
        // Link-local addresses are made up anew with each device.
        lines.retain(|line| !line.contains("fe80"));
        if what.contains("route") {
            lines.sort();
        }
        if what.contains("link") {
            // A VRF device makes its address up. A VLAN that is up says so of itself after its wire has changed, and not
            // when it is made.
            lines.iter_mut().for_each(|line| {
                *line = line.replace(&line.split_whitespace().nth(2).unwrap().to_owned(), "");
                *line = line.replace("UNKNOWN", "UP     ");
            });
        }
        all += &format!("# {what}\n{}", lines.concat());
    }
    all
}

/// Filters and qdiscs by `tc`.
pub(crate) fn tc(arguments: &str) -> String {
    let output = Command::new("tc").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "tc {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A stranger's SA and policy.
pub(crate) fn foreign_sa() {
    let state = "xfrm state add src 192.0.2.7 dst 192.0.2.8 proto esp spi 0x77 reqid 7 mode tunnel aead";
    let mut arguments: Vec<&str> = state.split(' ').collect();
    arguments.extend(["rfc4106(gcm(aes))", "0x0102030405060708090a0b0c0d0e0f1011121314", "128"]);
    ip(&arguments);
    let policy = "xfrm policy add dir out src 192.0.2.7 dst 192.0.2.8 tmpl src 192.0.2.7 dst 192.0.2.8 proto esp reqid 7 \
                  mode tunnel";
    ip(&policy.split_whitespace().collect::<Vec<_>>());
}

/// The plan of a daemon that has just started: nothing was negotiated yet.
pub(crate) fn without_sas(object: &Object) -> Option<Object> {
    match object {
        Object::Sa(_) => None,
        Object::Policy(policy) => Some(Object::Policy(Policy { bundles: Vec::new(), ..policy.clone() })),
        Object::Vrf(_) | Object::Port(_) | Object::Neighbour(_) | Object::Label { .. } | Object::Route(_) => {
            Some(object.clone())
        }
    }
}

/// What IKE negotiates next.
pub(crate) fn with_another_spi(object: &Object) -> Object {
    if let Object::Sa(sa) = object {
        return Object::Sa(Sa { spi: Spi(sa.spi.0 + 0x100), ..sa.clone() });
    }
    object.clone()
}

/// What anybody changes: `ip monitor`.
pub(crate) struct Monitor(Child, Arc<Mutex<Vec<String>>>);

impl Monitor {
    /// Once the kernel is sure of its own link-local addresses, RFC 4862 section 5.4.
    pub(crate) fn start() -> Self {
        let begun = Instant::now();
        while !ip(&["-6", "address", "show", "tentative"]).is_empty()
            && begun.elapsed() < Duration::from_secs(5)
        {
            std::thread::sleep(Duration::from_millis(50));
        }
        let mut child = Command::new("ip").args(["monitor", "all"]).stdout(Stdio::piped()).spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (output, told) = (child.stdout.take().unwrap(), lines.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                told.lock().unwrap().push(line);
            }
        });
        std::thread::sleep(Duration::from_millis(500));
        Self(child, lines)
    }

    /// What was told within a moment, but for neighbours, which come and go by themselves.
    pub(crate) fn lines(mut self) -> Vec<String> {
        std::thread::sleep(Duration::from_millis(500));
        self.0.kill().unwrap();
        self.0.wait().unwrap();
        let lines = self.1.lock().unwrap();
        lines.iter().filter(|line| !line.contains("[NEIGH]")).cloned().collect()
    }
}

/// A backend with the ports of the contract.
pub(crate) struct Box1 {
    pub(crate) linux: Linux,
    core: PacketSocket,
}

impl Box1 {
    pub(crate) fn new() -> Self {
        // What an earlier one left of its own goes by the rule of takeover.
        Linux::start().unwrap().apply(&[]).unwrap();
        for (port, peer) in [("port1", "far1"), ("port2", "far2")] {
            let _none = Command::new("ip").args(["link", "del", port]).output();
            ip(&["link", "add", port, "address", "02:00:00:00:00:01", "type", "veth", "peer", "name", peer]);
            for device in [port, peer] {
                ip(&["link", "set", device, "addrgenmode", "none"]);
                ip(&["link", "set", device, "up"]);
            }
        }
        Self { linux: Linux::start().unwrap(), core: PacketSocket::open("far2").unwrap() }
    }

    /// Sends the packet of [`Subject::carry`].
    pub(crate) fn send(&self) {
        self.send_to([10, 2, 0, 9]);
    }

    /// The frame with a tag that a packet to `destination` leaves by the core's wire as.
    pub(crate) fn forwarded(&self, destination: [u8; 4]) -> Vec<u8> {
        let mut inbox = Inbox::default();
        while self.core.receive(&mut inbox).is_ok_and(|frames| frames > 0) {}
        self.send_to(destination);
        let start = Instant::now();
        loop {
            let frames = self.core.receive(&mut inbox).unwrap_or(0);
            for at in 0..frames {
                let Some((bytes, meta)) = inbox.frame(at) else { continue };
                if let Some(vlan) = meta.vlan {
                    let tag = [vlan.tpid.to_be_bytes(), vlan.tci.to_be_bytes()].concat();
                    return [&bytes[..12], &tag, &bytes[12..]].concat();
                }
            }
            assert!(start.elapsed() < Duration::from_secs(3), "nothing left with a tag:\n{}", state());
        }
    }

    /// A labelled packet arrives by the core's wire.
    fn send_to(&self, destination: [u8; 4]) {
        let label = 3001_u32 << 12 | 0x100 | 64;
        let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 1, 0, 7];
        packet.extend(destination);
        let sum: u32 = packet.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        let sum = !u16::try_from((sum & 0xFFFF) + (sum >> 16)).unwrap();
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet.extend([0x10, 0, 0x10, 0, 0, 8, 0, 0]);
        let ethernet = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 0x88, 0x47];
        let frame = [&ethernet[..], &label.to_be_bytes(), &packet].concat();
        assert_eq!(self.core.send(&[&frame]).unwrap(), 1);
    }

    /// Another run of the daemon, after one that was killed.
    pub(crate) fn restart(&mut self) {
        self.linux = Linux::start().unwrap();
    }

    /// Polls until nothing happens any more; what was told.
    pub(crate) fn settle(&mut self) -> Vec<Event> {
        let (mut events, mut quiet) = (Vec::new(), 0);
        while quiet < 10 {
            match self.linux.poll() {
                Some(event) => events.push(event),
                None => quiet += 1,
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        events
    }

    /// How many packets were sealed with the SA of the contract, whoever made it.
    pub(crate) fn sealed(&self) -> u64 {
        std::thread::sleep(Duration::from_millis(100));
        let all = ip(&["-s", "xfrm", "state"]);
        let of_it = all.split("\nsrc ").find(|sa| sa.contains("0x0c000001")).unwrap();
        let line = of_it.split("lifetime current:").nth(1).unwrap().lines().nth(1).unwrap();
        line.split("(bytes), ").nth(1).unwrap().split('(').next().unwrap().parse().unwrap()
    }

    fn sent(&self) -> u64 {
        self.linux.counters().sas.get(&contract::OUTBOUND).map_or(0, |sa| sa.packets)
    }
}

impl Subject for Box1 {
    fn plane(&mut self) -> &mut dyn Dataplane {
        &mut self.linux
    }

    fn carry(&mut self) {
        let before = self.sent();
        self.send();
        let start = Instant::now();
        while self.sent() == before {
            let late = start.elapsed() > Duration::from_secs(3);
            assert!(!late, "no packet left:\n{}{:#?}", state(), self.linux.counters().drops);
        }
    }
}

impl Drop for Box1 {
    fn drop(&mut self) {
        for port in ["port1", "port2"] {
            let _gone = Command::new("ip").args(["link", "del", port]).output();
        }
    }
}
