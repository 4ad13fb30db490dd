//! The initiator's side of aggressive mode: sends messages 1 and 3.

use base::Secret;
use crypto::dh::{Group, Job};

use super::State;
use crate::core::Core;
use crate::error::Refusal;
use crate::natt::{self, Dialect};
use crate::v1::phase1::{self, Accepted, Agreed, Auth, Mode, Proved, Secured, Step, Values};
use crate::v1::prove::{self, Before, Proof};
use crate::v1::session::{Message, Session};
use crate::v1::trust::Means;
use crate::v1::{informational, offer};
use crate::window::Digest;
use crate::wire::header::{Cookie, exchange};
use crate::wire::payload::{self, Builder, Chain};
use crate::wire::sa::Sa;
use crate::wire::{ke, nonce};
use crate::{Ask, Path};

/// What message 1 will offer.
#[derive(Clone)]
pub(crate) struct Offered {
    pub(crate) sa_i: Vec<u8>,
    pub(crate) means: Means,
    group: Group,
    /// Body of our ID payload.
    pub(crate) id: Vec<u8>,
}

/// Message 1 is out.
#[derive(Clone)]
pub(crate) struct Opened {
    offered: Offered,
    private: Secret,
    public: Vec<u8>,
    nonce: Vec<u8>,
}

/// Message 2 is in, from whoever sent it.
pub(crate) struct Answered {
    opened: Opened,
    agreed: Agreed,
    values: Values,
    /// The payloads of message 2.
    first: u8,
    body: Vec<u8>,
    path: Path,
    digest: Digest,
}

/// What to offer, all of one group, and the question for a key pair. `None`: we have no means for any
/// proposal of ours.
pub(crate) fn open(core: &mut Core, means: Means, id: Vec<u8>) -> Option<(Offered, Ask)> {
    let config = core.config.clone();
    let group = offer::usable(&config.proposals, &means).next()?.group;
    let sa = offer::offer(core, &config.proposals, &means, Mode::Aggressive)?;
    let job = Job::Generate { group, seed: core.drbg.bytes() };
    Some((Offered { sa_i: sa.encode(), means, group, id }, Ask::Compute(job.into())))
}

/// Message 1.
pub(super) fn first_message(
    session: &Session,
    core: &mut Core,
    offered: &Offered,
    private: Secret,
    public: Vec<u8>,
) -> Step {
    let nonce = core.nonce();
    let mut chain = Builder::default();
    chain
        .push(payload::SA, &offered.sa_i)
        .push(payload::KEY_EXCHANGE, &public)
        .push(payload::NONCE, &nonce)
        .push(payload::ID, &offered.id);
    // Many send their certificate only if they are asked for it.
    if !offered.means.signs.is_empty() {
        for request in prove::our_requests(session, core, &Auth::Signature) {
            chain.push(payload::CERTIFICATE_REQUEST, &request);
        }
    }
    phase1::announce(core, &mut chain, None);
    let message = session.clear_message(exchange::AGGRESSIVE, &chain);
    let opened = Opened { offered: offered.clone(), private, public, nonce };
    Step::to(State::ExpectAnswer(opened).into()).repeating(message)
}

/// Message 2: asks for the shared secret. Whoever saw message 1 can send one; nothing is accepted before
/// it is found genuine.
pub(super) fn receive_answer(
    session: &Session,
    core: &mut Core,
    opened: &Opened,
    message: &Message<'_>,
) -> Result<Step, Refusal> {
    let chain = phase1::in_clear(message)?;
    if message.header.responder == Cookie::default() {
        return Err(Refusal::ignored("no-responder-cookie"));
    }
    let Opened { offered, private, public, nonce } = opened;
    let answer = Sa::decode(chain.first(payload::SA)?)?;
    let chosen = offer::accepted(&core.config.proposals, &offered.means, &answer)?;
    if chosen.proposal.group != offered.group {
        return Err(Refusal::ignored("transform-not-offered"));
    }
    offer::tell_chosen(session, core, &chosen);
    let agreed = Agreed {
        mode: Mode::Aggressive,
        auth: offered.means.auth(chosen.proposal.authentication)?,
        chosen,
        sa_i: offered.sa_i.clone(),
        sa_r: Vec::new(),
        dialect: Dialect::announced(&chain),
    };
    let cookies = (session.cookies.0, message.header.responder);
    let public_r = ke::decode(chain.first(payload::KEY_EXCHANGE)?)?;
    let values = Values {
        cookies,
        public_i: public.clone(),
        public_r: public_r.clone(),
        nonce_i: nonce.clone(),
        nonce_r: nonce::decode(chain.first(payload::NONCE)?)?,
        nat: agreed.detect_nat(core, &chain, cookies, &session.path),
        // Our identity is out already: the certificate goes by it, not by what the peer would like.
        requests: Vec::new(),
        said: Some(offered.id.clone()),
    };
    let job = Job::Finish { group: offered.group, private: private.clone(), peer: public_r };
    let answered = Answered {
        opened: opened.clone(),
        agreed,
        values,
        first: message.header.next,
        body: message.body.to_vec(),
        path: message.path,
        digest: message.digest.clone(),
    };
    let step = Step::to(State::ExpectSecret(Box::new(answered)).into());
    Ok(Step { accepted: Accepted::NotYet, ..step.asking(Ask::Compute(job.into())) })
}

/// The keys are there: is message 2 genuine, and from whom?
pub(super) fn judge(
    session: &Session,
    core: &mut Core,
    answered: &Answered,
    shared: &Secret,
) -> Result<Step, Refusal> {
    let Answered { opened, agreed, values, first, body, path, digest } = answered;
    let secured = values.clone().secure(agreed, shared);
    let chain = Chain::decode(*first, body)?;
    let before = Before::Opened(opened.clone());
    let examined = prove::examine(session, core, secured, &chain, (path, digest), before.clone());
    match examined {
        Err(refusal) if !refusal.fatal => Ok(before.restore(session, refusal)),
        examined => examined,
    }
}

/// The responder is who it says: our proof is next, on the NAT port if a NAT was found.
pub(crate) fn accept(
    session: &Session,
    core: &mut Core,
    secured: Secured,
    proved: Proved,
) -> Result<Step, Refusal> {
    let path = if secured.values.nat.any() { natt::float(&session.path) } else { session.path };
    prove::prove(session, core, secured, Some(proved), &path)
}

/// Message 3: phase 1 is complete.
pub(crate) fn confirm(
    session: &Session,
    core: &mut Core,
    secured: Secured,
    proved: Proved,
    proof: &Proof,
) -> Result<Step, Refusal> {
    let cookies = secured.values.cookies;
    let path = if secured.values.nat.any() { natt::float(&session.path) } else { session.path };
    let mut chain = Builder::default();
    proof.push_alone(&mut chain);
    secured.agreed.describe_path(&mut chain, cookies, &path);
    if session.first_contact {
        chain.push(payload::NOTIFY, &informational::initial_contact(cookies).encode());
    }
    let (sealed, last_block) = secured.keys.seal(&secured.iv, chain.bytes())?;
    let message = Session::sealed_with(cookies, exchange::AGGRESSIVE, chain.first(), &sealed);
    let state = secured.establish(core, &proved, last_block, true);
    let step = Step::to(state).with(proved).sending(message);
    Ok(Step { responder: Some(cookies.1), path: Some(path), ..step })
}
