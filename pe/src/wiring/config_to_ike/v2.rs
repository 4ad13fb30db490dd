//! Proposals, policies, keyrings and profiles of version 2.

use config::Config;
use config::model;
use ike::config::v2;

use crate::ids::Ids;

pub(super) fn config(config: &Config, ids: &mut Ids) -> v2::Config {
    let ikev2 = &config.ikev2;
    let keyring = |ring: &model::Ikev2Keyring| v2::Keyring {
        name: ring.name.clone(),
        peers: ring.peers.iter().map(|written| written.peer.clone()).collect(),
    };
    v2::Config {
        proposals: ikev2.proposals().collect(),
        policies: ikev2.policies().map(|written| policy(written, ids)).collect(),
        keyrings: ikev2.keyrings.iter().map(keyring).collect(),
        profiles: ikev2.profiles.iter().filter_map(|written| profile(written, ids)).collect(),
        dpd: ikev2.dpd,
        cookie_challenge: ikev2.cookie_challenge,
        most_negotiating: ikev2.most_negotiating,
        most_sessions: ikev2.most_sessions,
        fragmentation: ikev2.fragmentation,
        nat_keepalive: ikev2.nat_keepalive,
        window: ikev2.window,
        redirect: ikev2.redirect.clone(),
    }
}

fn policy(policy: model::Ikev2Policy, ids: &mut Ids) -> v2::Policy {
    v2::Policy {
        front: front(&policy.front, ids),
        name: policy.name,
        local: policy.local,
        proposals: policy.proposals,
    }
}

/// `None` for one that could serve nobody.
fn profile(profile: &model::Ikev2Profile, ids: &mut Ids) -> Option<v2::Profile> {
    profile.is_complete().then_some(())?;
    Some(v2::Profile {
        name: profile.name.clone(),
        front: front(&profile.front, ids),
        local: profile.local.clone(),
        remote: profile.remote.clone(),
        certificate_maps: profile.certificate_maps.clone(),
        inside: profile.vrf.as_deref().map(|vrf| ids.vrf(Some(vrf))),
        identity: profile.identity.clone(),
        local_authentication: profile.local_authentication.clone()?,
        remote_authentication: profile.remote_authentication.clone(),
        keyring: profile.keyring.clone(),
        sign: profile.sign.clone(),
        verify: profile.verify.clone(),
        lifetime: profile.lifetime,
        reauthentication: profile.reauthentication,
        dpd: profile.dpd,
        nat_keepalive: profile.nat_keepalive,
        force_initial_contact: profile.force_initial_contact,
        mobike: profile.mobike,
        childless: profile.childless,
    })
}

fn front(front: &model::Front, ids: &mut Ids) -> v2::Front {
    match front {
        model::Front::Any => v2::Front::Any,
        model::Front::Vrf(name) => v2::Front::Vrf(ids.vrf(name.as_deref())),
    }
}
