//! The initiator's side of quick mode: sends messages 1 and 3.

use base::{Secret, Spi};
use crypto::dh::Job;

use super::material::{Material, child, travel};
use super::{Quick, State, Step, offer};
use crate::Ask;
use crate::core::{Core, Event, WantId};
use crate::error::Refusal;
use crate::notice::Blame;
use crate::selector;
use crate::v1::session::{Message, Session};
use crate::want::Plan;
use crate::wire::attribute;
use crate::wire::header::exchange;
use crate::wire::notify::{Notify, RESPONDER_LIFETIME};
use crate::wire::payload::{self, Builder, Chain};
use crate::wire::sa::{self, Sa};
use crate::wire::{Reader, ke, nonce};

/// Message 1 is out.
pub(crate) struct Proposed {
    plan: Plan,
    spi: Spi,
    nonce: Vec<u8>,
    private: Option<Secret>,
}

/// Message 2 is in.
pub(crate) struct Answered {
    plan: Plan,
    spi: Spi,
    peer_spi: Spi,
    terms: offer::Terms,
    nonce_i: Vec<u8>,
    nonce_r: Vec<u8>,
    /// Of message 3.
    iv: Vec<u8>,
}

impl Proposed {
    pub(crate) const fn spi(&self) -> Spi {
        self.spi
    }

    pub(crate) const fn want(&self) -> WantId {
        self.plan.want
    }
}

impl Answered {
    pub(crate) const fn spi(&self) -> Spi {
        self.spi
    }

    pub(crate) const fn want(&self) -> WantId {
        self.plan.want
    }
}

/// Our SPI is there: a key pair next, or message 1 at once.
pub(crate) fn propose(
    session: &Session,
    core: &mut Core,
    id: u32,
    plan: &Plan,
    spi: Spi,
) -> Result<Step, Refusal> {
    let Some(group) = plan.entry.pfs else { return send_proposal(session, core, id, plan, spi, None) };
    let ask = Some(Ask::Compute(Job::Generate { group, seed: core.drbg.bytes() }.into()));
    Ok(Step { ask, ..Step::to(State::ExpectKeyPair(plan.clone(), spi)) })
}

/// Message 1.
pub(crate) fn send_proposal(
    session: &Session,
    core: &mut Core,
    id: u32,
    plan: &Plan,
    spi: Spi,
    pair: Option<(Secret, Vec<u8>)>,
) -> Result<Step, Refusal> {
    let phase1 = session.established().ok_or(Refusal::ignored("no-phase-1"))?;
    let nonce = core.nonce();
    let (private, public) = pair.unzip();
    let (ours, theirs) = selector::to_ids(&plan.selector);
    let travel = travel(session, phase1, &plan.entry, &plan.selector);
    let mut content = Builder::default();
    content.push(payload::SA, &offer::offer(&plan.entry, travel, spi).encode()).push(payload::NONCE, &nonce);
    if let Some(public) = &public {
        content.push(payload::KEY_EXCHANGE, public);
    }
    content.push(payload::ID, &ours.encode()).push(payload::ID, &theirs.encode());
    let hash = phase1.keys.authenticate(&[&id.to_be_bytes(), content.bytes()]);
    let iv = phase1.keys.exchange_iv(&phase1.last_block, id);
    let (sealed, iv) = phase1.keys.seal(&iv, &prefixed(hash.expose(), &content))?;
    let message = session.sealed_message(exchange::QUICK, id, payload::HASH, &sealed);
    let state = State::ExpectAnswer(Proposed { plan: plan.clone(), spi, nonce, private });
    Ok(Step { iv: Some(iv), send: Some(message), until_answered: true, ..Step::to(state) })
}

/// Message 2. Once its hash is right, whatever is wrong with it ends the exchange.
pub(crate) fn receive_answer(
    session: &Session,
    core: &mut Core,
    quick: &Quick,
    state: &Proposed,
    message: &Message<'_>,
) -> Result<Step, Refusal> {
    let phase1 = session.established().ok_or(Refusal::ignored("no-phase-1"))?;
    let (clear, iv) = message.open(&phase1.keys, &quick.iv)?;
    let chain = Chain::decode(message.header.next, &clear)?;
    let (hash, content) = chain.hashed()?;
    let id = message.header.message_id;
    let expected = phase1.keys.authenticate(&[&id.to_be_bytes(), &state.nonce, content]);
    if !crypto::equal(expected.expose(), hash) {
        return Err(Refusal::ignored("bad-hash"));
    }
    judge(session, core, state, &chain, iv, id).map_err(Refusal::fatal)
}

fn judge(
    session: &Session,
    core: &mut Core,
    state: &Proposed,
    chain: &Chain<'_>,
    iv: Vec<u8>,
    id: u32,
) -> Result<Step, Refusal> {
    let phase1 = session.established().ok_or(Refusal::ignored("no-phase-1"))?;
    let Proposed { plan, spi, nonce, private } = state;
    let answer = Sa::decode(chain.first(payload::SA)?)?;
    let (mut terms, peer_spi) =
        offer::accepted(&plan.entry, &answer, travel(session, phase1, &plan.entry, &plan.selector))?;
    same_proxies(plan, chain)?;
    undercut(&mut terms, chain);
    let nonce_r = nonce::decode(chain.first(payload::NONCE)?)?;
    let answered =
        Answered { plan: plan.clone(), spi: *spi, peer_spi, terms, nonce_i: nonce.clone(), nonce_r, iv };
    let Some((group, private)) = plan.entry.pfs.zip(private.clone()) else {
        return confirm(session, core, id, &answered, None);
    };
    let peer = ke::decode(chain.first(payload::KEY_EXCHANGE)?)?;
    let ask = Some(Ask::Compute(Job::Finish { group, private, peer }.into()));
    Ok(Step { ask, ..Step::to(State::ExpectSecret(answered)) })
}

/// Message 3: the child is there.
pub(crate) fn confirm(
    session: &Session,
    core: &mut Core,
    id: u32,
    answered: &Answered,
    shared: Option<&Secret>,
) -> Result<Step, Refusal> {
    let phase1 = session.established().ok_or(Refusal::ignored("no-phase-1"))?;
    let Answered { plan, spi, peer_spi, terms, nonce_i, nonce_r, iv } = answered;
    let hash = phase1.keys.authenticate(&[&[0], &id.to_be_bytes(), nonce_i, nonce_r]);
    let (sealed, _) = phase1.keys.seal(iv, &prefixed(hash.expose(), &Builder::default()))?;
    let message = session.sealed_message(exchange::QUICK, id, payload::HASH, &sealed);
    let material = Material { shared, nonce_i, nonce_r };
    let pair = (*spi, *peer_spi);
    let child = child(session, core, &plan.entry, terms, plan.selector, pair, &material, true);
    let event = child.map(|child| Event::ChildReady { child, want: Some(plan.want) });
    Ok(Step { send: Some(message), event, ..Step::to(State::Done) })
}

/// A HASH payload and what it authenticates.
pub(super) fn prefixed(hash: &[u8], content: &Builder) -> Vec<u8> {
    let mut chain = Builder::default();
    chain.push(payload::HASH, hash);
    let mut bytes = chain.bytes().to_vec();
    if let Some(next) = bytes.first_mut() {
        *next = content.first();
    }
    bytes.extend_from_slice(content.bytes());
    bytes
}

/// The responder repeats the proxies; others are not what we asked for.
fn same_proxies(plan: &Plan, chain: &Chain<'_>) -> Result<(), Refusal> {
    let mut proxies = chain.all(payload::ID).map(crate::wire::id::Id::decode);
    let (Some(ours), Some(theirs)) = (proxies.next(), proxies.next()) else { return Ok(()) };
    let answered = selector::from_ids(&ours?, &theirs?)?;
    let (ours, theirs) = selector::to_ids(&plan.selector);
    if answered == selector::from_ids(&ours, &theirs)? {
        return Ok(());
    }
    let detail = format!("we asked for {}, the peer answers {answered}", plan.selector);
    Err(Refusal::because(Blame::PeerMisbehaved, "proxies-changed", detail))
}

/// RESPONDER-LIFETIME: the shorter one governs.
fn undercut(terms: &mut offer::Terms, chain: &Chain<'_>) {
    let notifies = chain.all(payload::NOTIFY).filter_map(|body| Notify::decode(body).ok());
    let lifetimes = notifies
        .filter(|said| said.kind == RESPONDER_LIFETIME && said.protocol == sa::PROTOCOL_ESP)
        .filter_map(|said| attribute::decode_all(Reader::new(&said.data)).ok());
    for attributes in lifetimes {
        let (time, kilobytes) = offer::lifetime(&attributes);
        let theirs = ipsec::Lifetime { time: time.unwrap_or(terms.lifetime.time), kilobytes };
        terms.lifetime = terms.lifetime.shorter(theirs);
    }
}
