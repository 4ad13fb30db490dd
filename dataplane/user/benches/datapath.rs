//! What a packet costs from NIC to NIC, in memory, on one core, beside what its cipher alone costs.
//!
//! `--json FILE` writes the table as an array of objects as well.

#[path = "../tests/bed/mod.rs"]
mod bed;

use std::net::IpAddr;

use base::{PolicyId, Prefix, SaId, Spi};
use bed::{
    Bed, Build, CBC, CORE, FRONT, GCM, OUR_MAC, RED, RED_LABEL, Receiver, Sender, WAN, framed, ip, under,
};
use crypto::{aead, cbc, mac, prf, raw};
use dataplane::Object;
use ipsec::{Bundle, Direction, Policy, Rule, Sa, Selector, Suite};

const ROUNDS: usize = 301;
/// Packets timed together: what is under way between two NICs.
const CHUNK: usize = 64;

struct Row {
    direction: &'static str,
    suite: &'static str,
    bytes: usize,
    tunnels: u32,
    cost: Cost,
    raw: u64,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    /// Time stamp counter cycles for one packet.
    cycles: u64,
    ns: u64,
}

fn main() {
    let json = json_path();
    let mut rows = Vec::new();
    for (name, suite) in [("AES-128-GCM", GCM), ("AES-128-CBC+SHA1", CBC)] {
        for tunnels in [1, 10_000] {
            let mut bench = Bench::new(suite, tunnels);
            for bytes in [64, 512, 1400] {
                let row = |direction, cost, raw| Row { direction, suite: name, bytes, tunnels, cost, raw };
                rows.push(row("ipsec-to-mpls", bench.open(bytes), raw_open(suite, bytes)));
                rows.push(row("mpls-to-ipsec", bench.seal(bytes), raw_seal(suite, bytes).0));
            }
        }
    }
    print(&rows);
    if let Some(path) = json {
        std::fs::write(&path, to_json(&rows)).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
}

fn json_path() -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--json");
    arguments.next()?;
    Some(arguments.next().unwrap_or_else(|| panic!("--json wants a file")))
}

/// A box with so many tunnels of one customer, each to a /24 of its own.
struct Bench {
    bed: Bed,
    senders: Vec<Sender>,
    outbound: Vec<Sa>,
    suite: Suite,
}

impl Bench {
    fn new(suite: Suite, tunnels: u32) -> Self {
        let mut bed = Bed::new();
        let sas = |direction| (1..=tunnels).map(move |number| sa(number, direction, suite));
        let inbound: Vec<Sa> = sas(Direction::In).collect();
        let outbound: Vec<Sa> = sas(Direction::Out).collect();
        let mut objects = vec![bed::route(RED, "11.0.0.0/8", WAN, "172.18.1.254", &[])];
        objects.extend(inbound.iter().chain(&outbound).cloned().map(Object::Sa));
        objects.extend((1..=tunnels).map(|number| Object::Policy(policy(number))));
        bed.apply(objects);
        Self { bed, senders: inbound.iter().map(Sender::to).collect(), outbound, suite }
    }

    /// Packets are sealed by their peers before the clock runs.
    fn open(&mut self, bytes: usize) -> Cost {
        let tunnels = self.senders.len();
        let mut next = 0;
        self.measure(CORE, |bench| {
            let number = next % tunnels;
            next += 1;
            let inner = Build::between(site(number as u32 + 1), ip("10.1.0.7")).long(bytes);
            (WAN, framed(OUR_MAC, &bench.senders[number].seal(&inner)))
        })
    }

    fn seal(&mut self, bytes: usize) -> Cost {
        let tunnels = self.outbound.len();
        let mut next = 0;
        let cost = self.measure(WAN, |_| {
            let number = next % tunnels;
            next += 1;
            let inner = Build::between(ip("10.1.0.7"), site(number as u32 + 1)).long(bytes);
            (CORE, framed(OUR_MAC, &under(&[RED_LABEL], 64, &inner)))
        });
        self.prove(bytes);
        cost
    }

    /// What left really is the packet, sealed for its tunnel.
    fn prove(&mut self, bytes: usize) {
        let inner = Build::between(ip("10.1.0.7"), site(1)).long(bytes);
        self.bed.send(CORE, &under(&[RED_LABEL], 64, &inner));
        let opened = Receiver::of(&self.outbound[0]).open(&self.bed.only(WAN));
        assert_eq!(opened, bed::aged(&inner, 1), "{}", self.suite);
    }

    /// Every packet must come out at `exit`.
    fn measure(
        &mut self,
        exit: base::PortId,
        mut make: impl FnMut(&mut Self) -> (base::PortId, Vec<u8>),
    ) -> Cost {
        median(|| {
            let packets: Vec<_> = (0..CHUNK).map(|_| make(self)).collect();
            packets.iter().for_each(|(port, frame)| self.bed.put(*port, frame));
            let cost = timed(|| {
                let mut left = CHUNK;
                while left > 0 {
                    left -= self.bed.engine.run(self.bed.now);
                }
            });
            assert_eq!(self.bed.frames(exit).len(), CHUNK, "drops: {:?}", self.bed.drops());
            cost
        })
    }
}

/// What one packet of a chunk costs: the median over rounds, so that neither the first ones, which warm
/// up, nor those that another program interrupts count.
fn median(mut chunk: impl FnMut() -> Cost) -> Cost {
    let mut costs: Vec<Cost> = (0..ROUNDS).map(|_| chunk()).collect();
    costs.sort_unstable();
    let Cost { cycles, ns } = costs[costs.len() / 2];
    Cost { cycles: cycles / CHUNK as u64, ns: ns / CHUNK as u64 }
}

fn timed(work: impl FnOnce()) -> Cost {
    let (ns, cycles) = (sys::clock::monotonic_nanos(), sys::clock::cycles());
    work();
    Cost { cycles: sys::clock::cycles() - cycles, ns: sys::clock::monotonic_nanos() - ns }
}

fn sa(number: u32, direction: Direction, suite: Suite) -> Sa {
    let [a, b] = [(number >> 8) as u8, number as u8];
    let remote = IpAddr::from([198, 18, a, b]);
    let spi = match direction {
        Direction::In => bed::inbound_spi(number),
        Direction::Out => Spi(0x0C00_0000 + number),
    };
    Sa {
        spi,
        remote,
        selector: selector(number),
        ..bed::sa(number, direction, WAN, RED, "198.18.0.1", suite)
    }
}

fn policy(number: u32) -> Policy {
    let selector = selector(number);
    Policy {
        id: PolicyId(number),
        front: FRONT,
        rules: vec![Rule { permit: true, selector }],
        bundles: vec![Bundle { selector, outbound: SaId(number * 2 + 1) }],
        ..bed::policy(number, WAN, RED)
    }
}

fn site(number: u32) -> IpAddr {
    IpAddr::from([11, (number >> 8) as u8, number as u8, 9])
}

fn selector(number: u32) -> Selector {
    let remote = Prefix::new(site(number), 24).unwrap_or_else(|_| Prefix::host(site(number)));
    Selector::between(bed::selectors()[0].local, remote)
}

/// Bytes that the cipher works on: payload, padding and trailer; with GCM room for the tag.
fn worked_on(suite: Suite, bytes: usize) -> usize {
    let padded = (bytes + 2).next_multiple_of(suite.cipher.block_len());
    if suite.cipher.is_aead() { padded + aead::TAG_LEN } else { padded }
}

/// The fastest provider that is linked in: its cycles, and its name.
fn raw_seal(suite: Suite, bytes: usize) -> (u64, String) {
    let providers = if suite == GCM { raw::aes128_gcm() } else { raw::aes128_cbc_sha1() };
    let mut buffer = vec![0x55; worked_on(suite, bytes)];
    let cost = |raw: &raw::Raw, buffer: &mut [u8]| {
        median(|| timed(|| (0..CHUNK).for_each(|_| raw.seal(buffer)))).cycles
    };
    let costs = providers.iter().map(|raw| (cost(raw, &mut buffer), raw.provider.clone()));
    costs.min().unwrap_or_else(|| panic!("no provider of {suite}"))
}

/// The other way round: a CBC cipher opens faster than it seals.
fn raw_open(suite: Suite, bytes: usize) -> u64 {
    let length = worked_on(suite, bytes);
    median(|| if suite == GCM { open_gcm(length) } else { open_cbc(length) }).cycles
}

fn open_gcm(length: usize) -> Cost {
    let Ok(key) = aead::Gcm::new(&[0x2B; 16]) else { panic!("a 16-byte key is one") };
    let mut sealed = vec![0x55; length];
    assert!(key.seal([0; 12], &[0; 8], &mut sealed).is_ok());
    let mut packets = vec![sealed; CHUNK];
    timed(|| {
        for packet in &mut packets {
            assert!(key.open([0; 12], &[0; 8], packet).is_ok());
        }
    })
}

fn open_cbc(length: usize) -> Cost {
    let Ok(key) = cbc::Decryptor::new(cbc::Block::Aes128, &[0x2B; 16]) else {
        panic!("a 16-byte key is one")
    };
    let mac = mac::Mac::new(prf::Hash::Sha1, &[0x2B; 20]);
    let mut packets = vec![vec![0x55; length]; CHUNK];
    timed(|| {
        for packet in &mut packets {
            let mut tag = [0; 12];
            mac.tag(packet, &[], &mut tag);
            assert!(key.decrypt(&std::hint::black_box([0; 16]), packet).is_ok());
            std::hint::black_box(tag);
        }
    })
}

fn print(rows: &[Row]) {
    let (gcm, cbc) = (raw_seal(GCM, 1400).1, raw_seal(CBC, 1400).1);
    println!("raw cipher: the fastest provider linked in; AES-128-GCM {gcm}, AES-128-CBC+SHA1 {cbc}");
    println!("a packet, from NIC to NIC in memory, on one core; median of {ROUNDS} rounds of {CHUNK}\n");
    let head = ["direction", "suite", "bytes", "tunnels", "ns", "cycles", "raw", "times raw"];
    let [direction, suite, bytes, tunnels, ns, cycles, raw, times] = head;
    println!("{direction:<14} {suite:<17} {bytes:>5} {tunnels:>7} {ns:>6} {cycles:>7} {raw:>6} {times:>9}");
    for Row { direction, suite, bytes, tunnels, cost, raw } in rows {
        let (ns, cycles, times) = (cost.ns, cost.cycles, cost.cycles as f64 / *raw as f64);
        println!(
            "{direction:<14} {suite:<17} {bytes:>5} {tunnels:>7} {ns:>6} {cycles:>7} {raw:>6} {times:>9.2}"
        );
    }
}

fn to_json(rows: &[Row]) -> String {
    let row = |row: &Row| {
        let Row { direction, suite, bytes, tunnels, cost: Cost { cycles, ns }, raw } = row;
        format!(
            "  {{\"direction\": \"{direction}\", \"suite\": \"{suite}\", \"bytes\": {bytes}, \"tunnels\": {tunnels}, \
             \"cycles\": {cycles}, \"ns\": {ns}, \"raw_cycles\": {raw}}}"
        )
    };
    let rows: Vec<String> = rows.iter().map(row).collect();
    format!("[\n{}\n]\n", rows.join(",\n"))
}
