//! IKE_SA_INIT (RFC 7296 section 1.2): proposals, the first key exchange, and what each side can.
//!
//! ```text
//! initiator                                   responder
//! SAi1, KEi, Ni, N(..)            ->
//!                                         <-  N(COOKIE) | N(INVALID_KE_PAYLOAD) | N(REDIRECT) | SAr1, KEr, Nr, N(..)
//! ```

use super::mobike;
use super::session::Session;
use super::state::{Capabilities, Opening, Secured, Step};
use super::wire::header::{FLAG_RESPONSE, Header, exchange};
use super::wire::notify::{self, Notify};
use super::wire::payload::{self, Builder, Chain};
use super::wire::signature;
use crate::Path;
use crate::config::{Config, v2 as config};
use crate::core::Core;
use crate::error::Refusal;
use crate::notice::Blame;
use crate::session::Message;
use crate::wire::header::Cookie;

mod initiator;
pub(crate) use initiator::{Answered, Request, answered, authorities, initiate, receive, send};
mod responder;
pub(crate) use responder::{Received, agreed, open};

/// What both sides say of themselves and of the path.
fn push_common(chain: &mut Builder, config: &Config, spis: (Cookie, Cookie), path: &Path) {
    for seen in mobike::describe(spis, path) {
        chain.push(payload::NOTIFY, &seen.encode());
    }
    if config.v2.fragmentation.is_some() {
        push(chain, notify::IKEV2_FRAGMENTATION_SUPPORTED, Vec::new());
    }
}

fn push_hashes(chain: &mut Builder) {
    let hashes = signature::HASHES.iter().flat_map(|hash| hash.to_be_bytes()).collect();
    push(chain, notify::SIGNATURE_HASH_ALGORITHMS, hashes);
}

fn push(chain: &mut Builder, kind: u16, data: Vec<u8>) {
    chain.push(payload::NOTIFY, &Notify::new(kind, data).encode());
}

impl Capabilities {
    fn of(chain: &Chain<'_>, config: &Config) -> Self {
        let hashes = chain.notify(notify::SIGNATURE_HASH_ALGORITHMS).map(|one| one.data).unwrap_or_default();
        let (hashes, _) = hashes.as_chunks::<2>();
        let bit = |hash: &[u8; 2]| 1u16.checked_shl(u32::from(u16::from_be_bytes(*hash))).unwrap_or(0);
        Self {
            fragmentation: config.v2.fragmentation.is_some()
                && chain.notified(notify::IKEV2_FRAGMENTATION_SUPPORTED),
            mobike: false,
            childless: chain.notified(notify::CHILDLESS_IKEV2_SUPPORTED),
            redirect: chain.notified(notify::REDIRECT_SUPPORTED) || chain.notified(notify::REDIRECTED_FROM),
            intermediate: chain.notified(notify::INTERMEDIATE_EXCHANGE_SUPPORTED),
            ppk: chain.notified(notify::USE_PPK),
            hashes: hashes.iter().map(bit).fold(0, |all, one| all | one),
        }
    }
}

/// The profiles that a session between these addresses may come to be of.
pub(crate) fn profiles<'a>(config: &'a Config, path: &Path) -> impl Iterator<Item = &'a config::Profile> {
    let (front, local) = (path.front, path.local.ip());
    config.v2.profiles.iter().filter(move |profile| {
        profile.front.admits(front) && (profile.local.is_empty() || profile.local.contains(&local))
    })
}

/// A request of a version above ours: the peer may try a lower one (RFC 7296 section 2.5).
pub(crate) fn refuse_version(core: &mut Core, message: &Message<'_>) {
    let Header { initiator, responder, exchange, message_id, .. } = message.header;
    if message.header.is_response() {
        return;
    }
    let mut chain = Builder::default();
    push(&mut chain, notify::INVALID_MAJOR_VERSION, vec![2]);
    let header = Header::v2((initiator, responder), exchange, FLAG_RESPONSE, message_id);
    core.transmit(message.path, Header { next: chain.first(), ..header }.encode(chain.bytes()));
}

/// A response that leaves nothing behind.
fn respond_without_state(core: &mut Core, message: &Message<'_>, kind: u16, data: Vec<u8>) {
    let mut chain = Builder::default();
    push(&mut chain, kind, data);
    let spis = (message.header.initiator, Cookie::default());
    let header = Header::v2(spis, exchange::SA_INIT, FLAG_RESPONSE, 0);
    let bytes = Header { next: chain.first(), ..header }.encode(chain.bytes());
    core.transmit(message.path, bytes);
}

/// A public value of the peer is no good.
pub(crate) fn bad_public(session: &Session) -> Refusal {
    let detail = format!(
        "the public value of {} has the wrong length, is out of range or is not on the curve",
        session.path.remote.ip()
    );
    Refusal::because(Blame::PeerMisbehaved, "bad-public-value", detail).telling(notify::INVALID_SYNTAX)
}

/// The key exchange is done: next come further ones, or who each side is.
fn secure(session: &mut Session, secured: Secured) {
    if let Some(opening) = session.opening_mut() {
        opening.secured = Some(secured);
    }
}

impl Opening {
    pub(crate) const fn new(step: Step) -> Self {
        Self { step, secured: None, plan: None, spi: None }
    }
}
