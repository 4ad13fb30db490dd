//! Does what the machine says: RFC 4271 section 8.2.2's actions on connections, timers and the owner of the tables.

use core::time::Duration;
use std::sync::Arc;

use base::Instant;

use super::{Cause, Link, Peer, Which};
use crate::Notice;
use crate::fsm::{self, Action, State};
use crate::io::{AddressFamily, Output};
use crate::session::negotiate;
use crate::session::outbox::Outbox;
use crate::session::{Event, Negotiated, Refresh};
use crate::update::Update;
use crate::wire::{self, Notification};

impl Peer {
    /// One step of a machine. Whoever calls settles both afterwards.
    pub(super) fn run(&mut self, which: Which, now: Instant, cause: &Cause, out: &mut Outbox) {
        let Some(link) = self.link(which) else { return };
        let before = link.state;
        let (state, actions) = fsm::step(before, cause.event);
        link.state = state;
        for &action in actions {
            self.act(which, now, before, cause, action, out);
        }
        if which == Which::Second && state == State::Idle {
            self.second = None;
        }
    }

    fn act(
        &mut self,
        which: Which,
        now: Instant,
        before: State,
        cause: &Cause,
        action: Action,
        out: &mut Outbox,
    ) {
        match action {
            Action::Dial => self.main.connection = Some(out.dial(self.dial())),
            Action::Close => self.with(which, |link| link.close(out)),
            Action::SendOpen => self.send_open(which, now, out),
            Action::SendKeepalive => self.send_keepalive(which, now, out),
            Action::Notify => {
                let given = cause.notification.clone().unwrap_or_else(|| Notification::unexpected(before));
                self.notify(which, now, before, cause, given, out);
            }
            Action::NotifyHoldExpired => {
                self.notify(which, now, before, cause, Notification::hold_expired(), out)
            }
            Action::NotifyUnexpected => {
                self.notify(which, now, before, cause, Notification::unexpected(before), out)
            }
            Action::NotifyCollision => self.notify(which, now, before, cause, Notification::collision(), out),
            Action::StartRetry => self.start_retry(which, now, out),
            Action::StopRetry => self.with(which, |link| link.timers.retry = None),
            Action::StartLongHold => self.start_hold(which, now, LONG_HOLD, out),
            Action::StartHold => {
                let hold = self.terms(which).map_or(Duration::ZERO, |terms| terms.hold);
                self.start_hold(which, now, hold, out);
            }
            Action::StartKeepalive => self.start_keepalive(which, now, out),
            Action::Up => self.up(which, now, out),
            Action::Down => self.down(which, now, cause, out),
            // What the session that stands can do says nothing of one that is only tried.
            Action::Damp if which == Which::Main => self.pause_after_failure(now, out),
            Action::Damp => {}
        }
    }

    fn with(&mut self, which: Which, what: impl FnOnce(&mut Link)) {
        if let Some(link) = self.link(which) {
            what(link);
        }
    }

    fn terms(&self, which: Which) -> Option<&Negotiated> {
        let link = match which {
            Which::Main => Some(&self.main),
            Which::Second => self.second.as_ref(),
        };
        link.and_then(Link::terms).map(|terms| &**terms)
    }

    fn send_open(&mut self, which: Which, now: Instant, out: &mut Outbox) {
        let open = negotiate::open(&self.config, &self.neighbor, self.established > 0);
        let mut bytes = Vec::new();
        open.write(&mut bytes);
        self.sent.messages += 1;
        self.with(which, |link| {
            link.ours = Some(open);
            link.send(now, bytes, out);
        });
    }

    fn send_keepalive(&mut self, which: Which, now: Instant, out: &mut Outbox) {
        let mut bytes = Vec::new();
        wire::write_keepalive(&mut bytes);
        self.sent.messages += 1;
        self.with(which, |link| link.send(now, bytes, out));
    }

    fn notify(
        &mut self,
        which: Which,
        now: Instant,
        before: State,
        cause: &Cause,
        notification: Notification,
        out: &mut Outbox,
    ) {
        // RFC 8538 section 3: we mean it.
        let hard = cause.event == fsm::Event::Stop && keeps_on_notification(self.terms(which));
        let notification = if hard { notification.hard() } else { notification };
        let mut bytes = Vec::new();
        notification.write(&mut bytes);
        self.sent.messages += 1;
        self.sent.notifications += 1;
        self.with(which, |link| link.send(now, bytes, out));
        // A collision is no news, and neither is an end that we were told to make of what had not begun.
        if cause.event != fsm::Event::Collision
            && (before == State::Established || cause.event != fsm::Event::Stop)
        {
            self.tell(true, &notification, out);
            self.last = Some((now, format!("BGP Notification sent: {}", notification.text())));
        }
    }

    pub(super) fn tell(&self, sent: bool, notification: &Notification, out: &mut Outbox) {
        out.tell(Notice::Notification {
            peer: self.id,
            sent,
            code: notification.code,
            subcode: notification.subcode,
            text: notification.text(),
        });
    }

    /// A passive side waits.
    fn start_retry(&mut self, which: Which, now: Instant, out: &mut Outbox) {
        if !self.neighbor.passive {
            let at = now + out.jittered(self.neighbor.timers.connect_retry.max(Duration::from_secs(1)));
            self.with(which, |link| link.timers.retry = Some(at));
            out.wake_at(at);
        }
    }

    fn start_hold(&mut self, which: Which, now: Instant, hold: Duration, out: &mut Outbox) {
        let at = Some(now + hold).filter(|_| !hold.is_zero());
        self.with(which, |link| link.timers.hold = at);
        if let Some(at) = at {
            out.wake_at(at);
        }
    }

    fn start_keepalive(&mut self, which: Which, now: Instant, out: &mut Outbox) {
        let every = self.terms(which).map_or(Duration::ZERO, |terms| terms.keepalive);
        if !every.is_zero() {
            let at = now + out.jittered(every);
            self.with(which, |link| link.timers.keepalive = Some(at));
            out.wake_at(at);
        }
    }

    fn up(&mut self, which: Which, now: Instant, out: &mut Outbox) {
        let Some(agreed) = self.link(which).and_then(|link| link.agreed.as_mut()) else { return };
        Arc::make_mut(&mut agreed.terms).since = now;
        let terms = agreed.terms.clone();
        self.established += 1;
        out.tell(Notice::Up(self.id));
        if self.neighbor.bfd {
            out.put(Output::Guard(self.id, true));
        }
        out.push(Event::Up(self.id, terms));
    }

    fn down(&mut self, which: Which, now: Instant, cause: &Cause, out: &mut Outbox) {
        let Some(terms) = self.terms(which) else { return };
        let graceful = is_graceful(terms, cause);
        if now.since(terms.since) >= STEADY {
            self.failures = 0;
        }
        self.dropped += 1;
        let reason = reason(cause);
        (self.lost, self.last) = (Some(now), Some((now, reason.clone())));
        out.tell(Notice::Down(self.id, reason.clone()));
        if self.neighbor.bfd {
            out.put(Output::Guard(self.id, false));
        }
        out.push(Event::Down { peer: self.id, graceful, reason });
    }

    /// To the established session, or to nobody.
    pub(in crate::session) fn send(&mut self, now: Instant, update: &Update, out: &mut Outbox) {
        let agreed = self.main.agreed.as_ref().filter(|_| self.main.state == State::Established);
        let Some(writer) = agreed.map(|agreed| agreed.writer) else { return };
        let mut bytes = Vec::new();
        let messages = writer.write(update, &mut bytes).or_else(|wire::TooLong| {
            // What cannot be sent in its new form is not left behind in its old one.
            out.tell(Notice::Refused(
                self.id,
                "a route whose attributes do not fit in a message is withdrawn".into(),
            ));
            writer.write(&withdrawal(update), &mut bytes)
        });
        let messages = messages.unwrap_or(0);
        self.sent.messages += messages;
        self.sent.updates += messages;
        if messages > 0 {
            self.main.send(now, bytes, out);
        }
    }

    pub(in crate::session) fn refresh(
        &mut self,
        now: Instant,
        family: AddressFamily,
        what: Refresh,
        out: &mut Outbox,
    ) {
        if self.has_refresh(family, what) {
            let mut bytes = Vec::new();
            wire::write_refresh(family, what, &mut bytes);
            self.sent.messages += 1;
            self.main.send(now, bytes, out);
        }
    }

    /// Whether this was negotiated.
    pub(super) fn has_refresh(&self, family: AddressFamily, what: Refresh) -> bool {
        self.established().is_some_and(|terms| {
            let able = if what == Refresh::Request { terms.refresh } else { terms.enhanced_refresh };
            able && terms.families.contains_key(&family)
        })
    }
}

fn withdrawal(update: &Update) -> Update {
    match update {
        Update::Reach { family, routes, .. } => Update::Unreach { family: *family, routes: routes.clone() },
        Update::Wants { targets, .. } => Update::WantsNot(targets.clone()),
        Update::Unreach { .. } | Update::WantsNot(_) | Update::EndOfRib(_) => update.clone(),
    }
}

fn keeps_on_notification(terms: Option<&Negotiated>) -> bool {
    terms.and_then(|terms| terms.restart).is_some_and(|restart| restart.notification)
}

/// RFC 4724 section 4.2, RFC 8538 section 4: whether the peer's routes are kept for a while.
fn is_graceful(terms: &Negotiated, cause: &Cause) -> bool {
    let Some(restart) = terms.restart else { return false };
    let hard = cause.notification.as_ref().is_some_and(Notification::is_hard);
    match cause.event {
        fsm::Event::Failed | fsm::Event::Superseded => true,
        // Nobody says that the peer forwards on.
        fsm::Event::Stop | fsm::Event::LinkDown => false,
        fsm::Event::Notification
        | fsm::Event::HoldExpired
        | fsm::Event::Malformed
        | fsm::Event::Start
        | fsm::Event::StartPassive
        | fsm::Event::RetryExpired
        | fsm::Event::KeepaliveExpired
        | fsm::Event::Connected
        | fsm::Event::Open
        | fsm::Event::Collision
        | fsm::Event::Keepalive
        | fsm::Event::Update => restart.notification && !hard,
    }
}

fn reason(cause: &Cause) -> String {
    let text = cause.notification.as_ref().map(Notification::text).unwrap_or_default();
    match cause.event {
        fsm::Event::Failed => "Peer closed the session".into(),
        fsm::Event::Superseded => "Peer restarted".into(),
        fsm::Event::LinkDown => "Interface flap".into(),
        fsm::Event::HoldExpired => "Hold time expired".into(),
        fsm::Event::Notification => format!("BGP Notification received: {text}"),
        fsm::Event::Malformed => format!("BGP Notification sent: {text}"),
        fsm::Event::Stop => text,
        fsm::Event::Start
        | fsm::Event::StartPassive
        | fsm::Event::RetryExpired
        | fsm::Event::KeepaliveExpired
        | fsm::Event::Connected
        | fsm::Event::Open
        | fsm::Event::Collision
        | fsm::Event::Keepalive
        | fsm::Event::Update => "BGP protocol error".into(),
    }
}

/// RFC 4271 section 8.2.2 suggests four minutes.
const LONG_HOLD: Duration = Duration::from_secs(240);
/// A session that stood so long did not fail at once.
const STEADY: Duration = Duration::from_secs(60);
