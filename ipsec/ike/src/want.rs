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
    last: u32,
    /// Nobody may ask before.
    holds: BTreeMap<(PolicyId, Selector), Instant>,
    /// When an unknown SPI last made us open IKE to a peer.
    recovered: BTreeMap<(VrfId, IpAddr), Instant>,
}

impl Wants {
    /// The child is there.
    pub(crate) fn fulfil(&mut self, id: WantId) {
        self.wants.remove(&id);
    }

    /// Forgets what is wanted for entries that are not as they were.
    pub(crate) fn retain(&mut self, still: impl Fn(PolicyId) -> bool) {
        self.wants.retain(|_, want| still(want.policy));
        self.holds.clear();
    }

    fn push(&mut self, want: Want) -> Option<WantId> {
        let same = |other: &Want| other.policy == want.policy && other.selector == want.selector;
        if self.wants.values().any(same) {
            return None;
        }
        self.last = self.last.wrapping_add(1);
        self.wants.insert(WantId(self.last), want);
        Some(WantId(self.last))
    }
}

impl Ike {
    /// Traffic hit a permit line and there is no SA for it.
    pub(crate) fn acquire(&mut self, policy: PolicyId, rule: usize, flow: &Flow) {
        let Some(entry) = self.entry(policy) else { return };
        let Some(rule) = entry.rules.get(rule).filter(|rule| rule.permit) else { return };
        let (selector, now) = (rule.selector, self.core.now);
        self.wants.holds.retain(|_, until| now < *until);
        let up = |child: &crate::ChildState| child.policy == policy && child.selector.matches(flow);
        if self.children.iter().any(|child| up(&child.state))
            || self.wants.holds.contains_key(&(policy, selector))
        {
            return;
        }
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
        let config = self.core.config.clone();
        let is_for =
            |entry: &&Entry| entry.front == front && entry.local == local && entry.peers.contains(&remote);
        let (now, hold) = (self.core.now, config.timers.unknown_spi_hold);
        self.wants.recovered.retain(|_, since| now < *since + hold);
        if !config.entries.iter().any(|entry| is_for(&entry))
            || self.wants.recovered.contains_key(&(front, remote))
        {
            return;
        }
        self.wants.recovered.insert((front, remote), now);
        let known = self.sessions.values().find(|session| {
            let asker = session.asker();
            session.established().is_some()
                && (asker.front, asker.local, asker.remote) == (front, local, remote)
        });
        if let Some(id) = known.map(|session| session.id) {
            return self.with(id, |session, core| {
                informational::delete_children(session, core, &[spi.0]);
                Fate::Live
            });
        }
        for entry in config.entries.iter().filter(is_for).take(MOST_RECOVERED) {
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
        let heard = || entry.peers.iter().position(|peer| self.session_for(entry, *peer).is_some());
        let named = from.and_then(|from| entry.peers.iter().position(|peer| *peer == from));
        let peer = named.or_else(heard).unwrap_or(0);
        let want = Want { policy, selector, replaces, peer, retried: false, session: None };
        if let Some(id) = self.wants.push(want) {
            self.pursue(id);
        }
    }

    /// Moves a want on: a quick mode if there is a session, else main mode, else the next peer.
    fn pursue(&mut self, id: WantId) {
        while let Some(want) = self.wants.wants.get(&id).copied() {
            let config = self.core.config.clone();
            let Some(entry) = config.entries.iter().find(|entry| entry.policy == want.policy) else {
                self.wants.fulfil(id);
                return;
            };
            let Some(peer) = entry.peers.get(want.peer).copied() else { return self.give_up(id) };
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
        let config = &self.core.config;
        let waiting = self.wants.wants.iter().filter(|(_, want)| want.session.is_none());
        let served = waiting.filter(|(_, want)| {
            let entry = config.entries.iter().find(|entry| entry.policy == want.policy);
            entry.is_some_and(|entry| policy::serves(entry, asker))
        });
        let served: Vec<(WantId, IpAddr)> = served.map(|(id, _)| (*id, asker.remote)).collect();
        for (id, remote) in served {
            self.turn_to(id, remote);
            self.pursue(id);
        }
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
        let entry = self.core.config.entries.iter().find(|entry| entry.policy == want.policy);
        let place = entry.and_then(|entry| entry.peers.iter().position(|peer| *peer == remote));
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
        let (asker, replaces) = (session.asker(), session.replaces);
        let config = self.core.config.clone();
        let waiting = self.wants.wants.iter().filter(|(_, want)| session.initiator && want.session.is_none());
        let failed = waiting.filter(|(_, want)| {
            let entry = config.entries.iter().find(|entry| entry.policy == want.policy);
            entry.is_some_and(|entry| {
                policy::serves(entry, asker) && entry.peers.get(want.peer) == Some(&asker.remote)
            })
        });
        let failed: Vec<WantId> = failed.map(|(id, _)| *id).collect();
        self.forget(session);
        if let Some(old) = replaces {
            self.renew_again(old);
        }
        for id in failed {
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
        let Some(want) = self.wants.wants.remove(&id) else { return };
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
        let younger = self.sessions.values().any(|other| {
            other.is_with(&old.path)
                && other.place == old.place
                && other.established().is_some_and(|new| new.expires > phase1.expires)
        });
        if younger || !self.children.iter().any(|child| child.is_of(old)) {
            return;
        }
        let config = self.core.config.clone();
        let Some(entry) = config.entries.iter().find(|entry| policy::serves(entry, asker)) else { return };
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
        let key = policy::key_for_initiator(&self.core.config, entry.front, peer, entry.profile.as_deref());
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
        let usable = self.sessions.values().filter(|session| {
            session.path.remote.ip() == peer
                && session.retire_at.is_none()
                && policy::serves(entry, session.asker())
        });
        let established = usable.filter_map(|session| Some((session.established()?.since, session.id)));
        established.max().map(|(_, id)| id)
    }

    /// Whether a main mode of ours to `peer` is under way that the entry can use.
    fn is_opening(&self, entry: &Entry, peer: IpAddr) -> bool {
        self.sessions.values().any(|session| {
            session.initiator
                && session.established().is_none()
                && session.path.remote.ip() == peer
                && session.place.profile == entry.profile
                && policy::serves(entry, Asker { remote: peer, ..session.asker() })
        })
    }

    fn entry(&self, policy: PolicyId) -> Option<&Entry> {
        self.core.config.entries.iter().find(|entry| entry.policy == policy)
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
