//! Packets that nobody honest sends, and peers whose NAT moves them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bed;

use bed::*;
use dataplane::{Event, Object, Port};
use ipsec::{Direction, Encap, Sa, Selector};

fn inbound() -> Sa {
    sa(1, Direction::In, WAN, RED, "198.51.100.1", GCM)
}

fn anything() -> Selector {
    Selector::between("0.0.0.0/0".parse().unwrap(), "0.0.0.0/0".parse().unwrap())
}

/// A packet inside a tunnel whose selector admits everything.
fn through_tunnel(src: &str, dst: &str) -> Bed {
    let mut bed = Bed::with_tunnels();
    let open = Sa { selector: anything(), ..inbound() };
    bed.apply(vec![Object::Sa(open.clone())]);
    bed.send(WAN, &Sender::to(&open).seal(&Build::between(ip(src), ip(dst)).long(100)));
    bed
}

#[test]
fn sources_that_nobody_may_have_die_by_name_wherever_they_come_from() {
    for src in ["0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.5", "240.0.0.1", "255.255.255.255"] {
        through_tunnel(src, "10.1.0.7").died_of("martian");
        let packet = Build::between(ip(src), ip("10.1.0.7")).long(100);
        for (port, packet) in [(WAN, packet.clone()), (CORE, under(&[RED_LABEL], 64, &packet))] {
            let mut bed = Bed::with_tunnels();
            bed.send(port, &packet);
            bed.died_of("martian");
        }
    }
    for src in ["::", "::1", "ff02::1"] {
        let mut bed = Bed::with_tunnels();
        let packet = Build::between(ip(src), ip("2001:db8:1::7")).long(100);
        bed.send(CORE, &under(&[RED_LABEL], 64, &packet));
        bed.died_of("martian");
    }
}

#[test]
fn nobody_else_speaks_with_our_own_address() {
    through_tunnel("10.9.9.1", "10.1.0.7").died_of("martian");
    let mut bed = Bed::with_tunnels();
    bed.send(WAN, &Build::between(ip("172.18.1.1"), ip("198.51.100.1")).long(100));
    bed.died_of("martian");
    // The same address in another VRF is somebody else's.
    let mut bed = Bed::with_tunnels();
    bed.send(CORE, &under(&[BLUE_LABEL], 64, &Build::between(ip("10.9.9.1"), ip("10.5.0.2")).long(100)));
    assert_eq!(bed.frames(LAN).len(), 1);
}

#[test]
fn a_broadcast_into_a_connected_network_is_not_sent() {
    for dst in ["10.5.0.255", "10.5.0.0"] {
        let mut bed = Bed::with_tunnels();
        bed.send(CORE, &under(&[BLUE_LABEL], 64, &Build::between(ip("10.1.0.7"), ip(dst)).long(100)));
        bed.died_of("multicast");
        assert!(bed.events().is_empty(), "nobody is asked for its link address");
    }
}

#[test]
fn explicit_null_names_the_family_beneath_it() {
    let inner = |v6: bool| match v6 {
        true => Build::between(ip("2001:db8:2::9"), ip("2001:db8:18::77")).long(100),
        false => Build::between(ip("10.2.0.9"), ip("192.168.0.2")).long(100),
    };
    for (label, v6, sound) in [(0, false, true), (0, true, false), (2, true, true), (2, false, false)] {
        let mut bed = Bed::with_tunnels();
        bed.send(CORE, &under(&[label], 64, &inner(v6)));
        assert_eq!(!bed.drops().contains_key("label-stack"), sound, "{label} {v6}");
    }
}

#[test]
fn a_label_does_not_carry_a_clear_packet_past_the_entry_that_protects_it() {
    let mut bed = Bed::with_tunnels();
    let wan = Port { mpls: true, ..port(WAN, FRONT, &[("172.18.1.1", 24)]) };
    let mut entry = policy(3, WAN, FRONT);
    entry.bundles.clear();
    bed.apply(vec![Object::Port(wan), Object::Policy(entry)]);
    bed.send(WAN, &under(&[0], 64, &from_site().long(100)));
    bed.died_of("clear-but-protected");
}

/// The first half of an outer packet that never becomes whole.
fn orphan(ident: u16) -> Vec<u8> {
    let mut bytes =
        Build { protocol: 50, ..Build::between(ip("203.0.113.66"), ip("172.18.1.1")) }.with(&[0; 64]);
    let mut header = wire::ipv4::PacketMut::new_checked(&mut bytes).unwrap();
    header.set_ident(ident);
    header.set_fragment(0, true);
    bytes
}

#[test]
fn a_flood_of_fragments_makes_room_for_an_honest_packet_of_the_same_front_vrf() {
    let mut bed = Bed::with_tunnels();
    for ident in 0..200 {
        bed.send(WAN, &orphan(ident));
    }
    assert_eq!(bed.drops()["fragment-limit"], 200 - 64);
    let outer = Sender::to(&inbound()).seal(&from_site().long(400));
    for (at, more) in [(0, true), (200, false)] {
        let part = if more { &outer[20..220] } else { &outer[220..] };
        let mut piece = Sender::to(&inbound()).outer(50, part);
        wire::ipv4::PacketMut::new_checked(&mut piece).unwrap().set_fragment(at, more);
        bed.send(WAN, &piece);
    }
    assert_eq!(bed.frames(CORE).len(), 1);
}

/// An SA in UDP, and what its peer sends from a port.
fn natted() -> (Bed, impl FnMut(u16) -> Vec<u8>) {
    let ours = Sa { encap: Encap::Udp { local: 4500, remote: 40_000 }, ..inbound() };
    let mut bed = Bed::with_tunnels();
    bed.apply(vec![Object::Sa(ours.clone())]);
    let mut sender = Sender::to(&ours);
    let from = move |port| {
        let esp = sender.esp(&from_site().long(100), 4);
        sender.outer(17, &datagram(port, 4500, &esp))
    };
    (bed, from)
}

#[test]
fn an_authentic_newest_packet_from_another_port_is_told_once() {
    let (mut bed, mut from) = natted();
    bed.send(WAN, &from(40_000));
    assert!(bed.events().is_empty());
    let moved = from(50_000);
    bed.send(WAN, &moved);
    assert_eq!(bed.events(), [Event::Moved(inbound().id, 50_000)]);
    bed.send(WAN, &from(50_000));
    assert!(bed.events().is_empty(), "not more than once a second");
    assert_eq!(bed.frames(CORE).len(), 3);
}

#[test]
fn an_old_a_replayed_or_a_forged_packet_from_another_port_moves_nobody() {
    let (mut bed, mut from) = natted();
    let late = from(50_000);
    let newest = from(40_000);
    bed.send(WAN, &newest);
    bed.send(WAN, &late);
    let mut replayed = newest.clone();
    replayed[20..22].copy_from_slice(&50_000_u16.to_be_bytes());
    bed.send(WAN, &replayed);
    let mut forged = from(50_000);
    *forged.last_mut().unwrap() ^= 1;
    bed.send(WAN, &forged);
    assert!(bed.events().is_empty());
    assert_eq!(bed.frames(CORE).len(), 2, "the late one is taken, but it says nothing new");
}
