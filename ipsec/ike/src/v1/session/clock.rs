//! What time does to a session: retransmissions, keepalives, a successor in good time, and the end.

use std::time::Duration;

use base::Instant;

use super::{Fate, Session};
use crate::core::{Core, Event};
use crate::error::Refusal;
use crate::natt::KEEPALIVE;
use crate::notice::Blame;
use crate::v1::main::State;
use crate::v1::quick::{self, Quick};
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
        let quicks = self.quicks.values().map(Quick::deadline);
        own.into_iter().flatten().chain(self.window.deadline()).chain(quicks).min()
    }

    pub(crate) fn tick(&mut self, core: &mut Core) -> Fate {
        match self.window.tick(core.now) {
            Due::Nothing => {}
            Due::Retransmit(bytes) => {
                core.debug(Some(self.id), &self.path, || "retransmitting phase 1".to_owned());
                core.transmit(self.path, bytes);
            }
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
        Fate::Live
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
        let (what, why) = match self.state {
            State::ExpectProof(_) => {
                ("no-answer-to-identity", "it does not accept our identity, or its pre-shared key differs")
            }
            State::ExpectSa(_) => {
                ("no-answer", "it does not know us, takes none of our proposals, or is unreachable")
            }
            State::ExpectPeerKey(_)
            | State::ExpectKeyPair(_)
            | State::ExpectSecret(..)
            | State::ExpectKey(_)
            | State::ExpectAgreement(_)
            | State::ExpectClaim(_)
            | State::Established(_) => ("no-answer", "it fell silent in the middle of main mode"),
        };
        if !self.complained {
            let detail = format!("{} does not answer: {why}{hint}", self.path.remote.ip());
            core.refuse(Some(self.id), &self.path, &Refusal::because(Blame::PeerIncompatible, what, detail));
        }
        Fate::Failed
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
