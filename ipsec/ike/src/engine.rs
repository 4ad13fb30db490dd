//! The engine: routes datagrams, answers and the passage of time to sessions and children, and files sessions
//! where they belong.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use base::{Engine, Instant, VrfId};

use crate::admission::Admission;
use crate::agenda::Agenda;
use crate::child::{Children, Due};
use crate::config::Version;
use crate::core::{Asker, Core};
use crate::demux::{Demux, Peer};
use crate::opening::HalfOpen;
use crate::record::Outcome;
use crate::record::Record;
use crate::session::{Fate, Message, Session};
use crate::status::{self, ChildState, SessionState};
use crate::want::Wants;
use crate::window;
use crate::wire::header::{Header, LENGTH as HEADER};
use crate::{Answer, AskId, ChildId, Command, Datagram, DownReason, Input, Output, SessionId};

/// IKE for the whole box. Everything random comes from the seed: the same seed and inputs give the same
/// outputs.
///
/// UDP payloads go in and out without the non-ESP marker; `Path::marker` says whether there is one. A NAT
/// keepalive is a datagram of the one byte 0xFF from the NAT port whose path has no marker; one that
/// arrives is ignored.
pub struct Ike {
    pub(crate) core: Core,
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    pub(crate) children: Children,
    pub(crate) wants: Wants,
    demux: Demux,
    agenda: Agenda<SessionId>,
    pub(crate) half_open: HalfOpen,
    /// Sessions that are not established yet.
    pub(crate) negotiating: BTreeSet<SessionId>,
    /// How call admission control decided.
    pub(crate) admissions: Admission,
    /// Peers that were refused without a session, and when the operator last heard of it.
    pub(crate) complaints: BTreeMap<(VrfId, IpAddr), Instant>,
}

impl Engine for Ike {
    type Input = Input;
    type Output = Output;

    fn handle(&mut self, now: Instant, input: Input) {
        self.core.now = now;
        match input {
            Input::Datagram(datagram) => self.receive(&datagram),
            Input::Answer(id, answer) => self.answered(id, answer),
            Input::Command(command) => self.obey(command),
        }
        self.settle();
    }

    fn tick(&mut self, now: Instant) {
        self.core.now = now;
        while let Some(id) = self.agenda.take_due(now) {
            self.with(id, Session::tick);
            self.settle();
        }
        while self.children.deadline().is_some_and(|at| at <= now) {
            if let Some((id, due)) = self.children.take_due(now) {
                self.child_due(id, due);
            }
            self.settle();
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.core.out.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        [self.agenda.next(), self.children.deadline()].into_iter().flatten().min()
    }
}

impl Ike {
    /// An engine without configuration. `seed` carries all its randomness and must not be used twice.
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            core: Core::new(seed),
            sessions: BTreeMap::new(),
            children: Children::new(),
            wants: Wants::default(),
            demux: Demux::default(),
            agenda: Agenda::new(),
            half_open: HalfOpen::default(),
            negotiating: BTreeSet::new(),
            admissions: Admission::default(),
            complaints: BTreeMap::new(),
        }
    }

    /// Every phase 1 SA, complete or not.
    pub fn sessions(&self, now: Instant) -> Vec<SessionState> {
        self.sessions.values().map(|session| status::of_session(session, now)).collect()
    }

    /// The stories of a peer: those that ended, then those of its sessions, oldest first.
    pub fn explain(&self, front: VrfId, remote: IpAddr) -> Vec<Record> {
        let ended = self.core.records.of(front, remote).cloned();
        let is_of =
            |session: &&Session| (session.path().front, session.path().remote.ip()) == (front, remote);
        ended.chain(self.sessions.values().filter(is_of).map(Session::record)).collect()
    }

    /// Every pair of IPsec SAs.
    pub fn children(&self, now: Instant) -> Vec<ChildState> {
        let states = self.children.iter().map(|child| &child.state);
        let session = |state: &ChildState| state.session.filter(|id| self.sessions.contains_key(id));
        let left = |state: &ChildState| state.expires.since(now);
        states
            .map(|state| ChildState { session: session(state), left: left(state), ..state.clone() })
            .collect()
    }

    fn receive(&mut self, datagram: &Datagram) {
        if datagram.bytes == crate::natt::KEEPALIVE {
            return;
        }
        let path = datagram.path;
        let (header, body) = match Header::decode(&datagram.bytes) {
            Ok(decoded) => decoded,
            Err(malformed) => return self.core.refuse(None, &path, &malformed.into()),
        };
        let bytes = datagram.bytes.get(..HEADER + body.len()).unwrap_or_default();
        let message = Message { path, header, body, bytes, digest: window::digest(bytes) };
        match self.demux.find(&path, &header) {
            Some(id) => self.with(id, |session, core| session.receive(core, &message)),
            None => self.open(&message),
        }
    }

    fn answered(&mut self, id: AskId, answer: Answer) {
        let Some(asker) = self.core.asker(id) else { return };
        let session = match (asker, &answer) {
            (Asker::Main(session) | Asker::Quick(session, _) | Asker::V2(session, _), _) => session,
            (Asker::Life(session, child), Answer::Traffic(traffic)) => {
                return self.counted(session, child, *traffic);
            }
            (Asker::Idle(child), Answer::Traffic(traffic)) => return self.idled(child, *traffic),
            (Asker::Name(want), _) => {
                return if let Answer::Resolved(addresses) = answer {
                    self.resolved(want, addresses)
                };
            }
            (Asker::Life(..) | Asker::Idle(_), _) => return,
        };
        if let Answer::Spi(Some(spi)) = &answer
            && !self.sessions.contains_key(&session)
        {
            return self.core.release(*spi);
        }
        self.with(session, |session, core| session.answered(core, asker, answer));
    }

    /// Lets a session work, then files it where it belongs now.
    pub(crate) fn with(&mut self, id: SessionId, work: impl FnOnce(&mut Session, &mut Core) -> Fate) {
        let Some(mut session) = self.sessions.remove(&id) else { return };
        if session.asks_first_contact() {
            session.set_first_contact(self.is_first_contact(&session));
        }
        match work(&mut session, &mut self.core) {
            Fate::Live => self.keep(session),
            Fate::Failed => self.opening_failed(session),
            Fate::Closed => self.forget(session),
            Fate::Down(reason) => self.end(session, reason),
        }
    }

    pub(crate) fn keep(&mut self, session: Session) {
        if session.established().is_some() {
            self.half_open.remove(session.id());
            self.negotiating.remove(&session.id());
        } else {
            self.negotiating.insert(session.id());
        }
        self.demux.bind(&session);
        self.agenda.set(session.id(), session.deadline());
        self.sessions.insert(session.id(), session);
    }

    /// Ends an established session. In version 1 its children live on.
    pub(crate) fn end(&mut self, mut session: Session, reason: DownReason) {
        if let Some(notice) = session.down_notice(reason) {
            self.core.notice(notice);
            let record = Record { outcome: Outcome::Down(reason.word()), ..session.record() };
            self.core.records.keep(record);
        }
        if session.version() == Version::V2 {
            let children: Vec<ChildId> = self.children.of_session(&session).collect();
            if reason == DownReason::PeerSilent {
                self.hand_over(&children, session.path().remote.ip());
            }
            children.into_iter().for_each(|child| self.drop_child(child, reason));
        }
        if reason.is_news_to_peer() && session.close(&mut self.core) {
            return self.keep(session);
        }
        self.forget(session);
    }

    pub(crate) fn forget(&mut self, mut session: Session) {
        session.abandon(&mut self.core);
        self.demux.unbind(session.id());
        self.agenda.set(session.id(), None);
        self.half_open.remove(session.id());
        self.negotiating.remove(&session.id());
    }

    fn is_first_contact(&self, session: &Session) -> bool {
        let peer = session.path().peer();
        !self.sessions_between(peer).any(|other| other.established().is_some())
            && self.children.of_peer(peer).next().is_none()
    }

    pub(crate) fn sessions_between(&self, peer: Peer) -> impl Iterator<Item = &Session> {
        self.demux.between(peer).filter_map(|id| self.sessions.get(&id))
    }

    pub(crate) fn close(&mut self, id: SessionId, reason: DownReason) {
        if let Some(session) = self.sessions.remove(&id) {
            self.end(session, reason);
        }
    }

    fn child_due(&mut self, id: ChildId, due: Due) {
        match due {
            Due::Promote => self.children.promote(&mut self.core, id),
            Due::Rekey => self.rekey(id),
            Due::Idle => self.ask_idle(id),
            Due::End(reason) => self.delete_child(id, reason),
        }
    }

    pub(crate) fn drop_child(&mut self, id: ChildId, reason: DownReason) {
        self.children.remove(&mut self.core, id, reason);
    }

    /// Ends a child and tells the peer, if there is a session to tell it on.
    pub(crate) fn delete_child(&mut self, id: ChildId, reason: DownReason) {
        let Some(child) = self.children.remove(&mut self.core, id, reason) else { return };
        let sessions = self.sessions_between(child.peer()).filter(|session| child.is_of(session));
        let newest = sessions.max_by_key(|session| session.established().map(|sa| sa.since));
        if let Some(session) = newest.map(Session::id) {
            self.with(session, |session, core| {
                session.delete_children(core, &[child.state.spi_in]);
                Fate::Live
            });
        }
    }

    pub(crate) fn obey(&mut self, command: Command) {
        match command {
            Command::Configure(config) => self.configure(config),
            Command::Acquire { policy, rule, flow } => self.acquire(policy, rule, &flow),
            Command::UnknownSpi { front, local, remote, spi } => self.unknown_spi(front, local, remote, spi),
            Command::Rekey(child) => self.rekey(child),
            Command::Lost(child) => {
                self.children.lost(&mut self.core, child);
                self.rekey(child);
            }
            Command::Exhausted(child) => self.delete_child(child, DownReason::Exhausted),
            Command::Moved { child, port } => self.child_moved(child, port),
            Command::Clear(target) => self.clear(target),
            Command::Load(percent) => self.core.load = percent,
            Command::Debug(on) => self.core.debug = on,
        }
    }
}
