//! What a million VPNv4 routes in a thousand VRFs cost: `cargo test --release -p bgp --test cost -- --ignored --nocapture`.
#![allow(clippy::unwrap_used)] // a test's own functions may panic

use std::collections::BTreeMap;
use std::fs::read_to_string;
use std::sync::Arc;

use base::{Engine, Instant, VrfId};
use bgp::config::{FamilyConfig, Neighbor, Vrf, VrfFamily};
use bgp::{AddressFamily, Bgp, Config, ConnectionId, Input, Output, PeerId, Reach};
use vrf::{Rd, RouteTarget};

const VRFS: u16 = 1000;
const ROUTES: u32 = 1000;
const AS: u16 = 65000;
const CONNECTION: ConnectionId = ConnectionId(1 << 63);

fn config() -> Config {
    let mut config = Config::new(u32::from(AS), [10, 0, 0, 1].into());
    let mut peer = Neighbor::new(u32::from(AS));
    peer.passive = true;
    peer.families.insert(AddressFamily::Vpnv4, FamilyConfig::default());
    config.neighbors.insert(peer_id(), peer);
    for number in 1..=VRFS {
        let rd = Rd::As2(AS, number.into());
        let target = vec![RouteTarget(rd)];
        let family = VrfFamily { import: target.clone(), export: target, ..VrfFamily::default() };
        let vrf = Vrf { rd: Some(rd), ipv4: Some(family), ..Vrf::default() };
        config.vrfs.insert(VrfId(number.into()), vrf);
    }
    config
}

fn peer_id() -> PeerId {
    PeerId { vrf: VrfId::GLOBAL, address: [10, 0, 0, 2].into() }
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(19 + body.len()).unwrap();
    [&[0xFF; 16], &length.to_be_bytes()[..], &[kind], body].concat()
}

fn open() -> Vec<u8> {
    let capabilities = [&[1, 4, 0, 1, 0, 128, 65, 4][..], &u32::from(AS).to_be_bytes()].concat();
    let parameter = [&[2, u8::try_from(capabilities.len()).unwrap()], &capabilities[..]].concat();
    let head = [&[4][..], &AS.to_be_bytes(), &180u16.to_be_bytes(), &[10, 0, 0, 2]].concat();
    message(1, &[&head[..], &[u8::try_from(parameter.len()).unwrap()], &parameter].concat())
}

/// One UPDATE with the routes `range` of a VRF, whose routes stand under another RD than the VRF's own.
fn update(number: u16, range: core::ops::Range<u32>) -> Vec<u8> {
    let mut routes = Vec::new();
    for route in range {
        let [_, a, b, c] = (route + (u32::from(number) << 8)).to_be_bytes();
        routes.extend([24 + 64 + 24, 0, u8::try_from(number >> 8).unwrap(), 1]);
        routes.extend([0, 0]);
        routes.extend((AS + 1).to_be_bytes());
        routes.extend(u32::from(number).to_be_bytes());
        routes.extend([10 + (a & 0x3F), b, c]);
    }
    let reach = [&[0, 1, 128, 12, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2, 0][..], &routes].concat();
    let target = [&[0, 2][..], &AS.to_be_bytes(), &u32::from(number).to_be_bytes()].concat();
    let attributes = [
        &[0x40, 1, 1, 0][..],
        &[0x40, 2, 0],
        &[0x40, 5, 4, 0, 0, 0, 100],
        &[0xC0, 16, 8],
        &target,
        &[0x90, 14],
        &u16::try_from(reach.len()).unwrap().to_be_bytes(),
        &reach,
    ]
    .concat();
    let length = u16::try_from(attributes.len()).unwrap();
    message(2, &[&[0, 0], &length.to_be_bytes()[..], &attributes].concat())
}

fn feed() -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    for number in 1..=VRFS {
        for start in (0..ROUTES).step_by(250) {
            bytes.extend(update(number, start..start + 250));
        }
    }
    bytes.chunks(65536).map(<[u8]>::to_vec).collect()
}

fn withdrawals() -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 1..=VRFS {
        let body = update(number, 0..1);
        let nlri = body.get(body.len() - 15..).unwrap();
        let attribute = [&[0x90, 15, 0, 18, 0, 1, 128][..], nlri].concat();
        let length = u16::try_from(attribute.len()).unwrap();
        bytes.extend(message(2, &[&[0, 0], &length.to_be_bytes()[..], &attribute].concat()));
    }
    bytes
}

/// Feeds one input, answers watches, and counts changes with and without a route.
fn give(bgp: &mut Bgp, input: Input, counts: &mut (usize, usize)) {
    bgp.handle(Instant::START, input);
    let mut watched = Vec::new();
    while let Some(output) = bgp.poll() {
        match output {
            Output::Watch(vrf, address) => watched.push((vrf, address)),
            Output::Routes(changes) => {
                let lost = changes.iter().filter(|change| change.route.is_none()).count();
                *counts = (counts.0 + changes.len() - lost, counts.1 + lost);
            }
            Output::Listen(_)
            | Output::Connect(..)
            | Output::Send(..)
            | Output::Close(_)
            | Output::Unwatch(..)
            | Output::Bind(_)
            | Output::Release(_)
            | Output::Guard(..)
            | Output::Notice(_) => (),
        }
    }
    for (vrf, address) in watched {
        give(
            bgp,
            Input::NextHop(vrf, address, Some(Reach { metric: 1, connected: false, labelled: true })),
            counts,
        );
    }
}

/// Of this process: CPU time in seconds, memory now and at most in MB.
fn used() -> (f64, u64, u64) {
    let stat = read_to_string("/proc/self/stat").unwrap();
    let times: Vec<f64> = stat.split(' ').skip(13).take(2).map(|ticks| ticks.parse().unwrap()).collect();
    let status = read_to_string("/proc/self/status").unwrap();
    let fields: BTreeMap<&str, &str> = status.lines().filter_map(|line| line.split_once(':')).collect();
    let memory = |name: &str| fields[name].split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024;
    (times.iter().sum::<f64>() / 100.0, memory("VmRSS"), memory("VmHWM"))
}

#[test]
#[ignore = "a measurement"]
fn a_million_vpn_routes_are_received_and_imported() {
    let (feed, gone) = (feed(), withdrawals());
    let mut counts = (0, 0);
    let mut bgp = Bgp::new(1);
    give(&mut bgp, Input::Configure(Some(Arc::new(config()))), &mut counts);
    give(&mut bgp, Input::Accepted(CONNECTION, peer_id(), [10, 0, 0, 1].into()), &mut counts);
    give(&mut bgp, Input::Bytes(CONNECTION, [open(), message(4, &[])].concat()), &mut counts);
    let (before, memory, _) = used();
    feed.into_iter().for_each(|bytes| give(&mut bgp, Input::Bytes(CONNECTION, bytes), &mut counts));
    let (after, end, peak) = used();
    let total = f64::from(VRFS) * f64::from(ROUTES);
    println!("{:.0} routes in {:.2} s CPU: {:.0} routes/s", total, after - before, total / (after - before));
    println!("memory {memory} MB before (with {} MB of input), {end} MB after, {peak} MB at most", 19);
    assert_eq!(counts, (1_000_000, 0));
    give(&mut bgp, Input::Bytes(CONNECTION, gone), &mut counts);
    assert_eq!(counts, (1_000_000, 1000));
    let before = used().0;
    give(&mut bgp, Input::Closed(CONNECTION), &mut counts);
    println!("the peer goes: {:.2} s CPU", used().0 - before);
    assert_eq!(counts, (1_000_000, 1_000_000));
}
