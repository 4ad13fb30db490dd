//! IKE_INTERMEDIATE (RFC 9242) with additional key exchanges (RFC 9370): one in each, in the order that was
//! agreed.
//!
//! ```text
//! initiator                 responder
//! SK {KEi(n)}     ->
//!                       <-  SK {KEr(n)}
//! ```

use base::Secret;
use crypto::dh::{Group, Job};

use super::keys::{Inputs, int_auth};
use super::sealed::{Clear, int_auth_head};
use super::session::{Exchange, Session, Waiting};
use super::state::{Secured, Step};
use super::wire::header::{Header, exchange};
use super::wire::ke::{self, KeyExchange};
use super::wire::notify::INVALID_SYNTAX;
use super::wire::payload::{self, Builder};
use super::{auth, session};
use crate::Ask;
use crate::core::{Asker, Core};
use crate::error::Refusal;
use crate::notice::Blame;

/// As initiator: the next key exchange if there is one, else IKE_AUTH.
pub(crate) fn proceed(session: &mut Session, core: &mut Core) -> Result<Step, Refusal> {
    let next = session.secured().and_then(Secured::next_group);
    let Some(group) = next else { return auth::initiator::begin(session, core) };
    let seed = core.drbg.bytes();
    core.ask(Asker::V2(session.id, Waiting::Opening), Ask::Compute(Job::Generate { group, seed }.into()));
    Ok(Step::RoundPair)
}

/// Our public value goes out.
pub(crate) fn send(
    session: &mut Session,
    core: &mut Core,
    private: Secret,
    public: &[u8],
) -> Result<Step, Refusal> {
    let group = session.secured().and_then(Secured::next_group).ok_or(Refusal::ignored("no-round"))?;
    let chain = key_exchange(group, public);
    let id = session.window.upcoming();
    let header = Header::v2(session.cookies, exchange::INTERMEDIATE, session.flags(false), id);
    cover(session, true, &header, &session::clear_of(&chain));
    session.send_request(core, exchange::INTERMEDIATE, &chain);
    Ok(Step::Round(private))
}

/// The responder's public value is in.
pub(crate) fn receive_response(
    session: &mut Session,
    core: &mut Core,
    private: Secret,
    header: &Header,
    clear: &Clear,
    response: &Exchange<'_>,
) -> Result<Step, Refusal> {
    if let Some(said) = response.chain.error() {
        return Err(auth::refusal::refused(session, &said));
    }
    let (group, peer) = theirs(session, response)?;
    cover(session, false, header, clear);
    let job = Job::Finish { group, private, peer };
    core.ask(Asker::V2(session.id, Waiting::Opening), Ask::Compute(job.into()));
    Ok(Step::RoundShared)
}

/// As responder: the initiator's public value is in.
pub(crate) fn receive_request(
    session: &mut Session,
    core: &mut Core,
    header: &Header,
    clear: &Clear,
    request: &Exchange<'_>,
) -> Result<Step, Refusal> {
    let (group, peer) = theirs(session, request)?;
    cover(session, true, header, clear);
    let job = Job::Agree { group, seed: core.drbg.bytes(), peer };
    core.ask(Asker::V2(session.id, Waiting::Opening), Ask::Compute(job.into()));
    Ok(Step::RoundAgreement(request.message_id))
}

/// As responder: our public value goes out, still under the keys before.
pub(crate) fn answer(
    session: &mut Session,
    core: &mut Core,
    id: u32,
    public: &[u8],
    shared: &Secret,
) -> Result<Step, Refusal> {
    let group = session.secured().and_then(Secured::next_group).ok_or(Refusal::ignored("no-round"))?;
    let chain = key_exchange(group, public);
    let header = Header::v2(session.cookies, exchange::INTERMEDIATE, session.flags(true), id);
    cover(session, false, &header, &session::clear_of(&chain));
    session.send_response(core, exchange::INTERMEDIATE, id, &chain);
    turn(session, shared);
    Ok(Step::ExpectRequest)
}

/// The keys from here on.
pub(crate) fn turn(session: &mut Session, shared: &Secret) {
    let spis = session.cookies;
    if let Some(secured) = session.secured_mut() {
        let inputs = Inputs { nonces: (&secured.nonces.0, &secured.nonces.1), spis };
        secured.keys = secured.keys.further(&secured.suite, shared, &inputs);
        secured.rounds += 1;
    }
}

impl Secured {
    /// Of the key exchange that comes next.
    pub(crate) fn next_group(&self) -> Option<Group> {
        self.suite.additional.get(self.rounds).copied()
    }
}

fn key_exchange(group: Group, public: &[u8]) -> Builder {
    let mut chain = Builder::default();
    chain.push(payload::KEY_EXCHANGE, &ke::encode(group.number(), public));
    chain
}

fn theirs(session: &Session, exchange: &Exchange<'_>) -> Result<(Group, Vec<u8>), Refusal> {
    let group =
        session.secured().and_then(Secured::next_group).ok_or_else(|| bad("no key exchange is left"))?;
    let body = exchange.chain.first(payload::KEY_EXCHANGE).map_err(|_| bad("it has no key exchange"))?;
    let theirs = KeyExchange::decode(body).map_err(|_| bad("its key exchange is malformed"))?;
    if theirs.method == group.number() {
        Ok((group, theirs.public))
    } else {
        Err(bad("its key exchange is not the one whose turn it is"))
    }
}

fn bad(why: &str) -> Refusal {
    let detail = format!("IKE_INTERMEDIATE: {why}");
    Refusal::because(Blame::PeerMisbehaved, "bad-intermediate-exchange", detail).telling(INVALID_SYNTAX)
}

/// The message counts among those that AUTH covers.
fn cover(session: &mut Session, of_initiator: bool, header: &Header, clear: &Clear) {
    let Some(secured) = session.secured_mut() else { return };
    let head = int_auth_head(header, clear);
    let (mut ours, mut theirs) = secured.int_auth.take().unwrap_or_default();
    let before = if of_initiator { &mut ours } else { &mut theirs };
    let key = secured.keys.proof_key(of_initiator);
    *before = int_auth(secured.keys.prf, key, before, &head, &clear.bytes);
    secured.int_auth = Some((ours, theirs));
}
