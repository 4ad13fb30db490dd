//! The configuration as IKE sees it: VRFs by number, crypto-map entries standing on their interfaces.

mod entries;
#[cfg(test)]
mod tests;
mod v1;
mod v2;

use config::Config;
use ike::config::{Authentication, Proposal, Timers};

use super::config_to_ipsec;
use crate::ids::Ids;
use crate::{Notice, Trustpoints};

pub(crate) use entries::{lifetime, missing};

/// IKE's configuration, and what of the operator's wishes it cannot carry out.
pub(crate) fn ike_config(
    config: &Config,
    trustpoints: &Trustpoints,
    ids: &mut Ids,
) -> (ike::Config, Vec<Notice>) {
    let (proposals, left_out): (_, Vec<_>) =
        all_proposals(config).partition(|proposal| lacking(proposal, trustpoints).is_none());
    let placed = config_to_ipsec::placed(config, ids);
    let left_out = left_out.iter().filter_map(|proposal| left_out_notice(proposal, trustpoints));
    let notices = left_out
        .chain(placed.iter().filter_map(|placed| entries::incomplete_notice(config, placed)))
        .collect();
    let entries = placed.iter().filter_map(|placed| entries::entry(config, placed));
    let ike = ike::Config {
        proposals,
        keyrings: v1::keyrings(config, ids),
        profiles: v1::profiles(config, ids),
        entries: entries.collect(),
        identity: config.identity.clone(),
        timers: timers(config),
        dpd: config.isakmp.dpd,
        aggressive: config.isakmp.aggressive,
        aggressive_peers: v1::aggressive_peers(config, ids),
        fragmentation: config.isakmp.fragmentation,
        trustpoints: loaded(config, trustpoints),
        certificate_maps: config.certificate_maps.clone(),
        admission: config.admission,
        v2: v2::config(config, ids),
    };
    (ike, notices)
}

/// Best first; the built-in last resort only where it is asked for; none where version 1 is switched off.
pub(crate) fn all_proposals(config: &Config) -> impl Iterator<Item = Proposal> {
    let built_in = config.default_policy.then(|| Proposal::new(Proposal::PRIORITY_BUILT_IN));
    config.proposals.values().copied().chain(built_in).filter(|_| config.isakmp.enabled)
}

/// A proposal whose authentication method has no keys to work with is not offered (IKE-05): what to do.
pub(crate) fn lacking(proposal: &Proposal, trustpoints: &Trustpoints) -> Option<&'static str> {
    use crypto::sign::Kind;
    let has_key = |fits: fn(Kind) -> bool| {
        let mut credentials = trustpoints.values().filter_map(|trustpoint| trustpoint.credential.as_ref());
        credentials.any(|credential| fits(credential.key.kind()))
    };
    let is_ecdsa = |kind| matches!(kind, Kind::EcP256 | Kind::EcP384 | Kind::EcP521);
    match proposal.authentication {
        Authentication::PreShared => None,
        Authentication::RsaSignature if has_key(|kind| matches!(kind, Kind::Rsa(_))) => None,
        Authentication::EcdsaSignature if has_key(is_ecdsa) => None,
        Authentication::EcdsaSignature => Some(
            "no trustpoint has a certificate of ours with an ECDSA key (give one `certificate file` and \
             `private-key file`, or use `authentication pre-share`)",
        ),
        Authentication::RsaSignature => Some(
            "no trustpoint has a certificate of ours with an RSA key (give one `certificate file` and \
             `private-key file`, or use `authentication pre-share`)",
        ),
        Authentication::RsaEncryption => Some(
            "RSA encrypted nonces have no peers any more (use `authentication rsa-sig` or \
             `authentication pre-share`)",
        ),
    }
}

fn left_out_notice(proposal: &Proposal, trustpoints: &Trustpoints) -> Option<Notice> {
    let reason = lacking(proposal, trustpoints)?;
    Some(Notice::ProposalLeftOut { priority: proposal.priority, reason })
}

/// In configuration order.
fn loaded(config: &Config, trustpoints: &Trustpoints) -> Vec<std::sync::Arc<pki::Trustpoint>> {
    config.trustpoints.iter().filter_map(|written| trustpoints.get(&written.name).cloned()).collect()
}

fn timers(config: &Config) -> Timers {
    let defaults = Timers::default();
    Timers { nat_keepalive: config.nat_keepalive.unwrap_or(defaults.nat_keepalive), ..defaults }
}
