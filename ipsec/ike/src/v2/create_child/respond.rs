//! CREATE_CHILD_SA and IKE_FOLLOWUP_KE as responder.

use std::collections::VecDeque;

use base::{Secret, Spi};
use crypto::dh::{self, Group};
use crypto::job::Outcome;

use super::no_spi;
use crate::core::{Asker, Core};
use crate::error::Refusal;
use crate::record::Fact;
use crate::v2::proposal::{self, Choice, Suite};
use crate::v2::session::{Exchange, Session, Waiting};
use crate::v2::task::{Denial, Followup, Pending, Reply, refuse};
use crate::v2::wire::header::exchange;
use crate::v2::wire::ke::{self, KeyExchange};
use crate::v2::wire::notify::{self, Notify};
use crate::v2::wire::payload::{self, Builder, Chain};
use crate::v2::wire::sa::{PROTOCOL_IKE, Sa};
use crate::v2::{child, collide, rekey_child, rekey_ike};
use crate::wire::header::Cookie;
use crate::{Answer, Ask, ChildId};

/// A request of the peer that is being answered.
pub(crate) struct Responder {
    aim: Aim,
    /// The peer's, ours.
    nonces: (Vec<u8>, Vec<u8>),
    /// Of the key exchange that runs.
    group: Option<Group>,
    /// The peer's value until it is used, then ours.
    public: Vec<u8>,
    shared: Vec<Secret>,
    remaining: VecDeque<Group>,
    /// The first response is out: this is IKE_FOLLOWUP_KE.
    further: bool,
    message_id: u32,
}

enum Aim {
    Child(Box<ChildAim>),
    Ike { suite: Suite, choice: Choice, spi_i: Cookie, spi_r: Cookie },
}

struct ChildAim {
    judged: child::Judged,
    replaces: Option<ChildId>,
    spi: Option<Spi>,
}

/// A new CREATE_CHILD_SA request.
pub(crate) fn receive(session: &mut Session, core: &mut Core, request: &Exchange<'_>) -> Reply {
    let mut story = Vec::new();
    match open(session, core, request, &mut story) {
        Ok(responder) => responder.proceed(session, core),
        Err(denial) => {
            story.into_iter().for_each(|fact| session.tell(core, fact));
            refuse(session, core, denial)
        }
    }
}

/// One more key exchange for a request before.
pub(crate) fn follow_up(session: &mut Session, core: &mut Core, request: &Exchange<'_>) -> Reply {
    let chain = &request.chain;
    let link = chain.notify(notify::ADDITIONAL_KEY_EXCHANGE).map(|notify| notify.data);
    let known = session.upkeep.followups.iter().position(|known| Some(&known.link) == link.as_ref());
    let Some(place) = known else {
        return Reply::notify(&Notify::new(notify::STATE_NOT_FOUND, Vec::new()));
    };
    let Followup { mut responder, .. } = session.upkeep.followups.remove(place);
    let taken = responder.take_further(chain);
    responder.message_id = request.message_id;
    match taken {
        Ok(()) => responder.agree(session, core),
        Err(denial) => {
            responder.forsake(core);
            refuse(session, core, denial)
        }
    }
}

fn open(
    session: &mut Session,
    core: &mut Core,
    request: &Exchange<'_>,
    story: &mut Vec<Fact>,
) -> Result<Box<Responder>, Denial> {
    let chain = &request.chain;
    let offered = Sa::decode(chain.first(payload::SA)?)?;
    let theirs = ke::decode_nonce(chain.first(payload::NONCE)?)?;
    let is_ike = offered.proposals.first().is_some_and(|proposal| proposal.protocol == PROTOCOL_IKE);
    let aim = if is_ike {
        open_ike(session, core, &offered, story)?
    } else {
        Aim::Child(Box::new(open_child(session, core, chain)?))
    };
    let (group, remaining) = match &aim {
        Aim::Child(aim) => {
            let terms = &aim.judged.agreed.terms;
            (terms.group, terms.additional.clone())
        }
        Aim::Ike { suite, .. } => (Some(suite.group), suite.additional.clone()),
    };
    let public = match group {
        Some(group) => public_value(chain, group)?,
        None => Vec::new(),
    };
    Ok(Box::new(Responder {
        aim,
        nonces: (theirs, core.nonce()),
        group,
        public,
        shared: Vec::new(),
        remaining: remaining.into(),
        further: false,
        message_id: request.message_id,
    }))
}

fn open_child(session: &mut Session, core: &mut Core, chain: &Chain<'_>) -> Result<ChildAim, Denial> {
    let rekeyed = rekey_child::rekeyed(chain)?;
    let replaces = collide::admit_child(session, rekeyed)?;
    let index = core.index.clone();
    let old = replaces.and_then(|old| index.entry(old.policy));
    let also = session.established().map(|sa| sa.suite.additional.clone()).unwrap_or_default();
    let judged = match old {
        // The peer may have moved since: the entry is that of the child, not one that names the peer.
        Some(entry) => child::judge_for(session, core, chain, &[entry], false, &also)?,
        None => child::judge(session, core, chain, false, &also)?,
    };
    Ok(ChildAim { judged, replaces: replaces.map(|child| child.id), spi: None })
}

fn open_ike(session: &Session, core: &mut Core, offered: &Sa, story: &mut Vec<Fact>) -> Result<Aim, Denial> {
    collide::admit_ike(session)?;
    let config = core.config.clone();
    let path = session.path;
    let ours = proposal::proposals_for(&config.v2, path.front, path.local.ip());
    let choice = proposal::choose(offered, &proposal::ike_offer(&ours, &[]), false, story)?;
    let suite = Suite::of(&choice).ok_or_else(|| Refusal::ignored("bad-proposal"))?;
    let spi_i = choice.proposal.ike_spi().filter(|spi| *spi != Cookie::default());
    let spi_i = spi_i.ok_or(Refusal::ignored("bad-spi"))?;
    Ok(Aim::Ike { suite, choice, spi_i, spi_r: core.drbg.bytes() })
}

impl Responder {
    fn proceed(self: Box<Self>, session: &mut Session, core: &mut Core) -> Reply {
        if matches!(self.aim, Aim::Child(_)) {
            let random = core.drbg.u32();
            return self.ask(session, core, Ask::Spi { random });
        }
        self.agree(session, core)
    }

    fn ask(self: Box<Self>, session: &Session, core: &mut Core, ask: Ask) -> Reply {
        core.ask(Asker::V2(session.id, Waiting::Response(self.message_id)), ask);
        Reply::Waits(Pending(self))
    }

    /// The answer that it waited for.
    pub(crate) fn resume(
        mut self: Box<Self>,
        session: &mut Session,
        core: &mut Core,
        answer: Answer,
    ) -> Reply {
        match (&mut self.aim, answer) {
            (Aim::Child(aim), Answer::Spi(Some(spi))) => {
                aim.spi = Some(spi);
                self.agree(session, core)
            }
            (_, Answer::Spi(None)) => {
                let refusal = no_spi().telling(notify::TEMPORARY_FAILURE);
                refuse(session, core, refusal.into())
            }
            (_, Answer::Computed(Ok(Outcome::Exchanged(dh::Outcome::Agreed { public, shared })))) => {
                self.public = public;
                self.shared.push(shared);
                self.respond(session, core)
            }
            _ => {
                self.forsake(core);
                let refusal = Refusal::ignored("bad-public-value").telling(notify::INVALID_SYNTAX);
                refuse(session, core, refusal.into())
            }
        }
    }

    /// Our half of the key exchange, if there is one.
    fn agree(mut self: Box<Self>, session: &mut Session, core: &mut Core) -> Reply {
        let Some(group) = self.group else { return self.respond(session, core) };
        let (seed, peer) = (core.drbg.bytes(), std::mem::take(&mut self.public));
        self.ask(session, core, Ask::Compute(dh::Job::Agree { group, seed, peer }.into()))
    }

    fn take_further(&mut self, chain: &Chain<'_>) -> Result<(), Denial> {
        let group = self.remaining.pop_front().ok_or(Refusal::ignored("no-additional-key-exchange"))?;
        self.group = Some(group);
        self.public = public_value(chain, group)?;
        Ok(())
    }

    fn respond(mut self: Box<Self>, session: &mut Session, core: &mut Core) -> Reply {
        // While it waited the peer or we may have begun what goes before.
        let admitted = match &self.aim {
            Aim::Child(aim) => collide::still_admits_child(session, aim.replaces),
            Aim::Ike { .. } => collide::admit_ike(session),
        };
        if let Err(denial) = admitted {
            self.forsake(core);
            return refuse(session, core, denial);
        }
        let mut chain = Builder::default();
        if !self.further {
            self.push_agreement(&mut chain);
        }
        if let Some(group) = self.group {
            chain.push(payload::KEY_EXCHANGE, &ke::encode(group.number(), &self.public));
        }
        if self.remaining.is_empty() {
            self.complete(session, core);
        } else {
            let link = core.drbg.bytes::<8>().to_vec();
            let notify = Notify::new(notify::ADDITIONAL_KEY_EXCHANGE, link.clone());
            chain.push(payload::NOTIFY, &notify.encode());
            self.further = true;
            session.upkeep.follow(core, link, self);
        }
        Reply::Response(chain)
    }

    fn push_agreement(&self, chain: &mut Builder) {
        match &self.aim {
            Aim::Child(aim) => child::answer(chain, &aim.judged, aim.spi.unwrap_or_default()),
            Aim::Ike { choice, spi_r, .. } => {
                chain.push(payload::SA, &choice.answer(spi_r).encode());
            }
        }
        chain.push(payload::NONCE, &self.nonces.1);
    }

    fn complete(self, session: &mut Session, core: &mut Core) {
        let nonces = (self.nonces.0.as_slice(), self.nonces.1.as_slice());
        match self.aim {
            Aim::Child(aim) => {
                let (spi, agreed) = (aim.spi.unwrap_or_default(), &aim.judged.agreed);
                rekey_child::made_by_peer(session, core, aim.replaces, agreed, spi, nonces, &self.shared);
            }
            Aim::Ike { suite, spi_i, spi_r, .. } => {
                rekey_ike::made_by_peer(session, core, suite, (spi_i, spi_r), nonces, &self.shared);
            }
        }
    }

    /// It will not be answered: gives back what it holds.
    pub(crate) fn forsake(&self, core: &mut Core) {
        if let Aim::Child(aim) = &self.aim {
            aim.spi.into_iter().for_each(|spi| core.release(spi));
        }
    }

    /// The exchange that its next message belongs to.
    pub(crate) const fn exchange(&self) -> u8 {
        if self.further { exchange::FOLLOWUP_KE } else { exchange::CREATE_CHILD_SA }
    }
}

/// The peer's value of a group; if it brings another group's, it is told which one we want.
fn public_value(chain: &Chain<'_>, group: Group) -> Result<Vec<u8>, Denial> {
    match chain.find(payload::KEY_EXCHANGE).map(KeyExchange::decode).transpose()? {
        Some(theirs) if theirs.method == group.number() => Ok(theirs.public),
        Some(_) | None => Err(collide::wanting(group)),
    }
}
