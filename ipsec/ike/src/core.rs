//! What every part of the engine shares while it works: the time, the configuration, randomness, and
//! the queues of what comes out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use base::Instant;
use crypto::drbg::Drbg;

use crate::error::Refusal;
use crate::index::Index;
use crate::notice::Notice;
use crate::record::{Fact, Records};
use crate::v2::{self, session::Waiting};
use crate::{Ask, AskId, Child, ChildId, Config, Datagram, DownReason, Output, Path, SessionId};

/// A child that somebody wants, from the moment it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WantId(pub(crate) u32);

/// Whose question an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    Main(SessionId),
    /// The message ID of the quick mode.
    Quick(SessionId, u32),
    /// Whether the peer of this session lives, of one of its children.
    Life(SessionId, ChildId),
    /// Whether this child still carries anything.
    Idle(ChildId),
    /// The addresses of the peer that a want turns to.
    Name(WantId),
    /// What of a session of version 2 waits for it.
    V2(SessionId, Waiting),
}

/// What one session tells the rest of the engine.
pub(crate) enum Event {
    /// Phase 1 is complete.
    Established(SessionId),
    /// Is the peer alive? What its children carry may tell.
    Doubt(SessionId),
    /// The peer does not answer any more.
    PeerDead(SessionId),
    /// It is time for a successor.
    RekeyDue(SessionId),
    /// The peer has no other SAs with us.
    InitialContact(SessionId),
    /// The peer deleted its inbound SAs with these SPIs.
    ChildrenDeleted(SessionId, Vec<u32>),
    /// The peer deleted this phase 1 SA.
    SessionDeleted(SessionId),
    /// A child can receive. As initiator the peer will know in a moment.
    ChildReady { child: Box<Child>, want: Option<WantId> },
    /// The peer proved that it is at the session's path now, and no longer at this port.
    Moved(SessionId, u16),
    /// As responder: the initiator has confirmed, the child can carry traffic.
    ChildConfirmed(ChildId),
    /// As responder: the initiator never confirmed.
    ChildAborted(ChildId),
    /// In version 2, a child is there; both sides may use it at once, unless it replaces one of theirs: then
    /// the peer that began the rekey deletes that one when it has the new one.
    ChildMade { child: Box<Child>, replaces: Option<ChildId>, want: Option<WantId> },
    /// In version 2, a child is gone, and the peer knows.
    ChildGone(ChildId, DownReason),
    /// In version 2, a child could not be replaced; it is still there.
    RekeyFailed(ChildId),
    /// In version 2, the children of one session belong to this new one of the same peer now.
    Succeeded { old: SessionId, new: Box<v2::session::Session> },
    /// In version 2, one more session, made beside another that is to replace the same.
    SessionAdded(Box<v2::session::Session>),
    /// In version 2, one of two that replace the same: its maker, we if `ours`, deletes it.
    SessionRedundant { id: SessionId, ours: bool },
    /// In version 2, the children of one session belong to another that was added.
    Inherited { old: SessionId, new: SessionId },
    /// In version 2, the peer made the child that somebody wanted.
    Fulfilled(WantId),
    /// In version 2, a child will never carry traffic of ours: another replaces the same.
    ChildRedundant(ChildId),
    /// In version 2, session and children are at another path from now on (MOBIKE).
    Relocated(SessionId),
    /// A negotiation of ours ended without a child. `silent`: the peer does not answer at all.
    NegotiationFailed { session: SessionId, want: WantId, silent: bool },
}

pub(crate) struct Core {
    pub(crate) now: Instant,
    pub(crate) config: Arc<Config>,
    /// Of that configuration.
    pub(crate) index: Arc<Index>,
    pub(crate) drbg: Drbg,
    pub(crate) debug: bool,
    /// How busy this machine is, in percent.
    pub(crate) load: u8,
    pub(crate) out: VecDeque<Output>,
    pub(crate) events: VecDeque<Event>,
    /// What was found out on the way; who asked puts it into its story.
    pub(crate) facts: Vec<Fact>,
    pub(crate) cookies: v2::cookie::Secrets,
    /// Why others failed.
    pub(crate) records: Records,
    askers: BTreeMap<AskId, Asker>,
    last_ask: u64,
    last_session: u32,
    last_child: u32,
}

impl Core {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self {
            now: Instant::START,
            config: Arc::default(),
            index: Arc::default(),
            drbg: Drbg::new(seed),
            debug: false,
            load: 0,
            out: VecDeque::new(),
            events: VecDeque::new(),
            facts: Vec::new(),
            cookies: v2::cookie::Secrets::default(),
            records: Records::default(),
            askers: BTreeMap::new(),
            last_ask: 0,
            last_session: 0,
            last_child: 0,
        }
    }

    pub(crate) fn session_id(&mut self) -> SessionId {
        self.last_session = self.last_session.wrapping_add(1);
        SessionId(self.last_session)
    }

    pub(crate) fn child_id(&mut self) -> ChildId {
        self.last_child = self.last_child.wrapping_add(1);
        ChildId(self.last_child)
    }

    pub(crate) fn transmit(&mut self, path: Path, bytes: Vec<u8>) {
        self.out.push_back(Output::Transmit(Datagram { path, bytes }));
    }

    pub(crate) fn ask(&mut self, asker: Asker, ask: Ask) {
        self.last_ask += 1;
        let id = AskId(self.last_ask);
        self.askers.insert(id, asker);
        self.out.push_back(Output::Ask(id, ask));
    }

    /// Who asked; each question is answered once.
    pub(crate) fn asker(&mut self, id: AskId) -> Option<Asker> {
        self.askers.remove(&id)
    }

    pub(crate) fn release(&mut self, spi: base::Spi) {
        self.last_ask += 1;
        self.out.push_back(Output::Ask(AskId(self.last_ask), Ask::ReleaseSpi(spi)));
    }

    pub(crate) fn notice(&mut self, notice: Notice) {
        self.out.push_back(Output::Notice(notice));
    }

    /// Reports a refusal: as a failure if it has something to say, else as a count.
    pub(crate) fn refuse(&mut self, session: Option<SessionId>, path: &Path, refusal: &Refusal) {
        let (front, remote) = (path.front, path.remote.ip());
        let Refusal { blame, what, .. } = *refusal;
        self.notice(if refusal.detail.is_empty() {
            Notice::Ignored { front, remote, blame, what }
        } else {
            Notice::Failed { session, front, remote, blame, what, detail: refusal.detail.clone() }
        });
    }

    /// For the story of whoever is being served.
    pub(crate) fn tell(&mut self, fact: Fact) {
        self.facts.push(fact);
    }

    /// One line of `debug crypto isakmp`; not even made while nobody listens.
    pub(crate) fn debug(&mut self, session: Option<SessionId>, path: &Path, line: impl FnOnce() -> String) {
        if self.debug {
            let (front, remote) = (path.front, path.remote.ip());
            self.notice(Notice::Debug { session, front, remote, text: line() });
        }
    }

    pub(crate) fn nonce(&mut self) -> Vec<u8> {
        self.drbg.bytes::<{ crate::wire::nonce::OURS }>().to_vec()
    }

    /// A duration between `low` and `high` percent of `whole`.
    pub(crate) fn jitter(
        &mut self,
        whole: core::time::Duration,
        low: u32,
        high: u32,
    ) -> core::time::Duration {
        let permille = low * 10 + self.drbg.u32() % ((high - low) * 10);
        whole.saturating_mul(permille) / 1000
    }
}
