//! One exchange's memory: the last message accepted, our answer to it, and when to send that again.
//! A duplicate of the last message gets the same bytes and touches no state.

use std::collections::VecDeque;
use std::time::Duration;

use base::Instant;
use crypto::prf::Hash;

use crate::config::Timers;

/// What identifies a datagram: duplicates are equal in every byte.
pub(crate) type Digest = Vec<u8>;

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Hash::Sha256.digest(&[bytes])
}

#[derive(Clone)]
pub(crate) struct Window {
    accepted: Option<Digest>,
    sent: Option<Vec<u8>>,
    timer: Option<Timer>,
}

#[derive(Clone, Copy)]
struct Timer {
    at: Instant,
    /// Doubles at each retransmission.
    interval: Duration,
    left: u32,
}

/// What the passage of time asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    Retransmit(Vec<u8>),
    /// The peer did not answer the last retransmission either.
    GiveUp,
}

impl Window {
    pub(crate) const fn new() -> Self {
        Self { accepted: None, sent: None, timer: None }
    }

    /// Nothing is expected any more; duplicates are still answered.
    pub(crate) const fn stop(&mut self) {
        self.timer = None;
    }

    /// A message moved the exchange on: our last one has arrived.
    pub(crate) fn accept(&mut self, digest: Digest) {
        *self = Self { accepted: Some(digest), sent: None, timer: None };
    }

    /// We send `bytes` as the answer to what was accepted, or as the first message.
    pub(crate) fn send(&mut self, bytes: Vec<u8>) {
        self.sent = Some(bytes);
        self.timer = None;
    }

    /// As [`send`](Self::send), and again until a message is accepted.
    pub(crate) fn send_until_answered(&mut self, bytes: Vec<u8>, now: Instant, timers: &Timers) {
        let interval = timers.retransmit;
        self.sent = Some(bytes);
        self.timer = Some(Timer { at: now + interval, interval, left: timers.tries });
    }

    pub(crate) fn is_duplicate(&self, digest: &Digest) -> bool {
        self.accepted.as_ref() == Some(digest)
    }

    /// What a duplicate is answered with.
    pub(crate) fn reply(&self) -> Option<&Vec<u8>> {
        self.sent.as_ref()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.timer.map(|timer| timer.at)
    }

    /// How often the last message was sent again.
    pub(crate) fn repetitions(&self, timers: &Timers) -> u32 {
        self.timer.map_or(timers.tries, |timer| timers.tries.saturating_sub(timer.left))
    }

    pub(crate) fn tick(&mut self, now: Instant) -> Due {
        let Some(timer) = self.timer.filter(|timer| timer.at <= now) else { return Due::Nothing };
        let Some(left) = timer.left.checked_sub(1) else {
            self.timer = None;
            return Due::GiveUp;
        };
        let interval = timer.interval.saturating_mul(2);
        self.timer = Some(Timer { at: now + interval, interval, left });
        self.sent.clone().map_or(Due::Nothing, Due::Retransmit)
    }
}

/// The message IDs of a session that were used, so that no exchange is replayed; the oldest is forgotten
/// first.
#[derive(Default)]
pub(crate) struct UsedIds(VecDeque<u32>);

impl UsedIds {
    /// Of the last hours. What is older may be replayed, and then is stale in itself: SPIs are gone, sequence
    /// numbers passed, and a quick mode stays unconfirmed.
    const MOST: usize = 256;

    pub(crate) fn contains(&self, id: u32) -> bool {
        self.0.contains(&id)
    }

    /// `false` if it was used before.
    pub(crate) fn insert(&mut self, id: u32) -> bool {
        let fresh = !self.contains(id);
        if fresh {
            self.0.push_back(id);
            let excess = self.0.len().saturating_sub(Self::MOST);
            self.0.drain(..excess);
        }
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_message_ids_are_remembered_however_small_they_are() {
        let mut used = UsedIds::default();
        for id in (1..2000).rev() {
            assert!(used.insert(id));
        }
        assert!(!used.insert(1) && !used.insert(250));
        assert!(used.insert(1999), "so long ago that it is forgotten");
    }

    #[test]
    fn intervals_double_and_the_peer_is_given_up_after_the_last() {
        let timers = Timers { tries: 2, ..Timers::default() };
        let mut window = Window::new();
        window.send_until_answered(vec![1], Instant::START, &timers);
        let mut at = Vec::new();
        loop {
            let now = window.deadline().unwrap();
            at.push(now.as_micros() / 1_000_000);
            if window.tick(now) == Due::GiveUp {
                break;
            }
        }
        assert_eq!(at, [2, 6, 14]);
        assert_eq!(window.deadline(), None);
    }

    #[test]
    fn an_accepted_message_stops_the_timer_and_forgets_what_was_sent() {
        let mut window = Window::new();
        window.send_until_answered(vec![1], Instant::START, &Timers::default());
        window.accept(digest(b"answer"));
        assert_eq!(window.deadline(), None);
        assert!(window.reply().is_none());
        assert!(window.is_duplicate(&digest(b"answer")));
        assert!(!window.is_duplicate(&digest(b"another")));
    }
}
