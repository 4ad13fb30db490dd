//! `show crypto ikev2 …`: SAs with what they made, and what is configured.

use std::collections::BTreeMap;
use std::net::IpAddr;

use api::{Ikev2Child, Ikev2Policy, Ikev2Profile, Ikev2Proposal, Ikev2Sa};
use base::{Instant, Prefix};
use config::model::{self, Front};
use crypto::dh::Group;
use ike::config::v2::{Authentication, Encryption, Integrity, Prf, Proposal, Remote};
use ike::config::{Dpd, Hash, Identity, Version};
use ike::{ChildState, SessionId, SessionState};
use ipsec::{Mode, Ports};

use super::vrf_name;
use crate::Pe;

pub(super) fn sas(pe: &Pe, now: Instant) -> Vec<Ikev2Sa> {
    let mut children: BTreeMap<SessionId, Vec<Ikev2Child>> = BTreeMap::new();
    for state in pe.ike.children(now) {
        if let Some(session) = state.session {
            children.entry(session).or_default().push(child(&state));
        }
    }
    let sessions = pe.ike.sessions(now);
    let second = sessions.iter().filter(|session| session.version == Version::V2);
    second.map(|state| sa(pe, now, state, children.remove(&state.id).unwrap_or_default())).collect()
}

fn sa(pe: &Pe, now: Instant, state: &SessionState, children: Vec<Ikev2Child>) -> Ikev2Sa {
    let suite = state.suite.as_ref();
    let words = |(ours, theirs): (&str, &str)| (ours.to_owned(), theirs.to_owned());
    Ikev2Sa {
        id: state.id.0,
        front: vrf_name(pe, state.path.front),
        inside: vrf_name(pe, state.inside),
        local: state.path.local.ip(),
        local_port: state.path.local.port(),
        remote: state.path.remote.ip(),
        remote_port: state.path.remote.port(),
        state: state.state.to_owned(),
        initiator: state.initiator,
        profile: state.profile.clone(),
        identity: state.identity.clone(),
        encryption: suite.map(|suite| encryption(suite.encryption)),
        integrity: suite.and_then(|suite| suite.integrity).map(|of| integrity(of).to_owned()),
        prf: suite.map(|suite| prf(suite.prf).to_owned()),
        groups: suite.map(|suite| numbers(&suite.groups)).unwrap_or_default(),
        own_identity: state.own_identity.clone(),
        authentication: suite.map(|suite| words(suite.authentication)),
        lifetime: suite.map_or(0, |suite| suite.lifetime.as_secs()),
        active: state.since.map_or(0, |since| now.since(since).as_secs()),
        spis: spis(state),
        nat: state.nat,
        ppk: suite.is_some_and(|suite| suite.ppk),
        mobike: suite.is_some_and(|suite| suite.mobike),
        fragmentation: suite.is_some_and(|suite| suite.fragmentation),
        children,
    }
}

/// Ours, then the peer's.
fn spis(state: &SessionState) -> (String, String) {
    let (initiator, responder) = state.cookies;
    let (ours, theirs) = if state.initiator { (initiator, responder) } else { (responder, initiator) };
    (format!("{ours:016X}"), format!("{theirs:016X}"))
}

fn child(state: &ChildState) -> Ikev2Child {
    let side = |prefix: Prefix, ports: Ports| (prefix.address(), last(prefix), ports.first, ports.last);
    let selector = &state.selector;
    Ikev2Child {
        local: side(selector.local, selector.local_ports),
        remote: side(selector.remote, selector.remote_ports),
        protocol: selector.protocol.unwrap_or(0),
        spi_in: state.spi_in.0,
        spi_out: state.spi_out.0,
        transform: state.suite.to_string(),
        transport: state.mode == Mode::Transport,
        esn: state.replay.esn,
        seconds_left: state.left.as_secs(),
    }
}

fn last(prefix: Prefix) -> IpAddr {
    match (prefix.address(), prefix.mask()) {
        (IpAddr::V4(address), IpAddr::V4(mask)) => IpAddr::V4((u32::from(address) | !u32::from(mask)).into()),
        (IpAddr::V6(address), IpAddr::V6(mask)) => {
            IpAddr::V6((u128::from(address) | !u128::from(mask)).into())
        }
        (address, _) => address,
    }
}

pub(super) fn proposals(pe: &Pe) -> Vec<Ikev2Proposal> {
    pe.config.ikev2.proposals().map(proposal).collect()
}

fn proposal(of: Proposal) -> Ikev2Proposal {
    Ikev2Proposal {
        name: of.name,
        encryption: of.encryption.into_iter().map(encryption).collect(),
        integrity: of.integrity.into_iter().map(|of| integrity(of).to_owned()).collect(),
        prf: of.prf.into_iter().map(|of| prf(of).to_owned()).collect(),
        groups: numbers(&of.groups),
        additional: of.additional.iter().map(|groups| numbers(groups)).collect(),
    }
}

pub(super) fn policies(pe: &Pe) -> Vec<Ikev2Policy> {
    let policy = |of: model::Ikev2Policy| Ikev2Policy {
        front: front(&of.front),
        name: of.name,
        local: of.local,
        proposals: of.proposals,
    };
    pe.config.ikev2.policies().map(policy).collect()
}

pub(super) fn profiles(pe: &Pe) -> Vec<Ikev2Profile> {
    pe.config.ikev2.profiles.iter().map(|of| profile(of, pe.config.ikev2.dpd)).collect()
}

fn profile(of: &model::Ikev2Profile, dpd: Option<Dpd>) -> Ikev2Profile {
    let probes = |dpd: Dpd| (dpd.every.as_secs(), dpd.retry.as_secs(), dpd.periodic);
    Ikev2Profile {
        name: of.name.clone(),
        front: front(&of.front),
        local: of.local.clone(),
        identities: of.remote.iter().map(remote).collect(),
        certificate_maps: of.certificate_maps.clone(),
        local_identity: of.identity.as_ref().map(identity),
        local_authentication: of.local_authentication.as_ref().map(|of| authentication(of).to_owned()),
        remote_authentication: of
            .remote_authentication
            .iter()
            .map(|of| authentication(of).to_owned())
            .collect(),
        keyring: of.keyring.clone(),
        sign: of.sign.clone(),
        verify: of.verify.clone(),
        lifetime: of.lifetime.as_secs(),
        reauthentication: of.reauthentication,
        dpd: of.dpd.or(dpd).map(probes),
        nat_keepalive: of.nat_keepalive.map(|every| every.as_secs()),
        inside: of.vrf.clone(),
        mobike: of.mobike,
        incomplete: !of.is_complete(),
    }
}

fn front(front: &Front) -> String {
    match front {
        Front::Any => "any".to_owned(),
        Front::Vrf(None) => "global".to_owned(),
        Front::Vrf(Some(name)) => name.clone(),
    }
}

/// As it stands after `match identity remote`.
fn remote(remote: &Remote) -> String {
    match remote {
        Remote::Any => "any".to_owned(),
        Remote::Address(prefix) => format!("address {} {}", prefix.address(), prefix.mask()),
        Remote::Fqdn(name) => format!("fqdn {name}"),
        Remote::FqdnDomain(name) => format!("fqdn domain {name}"),
        Remote::Email(name) => format!("email {name}"),
        Remote::EmailDomain(name) => format!("email domain {name}"),
        Remote::KeyId(id) => format!("key-id {}", String::from_utf8_lossy(id)),
    }
}

/// As it stands after `identity local`.
pub(super) fn identity(identity: &Identity) -> String {
    match identity {
        Identity::Address => "address".to_owned(),
        Identity::Exactly(address) => format!("address {address}"),
        Identity::Fqdn(name) => format!("fqdn {name}"),
        Identity::UserFqdn(name) => format!("email {name}"),
        Identity::KeyId(id) => format!("key-id {}", String::from_utf8_lossy(id)),
        Identity::Dn => "dn".to_owned(),
    }
}

const fn authentication(method: &Authentication) -> &'static str {
    match method {
        Authentication::PreShared(_) => "pre-share",
        Authentication::RsaSignature => "rsa-sig",
        Authentication::EcdsaSignature => "ecdsa-sig",
        Authentication::DigitalSignature => "digital-signature",
    }
}

fn encryption(encryption: Encryption) -> String {
    match encryption {
        Encryption::Des => "des".to_owned(),
        Encryption::TripleDes => "3des".to_owned(),
        Encryption::AesCbc(bits) => format!("aes-cbc-{bits}"),
        Encryption::AesCtr(bits) => format!("aes-ctr-{bits}"),
        Encryption::AesGcm(bits) => format!("aes-gcm-{bits}"),
        Encryption::AesCcm(bits) => format!("aes-ccm-{bits}"),
        Encryption::ChaCha20Poly1305 => "chacha20-poly1305".to_owned(),
    }
}

const fn integrity(integrity: Integrity) -> &'static str {
    match integrity {
        Integrity::Md5 => "md5",
        Integrity::Sha1 => "sha1",
        Integrity::Sha256 => "sha256",
        Integrity::Sha384 => "sha384",
        Integrity::Sha512 => "sha512",
        Integrity::AesXcbc => "aes-xcbc",
        Integrity::AesCmac => "aes-cmac",
    }
}

const fn prf(prf: Prf) -> &'static str {
    match prf {
        Prf::Hmac(Hash::Md5) => "md5",
        Prf::Hmac(Hash::Sha1) => "sha1",
        Prf::Hmac(Hash::Sha256) => "sha256",
        Prf::Hmac(Hash::Sha384) => "sha384",
        Prf::Hmac(Hash::Sha512) => "sha512",
        Prf::AesXcbc => "aes-xcbc",
        Prf::AesCmac => "aes-cmac",
    }
}

fn numbers(groups: &[Group]) -> Vec<u16> {
    groups.iter().map(|group| group.number()).collect()
}
