//! Whether a peer is alive: when it is asked, and when it is taken for dead (RFC 3706 section 5, RFC 7296
//! section 2.4). What its children received proves life as well as any message.

use base::Instant;

use crate::Traffic;
use crate::config::Dpd;

/// Questions without an answer before the peer is taken for dead, the first one included.
const MOST_QUESTIONS: u32 = 5;

pub(crate) struct Liveness {
    dpd: Dpd,
    /// When the peer last proved that it is there.
    heard: Instant,
    stage: Stage,
}

#[derive(Clone, Copy)]
enum Stage {
    /// Nothing is due before.
    Quiet { until: Instant },
    /// Its children are asked what they carried; so many have not answered. `sent`: one of them sent.
    Counting { missing: usize, sent: bool, until: Instant },
    /// The peer was asked so many times; the next time is `at`.
    Asked { times: u32, at: Instant },
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    /// Ask what the children carried; [`Liveness::counting`] says how many were asked.
    Count,
    /// Ask the peer.
    Ask,
    /// It has been asked often enough.
    Dead,
}

impl Liveness {
    pub(crate) fn new(dpd: Dpd, now: Instant) -> Self {
        Self { dpd, heard: now, stage: Stage::Quiet { until: now + dpd.every } }
    }

    pub(crate) const fn deadline(&self) -> Instant {
        match self.stage {
            Stage::Quiet { until } | Stage::Counting { until, .. } => until,
            Stage::Asked { at, .. } => at,
        }
    }

    /// An authentic message of the peer, or an authentic packet.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
        if matches!(self.stage, Stage::Asked { .. }) {
            self.rest(now);
        }
    }

    /// Whether the peer owes us an answer.
    pub(crate) const fn is_asking(&self) -> bool {
        matches!(self.stage, Stage::Asked { .. })
    }

    /// Whether the question that was just asked for is the first since the peer was last heard.
    pub(crate) const fn is_first_question(&self) -> bool {
        matches!(self.stage, Stage::Asked { times: 1, .. })
    }

    pub(crate) fn tick(&mut self, now: Instant) -> Due {
        match self.stage {
            Stage::Quiet { until } if until <= now => {
                let next = self.heard + self.dpd.every;
                if next > now {
                    self.stage = Stage::Quiet { until: next };
                    return Due::Nothing;
                }
                self.stage = Stage::Counting { missing: 0, sent: false, until: now + self.dpd.retry };
                Due::Count
            }
            Stage::Counting { sent, until, .. } if until <= now => self.conclude(now, sent),
            Stage::Asked { times, at } if at <= now => self.ask_again(now, times),
            Stage::Quiet { .. } | Stage::Counting { .. } | Stage::Asked { .. } => Due::Nothing,
        }
    }

    /// After [`Due::Count`]: so many children have been asked.
    pub(crate) fn counting(&mut self, now: Instant, children: usize) -> Due {
        match &mut self.stage {
            Stage::Counting { sent, .. } if children == 0 => {
                let sent = *sent;
                self.conclude(now, sent)
            }
            Stage::Counting { missing, .. } => {
                *missing = children;
                Due::Nothing
            }
            Stage::Quiet { .. } | Stage::Asked { .. } => Due::Nothing,
        }
    }

    /// One child answered: what it has carried since it was last asked.
    pub(crate) fn counted(&mut self, now: Instant, more: Traffic) -> Due {
        if more.received > 0 {
            self.heard(now);
        }
        let Stage::Counting { missing, sent, .. } = &mut self.stage else { return Due::Nothing };
        *sent |= more.sent > 0;
        *missing = missing.saturating_sub(1);
        let (missing, sent) = (*missing, *sent);
        if missing == 0 { self.conclude(now, sent) } else { Due::Nothing }
    }

    fn conclude(&mut self, now: Instant, sent: bool) -> Due {
        let in_doubt = self.heard + self.dpd.every <= now;
        if in_doubt && (self.dpd.periodic || sent) {
            self.stage = Stage::Asked { times: 1, at: now + self.dpd.retry };
            return Due::Ask;
        }
        self.rest(now);
        Due::Nothing
    }

    fn ask_again(&mut self, now: Instant, times: u32) -> Due {
        if times >= MOST_QUESTIONS {
            return Due::Dead;
        }
        self.stage = Stage::Asked { times: times + 1, at: now + self.dpd.retry };
        Due::Ask
    }

    fn rest(&mut self, now: Instant) {
        self.stage = Stage::Quiet { until: now + self.dpd.every };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOTHING: Traffic = Traffic { received: 0, sent: 0 };
    const SENT: Traffic = Traffic { received: 0, sent: 1 };
    const RECEIVED: Traffic = Traffic { received: 1, sent: 0 };

    fn liveness(periodic: bool) -> Liveness {
        let (every, retry) = (Duration::from_secs(10), Duration::from_secs(2));
        Liveness::new(Dpd { periodic, every, retry }, Instant::START)
    }

    /// When the peer is asked and when it is dead, in seconds, if its only child always says `more`.
    fn course(mut liveness: Liveness, more: Traffic) -> (Vec<u64>, Option<u64>) {
        let mut asked = Vec::new();
        loop {
            let now = liveness.deadline();
            let seconds = now.as_micros() / 1_000_000;
            let mut due = liveness.tick(now);
            if due == Due::Count {
                assert_eq!(liveness.counting(now, 1), Due::Nothing);
                due = liveness.counted(now, more);
            }
            match due {
                Due::Ask => asked.push(seconds),
                Due::Dead => return (asked, Some(seconds)),
                Due::Nothing | Due::Count if seconds > 100 => return (asked, None),
                Due::Nothing | Due::Count => {}
            }
        }
    }

    #[test]
    fn a_silent_peer_is_asked_five_times_and_dead_one_interval_later() {
        let expected = (vec![10, 12, 14, 16, 18], Some(20));
        assert_eq!(course(liveness(true), NOTHING), expected);
        assert_eq!(course(liveness(false), SENT), expected);
    }

    #[test]
    fn on_demand_asks_only_if_something_was_sent() {
        assert_eq!(course(liveness(false), NOTHING), (vec![], None));
    }

    #[test]
    fn what_children_receive_is_proof_enough() {
        assert_eq!(course(liveness(true), RECEIVED), (vec![], None));
        assert_eq!(course(liveness(false), Traffic { received: 1, sent: 1 }), (vec![], None));
    }

    #[test]
    fn an_answer_ends_the_questions_until_the_next_doubt() {
        let mut liveness = liveness(true);
        let now = liveness.deadline();
        assert_eq!(liveness.tick(now), Due::Count);
        assert_eq!(liveness.counting(now, 0), Due::Ask, "without children there is nothing to count");
        let now = liveness.deadline();
        assert_eq!(liveness.tick(now), Due::Ask);
        liveness.heard(now);
        assert!(!liveness.is_asking());
        assert_eq!(liveness.deadline(), now + Duration::from_secs(10));
    }

    #[test]
    fn a_child_that_never_answers_does_not_stop_the_question() {
        let mut liveness = liveness(true);
        let now = liveness.deadline();
        assert_eq!(liveness.tick(now), Due::Count);
        assert_eq!(liveness.counting(now, 2), Due::Nothing);
        assert_eq!(liveness.counted(now, NOTHING), Due::Nothing);
        let later = liveness.deadline();
        assert!(later > now);
        assert_eq!(liveness.tick(later), Due::Ask);
    }
}
