//! Children that traffic, an unknown SPI or a rekey asks for, until they are up: which peer is tried,
//! over which session, and what happens when that fails.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use base::{Instant, PolicyId, Spi, VrfId};
use ipsec::{Flow, Selector};

use crate::config::{Entry, Version};
use crate::core::WantId;
use crate::engine::Ike;
use crate::peers::{Course, Whom};
use crate::policy::{self, Asker};
use crate::reach::{Target, path_to};
use crate::session::{Fate, Session};
use crate::{Child, ChildId, DownReason, SessionId, Stage};

/// After every peer failed, traffic may not ask again for this long.
const HOLD: Duration = Duration::from_secs(2);

/// Children that one unknown SPI may ask for.
const MOST_RECOVERED: usize = 16;

/// What to negotiate, and for whom.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) want: WantId,
    pub(crate) entry: Entry,
    pub(crate) selector: Selector,
}

#[derive(Clone)]
struct Want {
    policy: PolicyId,
    selector: Selector,
    /// The child it is to replace.
    replaces: Option<ChildId>,
    /// Which of the entry's peers is tried.
    course: Course,
    /// The peer was silent on an old session; a new one has been tried since.
    retried: bool,
    /// The session that negotiates it; `None`: waits for one.
    session: Option<SessionId>,
}

#[derive(Default)]
pub(crate) struct Wants {
    wants: BTreeMap<WantId, Want>,
    /// Their names, by entry.
    named: BTreeMap<PolicyId, BTreeMap<Selector, WantId>>,
    last: u32,
    /// With which of its peers an entry's next negotiation begins, if not with the first.
    pub(crate) current: BTreeMap<PolicyId, usize>,
    /// Nobody may ask before.
    holds: BTreeMap<(PolicyId, Selector), Instant>,
    /// When an unknown SPI last made us open IKE to a peer.
    recovered: BTreeMap<(VrfId, IpAddr), Instant>,
}

impl Wants {
    /// The child is there.
    pub(crate) fn fulfil(&mut self, id: WantId) {
        self.remove(id);
    }

    fn remove(&mut self, id: WantId) -> Option<Want> {
        let want = self.wants.remove(&id)?;
        if let Some(named) = self.named.get_mut(&want.policy) {
            named.remove(&want.selector);
            if named.is_empty() {
                self.named.remove(&want.policy);
            }
        }
        Some(want)
    }

    pub(crate) fn policy(&self, id: WantId) -> Option<PolicyId> {
        self.wants.get(&id).map(|want| want.policy)
    }

    pub(crate) fn course(&self, id: WantId) -> Option<&Course> {
        self.wants.get(&id).map(|want| &want.course)
    }

    /// Another peer, or what is known of this one.
    pub(crate) fn steer(&mut self, id: WantId, change: impl FnOnce(&mut Course)) {
        if let Some(want) = self.wants.get_mut(&id) {
            let before = want.course.tries();
            change(&mut want.course);
            want.retried &= before == want.course.tries();
        }
    }

    /// Those of an entry that wait for a session.
    fn waiting_for(&self, policy: PolicyId) -> impl Iterator<Item = (WantId, &Want)> {
        let all = self.named.get(&policy).into_iter().flat_map(BTreeMap::values);
        let all = all.filter_map(|id| Some((*id, self.wants.get(id)?)));
        all.filter(|(_, want)| want.session.is_none())
    }

    /// A session is on its way whose opening makes the child as well: only in version 2.
    fn open(&mut self, id: WantId, session: Option<SessionId>) {
        if let Some(want) = self.wants.get_mut(&id) {
            want.session = session;
        }
    }

    /// Forgets what is wanted, but not which peer is in use.
    pub(crate) fn clear(&mut self) {
        let current = std::mem::take(&mut self.current);
        self.retain(|_| false);
        self.current = current;
    }

    /// Forgets what is wanted for entries that are not as they were.
    pub(crate) fn retain(&mut self, still: impl Fn(PolicyId) -> bool) {
        self.wants.retain(|_, want| still(want.policy));
        self.named.retain(|policy, _| still(*policy));
        self.current.retain(|policy, _| still(*policy));
        self.holds.clear();
        self.recovered.clear();
    }

    fn push(&mut self, want: Want) -> Option<WantId> {
        let named = self.named.entry(want.policy).or_default();
        if named.contains_key(&want.selector) {
            return None;
        }
        self.last = self.last.wrapping_add(1);
        let id = WantId(self.last);
        named.insert(want.selector, id);
        self.wants.insert(id, want);
        Some(id)
    }
}

impl Ike {
    /// Traffic hit a permit line and there is no SA for it.
    pub(crate) fn acquire(&mut self, policy: PolicyId, rule: usize, flow: &Flow) {
        let Some(entry) = self.entry(policy) else { return };
        let Some(rule) = entry.rules.get(rule).filter(|rule| rule.permit) else { return };
        let (selector, now) = (rule.selector, self.core.now);
        let is_held = self.wants.holds.get(&(policy, selector)).is_some_and(|until| now < *until);
        if is_held || self.children.of_policy(policy).any(|child| child.state.selector.matches(flow)) {
            return;
        }
        self.wants.holds.remove(&(policy, selector));
        self.want(policy, selector, None);
    }

    /// A child must be replaced: by time, or because it ran out of numbers or volume.
    pub(crate) fn rekey(&mut self, id: ChildId) {
        let Some(child) = self.children.find(id).filter(|child| child.state.stage == Stage::Up) else {
            return;
        };
        let (policy, selector) = (child.state.policy, child.state.selector);
        match (child.version, child.state.session) {
            (Version::V2, Some(session)) => self.with(session, |session, core| session.rekey_child(core, id)),
            (Version::V1 | Version::V2, _) => {
                let remote = child.state.remote;
                self.want_from(policy, selector, Some(id), Some(remote));
            }
        }
    }

    /// ESP came with an SPI that nobody holds: either side lost its memory. If the peer has a session
    /// with us it is told; else we open one, for all its entries permit.
    pub(crate) fn unknown_spi(&mut self, front: VrfId, local: IpAddr, remote: IpAddr, spi: Spi) {
        let index = self.core.index.clone();
        let mut named = index.naming((front, local, remote)).take(MOST_RECOVERED).peekable();
        let (now, hold) = (self.core.now, index.config().timers.unknown_spi_hold);
        let last = self.wants.recovered.get(&(front, remote));
        if named.peek().is_none() || last.is_some_and(|since| now < *since + hold) {
            return;
        }
        self.wants.recovered.insert((front, remote), now);
        let known = self.sessions_between((front, local, remote)).find(|known| known.established().is_some());
        let known = known.map(Session::id);
        if let Some(id) = known {
            return self.with(id, |session, core| {
                session.unknown_spi(core, spi);
                Fate::Live
            });
        }
        for entry in named {
            let rules = entry.rules.iter().filter(|rule| rule.permit).take(MOST_RECOVERED);
            for rule in rules {
                if self.children.carrying(entry.policy, &rule.selector).is_none() {
                    self.want_from(entry.policy, rule.selector, None, Some(remote));
                }
            }
        }
    }

    fn want(&mut self, policy: PolicyId, selector: Selector, replaces: Option<ChildId>) {
        self.want_from(policy, selector, replaces, None);
    }

    /// `from`: the peer to begin with. Otherwise the one last heard from, if any (IPS-19).
    fn want_from(
        &mut self,
        policy: PolicyId,
        selector: Selector,
        replaces: Option<ChildId>,
        from: Option<IpAddr>,
    ) {
        let Some(entry) = self.entry(policy) else { return };
        let course = self.course(entry, from);
        let want = Want { policy, selector, replaces, course, retried: false, session: None };
        if let Some(id) = self.wants.push(want) {
            self.pursue(id);
        }
    }

    /// Moves a want on: a quick mode if there is a session, else phase 1, else the next peer.
    pub(crate) fn pursue(&mut self, id: WantId) {
        let index = self.core.index.clone();
        while let Some((policy, selector)) =
            self.wants.wants.get(&id).map(|want| (want.policy, want.selector))
        {
            let Some(entry) = index.entry(policy) else { return self.wants.fulfil(id) };
            let peer = match self.whom(id, entry) {
                Whom::Peer(peer) => peer,
                Whom::Wait => return,
                Whom::Nobody => return self.give_up(id),
            };
            let replaces = self.wants.wants.get(&id).and_then(|want| want.replaces);
            let replaced = replaces.and_then(|child| self.children.find(child));
            let whose = replaced.map(|child| child.identity.clone());
            if let Some(session) = self.session_for(entry, peer, whose.as_ref()) {
                return self.negotiate(id, session, entry.clone());
            }
            if self.is_opening(entry, peer) {
                return;
            }
            let path = path_to(entry, peer);
            let host = self.wants.course(id).and_then(|course| course.host(entry));
            let plan = Plan { want: id, entry: entry.clone(), selector };
            match self.open_to(Target { entry, path, host, replaces: None }, Some(plan)) {
                Ok(session) => return self.wants.open(id, session),
                Err(refusal) => {
                    self.core.refuse(None, &path, &refusal);
                    self.next_peer(id);
                }
            }
        }
    }

    fn negotiate(&mut self, id: WantId, session: SessionId, entry: Entry) {
        let Some(want) = self.wants.wants.get_mut(&id) else { return };
        want.session = Some(session);
        let plan = Plan { want: id, entry, selector: want.selector };
        self.with(session, |session, core| {
            session.negotiate(core, plan);
            Fate::Live
        });
    }

    /// A session is established: whoever waits for such a one gets it.
    pub(crate) fn serve_wants(&mut self, session: SessionId) {
        let Some(asker) = self.sessions.get(&session).map(Session::asker) else { return };
        let remote = asker.remote;
        for (id, _) in self.waiting_for(asker) {
            self.turn_to(id, remote);
            self.pursue(id);
        }
    }

    /// The wants that a session of this asker could serve, with the peer that each tries.
    fn waiting_for(&self, asker: Asker<'_>) -> Vec<(WantId, Option<IpAddr>)> {
        let index = &self.core.index;
        let entries = index.answering(asker.peer()).filter(|entry| policy::serves(index, entry, asker));
        let wants = entries.flat_map(|entry| {
            let waiting = self.wants.waiting_for(entry.policy);
            waiting.map(|(id, want)| (id, want.course.tries()))
        });
        wants.collect()
    }

    /// Sessions that somebody waited for may be gone.
    pub(crate) fn resume_wants(&mut self) {
        let waiting = self.wants.wants.iter().filter(|(_, want)| want.session.is_none());
        let waiting: Vec<WantId> = waiting.map(|(id, _)| *id).collect();
        waiting.into_iter().for_each(|id| self.pursue(id));
    }

    /// Whether the configuration still has a place for a child that was negotiated meanwhile.
    pub(crate) fn is_welcome(&self, child: &Child, session: &Session) -> bool {
        self.entry(child.policy).is_some_and(|entry| {
            policy::serves(&self.core.index, entry, session.asker())
                && policy::entry_admits(entry, &child.selector)
        })
    }

    /// A negotiation of a child ended without one.
    pub(crate) fn negotiation_failed(&mut self, session: SessionId, id: WantId, silent: bool) {
        if silent {
            self.close(session, DownReason::PeerSilent);
        }
        let Some(want) = self.wants.wants.get_mut(&id) else { return };
        want.session = None;
        let again = silent && !want.retried;
        want.retried = true;
        if !again {
            self.next_peer(id);
        }
        self.pursue(id);
    }

    /// A session ended that was never established.
    pub(crate) fn opening_failed(&mut self, mut session: Session) {
        let (remote, replaces) = (session.path().remote.ip(), session.replaces());
        let first = session.take_want();
        self.remember_failure(&session);
        let mut failed = if session.initiator() { self.waiting_for(session.asker()) } else { Vec::new() };
        failed.retain(|(_, tried)| *tried == Some(remote));
        self.forget(session);
        match (first, replaces) {
            // The old session has that child still.
            (Some(want), Some(_)) => self.wants.fulfil(want),
            (Some(want), None) => {
                self.wants.open(want, None);
                failed.push((want, Some(remote)));
            }
            (None, _) => {}
        }
        if let Some(old) = replaces {
            self.renew_again(old);
        }
        for (id, _) in failed {
            self.next_peer(id);
            self.pursue(id);
        }
    }

    fn give_up(&mut self, id: WantId) {
        let Some(want) = self.wants.remove(id) else { return };
        let now = self.core.now;
        self.wants.holds.insert((want.policy, want.selector), now + HOLD);
        if let Some(child) = want.replaces {
            self.children.rekey_again(child, now);
        }
    }

    /// The first child of the session that takes another's place is one of those that the other has.
    pub(crate) fn plan_again(&mut self, (policy, selector): (PolicyId, Selector)) -> Option<Plan> {
        let entry = self.entry(policy)?.clone();
        let course = Course::default();
        let want = Want { policy, selector, replaces: None, course, retried: false, session: None };
        Some(Plan { want: self.wants.push(want)?, entry, selector })
    }

    /// A session was made anew: so are the children of the old one, before that goes.
    pub(crate) fn remake_children(&mut self, old: SessionId) {
        let Some(session) = self.sessions.get(&old).filter(|old| old.version() == Version::V2) else {
            return;
        };
        let remote = session.path().remote.ip();
        let of_old = self.children.of_session(session).filter_map(|id| self.children.find(id));
        let of_old = of_old.filter(|child| child.state.stage == Stage::Up);
        let again: Vec<_> = of_old.map(|child| (child.state.policy, child.state.selector)).collect();
        for (policy, selector) in again {
            self.want_from(policy, selector, None, Some(remote));
        }
    }

    fn entry(&self, policy: PolicyId) -> Option<&Entry> {
        self.core.index.entry(policy)
    }
}
