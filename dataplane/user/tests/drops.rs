//! Every reason to die, provoked: each by its name, and nothing leaves the box.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bed;

use bed::*;
use dataplane::{Dataplane, Encapsulation, Event, Hop, Key, Link, Object, Op, Route, Tunnel};
use dp_user::Drop;
use ipsec::{Direction, Encap, Sa};

/// What is sent, in a bed with two tunnels, and the name it dies of.
type Case = (&'static str, fn(&mut Bed));

fn inbound() -> Sa {
    sa(1, Direction::In, WAN, RED, "198.51.100.1", GCM)
}

fn sealed() -> Vec<u8> {
    Sender::to(&inbound()).seal(&from_site().long(100))
}

fn from_core(bed: &mut Bed, packet: &[u8]) {
    bed.send(CORE, &under(&[RED_LABEL], 64, packet));
}

fn null_route(bed: &mut Bed) {
    let prefix = "10.2.0.0/16".parse().unwrap();
    bed.apply(vec![Object::Route(Route { vrf: RED, prefix, hop: Hop::Drop })]);
    from_core(bed, &to_site().long(100));
}

/// A packet that no error is told about: an error itself.
fn untold(ttl: u8, src: &str, dst: &str) -> Vec<u8> {
    Build { ttl, protocol: 1, ..Build::between(ip(src), ip(dst)) }.with(&[11, 0, 0, 0, 0, 0, 0, 0])
}

fn no_route(bed: &mut Bed) {
    from_core(bed, &untold(64, "10.1.0.7", "10.77.0.1"));
}

fn clear_but_protected(bed: &mut Bed) {
    let mut entry = policy(3, WAN, FRONT);
    entry.bundles.clear();
    bed.apply(vec![Object::Policy(entry)]);
    bed.send(WAN, &from_site().long(100));
}

fn loop_between_vrfs(bed: &mut Bed) {
    // ESP in ESP in ESP…: each layer opened here leads to the next.
    let all = |prefix: &str| ipsec::Selector::between(prefix.parse().unwrap(), prefix.parse().unwrap());
    let sas: Vec<Sa> = (10..40)
        .map(|n| Sa {
            inside: FRONT,
            selector: all("0.0.0.0/0"),
            ..sa(n, Direction::In, WAN, FRONT, "198.51.100.9", GCM)
        })
        .collect();
    bed.apply(sas.iter().cloned().map(Object::Sa).collect());
    let mut packet = from_site().long(60);
    for sa in &sas {
        packet = Sender::to(sa).seal(&packet);
    }
    bed.send(WAN, &packet);
}

fn no_host(bed: &mut Bed) {
    bed.apply(vec![Object::Sa(Sa { inside: BLUE, selector: wide(), ..inbound() })]);
    bed.send(WAN, &Sender::to(&inbound()).seal(&Build::between(ip("10.2.0.9"), ip("10.5.0.1")).long(100)));
}

fn wide() -> ipsec::Selector {
    ipsec::Selector::between("0.0.0.0/0".parse().unwrap(), "0.0.0.0/0".parse().unwrap())
}

fn multicast(bed: &mut Bed) {
    bed.apply(vec![Object::Sa(Sa { selector: wide(), ..inbound() })]);
    bed.send(WAN, &Sender::to(&inbound()).seal(&Build::between(ip("10.2.0.9"), ip("224.0.0.5")).long(100)));
}

fn no_neighbour(bed: &mut Bed) {
    bed.engine.apply(&[Op::Unset(Key::Neighbour(LAN, ip("10.5.0.2")))]).unwrap();
    for _ in 0..17 {
        bed.send(CORE, &under(&[BLUE_LABEL], 64, &Build::between(ip("10.1.0.7"), ip("10.5.0.2")).long(100)));
    }
}

fn neighbour_timeout(bed: &mut Bed) {
    bed.send(CORE, &under(&[BLUE_LABEL], 64, &Build::between(ip("10.1.0.7"), ip("10.5.0.77")).long(100)));
    bed.wait(std::time::Duration::from_secs(4));
}

fn no_sa_yet(bed: &mut Bed) {
    let mut entry = policy(1, WAN, RED);
    entry.bundles.clear();
    bed.apply(vec![Object::Policy(entry)]);
    from_core(bed, &to_site().long(100));
}

fn too_old(bed: &mut Bed) {
    let mut sender = Sender::to(&inbound());
    let first = sender.seal(&from_site().long(100));
    (0..63).for_each(|_| drop(sender.seal(&from_site().long(100))));
    let last = sender.seal(&from_site().long(100));
    bed.send(WAN, &last);
    assert_eq!(bed.frames(CORE).len(), 1);
    bed.send(WAN, &first);
}

fn replayed(bed: &mut Bed) {
    let packet = sealed();
    bed.send(WAN, &packet);
    assert_eq!(bed.frames(CORE).len(), 1);
    bed.send(WAN, &packet);
}

fn exhausted(bed: &mut Bed) {
    let keys = ipsec::Keys { cipher: base::Secret::from(vec![5; 20]), integrity: base::Secret::default() };
    let brief = Sa { kilobytes: Some(1), keys, ..sa(1, Direction::Out, WAN, RED, "198.51.100.1", GCM) };
    bed.apply(vec![Object::Sa(brief)]);
    from_core(bed, &to_site().long(1000));
    assert_eq!(bed.frames(WAN).len(), 1);
    assert_eq!(bed.events(), [Event::Expiring(base::SaId(3))]);
    from_core(bed, &to_site().long(1000));
    assert_eq!(bed.events(), [Event::Expired(base::SaId(3))]);
}

fn wrong_encap(bed: &mut Bed) {
    let udp = Sa { encap: Encap::Udp { local: 4500, remote: 4500 }, ..inbound() };
    bed.send(WAN, &Sender::to(&udp).seal(&from_site().long(100)));
}

/// Authentic, with padding 9, 9, 9 in place of 1, 2, 3: sealed as integrity alone, padded by hand.
fn bad_padding(bed: &mut Bed) {
    let suite = ipsec::Suite { cipher: ipsec::Cipher::Null, integrity: ipsec::Integrity::Sha1 };
    let ours = sa(9, Direction::In, WAN, RED, "198.51.100.1", suite);
    bed.apply(vec![Object::Sa(ours.clone())]);
    let mut esp = [&ours.spi.0.to_be_bytes()[..], &[0, 0, 0, 1]].concat();
    esp.extend(from_site().long(99));
    esp.extend([9, 9, 9, 3, 4]);
    let mut mac = [0; 12];
    crypto::mac::Mac::new(crypto::prf::Hash::Sha1, ours.keys.integrity.expose()).tag(&esp, &[], &mut mac);
    esp.extend(mac);
    bed.send(WAN, &Sender::to(&ours).outer(50, &esp));
}

fn flip(at: usize) -> Vec<u8> {
    let mut packet = sealed();
    packet[at] ^= 1;
    packet
}

fn fragments(bed: &mut Bed, second_offset: usize) {
    let outer = sealed();
    let piece = |part: &[u8], offset: usize, more: bool| {
        let mut bytes = Sender::to(&inbound()).outer(50, part);
        wire::ipv4::PacketMut::new_checked(&mut bytes).unwrap().set_fragment(offset, more);
        bytes
    };
    bed.send(WAN, &piece(&outer[20..84], 0, true));
    bed.send(WAN, &piece(&outer[84..], second_offset, false));
}

/// A packet with a loose source route behind a no-operation.
fn source_routed(dst: &str) -> Vec<u8> {
    let options = [1, 131, 7, 4, 10, 2, 0, 9];
    let mut bytes = Build::between(ip("10.1.0.7"), ip(dst)).with(&[&options[..], &[7; 60]].concat());
    (bytes[0], bytes[10], bytes[11]) = (0x47, 0, 0);
    let sum = wire::checksum::internet(&bytes[..28]);
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    bytes
}

const CASES: &[Case] = &[
    ("unfit", |bed| {
        bed.put(WAN, &framed(OUR_MAC, &[0; dp_user::LONGEST]));
        bed.run();
    }),
    ("malformed", |bed| bed.send(WAN, &[0x45; 19])),
    ("checksum", |bed| {
        let mut packet = from_site().long(100);
        packet[10] ^= 0x55;
        bed.send(WAN, &packet);
    }),
    ("source-routed", |bed| from_core(bed, &source_routed("10.2.0.9"))),
    ("not-ours", |bed| {
        bed.put(WAN, &framed([2, 0, 0, 0, 0, 77], &sealed()));
        bed.run();
    }),
    ("multicast", multicast),
    ("martian", |bed| bed.send(WAN, &Build::between(ip("127.0.0.1"), ip("10.1.0.7")).long(100))),
    ("unknown-vrf", |bed| {
        let action = dataplane::LabelAction::PopTo(base::VrfId(99));
        bed.apply(vec![Object::Label { label: label(3099), action }]);
        bed.send(CORE, &under(&[3099], 64, &to_site().long(100)));
    }),
    ("unknown-port", |bed| {
        bed.apply(vec![route(RED, "10.88.0.0/16", base::PortId(88), "", &[])]);
        from_core(bed, &untold(64, "10.1.0.7", "10.88.0.1"));
    }),
    ("no-route", no_route),
    ("discarded", null_route),
    ("ttl-expired", |bed| from_core(bed, &untold(1, "10.1.0.7", "10.2.0.9"))),
    ("looping", loop_between_vrfs),
    ("too-big", |bed| {
        from_core(bed, &Build { df: true, src: ip("10.1.0.7"), protocol: 1, ..to_site() }.with(&[3; 1470]))
    }),
    ("no-neighbour", no_neighbour),
    ("neighbour-timeout", neighbour_timeout),
    ("no-host", no_host),
    ("mpls-disabled", |bed| bed.send(LAN, &under(&[RED_LABEL], 64, &to_site().long(100)))),
    ("no-label", |bed| bed.send(CORE, &under(&[9999], 64, &to_site().long(100)))),
    ("label-stack", |bed| bed.send(CORE, &under(&[RED_LABEL, 5000], 64, &to_site().long(100)))),
    ("clear-but-protected", clear_but_protected),
    ("outside-policy", |bed| from_core(bed, &Build::between(ip("10.66.0.1"), ip("10.2.0.9")).long(100))),
    ("no-sa-yet", no_sa_yet),
    ("no-sa", |bed| bed.send(OTHER_WAN, &sealed())),
    ("wrong-encap", wrong_encap),
    ("esp-malformed", |bed| {
        let packet = Sender::to(&inbound())
            .outer(50, &[&inbound_spi(1).0.to_be_bytes()[..], &[0, 0, 0, 1, 2, 3]].concat());
        bed.send(WAN, &packet);
    }),
    ("bad-icv", |bed| bed.send(WAN, &flip(60))),
    ("replayed", replayed),
    ("too-old", too_old),
    ("bad-padding", bad_padding),
    ("exhausted", exhausted),
    ("dummy", |bed| {
        let dummy = Sender::to(&inbound()).seal_as(&[0; 40], 59);
        bed.send(WAN, &dummy);
    }),
    ("inner-malformed", |bed| {
        let lying = Sender::to(&inbound()).seal_as(&from_site().long(100), 41);
        bed.send(WAN, &lying);
    }),
    ("outside-selector", |bed| {
        let stray = Sender::to(&inbound()).seal(&Build::between(ip("10.3.0.9"), ip("10.1.0.7")).long(100));
        bed.send(WAN, &stray);
    }),
    ("not-transport", |bed| {
        let out = sa(1, Direction::Out, WAN, RED, "198.51.100.1", GCM);
        bed.apply(vec![Object::Sa(Sa { mode: ipsec::Mode::Transport, ..out })]);
        from_core(bed, &to_site().long(100));
    }),
    ("unknown-vlan", |bed| {
        let frame = framed(OUR_MAC, &to_site().long(100));
        bed.put(CORE, &[&frame[..12], &[0x81, 0, 0, 100], &frame[12..]].concat());
        bed.run();
    }),
    ("no-tunnel", |bed| gre(bed, 7, &[0x20, 0, 8, 0, 0, 0, 0, 8])),
    ("gre-flags", |bed| gre(bed, 7, &[0x20, 1, 8, 0, 0, 0, 0, 7])),
    ("gre-malformed", |bed| gre(bed, 7, &[0x20, 0, 8, 0, 0, 0, 0])),
    ("gre-protocol", |bed| gre(bed, 7, &[0x20, 0, 0, 0, 0, 0, 0, 7])),
    ("mpls-udp-malformed", |bed| {
        labels_in_udp(bed);
        bed.send(
            WAN,
            &Build { protocol: 17, ..Build::between(ip(FAR_END), ip(OUR_END)) }.with(&[0xC0, 0, 0x19, 0xEB]),
        );
    }),
    ("unlabelled", |bed| {
        labels_in_udp(bed);
        from_core(bed, &Build::between(ip("10.1.0.7"), ip("10.8.0.9")).long(100));
    }),
    ("congestion-lost", |bed| {
        let mut sender = Sender::to(&inbound());
        sender.tos = 3;
        bed.send(WAN, &sender.seal(&from_site().long(100)));
    }),
    ("fragment-overlap", |bed| fragments(bed, 56)),
    ("fragment-timeout", |bed| {
        fragments(bed, 72);
        bed.wait(std::time::Duration::from_secs(31));
    }),
];

const OUR_END: &str = "172.18.1.1";
const FAR_END: &str = "198.51.100.9";

/// A tunnel of RED that a network is routed into without a label.
fn labels_in_udp(bed: &mut Bed) {
    let (local, remote, encapsulation) = (ip(OUR_END), ip(FAR_END), Encapsulation::MplsUdp);
    let link = Link::Tunnel(Tunnel { front: FRONT, local, remote, encapsulation });
    let tunnel = base::PortId(9);
    let port = dataplane::Port { link, mpls: true, ..port(tunnel, RED, &[]) };
    bed.apply(vec![Object::Port(port), route(RED, "10.8.0.0/16", tunnel, "", &[])]);
}

/// A packet of these bytes to a tunnel of RED with this key.
fn gre(bed: &mut Bed, key: u32, bytes: &[u8]) {
    let (local, remote) = (ip(OUR_END), ip(FAR_END));
    let encapsulation = Encapsulation::Gre(Some(key));
    let link = Link::Tunnel(Tunnel { front: FRONT, local, remote, encapsulation });
    bed.apply(vec![Object::Port(dataplane::Port { link, ..port(base::PortId(9), RED, &[]) })]);
    bed.send(WAN, &Build { protocol: 47, ..Build::between(remote, local) }.with(bytes));
}

#[test]
fn each_drop_is_provoked_counted_once_and_lets_nothing_out() {
    for (name, provoke) in CASES {
        println!("{name}");
        let mut bed = Bed::with_tunnels();
        provoke(&mut bed);
        for port in [WAN, CORE, HOST, LAN] {
            // The packets waiting for a neighbour are not sent; ICMP has no way back in these cases.
            assert!(bed.frames(port).is_empty(), "{name}");
        }
        assert_eq!(bed.drops(), std::collections::BTreeMap::from([(*name, 1)]), "{name}");
    }
}

/// The rest needs more packets than fit a table: see `sizes.rs`.
#[test]
fn no_drop_is_without_a_test() {
    let elsewhere = ["fragment-limit"];
    for drop in Drop::ALL {
        let tested = CASES.iter().any(|(name, _)| *name == drop.name()) || elsewhere.contains(&drop.name());
        assert!(tested, "{}", drop.name());
    }
}

#[test]
fn what_waits_for_a_station_of_a_port_that_goes_is_never_sent() {
    let mut bed = Bed::with_tunnels();
    bed.engine.apply(&[Op::Unset(Key::Neighbour(LAN, ip("10.5.0.2")))]).unwrap();
    bed.send(CORE, &under(&[BLUE_LABEL], 64, &Build::between(ip("10.1.0.7"), ip("10.5.0.2")).long(100)));
    bed.engine.apply(&[Op::Unset(Key::Port(LAN))]).unwrap();
    // The port comes back in another VRF, with the same station on it.
    bed.apply(vec![Object::Port(port(LAN, RED, &[("10.5.0.1", 24)])), neighbour(LAN, "10.5.0.2")]);
    bed.wait(std::time::Duration::from_secs(4));
    bed.died_of("neighbour-timeout");
}

#[test]
fn padding_for_traffic_flow_confidentiality_is_cut_off() {
    let mut bed = Bed::with_tunnels();
    let inner = from_site().long(100);
    let padded = [&inner[..], &[0xEE; 300]].concat();
    bed.send(WAN, &Sender::to(&inbound()).seal(&padded));
    assert_eq!(stack(&bed.only(CORE)).1, aged(&inner, 1));
}

#[test]
fn the_end_of_an_sa_is_announced_once() {
    let mut bed = Bed::with_tunnels();
    exhausted(&mut bed);
    from_core(&mut bed, &to_site().long(1000));
    assert!(bed.events().is_empty());
    assert_eq!(bed.drops()["exhausted"], 2);
}

#[test]
fn no_packet_makes_the_graph_panic() {
    let mut bed = Bed::with_tunnels();
    let seeds = [
        (WAN, sealed()),
        (CORE, under(&[RED_LABEL], 64, &to_site().long(100))),
        (LAN, to_site().long(60)),
        (HOST, to_site().long(60)),
    ];
    gre(&mut bed, 7, &[]);
    for (port, seed) in &seeds {
        for cut in 0..=seed.len().min(90) {
            for at in (0..cut).step_by(3) {
                for value in [0, 1, 0x4F, 0xFF] {
                    let mut bytes = seed[..cut].to_vec();
                    bytes[at] = value;
                    bed.send(*port, &bytes);
                }
            }
        }
        for port in [WAN, CORE, LAN, HOST] {
            bed.frames(port);
        }
    }
    assert!(bed.drops().values().sum::<u64>() > 1000);
}
