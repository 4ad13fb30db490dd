//! One more tunnel costs the box the same however many there are, up to the VPN route that BGP tells of it: `pe` and
//! `dp-user` as one responder.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "it is all test code")]

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use base::{Engine as _, Instant, PolicyId, Prefix, Secret, VrfId};
use crypto::dh::Group;
use dataplane::{Dataplane as _, Link, Port};
use dp_user::nic::pair;
use ike::config::{Entry, Hash, Identity, Peer, Version, v2};
use ike::{Answer, Ask, Command, Datagram, Ike};
use ipsec::{Cipher, Flow, Integrity, Rule, Sad, Selector, Suite};
use pe::{Device, Input, Output, Pe, Service, Stream, Streamed, Trustpoints};
use sys::clock::thread_nanos;

const MANY: usize = 10_000;
/// Tunnels that a cost is the median of.
const SAMPLE: usize = 200;
const NOW: Instant = Instant::from_secs(1);
const REFLECTOR: u64 = 1 << 63;
/// Of AS 65000, for VPNv4, behind the marker.
const OPEN: &[u8] = &[0, 37, 1, 4, 0xFD, 0xE8, 0, 180, 198, 51, 100, 2, 8, 2, 6, 1, 4, 0, 1, 0, 128];
const KEEPALIVE: &[u8] = &[0, 19, 4];
const HUB: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

const TEXT: &str = "\
vrf definition red
 rd 65000:1
 address-family ipv4
  route-target both 65000:1
crypto ikev2 proposal one
 encryption aes-gcm-128
 prf sha256
 group 31
crypto ikev2 policy one
 proposal one
crypto ikev2 keyring ring
 peer any
  address 0.0.0.0 0.0.0.0
  pre-shared-key a-long-secret
crypto ikev2 profile sites
 match identity remote address 10.64.0.0 255.255.0.0
 authentication local pre-share
 authentication remote pre-share
 keyring local ring
 ivrf red
crypto ipsec transform-set gcm esp-gcm
crypto dynamic-map anybody 10
 set transform-set gcm
 set ikev2-profile sites
 reverse-route
crypto map out 10 ipsec-isakmp dynamic anybody
interface Ethernet0
 device wan0
 ip address 192.0.2.1 255.255.255.0
 crypto map out
interface Ethernet1
 device core0
 ip address 198.51.100.1 255.255.255.0
 mpls ip
router bgp 65000
 neighbor 198.51.100.2 remote-as 65000
 address-family vpnv4
  neighbor 198.51.100.2 activate
 address-family ipv4 vrf red
  redistribute static
ip route 0.0.0.0 0.0.0.0 192.0.2.254
ip route vrf red 10.0.0.0 255.0.0.0 Ethernet0 192.0.2.254
";

#[test]
fn a_tunnel_beside_ten_thousand_costs_what_one_beside_a_hundred_does() {
    let (mut hub, mut sites) = (Hub::new(), Sites::new(MANY + SAMPLE));
    let costs: Vec<u64> = (0..MANY + SAMPLE).map(|number| open(&mut hub, &mut sites, number)).collect();
    assert_eq!(sites.up, MANY + SAMPLE);
    let median = |from: usize| {
        let mut some = costs[from..from + SAMPLE].to_vec();
        some.sort_unstable();
        some[SAMPLE / 2]
    };
    assert!(hub.told >= MANY + SAMPLE, "each is a VPN route: {} UPDATEs", hub.told);
    let (few, many) = (median(100), median(MANY));
    println!("{few} ns beside a hundred, {many} ns beside {MANY}");
    assert!(many * 2 <= few * 3, "{few} ns beside a hundred, {many} ns beside {MANY}");
}

/// Brings one tunnel up; the hub's nanoseconds without public-key work.
fn open(hub: &mut Hub, sites: &mut Sites, number: usize) -> u64 {
    let before = hub.nanos;
    let (local, remote) = (inner(number).address(), inner_of_hub().address());
    let flow = Flow { local, remote, protocol: 1, local_port: 0, remote_port: 0 };
    let policy = PolicyId(u32::try_from(number).unwrap());
    let mut wire = sites.tell(ike::Input::Command(Command::Acquire { policy, rule: 0, flow }));
    while !wire.is_empty() {
        let answers: Vec<Datagram> =
            wire.into_iter().flat_map(|datagram| hub.tell(Input::Ike(turned(datagram)))).collect();
        wire = answers
            .into_iter()
            .flat_map(|datagram| sites.tell(ike::Input::Datagram(turned(datagram))))
            .collect();
    }
    hub.nanos - before
}

fn turned(mut datagram: Datagram) -> Datagram {
    std::mem::swap(&mut datagram.path.local, &mut datagram.path.remote);
    datagram
}

struct Hub {
    pe: Pe,
    plane: dp_user::Engine,
    nanos: u64,
    /// UPDATEs of BGP.
    told: usize,
}

impl Hub {
    fn new() -> Self {
        let open = |port: &Port| Ok(Box::new(pair(port.link != Link::Host, 16).0) as Box<dyn dp_user::Nic>);
        let plane = dp_user::Engine::new(Box::new(open));
        let mut hub = Self { pe: Pe::new([1; 32]), plane, nanos: 0, told: 0 };
        let config = config::parse(TEXT)
            .unwrap_or_else(|findings| panic!("{}", config::report("test", TEXT, &findings)));
        for name in ["wan0", "core0"] {
            hub.tell(Input::Device(Device { name: name.into(), mac: [2; 6], mtu: 1500, up: true }));
        }
        hub.tell(Input::Configure(Arc::new(config.config), Trustpoints::default()));
        hub.reflect();
        hub
    }

    /// A session with the route reflector.
    fn reflect(&mut self) {
        let [local, remote] = [1, 2].map(|last| [198, 51, 100, last].into());
        let accepted = Streamed::Accepted { id: REFLECTOR, vrf: VrfId::GLOBAL, remote, local };
        self.tell(Input::Stream(Service::Bgp, accepted));
        for message in [OPEN, KEEPALIVE] {
            let bytes = [&[0xFF; 16], message].concat();
            self.tell(Input::Stream(Service::Bgp, Streamed::Bytes(REFLECTOR, bytes)));
        }
    }

    fn tell(&mut self, input: Input) -> Vec<Datagram> {
        let (mut inputs, mut sent) = (vec![input], Vec::new());
        while !inputs.is_empty() {
            let began = thread_nanos();
            let (mut jobs, mut written) = (Vec::new(), None);
            for input in inputs.drain(..) {
                self.pe.handle(NOW, input);
            }
            while let Some(output) = self.pe.poll() {
                match output {
                    Output::Ike(datagram) => sent.push(datagram),
                    Output::Ask(id, Ask::Compute(job)) => jobs.push((id, job)),
                    Output::Apply(ops) => assert!(self.plane.apply(&ops).is_ok()),
                    Output::Stream(Service::Bgp, Stream::Send(REFLECTOR, bytes)) => {
                        self.told += updates(&bytes);
                        written = Some(Input::Stream(Service::Bgp, Streamed::Writable(REFLECTOR)));
                    }
                    Output::Ask(..)
                    | Output::Read(..)
                    | Output::Stream(..)
                    | Output::Host(_)
                    | Output::Configured(_)
                    | Output::Reply(..)
                    | Output::Reload(_)
                    | Output::Hello(_)
                    | Output::Bfd { .. }
                    | Output::Keep(_)
                    | Output::Notice(_) => {}
                }
            }
            self.nanos += thread_nanos() - began;
            inputs.extend(written);
            inputs.extend(
                jobs.into_iter().map(|(id, job)| Input::Answer(id, Box::new(Answer::Computed(job.run())))),
            );
        }
        sent
    }
}

fn updates(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let Some(head) = bytes.get(..19) {
        count += usize::from(head[18] == 2);
        bytes = &bytes[usize::from(u16::from_be_bytes([head[16], head[17]]))..];
    }
    count
}

/// All peers in one engine.
struct Sites {
    ike: Ike,
    sad: Sad,
    up: usize,
}

impl Sites {
    fn new(count: usize) -> Self {
        let mut sites = Self { ike: Ike::new([2; 32]), sad: Sad::default(), up: 0 };
        let config = ike::Config {
            entries: (0..count).map(entry).collect(),
            v2: version_2(),
            ..ike::Config::default()
        };
        sites.tell(ike::Input::Command(Command::Configure(Arc::new(config))));
        sites
    }

    fn tell(&mut self, input: ike::Input) -> Vec<Datagram> {
        let (mut inputs, mut sent) = (VecDeque::from([input]), Vec::new());
        while let Some(input) = inputs.pop_front() {
            self.ike.handle(NOW, input);
            while let Some(output) = self.ike.poll() {
                match output {
                    ike::Output::Transmit(datagram) => sent.push(datagram),
                    ike::Output::Ask(id, Ask::Spi { random }) => {
                        inputs.push_back(ike::Input::Answer(id, Answer::Spi(self.sad.reserve(random))));
                    }
                    ike::Output::Ask(id, Ask::Compute(job)) => {
                        inputs.push_back(ike::Input::Answer(id, Answer::Computed(job.run())));
                    }
                    ike::Output::ChildUp(_) => self.up += 1,
                    ike::Output::Ask(..)
                    | ike::Output::ChildReady(_)
                    | ike::Output::ChildReplaced { .. }
                    | ike::Output::ChildMoved(..)
                    | ike::Output::ChildDown(..)
                    | ike::Output::Notice(_) => {}
                }
            }
        }
        sent
    }
}

fn outer(number: usize) -> Ipv4Addr {
    Ipv4Addr::from(0x0A40_0000 + u32::try_from(number).unwrap())
}

fn inner(number: usize) -> Prefix {
    Prefix::new(Ipv4Addr::from(0x2000_0000 + (u32::try_from(number).unwrap() << 8)).into(), 24).unwrap()
}

fn inner_of_hub() -> Prefix {
    "172.16.0.0/16".parse().unwrap()
}

fn entry(number: usize) -> Entry {
    let selector = Selector::between(inner(number), inner_of_hub());
    let policy = PolicyId(u32::try_from(number).unwrap());
    Entry {
        version: Version::V2,
        profile: Some("hub".into()),
        peers: vec![Peer::Address(HUB.into())],
        suites: vec![Suite { cipher: Cipher::AesGcm(128), integrity: Integrity::None }],
        rules: vec![Rule { permit: true, selector }],
        ..Entry::new(policy, VrfId::GLOBAL, VrfId(1), outer(number).into())
    }
}

fn version_2() -> v2::Config {
    let key = || Some(Secret::from(b"a-long-secret".as_slice()));
    let address = Some(Prefix::host(HUB.into()));
    let peer = v2::KeyringPeer {
        name: "hub".into(),
        address,
        hostname: None,
        identity: None,
        local_key: key(),
        remote_key: key(),
        ppk: None,
    };
    let proposal = v2::Proposal {
        name: "one".into(),
        encryption: vec![v2::Encryption::AesGcm(128)],
        integrity: Vec::new(),
        prf: vec![v2::Prf::Hmac(Hash::Sha256)],
        groups: vec![Group::Curve25519],
        additional: Vec::new(),
    };
    let policy = v2::Policy {
        name: "one".into(),
        front: v2::Front::Any,
        local: Vec::new(),
        proposals: vec!["one".into()],
    };
    v2::Config {
        proposals: vec![proposal],
        policies: vec![policy],
        keyrings: vec![v2::Keyring { name: "hub".into(), peers: vec![peer] }],
        profiles: vec![profile()],
        window: 5,
        ..v2::Config::default()
    }
}

fn profile() -> v2::Profile {
    v2::Profile {
        name: "hub".into(),
        front: v2::Front::Any,
        local: Vec::new(),
        remote: vec![v2::Remote::Address(Prefix::host(HUB.into()))],
        certificate_maps: Vec::new(),
        inside: Some(VrfId(1)),
        identity: Some(Identity::Address),
        local_authentication: v2::Authentication::PreShared(None),
        remote_authentication: vec![v2::Authentication::PreShared(None)],
        keyring: Some("hub".into()),
        sign: Vec::new(),
        verify: Vec::new(),
        lifetime: Duration::from_secs(86_400),
        reauthentication: false,
        dpd: None,
        nat_keepalive: None,
        force_initial_contact: false,
        mobike: true,
        childless: false,
    }
}
