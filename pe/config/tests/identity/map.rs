//! `crypto map`, `crypto dynamic-map`, `crypto ipsec profile`.

use base::Family;
use config::model::{
    CryptoMap, MapEntry, Peer, RemotePeer, ReverseRoute, Tunnel, TunnelMode, TunnelSource, Volume,
};
use crypto::dh::Group;

use super::*;

pub(crate) fn part() -> impl Strategy<Value = Hidden<Config>> {
    let dynamic = prop::collection::btree_map(1..=65535_u32, entry(Kind::Dynamic), 1..3);
    let dynamic = prop::collection::vec(dynamic, DYNAMIC.len());
    let maps = (map(false), map(false), map(true));
    (maps, dynamic, entry(Kind::Profile), tunnel()).prop_map(|((m, ipv6, six), dynamic, profile, tunnel)| {
        Hidden(Config {
            crypto_maps: [("m", m), ("ipv6", ipv6), ("six", six)]
                .map(|(name, map)| (name.to_owned(), map))
                .into(),
            dynamic_maps: DYNAMIC.into_iter().map(str::to_owned).zip(dynamic).collect(),
            // A tunnel's own VRF is the inside one: its profile names none, and these may.
            ipsec_profiles: [(
                "vti".to_owned(),
                MapEntry { profile: None, ikev2_profile: None, pfs: None, ..profile },
            )]
            .into(),
            interfaces: [("Tunnel7".to_owned(), tunnel)].into(),
            ..Config::default()
        })
    })
}

const MODES: [TunnelMode; 3] =
    [TunnelMode::Gre(Family::V4), TunnelMode::MplsUdp(Family::V4), TunnelMode::Ipsec(Family::V4)];

fn tunnel() -> impl Strategy<Value = Interface> {
    let source = prop_oneof![
        any::<u32>().prop_map(|bits| TunnelSource::Address(Ipv4Addr::from(bits).into())),
        select(&PORTS[..]).prop_map(|name| TunnelSource::Interface(name.to_owned())),
    ];
    let destination = prop_oneof![
        any::<u32>().prop_map(|bits| Peer::Address(Ipv4Addr::from(bits).into())),
        "[a-z]{1,5}".prop_map(Peer::Host),
    ];
    let key = prop::option::of(any::<u32>());
    let ends = (prop::option::of(source), prop::option::of(destination), select(&MODES[..]), key);
    (text(), maybe(&VRFS), ends, maybe(&VRFS), maybe(&["vti"])).prop_map(
        |(description, inside, (source, destination, mode, key), vrf, profile)| {
            let (gre, ipsec) = (matches!(mode, TunnelMode::Gre(_)), matches!(mode, TunnelMode::Ipsec(_)));
            let profile = profile.filter(|_| ipsec);
            let destination = destination.filter(|peer| ipsec || matches!(peer, Peer::Address(_)));
            let tunnel = Some(Tunnel { source, destination, mode, key: key.filter(|_| gre), vrf, profile });
            Interface { description, vrf: inside, tunnel, ..Interface::default() }
        },
    )
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Static { ipv6: bool },
    Dynamic,
    Profile,
}

fn entry(kind: Kind) -> impl Strategy<Value = MapEntry> {
    let address = match kind {
        Kind::Static { ipv6: true } => prefix6().boxed(),
        Kind::Static { ipv6: false } | Kind::Dynamic | Kind::Profile => prefix4().boxed(),
    };
    let peer = prop_oneof![
        address.prop_map(|prefix| Peer::Address(prefix.address())),
        prop_oneof![Just("dynamic".to_owned()), "[a-z]{1,5}"].prop_map(Peer::Host),
    ];
    let peers = prop::collection::btree_set(peer, 0..3).prop_map(|peers| peers.into_iter().collect());
    let volume = prop_oneof![(2560..=u32::MAX).prop_map(Volume::Kilobytes), Just(Volume::Disable)];
    let profile = prop_oneof![
        maybe(&PROFILES).prop_map(|name| (name, None)),
        maybe(&PROFILES2).prop_map(|name| (None, name)),
    ];
    let what = (
        text(),
        (peers, any::<bool>()),
        some(&SETS),
        profile,
        maybe(&["101", "extended"]),
        maybe(&IDENTITIES),
    );
    let group = select(vec![1, 2, 5, 14, 15, 16, 17, 18, 19, 20, 21, 31]);
    let limits = (prop::option::of(group), prop::option::of(120..=86400_u32), prop::option::of(volume));
    let rest =
        (prop::option::of(window()), prop::option::of(any::<bool>()), seconds(60..=86400), any::<bool>());
    (what, limits, rest, reverse(kind)).prop_map(
        move |(what, (pfs, seconds, kilobytes), (replay_window, esn, idle, resets), reverse)| {
            let (
                description,
                (peers, preferred),
                transform_sets,
                (profile, ikev2_profile),
                access_list,
                identity,
            ) = what;
            let peers: Vec<Peer> = if matches!(kind, Kind::Static { .. }) { peers } else { Vec::new() };
            let pfs = pfs.filter(|group| *group != 31 || ikev2_profile.is_some());
            MapEntry {
                description,
                dynamic: None,
                prefers_first: preferred && !peers.is_empty(),
                peers,
                transform_sets,
                profile,
                ikev2_profile,
                access_list: access_list.filter(|_| kind != Kind::Profile),
                identity,
                pfs: pfs.and_then(Group::from_number),
                seconds,
                kilobytes,
                replay_window,
                esn,
                idle,
                idle_resets_peer: resets && idle.is_some(),
                reverse_route: reverse.0,
                reverse_distance: reverse.1,
                reverse_tag: reverse.2,
            }
        },
    )
}

fn reverse(kind: Kind) -> impl Strategy<Value = (Option<ReverseRoute>, Option<u8>, u32)> {
    let ipv6 = matches!(kind, Kind::Static { ipv6: true });
    let hop = move || {
        any::<u32>().prop_map(move |bits| {
            let four = Ipv4Addr::from(bits);
            if ipv6 { IpAddr::from(four.to_ipv6_compatible()) } else { IpAddr::from(four) }
        })
    };
    let peer = prop_oneof![
        Just(RemotePeer::Interface),
        hop().prop_map(RemotePeer::Hop),
        hop().prop_map(RemotePeer::Gateway)
    ];
    let route =
        (any::<bool>(), prop::option::of(peer)).prop_map(move |(permanent, remote_peer)| ReverseRoute {
            permanent: permanent && matches!(kind, Kind::Static { .. }),
            remote_peer: remote_peer.filter(|_| kind != Kind::Profile),
        });
    (prop::option::of(route), prop::option::of(1..=255_u8), prop_oneof![Just(0), any::<u32>()])
}

fn map(ipv6: bool) -> impl Strategy<Value = CryptoMap> {
    let entry = prop_oneof![
        4 => entry(Kind::Static { ipv6 }),
        1 => select(&DYNAMIC[..]).prop_map(|name| MapEntry { dynamic: Some(name.to_owned()), ..MapEntry::default() }),
    ];
    (maybe(&PROFILES), maybe(&PORTS), prop::collection::btree_map(1..=65535_u32, entry, 1..4))
        .prop_map(move |(profile, local, entries)| CryptoMap { ipv6, profile, local, entries })
}
