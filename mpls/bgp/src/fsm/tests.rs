//! The table of RFC 4271 section 8.2.2: every state with every event.

use super::*;

const STATES: [State; 6] =
    [State::Idle, State::Connect, State::Active, State::OpenSent, State::OpenConfirm, State::Established];

const EVENTS: [Event; 16] = [
    Event::Start,
    Event::StartPassive,
    Event::Stop,
    Event::RetryExpired,
    Event::HoldExpired,
    Event::KeepaliveExpired,
    Event::Connected,
    Event::Failed,
    Event::Open,
    Event::Malformed,
    Event::Collision,
    Event::Superseded,
    Event::LinkDown,
    Event::Notification,
    Event::Keepalive,
    Event::Update,
];

/// One row an event, one column a state: the state after it. C connect, A active, S open sent, O open confirm,
/// E established; where there is a dot, idle.
const TABLE: &str = "
    Start            C C A S O E
    StartPassive     A C A S O E
    Stop             . . . . . .
    RetryExpired     . C C . . .
    HoldExpired      . . . . . .
    KeepaliveExpired . . . . O E
    Connected        . S S . . .
    Failed           . A . A . .
    Open             . . . O . .
    Malformed        . . . . . .
    Collision        . . . . . .
    Superseded       . . . . . .
    LinkDown         . A . A . .
    Notification     . . . . . .
    Keepalive        . . . . E E
    Update           . . . . . E";

fn expected(event: Event, column: usize) -> State {
    let name = format!("{event:?}");
    let row = TABLE.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = row.into_iter().find(|row| row.first() == Some(&&*name)).unwrap();
    match row[column + 1] {
        "C" => State::Connect,
        "A" => State::Active,
        "S" => State::OpenSent,
        "O" => State::OpenConfirm,
        "E" => State::Established,
        _ => State::Idle,
    }
}

fn each(mut check: impl FnMut(State, Event, State, &[Action])) {
    for state in STATES {
        for event in EVENTS {
            let (next, actions) = step(state, event);
            check(state, event, next, actions);
        }
    }
}

#[test]
fn every_event_leads_every_state_where_the_table_says() {
    for event in EVENTS {
        for (column, state) in STATES.into_iter().enumerate() {
            assert_eq!(step(state, event).0, expected(event, column), "{state:?} {event:?}");
        }
    }
}

#[test]
fn a_session_is_told_up_when_it_stands_and_down_when_it_does_not_any_more() {
    each(|state, event, next, actions| {
        let (was, is) = (state == State::Established, next == State::Established);
        assert_eq!(actions.contains(&Action::Up), !was && is, "{state:?} {event:?}");
        assert_eq!(actions.contains(&Action::Down), was && !is, "{state:?} {event:?}");
    });
}

#[test]
fn whoever_becomes_idle_closes_the_connection_last_but_for_the_pause() {
    each(|state, event, next, actions| {
        if state != State::Idle && next == State::Idle {
            let kept: Vec<_> = actions.iter().filter(|&&action| action != Action::Damp).collect();
            assert_eq!(kept.last(), Some(&&Action::Close), "{state:?} {event:?}");
        }
    });
}

#[test]
fn only_a_peer_that_was_connected_gets_a_notification_and_never_for_its_own() {
    let kinds =
        [Action::Notify, Action::NotifyHoldExpired, Action::NotifyUnexpected, Action::NotifyCollision];
    each(|state, event, _, actions| {
        let count = actions.iter().filter(|action| kinds.contains(action)).count();
        let silent =
            matches!(event, Event::Notification | Event::Failed | Event::LinkDown | Event::Superseded);
        let connected = state >= State::OpenSent;
        assert!(count <= usize::from(connected && !silent), "{state:?} {event:?}");
    });
    let first = |state, event| step(state, event).1.first().copied();
    for state in [State::OpenSent, State::OpenConfirm, State::Established] {
        assert_eq!(first(state, Event::HoldExpired), Some(Action::NotifyHoldExpired));
        assert_eq!(first(state, Event::Stop), Some(Action::Notify));
        assert_eq!(first(state, Event::Malformed), Some(Action::Notify));
    }
    for (state, event) in [
        (State::OpenSent, Event::Keepalive),
        (State::OpenSent, Event::Update),
        (State::OpenConfirm, Event::Update),
        (State::OpenConfirm, Event::Open),
        (State::Established, Event::Open),
    ] {
        assert_eq!(first(state, event), Some(Action::NotifyUnexpected), "{state:?} {event:?}");
    }
}

#[test]
fn what_the_operator_or_a_collision_ended_costs_no_pause() {
    each(|state, event, _, actions| {
        if matches!(event, Event::Stop | Event::Collision | Event::Superseded) {
            assert!(!actions.contains(&Action::Damp), "{state:?} {event:?}");
        }
        if matches!(event, Event::Malformed | Event::Notification) && state >= State::OpenSent {
            assert!(actions.contains(&Action::Damp), "{state:?} {event:?}");
        }
    });
}

#[test]
fn messages_of_the_peer_and_nothing_else_prolong_the_hold_timer() {
    for (event, prolongs) in
        [(Event::Update, true), (Event::Keepalive, true), (Event::KeepaliveExpired, false)]
    {
        assert_eq!(step(State::Established, event).1.contains(&Action::StartHold), prolongs, "{event:?}");
    }
}
