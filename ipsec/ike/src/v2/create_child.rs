//! CREATE_CHILD_SA as initiator: a new child, a child or the IKE SA rekeyed (RFC 7296 section 1.3), with
//! further key exchanges in IKE_FOLLOWUP_KE (RFC 9370 section 2.2.4).
//!
//! ```text
//! request                                    response
//! {[N(REKEY_SA)], SA, Ni [, KEi], TSi, TSr} ->
//!                                         <-  {SA, Nr [, KEr], TSi, TSr}
//! ```
//!
//! What differs by aim is in `rekey_child` and `rekey_ike`; what the peer asks for is in `respond`.

use std::collections::VecDeque;

use base::{PolicyId, Secret, Spi};
use crypto::dh::{self, Group};
use crypto::job::{Failed, Outcome};
use ipsec::Selector;

use super::child;
use super::collide::Crossed;
use super::proposal::{self, Keying};
use super::session::{Exchange, Session, Waiting};
use super::task::{Step, Task};
use super::wire::header::exchange;
use super::wire::ke::{self, KeyExchange};
use super::wire::notify::{self, Notify};
use super::wire::payload::{self, Builder, Chain};
use super::wire::sa::Sa;
use super::{rekey_child, rekey_ike};
use crate::config::Entry;
use crate::core::{Asker, Core, WantId};
use crate::error::Refusal;
use crate::notice::Blame;
use crate::want::Plan;
use crate::wire::header::Cookie;
use crate::{Answer, Ask, ChildId, SessionId};

pub(crate) mod respond;

/// Times that a peer may ask for another key exchange method.
const MOST_METHODS: u8 = 3;

pub(crate) struct Initiator {
    pub(super) aim: Aim,
    pub(super) nonce: Vec<u8>,
    pub(super) offer: Sa,
    /// Of the key exchange that runs.
    pub(super) group: Option<Group>,
    private: Option<Secret>,
    stage: Stage,
    /// Methods that the peer did not want.
    refused: u8,
    agreed: Option<Agreed>,
}

pub(super) enum Aim {
    Child(ChildAim),
    Ike(rekey_ike::Aim),
}

/// A child, and whose place it takes.
pub(super) struct ChildAim {
    pub(super) policy: PolicyId,
    pub(super) selector: Selector,
    pub(super) want: Option<WantId>,
    pub(super) replaces: Option<ChildId>,
    pub(super) spi: Option<Spi>,
    /// The peer's rekey of the same child, done while ours was on its way.
    pub(super) crossed: Option<Crossed<ChildId>>,
    /// What the peer deleted meanwhile that we did not know.
    pub(super) gone: Vec<Spi>,
}

/// Each name says what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Spi,
    KeyPair,
    Response,
    Secret,
    FurtherKeyPair,
    FurtherResponse,
    FurtherSecret,
}

/// What the peer answered.
struct Agreed {
    nonce: Vec<u8>,
    outcome: Made,
    shared: Vec<Secret>,
    /// Key exchanges that are still to be done.
    remaining: VecDeque<Group>,
    /// The peer's name for this exchange, to be said in the next request.
    link: Vec<u8>,
}

enum Made {
    Child(child::Agreed),
    Ike { suite: proposal::Suite, spi: Cookie },
}

impl Initiator {
    pub(super) const fn new(aim: Aim) -> Self {
        Self {
            aim,
            nonce: Vec::new(),
            offer: Sa { proposals: Vec::new() },
            group: None,
            private: None,
            stage: Stage::Spi,
            refused: 0,
            agreed: None,
        }
    }

    /// Another IKE SA in place of this one.
    pub(super) const fn ike() -> Self {
        Self::new(Aim::Ike(rekey_ike::Aim::new([0; 8])))
    }

    /// A child that somebody wants.
    pub(crate) fn child(plan: &Plan) -> Self {
        Self::new(Aim::Child(ChildAim {
            policy: plan.entry.policy,
            selector: plan.selector,
            want: Some(plan.want),
            replaces: None,
            spi: None,
            crossed: None,
            gone: Vec::new(),
        }))
    }

    /// Whether the request is out: the peer may be at work for it.
    pub(super) const fn is_out(&self) -> bool {
        !matches!(self.stage, Stage::Spi | Stage::KeyPair)
    }

    pub(super) fn begin(&mut self, session: &mut Session, core: &mut Core) -> Step {
        if session.upkeep.superseded {
            self.abandon(session, core, false);
            return Step::Done;
        }
        self.nonce = core.nonce();
        if let Aim::Child(aim) = &mut self.aim
            && rekey_child::is_fulfilled(session, core, aim)
        {
            return Step::Done;
        }
        match &mut self.aim {
            Aim::Child(aim) if core.index.entry(aim.policy).is_none() => {
                let detail = "its crypto-map entry is gone".to_owned();
                self.fail(session, core, &Refusal::because(Blame::Refused, "no-crypto-map-entry", detail))
            }
            Aim::Child(_) => {
                let random = core.drbg.u32();
                ask(session.id, core, Ask::Spi { random })
            }
            Aim::Ike(_) => match rekey_ike::offer(session, core) {
                Some((spi, offer, group)) => {
                    (self.aim, self.offer) = (Aim::Ike(rekey_ike::Aim::new(spi)), offer);
                    self.generate(session.id, core, group)
                }
                None => self.fail(session, core, &rekey_ike::no_proposal()),
            },
        }
    }

    pub(super) fn answered(&mut self, session: &mut Session, core: &mut Core, answer: Answer) -> Step {
        match (self.stage, answer) {
            (_, answer) if session.upkeep.superseded && !self.is_out() => {
                if let Answer::Spi(Some(spi)) = answer {
                    core.release(spi);
                }
                self.abandon(session, core, false);
                Step::Done
            }
            (Stage::Spi, Answer::Spi(Some(spi))) => self.propose(session, core, spi),
            (Stage::Spi, Answer::Spi(None)) => self.fail(session, core, &no_spi()),
            (_, Answer::Computed(outcome)) => self.computed(session, core, outcome),
            (_, Answer::Spi(spi)) => {
                spi.into_iter().for_each(|spi| core.release(spi));
                Step::Waits
            }
            (_, Answer::Validated(_) | Answer::Resolved(_) | Answer::Traffic(_)) => Step::Waits,
        }
    }

    /// Our SPI is there: what we offer is settled.
    fn propose(&mut self, session: &mut Session, core: &mut Core, spi: Spi) -> Step {
        let Aim::Child(aim) = &mut self.aim else { return Step::Waits };
        aim.spi = Some(spi);
        if rekey_child::is_fulfilled(session, core, aim) {
            return Step::Done;
        }
        let index = core.index.clone();
        let Some(entry) = index.entry(aim.policy) else {
            return self.fail(session, core, &Refusal::ignored("no-crypto-map-entry"));
        };
        self.offer = proposal::esp_offer(entry, Keying::Wanted(&further(session, entry)), Some(spi));
        match proposal::first_group(&self.offer) {
            Some(group) => self.generate(session.id, core, group),
            None => self.request(session, core, None),
        }
    }

    fn generate(&mut self, session: SessionId, core: &mut Core, group: Group) -> Step {
        let further = matches!(self.stage, Stage::Secret | Stage::FurtherSecret);
        self.stage = if further { Stage::FurtherKeyPair } else { Stage::KeyPair };
        self.group = Some(group);
        let seed = core.drbg.bytes();
        ask(session, core, Ask::Compute(dh::Job::Generate { group, seed }.into()))
    }

    fn computed(&mut self, session: &mut Session, core: &mut Core, outcome: Result<Outcome, Failed>) -> Step {
        let Ok(Outcome::Exchanged(outcome)) = outcome else {
            return self.fail(session, core, &bad_public());
        };
        match (self.stage, outcome) {
            (Stage::KeyPair, dh::Outcome::Generated { private, public }) => {
                self.private = Some(private);
                self.request(session, core, Some(&public))
            }
            (Stage::FurtherKeyPair, dh::Outcome::Generated { private, public }) => {
                self.private = Some(private);
                self.follow_up(&public)
            }
            (Stage::Secret | Stage::FurtherSecret, dh::Outcome::Finished { shared }) => {
                self.agreed.iter_mut().for_each(|agreed| agreed.shared.push(shared.clone()));
                self.go_on(session, core)
            }
            _ => Step::Waits,
        }
    }

    fn request(&mut self, session: &mut Session, core: &mut Core, public: Option<&[u8]>) -> Step {
        let mut chain = Builder::default();
        let index = core.index.clone();
        match &self.aim {
            Aim::Child(aim) => {
                rekey_child::announce(&mut chain, session, aim);
                if let (Some(entry), Some(spi)) = (index.entry(aim.policy), aim.spi) {
                    let keying = further(session, entry);
                    self.offer = child::ask(&mut chain, entry, &aim.selector, Keying::Wanted(&keying), spi);
                }
            }
            Aim::Ike(_) => {
                chain.push(payload::SA, &self.offer.encode());
            }
        }
        chain.push(payload::NONCE, &self.nonce);
        if let (Some(group), Some(public)) = (self.group, public) {
            chain.push(payload::KEY_EXCHANGE, &ke::encode(group.number(), public));
        }
        self.stage = Stage::Response;
        Step::Request { exchange: exchange::CREATE_CHILD_SA, chain }
    }

    fn follow_up(&mut self, public: &[u8]) -> Step {
        let mut chain = Builder::default();
        let (group, agreed) = (self.group, self.agreed.as_ref());
        if let (Some(group), Some(agreed)) = (group, agreed) {
            chain.push(payload::KEY_EXCHANGE, &ke::encode(group.number(), public));
            let link = Notify::new(notify::ADDITIONAL_KEY_EXCHANGE, agreed.link.clone());
            chain.push(payload::NOTIFY, &link.encode());
        }
        self.stage = Stage::FurtherResponse;
        Step::Request { exchange: exchange::FOLLOWUP_KE, chain }
    }

    pub(super) fn conclude(
        &mut self,
        session: &mut Session,
        core: &mut Core,
        response: &Exchange<'_>,
    ) -> Step {
        let chain = &response.chain;
        if let Some(error) = chain.error() {
            return self.refused(session, core, &error);
        }
        let result = match self.stage {
            Stage::Response => self.agree(core, chain),
            Stage::FurtherResponse => self.take_key_exchange(chain),
            Stage::Spi | Stage::KeyPair | Stage::Secret | Stage::FurtherKeyPair | Stage::FurtherSecret => {
                return Step::Waits;
            }
        };
        match result {
            Ok(Some(peer)) => self.finish(session.id, core, peer),
            Ok(None) => self.go_on(session, core),
            Err(refusal) => self.fail(session, core, &refusal),
        }
    }

    /// Reads what the peer chose; its public value if there is one.
    fn agree(&mut self, core: &Core, chain: &Chain<'_>) -> Result<Option<Vec<u8>>, Refusal> {
        let nonce = ke::decode_nonce(chain.first(payload::NONCE)?)?;
        let (outcome, group, remaining) = match &self.aim {
            Aim::Child(aim) => {
                let entry = core.index.entry(aim.policy).ok_or(Refusal::ignored("no-crypto-map-entry"))?;
                let agreed = child::accepted(entry, &aim.selector, &self.offer, chain)?;
                let (group, further) = (agreed.terms.group, agreed.terms.additional.clone());
                (Made::Child(agreed), group, further)
            }
            Aim::Ike(_) => {
                let choice = proposal::accepted(&Sa::decode(chain.first(payload::SA)?)?, &self.offer)?;
                let unknown = Refusal::ignored("transform-not-offered");
                let suite = proposal::Suite::of(&choice).ok_or(unknown)?;
                let spi = choice.proposal.ike_spi().filter(|spi| *spi != Cookie::default());
                let spi = spi.ok_or(Refusal::ignored("bad-spi"))?;
                let (group, further) = (Some(suite.group), suite.additional.clone());
                (Made::Ike { suite, spi }, group, further)
            }
        };
        if group != self.group {
            return Err(Refusal::ignored("key-exchange-of-another-group"));
        }
        let (shared, link) = (Vec::new(), Vec::new());
        self.agreed = Some(Agreed { nonce, outcome, shared, remaining: remaining.into(), link });
        self.stage = Stage::Secret;
        if group.is_some() { self.take_key_exchange(chain) } else { Ok(None) }
    }

    fn take_key_exchange(&mut self, chain: &Chain<'_>) -> Result<Option<Vec<u8>>, Refusal> {
        let theirs = KeyExchange::decode(chain.first(payload::KEY_EXCHANGE)?)?;
        if Some(theirs.method) != self.group.map(Group::number) {
            return Err(Refusal::ignored("key-exchange-of-another-group"));
        }
        if self.stage == Stage::FurtherResponse {
            self.stage = Stage::FurtherSecret;
        }
        if let Some(agreed) = self.agreed.as_mut().filter(|agreed| !agreed.remaining.is_empty()) {
            let link = chain.notify(notify::ADDITIONAL_KEY_EXCHANGE);
            agreed.link = link.ok_or(Refusal::ignored("no-additional-key-exchange"))?.data;
        }
        Ok(Some(theirs.public))
    }

    fn finish(&mut self, session: SessionId, core: &mut Core, peer: Vec<u8>) -> Step {
        match (self.group, self.private.take()) {
            (Some(group), Some(private)) => {
                ask(session, core, Ask::Compute(dh::Job::Finish { group, private, peer }.into()))
            }
            _ => Step::Done,
        }
    }

    /// One key exchange more, or the end.
    fn go_on(&mut self, session: &mut Session, core: &mut Core) -> Step {
        let Some(agreed) = self.agreed.as_mut() else { return Step::Done };
        if let Some(group) = agreed.remaining.pop_front() {
            return self.generate(session.id, core, group);
        }
        let Some(Agreed { nonce, outcome, shared, .. }) = self.agreed.take() else { return Step::Done };
        let nonces = (self.nonce.as_slice(), nonce.as_slice());
        match (&mut self.aim, outcome) {
            (Aim::Child(aim), Made::Child(agreed)) => {
                rekey_child::made(session, core, aim, &agreed, nonces, &shared);
            }
            (Aim::Ike(aim), Made::Ike { suite, spi }) => {
                rekey_ike::made(session, core, aim, suite, spi, nonces, &shared);
            }
            (Aim::Child(_), Made::Ike { .. }) | (Aim::Ike(_), Made::Child(_)) => {}
        }
        Step::Done
    }

    /// The peer does not do it.
    fn refused(&mut self, session: &mut Session, core: &mut Core, error: &Notify) -> Step {
        if error.kind == notify::INVALID_KE_PAYLOAD
            && self.stage == Stage::Response
            && let Some(group) = self.another_method(error)
        {
            self.refused += 1;
            return self.generate(session.id, core, group);
        }
        let later = error.kind == notify::TEMPORARY_FAILURE;
        if !later {
            core.refuse(Some(session.id), &session.path, &said(error));
        }
        match &mut self.aim {
            Aim::Child(aim) => rekey_child::refused(session, core, aim, error.kind),
            Aim::Ike(aim) => rekey_ike::refused(session, core, aim),
        }
        Step::Done
    }

    /// The method that the peer wants, if we offered it and have not tried it.
    fn another_method(&self, error: &Notify) -> Option<Group> {
        let wanted = u16::from_be_bytes(error.data.as_slice().try_into().ok()?);
        let group = Group::from_number(wanted).filter(|group| Some(*group) != self.group)?;
        let offered = self.offer.proposals.iter().any(|proposal| {
            proposal.of(super::wire::sa::kind::KEY_EXCHANGE).any(|transform| transform.id == wanted)
        });
        (offered && self.refused < MOST_METHODS).then_some(group)
    }

    /// It cannot go on; if the peer has made something of it, that goes.
    fn fail(&mut self, session: &mut Session, core: &mut Core, refusal: &Refusal) -> Step {
        core.refuse(Some(session.id), &session.path, refusal);
        if let Aim::Child(aim) = &self.aim
            && let Some(spi) = aim.spi.filter(|_| self.is_out())
        {
            session.tasks.push_back(Task::delete_children(vec![spi]));
        }
        self.abandon(session, core, false);
        Step::Done
    }

    /// Gives back what it holds and tells whoever waits for it.
    pub(super) fn abandon(&mut self, session: &mut Session, core: &mut Core, silent: bool) {
        match &mut self.aim {
            Aim::Child(aim) => rekey_child::abandon(session, core, aim, silent),
            Aim::Ike(aim) => rekey_ike::abandon(session, core, aim),
        }
    }
}

/// Beside a group of an entry's own, a hybrid IKE SA makes hybrid children.
pub(super) fn further(session: &Session, entry: &Entry) -> Vec<Group> {
    let suite = session.established().map(|sa| &sa.suite).filter(|_| entry.pfs.is_some());
    suite.map(|suite| suite.additional.clone()).unwrap_or_default()
}

fn ask(session: SessionId, core: &mut Core, ask: Ask) -> Step {
    core.ask(Asker::V2(session, Waiting::Task), ask);
    Step::Waits
}

pub(super) fn no_spi() -> Refusal {
    Refusal::because(Blame::Local, "no-spi-left", "every inbound SPI is taken".to_owned())
}

fn bad_public() -> Refusal {
    let detail = "the peer's public value is none of the group".to_owned();
    Refusal::because(Blame::PeerMisbehaved, "bad-public-value", detail)
}

/// What a peer said instead of doing what we asked.
fn said(error: &Notify) -> Refusal {
    let detail = format!("the peer refuses CREATE_CHILD_SA: {}", notify::name(error.kind));
    Refusal::because(Blame::PeerIncompatible, "create-child-refused", detail)
}
