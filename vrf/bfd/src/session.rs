//! One session: its state, what both sides want, and when it must speak or hear, RFC 5880 section 6.8.

use core::time::Duration;

use base::Instant;

use crate::fsm::{self, Diagnostic};
use crate::packet::Packet;
use crate::{State, Timers};

/// The least interval of a session that is not up, RFC 5880 section 6.8.3.
const SLOW: Duration = Duration::from_secs(1);

/// No interval is shorter, whatever is asked for.
const FASTEST: Duration = Duration::from_millis(1);

/// An interval that is asked for and the one in force until the peer has agreed.
#[derive(Clone, Copy)]
pub(crate) struct Interval {
    pub(crate) wanted: Duration,
    pub(crate) used: Duration,
}

pub(crate) struct Session {
    pub(crate) timers: Timers,
    pub(crate) source_port: u16,
    pub(crate) discriminator: u32,
    pub(crate) state: State,
    pub(crate) diagnostic: Diagnostic,
    /// Since when the state is this one.
    pub(crate) since: Instant,
    pub(crate) transmit: Interval,
    pub(crate) receive: Interval,
    /// The last packet; `None`: the peer is silent.
    pub(crate) heard: Option<Packet>,
    pub(crate) polling: Poll,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) next: Option<Instant>,
    pub(crate) expires: Option<Instant>,
    /// No longer wanted: when it need not be told any more.
    pub(crate) leaves: Option<Instant>,
}

/// A poll sequence, RFC 5880 section 6.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Poll {
    No,
    Asking,
    /// Parameters changed while one was under way: the answer to that one is not the answer to this.
    AskingAgain,
}

/// What a session has to tell: its clients of its state, its peer at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// It came up or went down.
    pub(crate) changed: bool,
    /// A packet should leave now; whether it is the answer to a poll.
    pub(crate) speak: bool,
    pub(crate) last: bool,
}

impl Session {
    pub(crate) fn new(timers: Timers, discriminator: u32, source_port: u16, now: Instant) -> Self {
        let (slow, receive) = (timers.transmit.max(SLOW), timers.receive.max(FASTEST));
        Self {
            timers,
            source_port,
            discriminator,
            state: State::Down,
            diagnostic: Diagnostic::None,
            since: now,
            transmit: Interval { wanted: slow, used: slow },
            receive: Interval { wanted: receive, used: receive },
            heard: None,
            polling: Poll::No,
            sent: 0,
            received: 0,
            next: Some(now),
            expires: None,
            leaves: None,
        }
    }

    /// Other timers are wanted, or the session is wanted again.
    pub(crate) fn configure(&mut self, timers: Timers, now: Instant) {
        self.timers = timers;
        if self.leaves.take().is_some() {
            self.turn(State::Down, Diagnostic::None, now);
        }
        self.adjust();
    }

    /// The session is wanted no more: the peer is told for as long as it would take to notice.
    pub(crate) fn shut(&mut self, now: Instant) {
        if self.leaves.is_some() {
            return;
        }
        let patience =
            self.interval().map_or(Duration::ZERO, |interval| interval * self.timers.multiplier.into());
        self.leaves = Some(now + patience);
        self.expires = None;
        self.turn(State::AdminDown, Diagnostic::AdminDown, now);
        self.next = Some(now);
    }

    /// A packet of the peer, RFC 5880 section 6.8.6 from where the session is found.
    pub(crate) fn hear(&mut self, packet: Packet, now: Instant) -> News {
        self.received += 1;
        self.heard = Some(packet);
        if packet.last {
            self.answered();
        }
        let (state, diagnostic) = fsm::heard(self.state, packet.state);
        let before = self.state;
        if state != before {
            self.turn(state, diagnostic.unwrap_or_default(), now);
        }
        self.expires = Some(now + self.detection());
        let changed = state != before && (state == State::Up || before == State::Up);
        News { changed, speak: packet.poll || state != before, last: packet.poll }
    }

    /// Time passed; `true`: a session that was up failed.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        self.expires = None;
        self.heard = None;
        let was_up = self.state == State::Up;
        if let (state, Some(diagnostic)) = fsm::silent(self.state) {
            self.turn(state, diagnostic, now);
        }
        was_up
    }

    /// What leaves now.
    pub(crate) fn packet(&mut self, last: bool) -> Packet {
        self.sent += 1;
        Packet {
            diagnostic: self.diagnostic.code(),
            state: self.state,
            poll: !last && self.polling != Poll::No,
            last,
            demand: false,
            multiplier: self.timers.multiplier.max(1),
            mine: self.discriminator,
            yours: self.heard.map_or(0, |heard| heard.mine),
            transmit: self.transmit.wanted,
            receive: self.receive.wanted,
        }
    }

    /// Between periodic packets, before jitter; `None`: the peer wants none.
    pub(crate) fn interval(&self) -> Option<Duration> {
        let Some(heard) = self.heard else { return Some(self.transmit.used) };
        let idle =
            heard.demand && (self.state, heard.state, self.polling) == (State::Up, State::Up, Poll::No);
        let wanted = !heard.receive.is_zero() && !idle;
        wanted.then(|| self.transmit.used.max(heard.receive))
    }

    /// How long the peer may be silent, RFC 5880 section 6.8.4.
    pub(crate) fn detection(&self) -> Duration {
        let heard = self.heard.map_or((1, SLOW), |heard| (heard.multiplier, heard.transmit));
        self.receive.used.max(heard.1).saturating_mul(heard.0.into())
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        [self.next, self.expires, self.leaves].into_iter().flatten().min()
    }

    fn turn(&mut self, state: State, diagnostic: Diagnostic, now: Instant) {
        (self.state, self.diagnostic, self.since) = (state, diagnostic, now);
        self.adjust();
    }

    /// Asks for what the state and the configuration call for. What could make the peer believe in a failure waits until
    /// it has agreed, RFC 5880 section 6.8.3.
    fn adjust(&mut self) {
        let up = self.state == State::Up;
        let transmit = self.timers.transmit.max(if up { FASTEST } else { SLOW });
        let receive = self.timers.receive.max(FASTEST);
        let changed = (transmit, receive) != (self.transmit.wanted, self.receive.wanted);
        (self.transmit.wanted, self.receive.wanted) = (transmit, receive);
        if !up || transmit < self.transmit.used {
            self.transmit.used = transmit;
        }
        if !up || receive > self.receive.used {
            self.receive.used = receive;
        }
        self.polling = match self.polling {
            Poll::No | Poll::Asking | Poll::AskingAgain if !up => Poll::No,
            Poll::No if changed => Poll::Asking,
            Poll::Asking if changed => Poll::AskingAgain,
            polling @ (Poll::No | Poll::Asking | Poll::AskingAgain) => polling,
        };
    }

    /// The peer has seen what we ask for.
    fn answered(&mut self) {
        match self.polling {
            Poll::No => {}
            Poll::AskingAgain => self.polling = Poll::Asking,
            Poll::Asking => {
                self.polling = Poll::No;
                self.transmit.used = self.transmit.wanted;
                self.receive.used = self.receive.wanted;
            }
        }
    }
}
