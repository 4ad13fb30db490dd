//! The finite state machine of one connection to a neighbour, RFC 4271 section 8.2.2: what to do, never how.
//!
//! Numbers in comments are the RFC's event numbers. DelayOpen (events 12 and 20) is not used.

/// RFC 4271 section 8.2.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    #[default]
    Idle,
    Connect,
    Active,
    OpenSent,
    OpenConfirm,
    Established,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// 1, 3, 13.
    Start,
    /// 4, 5, 7.
    StartPassive,
    /// 2, 8: the NOTIFICATION is given with it.
    Stop,
    /// 9.
    RetryExpired,
    /// 10.
    HoldExpired,
    /// 11.
    KeepaliveExpired,
    /// 16, 17.
    Connected,
    /// 18: also that it never came about.
    Failed,
    /// 19.
    Open,
    /// 21, 22, 28: the NOTIFICATION is given with it.
    Malformed,
    /// 23.
    Collision,
    /// RFC 4724 section 5: the peer, which restarts gracefully, connected again.
    Superseded,
    /// As 18, known before TCP knows.
    LinkDown,
    /// 24, 25.
    Notification,
    /// 26.
    Keepalive,
    /// 27, and ROUTE-REFRESH.
    Update,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Dial,
    Close,
    SendOpen,
    SendKeepalive,
    /// The NOTIFICATION that was given with the event.
    Notify,
    /// Code 4.
    NotifyHoldExpired,
    /// Code 5, its subcode by the state (RFC 6608).
    NotifyUnexpected,
    /// Code 6 subcode 7.
    NotifyCollision,
    StartRetry,
    StopRetry,
    /// Four minutes: the peer's OPEN has not come yet.
    StartLongHold,
    /// The negotiated time.
    StartHold,
    StartKeepalive,
    Up,
    Down,
    /// One more failure: stay idle for longer before the next attempt.
    Damp,
}

/// One step. An event that a state does not know leaves it, or is an error of the peer's, as the RFC says.
pub(crate) const fn step(state: State, event: Event) -> (State, &'static [Action]) {
    match state {
        State::Idle => idle(event),
        State::Connect => connect(event),
        State::Active => active(event),
        State::OpenSent => open_sent(event),
        State::OpenConfirm => open_confirm(event),
        State::Established => established(event),
    }
}

const fn idle(event: Event) -> (State, &'static [Action]) {
    match event {
        Event::Start => (State::Connect, &[Action::Dial, Action::StartRetry]),
        Event::StartPassive => (State::Active, &[]),
        // Refused: nobody listens in Idle.
        Event::Connected => (State::Idle, &[Action::Close]),
        Event::Stop
        | Event::RetryExpired
        | Event::HoldExpired
        | Event::KeepaliveExpired
        | Event::Failed
        | Event::Open
        | Event::Malformed
        | Event::Collision
        | Event::Superseded
        | Event::LinkDown
        | Event::Notification
        | Event::Keepalive
        | Event::Update => (State::Idle, &[]),
    }
}

const fn connect(event: Event) -> (State, &'static [Action]) {
    match event {
        Event::RetryExpired => (State::Connect, &[Action::Close, Action::Dial, Action::StartRetry]),
        Event::Connected => (State::OpenSent, OPEN),
        // Not Idle: the neighbour may still connect to us until the next attempt.
        Event::Failed | Event::LinkDown => (State::Active, &[Action::Close, Action::StartRetry]),
        Event::Start | Event::StartPassive => (State::Connect, &[]),
        Event::Stop | Event::Collision | Event::Superseded => {
            (State::Idle, &[Action::StopRetry, Action::Close])
        }
        Event::HoldExpired
        | Event::KeepaliveExpired
        | Event::Open
        | Event::Malformed
        | Event::Notification
        | Event::Keepalive
        | Event::Update => (State::Idle, &[Action::StopRetry, Action::Close, Action::Damp]),
    }
}

const fn active(event: Event) -> (State, &'static [Action]) {
    match event {
        Event::RetryExpired => (State::Connect, &[Action::Dial, Action::StartRetry]),
        Event::Connected => (State::OpenSent, OPEN),
        Event::Start | Event::StartPassive => (State::Active, &[]),
        Event::Stop | Event::Collision | Event::Superseded => {
            (State::Idle, &[Action::StopRetry, Action::Close])
        }
        Event::Failed
        | Event::LinkDown
        | Event::HoldExpired
        | Event::KeepaliveExpired
        | Event::Open
        | Event::Malformed
        | Event::Notification
        | Event::Keepalive
        | Event::Update => (State::Idle, &[Action::StopRetry, Action::Close, Action::Damp]),
    }
}

const fn open_sent(event: Event) -> (State, &'static [Action]) {
    match event {
        Event::Open => {
            (State::OpenConfirm, &[Action::SendKeepalive, Action::StartKeepalive, Action::StartHold])
        }
        Event::Failed | Event::LinkDown => (State::Active, &[Action::Close, Action::StartRetry]),
        Event::Start | Event::StartPassive => (State::OpenSent, &[]),
        Event::Stop => (State::Idle, &[Action::Notify, Action::Close]),
        Event::Malformed => (State::Idle, &[Action::Notify, Action::Close, Action::Damp]),
        Event::HoldExpired => (State::Idle, &[Action::NotifyHoldExpired, Action::Close, Action::Damp]),
        Event::Collision => (State::Idle, &[Action::NotifyCollision, Action::Close]),
        Event::Superseded => (State::Idle, &[Action::Close]),
        // Section 6.4: a NOTIFICATION is not answered by another.
        Event::Notification => (State::Idle, &[Action::Close, Action::Damp]),
        Event::RetryExpired
        | Event::KeepaliveExpired
        | Event::Connected
        | Event::Keepalive
        | Event::Update => (State::Idle, UNEXPECTED),
    }
}

const fn open_confirm(event: Event) -> (State, &'static [Action]) {
    match event {
        Event::KeepaliveExpired => (State::OpenConfirm, &[Action::SendKeepalive, Action::StartKeepalive]),
        Event::Keepalive => (State::Established, &[Action::StartHold, Action::Up]),
        Event::Start | Event::StartPassive => (State::OpenConfirm, &[]),
        Event::Stop => (State::Idle, &[Action::Notify, Action::Close]),
        Event::Malformed => (State::Idle, &[Action::Notify, Action::Close, Action::Damp]),
        Event::HoldExpired => (State::Idle, &[Action::NotifyHoldExpired, Action::Close, Action::Damp]),
        Event::Collision => (State::Idle, &[Action::NotifyCollision, Action::Close]),
        Event::Superseded => (State::Idle, &[Action::Close]),
        Event::Notification | Event::Failed | Event::LinkDown => {
            (State::Idle, &[Action::Close, Action::Damp])
        }
        Event::RetryExpired | Event::Connected | Event::Open | Event::Update => (State::Idle, UNEXPECTED),
    }
}

const fn established(event: Event) -> (State, &'static [Action]) {
    match event {
        Event::KeepaliveExpired => (State::Established, &[Action::SendKeepalive, Action::StartKeepalive]),
        Event::Keepalive => (State::Established, &[Action::StartHold]),
        Event::Update => (State::Established, &[Action::StartHold]),
        Event::Start | Event::StartPassive => (State::Established, &[]),
        Event::Stop => (State::Idle, &[Action::Notify, Action::Down, Action::Close]),
        Event::Malformed => (State::Idle, &[Action::Notify, Action::Down, Action::Close, Action::Damp]),
        Event::HoldExpired => {
            (State::Idle, &[Action::NotifyHoldExpired, Action::Down, Action::Close, Action::Damp])
        }
        Event::Collision => (State::Idle, &[Action::NotifyCollision, Action::Down, Action::Close]),
        Event::Superseded => (State::Idle, &[Action::Down, Action::Close]),
        Event::Notification | Event::Failed | Event::LinkDown => {
            (State::Idle, &[Action::Down, Action::Close, Action::Damp])
        }
        Event::RetryExpired | Event::Connected | Event::Open => {
            (State::Idle, &[Action::NotifyUnexpected, Action::Down, Action::Close, Action::Damp])
        }
    }
}

const OPEN: &[Action] = &[Action::StopRetry, Action::SendOpen, Action::StartLongHold];
const UNEXPECTED: &[Action] = &[Action::NotifyUnexpected, Action::Close, Action::Damp];

#[cfg(test)]
mod tests;
