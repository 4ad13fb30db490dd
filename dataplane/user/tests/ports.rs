//! The NICs that lead to the kernel, against a real one: two hosts in network namespaces of their own
//! talk TCP through two packet sockets, and a UDP socket talks through a TUN. Skipped unless root.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "it is all test code")]

use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::fd::BorrowedFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dp_user::nic::{Nic, Packet, Tap};
use dp_user::{Batch, Frame};
use sys::poll::{Watched, wait};
use wire::{checksum, ethernet, ip, tcp};

/// Says which process of a test this one is.
const ROLE: &str = "ONRAMP_PORTS_TEST";
const BYTES: usize = 20_000_000;
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn two_hosts_talk_through_packet_sockets_though_they_send_super_frames() {
    const NAME: &str = "two_hosts_talk_through_packet_sockets_though_they_send_super_frames";
    match env::var(ROLE).as_deref() {
        Ok("bridge") => bridge(NAME),
        Ok("server") => server(),
        Ok("client") => client(),
        _ => in_a_namespace(NAME, "bridge"),
    }
}

#[test]
fn the_kernel_of_this_box_talks_through_a_tun() {
    match env::var(ROLE).as_deref() {
        Ok(_) => tun(),
        Err(_) => in_a_namespace("the_kernel_of_this_box_talks_through_a_tun", "tun"),
    }
}

/// Runs this test again in a fresh network namespace, which ends with the process.
fn in_a_namespace(test: &str, role: &str) {
    if !is_root() {
        return eprintln!("{test}: skipped: needs root");
    }
    assert!(again(test, role).spawn().unwrap().wait().unwrap().success(), "{role} failed");
}

fn again(test: &str, role: &str) -> Command {
    let mut command = Command::new("unshare");
    command.arg("-n").arg(env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]).env(ROLE, role);
    command
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n")
}

fn run(line: &str) -> bool {
    let mut words = line.split_whitespace();
    Command::new(words.next().unwrap()).args(words).status().unwrap().success()
}

/// A host in a namespace of its own with one end of a veth pair; the other end, `port`, stays here.
fn host(test: &str, role: &str, port: &str) -> Child {
    assert!(run(&format!("ip link add {port} type veth peer name {role}")));
    let mut child = again(test, role)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("ready")), "{role} did not start");
    assert!(run(&format!("ip link set {role} netns {}", child.id())));
    assert!(run(&format!("ip link set {port} up")));
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    child
}

/// The host's side of [`host`]: whether VLAN 5 is there too.
fn configure(device: &str, number: u8) -> bool {
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    assert!(run(&format!("ip addr add 10.9.0.{number}/24 dev {device}")));
    assert!(run(&format!("ip addr add fd09::{number}/64 dev {device} nodad")));
    assert!(run(&format!("ip link set {device} up")));
    run(&format!("ip link add link {device} name vlan5 type vlan id 5"))
        && run(&format!("ip addr add 10.9.5.{number}/24 dev vlan5"))
        && run("ip link set vlan5 up")
}

fn pattern() -> Vec<u8> {
    (0..BYTES).map(|at| (at.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
}

fn server() {
    let tagged = configure("server", 2);
    let (listener, pattern) = (TcpListener::bind("[::]:7000").unwrap(), pattern());
    for _ in 0..2 + u8::from(tagged) {
        let (mut stream, _) = listener.accept().unwrap();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).unwrap();
        assert!(got == pattern, "{} bytes arrived, or others", got.len());
        stream.write_all(&got).unwrap();
    }
}

fn client() {
    let tagged = configure("client", 1);
    let pattern = pattern();
    let servers = ["10.9.0.2:7000", "[fd09::2]:7000", "10.9.5.2:7000"];
    for server in servers.into_iter().take(2 + usize::from(tagged)) {
        let mut stream = connect(server);
        stream.write_all(&pattern).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).unwrap();
        assert!(got == pattern, "{server}: {} bytes came back, or others", got.len());
    }
}

/// The server may not have started yet.
fn connect(server: &str) -> TcpStream {
    let start = Instant::now();
    loop {
        match TcpStream::connect(server) {
            Ok(stream) => return stream,
            Err(error) => assert!(start.elapsed() < LIMIT, "{server}: {error}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Carries frames between the two hosts until both are done.
fn bridge(test: &str) {
    let mut hosts = [host(test, "server", "port1"), host(test, "client", "port2")];
    let mut ports = [Packet::open("port1").unwrap(), Packet::open("port2").unwrap()];
    let mut senders = [BTreeSet::new(), BTreeSet::new()];
    only_what_is_too_long_is_lost(&mut ports[0]);
    let (mut batch, mut longest, start) = (Batch::default(), 0, Instant::now());
    while hosts.iter_mut().any(|host| host.try_wait().unwrap().is_none()) && start.elapsed() < LIMIT {
        rest(&ports);
        for (from, to) in [(0, 1), (1, 0)] {
            ports[from].receive(&mut batch);
            batch = inspect(batch, &mut senders[from], &mut longest);
            ports[to].send(&mut batch);
        }
    }
    let done = hosts.map(|mut host| {
        let _ = host.kill();
        host.wait().unwrap().success()
    });
    assert_eq!(done, [true, true], "server and client");
    assert!(senders[0].is_disjoint(&senders[1]), "a port received what it sent");
    assert!(longest == 1514 || longest == 1518, "{longest}");
}

fn only_what_is_too_long_is_lost(port: &mut Packet) {
    let mut batch = Batch::default();
    for length in [60, 3000, 60] {
        let mut bytes = vec![0; length];
        ethernet::Header { dst: [2; 6], src: [2; 6], ethertype: 0x88B5 }.emit(&mut bytes).unwrap();
        batch.push(Frame::of(&bytes));
    }
    port.send(&mut batch);
    assert_eq!((batch.len(), batch.take_lost()), (0, 1));
}

fn rest(ports: &[Packet; 2]) {
    let mut watched = ports.each_ref().map(|port| Watched::readable(port.descriptor().unwrap()));
    wait(&mut watched, Some(Duration::from_millis(100))).unwrap();
}

/// What a NIC hands up is fit for a wire.
fn inspect(mut batch: Batch, senders: &mut BTreeSet<ethernet::Mac>, longest: &mut usize) -> Batch {
    let frames: Vec<Frame> = std::iter::from_fn(|| batch.pop()).collect();
    for frame in frames {
        let (header, packet) = ethernet::Header::parse(frame.bytes()).unwrap();
        senders.insert(header.src);
        *longest = frame.len().max(*longest);
        let packet = if header.ethertype == ethernet::VLAN { &packet[4..] } else { packet };
        if let Ok(packet) = ip::Packet::new_checked(packet) {
            let length = u32::try_from(packet.payload().len()).unwrap();
            let sum = checksum::pseudo(packet.src, packet.dst, packet.protocol, length);
            assert!(packet.protocol != tcp::PROTOCOL || sum.with(packet.payload()).is_intact());
        }
        batch.push(frame);
    }
    batch
}

fn tun() {
    let mut tap = Tap::open("tun-test").unwrap();
    assert!(run("ip addr add 10.8.0.1/24 dev tun-test") && run("ip link set tun-test up"));
    let socket = UdpSocket::bind("10.8.0.1:5000").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.send_to(b"question", "10.8.0.2:6000").unwrap();
    let mut batch = Batch::default();
    let question = next(&mut tap, &mut batch);
    let flow = ip::Packet::new_checked(question.bytes()).unwrap().flow().unwrap();
    assert_eq!((flow.dst.to_string().as_str(), flow.src_port, flow.dst_port), ("10.8.0.2", 5000, 6000));
    batch.push(answer(&question));
    tap.send(&mut batch);
    let mut got = [0; 100];
    let (length, from) = socket.recv_from(&mut got).unwrap();
    assert_eq!((&got[..length], from.to_string().as_str()), (&b"question"[..], "10.8.0.2:6000"));
}

/// The next IPv4 packet: the kernel also says hello by itself, in IPv6.
fn next(tap: &mut Tap, batch: &mut Batch) -> Frame {
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        let fd: BorrowedFd<'_> = tap.descriptor().unwrap();
        wait(&mut [Watched::readable(fd)], Some(Duration::from_millis(100))).unwrap();
        tap.receive(batch);
        if let Some(frame) = std::iter::from_fn(|| batch.pop()).find(|frame| frame.bytes()[0] >> 4 == 4) {
            return frame;
        }
    }
    panic!("the kernel sent nothing")
}

/// The same datagram the other way: swapping both ends leaves every checksum right.
fn answer(question: &Frame) -> Frame {
    let bytes = question.bytes();
    let swapped =
        [&bytes[..12], &bytes[16..20], &bytes[12..16], &bytes[22..24], &bytes[20..22], &bytes[24..]];
    Frame::of(&swapped.concat())
}
