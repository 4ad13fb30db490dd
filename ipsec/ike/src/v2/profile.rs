//! Which profile and which keys a peer gets (`crypto ikev2 profile`, `crypto ikev2 keyring`). The front VRF
//! is part of every question.

use base::Secret;

use super::sa_init;
use crate::Path;
use crate::config::Config;
use crate::config::v2::{Authentication, KeyringPeer, Profile, Remote};
use crate::record::{Fact, Kind};
use crate::wire::id::Name;

/// Profiles that a story tells of.
const MOST_TOLD: usize = 6;

/// How precisely a line describes a name; `None`: not at all.
pub(crate) fn precision(line: &Remote, name: &Name) -> Option<u16> {
    const WHOLE: u16 = 1000;
    const DOMAIN: u16 = 500;
    let same = |ours: &str, theirs: &str| ours.eq_ignore_ascii_case(theirs);
    let domain = |ours: &str, theirs: &str, mark: char| {
        let rest = theirs.split_once(mark).map(|(_, rest)| rest);
        rest.is_some_and(|rest| same(ours.trim_start_matches(mark), rest))
    };
    let fits = |fits: bool, value: u16| fits.then_some(value);
    match (line, name) {
        (Remote::Any, _) => Some(0),
        (Remote::Address(prefix), Name::Address(address)) => fits(
            prefix.contains(*address),
            1 + u16::from(prefix.length()) + if prefix.is_host() { WHOLE } else { 0 },
        ),
        (Remote::Fqdn(ours), Name::Fqdn(theirs)) | (Remote::Email(ours), Name::UserFqdn(theirs)) => {
            fits(same(ours, theirs), WHOLE)
        }
        (Remote::FqdnDomain(ours), Name::Fqdn(theirs)) => fits(domain(ours, theirs, '.'), DOMAIN),
        (Remote::EmailDomain(ours), Name::UserFqdn(theirs)) => fits(domain(ours, theirs, '@'), DOMAIN),
        (Remote::KeyId(ours), Name::KeyId(theirs)) => fits(ours == theirs, WHOLE),
        (
            Remote::Address(_)
            | Remote::Fqdn(_)
            | Remote::FqdnDomain(_)
            | Remote::Email(_)
            | Remote::EmailDomain(_)
            | Remote::KeyId(_),
            _,
        ) => None,
    }
}

/// Whether a profile is for a peer of this name.
pub(crate) fn admits(profile: &Profile, name: &Name) -> Option<u16> {
    profile.remote.iter().filter_map(|line| precision(line, name)).max()
}

/// The profile that describes a peer most precisely, then in configuration order. `mapped`: whether one of
/// its certificate maps describes the peer's certificate; that is as precise as a whole name.
pub(crate) fn choose<'a>(
    config: &'a Config,
    path: &Path,
    name: &Name,
    mapped: impl Fn(&Profile) -> bool,
    story: &mut Vec<Fact>,
) -> Option<&'a Profile> {
    let mut best: Option<(u16, &Profile)> = None;
    for profile in sa_init::profiles(config, path) {
        let precision = if mapped(profile) { Some(u16::MAX) } else { admits(profile, name) };
        match precision {
            // One line in the story for each is too much where there are hundreds.
            None if story.len() < MOST_TOLD => {
                story.push(Fact::passed(Kind::Profile, &profile.name, format!("is not for {name}")));
            }
            Some(precision) if best.is_none_or(|(most, _)| precision > most) => {
                best = Some((precision, profile));
            }
            Some(_) | None => {}
        }
    }
    if let Some((_, profile)) = best {
        story.push(Fact::chosen(Kind::Profile, &profile.name));
    }
    best.map(|(_, profile)| profile)
}

/// What we prove ourselves with, if that is a shared key.
pub(crate) fn own_key(profile: &Profile, peer: Option<&KeyringPeer>) -> Option<Secret> {
    match &profile.local_authentication {
        Authentication::PreShared(Some(key)) => Some(key.clone()),
        Authentication::PreShared(None) => peer?.local_key.clone(),
        Authentication::RsaSignature | Authentication::EcdsaSignature | Authentication::DigitalSignature => {
            None
        }
    }
}

/// What the peer proves itself with, if that may be a shared key.
pub(crate) fn peer_key(profile: &Profile, peer: Option<&KeyringPeer>) -> Option<Secret> {
    profile.remote_authentication.iter().find_map(|one| match one {
        Authentication::PreShared(Some(key)) => Some(key.clone()),
        Authentication::PreShared(None) => peer?.remote_key.clone(),
        Authentication::RsaSignature | Authentication::EcdsaSignature | Authentication::DigitalSignature => {
            None
        }
    })
}

pub(crate) fn takes_keys(profile: &Profile) -> bool {
    profile.remote_authentication.iter().any(|one| matches!(one, Authentication::PreShared(_)))
}
