//! IKE_AUTH (RFC 7296 section 1.2): each side says who it is and proves it, and the first child is made.
//!
//! ```text
//! initiator                                                         responder
//! SK {IDi, [CERT,] [CERTREQ,] AUTH, SAi2, TSi, TSr, N(..)}   ->
//!                                                        <-  SK {IDr, [CERT,] AUTH, SAr2, TSi, TSr, N(..)}
//! ```

use std::net::IpAddr;

use super::keys::Keys;
use super::session::Session;
use super::state::{Capabilities, Established, Secured, State};
use super::wire::notify::{self, Notify};
use super::wire::payload::{self, Builder};
use crate::config::{Config, Identity, v2 as config};
use crate::core::Core;
use crate::error::Refusal;
use crate::notice::Blame;
use crate::wire::id::Name;

pub(crate) mod certificate;
pub(crate) mod initiator;
pub(crate) mod proof;
pub(crate) mod refusal;
pub(crate) mod responder;

/// What we call ourselves: what the profile says, else the certificate's subject or the address.
fn own_name(
    config: &Config,
    profile: &config::Profile,
    local: IpAddr,
    signer: Option<&proof::Signer>,
) -> Name {
    let subject = || signer.map(|signer| Name::Dn(signer.subject.clone()));
    match profile.identity.as_ref() {
        None => subject().unwrap_or(Name::Address(local)),
        Some(Identity::Address) => Name::Address(local),
        Some(Identity::Exactly(address)) => Name::Address(*address),
        Some(Identity::Fqdn(name)) => Name::Fqdn(name.clone()),
        Some(Identity::UserFqdn(name)) => Name::UserFqdn(name.clone()),
        Some(Identity::KeyId(id)) => Name::KeyId(id.clone()),
        Some(Identity::Dn) => subject()
            .or_else(|| certificate::subject(config, profile).map(Name::Dn))
            .unwrap_or(Name::Address(local)),
    }
}

/// What either side adds about what it can.
fn push_abilities(chain: &mut Builder, config: &Config, mobike: bool) {
    if mobike {
        push(chain, notify::MOBIKE_SUPPORTED, Vec::new());
    }
    if config.v2.window > 1 {
        push(chain, notify::SET_WINDOW_SIZE, u32::from(config.v2.window).to_be_bytes().to_vec());
    }
}

fn push(chain: &mut Builder, kind: u16, data: Vec<u8>) {
    chain.push(payload::NOTIFY, &Notify::new(kind, data).encode());
}

/// What is known once the peer has proved who it is.
struct Proven<'a> {
    profile: &'a config::Profile,
    identity: Name,
    own: Name,
    authentication: (&'static str, &'static str),
    /// With a post-quantum pre-shared key in them, or without.
    keys: Keys,
    ppk: bool,
    mobike: bool,
}

/// The IKE SA is established; it says so to the operator by `Event::Established`, which the caller adds.
fn establish(session: &mut Session, core: &mut Core, secured: Secured, proven: Proven<'_>) {
    let Proven { profile, identity, own, authentication, mut keys, ppk, mobike } = proven;
    // No IV is ever used twice.
    keys.sealed = keys.sealed.max(secured.keys.sealed);
    // Two peers of ours must not rekey at the same moment.
    let (low, high) = if session.initiator { (85, 90) } else { (91, 95) };
    let rekey_at = core.now + core.jitter(profile.lifetime, low, high);
    session.state = State::Established(Box::new(Established {
        keys,
        suite: secured.suite,
        identity,
        own,
        authentication,
        peer: Capabilities { mobike, ..secured.peer },
        nat: secured.nat,
        since: core.now,
        expires: core.now + profile.lifetime,
        rekey_at: Some(rekey_at),
        lifetime: profile.lifetime,
        ppk,
    }));
    session.window.widen(core.config.v2.window);
    session.heard = core.now;
    session.story.establish(core.now);
    session.plan_keepalive(core);
}

/// The peer is told no more than that; the operator reads all of it.
fn unauthenticated(what: &'static str, blame: Blame, detail: String) -> Refusal {
    Refusal::because(blame, what, detail).telling(notify::AUTHENTICATION_FAILED)
}
