//! What of a malformed UPDATE is survived (RFC 7606), and how routes are packed.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test asks for what it expects")]

use core::net::IpAddr;

use base::Label;
use proptest::prelude::*;
use vrf::Rd;

use super::*;
use crate::attributes::Origin;
use crate::update::Membership;
use crate::wire::{LONGEST, LONGEST_EXTENDED, Message, take};

const ORIGIN: &[u8] = &[0x40, 1, 1, 0];
const PATH: &[u8] = &[0x40, 2, 6, 2, 1, 0, 0, 0xFD, 0xE9];
const NEXT_HOP: &[u8] = &[0x40, 3, 4, 192, 0, 2, 1];
/// 203.0.113.0/24.
const ROUTES: &[u8] = &[24, 203, 0, 113];
/// VPNv4, next hop 192.0.2.1, 65000:2 10.13.0.0/24 label 2013.
const VPN: &[u8] = &[
    0x80, 14, 32, 0, 1, 128, 12, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1, 0, 112, 0, 0x7D, 0xD1, 0, 0, 0xFD,
    0xE8, 0, 0, 0, 2, 10, 13, 0,
];

fn body(withdrawn: &[u8], attributes: &[&[u8]], routes: &[u8]) -> Vec<u8> {
    let attributes = attributes.concat();
    let length = |part: &[u8]| u16::try_from(part.len()).unwrap().to_be_bytes();
    [&length(withdrawn)[..], withdrawn, &length(&attributes), &attributes, routes].concat()
}

fn reader(external: bool, families: &[AddressFamily]) -> Reader {
    Reader { four_octet: true, external, heard: families.iter().map(|&family| (family, false)).collect() }
}

fn read(external: bool, attributes: &[&[u8]]) -> Result<Decoded, Notification> {
    let body = body(&[], attributes, ROUTES);
    reader(external, &AddressFamily::ALL).read(&body, &mut Cache::default())
}

fn is_withdrawn(decoded: &Decoded) -> bool {
    matches!(&decoded.updates[..], [Update::Unreach { family: BODY, routes }] if routes.len() == 1)
}

fn announced(decoded: &Decoded) -> &Attributes {
    match &decoded.updates[..] {
        [Update::Reach { attributes, .. }] => attributes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_well_formed_update_has_no_problem() {
    let decoded = read(true, &[ORIGIN, PATH, NEXT_HOP]).unwrap();
    assert_eq!(decoded.problem, None);
    assert_eq!(announced(&decoded).as_path, [65001]);
}

#[test]
fn what_can_be_survived_costs_the_routes_and_nothing_else() {
    for (what, attributes) in [
        ("3 (d): ORIGIN is missing", &[PATH, NEXT_HOP][..]),
        ("3 (d): AS_PATH is missing", &[ORIGIN, NEXT_HOP]),
        ("3 (d): NEXT_HOP is missing", &[ORIGIN, PATH]),
        ("3 (c): flags of ORIGIN", &[&[0xC0, 1, 1, 0], PATH, NEXT_HOP]),
        ("4: an attribute that ends beyond the list", &[ORIGIN, PATH, NEXT_HOP, &[0xC0, 8, 200, 0]]),
        ("4: half an attribute's head", &[ORIGIN, PATH, NEXT_HOP, &[0xC0]]),
        ("7.1: length of ORIGIN", &[&[0x40, 1, 2, 0, 0], PATH, NEXT_HOP]),
        ("7.1: value of ORIGIN", &[&[0x40, 1, 1, 3], PATH, NEXT_HOP]),
        ("7.2: kind of segment", &[ORIGIN, &[0x40, 2, 6, 9, 1, 0, 0, 0xFD, 0xE9], NEXT_HOP]),
        ("7.2: a segment that is too short", &[ORIGIN, &[0x40, 2, 6, 2, 2, 0, 0, 0xFD, 0xE9], NEXT_HOP]),
        ("7.2: an empty segment", &[ORIGIN, &[0x40, 2, 2, 2, 0], NEXT_HOP]),
        ("RFC 9774: a set", &[ORIGIN, &[0x40, 2, 6, 1, 1, 0, 0, 0xFD, 0xE9], NEXT_HOP]),
        ("RFC 5065: a confederation's segment", &[ORIGIN, &[0x40, 2, 6, 3, 1, 0, 0, 0xFD, 0xE9], NEXT_HOP]),
        ("RFC 7607: AS 0", &[ORIGIN, &[0x40, 2, 6, 2, 1, 0, 0, 0, 0], NEXT_HOP]),
        ("7.3: length of NEXT_HOP", &[ORIGIN, PATH, &[0x40, 3, 5, 192, 0, 2, 1, 0]]),
        ("6.3: NEXT_HOP that no router has", &[ORIGIN, PATH, &[0x40, 3, 4, 224, 0, 0, 1]]),
        ("7.4: length of MED", &[ORIGIN, PATH, NEXT_HOP, &[0x80, 4, 3, 0, 0, 0]]),
        ("7.8: length of COMMUNITIES", &[ORIGIN, PATH, NEXT_HOP, &[0xC0, 8, 3, 0, 0, 0]]),
        (
            "7.14: length of EXTENDED COMMUNITIES",
            &[ORIGIN, PATH, NEXT_HOP, &[0xC0, 16, 7, 0, 0, 0, 0, 0, 0, 0]],
        ),
        ("RFC 8092: length of LARGE COMMUNITIES", &[ORIGIN, PATH, NEXT_HOP, &[0xC0, 32, 4, 0, 0, 0, 0]]),
        ("3 (f): a well-known attribute unknown to us", &[ORIGIN, PATH, NEXT_HOP, &[0x40, 200, 1, 0]]),
    ] {
        for external in [false, true] {
            let decoded = read(external, attributes).unwrap();
            assert!(is_withdrawn(&decoded), "{what}: {decoded:?}");
            assert!(decoded.problem.is_some(), "{what}");
        }
    }
}

#[test]
fn attributes_without_effect_on_the_choice_are_discarded_alone() {
    for (what, attribute) in [
        ("7.6: length of ATOMIC_AGGREGATE", &[0x40, 6, 1, 0][..]),
        ("7.7: length of AGGREGATOR", &[0xC0, 7, 6, 0, 1, 192, 0, 2, 1]),
        ("3 (g): ORIGIN twice", &[0x40, 1, 1, 2]),
    ] {
        let decoded = read(true, &[ORIGIN, PATH, NEXT_HOP, attribute]).unwrap();
        let attributes = announced(&decoded);
        assert!(!attributes.atomic_aggregate && attributes.aggregator.is_none(), "{what}");
        assert_eq!(attributes.origin, Origin::Igp, "the first counts");
        assert!(decoded.problem.is_some(), "{what}");
    }
}

#[test]
fn attributes_of_the_inside_mean_nothing_from_outside() {
    for (what, good, bad) in [
        ("7.5: LOCAL_PREF", &[0x40, 5, 4, 0, 0, 0, 7][..], &[0x40, 5, 3, 0, 0, 7][..]),
        ("7.9: ORIGINATOR_ID", &[0x80, 9, 4, 192, 0, 2, 8], &[0x80, 9, 3, 192, 0, 2]),
        ("7.10: CLUSTER_LIST", &[0x80, 10, 4, 192, 0, 2, 8], &[0x80, 10, 3, 192, 0, 2]),
    ] {
        for attribute in [good, bad] {
            let outside = read(true, &[ORIGIN, PATH, NEXT_HOP, attribute]).unwrap();
            let attributes = announced(&outside);
            let kept = (attributes.local_preference, attributes.originator, attributes.clusters.len());
            assert_eq!(kept, (None, None, 0), "{what}");
        }
        let inside = read(false, &[ORIGIN, PATH, NEXT_HOP, good]).unwrap();
        let attributes = announced(&inside);
        let kept = (attributes.local_preference, attributes.originator, attributes.clusters.len());
        assert_ne!(kept, (None, None, 0), "{what}");
        assert!(is_withdrawn(&read(false, &[ORIGIN, PATH, NEXT_HOP, bad]).unwrap()), "{what}");
    }
}

#[test]
fn unknown_attributes_stay_if_they_are_transitive() {
    let transitive: &[u8] = &[0xC0, 200, 2, 1, 2];
    let local: &[u8] = &[0x80, 201, 1, 1];
    let decoded = read(true, &[ORIGIN, PATH, NEXT_HOP, transitive, local]).unwrap();
    let attributes = announced(&decoded);
    assert_eq!(attributes.unknown.len(), 1);
    assert_eq!(decoded.problem, None);
    let mut out = Vec::new();
    WRITER.write(&decoded.updates[0], &mut out).unwrap();
    assert!(out.windows(5).any(|part| part == [0xE0, 200, 2, 1, 2]), "sent on with the partial bit");
}

#[test]
fn attributes_that_the_codec_knows_and_we_do_not_stay_if_they_are_transitive() {
    // Only-to-Customer, RFC 9234; IPv6 extended communities, RFC 5701; BGP-LS, RFC 9552.
    let only: &[u8] = &[0xCF, 35, 4, 0, 0, 0xFD, 0xE9];
    let long = [&[0xC0, 25, 20][..], &[7; 20]].concat();
    let local: &[u8] = &[0x80, 29, 0];
    let decoded = read(true, &[ORIGIN, PATH, NEXT_HOP, only, &long, local]).unwrap();
    let codes: Vec<_> =
        announced(&decoded).unknown.iter().map(|unknown| (unknown.code, unknown.value.len())).collect();
    assert_eq!(codes, [(35, 4), (25, 20)]);
    let mut out = Vec::new();
    WRITER.write(&decoded.updates[0], &mut out).unwrap();
    assert!(
        out.windows(3).any(|part| part == [0xE0, 35, 4]),
        "sent on with the partial bit, and nothing else"
    );
}

#[test]
fn a_session_ends_where_routes_cannot_be_found() {
    let all = reader(false, &AddressFamily::ALL);
    let one = reader(false, &[AddressFamily::Vpnv4]);
    let fails = |reader: &Reader, body: &[u8]| {
        let error = reader.read(body, &mut Cache::default()).unwrap_err();
        (error.code, error.subcode)
    };
    assert_eq!(fails(&all, &[0, 9, 0, 0]), (3, 1), "lengths");
    assert_eq!(fails(&all, &body(&[33, 1, 2, 3, 4, 5], &[], &[])), (3, 10), "withdrawn routes");
    assert_eq!(fails(&all, &body(&[], &[ORIGIN, PATH, NEXT_HOP], &[24, 1])), (3, 10), "routes");
    assert_eq!(fails(&all, &body(&[], &[VPN, VPN, ORIGIN, PATH], &[])), (3, 1), "3 (g): twice");
    let mut flags = VPN.to_vec();
    flags[0] = 0x40;
    assert_eq!(fails(&all, &body(&[], &[&flags, ORIGIN, PATH], &[])), (3, 9), "flags of MP_REACH_NLRI");
    assert_eq!(fails(&all, &body(&[], &[&[0x80, 14, 2, 0, 1], ORIGIN, PATH], &[])), (3, 9), "7.11");
    assert_eq!(fails(&all, &body(&[], &[&[0x80, 15, 2, 0, 1]], &[])), (3, 9), "7.12");
    let mut bad = VPN.to_vec();
    bad[20] = 200;
    assert_eq!(fails(&one, &body(&[], &[&bad, ORIGIN, PATH], &[])), (3, 10), "the only family");
}

#[test]
fn a_family_is_given_up_where_the_others_can_go_on() {
    let all = reader(false, &AddressFamily::ALL);
    let mut length = VPN.to_vec();
    length[20] = 200;
    let mut next_hop = VPN.to_vec();
    next_hop[6] = 11;
    for bad in [length, next_hop] {
        let decoded = all.read(&body(&[], &[&bad, ORIGIN, PATH], &[]), &mut Cache::default()).unwrap();
        assert_eq!(decoded.disabled, Some(AddressFamily::Vpnv4));
        assert!(decoded.updates.is_empty() && decoded.problem.is_some());
    }
}

#[test]
fn vpn_routes_with_bad_attributes_are_withdrawn_without_labels() {
    let all = reader(false, &AddressFamily::ALL);
    let decoded = all.read(&body(&[], &[VPN, ORIGIN], &[]), &mut Cache::default()).unwrap();
    let [Update::Unreach { family: AddressFamily::Vpnv4, routes }] = &decoded.updates[..] else { panic!() };
    assert_eq!((routes[0].rd, routes[0].label), (Some(Rd::As2(65000, 2)), None));
}

#[test]
fn families_that_were_not_negotiated_say_nothing() {
    let plain = reader(false, &[BODY, AddressFamily::Ipv6Unicast]);
    let decoded =
        plain.read(&body(&[], &[VPN, ORIGIN, PATH, NEXT_HOP], ROUTES), &mut Cache::default()).unwrap();
    assert_eq!(decoded.updates.len(), 1, "the IPv4 route alone");
    let vpn = reader(false, &[AddressFamily::Vpnv4]);
    let decoded =
        vpn.read(&body(ROUTES, &[VPN, ORIGIN, PATH, NEXT_HOP], ROUTES), &mut Cache::default()).unwrap();
    assert_eq!(decoded.updates.len(), 1, "the VPN route alone");
    assert!(
        vpn.read(&body(&[], &[], &[]), &mut Cache::default()).unwrap().updates.is_empty(),
        "its End-of-RIB"
    );
}

#[test]
fn withdrawals_come_before_routes_and_both_families_of_a_message_count() {
    let all = reader(false, &AddressFamily::ALL);
    let gone = body(&[24, 198, 51, 100], &[VPN, ORIGIN, PATH, NEXT_HOP], ROUTES);
    let decoded = all.read(&gone, &mut Cache::default()).unwrap();
    let [
        Update::Unreach { .. },
        Update::Reach { family: AddressFamily::Vpnv4, .. },
        Update::Reach { family: BODY, .. },
    ] = &decoded.updates[..]
    else {
        panic!("{:?}", decoded.updates)
    };
}

#[test]
fn a_peer_with_short_numbers_tells_long_ones_beside_them() {
    let short = Reader { four_octet: false, ..reader(true, &[BODY]) };
    let path: &[u8] = &[0x40, 2, 6, 2, 2, 0xFD, 0xE9, 0x5B, 0xA0];
    let long: &[u8] = &[0xC0, 17, 6, 2, 1, 0xFA, 0x56, 0xEA, 0x00];
    let decoded =
        short.read(&body(&[], &[ORIGIN, path, NEXT_HOP, long], ROUTES), &mut Cache::default()).unwrap();
    assert_eq!(announced(&decoded).as_path, [65001, 4_200_000_000], "RFC 6793 section 4.2.3");
    let mut out = Vec::new();
    Writer { four_octet: false, ..WRITER }.write(&decoded.updates[0], &mut out).unwrap();
    assert!(out.windows(9).any(|part| part == path), "AS_TRANS");
    let (Message::Update(body), _) = take(&out, LONGEST).unwrap().unwrap() else { panic!("an UPDATE") };
    let again = short.read(body, &mut Cache::default()).unwrap();
    assert_eq!(again.updates, decoded.updates);
}

#[test]
fn attributes_in_a_row_are_read_once_and_shared() {
    let all = reader(false, &AddressFamily::ALL);
    let mut cache = Cache::default();
    let message = body(&[], &[VPN, ORIGIN, PATH], &[]);
    let first = all.read(&message, &mut cache).unwrap();
    let second = all.read(&message, &mut cache).unwrap();
    let (Update::Reach { attributes: one, .. }, Update::Reach { attributes: two, .. }) =
        (&first.updates[0], &second.updates[0])
    else {
        panic!("routes")
    };
    assert!(Arc::ptr_eq(one, two));
    let mut other = VPN.to_vec();
    other[18] = 2;
    let third = all.read(&body(&[], &[&other, ORIGIN, PATH], &[]), &mut cache).unwrap();
    assert_ne!(announced(&third).next_hop, one.next_hop, "another next hop is another matter");
}

const WRITER: Writer = Writer { four_octet: true, longest: LONGEST as usize };

fn attributes(next_hop: IpAddr) -> Attributes {
    Attributes {
        origin: Origin::Igp,
        as_path: vec![65001; 300],
        next_hop,
        med: Some(1),
        local_preference: Some(100),
        atomic_aggregate: true,
        aggregator: Some((65001, [192, 0, 2, 7].into())),
        communities: vec![1, 2],
        extended: vec![[0, 2, 0xFD, 0xE8, 0, 0, 0, 1], [0, 2, 0xFD, 0xE8, 0, 0, 0, 2]],
        large: vec![[1, 2, 3]],
        originator: Some([192, 0, 2, 8].into()),
        clusters: vec![[192, 0, 2, 9].into()],
        unknown: vec![crate::attributes::Unknown { code: 200, value: vec![1; 300] }],
    }
}

fn routes(family: AddressFamily, count: u32) -> Vec<Nlri> {
    let route = |at: u32| Nlri {
        rd: family.is_vpn().then_some(Rd::As4(at, 7)),
        prefix: if family.is_v6() {
            base::Prefix::host(core::net::Ipv6Addr::from(u128::from(at) << 64).into())
        } else {
            base::Prefix::new(core::net::Ipv4Addr::from(at << 8).into(), 24).unwrap()
        },
        label: family.is_labelled().then(|| Label::new(at).unwrap()),
        path: None,
    };
    (1..=count).map(route).collect()
}

/// Messages as the peer reads them, put together again.
fn across(family: AddressFamily, longest: u16, update: &Update) -> (u64, Vec<Update>) {
    let mut out = Vec::new();
    let messages = Writer { four_octet: true, longest: longest.into() }.write(update, &mut out).unwrap();
    let (mut rest, mut read, mut seen) = (&out[..], Vec::new(), 0);
    while let Some((Message::Update(body), length)) = take(rest, longest).unwrap() {
        let decoded =
            reader(false, &[family, AddressFamily::RouteTarget]).read(body, &mut Cache::default()).unwrap();
        assert_eq!(decoded.problem, None);
        read.extend(decoded.updates);
        rest = &rest[length..];
        seen += 1;
    }
    assert!(rest.is_empty());
    assert_eq!(seen, messages);
    (messages, read)
}

#[test]
fn many_routes_go_into_few_messages_and_come_out_whole() {
    for family in &AddressFamily::ALL[..6] {
        let family = *family;
        for next_hop in [IpAddr::from([192, 0, 2, 1]), "2001:db8::1".parse().unwrap()] {
            for longest in [LONGEST, LONGEST_EXTENDED] {
                let attributes = Arc::new(attributes(next_hop));
                let all = routes(family, 1500);
                let reach = Update::Reach { family, attributes: attributes.clone(), routes: all.clone() };
                let (messages, read) = across(family, longest, &reach);
                assert!(messages < if longest == LONGEST { 25 } else { 2 }, "{family}: {messages}");
                let mut together = Vec::new();
                for update in read {
                    let Update::Reach { attributes: read, routes, .. } = update else { panic!("{update:?}") };
                    assert_eq!(read, attributes);
                    together.extend(routes);
                }
                assert_eq!(together, all);

                let (_, gone) = across(family, longest, &Update::Unreach { family, routes: all.clone() });
                let gone: usize = gone
                    .iter()
                    .map(|update| match update {
                        Update::Unreach { routes, .. } => routes.len(),
                        other => panic!("{other:?}"),
                    })
                    .sum();
                assert_eq!(gone, all.len());
            }
        }
    }
}

#[test]
fn memberships_and_ends_of_tables_cross_too() {
    let target = Some(vrf::RouteTarget(Rd::As2(65000, 1)));
    let targets = vec![Membership { asn: 0, target: None }, Membership { asn: 65000, target }];
    let attributes = Arc::new(attributes([192, 0, 2, 1].into()));
    let family = AddressFamily::RouteTarget;
    for update in [Update::Wants { attributes, targets: targets.clone() }, Update::WantsNot(targets)] {
        assert_eq!(across(family, LONGEST, &update), (1, vec![update]));
    }
    for family in AddressFamily::ALL {
        assert_eq!(across(family, LONGEST, &Update::EndOfRib(family)), (1, vec![Update::EndOfRib(family)]));
    }
}

#[test]
fn attributes_that_leave_no_room_are_refused() {
    let mut long = attributes([192, 0, 2, 1].into());
    long.communities = (0..1020).collect();
    let update = Update::Reach { family: BODY, attributes: Arc::new(long), routes: routes(BODY, 1) };
    assert_eq!(WRITER.write(&update, &mut Vec::new()), Err(TooLong));
    assert_eq!(Writer { longest: LONGEST_EXTENDED.into(), ..WRITER }.write(&update, &mut Vec::new()), Ok(1));
}

proptest! {
    #[test]
    fn octets_at_random_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = reader(true, &AddressFamily::ALL).read(&bytes, &mut Cache::default());
    }

    #[test]
    fn a_message_with_one_octet_changed_never_panics(at in 0_usize..80, to in any::<u8>()) {
        let mut bytes = body(&[24, 198, 51, 100], &[VPN, ORIGIN, PATH, NEXT_HOP], ROUTES);
        if let Some(octet) = bytes.get_mut(at) {
            *octet = to;
        }
        let _ = reader(false, &AddressFamily::ALL).read(&bytes, &mut Cache::default());
    }
}

/// 1,000,000 VPNv4 routes, 1000 VRFs: `cargo test --release -p bgp --lib -- --ignored --nocapture million`.
#[test]
#[ignore = "measures"]
fn a_million_vpn_routes_are_read_in_a_third_of_a_second() {
    let mut feed = Vec::new();
    for vrf in 0..1000_u32 {
        let mut attributes = attributes([192, 0, 2, 1].into());
        attributes.as_path.truncate(3);
        attributes.extended = vec![[0, 2, 0xFD, 0xE8, 0, 0, vrf.to_be_bytes()[2], vrf.to_be_bytes()[3]]];
        attributes.unknown.clear();
        let mut all = routes(AddressFamily::Vpnv4, 1000);
        for route in &mut all {
            route.rd = Some(Rd::As2(65000, vrf));
        }
        let update =
            Update::Reach { family: AddressFamily::Vpnv4, attributes: Arc::new(attributes), routes: all };
        WRITER.write(&update, &mut feed).unwrap();
    }
    let reader = reader(false, &[AddressFamily::Vpnv4]);
    #[expect(clippy::disallowed_types, reason = "it measures")]
    let start = std::time::Instant::now();
    let (mut rest, mut count, mut cache) = (&feed[..], 0, Cache::default());
    while let Some((Message::Update(body), length)) = take(rest, LONGEST).unwrap() {
        for update in reader.read(body, &mut cache).unwrap().updates {
            let Update::Reach { routes, .. } = update else { panic!("routes") };
            count += routes.len();
        }
        rest = &rest[length..];
    }
    println!("{count} routes, {} octets: {:?}", feed.len(), start.elapsed());
    assert_eq!(count, 1_000_000);
}
