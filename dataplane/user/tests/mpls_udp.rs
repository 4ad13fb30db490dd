//! Labels in UDP (RFC 7510): the second kind of tunnel without protection.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bed;

use std::collections::BTreeSet;

use base::{PortId, VrfId};
use bed::*;
use dataplane::{Dataplane, Encapsulation, Hop, Key, LabelAction, Link, Object, Op, Port, Tunnel};
use wire::ip::Packet;
use wire::udp;

const TUNNEL: PortId = PortId(21);
const OTHER_TUNNEL: PortId = PortId(22);
const FAR_LABEL: u32 = 5001;

fn four(front: VrfId) -> Tunnel {
    let (local, remote) = (ip("172.18.1.1"), ip("198.51.100.9"));
    Tunnel { front, local, remote, encapsulation: Encapsulation::MplsUdp }
}

fn six(front: VrfId) -> Tunnel {
    Tunnel { local: ip("2001:db8:18::1"), remote: ip("2001:db8:51::9"), ..four(front) }
}

/// No address is needed on it.
fn tunnel_port(id: PortId, vrf: VrfId, tunnel: Tunnel) -> Port {
    let mtu = if tunnel.local.is_ipv4() { 1472 } else { 1452 };
    Port { link: Link::Tunnel(tunnel), mtu, mpls: true, ..port(id, vrf, &[]) }
}

/// A tunnel of the global table through the front VRF; RED's far network is behind it under a label, another without.
fn tunnelled(tunnel: Tunnel) -> Bed {
    let mut bed = Bed::with_tunnels();
    bed.apply(vec![
        Object::Port(tunnel_port(TUNNEL, VrfId::GLOBAL, tunnel)),
        route(RED, "10.8.0.0/16", TUNNEL, "10.255.0.2", &[FAR_LABEL]),
        route(RED, "2001:db8:8::/48", TUNNEL, "10.255.0.2", &[FAR_LABEL]),
        route(RED, "10.9.0.0/16", TUNNEL, "", &[]),
    ]);
    bed
}

/// Any datagram from the tunnel's far end, with a checksum.
fn datagram(tunnel: Tunnel, payload: &[u8]) -> Vec<u8> {
    let mut bytes = [&[0; 8], payload].concat();
    udp::emit(&mut bytes, 50_000, 6635, payload.len()).unwrap();
    udp::fill_checksum(&mut bytes, tunnel.remote, tunnel.local).unwrap();
    from_far(tunnel, &bytes)
}

fn from_far(tunnel: Tunnel, bytes: &[u8]) -> Vec<u8> {
    Build { protocol: 17, ..Build::between(tunnel.remote, tunnel.local) }.with(bytes)
}

/// The only packet that left by the front VRF: its source port and what is inside.
fn left(bed: &mut Bed, wan: PortId, tunnel: Tunnel) -> (u16, Vec<u8>) {
    let bytes = bed.only(wan);
    let outer = Packet::new_checked(&bytes).unwrap();
    assert_eq!((outer.src, outer.dst), (tunnel.local, tunnel.remote));
    assert_eq!((outer.protocol, outer.ttl), (17, 255));
    let datagram = udp::Packet::new_checked(outer.payload()).unwrap();
    assert_eq!(datagram.dst_port(), 6635);
    assert_eq!(datagram.checksum() == 0, tunnel.local.is_ipv4(), "RFC 7510 section 3.1");
    assert!(datagram.is_intact(outer.src, outer.dst));
    assert_eq!(datagram.payload().len() + 8, outer.payload().len());
    (datagram.src_port(), datagram.payload().to_vec())
}

#[test]
fn labels_leave_in_udp_in_the_front_vrf() {
    let v4 = Build { tos: 0xB8 | 2, ..Build::between(ip("10.1.0.7"), ip("10.8.0.9")) }.long(100);
    let v6 = Build::between(ip("2001:db8:1::7"), ip("2001:db8:8::9")).long(100);
    for tunnel in [four(FRONT), six(FRONT)] {
        let mut bed = tunnelled(tunnel);
        for (packet, entry) in [(&v4, [0x01, 0x38, 0x9B, 63]), (&v6, [0x01, 0x38, 0x91, 63])] {
            bed.send(CORE, &under(&[RED_LABEL], 64, packet));
            let (port, inner) = left(&mut bed, WAN, tunnel);
            assert!(port >= 49_152);
            assert_eq!(inner, [&entry[..], &aged(packet, 1)].concat());
        }
        let counted = bed.engine.counters().ports[&TUNNEL];
        assert_eq!((counted.packets_out, counted.bytes_out, counted.packets_in), (2, 208, 0));
        assert!(bed.drops().is_empty());
    }
}

/// As tshark reads it: IPv4 (DSCP CS5), UDP to 6635 without checksum, label 5001 with class 5 at the bottom.
#[test]
fn the_outer_packet_is_this_byte_for_byte() {
    let mut bed = tunnelled(four(FRONT));
    let packet = Build { tos: 0xB8, ..Build::between(ip("10.1.0.7"), ip("10.8.0.9")) }.long(100);
    bed.send(CORE, &under(&[RED_LABEL], 64, &packet));
    let bytes = bed.only(WAN);
    assert_eq!(bytes[..4], [0x45, 0xA0, 0, 132]);
    assert_eq!(bytes[6..10], [0, 0, 255, 17], "no DF, whole");
    assert_eq!(bytes[12..20], [172, 18, 1, 1, 198, 51, 100, 9]);
    assert_eq!(bytes[22..32], [0x19, 0xEB, 0, 112, 0, 0, 0x01, 0x38, 0x9B, 63]);
    assert_eq!(bytes[32..], aged(&packet, 1));
}

#[test]
fn what_comes_out_of_udp_goes_where_its_label_says() {
    let v4 = Build::between(ip("10.8.0.9"), ip("10.1.0.7")).long(100);
    let v6 = Build::between(ip("2001:db8:8::9"), ip("2001:db8:1::7")).long(100);
    for tunnel in [four(FRONT), six(FRONT)] {
        let mut bed = tunnelled(tunnel);
        for (label_in, vpn, packet) in
            [(RED_LABEL, 2001, &v4), (RED_LABEL, 2001, &v6), (BLUE_LABEL, 2002, &v4)]
        {
            bed.send(WAN, &datagram(tunnel, &under(&[label_in], 64, packet)));
            let out = bed.only(CORE);
            let (labels, inner) = stack(&out);
            assert_eq!((labels[0].label, inner), (label(vpn), &aged(packet, 1)[..]));
        }
        assert_eq!(bed.engine.counters().ports[&TUNNEL].packets_in, 3);
        assert!(bed.drops().is_empty());
    }
}

#[test]
fn a_flow_has_one_source_port_and_flows_have_many() {
    let mut bed = tunnelled(four(FRONT));
    let mut port = |from: u16, length: usize| {
        let payload = [&from.to_be_bytes()[..], &[0, 80], &vec![7; length]].concat();
        let packet = Build { protocol: 17, ..Build::between(ip("10.1.0.7"), ip("10.8.0.9")) }.with(&payload);
        bed.send(CORE, &under(&[RED_LABEL], 64, &packet));
        left(&mut bed, WAN, four(FRONT)).0
    };
    let ports: BTreeSet<_> = (1000..1100).map(|from| port(from, 60)).collect();
    assert!(ports.len() > 90 && ports.iter().all(|port| *port >= 49_152), "{ports:?}");
    assert_eq!(port(1000, 60), port(1000, 900));
}

#[test]
fn the_pieces_of_one_packet_have_one_source_port() {
    let mut bed = tunnelled(four(FRONT));
    let packet = Build { protocol: 17, ..Build::between(ip("10.1.0.7"), ip("10.8.0.9")) }.with(&[9; 1480]);
    bed.send(CORE, &under(&[RED_LABEL], 64, &packet));
    let pieces = bed.packets(WAN);
    let port = |piece: &Vec<u8>| [piece[20], piece[21]];
    assert_eq!(pieces.len(), 2);
    assert_eq!(port(&pieces[0]), port(&pieces[1]));
}

#[test]
fn a_packet_without_label_dies_by_name() {
    let mut bed = tunnelled(four(FRONT));
    bed.send(CORE, &under(&[RED_LABEL], 64, &Build::between(ip("10.1.0.7"), ip("10.9.0.9")).long(100)));
    bed.died_of("unlabelled");
    // A popped one, too.
    let mut bed = tunnelled(four(FRONT));
    let hop = Hop::Out { port: TUNNEL, gateway: Some(ip("10.255.0.2")), push: labels(&[]) };
    let action = LabelAction::Swap(base::Label::IMPLICIT_NULL, hop);
    bed.apply(vec![Object::Label { label: label(6000), action }]);
    bed.send(CORE, &under(&[6000], 64, &to_site().long(100)));
    bed.died_of("unlabelled");
}

#[test]
fn a_label_may_be_swapped_into_udp() {
    let mut bed = tunnelled(four(FRONT));
    let hop = Hop::Out { port: TUNNEL, gateway: Some(ip("10.255.0.2")), push: labels(&[]) };
    let action = LabelAction::Swap(label(6001), hop);
    bed.apply(vec![Object::Label { label: label(6000), action }]);
    bed.send(CORE, &under(&[6000, 42], 64, &to_site().long(100)));
    let (_, inner) = left(&mut bed, WAN, four(FRONT));
    let entries = stack(&inner).0;
    assert_eq!(entries.iter().map(|entry| entry.label).collect::<Vec<_>>(), [label(6001), label(42)]);
}

#[test]
fn from_elsewhere_it_is_a_datagram_like_any_other() {
    let tunnel = four(FRONT);
    let labelled = under(&[RED_LABEL], 64, &Build::between(ip("10.8.0.9"), ip("10.1.0.7")).long(100));
    let stranger = datagram(Tunnel { remote: ip("198.51.100.8"), ..tunnel }, &labelled);
    let mut other_port = datagram(tunnel, &labelled);
    other_port[22..24].copy_from_slice(&6636u16.to_be_bytes());
    for (wan, packet) in [(WAN, stranger), (WAN, other_port), (OTHER_WAN, datagram(tunnel, &labelled))] {
        let mut bed = tunnelled(tunnel);
        bed.send(wan, &packet);
        // The kernel has it from the wire.
        assert!(bed.drops().is_empty() && bed.frames(CORE).is_empty());
        assert_eq!(bed.engine.counters().ports[&TUNNEL].packets_in, 0);
    }
    let mut bed = tunnelled(tunnel);
    bed.engine.apply(&[Op::Unset(Key::Port(TUNNEL))]).unwrap();
    bed.send(WAN, &datagram(tunnel, &labelled));
    assert!(bed.drops().is_empty() && bed.frames(CORE).is_empty());
}

#[test]
fn equal_tunnels_of_two_front_vrfs_are_two() {
    let (one, other) = (four(FRONT), four(OTHER_FRONT));
    let mut bed = tunnelled(one);
    bed.apply(vec![
        Object::Port(Port { mpls: false, ..tunnel_port(OTHER_TUNNEL, BLUE, other) }),
        route(BLUE, "10.8.0.0/16", OTHER_TUNNEL, "10.255.0.2", &[FAR_LABEL]),
    ]);
    let labelled = under(&[BLUE_LABEL], 64, &Build::between(ip("10.8.0.9"), ip("10.1.0.7")).long(100));
    bed.send(WAN, &datagram(one, &labelled));
    assert_eq!(stack(&bed.only(CORE)).0[0].label, label(2002));
    let back = Build::between(ip("10.1.0.7"), ip("10.8.0.9")).long(100);
    for (wan, tunnel, ours) in [(WAN, one, RED_LABEL), (OTHER_WAN, other, BLUE_LABEL)] {
        bed.send(CORE, &under(&[ours], 64, &back));
        left(&mut bed, wan, tunnel);
    }
    assert!(bed.drops().is_empty());
    // The other one takes no labels.
    bed.send(OTHER_WAN, &datagram(other, &labelled));
    bed.died_of("mpls-disabled");
}

#[test]
fn each_fault_has_its_name() {
    let inner = Build::between(ip("10.8.0.9"), ip("10.1.0.7")).long(100);
    let labelled = under(&[RED_LABEL], 64, &inner);
    for tunnel in [four(FRONT), six(FRONT)] {
        let header = if tunnel.local.is_ipv4() { 20 } else { 40 };
        let cut_off = from_far(tunnel, &[0xC3, 0x50, 0x19, 0xEB]);
        let mut too_long = datagram(tunnel, &labelled);
        too_long[header + 5] += 1;
        let mut damaged = datagram(tunnel, &labelled);
        *damaged.last_mut().unwrap() ^= 1;
        for (packet, name) in [
            (cut_off, "mpls-udp-malformed"),
            (too_long, "mpls-udp-malformed"),
            (damaged, "mpls-udp-malformed"),
            (datagram(tunnel, &[]), "mpls-udp-malformed"),
            (datagram(tunnel, &labelled[..3]), "mpls-udp-malformed"),
            (datagram(tunnel, &inner), "no-label"),
            (datagram(tunnel, &under(&[RED_LABEL], 1, &inner)), "ttl-expired"),
        ] {
            let mut bed = tunnelled(tunnel);
            bed.send(WAN, &packet);
            assert_eq!(bed.drops().into_iter().collect::<Vec<_>>(), [(name, 1)]);
            assert!(bed.frames(CORE).is_empty());
        }
    }
}

/// RFC 7510 section 3.1: over IPv6 such a packet is for those that say they take it.
#[test]
fn without_a_checksum_it_is_taken_over_ipv4_alone() {
    let labelled = under(&[RED_LABEL], 64, &Build::between(ip("10.8.0.9"), ip("10.1.0.7")).long(100));
    for tunnel in [four(FRONT), six(FRONT)] {
        let at = if tunnel.local.is_ipv4() { 26 } else { 46 };
        let mut bare = datagram(tunnel, &labelled);
        bare[at..at + 2].fill(0);
        let mut bed = tunnelled(tunnel);
        bed.send(WAN, &bare);
        if tunnel.local.is_ipv4() {
            assert_eq!(stack(&bed.only(CORE)).0[0].label, label(2001));
        } else {
            bed.died_of("mpls-udp-malformed");
        }
    }
}

#[test]
fn the_sender_of_a_packet_too_long_for_udp_is_told() {
    for (tunnel, mtu) in [(four(FRONT), 1468), (six(FRONT), 1448)] {
        let mut bed = tunnelled(tunnel);
        let packet = Build { df: true, ..Build::between(ip("10.1.0.7"), ip("10.8.0.9")) };
        bed.send(CORE, &under(&[RED_LABEL], 64, &packet.long(mtu)));
        assert_eq!(bed.only(WAN).len(), 1500);
        bed.send(CORE, &under(&[RED_LABEL], 64, &packet.long(mtu + 1)));
        let told = bed.only(CORE);
        let answer = Packet::new_checked(stack(&told).1).unwrap();
        assert_eq!((answer.dst, &answer.payload()[..2]), (ip("10.1.0.7"), &[3u8, 4][..]));
        assert_eq!(usize::from(u16::from_be_bytes([answer.payload()[6], answer.payload()[7]])), mtu);
    }
}

#[test]
fn what_is_cut_on_its_way_is_joined() {
    for tunnel in [four(FRONT), six(FRONT)] {
        let mut bed = tunnelled(tunnel);
        // The path's port carries less than the tunnel was told: this box made the packet, so it may cut it.
        let fronts = [("172.18.1.1", 24), ("2001:db8:18::1", 64)];
        bed.apply(vec![Object::Port(Port { mtu: 1400, ..port(WAN, FRONT, &fronts) })]);
        let packet = Build::between(ip("10.1.0.7"), ip("10.8.0.9")).long(1440);
        bed.send(CORE, &under(&[RED_LABEL], 64, &packet));
        let pieces = bed.packets(WAN);
        assert_eq!(pieces.len(), 2);
        // Turned around they are the far end's.
        let addresses = if tunnel.local.is_ipv4() { 12..20 } else { 8..40 };
        let hop = Hop::Out { port: CORE, gateway: Some(ip("192.168.0.2")), push: labels(&[]) };
        let action = LabelAction::Swap(label(6001), hop);
        bed.apply(vec![Object::Label { label: label(FAR_LABEL), action }]);
        for mut piece in pieces {
            let addresses = &mut piece[addresses.clone()];
            addresses.rotate_left(addresses.len() / 2);
            bed.send(WAN, &piece);
        }
        let whole = bed.only(CORE);
        assert_eq!((stack(&whole).0[0].label, stack(&whole).1), (label(6001), &aged(&packet, 1)[..]));
    }
}

#[test]
fn a_tunnel_that_leads_into_itself_ends_with_few_packets() {
    let mut bed = tunnelled(four(RED));
    bed.apply(vec![route(RED, "198.51.100.0/24", TUNNEL, "10.255.0.2", &[FAR_LABEL])]);
    bed.send(CORE, &under(&[RED_LABEL], 64, &Build::between(ip("10.1.0.7"), ip("10.8.0.9")).long(1468)));
    let drops = bed.drops();
    assert_eq!(drops.keys().copied().collect::<Vec<_>>(), ["looping"]);
    assert!(drops["looping"] <= 32 && bed.frames(WAN).is_empty(), "{drops:?}");
}
