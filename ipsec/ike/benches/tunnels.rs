//! What a tunnel costs the side that answers: processor time and bytes, without sockets. Both roles are ours, so what no
//! packaged peer speaks is measured too: ML-KEM beside X25519 (RFC 9370).
//!
//! `cargo bench -p ike --bench tunnels -- [--full]`: one line of JSON for each way to negotiate.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a program that measures"
)]
#![allow(unused_crate_dependencies, reason = "of the library, not of this program")]

#[path = "../tests/world/mod.rs"]
mod world;

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use base::{Engine, Instant, PolicyId, Prefix, VrfId};
use crypto::dh::Group;
use ike::config::v2::{Authentication, Encryption, Integrity, Remote};
use ike::config::{self, Config, Entry, Identity, Peer};
use ike::{Answer, Ask, Command, Datagram, Ike, Input, Output};
use ipsec::{Sad, Selector};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use world::v2::trustpoint;

#[global_allocator]
static COUNTED: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

const HUB: &str = "172.18.1.1";

/// A way to negotiate: its name, and the configuration of one tunnel of it between these two.
struct Way {
    name: &'static str,
    side: fn(&str, &str) -> Config,
}

const WAYS: [Way; 5] = [
    Way { name: "v2 PSK X25519", side: |us, them| v2(us, them, |_| {}) },
    Way {
        name: "v2 PSK MODP-2048",
        side: |us, them| v2(us, them, |config| groups(config, vec![Group::Modp2048])),
    },
    Way { name: "v2 ECDSA X25519", side: |us, them| v2(us, them, certified) },
    Way {
        name: "v2 PSK X25519+ML-KEM-768",
        side: |us, them| {
            v2(us, them, |config| config.v2.proposals[0].additional = vec![vec![Group::MlKem768]])
        },
    },
    Way { name: "v1 PSK group 14", side: v1 },
];

fn main() {
    let full = std::env::args().any(|word| word == "--full");
    for way in &WAYS {
        for count in if full { vec![1_000, 10_000] } else { vec![1_000] } {
            let (processor, bytes) = measure(way, count);
            println!(
                "{{\"name\":\"{}\",\"tunnels\":{count},\"microseconds\":{:.1},\"bytes\":{bytes}}}",
                way.name,
                processor.as_secs_f64() * 1e6 / f64::from(count)
            );
        }
    }
}

/// Of the hub: processor time for all tunnels, and bytes for each.
fn measure(way: &Way, count: u32) -> (Duration, usize) {
    let mut sides = [Side::new(1, hub(way)), Side::new(2, spokes(way, count))];
    let now = Instant::from_secs(1);
    let mut wire = Vec::new();
    for number in 0..count {
        let flow = world::flow(&inner(number, 2).address().to_string(), "10.1.0.1");
        let acquire = Command::Acquire { policy: PolicyId(number), rule: 0, flow };
        sides[1].tell(now, Input::Command(acquire), &mut wire);
    }
    let (mut to, mut processor) = (0, Duration::ZERO);
    while !wire.is_empty() {
        let (mut answers, before) = (Vec::new(), processor_time());
        for mut datagram in wire {
            std::mem::swap(&mut datagram.path.local, &mut datagram.path.remote);
            sides[to].tell(now, Input::Datagram(datagram), &mut answers);
        }
        if to == 0 {
            processor += processor_time() - before;
        }
        (wire, to) = (answers, 1 - to);
    }
    let [hub, _spokes] = sides;
    assert_eq!(hub.up, count as usize, "{}: not all tunnels came up", way.name);
    // What goes with the engine is what it held.
    let held = Region::new(COUNTED);
    drop(hub.ike);
    drop(hub.sad);
    (processor, (held.change().bytes_deallocated) / count as usize)
}

/// What this thread has run.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

struct Side {
    ike: Ike,
    sad: Sad,
    up: usize,
    /// So that its bytes are not the engine's alone.
    _config: Arc<Config>,
}

impl Side {
    fn new(seed: u8, config: Config) -> Self {
        let config = Arc::new(config);
        let mut side =
            Self { ike: Ike::new([seed; 32]), sad: Sad::default(), up: 0, _config: Arc::clone(&config) };
        side.tell(Instant::START, Input::Command(Command::Configure(config)), &mut Vec::new());
        side
    }

    fn tell(&mut self, now: Instant, input: Input, sent: &mut Vec<Datagram>) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.ike.handle(now, input);
            while let Some(output) = self.ike.poll() {
                let (id, answer) = match output {
                    Output::Transmit(datagram) => {
                        sent.push(datagram);
                        continue;
                    }
                    Output::Ask(_, Ask::ReleaseSpi(spi)) => {
                        self.sad.release(spi);
                        continue;
                    }
                    Output::Ask(id, Ask::Spi { random }) => (id, Answer::Spi(self.sad.reserve(random))),
                    Output::Ask(id, Ask::Compute(job)) => (id, Answer::Computed(job.run())),
                    Output::Ask(id, Ask::Validate(request)) => {
                        (id, Answer::Validated(pki::verify(&request, world::TODAY, &world::NoLists)))
                    }
                    Output::ChildUp(_) => {
                        self.up += 1;
                        continue;
                    }
                    _ => continue,
                };
                inputs.push_back(Input::Answer(id, answer));
            }
        }
    }
}

fn spoke(number: u32) -> String {
    Ipv4Addr::from(0x0A40_0000 + number).to_string()
}

fn inner(number: u32, side: u32) -> Prefix {
    Prefix::new(Ipv4Addr::from((side << 24) + (number << 8)).into(), 24).unwrap()
}

/// One dynamic entry for all.
fn hub(way: &Way) -> Config {
    let mut config = (way.side)(HUB, "10.64.0.0");
    config.entries[0].dynamic = true;
    config.entries[0].peers.clear();
    config.entries[0].rules.clear();
    config
}

fn spokes(way: &Way, count: u32) -> Config {
    let mut config = (way.side)("10.64.0.0", HUB);
    let template = config.entries[0].clone();
    let entry = |number: u32| {
        let mut entry = Entry {
            policy: PolicyId(number),
            sequence: number,
            local: spoke(number).parse().unwrap(),
            peers: vec![Peer::Address(HUB.parse().unwrap())],
            inside: VrfId(1),
            ..template.clone()
        };
        entry.rules[0].selector = Selector::between(inner(number, 2), "10.1.0.0/16".parse().unwrap());
        entry
    };
    config.entries = (0..count).map(entry).collect();
    config
}

/// Who is at the other end, as a prefix.
fn prefix(them: &str) -> Prefix {
    if them == HUB { Prefix::host(them.parse().unwrap()) } else { "10.64.0.0/10".parse().unwrap() }
}

fn v1(us: &str, them: &str) -> Config {
    let mut config = world::side(us, them, "10.1.0.0/16", "10.2.0.0/16");
    config.proposals =
        vec![config::Proposal { group: Group::Modp2048, hash: config::Hash::Sha256, ..world::proposal() }];
    config.keyrings[0].keys[0].peer = prefix(them);
    config.profiles[0].matches = vec![config::Match::Address { prefix: prefix(them), front: VrfId(0) }];
    config
}

fn v2(us: &str, them: &str, change: impl Fn(&mut Config)) -> Config {
    let mut config = world::v2::side(us, them, "10.1.0.0/16", "10.2.0.0/16");
    let proposal = &mut config.v2.proposals[0];
    (proposal.encryption, proposal.integrity) = (vec![Encryption::AesCbc(128)], vec![Integrity::Sha256]);
    config.v2.keyrings[0].peers[0].address = Some(prefix(them));
    config.v2.profiles[0].remote = vec![Remote::Address(prefix(them))];
    change(&mut config);
    config
}

fn groups(config: &mut Config, groups: Vec<Group>) {
    config.v2.proposals[0].groups = groups;
}

/// One certificate for all: what it costs to check is the same.
fn certified(config: &mut Config) {
    config.trustpoints = vec![trustpoint("ecdsa")];
    let profile = &mut config.v2.profiles[0];
    profile.local_authentication = Authentication::EcdsaSignature;
    profile.remote_authentication = vec![Authentication::EcdsaSignature];
    profile.identity = Some(Identity::Fqdn("ecdsa.example.com".to_owned()));
    profile.remote = vec![Remote::Fqdn("ecdsa.example.com".to_owned())];
}
