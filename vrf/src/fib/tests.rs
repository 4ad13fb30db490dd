//! The stride table against a prefix trie.

use super::*;
use ipnetwork::IpNetwork;
use prefix_trie::joint::JointPrefixMap;
use proptest::prelude::*;

fn p(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn a(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn the_longest_prefix_wins_and_its_removal_uncovers_the_next() {
    let routes =
        ["0.0.0.0/0", "10.0.0.0/8", "10.2.0.0/15", "10.2.0.0/16", "10.2.3.0/24", "10.2.3.4/32", "::/0"];
    let mut fib: Fib<&str> = routes.iter().map(|text| (p(text), *text)).collect();
    for expected in ["10.2.3.4/32", "10.2.3.0/24", "10.2.0.0/16", "10.2.0.0/15", "10.0.0.0/8", "0.0.0.0/0"] {
        assert_eq!(fib.lookup(a("10.2.3.4")), Some(&expected));
        assert_eq!(fib.remove(p(expected)), Some(expected));
    }
    assert_eq!(fib.lookup(a("10.2.3.4")), None);
    assert_eq!(fib.lookup(a("2001:db8::1")), Some(&"::/0"));
    assert_eq!(fib.len(), 1);
}

#[test]
fn setting_again_replaces_the_value() {
    let mut fib = Fib::default();
    assert_eq!(fib.insert(p("2001:db8::/33"), 1), None);
    assert_eq!(fib.insert(p("2001:db8::/33"), 2), Some(1));
    assert_eq!((fib.lookup(a("2001:db8::1")), fib.lookup(a("2001:db8:8000::"))), (Some(&2), None));
    assert_eq!((fib.exact(p("2001:db8::/33")), fib.exact(p("2001:db8::/32"))), (Some(&2), None));
}

#[test]
fn what_is_emptied_gives_its_memory_back() {
    let mut fib = Fib::default();
    for i in 0..=255u8 {
        fib.insert(Prefix::host(IpAddr::from([10, i, i, i])), i);
    }
    let nodes = fib.v4.nodes.len();
    for i in 0..=255u8 {
        assert_eq!(fib.remove(Prefix::host(IpAddr::from([10, i, i, i]))), Some(i));
    }
    assert!(fib.is_empty() && fib.v4.nodes.is_empty() && nodes > 500);
}

#[test]
fn freed_nodes_are_used_again() {
    let mut fib = Fib::default();
    fib.insert(p("10.0.0.0/8"), 0);
    for i in 1..=100u8 {
        fib.insert(Prefix::host(IpAddr::from([i, 1, 1, 1])), i);
        assert_eq!(fib.lookup(IpAddr::from([i, 1, 1, 1])), Some(&i));
        assert_eq!(fib.lookup(IpAddr::from([i, 1, 1, 2])), (i == 10).then_some(&0));
        fib.remove(Prefix::host(IpAddr::from([i, 1, 1, 1])));
    }
    assert_eq!(fib.v4.nodes.len(), 4);
}

/// Addresses close together, so that prefixes overlap and share nodes.
fn address() -> impl Strategy<Value = IpAddr> {
    let octet = || prop_oneof![0u8..4, 252u8..=255, Just(128u8)];
    prop_oneof![
        [octet(), octet(), octet(), octet()].prop_map(IpAddr::from),
        ([octet(), octet()], octet(), octet())
            .prop_map(|([a, b], c, d)| { IpAddr::from([0x20, a, b, 0, c, 0, 0, d, a, 0, 0, 0, 0, 0, c, d]) }),
    ]
}

fn prefix() -> impl Strategy<Value = Prefix> {
    (address(), 0u8..=128).prop_map(|(address, length)| {
        Prefix::new(address, length % (Family::of(address).bits() + 1)).unwrap()
    })
}

proptest! {
    #[test]
    fn it_agrees_with_a_prefix_trie_after_any_inserts_and_removals(
        steps in prop::collection::vec((any::<bool>(), prefix(), any::<u16>()), 1..120),
        probes in prop::collection::vec(address(), 40),
    ) {
        let mut fib = Fib::default();
        let mut oracle: JointPrefixMap<IpNetwork, u16> = JointPrefixMap::new();
        for (add, prefix, value) in &steps {
            if *add {
                prop_assert_eq!(fib.insert(*prefix, *value), oracle.insert(prefix.network(), *value));
            } else {
                prop_assert_eq!(fib.remove(*prefix), oracle.remove(&prefix.network()));
            }
        }
        prop_assert_eq!(fib.len(), oracle.len());
        let ends = steps.iter().flat_map(|(_, prefix, _)| [prefix.address(), prefix.last()]);
        for probe in probes.into_iter().chain(ends) {
            let expected = oracle.get_lpm(&IpNetwork::from(probe)).map(|(_, value)| value);
            prop_assert_eq!(fib.lookup(probe), expected, "{}", probe);
        }
        for (_, prefix, _) in &steps {
            prop_assert_eq!(fib.remove(*prefix), oracle.remove(&prefix.network()));
        }
        prop_assert!(fib.v4.nodes.is_empty() && fib.v6.nodes.is_empty());
    }
}
