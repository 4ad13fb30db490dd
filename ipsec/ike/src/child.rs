//! The pairs of IPsec SAs that are installed: which one carries traffic, which one is on its way out,
//! and when each is due for a successor.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base::{Instant, PolicyId};
use ipsec::{Encap, Selector};

use crate::agenda::Agenda;
use crate::config::Version;
use crate::core::Core;
use crate::demux::Peer;
use crate::session::Session;
use crate::status::{ChildState, Stage};
use crate::traffic::Idle;
use crate::wire::id::Name;
use crate::{Child, ChildId, DownReason, Endpoints, Output, Path, Traffic};

mod owned;

/// How long a replaced child still receives: packets on their way, and a peer that is slow to switch.
const GRACE: Duration = Duration::from_secs(30);

/// As initiator of a rekey we switch when the responder surely has message 3.
const SWITCH_DELAY: Duration = Duration::from_secs(1);

/// Longer than any quick mode takes.
const SETTLED: Duration = Duration::from_secs(120);

/// After a failed attempt to replace a child.
const REKEY_AGAIN: Duration = Duration::from_secs(10);

const FIRST: ChildId = ChildId(u32::MIN);
const LAST: ChildId = ChildId(u32::MAX);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// It carries traffic from now on.
    Promote,
    Rekey,
    /// Ask what it carried.
    Idle,
    End(DownReason),
}

pub(crate) struct Installed {
    pub(crate) state: ChildState,
    /// Of the session that made it. In version 2 a child is always some session's, and ends with it.
    pub(crate) version: Version,
    /// Who the peer said it is, and its port: several peers may share an address.
    pub(crate) identity: Name,
    pub(crate) port: u16,
    /// A NAT on its side may give it another port.
    pub(crate) is_behind_nat: bool,
    /// Until it is up: what the dataplane will need.
    pending: Option<Box<Child>>,
    /// What carried the traffic when it was made.
    replaces: Option<ChildId>,
    /// It carries nothing any more.
    is_lost: bool,
    promote_at: Option<Instant>,
    rekey_at: Option<Instant>,
    retire_at: Option<Instant>,
    /// What it had carried when dead-peer detection last asked.
    pub(crate) seen: Traffic,
    /// `None`: it may carry nothing as long as it likes.
    pub(crate) idle: Option<Box<Idle>>,
}

pub(crate) struct Children {
    /// Boxed: a map that grows at its end is half empty.
    installed: BTreeMap<ChildId, Box<Installed>>,
    by_peer: BTreeSet<(Peer, ChildId)>,
    by_policy: BTreeSet<(PolicyId, ChildId)>,
    /// A dynamic entry has as many children as there are peers.
    by_selector: BTreeSet<(PolicyId, Selector, ChildId)>,
    agenda: Agenda<ChildId>,
}

impl Installed {
    /// Same peer, whichever of its sessions made the child.
    pub(crate) fn is_of(&self, session: &Session) -> bool {
        if self.version == Version::V2 {
            return self.state.session == Some(session.id());
        }
        self.peer() == session.path().peer()
            && session.version() == Version::V1
            && session.established().is_some_and(|sa| *sa.identity == self.identity)
    }

    pub(crate) const fn peer(&self) -> Peer {
        (self.state.front, self.state.local, self.state.remote)
    }

    fn is_up(&self) -> bool {
        self.state.stage == Stage::Up
    }

    fn deadline(&self) -> Option<Instant> {
        let idle_at = self.idle.as_ref().and_then(|idle| idle.ask_at);
        let all = [self.promote_at, self.rekey_at, self.retire_at, idle_at, Some(self.state.expires)];
        all.into_iter().flatten().min()
    }

    fn due(&self, now: Instant) -> Option<Due> {
        let is_due = |moment: Option<Instant>| moment.is_some_and(|at| at <= now);
        if self.state.expires <= now {
            Some(Due::End(DownReason::Expired))
        } else if is_due(self.retire_at) {
            Some(Due::End(DownReason::Superseded))
        } else if is_due(self.promote_at) {
            Some(Due::Promote)
        } else if is_due(self.rekey_at) {
            Some(Due::Rekey)
        } else {
            is_due(self.idle.as_ref().and_then(|idle| idle.ask_at)).then_some(Due::Idle)
        }
    }

    /// A child in another's place has been idle as long as that one.
    fn inherit(&mut self, old: Option<&Self>) {
        if let (Some(idle), Some(old)) = (&mut self.idle, old.and_then(|old| old.idle.as_ref())) {
            idle.busy = old.busy;
        }
    }
}

impl Children {
    pub(crate) const fn new() -> Self {
        Self {
            installed: BTreeMap::new(),
            by_peer: BTreeSet::new(),
            by_policy: BTreeSet::new(),
            by_selector: BTreeSet::new(),
            agenda: Agenda::new(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Installed> {
        self.installed.values().map(AsRef::as_ref)
    }

    pub(crate) fn of_peer(&self, peer: Peer) -> impl Iterator<Item = &Installed> {
        let all = self.by_peer.range((peer, FIRST)..=(peer, LAST));
        all.filter_map(|(_, id)| self.find(*id))
    }

    pub(crate) fn of_policy(&self, policy: PolicyId) -> impl Iterator<Item = &Installed> {
        let all = self.by_policy.range((policy, FIRST)..=(policy, LAST));
        all.filter_map(|(_, id)| self.find(*id))
    }

    pub(crate) fn find(&self, id: ChildId) -> Option<&Installed> {
        self.installed.get(&id).map(AsRef::as_ref)
    }

    pub(crate) fn find_mut(&mut self, id: ChildId) -> Option<&mut Installed> {
        self.installed.get_mut(&id).map(AsMut::as_mut)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.agenda.next()
    }

    /// The child that carries `selector` of an entry.
    pub(crate) fn carrying(&self, policy: PolicyId, selector: &Selector) -> Option<ChildId> {
        let all = self.by_selector.range((policy, *selector, FIRST)..=(policy, *selector, LAST));
        let mut all = all.map(|(_, _, id)| *id);
        all.find(|id| self.find(*id).is_some_and(Installed::is_up))
    }

    /// A child can receive. It carries traffic at once if we made it and nothing else does; after a
    /// moment if it replaces another; and if the peer made it, when the peer confirms.
    pub(crate) fn ready(&mut self, core: &mut Core, child: Box<Child>, session: &Session) {
        let (id, ours) = (child.id, child.initiator);
        let replaces = self.carrying(child.policy, &child.selector);
        let waits = !ours || replaces.is_some();
        if waits {
            core.out.push_back(Output::ChildReady(child.clone()));
        }
        let mut installed = record(core, child, session);
        installed.promote_at = replaces.filter(|_| ours).map(|old| core.now + self.switch_delay(old));
        installed.replaces = replaces;
        installed.inherit(replaces.and_then(|old| self.find(old)));
        self.file(installed);
        if waits {
            self.plan(id);
        } else {
            self.promote(core, id);
        }
    }

    fn switch_delay(&self, old: ChildId) -> Duration {
        let is_lost = self.find(old).is_some_and(|old| old.is_lost);
        if is_lost { Duration::ZERO } else { SWITCH_DELAY }
    }

    /// It carries nothing any more: its successor does from now on, or as soon as there is one.
    pub(crate) fn lost(&mut self, core: &mut Core, id: ChildId) {
        if let Some(child) = self.installed.get_mut(&id) {
            child.is_lost = true;
        }
        if let Some(next) = self.successor(id) {
            self.promote(core, next);
        }
    }

    fn file(&mut self, child: Box<Installed>) {
        let ChildState { id, policy, selector, .. } = child.state;
        self.by_peer.insert((child.peer(), id));
        self.by_policy.insert((policy, id));
        self.by_selector.insert((policy, selector, id));
        self.installed.insert(id, child);
    }

    /// From now on this one carries the traffic, instead of whichever did before. If the peer made one of
    /// its own while ours waited, ours only receives: both sides then send on what the other made, and
    /// nobody deletes anything.
    pub(crate) fn promote(&mut self, core: &mut Core, id: ChildId) {
        let Some(child) = self.installed.get_mut(&id) else { return };
        if child.version == Version::V2 {
            return self.switch(core, id);
        }
        let Some(new) = child.pending.take() else { return };
        let expected = child.replaces;
        let before = self.carrying(new.policy, &new.selector);
        let crossed = before.filter(|_| new.initiator && before != expected);
        let crossed = crossed.and_then(|id| self.find(id)).is_some_and(|other| !other.state.initiator);
        if crossed {
            return self.supersede(id, None);
        }
        if let Some(child) = self.installed.get_mut(&id) {
            child.state.stage = Stage::Up;
        }
        let retires = new.initiator || before.is_some_and(|old| self.is_settled(old, core.now));
        let retire_at = retires.then(|| core.now + GRACE);
        core.out.push_back(match before {
            Some(old) => Output::ChildReplaced { old, new },
            None => Output::ChildUp(new),
        });
        self.plan(id);
        if let Some(old) = before {
            self.supersede(old, retire_at);
        }
    }

    /// Whether no negotiation of this child can still be going on. After rekeys that cross, each side may
    /// send on what the other takes for the old one: a young child is left to its initiator.
    fn is_settled(&self, id: ChildId, now: Instant) -> bool {
        self.find(id).is_some_and(|child| child.state.installed + SETTLED <= now)
    }

    fn supersede(&mut self, id: ChildId, retire_at: Option<Instant>) {
        if let Some(old) = self.installed.get_mut(&id) {
            old.state.stage = Stage::Superseded;
            (old.rekey_at, old.retire_at) = (None, retire_at);
        }
        self.plan(id);
    }

    /// The attempt to replace it failed: once more, later.
    pub(crate) fn rekey_again(&mut self, id: ChildId, now: Instant) {
        if let Some(child) = self.installed.get_mut(&id)
            && child.state.stage == Stage::Up
        {
            child.rekey_at = Some(now + REKEY_AGAIN);
        }
        self.plan(id);
    }

    pub(crate) fn remove(
        &mut self,
        core: &mut Core,
        id: ChildId,
        reason: DownReason,
    ) -> Option<Box<Installed>> {
        if let Some(heir) = self.heir(id) {
            self.switch(core, heir);
        } else if let Some(next) = self.successor(id).filter(|_| reason.leaves_peer()) {
            self.promote(core, next);
        }
        let child = self.installed.remove(&id)?;
        self.by_peer.remove(&(child.peer(), id));
        self.by_policy.remove(&(child.state.policy, id));
        self.by_selector.remove(&(child.state.policy, child.state.selector, id));
        self.agenda.set(id, None);
        core.out.push_back(Output::ChildDown(id, reason));
        Some(child)
    }

    /// Of version 1: the one that we made in its place and that only waits for its moment.
    fn successor(&self, id: ChildId) -> Option<ChildId> {
        let gone = self.find(id).filter(|gone| gone.version == Version::V1)?;
        let mut waiting = self.of_peer(gone.peer()).filter(|child| child.replaces == Some(id));
        let next = waiting.find(|child| child.pending.is_some() && child.state.initiator)?;
        Some(next.state.id)
    }

    /// What the peer at this path sent and got through `from` goes through the path's port now: one
    /// mapping of its NAT carries IKE and every child.
    pub(crate) fn follow(&mut self, core: &mut Core, path: &Path, from: u16) {
        let of_peer: Vec<ChildId> = self.of_peer(path.peer()).map(|child| child.state.id).collect();
        for id in of_peer {
            let Some(child) = self.installed.get_mut(&id) else { continue };
            let Encap::Udp { local, remote } = child.state.encap else { continue };
            if remote == from {
                let encap = Encap::Udp { local, remote: path.remote.port() };
                (child.state.encap, child.port) = (encap, path.remote.port());
                child.pending.iter_mut().for_each(|pending| pending.encap = encap);
                let (local, remote) = (child.state.local, child.state.remote);
                core.out.push_back(Output::ChildMoved(child.state.id, Endpoints { local, remote, encap }));
            }
        }
    }

    /// What is due now; a promotion and a rekey are due once.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<(ChildId, Due)> {
        let id = self.agenda.take_due(now)?;
        let child = self.installed.get_mut(&id)?;
        let due = child.due(now)?;
        match due {
            Due::Promote => child.promote_at = None,
            Due::Rekey => child.rekey_at = None,
            Due::Idle => child.idle.iter_mut().for_each(|idle| idle.ask_at = None),
            Due::End(_) => {}
        }
        self.plan(id);
        Some((id, due))
    }

    pub(crate) fn plan(&mut self, id: ChildId) {
        self.agenda.set(id, self.find(id).and_then(Installed::deadline));
    }
}

fn record(core: &mut Core, child: Box<Child>, session: &Session) -> Box<Installed> {
    let idle = core.index.entry(child.policy).and_then(|entry| entry.idle);
    let idle = idle.map(|after| Box::new(Idle::new(after, core.now)));
    // The responder of the last negotiation lets the initiator go first.
    let (low, high) = if child.initiator { (85, 90) } else { (91, 95) };
    let rekey_at = Some(core.now + core.jitter(child.lifetime.time, low, high));
    let state = ChildState {
        id: child.id,
        session: Some(child.session),
        policy: child.policy,
        front: child.front,
        inside: child.inside,
        local: child.local,
        remote: child.remote,
        encap: child.encap,
        suite: child.suite,
        mode: child.mode,
        spi_in: child.spi_in,
        spi_out: child.spi_out,
        selector: child.selector,
        lifetime: child.lifetime,
        replay: child.replay,
        initiator: child.initiator,
        stage: Stage::Ready,
        installed: core.now,
        expires: core.now + child.lifetime.time,
        left: child.lifetime.time,
    };
    let identity = session.established().map(|sa| sa.identity.clone());
    Box::new(Installed {
        state,
        version: session.version(),
        identity: identity.unwrap_or(Name::Address(child.remote)),
        port: session.path().remote.port(),
        is_behind_nat: session.nat().remote,
        pending: Some(child),
        replaces: None,
        is_lost: false,
        promote_at: None,
        rekey_at,
        retire_at: None,
        seen: Traffic::default(),
        idle,
    })
}

#[cfg(test)]
pub(crate) const INSTALLED: usize = size_of::<Installed>();
