//! What the messages of a session do to its state, and what we say while it comes up, RFC 5036 sections 2.5.3, 2.5.4 and
//! 3.5.1.2.

use core::time::Duration;
use std::collections::BTreeSet;

use base::Family;

use crate::engine::Ldp;
use crate::fsm::{self, Action, Event, State};
use crate::neighbour::How;
use crate::wire::initialization::{Capabilities, Initialization};
use crate::wire::message::{Envelope, Message, kind};
use crate::wire::notification::{Fault, Status};
use crate::{LdpId, Notice, Output};

impl Ldp {
    pub(crate) fn message(&mut self, id: LdpId, envelope: Envelope<'_>) {
        if let Some(session) = self.session(id) {
            session.received += 1;
        }
        let about = (envelope.id, envelope.kind);
        match envelope.open() {
            Ok(message) => self.step(id, self.event(&message), &message, about),
            Err(fault) => self.fault(id, fault, about),
        }
    }

    fn event(&self, message: &Message) -> Event {
        match message {
            Message::Initialization(theirs) => match self.keepalive(theirs) {
                Ok(_) => Event::Initialization,
                Err(_) => Event::Unacceptable,
            },
            Message::KeepAlive => Event::KeepAlive,
            Message::Notification(notification) if notification.status.fatal => Event::End,
            Message::Notification(_)
            | Message::Hello(_)
            | Message::Capability(_)
            | Message::Address(_)
            | Message::AddressWithdraw(_)
            | Message::Mapping(_)
            | Message::Request(_)
            | Message::Withdraw(_)
            | Message::Release(_)
            | Message::Abort(_)
            | Message::Strange => Event::Other,
        }
    }

    /// The keepalive time with a peer, or why there can be no session.
    fn keepalive(&self, theirs: &Initialization) -> Result<Duration, Status> {
        let config = self.config.as_ref().ok_or(Status::SHUTDOWN)?;
        if theirs.receiver != config.id() {
            return Err(Status::NO_HELLO);
        }
        if theirs.keepalive == 0 {
            return Err(Status::BAD_KEEPALIVE);
        }
        Ok(config.hold.min(Duration::from_secs(theirs.keepalive.into())))
    }

    /// Moves the session on, and does what that asks for.
    pub(crate) fn step(&mut self, id: LdpId, event: Event, message: &Message, about: (u32, u16)) {
        let Some(session) = self.session(id) else { return };
        let (next, action) = fsm::step(session.state, event);
        match action {
            Action::Close => return self.told(id, message),
            Action::Refuse => return self.refuse(id, message, about),
            Action::Nothing
            | Action::SendInitialization
            | Action::SendInitializationAndKeepAlive
            | Action::SendKeepAlive
            | Action::Up
            | Action::Process => session.state = next,
        }
        if let (Event::Initialization, Message::Initialization(theirs)) = (event, message)
            && let Ok(keepalive) = self.keepalive(theirs)
            && next == State::OpenRec
            && let Some(session) = self.session(id)
        {
            session.agree(theirs, keepalive);
        }
        self.act(id, action, message, about);
    }

    fn act(&mut self, id: LdpId, action: Action, message: &Message, about: (u32, u16)) {
        match action {
            Action::SendInitialization => self.initialize(id),
            Action::SendInitializationAndKeepAlive => {
                self.initialize(id);
                self.say(id, &Message::KeepAlive);
            }
            Action::SendKeepAlive => self.say(id, &Message::KeepAlive),
            Action::Up => self.came_up(id),
            Action::Process => self.process(id, message, about),
            Action::Nothing | Action::Refuse | Action::Close => {}
        }
    }

    /// The peer ends the session by a notification.
    fn told(&mut self, id: LdpId, message: &Message) {
        if let Message::Notification(notification) = message {
            self.end(id, &format!("received: {}", notification.status), How::Told);
        }
    }

    fn refuse(&mut self, id: LdpId, message: &Message, about: (u32, u16)) {
        let refusal =
            if let Message::Initialization(theirs) = message { self.keepalive(theirs).err() } else { None };
        let status = refusal.unwrap_or(Status::SHUTDOWN);
        self.end(id, &format!("{status} (message 0x{:04X} out of turn)", about.1), How::Tell(status, about));
    }

    /// A malformed PDU or message, RFC 5036 section 3.5.1.2: what is fatal ends the session, the rest is told. A session
    /// that is not up yet ends by either.
    pub(crate) fn fault(&mut self, id: LdpId, Fault(status): Fault, about: (u32, u16)) {
        let operational = self.peers.get(&id).is_some_and(|peer| peer.operational().is_some());
        let notified = about.1 == kind::NOTIFICATION;
        if status.fatal || !operational {
            self.end(id, &status.to_string(), How::Tell(status, about));
        } else if !notified {
            self.notify(id, status, about);
        }
    }

    fn initialize(&mut self, id: LdpId) {
        let Some(config) = self.config.clone() else { return };
        let initialization = Initialization {
            keepalive: u16::try_from(config.hold.as_secs()).unwrap_or(u16::MAX),
            most: 0,
            receiver: id,
            restart: self.our_restart(id),
            capabilities: Capabilities::OURS,
        };
        self.say(id, &Message::Initialization(initialization));
    }

    fn came_up(&mut self, id: LdpId) {
        let both = self.config.as_ref().is_some_and(|config| config.preference().is_some());
        let families = self.families_of(id, both);
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&id) else { return };
        (peer.failures, peer.complaint, peer.known) = (0, None, true);
        if let Some(session) = &mut peer.session {
            session.up = Some(now);
            session.families = families;
        }
        self.up.insert(id);
        self.out.push_back(Output::Notice(Notice::Up(id)));
        self.resume(id);
        self.say_everything(id);
        self.reschedule(id);
    }

    /// What a peer is told of: both families if it says that it speaks both, otherwise those that its hellos come in.
    fn families_of(&self, id: LdpId, both: bool) -> BTreeSet<Family> {
        let Some(peer) = self.peers.get(&id) else { return BTreeSet::new() };
        let heard = || peer.adjacencies.iter().filter_map(|source| self.adjacencies.get_key_value(source));
        if both && heard().any(|(_, adjacency)| adjacency.preference.is_some()) {
            return Family::BOTH.into();
        }
        heard().map(|(source, _)| source.family()).collect()
    }
}
