//! `show crypto isakmp sa | profile | key | policy`.

use std::collections::{BTreeMap, BTreeSet};

use api::{IsakmpKey, IsakmpPeer, IsakmpPolicy, IsakmpProfile, IsakmpSa};
use base::{Instant, Prefix};
use config::model::{AggressivePeer, Match, PresharedKey, Profile};
use ike::config::{Authentication, Encryption, Hash, Proposal, Version};

use super::{explain, ikev2, vrf_name};
use crate::Pe;
use crate::wiring::config_to_ike;
use crate::wiring::config_to_ipsec::{AnyProfile, Placed};

pub(super) fn sas(pe: &Pe, now: Instant) -> Vec<IsakmpSa> {
    let sessions = pe.ike.sessions(now);
    let first = sessions.iter().filter(|session| session.version == Version::V1);
    first.map(|session| sa(pe, session)).collect()
}

/// One phase 1 SA.
pub(super) fn sa(pe: &Pe, session: &ike::SessionState) -> IsakmpSa {
    let (local, remote) = (session.path.local, session.path.remote);
    let proposal = session.proposal;
    IsakmpSa {
        version: explain::number(session.version),
        established: session.established,
        front: vrf_name(pe, session.path.front),
        inside: vrf_name(pe, session.inside),
        local: local.ip(),
        local_port: local.port(),
        remote: remote.ip(),
        remote_port: remote.port(),
        state: session.state.to_owned(),
        connection: session.id.0,
        initiator: session.initiator,
        profile: session.profile.clone(),
        identity: session.identity.clone(),
        encryption: proposal.map(|proposal| encryption(proposal.encryption)),
        hash: proposal.map(|proposal| hash(proposal.hash).to_owned()),
        authentication: proposal.map(|proposal| authentication(proposal.authentication).to_owned()),
        group: proposal.map(|proposal| proposal.group.number()),
        nat: session.nat,
        lifetime_left: session.left.map(|left| left.as_secs()),
        cookies: (format!("{:016X}", session.cookies.0), format!("{:016X}", session.cookies.1)),
    }
}

/// With the interfaces whose crypto maps use them.
pub(super) fn profiles(pe: &Pe) -> Vec<IsakmpProfile> {
    let mut interfaces: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for entry in pe.placed() {
        if let Some(AnyProfile::V1(profile)) = entry.profile {
            interfaces.entry(profile.name.as_str()).or_default().extend(binding(pe, &entry));
        }
    }
    let bindings = |name: &str| interfaces.get(name).into_iter().flatten().cloned().collect();
    pe.config.profiles.iter().map(|of| profile(of, bindings(&of.name))).collect()
}

/// Where its tunnels end, as IOS writes it: `Ethernet0/0 (192.0.2.1:red)`.
fn binding(pe: &Pe, entry: &Placed<'_>) -> Option<String> {
    let address = entry.local?;
    let front = vrf_name(pe, entry.front);
    Some(format!("{} ({address}:{})", entry.name.interface, front.as_deref().unwrap_or("global")))
}

pub(super) fn keys(pe: &Pe) -> Vec<IsakmpKey> {
    let global = ("default", None, &pe.config.keys, &pe.config.named_keys);
    let rings = pe.config.keyrings.iter();
    let rings = rings.map(|ring| (ring.name.as_str(), ring.vrf.as_ref(), &ring.keys, &ring.named));
    let keys = std::iter::once(global).chain(rings).flat_map(|(name, vrf, keys, named)| {
        let hosts = named.iter().map(move |of| IsakmpKey {
            keyring: name.to_owned(),
            vrf: vrf.cloned(),
            peer: of.host.clone(),
        });
        keys.iter().map(move |of| key(name, vrf, of)).chain(hosts)
    });
    keys.collect()
}

/// Also those that lack a name for us or a password.
pub(super) fn peers(pe: &Pe) -> Vec<IsakmpPeer> {
    let peer = |of: &AggressivePeer| IsakmpPeer {
        address: of.address,
        vrf: of.vrf.clone(),
        identity: of.identity.as_ref().map(ikev2::identity),
        password: of.password.is_some(),
    };
    pe.config.isakmp.peers.iter().map(peer).collect()
}

/// Also those that are not offered.
pub(super) fn policies(pe: &Pe) -> Vec<IsakmpPolicy> {
    config_to_ike::all_proposals(&pe.config).map(|proposal| policy(pe, &proposal)).collect()
}

fn profile(profile: &Profile, bindings: Vec<String>) -> IsakmpProfile {
    IsakmpProfile {
        name: profile.name.clone(),
        vrf: profile.vrf.clone(),
        identities: profile.matches.iter().map(identity).collect(),
        certificate_maps: profile.certificate_maps.clone(),
        keyrings: profile.keyrings.clone(),
        trustpoints: profile.trustpoints.clone(),
        self_identity: profile.self_identity.as_ref().map(ikev2::identity),
        aggressive: profile.aggressive,
        bindings,
    }
}

/// As it stands after `match identity`.
fn identity(line: &Match) -> String {
    match line {
        Match::Address { prefix, vrf: None } => format!("address {}", address(*prefix)),
        Match::Address { prefix, vrf: Some(vrf) } => format!("address {} {vrf}", address(*prefix)),
        Match::Host(name) => format!("host {name}"),
        Match::HostDomain(name) => format!("host domain {name}"),
        Match::User(name) => format!("user {name}"),
        Match::UserDomain(name) => format!("user domain {name}"),
        Match::Group(name) => format!("group {name}"),
    }
}

fn address(prefix: Prefix) -> String {
    format!("{} {}", prefix.address(), prefix.mask())
}

fn key(ring: &str, vrf: Option<&String>, key: &PresharedKey) -> IsakmpKey {
    let peer = if key.peer.is_host() { key.peer.address().to_string() } else { address(key.peer) };
    IsakmpKey { keyring: ring.to_owned(), vrf: vrf.cloned(), peer }
}

fn policy(pe: &Pe, proposal: &Proposal) -> IsakmpPolicy {
    IsakmpPolicy {
        priority: proposal.priority,
        default: proposal.priority == Proposal::PRIORITY_BUILT_IN,
        encryption: encryption(proposal.encryption),
        hash: hash(proposal.hash).to_owned(),
        authentication: authentication(proposal.authentication).to_owned(),
        group: proposal.group.number(),
        group_bits: proposal.group.bits(),
        lifetime: proposal.lifetime.as_secs(),
        left_out: config_to_ike::lacking(proposal, &pe.trustpoints).map(str::to_owned),
    }
}

/// In the words of `crypto isakmp policy`, as the other two.
fn encryption(encryption: Encryption) -> String {
    match encryption {
        Encryption::Des => "des".to_owned(),
        Encryption::TripleDes => "3des".to_owned(),
        Encryption::Aes(bits) => format!("aes {bits}"),
    }
}

const fn hash(hash: Hash) -> &'static str {
    match hash {
        Hash::Md5 => "md5",
        Hash::Sha1 => "sha",
        Hash::Sha256 => "sha256",
        Hash::Sha384 => "sha384",
        Hash::Sha512 => "sha512",
    }
}

const fn authentication(authentication: Authentication) -> &'static str {
    match authentication {
        Authentication::PreShared => "pre-share",
        Authentication::RsaSignature => "rsa-sig",
        Authentication::EcdsaSignature => "ecdsa-sig",
        Authentication::RsaEncryption => "rsa-encr",
    }
}
