//! Lists of routes beside the codec crate's own reading of them.

use base::Family;
use proptest::prelude::*;
use rustbgpd_wire as codec;

use super::*;

const FORMS: [AddressFamily; 6] = [
    AddressFamily::Ipv4Unicast,
    AddressFamily::Ipv6Unicast,
    AddressFamily::Ipv4Labeled,
    AddressFamily::Ipv6Labeled,
    AddressFamily::Vpnv4,
    AddressFamily::Vpnv6,
];

fn rds() -> impl Strategy<Value = Rd> {
    prop_oneof![
        any::<(u16, u32)>().prop_map(|(a, n)| Rd::As2(a, n)),
        any::<([u8; 4], u16)>().prop_map(|(a, n)| Rd::Ipv4(a.into(), n)),
        any::<(u32, u16)>().prop_map(|(a, n)| Rd::As4(a, n)),
    ]
}

fn prefixes(family: Family) -> impl Strategy<Value = Prefix> {
    (any::<[u8; 16]>(), 0..=family.bits()).prop_map(move |(octets, length)| {
        let address: IpAddr = match family {
            Family::V4 => [octets[0], octets[1], octets[2], octets[3]].into(),
            Family::V6 => octets.into(),
        };
        Prefix::new(address, length).unwrap()
    })
}

fn routes(family: AddressFamily) -> impl Strategy<Value = Vec<Nlri>> {
    let of = if family.is_v6() { Family::V6 } else { Family::V4 };
    let route = (rds(), prefixes(of), 0..=Label::LAST.value()).prop_map(move |(rd, prefix, label)| Nlri {
        rd: family.is_vpn().then_some(rd),
        prefix,
        label: family.is_labelled().then(|| Label::new(label).unwrap()),
        path: None,
    });
    proptest::collection::vec(route, 0..20)
}

fn lists() -> impl Strategy<Value = (AddressFamily, Vec<Nlri>)> {
    proptest::sample::select(&FORMS[..]).prop_flat_map(|family| (Just(family), routes(family)))
}

fn form(family: AddressFamily, withdrawn: bool) -> Form {
    Form { family, path: false, withdrawn }
}

/// The same list as the crate would write it.
fn by_the_crate(family: AddressFamily, routes: &[Nlri]) -> Vec<u8> {
    let mut out = Vec::new();
    let label = |route: &Nlri| codec::MplsLabelEntry::try_new(route.label.unwrap().value(), 0, true).unwrap();
    let v4 = |prefix: Prefix| match prefix.address() {
        IpAddr::V4(address) => codec::Ipv4Prefix::new(address, prefix.length()),
        IpAddr::V6(_) => unreachable!(),
    };
    let v6 = |prefix: Prefix| match prefix.address() {
        IpAddr::V6(address) => codec::Ipv6Prefix::new(address, prefix.length()),
        IpAddr::V4(_) => unreachable!(),
    };
    let either = |prefix: Prefix| match prefix.family() {
        Family::V4 => codec::Prefix::V4(v4(prefix)),
        Family::V6 => codec::Prefix::V6(v6(prefix)),
    };
    let vpn = |prefix: Prefix| match prefix.address() {
        IpAddr::V4(address) => codec::VpnPrefix::v4(address, prefix.length()).unwrap(),
        IpAddr::V6(address) => codec::VpnPrefix::v6(address, prefix.length()).unwrap(),
    };
    let all = || routes.iter();
    match (family, family.is_v6()) {
        (AddressFamily::Ipv4Unicast, _) => {
            codec::nlri::encode_nlri(&all().map(|of| v4(of.prefix)).collect::<Vec<_>>(), &mut out);
        }
        (AddressFamily::Ipv6Unicast, _) => {
            codec::nlri::encode_ipv6_nlri(&all().map(|of| v6(of.prefix)).collect::<Vec<_>>(), &mut out);
        }
        (AddressFamily::Ipv4Labeled | AddressFamily::Ipv6Labeled, v6) => {
            let of = if v6 { codec::LabeledAddressFamily::V6 } else { codec::LabeledAddressFamily::V4 };
            let list: Vec<_> = all()
                .map(|route| codec::LabeledNlri { labels: vec![label(route)], prefix: either(route.prefix) })
                .collect();
            codec::encode_labeled_nlri(&list, of, &mut out).unwrap();
        }
        _ => {
            let of = if family.is_v6() { codec::VpnAddressFamily::V6 } else { codec::VpnAddressFamily::V4 };
            let list: Vec<_> = all()
                .map(|route| codec::VpnNlri {
                    labels: vec![label(route)],
                    route_distinguisher: codec::RouteDistinguisher(write_rd(route.rd.unwrap())),
                    prefix: vpn(route.prefix),
                })
                .collect();
            codec::encode_vpn_nlri(&list, of, &mut out).unwrap();
        }
    }
    out
}

proptest! {
    #[test]
    fn we_write_and_read_what_the_codec_crate_writes((family, routes) in lists()) {
        let theirs = by_the_crate(family, &routes);
        let mut ours = Vec::new();
        for route in &routes {
            form(family, false).write(route, &mut ours);
        }
        prop_assert_eq!(&ours, &theirs);
        prop_assert_eq!(form(family, false).read(&theirs).unwrap(), routes);
    }

    #[test]
    fn octets_at_random_are_a_list_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), path in any::<bool>()) {
        for family in FORMS {
            for withdrawn in [false, true] {
                let form = Form { family, path, withdrawn };
                if let Ok(routes) = form.read(&bytes) {
                    prop_assert!(routes.len() <= bytes.len());
                }
            }
        }
        let _ = read_memberships(&bytes);
    }

    #[test]
    fn memberships_read_back(asn in 1..u32::MAX, target in rds()) {
        for membership in [
            Membership { asn: 0, target: None },
            Membership { asn, target: None },
            Membership { asn, target: Some(RouteTarget(target)) },
        ] {
            let mut bytes = Vec::new();
            write_membership(&membership, &mut bytes);
            prop_assert_eq!(read_memberships(&bytes).unwrap(), vec![membership]);
        }
    }
}

#[test]
fn a_withdrawal_is_understood_whatever_stands_for_the_label() {
    for label in [[0x80, 0, 0], [0, 0, 0], [0x00, 0x7d, 0xd1], [0x00, 0x7d, 0xd0]] {
        let mut bytes = vec![112];
        bytes.extend_from_slice(&label);
        bytes.extend_from_slice(&[0, 0, 0xFD, 0xE8, 0, 0, 0, 2, 10, 13, 0]);
        let routes = form(AddressFamily::Vpnv4, true).read(&bytes).unwrap();
        let prefix = "10.13.0.0/24".parse().unwrap();
        assert_eq!(routes, [Nlri { rd: Some(Rd::As2(65000, 2)), prefix, label: None, path: None }]);
    }
}

#[test]
fn path_identifiers_stand_in_front() {
    let form = Form { family: AddressFamily::Ipv4Unicast, path: true, withdrawn: false };
    let routes = form.read(&[0, 0, 0, 7, 8, 10, 0, 0, 0, 9, 0]).unwrap();
    assert_eq!(routes.iter().map(|route| route.path).collect::<Vec<_>>(), [Some(7), Some(9)]);
}

#[test]
fn a_length_beyond_the_family_or_the_list_is_refused() {
    let read = |family, bytes: &[u8]| form(family, false).read(bytes);
    assert_eq!(read(AddressFamily::Ipv4Unicast, &[33, 10, 0, 0, 0, 0]), Err(Invalid));
    assert_eq!(read(AddressFamily::Ipv4Unicast, &[24, 10, 0]), Err(Invalid));
    assert_eq!(read(AddressFamily::Ipv6Unicast, &[129; 18]), Err(Invalid));
    assert_eq!(read(AddressFamily::Vpnv4, &[87, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]), Err(Invalid));
    assert_eq!(read(AddressFamily::Ipv4Labeled, &[23, 0, 0, 1]), Err(Invalid));
    assert_eq!(read_memberships(&[31, 0, 0, 0, 0]), Err(Invalid));
    assert_eq!(read_memberships(&[97; 14]), Err(Invalid));
}

#[test]
fn host_bits_and_unknown_route_distinguishers_do_no_harm() {
    let routes = form(AddressFamily::Ipv4Unicast, false).read(&[20, 10, 1, 0xFF]).unwrap();
    assert_eq!(routes[0].prefix, "10.1.240.0/20".parse().unwrap());
    let unknown = [96, 0, 0, 1, 0, 9, 0, 0, 0, 0, 0, 1, 10, 8, 10, 11, 12];
    assert!(form(AddressFamily::Vpnv4, false).read(&unknown[..13]).unwrap().is_empty());
}

#[test]
fn a_target_in_part_stands_for_its_whole_as_and_unknown_kinds_for_nothing() {
    let part = read_memberships(&[48, 0, 0, 0xFD, 0xE8, 0, 2]).unwrap();
    assert_eq!(part, [Membership { asn: 65000, target: None }]);
    let unknown = read_memberships(&[96, 0, 0, 0xFD, 0xE8, 6, 2, 0, 0, 0, 0, 0, 1]).unwrap();
    assert_eq!(unknown, []);
}
