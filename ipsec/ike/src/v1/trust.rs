//! What a peer of version 1 is to us: its pre-shared key and its profile (VRF-05, VRF-11, VRF-14, CMAP-01,
//! LOC-01, LOC-02).

use std::net::IpAddr;

use base::{Secret, VrfId};
use crypto::sign::Kind as KeyKind;
use pki::Certificate;

use super::phase1::{Auth, Established, Secured};
use super::session::Session;
use crate::Path;
use crate::config::{Authentication, Hash, Profile};
use crate::core::Core;
use crate::error::Refusal;
use crate::index::{Index, Pool};
use crate::notice::Blame;
use crate::policy::Place;
use crate::record::{Fact, Kind};
use crate::wire::id::Name;
use crate::wire::notify::{AUTHENTICATION_FAILED, NO_PROPOSAL_CHOSEN};

mod own;
use own::kinds;
pub(crate) use own::{first_signer, identify, identity_body, no_certificate, signer, suits, trustpoints};

#[cfg(test)]
mod tests;

/// Keyrings that a story tells of when no key was found.
const MOST_TOLD: usize = 6;

/// A pre-shared key and where it was found.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) ring: String,
    pub(crate) secret: Secret,
}

/// What we and a peer can prove ourselves with to each other.
#[derive(Clone, Default)]
pub(crate) struct Means {
    pub(crate) key: Option<Key>,
    /// What our certificates can sign with.
    pub(crate) signs: Vec<KeyKind>,
}

impl Means {
    pub(crate) fn allow(&self, authentication: Authentication, hash: Hash) -> bool {
        match authentication {
            Authentication::PreShared => self.key.is_some(),
            Authentication::RsaSignature | Authentication::EcdsaSignature => {
                self.signs.iter().any(|kind| suits(*kind, authentication, hash))
            }
            Authentication::RsaEncryption => false,
        }
    }

    pub(crate) fn auth(&self, authentication: Authentication) -> Result<Auth, Refusal> {
        match (authentication, &self.key) {
            (Authentication::PreShared, Some(key)) => Ok(Auth::Key(key.clone())),
            (Authentication::RsaSignature | Authentication::EcdsaSignature, _) => Ok(Auth::Signature),
            (Authentication::PreShared | Authentication::RsaEncryption, _) => {
                Err(Refusal::ignored("transform-not-offered"))
            }
        }
    }
}

/// Main mode, before the peer has said who it is: a key by its address in any ring of the front VRF
/// (VRF-05), or any certificate of ours.
pub(crate) fn means_for_responder(core: &mut Core, path: &Path) -> Result<Means, Refusal> {
    let index = core.index.clone();
    let key = key_for_responder(&index, path);
    tell_key(core, &index, path, key.as_ref());
    let means = Means { key, signs: kinds(&trustpoints(&index, None)) };
    if means.key.is_none() && means.signs.is_empty() {
        return Err(no_key(path));
    }
    Ok(means)
}

pub(crate) fn key_for_responder(index: &Index, path: &Path) -> Option<Key> {
    index.key(path.front, path.local.ip(), &[Pool::All], path.remote.ip()).map(Key::of)
}

/// As initiator: the rings and trustpoints of the profile; without a profile, the rings that none names
/// (VRF-11). `host`: the name by which the entry knows the peer.
pub(crate) fn means_for_initiator(
    index: &Index,
    path: &Path,
    host: Option<&str>,
    profile: Option<&str>,
) -> Means {
    let key = key_for_initiator(index, path, host, profile);
    Means { key, signs: kinds(&trustpoints(index, profile)) }
}

pub(crate) fn key_for_initiator(
    index: &Index,
    path: &Path,
    host: Option<&str>,
    profile: Option<&str>,
) -> Option<Key> {
    let (front, local) = (path.front, path.local.ip());
    let pools = pools(index, profile);
    let by_address = index.key(front, local, &pools, path.remote.ip()).map(Key::of);
    by_address.or_else(|| index.named_key(front, local, &pools, host?).map(Key::of))
}

/// Aggressive mode: the peer says who it is at once, which settles its profile, and the key goes by its
/// name before its address.
pub(crate) fn means_for_name(core: &mut Core, path: &Path, name: &Name) -> Result<(Place, Means), Refusal> {
    let index = core.index.clone();
    let profile = index.best_profile(path.front, path.local.ip(), name);
    tell_profile(core, &index, profile, name);
    let profile_name = profile.map(|profile| profile.name.clone());
    let key = key_for_name(&index, path, name, profile_name.as_deref());
    tell_key(core, &index, path, key.as_ref());
    let means = Means { key, signs: kinds(&trustpoints(&index, profile_name.as_deref())) };
    if means.key.is_none() && means.signs.is_empty() {
        return Err(no_key_for(name, path));
    }
    let inside = profile.and_then(|profile| profile.inside).unwrap_or(path.front);
    Ok((Place { profile: profile_name, inside }, means))
}

pub(crate) fn key_for_name(index: &Index, path: &Path, name: &Name, profile: Option<&str>) -> Option<Key> {
    let (front, local) = (path.front, path.local.ip());
    let pools = pools(index, profile);
    let text = match name {
        Name::Fqdn(name) | Name::UserFqdn(name) => Some(name.clone()),
        Name::KeyId(id) => String::from_utf8(id.clone()).ok(),
        Name::Address(_) | Name::Subnet(_) | Name::Range(..) | Name::Dn(_) | Name::Other(..) => None,
    };
    let by_name = text.and_then(|text| index.named_key(front, local, &pools, &text)).map(Key::of);
    by_name.or_else(|| index.key(front, local, &pools, path.remote.ip()).map(Key::of))
}

/// The rings of the profile, or those that none names.
fn pools(index: &Index, profile: Option<&str>) -> Vec<Pool> {
    let rings = profile.and_then(|name| index.profile(name)).map(|profile| profile.keyrings.as_slice());
    match rings {
        Some([]) | None => vec![Pool::Unclaimed],
        Some(rings) => rings.iter().cloned().map(Pool::Ring).collect(),
    }
}

/// The profile and the inside VRF of a peer that proved `name`. The initiator knows what it wants; the
/// responder finds what fits.
pub(crate) fn place(
    session: &Session,
    core: &mut Core,
    secured: &Secured,
    name: &Name,
    certificate: Option<&Certificate>,
) -> Result<Place, Refusal> {
    let index = core.index.clone();
    if session.initiator {
        expect(&index, session, name, certificate)?;
        return Ok(session.place.clone());
    }
    let (front, local) = (session.path.front, session.path.local.ip());
    let profile = match secured.agreed.auth.key() {
        Some(key) => settle(&index, front, local, &key.ring, name)?,
        None => profile_of(&index, front, local, name, certificate),
    };
    tell_profile(core, &index, profile, name);
    core.debug(Some(session.id), &session.path, || match profile {
        Some(profile) => format!("peer matches {} profile", profile.name),
        None => "peer matches *none* of the profiles".to_owned(),
    });
    let inside = profile.and_then(|profile| profile.inside).unwrap_or(front);
    Ok(Place { profile: profile.map(|profile| profile.name.clone()), inside })
}

/// A certificate map outranks the identity (CMAP-01).
pub(crate) fn profile_of<'a>(
    index: &'a Index,
    front: VrfId,
    local: IpAddr,
    name: &Name,
    certificate: Option<&Certificate>,
) -> Option<&'a Profile> {
    let by_map = certificate.and_then(|certificate| index.profile_by_map(front, local, certificate));
    by_map.or_else(|| index.best_profile(front, local, name))
}

/// The profile of a peer that proved `name` with a key of `ring`; `Ok(None)`: none is needed.
pub(crate) fn settle<'a>(
    index: &'a Index,
    front: VrfId,
    local: IpAddr,
    ring: &str,
    name: &Name,
) -> Result<Option<&'a Profile>, Refusal> {
    let profile = index.best_profile(front, local, name);
    let may_use = match profile {
        Some(profile) if !profile.keyrings.is_empty() => profile.keyrings.iter().any(|name| name == ring),
        Some(_) | None => !index.is_claimed(ring),
    };
    if may_use {
        return Ok(profile);
    }
    Err(match profile {
        Some(profile) => Refusal::because(
            Blame::Refused,
            "wrong-keyring",
            format!(
                "{name} is of profile {}, whose keyrings do not include {ring}: add `keyring {ring}` to it",
                profile.name
            ),
        ),
        None => Refusal::because(
            Blame::Refused,
            "no-profile-matches",
            format!(
                "no isakmp profile matches the identity {name} in this front VRF: add a `match identity`"
            ),
        ),
    }
    .telling(AUTHENTICATION_FAILED)
    .fatal())
}

/// The peer that we opened to must be one of the profile's.
fn expect(
    index: &Index,
    session: &Session,
    name: &Name,
    certificate: Option<&Certificate>,
) -> Result<(), Refusal> {
    let Some(wanted) = &session.place.profile else { return Ok(()) };
    let by_map = certificate.is_some_and(|certificate| index.maps_admit(wanted, certificate));
    if by_map || index.admits(wanted, session.path.front, name) {
        return Ok(());
    }
    let detail = format!(
        "the peer calls itself {name}, which isakmp profile {wanted} does not match: add a `match identity` to it"
    );
    Err(Refusal::because(Blame::Refused, "no-profile-matches", detail).fatal())
}

/// Whether phase 1 would come about as it did under another configuration too.
pub(crate) fn is_same_under(session: &Session, old: &Index, new: &Index) -> bool {
    let Some(phase1) = session.established() else { return false };
    let profile = session.place.profile.as_deref();
    if profile.is_some_and(|name| old.profile(name) != new.profile(name)) {
        return false;
    }
    let is_same = match &phase1.auth {
        Auth::Key(key) => has_key(new, session, key, &phase1.identity),
        Auth::Signature => trustpoints(old, profile) == trustpoints(new, profile),
    };
    is_same && (session.initiator || is_still_placed(new, session, phase1))
}

/// Whether the peer would get this key.
fn has_key(index: &Index, session: &Session, key: &Key, identity: &Name) -> bool {
    let (path, profile) = (&session.path, session.place.profile.as_deref());
    let found = if session.initiator {
        super::opening::means(index, path, None, profile).key
    } else {
        key_for_responder(index, path)
    };
    let by_name = || key_for_name(index, path, identity, profile);
    let lines = || index.config().keyrings.iter().filter(|ring| ring.name == key.ring);
    let is_named = || lines().flat_map(|ring| &ring.named).any(|line| line.key == key.secret);
    found.as_ref() == Some(key) || by_name().as_ref() == Some(key) || (found.is_none() && is_named())
}

fn is_still_placed(index: &Index, session: &Session, phase1: &Established) -> bool {
    let (front, local) = (session.path.front, session.path.local.ip());
    let profile = match &phase1.auth {
        Auth::Key(key) => settle(index, front, local, &key.ring, &phase1.identity),
        Auth::Signature => {
            Ok(profile_of(index, front, local, &phase1.identity, phase1.certificate.as_deref()))
        }
    };
    profile.is_ok_and(|profile| {
        profile.map(|profile| &profile.name) == session.place.profile.as_ref()
            && profile.and_then(|profile| profile.inside).unwrap_or(front) == session.place.inside
    })
}

fn tell_key(core: &mut Core, index: &Index, path: &Path, key: Option<&Key>) {
    if let Some(key) = key {
        return core.tell(Fact::chosen(Kind::Keyring, &key.ring));
    }
    for ring in index.config().keyrings.iter().take(MOST_TOLD) {
        let why = match ring.local {
            _ if ring.front != path.front => "it is of another front VRF".to_owned(),
            Some(local) if local != path.local.ip() => format!("it is bound to {local}"),
            Some(_) | None => format!("it has no key for {}", path.remote.ip()),
        };
        core.tell(Fact::passed(Kind::Keyring, &ring.name, why));
    }
}

fn tell_profile(core: &mut Core, index: &Index, profile: Option<&Profile>, name: &Name) {
    if let Some(profile) = profile {
        return core.tell(Fact::chosen(Kind::Profile, &profile.name));
    }
    for profile in index.config().profiles.iter().take(MOST_TOLD) {
        core.tell(Fact::passed(Kind::Profile, &profile.name, format!("no `match identity` is {name}")));
    }
}

fn no_key(path: &Path) -> Refusal {
    let remote = path.remote.ip();
    let detail = format!(
        "no pre-shared key for {remote} in a keyring of this front VRF, and no certificate of ours: add \
         `pre-shared-key address {remote}`"
    );
    Refusal::because(Blame::Refused, "no-pre-shared-key", detail).telling(NO_PROPOSAL_CHOSEN)
}

fn no_key_for(name: &Name, path: &Path) -> Refusal {
    let detail = format!(
        "no pre-shared key for {name} or {} in the keyrings of its profile: add `pre-shared-key hostname {name}`",
        path.remote.ip()
    );
    Refusal::because(Blame::Refused, "no-pre-shared-key", detail).telling(NO_PROPOSAL_CHOSEN)
}

impl Key {
    fn of<K: Keyed>((ring, key): (&crate::config::Keyring, &K)) -> Self {
        Self { ring: ring.name.clone(), secret: key.secret().clone() }
    }
}

/// Both kinds of line in a keyring.
trait Keyed {
    fn secret(&self) -> &Secret;
}

impl Keyed for crate::config::PresharedKey {
    fn secret(&self) -> &Secret {
        &self.key
    }
}

impl Keyed for crate::config::NamedKey {
    fn secret(&self) -> &Secret {
        &self.key
    }
}
