//! The engine with thousands of tunnels that all come up at the same moment.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_types,
    reason = "a test that measures needs a clock"
)]

mod world;

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use base::{Engine, Instant, PolicyId, Prefix, VrfId};
use crypto::dh::Group;
use ike::config::{Config, Entry, Keyring, Match, Peer, PresharedKey, Profile, Proposal};
use ike::{Answer, Ask, Command, Datagram, Ike, Input, Output};
use ipsec::{Sad, Selector};
use world::{proposal, side};

fn peer(number: u32) -> String {
    Ipv4Addr::from(0x0A40_0000 + number).to_string()
}

fn inner(number: u32, side: u32) -> Prefix {
    Prefix::new(Ipv4Addr::from((side << 24) + (number << 8)).into(), 24).unwrap()
}

/// The hub's or the spokes' half of so many tunnels, all in one front VRF.
fn config(count: u32, hub: bool) -> Config {
    let mut config = side("172.18.1.1", "172.16.1.1", "10.1.0.0/16", "10.2.0.0/16");
    config.proposals = vec![Proposal { group: Group::EcpP256, ..proposal() }];
    let (secret, template) = (config.keyrings[0].keys[0].key.clone(), config.entries[0].clone());
    config.profiles.clear();
    let all =
        |address: String| PresharedKey { peer: Prefix::host(address.parse().unwrap()), key: secret.clone() };
    config.keyrings[0].keys =
        if hub { (0..count).map(|n| all(peer(n))).collect() } else { vec![all("172.18.1.1".into())] };
    let entry = |n: u32| {
        let (here, there) = if hub { (1, 2) } else { (2, 1) };
        let (us, them) = ("172.18.1.1".to_owned(), peer(n));
        let (local, remote) = if hub { (us, them) } else { (them, us) };
        let mut entry = Entry {
            policy: PolicyId(n),
            sequence: n,
            local: local.parse().unwrap(),
            peers: vec![Peer::Address(remote.parse().unwrap())],
            inside: VrfId(0),
            profile: None,
            ..template.clone()
        };
        entry.rules[0].selector = Selector::between(inner(n, here), inner(n, there));
        entry
    };
    config.entries = (0..count).map(entry).collect();
    config
}

struct Side {
    ike: Ike,
    sad: Sad,
    up: usize,
    /// What the engine itself has needed, without the mathematics that others do for it.
    busy: Duration,
}

impl Side {
    fn new(seed: u8, config: Config) -> Self {
        let mut side = Self { ike: Ike::new([seed; 32]), sad: Sad::default(), up: 0, busy: Duration::ZERO };
        side.tell(Instant::START, Input::Command(Command::Configure(Arc::new(config))));
        side
    }

    fn tell(&mut self, now: Instant, input: Input) -> Vec<Datagram> {
        let (mut sent, mut inputs) = (Vec::new(), VecDeque::from([input]));
        while let Some(input) = inputs.pop_front() {
            let began = std::time::Instant::now();
            self.ike.handle(now, input);
            self.busy += began.elapsed();
            while let Some(output) = self.ike.poll() {
                match output {
                    Output::Transmit(datagram) => sent.push(datagram),
                    Output::Ask(_, Ask::ReleaseSpi(spi)) => self.sad.release(spi),
                    Output::Ask(id, Ask::Spi { random }) => {
                        inputs.push_back(Input::Answer(id, Answer::Spi(self.sad.reserve(random))))
                    }
                    Output::Ask(id, Ask::Compute(job)) => {
                        inputs.push_back(Input::Answer(id, Answer::Computed(job.run())))
                    }
                    Output::ChildUp(_) => self.up += 1,
                    _ => {}
                }
            }
        }
        sent
    }
}

/// Lets both sides talk until they fall silent; no message is ever late.
fn talk(sides: &mut [Side; 2], now: Instant, mut wire: VecDeque<(usize, Datagram)>) {
    while let Some((to, mut datagram)) = wire.pop_front() {
        std::mem::swap(&mut datagram.path.local, &mut datagram.path.remote);
        let answers = sides[to].tell(now, Input::Datagram(datagram));
        wire.extend(answers.into_iter().map(|answer| (1 - to, answer)));
    }
}

#[test]
fn thousands_of_tunnels_asked_for_at_once_all_come_up_and_go_without_a_trace() {
    const COUNT: u32 = 3000;
    let mut sides = [Side::new(1, config(COUNT, true)), Side::new(2, config(COUNT, false))];
    let now = Instant::from_secs(1);
    let mut wire = VecDeque::new();
    for n in 0..COUNT {
        let (local, remote) = (inner(n, 1).address(), inner(n, 2).address());
        let flow = ipsec::Flow { local, remote, protocol: 1, local_port: 0, remote_port: 0 };
        let acquire = Command::Acquire { policy: PolicyId(n), rule: 0, flow };
        wire.extend(sides[0].tell(now, Input::Command(acquire)).into_iter().map(|datagram| (1, datagram)));
    }
    talk(&mut sides, now, wire);
    assert_eq!(sides.each_ref().map(|side| side.up), [COUNT as usize; 2]);
    let deletes = sides[0].tell(now, Input::Command(Command::Clear(ike::Target::All)));
    talk(&mut sides, now, deletes.into_iter().map(|datagram| (1, datagram)).collect());
    for side in &sides {
        assert!(side.ike.sessions(now).is_empty() && side.ike.children(now).is_empty());
        assert_eq!(side.ike.deadline(), None);
    }
}

/// Every spoke of the hub has its own ring and profile, as a customer has.
fn by_customer(count: u32) -> Config {
    let mut config = config(count, true);
    let keys = std::mem::take(&mut config.keyrings[0].keys);
    let customers = keys.into_iter().enumerate().map(|(number, key)| {
        let name = format!("customer-{number}");
        let line = Match::Address { prefix: key.peer, front: VrfId(0) };
        let (keyrings, matches) = (vec![name.clone()], vec![line]);
        let profile = Profile { keyrings, matches, ..Profile::new(name.clone()) };
        (Keyring { keys: vec![key], ..Keyring::new(name, VrfId(0)) }, profile)
    });
    (config.keyrings, config.profiles) = customers.unzip();
    for (entry, profile) in config.entries.iter_mut().zip(&config.profiles) {
        entry.profile = Some(profile.name.clone());
    }
    config
}

/// What the hub needs to answer so many main modes, and to take a configuration that moves every key.
fn cost(customers: u32, sessions: u32) -> [Duration; 2] {
    let mut sides = [Side::new(1, by_customer(customers)), Side::new(2, config(customers, false))];
    let now = Instant::from_secs(1);
    sides[0].busy = Duration::ZERO;
    for n in customers - sessions..customers {
        let (local, remote) = (inner(n, 2).address(), inner(n, 1).address());
        let flow = ipsec::Flow { local, remote, protocol: 1, local_port: 0, remote_port: 0 };
        let acquire = Command::Acquire { policy: PolicyId(n), rule: 0, flow };
        let wire = sides[1].tell(now, Input::Command(acquire)).into_iter().map(|datagram| (0, datagram));
        talk(&mut sides, now, wire.collect());
    }
    let [hub, _] = &mut sides;
    let answered = std::mem::take(&mut hub.busy);
    assert_eq!(hub.up, sessions as usize);
    let mut next = by_customer(customers);
    next.keyrings.reverse();
    next.profiles.reverse();
    hub.tell(now, Input::Command(Command::Configure(Arc::new(next))));
    assert_eq!(hub.ike.sessions(now).len(), sessions as usize, "order alone changes nothing");
    [answered, hub.busy]
}

#[test]
fn a_main_mode_costs_the_same_among_ten_times_the_keyrings_and_a_configuration_ten_times_as_much() {
    // Ten times the sessions too. What scans costs a hundredfold; a busy machine gets three attempts.
    let linear = (0..3).any(|_| {
        let [few, many] = [cost(1_000, 100), cost(10_000, 1_000)];
        println!("main modes and configuration: {few:?}, then {many:?}");
        (0..2).all(|part| many[part] < few[part] * 25)
    });
    assert!(linear);
}
