//! What a quick mode makes: keying material and the child that it is for.

use base::{Prefix, Secret, Spi};
use ipsec::{Encap, Keys, Mode, Selector, Suite};

use super::offer::{Terms, Travel};
use crate::Child;
use crate::config::Entry;
use crate::core::Core;
use crate::v1::cipher;
use crate::v1::phase1::Established;
use crate::v1::session::Session;
use crate::wire::sa;

/// Both sides' contributions to the keying material.
pub(super) struct Material<'a> {
    pub(super) shared: Option<&'a Secret>,
    pub(super) nonce_i: &'a [u8],
    pub(super) nonce_r: &'a [u8],
}

/// How the packets of a child with this selector travel. Transport mode is for traffic between the endpoints
/// alone, as in IOS.
pub(super) fn travel(session: &Session, phase1: &Established, entry: &Entry, selector: &Selector) -> Travel {
    let (local, remote) = (session.path.local, session.path.remote);
    let is_between = *selector
        == Selector { local: Prefix::host(local.ip()), remote: Prefix::host(remote.ip()), ..*selector };
    let transports = entry.mode == Mode::Transport && is_between;
    match phase1.dialect {
        Some(dialect) if phase1.nat.any() => Travel {
            encap: Encap::Udp { local: local.port(), remote: remote.port() },
            tunnel: dialect.tunnel_mode(),
            transport: transports.then(|| dialect.transport_mode()),
        },
        Some(_) | None => Travel { encap: Encap::Esp, tunnel: 1, transport: transports.then_some(2) },
    }
}

/// The keys of the SA that is received on `spi`: RFC 2409 section 5.5.
pub(super) fn keys(keys: &cipher::Keys, suite: Suite, spi: Spi, material: &Material<'_>) -> Keys {
    let spi = spi.0.to_be_bytes();
    let shared = material.shared.map(Secret::expose);
    let fixed: [&[u8]; 4] = [&[sa::PROTOCOL_ESP], &spi, material.nonce_i, material.nonce_r];
    let seed: Vec<&[u8]> = shared.into_iter().chain(fixed).collect();
    let (cipher, integrity) = (suite.cipher.key_len(), suite.integrity.key_len());
    let whole = keys.keymat(&seed, cipher + integrity);
    let (cipher, integrity) = whole.expose().split_at_checked(cipher).unwrap_or_default();
    Keys { cipher: Secret::from(cipher), integrity: Secret::from(integrity) }
}

/// What both sides made.
#[allow(clippy::too_many_arguments, reason = "each is one fact of the negotiation")]
pub(super) fn child(
    session: &Session,
    core: &mut Core,
    entry: &Entry,
    terms: &Terms,
    selector: Selector,
    (spi_in, spi_out): (Spi, Spi),
    material: &Material<'_>,
    initiator: bool,
) -> Option<Box<Child>> {
    let phase1 = session.established()?;
    Some(Box::new(Child {
        mode: terms.mode,
        id: core.child_id(),
        session: session.id,
        policy: entry.policy,
        front: session.path.front,
        inside: session.place.inside,
        local: session.path.local.ip(),
        remote: session.path.remote.ip(),
        encap: terms.encap,
        suite: terms.suite,
        spi_in,
        spi_out,
        keys_in: keys(&phase1.keys, terms.suite, spi_in, material),
        keys_out: keys(&phase1.keys, terms.suite, spi_out, material),
        selector,
        lifetime: terms.lifetime,
        replay: ipsec::Replay { window: entry.replay.window, esn: terms.esn },
        initiator,
    }))
}
