//! What is asked for, and what of it is granted.

use base::{PolicyId, VrfId};
use ipsec::Rule;
use proptest::prelude::*;

use super::*;

fn selector(local: &str, remote: &str) -> Selector {
    Selector::between(local.parse().unwrap(), remote.parse().unwrap())
}

fn ts(text: &str) -> TrafficSelector {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let [first, last] = [first, last].map(|address| address.parse().unwrap());
    TrafficSelector { protocol: 0, ports: Ports::ANY, first, last }
}

fn asked(local: &[&str], remote: &[&str]) -> Asked {
    let all = |texts: &[&str]| texts.iter().map(|text| ts(text)).collect();
    Asked { local: all(local), remote: all(remote) }
}

fn entry(policy: u32, rules: &[(bool, Selector)]) -> Entry {
    let rules = rules.iter().map(|(permit, selector)| Rule { permit: *permit, selector: *selector });
    let rules = rules.collect();
    Entry { rules, ..Entry::new(PolicyId(policy), VrfId(0), VrfId(1), "192.0.2.1".parse().unwrap()) }
}

fn permits(pairs: &[(&str, &str)]) -> Entry {
    entry(1, &pairs.iter().map(|(local, remote)| (true, selector(local, remote))).collect::<Vec<_>>())
}

fn granted(entry: &Entry, asked: &Asked) -> Result<(Selector, bool), &'static str> {
    narrow(&[entry], asked).map(|found| (found.selector, found.more)).map_err(|refusal| refusal.what)
}

const ALL: &str = "0.0.0.0-255.255.255.255";

#[test]
fn all_is_narrowed_to_the_line() {
    let entry = permits(&[("10.1.0.0/16", "10.2.0.0/16")]);
    assert_eq!(granted(&entry, &asked(&[ALL], &[ALL])), Ok((selector("10.1.0.0/16", "10.2.0.0/16"), false)));
}

#[test]
fn less_than_the_line_is_granted_as_it_is() {
    let entry = permits(&[("10.1.0.0/16", "10.2.0.0/16")]);
    let wanted = asked(&["10.1.4.0-10.1.4.255"], &["10.2.0.9"]);
    assert_eq!(granted(&entry, &wanted), Ok((selector("10.1.4.0/24", "10.2.0.9/32"), false)));
}

#[test]
fn nothing_in_common_is_refused_by_name() {
    let entry = permits(&[("10.1.0.0/16", "10.2.0.0/16")]);
    let refusal = narrow(&[&entry], &asked(&["10.3.0.0-10.3.255.255"], &[ALL])).unwrap_err();
    assert_eq!(refusal.notify, Some(TS_UNACCEPTABLE));
    assert!(refusal.detail.contains("10.3.0.0-10.3.255.255 here"), "{}", refusal.detail);
    assert!(granted(&entry, &asked(&["2001:db8::1"], &["2001:db8::2"])).is_err(), "another family");
}

#[test]
fn the_line_that_holds_the_triggering_packet_comes_first() {
    let entry = permits(&[("10.1.0.0/16", "10.2.0.0/16"), ("10.1.0.0/16", "10.3.0.0/16")]);
    let wanted = asked(&["10.1.0.7", ALL], &["10.3.0.7", ALL]);
    assert_eq!(granted(&entry, &wanted), Ok((selector("10.1.0.0/16", "10.3.0.0/16"), true)));
    let without = asked(&[ALL], &[ALL]);
    assert_eq!(granted(&entry, &without), Ok((selector("10.1.0.0/16", "10.2.0.0/16"), true)));
    let elsewhere = asked(&["10.9.0.7", ALL], &["10.9.0.7", ALL]);
    assert_eq!(granted(&entry, &elsewhere), Ok((selector("10.1.0.0/16", "10.2.0.0/16"), true)));
}

#[test]
fn a_deny_line_in_front_takes_its_part_away() {
    let denied = selector("10.1.1.0/24", "10.2.0.0/16");
    let entry = entry(1, &[(false, denied), (true, selector("10.1.0.0/16", "10.2.0.0/16"))]);
    assert_eq!(
        granted(&entry, &asked(&["10.1.1.0-10.1.1.255"], &[ALL])),
        Err("traffic-selectors-not-admitted")
    );
    assert!(granted(&entry, &asked(&["10.1.2.0-10.1.2.255"], &[ALL])).is_ok());
}

#[test]
fn entries_are_asked_in_their_order() {
    let (first, second) =
        (permits(&[("10.1.0.0/16", "10.2.0.0/16")]), permits(&[("10.1.0.0/16", "10.3.0.0/16")]));
    let found = narrow(&[&first, &second], &asked(&[ALL], &["10.3.0.0-10.3.0.255"])).unwrap();
    assert_eq!(found.selector, selector("10.1.0.0/16", "10.3.0.0/24"));
}

#[test]
fn a_dynamic_entry_without_lines_grants_what_is_asked_for() {
    let entry = Entry { dynamic: true, ..entry(1, &[]) };
    let wanted = asked(&["10.0.0.0-10.0.0.255"], &["172.16.0.1"]);
    assert_eq!(granted(&entry, &wanted), Ok((selector("10.0.0.0/24", "172.16.0.1/32"), false)));
}

#[test]
fn protocols_and_ports_are_narrowed_too() {
    let web = Selector {
        protocol: Some(6),
        local_ports: Ports { first: 80, last: 443 },
        ..selector("10.1.0.0/16", "10.2.0.0/16")
    };
    let entry = entry(1, &[(true, web)]);
    assert_eq!(granted(&entry, &asked(&[ALL], &[ALL])), Ok((web, false)));
    let mut udp = asked(&[ALL], &[ALL]);
    udp.local[0].protocol = 17;
    assert!(granted(&entry, &udp).is_err());
    let mut some = asked(&[ALL], &[ALL]);
    some.local[0].ports = Ports { first: 443, last: 500 };
    assert_eq!(granted(&entry, &some).unwrap().0.local_ports, Ports::one(443));
    some.local[0].ports = Ports { first: u16::MAX, last: 0 };
    assert!(granted(&entry, &some).is_err(), "hidden ports");
}

#[test]
fn the_largest_of_several_pairs_is_granted_and_the_rest_may_be_asked_for() {
    let entry = permits(&[("10.0.0.0/8", "10.0.0.0/8")]);
    let wanted = asked(&["10.1.0.0-10.1.0.255", "10.2.0.0-10.2.255.255"], &["10.9.0.0-10.9.0.255"]);
    assert_eq!(granted(&entry, &wanted), Ok((selector("10.2.0.0/16", "10.9.0.0/24"), false)));
}

#[test]
fn a_range_becomes_the_largest_prefix_in_it() {
    let largest = |first: &str, last: &str| {
        largest_prefix(first.parse().unwrap(), last.parse().unwrap()).map(|prefix| prefix.to_string())
    };
    let is = |first, last, expected: &str| assert_eq!(largest(first, last).as_deref(), Some(expected));
    is("10.0.0.0", "10.0.0.255", "10.0.0.0/24");
    is("10.0.0.1", "10.0.0.255", "10.0.0.128/25");
    is("10.0.0.3", "10.0.0.3", "10.0.0.3/32");
    is("10.0.0.1", "10.0.1.0", "10.0.0.128/25");
    is("0.0.0.0", "255.255.255.255", "0.0.0.0/0");
    is("255.255.255.254", "255.255.255.255", "255.255.255.254/31");
    is("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0");
    is("2001:db8::1", "2001:db8::ff", "2001:db8::80/121");
    assert_eq!(largest("10.0.0.2", "10.0.0.1"), None);
}

#[test]
fn the_peer_may_narrow_and_must_not_widen() {
    let wanted = selector("10.1.0.0/16", "10.2.0.0/16");
    let said = |local: &[&str], remote: &[&str]| {
        accepted(&asked(local, remote), &wanted).map_err(|refusal| refusal.what)
    };
    let (ours, theirs) = ("10.1.0.0-10.1.255.255", "10.2.0.0-10.2.255.255");
    assert_eq!(said(&[ours], &[theirs]), Ok(wanted));
    assert_eq!(said(&[ours], &["10.2.3.0-10.2.3.255"]), Ok(selector("10.1.0.0/16", "10.2.3.0/24")));
    assert_eq!(said(&[ALL], &[theirs]), Err("traffic-selectors-widened"));
    assert_eq!(said(&["10.0.255.255-10.1.0.9"], &[theirs]), Err("traffic-selectors-widened"));
    assert_eq!(said(&[], &[theirs]), Err("traffic-selectors-widened"));
    let two = said(&["10.1.0.0-10.1.0.255", "10.1.128.0-10.1.255.255"], &[theirs]);
    assert_eq!(two, Ok(selector("10.1.128.0/17", "10.2.0.0/16")));
}

#[test]
fn the_packet_that_asks_stands_in_front() {
    let wanted = selector("10.1.0.0/16", "10.2.0.0/16");
    let flow = Flow {
        local: "10.1.0.9".parse().unwrap(),
        remote: "10.2.0.9".parse().unwrap(),
        protocol: 17,
        local_port: 4000,
        remote_port: 53,
    };
    let Asked { local, remote } = request(&wanted, Some(&flow));
    assert_eq!(
        local.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["17 10.1.0.9-10.1.0.9:4000", "10.1.0.0-10.1.255.255"]
    );
    assert_eq!(remote.len(), 2);
    assert_eq!(request(&wanted, None), exactly(&wanted));
}

#[test]
fn in_transport_mode_through_a_nat_the_addresses_that_we_see_are_meant() {
    let said = asked(&["10.0.0.1"], &["192.168.1.5"]);
    let (ours, theirs): (IpAddr, IpAddr) = ("203.0.113.1".parse().unwrap(), "198.51.100.7".parse().unwrap());
    let seen = translate(&said, ours, theirs);
    assert_eq!(seen, asked(&["203.0.113.1"], &["198.51.100.7"]));
    let granted = Selector { protocol: Some(17), ..selector("203.0.113.1/32", "198.51.100.7/32") };
    let back = restore(&said, &granted);
    assert_eq!(back.remote[0].to_string(), "17 192.168.1.5-192.168.1.5");
}

fn prefixes() -> impl Strategy<Value = Prefix> {
    (any::<u32>(), 0u8..=32).prop_map(|(bits, length)| Prefix::new(IpAddr::V4(bits.into()), length).unwrap())
}

fn ranges() -> impl Strategy<Value = TrafficSelector> {
    any::<[u32; 2]>().prop_map(|pair| TrafficSelector {
        protocol: 0,
        ports: Ports::ANY,
        first: IpAddr::V4(pair[0].min(pair[1]).into()),
        last: IpAddr::V4(pair[0].max(pair[1]).into()),
    })
}

proptest! {
    #[test]
    fn what_is_granted_is_asked_for_and_permitted(
        lines in proptest::collection::vec((any::<bool>(), prefixes(), prefixes()), 1..6),
        local in proptest::collection::vec(ranges(), 1..4), remote in proptest::collection::vec(ranges(), 1..4),
    ) {
        let lines: Vec<_> =
            lines.into_iter().map(|(permit, ours, theirs)| (permit, Selector::between(ours, theirs))).collect();
        let (entry, wanted) = (entry(1, &lines), Asked { local, remote });
        if let Ok(found) = narrow(&[&entry], &wanted) {
            let within = |prefix: Prefix, asked: &[TrafficSelector]| {
                asked.iter().any(|one| one.first <= prefix.address() && prefix.last() <= one.last)
            };
            prop_assert!(policy::entry_admits(&entry, &found.selector));
            prop_assert!(within(found.selector.local, &wanted.local));
            prop_assert!(within(found.selector.remote, &wanted.remote));
        }
    }

    #[test]
    fn the_largest_prefix_of_a_range_is_in_it_and_none_is_larger(range in ranges()) {
        let found = largest_prefix(range.first, range.last).unwrap();
        prop_assert!(range.first <= found.address() && found.last() <= range.last);
        let size = 1u128 << (32 - found.length());
        let whole = number(range.last) - number(range.first) + 1;
        prop_assert!((size..4 * size).contains(&whole));
    }
}
