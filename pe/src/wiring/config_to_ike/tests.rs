//! What of a configuration reaches IKE, and what an operator is told of the rest.

use super::*;
use base::VrfId;
use ike::config::{Entry, Version, v2};
use ipsec::Mode;

const BASE: &str = "\
ip vrf red
ip vrf blue
crypto isakmp policy 10
 authentication pre-share
 group 14
crypto isakmp policy 20
 group 14
crypto isakmp key for-all address 192.0.2.7
crypto keyring ring vrf red
 pre-shared-key address 192.0.2.2 key for-red
crypto isakmp profile of-map
 vrf red
 match identity address 192.0.2.2 255.255.255.255
crypto isakmp profile of-entry
 vrf blue
 match identity address 192.0.2.3 255.255.255.255 red
crypto ipsec security-association lifetime seconds 1200
crypto ipsec transform-set t esp-gcm
crypto map m isakmp-profile of-map
crypto map m 10 ipsec-isakmp
 set peer 192.0.2.2
 set transform-set t
 match address 101
crypto map m 20 ipsec-isakmp
 set peer 192.0.2.3
 set transform-set t
 set isakmp-profile of-entry
 set security-association lifetime kilobytes 5000
 match address 101
crypto map m 30 ipsec-isakmp
 set peer 192.0.2.4
 set transform-set t
interface Ethernet0
 ip address 192.0.2.1 255.255.255.0
 crypto map m
interface Ethernet1
 ip vrf forwarding red
 ip address 192.0.2.1 255.255.255.0
 crypto map m
access-list 101 deny ip host 10.1.0.1 any
access-list 101 permit ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255
";

fn derived(text: &str) -> (ike::Config, Vec<Notice>, Ids) {
    let parsed = config::parse(text).unwrap_or_else(|f| panic!("{}", config::report("", text, &f)));
    let mut ids = Ids::default();
    let (config, notices) = ike_config(&parsed.config, &Trustpoints::default(), &mut ids);
    (config, notices, ids)
}

#[test]
fn an_entry_prefers_its_own_profile_to_the_maps_and_its_vrf_is_the_inside() {
    let (config, _, ids) = derived(BASE);
    let of = |entry: &Entry| (entry.sequence, entry.profile.clone(), entry.front, entry.inside);
    let vrf = |name| ids.known_vrf(Some(name)).unwrap();
    let profiles = ["of-map", "of-entry"].map(|name| Some(name.to_owned()));
    let [map, own] = profiles;
    assert_eq!(
        config.entries.iter().map(of).collect::<Vec<_>>(),
        [
            (10, map.clone(), VrfId::GLOBAL, vrf("red")),
            (20, own.clone(), VrfId::GLOBAL, vrf("blue")),
            (10, map, vrf("red"), vrf("red")),
            (20, own, vrf("red"), vrf("blue")),
        ]
    );
}

#[test]
fn an_entry_without_access_list_does_not_negotiate_and_says_so() {
    let (config, notices, _) = derived(BASE);
    assert!(config.entries.iter().all(|entry| entry.sequence != 30));
    let told = notices.iter().filter(|notice| {
        matches!(notice, Notice::EntryIncomplete { sequence: 30, missing, .. } if missing.contains("match address"))
    });
    assert_eq!(told.count(), 2);
}

fn left_out(notices: &[Notice]) -> Vec<u16> {
    let priority = |notice: &Notice| {
        let Notice::ProposalLeftOut { priority, .. } = notice else { return None };
        Some(*priority)
    };
    notices.iter().filter_map(priority).collect()
}

#[test]
fn a_proposal_without_keys_is_left_out_and_the_built_in_one_comes_only_when_asked() {
    let (config, notices, _) = derived(BASE);
    assert_eq!(config.proposals.iter().map(|proposal| proposal.priority).collect::<Vec<_>>(), [10]);
    assert_eq!(left_out(&notices), [20]);
    let (_, notices, _) = derived(&format!("{BASE}crypto isakmp default policy\n"));
    assert_eq!(left_out(&notices), [20, 65535]);
}

#[test]
fn global_keys_belong_to_the_global_table_and_an_entrys_limits_override_one_by_one() {
    let (config, _, ids) = derived(BASE);
    let rings: Vec<_> = config.keyrings.iter().map(|ring| (ring.name.as_str(), ring.front)).collect();
    assert_eq!(rings, [("default", VrfId::GLOBAL), ("ring", ids.known_vrf(Some("red")).unwrap())]);
    let limits: Vec<_> = config.entries.iter().map(|entry| entry.lifetime).take(2).collect();
    assert!(limits.iter().all(|limit| limit.time.as_secs() == 1200));
    assert_eq!((limits[0].kilobytes, limits[1].kilobytes), (Some(4_608_000), Some(5000)));
}

#[test]
fn the_rules_keep_their_order_denials_included() {
    let (config, ..) = derived(BASE);
    assert_eq!(config.entries[0].rules.iter().map(|rule| rule.permit).collect::<Vec<_>>(), [false, true]);
}

/// Rings, profiles and maps that are bound to addresses; a dynamic map; version 2 in front VRFs.
const BOUND: &str = "\
ip vrf red
ip vrf blue
crypto keyring ring
 local-address Ethernet0
 pre-shared-key address 192.0.2.2 key k
 pre-shared-key address ipv6 2001:db8::2/128 key k6
crypto keyring gone
 local-address Ethernet9
 pre-shared-key address 192.0.2.2 key k
crypto isakmp profile bound
 match identity address 192.0.2.2 255.255.255.255
 local-address Ethernet0
crypto isakmp profile gone
 match identity address 192.0.2.2 255.255.255.255
 local-address Ethernet9
crypto isakmp profile far
 match identity address 192.0.2.2 255.255.255.255
 local-address 203.0.113.1 red
crypto isakmp profile lost
 match identity address 192.0.2.2 255.255.255.255
 local-address 203.0.113.1 blue
crypto isakmp policy 10
 authentication rsa-sig
crypto isakmp policy 20
 authentication pre-share
crypto ikev2 keyring v2
 peer p
  address 192.0.2.2
  pre-shared-key k
crypto ikev2 profile v2
 match fvrf red
 match identity remote address 192.0.2.2
 ivrf blue
 authentication local pre-share
 authentication remote pre-share
 keyring local v2
crypto ikev2 profile incomplete
 match identity remote any
crypto ipsec transform-set t esp-gcm
 mode transport
crypto dynamic-map d 5
 set transform-set t
crypto dynamic-map d 7
 set transform-set t
 set ikev2-profile v2
crypto map m local-address Ends0
crypto map m 10 ipsec-isakmp
 set peer 192.0.2.2
 set transform-set t
 set ikev2-profile v2
 set security-association idle-time 90
 match address 101
crypto map m 99 ipsec-isakmp dynamic d
interface Ethernet0
 ip address 192.0.2.1 255.255.255.0
 ipv6 address 2001:db8::1/64
interface Ethernet1
 ip vrf forwarding red
 ip address 192.0.2.1 255.255.255.0
 crypto map m
interface Ethernet9
interface Ends0
 ip vrf forwarding red
 ip address 203.0.113.1 255.255.255.255
access-list 101 permit ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255
";

#[test]
fn a_ring_counts_for_each_address_of_its_interface_and_one_bound_to_none_is_out_of_use() {
    let (config, ..) = derived(BOUND);
    let rings: Vec<_> = config
        .keyrings
        .iter()
        .map(|ring| (ring.name.as_str(), ring.local.map(|local| local.to_string()), ring.keys.len()))
        .collect();
    let at = |address: &str| Some(address.to_owned());
    assert_eq!(rings, [("ring", at("192.0.2.1"), 1), ("ring", at("2001:db8::1"), 1)]);
}

#[test]
fn a_profile_counts_for_an_address_in_its_vrf_and_one_bound_to_none_is_out_of_use() {
    let (config, _, ids) = derived(BOUND);
    let profiles: Vec<_> =
        config.profiles.iter().map(|profile| (profile.name.as_str(), profile.local)).collect();
    let at = |vrf, address: &str| Some((ids.known_vrf(vrf).unwrap(), address.parse().unwrap()));
    assert_eq!(profiles, [("bound", at(None, "192.0.2.1")), ("far", at(Some("red"), "203.0.113.1"))]);
}

#[test]
fn entries_of_a_dynamic_map_stand_where_the_map_names_it_and_tunnels_end_where_the_map_says() {
    let (config, _, ids) = derived(BOUND);
    let facts: Vec<_> = config
        .entries
        .iter()
        .map(|entry| (entry.sequence, entry.dynamic, entry.version, entry.inside, entry.local.to_string()))
        .collect();
    let (red, blue) = (ids.known_vrf(Some("red")).unwrap(), ids.known_vrf(Some("blue")).unwrap());
    let loopback = || "203.0.113.1".to_owned();
    assert_eq!(
        facts,
        [
            (10, false, Version::V2, blue, loopback()),
            (99, true, Version::V1, red, loopback()),
            (99, true, Version::V2, blue, loopback()),
        ]
    );
    assert!(config.entries.iter().all(|entry| entry.mode == Mode::Transport && entry.front == red));
    assert_eq!(config.entries[0].idle, Some(std::time::Duration::from_secs(90)));
    let policies: std::collections::BTreeSet<_> = config.entries.iter().map(|entry| entry.policy).collect();
    assert_eq!(policies.len(), 3);
}

#[test]
fn a_profile_of_version_2_has_its_front_vrf_and_an_incomplete_one_serves_nobody() {
    let (config, _, ids) = derived(BOUND);
    let profiles: Vec<_> = config.v2.profiles.iter().map(|of| (of.name.as_str(), of.front)).collect();
    assert_eq!(profiles, [("v2", v2::Front::Vrf(ids.known_vrf(Some("red")).unwrap()))]);
    assert_eq!(config.v2.keyrings[0].peers.len(), 1);
    assert!(config.v2.policies.iter().any(|policy| policy.front == v2::Front::Any), "the default one");
}

#[test]
fn rsa_signatures_without_a_key_of_ours_are_not_offered_and_the_line_says_what_is_missing() {
    let (config, notices, _) = derived(BOUND);
    assert_eq!(config.proposals.iter().map(|proposal| proposal.priority).collect::<Vec<_>>(), [20]);
    let told = notices.iter().find(|notice| matches!(notice, Notice::ProposalLeftOut { priority: 10, .. }));
    assert!(told.unwrap().to_string().contains("`private-key file`"));
}

#[test]
fn without_version_1_nothing_is_offered() {
    let (config, ..) = derived(&format!("{BOUND}no crypto isakmp enable\n"));
    assert!(config.proposals.is_empty());
}
