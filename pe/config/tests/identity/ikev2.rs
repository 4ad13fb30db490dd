//! `crypto ikev2`.

use config::model::{Front, Ikev2, Ikev2Keyring, Ikev2Peer, Ikev2Policy, Ikev2Profile};
use crypto::dh::Group;
use ike::config::Hash;
use ike::config::v2::{Authentication, Encryption, Gateway, Integrity, Ppk, Prf, Proposal, Redirect, Remote};

use super::*;

pub(crate) fn part() -> impl Strategy<Value = Hidden<Config>> {
    let objects = (proposals(), policies(), keyrings(), profiles());
    let limit = || prop::option::of(1..=1_000_000_u32);
    let limits = (limit(), limit(), limit(), prop::option::of(96..=1500_u16), 1..=20_u8);
    let gateway = prop_oneof![
        prefix().prop_map(|prefix| Gateway::Address(prefix.address())),
        prop_oneof![Just("above".to_owned()), "[a-z]{1,5}"].prop_map(Gateway::Fqdn),
    ];
    let redirect = (limit(), gateway).prop_map(|(above, gateway)| Redirect { above, gateway });
    let timers = (prop::option::of(isakmp::dpd()), seconds(5..=3600), prop::option::of(redirect));
    (objects, any::<bool>(), any::<bool>(), limits, timers).prop_map(
        |((proposals, policies, Hidden(keyrings), Hidden(profiles)), proposal, policy, limits, timers)| {
            let (cookie_challenge, most_negotiating, most_sessions, fragmentation, window) = limits;
            let (dpd, nat_keepalive, redirect) = timers;
            Hidden(Config {
                ikev2: Ikev2 {
                    // One that is written is not switched off.
                    default_proposal: proposal || proposals.iter().any(|it| it.name == Ikev2::DEFAULT),
                    default_policy: policy,
                    proposals,
                    policies,
                    keyrings,
                    profiles,
                    dpd,
                    cookie_challenge,
                    most_negotiating,
                    most_sessions,
                    fragmentation,
                    nat_keepalive,
                    window,
                    redirect,
                },
                ..Config::default()
            })
        },
    )
}

fn list<T: Clone + fmt::Debug + 'static>(all: Vec<T>) -> impl Strategy<Value = Vec<T>> {
    let most = all.len().min(8);
    prop::sample::subsequence(all, 0..=most).prop_shuffle()
}

fn proposals() -> impl Strategy<Value = Vec<Proposal>> {
    let encryption = list(vec![
        Encryption::Des,
        Encryption::TripleDes,
        Encryption::AesCbc(192),
        Encryption::AesCtr(256),
        Encryption::AesGcm(128),
        Encryption::AesCcm(256),
        Encryption::ChaCha20Poly1305,
    ]);
    let integrity = list(vec![
        Integrity::Md5,
        Integrity::Sha1,
        Integrity::Sha256,
        Integrity::Sha384,
        Integrity::Sha512,
        Integrity::AesXcbc,
        Integrity::AesCmac,
    ]);
    let prf = list(vec![Prf::Hmac(Hash::Md5), Prf::Hmac(Hash::Sha512), Prf::AesXcbc, Prf::AesCmac]);
    let groups = list(vec![Group::Modp768, Group::Modp8192, Group::EcpP521, Group::Curve25519]);
    let one = prop::sample::subsequence(vec![Group::MlKem768, Group::MlKem1024, Group::EcpP256], 1..=3);
    let additional = prop::collection::vec(one, 0..=7);
    prop::collection::vec((encryption, integrity, prf, groups, additional), PROPOSALS2.len()).prop_map(
        |all| {
            let proposal = |(name, (encryption, integrity, prf, groups, additional))| Proposal {
                name: str::to_owned(name),
                encryption,
                integrity,
                prf,
                groups,
                additional,
            };
            PROPOSALS2.into_iter().zip(all).map(proposal).collect()
        },
    )
}

fn front() -> impl Strategy<Value = Front> {
    prop_oneof![Just(Front::Any), maybe(&VRFS).prop_map(Front::Vrf)]
}

fn addresses() -> impl Strategy<Value = Vec<IpAddr>> {
    prop::collection::btree_set(prefix().prop_map(|prefix| prefix.address()), 0..3)
        .prop_map(|set| set.into_iter().collect())
}

fn policies() -> impl Strategy<Value = Vec<Ikev2Policy>> {
    prop::collection::vec((front(), addresses(), some(&PROPOSALS2)), 2).prop_map(|all| {
        let policy = |(name, (front, local, proposals))| Ikev2Policy {
            name: str::to_owned(name),
            front,
            local,
            proposals,
        };
        ["p", "q"].into_iter().zip(all).map(policy).collect()
    })
}

fn remote() -> impl Strategy<Value = Remote> {
    let name = || prop_oneof![Just("domain".to_owned()), "[a-z]{1,6}"];
    prop_oneof![
        prefix().prop_map(Remote::Address),
        name().prop_map(Remote::Fqdn),
        name().prop_map(Remote::FqdnDomain),
        name().prop_map(Remote::Email),
        name().prop_map(Remote::EmailDomain),
        name().prop_map(|id| Remote::KeyId(id.into_bytes())),
    ]
}

fn keyrings() -> impl Strategy<Value = Hidden<Vec<Ikev2Keyring>>> {
    let ppk = ("[a-z]{1,5}", key(), any::<bool>())
        .prop_map(|(id, Hidden(key), required)| Hidden(Ppk { id: id.into_bytes(), key, required }));
    let who =
        (text(), prop::option::of(prefix()), prop::option::of("[a-z]{1,5}"), prop::option::of(remote()));
    let keys = (prop::option::of(key()), prop::option::of(key()), any::<bool>(), prop::option::of(ppk));
    let peer =
        (who, keys).prop_map(|((description, address, hostname, identity), (local, remote, both, ppk))| {
            let mut it = Ikev2Peer { description, ..Ikev2Peer::new(String::new()) };
            it.peer.address = address;
            it.peer.hostname = hostname;
            it.peer.identity = identity;
            it.peer.remote_key = if both { local.clone() } else { remote }.map(|Hidden(key)| key);
            it.peer.local_key = local.map(|Hidden(key)| key);
            it.peer.ppk = ppk.map(|Hidden(ppk)| ppk);
            Hidden(it)
        });
    let peers = prop::collection::btree_map("[a-z]{1,3}", peer, 0..3);
    prop::collection::vec(peers, RINGS2.len()).prop_map(|all| {
        let named = |(name, Hidden(mut it)): (String, Hidden<Ikev2Peer>)| {
            it.peer.name = name;
            it
        };
        let ring = |(name, peers): (&str, BTreeMap<_, _>)| Ikev2Keyring {
            name: name.to_owned(),
            peers: peers.into_iter().map(named).collect(),
        };
        Hidden(RINGS2.into_iter().zip(all).map(ring).collect())
    })
}

fn method() -> impl Strategy<Value = Hidden<Authentication>> {
    prop_oneof![
        prop::option::of(key()).prop_map(|key| Hidden(Authentication::PreShared(key.map(|Hidden(key)| key)))),
        Just(Hidden(Authentication::RsaSignature)),
        Just(Hidden(Authentication::EcdsaSignature)),
        Just(Hidden(Authentication::DigitalSignature)),
    ]
}

fn identity() -> impl Strategy<Value = Identity> {
    prop_oneof![
        Just(Identity::Address),
        prefix().prop_map(|prefix| Identity::Exactly(prefix.address())),
        "[a-z]{1,5}".prop_map(Identity::Fqdn),
        "[a-z@]{1,5}".prop_map(Identity::UserFqdn),
        "[a-z]{1,5}".prop_map(|id| Identity::KeyId(id.into_bytes())),
    ]
}

fn profiles() -> impl Strategy<Value = Hidden<Vec<Ikev2Profile>>> {
    let who = (
        text(),
        front(),
        addresses(),
        prop::collection::vec(prop_oneof![9 => remote(), 1 => Just(Remote::Any)], 0..3),
    );
    let proof =
        (prop::option::of(method()), prop::collection::vec(method(), 0..4), prop::option::of(identity()));
    let named = (some(&CERTIFICATE_MAPS), maybe(&VRFS), maybe(&RINGS2), some(&POINTS), some(&POINTS));
    let times = (120..=86400_u64, prop::option::of(isakmp::dpd()), seconds(5..=3600));
    let switches = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    prop::collection::vec((who, proof, named, times, switches), PROFILES2.len()).prop_map(|all| {
        Hidden(
            PROFILES2
                .into_iter()
                .zip(all)
                .map(|(name, (who, proof, named, times, switches))| {
                    let (description, front, local, remote) = who;
                    let (local_authentication, methods, identity) = proof;
                    let (certificate_maps, vrf, keyring, sign, verify) = named;
                    let (lifetime, dpd, nat_keepalive) = times;
                    let (reauthentication, force_initial_contact, mobike, childless) = switches;
                    let mut remote_authentication: Vec<Authentication> = Vec::new();
                    for Hidden(method) in methods {
                        let is_key = |it: &Authentication| matches!(it, Authentication::PreShared(_));
                        if !remote_authentication
                            .iter()
                            .any(|known| *known == method || is_key(known) && is_key(&method))
                        {
                            remote_authentication.push(method);
                        }
                    }
                    Ikev2Profile {
                        name: name.to_owned(),
                        description,
                        front,
                        local,
                        remote: unique(remote),
                        certificate_maps,
                        vrf,
                        identity,
                        local_authentication: local_authentication.map(|Hidden(method)| method),
                        remote_authentication,
                        keyring,
                        sign,
                        verify,
                        lifetime: Duration::from_secs(lifetime),
                        reauthentication,
                        dpd,
                        nat_keepalive,
                        force_initial_contact,
                        mobike,
                        childless,
                    }
                })
                .collect(),
        )
    })
}
