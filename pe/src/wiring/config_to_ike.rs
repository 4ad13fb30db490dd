//! The configuration as IKE sees it: VRFs by number, crypto-map entries standing on their interfaces.

use base::Family;
use config::Config;
use config::model::{self, MapEntry, Volume};
use ike::config::{Authentication, Entry, Keyring, Match, Peer, PresharedKey, Profile, Proposal, Timers};
use ipsec::Lifetime;

use super::config_to_ipsec::{self, Placed};
use crate::Notice;
use crate::ids::Ids;

/// IKE's configuration, and what of the operator's wishes it cannot carry out.
pub(crate) fn ike_config(config: &Config, ids: &mut Ids) -> (ike::Config, Vec<Notice>) {
    let (proposals, left_out) = all_proposals(config).partition(usable);
    let placed = config_to_ipsec::placed(config, ids);
    let notices = left_out_notices(left_out).chain(incomplete_notices(&placed)).collect();
    let ike = ike::Config {
        proposals,
        keyrings: keyrings(config, ids),
        profiles: config.profiles.iter().map(|profile| self::profile(profile, ids)).collect(),
        entries: placed.iter().filter_map(|placed| entry(config, placed)).collect(),
        identity: config.identity.clone(),
        timers: timers(config),
        ..ike::Config::default()
    };
    (ike, notices)
}

/// Best first; the built-in last resort only where it is asked for.
pub(crate) fn all_proposals(config: &Config) -> impl Iterator<Item = Proposal> {
    let built_in = config.default_policy.then(|| Proposal::new(Proposal::PRIORITY_BUILT_IN));
    config.proposals.values().copied().chain(built_in)
}

/// A proposal whose authentication method has no keys to work with is not offered (IKE-05).
pub(crate) fn usable(proposal: &Proposal) -> bool {
    proposal.authentication == Authentication::PreShared
}

/// The entry's limits, else the global ones (IPS-15).
pub(crate) fn lifetime(defaults: Lifetime, entry: &MapEntry) -> Lifetime {
    Lifetime {
        time: entry.seconds.map_or(defaults.time, |seconds| std::time::Duration::from_secs(seconds.into())),
        kilobytes: match entry.kilobytes {
            None => defaults.kilobytes,
            Some(Volume::Kilobytes(kilobytes)) => Some(kilobytes),
            Some(Volume::Disable) => None,
        },
    }
}

fn left_out_notices(proposals: Vec<Proposal>) -> impl Iterator<Item = Notice> {
    proposals.into_iter().map(|proposal| Notice::ProposalLeftOut { priority: proposal.priority })
}

fn incomplete_notices<'a>(placed: &'a [Placed<'_>]) -> impl Iterator<Item = Notice> + 'a {
    placed.iter().filter_map(|placed| {
        let missing = missing(placed)?;
        let name = placed.name.clone();
        Some(Notice::EntryIncomplete {
            interface: name.interface,
            map: name.map,
            sequence: name.sequence,
            missing,
        })
    })
}

fn missing(placed: &Placed<'_>) -> Option<&'static str> {
    let entry = placed.entry;
    if entry.peers.is_empty() {
        Some("a peer (set peer)")
    } else if entry.transform_sets.is_empty() {
        Some("a transform set (set transform-set)")
    } else if entry.access_list.is_none() {
        Some("an access list (match address)")
    } else if config_to_ipsec::local_address(placed.interface, placed.family).is_none() {
        Some("an address of its family on the interface")
    } else {
        None
    }
}

/// `None` for an entry that cannot negotiate: it is incomplete.
fn entry(config: &Config, placed: &Placed<'_>) -> Option<Entry> {
    if missing(placed).is_some() {
        return None;
    }
    let entry = placed.entry;
    let peers = entry.peers.iter().copied().filter(|peer| Family::of(*peer) == placed.family);
    let sets = entry.transform_sets.iter().filter_map(|name| config.transform_sets.get(name));
    let local = config_to_ipsec::local_address(placed.interface, placed.family)?;
    Some(Entry {
        sequence: placed.name.sequence,
        profile: placed.profile.map(|profile| profile.name.clone()),
        peers: peers.map(Peer::Address).collect(),
        suites: sets.map(|set| set.suite).collect(),
        rules: config_to_ipsec::rules(config, entry),
        lifetime: lifetime(config.ipsec.lifetime, entry),
        pfs: entry.pfs,
        replay: entry.replay.unwrap_or(config.ipsec.replay),
        ..Entry::new(placed.id, placed.front, placed.inside, local)
    })
}

/// Global keys are the ring `default` of the global table (IKE-10).
fn keyrings(config: &Config, ids: &mut Ids) -> Vec<Keyring> {
    let name = model::Keyring::DEFAULT.to_owned();
    let default = Keyring { keys: keys(&config.keys), ..Keyring::new(name, ids.vrf(None)) };
    let named = config.keyrings.iter().map(|ring| {
        let front = ids.vrf(ring.vrf.as_deref());
        Keyring { keys: keys(&ring.keys), ..Keyring::new(ring.name.clone(), front) }
    });
    std::iter::once(default).filter(|ring| !ring.keys.is_empty()).chain(named).collect()
}

fn keys(keys: &[model::PresharedKey]) -> Vec<PresharedKey> {
    keys.iter().map(|key| PresharedKey { peer: key.peer, key: key.key.clone() }).collect()
}

fn profile(profile: &model::Profile, ids: &mut Ids) -> Profile {
    Profile {
        inside: profile.vrf.as_deref().map(|vrf| ids.vrf(Some(vrf))),
        keyrings: profile.keyrings.clone(),
        matches: profile.matches.iter().map(|line| matches(line, ids)).collect(),
        self_identity: profile.self_identity.clone(),
        ..Profile::new(profile.name.clone())
    }
}

fn matches(line: &model::Match, ids: &mut Ids) -> Match {
    match line {
        model::Match::Address { prefix, vrf } => {
            Match::Address { prefix: *prefix, front: ids.vrf(vrf.as_deref()) }
        }
        model::Match::Host(name) => Match::Host(name.clone()),
        model::Match::HostDomain(name) => Match::HostDomain(name.clone()),
        model::Match::User(name) => Match::User(name.clone()),
        model::Match::UserDomain(name) => Match::UserDomain(name.clone()),
        model::Match::Group(name) => Match::Group(name.clone()),
    }
}

fn timers(config: &Config) -> Timers {
    let defaults = Timers::default();
    Timers { nat_keepalive: config.nat_keepalive.unwrap_or(defaults.nat_keepalive), ..defaults }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::VrfId;

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
        let (config, notices) = ike_config(&parsed.config, &mut ids);
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

    #[test]
    fn a_proposal_without_keys_is_left_out_and_the_built_in_one_comes_only_when_asked() {
        let (config, notices, _) = derived(BASE);
        assert_eq!(config.proposals.iter().map(|proposal| proposal.priority).collect::<Vec<_>>(), [10]);
        assert!(notices.contains(&Notice::ProposalLeftOut { priority: 20 }));
        assert!(!notices.contains(&Notice::ProposalLeftOut { priority: 65535 }));
        let (_, notices, _) = derived(&format!("{BASE}crypto isakmp default policy\n"));
        assert!(notices.contains(&Notice::ProposalLeftOut { priority: 65535 }));
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
}
