//! `crypto isakmp`, `crypto keyring`, `crypto call`.

use config::model::{
    Admission, AggressivePeer, Dpd, Isakmp, Keyring, LocalAddress, Match, NamedKey, Profile, Proposal,
};
use crypto::dh::Group;
use ike::config::{Authentication, Encryption, Hash};

use super::*;

pub(crate) fn part() -> impl Strategy<Value = Hidden<Config>> {
    let global = (any::<bool>(), seconds(5..=3600), keys(), named(), isakmp(), admission());
    let identity = select(vec![Identity::Address, Identity::Dn, Identity::Fqdn("pe1".to_owned())]);
    (global, identity, proposals(), keyrings(), profiles()).prop_map(
        |(global, identity, proposals, Hidden(keyrings), profiles)| {
            let (default_policy, nat_keepalive, Hidden(keys), Hidden(named_keys), Hidden(isakmp), admission) =
                global;
            Hidden(Config {
                default_policy,
                nat_keepalive,
                keys,
                named_keys,
                isakmp,
                admission,
                identity,
                proposals,
                keyrings,
                profiles,
                ..Config::default()
            })
        },
    )
}

fn named() -> impl Strategy<Value = Hidden<Vec<NamedKey>>> {
    prop::collection::btree_map("[a-z]{1,4}", key(), 0..3)
        .prop_map(|keys| Hidden(keys.into_iter().map(|(host, Hidden(key))| NamedKey { host, key }).collect()))
}

pub(crate) fn dpd() -> impl Strategy<Value = Dpd> {
    let parts = (any::<bool>(), 10..=3600_u64, 2..=60_u64);
    parts.prop_map(|(periodic, every, retry)| Dpd {
        periodic,
        every: Duration::from_secs(every),
        retry: Duration::from_secs(retry),
    })
}

fn isakmp() -> impl Strategy<Value = Hidden<Isakmp>> {
    let identity = prop_oneof![
        any::<u32>().prop_map(|bits| Identity::Exactly(Ipv4Addr::from(bits).into())),
        "[a-z]{1,9}".prop_map(Identity::Fqdn),
        "[a-z@.]{1,9}".prop_map(Identity::UserFqdn),
    ];
    let peer = (prefix(), maybe(&VRFS), prop::option::of(identity), prop::option::of(key())).prop_map(
        |(prefix, vrf, identity, key)| {
            let password = key.map(|Hidden(key)| key);
            Hidden(AggressivePeer { identity, password, ..AggressivePeer::new(vrf, prefix.address()) })
        },
    );
    let switches = (any::<bool>(), any::<bool>(), any::<bool>());
    (switches, prop::option::of(dpd()), prop::collection::vec(peer, 0..3)).prop_map(
        |((enabled, aggressive, fragmentation), dpd, peers)| {
            let mut unique: Vec<AggressivePeer> = Vec::new();
            for Hidden(peer) in peers {
                if unique.iter().all(|known| known.address != peer.address) {
                    unique.push(peer);
                }
            }
            Hidden(Isakmp { enabled, aggressive, fragmentation, dpd, peers: unique })
        },
    )
}

fn admission() -> impl Strategy<Value = Admission> {
    let many = || prop::option::of(1..=1_000_000_u32);
    (many(), many(), prop::option::of(1..=100_u8)).prop_map(|(sessions, negotiating, load)| Admission {
        sessions,
        negotiating,
        load,
    })
}

fn proposals() -> impl Strategy<Value = BTreeMap<u16, Proposal>> {
    let encryption =
        select(vec![Encryption::Des, Encryption::TripleDes, Encryption::Aes(128), Encryption::Aes(256)]);
    let hash = select(vec![Hash::Md5, Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512]);
    let authentication =
        select(vec![Authentication::PreShared, Authentication::RsaSignature, Authentication::EcdsaSignature]);
    let group = select(vec![1, 2, 5, 14, 15, 16, 17, 18, 19, 20, 21])
        .prop_map(|number| Group::from_number(number).unwrap());
    let one = (encryption, hash, authentication, group, 60..=86400_u64);
    prop::collection::btree_map(1..=10000_u16, one, 0..4).prop_map(|all| {
        let proposal = |(priority, (encryption, hash, authentication, group, seconds))| {
            let lifetime = Duration::from_secs(seconds);
            (priority, Proposal { priority, encryption, hash, authentication, group, lifetime })
        };
        all.into_iter().map(proposal).collect()
    })
}

fn local() -> impl Strategy<Value = Option<LocalAddress>> {
    let address = (prefix(), maybe(&VRFS));
    prop::option::of(prop_oneof![
        select(&PORTS[..]).prop_map(|name| LocalAddress::Interface(name.to_owned())),
        address.prop_map(|(prefix, vrf)| LocalAddress::Address { address: prefix.address(), vrf }),
    ])
}

fn keyrings() -> impl Strategy<Value = Hidden<Vec<Keyring>>> {
    let one = (text(), maybe(&VRFS), local(), keys(), named());
    prop::collection::vec(one, RINGS.len()).prop_map(|all| {
        let ring = |(name, parts): (&str, _)| {
            let (description, vrf, local, Hidden(keys), Hidden(named)) = parts;
            Keyring { name: name.to_owned(), description, vrf, local, keys, named }
        };
        Hidden(RINGS.into_iter().zip(all).map(ring).collect())
    })
}

fn identity() -> impl Strategy<Value = Identity> {
    prop_oneof![
        Just(Identity::Address),
        Just(Identity::Dn),
        "[a-z.]{1,9}".prop_map(Identity::Fqdn),
        "[a-z@.]{1,9}".prop_map(Identity::UserFqdn),
    ]
}

fn matches() -> impl Strategy<Value = Vec<Match>> {
    let name = || prop_oneof![Just("domain".to_owned()), Just("d".to_owned()), "[a-z.@]{1,9}"];
    let one = prop_oneof![
        (prefix(), maybe(&VRFS)).prop_map(|(prefix, vrf)| Match::Address { prefix, vrf }),
        name().prop_map(Match::Host),
        name().prop_map(Match::HostDomain),
        name().prop_map(Match::User),
        name().prop_map(Match::UserDomain),
        name().prop_map(Match::Group),
    ];
    prop::collection::vec(one, 0..5).prop_map(unique)
}

fn profiles() -> impl Strategy<Value = Vec<Profile>> {
    let what = (text(), maybe(&VRFS), some(&RINGS), matches(), prop::option::of(identity()));
    let how = (some(&CERTIFICATE_MAPS), some(&POINTS), local(), prop::option::of(dpd()), any::<bool>());
    prop::collection::vec((what, how), PROFILES.len()).prop_map(|all| {
        let named = PROFILES.into_iter().map(str::to_owned).zip(all);
        let profile = |(name, (what, how)): (_, (_, (_, _, _, Option<Dpd>, _)))| {
            let (description, vrf, keyrings, matches, self_identity) = what;
            let (certificate_maps, trustpoints, local, dpd, aggressive) = how;
            // A profile's is always periodic.
            let dpd = dpd.map(|dpd| Dpd { periodic: true, ..dpd });
            Profile {
                name,
                description,
                vrf,
                keyrings,
                matches,
                certificate_maps,
                self_identity,
                local,
                dpd,
                trustpoints,
                aggressive,
            }
        };
        named.map(profile).collect()
    })
}
