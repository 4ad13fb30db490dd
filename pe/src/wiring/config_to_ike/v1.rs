//! Keyrings and profiles of version 1, by front VRF and local address.

use std::net::IpAddr;

use base::{Family, Prefix, VrfId};
use config::Config;
use config::model::{self, LocalAddress};
use ike::config::{AggressivePeer, Keyring, Match, Profile};

use crate::ids::Ids;
use crate::wiring::config_to_ipsec;

/// Global keys are the ring `default` of the global table (IKE-10).
pub(super) fn keyrings(config: &Config, ids: &mut Ids) -> Vec<Keyring> {
    let default = Keyring {
        keys: config.keys.clone(),
        named: config.named_keys.clone(),
        ..Keyring::new(model::Keyring::DEFAULT.to_owned(), ids.vrf(None))
    };
    let is_used = !default.keys.is_empty() || !default.named.is_empty();
    let named = config.keyrings.iter().flat_map(|ring| keyring(config, ring, ids));
    let named: Vec<_> = named.collect();
    is_used.then_some(default).into_iter().chain(named).collect()
}

/// A ring bound to an interface counts once for each of that interface's addresses, with the keys of its
/// family; one bound to an address that is not there is out of use (LOC-03).
fn keyring(config: &Config, ring: &model::Keyring, ids: &mut Ids) -> Vec<Keyring> {
    let front = ids.vrf(ring.vrf.as_deref());
    let whole = Keyring {
        keys: ring.keys.clone(),
        named: ring.named.clone(),
        ..Keyring::new(ring.name.clone(), front)
    };
    let Some(local) = &ring.local else { return vec![whole] };
    let bound = locals(config, local, front, ids).into_iter().map(|local| {
        let keys = ring.keys.iter().filter(|key| key.peer.family() == Family::of(local));
        Keyring { local: Some(local), keys: keys.cloned().collect(), ..whole.clone() }
    });
    bound.collect()
}

/// A profile bound to an address that is not there, in the VRF that it says, is out of use (LOC-03).
pub(super) fn profiles(config: &Config, ids: &mut Ids) -> Vec<Profile> {
    config.profiles.iter().filter_map(|written| profile(config, written, ids)).collect()
}

fn profile(config: &Config, profile: &model::Profile, ids: &mut Ids) -> Option<Profile> {
    let local = match &profile.local {
        None => None,
        Some(local) => Some(end(config, local, ids)?),
    };
    Some(Profile {
        inside: profile.vrf.as_deref().map(|vrf| ids.vrf(Some(vrf))),
        keyrings: profile.keyrings.clone(),
        matches: profile.matches.iter().map(|line| matches(line, ids)).collect(),
        self_identity: profile.self_identity.clone(),
        local,
        certificate_maps: profile.certificate_maps.clone(),
        trustpoints: profile.trustpoints.clone(),
        dpd: profile.dpd,
        aggressive: profile.aggressive,
        ..Profile::new(profile.name.clone())
    })
}

/// Only what has both a name for us and a key (AGG-01).
pub(super) fn aggressive_peers(config: &Config, ids: &mut Ids) -> Vec<AggressivePeer> {
    let whole = config.isakmp.peers.iter().filter(|peer| peer.identity.is_some() && peer.password.is_some());
    let peer = |peer: &model::AggressivePeer| AggressivePeer {
        front: ids.vrf(peer.vrf.as_deref()),
        address: peer.address,
        identity: peer.identity.clone(),
        key: peer.password.clone(),
    };
    whole.map(peer).collect()
}

/// The addresses in `front` that a `local-address` stands for.
fn locals(config: &Config, local: &LocalAddress, front: VrfId, ids: &mut Ids) -> Vec<IpAddr> {
    match local {
        LocalAddress::Interface(name) => {
            let interface = config.interfaces.get(name);
            let of = |family| config_to_ipsec::local_address(interface?, family);
            Family::BOTH.into_iter().filter_map(of).collect()
        }
        LocalAddress::Address { address, vrf } => {
            let here = ids.vrf(vrf.as_deref()) == front && exists(config, vrf.as_ref(), *address);
            here.then_some(*address).into_iter().collect()
        }
    }
}

/// The front VRF and the address that a profile's `local-address` stands for.
fn end(config: &Config, local: &LocalAddress, ids: &mut Ids) -> Option<(VrfId, IpAddr)> {
    match local {
        LocalAddress::Interface(name) => {
            let interface = config.interfaces.get(name)?;
            let primary = interface.addresses.first()?.address;
            Some((ids.vrf(interface.vrf.as_deref()), primary))
        }
        LocalAddress::Address { address, vrf } => {
            let here = exists(config, vrf.as_ref(), *address);
            here.then(|| (ids.vrf(vrf.as_deref()), *address))
        }
    }
}

fn exists(config: &Config, vrf: Option<&String>, address: IpAddr) -> bool {
    let mut here = config.interfaces.values().filter(|interface| interface.vrf.as_ref() == vrf);
    here.any(|interface| interface.addresses.iter().any(|on| on.address == address))
}

fn matches(line: &model::Match, ids: &mut Ids) -> Match {
    match line {
        model::Match::Address { prefix, vrf } => address(*prefix, vrf.as_deref(), ids),
        model::Match::Host(name) => Match::Host(name.clone()),
        model::Match::HostDomain(name) => Match::HostDomain(name.clone()),
        model::Match::User(name) => Match::User(name.clone()),
        model::Match::UserDomain(name) => Match::UserDomain(name.clone()),
        model::Match::Group(name) => Match::Group(name.clone()),
    }
}

fn address(prefix: Prefix, vrf: Option<&str>, ids: &mut Ids) -> Match {
    Match::Address { prefix, front: ids.vrf(vrf) }
}
