//! One neighbour: its machine, a second one while two connections collide (RFC 4271 section 6.8), and the pause after
//! failures (section 8.1.1, DampPeerOscillations).

use core::net::IpAddr;
use core::time::Duration;
use std::sync::Arc;

use base::Instant;

use super::link::Link;
use super::outbox::Outbox;
use super::{Count, Event, Negotiated, Status, Why};
use crate::config::{Config, Neighbor, Ttl};
use crate::fsm::{self, State};
use crate::io::{ConnectionId, Dial, Listener, Output, PeerId, TtlRule};
use crate::wire::Notification;

mod act;

mod hear;

pub(super) struct Peer {
    id: PeerId,
    config: Arc<Config>,
    neighbor: Neighbor,
    main: Link,
    /// Accepted while `main` was on its way.
    second: Option<Link>,
    /// Holds while `main` is idle.
    pause: Pause,
    /// In a row.
    failures: u32,
    /// When a malformed UPDATE was last told of.
    told: Option<Instant>,
    received: Count,
    sent: Count,
    established: u32,
    dropped: u32,
    lost: Option<Instant>,
    last: Option<(Instant, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    None,
    /// After failures; a neighbour that connects meanwhile is taken.
    Until(Instant),
    /// As told; nobody is taken.
    Closed(Instant),
    /// Until the operator says otherwise.
    Shut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Main,
    Second,
}

/// An event with the NOTIFICATION that it is about.
struct Cause {
    event: fsm::Event,
    notification: Option<Notification>,
}

impl Pause {
    const fn end(self) -> Option<Instant> {
        match self {
            Self::Until(at) | Self::Closed(at) => Some(at),
            Self::None | Self::Shut => None,
        }
    }
}

impl From<fsm::Event> for Cause {
    fn from(event: fsm::Event) -> Self {
        Self { event, notification: None }
    }
}

impl Cause {
    const fn stop(notification: Notification) -> Self {
        Self { event: fsm::Event::Stop, notification: Some(notification) }
    }

    const fn malformed(notification: Notification) -> Self {
        Self { event: fsm::Event::Malformed, notification: Some(notification) }
    }
}

impl Peer {
    pub(super) fn new(id: PeerId, config: &Arc<Config>, neighbor: &Neighbor) -> Self {
        Self {
            id,
            config: config.clone(),
            neighbor: neighbor.clone(),
            main: Link::default(),
            second: None,
            pause: if neighbor.shutdown { Pause::Shut } else { Pause::None },
            failures: 0,
            told: None,
            received: Count::default(),
            sent: Count::default(),
            established: 0,
            dropped: 0,
            lost: None,
            last: None,
        }
    }

    /// What is configured now: the session goes on if it still fits.
    pub(super) fn configure(
        &mut self,
        now: Instant,
        config: &Arc<Config>,
        neighbor: &Neighbor,
        out: &mut Outbox,
    ) {
        let differs = super::negotiate::differs((&self.config, &self.neighbor), (config, neighbor));
        let was_shut = self.neighbor.shutdown;
        if self.neighbor.bfd != neighbor.bfd && self.established().is_some() {
            out.put(Output::Guard(self.id, neighbor.bfd));
        }
        self.config = config.clone();
        self.neighbor = neighbor.clone();
        if neighbor.shutdown {
            self.stop(now, Notification::shutdown(), Pause::Shut, out);
        } else if differs || was_shut {
            self.failures = 0;
            self.stop(now, Notification::changed(), Pause::None, out);
        }
        self.settle(now, out);
    }

    pub(super) fn remove(&mut self, now: Instant, out: &mut Outbox) {
        self.stop(now, Notification::deconfigured(), Pause::Shut, out);
    }

    pub(super) fn close(&mut self, now: Instant, why: &Why, out: &mut Outbox) {
        let (notification, pause) = match why {
            Why::Cleared => (Notification::reset(), Pause::None),
            Why::Changed => (Notification::changed(), Pause::None),
            Why::MaximumPrefix { family, limit, restart } => {
                let pause = restart.map_or(Pause::Shut, |restart| Pause::Closed(now + restart));
                (Notification::too_many(*family, *limit), pause)
            }
        };
        self.failures = 0;
        self.stop(now, notification, if self.neighbor.shutdown { Pause::Shut } else { pause }, out);
        self.settle(now, out);
    }

    pub(super) fn path_down(&mut self, now: Instant, out: &mut Outbox) {
        if self.neighbor.bfd && self.main.state == State::Established {
            self.stop(now, Notification::bfd_down(), Pause::None, out);
            self.pause_after_failure(now, out);
            self.settle(now, out);
        }
    }

    /// There is no way to say anything to it.
    pub(super) fn link_down(&mut self, now: Instant, out: &mut Outbox) {
        let direct = matches!(self.neighbor.ttl, Ttl::Default | Ttl::Multihop(1) | Ttl::Security(1));
        let falls = self.config.fast_external_fallover && direct && is_external(&self.config, &self.neighbor);
        if falls && self.main.state == State::Established {
            self.run(Which::Main, now, &fsm::Event::LinkDown.into(), out);
            self.settle(now, out);
        }
    }

    fn stop(&mut self, now: Instant, notification: Notification, pause: Pause, out: &mut Outbox) {
        // What we said last is to be heard before we connect again.
        let spoken = pause == Pause::None && self.main.state >= State::OpenSent;
        self.pause = if spoken { Pause::Until(now + out.jittered(Duration::from_secs(1))) } else { pause };
        if let Some(at) = self.pause.end() {
            out.wake_at(at);
        }
        if self.second.is_some() {
            self.run(Which::Second, now, &Cause::stop(notification.clone()), out);
        }
        self.second = None;
        self.run(Which::Main, now, &Cause::stop(notification), out);
    }

    pub(super) fn connected(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        local: IpAddr,
        out: &mut Outbox,
    ) {
        if self.main.connection == Some(connection) && self.main.state == State::Connect {
            self.main.local = Some(local);
            self.run(Which::Main, now, &fsm::Event::Connected.into(), out);
            self.settle(now, out);
        }
    }

    /// The error: why it is refused.
    pub(super) fn accepted(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        local: IpAddr,
        out: &mut Outbox,
    ) -> Result<(), &'static str> {
        match self.main.state {
            State::Idle if matches!(self.pause, Pause::Shut | Pause::Closed(_)) => {
                return Err("the session is shut down");
            }
            State::Idle if self.failures > LENIENT => return Err("the session has failed too often of late"),
            State::Established if !self.is_superseded(now) => {
                return Err("the session is established already");
            }
            State::Established => self.run(Which::Main, now, &fsm::Event::Superseded.into(), out),
            State::Idle | State::Active | State::Connect | State::OpenSent | State::OpenConfirm => {}
        }
        if self.second.is_some() {
            self.run(Which::Second, now, &fsm::Event::Collision.into(), out);
        }
        out.own(connection, self.id);
        let link = Link::accepted(connection, local);
        let which = if self.main.state == State::Idle || self.main.state == State::Active {
            self.pause = Pause::None;
            self.main = link;
            Which::Main
        } else {
            self.second = Some(link);
            Which::Second
        };
        self.run(which, now, &fsm::Event::Connected.into(), out);
        self.settle(now, out);
        Ok(())
    }

    /// RFC 4724 section 5: a new connection means that the peer lost the old one. Not right after it came up: then it
    /// is what is left of a collision.
    fn is_superseded(&self, now: Instant) -> bool {
        self.main.terms().is_some_and(|terms| terms.restart.is_some() && now.since(terms.since) > COLLISIONS)
    }

    pub(super) fn closed(&mut self, now: Instant, connection: ConnectionId, out: &mut Outbox) {
        out.disown(connection);
        if let Some(which) = self.which(connection) {
            if let Some(link) = self.link(which) {
                link.connection = None;
            }
            self.run(which, now, &fsm::Event::Failed.into(), out);
            self.settle(now, out);
        }
    }

    pub(super) fn writable(&mut self, connection: ConnectionId, out: &mut Outbox) {
        let link = self.which(connection).and_then(|which| self.link(which));
        if let Some(link) = link
            && link.drained()
            && link.state == State::Established
        {
            out.push(Event::Room(self.id));
        }
    }

    pub(super) fn tick(&mut self, now: Instant, out: &mut Outbox) {
        for which in [Which::Second, Which::Main] {
            while let Some(cause) = self.link(which).and_then(|link| due(link, now)) {
                self.run(which, now, &cause, out);
            }
        }
        self.settle(now, out);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let second = self.second.as_ref().and_then(|link| link.timers.first());
        [self.pause.end(), self.main.timers.first(), second].into_iter().flatten().min()
    }

    /// Brings both machines into order after a step: the one that got on stays, an idle one starts.
    pub(super) fn settle(&mut self, now: Instant, out: &mut Outbox) {
        if self.second.as_ref().is_some_and(|second| second.state <= State::Active) {
            self.second = None;
        }
        if let Some(second) = self.second.take() {
            let forward =
                second.state == State::Established || self.main.state <= State::Active && !self.is_dialing();
            let back = if forward { core::mem::replace(&mut self.main, second) } else { second };
            if back.connection.is_some() {
                self.second = Some(back);
            }
            if self.main.state == State::Established && self.second.is_some() {
                self.run(Which::Second, now, &fsm::Event::Collision.into(), out);
            }
        }
        if self.main.state != State::Idle {
            self.pause = Pause::None;
        } else if self.pause == Pause::None || self.pause.end().is_some_and(|end| end <= now) {
            self.pause = Pause::None;
            let event = if self.neighbor.passive { fsm::Event::StartPassive } else { fsm::Event::Start };
            self.run(Which::Main, now, &event.into(), out);
        }
    }

    fn is_dialing(&self) -> bool {
        self.main.state == State::Connect
    }

    /// Twice as long each time, up to two minutes; not the same on both sides, or they would collide for ever.
    fn pause_after_failure(&mut self, now: Instant, out: &mut Outbox) {
        let pause = out.jittered(Duration::from_secs(1 << self.failures.min(7)).min(LONGEST_PAUSE));
        self.failures = self.failures.saturating_add(1);
        self.pause = Pause::Until(now + pause);
        out.wake_at(now + pause);
    }

    fn link(&mut self, which: Which) -> Option<&mut Link> {
        match which {
            Which::Main => Some(&mut self.main),
            Which::Second => self.second.as_mut(),
        }
    }

    fn which(&self, connection: ConnectionId) -> Option<Which> {
        let second = self.second.as_ref().and_then(|second| second.connection);
        match connection {
            of if self.main.connection == Some(of) => Some(Which::Main),
            of if second == Some(of) => Some(Which::Second),
            _ => None,
        }
    }

    pub(super) fn established(&self) -> Option<&Arc<Negotiated>> {
        self.main.terms().filter(|_| self.main.state == State::Established)
    }

    pub(super) fn has_room(&self) -> bool {
        self.main.has_room()
    }

    fn dial(&self) -> Dial {
        let Neighbor { local, ref password, .. } = self.neighbor;
        Dial { peer: self.id, local, password: password.clone(), ttl: ttl(&self.config, &self.neighbor) }
    }

    pub(super) fn status(&self) -> Status {
        let second = self.second.as_ref().map(|second| second.state);
        Status {
            peer: self.id,
            state: second.map_or(self.main.state, |second| second.max(self.main.state)),
            negotiated: self.established().cloned(),
            received: self.received,
            sent: self.sent,
            established: self.established,
            dropped: self.dropped,
            lost: self.lost.filter(|_| self.established().is_none()),
            last: self.last.clone(),
        }
    }
}

/// Of all neighbours that are not shut down.
pub(super) fn listeners(config: &Config) -> Vec<Listener> {
    let live = config.neighbors.iter().filter(|(_, neighbor)| !neighbor.shutdown);
    let listeners = live.map(|(&peer, neighbor)| Listener {
        peer,
        local: neighbor.local,
        password: neighbor.password.clone(),
        ttl: ttl(config, neighbor),
    });
    listeners.collect()
}

fn ttl(config: &Config, neighbor: &Neighbor) -> TtlRule {
    TtlRule::of(neighbor.ttl, is_external(config, neighbor))
}

fn is_external(config: &Config, neighbor: &Neighbor) -> bool {
    neighbor.remote_as != neighbor.shown_as(config.asn)
}

/// What a timer of a link has run out of, and not again.
fn due(link: &mut Link, now: Instant) -> Option<Cause> {
    let over = |timer: &mut Option<Instant>| timer.take_if(|at| *at <= now).is_some();
    let timers = &mut link.timers;
    if over(&mut timers.hold) {
        Some(fsm::Event::HoldExpired.into())
    } else if over(&mut timers.send_hold) {
        Some(Cause::malformed(Notification::send_hold_expired()))
    } else if over(&mut timers.retry) {
        Some(fsm::Event::RetryExpired.into())
    } else {
        over(&mut timers.keepalive).then(|| fsm::Event::KeepaliveExpired.into())
    }
}

/// So many failures in a row, and a neighbour that connects is taken although we would not connect yet.
const LENIENT: u32 = 3;
const LONGEST_PAUSE: Duration = Duration::from_secs(120);
const COLLISIONS: Duration = Duration::from_secs(10);
