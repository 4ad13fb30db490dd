//! The packet walk in both directions, and what keeps two customers and two front VRFs apart.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bed;

use bed::*;
use dataplane::{Dataplane, Event, Hop, LabelAction, Object, Op, Route, TtlModel, Vrf};
use ipsec::{Direction, Encap, Sa};
use wire::ip::Packet;

fn ours(number: u32, direction: Direction) -> Sa {
    let (inside, remote, suite) =
        if number == 1 { (RED, "198.51.100.1", GCM) } else { (BLUE, "198.51.100.2", CBC) };
    sa(number, direction, WAN, inside, remote, suite)
}

#[test]
fn a_site_s_packet_leaves_under_its_customer_s_label() {
    let mut bed = Bed::with_tunnels();
    for (number, vpn) in [(1, 2001), (2, 2002)] {
        let inner = Build { tos: 0xB8, ..from_site() }.long(100);
        bed.send(WAN, &Sender::to(&ours(number, Direction::In)).seal(&inner));
        let frames = bed.frames(CORE);
        let header = wire::ethernet::Header::parse(&frames[0]).unwrap().0;
        assert_eq!((header.dst, header.src, header.ethertype), (PEER_MAC, OUR_MAC, wire::ethernet::MPLS));
        let (labels, packet) = stack(&frames[0][14..]);
        assert_eq!(labels.len(), 1, "implicit null is not on the wire");
        assert_eq!((labels[0].label, labels[0].tc, labels[0].ttl), (label(vpn), 5, 63));
        assert_eq!(packet, aged(&inner, 1));
    }
    assert!(bed.drops().is_empty());
}

#[test]
fn a_labelled_packet_leaves_sealed_in_the_front_vrf_of_its_customer_s_tunnel() {
    let mut bed = Bed::with_tunnels();
    for (number, vpn) in [(1, RED_LABEL), (2, BLUE_LABEL)] {
        let inner = to_site().long(100);
        bed.send(CORE, &under(&[vpn], 64, &inner));
        let sealed = bed.only(WAN);
        let outer = Packet::new_checked(&sealed).unwrap();
        assert_eq!((outer.src, outer.dst), (ip("172.18.1.1"), ours(number, Direction::Out).remote));
        assert_eq!((outer.protocol, outer.ttl), (50, 64));
        assert_eq!(Receiver::of(&ours(number, Direction::Out)).open(&sealed), aged(&inner, 1));
    }
    let counters = bed.engine.counters();
    assert_eq!(counters.sas[&base::SaId(3)].packets, 1);
    assert_eq!(counters.sas[&base::SaId(3)].bytes, 100);
    assert_eq!(counters.sas[&base::SaId(3)].sequence, 1);
    assert_eq!(counters.labels[&label(RED_LABEL)].packets, 1);
    assert_eq!((counters.ports[&CORE].packets_in, counters.ports[&WAN].packets_out), (2, 2));
    assert!(bed.drops().is_empty());
}

#[test]
fn esp_in_udp_works_both_ways_and_over_ipv6_carries_a_checksum() {
    for remote in ["198.51.100.1", "2001:db8:51::1"] {
        let mut bed = Bed::new();
        let encap = Encap::Udp { local: 4500, remote: 61_000 };
        let [inbound, outbound] =
            [Direction::In, Direction::Out].map(|d| Sa { encap, ..sa(1, d, WAN, RED, remote, GCM) });
        bed.apply(vec![
            Object::Sa(inbound.clone()),
            Object::Sa(outbound.clone()),
            Object::Policy(policy(1, WAN, RED)),
        ]);
        bed.send(WAN, &Sender::to(&inbound).seal(&from_site().long(200)));
        assert_eq!(stack(&bed.only(CORE)).1.len(), 200);
        bed.send(CORE, &under(&[RED_LABEL], 64, &to_site().long(200)));
        let sealed = bed.only(WAN);
        let outer = Packet::new_checked(&sealed).unwrap();
        let datagram = wire::udp::Packet::new_checked(outer.payload()).unwrap();
        assert_eq!((datagram.src_port(), datagram.dst_port()), (4500, 61_000));
        assert_eq!(datagram.checksum() == 0, outer.src.is_ipv4());
        assert!(datagram.is_intact(outer.src, outer.dst));
        assert_eq!(Receiver::of(&outbound).open(&sealed), aged(&to_site().long(200), 1));
    }
}

#[test]
fn ipv6_inside_goes_the_same_way() {
    let mut bed = Bed::new();
    let remote = "198.51.100.1";
    let selector = selectors()[1];
    let [inbound, outbound] =
        [Direction::In, Direction::Out].map(|d| Sa { selector, ..sa(1, d, WAN, RED, remote, CBC) });
    bed.apply(vec![
        Object::Sa(inbound.clone()),
        Object::Sa(outbound.clone()),
        Object::Policy(policy(1, WAN, RED)),
    ]);
    let out = Build::between(ip("2001:db8:1::7"), ip("2001:db8:2::9")).long(300);
    let back = Build::between(ip("2001:db8:2::9"), ip("2001:db8:1::7")).long(300);
    bed.send(WAN, &Sender::to(&inbound).seal(&back));
    assert_eq!(stack(&bed.only(CORE)).1, aged(&back, 1));
    bed.send(CORE, &under(&[RED_LABEL], 64, &out));
    assert_eq!(Receiver::of(&outbound).open(&bed.only(WAN)), aged(&out, 1));
}

#[test]
fn two_front_vrfs_with_equal_addresses_and_spis_stay_apart() {
    let mut bed = Bed::new();
    let remote = "198.51.100.1";
    bed.apply(tunnel(1, WAN, RED, remote, GCM));
    // The same SPI, local and remote address in the other front VRF; only keys and VRFs differ.
    let mut other = tunnel(2, OTHER_WAN, BLUE, remote, GCM);
    let other_in = Sa { spi: inbound_spi(1), ..sa(2, Direction::In, OTHER_WAN, BLUE, remote, GCM) };
    other[0] = Object::Sa(other_in.clone());
    other.push(route(BLUE, "10.2.0.0/16", OTHER_WAN, "172.18.1.254", &[]));
    bed.apply(other);
    let inner = from_site().long(100);
    for (wan, ours, vpn) in [(WAN, ours(1, Direction::In), 2001), (OTHER_WAN, other_in.clone(), 2002)] {
        bed.send(wan, &Sender::to(&ours).seal(&inner));
        assert_eq!(stack(&bed.only(CORE)).0[0].label, label(vpn));
    }
    assert!(bed.drops().is_empty());
    let mut red = Sender::to(&ours(1, Direction::In));
    red.seal(&inner);
    bed.send(OTHER_WAN, &red.seal(&inner));
    bed.died_of("bad-icv");
    bed.send(CORE, &under(&[BLUE_LABEL], 64, &to_site().long(100)));
    assert!(bed.frames(WAN).is_empty());
    assert_eq!(bed.frames(OTHER_WAN).len(), 1);
}

#[test]
fn an_sa_of_one_front_vrf_is_unknown_in_another() {
    let mut bed = Bed::with_tunnels();
    bed.send(OTHER_WAN, &Sender::to(&ours(1, Direction::In)).seal(&from_site().long(100)));
    bed.died_of("no-sa");
}

#[test]
fn customers_share_nothing_but_the_public_address() {
    let mut bed = Bed::with_tunnels();
    // BLUE's peer cannot use RED's SPI, nor RED's label lead to BLUE's tunnel.
    let mut forged = Sender::to(&Sa { spi: inbound_spi(1), ..ours(2, Direction::In) });
    bed.send(WAN, &forged.seal(&from_site().long(100)));
    assert!(bed.drops().contains_key("bad-icv") || bed.drops().contains_key("esp-malformed"));
    bed.send(CORE, &under(&[RED_LABEL], 64, &to_site().long(100)));
    let sealed = bed.only(WAN);
    assert_eq!(Packet::new_checked(&sealed).unwrap().dst, ip("198.51.100.1"));
}

#[test]
fn nothing_of_another_vrf_leaves_a_crypto_port_in_clear_but_its_own_traffic_does() {
    let mut bed = Bed::new();
    bed.send(CORE, &under(&[RED_LABEL], 64, &to_site().long(100)));
    bed.died_of("outside-policy");
    // The front VRF's own kernel traffic, by a host port of that VRF.
    let mut host = port(HOST, FRONT, &[]);
    host.id = base::PortId(6);
    host.link = dataplane::Link::Host;
    bed.apply(vec![Object::Port(host)]);
    bed.put(base::PortId(6), &Build::between(ip("172.18.1.1"), ip("203.0.113.5")).long(100));
    bed.run();
    assert_eq!(bed.only(WAN).len(), 100);
}

#[test]
fn a_hop_into_another_vrf_keeps_the_packet_s_own_vrf_for_policies() {
    let mut bed = Bed::with_tunnels();
    bed.apply(vec![Object::Route(Route {
        vrf: RED,
        prefix: "10.2.0.0/16".parse().unwrap(),
        hop: Hop::Lookup(FRONT),
    })]);
    bed.send(CORE, &under(&[RED_LABEL], 64, &to_site().long(100)));
    assert_eq!(Receiver::of(&ours(1, Direction::Out)).open(&bed.only(WAN)).len(), 100);
}

#[test]
fn a_tunnel_interface_seals_all_that_its_policy_permits_and_nothing_else() {
    let mut bed = Bed::with_tunnels();
    let protect = |prefix: &str| {
        Object::Route(Route {
            vrf: RED,
            prefix: prefix.parse().unwrap(),
            hop: Hop::Protect(base::PolicyId(1)),
        })
    };
    bed.apply(vec![protect("10.2.0.0/16"), protect("10.3.0.0/16")]);
    bed.send(CORE, &under(&[RED_LABEL], 64, &to_site().long(100)));
    assert_eq!(bed.packets(WAN).len(), 1);
    bed.send(CORE, &under(&[RED_LABEL], 64, &Build::between(ip("10.1.0.7"), ip("10.3.0.1")).long(100)));
    bed.died_of("outside-policy");
}

#[test]
fn deny_lines_lead_to_the_next_entry_and_the_first_permit_wins() {
    let mut bed = Bed::with_tunnels();
    let mut first = policy(1, WAN, RED);
    first.sequence = 5;
    first.id = base::PolicyId(9);
    first.rules.insert(
        0,
        ipsec::Rule { permit: false, selector: ipsec::Selector { protocol: Some(17), ..selectors()[0] } },
    );
    first.bundles.clear();
    bed.apply(vec![Object::Policy(first)]);
    bed.send(CORE, &under(&[RED_LABEL], 64, &to_site().long(100)));
    assert_eq!(bed.packets(WAN).len(), 1, "UDP is denied by entry 5, permitted by entry 10");
    bed.send(
        CORE,
        &under(&[RED_LABEL], 64, &Build { protocol: 1, ..to_site() }.with(&[8, 0, 0, 0, 0, 0, 0, 0])),
    );
    bed.died_of("no-sa-yet");
    assert!(matches!(bed.events()[..], [Event::Acquire { policy: base::PolicyId(9), rule: 1, .. }]));
}

#[test]
fn an_acquire_is_told_once_a_second() {
    let mut bed = Bed::new();
    let mut policy = policy(1, WAN, RED);
    policy.bundles.clear();
    bed.apply(vec![Object::Policy(policy)]);
    for _ in 0..3 {
        bed.send(CORE, &under(&[RED_LABEL], 64, &to_site().long(100)));
    }
    assert_eq!(bed.events().len(), 1);
    bed.wait(std::time::Duration::from_secs(1));
    bed.send(CORE, &under(&[RED_LABEL], 64, &to_site().long(100)));
    assert_eq!(bed.events().len(), 1);
}

#[test]
fn an_unknown_spi_is_told_once_a_second_for_each_front_vrf() {
    let mut bed = Bed::new();
    let unknown = ours(1, Direction::In);
    for wan in [WAN, OTHER_WAN, WAN] {
        bed.send(wan, &Sender::to(&unknown).seal(&from_site().long(100)));
    }
    let events = bed.events();
    let unknown_in = |front| Event::UnknownSpi {
        front,
        local: ip("172.18.1.1"),
        remote: unknown.remote,
        spi: unknown.spi,
        encap: Encap::Esp,
    };
    assert_eq!(events, [unknown_in(FRONT), unknown_in(OTHER_FRONT)]);
    assert_eq!(bed.drops()["no-sa"], 3);
}

#[test]
fn a_replayed_packet_dies_by_name() {
    let mut bed = Bed::with_tunnels();
    let sealed = Sender::to(&ours(1, Direction::In)).seal(&from_site().long(100));
    bed.send(WAN, &sealed);
    assert_eq!(bed.frames(CORE).len(), 1);
    bed.send(WAN, &sealed);
    bed.died_of("replayed");
    assert_eq!(bed.engine.counters().sas[&base::SaId(2)].errors, 1);
}

#[test]
fn packets_wait_for_their_neighbour_and_leave_in_order() {
    let mut bed = Bed::with_tunnels();
    bed.engine.apply(&[Op::Unset(dataplane::Key::Neighbour(CORE, ip("192.168.0.2")))]).unwrap();
    let mut sender = Sender::to(&ours(1, Direction::In));
    for length in 100..120 {
        bed.send(WAN, &sender.seal(&from_site().long(length)));
    }
    assert_eq!(bed.events(), [Event::Resolve(CORE, ip("192.168.0.2"))]);
    assert_eq!(bed.drops()["no-neighbour"], 4);
    bed.apply(vec![neighbour(CORE, "192.168.0.2")]);
    bed.run();
    let lengths: Vec<usize> = bed.packets(CORE).iter().map(|packet| packet.len() - 4).collect();
    assert_eq!(lengths, (100..116).collect::<Vec<_>>());
}

#[test]
fn packets_that_wait_for_memory_leave_in_order() {
    let mut bed = Bed::with_tunnels();
    let mut peer = Receiver::of(&ours(1, Direction::Out));
    for count in [1, 3, 9, 20, 60] {
        for length in 100..100 + count {
            bed.put(CORE, &framed(OUR_MAC, &under(&[RED_LABEL], 64, &to_site().long(length))));
        }
        bed.run();
        let lengths: Vec<usize> = bed.packets(WAN).iter().map(|packet| peer.open(packet).len()).collect();
        assert_eq!(lengths, (100..100 + count).collect::<Vec<_>>());
    }
}

#[test]
fn a_labelled_packet_to_a_station_on_the_link_needs_no_gateway() {
    let mut bed = Bed::new();
    bed.apply(vec![route(RED, "10.7.0.0/24", CORE, "", &[2001]), neighbour(CORE, "10.7.0.9")]);
    let packet = Build::between(ip("10.9.9.1"), ip("10.7.0.9")).long(100);
    bed.send(HOST, &packet);
    let frames = bed.frames(CORE);
    assert_eq!(frames[0][..6], PEER_MAC);
    let (labels, inner) = stack(&frames[0][14..]);
    assert_eq!((labels[0].label, inner), (label(2001), &packet[..]));
}

#[test]
fn packets_do_not_wait_for_ever() {
    let mut bed = Bed::with_tunnels();
    bed.engine.apply(&[Op::Unset(dataplane::Key::Neighbour(CORE, ip("192.168.0.2")))]).unwrap();
    bed.send(WAN, &Sender::to(&ours(1, Direction::In)).seal(&from_site().long(100)));
    bed.wait(std::time::Duration::from_secs(4));
    bed.died_of("neighbour-timeout");
}

#[test]
fn the_box_itself_is_reached_by_the_kernel_plain_and_by_its_host_port_sealed() {
    let mut bed = Bed::with_tunnels();
    // Plain: IKE on the public address.
    bed.send(WAN, &Build::between(ip("198.51.100.1"), ip("172.18.1.1")).with(&datagram(500, 500, &[0; 60])));
    bed.send(
        WAN,
        &Build::between(ip("198.51.100.1"), ip("172.18.1.1")).with(&datagram(4500, 4500, &[0; 60])),
    );
    bed.send(WAN, &Build::between(ip("198.51.100.1"), ip("172.18.1.1")).with(&datagram(4500, 4500, &[0xFF])));
    assert!(bed.drops().is_empty() && bed.frames(HOST).is_empty());
    // Sealed: something for the box in RED.
    let selector = ipsec::Selector::between("0.0.0.0/0".parse().unwrap(), "10.2.0.0/16".parse().unwrap());
    let wide = Sa { selector, ..ours(1, Direction::In) };
    bed.apply(vec![Object::Sa(wide.clone())]);
    let to_us = Build::between(ip("10.2.0.9"), ip("10.9.9.1")).long(100);
    bed.send(WAN, &Sender::to(&wide).seal(&to_us));
    assert_eq!(bed.only(HOST), to_us);
    // And the kernel's answer, without a hop taken, into the tunnel.
    let mut entry = policy(1, WAN, RED);
    let all = ipsec::Selector::between("0.0.0.0/0".parse().unwrap(), "10.2.0.0/16".parse().unwrap());
    entry.rules[0].selector = all;
    entry.bundles[0].selector = all;
    bed.apply(vec![Object::Policy(entry)]);
    let answer = Build::between(ip("10.9.9.1"), ip("10.2.0.9")).long(100);
    bed.send(HOST, &answer);
    assert_eq!(Receiver::of(&ours(1, Direction::Out)).open(&bed.only(WAN)), answer);
}

#[test]
fn a_sealed_ping_to_the_box_is_answered_into_the_tunnel() {
    let mut bed = Bed::new();
    let all = ipsec::Selector::between("0.0.0.0/0".parse().unwrap(), "10.2.0.0/16".parse().unwrap());
    let mut entry = policy(1, WAN, RED);
    entry.rules[0].selector = all;
    entry.bundles[0].selector = all;
    let wide = Sa { selector: all, ..ours(1, Direction::In) };
    bed.apply(vec![Object::Sa(wide.clone()), Object::Sa(ours(1, Direction::Out)), Object::Policy(entry)]);
    let mut ping = vec![8, 0, 0, 0, 1, 2, 0, 1, 0xAA];
    let sum = wire::checksum::internet(&ping);
    ping[2..4].copy_from_slice(&sum.to_be_bytes());
    let request = Build { protocol: 1, ttl: 3, ..Build::between(ip("10.2.0.9"), ip("10.9.9.1")) }.with(&ping);
    bed.send(WAN, &Sender::to(&wide).seal(&request));
    let reply = Receiver::of(&ours(1, Direction::Out)).open(&bed.only(WAN));
    let packet = Packet::new_checked(&reply).unwrap();
    assert_eq!((packet.src, packet.dst, packet.ttl), (ip("10.9.9.1"), ip("10.2.0.9"), 64));
    assert_eq!((packet.payload()[0], packet.payload()[8]), (0, 0xAA));
    assert_eq!(wire::checksum::internet(packet.payload()), 0);
    assert!(bed.frames(HOST).is_empty());
}

#[test]
fn labels_are_swapped_and_popped_in_transit() {
    let mut bed = Bed::new();
    let inner = to_site().long(100);
    bed.send(CORE, &under(&[TRANSIT_LABEL, 77], 9, &inner));
    let out = bed.only(CORE);
    let (labels, packet) = stack(&out);
    assert_eq!(
        labels.iter().map(|entry| (entry.label.value(), entry.ttl)).collect::<Vec<_>>(),
        [(4003, 8), (77, 9)]
    );
    assert_eq!(packet, inner);
    bed.send(CORE, &under(&[PENULTIMATE_LABEL, 77], 9, &inner));
    let out = bed.only(CORE);
    assert_eq!((stack(&out).0[0].label, stack(&out).0[0].ttl), (label(77), 8), "the lower TTL goes on");
    bed.send(CORE, &under(&[PENULTIMATE_LABEL], 9, &inner));
    let frames = bed.frames(CORE);
    assert_eq!(wire::ethernet::Header::parse(&frames[0]).unwrap().0.ethertype, wire::ethernet::IPV4);
    assert_eq!(Packet::new_checked(&frames[0][14..]).unwrap().ttl, 8);
}

#[test]
fn ttl_goes_through_the_path_uniformly_or_in_a_pipe() {
    // (model, label TTL in, IP TTL in) gives the inner TTL that leaves towards the site.
    for (ttl, label_ttl, ip_ttl, left) in
        [(TtlModel::Uniform, 10, 64, 9), (TtlModel::Uniform, 64, 10, 9), (TtlModel::Pipe, 10, 64, 63)]
    {
        let mut bed = Bed::with_tunnels();
        bed.apply(vec![Object::Vrf(Vrf { id: RED, name: None, ttl })]);
        bed.send(CORE, &under(&[RED_LABEL], label_ttl, &Build { ttl: ip_ttl, ..to_site() }.long(100)));
        let inner = Receiver::of(&ours(1, Direction::Out)).open(&bed.only(WAN));
        assert_eq!(Packet::new_checked(&inner).unwrap().ttl, left, "{ttl:?}");
    }
    for (ttl, label_ttl) in [(TtlModel::Uniform, 19), (TtlModel::Pipe, 255)] {
        let mut bed = Bed::with_tunnels();
        bed.apply(vec![Object::Vrf(Vrf { id: RED, name: None, ttl })]);
        bed.send(WAN, &Sender::to(&ours(1, Direction::In)).seal(&Build { ttl: 20, ..from_site() }.long(100)));
        assert_eq!(stack(&bed.only(CORE)).0[0].ttl, label_ttl, "{ttl:?}");
    }
}

#[test]
fn explicit_null_is_the_port_s_own_vrf() {
    let mut bed = Bed::new();
    bed.apply(vec![route(GLOBAL, "10.77.0.0/16", CORE, "192.168.0.2", &[])]);
    bed.send(CORE, &under(&[0], 64, &Build::between(ip("10.1.0.7"), ip("10.77.0.1")).long(100)));
    assert_eq!(bed.only(CORE).len(), 100);
    bed.send(CORE, &under(&[0, RED_LABEL], 64, &to_site().long(100)));
    bed.died_of("outside-policy");
}

#[test]
fn a_stack_of_two_labels_has_the_vpn_label_at_the_bottom() {
    let mut bed = Bed::with_tunnels();
    bed.apply(vec![route(RED, "10.1.0.0/16", CORE, "192.168.0.2", &[500, 2001])]);
    bed.send(WAN, &Sender::to(&ours(1, Direction::In)).seal(&from_site().long(100)));
    let out = bed.only(CORE);
    let (labels, _) = stack(&out);
    assert_eq!(labels.iter().map(|entry| entry.label.value()).collect::<Vec<_>>(), [500, 2001]);
}

#[test]
fn the_peer_may_be_behind_the_core_itself() {
    let mut bed = Bed::with_tunnels();
    bed.apply(vec![route(FRONT, "198.51.100.0/24", CORE, "192.168.0.2", &[600])]);
    bed.send(CORE, &under(&[RED_LABEL], 64, &to_site().long(100)));
    let out = bed.only(CORE);
    let (labels, sealed) = stack(&out);
    assert_eq!(labels[0].label, label(600));
    assert_eq!(Receiver::of(&ours(1, Direction::Out)).open(sealed).len(), 100);
    // And back: labelled into the front VRF.
    bed.apply(vec![Object::Label { label: label(3010), action: LabelAction::PopTo(FRONT) }]);
    bed.send(CORE, &under(&[3010], 64, &Sender::to(&ours(1, Direction::In)).seal(&from_site().long(100))));
    assert_eq!(stack(&bed.only(CORE)).0[0].label, label(2001));
}
