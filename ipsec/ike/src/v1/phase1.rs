//! Phase 1 of version 1, whichever mode it runs in: what is agreed, exchanged and derived on the way, and
//! what is left of it in the end (RFC 2409 section 5).

use std::sync::Arc;

use base::{Instant, Secret};
use crypto::job::{Failed, Outcome};
use pki::Certificate;

use super::cipher::Keys;
use super::offer::Chosen;
use super::session::{Message, Session};
use super::trust::Key;
use super::{aggressive, main, prove};
use crate::config::Proposal;
use crate::core::Core;
use crate::error::Refusal;
use crate::natt::{self, Dialect, Nat};
use crate::policy::Place;
use crate::record::Fact;
use crate::window::Digest;
use crate::wire::header::{Cookie, exchange};
use crate::wire::id::Name;
use crate::wire::payload::{self, Builder, Chain};
use crate::wire::{cert, vendor};
use crate::{Answer, Ask, Path};

/// Certificate requests that are remembered of a peer.
const MOST_REQUESTS: usize = 32;

/// Where phase 1 stands. Boxed while it is under way: established sessions are many.
pub(crate) enum State {
    Main(Box<main::State>),
    Aggressive(Box<aggressive::State>),
    /// Signatures are made and looked at.
    Proving(Box<prove::State>),
    Established(Established),
}

/// Which exchange phase 1 runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Main,
    Aggressive,
}

/// How both sides prove who they are.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Auth {
    Key(Key),
    Signature,
}

/// After the SA payloads.
#[derive(Clone)]
pub(crate) struct Agreed {
    pub(crate) mode: Mode,
    pub(crate) chosen: Chosen,
    /// Body of the initiator's SA payload.
    pub(crate) sa_i: Vec<u8>,
    /// Body of the responder's, while it is ours to be sent.
    pub(crate) sa_r: Vec<u8>,
    pub(crate) auth: Auth,
    /// `None`: one side does not know NAT traversal.
    pub(crate) dialect: Option<Dialect>,
}

/// What was exchanged next to the SA payloads.
#[derive(Clone)]
pub(crate) struct Values {
    pub(crate) cookies: (Cookie, Cookie),
    pub(crate) public_i: Vec<u8>,
    pub(crate) public_r: Vec<u8>,
    pub(crate) nonce_i: Vec<u8>,
    pub(crate) nonce_r: Vec<u8>,
    pub(crate) nat: Nat,
    /// The CAs whose certificates the peer asks for.
    pub(crate) requests: Vec<Vec<u8>>,
    /// Body of the initiator's ID payload, if it came in clear: in aggressive mode.
    pub(crate) said: Option<Vec<u8>>,
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

/// A peer that proved who it is, and the message that did.
#[derive(Clone)]
pub(crate) struct Proved {
    pub(crate) name: Name,
    pub(crate) place: Place,
    pub(crate) certificate: Option<Arc<Certificate>>,
    /// It has no other SAs with us.
    pub(crate) initial_contact: bool,
    pub(crate) path: Path,
    pub(crate) digest: Digest,
}

/// Phase 1 is complete.
pub(crate) struct Established {
    pub(crate) keys: Arc<Keys>,
    /// The last block of phase 1: seed of every later IV.
    pub(crate) last_block: Vec<u8>,
    pub(crate) proposal: Proposal,
    /// Our lifetime undercuts the offer.
    pub(crate) shortened: bool,
    pub(crate) auth: Auth,
    pub(crate) identity: Name,
    pub(crate) certificate: Option<Arc<Certificate>>,
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
    pub(crate) ask: Option<Ask>,
    /// From now on.
    pub(crate) path: Option<Path>,
    pub(crate) responder: Option<Cookie>,
    /// Once who the peer is, is known.
    pub(crate) place: Option<Place>,
    /// The peer says that it has no other SAs with us.
    pub(crate) initial_contact: bool,
    pub(crate) accepted: Accepted,
    /// Phase 1 goes back to where it was, for this reason.
    pub(crate) refusal: Option<Refusal>,
}

/// Which message of the peer is answered from now on with what is sent, should it come again.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// The one that led to this step.
    This,
    /// None yet: it may still turn out to be forged.
    NotYet,
    /// An earlier one.
    Earlier(Digest),
}

impl Step {
    pub(crate) const fn to(state: State) -> Self {
        Self {
            state,
            send: None,
            until_answered: false,
            ask: None,
            path: None,
            responder: None,
            place: None,
            initial_contact: false,
            accepted: Accepted::This,
            refusal: None,
        }
    }

    pub(crate) fn main(state: main::State) -> Self {
        Self::to(State::Main(Box::new(state)))
    }

    pub(crate) fn sending(self, bytes: Vec<u8>) -> Self {
        Self { send: Some(bytes), ..self }
    }

    pub(crate) fn repeating(self, bytes: Vec<u8>) -> Self {
        Self { until_answered: true, ..self.sending(bytes) }
    }

    pub(crate) fn asking(self, ask: Ask) -> Self {
        Self { ask: Some(ask), ..self }
    }

    /// Whoever `proved` describes is the peer from now on.
    pub(crate) fn with(self, proved: Proved) -> Self {
        Self {
            place: Some(proved.place),
            initial_contact: proved.initial_contact,
            accepted: Accepted::Earlier(proved.digest),
            ..self
        }
    }
}

/// A message of phase 1 came. An error leaves everything as it was.
pub(crate) fn receive(session: &Session, core: &mut Core, message: &Message<'_>) -> Result<Step, Refusal> {
    if message.header.message_id != 0 {
        return Err(Refusal::ignored("message-id-in-phase-1"));
    }
    match (&session.state, message.header.exchange) {
        (State::Main(state), exchange::MAIN) => main::receive(session, core, state, message),
        (State::Aggressive(state), exchange::AGGRESSIVE) => {
            aggressive::receive(session, core, state, message)
        }
        (State::Main(_) | State::Aggressive(_), _) => Err(Refusal::ignored("message-of-another-mode")),
        (State::Proving(_), _) => Err(Refusal::ignored("message-while-computing")),
        (State::Established(_), _) => Err(Refusal::ignored("phase-1-message-after-its-end")),
    }
}

/// What phase 1 asked for is there.
pub(crate) fn answered(session: &Session, core: &mut Core, answer: Answer) -> Result<Step, Refusal> {
    match (&session.state, answer) {
        (State::Main(state), Answer::Computed(outcome)) => {
            main::computed(session, core, state, exchanged(outcome)?)
        }
        (State::Aggressive(state), Answer::Computed(outcome)) => {
            aggressive::computed(session, core, state, exchanged(outcome)?)
        }
        (State::Proving(state), Answer::Computed(outcome)) => prove::computed(session, core, state, outcome),
        (State::Proving(state), Answer::Validated(verdict)) => {
            prove::validated(session, core, state, verdict)
        }
        (State::Main(_) | State::Aggressive(_) | State::Proving(_) | State::Established(_), _) => {
            Err(Refusal::ignored("answer-out-of-place"))
        }
    }
}

fn exchanged(outcome: Result<Outcome, Failed>) -> Result<crypto::dh::Outcome, Refusal> {
    match outcome {
        Ok(Outcome::Exchanged(outcome)) => Ok(outcome),
        Ok(Outcome::Signed(_) | Outcome::Verified) => Err(Refusal::ignored("answer-out-of-place")),
        Err(Failed::BadPublic | Failed::BadSignature | Failed::Unsuitable) => {
            Err(Refusal::ignored("bad-public-value").fatal())
        }
    }
}

impl Auth {
    pub(crate) const fn key(&self) -> Option<&Key> {
        match self {
            Self::Key(key) => Some(key),
            Self::Signature => None,
        }
    }
}

impl Agreed {
    /// Adds what we see of the path.
    pub(crate) fn describe_path(&self, chain: &mut Builder, cookies: (Cookie, Cookie), path: &Path) {
        if let Some(dialect) = self.dialect {
            natt::describe(chain, dialect, self.chosen.proposal.hash, cookies, path);
        }
    }

    /// What the peer says of NATs between us.
    pub(crate) fn detect_nat(
        &self,
        core: &mut Core,
        chain: &Chain<'_>,
        cookies: (Cookie, Cookie),
        path: &Path,
    ) -> Nat {
        let nat = self.dialect.map_or_else(Nat::default, |dialect| {
            natt::detect(chain, dialect, self.chosen.proposal.hash, cookies, path)
        });
        core.tell(Fact::Nat { local: nat.local, remote: nat.remote });
        nat
    }
}

impl Values {
    /// SKEYID and all that follows from it (RFC 2409 section 5).
    pub(crate) fn secure(self, agreed: &Agreed, shared: &Secret) -> Secured {
        let proposal = &agreed.chosen.proposal;
        let (nonce_i, nonce_r) = (&self.nonce_i, &self.nonce_r);
        let skeyid = match &agreed.auth {
            Auth::Key(key) => crate::auth::psk::skeyid(proposal.hash, &key.secret, nonce_i, nonce_r),
            Auth::Signature => {
                proposal.hash.hmac(&[nonce_i.as_slice(), nonce_r].concat(), &[shared.expose()])
            }
        };
        let keys = Keys::derive(proposal, skeyid, shared, self.cookies);
        let iv = keys.main_iv(&self.public_i, &self.public_r);
        Secured { agreed: agreed.clone(), values: self, keys: Arc::new(keys), iv }
    }
}

impl Secured {
    /// HASH_I or HASH_R over one side's identity.
    pub(crate) fn hash(&self, of_initiator: bool, id: &[u8]) -> Secret {
        let Values { cookies: (cookie_i, cookie_r), public_i, public_r, .. } = &self.values;
        let (own_public, peer_public, own_cookie, peer_cookie) = if of_initiator {
            (public_i, public_r, *cookie_i, *cookie_r)
        } else {
            (public_r, public_i, *cookie_r, *cookie_i)
        };
        let sa_i = &self.agreed.sa_i;
        let claim = crate::auth::psk::Claim { own_public, peer_public, own_cookie, peer_cookie, sa_i, id };
        crate::auth::psk::proof(self.keys.hash, &self.keys.skeyid, &claim)
    }

    /// The last step: `last_block` is of the last message.
    pub(crate) fn establish(
        &self,
        core: &mut Core,
        proved: &Proved,
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
            auth: self.agreed.auth.clone(),
            identity: proved.name.clone(),
            certificate: proved.certificate.clone(),
            nat: self.values.nat,
            dialect: self.agreed.dialect,
            since: core.now,
            expires: core.now + proposal.lifetime,
            rekey_at: Some(core.now + core.jitter(proposal.lifetime, low, high)),
        })
    }
}

/// What every first message of ours announces: as initiator all we know, as responder the NAT traversal
/// that was picked.
pub(crate) fn announce(core: &Core, chain: &mut Builder, responding: Option<Option<Dialect>>) {
    match responding {
        None => natt::announce(chain, None),
        Some(Some(dialect)) => natt::announce(chain, Some(dialect)),
        Some(None) => {}
    }
    for id in vendor::ours(core.config.fragmentation) {
        chain.push(payload::VENDOR, &id);
    }
}

/// The CAs that a message asks for certificates of.
pub(crate) fn requests(chain: &Chain<'_>) -> Vec<Vec<u8>> {
    let all = chain.all(payload::CERTIFICATE_REQUEST).filter_map(|body| cert::decode(body).ok().flatten());
    all.take(MOST_REQUESTS).map(<[u8]>::to_vec).collect()
}

/// The payloads of a message that must not be encrypted yet.
pub(crate) fn in_clear<'a>(message: &Message<'a>) -> Result<Chain<'a>, Refusal> {
    if message.header.is_encrypted() {
        return Err(Refusal::ignored("encrypted-too-early"));
    }
    Ok(Chain::decode(message.header.next, message.body)?)
}
