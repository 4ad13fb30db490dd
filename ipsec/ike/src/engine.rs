//! The engine: routes datagrams, answers and the passage of time to sessions, and what sessions have to
//! tell to the children and wants that it concerns.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use base::{Engine, Instant, VrfId};

use crate::admission::Admission;
use crate::agenda::Agenda;
use crate::child::{Children, Due};
use crate::config::Version;
use crate::core::{Asker, Core, Event};
use crate::demux::{Demux, Peer};
use crate::opening::HalfOpen;
use crate::record::Outcome;
use crate::record::Record;
use crate::session::{Fate, Message, Session};
use crate::status::{self, ChildState, SessionState};
use crate::v2;
use crate::want::Wants;
use crate::window;
use crate::wire::header::{Header, LENGTH as HEADER};
use crate::{Answer, AskId, Child, ChildId, Command, Datagram, DownReason, Input, Output, SessionId};

/// How long the old session outlives its successor.
pub(crate) const SESSION_GRACE: Duration = Duration::from_secs(10);

/// Within this time after a rekey the peer deletes the old session; otherwise we do.
pub(crate) const LATE_DELETE: Duration = Duration::from_secs(60);

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

    /// Lets every consequence of what happened happen.
    fn settle(&mut self) {
        while let Some(event) = self.core.events.pop_front() {
            match event {
                Event::Established(id) => self.established(id),
                Event::Doubt(id) => self.doubt(id),
                Event::PeerDead(id) => self.peer_dead(id),
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
                Event::ChildMade { child, replaces, want } => {
                    want.into_iter().for_each(|want| self.wants.fulfil(want));
                    self.child_made(child, replaces);
                }
                Event::ChildGone(id, reason) => self.drop_child(id, reason),
                Event::RekeyFailed(id) => self.children.rekey_again(id, self.core.now),
                Event::Succeeded { old, new } => self.succeeded(old, new),
                Event::SessionAdded(new) => self.keep(Session::V2(new)),
                Event::SessionRedundant { id, ours } => self.session_redundant(id, ours),
                Event::Inherited { old, new } => self.session_inherited(old, new),
                Event::Fulfilled(want) => self.wants.fulfil(want),
                Event::ChildRedundant(id) => self.children.redundant(id),
                Event::Relocated(id) => self.session_relocated(id),
                Event::NegotiationFailed { session, want, silent } => {
                    self.negotiation_failed(session, want, silent);
                }
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
            session.delete_children(core, &[child.spi_in]);
            Fate::Live
        });
    }

    fn child_made(&mut self, child: Box<Child>, replaces: Option<ChildId>) {
        let welcome = self.sessions.get(&child.session).filter(|session| self.is_welcome(&child, session));
        let Some(session) = welcome else { return self.child_ready(child) };
        let goes = if replaces.is_none() { self.crossing(&child) } else { None };
        let asking = if child.initiator { Vec::new() } else { self.asking_for(&child) };
        if goes.is_some_and(|(id, _)| id == child.session) {
            self.children.made_in_vain(&mut self.core, child, session);
        } else {
            self.children.made(&mut self.core, child, replaces, session);
        }
        goes.into_iter().for_each(|goes| self.give_way(goes));
        asking.into_iter().for_each(|session| self.stop_asking(session));
    }

    /// A session of version 2 was rekeyed: its children are the new one's. Who rekeyed deletes the old one.
    fn succeeded(&mut self, old: SessionId, new: Box<v2::session::Session>) {
        let (id, ours) = (new.id, new.initiator);
        self.keep(Session::V2(new));
        let Some(session) = self.sessions.get(&id) else { return };
        self.children.adopt(old, session);
        session.up_notice().into_iter().for_each(|notice| self.core.notice(notice));
        let end = self.core.now + if ours { Duration::ZERO } else { LATE_DELETE };
        self.retire(old, end);
    }

    pub(crate) fn retire(&mut self, id: SessionId, at: Instant) {
        self.with(id, |session, _| {
            session.retire(at);
            Fate::Live
        });
    }

    fn established(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let (replaces, notice) = (session.replaces(), session.up_notice());
        notice.into_iter().for_each(|notice| self.core.notice(notice));
        self.with(id, |session, core| {
            session.greet(core);
            Fate::Live
        });
        if let Some(old) = replaces {
            self.retire(old, self.core.now + SESSION_GRACE);
            self.remake_children(old);
        }
        self.serve_wants(id);
    }

    /// The peer lost its memory: what it had with us before this session began is gone (VRF-24).
    fn initial_contact(&mut self, id: SessionId) {
        let Some(fresh) = self.sessions.get(&id) else { return };
        let Some(identity) = fresh.established().map(|phase1| phase1.identity.clone()) else { return };
        let (path, since, port) = (fresh.path(), fresh.created(), fresh.path().remote.port());
        let of_peer = self.children.of_peer(path.peer()).filter(|child| child.version == Version::V1);
        let gone = of_peer.filter(|child| {
            (child.identity == identity || child.port == port) && child.state.installed < since
        });
        let gone: Vec<ChildId> = gone.map(|child| child.state.id).collect();
        let sessions = self.sessions_between(path.peer()).filter(|other| {
            other.id() != id
                && other.established().is_some_and(|sa| {
                    sa.since < since && (*sa.identity == identity || other.path().remote.port() == port)
                })
        });
        let sessions: Vec<SessionId> = sessions.map(Session::id).collect();
        gone.into_iter().for_each(|child| self.drop_child(child, DownReason::InitialContact));
        sessions.into_iter().for_each(|session| self.close(session, DownReason::InitialContact));
    }

    fn children_deleted(&mut self, id: SessionId, spis: &[u32]) {
        let Some(session) = self.sessions.get(&id) else { return };
        let gone = self.children.of_peer(session.path().peer()).filter(|child| child.is_of(session));
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
            Command::Exhausted(child) => self.delete_child(child, DownReason::Exhausted),
            Command::Moved { child, port } => self.child_moved(child, port),
            Command::Clear(target) => self.clear(target),
            Command::Load(percent) => self.core.load = percent,
            Command::Debug(on) => self.core.debug = on,
        }
    }
}
