//! One phase 1 SA from its first message to its end: who the peer is, where main mode stands, and the
//! exchanges that run under it.

use std::collections::BTreeMap;

use base::Instant;
use crypto::job::{Failed, Outcome};

use super::cipher::Keys;
use super::main::{self, Established, Place, State, Step};
use super::quick::{self, Quick};
use super::{informational, main::initiator, main::responder};
use crate::core::{Asker, Core, Event};
use crate::error::Refusal;
use crate::natt::Nat;
use crate::notice::Notice;
use crate::policy;
use crate::window::{Digest, UsedIds, Window};
use crate::wire::header::{Cookie, FLAG_ENCRYPTED, Header, VERSION_1, exchange};
use crate::wire::payload::Builder;
use crate::{Ask, DownReason, Path, SessionId};

mod clock;

/// A datagram on its way through the engine.
pub(crate) struct Message<'a> {
    pub(crate) path: Path,
    pub(crate) header: Header,
    pub(crate) body: &'a [u8],
    pub(crate) digest: Digest,
}

impl Message<'_> {
    /// The clear bytes, and the IV that follows.
    pub(crate) fn open(&self, keys: &Keys, iv: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
        if !self.header.is_encrypted() {
            return Err(Refusal::ignored("not-encrypted"));
        }
        keys.open(iv, self.body)
    }
}

pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) path: Path,
    /// Initiator's, responder's.
    pub(crate) cookies: (Cookie, Cookie),
    pub(crate) initiator: bool,
    /// There is no other SA with this peer: main mode shall say so.
    pub(crate) first_contact: bool,
    /// As responder not settled before the peer's identity is known.
    pub(crate) place: Place,
    pub(crate) state: State,
    pub(crate) created: Instant,
    /// The session that this one is to replace.
    pub(crate) replaces: Option<SessionId>,
    /// Replaced: this is its end.
    pub(crate) retire_at: Option<Instant>,
    window: Window,
    pub(crate) quicks: BTreeMap<u32, Quick>,
    used: UsedIds,
    keepalive_at: Option<Instant>,
    /// One failed negotiation is one line in the log, however often the peer tries.
    complained: bool,
    /// What somebody told us in clear: no more than a hint why the peer is silent.
    pub(crate) hint: Option<&'static str>,
}

/// Whether a session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Live,
    /// Main mode did not complete; it has been reported.
    Failed,
    Down(DownReason),
}

impl Session {
    /// We open main mode.
    pub(crate) fn initiate(core: &mut Core, path: Path, place: Place, offered: initiator::Offered) -> Self {
        let cookies = (core.drbg.bytes(), Cookie::default());
        let mut session = Self::new(core, path, cookies, place, State::ExpectSa(offered));
        session.initiator = true;
        if let State::ExpectSa(offered) = &session.state {
            let message = initiator::first_message(&session, offered);
            session.window.send_until_answered(message.clone(), core.now, &core.config.timers);
            core.transmit(path, message);
        }
        core.debug(Some(session.id), &path, || "beginning Main Mode exchange".to_owned());
        session
    }

    /// Somebody opens main mode with us.
    pub(crate) fn respond(core: &mut Core, message: &Message<'_>) -> Result<Self, Refusal> {
        let (agreed, answer) = responder::open(core, message)?;
        let path = message.path;
        let cookies = (message.header.initiator, core.drbg.bytes());
        let place = Place { profile: None, inside: path.front };
        let mut session = Self::new(core, path, cookies, place, State::ExpectKey(agreed));
        if let State::ExpectKey(agreed) = &session.state {
            let reply = responder::second_message(&session, agreed, &answer);
            session.window.accept(message.digest.clone());
            session.window.send(reply.clone());
            core.transmit(path, reply);
        }
        Ok(session)
    }

    fn new(core: &mut Core, path: Path, cookies: (Cookie, Cookie), place: Place, state: State) -> Self {
        Self {
            id: core.session_id(),
            path,
            cookies,
            initiator: false,
            first_contact: false,
            place,
            state,
            created: core.now,
            replaces: None,
            retire_at: None,
            window: Window::new(),
            quicks: BTreeMap::new(),
            used: UsedIds::default(),
            keepalive_at: None,
            complained: false,
            hint: None,
        }
    }

    pub(crate) const fn established(&self) -> Option<&Established> {
        match &self.state {
            State::Established(established) => Some(established),
            State::ExpectSa(_)
            | State::ExpectKeyPair(_)
            | State::ExpectPeerKey(_)
            | State::ExpectSecret(..)
            | State::ExpectProof(_)
            | State::ExpectKey(_)
            | State::ExpectAgreement(_)
            | State::ExpectClaim(_) => None,
        }
    }

    pub(crate) fn asker(&self) -> policy::Asker<'_> {
        policy::Asker {
            front: self.path.front,
            inside: self.place.inside,
            local: self.path.local.ip(),
            remote: self.path.remote.ip(),
            profile: self.place.profile.as_deref(),
        }
    }

    pub(crate) fn is_with(&self, other: &Path) -> bool {
        self.path.front == other.front
            && self.path.local.ip() == other.local.ip()
            && self.path.remote.ip() == other.remote.ip()
    }

    /// A datagram with our cookies.
    pub(crate) fn receive(&mut self, core: &mut Core, message: &Message<'_>) -> Fate {
        let result = match message.header.exchange {
            _ if !self.is_with(&message.path) => Err(Refusal::ignored("from-another-address")),
            exchange::MAIN => self.receive_main(core, message),
            exchange::QUICK => quick::receive(self, core, message),
            exchange::INFORMATIONAL => informational::receive(self, core, message),
            exchange::AGGRESSIVE => Err(Refusal::ignored("aggressive-mode-not-supported")),
            exchange::TRANSACTION => Err(Refusal::ignored("mode-config-not-supported")),
            _ => Err(Refusal::ignored("unknown-exchange")),
        };
        match result {
            Ok(()) => Fate::Live,
            Err(refusal) => self.refused(core, &message.path, &refusal),
        }
    }

    fn receive_main(&mut self, core: &mut Core, message: &Message<'_>) -> Result<(), Refusal> {
        if self.window.is_duplicate(&message.digest) {
            self.repeat(core);
            return Ok(());
        }
        if message.header.message_id != 0 {
            return Err(Refusal::ignored("message-id-in-main-mode"));
        }
        let step = main::receive(self, core, message)?;
        self.window.accept(message.digest.clone());
        self.take(core, step);
        Ok(())
    }

    pub(crate) fn computed(&mut self, core: &mut Core, outcome: Result<Outcome, Failed>) -> Fate {
        match main::computed(self, core, outcome) {
            Ok(step) => {
                self.take(core, step);
                Fate::Live
            }
            Err(refusal) => self.refused(core, &self.path.clone(), &refusal),
        }
    }

    fn take(&mut self, core: &mut Core, step: Step) {
        let before = state_word(self);
        self.state = step.state;
        self.path = step.path.unwrap_or(self.path);
        self.cookies.1 = step.responder.unwrap_or(self.cookies.1);
        if let Some(job) = step.compute {
            core.ask(Asker::Main(self.id), Ask::Compute(job.into()));
        }
        if let Some(bytes) = step.send {
            self.send(core, bytes, step.until_answered);
        }
        self.place = step.place.unwrap_or_else(|| self.place.clone());
        core.debug(Some(self.id), &self.path, || {
            format!("Old State = {before}  New State = {}", state_word(self))
        });
        if self.established().is_some() {
            self.completed(core, step.initial_contact);
        }
    }

    fn send(&mut self, core: &mut Core, bytes: Vec<u8>, until_answered: bool) {
        core.transmit(self.path, bytes.clone());
        if until_answered {
            self.window.send_until_answered(bytes, core.now, &core.config.timers);
        } else {
            self.window.send(bytes);
        }
    }

    fn completed(&mut self, core: &mut Core, initial_contact: bool) {
        if self.nat().local {
            self.keepalive_at = Some(core.now + core.config.timers.nat_keepalive);
        }
        if initial_contact {
            core.events.push_back(Event::InitialContact(self.id));
        }
        core.events.push_back(Event::Established(self.id));
    }

    /// Answers a duplicate with the bytes that answered the original.
    fn repeat(&self, core: &mut Core) {
        core.debug(Some(self.id), &self.path, || {
            "phase 1 packet is a duplicate of a previous packet.".to_owned()
        });
        if let Some(bytes) = self.window.reply() {
            core.transmit(self.path, bytes.clone());
        }
    }

    fn refused(&mut self, core: &mut Core, path: &Path, refusal: &Refusal) -> Fate {
        let loud = !refusal.detail.is_empty();
        // Only main mode repeats itself: a quick mode that fails is gone.
        if loud && self.complained && self.established().is_none() {
            core.refuse(Some(self.id), path, &Refusal::ignored(refusal.what));
        } else {
            core.refuse(Some(self.id), path, refusal);
        }
        self.complained |= loud;
        if refusal.fatal && self.established().is_none() {
            if let Some(kind) = refusal.notify {
                informational::tell_in_clear(self, core, kind);
            }
            return Fate::Failed;
        }
        Fate::Live
    }

    pub(crate) fn nat(&self) -> Nat {
        self.established().map_or_else(Nat::default, |established| established.nat)
    }

    /// The peer's NAT gave it another port, and the peer has proved that it is there. Who is behind a NAT
    /// itself stays: RFC 3947 section 7.
    pub(crate) fn follow(&mut self, core: &mut Core, path: &Path) {
        let from = self.path.remote.port();
        if self.nat().remote && path.marker && self.is_with(path) && path.remote.port() != from {
            self.path = *path;
            core.events.push_back(Event::Moved(self.id, from));
        }
    }

    /// A message ID that no exchange of this session has used.
    pub(crate) fn fresh_id(&mut self, core: &mut Core) -> u32 {
        loop {
            let id = core.drbg.u32();
            if id != 0 && self.use_id(id) {
                return id;
            }
        }
    }

    /// `false` if it was used before.
    pub(crate) fn use_id(&mut self, id: u32) -> bool {
        self.used.insert(id)
    }

    pub(crate) fn has_used(&self, id: u32) -> bool {
        self.used.contains(id)
    }

    pub(crate) fn clear_message(&self, exchange: u8, chain: &Builder) -> Vec<u8> {
        self.header(exchange, 0, 0, chain.first()).encode(chain.bytes())
    }

    pub(crate) fn sealed_message(&self, exchange: u8, message_id: u32, first: u8, sealed: &[u8]) -> Vec<u8> {
        self.header(exchange, FLAG_ENCRYPTED, message_id, first).encode(sealed)
    }

    const fn header(&self, exchange: u8, flags: u8, message_id: u32, next: u8) -> Header {
        let (initiator, responder) = self.cookies;
        Header { initiator, responder, next, version: VERSION_1, exchange, flags, message_id }
    }

    /// What an operator reads when phase 1 is complete.
    pub(crate) fn up_notice(&self) -> Option<Notice> {
        let identity = self.established()?.identity.to_string();
        Some(Notice::SessionUp {
            session: self.id,
            front: self.path.front,
            inside: self.place.inside,
            local: self.path.local.ip(),
            remote: self.path.remote.ip(),
            port: self.path.remote.port(),
            identity,
            profile: self.place.profile.clone(),
            initiator: self.initiator,
        })
    }

    pub(crate) fn down_notice(&self, reason: DownReason) -> Option<Notice> {
        let identity = self.established()?.identity.to_string();
        Some(Notice::SessionDown {
            session: self.id,
            front: self.path.front,
            inside: self.place.inside,
            remote: self.path.remote.ip(),
            port: self.path.remote.port(),
            identity,
            reason,
        })
    }
}

/// IOS's word for where main mode stands.
pub(crate) const fn state_word(session: &Session) -> &'static str {
    match &session.state {
        State::ExpectSa(_) => "MM_NO_STATE",
        State::ExpectKeyPair(_) | State::ExpectPeerKey(_) | State::ExpectKey(_) => "MM_SA_SETUP",
        State::ExpectSecret(..)
        | State::ExpectProof(_)
        | State::ExpectAgreement(_)
        | State::ExpectClaim(_) => "MM_KEY_EXCH",
        State::Established(_) => "QM_IDLE",
    }
}
