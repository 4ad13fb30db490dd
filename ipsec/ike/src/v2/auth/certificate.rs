//! Certificates in IKE_AUTH (RFC 7296 sections 3.6 and 3.7): which we send, and which we ask for.

use std::collections::BTreeSet;
use std::sync::Arc;

use crypto::sign::PublicKey;
use pki::{Certificate, Credential, Dn, Trustpoint};

use super::{proof, refusal};
use crate::auth::certificate::proves;
use crate::config::Config;
use crate::config::v2::{self as config, Authentication};
use crate::error::Refusal;
use crate::v2::wire::cert::{self, AUTHORITY};
use crate::v2::wire::notify::AUTHENTICATION_FAILED;
use crate::v2::wire::payload::{self, Chain};
use crate::wire::id::Name;

/// Longer chains than any peer has are cut.
const MOST_CERTIFICATES: usize = 16;

/// The trustpoints of these names, in order; of no names all of them.
pub(crate) fn trustpoints<'a>(config: &'a Config, names: &'a [String]) -> Vec<&'a Arc<Trustpoint>> {
    if names.is_empty() {
        return config.trustpoints.iter().collect();
    }
    let named = names.iter().filter_map(|name| config.trustpoints.iter().find(|one| one.name == *name));
    named.collect()
}

/// Keys and certificates of ours, those first that are under a CA which the peer named.
pub(super) fn credentials<'a>(
    config: &'a Config,
    profile: &'a config::Profile,
    authorities: &[[u8; AUTHORITY]],
) -> Vec<(&'a Trustpoint, &'a Credential)> {
    let all = trustpoints(config, &profile.sign).into_iter();
    let mut all: Vec<_> =
        all.filter_map(|trustpoint| Some((trustpoint.as_ref(), trustpoint.credential.as_ref()?))).collect();
    let is_named = |trustpoint: &Trustpoint| {
        let mut hashes = trustpoint.anchors.iter().map(Certificate::key_hash);
        hashes.any(|hash| authorities.iter().any(|authority| authority.as_slice() == hash))
    };
    all.sort_by_key(|(trustpoint, _)| !is_named(trustpoint));
    all
}

/// The name in our certificate.
pub(super) fn subject(config: &Config, profile: &config::Profile) -> Option<Dn> {
    let (_, credential) = credentials(config, profile, &[]).into_iter().next()?;
    Some(credential.chain.first()?.subject.clone())
}

/// The request for certificates of peers of these profiles; `None`: none of them takes any.
pub(crate) fn request<'a>(
    config: &'a Config,
    profiles: impl Iterator<Item = &'a config::Profile>,
) -> Option<Vec<u8>> {
    let mut asked: Vec<&Arc<Trustpoint>> = Vec::new();
    for profile in profiles.filter(|profile| takes_certificates(profile)) {
        for trustpoint in trustpoints(config, &profile.verify) {
            if !asked.iter().any(|known| Arc::ptr_eq(known, trustpoint)) {
                asked.push(trustpoint);
            }
        }
    }
    let anchors = asked.iter().flat_map(|trustpoint| &trustpoint.anchors);
    let hashes: BTreeSet<[u8; AUTHORITY]> =
        anchors.filter_map(|anchor| anchor.key_hash().try_into().ok()).collect();
    let authorities = hashes.into_iter().collect();
    let request = cert::Request { encoding: cert::X509_SIGNATURE, authorities };
    (!request.authorities.is_empty()).then(|| request.encode())
}

pub(crate) fn takes_certificates(profile: &config::Profile) -> bool {
    profile.remote_authentication.iter().any(|one| !matches!(one, Authentication::PreShared(_)))
}

/// The certificates of a message, the peer's own first.
pub(super) fn chain_of(chain: &Chain<'_>) -> Vec<Vec<u8>> {
    let all = chain.all(payload::CERTIFICATE).filter_map(|body| cert::Certificate::decode(body).ok());
    let x509 = all.filter(|one| one.encoding == cert::X509_SIGNATURE);
    x509.map(|one| one.data).take(MOST_CERTIFICATES).collect()
}

/// Whether one of a profile's certificate maps describes it (CMAP-01).
pub(super) fn is_mapped(config: &Config, profile: &config::Profile, certificate: &Certificate) -> bool {
    let mut maps = profile.certificate_maps.iter().filter_map(|name| config.certificate_maps.get(name));
    maps.any(|map| map.holds(certificate))
}

/// The key that a peer signs with, if the certificate is of who it says it is (RFC 4945 section 3.1; a
/// certificate map that describes it says so too) and the profile takes such keys.
pub(super) fn key_of(
    profile: &config::Profile,
    certificate: &Certificate,
    name: &Name,
    is_mapped: bool,
) -> Result<PublicKey, Refusal> {
    if !is_mapped {
        proves(certificate, name).map_err(|refusal| refusal.telling(AUTHENTICATION_FAILED))?;
    }
    let key = certificate.public_key().ok_or_else(refusal::bad_key)?;
    if profile.remote_authentication.iter().any(|one| proof::suits(one, key.kind())) {
        return Ok(key);
    }
    Err(refusal::wrong_kind(profile, name, key.kind()))
}
