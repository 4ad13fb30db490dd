//! The responder's side of main mode: sends messages 2, 4 and 6.

use base::Secret;
use crypto::dh::Job;

use super::{Agreed, Place, Secured, State, Step, Values, identify, in_clear, offer};
use crate::Path;
use crate::auth::psk;
use crate::core::Core;
use crate::error::Refusal;
use crate::natt::{self, Dialect, Nat};
use crate::notice::Blame;
use crate::policy;
use crate::v1::session::{Message, Session};
use crate::wire::header::exchange;
use crate::wire::id::{Id, Name};
use crate::wire::notify::{INITIAL_CONTACT, Notify};
use crate::wire::payload::{self, Builder, Chain};
use crate::wire::sa::Sa;
use crate::wire::{ke, nonce};

/// Bytes of an SA payload that are kept for a peer nobody knows yet: far more than any peer offers.
const LONGEST_OFFER: usize = 8192;

/// Message 3 is in.
pub(crate) struct Answering {
    agreed: Agreed,
    public_i: Vec<u8>,
    nonce_i: Vec<u8>,
    nat: Nat,
}

/// Message 1: what we agree to, and the SA payload that says so.
pub(crate) fn open(core: &mut Core, message: &Message<'_>) -> Result<(Agreed, Sa), Refusal> {
    let path = message.path;
    let chain = in_clear(message)?;
    if message.header.message_id != 0 {
        return Err(Refusal::ignored("message-id-in-main-mode"));
    }
    let sa_i = chain.first(payload::SA)?;
    if sa_i.len() > LONGEST_OFFER {
        return Err(Refusal::ignored("offer-too-long"));
    }
    let offered = Sa::decode(sa_i)?;
    let key = policy::key_for_responder(&core.index, path.front, path.remote.ip());
    let key = key.ok_or_else(|| no_key(&path))?;
    let mut trace = Vec::new();
    let chosen = offer::choose(&core.config.proposals, &offered, &mut trace);
    for line in trace {
        core.debug(None, &path, || line);
    }
    let (chosen, answer) = chosen?;
    let dialect = Dialect::announced(&chain);
    Ok((Agreed { chosen, sa_i: sa_i.to_vec(), key, dialect }, answer))
}

/// Message 2.
pub(crate) fn second_message(session: &Session, agreed: &Agreed, answer: &Sa) -> Vec<u8> {
    let mut chain = Builder::default();
    chain.push(payload::SA, &answer.encode());
    if agreed.dialect.is_some() {
        natt::announce(&mut chain, agreed.dialect);
    }
    session.clear_message(exchange::MAIN, &chain)
}

/// Message 3: asks for our key pair and the shared secret.
pub(crate) fn receive_key(
    session: &Session,
    core: &mut Core,
    agreed: &Agreed,
    message: &Message<'_>,
) -> Result<Step, Refusal> {
    let chain = in_clear(message)?;
    let public_i = ke::decode(chain.first(payload::KEY_EXCHANGE)?)?;
    let nonce_i = nonce::decode(chain.first(payload::NONCE)?)?;
    let nat = agreed.detect_nat(session, &chain);
    core.debug(Some(session.id), &session.path, || {
        format!("NAT found: we are behind one {}, the peer is {}", nat.local, nat.remote)
    });
    let group = agreed.chosen.proposal.group;
    let compute = Some(Job::Agree { group, seed: core.drbg.bytes(), peer: public_i.clone() });
    let state = Answering { agreed: agreed.clone(), public_i, nonce_i, nat };
    Ok(Step { compute, ..Step::to(State::ExpectAgreement(state)) })
}

/// Message 4.
pub(crate) fn send_key(
    session: &Session,
    core: &mut Core,
    state: &Answering,
    public_r: Vec<u8>,
    shared: &Secret,
) -> Step {
    let nonce_r = core.nonce();
    let message = state.agreed.key_message(session, &public_r, &nonce_r);
    let (public_i, nonce_i) = (state.public_i.clone(), state.nonce_i.clone());
    let values = Values { public_i, public_r, nonce_i, nonce_r, nat: state.nat };
    let secured = values.secure(session, &state.agreed, shared);
    Step::to(State::ExpectClaim(secured)).sending(message)
}

/// Message 5: the peer proves who it is; that settles profile and inside VRF. Message 6 answers.
pub(crate) fn receive_claim(
    session: &Session,
    core: &mut Core,
    state: &Secured,
    message: &Message<'_>,
) -> Result<Step, Refusal> {
    let (clear, iv) = message.open(&state.keys, &state.iv)?;
    let chain = Chain::decode(message.header.next, &clear).map_err(|_| mismatch(session, state))?;
    let name = authenticate(session, state, &chain)?;
    let index = core.index.clone();
    let front = session.path.front;
    let profile = policy::settle(&index, front, &state.agreed.key.ring, &name)?;
    core.debug(Some(session.id), &message.path, || match profile {
        Some(profile) => format!("peer matches {} profile", profile.name),
        None => "peer matches *none* of the profiles".to_owned(),
    });
    let inside = profile.and_then(|profile| profile.inside).unwrap_or(front);
    let place = Place { profile: profile.map(|profile| profile.name.clone()), inside };
    let (sealed, first, last_block) = answer(session, core, state, &place, &message.path, &iv)?;
    let sent = session.sealed_message(exchange::MAIN, 0, first, &sealed);
    Ok(Step {
        path: Some(message.path),
        place: Some(place),
        initial_contact: says_initial_contact(&chain),
        ..Step::to(state.establish(core, name, last_block, false)).sending(sent)
    })
}

/// The identity, once HASH_I proves that whoever says it holds the key.
fn authenticate(session: &Session, state: &Secured, chain: &Chain<'_>) -> Result<Name, Refusal> {
    let id = chain.first(payload::ID).map_err(|_| mismatch(session, state))?;
    let claim = psk::Claim {
        own_public: &state.values.public_i,
        peer_public: &state.values.public_r,
        own_cookie: session.cookies.0,
        peer_cookie: session.cookies.1,
        sa_i: &state.agreed.sa_i,
        id,
    };
    let proof = psk::proof(state.keys.hash, &state.keys.skeyid, &claim);
    let hash = chain.first(payload::HASH).map_err(|_| mismatch(session, state))?;
    if !crypto::equal(proof.expose(), hash) {
        return Err(mismatch(session, state));
    }
    Ok(Id::decode(id).map_err(|malformed| Refusal::from(malformed).fatal())?.name)
}

/// Message 6: its ciphertext, the type of its first payload, and its last block.
fn answer(
    session: &Session,
    core: &Core,
    state: &Secured,
    place: &Place,
    path: &Path,
    iv: &[u8],
) -> Result<(Vec<u8>, u8, Vec<u8>), Refusal> {
    let id = identify(&core.index, place.profile.as_deref(), path);
    let claim = psk::Claim {
        own_public: &state.values.public_r,
        peer_public: &state.values.public_i,
        own_cookie: session.cookies.1,
        peer_cookie: session.cookies.0,
        sa_i: &state.agreed.sa_i,
        id: &id,
    };
    let proof = psk::proof(state.keys.hash, &state.keys.skeyid, &claim);
    let mut chain = Builder::default();
    chain.push(payload::ID, &id).push(payload::HASH, proof.expose());
    let (sealed, last_block) = state.keys.seal(iv, chain.bytes())?;
    Ok((sealed, chain.first(), last_block))
}

fn says_initial_contact(chain: &Chain<'_>) -> bool {
    let mut notifies = chain.all(payload::NOTIFY).filter_map(|body| Notify::decode(body).ok());
    notifies.any(|notify| notify.kind == INITIAL_CONTACT)
}

fn no_key(path: &Path) -> Refusal {
    let detail = format!(
        "no pre-shared key for {} in a keyring of this front VRF: add `pre-shared-key address {}`",
        path.remote.ip(),
        path.remote.ip()
    );
    Refusal::because(Blame::Refused, "no-pre-shared-key", detail)
        .telling(crate::wire::notify::NO_PROPOSAL_CHOSEN)
}

fn mismatch(session: &Session, state: &Secured) -> Refusal {
    let detail = format!(
        "message 5 is not made with the key for {} in keyring {}: the pre-shared keys differ",
        session.path.remote.ip(),
        state.agreed.key.ring
    );
    Refusal::because(Blame::PeerIncompatible, "pre-shared-key-mismatch", detail)
}
