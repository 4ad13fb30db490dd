//! Children that traffic, an unknown SPI or a rekey asks for, until they are up: which peer is tried,
//! over which session, and what happens when that fails.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use base::{Instant, PolicyId, Spi, VrfId};
use ipsec::{Flow, Selector};

use crate::config::Entry;
use crate::core::WantId;
use crate::engine::Ike;
use crate::error::Refusal;
use crate::natt::IKE_PORT;
use crate::notice::Blame;
use crate::policy::{self, Asker};
use crate::v1::main::{Place, initiator as main_initiator};
use crate::v1::quick::initiator::Plan;
use crate::v1::session::{Fate, Session};
use crate::v1::{informational, quick};
use crate::{Child, ChildId, DownReason, Path, SessionId, Stage};

/// After every peer failed, traffic may not ask again for this long.
const HOLD: Duration = Duration::from_secs(2);

/// Children that one unknown SPI may ask for.
const MOST_RECOVERED: usize = 16;

/// After a failed attempt to replace a session.
const RENEW_AGAIN: Duration = Duration::from_secs(10);

#[derive(Clone, Copy)]
struct Want {
    policy: PolicyId,
    selector: Selector,
    /// The child it is to replace.
    replaces: Option<ChildId>,
    /// Which of the entry's peers is tried.
    peer: usize,
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

    /// Those of an entry that wait for a session.
    fn waiting_for(&self, policy: PolicyId) -> impl Iterator<Item = (WantId, &Want)> {
        let all = self.named.get(&policy).into_iter().flat_map(BTreeMap::values);
        let all = all.filter_map(|id| Some((*id, self.wants.get(id)?)));
        all.filter(|(_, want)| want.session.is_none())
    }

    /// Forgets what is wanted for entries that are not as they were.
    pub(crate) fn retain(&mut self, still: impl Fn(PolicyId) -> bool) {
        self.wants.retain(|_, want| still(want.policy));
        self.named.retain(|policy, _| still(*policy));
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
        if let Some(child) = self.children.find(id).filter(|child| child.state.stage == Stage::Up) {
            let (policy, selector) = (child.state.policy, child.state.selector);
            self.want(policy, selector, Some(id));
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
        let known = known.map(|session| session.id);
        if let Some(id) = known {
            return self.with(id, |session, core| {
                informational::delete_children(session, core, &[spi.0]);
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
        let heard = || entry.addresses().position(|peer| self.session_for(entry, peer).is_some());
        let named = from.and_then(|from| entry.addresses().position(|peer| peer == from));
        let peer = named.or_else(heard).unwrap_or(0);
        let want = Want { policy, selector, replaces, peer, retried: false, session: None };
        if let Some(id) = self.wants.push(want) {
            self.pursue(id);
        }
    }

    /// Moves a want on: a quick mode if there is a session, else main mode, else the next peer.
    fn pursue(&mut self, id: WantId) {
        while let Some(want) = self.wants.wants.get(&id).copied() {
            let index = self.core.index.clone();
            let Some(entry) = index.entry(want.policy) else { return self.wants.fulfil(id) };
            let Some(peer) = entry.addresses().nth(want.peer) else { return self.give_up(id) };
            if let Some(session) = self.session_for(entry, peer) {
                return self.negotiate(id, session, entry.clone());
            }
            if self.is_opening(entry, peer) {
                return;
            }
            match self.open_to(entry, peer, None, None) {
                Ok(()) => return,
                Err(refusal) => {
                    let path = path_to(entry, peer);
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
            quick::initiate(session, core, plan);
            Fate::Live
        });
    }

    /// Main mode is complete: whoever waits for such a session gets it.
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
        let entries = self.core.index.naming(asker.peer());
        let entries = entries.filter(|entry| policy::serves(entry, asker));
        let wants = entries.flat_map(|entry| {
            let waiting = self.wants.waiting_for(entry.policy);
            waiting.map(|(id, want)| (id, entry.addresses().nth(want.peer)))
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
            policy::serves(entry, session.asker()) && policy::entry_admits(entry, &child.selector)
        })
    }

    /// A peer of the entry has been heard from: it is the one to negotiate with.
    fn turn_to(&mut self, id: WantId, remote: IpAddr) {
        let Some(want) = self.wants.wants.get_mut(&id) else { return };
        let entry = self.core.index.entry(want.policy);
        let place = entry.and_then(|entry| entry.addresses().position(|peer| peer == remote));
        want.peer = place.unwrap_or(want.peer);
    }

    /// A quick mode ended without a child.
    pub(crate) fn quick_failed(&mut self, session: SessionId, id: WantId, silent: bool) {
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

    /// Main mode ended without a session.
    pub(crate) fn main_failed(&mut self, session: Session) {
        let (remote, replaces) = (session.path.remote.ip(), session.replaces);
        let mut failed = if session.initiator { self.waiting_for(session.asker()) } else { Vec::new() };
        failed.retain(|(_, tried)| *tried == Some(remote));
        self.forget(session);
        if let Some(old) = replaces {
            self.renew_again(old);
        }
        for (id, _) in failed {
            self.next_peer(id);
            self.pursue(id);
        }
    }

    fn next_peer(&mut self, id: WantId) {
        if let Some(want) = self.wants.wants.get_mut(&id) {
            want.peer += 1;
            want.retried = false;
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

    /// Phase 1 nears its end: a new main mode, unless a younger session or no child is there.
    pub(crate) fn renew_session(&mut self, id: SessionId) {
        let Some(old) = self.sessions.get(&id) else { return };
        let Some(phase1) = old.established() else { return };
        let asker = old.asker();
        let younger = self.sessions_between(old.path.peer()).any(|other| {
            other.place == old.place && other.established().is_some_and(|new| new.expires > phase1.expires)
        });
        if younger || !self.children.of_peer(old.path.peer()).any(|child| child.is_of(old)) {
            return;
        }
        let index = self.core.index.clone();
        let mut named = index.naming(asker.peer());
        let Some(entry) = named.find(|entry| policy::serves(entry, asker)) else { return };
        let (remote, path) = (asker.remote, old.path);
        if self.is_opening(entry, remote) {
            return;
        }
        if let Err(refusal) = self.open_to(entry, remote, Some(path), Some(id)) {
            self.core.refuse(Some(id), &path, &refusal);
        }
    }

    fn renew_again(&mut self, id: SessionId) {
        self.with(id, |session, core| {
            session.renew_at(core.now + RENEW_AGAIN);
            Fate::Live
        });
    }

    /// Opens main mode to a peer of an entry, with a key of the entry's profile.
    fn open_to(
        &mut self,
        entry: &Entry,
        peer: IpAddr,
        path: Option<Path>,
        replaces: Option<SessionId>,
    ) -> Result<(), Refusal> {
        let key = policy::key_for_initiator(&self.core.index, entry.front, peer, entry.profile.as_deref());
        let key = key.ok_or_else(|| no_key(entry, peer))?;
        let offered = main_initiator::open(&self.core, key).ok_or_else(no_proposal)?;
        let place = Place { profile: entry.profile.clone(), inside: entry.inside };
        let path = path.unwrap_or_else(|| path_to(entry, peer));
        let mut session = Session::initiate(&mut self.core, path, place, offered);
        session.replaces = replaces;
        self.keep(session);
        Ok(())
    }

    /// The youngest established session over which an entry's children can be negotiated with `peer`.
    fn session_for(&self, entry: &Entry, peer: IpAddr) -> Option<SessionId> {
        let usable = self
            .sessions_between((entry.front, entry.local, peer))
            .filter(|session| session.retire_at.is_none() && policy::serves(entry, session.asker()));
        let established = usable.filter_map(|session| Some((session.established()?.since, session.id)));
        established.max().map(|(_, id)| id)
    }

    /// Whether a main mode of ours to `peer` is under way that the entry can use.
    fn is_opening(&self, entry: &Entry, peer: IpAddr) -> bool {
        self.sessions_between((entry.front, entry.local, peer)).any(|session| {
            session.initiator
                && session.established().is_none()
                && session.place.profile == entry.profile
                && policy::serves(entry, Asker { remote: peer, ..session.asker() })
        })
    }

    fn entry(&self, policy: PolicyId) -> Option<&Entry> {
        self.core.index.entry(policy)
    }
}

const fn path_to(entry: &Entry, peer: IpAddr) -> Path {
    Path {
        front: entry.front,
        local: SocketAddr::new(entry.local, IKE_PORT),
        remote: SocketAddr::new(peer, IKE_PORT),
        marker: false,
    }
}

fn no_key(entry: &Entry, peer: IpAddr) -> Refusal {
    let detail = format!(
        "no pre-shared key for {peer} in the keyrings of profile {} in this front VRF",
        entry.profile.as_deref().unwrap_or("(none)")
    );
    Refusal::because(Blame::Refused, "no-pre-shared-key", detail)
}

fn no_proposal() -> Refusal {
    let detail = "no isakmp policy has `authentication pre-share`".to_owned();
    Refusal::because(Blame::Refused, "no-isakmp-policy", detail)
}
