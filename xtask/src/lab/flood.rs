//! The lab ike-flood: openings from random sources by the ten thousand, while a thousand real tunnels are up.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use api::Response;
use socket2::{Domain, Protocol, Socket, Type};

use super::load::{Driver, Kind, Process};
use super::node::{Node, quote};
use super::report::Report;
use super::{Lab, joined, ours};

/// Tunnels before the flood, and such as come in the midst of it.
const TUNNELS: usize = 1000;
const MORE: usize = 100;

const OPENINGS: usize = 50_000;

/// What the daemon may grow by under the flood, in bytes: ten thousand half-open sessions and their neighbours' stories.
const GROWTH: i64 = 128 << 20;

const PE: &str = "192.0.2.1";

const KINDS: [Kind; 2] = [
    Kind { name: "IKEv2", version: 2, authentication: "psk", proposal: "aes128-sha256-x25519" },
    Kind { name: "IKEv1", version: 1, authentication: "psk", proposal: "aes128-sha256-modp2048" },
];

pub(crate) fn run(lab: &Lab, report: &mut Report) -> Result<()> {
    for kind in &KINDS {
        report.stage(&format!("{}: {TUNNELS} tunnels", kind.name));
        flood(lab, kind, report)?;
    }
    Ok(())
}

fn flood(lab: &Lab, kind: &Kind, report: &mut Report) -> Result<()> {
    let (pe, attacker) = (lab.node("pe")?, lab.node("attacker")?);
    let process = Process::of(pe);
    let driver = Driver::ready(lab, kind, PE)?;
    driver.open(TUNNELS)?;
    report.check(&format!("{}: {TUNNELS} tunnels come up", kind.name), || comes_to(&driver, TUNNELS));
    let before = (process.memory()?, process.processor()?);
    let cookies = Answers::count(attacker)?;
    report.stage(&format!("{OPENINGS} openings from random sources"));
    let (sent, more) = thread::scope(|scope| {
        let attack = scope.spawn(|| attack(attacker));
        thread::sleep(Duration::from_secs(2));
        let more = driver.open(MORE).and_then(|()| comes_to(&driver, TUNNELS + MORE));
        (joined(attack), more)
    });
    let after = (process.memory()?, process.processor()?);
    report.check("the flood is sent", || sent);
    report.check(&format!("{}: {MORE} more tunnels come up in its midst", kind.name), || more);
    report.check("cookies are asked for", || cookies.stop());
    report.check("memory is bounded", || {
        let grown = after.0 - before.0;
        ensure!(grown < GROWTH, "{} MB more", grown >> 20);
        Ok(format!("{} MB more, {:.1} s of processor time", grown >> 20, (after.1 - before.1).as_secs_f32()))
    });
    report.check(&format!("{}: no tunnel is lost", kind.name), || kept(&driver, pe));
    driver.kill()?;
    pe.demand("onramp clear crypto session").map(drop)
}

fn comes_to(driver: &Driver<'_>, count: usize) -> Result<String> {
    let (up, _) = driver.wait(count, Duration::from_secs(60))?;
    ensure!(up >= count, "{up} of {count}");
    Ok(format!("{up} are up"))
}

/// Both sides count: the gateways ask every few seconds whether we live, and would say so if we forgot them.
fn kept(driver: &Driver<'_>, pe: &Node) -> Result<String> {
    thread::sleep(Duration::from_secs(12));
    let lost = driver.lost()?;
    ensure!(lost.is_empty(), "the gateways lost {}, such as {}", lost.len(), lost[0]);
    let Response::Sessions(sessions) = ours::ask(pe, "show crypto session")? else {
        bail!("not a list of sessions")
    };
    let up = sessions.iter().filter(|session| session.status.starts_with("UP")).count();
    ensure!(up == TUNNELS + MORE, "we have {up}");
    Ok(format!("{up} on both sides"))
}

/// COOKIE notifies that pass the attacker's port.
struct Answers<'a> {
    node: &'a Node,
}

impl<'a> Answers<'a> {
    fn count(node: &'a Node) -> Result<Self> {
        node.demand(
            "tcpdump -i eth1 -Z root -B 16384 -w /dev/null 'udp[24] = 41 and udp[42:2] = 16390' >/dev/null 2>/run/cookies </dev/null & \
             echo $! >/run/cookies.pid; sleep 1",
        )?;
        Ok(Self { node })
    }

    fn stop(self) -> Result<String> {
        let text = self.node.demand("kill -INT $(cat /run/cookies.pid); sleep 0.5; cat /run/cookies")?;
        let line = text.lines().find(|line| line.ends_with("packets captured")).context(text.clone())?;
        let count: u64 = line.split(' ').next().unwrap_or("0").parse()?;
        ensure!(count > 1000, "{count} cookies");
        Ok(format!("{count} times"))
    }
}

fn attack(attacker: &Node) -> Result<String> {
    let program = std::env::current_exe()?;
    attacker.demand(&format!("{} flood {PE} {OPENINGS} 10", quote(&program.to_string_lossy())))
}

/// `xtask flood ADDRESS COUNT SECONDS`, run inside a node: openings of both versions from random sources.
pub(crate) fn send(words: &[&str]) -> Result<()> {
    let [address, count, seconds] = words else { bail!("flood ADDRESS COUNT SECONDS") };
    let (address, count, seconds): (Ipv4Addr, u64, u64) =
        (address.parse()?, count.parse()?, seconds.parse()?);
    let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255)))?;
    let seed = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64 | 1;
    let (mut random, begun) = (Random(seed), Instant::now());
    for number in 0..count {
        let due = Duration::from_micros(seconds * 1_000_000 * number / count);
        thread::sleep(due.saturating_sub(begun.elapsed()));
        let message = if number % 2 == 0 { version_2(&mut random) } else { version_1(&mut random) };
        raw.send_to(&packet(&mut random, address, &message), &SocketAddrV4::new(address, 0).into())?;
    }
    println!("{count} in {:.0} s", begun.elapsed().as_secs_f32());
    Ok(())
}

struct Random(u64);

impl Random {
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count)
            .map(|_| {
                self.0 ^= self.0 << 13;
                self.0 ^= self.0 >> 7;
                self.0 ^= self.0 << 17;
                (self.0 >> 32) as u8
            })
            .collect()
    }
}

/// From somewhere in 11.0.0.0/8 to 126.0.0.0/8, port 500 to port 500, without UDP checksum.
fn packet(random: &mut Random, to: Ipv4Addr, message: &[u8]) -> Vec<u8> {
    let mut source = random.bytes(4);
    source[0] = 11 + source[0] % 115;
    let length = u16::try_from(8 + message.len()).unwrap_or(u16::MAX);
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0];
    packet.extend(source);
    packet.extend(to.octets());
    packet.extend([500_u16.to_be_bytes(), 500_u16.to_be_bytes(), length.to_be_bytes(), [0; 2]].concat());
    packet.extend(message);
    packet
}

/// IKE_SA_INIT: AES, SHA-256, group 31 (RFC 7296 section 1.2).
fn version_2(random: &mut Random) -> Vec<u8> {
    let transforms: [&[u8]; 4] = [
        &[3, 0, 0, 12, 1, 0, 0, 12, 0x80, 14, 0, 128],
        &[3, 0, 0, 8, 2, 0, 0, 5],
        &[3, 0, 0, 8, 3, 0, 0, 12],
        &[0, 0, 0, 8, 4, 0, 0, 31],
    ];
    let proposal = [&[0, 0, 0, 44, 1, 1, 0, 4][..], &transforms.concat()].concat();
    let exchange = [&[0, 31, 0, 0][..], &random.bytes(32)].concat();
    let nonce = random.bytes(32);
    let payloads = [payload(34, &proposal), payload(40, &exchange), payload(0, &nonce)].concat();
    header(random, [33, 0x20, 34, 0x08], &payloads)
}

/// Main mode 1: AES, SHA-256, a pre-shared key, group 14 (RFC 2409 section 5).
fn version_1(random: &mut Random) -> Vec<u8> {
    let attributes = [
        [0x80, 1, 0, 7],
        [0x80, 14, 0, 128],
        [0x80, 2, 0, 4],
        [0x80, 3, 0, 1],
        [0x80, 4, 0, 14],
        [0x80, 11, 0, 1],
        [0x80, 12, 0x70, 0x80],
    ]
    .concat();
    let transform = [&[0, 0, 0, 36, 1, 1, 0, 0][..], &attributes].concat();
    let proposal = [&[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 44, 1, 1, 0, 1][..], &transform].concat();
    header(random, [1, 0x10, 2, 0], &payload(0, &proposal))
}

fn payload(next: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + body.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&[next, 0], &length[..], body].concat()
}

fn header(random: &mut Random, fields: [u8; 4], payloads: &[u8]) -> Vec<u8> {
    let length = u32::try_from(28 + payloads.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&random.bytes(8)[..], &[0; 8], &fields, &[0; 4], &length, payloads].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_in_the_openings_are_true() {
        let mut random = Random(7);
        for message in [version_1(&mut random), version_2(&mut random)] {
            assert_eq!(u32::from_be_bytes(message[24..28].try_into().unwrap()) as usize, message.len());
            let first = u16::from_be_bytes(message[30..32].try_into().unwrap()) as usize;
            assert!(28 + first <= message.len());
        }
        assert_eq!(version_1(&mut random).len(), 28 + 4 + 8 + 8 + 36);
    }
}
