//! What one more tunnel costs, from the child that came up to the UPDATE that tells of it, without IKE's own work.

use std::net::Ipv4Addr;

use base::{Prefix, Secret, Spi};
use ike::{Child, ChildId, DownReason, SessionId};
use ipsec::{Cipher, Encap, Integrity, Keys, Lifetime, Mode, Replay, Selector, Suite};

use super::*;
use crate::{Device, Service, Stream, Streamed};

const NOW: Instant = Instant::from_secs(1);
const REFLECTOR: u64 = 1 << 63;

const TEXT: &str = "\
ip vrf red
 rd 65000:1
 route-target both 65000:1
crypto keyring ring
 pre-shared-key address 0.0.0.0 0.0.0.0 key a-long-secret
crypto isakmp profile sites
 vrf red
 keyring ring
 match identity address 0.0.0.0
crypto ipsec transform-set gcm esp-gcm
crypto dynamic-map anybody 10
 set transform-set gcm
 set isakmp-profile sites
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
";

/// Of AS 65000, for VPNv4.
const OPEN: &[u8] = &[0, 37, 1, 4, 0xFD, 0xE8, 0, 180, 198, 51, 100, 2, 8, 2, 6, 1, 4, 0, 1, 0, 128];
const KEEPALIVE: &[u8] = &[0, 19, 4];

/// A box whose session with a reflector is up.
fn hub() -> Pe {
    let mut pe = Pe::new([1; 32]);
    for name in ["wan0", "core0"] {
        pe.handle(NOW, Input::Device(Device { name: name.into(), mac: [2; 6], mtu: 1500, up: true }));
    }
    let config =
        config::parse(TEXT).unwrap_or_else(|found| panic!("{}", config::report("test", TEXT, &found)));
    pe.handle(NOW, Input::Configure(Arc::new(config.config), Trustpoints::default()));
    let [local, remote] = [1, 2].map(|last| [198, 51, 100, last].into());
    let accepted = Streamed::Accepted { id: REFLECTOR, vrf: VrfId::GLOBAL, remote, local };
    pe.handle(NOW, Input::Stream(Service::Bgp, accepted));
    for message in [OPEN, KEEPALIVE] {
        let bytes = [&[0xFF; 16], message].concat();
        pe.handle(NOW, Input::Stream(Service::Bgp, Streamed::Bytes(REFLECTOR, bytes)));
        sent(&mut pe);
    }
    pe
}

/// The bytes that BGP sends, until it has nothing more to send.
fn sent(pe: &mut Pe) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(output) = pe.poll() {
        if let Output::Stream(Service::Bgp, Stream::Send(id, bytes)) = output {
            all.extend(bytes);
            pe.handle(NOW, Input::Stream(Service::Bgp, Streamed::Writable(id)));
        }
    }
    all
}

fn network(number: u32) -> Prefix {
    Prefix::new(Ipv4Addr::from(0x3500_0000 + (number << 8)).into(), 24).unwrap()
}

fn child(pe: &Pe, number: u32) -> Box<Child> {
    let keys = || Keys { cipher: Secret::from(vec![1; 20]), integrity: Secret::default() };
    Box::new(Child {
        id: ChildId(number),
        session: SessionId(number),
        policy: *pe.tables.dynamic.first().unwrap(),
        front: VrfId::GLOBAL,
        inside: pe.ids.known_vrf(Some("red")).unwrap(),
        local: [192, 0, 2, 1].into(),
        remote: Ipv4Addr::from(0x0A40_0000 + number).into(),
        encap: Encap::Esp,
        suite: Suite { cipher: Cipher::AesGcm(128), integrity: Integrity::None },
        mode: Mode::Tunnel,
        spi_in: Spi(0x1000 + number),
        spi_out: Spi(0x1000 + number),
        keys_in: keys(),
        keys_out: keys(),
        selector: Selector::between("172.16.0.0/16".parse().unwrap(), network(number)),
        lifetime: Lifetime::DEFAULT,
        replay: Replay::DEFAULT,
        initiator: false,
    })
}

/// Whether the bytes name the network.
fn names(bytes: &[u8], number: u32) -> bool {
    let octets = (0x35_0000 + number).to_be_bytes();
    bytes.windows(3).any(|some| some == &octets[1..])
}

fn up(pe: &mut Pe, number: u32) -> Vec<u8> {
    let child = child(pe, number);
    pe.child_up(NOW, None, child);
    sent(pe)
}

fn down(pe: &mut Pe, number: u32) -> Vec<u8> {
    pe.child_down(NOW, ChildId(number), DownReason::Cleared);
    sent(pe)
}

#[test]
fn a_tunnel_is_told_of_at_once_and_taken_back_at_once() {
    let mut pe = hub();
    assert!(names(&up(&mut pe, 1), 1));
    let others = up(&mut pe, 2);
    assert!(names(&others, 2) && !names(&others, 1), "what stands is not told again");
    assert!(names(&down(&mut pe, 1), 1));
    assert!(!names(&down(&mut pe, 1), 1));
}

/// `cargo test --release -p pe --lib beside -- --ignored --nocapture`.
#[test]
#[ignore = "measures"]
#[expect(clippy::disallowed_types, reason = "what is measured is time")]
fn one_more_tunnel_beside_one_a_hundred_and_ten_thousand() {
    let mut pe = hub();
    let mut next = 0;
    for count in [1, 100, 10_000] {
        let before = crate::routing::tests::resident();
        let filled = count - next;
        (next..count).for_each(|number| drop(up(&mut pe, number)));
        let memory = crate::routing::tests::resident().saturating_sub(before) / filled as usize;
        let mut costs: Vec<_> = (0..101)
            .map(|_| {
                let start = std::time::Instant::now();
                assert!(names(&up(&mut pe, count), count));
                let risen = start.elapsed();
                let start = std::time::Instant::now();
                assert!(names(&down(&mut pe, count), count));
                (risen, start.elapsed())
            })
            .collect();
        costs.sort_unstable();
        println!("beside {count}: up {:?}, down {:?}; {memory} bytes a tunnel", costs[50].0, costs[50].1);
        next = count;
    }
}
