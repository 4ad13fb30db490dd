//! Transport mode: what the box itself and its peer say to each other, both ways, bare and behind a NAT.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bed;

use base::{PortId, SaId};
use bed::*;
use dataplane::{Dataplane, Object};
use ipsec::{Bundle, Direction, Encap, Mode, Rule, Sa, Selector};
use wire::ip::Packet;
use wire::{checksum, udp};

/// The kernel in the front VRF.
const KERNEL: PortId = PortId(6);

const PEERS: [&str; 2] = ["198.51.100.1", "2001:db8:51::1"];
const ENCAPS: [Encap; 2] = [Encap::Esp, Encap::Udp { local: 4500, remote: 61_000 }];

const TCP: u8 = 6;
const UDP: u8 = 17;
const GRE: u8 = 47;
const ESP: u8 = 50;

fn ours(direction: Direction, peer: &str, encap: Encap) -> Sa {
    let sa = sa(1, direction, WAN, FRONT, peer, GCM);
    let selector = ends(&sa);
    Sa { mode: Mode::Transport, encap, selector, ..sa }
}

/// Everything between the two ends.
fn ends(sa: &Sa) -> Selector {
    let length = if sa.local.is_ipv4() { 32 } else { 128 };
    let whole = |address| format!("{address}/{length}").parse().unwrap();
    Selector::between(whole(sa.local), whole(sa.remote))
}

fn bed_with(peer: &str, encap: Encap) -> Bed {
    let [inbound, outbound] = [Direction::In, Direction::Out].map(|way| ours(way, peer, encap));
    let selector = ends(&outbound);
    let mut entry = policy(1, WAN, FRONT);
    entry.rules = vec![Rule { permit: true, selector }];
    entry.bundles = vec![Bundle { selector, outbound: outbound.id }];
    let mut kernel = port(HOST, FRONT, &[]);
    (kernel.id, kernel.link) = (KERNEL, dataplane::Link::Host);
    let mut bed = Bed::new();
    let sas = [inbound, outbound].map(Object::Sa);
    bed.apply(sas.into_iter().chain([Object::Policy(entry), Object::Port(kernel)]).collect());
    bed
}

fn from_kernel(bed: &mut Bed, packet: &[u8]) {
    bed.put(KERNEL, packet);
    bed.run();
}

fn to_peer(sa: &Sa, protocol: u8) -> Build {
    Build { protocol, ttl: 9, tos: 0xB8, ..Build::between(sa.local, sa.remote) }
}

/// The packet as it looks before it is sealed: with the protocol and the payload that ESP hides.
fn opened(sa: &Sa, sealed: &[u8], protocol: u8) -> Vec<u8> {
    let packet = Packet::new_checked(sealed).unwrap();
    let header =
        Build { protocol, tos: packet.tos, ttl: packet.ttl, ..Build::between(packet.src, packet.dst) };
    header.with(&Receiver::of(sa).open(sealed))
}

#[test]
fn the_box_s_own_packet_keeps_its_header_and_hides_what_follows() {
    for (peer, encap) in PEERS.into_iter().flat_map(|peer| ENCAPS.map(|encap| (peer, encap))) {
        let mut bed = bed_with(peer, encap);
        let sa = ours(Direction::Out, peer, encap);
        for protocol in [GRE, TCP, UDP] {
            let clear = to_peer(&sa, protocol).with(&[0x5A; 61]);
            from_kernel(&mut bed, &clear);
            let sealed = bed.only(WAN);
            let packet = Packet::new_checked(&sealed).unwrap();
            assert_eq!((packet.src, packet.dst, packet.ttl, packet.tos), (sa.local, sa.remote, 9, 0xB8));
            assert_eq!(packet.protocol, if encap == Encap::Esp { ESP } else { UDP });
            assert_eq!(packet.bytes.len(), sealed.len());
            assert!(!sealed.windows(8).any(|bytes| bytes == [0x5A; 8]));
            if packet.protocol == UDP {
                let datagram = udp::Packet::new_checked(packet.payload()).unwrap();
                assert_eq!((datagram.src_port(), datagram.dst_port()), (4500, 61_000));
                assert!(datagram.is_intact(packet.src, packet.dst));
                assert_eq!(datagram.checksum() == 0, sa.remote.is_ipv4());
            }
            let header = if sa.remote.is_ipv4() { 20 } else { 40 };
            assert!(sa.remote.is_ipv6() || checksum::internet(&sealed[..header]) == 0);
            assert_eq!(opened(&sa, &sealed, protocol)[header..], clear[header..]);
        }
        assert!(bed.drops().is_empty());
        let counted = bed.engine.counters().sas[&SaId(3)];
        assert_eq!((counted.packets, counted.sequence), (3, 3));
    }
}

#[test]
fn a_packet_of_the_peer_reaches_the_kernel_as_it_was_before_it_was_sealed() {
    for (peer, encap) in PEERS.into_iter().flat_map(|peer| ENCAPS.map(|encap| (peer, encap))) {
        let mut bed = bed_with(peer, encap);
        let sa = ours(Direction::In, peer, encap);
        let mut sender = Sender::to(&sa);
        sender.tos = 0xB9;
        for length in [0, 1, 61, 1300] {
            let payload = vec![0x5A; length];
            bed.send(WAN, &sender.seal_as(&payload, GRE));
            let clear =
                Build { protocol: GRE, tos: 0xB9, ..Build::between(sa.remote, sa.local) }.with(&payload);
            let frames = bed.frames(KERNEL);
            assert_eq!(frames, [clear], "drops: {:?}", bed.drops());
        }
        assert!(bed.drops().is_empty());
    }
}

/// RFC 3948 section 3.1.2: the sender summed its private address.
#[test]
fn behind_a_nat_the_checksums_of_tcp_and_udp_are_made_to_fit_again() {
    for peer in PEERS {
        let sa = ours(Direction::In, peer, ENCAPS[1]);
        let private = if sa.remote.is_ipv4() { ip("10.0.0.7") } else { ip("2001:db8:77::7") };
        for (protocol, field, length) in [(TCP, 16, 41), (UDP, 6, 40), (UDP, 6, 41)] {
            let mut segment: Vec<u8> = (0..length).collect();
            segment[4..6].copy_from_slice(&[0, length]);
            segment[field..field + 2].fill(0);
            let sum = |from| {
                checksum::pseudo(from, sa.local, protocol, u32::from(length))
                    .with(&segment)
                    .finish()
                    .to_be_bytes()
            };
            let (theirs, right) = (sum(private), sum(sa.remote));
            assert_ne!(theirs, right);
            segment[field..field + 2].copy_from_slice(&theirs);
            let mut bed = bed_with(peer, ENCAPS[1]);
            bed.send(WAN, &Sender::to(&sa).seal_as(&segment, protocol));
            segment[field..field + 2].copy_from_slice(&right);
            let clear = Build { protocol, ..Build::between(sa.remote, sa.local) }.with(&segment);
            assert_eq!(bed.frames(KERNEL), [clear], "{peer} {protocol}");
        }
    }
}

#[test]
fn a_datagram_without_checksum_stays_without_and_bare_esp_changes_none() {
    for (encap, checksum) in [(ENCAPS[1], 0_u16), (ENCAPS[0], 0xBEEF)] {
        let sa = ours(Direction::In, PEERS[0], encap);
        let mut segment = datagram(1000, 2000, &[7; 20]);
        segment[6..8].copy_from_slice(&checksum.to_be_bytes());
        let mut bed = bed_with(PEERS[0], encap);
        bed.send(WAN, &Sender::to(&sa).seal_as(&segment, UDP));
        assert_eq!(bed.frames(KERNEL), [Build::between(sa.remote, sa.local).with(&segment)]);
    }
}

#[test]
fn a_ping_under_transport_mode_is_answered_under_transport_mode() {
    let (peer, encap) = (PEERS[0], ENCAPS[0]);
    let mut bed = bed_with(peer, encap);
    let mut ping = vec![8, 0, 0, 0, 1, 2, 0, 1, 0xAA];
    let sum = checksum::internet(&ping);
    ping[2..4].copy_from_slice(&sum.to_be_bytes());
    bed.send(WAN, &Sender::to(&ours(Direction::In, peer, encap)).seal_as(&ping, 1));
    let reply = opened(&ours(Direction::Out, peer, encap), &bed.only(WAN), 1);
    let packet = Packet::new_checked(&reply).unwrap();
    assert_eq!((packet.payload()[0], packet.payload()[8]), (0, 0xAA));
    assert_eq!(checksum::internet(packet.payload()), 0);
}

#[test]
fn a_packet_too_long_is_sealed_whole_and_cut_behind_its_header() {
    for peer in PEERS {
        let mut bed = bed_with(peer, Encap::Esp);
        let sa = ours(Direction::Out, peer, Encap::Esp);
        let length = if sa.remote.is_ipv4() { 1490 } else { 1270 };
        let mut wan = port(WAN, FRONT, &[("172.18.1.1", 24), ("2001:db8:18::1", 64)]);
        wan.mtu = u16::try_from(length).unwrap() + 10;
        bed.apply(vec![Object::Port(wan)]);
        let clear = to_peer(&sa, GRE).with(&vec![0x5A; length - if sa.remote.is_ipv4() { 20 } else { 40 }]);
        from_kernel(&mut bed, &clear);
        let pieces = bed.packets(WAN);
        assert_eq!(pieces.len(), 2, "{:?}", bed.drops());
        let packets = pieces.iter().map(|piece| Packet::new_checked(piece).unwrap());
        let sealed: Vec<u8> = packets.clone().flat_map(|packet| packet.payload().to_vec()).collect();
        assert!(packets.clone().all(|packet| packet.protocol == ESP && packet.fragment.is_some()));
        let whole = Build { protocol: ESP, ..Build::between(sa.local, sa.remote) }.with(&sealed);
        assert!(Receiver::of(&sa).open(&whole).iter().all(|&byte| byte == 0x5A));
    }
}

#[test]
fn the_kernel_is_told_how_long_an_indivisible_packet_may_be() {
    let sa = ours(Direction::Out, PEERS[0], Encap::Esp);
    let longest = 20 + sa.suite.payload_for(1500 - 20);
    for (length, passes) in [(longest, true), (longest + 1, false)] {
        let mut bed = bed_with(PEERS[0], Encap::Esp);
        let clear = Build { df: true, ..to_peer(&sa, GRE) }.with(&vec![1; length - 20]);
        from_kernel(&mut bed, &clear);
        if passes {
            let sealed = bed.only(WAN);
            assert!(sealed.len() <= 1500 && Packet::new_checked(&sealed).unwrap().df);
            continue;
        }
        let told = bed.frames(KERNEL);
        let packet = Packet::new_checked(&told[0]).unwrap();
        assert_eq!(packet.payload()[..2], [3, 4]);
        assert_eq!(usize::from(u16::from_be_bytes([packet.payload()[6], packet.payload()[7]])), longest);
    }
}

#[test]
fn what_only_a_tunnel_can_carry_is_not_sealed_and_does_not_leave() {
    let sa = ours(Direction::Out, PEERS[0], Encap::Esp);
    let wide = Selector::between("0.0.0.0/0".parse().unwrap(), "0.0.0.0/0".parse().unwrap());
    let mut fragment = to_peer(&sa, GRE).with(&[1; 64]);
    wire::ipv4::PacketMut::new_checked(&mut fragment).unwrap().set_fragment(0, true);
    let stray = Build::between(sa.local, ip("203.0.113.9")).long(100);
    for packet in [fragment, stray] {
        let mut bed = bed_with(PEERS[0], Encap::Esp);
        let mut entry = policy(1, WAN, FRONT);
        entry.rules = vec![Rule { permit: true, selector: wide }];
        entry.bundles = vec![Bundle { selector: wide, outbound: sa.id }];
        bed.apply(vec![Object::Policy(entry)]);
        from_kernel(&mut bed, &packet);
        bed.died_of("not-transport");
    }
    let mut bed = bed_with(PEERS[1], Encap::Esp);
    let options = [&[UDP, 0, 1, 4, 0, 0, 0, 0][..], &datagram(1, 2, &[0; 9])].concat();
    from_kernel(&mut bed, &to_peer(&ours(Direction::Out, PEERS[1], Encap::Esp), 60).with(&options));
    bed.died_of("not-transport");
}

#[test]
fn no_sa_no_packet() {
    let mut bed = bed_with(PEERS[0], Encap::Esp);
    let mut entry = policy(1, WAN, FRONT);
    entry.rules = vec![Rule { permit: true, selector: ends(&ours(Direction::Out, PEERS[0], Encap::Esp)) }];
    entry.bundles.clear();
    bed.apply(vec![Object::Policy(entry)]);
    from_kernel(&mut bed, &to_peer(&ours(Direction::Out, PEERS[0], Encap::Esp), GRE).with(&[1; 64]));
    bed.died_of("no-sa-yet");
}

#[test]
fn what_the_sa_was_not_negotiated_for_dies_by_name() {
    let sa = ours(Direction::In, PEERS[0], Encap::Esp);
    let narrow = Sa { selector: Selector { protocol: Some(GRE), ..sa.selector }, ..sa.clone() };
    let mut bed = bed_with(PEERS[0], Encap::Esp);
    bed.apply(vec![Object::Sa(narrow)]);
    bed.send(WAN, &Sender::to(&sa).seal_as(&datagram(1000, 2000, &[7; 20]), UDP));
    bed.died_of("outside-selector");
    assert_eq!(bed.engine.counters().sas[&SaId(2)].errors, 1);
}

#[test]
fn a_packet_whose_sender_is_another_than_the_sa_s_peer_dies_by_name() {
    let sa = ours(Direction::In, PEERS[0], Encap::Esp);
    let mut bed = bed_with(PEERS[0], Encap::Esp);
    let esp = Sender::to(&sa).esp(&[1; 40], GRE);
    let moved = Build { protocol: ESP, ..Build::between(ip("203.0.113.9"), sa.local) }.with(&esp);
    bed.send(WAN, &moved);
    bed.died_of("outside-selector");
}

#[test]
fn dummies_and_what_is_no_packet_die_by_name() {
    for (next_header, payload, name) in
        [(59, vec![0; 40], "dummy"), (UDP, vec![0; 2], "inner-malformed"), (UDP, vec![], "inner-malformed")]
    {
        let mut bed = bed_with(PEERS[0], Encap::Esp);
        bed.send(WAN, &Sender::to(&ours(Direction::In, PEERS[0], Encap::Esp)).seal_as(&payload, next_header));
        bed.died_of(name);
    }
}
