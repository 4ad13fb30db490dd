//! Interfaces without a device of their own: VLANs on another port's wire, and GRE tunnels.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bed;

use base::{PortId, VrfId};
use bed::*;
use dataplane::{Dataplane, Encapsulation, Hop, Key, LabelAction, Link, Object, Op, Port, Tunnel};
use ipsec::Selector;
use wire::ip::Packet;
use wire::{ethernet, gre};

/// RED on VLAN 100 of the core's wire, BLUE on VLAN 200, with equal addresses.
const RED_VLAN: PortId = PortId(11);
const BLUE_VLAN: PortId = PortId(12);

const OURS: &str = "10.7.0.1";
const ROUTER: &str = "10.7.0.2";

fn vlan(id: PortId, vrf: VrfId, tag: u16) -> Port {
    let link = Link::Vlan { parent: CORE, id: tag, mac: OUR_MAC };
    Port { link, ..port(id, vrf, &[(OURS, 24), ("2001:db8:7::1", 64)]) }
}

/// Both VLANs lead to the same far network by the same next hop.
fn two_vlans() -> Bed {
    let mut bed = Bed::with_tunnels();
    for (id, vrf, tag) in [(RED_VLAN, RED, 100), (BLUE_VLAN, BLUE, 200)] {
        bed.apply(vec![
            Object::Port(vlan(id, vrf, tag)),
            neighbour(id, ROUTER),
            route(vrf, "10.7.0.0/24", id, "", &[]),
            route(vrf, "10.8.0.0/16", id, ROUTER, &[]),
        ]);
    }
    bed
}

fn tagged(tag: u16, frame: &[u8]) -> Vec<u8> {
    let [c0, c1] = tag.to_be_bytes();
    [&frame[..12], &[0x81, 0, c0, c1], &frame[12..]].concat()
}

/// The tag, and the frame without.
fn untagged(frame: &[u8]) -> (u16, Vec<u8>) {
    assert_eq!(frame[12..14], ethernet::VLAN.to_be_bytes());
    (u16::from_be_bytes([frame[14], frame[15]]), [&frame[..12], &frame[16..]].concat())
}

fn arp() -> Vec<u8> {
    let header = ethernet::Header { dst: ethernet::BROADCAST, src: PEER_MAC, ethertype: ethernet::ARP };
    [&header.to_bytes()[..], &[0; 46]].concat()
}

/// Nothing left by these, and this one drop is counted once.
#[track_caller]
fn died_of(bed: &mut Bed, name: &str, ports: &[PortId]) {
    bed.died_of(name);
    ports.iter().for_each(|port| assert!(bed.frames(*port).is_empty()));
}

#[test]
fn equal_addresses_on_two_tags_of_one_wire_are_two_customers() {
    let mut bed = two_vlans();
    for (port, vrf, tag, site) in [(RED_VLAN, 1, 100, "198.51.100.1"), (BLUE_VLAN, 2, 200, "198.51.100.2")] {
        let there = Build::between(ip("10.1.0.7"), ip("10.2.0.9")).long(100);
        bed.put(CORE, &tagged(tag, &framed(OUR_MAC, &there)));
        bed.run();
        let sealed = bed.only(WAN);
        let outer = Packet::new_checked(&sealed).unwrap();
        assert_eq!(outer.dst, ip(site), "into the customer's own tunnel");
        let (suite, inside) = if vrf == 1 { (GCM, RED) } else { (CBC, BLUE) };
        let outbound = sa(vrf, ipsec::Direction::Out, WAN, inside, site, suite);
        assert_eq!(Receiver::of(&outbound).open(&sealed), aged(&there, 1));
        let counted = bed.engine.counters().ports[&port];
        assert_eq!((counted.packets_in, counted.packets_out), (1, 0));
    }
    assert!(bed.drops().is_empty());
}

#[test]
fn what_leaves_for_a_vlan_carries_its_tag_on_its_parent_s_wire() {
    let mut bed = two_vlans();
    for (number, inside, tag, remote, suite) in
        [(1, RED, 100, "198.51.100.1", GCM), (2, BLUE, 200, "198.51.100.2", CBC)]
    {
        let inbound = sa(number, ipsec::Direction::In, WAN, inside, remote, suite);
        let selector = Selector::between("10.8.0.0/16".parse().unwrap(), "10.2.0.0/16".parse().unwrap());
        let inbound = ipsec::Sa { selector, ..inbound };
        bed.apply(vec![Object::Sa(inbound.clone())]);
        let back = Build::between(ip("10.2.0.9"), ip("10.8.0.7")).long(100);
        bed.send(WAN, &Sender::to(&inbound).seal(&back));
        let frames = bed.frames(CORE);
        assert_eq!(frames.len(), 1, "{:?}", bed.drops());
        let (id, frame) = untagged(&frames[0]);
        let (header, packet) = ethernet::Header::parse(&frame).unwrap();
        assert_eq!((id, header.dst, header.src, header.ethertype), (tag, PEER_MAC, OUR_MAC, ethernet::IPV4));
        assert_eq!(packet, aged(&back, 1));
    }
    let counters = bed.engine.counters();
    assert_eq!(counters.ports[&BLUE_VLAN].packets_out, 1);
    assert_eq!(counters.ports[&BLUE_VLAN].bytes_out, 114);
    assert_eq!((counters.ports[&CORE].packets_out, counters.ports[&CORE].bytes_out), (2, 236));
}

#[test]
fn an_unknown_tag_a_foreign_one_and_one_in_another_die_by_name() {
    let frame = framed(OUR_MAC, &to_site().long(100));
    let provider = {
        let mut frame = tagged(100, &frame);
        frame[12..14].copy_from_slice(&ethernet::PROVIDER_VLAN.to_be_bytes());
        frame
    };
    for frame in [tagged(101, &frame), tagged(300, &arp()), provider, tagged(100, &tagged(200, &frame))] {
        let mut bed = two_vlans();
        bed.put(CORE, &frame);
        bed.run();
        died_of(&mut bed, "unknown-vlan", &[RED_VLAN, BLUE_VLAN]);
    }
    let mut bed = two_vlans();
    bed.put(WAN, &tagged(100, &frame));
    bed.run();
    died_of(&mut bed, "unknown-vlan", &[RED_VLAN, BLUE_VLAN]);
    let mut bed = two_vlans();
    bed.put(CORE, &tagged(100, &frame)[..15]);
    bed.run();
    died_of(&mut bed, "malformed", &[RED_VLAN, BLUE_VLAN]);
}

#[test]
fn a_vlan_that_is_gone_is_unknown_and_what_another_has_taken_over_stays() {
    let mut bed = two_vlans();
    let frame = tagged(100, &framed(OUR_MAC, &to_site().long(100)));
    let heir = PortId(13);
    bed.apply(vec![Object::Port(vlan(heir, RED, 100))]);
    bed.engine.apply(&[Op::Unset(Key::Port(RED_VLAN))]).unwrap();
    bed.put(CORE, &frame);
    bed.run();
    assert_eq!(bed.frames(WAN).len(), 1);
    bed.engine.apply(&[Op::Unset(Key::Port(heir))]).unwrap();
    bed.put(CORE, &frame);
    bed.run();
    assert_eq!(bed.drops().into_iter().collect::<Vec<_>>(), [("unknown-vlan", 1)]);
    assert!(!bed.engine.counters().ports.contains_key(&heir));
}

#[test]
fn a_priority_tag_is_no_vlan() {
    let mut bed = two_vlans();
    bed.put(CORE, &tagged(0xE000, &framed(OUR_MAC, &under(&[RED_LABEL], 64, &to_site().long(100)))));
    bed.run();
    assert_eq!(bed.frames(WAN).len(), 1);
}

#[test]
fn the_kernel_has_its_part_of_a_vlan_without_tags() {
    let mut bed = two_vlans();
    let hello = Build { protocol: 6, ..Build::between(ip(ROUTER), ip(OURS)) }.with(&[7; 20]);
    let group = Build::between(ip(ROUTER), ip("224.0.0.5")).long(60);
    for (port, tag) in [(RED_VLAN, 0x6000 | 100), (BLUE_VLAN, 200)] {
        for frame in [arp(), framed([1, 0, 0x5E, 0, 0, 5], &group), framed(OUR_MAC, &hello)] {
            bed.put(CORE, &tagged(tag, &frame));
            bed.run();
            let frames = bed.frames(port);
            assert_eq!(frames.len(), 1);
            assert_eq!((&frames[0][..6], &frames[0][12..]), (&frame[..6], &frame[12..]));
        }
    }
    assert!(bed.frames(CORE).is_empty() && bed.drops().is_empty());
    // On a wire the kernel sees for itself.
    bed.put(CORE, &arp());
    bed.run();
    assert!([CORE, RED_VLAN, BLUE_VLAN].iter().all(|port| bed.frames(*port).is_empty()));
}

#[test]
fn what_the_kernel_sends_in_a_vlan_leaves_with_its_tag() {
    let mut bed = two_vlans();
    for (port, tag) in [(RED_VLAN, 100), (BLUE_VLAN, 200)] {
        bed.put(port, &arp());
        bed.run();
        let frames = bed.frames(CORE);
        assert_eq!(frames.iter().map(|frame| untagged(frame)).collect::<Vec<_>>(), [(tag, arp())]);
        assert_eq!(bed.engine.counters().ports[&port].packets_out, 1);
        assert_eq!(bed.engine.counters().ports[&port].packets_in, 0);
    }
    bed.put(RED_VLAN, &[0; 13]);
    bed.run();
    died_of(&mut bed, "malformed", &[]);
}

#[test]
fn ike_in_fragments_reaches_the_kernel_of_a_vlan_whole() {
    let mut bed = two_vlans();
    let long = Build::between(ip(ROUTER), ip(OURS)).long(1200);
    for piece in pieces(&long, 600) {
        bed.put(CORE, &tagged(100, &framed(OUR_MAC, &piece)));
        bed.run();
    }
    let frames = bed.frames(RED_VLAN);
    assert_eq!(frames.len(), 1);
    let (header, packet) = ethernet::Header::parse(&frames[0]).unwrap();
    assert_eq!((header.dst, header.ethertype), (OUR_MAC, ethernet::IPV4));
    assert_eq!(Packet::new_checked(packet).unwrap().payload(), &long[20..]);
}

/// An IPv4 packet in two, the first with so many bytes of payload.
fn pieces(packet: &[u8], at: usize) -> [Vec<u8>; 2] {
    let piece = |payload: &[u8], offset, more| {
        let mut piece = [&packet[..20], payload].concat();
        let total = u16::try_from(piece.len()).unwrap();
        let mut header = wire::ipv4::PacketMut::header(&mut piece).unwrap();
        header.set_total_len(total);
        header.set_fragment(offset, more);
        piece
    };
    [piece(&packet[20..20 + at], 0, true), piece(&packet[20 + at..], at, false)]
}

const TUNNEL: PortId = PortId(21);
const OTHER_TUNNEL: PortId = PortId(22);

fn ends(front: VrfId, key: Option<u32>) -> Tunnel {
    let (local, remote) = (ip("172.18.1.1"), ip("198.51.100.9"));
    Tunnel { front, local, remote, encapsulation: Encapsulation::Gre(key) }
}

fn gre_port(id: PortId, vrf: VrfId, tunnel: Tunnel) -> Object {
    let mtu = 1500 - if tunnel.local.is_ipv4() { 20 } else { 40 } - tunnel.encapsulation.length();
    let inside = [("10.6.0.1", 30), ("2001:db8:6::1", 126)];
    Object::Port(Port { link: Link::Tunnel(tunnel), mtu, mpls: true, ..port(id, vrf, &inside) })
}

/// A tunnel of RED through the front VRF that leads to the core's far networks.
fn tunnelled(tunnel: Tunnel) -> Bed {
    let mut bed = Bed::with_tunnels();
    bed.apply(vec![
        gre_port(TUNNEL, RED, tunnel),
        route(RED, "10.6.0.0/30", TUNNEL, "", &[]),
        route(RED, "10.8.0.0/16", TUNNEL, "10.6.0.2", &[]),
        route(RED, "2001:db8:8::/48", TUNNEL, "", &[]),
        route(RED, "10.9.0.0/16", TUNNEL, "10.6.0.2", &[5001]),
    ]);
    bed
}

/// Around this packet, from the tunnel's far end.
fn wrapped(tunnel: Tunnel, protocol: u16, packet: &[u8]) -> Vec<u8> {
    let Encapsulation::Gre(key) = tunnel.encapsulation else { panic!("no GRE") };
    let header = gre::Header { protocol, key };
    let mut bytes = vec![0; header.length()];
    header.emit(&mut bytes).unwrap();
    bytes.extend(packet);
    Build { protocol: 47, ..Build::between(tunnel.remote, tunnel.local) }.with(&bytes)
}

#[test]
fn ipv4_ipv6_and_labels_leave_in_gre_in_the_front_vrf() {
    let v4 = Build { tos: 0xB8 | 2, ..Build::between(ip("10.1.0.7"), ip("10.8.0.9")) }.long(100);
    let v6 = Build::between(ip("2001:db8:1::7"), ip("2001:db8:8::9")).long(100);
    let labelled = Build { tos: 0xB8, ..Build::between(ip("10.1.0.7"), ip("10.9.0.9")) }.long(100);
    let expected = [
        (&v4, ethernet::IPV4, 0xB8 | 2, aged(&v4, 1)),
        (&v6, ethernet::IPV6, 0, aged(&v6, 1)),
        (&labelled, ethernet::MPLS, 5 << 5, [&[0x01, 0x38, 0x9B, 63], &aged(&labelled, 1)[..]].concat()),
    ];
    for key in [None, Some(7)] {
        let mut bed = tunnelled(ends(FRONT, key));
        for (packet, protocol, tos, inner) in &expected {
            bed.send(CORE, &under(&[RED_LABEL], 64, packet));
            let outer = bed.only(WAN);
            let outer = Packet::new_checked(&outer).unwrap();
            assert_eq!((outer.src, outer.dst), (ip("172.18.1.1"), ip("198.51.100.9")));
            assert_eq!((outer.protocol, outer.ttl, outer.tos, outer.df), (47, 255, *tos, false));
            let header = gre::Header { protocol: *protocol, key };
            assert_eq!(gre::Header::parse(outer.payload()), Ok((header, &inner[..])));
        }
        let counted = bed.engine.counters().ports[&TUNNEL];
        assert_eq!((counted.packets_out, counted.bytes_out, counted.packets_in), (3, 304, 0));
        assert!(bed.drops().is_empty());
    }
}

#[test]
fn what_comes_out_of_gre_is_in_the_tunnel_s_vrf() {
    let v4 = Build::between(ip("10.8.0.9"), ip("10.1.0.7")).long(100);
    let v6 = Build::between(ip("2001:db8:8::9"), ip("2001:db8:1::7")).long(100);
    for key in [None, Some(0), Some(7)] {
        let tunnel = ends(FRONT, key);
        let mut bed = tunnelled(tunnel);
        for (packet, protocol) in [(&v4, ethernet::IPV4), (&v6, ethernet::IPV6)] {
            bed.send(WAN, &wrapped(tunnel, protocol, packet));
            let under = bed.only(CORE);
            let (labels, inner) = stack(&under);
            assert_eq!((labels[0].label, inner), (label(2001), &aged(packet, 1)[..]));
        }
        // Labels say for themselves which customer is meant, as by any port with `mpls ip`.
        bed.send(WAN, &wrapped(tunnel, ethernet::MPLS, &under(&[BLUE_LABEL], 64, &v4)));
        assert_eq!(stack(&bed.only(CORE)).0[0].label, label(2002));
        assert_eq!(bed.engine.counters().ports[&TUNNEL].packets_in, 3);
        assert!(bed.drops().is_empty());
    }
}

#[test]
fn a_gre_packet_is_known_by_front_vrf_both_addresses_and_key() {
    let tunnel = ends(FRONT, Some(7));
    let inner = Build::between(ip("10.8.0.9"), ip("10.1.0.7")).long(100);
    for stranger in [
        Tunnel { encapsulation: Encapsulation::Gre(Some(8)), ..tunnel },
        Tunnel { encapsulation: Encapsulation::Gre(None), ..tunnel },
        Tunnel { remote: ip("198.51.100.8"), ..tunnel },
    ] {
        let mut bed = tunnelled(tunnel);
        bed.send(WAN, &wrapped(stranger, ethernet::IPV4, &inner));
        bed.died_of("no-tunnel");
    }
    let mut bed = tunnelled(tunnel);
    bed.send(OTHER_WAN, &wrapped(tunnel, ethernet::IPV4, &inner));
    bed.died_of("no-tunnel");
    let mut bed = tunnelled(tunnel);
    bed.engine.apply(&[Op::Unset(Key::Port(TUNNEL))]).unwrap();
    bed.send(WAN, &wrapped(tunnel, ethernet::IPV4, &inner));
    bed.died_of("no-tunnel");
}

#[test]
fn equal_tunnels_of_two_front_vrfs_are_two_customers() {
    let (red, blue) = (ends(FRONT, None), ends(OTHER_FRONT, None));
    let mut bed = tunnelled(red);
    bed.apply(vec![
        gre_port(OTHER_TUNNEL, BLUE, blue),
        route(BLUE, "10.8.0.0/16", OTHER_TUNNEL, "10.6.0.2", &[]),
    ]);
    let inner = Build::between(ip("10.8.0.9"), ip("10.1.0.7")).long(100);
    let back = Build::between(ip("10.1.0.7"), ip("10.8.0.9")).long(100);
    for (wan, tunnel, vpn, ours) in [(WAN, red, 2001, RED_LABEL), (OTHER_WAN, blue, 2002, BLUE_LABEL)] {
        bed.send(wan, &wrapped(tunnel, ethernet::IPV4, &inner));
        assert_eq!(stack(&bed.only(CORE)).0[0].label, label(vpn));
        bed.send(CORE, &under(&[ours], 64, &back));
        assert_eq!(Packet::new_checked(&bed.only(wan)).unwrap().dst, tunnel.remote);
    }
    assert!(bed.drops().is_empty());
}

#[test]
fn gre_runs_over_ipv6_too_and_what_is_too_long_for_the_path_goes_in_pieces() {
    let tunnel = Tunnel { local: ip("2001:db8:18::1"), remote: ip("2001:db8:51::9"), ..ends(FRONT, None) };
    let mut bed = tunnelled(tunnel);
    let short = Build::between(ip("10.1.0.7"), ip("10.8.0.9")).long(1456);
    bed.send(CORE, &under(&[RED_LABEL], 64, &short));
    let outer = bed.only(WAN);
    assert_eq!(outer.len(), 1500);
    assert_eq!(Packet::new_checked(&outer).unwrap().ttl, 255);
    // The path's port carries less than the tunnel was told: this box made the packet, so it may cut it.
    let narrow = Port { mtu: 1400, ..port(WAN, FRONT, &[("172.18.1.1", 24), ("2001:db8:18::1", 64)]) };
    bed.apply(vec![Object::Port(narrow)]);
    bed.send(CORE, &under(&[RED_LABEL], 64, &short));
    let cut = bed.packets(WAN);
    assert_eq!(cut.len(), 2);
    assert!(cut.iter().all(|piece| Packet::new_checked(piece).unwrap().fragment.is_some()));
    assert!(bed.drops().is_empty());
}

#[test]
fn gre_in_pieces_is_joined() {
    let tunnel = ends(FRONT, Some(7));
    let mut bed = tunnelled(tunnel);
    let inner = Build::between(ip("10.8.0.9"), ip("10.1.0.7")).long(1200);
    for piece in pieces(&wrapped(tunnel, ethernet::IPV4, &inner), 600) {
        bed.send(WAN, &piece);
    }
    assert_eq!(stack(&bed.only(CORE)).1, aged(&inner, 1));
}

#[test]
fn the_sender_of_a_packet_too_long_for_the_tunnel_is_told_its_mtu() {
    let mut bed = tunnelled(ends(FRONT, None));
    let packet = Build { df: true, ..Build::between(ip("10.1.0.7"), ip("10.8.0.9")) };
    bed.send(CORE, &under(&[RED_LABEL], 64, &packet.long(1476)));
    assert_eq!(bed.only(WAN).len(), 1500);
    bed.send(CORE, &under(&[RED_LABEL], 64, &packet.long(1477)));
    assert_eq!(bed.drops().into_iter().collect::<Vec<_>>(), [("too-big", 1)]);
    let told = bed.only(CORE);
    let (_, answer) = stack(&told);
    let answer = Packet::new_checked(answer).unwrap();
    assert_eq!((answer.dst, &answer.payload()[..2]), (ip("10.1.0.7"), &[3u8, 4][..]));
    assert_eq!(answer.payload()[6..8], 1476u16.to_be_bytes());
}

#[test]
fn each_fault_of_a_gre_packet_has_its_name() {
    let tunnel = ends(FRONT, Some(7));
    let inner = Build::between(ip("10.8.0.9"), ip("10.1.0.7")).long(100);
    let raw =
        |bytes: &[u8]| Build { protocol: 47, ..Build::between(tunnel.remote, tunnel.local) }.with(bytes);
    for (packet, name) in [
        (raw(&[0x20, 0, 8]), "gre-malformed"),
        (raw(&[0xA0, 0, 8, 0, 1, 1, 0, 0, 0, 0, 0, 7]), "gre-malformed"),
        (raw(&[0x20, 1, 8, 0, 0, 0, 0, 7]), "gre-flags"),
        (raw(&[0x60, 0, 8, 0, 0, 0, 0, 7]), "gre-flags"),
        (wrapped(tunnel, 0, &inner), "gre-protocol"),
        (wrapped(tunnel, 0x6558, &inner), "gre-protocol"),
        (wrapped(tunnel, ethernet::IPV6, &inner), "gre-malformed"),
        (wrapped(tunnel, ethernet::IPV4, &[]), "gre-malformed"),
    ] {
        let mut bed = tunnelled(tunnel);
        bed.send(WAN, &packet);
        bed.died_of(name);
    }
    let mut bed = tunnelled(tunnel);
    let Object::Port(port) = gre_port(TUNNEL, RED, tunnel) else { panic!("no port") };
    bed.apply(vec![Object::Port(Port { mpls: false, ..port })]);
    bed.send(WAN, &wrapped(tunnel, ethernet::MPLS, &under(&[RED_LABEL], 64, &inner)));
    bed.died_of("mpls-disabled");
}

#[test]
fn congestion_in_front_is_told_inside() {
    let tunnel = ends(FRONT, None);
    let inner = Build { tos: 2, ..Build::between(ip("10.8.0.9"), ip("10.1.0.7")) };
    let mut congested = wrapped(tunnel, ethernet::IPV4, &inner.long(100));
    wire::ip::set_tos(&mut congested, 3).unwrap();
    let mut bed = tunnelled(tunnel);
    bed.send(WAN, &congested);
    let told = bed.only(CORE);
    assert_eq!(Packet::new_checked(stack(&told).1).unwrap().tos & 3, 3);
    let mut deaf = wrapped(tunnel, ethernet::IPV4, &Build { tos: 0, ..inner }.long(100));
    wire::ip::set_tos(&mut deaf, 3).unwrap();
    bed.send(WAN, &deaf);
    bed.died_of("congestion-lost");
}

#[test]
fn packets_for_the_box_itself_and_its_own_pass_the_tunnel_by_the_kernel_s_door() {
    let tunnel = ends(FRONT, None);
    let mut bed = tunnelled(tunnel);
    let bgp = Build { protocol: 6, ..Build::between(ip("10.6.0.2"), ip("10.6.0.1")) }.with(&[9; 20]);
    bed.send(WAN, &wrapped(tunnel, ethernet::IPV4, &bgp));
    assert_eq!(bed.only(HOST), bgp);
    let answer = Build { protocol: 6, ..Build::between(ip("10.6.0.1"), ip("10.6.0.2")) }.with(&[9; 20]);
    bed.send(HOST, &answer);
    let outer = bed.only(WAN);
    let (header, inner) = gre::Header::parse(Packet::new_checked(&outer).unwrap().payload()).unwrap();
    assert_eq!((header.protocol, inner), (ethernet::IPV4, &answer[..]));
    assert!(bed.drops().is_empty());
}

#[test]
fn a_tunnel_that_leads_into_itself_ends_with_few_packets() {
    let mut bed = tunnelled(Tunnel { front: RED, ..ends(FRONT, None) });
    bed.apply(vec![route(RED, "198.51.100.0/24", TUNNEL, "", &[])]);
    bed.send(CORE, &under(&[RED_LABEL], 64, &Build::between(ip("10.1.0.7"), ip("10.8.0.9")).long(1476)));
    let drops = bed.drops();
    assert_eq!(drops.keys().copied().collect::<Vec<_>>(), ["looping"]);
    assert!(drops["looping"] <= 32, "{drops:?}");
    assert!(bed.frames(WAN).is_empty());
}

#[test]
fn a_crypto_map_in_front_protects_the_tunnel_s_outer_packets() {
    let tunnel = Tunnel { remote: ip("10.2.0.9"), local: ip("10.1.0.7"), ..ends(RED, None) };
    let mut bed = Bed::with_tunnels();
    bed.apply(vec![
        Object::Port(Port { link: Link::Tunnel(tunnel), ..port(TUNNEL, BLUE, &[("10.6.0.1", 30)]) }),
        route(BLUE, "10.8.0.0/16", TUNNEL, "", &[]),
    ]);
    let packet = Build::between(ip("10.1.0.7"), ip("10.8.0.9")).long(100);
    bed.send(CORE, &under(&[BLUE_LABEL], 64, &packet));
    let outbound = sa(1, ipsec::Direction::Out, WAN, RED, "198.51.100.1", GCM);
    let outer = Receiver::of(&outbound).open(&bed.only(WAN));
    assert_eq!(Packet::new_checked(&outer).unwrap().protocol, 47);
}

#[test]
fn a_label_may_be_swapped_into_a_tunnel() {
    let tunnel = ends(FRONT, None);
    let mut bed = tunnelled(tunnel);
    let hop = Hop::Out { port: TUNNEL, gateway: Some(ip("10.6.0.2")), push: labels(&[]) };
    let swap = LabelAction::Swap(label(6001), hop);
    bed.apply(vec![Object::Label { label: label(6000), action: swap }]);
    bed.send(CORE, &under(&[6000, 42], 64, &to_site().long(100)));
    let outer = bed.only(WAN);
    let (header, inner) = gre::Header::parse(Packet::new_checked(&outer).unwrap().payload()).unwrap();
    assert_eq!(header.protocol, ethernet::MPLS);
    let (entries, _) = stack(inner);
    assert_eq!(entries.iter().map(|entry| entry.label).collect::<Vec<_>>(), [label(6001), label(42)]);
}
