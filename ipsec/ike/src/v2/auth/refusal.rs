//! Why IKE_AUTH is refused, in words that say what to change.

use crypto::sign::Kind;

use super::unauthenticated;
use crate::config::v2::{self as config, Ppk};
use crate::error::Refusal;
use crate::notice::Blame;
use crate::v2::session::Session;
use crate::v2::wire::notify::{self, INVALID_SYNTAX, Notify};
use crate::wire::id::Name;

/// The peer refuses IKE_AUTH.
pub(crate) fn refused(session: &mut Session, said: &Notify) -> Refusal {
    let (peer, name) = (session.path.remote.ip(), notify::name(said.kind));
    let advice = match said.kind {
        notify::AUTHENTICATION_FAILED => {
            "it does not know our identity, or our key or certificate is not what it expects; its log says which"
        }
        INVALID_SYNTAX => "it does not understand our message",
        notify::NO_PROPOSAL_CHOSEN | notify::TS_UNACCEPTABLE => "it wants no IKE SA without this child",
        notify::FAILED_CP_REQUIRED | notify::INTERNAL_ADDRESS_FAILURE => {
            "it wants to hand out an address, which we do not ask for"
        }
        notify::SINGLE_PAIR_REQUIRED => "it wants one pair of addresses for each child",
        _ => "its log says why",
    };
    let what =
        if said.kind == notify::AUTHENTICATION_FAILED { "authentication-failed" } else { "auth-refused" };
    Refusal::because(Blame::PeerIncompatible, what, format!("{peer} refuses IKE_AUTH: {name}: {advice}"))
}

pub(crate) fn bad_certificate(refusal: &pki::Refusal) -> Refusal {
    unauthenticated(refusal.what, Blame::PeerIncompatible, refusal.detail.clone())
}

pub(crate) fn wrong_kind(profile: &config::Profile, name: &Name, kind: Kind) -> Refusal {
    let detail = format!(
        "{name} signs with {kind}, which profile {} does not take: see `authentication remote`",
        profile.name
    );
    unauthenticated("authentication-not-allowed", Blame::Refused, detail)
}

pub(crate) fn bad_key() -> Refusal {
    let detail = "the key in the peer's certificate is of a kind or length that we do not verify with";
    unauthenticated("unsuitable-key", Blame::PeerIncompatible, detail.to_owned())
}

pub(crate) fn bad_signature(name: &Name) -> Refusal {
    let detail = format!("the signature of {name} is not made with the key of its certificate");
    unauthenticated("bad-signature", Blame::PeerMisbehaved, detail)
}

pub(crate) fn cannot_sign() -> Refusal {
    let detail = "our key does not sign as the peer needs it".to_owned();
    unauthenticated("cannot-sign", Blame::Local, detail)
}

pub(crate) fn no_spi() -> Refusal {
    Refusal::because(Blame::Local, "no-spi-left", "every inbound SPI is taken".to_owned())
}

pub(crate) fn no_proof() -> Refusal {
    let detail = "the response has no IDr or no AUTH".to_owned();
    Refusal::because(Blame::PeerMisbehaved, "no-authentication", detail)
}

pub(crate) fn no_ppk(ppk: &Ppk) -> Refusal {
    let detail =
        format!("the peer does not have the post-quantum key {}, which is required", ppk.id.escape_ascii());
    Refusal::because(Blame::PeerIncompatible, "ppk-required", detail)
}

pub(crate) fn reconfigured() -> Refusal {
    Refusal::because(Blame::Local, "reconfigured", "the profile is gone".to_owned())
}

pub(crate) fn malformed(why: &str) -> Refusal {
    let detail = format!("IKE_AUTH: {why}");
    Refusal::because(Blame::PeerMisbehaved, "bad-auth-request", detail).telling(INVALID_SYNTAX)
}

pub(crate) fn wants_eap(name: &Name) -> Refusal {
    let detail = format!(
        "{name} wants EAP, which is for remote access and not served here: give it a pre-shared key or a certificate"
    );
    unauthenticated("eap-not-supported", Blame::PeerIncompatible, detail)
}

pub(crate) fn no_profile(name: &Name) -> Refusal {
    let detail = format!(
        "no crypto ikev2 profile of this front VRF and address matches {name}: add a `match identity remote`"
    );
    unauthenticated("no-profile-matches", Blame::Refused, detail)
}

pub(crate) fn childless(profile: &config::Profile) -> Refusal {
    let detail =
        format!("the peer wants an IKE SA without a child, which profile {} does not allow", profile.name);
    Refusal::because(Blame::Refused, "childless-not-allowed", detail).telling(INVALID_SYNTAX)
}
