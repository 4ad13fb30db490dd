//! What time does to a session of version 2: retransmissions, keepalives, a successor in good time, and the
//! end.

use std::time::Duration;

use base::Instant;

use super::{Session, unanswered};
use crate::core::{Core, Event};
use crate::error::Refusal;
use crate::natt::KEEPALIVE;
use crate::record::Fact;
use crate::session::Fate;
use crate::v2::opening;
use crate::v2::state::State;
use crate::v2::task::{self, Task};
use crate::v2::window::Due;
use crate::v2::wire::header::name;
use crate::{DownReason, Path};

/// How long a peer may take to prove who it is.
const HALF_OPEN: Duration = Duration::from_secs(90);

impl Session {
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let own = match &self.state {
            State::Opening(_) => [Some(self.created + HALF_OPEN), None, None, None],
            State::Established(sa) => [Some(sa.expires), sa.rekey_at, self.keepalive_at, self.retire_at],
            State::Closing(_) => [None; 4],
        };
        own.into_iter().flatten().chain(self.window.deadline()).chain(task::deadline(self)).min()
    }

    pub(crate) fn tick(&mut self, core: &mut Core) -> Fate {
        match self.window.tick(core.now) {
            Due::Nothing => {}
            Due::Retransmit { datagrams, exchange, times } => {
                if self.is_opening() {
                    self.tell(core, Fact::Repeated { message: name(exchange, false), times });
                }
                datagrams.into_iter().for_each(|bytes| core.transmit(self.path, bytes));
            }
            Due::GiveUp => return self.gave_up(core),
        }
        let (expires, rekey_at) = match &self.state {
            State::Opening(_) => return self.tick_half_open(core),
            State::Closing(_) => return Fate::Live,
            State::Established(sa) => (sa.expires, sa.rekey_at),
        };
        if expires <= core.now {
            return Fate::Down(DownReason::Expired);
        }
        if self.retire_at.is_some_and(|at| at <= core.now) {
            return Fate::Down(DownReason::Superseded);
        }
        if rekey_at.is_some_and(|at| at <= core.now) {
            self.renew(core);
        }
        self.keep_alive(core);
        task::tick(self, core);
        Fate::Live
    }

    /// It nears its end: rekeyed, or made anew if that is what its profile says.
    fn renew(&mut self, core: &mut Core) {
        let config = core.config.clone();
        if let Some(sa) = self.established_mut() {
            sa.rekey_at = None;
        }
        if self.profile(&config).is_some_and(|profile| profile.reauthentication) {
            core.events.push_back(Event::RekeyDue(self.id));
        } else {
            self.enqueue(core, Task::rekey_ike());
        }
    }

    fn keep_alive(&mut self, core: &mut Core) {
        if self.keepalive_at.is_some_and(|at| at <= core.now) {
            core.transmit(Path { marker: false, ..self.path }, KEEPALIVE.to_vec());
            self.plan_keepalive(core);
        }
    }

    /// While we are behind a NAT it must not forget us.
    pub(crate) fn plan_keepalive(&mut self, core: &Core) {
        let own = self.profile(&core.config).and_then(|profile| profile.nat_keepalive);
        let every = own.or(core.config.v2.nat_keepalive).unwrap_or(core.config.timers.nat_keepalive);
        self.keepalive_at = self.nat().local.then(|| core.now + every);
    }

    fn tick_half_open(&self, core: &mut Core) -> Fate {
        if core.now < self.created + HALF_OPEN {
            return Fate::Live;
        }
        if !self.story.has_failed() {
            core.refuse(Some(self.id), &self.path, &Refusal::ignored("half-open-expired"));
        }
        Fate::Failed
    }

    /// Every retransmission of ours was in vain.
    fn gave_up(&mut self, core: &mut Core) -> Fate {
        match &self.state {
            State::Opening(_) => {
                let refusal = opening::unanswered(self);
                self.refused(core, &self.path.clone(), &refusal);
                Fate::Failed
            }
            State::Established(_) => {
                core.refuse(Some(self.id), &self.path, &unanswered(&self.path));
                Fate::Down(DownReason::PeerSilent)
            }
            State::Closing(_) => Fate::Closed,
        }
    }
}
