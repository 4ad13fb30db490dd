//! The responder's side of IKE_SA_INIT. Nothing is kept of a peer that has not shown a cookie when it has to.

use base::Secret;
use crypto::dh::Job;

use super::{profiles, push, push_common, push_hashes, respond_without_state, secure};
use crate::Ask;
use crate::config::Config;
use crate::core::{Asker, Core};
use crate::error::Refusal;
use crate::natt::Nat;
use crate::notice::Blame;
use crate::policy::Place;
use crate::record::{Fact, Story};
use crate::session::Message;
use crate::v2::keys::{Inputs, Keys};
use crate::v2::proposal::{self, Choice, Suite};
use crate::v2::session::{Session, Waiting};
use crate::v2::state::{Capabilities, Opening, Secured, State, Step};
use crate::v2::wire::header::{Header, exchange, name};
use crate::v2::wire::ke::{self, KeyExchange};
use crate::v2::wire::notify;
use crate::v2::wire::payload::{self, Builder, Chain};
use crate::v2::wire::sa::Sa;
use crate::v2::{auth, cookie, mobike, ppk, redirect};

/// The request, and what we agree to.
pub(crate) struct Received {
    suite: Suite,
    choice: Choice,
    nonce_i: Vec<u8>,
    message_i: Vec<u8>,
    peer: Capabilities,
    nat: Nat,
}

/// A request: a session that waits for our public value; `None` if it was answered without one.
pub(crate) fn open(
    core: &mut Core,
    message: &Message<'_>,
    half_open: usize,
    sessions: usize,
    story: &mut Story,
) -> Result<Option<Box<Session>>, Refusal> {
    let header = &message.header;
    if header.exchange != exchange::SA_INIT || header.is_response() || !header.is_of_initiator() {
        return Err(Refusal::ignored("unknown-spis"));
    }
    if header.message_id != 0 {
        return Err(Refusal::ignored("message-id-in-ike-sa-init"));
    }
    let chain = Chain::decode(header.next, message.body)?;
    let nonce_i = ke::decode_nonce(chain.first(payload::NONCE)?)?;
    if !cookie::admits(core, message, &chain, &nonce_i, half_open) {
        let cookie = cookie::of(core, message, &nonce_i);
        respond_without_state(core, message, notify::COOKIE, cookie);
        return Ok(None);
    }
    if let Some(data) = redirect::instead(&core.config, &chain, sessions, &nonce_i) {
        respond_without_state(core, message, notify::REDIRECT, data);
        return Ok(None);
    }
    has_room(&core.config, half_open, sessions)?;
    story.tell(core.now, Fact::Received { message: name(exchange::SA_INIT, false) });
    match judge(core, message, &chain, nonce_i, story) {
        Ok(session) => Ok(session),
        Err(refusal) => {
            if let Some(kind) = refusal.notify {
                let data =
                    if kind == notify::UNSUPPORTED_CRITICAL_PAYLOAD { chain.unsupported() } else { None };
                respond_without_state(core, message, kind, data.into_iter().collect());
                story.tell(core.now, Fact::Notified { ours: true, name: notify::name(kind) });
            }
            Err(refusal)
        }
    }
}

fn has_room(config: &Config, half_open: usize, sessions: usize) -> Result<(), Refusal> {
    let is_full = |most: Option<u32>, have: usize| most.is_some_and(|most| have >= most as usize);
    if is_full(config.v2.most_negotiating, half_open) {
        return Err(Refusal { blame: Blame::Refused, ..Refusal::ignored("too-many-in-negotiation") });
    }
    if is_full(config.v2.most_sessions, sessions) {
        return Err(Refusal { blame: Blame::Refused, ..Refusal::ignored("too-many-sessions") });
    }
    Ok(())
}

fn judge(
    core: &mut Core,
    message: &Message<'_>,
    chain: &Chain<'_>,
    nonce_i: Vec<u8>,
    story: &mut Story,
) -> Result<Option<Box<Session>>, Refusal> {
    if let Some(kind) = chain.unsupported() {
        let detail = format!("IKE_SA_INIT has a critical payload of the unknown type {kind}");
        let refusal = Refusal::because(Blame::PeerIncompatible, "unsupported-critical-payload", detail);
        return Err(refusal.telling(notify::UNSUPPORTED_CRITICAL_PAYLOAD));
    }
    let (config, path) = (core.config.clone(), message.path);
    if profiles(&config, &path).next().is_none() {
        return Err(no_profile(message));
    }
    let ours = proposal::proposals_for(&config.v2, path.front, path.local.ip());
    let offered = Sa::decode(chain.first(payload::SA)?)?;
    let theirs = KeyExchange::decode(chain.first(payload::KEY_EXCHANGE)?)?;
    let mut facts = Vec::new();
    let choice = proposal::choose(&offered, &proposal::ike_offer(&ours, &[]), false, &mut facts);
    facts.into_iter().for_each(|fact| story.tell(core.now, fact));
    let choice = choice?;
    let suite = Suite::of(&choice).ok_or_else(no_suite)?;
    if theirs.method != suite.group.number() {
        let group = suite.group.number().to_be_bytes().to_vec();
        respond_without_state(core, message, notify::INVALID_KE_PAYLOAD, group);
        return Ok(None);
    }
    let peer = Capabilities::of(chain, &config);
    if !suite.additional.is_empty() && !peer.intermediate {
        return Err(no_suite());
    }
    let nat = mobike::detect(&chain.notifies()?, (message.header.initiator, [0; 8]), &path);
    story.tell(core.now, Fact::Nat { local: nat.local, remote: nat.remote });
    let group = suite.group;
    let received = Received { suite, choice, nonce_i, message_i: message.bytes.to_vec(), peer, nat };
    let session = begin(core, message, received);
    let job = Job::Agree { group, seed: core.drbg.bytes(), peer: theirs.public };
    core.ask(Asker::V2(session.id, Waiting::Opening), Ask::Compute(job.into()));
    Ok(Some(session))
}

fn begin(core: &mut Core, message: &Message<'_>, received: Received) -> Box<Session> {
    let spis = (message.header.initiator, core.drbg.bytes());
    let place = Place { profile: None, inside: message.path.front };
    let opening = Opening::new(Step::ExpectAgreement(received));
    let state = State::Opening(Box::new(opening));
    let mut session = Session::new(core, message.path, spis, false, place, state);
    session.window.accept(message);
    Box::new(session)
}

/// The shared secret is there: the response goes out.
pub(crate) fn agreed(
    session: &mut Session,
    core: &mut Core,
    received: Received,
    public: &[u8],
    shared: &Secret,
) -> Step {
    let nonce_r = core.nonce();
    let chain = payloads(session, core, &received, public, &nonce_r);
    let header = Header::v2(session.cookies, exchange::SA_INIT, session.flags(true), 0);
    let message = Header { next: chain.first(), ..header }.encode(chain.bytes());
    core.transmit(session.path, message.clone());
    session.window.answer(0, vec![message.clone()], core.now);
    session.tell(core, Fact::Sent { message: name(exchange::SA_INIT, true) });
    let Received { suite, nonce_i, message_i, peer, nat, .. } = received;
    let inputs = Inputs { nonces: (&nonce_i, &nonce_r), spis: session.cookies };
    let keys = Keys::initial(&suite, false, shared, &inputs);
    let secured = Secured {
        suite,
        keys,
        nonces: (nonce_i, nonce_r),
        messages: (message_i, message),
        peer,
        nat,
        rounds: 0,
        int_auth: None,
        authorities: Vec::new(),
    };
    secure(session, secured);
    Step::ExpectRequest
}

fn payloads(session: &Session, core: &Core, received: &Received, public: &[u8], nonce_r: &[u8]) -> Builder {
    let (config, peer, path) = (&core.config, &received.peer, &session.path);
    let mut chain = Builder::default();
    chain
        .push(payload::SA, &received.choice.answer(&[]).encode())
        .push(payload::KEY_EXCHANGE, &ke::encode(received.suite.group.number(), public))
        .push(payload::NONCE, nonce_r);
    push_common(&mut chain, config, session.cookies, path);
    if peer.hashes != 0 {
        push_hashes(&mut chain);
    }
    if peer.intermediate && !received.suite.additional.is_empty() {
        push(&mut chain, notify::INTERMEDIATE_EXCHANGE_SUPPORTED, Vec::new());
    }
    if peer.ppk && ppk::is_known(&core.index, path) {
        push(&mut chain, notify::USE_PPK, Vec::new());
    }
    if profiles(config, path).any(|profile| profile.childless) {
        push(&mut chain, notify::CHILDLESS_IKEV2_SUPPORTED, Vec::new());
    }
    if let Some(request) = auth::certificate::request(config, profiles(config, path)) {
        chain.push(payload::CERTIFICATE_REQUEST, &request);
    }
    chain
}

fn no_suite() -> Refusal {
    let detail = "the peer offers additional key exchanges and does not know IKE_INTERMEDIATE".to_owned();
    Refusal::because(Blame::PeerIncompatible, "no-proposal-chosen", detail)
        .telling(notify::NO_PROPOSAL_CHOSEN)
}

fn no_profile(message: &Message<'_>) -> Refusal {
    let detail = format!(
        "no crypto ikev2 profile serves {} in the front VRF that {} comes from: check `match fvrf` and `match \
         address local`",
        message.path.local.ip(),
        message.path.remote.ip()
    );
    Refusal::because(Blame::Refused, "no-ikev2-profile", detail).telling(notify::NO_PROPOSAL_CHOSEN)
}
