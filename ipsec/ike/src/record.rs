//! Why it failed: what happened in a negotiation, small enough to keep for every session, and for peers
//! whose session never came up.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::IpAddr;

use base::{Instant, VrfId};

use crate::core::Core;
use crate::error::Refusal;
use crate::notice::Blame;
use crate::{Path, SessionId, config::Version};

/// The story of one session, or of one attempt at one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub session: Option<SessionId>,
    pub version: Version,
    pub front: VrfId,
    pub local: IpAddr,
    pub remote: IpAddr,
    pub initiator: bool,
    pub began: Instant,
    /// Oldest first; of a story that is too long the middle is left out.
    pub facts: Vec<(Instant, Fact)>,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Negotiating,
    Up,
    /// It was up.
    Down(&'static str),
    Failed {
        blame: Blame,
        /// A stable word.
        what: &'static str,
        /// What was offered, what we have, what to change.
        detail: String,
    },
}

/// One thing that happened or was decided. Display is one line without a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A message by its name in the RFC, such as `main mode 1` or `IKE_AUTH request`.
    Received {
        message: &'static str,
    },
    Sent {
        message: &'static str,
    },
    /// The peer did not answer so far; the how manieth repetition this is.
    Repeated {
        message: &'static str,
        times: u32,
    },
    /// What the peer offered, in the field's words, and the first thing of it that fits nothing of ours.
    Offered {
        number: u8,
        offer: Box<str>,
        mismatch: Option<Box<str>>,
    },
    /// What both will use.
    Chosen {
        what: Box<str>,
    },
    /// A keyring, key, profile, policy, trustpoint or map entry was looked at.
    Considered {
        kind: Kind,
        name: Box<str>,
        verdict: Verdict,
    },
    /// Who the peer says it is.
    Identity {
        name: Box<str>,
    },
    /// A notify, by name.
    Notified {
        ours: bool,
        name: &'static str,
    },
    Nat {
        local: bool,
        remote: bool,
    },
    Established,
    /// Anything that has no better word.
    Note(Box<str>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Policy,
    Keyring,
    Key,
    Profile,
    Trustpoint,
    Entry,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Chosen,
    /// Why not.
    Passed(Box<str>),
}

/// A story while it is told. It is short: of a long one the first facts and the last ones stay.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    began: Instant,
    facts: Vec<(Instant, Fact)>,
    outcome: Outcome,
}

/// Facts at the beginning of a story that are never forgotten, and facts in all.
const FIRST_FACTS: usize = 12;
const MOST_FACTS: usize = 28;

/// Once a session is up: enough to see how it came about.
const MOST_FACTS_UP: usize = 8;

impl Story {
    pub(crate) const fn begin(now: Instant) -> Self {
        Self { began: now, facts: Vec::new(), outcome: Outcome::Negotiating }
    }

    /// Who the peer is, is told once.
    pub(crate) fn tell(&mut self, now: Instant, fact: Fact) {
        if matches!(fact, Fact::Identity { .. }) && self.facts.iter().any(|(_, known)| *known == fact) {
            return;
        }
        let most = if self.outcome == Outcome::Up { MOST_FACTS_UP + 4 } else { MOST_FACTS };
        while self.facts.len() >= most {
            self.facts.remove(FIRST_FACTS.min(most / 2));
        }
        self.facts.push((now, fact));
    }

    /// What was told to the engine since it last served somebody.
    pub(crate) fn listen(&mut self, core: &mut Core) {
        for fact in std::mem::take(&mut core.facts) {
            self.tell(core.now, fact);
        }
    }

    /// The negotiation ended without result, or would if the peer went on like this.
    pub(crate) fn fail(&mut self, refusal: &Refusal) {
        let Refusal { blame, what, ref detail, .. } = *refusal;
        self.outcome = Outcome::Failed { blame, what, detail: detail.clone() };
    }

    /// Only the outline stays of how a session came up: thousands are.
    pub(crate) fn establish(&mut self, now: Instant) {
        self.outcome = Outcome::Up;
        self.facts.retain(|(_, fact)| fact.is_outline());
        let excess = self.facts.len().saturating_sub(MOST_FACTS_UP);
        self.facts.drain(..excess);
        self.tell(now, Fact::Established);
        self.facts.shrink_to_fit();
    }

    pub(crate) fn has_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed { .. })
    }

    pub(crate) fn record(
        &self,
        session: Option<SessionId>,
        version: Version,
        path: &Path,
        initiator: bool,
    ) -> Record {
        Record {
            session,
            version,
            front: path.front,
            local: path.local.ip(),
            remote: path.remote.ip(),
            initiator,
            began: self.began,
            facts: self.facts.clone(),
            outcome: self.outcome.clone(),
        }
    }
}

impl Fact {
    /// What still matters when the session is up.
    const fn is_outline(&self) -> bool {
        match self {
            Self::Received { .. } | Self::Sent { .. } | Self::Repeated { .. } | Self::Offered { .. } => false,
            Self::Considered { verdict, .. } => matches!(verdict, Verdict::Chosen),
            Self::Chosen { .. }
            | Self::Identity { .. }
            | Self::Notified { .. }
            | Self::Nat { .. }
            | Self::Established
            | Self::Note(_) => true,
        }
    }

    pub(crate) fn chosen(kind: Kind, name: &str) -> Self {
        Self::Considered { kind, name: name.into(), verdict: Verdict::Chosen }
    }

    pub(crate) fn passed(kind: Kind, name: &str, why: impl Into<Box<str>>) -> Self {
        Self::Considered { kind, name: name.into(), verdict: Verdict::Passed(why.into()) }
    }
}

/// Stories that ended, of the peers last heard of: two for each.
#[derive(Default)]
pub(crate) struct Records {
    ended: BTreeMap<(VrfId, IpAddr), VecDeque<Record>>,
    /// Who came last, last.
    order: VecDeque<(VrfId, IpAddr)>,
}

const MOST_PEERS: usize = 1024;
const MOST_OF_PEER: usize = 2;

impl Records {
    pub(crate) fn keep(&mut self, record: Record) {
        let peer = (record.front, record.remote);
        let ended = self.ended.entry(peer).or_default();
        if ended.is_empty() {
            self.order.push_back(peer);
        }
        ended.push_back(record);
        if ended.len() > MOST_OF_PEER {
            ended.pop_front();
        }
        if self.order.len() > MOST_PEERS
            && let Some(oldest) = self.order.pop_front()
        {
            self.ended.remove(&oldest);
        }
    }

    /// Oldest first.
    pub(crate) fn of(&self, front: VrfId, remote: IpAddr) -> impl Iterator<Item = &Record> {
        self.ended.get(&(front, remote)).into_iter().flatten()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Policy => "policy",
            Self::Keyring => "keyring",
            Self::Key => "key",
            Self::Profile => "profile",
            Self::Trustpoint => "trustpoint",
            Self::Entry => "crypto-map entry",
        })
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Received { message } => write!(f, "received {message}"),
            Self::Sent { message } => write!(f, "sent {message}"),
            Self::Repeated { message, times } => write!(f, "sent {message} again ({times})"),
            Self::Offered { number, offer, mismatch: None } => write!(f, "offer {number}: {offer}: fits"),
            Self::Offered { number, offer, mismatch: Some(why) } => {
                write!(f, "offer {number}: {offer}: {why}")
            }
            Self::Chosen { what } => write!(f, "chosen: {what}"),
            Self::Considered { kind, name, verdict: Verdict::Chosen } => write!(f, "{kind} {name}: taken"),
            Self::Considered { kind, name, verdict: Verdict::Passed(why) } => {
                write!(f, "{kind} {name}: {why}")
            }
            Self::Identity { name } => write!(f, "the peer is {name}"),
            Self::Notified { ours: true, name } => write!(f, "told the peer {name}"),
            Self::Notified { ours: false, name } => write!(f, "the peer says {name}"),
            Self::Nat { local, remote } => f.write_str(match (local, remote) {
                (false, false) => "no NAT on the path",
                (true, false) => "a NAT on our side",
                (false, true) => "a NAT on the peer's side",
                (true, true) => "a NAT on both sides",
            }),
            Self::Established => f.write_str("established"),
            Self::Note(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(number: u32) -> Path {
        let remote = std::net::Ipv4Addr::from(0x0A00_0000 + number);
        let local = "172.16.1.1:500".parse().unwrap();
        Path { front: VrfId(0), local, remote: (remote, 500).into(), marker: false }
    }

    fn note(text: &str) -> Fact {
        Fact::Note(text.into())
    }

    #[test]
    fn of_a_long_story_the_beginning_and_the_end_stay() {
        let mut story = Story::begin(Instant::START);
        for number in 0..1000 {
            story.tell(Instant::START, note(&number.to_string()));
        }
        let facts = story.record(None, Version::V2, &path(1), true).facts;
        assert_eq!(facts.len(), MOST_FACTS);
        assert_eq!((&facts[0].1, &facts[MOST_FACTS - 1].1), (&note("0"), &note("999")));
    }

    #[test]
    fn of_how_a_session_came_up_the_outline_stays() {
        let mut story = Story::begin(Instant::START);
        story.tell(Instant::START, Fact::Received { message: "IKE_AUTH request" });
        story.tell(Instant::START, Fact::passed(Kind::Profile, "other", "is not for it"));
        story.tell(Instant::START, Fact::chosen(Kind::Profile, "site"));
        story.establish(Instant::START);
        let record = story.record(None, Version::V2, &path(1), true);
        let facts: Vec<String> = record.facts.iter().map(|(_, fact)| fact.to_string()).collect();
        assert_eq!(facts, ["profile site: taken", "established"]);
        assert_eq!(record.outcome, Outcome::Up);
    }

    #[test]
    fn who_the_peer_is_is_told_once() {
        let mut story = Story::begin(Instant::START);
        for name in ["hub", "hub", "another"] {
            story.tell(Instant::START, Fact::Identity { name: name.into() });
        }
        let facts = story.record(None, Version::V2, &path(1), true).facts;
        assert_eq!(facts.len(), 2);
    }

    #[test]
    fn two_stories_of_a_peer_are_kept_and_of_so_many_peers_and_no_more() {
        let mut records = Records::default();
        let story = Story::begin(Instant::START);
        for number in 0..2000 {
            for _ in 0..3 {
                records.keep(story.record(None, Version::V1, &path(number), false));
            }
        }
        assert_eq!(records.ended.len(), MOST_PEERS);
        assert_eq!(records.of(VrfId(0), path(0).remote.ip()).count(), 0);
        assert_eq!(records.of(VrfId(0), path(1999).remote.ip()).count(), 2);
        assert_eq!(records.of(VrfId(1), path(1999).remote.ip()).count(), 0);
    }
}
