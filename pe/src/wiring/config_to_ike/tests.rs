//! What of a configuration reaches IKE, and what an operator is told of the rest.

use super::*;
use base::VrfId;
use ike::config::Entry;

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
