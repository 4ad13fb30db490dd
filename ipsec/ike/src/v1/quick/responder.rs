//! The responder's side of quick mode: sends message 2.

use base::{Prefix, Secret, Spi};
use crypto::dh::{Group, Job};
use ipsec::{Mode, Selector};

use super::initiator::prefixed;
use super::material::{Material, child, travel};
use super::{Quick, State, Step, offer};
use crate::config::Entry;
use crate::core::{Core, Event};
use crate::error::Refusal;
use crate::index::Index;
use crate::notice::Blame;
use crate::record::Fact;
use crate::v1::session::{Message, Session};
use crate::wire::header::exchange;
use crate::wire::id::{Id, Name};
use crate::wire::notify::{NO_PROPOSAL_CHOSEN, Notify, RESPONDER_LIFETIME};
use crate::wire::payload::{self, Builder, Chain};
use crate::wire::sa::{self, Sa};
use crate::wire::{ke, nonce};
use crate::{Ask, ChildId, policy, selector};

/// Message 1 is in, and acceptable.
#[derive(Clone)]
pub(crate) struct Offer {
    entry: Entry,
    selector: Selector,
    terms: offer::Terms,
    /// Of message 2, but for the SPI.
    answer: Sa,
    peer_spi: Spi,
    nonce_i: Vec<u8>,
    pfs: Option<(Group, Vec<u8>)>,
    /// The bodies of the ID payloads, as they came.
    ids: Vec<Vec<u8>>,
    /// Of message 2.
    iv: Vec<u8>,
}

/// Message 1: which entry and which transform it is for. A refusal that tells the peer something comes
/// only after its hash was found right.
pub(crate) fn receive_offer(
    session: &Session,
    core: &mut Core,
    message: &Message<'_>,
) -> Result<Step, Refusal> {
    let phase1 = session.established().ok_or(Refusal::ignored("no-phase-1"))?;
    let id = message.header.message_id;
    let iv = phase1.keys.exchange_iv(&phase1.last_block, id);
    let (clear, iv) = message.open(&phase1.keys, &iv)?;
    let chain = Chain::decode(message.header.next, &clear)?;
    let (hash, content) = chain.hashed()?;
    let expected = phase1.keys.authenticate(&[&id.to_be_bytes(), content]);
    if !crypto::equal(expected.expose(), hash) {
        return Err(Refusal::ignored("bad-hash"));
    }
    let offer = judge(session, core, &chain, iv)?;
    let ask = Some(Ask::Spi { random: core.drbg.u32() });
    Ok(Step { ask, ..Step::to(State::ExpectInboundSpi(offer)) })
}

/// Our SPI is there: a key agreement next, or message 2 at once.
pub(crate) fn reserved(
    session: &Session,
    core: &mut Core,
    id: u32,
    offer: &Offer,
    spi: Spi,
) -> Result<Step, Refusal> {
    let Some((group, peer)) = offer.pfs.clone() else { return answer(session, core, id, offer, spi, None) };
    let ask = Some(Ask::Compute(Job::Agree { group, seed: core.drbg.bytes(), peer }.into()));
    Ok(Step { ask, ..Step::to(State::ExpectAgreement(offer.clone(), spi)) })
}

/// Message 2: from now on we can receive.
pub(crate) fn answer(
    session: &Session,
    core: &mut Core,
    id: u32,
    offer: &Offer,
    spi: Spi,
    agreed: Option<(Vec<u8>, Secret)>,
) -> Result<Step, Refusal> {
    let phase1 = session.established().ok_or(Refusal::ignored("no-phase-1"))?;
    let nonce_r = core.nonce();
    let (public, shared) = agreed.unzip();
    let content = content(offer, spi, &nonce_r, public.as_deref());
    let hash = phase1.keys.authenticate(&[&id.to_be_bytes(), &offer.nonce_i, content.bytes()]);
    let (sealed, iv) = phase1.keys.seal(&offer.iv, &prefixed(hash.expose(), &content))?;
    let message = session.sealed_message(exchange::QUICK, id, payload::HASH, &sealed);
    let material = Material { shared: shared.as_ref(), nonce_i: &offer.nonce_i, nonce_r: &nonce_r };
    let pair = (spi, offer.peer_spi);
    let child = child(session, core, &offer.entry, &offer.terms, offer.selector, pair, &material, false)
        .ok_or(Refusal::ignored("no-phase-1"))?;
    let hash = phase1.keys.authenticate(&[&[0], &id.to_be_bytes(), &offer.nonce_i, &nonce_r]);
    let state = State::ExpectConfirmation { child: child.id, hash };
    let event = Some(Event::ChildReady { child, want: None });
    Ok(Step { iv: Some(iv), send: Some(message), until_answered: true, event, ..Step::to(state) })
}

/// Message 3: the initiator is ready to receive.
pub(crate) fn receive_confirmation(
    session: &Session,
    quick: &Quick,
    child: ChildId,
    expected: &Secret,
    message: &Message<'_>,
) -> Result<Step, Refusal> {
    let phase1 = session.established().ok_or(Refusal::ignored("no-phase-1"))?;
    let (clear, _) = message.open(&phase1.keys, &quick.iv)?;
    let chain = Chain::decode(message.header.next, &clear)?;
    if !crypto::equal(expected.expose(), chain.hashed()?.0) {
        return Err(Refusal::ignored("bad-hash"));
    }
    Ok(Step { event: Some(Event::ChildConfirmed(child)), ..Step::to(State::Done) })
}

fn judge(session: &Session, core: &mut Core, chain: &Chain<'_>, iv: Vec<u8>) -> Result<Offer, Refusal> {
    let phase1 = session.established().ok_or(Refusal::ignored("no-phase-1"))?;
    let offered = Sa::decode(chain.first(payload::SA)?)?;
    let nonce_i = nonce::decode(chain.first(payload::NONCE)?)?;
    let selector = proxies(session, chain)?;
    let index = core.index.clone();
    let (selector, entry) = admit(session, core, &index, selector, offer::asks_transport(&offered))?;
    let mut trace = Vec::new();
    let chosen = offer::choose(entry, &offered, travel(session, phase1, entry, &selector), &mut trace);
    for line in trace {
        core.debug(Some(session.id), &session.path, || line.to_string());
        let mismatch = line.mismatch.map(Into::into);
        core.tell(Fact::Offered { number: line.number, offer: line.offer.into(), mismatch });
    }
    let (terms, peer_spi, answer) = chosen?;
    let pfs = key_exchange(terms.group, chain)?;
    let ids = chain.all(payload::ID).take(2).map(<[u8]>::to_vec).collect();
    Ok(Offer { entry: entry.clone(), selector, terms, answer, peer_spi, nonce_i, pfs, ids, iv })
}

/// The entry that a child with this selector is for. In transport mode behind a NAT the proxies are what each
/// side takes itself for; what counts is what its packets carry here (RFC 3947 section 5.2).
fn admit<'a>(
    session: &Session,
    core: &mut Core,
    index: &'a Index,
    selector: Selector,
    transport: bool,
) -> Result<(Selector, &'a Entry), Refusal> {
    if transport && session.nat().any() && selector.local.is_host() && selector.remote.is_host() {
        let (local, remote) = (session.path.local.ip(), session.path.remote.ip());
        let seen = Selector { local: Prefix::host(local), remote: Prefix::host(remote), ..selector };
        let entry = policy::entry_for(index, session.asker(), &seen);
        if let Some(entry) = entry.ok().filter(|entry| entry.mode == Mode::Transport) {
            return Ok((seen, entry));
        }
    }
    policy::tell_entries(index, core, session.asker(), &selector);
    policy::entry_for(index, session.asker(), &selector).map(|entry| (selector, entry))
}

/// The initiator's proxy is our remote side. Without proxies the peers' addresses are meant.
fn proxies(session: &Session, chain: &Chain<'_>) -> Result<Selector, Refusal> {
    let mut ids = chain.all(payload::ID).map(Id::decode);
    let (remote, local) = match (ids.next(), ids.next()) {
        (Some(remote), Some(local)) => (remote?, local?),
        (Some(_), None) => return Err(Refusal::ignored("one-proxy-alone")),
        (None, _) => {
            let host = |address| Id::any_port(Name::Address(address));
            (host(session.path.remote.ip()), host(session.path.local.ip()))
        }
    };
    selector::from_ids(&local, &remote)
}

/// A group in the proposal and a KE payload come together or not at all.
fn key_exchange(group: Option<Group>, chain: &Chain<'_>) -> Result<Option<(Group, Vec<u8>)>, Refusal> {
    let public = chain.all(payload::KEY_EXCHANGE).next();
    match (group, public) {
        (None, None) => Ok(None),
        (Some(group), Some(public)) => Ok(Some((group, ke::decode(public)?))),
        (Some(_), None) | (None, Some(_)) => {
            let detail = "group attribute and KE payload do not come together".to_owned();
            Err(Refusal::because(Blame::PeerMisbehaved, "pfs-incomplete", detail).telling(NO_PROPOSAL_CHOSEN))
        }
    }
}

/// Message 2 without its hash.
fn content(offer: &Offer, spi: Spi, nonce: &[u8], public: Option<&[u8]>) -> Builder {
    let mut answer = offer.answer.clone();
    for proposal in &mut answer.proposals {
        proposal.spi = spi.0.to_be_bytes().to_vec();
    }
    let mut content = Builder::default();
    content.push(payload::SA, &answer.encode()).push(payload::NONCE, nonce);
    if let Some(public) = public {
        content.push(payload::KEY_EXCHANGE, public);
    }
    for id in &offer.ids {
        content.push(payload::ID, id);
    }
    if offer.terms.shortened {
        content.push(payload::NOTIFY, &lifetime_notify(offer, spi).encode());
    }
    content
}

fn lifetime_notify(offer: &Offer, spi: Spi) -> Notify {
    let mut data = Vec::new();
    for attribute in offer::lifetime_attributes(offer.terms.lifetime) {
        attribute.encode(&mut data);
    }
    let spi = spi.0.to_be_bytes().to_vec();
    Notify { protocol: sa::PROTOCOL_ESP, spi, kind: RESPONDER_LIFETIME, data }
}
