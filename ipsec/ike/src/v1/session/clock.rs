//! What time does to a session: retransmissions, keepalives, a successor in good time, and the end.

use std::time::Duration;

use base::Instant;

use super::{Fate, Session};
use crate::core::{Core, Event};
use crate::error::Refusal;
use crate::natt::KEEPALIVE;
use crate::notice::Blame;
use crate::record::Fact;
use crate::v1::phase1::State;
use crate::v1::quick;
use crate::v1::{aggressive, dpd, main};
use crate::window::Due;
use crate::{DownReason, Path};

/// How long a peer may take for main mode.
const HALF_OPEN: Duration = Duration::from_secs(90);

impl Session {
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let own = match self.established() {
            None => [Some(self.created + HALF_OPEN), None, None, None],
            Some(phase1) => [Some(phase1.expires), phase1.rekey_at, self.keepalive_at, self.retire_at],
        };
        let quicks = self.quicks.values().map(|quick| quick.deadline());
        let dpd = self.dpd.as_ref().map(|dpd| dpd.deadline());
        own.into_iter().flatten().chain(self.window.deadline()).chain(dpd).chain(quicks).min()
    }

    pub(crate) fn tick(&mut self, core: &mut Core) -> Fate {
        match self.window.tick(core.now) {
            Due::Nothing => {}
            Due::Retransmit(bytes) => self.repeated(core, &bytes),
            Due::GiveUp => return self.unanswered(core),
        }
        quick::tick(self, core);
        let Some(phase1) = self.established() else { return self.tick_half_open(core) };
        if phase1.expires <= core.now {
            return Fate::Down(DownReason::Expired);
        }
        if self.retire_at.is_some_and(|at| at <= core.now) {
            return Fate::Down(DownReason::Superseded);
        }
        self.tick_established(core);
        let fate = dpd::tick(self, core);
        self.listen(core);
        fate
    }

    fn tick_established(&mut self, core: &mut Core) {
        if self.keepalive_at.is_some_and(|at| at <= core.now) {
            core.transmit(Path { marker: false, ..self.path }, KEEPALIVE.to_vec());
            self.keepalive_at = Some(core.now + core.config.timers.nat_keepalive);
        }
        if let State::Established(phase1) = &mut self.state
            && phase1.rekey_at.is_some_and(|at| at <= core.now)
        {
            phase1.rekey_at = None;
            core.events.push_back(Event::RekeyDue(self.id));
        }
    }

    fn tick_half_open(&self, core: &mut Core) -> Fate {
        if core.now < self.created + HALF_OPEN {
            return Fate::Live;
        }
        core.refuse(Some(self.id), &self.path, &Refusal::ignored("half-open-expired"));
        Fate::Failed
    }

    /// Every retransmission of ours was in vain.
    fn unanswered(&mut self, core: &mut Core) -> Fate {
        let hint = self.hint.map_or(String::new(), |hint| format!("; somebody said {hint} in its name"));
        let (what, why) = self.silence();
        if !self.complained {
            let detail = format!("{} does not answer: {why}{hint}", self.path.remote.ip());
            let refusal = Refusal::because(Blame::PeerIncompatible, what, detail);
            self.story.fail(&refusal);
            core.refuse(Some(self.id), &self.path, &refusal);
        }
        Fate::Failed
    }

    /// What it means that the peer does not answer: a word, and the likely causes.
    fn silence(&self) -> (&'static str, &'static str) {
        match &self.state {
            State::Main(state) => main_silence(state),
            State::Aggressive(state) => aggressive_silence(state),
            State::Proving(_) | State::Established(_) => {
                ("no-answer", "it fell silent in the middle of phase 1")
            }
        }
    }

    /// Our last message, once more.
    fn repeated(&mut self, core: &mut Core, bytes: &[u8]) {
        core.debug(Some(self.id), &self.path, || "retransmitting phase 1".to_owned());
        let exchange = bytes.get(super::EXCHANGE_AT).copied().unwrap_or_default();
        let message = super::words::sent(&self.state, exchange);
        let times = self.window.repetitions(&core.config.timers);
        self.story.tell(core.now, Fact::Repeated { message, times });
        if times == 1 {
            let (what, why) = self.silence();
            self.story.tell(core.now, Fact::Note(format!("{what} so far: {why}").into()));
        }
        self.transmit(core, bytes);
    }

    /// The peer's own limit, if it is the shorter one.
    pub(crate) fn shorten(&mut self, core: &mut Core, lifetime: Duration) {
        let State::Established(phase1) = &mut self.state else { return };
        let expires = phase1.since + lifetime;
        if expires < phase1.expires {
            phase1.expires = expires;
            phase1.proposal.lifetime = lifetime;
            phase1.rekey_at = Some(phase1.since + core.jitter(lifetime, 85, 90));
        }
    }

    /// When to look for a successor once more.
    pub(crate) const fn renew_at(&mut self, at: Instant) {
        if let State::Established(phase1) = &mut self.state {
            phase1.rekey_at = Some(at);
        }
    }
}

const fn main_silence(state: &main::State) -> (&'static str, &'static str) {
    match state {
        main::State::ExpectProof(_) => (
            "no-answer-to-identity",
            "it does not accept our identity, or its key or trustpoint differs from ours",
        ),
        main::State::ExpectSa(_) => {
            ("no-answer", "it does not know us, takes none of our proposals, or is unreachable")
        }
        main::State::ExpectPeerKey(_)
        | main::State::ExpectKeyPair(_)
        | main::State::ExpectSecret(..)
        | main::State::ExpectKey(_)
        | main::State::ExpectAgreement(_)
        | main::State::ExpectClaim(_) => ("no-answer", "it fell silent in the middle of main mode"),
    }
}

const fn aggressive_silence(state: &aggressive::State) -> (&'static str, &'static str) {
    match state {
        aggressive::State::ExpectAnswer(_) => (
            "no-answer",
            "it does not know our identity, takes none of our proposals, has aggressive mode off, or is unreachable",
        ),
        aggressive::State::ExpectConfirmation(_) => (
            "no-answer-to-identity",
            "it does not accept our proof: most likely pre-shared-key-mismatch, or it does not trust our certificate",
        ),
        aggressive::State::ExpectKeyPair(_)
        | aggressive::State::ExpectSecret(_)
        | aggressive::State::ExpectAgreement(_) => {
            ("no-answer", "it fell silent in the middle of aggressive mode")
        }
    }
}
