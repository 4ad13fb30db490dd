//! One phase 1 SA from its first message to its end: who the peer is, where main mode stands, and the
//! exchanges that run under it.

use std::collections::BTreeMap;

use base::Instant;

use super::cipher::Keys;
use super::dpd::Dpd;
use super::fragments::{self, Assembly};
use super::phase1::{self, Accepted, Established, State, Step};
use super::quick::{self, Quick};
use super::{dpd, informational};
use crate::config::Version;
use crate::core::{Asker, Core, Event};
use crate::error::Refusal;
use crate::natt::Nat;
use crate::policy::{self, Place};
use crate::record::{Fact, Story};
pub(crate) use crate::session::{Fate, Message};
use crate::window::{self, Digest, UsedIds, Window};
use crate::wire::fragment::Fragment;
use crate::wire::header::{Cookie, FLAG_ENCRYPTED, Header, VERSION_1, exchange};
use crate::wire::payload::{self, Builder, Chain};
use crate::wire::vendor::{self, Announced};
use crate::{Answer, Path, SessionId};

mod clock;
mod open;
mod words;
pub(crate) use open::Opening;
pub(crate) use words::state_word;

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
    /// Boxed: a map keeps room for several once it has had one.
    pub(crate) quicks: BTreeMap<u32, Box<Quick>>,
    used: UsedIds,
    keepalive_at: Option<Instant>,
    /// What the peer takes.
    pub(crate) announced: Announced,
    /// A message of the peer that is not whole yet.
    assembly: Option<Box<Assembly>>,
    /// Dead-peer detection, where both sides do it.
    pub(crate) dpd: Option<Box<Dpd>>,
    /// One failed negotiation is one line in the log, however often the peer tries.
    complained: bool,
    /// What somebody told us in clear: no more than a hint why the peer is silent.
    pub(crate) hint: Option<&'static str>,
    /// Why it failed, if it does.
    pub(crate) story: Story,
}

impl Session {
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
            announced: Announced::default(),
            assembly: None,
            dpd: None,
            complained: false,
            hint: None,
            story: Story::begin(core.now),
        }
    }

    pub(crate) const fn established(&self) -> Option<&Established> {
        match &self.state {
            State::Established(established) => Some(established),
            State::Main(_) | State::Aggressive(_) | State::Proving(_) => None,
        }
    }

    pub(crate) fn asker(&self) -> policy::Asker<'_> {
        policy::Asker {
            version: Version::V1,
            front: self.path.front,
            inside: self.place.inside,
            local: self.path.local.ip(),
            remote: self.path.remote.ip(),
            profile: self.place.profile.as_deref(),
            identity: self.established().map(|phase1| (&phase1.identity, phase1.certificate.as_deref())),
        }
    }

    pub(crate) fn is_with(&self, other: &Path) -> bool {
        self.path.front == other.front
            && self.path.local.ip() == other.local.ip()
            && self.path.remote.ip() == other.remote.ip()
    }

    /// A datagram with our cookies.
    pub(crate) fn receive(&mut self, core: &mut Core, message: &Message<'_>) -> Fate {
        let result = if self.is_with(&message.path) {
            self.dispatch(core, message)
        } else {
            Err(Refusal::ignored("from-another-address"))
        };
        let fate = match result {
            Ok(()) => Fate::Live,
            Err(refusal) => self.refused(core, &message.path, &refusal),
        };
        self.listen(core);
        fate
    }

    fn dispatch(&mut self, core: &mut Core, message: &Message<'_>) -> Result<(), Refusal> {
        if message.header.next == payload::FRAGMENT && !message.header.is_encrypted() {
            return self.receive_fragment(core, message);
        }
        match message.header.exchange {
            exchange::MAIN | exchange::AGGRESSIVE => self.receive_phase1(core, message),
            exchange::QUICK => quick::receive(self, core, message),
            exchange::INFORMATIONAL => informational::receive(self, core, message),
            exchange::TRANSACTION => Err(Refusal::ignored("mode-config-not-supported")),
            _ => Err(Refusal::ignored("unknown-exchange")),
        }
    }

    /// A part of a message; the last one that comes makes it whole.
    fn receive_fragment(&mut self, core: &mut Core, message: &Message<'_>) -> Result<(), Refusal> {
        if !core.config.fragmentation {
            return Err(Refusal::ignored("fragments-not-announced"));
        }
        let chain = Chain::decode(message.header.next, message.body)?;
        let fragment = Fragment::decode(chain.first(payload::FRAGMENT)?)?;
        let assembly = self.assembly.get_or_insert_default();
        let Some(bytes) = assembly.add(&fragment)? else { return Ok(()) };
        self.assembly = None;
        let (header, body) = Header::decode(&bytes)?;
        let is_ours =
            (header.initiator, header.responder) == (message.header.initiator, message.header.responder);
        if header.next == payload::FRAGMENT || !is_ours {
            return Err(Refusal::ignored("bad-fragment"));
        }
        let digest = window::digest(&bytes);
        self.dispatch(core, &Message { path: message.path, header, body, bytes: &bytes, digest })
    }

    fn receive_phase1(&mut self, core: &mut Core, message: &Message<'_>) -> Result<(), Refusal> {
        if self.window.is_duplicate(&message.digest) {
            self.repeat(core);
            return Ok(());
        }
        let name = words::awaited(&self.state);
        let step = phase1::receive(self, core, message)?;
        core.tell(Fact::Received { message: name });
        self.hear_vendors(core, message);
        self.take(core, step, Some(&message.digest));
        Ok(())
    }

    /// What phase 1 asked for.
    pub(crate) fn answered_phase1(&mut self, core: &mut Core, answer: Answer) -> Fate {
        let fate = match phase1::answered(self, core, answer) {
            Ok(step) => self.take(core, step, None),
            Err(refusal) => self.refused(core, &self.path.clone(), &refusal),
        };
        self.listen(core);
        fate
    }

    /// `digest`: of the message that led to this step.
    fn take(&mut self, core: &mut Core, step: Step, digest: Option<&Digest>) -> Fate {
        let before = state_word(self);
        self.state = step.state;
        self.path = step.path.unwrap_or(self.path);
        self.cookies.1 = step.responder.unwrap_or(self.cookies.1);
        self.accept(step.accepted, digest);
        step.ask.into_iter().for_each(|ask| core.ask(Asker::Main(self.id), ask));
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
        step.refusal.map_or(Fate::Live, |refusal| self.refused(core, &self.path.clone(), &refusal))
    }

    fn accept(&mut self, accepted: Accepted, digest: Option<&Digest>) {
        match (accepted, digest) {
            (Accepted::Earlier(digest), _) => self.window.accept(digest),
            (Accepted::This, Some(digest)) => self.window.accept(digest.clone()),
            (Accepted::This, None) | (Accepted::NotYet, _) => {}
        }
    }

    fn send(&mut self, core: &mut Core, bytes: Vec<u8>, until_answered: bool) {
        let exchange = bytes.get(EXCHANGE_AT).copied().unwrap_or_default();
        core.tell(Fact::Sent { message: words::sent(&self.state, exchange) });
        self.transmit(core, &bytes);
        if until_answered {
            self.window.send_until_answered(bytes, core.now, &core.config.timers);
        } else {
            self.window.send(bytes);
        }
    }

    /// In fragments, if it is too long and the peer takes them.
    pub(crate) fn transmit(&self, core: &mut Core, bytes: &[u8]) {
        if core.config.fragmentation && self.announced.fragmentation && fragments::is_long(bytes) {
            let id = core.drbg.u32().to_be_bytes();
            for fragment in fragments::split(bytes, u16::from_be_bytes([id[0], id[1]])) {
                core.transmit(self.path, fragment);
            }
        } else {
            core.transmit(self.path, bytes.to_vec());
        }
    }

    /// What the peer announces and calls itself, as far as it says so in clear.
    fn hear_vendors(&mut self, core: &mut Core, message: &Message<'_>) {
        if message.header.is_encrypted() {
            return;
        }
        let Ok(chain) = Chain::decode(message.header.next, message.body) else { return };
        self.announced = self.announced.and(Announced::of(&chain));
        for name in chain.all(payload::VENDOR).filter_map(vendor::name) {
            core.tell(Fact::Note(format!("the peer announces {name}").into()));
        }
    }

    /// What was found out goes into the story.
    pub(crate) fn listen(&mut self, core: &mut Core) {
        self.story.listen(core);
    }

    fn completed(&mut self, core: &mut Core, initial_contact: bool) {
        self.listen(core);
        self.story.establish(core.now);
        dpd::start(self, core);
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
            self.transmit(core, bytes);
        }
    }

    fn refused(&mut self, core: &mut Core, path: &Path, refusal: &Refusal) -> Fate {
        let loud = !refusal.detail.is_empty();
        if loud {
            self.remember(core, refusal);
        }
        // Only phase 1 repeats itself: a quick mode that fails is gone.
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

    /// A failure of phase 1 is the end of the story; one under a session that is up is part of it.
    pub(crate) fn remember(&mut self, core: &mut Core, refusal: &Refusal) {
        if self.established().is_some() {
            core.tell(Fact::Note(format!("no child: {}: {}", refusal.what, refusal.detail).into()));
        } else {
            self.story.fail(refusal);
        }
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
        header(self.cookies, exchange, 0, 0, chain.first()).encode(chain.bytes())
    }

    pub(crate) fn sealed_message(&self, exchange: u8, message_id: u32, first: u8, sealed: &[u8]) -> Vec<u8> {
        header(self.cookies, exchange, FLAG_ENCRYPTED, message_id, first).encode(sealed)
    }

    /// Before the session itself knows the responder's cookie.
    pub(crate) fn sealed_with(cookies: (Cookie, Cookie), exchange: u8, first: u8, sealed: &[u8]) -> Vec<u8> {
        header(cookies, exchange, FLAG_ENCRYPTED, 0, first).encode(sealed)
    }

    /// Whether its last message as initiator is about to say if this is the first contact.
    pub(crate) const fn asks_first_contact(&self) -> bool {
        self.initiator && !matches!(self.state, State::Established(_))
    }

    /// Phase 1 is complete: what the peer has to know of it.
    pub(crate) fn greet(&mut self, core: &mut Core) {
        let lifetime = self.established().filter(|phase1| phase1.shortened && !self.initiator);
        if let Some(ours) = lifetime.map(|phase1| phase1.proposal.lifetime) {
            informational::announce_lifetime(self, core, ours);
        }
    }
}

const fn header(cookies: (Cookie, Cookie), exchange: u8, flags: u8, message_id: u32, next: u8) -> Header {
    let (initiator, responder) = cookies;
    Header { initiator, responder, next, version: VERSION_1, exchange, flags, message_id }
}

/// Where the exchange type stands in a message.
const EXCHANGE_AT: usize = 18;

#[cfg(test)]
mod tests {
    use super::*;

    /// Thousands are kept: what is only needed on the way is boxed.
    #[test]
    fn a_session_is_small() {
        let size = size_of::<Session>();
        assert!(size <= 800, "{size}");
    }
}
