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
        assert!(fib.remove(p(expected)));
    }
    assert_eq!(fib.lookup(a("10.2.3.4")), None);
    assert_eq!(fib.lookup(a("2001:db8::1")), Some(&"::/0"));
    assert_eq!(fib.len(), 1);
}

#[test]
fn setting_again_replaces_the_value() {
    let mut fib = Fib::default();
    assert!(!fib.insert(p("2001:db8::/33"), 1));
    assert!(fib.insert(p("2001:db8::/33"), 2));
    assert_eq!((fib.lookup(a("2001:db8::1")), fib.lookup(a("2001:db8:8000::"))), (Some(&2), None));
    assert_eq!((fib.exact(p("2001:db8::/33")), fib.exact(p("2001:db8::/32"))), (Some(&2), None));
}

#[test]
fn what_is_emptied_gives_its_memory_back() {
    let mut fib = Fib::default();
    for i in 0..=255u8 {
        fib.insert(Prefix::host(IpAddr::from([10, i, i, i])), i);
    }
    for i in 0..=255u8 {
        assert!(fib.remove(Prefix::host(IpAddr::from([10, i, i, i]))));
    }
    assert!(fib.is_empty() && fib.v4.root.is_none());
}

#[test]
fn a_clone_keeps_what_it_had_and_shares_every_node_but_those_on_the_way() {
    let mut fib = Fib::default();
    for i in 0..=255u8 {
        fib.insert(p(&format!("10.{i}.0.0/24")), i);
    }
    let before = fib.clone();
    fib.insert(p("10.7.9.0/24"), 99);
    fib.remove(p("10.8.0.0/24"));
    assert_eq!((before.lookup(a("10.7.9.1")), before.lookup(a("10.8.0.1"))), (None, Some(&8)));
    assert_eq!((fib.lookup(a("10.7.9.1")), fib.lookup(a("10.8.0.1"))), (Some(&99), None));
    let second = |fib: &Fib<u8>, octet| fib.v4.node(&[10, octet]).map(std::ptr::from_ref);
    let own: Vec<u8> = (0..=255).filter(|octet| second(&fib, *octet) != second(&before, *octet)).collect();
    assert_eq!(own, [7, 8]);
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
            prop_assert_eq!(fib.exact(*prefix), oracle.get(&prefix.network()));
            if *add {
                prop_assert_eq!(fib.insert(*prefix, *value), oracle.insert(prefix.network(), *value).is_some());
            } else {
                prop_assert_eq!(fib.remove(*prefix), oracle.remove(&prefix.network()).is_some());
            }
        }
        prop_assert_eq!(fib.len(), oracle.len());
        for (_, prefix, _) in &steps {
            let covering = oracle.get_lpm(&prefix.network()).map(|(_, value)| value);
            prop_assert_eq!(fib.covering(*prefix), covering, "around {}", prefix);
            let mut within = fib.within(*prefix);
            let named = oracle.iter().filter_map(|(network, _)| Prefix::new(network.ip(), network.prefix()).ok());
            let mut expected: Vec<Prefix> = named.filter(|other| prefix.covers(*other)).collect();
            within.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(within, expected, "in {}", prefix);
        }
        let ends = steps.iter().flat_map(|(_, prefix, _)| [prefix.address(), prefix.last()]);
        for probe in probes.into_iter().chain(ends) {
            let expected = oracle.get_lpm(&IpNetwork::from(probe)).map(|(_, value)| value);
            prop_assert_eq!(fib.lookup(probe), expected, "{}", probe);
        }
        for (_, prefix, _) in &steps {
            prop_assert_eq!(fib.remove(*prefix), oracle.remove(&prefix.network()).is_some());
        }
        prop_assert!(fib.v4.root.is_none() && fib.v6.root.is_none());
    }
}
