//! Messages of other software, octet by octet, and our own.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test asks for what it expects")]

use core::net::{IpAddr, Ipv4Addr};
use std::collections::BTreeMap;

use base::Label;
use vrf::Rd;

use super::*;
use crate::attributes::{Origin, Unknown};
use crate::update::{Nlri, Update};

fn bytes(hex: &str) -> Vec<u8> {
    let hex: String = hex.split_whitespace().collect();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn message(kind: &str, body: &str) -> Vec<u8> {
    let body = bytes(body);
    let length = u16::try_from(HEADER + body.len()).unwrap();
    [vec![0xFF; 16], length.to_be_bytes().to_vec(), bytes(kind), body].concat()
}

fn reader(external: bool) -> Reader {
    let heard = AddressFamily::ALL.into_iter().map(|family| (family, false)).collect();
    Reader { four_octet: true, external, heard }
}

fn updates(hex: &str) -> Vec<Update> {
    let all = message("02", hex);
    let (Message::Update(body), length) = take(&all, LONGEST).unwrap().unwrap() else { panic!("an UPDATE") };
    assert_eq!(length, all.len());
    let decoded = reader(false).read(body, &mut Cache::default()).unwrap();
    assert_eq!(decoded.problem, None);
    decoded.updates
}

fn open(body: &str) -> Open {
    let all = message("01", body);
    let (Message::Open(open), _) = take(&all, LONGEST).unwrap().unwrap() else { panic!("an OPEN") };
    open
}

fn route(rd: Option<Rd>, prefix: &str, label: Option<u32>) -> Nlri {
    Nlri { rd, prefix: prefix.parse().unwrap(), label: label.and_then(Label::new), path: None }
}

#[test]
fn frr_opens() {
    let open = open(
        "04fde800b40aff00028a 02060104000100010206010400010080020601040002000102060104000200800202800002020200
         02024600020641040000fde80202060002124510000101030001800300020103000280030206490402766d00
         02144012c07800010100000180000002010000028000021e471c00010180000000000180800000000002018000000000028080000000",
    );
    assert_eq!((open.asn, open.hold, open.router_id), (65000, 180, Ipv4Addr::new(10, 255, 0, 2)));
    let offer = open.offer;
    use AddressFamily as F;
    assert_eq!(
        offer.families.into_iter().collect::<Vec<_>>(),
        [F::Ipv4Unicast, F::Ipv6Unicast, F::Vpnv4, F::Vpnv6]
    );
    assert!(offer.four_octet && offer.refresh && offer.enhanced_refresh && offer.extended_message);
    assert_eq!(offer.add_path[&F::Ipv4Unicast], (true, true));
    let restart = offer.restart.unwrap();
    assert_eq!((restart.restarting, restart.notification, restart.time), (true, true, 120));
    assert!(!restart.families[&F::Vpnv6]);
}

#[test]
fn gobgp_opens_with_every_family_of_ours() {
    let open = open(
        "04fde8005a0aff000180027e0200490402766d00010400010001010400020001010400010004010400020004010400010080
         01040002008001040001008441040000fde8401e00780001010000020100000104000002040000018000000280000001840005
         24000100010002000100040002000200040002000100800002000200800002000100840002",
    );
    assert_eq!(open.offer.families.len(), AddressFamily::ALL.len());
    assert!(open.offer.extended_next_hop.contains(&AddressFamily::Vpnv4));
    assert_eq!(open.offer.restart.unwrap().families.len(), 7);
}

#[test]
fn exabgp_opens() {
    let open = open(
        "04fde9005a0aff00034a 0206010400010001020601040001000402060104000100800206010400020001020641040000fde9
         02144012807800010180000104800001808000020180020202000202460002020600",
    );
    assert_eq!((open.asn, open.hold), (65001, 90));
    assert!(open.offer.restart.unwrap().families.values().all(|&kept| kept));
}

#[test]
fn what_we_offer_reads_back_as_we_wrote_it() {
    use AddressFamily as F;
    let ours = Open {
        asn: 4_200_000_000,
        hold: 90,
        router_id: Ipv4Addr::new(10, 255, 0, 9),
        offer: Offer {
            families: F::ALL.into(),
            four_octet: true,
            refresh: true,
            enhanced_refresh: true,
            extended_message: true,
            restart: Some(RestartOffer {
                restarting: true,
                notification: true,
                time: 120,
                families: F::ALL.map(|family| (family, true)).into(),
            }),
            add_path: [(F::Vpnv4, (true, false))].into(),
            extended_next_hop: [F::Ipv4Unicast, F::Vpnv4].into(),
        },
    };
    let mut out = Vec::new();
    ours.write(&mut out);
    let (Message::Open(theirs), _) = take(&out, LONGEST).unwrap().unwrap() else { panic!("an OPEN") };
    assert_eq!(theirs, ours);
    assert_eq!(&out[HEADER + 1..HEADER + 3], [0x5B, 0xA0]);
}

#[test]
fn capabilities_with_families_unknown_to_us_keep_those_we_know() {
    // ADD-PATH of L2VPN VPLS (25, 65) and IPv4 unicast; extended next hop of (25, 65) and IPv4 unicast.
    let open = open("04fde8005a0aff0003 1a 0218 4508 001941 03 000101 02 050c 0019 0041 0002 0001 0001 0002");
    assert_eq!(open.offer.add_path, BTreeMap::from([(AddressFamily::Ipv4Unicast, (false, true))]));
    assert_eq!(open.offer.extended_next_hop, [AddressFamily::Ipv4Unicast].into());
    assert_eq!(open.offer.families, [AddressFamily::Ipv4Unicast].into(), "RFC 4760 section 8");
    assert!(!open.offer.four_octet);
}

#[test]
fn frr_announces_routes_of_ipv4_in_the_message_itself() {
    let updates = updates("0000001d 40010100 50020000 400304c6336402 80040400000000 40050400000064 18cb0071");
    let [Update::Reach { family: AddressFamily::Ipv4Unicast, attributes, routes }] = &updates[..] else {
        panic!()
    };
    assert_eq!(routes, &[route(None, "203.0.113.0/24", None)]);
    assert_eq!(
        (attributes.origin, attributes.med, attributes.local_preference),
        (Origin::Igp, Some(0), Some(100))
    );
    assert_eq!(attributes.next_hop, IpAddr::from([198, 51, 100, 2]));
}

#[test]
fn frr_announces_a_mapped_next_hop_for_ipv6_and_it_is_one_of_ipv4() {
    let updates = updates(
        "00000036 900e001c0002011000000000000000000000ffffc6336402003020010db80001 40010100 50020000
         80040400000000 40050400000064",
    );
    let [Update::Reach { family: AddressFamily::Ipv6Unicast, attributes, routes }] = &updates[..] else {
        panic!()
    };
    assert_eq!(routes, &[route(None, "2001:db8:1::/48", None)]);
    assert_eq!(attributes.next_hop, IpAddr::from([198, 51, 100, 2]));
}

#[test]
fn frr_announces_vpn_routes() {
    let v4 = updates(
        "0000004a 900e00300001800c0000000000000000c6336402 00 70007dd10000fde8000000020a0d00
         76007de10001c000020900020a0e0000 40010100 50020000 80040400000000 40050400000064",
    );
    let [Update::Reach { family: AddressFamily::Vpnv4, attributes, routes }] = &v4[..] else { panic!() };
    assert_eq!(attributes.next_hop, IpAddr::from([198, 51, 100, 2]));
    let other = Rd::Ipv4([192, 0, 2, 9].into(), 2);
    let (first, second) = (Rd::As2(65000, 2), other);
    assert_eq!(routes[0], route(Some(first), "10.13.0.0/24", Some(2013)));
    assert_eq!(routes[1], route(Some(second), "10.14.0.0/30", Some(2014)));

    let v6 = updates(
        "00000049 900e002f00028018 0000000000000000 00000000000000000000ffffc6336402 00
         88007e010000fde80000000220010db80013 40010100 50020000 80040400000000 40050400000064",
    );
    let [Update::Reach { family: AddressFamily::Vpnv6, attributes, routes }] = &v6[..] else { panic!() };
    assert_eq!(attributes.next_hop, IpAddr::from([198, 51, 100, 2]), "RFC 4659 section 3.2.1.1");
    assert_eq!(routes, &[route(Some(first), "2001:db8:13::/48", Some(2016))]);
}

#[test]
fn frr_withdraws_with_a_label_of_zero_and_ends_its_tables() {
    let vpn = updates("00000016 900f0012000180700000000000fde8000000020a0d00");
    let expected = route(Some(Rd::As2(65000, 2)), "10.13.0.0/24", None);
    assert_eq!(vpn, [Update::Unreach { family: AddressFamily::Vpnv4, routes: vec![expected] }]);
    let plain = updates("000418cb0071 0000");
    let expected = route(None, "203.0.113.0/24", None);
    assert_eq!(plain, [Update::Unreach { family: AddressFamily::Ipv4Unicast, routes: vec![expected] }]);
    for (hex, family) in [
        ("00000000", AddressFamily::Ipv4Unicast),
        ("00000006800f03000201", AddressFamily::Ipv6Unicast),
        ("00000006800f03000180", AddressFamily::Vpnv4),
        ("00000006800f03000280", AddressFamily::Vpnv6),
        // ExaBGP's, with a length of two octets; GoBGP's.
        ("00000007900f0003000104", AddressFamily::Ipv4Labeled),
        ("00000006800f03000204", AddressFamily::Ipv6Labeled),
        ("00000006800f03000184", AddressFamily::RouteTarget),
    ] {
        assert_eq!(updates(hex), [Update::EndOfRib(family)], "{family}");
    }
}

#[test]
fn exabgp_announces_every_attribute() {
    let updates = updates(
        "00000047 40010102 40020a02020000fde9fa56ea00 400304c0000201 80040400000009 400600 c00708fa56ea00c0000207
         c00808fde80001fde80002 c0200c0000fde80000000100000002 19cb007100",
    );
    let [Update::Reach { attributes, .. }] = &updates[..] else { panic!() };
    assert_eq!(attributes.as_path, [65001, 4_200_000_000]);
    assert_eq!(
        (attributes.origin, attributes.med, attributes.local_preference),
        (Origin::Incomplete, Some(9), None)
    );
    assert!(attributes.atomic_aggregate);
    assert_eq!(attributes.aggregator, Some((4_200_000_000, Ipv4Addr::new(192, 0, 2, 7))));
    assert_eq!(attributes.communities, [0xFDE8_0001, 0xFDE8_0002]);
    assert_eq!(attributes.large, [[65000, 1, 2]]);
}

#[test]
fn exabgp_reflects_and_an_attribute_unknown_to_us_stays() {
    let body = "0000002c 40010100 40020602010000fde9 400304c0000201 800904c0000208 800a08c0000209c000020a
                e09903010203 19cb007180";
    let [Update::Reach { attributes, .. }] = &updates(body)[..] else { panic!() };
    assert_eq!(attributes.originator, Some(Ipv4Addr::new(192, 0, 2, 8)));
    assert_eq!(attributes.clusters, [Ipv4Addr::new(192, 0, 2, 9), Ipv4Addr::new(192, 0, 2, 10)]);
    assert_eq!(attributes.unknown, [Unknown { code: 0x99, value: vec![1, 2, 3] }]);
}

#[test]
fn exabgp_announces_labels() {
    let vpn = updates(
        "00000042 40010100 40020602010000fde9 400304c6336503 c010080002fde800000064
         800e200001800c0000000000000000c6336503 00 7000fa410000fde8000000040a2c00",
    );
    let [Update::Reach { family: AddressFamily::Vpnv4, attributes, routes }] = &vpn[..] else { panic!() };
    assert_eq!(attributes.extended, [[0, 2, 0xFD, 0xE8, 0, 0, 0, 100]]);
    assert_eq!(routes, &[route(Some(Rd::As2(65000, 4)), "10.44.0.0/24", Some(4004))]);
    let labelled = updates(
        "00000028 40010100 40020602010000fde9 400304c0000201 800e1100010404c0000201 00 3800fa510a2d0001",
    );
    let [Update::Reach { family: AddressFamily::Ipv4Labeled, routes, .. }] = &labelled[..] else { panic!() };
    assert_eq!(routes, &[route(None, "10.45.0.1/32", Some(4005))]);
}

/// Ours stands before the other attributes (RFC 7606 section 5.1), as FRR's does: the same octets but for its MED.
#[test]
fn we_write_what_frr_writes() {
    let theirs = "00000042 900e00300001800c0000000000000000c633640200 70007dd10000fde8000000020a0d00
                  76007de10001c000020900020a0e0000 40010100 400200 40050400000064";
    let update = &updates(theirs)[0];
    let mut out = Vec::new();
    let writer = Writer { four_octet: true, longest: LONGEST.into() };
    assert_eq!(writer.write(update, &mut out), Ok(1));
    assert_eq!(out, message("02", theirs));
}

#[test]
fn refreshes_and_keepalives() {
    let mut out = Vec::new();
    write_refresh(AddressFamily::Vpnv4, Refresh::Request, &mut out);
    assert_eq!(out, message("05", "00010080"), "as FRR asks");
    let known = |body| match take(&message("05", body), LONGEST).unwrap().unwrap().0 {
        Message::Refresh(known) => known,
        other => panic!("{other:?}"),
    };
    assert_eq!(known("00010180"), Some((AddressFamily::Vpnv4, Refresh::Begin)));
    assert_eq!(known("00020280"), Some((AddressFamily::Vpnv6, Refresh::End)));
    assert_eq!(known("00190041"), None, "a family that is not ours");
    assert_eq!(known("00010980"), None, "a kind that nobody knows");
    let error = take(&message("05", "0001018000"), LONGEST).unwrap_err();
    assert_eq!((error.code, error.subcode), (7, 1), "RFC 7313 section 5");
    let mut out = Vec::new();
    write_keepalive(&mut out);
    assert_eq!(out, message("04", ""));
}

#[test]
fn the_header_is_held_to_its_marker_length_and_type() {
    let refused = |bytes: &[u8]| {
        let error = take(bytes, LONGEST).unwrap_err();
        (error.code, error.subcode, error.data)
    };
    let mut unsynchronized = message("04", "");
    unsynchronized[3] = 0;
    assert_eq!(refused(&unsynchronized), (1, 1, vec![]));
    assert_eq!(refused(&message("04", "00")), (1, 2, vec![0, 20]), "a keepalive has no body");
    assert_eq!(refused(&message("01", "0400")), (1, 2, vec![0, 21]));
    assert_eq!(refused(&message("02", "000000")), (1, 2, vec![0, 22]));
    assert_eq!(refused(&message("03", "06")), (1, 2, vec![0, 20]));
    assert_eq!(refused(&message("09", "")), (1, 3, vec![9]));
    let mut long = message("02", "00000000");
    long[16..18].copy_from_slice(&4097_u16.to_be_bytes());
    assert_eq!(refused(&long), (1, 2, vec![0x10, 0x01]));
    assert!(take(&long, LONGEST_EXTENDED).unwrap().is_none(), "RFC 8654: not there yet");
    let whole = message("02", "00000000");
    for cut in 0..whole.len() {
        assert!(take(&whole[..cut], LONGEST).unwrap().is_none());
    }
}

#[test]
fn an_open_of_another_version_or_with_a_strange_parameter_is_refused() {
    let refused = |body| {
        let error = take(&message("01", body), LONGEST).unwrap_err();
        (error.code, error.subcode)
    };
    assert_eq!(refused("03fde8005a0aff000100"), (2, 1));
    assert_eq!(refused("04fde8005a0aff000103090100"), (2, 4));
}

#[test]
fn notifications_say_in_words_what_they_mean() {
    let read = |body| match take(&message("03", body), LONGEST).unwrap().unwrap().0 {
        Message::Notification(notification) => notification,
        other => panic!("{other:?}"),
    };
    let frr = read("0602136d61696e74656e616e6365206174206e6f6f6e");
    assert_eq!(frr.text(), "Administrative Shutdown: maintenance at noon", "FRR's, RFC 9003");
    assert_eq!(read("0609 0602 036f6666").text(), "Hard Reset: Administrative Shutdown: off", "RFC 8538");
    assert_eq!(read("0602 04 1b5b3248").text(), "Administrative Shutdown: [2H", "no control characters");
    assert_eq!(read("0400").text(), "Hold Timer Expired");
    let unknown = "03030070726573656e7465642061206e6f6e2d6e65676f7469617465642066616d696c79";
    assert_eq!(read(unknown).text(), "Missing Well-known Attribute", "ExaBGP's");
    let mut out = Vec::new();
    Notification::too_many(AddressFamily::Vpnv4, 1000).write(&mut out);
    assert_eq!(out, message("03", "0601 0001 80 000003e8"), "RFC 4486 section 4");
    assert!(Notification::reset().hard().is_hard());
    assert_eq!(Notification::reset().hard().data, [6, 4]);
}
