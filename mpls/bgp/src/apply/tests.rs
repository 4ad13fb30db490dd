//! What a policy does to a route, entry by entry.

use std::collections::BTreeMap;

use super::*;
use crate::attributes::Origin;
use crate::policy::RouteMap;

fn p(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn subject(prefix: &str) -> Subject {
    let attributes = Attributes::new(Origin::Igp, "192.0.2.1".parse().unwrap());
    Subject { prefix: p(prefix), source: Source::Static, tag: 7, weight: 0, attributes }
}

fn entry(permit: bool, matches: Vec<Match>, sets: Vec<Set>) -> Entry {
    Entry { permit, matches, sets, next: None }
}

fn policies(entries: Vec<(u32, Entry)>) -> Policies {
    let mut policies = Policies::default();
    let rule = |permit, prefix: &str, lengths| PrefixRule { permit, prefix: p(prefix), lengths };
    let list =
        BTreeMap::from([(5, rule(false, "10.1.0.0/16", (24, 24))), (10, rule(true, "10.0.0.0/8", (16, 32)))]);
    policies.prefix_lists.insert("TEN".into(), PrefixList(list));
    let line = (true, vec![Community::Standard(5), Community::Large([1, 2, 3])]);
    policies.community_lists.insert("BOTH".into(), CommunityList(vec![line]));
    let line = (true, vec![Extended::Target("65000:1".parse().unwrap())]);
    policies.extended_lists.insert("RT".into(), ExtendedList(vec![line]));
    policies.route_maps.insert("M".into(), RouteMap(entries.into_iter().collect()));
    policies
}

#[test]
fn the_first_line_of_a_prefix_list_that_matches_decides_and_none_denies() {
    let policies = policies(Vec::new());
    let permits = |prefix| policies.permits("TEN", p(prefix));
    assert!(permits("10.1.0.0/16") && permits("10.2.3.0/24") && permits("10.1.2.3/32"));
    assert!(!permits("10.1.2.0/24") && !permits("10.0.0.0/8") && !permits("11.0.0.0/16"));
    assert!(!policies.permits("NONE", p("10.1.0.0/16")));
}

#[test]
fn kinds_of_match_must_all_hold_and_a_map_without_match_denies() {
    let both = vec![Match::Prefix(vec!["NONE".into(), "TEN".into()]), Match::Tag(vec![6, 7])];
    let policies = policies(vec![(10, entry(true, both, vec![Set::Weight(9)]))]);
    assert_eq!(policies.run("M", subject("10.2.0.0/16")).unwrap().weight, 9);
    assert!(policies.run("M", subject("11.0.0.0/16")).is_none());
    let other = Subject { tag: 8, ..subject("10.2.0.0/16") };
    assert!(policies.run("M", other).is_none() && policies.run("NONE", subject("10.2.0.0/16")).is_none());
}

#[test]
fn communities_match_exactly_or_not_and_are_set_or_added() {
    let rule = |exact| vec![Match::Community { lists: vec!["BOTH".into()], exact }];
    let add = Set::Community { communities: Some(vec![Community::Standard(1)]), additive: true };
    let none = Set::Community { communities: None, additive: false };
    let policies =
        policies(vec![(1, entry(true, rule(true), vec![add])), (2, entry(true, rule(false), vec![none]))]);
    let mut route = subject("10.2.0.0/16");
    (route.attributes.communities, route.attributes.large) = (vec![5], vec![[1, 2, 3]]);
    assert_eq!(policies.run("M", route.clone()).unwrap().attributes.communities, [1, 5]);
    route.attributes.communities.push(6);
    let passed = policies.run("M", route.clone()).unwrap().attributes;
    assert!(passed.communities.is_empty() && passed.large.is_empty());
    route.attributes.large.clear();
    assert!(policies.run("M", route).is_none());
}

#[test]
fn continue_goes_on_with_what_was_set_and_a_later_deny_denies() {
    let metric =
        vec![Set::Metric(4), Set::Target { targets: vec!["65000:1".parse().unwrap()], additive: false }];
    let first = Entry { next: Some(20), ..entry(true, Vec::new(), metric) };
    let second = entry(
        true,
        vec![Match::Metric(4), Match::Extended(vec!["RT".into()])],
        vec![Set::Prepend(vec![1, 1])],
    );
    let mut policies = policies(vec![(10, first), (20, second)]);
    let passed = policies.run("M", subject("10.2.0.0/16")).unwrap().attributes;
    assert_eq!((passed.as_path.len(), passed.med), (2, Some(4)));
    let map = policies.route_maps.get_mut("M").unwrap();
    map.0.insert(20, entry(false, vec![Match::Metric(4)], Vec::new()));
    assert!(policies.run("M", subject("10.2.0.0/16")).is_none());
    policies.route_maps.get_mut("M").unwrap().0.remove(&20);
    assert!(policies.run("M", subject("10.2.0.0/16")).is_some());
}
