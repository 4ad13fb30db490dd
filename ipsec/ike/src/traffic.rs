//! What children carried, asked of the dataplane: whether a silent peer is alive, and whether a child still
//! serves anybody (sections 7 and 8 of IOS's availability features: DPD and idle timers).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use base::{Instant, PolicyId};

use crate::child::Installed;
use crate::core::Asker;
use crate::engine::Ike;
use crate::session::Session;
use crate::{Ask, ChildId, DownReason, SessionId, Traffic};

/// A child is asked so many times within its idle time.
const QUESTIONS: u32 = 4;

/// How long a child has carried nothing.
pub(crate) struct Idle {
    after: Duration,
    /// It was last seen to carry something.
    pub(crate) busy: Instant,
    seen: Traffic,
    pub(crate) ask_at: Option<Instant>,
}

impl Idle {
    pub(crate) fn new(after: Duration, now: Instant) -> Self {
        Self { after, busy: now, seen: Traffic::default(), ask_at: Some(now + after / QUESTIONS) }
    }

    /// Whether its time is over. If not, it is asked again.
    fn is_over(&mut self, now: Instant, traffic: Traffic) -> bool {
        if traffic != self.seen {
            (self.seen, self.busy) = (traffic, now);
        }
        let end = self.busy + self.after;
        self.ask_at = (end > now).then(|| end.min(now + self.after / QUESTIONS));
        end <= now
    }
}

/// What came after `before`; an SA that was installed anew counts from zero.
const fn since(before: Traffic, now: Traffic) -> Traffic {
    Traffic {
        received: now.received.saturating_sub(before.received),
        sent: now.sent.saturating_sub(before.sent),
    }
}

impl Ike {
    /// A session wants to know whether its peer is alive: what its children carried may tell.
    pub(crate) fn doubt(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let children = self.children_of(session);
        let count = children.len();
        for child in children {
            self.core.ask(Asker::Life(id, child), Ask::Traffic(child));
        }
        self.with(id, |session, core| session.counting(core, count));
    }

    pub(crate) fn counted(&mut self, id: SessionId, child: ChildId, traffic: Option<Traffic>) {
        let more = traffic.and_then(|now| {
            let seen = &mut self.children.find_mut(child)?.seen;
            Some(since(std::mem::replace(seen, now), now))
        });
        self.with(id, |session, core| session.counted(core, more.unwrap_or_default()));
    }

    /// The peer does not answer: session and children go, and traffic finds the next peer (DPD-3, DPD-4).
    pub(crate) fn peer_dead(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let (remote, children) = (session.path().remote.ip(), self.children_of(session));
        self.hand_over(&children, remote);
        children.into_iter().for_each(|child| self.drop_child(child, DownReason::PeerSilent));
        self.close(id, DownReason::PeerSilent);
    }

    /// The peer of these children is lost: their entries turn to another one.
    pub(crate) fn hand_over(&mut self, children: &[ChildId], remote: IpAddr) {
        let policies = children.iter().filter_map(|id| Some(self.children.find(*id)?.state.policy));
        let policies: BTreeSet<PolicyId> = policies.collect();
        policies.into_iter().for_each(|policy| self.pass_over(policy, remote));
    }

    /// It is time to ask a child whether it still carries anything.
    pub(crate) fn ask_idle(&mut self, child: ChildId) {
        self.core.ask(Asker::Idle(child), Ask::Traffic(child));
    }

    /// If it carries nothing for its time it goes, and its session with the last one.
    pub(crate) fn idled(&mut self, id: ChildId, traffic: Option<Traffic>) {
        let now = self.core.now;
        let Some(child) = self.children.find_mut(id) else { return };
        let Some(idle) = &mut child.idle else { return };
        let is_over = idle.is_over(now, traffic.unwrap_or(idle.seen));
        self.children.plan(id);
        if is_over {
            self.end_idle(id);
        }
    }

    fn end_idle(&mut self, id: ChildId) {
        let Some(child) = self.children.find(id) else { return };
        let (policy, peer) = (child.state.policy, child.peer());
        let of_peer = self.sessions_between(peer).filter(|session| child.is_of(session));
        let of_peer: Vec<SessionId> = of_peer.map(Session::id).collect();
        self.rewind(policy);
        self.delete_child(id, DownReason::Idle);
        for session in of_peer {
            let is_last = self.sessions.get(&session).is_some_and(|one| self.children_of(one).is_empty());
            if is_last {
                self.close(session, DownReason::Idle);
            }
        }
    }

    fn children_of(&self, session: &Session) -> Vec<ChildId> {
        let all = self.children.of_peer(session.path().peer());
        all.filter(|child| child.is_of(session)).map(|child: &Installed| child.state.id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_idle_when_nothing_was_counted_for_its_time() {
        let after = Duration::from_secs(60);
        let mut idle = Idle::new(after, Instant::START);
        let mut traffic = Traffic::default();
        let mut asked = 0;
        loop {
            let now = idle.ask_at.unwrap();
            asked += 1;
            if asked <= 3 {
                traffic.sent += 1;
            }
            if idle.is_over(now, traffic) {
                assert_eq!(now, Instant::from_secs(45 + 60));
                break;
            }
        }
        assert_eq!((asked, idle.ask_at), (7, None));
    }
}
