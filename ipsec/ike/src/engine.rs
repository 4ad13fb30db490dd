//! The engine: routes datagrams, answers and the passage of time to sessions, and what sessions have to
//! tell to the children and wants that it concerns.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use base::{Engine, Instant, VrfId};

use crate::agenda::Agenda;
use crate::child::{Children, Due};
use crate::core::{Asker, Core, Event};
use crate::demux::{Demux, Peer};
use crate::opening::{HalfOpen, wrong_version};
use crate::status::{self, ChildState, SessionState};
use crate::v1::main::State;
use crate::v1::session::{Fate, Message, Session};
use crate::v1::{informational, quick};
use crate::want::Wants;
use crate::window;
use crate::wire::header::Header;
use crate::{Answer, AskId, Child, ChildId, Command, Datagram, DownReason, Input, Output, SessionId};

/// How long the old session outlives its successor.
const SESSION_GRACE: Duration = Duration::from_secs(10);

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
            complaints: BTreeMap::new(),
        }
    }

    /// Every phase 1 SA, complete or not.
    pub fn sessions(&self, now: Instant) -> Vec<SessionState> {
        self.sessions.values().map(|session| status::of_session(session, now)).collect()
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
        if let Some(refusal) = wrong_version(header.version) {
            return self.core.refuse(None, &path, &refusal);
        }
        let message = Message { path, header, body, digest: window::digest(&datagram.bytes) };
        match self.demux.find(&path, &header) {
            Some(id) => self.with(id, |session, core| session.receive(core, &message)),
            None => self.open(&message),
        }
    }

    fn answered(&mut self, id: AskId, answer: Answer) {
        let asker = self.core.asker(id);
        let Some(Asker::Main(session) | Asker::Quick(session, _)) = asker else { return };
        if let Answer::Spi(Some(spi)) = &answer
            && !self.sessions.contains_key(&session)
        {
            return self.core.release(*spi);
        }
        self.with(session, |session, core| match (asker, answer) {
            (Some(Asker::Quick(_, id)), answer) => quick::answered(session, core, id, answer),
            (Some(Asker::Main(_)), Answer::Computed(outcome)) => session.computed(core, outcome),
            (Some(Asker::Main(_)) | None, _) => Fate::Live,
        });
    }

    /// Lets a session work, then files it where it belongs now.
    pub(crate) fn with(&mut self, id: SessionId, work: impl FnOnce(&mut Session, &mut Core) -> Fate) {
        let Some(mut session) = self.sessions.remove(&id) else { return };
        if matches!(session.state, State::ExpectSecret(..)) {
            session.first_contact = self.is_first_contact(&session);
        }
        match work(&mut session, &mut self.core) {
            Fate::Live => self.keep(session),
            Fate::Failed => self.main_failed(session),
            Fate::Down(reason) => self.end(session, reason),
        }
    }

    pub(crate) fn keep(&mut self, session: Session) {
        if session.established().is_some() {
            self.half_open.remove(&session.path, session.id);
        }
        self.demux.bind(&session);
        self.agenda.set(session.id, session.deadline());
        self.sessions.insert(session.id, session);
    }

    /// Ends an established session. Its children live on.
    pub(crate) fn end(&mut self, mut session: Session, reason: DownReason) {
        let tell = match reason {
            DownReason::PeerDeleted | DownReason::InitialContact | DownReason::PeerSilent => false,
            DownReason::Expired
            | DownReason::Exhausted
            | DownReason::Cleared
            | DownReason::Reconfigured
            | DownReason::Superseded
            | DownReason::Idle => true,
        };
        if tell {
            informational::delete_session(&mut session, &mut self.core);
        }
        if let Some(notice) = session.down_notice(reason) {
            self.core.notice(notice);
        }
        self.forget(session);
    }

    pub(crate) fn forget(&mut self, mut session: Session) {
        quick::abandon_all(&mut session, &mut self.core);
        self.demux.unbind(&session);
        self.agenda.set(session.id, None);
        self.half_open.remove(&session.path, session.id);
    }

    fn is_first_contact(&self, session: &Session) -> bool {
        let peer = session.path.peer();
        !self.sessions_between(peer).any(|other| other.established().is_some())
            && self.children.of_peer(peer).next().is_none()
    }

    pub(crate) fn sessions_between(&self, peer: Peer) -> impl Iterator<Item = &Session> {
        self.demux.between(peer).filter_map(|id| self.sessions.get(&id))
    }

    /// Lets every consequence of what happened happen.
    fn settle(&mut self) {
        while let Some(event) = self.core.events.pop_front() {
            match event {
                Event::Established(id) => self.established(id),
                Event::RekeyDue(id) => self.renew_session(id),
                Event::InitialContact(id) => self.initial_contact(id),
                Event::ChildrenDeleted(id, spis) => self.children_deleted(id, &spis),
                Event::Moved(id, from) => self.session_moved(id, from),
                Event::SessionDeleted(id) => self.close(id, DownReason::PeerDeleted),
                Event::ChildReady { child, want } => {
                    want.into_iter().for_each(|want| self.wants.fulfil(want));
                    self.child_ready(child);
                }
                Event::ChildConfirmed(id) => self.children.promote(&mut self.core, id),
                Event::ChildAborted(id) => self.drop_child(id, DownReason::PeerSilent),
                Event::QuickFailed { session, want, silent } => self.quick_failed(session, want, silent),
            }
        }
    }

    fn child_ready(&mut self, child: Box<Child>) {
        let Some(session) = self.sessions.get(&child.session) else { return self.core.release(child.spi_in) };
        if self.is_welcome(&child, session) {
            return self.children.ready(&mut self.core, child, session);
        }
        self.core.release(child.spi_in);
        self.with(child.session, |session, core| {
            informational::delete_children(session, core, &[child.spi_in.0]);
            Fate::Live
        });
    }

    fn established(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let (replaces, notice) = (session.replaces, session.up_notice());
        notice.into_iter().for_each(|notice| self.core.notice(notice));
        let lifetime = session.established().filter(|phase1| phase1.shortened && !session.initiator);
        let lifetime = lifetime.map(|phase1| phase1.proposal.lifetime);
        self.with(id, |session, core| {
            lifetime.into_iter().for_each(|ours| informational::announce_lifetime(session, core, ours));
            Fate::Live
        });
        if let Some(old) = replaces {
            self.with(old, |session, core| {
                session.retire_at = Some(core.now + SESSION_GRACE);
                Fate::Live
            });
        }
        self.serve_wants(id);
    }

    /// The peer lost its memory: what it had with us before this session began is gone (VRF-24).
    fn initial_contact(&mut self, id: SessionId) {
        let Some(fresh) = self.sessions.get(&id) else { return };
        let Some(identity) = fresh.established().map(|phase1| phase1.identity.clone()) else { return };
        let (path, since, port) = (fresh.path, fresh.created, fresh.path.remote.port());
        let gone = self.children.of_peer(path.peer()).filter(|child| {
            (child.identity == identity || child.port == port) && child.state.installed < since
        });
        let gone: Vec<ChildId> = gone.map(|child| child.state.id).collect();
        let sessions = self.sessions_between(path.peer()).filter(|other| {
            other.id != id
                && other.established().is_some_and(|phase1| {
                    phase1.since < since && (phase1.identity == identity || other.path.remote.port() == port)
                })
        });
        let sessions: Vec<SessionId> = sessions.map(|session| session.id).collect();
        gone.into_iter().for_each(|child| self.drop_child(child, DownReason::InitialContact));
        sessions.into_iter().for_each(|session| self.close(session, DownReason::InitialContact));
    }

    fn children_deleted(&mut self, id: SessionId, spis: &[u32]) {
        let Some(session) = self.sessions.get(&id) else { return };
        let gone = self.children.of_peer(session.path.peer()).filter(|child| child.is_of(session));
        let gone: Vec<ChildId> =
            gone.filter(|child| spis.contains(&child.state.spi_out.0)).map(|child| child.state.id).collect();
        gone.into_iter().for_each(|child| self.drop_child(child, DownReason::PeerDeleted));
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
        let newest = sessions.max_by_key(|session| session.established().map(|phase1| phase1.since));
        if let Some(session) = newest.map(|session| session.id) {
            self.with(session, |session, core| {
                informational::delete_children(session, core, &[child.state.spi_in.0]);
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
            Command::Exhausted(child) => self.delete_child(child, DownReason::Exhausted),
            Command::Moved { child, port } => self.child_moved(child, port),
            Command::Clear(target) => self.clear(target),
            Command::Load(percent) => self.core.load = percent,
            Command::Debug(on) => self.core.debug = on,
        }
    }
}
