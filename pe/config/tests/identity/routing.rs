//! BGP, LDP, BFD and policies.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use base::{Family as Version, Prefix};
use bgp::AddressFamily;
use bgp::attributes::Origin;
use bgp::policy::{
    Community, CommunityList, Entry, Extended, ExtendedList, Match, Policies, PrefixList, PrefixRule,
    RouteMap, Set,
};
use config::Config;
use config::model::bgp::{
    Beyond, Clock, Distance, Family, FamilyConfig, GracefulRestart, LabelMode, LocalAs, MaximumPrefix,
    Neighbor, NextHopSelf, Redistribute, SendCommunity, Setting, Ttl,
};
use config::model::{
    Bfd, BfdMap, BfdTimers, Bgp, HelloTimes, Interface, InterfaceAddress, Ldp, LdpRouterId, LdpTransport,
    Mpls, NeighborName, RouterIdSource, StaticHop,
};
use proptest::prelude::*;
use proptest::sample::select;
use vrf::{Rd, RouteTarget, Source};

use super::{Hidden, MAPS, VRFS, key, maybe, text};

/// The first is of IPv4, the second of IPv6.
const LISTS: [&str; 2] = ["p", "permit"];
const COMMUNITIES: [&str; 2] = ["c", "standard"];
const EXTENDED: [&str; 1] = ["exact"];
const GROUPS: [&str; 2] = ["g", "remote"];
const TEMPLATES: [&str; 2] = ["t", "multi-hop"];
const LINK: &str = "core";

pub(crate) fn part() -> impl Strategy<Value = Hidden<Config>> {
    let modes = prop::collection::btree_map(
        (maybe(&VRFS), select(vec![Version::V4, Version::V6])),
        select(vec![LabelMode::PerVrf, LabelMode::PerPrefix, LabelMode::PerCe]),
        0..3,
    );
    (prop::option::of(bgp()), ldp(), bfd(), policies(), interfaces(), modes).prop_map(
        |(bgp, Hidden(ldp), bfd, policies, interfaces, label_modes)| {
            Hidden(Config {
                bgp: bgp.map(|Hidden(bgp)| bgp),
                ldp,
                bfd,
                policies,
                interfaces,
                mpls: Mpls { label_modes, ..Mpls::default() },
                ..Config::default()
            })
        },
    )
}

fn interfaces() -> impl Strategy<Value = BTreeMap<String, Interface>> {
    let transport = prop_oneof![
        Just(LdpTransport::Interface),
        any::<u32>().prop_map(|bits| LdpTransport::Address(Ipv4Addr::from(bits).into()))
    ];
    (prop::option::of(transport), prop::option::of(timers()), 1..=4094_u16).prop_map(
        |(ldp_transport, bfd, vlan)| {
            let own = InterfaceAddress { address: [192, 0, 2, 1].into(), length: 32, secondary: false };
            let loopback = Interface { loopback: true, addresses: vec![own], ..Interface::default() };
            let link = Interface { ldp_transport, bfd, mpls: true, ..Interface::default() };
            let sub = Interface { vlan: Some(vlan), ..Interface::default() };
            let all = [("Loopback3", loopback), (LINK, link), ("core.5", sub)];
            all.into_iter().map(|(name, interface)| (name.to_owned(), interface)).collect()
        },
    )
}

fn timers() -> impl Strategy<Value = BfdTimers> {
    (50..=9999_u64, 50..=9999_u64, 3..=50_u8).prop_map(|(transmit, receive, multiplier)| {
        let (transmit, receive) = (Duration::from_millis(transmit), Duration::from_millis(receive));
        BfdTimers { transmit, receive, multiplier }
    })
}

fn bfd() -> impl Strategy<Value = Bfd> {
    let map = (maybe(&VRFS), any::<[u8; 2]>(), any::<bool>(), select(&TEMPLATES[..]));
    let templates = prop::collection::vec(prop::option::of(timers()), TEMPLATES.len());
    let hops = prop::collection::btree_set(any::<u8>(), 0..3);
    (templates, prop::collection::vec(map, 0..4), hops).prop_map(|(timers, all, hops)| {
        let map = |(vrf, [a, b], six, template): (Option<String>, [u8; 2], bool, &str)| {
            let network = |n: u8| match six {
                false => Prefix::new([n, 0, 0, 0].into(), 8),
                true => Prefix::new(Ipv6Addr::new(0x2001, n.into(), 0, 0, 0, 0, 0, 0).into(), 32),
            };
            let (destination, source) = (network(a).unwrap(), network(b).unwrap());
            BfdMap { vrf, destination, source, template: template.to_owned() }
        };
        let mut maps: Vec<BfdMap> = Vec::new();
        for new in all.into_iter().map(map) {
            let same =
                |it: &BfdMap| (&it.vrf, it.destination, it.source) == (&new.vrf, new.destination, new.source);
            if !maps.iter().any(same) {
                maps.push(new);
            }
        }
        maps.sort_by_key(|it| it.destination.family());
        let static_hops = hops.into_iter();
        let static_hops =
            static_hops.map(|n| StaticHop { interface: LINK.to_owned(), gateway: [10, 0, 0, n].into() });
        let templates = TEMPLATES.into_iter().map(str::to_owned).zip(timers).collect();
        Bfd { templates, maps, static_hops: static_hops.collect() }
    })
}

fn ldp() -> impl Strategy<Value = Hidden<Ldp>> {
    let times = || {
        (prop::option::of(1..=u16::MAX), prop::option::of(1..=u16::MAX))
            .prop_map(|(interval, hold)| HelloTimes { interval, hold })
    };
    let id = prop_oneof![
        Just(RouterIdSource::Interface("Loopback3".to_owned())),
        any::<u32>().prop_map(|bits| RouterIdSource::Address(bits.into()))
    ];
    let id = (id, any::<bool>()).prop_map(|(from, force)| LdpRouterId { from, force });
    let switches = any::<[bool; 6]>();
    let backoff = prop::option::of((5..100_u16, 100..=u16::MAX));
    let rest = (prop::option::of(15..=u16::MAX), backoff, 30..=600_u64, 5..=300_u64, 15..=600_u64);
    let peers = (
        prop::collection::btree_set(any::<u32>(), 0..3),
        prop::collection::btree_map(any::<u32>(), key(), 0..3),
    );
    (prop::option::of(id), times(), times(), switches, rest, peers).prop_map(
        |(
            router_id,
            hello,
            targeted_hello,
            switches,
            (hold, backoff, reconnect, liveness, recovery),
            peers,
        )| {
            let [protocol, accept_targeted, explicit_null, ordered, on, host_routes_only] = switches;
            let mut ldp = Ldp {
                protocol,
                router_id,
                hello,
                targeted_hello,
                accept_targeted,
                hold,
                backoff,
                explicit_null,
                ordered,
                host_routes_only,
                targeted: peers.0.into_iter().map(|bits| IpAddr::from(Ipv4Addr::from(bits))).collect(),
                passwords: peers.1.into_iter().map(|(bits, Hidden(key))| (bits.into(), key)).collect(),
                ..Ldp::default()
            };
            ldp.graceful_restart.on = on;
            let terms = &mut ldp.graceful_restart.terms;
            terms.reconnect = Duration::from_secs(reconnect);
            terms.liveness = Duration::from_secs(liveness);
            terms.recovery = Duration::from_secs(recovery);
            Hidden(ldp)
        },
    )
}

fn policies() -> impl Strategy<Value = Policies> {
    let rule = (any::<bool>(), any::<u32>(), 0..=32_u8, 0..=32_u8, 0..=32_u8);
    let rules = || prop::collection::btree_map(1..=9999_u32, rule.clone(), 1..4);
    let communities =
        || prop::collection::vec((any::<bool>(), prop::collection::vec(community(), 1..3)), 1..3);
    let extended = prop::collection::vec((any::<bool>(), prop::collection::vec(extended(), 1..3)), 1..3);
    let maps = prop::collection::vec(prop::collection::btree_map(0..=65535_u32, entry(), 1..3), MAPS.len());
    (rules(), rules(), communities(), communities(), extended, maps).prop_map(
        |(four, six, a, b, extended, maps)| {
            let list = |rules: BTreeMap<_, _>, six| {
                PrefixList(
                    rules.into_iter().map(|(number, parts)| (number, prefix_rule(parts, six))).collect(),
                )
            };
            let unique = |lines| CommunityList(super::unique(lines));
            let maps = MAPS.into_iter().map(str::to_owned).zip(maps.into_iter().map(linked));
            Policies {
                prefix_lists: named(LISTS, [list(four, false), list(six, true)]),
                community_lists: named(COMMUNITIES, [unique(a), unique(b)]),
                extended_lists: named(EXTENDED, [ExtendedList(super::unique(extended))]),
                route_maps: maps.collect(),
            }
        },
    )
}

fn named<T, const N: usize>(names: [&str; N], all: [T; N]) -> BTreeMap<String, T> {
    names.into_iter().map(str::to_owned).zip(all).collect()
}

fn prefix_rule((permit, bits, length, from, to): (bool, u32, u8, u8, u8), six: bool) -> PrefixRule {
    let shift = if six { 4 } else { 1 };
    let address = match six {
        true => IpAddr::from(Ipv6Addr::from(u128::from(bits) << 96)),
        false => IpAddr::from(Ipv4Addr::from(bits)),
    };
    let prefix = Prefix::new(address, length * shift).unwrap();
    let from = (from * shift).max(prefix.length());
    PrefixRule { permit, prefix, lengths: (from, (to * shift).max(from)) }
}

/// `continue` leads to the last entry, if that is further on.
fn linked(mut entries: BTreeMap<u32, Entry>) -> RouteMap {
    let last = entries.keys().next_back().copied();
    for (number, entry) in &mut entries {
        entry.next = last.filter(|last| entry.next.is_some() && last > number);
    }
    RouteMap(entries)
}

fn community() -> impl Strategy<Value = Community> {
    prop_oneof![
        any::<u32>().prop_map(Community::Standard),
        Just(Community::Standard(0xFFFF_FF01)),
        any::<[u32; 3]>().prop_map(Community::Large)
    ]
}

fn rd() -> impl Strategy<Value = Rd> {
    prop_oneof![
        (any::<u16>(), any::<u32>()).prop_map(|(asn, n)| Rd::As2(asn, n)),
        (any::<u32>(), any::<u16>()).prop_map(|(bits, n)| Rd::Ipv4(bits.into(), n)),
        (65536..=u32::MAX, any::<u16>()).prop_map(|(asn, n)| Rd::As4(asn, n))
    ]
}

fn extended() -> impl Strategy<Value = Extended> {
    prop_oneof![rd().prop_map(|rd| Extended::Target(RouteTarget(rd))), rd().prop_map(Extended::Site)]
}

fn entry() -> impl Strategy<Value = Entry> {
    let lists = || prop::collection::btree_set(select(&LISTS[..]).prop_map(str::to_owned), 1..3);
    let lists = move || lists().prop_map(|names| names.into_iter().collect::<Vec<_>>());
    let communities = prop::collection::btree_set(select(&COMMUNITIES[..]).prop_map(str::to_owned), 1..3);
    let communities = (communities, any::<bool>())
        .prop_map(|(names, exact)| Match::Community { lists: names.into_iter().collect(), exact });
    let source = select(vec![
        vec![Source::Connected],
        vec![Source::Static, Source::Reverse],
        vec![Source::Connected, Source::Static, Source::Reverse, Source::Bgp],
    ]);
    let tags = prop::collection::btree_set(any::<u32>(), 1..3)
        .prop_map(|tags| Match::Tag(tags.into_iter().collect()));
    let of = |it: BoxedStrategy<Match>| prop::option::of(it);
    let matches = (
        of(lists().prop_map(Match::Prefix).boxed()),
        of(lists().prop_map(Match::NextHop).boxed()),
        of(communities.boxed()),
        of(Just(Match::Extended(vec![EXTENDED[0].to_owned()])).boxed()),
        of(tags.boxed()),
        of(any::<u32>().prop_map(Match::Metric).boxed()),
        of(any::<u32>().prop_map(Match::LocalPreference).boxed()),
        of(source.prop_map(Match::Source).boxed()),
    );
    (any::<bool>(), matches, sets(), any::<bool>()).prop_map(|(permit, m, sets, goes_on)| {
        let matches = [m.0, m.1, m.2, m.3, m.4, m.5, m.6, m.7].into_iter().flatten().collect();
        Entry { permit, matches, sets, next: goes_on.then_some(0) }
    })
}

fn sets() -> impl Strategy<Value = Vec<Set>> {
    let of = |it: BoxedStrategy<Set>| prop::option::of(it);
    let communities = prop::option::of(prop::collection::vec(community(), 1..3));
    let communities = (communities, any::<bool>()).prop_map(|(communities, additive)| Set::Community {
        additive: additive && communities.is_some(),
        communities,
    });
    let targets = (prop::collection::vec(rd().prop_map(RouteTarget), 1..3), any::<bool>())
        .prop_map(|(targets, additive)| Set::Target { targets, additive });
    let four = any::<u32>().prop_map(|bits| Set::NextHop(Ipv4Addr::from(bits).into()));
    let six = any::<u128>().prop_map(|bits| Set::NextHop(Ipv6Addr::from(bits).into()));
    let first = (
        of(any::<u32>().prop_map(Set::LocalPreference).boxed()),
        of(any::<u32>().prop_map(Set::Metric).boxed()),
        of(any::<u16>().prop_map(Set::Weight).boxed()),
        of(four.boxed()),
        of(six.boxed()),
        of(communities.boxed()),
    );
    let second = (
        of(targets.boxed()),
        of(rd().prop_map(Set::Site).boxed()),
        of(any::<u32>().prop_map(Set::Tag).boxed()),
        of(prop::collection::vec(1..=u32::MAX, 1..4).prop_map(Set::Prepend).boxed()),
        of(select(vec![Origin::Igp, Origin::Egp, Origin::Incomplete]).prop_map(Set::Origin).boxed()),
    );
    (first, second).prop_map(|(a, b)| {
        [a.0, a.1, a.2, a.3, a.4, a.5, b.0, b.1, b.2, b.3, b.4].into_iter().flatten().collect()
    })
}

/// All neighbours are of one kind: of another AS, or of ours.
fn bgp() -> impl Strategy<Value = Hidden<Bgp>> {
    let restart = (1..=3600_u64, 1..=3600_u64).prop_map(|(restart, stale)| GracefulRestart {
        restart: Duration::from_secs(restart),
        stale_path: Duration::from_secs(stale),
    });
    let own = (
        1..=u32::MAX,
        any::<u32>(),
        prop::option::of(any::<u32>()),
        prop::option::of(restart),
        any::<[bool; 5]>(),
    );
    let values = (prop::option::of(any::<u32>()), prop::option::of(clock()));
    let key = prop_oneof![
        select(vec![AddressFamily::Ipv4Unicast, AddressFamily::Ipv6Unicast]).prop_map(|it| (it, None)),
        select(vec![AddressFamily::Vpnv4, AddressFamily::Vpnv6, AddressFamily::RouteTarget])
            .prop_map(|it| (it, None)),
        (select(vec![AddressFamily::Ipv4Unicast, AddressFamily::Ipv6Unicast]), maybe(&VRFS)),
    ];
    let families = prop::collection::btree_map(key, family(), 0..4);
    (own, values, neighbors(), families, any::<bool>()).prop_map(
        |(own, values, Hidden(all), families, internal)| {
            let (
                asn,
                router_id,
                cluster,
                graceful_restart,
                [log_changes, fast_external_fallover, default_ipv4, target_filter, always],
            ) = own;
            let mut bgp = Bgp {
                router_id: Some(router_id.into()),
                cluster_id: cluster.map(Into::into),
                graceful_restart,
                log_changes,
                fast_external_fallover,
                default_ipv4,
                target_filter,
                local_preference: values.0,
                always_compare_med: always,
                timers: values.1,
                neighbors: all,
                families: families.into_iter().map(|(key, Hidden(family))| (key, family)).collect(),
                ..Bgp::new(asn)
            };
            let all = bgp.neighbors.clone();
            for ((family, vrf), lines) in &mut bgp.families {
                lines.fit(*family, vrf.is_some(), &all);
            }
            let inside = bgp.families.values_mut().flat_map(|family| family.neighbors.values_mut());
            for neighbor in bgp.neighbors.values_mut().chain(inside) {
                neighbor.remote_as = Some(if internal { asn } else { asn % u32::MAX + 1 });
                let fits = |shown: &LocalAs| !internal && neighbor.remote_as != Some(shown.asn);
                neighbor.local_as = neighbor.local_as.filter(fits);
            }
            let settings = bgp.families.values_mut().flat_map(|family| family.settings.values_mut());
            settings.for_each(|it| {
                it.config.route_reflector_client &= internal;
                it.config.as_override &= !internal;
                it.config.remove_private_as &= !internal;
            });
            bgp.families
                .values_mut()
                .for_each(|it| it.settings.retain(|_, setting| *setting != Setting::default()));
            Hidden(bgp)
        },
    )
}

trait Fit {
    fn fit(&mut self, family: AddressFamily, in_vrf: bool, global: &BTreeMap<NeighborName, Neighbor>);
}

impl Fit for Family {
    /// Only what may stand in such a family.
    fn fit(&mut self, family: AddressFamily, in_vrf: bool, global: &BTreeMap<NeighborName, Neighbor>) {
        let six = family == AddressFamily::Ipv6Unicast;
        match in_vrf {
            true => self
                .neighbors
                .retain(|name, _| !matches!(name, NeighborName::Address(it) if it.is_ipv6() != six)),
            false => self.neighbors.clear(),
        }
        let known = if in_vrf { &self.neighbors } else { global };
        self.settings.retain(|name, _| known.contains_key(name));
        self.networks.retain(|prefix, _| (prefix.family() == Version::V6) == six);
        self.settings.values_mut().for_each(|it| it.send_label &= !in_vrf);
        if !six && family != AddressFamily::Ipv4Unicast {
            self.settings.values_mut().for_each(|it| {
                (it.send_label, it.config.default_originate) = (false, false);
                it.config.next_hop_self = NextHopSelf::No;
            });
            *self = Self { settings: std::mem::take(&mut self.settings), ..Self::default() };
        }
    }
}

fn clock() -> impl Strategy<Value = Clock> {
    (0..=100_u16, 100..=u16::MAX).prop_map(|(keepalive, hold)| Clock { keepalive, hold })
}

fn names() -> Vec<NeighborName> {
    let addresses =
        [[10, 0, 0, 1].into(), IpAddr::from([10, 0, 0, 2]), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1])];
    let groups = GROUPS.into_iter().map(|name| NeighborName::Group(name.to_owned()));
    groups.chain(addresses.into_iter().map(NeighborName::Address)).collect()
}

/// Both groups, and some neighbours.
fn neighbors() -> impl Strategy<Value = Hidden<BTreeMap<NeighborName, Neighbor>>> {
    prop::collection::vec((neighbor(), any::<bool>()), names().len()).prop_map(|all| {
        let pairs = names().into_iter().zip(all);
        let there = pairs.filter(|(name, (_, there))| *there || matches!(name, NeighborName::Group(_)));
        let named = there.map(|(name, (Hidden(neighbor), _))| {
            let group = neighbor.group.clone().filter(|_| matches!(name, NeighborName::Address(_)));
            (name, Neighbor { group, ..neighbor })
        });
        Hidden(named.collect())
    })
}

fn local_as() -> impl Strategy<Value = LocalAs> {
    let how = prop_oneof![Just((true, false)), Just((false, false)), Just((false, true))];
    (1..=u32::MAX, how).prop_map(|(asn, (prepend, replace))| LocalAs { asn, prepend, replace })
}

fn neighbor() -> impl Strategy<Value = Hidden<Neighbor>> {
    let ttl = prop_oneof![(1..=255_u8).prop_map(Ttl::Multihop), (1..=254_u8).prop_map(Ttl::Security)];
    let values = (maybe(&GROUPS), prop::option::of(local_as()), text(), prop::option::of(0..=600_u16));
    let rest =
        (prop::option::of(ttl), prop::option::of(key()), prop::option::of(clock()), any::<[bool; 3]>());
    (values, rest).prop_map(
        |((group, local_as, description, advertisement), (ttl, key, timers, switches))| {
            let [shutdown, passive, bfd] = switches;
            Hidden(Neighbor {
                group,
                remote_as: None,
                local_as,
                description,
                update_source: None,
                ttl,
                password: key.map(|Hidden(key)| key),
                timers,
                advertisement,
                shutdown,
                passive,
                bfd,
            })
        },
    )
}

fn family() -> impl Strategy<Value = Hidden<Family>> {
    let line = |source| {
        (prop::option::of(any::<u32>()), maybe(&MAPS)).prop_map(move |(metric, route_map)| Redistribute {
            source,
            metric,
            route_map,
        })
    };
    let lines = (prop::option::of(line(Source::Connected)), prop::option::of(line(Source::Static)));
    let network = prop_oneof![
        (any::<u32>(), 0..=32_u8)
            .prop_map(|(bits, length)| Prefix::new(Ipv4Addr::from(bits).into(), length).unwrap()),
        (any::<u128>(), 0..=128_u8).prop_map(|(bits, length)| Prefix::new(
            Ipv6Addr::from(bits).into(),
            length
        )
        .unwrap()),
    ];
    let networks = prop::collection::btree_map(network, maybe(&MAPS), 0..4);
    let distance = prop::option::of((1..=255_u8, 1..=255_u8, 1..=255_u8));
    let settings = prop::collection::vec(setting(), names().len());
    (neighbors(), settings, lines, networks, distance).prop_map(
        |(Hidden(neighbors), settings, lines, networks, distance)| {
            let settings = names().into_iter().zip(settings).collect();
            let redistribute = lines.0.into_iter().chain(lines.1).collect();
            let distance = distance.map(|(external, internal, local)| Distance { external, internal, local });
            Hidden(Family { neighbors, settings, redistribute, networks, distance })
        },
    )
}

fn setting() -> impl Strategy<Value = Setting> {
    let beyond = prop_oneof![
        Just(Beyond::Warn),
        Just(Beyond::Shut),
        (1..=65535_u64).prop_map(|minutes| Beyond::Restart(Duration::from_secs(minutes * 60)))
    ];
    let limit = (1..=u32::MAX, 1..=100_u8, beyond).prop_map(|(limit, warn, beyond)| MaximumPrefix {
        limit,
        warn,
        beyond,
    });
    let filters = (maybe(&MAPS), maybe(&MAPS), maybe(&LISTS), maybe(&LISTS));
    let values =
        (prop::option::of(rd()), prop::option::of(limit), 0..=10_u8, prop_oneof![Just(0), any::<u16>()]);
    let next_hop = select(vec![NextHopSelf::No, NextHopSelf::External, NextHopSelf::All]);
    (prop::option::of(any::<bool>()), (any::<[bool; 8]>(), next_hop), values, filters).prop_map(
        |(
            activate,
            (switches, next_hop_self),
            (soo, maximum_prefix, allowas_in, weight),
            (map_in, map_out, list_in, list_out),
        )| {
            let [send_label, client, standard, extended, as_override, private, default, paths] = switches;
            let config = FamilyConfig {
                route_reflector_client: client,
                next_hop_self,
                send_community: SendCommunity { standard, extended },
                as_override,
                allowas_in,
                remove_private_as: private,
                soo,
                maximum_prefix,
                route_map_in: map_in,
                route_map_out: map_out,
                prefix_list_in: list_in,
                prefix_list_out: list_out,
                weight,
                default_originate: default,
                add_path_receive: paths,
            };
            Setting { activate, send_label, config }
        },
    )
}
