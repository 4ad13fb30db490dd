//! What is said of a child in IKE_AUTH and in CREATE_CHILD_SA alike, and the child that comes of it
//! (RFC 7296 sections 1.3.1 and 2.9).

use base::{PolicyId, Spi};
use ipsec::{Encap, Lifetime, Mode, Replay, Selector};

use super::narrow::{self, Asked};
use super::proposal::{self, Choice, Keying, Terms};
use super::session::Session;
use super::wire::notify::{self, ADDITIONAL_TS_POSSIBLE, NO_PROPOSAL_CHOSEN, Notify, USE_TRANSPORT_MODE};
use super::wire::payload::{self, Builder, Chain};
use super::wire::sa::Sa;
use super::wire::ts;
use crate::config::Entry;
use crate::core::Core;
use crate::error::Refusal;
use crate::notice::Blame;
use crate::record::{Fact, Kind};
use crate::wire::Malformed;
use crate::{Child, Path, policy};

/// What both sides agreed on.
#[derive(Clone)]
pub(crate) struct Agreed {
    pub(crate) policy: PolicyId,
    pub(crate) terms: Terms,
    pub(crate) selector: Selector,
    pub(crate) mode: Mode,
    pub(crate) spi_out: Spi,
    lifetime: Lifetime,
    window: u16,
}

/// What a responder agreed to, and what of it the answer says.
#[derive(Clone)]
pub(crate) struct Judged {
    pub(crate) agreed: Agreed,
    pub(crate) choice: Choice,
    /// The selectors of the answer: in transport mode through a NAT the peer's own addresses.
    answer: Asked,
    /// More children may have the rest of what was asked for.
    more: bool,
}

/// The payloads of the initiator, apart from nonce and key exchange; returns what is offered.
pub(crate) fn ask(
    chain: &mut Builder,
    entry: &Entry,
    selector: &Selector,
    keying: Keying<'_>,
    spi: Spi,
) -> Sa {
    let offer = proposal::esp_offer(entry, keying, Some(spi));
    if entry.mode == Mode::Transport {
        push_notify(chain, USE_TRANSPORT_MODE);
    }
    chain.push(payload::SA, &offer.encode());
    push_selectors(chain, &narrow::request(selector, None), true);
    offer
}

/// The traffic selectors of a message; `ours`: we are the initiator of the exchange.
pub(crate) fn push_selectors(chain: &mut Builder, asked: &Asked, ours: bool) {
    let (initiator, responder) = in_order(asked, ours);
    chain
        .push(payload::TS_INITIATOR, &ts::encode(initiator))
        .push(payload::TS_RESPONDER, &ts::encode(responder));
}

pub(crate) fn push_notify(chain: &mut Builder, kind: u16) {
    chain.push(payload::NOTIFY, &Notify::new(kind, Vec::new()).encode());
}

/// As responder: which entry it is for, what of the selectors it permits, and which transforms.
pub(crate) fn judge(
    session: &mut Session,
    core: &mut Core,
    chain: &Chain<'_>,
    keyless: bool,
    also: &[crypto::dh::Group],
) -> Result<Judged, Refusal> {
    let index = core.index.clone();
    let entries = policy::entries_for(&index, session.asker())
        .map_err(|refusal| refusal.telling(notify::TS_UNACCEPTABLE))?;
    judge_for(session, core, chain, &entries, keyless, also)
}

/// As [`judge`], for one of these entries.
pub(crate) fn judge_for(
    session: &mut Session,
    core: &mut Core,
    chain: &Chain<'_>,
    entries: &[&Entry],
    keyless: bool,
    also: &[crypto::dh::Group],
) -> Result<Judged, Refusal> {
    let offered = Sa::decode(chain.first(payload::SA)?)?;
    let wants_transport = chain.notified(USE_TRANSPORT_MODE);
    let asked = asked(chain, false)?;
    let translated = (wants_transport && session.nat().any())
        .then(|| narrow::translate(&asked, session.path.local.ip(), session.path.remote.ip()));
    let found = narrow::narrow(entries, translated.as_ref().unwrap_or(&asked))?;
    session.tell(core, Fact::chosen(Kind::Entry, &found.entry.sequence.to_string()));
    let keying = if keyless { Keying::Inherited } else { Keying::Any(also) };
    let ours = proposal::esp_offer(found.entry, keying, None);
    let mut facts = Vec::new();
    let choice = proposal::choose(&offered, &ours, keyless, &mut facts);
    if choice.is_err() || session.is_opening() {
        facts.into_iter().for_each(|fact| session.tell(core, fact));
    }
    let choice = choice?;
    let mode = if wants_transport { found.entry.mode } else { Mode::Tunnel };
    let agreed = agreed(found.entry, &choice, found.selector, mode)?;
    let answer = match translated {
        Some(_) => narrow::restore(&asked, &found.selector),
        None => narrow::exactly(&found.selector),
    };
    Ok(Judged { agreed, choice, answer, more: found.more })
}

/// The responder's payloads, apart from nonce and key exchange.
pub(crate) fn answer(chain: &mut Builder, judged: &Judged, spi: Spi) {
    if judged.agreed.mode == Mode::Transport {
        push_notify(chain, USE_TRANSPORT_MODE);
    }
    chain.push(payload::SA, &judged.choice.answer(&spi.0.to_be_bytes()).encode());
    push_selectors(chain, &judged.answer, false);
    if judged.more {
        push_notify(chain, ADDITIONAL_TS_POSSIBLE);
    }
}

/// As initiator: what the peer made of what we asked for.
pub(crate) fn accepted(
    entry: &Entry,
    wanted: &Selector,
    offered: &Sa,
    chain: &Chain<'_>,
) -> Result<Agreed, Refusal> {
    if let Some(said) = chain.error().filter(|_| !chain.has(payload::SA)) {
        return Err(refused(&said));
    }
    let choice = proposal::accepted(&Sa::decode(chain.first(payload::SA)?)?, offered)?;
    let is_transport = entry.mode == Mode::Transport && chain.notified(USE_TRANSPORT_MODE);
    let selector = narrow::accepted(&asked(chain, true)?, wanted)?;
    agreed(entry, &choice, selector, if is_transport { Mode::Transport } else { Mode::Tunnel })
}

/// The child. `keys`: those of packets that the initiator of its exchange sends, and of those it receives.
pub(crate) fn make(
    session: &Session,
    core: &mut Core,
    agreed: &Agreed,
    spi_in: Spi,
    keys: (ipsec::Keys, ipsec::Keys),
    initiator: bool,
) -> Box<Child> {
    let (keys_out, keys_in) = if initiator { keys } else { (keys.1, keys.0) };
    Box::new(Child {
        id: core.child_id(),
        session: session.id,
        policy: agreed.policy,
        front: session.path.front,
        inside: session.place.inside,
        local: session.path.local.ip(),
        remote: session.path.remote.ip(),
        encap: encap(&session.path, session.nat().any()),
        suite: agreed.terms.suite,
        mode: agreed.mode,
        spi_in,
        spi_out: agreed.spi_out,
        keys_in,
        keys_out,
        selector: agreed.selector,
        lifetime: agreed.lifetime,
        replay: Replay { window: agreed.window, esn: agreed.terms.esn },
        initiator,
    })
}

/// In UDP if a NAT is in between.
const fn encap(path: &Path, nat: bool) -> Encap {
    if path.marker && nat {
        Encap::Udp { local: path.local.port(), remote: path.remote.port() }
    } else {
        Encap::Esp
    }
}

fn agreed(entry: &Entry, choice: &Choice, selector: Selector, mode: Mode) -> Result<Agreed, Refusal> {
    let terms =
        Terms::of(choice).ok_or_else(|| Refusal::ignored("bad-transforms").telling(NO_PROPOSAL_CHOSEN))?;
    let spi_out = proposal::spi_of(choice)?;
    let (lifetime, window) = (entry.lifetime, entry.replay.window);
    Ok(Agreed { policy: entry.policy, terms, selector, mode, spi_out, lifetime, window })
}

/// The traffic selectors of a message, as seen from here.
pub(crate) fn asked(chain: &Chain<'_>, ours: bool) -> Result<Asked, Malformed> {
    let initiator = ts::decode(chain.first(payload::TS_INITIATOR)?)?;
    let responder = ts::decode(chain.first(payload::TS_RESPONDER)?)?;
    let (local, remote) = if ours { (initiator, responder) } else { (responder, initiator) };
    Ok(Asked { local, remote })
}

fn in_order(asked: &Asked, ours: bool) -> (&[ts::TrafficSelector], &[ts::TrafficSelector]) {
    if ours { (&asked.local, &asked.remote) } else { (&asked.remote, &asked.local) }
}

/// The peer does not want the child.
pub(crate) fn refused(said: &Notify) -> Refusal {
    let advice = match said.kind {
        NO_PROPOSAL_CHOSEN => "compare transform sets and PFS groups",
        notify::TS_UNACCEPTABLE => "its access lists are not the mirror image of ours",
        notify::NO_ADDITIONAL_SAS => "it takes no more children",
        notify::INTERNAL_ADDRESS_FAILURE | notify::FAILED_CP_REQUIRED => {
            "it wants to hand out an address, which we do not ask for"
        }
        _ => "its log says more",
    };
    let name = notify::name(said.kind);
    let detail = format!("the peer refuses the child: {name}; {advice}");
    Refusal::because(Blame::PeerIncompatible, "child-refused", detail)
}
