//! Messages as a real peer (FRR 8.4) sent them, both ways.

use core::net::IpAddr;

use base::{Family, Label};

use super::initialization::{Capabilities, FtSession, Initialization};
use super::label::{Element, LabelMessage};
use super::message::{Envelope, Message};
use super::notification::{Fault, Notification, Status};
use super::pdu::{DEFAULT_LENGTH, Outbox, Pdu};

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// All messages of a stream, each of which must leave again as it came, in one PDU as they were.
fn both_ways(hex: &str) -> Vec<Message> {
    let stream = bytes(hex);
    let (mut rest, mut found, mut again) = (&stream[..], Vec::new(), Vec::new());
    while let Some((pdu, length)) = Pdu::take(rest, DEFAULT_LENGTH).unwrap() {
        let (mut messages, mut outbox) = (pdu.messages, Outbox::new(pdu.sender));
        while !messages.is_empty() {
            let (envelope, behind) = Envelope::take(messages).unwrap();
            let message = envelope.open().unwrap();
            message.encode(|| envelope.id).iter().for_each(|bytes| outbox.push(bytes));
            found.push(message);
            messages = behind;
        }
        again.extend(outbox.take());
        rest = &rest[length..];
    }
    assert!(rest.is_empty());
    assert_eq!(again, stream);
    found
}

fn one(hex: &str) -> Message {
    let mut found = both_ways(hex);
    assert_eq!(found.len(), 1);
    found.remove(0)
}

fn label(value: u32) -> Option<Label> {
    Label::new(value)
}

fn addresses(list: &[&str]) -> Vec<IpAddr> {
    list.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn hellos_of_both_families_with_their_preference() {
    let Message::Hello(hello) = one(concat!(
        "0001002e0aff00020000010000240000000104000004000f2000040100040aff00020402000400000000",
        "8701000440000000"
    )) else {
        panic!()
    };
    assert_eq!((hello.hold, hello.targeted, hello.request, hello.gtsm), (15, false, false, true));
    assert_eq!(hello.transport(Family::V4), Some("10.255.0.2".parse().unwrap()));
    assert_eq!((hello.sequence, hello.preference), (Some(0), Some(Family::V4)));
    let Message::Hello(hello) = one(concat!(
        "0001003a0aff00020000010000300000000204000004000f00000403001020010db8000000000000000000000002",
        "0402000400000000",
        "8701000440000000"
    )) else {
        panic!()
    };
    assert_eq!(hello.transport(Family::V6), Some("2001:db8::2".parse().unwrap()));
    assert_eq!((hello.transport(Family::V4), hello.gtsm), (None, false));
}

#[test]
fn an_initialization_and_the_keepalive_behind_it() {
    let found = both_ways(concat!(
        "0001002f0aff0001000002000025000000050500000e000100b4000000000aff000200008506000180850b000180",
        "86030001800001000e0aff000100000201000400000006"
    ));
    let [Message::Initialization(initialization), Message::KeepAlive] = &found[..] else { panic!() };
    assert_eq!((initialization.keepalive, initialization.longest()), (180, 4096));
    assert_eq!(initialization.receiver.to_string(), "10.255.0.2:0");
    assert_eq!((initialization.restart, initialization.capabilities), (None, Capabilities::OURS));
}

#[test]
fn addresses_come_and_go() {
    let found = both_ways(concat!(
        "0001000e0aff0002000002010004000000050001001c0aff0002000003000012000000060101000a0001c63364020aff0002",
        "000100440aff000200000300003a0000000701010032000220010db8000f0000000000000000000220010db8000000000000",
        "000000000002fe80000000000000880d9dfffed72da0"
    ));
    let six = addresses(&["2001:db8:f::2", "2001:db8::2", "fe80::880d:9dff:fed7:2da0"]);
    assert_eq!(
        found,
        [
            Message::KeepAlive,
            Message::Address(addresses(&["198.51.100.2", "10.255.0.2"])),
            Message::Address(six)
        ]
    );
    let withdrawn = one("000100180aff000200000301000e0000001a0101000600010a630001");
    assert_eq!(withdrawn, Message::AddressWithdraw(addresses(&["10.99.0.1"])));
}

#[test]
fn mappings_of_both_families_in_one_pdu() {
    let found = both_ways(concat!(
        "000100c90aff00020000040000180000000801000008020001200aff000102000004000000100400001800000009010000080200",
        "01200aff00020200000400000003040000170000000a0100000702000118c633640200000400000003040000240000000b010000",
        "140200028020010db80000000000000000000000010200000400000011040000240000000c010000140200028020010db8000000",
        "00000000000000000202000004000000030400001c0000000d0100000c0200024020010db8000f00000200000400000003"
    ));
    let expected = [
        ("10.255.0.1/32", 16),
        ("10.255.0.2/32", 3),
        ("198.51.100.0/24", 3),
        ("2001:db8::1/128", 17),
        ("2001:db8::2/128", 3),
        ("2001:db8:f::/64", 3),
    ];
    let expected = expected
        .map(|(prefix, value)| Message::Mapping(LabelMessage::of(prefix.parse().unwrap(), label(value))));
    assert_eq!(found, expected);
}

#[test]
fn withdrawals_and_releases_of_one_prefix_and_of_all_with_a_label() {
    let about = || LabelMessage::of("10.99.0.1/32".parse().unwrap(), label(3));
    let withdraw = one("000100220aff00020000040200180000001b01000008020001200a6300010200000400000003");
    let release = one("000100220aff00010000040300180000001701000008020001200a6300010200000400000003");
    assert_eq!((withdraw, release), (Message::Withdraw(about()), Message::Release(about())));
    let all =
        one("0001001b0aff0001000004020011000000190100000101020000040000000 3".replace(' ', "").as_str());
    let wildcard = LabelMessage { fecs: vec![Element::Wildcard], label: label(3), request: None };
    assert_eq!(all, Message::Withdraw(wildcard));
}

#[test]
fn a_shutdown() {
    let message = one("0001001c0aff0002000000010012000000240300000a8000000a000000000000");
    assert_eq!(message, Message::Notification(Notification::of(Status::SHUTDOWN, (0, 0))));
}

/// Laid out by hand from RFC 3478 section 2, RFC 5919 section 2 and RFC 5918 section 4.
#[test]
fn graceful_restart_and_the_end_of_a_label_base() {
    let restart = FtSession {
        reconnect: core::time::Duration::from_secs(120),
        recovery: core::time::Duration::from_millis(1500),
    };
    let receiver = crate::LdpId { router: [10, 0, 0, 1].into(), space: 0 };
    let initialization = Initialization {
        keepalive: 180,
        most: 0,
        receiver,
        restart: Some(restart),
        capabilities: Capabilities::default(),
    };
    let message = one(concat!(
        "000100300a00000200000200002600000001",
        "0500000e000100b4000000000a0000010000",
        "8503000c000100000001d4c0000005dc"
    ));
    assert_eq!(message, Message::Initialization(initialization));
    let message =
        one("000100250a00000200000001001b00000001 0300000a0000002f000000000000 01000005 0502020001"
            .replace(' ', "")
            .as_str());
    let end =
        Notification { status: Status::END_OF_LIB, about: (0, 0), fecs: vec![Element::All(Family::V4)] };
    assert_eq!(message, Message::Notification(end));
}

#[test]
fn every_cut_of_a_message_is_refused_or_awaited_and_never_read_as_another() {
    let whole = bytes("000100220aff00020000040200180000001b01000008020001200a6300010200000400000003");
    for end in 0..whole.len() {
        assert!(Pdu::take(&whole[..end], DEFAULT_LENGTH).unwrap().is_none());
    }
    let body = &whole[10..];
    for end in 0..body.len() {
        assert_eq!(Envelope::take(&body[..end]).err(), Some(Fault(Status::BAD_MESSAGE_LENGTH)));
    }
}

#[test]
fn host_bits_behind_a_prefix_do_not_count() {
    let (element, _) = (Element::decode_all(&[2, 0, 1, 20, 10, 1, 0xFF]).unwrap(), ());
    assert_eq!(element, [Element::Prefix("10.1.240.0/20".parse().unwrap())]);
}

#[test]
fn messages_fill_pdus_up_to_what_the_peer_takes() {
    let sender = crate::LdpId { router: [10, 0, 0, 1].into(), space: 0 };
    let mut outbox = Outbox::new(sender);
    outbox.most = 256;
    let mapping = Message::Mapping(LabelMessage::of("10.99.0.1/32".parse().unwrap(), label(100)));
    let one = mapping.encode(|| 7).remove(0);
    (0..100).for_each(|_| outbox.push(&one));
    let stream = outbox.take();
    let (mut rest, mut count) = (&stream[..], 0);
    while let Some((pdu, length)) = Pdu::take(rest, 256).unwrap() {
        assert!(length <= 256 && (length > 256 - one.len() || rest.len() == length));
        assert_eq!(pdu.messages.len() % one.len(), 0);
        count += pdu.messages.len() / one.len();
        rest = &rest[length..];
    }
    assert_eq!((count, rest.len()), (100, 0));
}
