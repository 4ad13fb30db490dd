//! Who we are to a peer: our certificate, the trustpoints it must be good under itself, and our identity
//! (VRF-10, VRF-12, IKE-09).

use std::sync::Arc;

use crypto::sign::Kind as KeyKind;
use pki::{Certificate, Trustpoint};

use super::Means;
use crate::Path;
use crate::auth::certificate;
use crate::config::{Authentication, Hash, Identity};
use crate::error::Refusal;
use crate::index::Index;
use crate::notice::Blame;
use crate::v1::offer;
use crate::v1::phase1::Secured;
use crate::wire::id::{Id, Name};

/// Whether a key signs by this method: RFC 4754 ties each curve to a hash.
pub(crate) const fn suits(kind: KeyKind, authentication: Authentication, hash: Hash) -> bool {
    match authentication {
        Authentication::RsaSignature => matches!(kind, KeyKind::Rsa(_)),
        Authentication::EcdsaSignature => matches!(
            (kind, hash),
            (KeyKind::EcP256, Hash::Sha256)
                | (KeyKind::EcP384, Hash::Sha384)
                | (KeyKind::EcP521, Hash::Sha512)
        ),
        Authentication::PreShared | Authentication::RsaEncryption => false,
    }
}

/// Those of the profile; without any, all (VRF-12).
pub(crate) fn trustpoints(index: &Index, profile: Option<&str>) -> Vec<Arc<Trustpoint>> {
    let named = profile.and_then(|name| index.profile(name)).map(|profile| profile.trustpoints.as_slice());
    let all = index.config().trustpoints.iter();
    match named {
        Some([]) | None => all.cloned().collect(),
        Some(named) => all.filter(|trustpoint| named.contains(&trustpoint.name)).cloned().collect(),
    }
}

/// Our certificate for a peer: one that it asks for, else the first (VRF-12).
pub(crate) fn signer(index: &Index, profile: Option<&str>, secured: &Secured) -> Option<Arc<Trustpoint>> {
    let proposal = &secured.agreed.chosen.proposal;
    let mut ours = trustpoints(index, profile);
    ours.retain(|trustpoint| {
        let kind = trustpoint.credential.as_ref().map(|credential| credential.key.kind());
        kind.is_some_and(|kind| suits(kind, proposal.authentication, proposal.hash))
    });
    let requests = &secured.values.requests;
    let asked = ours.iter().find(|trustpoint| requests.iter().any(|ca| is_under(trustpoint, ca)));
    asked.or_else(|| ours.first()).cloned()
}

/// Our certificate for a peer that has not asked for any yet.
pub(crate) fn first_signer(index: &Index, profile: Option<&str>, means: &Means) -> Option<Arc<Trustpoint>> {
    let first = offer::usable(&index.config().proposals, means).next()?;
    let kind = |trustpoint: &Arc<Trustpoint>| Some(trustpoint.credential.as_ref()?.key.kind());
    let is_suited = |kind| suits(kind, first.authentication, first.hash);
    trustpoints(index, profile).into_iter().find(|trustpoint| kind(trustpoint).is_some_and(is_suited))
}

/// Whether our certificate there comes from the CA of this name.
fn is_under(trustpoint: &Trustpoint, ca: &[u8]) -> bool {
    let Ok(ca) = pki::Dn::from_der(ca) else { return false };
    let chain = trustpoint.credential.iter().flat_map(|credential| &credential.chain);
    chain.map(|certificate| &certificate.issuer).any(|issuer| *issuer == ca)
        || trustpoint.anchors.iter().any(|anchor| anchor.subject == ca)
}

pub(super) fn kinds(trustpoints: &[Arc<Trustpoint>]) -> Vec<KeyKind> {
    let credentials = trustpoints.iter().filter_map(|trustpoint| trustpoint.credential.as_ref());
    credentials.map(|credential| credential.key.kind()).collect()
}

/// The body of our ID payload. An address that our certificate does not hold would be refused, so its
/// subject goes in its place.
pub(crate) fn identify(
    index: &Index,
    profile: Option<&str>,
    path: &Path,
    trustpoint: Option<&Trustpoint>,
) -> Vec<u8> {
    let profile = profile.and_then(|name| index.profile(name));
    let identity = profile.and_then(|profile| profile.self_identity.as_ref());
    let own = trustpoint.and_then(|trustpoint| trustpoint.credential.as_ref()?.chain.first());
    let name = named(identity.unwrap_or_else(|| &index.config().identity), path, own);
    Id::any_port(name).encode()
}

fn named(identity: &Identity, path: &Path, own: Option<&Certificate>) -> Name {
    let subject = || own.map(|own| Name::Dn(own.subject.clone()));
    let address = |address| {
        let name = Name::Address(address);
        own.filter(|own| certificate::proves(own, &name).is_err()).and_then(|_| subject()).unwrap_or(name)
    };
    match identity {
        Identity::Address => address(path.local.ip()),
        Identity::Exactly(exactly) => address(*exactly),
        Identity::Fqdn(name) => Name::Fqdn(name.clone()),
        Identity::UserFqdn(name) => Name::UserFqdn(name.clone()),
        Identity::KeyId(id) => Name::KeyId(id.clone()),
        // Without a certificate there is no subject.
        Identity::Dn => subject().unwrap_or_else(|| Name::Address(path.local.ip())),
    }
}

/// The body of an ID payload for an identity that stands alone, such as that of `crypto isakmp peer`.
pub(crate) fn identity_body(identity: &Identity, path: &Path) -> Vec<u8> {
    Id::any_port(named(identity, path, None)).encode()
}

pub(crate) fn no_certificate(profile: Option<&str>) -> Refusal {
    let detail = format!(
        "no trustpoint of profile {} has a certificate of ours for the method agreed on: enrol one",
        profile.unwrap_or("(none)")
    );
    Refusal::because(Blame::Refused, "no-certificate", detail).fatal()
}
