//! Main mode: identity protection in six messages (RFC 2409 section 5.4).
//!
//! ```text
//! initiator                        responder
//! 1  SA, VID               ->
//!                          <-  2   SA, VID
//! 3  KE, Ni, NAT-D x2      ->
//!                          <-  4   KE, Nr, NAT-D x2
//! 5  {ID, HASH_I, [N]}     ->              on port 4500 if a NAT is in between
//!                          <-  6   {ID, HASH_R}
//! ```

use std::sync::Arc;

use base::{Instant, VrfId};
use crypto::dh;
use crypto::job::{Failed, Outcome};

use super::cipher::Keys;
use super::session::{Message, Session};
use crate::Path;
use crate::config::{Identity, Proposal};
use crate::core::Core;
use crate::error::Refusal;
use crate::index::Index;
use crate::natt::{self, Dialect, Nat};
use crate::policy::Key;
use crate::wire::header::{Cookie, exchange};
use crate::wire::id::{Id, Name};
use crate::wire::payload::{self, Builder, Chain};

pub(crate) mod initiator;
pub(crate) mod offer;
pub(crate) mod responder;

use offer::Chosen;

/// Where main mode stands. Each name says what comes next.
pub(crate) enum State {
    /// As initiator, message 1 is out.
    ExpectSa(initiator::Offered),
    /// As initiator: our key pair.
    ExpectKeyPair(Agreed),
    /// As initiator, message 3 is out.
    ExpectPeerKey(initiator::Committed),
    /// As initiator: the shared secret.
    ExpectSecret(Agreed, Values),
    /// As initiator, message 5 is out.
    ExpectProof(Secured),
    /// As responder, message 2 is out.
    ExpectKey(Agreed),
    /// As responder: our key pair and the shared secret.
    ExpectAgreement(responder::Answering),
    /// As responder, message 4 is out.
    ExpectClaim(Secured),
    Established(Established),
}

/// After the SA payloads.
#[derive(Clone)]
pub(crate) struct Agreed {
    pub(crate) chosen: Chosen,
    /// Body of the initiator's SA payload.
    pub(crate) sa_i: Vec<u8>,
    pub(crate) key: Key,
    /// `None`: one side does not know NAT traversal.
    pub(crate) dialect: Option<Dialect>,
}

/// What was exchanged in messages 3 and 4.
#[derive(Clone)]
pub(crate) struct Values {
    pub(crate) public_i: Vec<u8>,
    pub(crate) public_r: Vec<u8>,
    pub(crate) nonce_i: Vec<u8>,
    pub(crate) nonce_r: Vec<u8>,
    pub(crate) nat: Nat,
}

/// After the key exchange: all but who the peer is.
#[derive(Clone)]
pub(crate) struct Secured {
    pub(crate) agreed: Agreed,
    pub(crate) values: Values,
    pub(crate) keys: Arc<Keys>,
    /// Of the next message.
    pub(crate) iv: Vec<u8>,
}

/// Phase 1 is complete.
#[derive(Clone)]
pub(crate) struct Established {
    pub(crate) keys: Arc<Keys>,
    /// The last block of main mode: seed of every later IV.
    pub(crate) last_block: Vec<u8>,
    pub(crate) proposal: Proposal,
    /// Our lifetime undercuts the offer.
    pub(crate) shortened: bool,
    pub(crate) key: Key,
    pub(crate) identity: Name,
    pub(crate) nat: Nat,
    pub(crate) dialect: Option<Dialect>,
    pub(crate) since: Instant,
    pub(crate) expires: Instant,
    /// When to look for a successor.
    pub(crate) rekey_at: Option<Instant>,
}

/// What a message or an answer leads to.
pub(crate) struct Step {
    pub(crate) state: State,
    pub(crate) send: Option<Vec<u8>>,
    /// Send again until the peer answers.
    pub(crate) until_answered: bool,
    pub(crate) compute: Option<dh::Job>,
    /// From now on.
    pub(crate) path: Option<Path>,
    pub(crate) responder: Option<Cookie>,
    /// Once who the peer is, is known.
    pub(crate) place: Option<Place>,
    /// The peer says that it has no other SAs with us.
    pub(crate) initial_contact: bool,
}

/// The profile and the inside VRF of a session.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) profile: Option<String>,
    pub(crate) inside: VrfId,
}

impl Step {
    pub(crate) const fn to(state: State) -> Self {
        Self {
            state,
            send: None,
            until_answered: false,
            compute: None,
            path: None,
            responder: None,
            place: None,
            initial_contact: false,
        }
    }

    pub(crate) fn sending(self, bytes: Vec<u8>) -> Self {
        Self { send: Some(bytes), ..self }
    }

    pub(crate) fn asking(self, bytes: Vec<u8>) -> Self {
        Self { until_answered: true, ..self.sending(bytes) }
    }
}

/// A message of main mode came. An error leaves everything as it was.
pub(crate) fn receive(session: &Session, core: &mut Core, message: &Message<'_>) -> Result<Step, Refusal> {
    match &session.state {
        State::ExpectSa(state) => initiator::receive_sa(session, core, state, message),
        State::ExpectPeerKey(state) => initiator::receive_key(session, state, message),
        State::ExpectProof(state) => initiator::receive_proof(session, core, state, message),
        State::ExpectKey(state) => responder::receive_key(session, core, state, message),
        State::ExpectClaim(state) => responder::receive_claim(session, core, state, message),
        State::ExpectKeyPair(_) | State::ExpectSecret(..) | State::ExpectAgreement(_) => {
            Err(Refusal::ignored("message-while-computing"))
        }
        State::Established(_) => Err(Refusal::ignored("main-mode-message-after-its-end")),
    }
}

/// A Diffie-Hellman computation is done.
pub(crate) fn computed(
    session: &Session,
    core: &mut Core,
    outcome: Result<Outcome, Failed>,
) -> Result<Step, Refusal> {
    let Outcome::Exchanged(outcome) = outcome.map_err(|_| Refusal::ignored("bad-public-value").fatal())?;
    match (&session.state, outcome) {
        (State::ExpectKeyPair(agreed), dh::Outcome::Generated { private, public }) => {
            Ok(initiator::send_key(session, core, agreed, private, public))
        }
        (State::ExpectSecret(agreed, values), dh::Outcome::Finished { shared }) => {
            initiator::send_claim(session, core, agreed, values, &shared)
        }
        (State::ExpectAgreement(state), dh::Outcome::Agreed { public, shared }) => {
            Ok(responder::send_key(session, core, state, public, &shared))
        }
        _ => Err(Refusal::ignored("answer-out-of-place")),
    }
}

impl Agreed {
    /// Message 3 or 4.
    fn key_message(&self, session: &Session, public: &[u8], nonce: &[u8]) -> Vec<u8> {
        let mut chain = Builder::default();
        chain.push(payload::KEY_EXCHANGE, public).push(payload::NONCE, nonce);
        if let Some(dialect) = self.dialect {
            natt::describe(&mut chain, dialect, self.chosen.proposal.hash, session.cookies, &session.path);
        }
        session.clear_message(exchange::MAIN, &chain)
    }

    /// What the peer's message 3 or 4 says of NATs between us.
    fn detect_nat(&self, session: &Session, chain: &Chain<'_>) -> Nat {
        self.dialect.map_or_else(Nat::default, |dialect| {
            natt::detect(chain, dialect, self.chosen.proposal.hash, session.cookies, &session.path)
        })
    }
}

impl Values {
    pub(crate) fn secure(self, session: &Session, agreed: &Agreed, shared: &base::Secret) -> Secured {
        let proposal = &agreed.chosen.proposal;
        let skeyid =
            crate::auth::psk::skeyid(proposal.hash, &agreed.key.secret, &self.nonce_i, &self.nonce_r);
        let keys = Keys::derive(proposal, skeyid, shared, session.cookies);
        let iv = keys.main_iv(&self.public_i, &self.public_r);
        Secured { agreed: agreed.clone(), values: self, keys: Arc::new(keys), iv }
    }
}

impl Secured {
    /// The last step: `last_block` is of message 6.
    pub(crate) fn establish(
        &self,
        core: &mut Core,
        identity: Name,
        last_block: Vec<u8>,
        ours: bool,
    ) -> State {
        let proposal = self.agreed.chosen.proposal;
        // Two peers of ours must not renew at the same moment.
        let (low, high) = if ours { (85, 90) } else { (91, 95) };
        State::Established(Established {
            keys: self.keys.clone(),
            last_block,
            proposal,
            shortened: self.agreed.chosen.shortened,
            key: self.agreed.key.clone(),
            identity,
            nat: self.values.nat,
            dialect: self.agreed.dialect,
            since: core.now,
            expires: core.now + proposal.lifetime,
            rekey_at: Some(core.now + core.jitter(proposal.lifetime, low, high)),
        })
    }
}

/// The body of our ID payload.
fn identify(index: &Index, profile: Option<&str>, path: &Path) -> Vec<u8> {
    let profile = profile.and_then(|name| index.profile(name));
    let identity = profile
        .and_then(|profile| profile.self_identity.as_ref())
        .unwrap_or_else(|| &index.config().identity);
    let name = match identity {
        Identity::Address => Name::Address(path.local.ip()),
        Identity::Fqdn(name) => Name::Fqdn(name.clone()),
        Identity::UserFqdn(name) => Name::UserFqdn(name.clone()),
        Identity::Exactly(address) => Name::Address(*address),
        Identity::KeyId(id) => Name::KeyId(id.clone()),
        // Without a certificate there is no subject.
        Identity::Dn => Name::Address(path.local.ip()),
    };
    Id::any_port(name).encode()
}

/// The payloads of a message that must not be encrypted yet.
fn in_clear<'a>(message: &Message<'a>) -> Result<Chain<'a>, Refusal> {
    if message.header.is_encrypted() {
        return Err(Refusal::ignored("encrypted-too-early"));
    }
    Ok(Chain::decode(message.header.next, message.body)?)
}
