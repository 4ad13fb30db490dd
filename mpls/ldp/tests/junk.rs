//! What does not belong: RFC 5036 section 3.5.1.2 says what ends a session; nothing else changes anything.
#![allow(clippy::unwrap_used)] // a test's own functions may panic

mod world;

use std::time::Duration;

use base::{Engine, Instant};
use ldp::{Input, Notice, Output};
use proptest::prelude::*;
use world::{World, id, loopback, port, router};

/// The code of a status and the type of the message that it is about.
type Complaint = Option<(u32, u16)>;

/// A PDU of router 10.0.0.2 (node 1) around messages.
fn pdu(messages: &[u8]) -> Vec<u8> {
    let length = (messages.len() as u16 + 6).to_be_bytes();
    [&[0, 1][..], &length, &router(1).octets(), &[0, 0], messages].concat()
}

/// A message with id 0x55 around TLVs.
fn message(kind: u16, tlvs: &[u8]) -> Vec<u8> {
    let length = (tlvs.len() as u16 + 4).to_be_bytes();
    [&kind.to_be_bytes()[..], &length, &[0, 0, 0, 0x55], tlvs].concat()
}

fn up() -> World {
    let mut world = World::row(2, |_, _| {});
    world.seconds(1);
    assert!(world.is_up(0, 1));
    world
}

/// The status code and the message type in the last notification that node 0 sent, if it sent one.
fn complaint(world: &World) -> Complaint {
    let (_, bytes) = world.nodes[0].sent.last()?;
    let body = bytes.get(10..)?;
    (body.get(..2)? == [0, 1]).then(|| {
        let word = |at: usize| u32::from_be_bytes(body[at..at + 4].try_into().unwrap());
        (word(12), u16::from_be_bytes(body[20..22].try_into().unwrap()))
    })
}

#[test]
fn what_is_only_strange_is_told_and_changes_nothing() {
    let fec = [1, 0, 0, 8, 2, 0, 1, 32, 192, 0, 2, 1];
    let label = [2, 0, 0, 4, 0, 0, 0, 99];
    let cases: [(&str, Vec<u8>, Complaint); 12] = [
        ("unknown message", message(0x0777, &[]), Some((0x04, 0x0777))),
        ("unknown message with the U bit", message(0x8777, &[1, 2, 3]), None),
        (
            "unknown TLV",
            message(0x0400, &[&fec[..], &label, &[0x07, 0x77, 0, 0]].concat()),
            Some((0x06, 0x0400)),
        ),
        ("no label", message(0x0400, &fec), Some((0x16, 0x0400))),
        ("no FEC", message(0x0400, &label), Some((0x16, 0x0400))),
        (
            "unknown FEC",
            message(0x0400, &[&[1, 0, 0, 2, 0x80, 0][..], &label].concat()),
            Some((0x0C, 0x0400)),
        ),
        ("wildcard mapping", message(0x0400, &[&[1, 0, 0, 1, 1][..], &label].concat()), Some((0x0C, 0x0400))),
        ("family", message(0x0400, &[&[1, 0, 0, 4, 2, 0, 9, 0][..], &label].concat()), Some((0x17, 0x0400))),
        ("family of addresses", message(0x0300, &[1, 1, 0, 3, 0, 9, 1]), Some((0x17, 0x0300))),
        ("no addresses", message(0x0300, &[]), Some((0x16, 0x0300))),
        ("a hello", message(0x0100, &[4, 0, 0, 4, 0, 15, 0, 0]), None),
        ("a notification without status", message(0x0001, &[]), None),
    ];
    for (name, message, expected) in cases {
        let mut world = up();
        let before = (world.nodes[0].ldp.bindings(), world.nodes[0].lsps.clone());
        world.nodes[0].sent.clear();
        world.inject(0, pdu(&message));
        assert!(world.is_up(0, 1), "{name}");
        assert_eq!(complaint(&world), expected, "{name}");
        assert_eq!((world.nodes[0].ldp.bindings(), world.nodes[0].lsps.clone()), before, "{name}");
    }
}

#[test]
fn an_unknown_tlv_with_the_u_bit_is_passed_over_and_the_message_counts() {
    let fec = [1, 0, 0, 8, 2, 0, 1, 32, 192, 0, 2, 1];
    let label = [2, 0, 0, 4, 0, 0, 0, 99];
    let hops = [1, 3, 0, 1, 4];
    let path = [1, 4, 0, 8, 9, 9, 9, 9, 8, 8, 8, 8];
    for extra in [&[0x87, 0x77, 0, 1, 5][..], &[0xC7, 0x77, 0, 0], &hops, &path] {
        let mut world = up();
        world.inject(0, pdu(&message(0x0400, &[&fec[..], extra, &label].concat())));
        let bindings = world.nodes[0].ldp.bindings();
        assert_eq!(bindings[&world::prefix("192.0.2.1/32")].remote, [(id(1), world::label(99), false)]);
    }
}

#[test]
fn what_is_malformed_ends_the_session_with_its_reason_and_a_new_one_follows() {
    let fec = [1, 0, 0, 8, 2, 0, 1, 32, 192, 0, 2, 1];
    let cases: [(&str, Vec<u8>, u32); 11] = [
        ("Bad Protocol Version", vec![0, 2, 0, 14], 0x02),
        ("Bad PDU Length", vec![0, 1, 0, 13], 0x03),
        ("Bad PDU Length", vec![0, 1, 0x20, 0], 0x03),
        ("Bad LDP Identifier", [&[0, 1, 0, 14, 9, 9, 9, 9, 0, 0][..], &message(0x0201, &[])].concat(), 0x01),
        ("Bad Message Length", pdu(&[4, 0, 0, 200, 0, 0, 0, 1]), 0x05),
        ("Bad Message Length", pdu(&[4, 0, 0, 3, 0, 0, 0, 1]), 0x05),
        ("Bad TLV Length", pdu(&message(0x0400, &[1, 0, 0, 200, 2])), 0x07),
        ("Bad TLV Length", pdu(&message(0x0400, &[1, 0, 0])), 0x07),
        ("Malformed TLV Value", pdu(&message(0x0400, &[1, 0, 0, 4, 2, 0, 1, 33])), 0x08),
        ("Malformed TLV Value", pdu(&message(0x0400, &[&fec[..], &[2, 0, 0, 4, 0, 0, 0, 7]].concat())), 0x08),
        ("Malformed TLV Value", pdu(&message(0x0300, &[1, 1, 0, 5, 0, 1, 1, 2, 3])), 0x08),
    ];
    for (name, bytes, code) in cases {
        let mut world = up();
        world.inject(0, bytes);
        assert_eq!(complaint(&world).unwrap().0, 0x8000_0000 | code, "{name}");
        assert_eq!(world.nodes[0].notices[1], Notice::Down(id(1), name.into()));
        assert_eq!(world.nodes[1].notices[1], Notice::Down(id(0), format!("received: {name}")));
        world.seconds(20);
        assert!(world.is_up(0, 1), "{name}");
        assert!(world.lsp(0, loopback(1)).is_some());
    }
}

#[test]
fn a_session_is_refused_for_the_reason_that_the_peer_can_read() {
    let common = |keepalive: u8, receiver: u8| {
        let value = [0, 1, 0, keepalive, 0, 0, 0, 0, 10, 0, 0, receiver, 0, 0];
        message(0x0200, &[&[5, 0, 0, 14][..], &value].concat())
    };
    for (bytes, code) in [
        (pdu(&common(0, 1)), 0x18),
        (pdu(&common(30, 9)), 0x10),
        (pdu(&message(0x0201, &[])), 0x0A),
        (pdu(&message(0x0200, &[])), 0x16),
        ([&[0, 1, 0, 14, 9, 9, 9, 9, 0, 0][..], &message(0x0201, &[])].concat(), 0x10),
    ] {
        let mut world = World::row(2, |_, _| {});
        world.seconds(1);
        world.input(0, Input::Clear(None));
        let connection = ldp::ConnectionId(1 << 63 | 1000);
        world.input(0, Input::Accepted(connection, router(1).into(), router(0).into()));
        world.nodes[0].sent.clear();
        world.input(0, Input::Bytes(connection, bytes));
        let (_, (said, _)) = (0, complaint(&world).unwrap());
        assert_eq!(said & 0xFFFF, code);
        assert!(matches!(world.nodes[0].notices.last(), Some(Notice::Refused(peer, _)) if *peer == id(1)));
    }
}

#[test]
fn connections_from_strangers_and_in_the_wrong_direction_are_closed() {
    let mut world = up();
    for (node, remote) in [(0, "192.0.2.66"), (1, "10.0.0.1")] {
        let connection = ldp::ConnectionId(1 << 63 | 2000);
        let local = router(node).into();
        world.input(node, Input::Accepted(connection, world::address(remote), local));
        world.input(node, Input::Bytes(connection, vec![1; 100]));
        world.seconds(1);
        assert!(world.is_up(0, 1));
    }
}

#[test]
fn a_refused_session_is_tried_again_after_longer_and_longer_waits() {
    let (connected, refused) = (waits(true), waits(false));
    assert_eq!(connected[..5], [15, 30, 60, 120, 120]);
    assert_eq!(refused[..6], [1, 2, 4, 8, 15, 15]);
}

/// Seconds between the attempts of an engine whose connections come about and are refused, or do not come about.
fn waits(connects: bool) -> Vec<u64> {
    let mut node = World::row(2, |_, _| {}).nodes.remove(1);
    let (mut times, mut now) = (Vec::new(), Instant::from_secs(1));
    while times.len() < 8 && now < Instant::from_secs(2000) {
        let hello =
            [&[0, 1, 0, 22, 10, 0, 0, 1, 0, 0, 1, 0, 0, 12, 0, 0, 0, 1, 4, 0, 0, 4, 0, 9, 0, 0][..]].concat();
        let source = world::address("9.9.9.9");
        node.ldp.handle(now, Input::Hello { port: Some(port(0)), source, multicast: true, bytes: hello });
        node.ldp.tick(now);
        while let Some(output) = node.ldp.poll() {
            let Output::Connect { connection, local, .. } = output else { continue };
            times.push(now.as_micros() / 1_000_000);
            if connects {
                node.ldp.handle(now, Input::Connected(connection, local));
                let refusal = message(1, &[3, 0, 0, 10, 0x80, 0, 0, 0x10, 0, 0, 0, 0, 0, 0]);
                let bytes = [&[0, 1, 0, 28, 10, 0, 0, 1, 0, 0], &refusal[..]].concat();
                node.ldp.handle(now, Input::Bytes(connection, bytes));
            } else {
                node.ldp.handle(now, Input::Closed(connection));
            }
        }
        now = now + Duration::from_secs(1);
    }
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_anywhere_leave_an_engine_that_recovers(
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..8),
        streams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..4),
        framed in any::<bool>(),
    ) {
        let mut world = up();
        for bytes in datagrams {
            let bytes = if framed { pdu(&bytes) } else { bytes };
            let source = world::on_link(1, 0);
            world.input(0, Input::Hello { port: Some(port(1)), source, multicast: true, bytes });
        }
        for bytes in streams {
            if world.is_up(0, 1) {
                world.inject(0, if framed { pdu(&message(0x0400, &bytes)) } else { bytes });
            }
        }
        world.seconds(200);
        prop_assert!(world.is_up(0, 1));
        prop_assert!(world.lsp(0, loopback(1)).is_some());
    }
}
