//! The responder's side of aggressive mode: sends message 2. It answers none but peers that it has a key
//! or a trustpoint for.

use base::Secret;
use crypto::dh::Job;

use super::State;
use crate::core::Core;
use crate::error::Refusal;
use crate::natt::{Dialect, Nat};
use crate::notice::Blame;
use crate::policy::Place;
use crate::record::Fact;
use crate::v1::phase1::{self, Agreed, Mode, Proved, Secured, Step, Values};
use crate::v1::prove::{self, Before, Proof};
use crate::v1::session::{Message, Session};
use crate::v1::{offer, trust};
use crate::wire::header::exchange;
use crate::wire::id::Id;
use crate::wire::payload::{self, Builder, Chain};
use crate::wire::{ke, nonce};
use crate::{Ask, Path};

/// Message 1 is in.
pub(crate) struct Opened {
    agreed: Agreed,
    public_i: Vec<u8>,
    nonce_i: Vec<u8>,
    /// Body of the peer's ID payload.
    said: Vec<u8>,
    requests: Vec<Vec<u8>>,
}

/// Message 1: whom it says it is from, what we agree to, and the question for our half of the key.
pub(crate) fn open(core: &mut Core, message: &Message<'_>) -> Result<(Place, Opened, Ask), Refusal> {
    let path = message.path;
    if !core.config.aggressive {
        return Err(disabled(&path));
    }
    let chain = phase1::in_clear(message)?;
    let (sa_i, offered) = offer::read(&chain)?;
    let public_i = ke::decode(chain.first(payload::KEY_EXCHANGE)?)?;
    let nonce_i = nonce::decode(chain.first(payload::NONCE)?)?;
    let said = chain.first(payload::ID)?.to_vec();
    let name = Id::decode(&said)?.name;
    core.tell(Fact::Identity { name: name.to_string().into() });
    let (place, means) = trust::means_for_name(core, &path, &name)?;
    let (chosen, answer) = offer::choose(core, &path, &means, &offered)?;
    let agreed = Agreed {
        mode: Mode::Aggressive,
        auth: means.auth(chosen.proposal.authentication)?,
        chosen,
        sa_i,
        sa_r: answer.encode(),
        dialect: Dialect::announced(&chain),
    };
    let job = Job::Agree { group: chosen.proposal.group, seed: core.drbg.bytes(), peer: public_i.clone() };
    let opened = Opened { agreed, public_i, nonce_i, said, requests: phase1::requests(&chain) };
    Ok((place, opened, Ask::Compute(job.into())))
}

/// The keys are there: our proof is next.
pub(super) fn secure(
    session: &Session,
    core: &mut Core,
    opened: &Opened,
    public_r: Vec<u8>,
    shared: &Secret,
) -> Result<Step, Refusal> {
    let Opened { agreed, public_i, nonce_i, said, requests } = opened;
    let values = Values {
        cookies: session.cookies,
        public_i: public_i.clone(),
        public_r,
        nonce_i: nonce_i.clone(),
        nonce_r: core.nonce(),
        nat: Nat::default(),
        requests: requests.clone(),
        said: Some(said.clone()),
    };
    prove::prove(session, core, values.secure(agreed, shared), None, &session.path)
}

/// Message 2.
pub(crate) fn answer(session: &Session, core: &Core, secured: Secured, proof: &Proof) -> Step {
    let Secured { agreed, values, .. } = &secured;
    let mut chain = Builder::default();
    chain
        .push(payload::SA, &agreed.sa_r)
        .push(payload::KEY_EXCHANGE, &values.public_r)
        .push(payload::NONCE, &values.nonce_r);
    proof.push(&mut chain);
    for request in prove::our_requests(session, core, &agreed.auth) {
        chain.push(payload::CERTIFICATE_REQUEST, &request);
    }
    phase1::announce(core, &mut chain, Some(agreed.dialect));
    agreed.describe_path(&mut chain, session.cookies, &session.path);
    let message = session.clear_message(exchange::AGGRESSIVE, &chain);
    Step::to(State::ExpectConfirmation(secured).into()).repeating(message)
}

/// Message 3, sealed or in clear: the peer proves who it is.
pub(super) fn receive_confirmation(
    session: &Session,
    core: &mut Core,
    state: &Secured,
    message: &Message<'_>,
) -> Result<Step, Refusal> {
    let (clear, iv) = if message.header.is_encrypted() {
        message.open(&state.keys, &state.iv)?
    } else {
        (message.body.to_vec(), state.iv.clone())
    };
    let chain = Chain::decode(message.header.next, &clear).map_err(|_| prove::mismatch(session, state))?;
    let mut secured = Secured { iv, ..state.clone() };
    secured.values.nat = nat(session, core, &secured.agreed, &chain, &message.path);
    let before = Before::Secured(state.clone());
    prove::examine(session, core, secured, &chain, (&message.path, &message.digest), before)
}

/// Phase 1 is complete.
pub(crate) fn complete(core: &mut Core, secured: &Secured, proved: Proved) -> Step {
    let state = secured.establish(core, &proved, secured.iv.clone(), false);
    Step { path: Some(proved.path), ..Step::to(state).with(proved) }
}

/// Some initiators describe the path of message 3, others that of message 1. Who found a NAT comes by the NAT
/// port, and who comes by it has found one; nothing else in this payload is authenticated.
fn nat(session: &Session, core: &mut Core, agreed: &Agreed, chain: &Chain<'_>, path: &Path) -> Nat {
    if !path.marker {
        return Nat::default();
    }
    let here = agreed.detect_nat(core, chain, session.cookies, path);
    let there = agreed.detect_nat(core, chain, session.cookies, &session.path);
    let nat = Nat { local: here.local && there.local, remote: here.remote && there.remote };
    Nat { remote: nat.remote || !nat.local, ..nat }
}

fn disabled(path: &Path) -> Refusal {
    let detail = format!(
        "{} opens in aggressive mode, which `crypto isakmp aggressive-mode disable` forbids: let it use main mode",
        path.remote.ip()
    );
    Refusal::because(Blame::Refused, "aggressive-mode-disabled", detail)
}
