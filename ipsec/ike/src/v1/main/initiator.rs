//! The initiator's side of main mode: sends messages 1, 3 and 5.

use base::Secret;
use crypto::dh::Job;

use super::State;
use crate::Ask;
use crate::core::Core;
use crate::error::Refusal;
use crate::natt::{self, Dialect};
use crate::v1::phase1::{self, Agreed, Mode, Proved, Secured, Step, Values};
use crate::v1::prove::{self, Before, Proof};
use crate::v1::session::{Message, Session};
use crate::v1::trust::Means;
use crate::v1::{informational, offer};
use crate::wire::header::{Cookie, exchange};
use crate::wire::payload::{self, Builder, Chain};
use crate::wire::sa::Sa;
use crate::wire::{ke, nonce};

/// Message 1 is out.
pub(crate) struct Offered {
    pub(crate) sa_i: Vec<u8>,
    pub(crate) means: Means,
}

/// Message 3 is out.
pub(crate) struct Committed {
    agreed: Agreed,
    private: Secret,
    public: Vec<u8>,
    nonce: Vec<u8>,
}

/// What message 1 offers: `None` if we have no means for any proposal of ours.
pub(crate) fn open(core: &mut Core, means: Means) -> Option<Offered> {
    let config = core.config.clone();
    offer::offer(core, &config.proposals, &means, Mode::Main).map(|sa| Offered { sa_i: sa.encode(), means })
}

/// Message 1.
pub(crate) fn first_message(session: &Session, core: &Core, offered: &Offered) -> Vec<u8> {
    let mut chain = Builder::default();
    chain.push(payload::SA, &offered.sa_i);
    phase1::announce(core, &mut chain, None);
    session.clear_message(exchange::MAIN, &chain)
}

/// Message 2: asks for a key pair.
pub(super) fn receive_sa(
    session: &Session,
    core: &mut Core,
    state: &Offered,
    message: &Message<'_>,
) -> Result<Step, Refusal> {
    let chain = phase1::in_clear(message)?;
    // Our own message 1, sent back to us, has none either.
    if message.header.responder == Cookie::default() {
        return Err(Refusal::ignored("no-responder-cookie"));
    }
    let answer = Sa::decode(chain.first(payload::SA)?)?;
    let chosen = offer::accepted(&core.config.proposals, &state.means, &answer)?;
    offer::tell_chosen(session, core, &chosen);
    let agreed = Agreed {
        mode: Mode::Main,
        auth: state.means.auth(chosen.proposal.authentication)?,
        chosen,
        sa_i: state.sa_i.clone(),
        sa_r: Vec::new(),
        dialect: Dialect::announced(&chain),
    };
    let job = Job::Generate { group: chosen.proposal.group, seed: core.drbg.bytes() };
    let responder = Some(message.header.responder);
    let step = Step::main(State::ExpectKeyPair(agreed)).asking(Ask::Compute(job.into()));
    Ok(Step { responder, ..step })
}

/// Message 3.
pub(super) fn send_key(
    session: &Session,
    core: &mut Core,
    agreed: &Agreed,
    private: Secret,
    public: Vec<u8>,
) -> Step {
    let nonce = core.nonce();
    let message = agreed.key_message(session, &public, &nonce, &[]);
    let state = Committed { agreed: agreed.clone(), private, public, nonce };
    Step::main(State::ExpectPeerKey(state)).repeating(message)
}

/// Message 4: asks for the shared secret.
pub(super) fn receive_key(
    session: &Session,
    core: &mut Core,
    state: &Committed,
    message: &Message<'_>,
) -> Result<Step, Refusal> {
    let chain = phase1::in_clear(message)?;
    let public_r = ke::decode(chain.first(payload::KEY_EXCHANGE)?)?;
    let nonce_r = nonce::decode(chain.first(payload::NONCE)?)?;
    let Committed { agreed, private, public, nonce } = state;
    let values = Values {
        cookies: session.cookies,
        public_i: public.clone(),
        public_r: public_r.clone(),
        nonce_i: nonce.clone(),
        nonce_r,
        nat: agreed.detect_nat(core, &chain, session.cookies, &session.path),
        requests: phase1::requests(&chain),
        said: None,
    };
    let group = agreed.chosen.proposal.group;
    let job = Job::Finish { group, private: private.clone(), peer: public_r };
    Ok(Step::main(State::ExpectSecret(agreed.clone(), values)).asking(Ask::Compute(job.into())))
}

/// The keys are there: who we are is next, on the NAT port if a NAT was found.
pub(super) fn claim(session: &Session, core: &mut Core, secured: Secured) -> Result<Step, Refusal> {
    let path = if secured.values.nat.any() { natt::float(&session.path) } else { session.path };
    let step = prove::prove(session, core, secured, None, &path)?;
    Ok(Step { path: Some(path), ..step })
}

/// Message 5.
pub(crate) fn send_claim(
    session: &Session,
    core: &Core,
    mut secured: Secured,
    proof: &Proof,
) -> Result<Step, Refusal> {
    let mut chain = Builder::default();
    proof.push(&mut chain);
    for request in prove::our_requests(session, core, &secured.agreed.auth) {
        chain.push(payload::CERTIFICATE_REQUEST, &request);
    }
    if session.first_contact {
        let notify = informational::initial_contact(session.cookies);
        chain.push(payload::NOTIFY, &notify.encode());
    }
    let (sealed, iv) = secured.keys.seal(&secured.iv, chain.bytes())?;
    secured.iv = iv;
    let message = session.sealed_message(exchange::MAIN, 0, chain.first(), &sealed);
    Ok(Step::main(State::ExpectProof(secured)).repeating(message))
}

/// Message 6: the peer must prove an identity that the profile admits.
pub(super) fn receive_proof(
    session: &Session,
    core: &mut Core,
    state: &Secured,
    message: &Message<'_>,
) -> Result<Step, Refusal> {
    let (clear, last_block) = message.open(&state.keys, &state.iv)?;
    let chain = Chain::decode(message.header.next, &clear).map_err(|_| prove::mismatch(session, state))?;
    let secured = Secured { iv: last_block, ..state.clone() };
    let before = Before::Secured(state.clone());
    prove::examine(session, core, secured, &chain, (&message.path, &message.digest), before)
}

/// The peer is who it says.
pub(crate) fn complete(core: &mut Core, secured: &Secured, proved: Proved) -> Step {
    let state = secured.establish(core, &proved, secured.iv.clone(), true);
    Step::to(state).with(proved)
}
