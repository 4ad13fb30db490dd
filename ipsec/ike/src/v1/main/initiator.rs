//! The initiator's side of main mode: sends messages 1, 3 and 5.

use base::Secret;
use crypto::dh::Job;

use super::{Agreed, Secured, State, Step, Values, identify, in_clear, offer};
use crate::auth::psk;
use crate::core::Core;
use crate::error::Refusal;
use crate::natt::{self, Dialect};
use crate::notice::Blame;
use crate::policy::Key;
use crate::v1::informational;
use crate::v1::session::{Message, Session};
use crate::wire::header::{Cookie, exchange};
use crate::wire::id::{Id, Name};
use crate::wire::payload::{self, Builder, Chain};
use crate::wire::sa::Sa;
use crate::wire::{ke, nonce};

/// Message 1 is out.
pub(crate) struct Offered {
    pub(crate) sa_i: Vec<u8>,
    pub(crate) key: Key,
}

/// Message 3 is out.
pub(crate) struct Committed {
    agreed: Agreed,
    private: Secret,
    public: Vec<u8>,
    nonce: Vec<u8>,
}

/// What message 1 offers: `None` if no proposal of ours runs on pre-shared keys.
pub(crate) fn open(core: &Core, key: Key) -> Option<Offered> {
    offer::offer(&core.config.proposals).map(|sa| Offered { sa_i: sa.encode(), key })
}

/// Message 1.
pub(crate) fn first_message(session: &Session, offered: &Offered) -> Vec<u8> {
    let mut chain = Builder::default();
    chain.push(payload::SA, &offered.sa_i);
    natt::announce(&mut chain, None);
    session.clear_message(exchange::MAIN, &chain)
}

/// Message 2: asks for a key pair.
pub(crate) fn receive_sa(
    session: &Session,
    core: &mut Core,
    state: &Offered,
    message: &Message<'_>,
) -> Result<Step, Refusal> {
    let chain = in_clear(message)?;
    // Our own message 1, sent back to us, has none either.
    if message.header.responder == Cookie::default() {
        return Err(Refusal::ignored("no-responder-cookie"));
    }
    let answer = Sa::decode(chain.first(payload::SA)?)?;
    let chosen = offer::accepted(&core.config.proposals, &answer)?;
    let group = chosen.proposal.group;
    core.debug(Some(session.id), &session.path, || {
        format!("atts are acceptable: priority {} policy", chosen.proposal.priority)
    });
    let agreed = Agreed {
        chosen,
        sa_i: state.sa_i.clone(),
        key: state.key.clone(),
        dialect: Dialect::announced(&chain),
    };
    let compute = Some(Job::Generate { group, seed: core.drbg.bytes() });
    let responder = Some(message.header.responder);
    Ok(Step { compute, responder, ..Step::to(State::ExpectKeyPair(agreed)) })
}

/// Message 3.
pub(crate) fn send_key(
    session: &Session,
    core: &mut Core,
    agreed: &Agreed,
    private: Secret,
    public: Vec<u8>,
) -> Step {
    let nonce = core.nonce();
    let message = agreed.key_message(session, &public, &nonce);
    let state = Committed { agreed: agreed.clone(), private, public, nonce };
    Step::to(State::ExpectPeerKey(state)).asking(message)
}

/// Message 4: asks for the shared secret.
pub(crate) fn receive_key(
    session: &Session,
    state: &Committed,
    message: &Message<'_>,
) -> Result<Step, Refusal> {
    let chain = in_clear(message)?;
    let public_r = ke::decode(chain.first(payload::KEY_EXCHANGE)?)?;
    let nonce_r = nonce::decode(chain.first(payload::NONCE)?)?;
    let Committed { agreed, private, public, nonce } = state;
    let values = Values {
        public_i: public.clone(),
        public_r: public_r.clone(),
        nonce_i: nonce.clone(),
        nonce_r,
        nat: agreed.detect_nat(session, &chain),
    };
    let group = agreed.chosen.proposal.group;
    let compute = Some(Job::Finish { group, private: private.clone(), peer: public_r });
    Ok(Step { compute, ..Step::to(State::ExpectSecret(agreed.clone(), values)) })
}

/// Message 5, on the NAT port if a NAT was found.
pub(crate) fn send_claim(
    session: &Session,
    core: &mut Core,
    agreed: &Agreed,
    values: &Values,
    shared: &Secret,
) -> Result<Step, Refusal> {
    let mut secured = values.clone().secure(session, agreed, shared);
    let path = if values.nat.any() { natt::float(&session.path) } else { session.path };
    let id = identify(&core.index, session.place.profile.as_deref(), &path);
    let claim = psk::Claim {
        own_public: &values.public_i,
        peer_public: &values.public_r,
        own_cookie: session.cookies.0,
        peer_cookie: session.cookies.1,
        sa_i: &agreed.sa_i,
        id: &id,
    };
    let proof = psk::proof(secured.keys.hash, &secured.keys.skeyid, &claim);
    let mut chain = Builder::default();
    chain.push(payload::ID, &id).push(payload::HASH, proof.expose());
    if session.first_contact {
        let notify = informational::initial_contact(session.cookies);
        chain.push(payload::NOTIFY, &notify.encode());
    }
    let (sealed, iv) = secured.keys.seal(&secured.iv, chain.bytes())?;
    secured.iv = iv;
    let message = session.sealed_message(exchange::MAIN, 0, chain.first(), &sealed);
    Ok(Step { path: Some(path), ..Step::to(State::ExpectProof(secured)).asking(message) })
}

/// Message 6: the peer must prove an identity that the profile admits.
pub(crate) fn receive_proof(
    session: &Session,
    core: &mut Core,
    state: &Secured,
    message: &Message<'_>,
) -> Result<Step, Refusal> {
    let (clear, last_block) = message.open(&state.keys, &state.iv)?;
    let chain = Chain::decode(message.header.next, &clear).map_err(|_| mismatch())?;
    let id_body = chain.first(payload::ID).map_err(|_| mismatch())?;
    let claim = psk::Claim {
        own_public: &state.values.public_r,
        peer_public: &state.values.public_i,
        own_cookie: session.cookies.1,
        peer_cookie: session.cookies.0,
        sa_i: &state.agreed.sa_i,
        id: id_body,
    };
    let proof = psk::proof(state.keys.hash, &state.keys.skeyid, &claim);
    if !crypto::equal(proof.expose(), chain.first(payload::HASH)?) {
        return Err(mismatch());
    }
    let name = Id::decode(id_body).map_err(|malformed| Refusal::from(malformed).fatal())?.name;
    expect_identity(session, core, &name)?;
    Ok(Step::to(state.establish(core, name, last_block, true)))
}

fn expect_identity(session: &Session, core: &Core, name: &Name) -> Result<(), Refusal> {
    let Some(wanted) = &session.place.profile else { return Ok(()) };
    if core.index.admits(wanted, session.path.front, name) {
        return Ok(());
    }
    let detail = format!("the peer calls itself {name}, which isakmp profile {wanted} does not match");
    Err(Refusal::because(Blame::Refused, "no-profile-matches", detail).fatal())
}

fn mismatch() -> Refusal {
    let detail = "the answer to our identity is not made with our key: the pre-shared keys may differ";
    Refusal::because(Blame::PeerIncompatible, "pre-shared-key-mismatch", detail.into())
}
