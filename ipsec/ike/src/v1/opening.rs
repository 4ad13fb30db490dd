//! How we open phase 1 to a peer: in which mode, as whom, and with what (IKE-05, IKE-08, VRF-17, AGG-01).

use crate::Path;
use crate::config::{AggressivePeer, Config};
use crate::core::Core;
use crate::error::Refusal;
use crate::index::Index;
use crate::notice::Blame;
use crate::record::{Fact, Kind};
use crate::v1::session::Opening;
use crate::v1::trust::{self, Key, Means};
use crate::v1::{aggressive, main};

/// What `crypto isakmp peer` keys are known as.
const PASSWORD: &str = "(crypto isakmp peer)";

/// `host`: the name by which a crypto-map entry knows the peer.
pub(crate) fn choose(
    core: &mut Core,
    path: &Path,
    host: Option<&str>,
    profile: Option<&str>,
) -> Result<Opening, Refusal> {
    let index = core.index.clone();
    let peer = aggressive_peer(index.config(), path);
    let means = means(&index, path, host, profile);
    match &means.key {
        Some(key) => core.tell(Fact::chosen(Kind::Keyring, &key.ring)),
        None if means.signs.is_empty() => return Err(no_means(path, profile)),
        None => {}
    }
    let wanted =
        peer.is_some() || profile.and_then(|name| index.profile(name)).is_some_and(|it| it.aggressive);
    if wanted && !index.config().aggressive {
        return Err(disabled(path));
    }
    if wanted || (index.config().aggressive && goes_by_name(&index, path, &means, profile)) {
        let id = peer.and_then(|peer| peer.identity.as_ref()).map_or_else(
            || {
                trust::identify(
                    &index,
                    profile,
                    path,
                    trust::first_signer(&index, profile, &means).as_deref(),
                )
            },
            |identity| trust::identity_body(identity, path),
        );
        let opening = aggressive::initiator::open(core, means, id);
        return opening.map(|(offered, ask)| Opening::Aggressive(offered, ask)).ok_or_else(no_proposal);
    }
    main::initiator::open(core, means).map(Opening::Main).ok_or_else(no_proposal)
}

/// What we can prove ourselves with. The password of `crypto isakmp peer` comes before all rings.
pub(crate) fn means(index: &Index, path: &Path, host: Option<&str>, profile: Option<&str>) -> Means {
    let means = trust::means_for_initiator(index, path, host, profile);
    let password = aggressive_peer(index.config(), path).and_then(|peer| peer.key.clone());
    let password = password.map(|secret| Key { ring: PASSWORD.to_owned(), secret });
    Means { key: password.or(means.key), ..means }
}

fn aggressive_peer<'a>(config: &'a Config, path: &Path) -> Option<&'a AggressivePeer> {
    let mut all = config.aggressive_peers.iter();
    all.find(|peer| peer.front == path.front && peer.address == path.remote.ip())
}

/// There is nothing but a key that goes by the peer's name: main mode looks keys up by address, so the other
/// side would not find it (IKE-08).
fn goes_by_name(index: &Index, path: &Path, means: &Means, profile: Option<&str>) -> bool {
    let by_address = trust::key_for_initiator(index, path, None, profile);
    means.signs.is_empty() && means.key.is_some() && by_address.is_none()
}

fn disabled(path: &Path) -> Refusal {
    let detail = format!(
        "{} is to be opened to in aggressive mode, which `crypto isakmp aggressive-mode disable` forbids",
        path.remote.ip()
    );
    Refusal::because(Blame::Refused, "aggressive-mode-disabled", detail)
}

fn no_means(path: &Path, profile: Option<&str>) -> Refusal {
    let detail = format!(
        "no pre-shared key for {} in the keyrings of profile {} in this front VRF, and no certificate of ours in \
         its trustpoints: add `pre-shared-key address {}`",
        path.remote.ip(),
        profile.unwrap_or("(none)"),
        path.remote.ip()
    );
    Refusal::because(Blame::Refused, "no-pre-shared-key", detail)
}

fn no_proposal() -> Refusal {
    let detail = "no isakmp policy has an authentication that we have a key or a certificate for: add \
                  `authentication pre-share`, or enrol a certificate"
        .to_owned();
    Refusal::because(Blame::Refused, "no-isakmp-policy", detail)
}
