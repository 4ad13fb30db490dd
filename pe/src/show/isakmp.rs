//! `show crypto isakmp sa | profile | key | policy`.

use std::collections::{BTreeMap, BTreeSet};

use api::{IsakmpKey, IsakmpPolicy, IsakmpProfile, IsakmpSa};
use base::{Instant, Prefix};
use config::model::{Match, PresharedKey, Profile};
use ike::config::{Authentication, Encryption, Hash, Proposal};

use super::vrf_name;
use crate::Pe;
use crate::wiring::config_to_ike;
use crate::wiring::config_to_ipsec::{self, Placed};

pub(super) fn sas(pe: &Pe, now: Instant) -> Vec<IsakmpSa> {
    pe.ike.sessions(now).iter().map(|session| sa(pe, session)).collect()
}

/// One phase 1 SA.
pub(super) fn sa(pe: &Pe, session: &ike::SessionState) -> IsakmpSa {
    let (local, remote) = (session.path.local, session.path.remote);
    let proposal = session.proposal;
    IsakmpSa {
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
    for entry in config_to_ipsec::placed(&pe.config, &mut pe.ids.clone()) {
        let name = entry.profile.map(|profile| profile.name.as_str());
        interfaces.entry(name).or_default().extend(binding(pe, &entry));
    }
    let bindings = |name: &str| interfaces.get(&Some(name)).into_iter().flatten().cloned().collect();
    pe.config.profiles.iter().map(|of| profile(of, bindings(&of.name))).collect()
}

/// Where its tunnels end, as IOS writes it: `Ethernet0/0 (192.0.2.1:red)`.
fn binding(pe: &Pe, entry: &Placed<'_>) -> Option<String> {
    let address = config_to_ipsec::local_address(entry.interface, entry.family)?;
    let front = vrf_name(pe, entry.front);
    Some(format!("{} ({address}:{})", entry.name.interface, front.as_deref().unwrap_or("global")))
}

pub(super) fn keys(pe: &Pe) -> Vec<IsakmpKey> {
    let global = pe.config.keys.iter().map(|of| key("default", None, of));
    let rings = pe.config.keyrings.iter();
    let named = rings.flat_map(|ring| ring.keys.iter().map(|of| key(&ring.name, ring.vrf.as_ref(), of)));
    global.chain(named).collect()
}

/// Also those that are not offered.
pub(super) fn policies(pe: &Pe) -> Vec<IsakmpPolicy> {
    config_to_ike::all_proposals(&pe.config).map(|proposal| policy(&proposal)).collect()
}

fn profile(profile: &Profile, bindings: Vec<String>) -> IsakmpProfile {
    IsakmpProfile {
        name: profile.name.clone(),
        vrf: profile.vrf.clone(),
        identities: profile.matches.iter().map(identity).collect(),
        keyrings: profile.keyrings.clone(),
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

fn policy(proposal: &Proposal) -> IsakmpPolicy {
    IsakmpPolicy {
        priority: proposal.priority,
        default: proposal.priority == Proposal::PRIORITY_BUILT_IN,
        encryption: encryption(proposal.encryption),
        hash: hash(proposal.hash).to_owned(),
        authentication: authentication(proposal.authentication).to_owned(),
        group: proposal.group.number(),
        group_bits: proposal.group.bits(),
        lifetime: proposal.lifetime.as_secs(),
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
        Authentication::RsaEncryption => "rsa-encr",
    }
}
