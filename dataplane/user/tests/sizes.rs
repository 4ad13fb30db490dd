//! Packets too big for their way: PF-1 and PF-2, fragments of outer packets, and what senders are told.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bed;

use bed::*;
use dataplane::Object;
use ipsec::{DfBit, Direction, Encap, Fragmentation, Sa};
use wire::ip::Packet;
use wire::{icmp, ipv4, ipv6};

fn inbound() -> Sa {
    sa(1, Direction::In, WAN, RED, "198.51.100.1", GCM)
}

fn outbound() -> Sa {
    sa(1, Direction::Out, WAN, RED, "198.51.100.1", GCM)
}

fn bed_with(df: DfBit, fragmentation: Fragmentation) -> Bed {
    let mut bed = Bed::new();
    let policy = ipsec::Policy { df, fragmentation, ..policy(1, WAN, RED) };
    bed.apply(vec![Object::Sa(inbound()), Object::Sa(outbound()), Object::Policy(policy)]);
    bed
}

/// Puts the payloads of fragments in their places; `None` while some are missing.
fn join(pieces: &[Vec<u8>]) -> Option<Vec<u8>> {
    let mut payload: Vec<Option<u8>> = Vec::new();
    let mut ended = false;
    for piece in pieces {
        let packet = Packet::new_checked(piece).unwrap();
        let fragment = packet.fragment.unwrap();
        let end = fragment.offset + packet.payload().len();
        payload.resize(payload.len().max(end), None);
        for (at, byte) in packet.payload().iter().enumerate() {
            assert!(payload[fragment.offset + at].replace(*byte).is_none(), "overlap");
        }
        ended |= !fragment.more;
    }
    payload.into_iter().collect::<Option<Vec<u8>>>().filter(|_| ended)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Before,
    After,
    Dropped,
}

/// The twelve rows of PF-2.
#[test]
fn where_a_big_packet_is_cut_depends_on_df_bit_setting_and_df() {
    use DfBit::{Clear, Copy, Set};
    use Fragmentation::{AfterEncryption, BeforeEncryption};
    for (setting, df, when, fate) in [
        (Clear, false, BeforeEncryption, Fate::Before),
        (Clear, true, BeforeEncryption, Fate::Before),
        (Clear, false, AfterEncryption, Fate::After),
        (Clear, true, AfterEncryption, Fate::After),
        (Set, false, BeforeEncryption, Fate::Before),
        (Set, true, BeforeEncryption, Fate::Dropped),
        (Set, false, AfterEncryption, Fate::After),
        (Set, true, AfterEncryption, Fate::Dropped),
        (Copy, false, BeforeEncryption, Fate::Before),
        (Copy, true, BeforeEncryption, Fate::Dropped),
        (Copy, false, AfterEncryption, Fate::After),
        (Copy, true, AfterEncryption, Fate::Dropped),
    ] {
        let mut bed = bed_with(setting, when);
        let inner = Build { df, ..to_site() }.long(1500);
        bed.send(CORE, &under(&[RED_LABEL], 64, &inner));
        let out = bed.packets(WAN);
        let row = format!("{setting:?} DF={df} {when:?}");
        match fate {
            Fate::Dropped => {
                assert!(out.is_empty(), "{row}");
                assert_eq!(bed.drops()["too-big"], 1, "{row}");
            }
            Fate::Before => check_before(&out, &inner, setting, &row),
            Fate::After => check_after(&out, &inner, &row),
        }
    }
}

fn check_before(out: &[Vec<u8>], inner: &[u8], setting: DfBit, row: &str) {
    let mut receiver = Receiver::of(&outbound());
    let whole = |packet: &Vec<u8>| Packet::new_checked(packet).unwrap().fragment.is_none();
    assert!(out.len() == 2 && out.iter().all(whole), "{row}");
    let df = Packet::new_checked(&out[0]).unwrap().df;
    assert_eq!(df, setting == DfBit::Set, "{row}");
    let pieces: Vec<Vec<u8>> = out.iter().map(|sealed| receiver.open(sealed)).collect();
    assert!(pieces[0].len().abs_diff(pieces[1].len()) <= 8, "equal in size: {row}");
    assert_eq!(join(&pieces).as_deref(), Some(&inner[20..]), "{row}");
    assert!(pieces.iter().all(|piece| ipv4::Packet::new_checked(piece).unwrap().is_intact()), "{row}");
}

fn check_after(out: &[Vec<u8>], inner: &[u8], row: &str) {
    assert!(out.len() == 2 && out.iter().all(|packet| packet.len() <= 1500), "{row}");
    assert!(out.iter().all(|piece| ipv4::Packet::new_checked(piece).unwrap().is_intact()), "{row}");
    let esp = join(out).expect(row);
    let outer = Build { protocol: 50, ..Build::between(ip("172.18.1.1"), ip("198.51.100.1")) }.with(&esp);
    assert_eq!(Receiver::of(&outbound()).open(&outer), aged(inner, 1), "{row}");
}

#[test]
fn the_df_bit_of_a_packet_that_fits_is_as_configured() {
    for (setting, inner, outer) in [
        (DfBit::Clear, true, false),
        (DfBit::Set, false, true),
        (DfBit::Copy, true, true),
        (DfBit::Copy, false, false),
    ] {
        let mut bed = bed_with(setting, Fragmentation::BeforeEncryption);
        bed.send(CORE, &under(&[RED_LABEL], 64, &Build { df: inner, ..to_site() }.long(200)));
        assert_eq!(Packet::new_checked(&bed.only(WAN)).unwrap().df, outer, "{setting:?} {inner}");
    }
}

#[test]
fn the_longest_packet_that_fits_is_not_cut_and_one_byte_more_is() {
    for encap in [Encap::Esp, Encap::Udp { local: 4500, remote: 4500 }] {
        let mut bed = bed_with(DfBit::Copy, Fragmentation::BeforeEncryption);
        bed.apply(vec![Object::Sa(Sa { encap, ..outbound() })]);
        let fits = GCM.payload_for(1500 - 20 - encap.overhead());
        bed.send(CORE, &under(&[RED_LABEL], 64, &to_site().long(fits)));
        assert_eq!(bed.packets(WAN).len(), 1);
        bed.send(CORE, &under(&[RED_LABEL], 64, &to_site().long(fits + 1)));
        assert_eq!(bed.packets(WAN).len(), 2);
    }
}

#[test]
fn the_sender_in_the_inside_vrf_is_told_how_much_fits_by_the_way_it_came() {
    let mut bed = bed_with(DfBit::Copy, Fragmentation::BeforeEncryption);
    bed.send(CORE, &under(&[RED_LABEL], 64, &Build { df: true, ..to_site() }.long(1496)));
    let out = bed.only(CORE);
    let (labels, error) = stack(&out);
    assert_eq!(labels[0].label, label(2001), "in RED, towards the far site");
    let packet = Packet::new_checked(error).unwrap();
    assert_eq!((packet.protocol, packet.dst), (icmp::V4, ip("10.1.0.7")));
    let message = icmp::Message::parse(packet.payload()).unwrap();
    assert_eq!((message.kind, message.code), (3, 4));
    assert_eq!(message.too_big(base::Family::V4), Some(u32::try_from(GCM.payload_for(1480)).unwrap()));
    assert_eq!(wire::checksum::internet(packet.payload()), 0);
}

#[test]
fn ipv6_inside_is_told_too_but_what_every_link_must_carry_is_never_refused() {
    let mut bed = bed_with(DfBit::Copy, Fragmentation::BeforeEncryption);
    let big = Build::between(ip("2001:db8:1::7"), ip("2001:db8:2::9"));
    bed.apply(vec![Object::Sa(Sa { selector: selectors()[1], ..outbound() })]);
    bed.send(CORE, &under(&[RED_LABEL], 64, &big.long(1490)));
    let out = bed.only(CORE);
    let packet = Packet::new_checked(stack(&out).1).unwrap();
    let message = icmp::Message::parse(packet.payload()).unwrap();
    assert_eq!(message.too_big(base::Family::V6), Some(u32::try_from(GCM.payload_for(1480)).unwrap()));
    // A path too narrow for 1280 bytes under ESP: the outer packet is cut.
    let narrow = dataplane::Port { mtu: 1280, ..port(WAN, FRONT, &[("172.18.1.1", 24)]) };
    bed.apply(vec![Object::Port(narrow)]);
    bed.send(CORE, &under(&[RED_LABEL], 64, &big.long(1280)));
    let out = bed.packets(WAN);
    assert!(out.len() == 2 && join(&out).is_some());
}

#[test]
fn an_outer_ipv6_packet_is_cut_by_a_fragment_header() {
    let mut bed = Bed::new();
    let policy = ipsec::Policy { fragmentation: Fragmentation::AfterEncryption, ..policy(1, WAN, RED) };
    let outbound = sa(1, Direction::Out, WAN, RED, "2001:db8:51::1", GCM);
    bed.apply(vec![Object::Sa(outbound.clone()), Object::Policy(policy)]);
    bed.send(CORE, &under(&[RED_LABEL], 64, &to_site().long(1496)));
    let out = bed.packets(WAN);
    assert!(out.len() == 2 && out.iter().all(|piece| piece.len() <= 1500));
    assert!(
        out.iter().all(|piece| ipv6::Packet::new_checked(piece).unwrap().next_header() == ipv6::FRAGMENT)
    );
    let esp = join(&out).unwrap();
    let outer = Build { protocol: 50, ..Build::between(outbound.local, outbound.remote) }.with(&esp);
    assert_eq!(Receiver::of(&outbound).open(&outer), aged(&to_site().long(1496), 1));
}

#[test]
fn a_plain_packet_too_big_for_labels_is_cut_or_its_sender_told() {
    let mut bed = Bed::with_tunnels();
    let core = dataplane::Port { mtu: 1000, ..port(CORE, base::VrfId(0), &[("192.168.0.1", 24)]) };
    bed.apply(vec![Object::Port(core)]);
    let mut sender = Sender::to(&inbound());
    bed.send(WAN, &sender.seal(&from_site().long(1200)));
    let out = bed.packets(CORE);
    assert!(out.len() == 2 && out.iter().all(|packet| packet.len() <= 1000));
    let pieces: Vec<Vec<u8>> = out.iter().map(|packet| stack(packet).1.to_vec()).collect();
    assert_eq!(join(&pieces).as_deref(), Some(&from_site().long(1200)[20..]));
    // DF: told into the tunnel that it came by.
    let mut entry = policy(1, WAN, RED);
    let all = ipsec::Selector::between("0.0.0.0/0".parse().unwrap(), "10.2.0.0/16".parse().unwrap());
    (entry.rules[0].selector, entry.bundles[0].selector) = (all, all);
    bed.apply(vec![Object::Policy(entry)]);
    bed.send(WAN, &sender.seal(&Build { df: true, ..from_site() }.long(1200)));
    let error = Receiver::of(&outbound()).open(&bed.only(WAN));
    let packet = Packet::new_checked(&error).unwrap();
    assert_eq!((packet.src, packet.dst), (ip("10.9.9.1"), ip("10.2.0.9")));
    assert_eq!(icmp::Message::parse(packet.payload()).unwrap().too_big(base::Family::V4), Some(996));
}

/// The outer packet of one sealed packet, in pieces.
fn pieces(size: usize, ident: u16) -> Vec<Vec<u8>> {
    pieces_of(&Sender::to(&inbound()).seal(&from_site().long(1200)), size, ident)
}

fn pieces_of(outer: &[u8], size: usize, ident: u16) -> Vec<Vec<u8>> {
    let parts: Vec<&[u8]> = outer[20..].chunks(size).collect();
    let piece = |(number, part): (usize, &&[u8])| {
        let mut bytes = [&outer[..20], part].concat();
        let length = u16::try_from(bytes.len()).unwrap();
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        let mut header = ipv4::PacketMut::new_checked(&mut bytes).unwrap();
        header.set_ident(ident);
        header.set_fragment(number * size, number + 1 < parts.len());
        bytes[10..12].fill(0);
        let sum = wire::checksum::internet(&bytes[..20]);
        bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        bytes
    };
    parts.iter().enumerate().map(piece).collect()
}

#[test]
fn fragments_of_an_outer_packet_are_joined_in_any_order() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let mut bed = bed_with(DfBit::Copy, Fragmentation::BeforeEncryption);
        let pieces = pieces(480, 5);
        assert_eq!(pieces.len(), 3);
        for number in order {
            bed.send(WAN, &pieces[number]);
        }
        assert_eq!(stack(&bed.only(CORE)).1, aged(&from_site().long(1200), 1));
    }
}

#[test]
fn fragments_of_udp_encapsulated_esp_are_joined_too() {
    let mut bed = bed_with(DfBit::Copy, Fragmentation::BeforeEncryption);
    let udp = Sa { encap: Encap::Udp { local: 4500, remote: 4500 }, ..inbound() };
    bed.apply(vec![Object::Sa(udp.clone())]);
    for piece in pieces_of(&Sender::to(&udp).seal(&from_site().long(1200)), 800, 6) {
        bed.send(WAN, &piece);
    }
    assert_eq!(bed.packets(CORE).len(), 1);
}

#[test]
fn fragments_of_outer_ipv6_packets_are_joined() {
    let mut bed = Bed::new();
    let sa = sa(1, Direction::In, WAN, RED, "2001:db8:51::1", GCM);
    bed.apply(vec![Object::Sa(sa.clone())]);
    let outer = Sender::to(&sa).seal(&from_site().long(1200));
    let parts: Vec<&[u8]> = outer[40..].chunks(640).collect();
    for (number, part) in parts.iter().enumerate().rev() {
        let (offset, more) = (number * 640, number + 1 < parts.len());
        let fragment = ipv6::Fragment { next: 50, offset, more, ident: 9, at: 0, named_at: 0 };
        let payload = [&fragment.to_bytes()[..], part].concat();
        let build = Build { protocol: ipv6::FRAGMENT, ..Build::between(sa.remote, sa.local) };
        bed.send(WAN, &build.with(&payload));
    }
    assert_eq!(stack(&bed.only(CORE)).1.len(), 1200);
}

#[test]
fn fragments_of_two_front_vrfs_never_meet() {
    let mut bed = bed_with(DfBit::Copy, Fragmentation::BeforeEncryption);
    let pieces = pieces(800, 5);
    bed.send(WAN, &pieces[0]);
    bed.send(OTHER_WAN, &pieces[1]);
    assert!(bed.frames(CORE).is_empty());
    bed.wait(std::time::Duration::from_secs(31));
    assert_eq!(bed.drops()["fragment-timeout"], 2);
    bed.send(WAN, &pieces[1]);
    assert!(bed.frames(CORE).is_empty(), "forgotten");
}

#[test]
fn overlapping_fragments_spoil_the_whole() {
    let mut bed = bed_with(DfBit::Copy, Fragmentation::BeforeEncryption);
    let (pieces, shifted) =
        (pieces(480, 5), pieces_of(&Sender::to(&inbound()).seal(&from_site().long(1200)), 472, 5));
    bed.send(WAN, &pieces[0]);
    bed.send(WAN, &shifted[1]);
    bed.send(WAN, &pieces[1]);
    bed.send(WAN, &pieces[2]);
    assert!(bed.frames(CORE).is_empty());
    assert_eq!(bed.drops()["fragment-overlap"], 3);
}

#[test]
fn the_same_fragment_twice_does_no_harm() {
    let mut bed = bed_with(DfBit::Copy, Fragmentation::BeforeEncryption);
    let pieces = pieces(480, 5);
    for number in [0, 0, 1, 1, 2] {
        bed.send(WAN, &pieces[number]);
    }
    assert_eq!(bed.packets(CORE).len(), 1);
}

#[test]
fn a_flood_of_first_fragments_in_one_front_vrf_leaves_the_other_alone() {
    let mut bed = bed_with(DfBit::Copy, Fragmentation::BeforeEncryption);
    for ident in 0..100 {
        bed.send(OTHER_WAN, &pieces(800, ident)[0]);
    }
    assert_eq!(bed.drops()["fragment-limit"], 36);
    for piece in pieces(800, 500) {
        bed.send(WAN, &piece);
    }
    assert_eq!(bed.packets(CORE).len(), 1);
}

#[test]
fn congestion_crosses_the_tunnel_both_ways() {
    // (inner, outer, what comes out): RFC 6040 figure 4.
    let rows = [
        (0, 0, Some(0)),
        (0, 1, Some(0)),
        (0, 2, Some(0)),
        (0, 3, None),
        (2, 0, Some(2)),
        (2, 1, Some(1)),
        (2, 2, Some(2)),
        (2, 3, Some(3)),
        (1, 0, Some(1)),
        (1, 1, Some(1)),
        (1, 2, Some(1)),
        (1, 3, Some(3)),
        (3, 0, Some(3)),
        (3, 1, Some(3)),
        (3, 2, Some(3)),
        (3, 3, Some(3)),
    ];
    for (inner, outer, left) in rows {
        let mut bed = bed_with(DfBit::Copy, Fragmentation::BeforeEncryption);
        let mut sender = Sender::to(&inbound());
        sender.tos = outer;
        bed.send(WAN, &sender.seal(&Build { tos: 0x28 | inner, ..from_site() }.long(100)));
        let seen = bed.packets(CORE).first().map(|out| Packet::new_checked(stack(out).1).unwrap().tos);
        assert_eq!(seen, left.map(|ecn| 0x28 | ecn), "{inner} {outer}");
        assert_eq!(bed.drops().contains_key("congestion-lost"), left.is_none());
    }
    for tos in [0, 1, 2, 3, 0xB8, 0x29] {
        let mut bed = bed_with(DfBit::Copy, Fragmentation::BeforeEncryption);
        bed.send(CORE, &under(&[RED_LABEL], 64, &Build { tos, ..to_site() }.long(100)));
        assert_eq!(Packet::new_checked(&bed.only(WAN)).unwrap().tos, tos);
    }
}

#[test]
fn a_ttl_that_ends_under_labels_is_told_with_the_labels_in_the_right_vrf() {
    let mut bed = Bed::with_tunnels();
    bed.send(CORE, &under(&[RED_LABEL], 1, &to_site().long(200)));
    let out = bed.only(CORE);
    let (labels, error) = stack(&out);
    assert_eq!(labels[0].label, label(2001));
    let packet = Packet::new_checked(error).unwrap();
    assert_eq!((packet.src, packet.dst), (ip("10.9.9.1"), ip("10.1.0.7")));
    let message = icmp::Message::parse(packet.payload()).unwrap();
    assert_eq!((message.kind, message.code), (11, 0));
    let quoted = usize::from(message.word[1]) * 4;
    let extension = &message.body[quoted..];
    assert_eq!(extension[4..8], [0, 8, 1, 1], "RFC 4950: one object with one entry");
    assert_eq!(extension[8..12], under(&[RED_LABEL], 1, &[])[..]);
    assert_eq!(bed.drops()["ttl-expired"], 1);
}

#[test]
fn in_transit_the_far_end_of_the_path_is_asked_to_tell() {
    let mut bed = Bed::new();
    bed.send(CORE, &under(&[TRANSIT_LABEL, TRANSIT_LABEL], 1, &to_site().long(200)));
    let out = bed.only(CORE);
    let (labels, error) = stack(&out);
    assert_eq!(labels.iter().map(|entry| entry.label.value()).collect::<Vec<_>>(), [4003, TRANSIT_LABEL]);
    assert_eq!(Packet::new_checked(error).unwrap().dst, ip("10.1.0.7"));
}

#[test]
fn a_labelled_packet_too_big_for_its_next_link_is_told() {
    let mut bed = Bed::new();
    let core = dataplane::Port { mtu: 1000, ..port(CORE, GLOBAL, &[("192.168.0.1", 24)]) };
    bed.apply(vec![Object::Port(core)]);
    bed.send(CORE, &under(&[TRANSIT_LABEL], 64, &Build { df: true, ..to_site() }.long(1000)));
    let out = bed.only(CORE);
    let packet = Packet::new_checked(stack(&out).1).unwrap();
    assert_eq!(icmp::Message::parse(packet.payload()).unwrap().too_big(base::Family::V4), Some(996));
}

#[test]
fn errors_are_not_told_about_errors_nor_more_than_a_hundred_a_second() {
    let mut bed = Bed::with_tunnels();
    let error = Build { ttl: 1, protocol: 1, ..to_site() }.with(&[11, 0, 0, 0, 0, 0, 0, 0]);
    bed.send(CORE, &under(&[RED_LABEL], 64, &error));
    bed.died_of("ttl-expired");
    let dying = under(&[RED_LABEL], 64, &Build { ttl: 1, ..to_site() }.long(100));
    for _ in 0..200 {
        bed.send(CORE, &dying);
    }
    assert_eq!(bed.packets(CORE).len(), 50);
    // Another VRF has an allowance of its own.
    bed.send(CORE, &under(&[BLUE_LABEL], 64, &Build { ttl: 1, ..to_site() }.long(100)));
    assert_eq!(bed.packets(CORE).len(), 1);
    bed.wait(std::time::Duration::from_millis(100));
    for _ in 0..200 {
        bed.send(CORE, &dying);
    }
    assert_eq!(bed.packets(CORE).len(), 10);
}
