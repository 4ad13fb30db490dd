//! Any configuration that can be typed prints as text that reads back the same.

#![allow(clippy::unwrap_used)]

mod certificates;
mod ikev2;
mod isakmp;
mod map;
mod routing;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::time::Duration;

use base::{Label, Prefix, Secret};
use bgp::AddressFamily;
use config::model::{
    Binding, Identity, Interface, InterfaceAddress, IpsecDefaults, Leak, Mpls, NameServer, Names,
    PresharedKey, RouteHop, StaticBinding, StaticRoute, Targets, TransformSet, Vrf, VrfStyle,
};
use config::{Config, parse, print, report};
use ipsec::{Cipher, DfBit, Fragmentation, Integrity, Lifetime, Mode, Replay, Suite};
use proptest::prelude::*;
use proptest::sample::select;
use vrf::{Rd, RouteTarget};

/// Names that exist, some of them made to be mistaken for keywords.
const VRFS: [&str; 4] = ["red", "vrf", "ipv6", "10"];
const RINGS: [&str; 3] = ["ring", "vrf", "key"];
const PROFILES: [&str; 3] = ["p", "address", "0"];
const SETS: [&str; 3] = ["t", "esp-aes", "set"];
const POINTS: [&str; 3] = ["ca", "sign", "file"];
const CERTIFICATE_MAPS: [&str; 2] = ["m", "map"];
const IDENTITIES: [&str; 2] = ["i", "dn"];
const PROPOSALS2: [&str; 3] = ["p", "default", "group"];
const RINGS2: [&str; 2] = ["r", "peer"];
const PROFILES2: [&str; 2] = ["q", "default"];
const DYNAMIC: [&str; 2] = ["d", "dynamic"];
const MAPS: [&str; 2] = ["m", "in"];
const PORTS: [&str; 3] = ["eth1", "Ethernet1/1", "GigabitEthernet0/0.7"];

/// A configuration shows itself as its text.
#[derive(Clone)]
struct Shown(Config);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print(&self.0))
    }
}

/// What may hold a secret and does not show itself.
#[derive(Clone)]
struct Hidden<T>(T);

impl<T> fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

fn text() -> impl Strategy<Value = Option<String>> {
    prop::option::of("[a-zA-Z0-9!<][a-z ]{0,9}[a-z|]")
}

fn maybe(names: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    prop::option::of(select(names)).prop_map(|name| name.map(str::to_owned))
}

fn some(names: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    prop::sample::subsequence(names, 0..=names.len())
        .prop_map(|names| names.into_iter().map(str::to_owned).collect())
}

fn prefix4() -> impl Strategy<Value = Prefix> {
    (any::<u32>(), 0..=32_u8)
        .prop_map(|(bits, length)| Prefix::new(Ipv4Addr::from(bits).into(), length).unwrap())
}

fn prefix6() -> impl Strategy<Value = Prefix> {
    (any::<u128>(), 0..=128_u8)
        .prop_map(|(bits, length)| Prefix::new(Ipv6Addr::from(bits).into(), length).unwrap())
}

fn prefix() -> impl Strategy<Value = Prefix> {
    prop_oneof![prefix4(), prefix6()]
}

fn unique<T: PartialEq>(list: Vec<T>) -> Vec<T> {
    list.into_iter().fold(Vec::new(), |mut unique, item| {
        if !unique.contains(&item) {
            unique.push(item);
        }
        unique
    })
}

/// IPv4 first, each once.
fn prefixes() -> impl Strategy<Value = Vec<Prefix>> {
    let sets = (prop::collection::btree_set(prefix4(), 0..4), prop::collection::btree_set(prefix6(), 0..3));
    sets.prop_map(|(four, six)| four.into_iter().chain(six).collect())
}

fn keys() -> impl Strategy<Value = Hidden<Vec<PresharedKey>>> {
    (prefixes(), prop::collection::vec(key(), 7)).prop_map(|(peers, keys)| {
        Hidden(peers.into_iter().zip(keys).map(|(peer, Hidden(key))| PresharedKey { peer, key }).collect())
    })
}

/// One key, some of them made to be mistaken for a type or a keyword.
fn key() -> impl Strategy<Value = Hidden<Secret>> {
    let odd = ["0", "6", "local", "remote", "required", "key", "address", "l", "no-xauth"];
    let text = prop_oneof!["[!-~\u{e0}-\u{ff}]{1,12}", select(odd.to_vec()).prop_map(str::to_owned)];
    text.prop_map(|text| Hidden(Secret::from(text.into_bytes())))
}

fn targets() -> impl Strategy<Value = Targets> {
    let list = || prop::collection::btree_set((any::<u16>(), any::<u32>()), 0..3);
    let all = (list(), list(), maybe(&MAPS), maybe(&MAPS), leak(), leak());
    all.prop_map(|(import, export, import_map, export_map, global_import, global_export)| {
        let targets = |list: std::collections::BTreeSet<_>| {
            list.into_iter().map(|(a, n)| RouteTarget(Rd::As2(a, n))).collect()
        };
        let (import, export) = (targets(import), targets(export));
        Targets { import, export, import_map, export_map, global_import, global_export }
    })
}

/// Under `vrf definition` they stand in a family.
fn without_leaks(targets: Targets) -> Targets {
    Targets { global_import: None, global_export: None, ..targets }
}

fn leak() -> impl Strategy<Value = Option<Leak>> {
    let limit = select(vec![1, Leak::LIMIT, 2_147_483_647]);
    (maybe(&MAPS), limit).prop_map(|(map, limit)| Some(Leak { map: map?, limit }))
}

fn vrfs() -> impl Strategy<Value = BTreeMap<String, Vrf>> {
    let one = (any::<bool>(), text(), any::<bool>(), targets(), targets(), targets());
    prop::collection::vec(one, VRFS.len()).prop_map(|all| {
        let vrf = |(i, (name, (ip, description, rd, targets, four, six)))| {
            let rd = Some(Rd::Ipv4(Ipv4Addr::LOCALHOST, i)).filter(|_| rd);
            let (style, ipv4, ipv6) = match ip {
                true => (VrfStyle::Ip, Some(Targets::default()), None),
                false => (VrfStyle::Definition, Some(four), Some(six)),
            };
            let targets = if ip { targets } else { without_leaks(targets) };
            (name, Vrf { style, description, rd, targets, ipv4, ipv6 })
        };
        let named = VRFS.into_iter().map(str::to_owned).zip(all);
        (0..).zip(named).map(vrf).collect()
    })
}

fn sets() -> impl Strategy<Value = BTreeMap<String, TransformSet>> {
    use Integrity::{AesCmac, AesXcbc, Md5, Sha1, Sha256, Sha384, Sha512};
    let cipher = select(vec![
        Cipher::Null,
        Cipher::Des,
        Cipher::TripleDes,
        Cipher::AesCbc(192),
        Cipher::AesCtr(256),
        Cipher::AesGcm(128),
        Cipher::AesCcm(192),
        Cipher::ChaCha20Poly1305,
    ]);
    let one = (cipher, select(vec![Md5, Sha1, Sha256, Sha384, Sha512, AesXcbc, AesCmac]));
    // An entry may name several sets: they are all of one mode.
    let mode = select(vec![Mode::Tunnel, Mode::Transport]);
    (mode, prop::collection::vec(one, SETS.len())).prop_map(|(mode, all)| {
        let set = |(name, (cipher, integrity)): (String, (Cipher, Integrity))| {
            let integrity = if cipher.is_aead() { Integrity::None } else { integrity };
            (name, TransformSet { suite: Suite { cipher, integrity }, mode })
        };
        SETS.into_iter().map(str::to_owned).zip(all).map(set).collect()
    })
}

fn window() -> impl Strategy<Value = u16> {
    select(vec![0, 64, 128, 256, 512, 1024, 2048, 4096])
}

fn interfaces() -> impl Strategy<Value = BTreeMap<String, Interface>> {
    let df = prop::option::of(select(vec![DfBit::Clear, DfBit::Set, DfBit::Copy]));
    let cut = prop::option::of(select(vec![Fragmentation::BeforeEncryption, Fragmentation::AfterEncryption]));
    let own = (
        text(),
        maybe(&["ens3", "no"]),
        any::<bool>(),
        prop::option::of(68..=u16::MAX),
        prop::option::of(68..=u16::MAX),
        any::<bool>(),
        any::<bool>(),
    );
    let shared = (maybe(&["ipv6", "m"]), maybe(&["six"]), df, cut, 0..4_usize);
    prop::collection::vec((own, shared), PORTS.len()).prop_map(|all| {
        let interface = |(i, (own, shared))| {
            let (description, device, mpls, mtu, ip_mtu, shutdown, in_vrf): (
                _,
                Option<String>,
                _,
                _,
                _,
                _,
                bool,
            ) = own;
            let (crypto_map, crypto_map_ipv6, df, fragmentation, addresses) = shared;
            let vrf = in_vrf.then(|| "red".to_owned());
            let addresses = numbered(i, addresses);
            // The last one is a sub-interface: of a device that Linux made.
            let is_sub = usize::from(i) + 1 == PORTS.len();
            let device = device.or_else(|| is_sub.then(|| "ens7".to_owned()));
            Interface {
                description,
                device,
                vrf,
                addresses,
                mtu,
                ip_mtu,
                mpls,
                crypto_map,
                crypto_map_ipv6,
                df,
                fragmentation,
                shutdown,
                ..Interface::default()
            }
        };
        let ports = PORTS.into_iter().map(str::to_owned);
        ports.zip((0..).zip(all).map(interface)).collect()
    })
}

/// The first `count` addresses of interface `i`: primary, secondary, IPv6.
fn numbered(i: u8, count: usize) -> Vec<InterfaceAddress> {
    let four =
        |net, secondary| InterfaceAddress { address: IpAddr::from([10, i, net, 1]), length: 24, secondary };
    let six = Ipv6Addr::new(0x2001, 0xdb8, u16::from(i), 0, 0, 0, 0, 1);
    let six = InterfaceAddress { address: six.into(), length: 64, secondary: false };
    [four(1, false), four(2, true), six].into_iter().take(count).collect()
}

fn routes() -> impl Strategy<Value = Vec<StaticRoute>> {
    let one = (
        maybe(&VRFS),
        0..5_u8,
        any::<u8>(),
        1..=255_u8,
        prop_oneof![Just(0), any::<u32>()],
        maybe(&["tag", "far"]),
    );
    (prefixes(), prop::collection::vec(one, 7)).prop_map(|(prefixes, all)| {
        let route = |(prefix, parts): (Prefix, (Option<_>, _, _, _, _, _))| {
            let (vrf, kind, host, distance, tag, name) = parts;
            let gateway = match prefix.address() {
                IpAddr::V4(_) => IpAddr::from([192, 0, 2, host]),
                IpAddr::V6(_) => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(host)]),
            };
            let target = match kind {
                0 if vrf.is_some() => RouteHop::GlobalGateway(gateway),
                1 => RouteHop::Null,
                2 => RouteHop::Interface { name: "eth1".to_owned(), gateway: None },
                3 => RouteHop::Interface { name: "Ethernet1/1".to_owned(), gateway: Some(gateway) },
                _ => RouteHop::Gateway(gateway),
            };
            StaticRoute { vrf, prefix, target, distance, tag, name }
        };
        prefixes.into_iter().zip(all).map(route).collect()
    })
}

fn mpls() -> impl Strategy<Value = Mpls> {
    let label = prop_oneof![16..=0xF_FFFF_u32, Just(3), Just(0)];
    let one = (maybe(&VRFS), any::<bool>(), label);
    (100..1000_u32, 1000..=0xF_FFFF_u32, any::<bool>(), prefixes(), prop::collection::vec(one, 7)).prop_map(
        |(min, max, propagate_ttl, prefixes, all)| {
            let binding = |(i, (prefix, (vrf, input, label))): (u32, (Prefix, _))| {
                let label = if label == 0 && prefix.address().is_ipv6() { 2 } else { label };
                let direction = match input {
                    true => Binding::Input(Label::new(16 + i).unwrap()),
                    false => Binding::Output {
                        next_hop: IpAddr::from([192, 0, 2, 1]),
                        label: Label::new(label).unwrap(),
                    },
                };
                StaticBinding { vrf, prefix, direction }
            };
            let bindings = (0_u32..).zip(prefixes.into_iter().zip(all)).map(binding).collect();
            let range = (Label::new(min).unwrap(), Label::new(max).unwrap());
            Mpls { range, propagate_ttl, bindings, ..Mpls::default() }
        },
    )
}

fn defaults() -> impl Strategy<Value = IpsecDefaults> {
    let df = select(vec![DfBit::Clear, DfBit::Set, DfBit::Copy]);
    let cut = select(vec![Fragmentation::BeforeEncryption, Fragmentation::AfterEncryption]);
    let replay = (window(), any::<bool>()).prop_map(|(window, esn)| Replay { window, esn });
    (120..=86400_u64, prop::option::of(2560..=u32::MAX), replay, df, cut, seconds(60..=86400)).prop_map(
        |(seconds, kilobytes, replay, df, fragmentation, idle)| {
            let lifetime = Lifetime { time: Duration::from_secs(seconds), kilobytes };
            IpsecDefaults { lifetime, replay, df, fragmentation, idle }
        },
    )
}

fn seconds(range: RangeInclusive<u64>) -> impl Strategy<Value = Option<Duration>> {
    prop::option::of(range.prop_map(Duration::from_secs))
}

fn names() -> impl Strategy<Value = Names> {
    let address = prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::from(Ipv4Addr::from(bits))),
        any::<u128>().prop_map(|bits| IpAddr::from(Ipv6Addr::from(bits)))
    ];
    let server = (maybe(&VRFS), address.clone()).prop_map(|(vrf, address)| NameServer { vrf, address });
    let name = (maybe(&VRFS), "[a-z]{1,3}(\\.[a-z]{1,3})?");
    let addresses = prop::collection::btree_set(address, 1..4).prop_map(|set| set.into_iter().collect());
    let hosts = prop::collection::btree_map(name, addresses, 0..3);
    (any::<bool>(), prop::option::of("[a-z]{1,5}"), prop::collection::vec(server, 0..3), hosts).prop_map(
        |(lookup, domain, servers, hosts)| {
            let servers = unique(servers);
            Names { lookup, domain, servers, hosts }
        },
    )
}

fn config() -> impl Strategy<Value = Shown> {
    let host = (any::<bool>(), any::<bool>(), names());
    let network = (host, vrfs(), interfaces(), routes(), mpls(), sets(), defaults());
    let parts = (network, isakmp::part(), ikev2::part(), certificates::part(), map::part(), routing::part());
    parts.prop_map(
        |(network, Hidden(one), Hidden(two), Hidden(certificates), Hidden(maps), Hidden(routing))| {
            let ((named, password_encryption, names), vrfs, interfaces, routes, mpls, sets, ipsec) = network;
            let is_named = one.identity == Identity::Fqdn("pe1".to_owned());
            Shown(families(Config {
                hostname: (named || is_named).then(|| "pe1".to_owned()),
                password_encryption,
                names,
                vrfs,
                interfaces: interfaces.into_iter().chain(maps.interfaces).chain(routing.interfaces).collect(),
                routes,
                mpls: Mpls { label_modes: routing.mpls.label_modes, ..mpls },
                bgp: routing.bgp,
                ldp: routing.ldp,
                bfd: routing.bfd,
                policies: routing.policies,
                transform_sets: sets,
                ipsec,
                ikev2: two.ikev2,
                trustpoints: certificates.trustpoints,
                certificate_maps: certificates.certificate_maps,
                identities: certificates.identities,
                crypto_maps: maps.crypto_maps,
                dynamic_maps: maps.dynamic_maps,
                ipsec_profiles: maps.ipsec_profiles,
                ..one
            }))
        },
    )
}

/// What is IPv6 does not stand in a VRF that is not.
fn families(mut config: Config) -> Config {
    let is_ip = |vrf: &Option<String>| vrf.as_ref().is_some_and(|vrf| config.vrfs[vrf].style == VrfStyle::Ip);
    if let Some(bgp) = &mut config.bgp {
        bgp.families.retain(|(family, vrf), _| *family != AddressFamily::Ipv6Unicast || !is_ip(vrf));
    }
    config.routes.retain(|route| route.prefix.address().is_ipv4() || !is_ip(&route.vrf));
    for interface in config.interfaces.values_mut().filter(|interface| is_ip(&interface.vrf)) {
        interface.addresses.retain(|known| known.address.is_ipv4());
    }
    config
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_configuration_reads_back_from_its_own_text(shown in config()) {
        let printed = print(&shown.0);
        match parse(&printed) {
            Ok(parsed) => prop_assert!(parsed.config == shown.0, "reads back as\n{}", print(&parsed.config)),
            Err(findings) => prop_assert!(false, "{}", report("printed", &printed, &findings)),
        }
    }
}

/// Access lists hold both their text and its meaning, so they start from text.
fn line() -> impl Strategy<Value = String> {
    let end = || {
        prop_oneof![
            Just("any".to_owned()),
            any::<u32>().prop_map(|bits| format!("host {}", Ipv4Addr::from(bits))),
            (any::<u32>(), 0..=32_u32).prop_map(|(bits, length)| {
                format!(
                    "{} {}",
                    Ipv4Addr::from(bits),
                    Ipv4Addr::from(u32::MAX.checked_shr(length).unwrap_or(0))
                )
            }),
            (any::<u32>(), 0..32_u32, 0..32_u32).prop_map(|(bits, a, b)| {
                format!("{} {}", Ipv4Addr::from(bits), Ipv4Addr::from(1_u32 << a | 1 << b))
            }),
        ]
    };
    let port = || {
        prop_oneof![
            Just(String::new()),
            (select(vec!["eq", "neq"]), any::<u16>())
                .prop_map(|(operator, port)| format!("{operator} {port}")),
            (0..100_u16, 100..200_u16).prop_map(|(first, last)| format!("range {first} {last}")),
            Just("gt telnet".to_owned()),
        ]
    };
    let rule =
        (select(vec!["permit", "deny"]), select(vec!["tcp", "udp", "6"]), end(), port(), end(), port());
    rule.prop_map(|(verb, protocol, source, from, destination, to)| {
        format!("{verb} {protocol} {source} {from} {destination} {to}\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_access_list_reads_back_with_its_meaning(name in "[a-z]{1,3}|1[0-9]{2}", lines in prop::collection::vec(line(), 0..6)) {
        let text = format!("ip access-list extended {name}\n {}", lines.join(" "));
        let parsed = parse(&text).unwrap_or_else(|findings| panic!("{}", report("text", &text, &findings)));
        let printed = print(&parsed.config);
        let again = parse(&printed).unwrap_or_else(|findings| panic!("{}", report("printed", &printed, &findings)));
        prop_assert!(again.config == parsed.config, "{printed}");
        prop_assert_eq!(again.config.access_lists[&name].rules.len(), lines.len());
    }
}
