//! Which peer of a crypto-map entry is tried next: the one in use, then the list in order, round and round;
//! the preferred one again once a connection is lost; host names are resolved each time (IPS-19, PP-1, PP-2,
//! DPD-4, DNS-1).

use std::net::IpAddr;
use std::sync::Arc;

use base::PolicyId;

use crate::Ask;
use crate::config::{Entry, Peer};
use crate::core::{Asker, WantId};
use crate::engine::Ike;
use crate::error::Refusal;
use crate::notice::Blame;
use crate::reach::path_to;

/// How far somebody has got with the peers of an entry.
#[derive(Clone, Default)]
pub(crate) struct Course {
    /// Place in the list.
    place: usize,
    /// Places that have not been tried, this one included.
    left: usize,
    /// Addresses of this place that have not been tried; the first one is.
    addresses: Vec<IpAddr>,
    /// A host name is being resolved.
    waits: bool,
}

/// Whom to turn to.
pub(crate) enum Whom {
    Peer(IpAddr),
    /// Its address is being looked for.
    Wait,
    Nobody,
}

impl Course {
    pub(crate) fn tries(&self) -> Option<IpAddr> {
        self.addresses.first().copied()
    }

    /// The name of the place, if it is one.
    pub(crate) fn host<'a>(&self, entry: &'a Entry) -> Option<&'a str> {
        match entry.peers.get(self.place)? {
            Peer::Address(_) => None,
            Peer::Host(name) => Some(name),
        }
    }

    /// The next address of this place, else the next place.
    fn advance(&mut self, places: usize) {
        if !self.addresses.is_empty() {
            self.addresses.remove(0);
        }
        if self.addresses.is_empty() {
            self.left = self.left.saturating_sub(1);
            self.place = (self.place + 1).checked_rem(places).unwrap_or(0);
        }
    }
}

impl Ike {
    /// Where to begin: with `from`, else with the peer that there is a session with, else with the one last
    /// used.
    pub(crate) fn course(&self, entry: &Entry, from: Option<IpAddr>) -> Course {
        let index = &self.core.index;
        let place_of = |wanted: &dyn Fn(IpAddr) -> bool| {
            entry.peers.iter().position(|peer| index.addresses(entry.front, peer).into_iter().any(wanted))
        };
        let left = entry.peers.len();
        let Some(from) = from else {
            let heard = place_of(&|peer| self.session_for(entry, peer, None).is_some());
            let place = heard.unwrap_or_else(|| self.wants.current.get(&entry.policy).copied().unwrap_or(0));
            return Course { place: place.checked_rem(left).unwrap_or(0), left, ..Course::default() };
        };
        match place_of(&|peer| peer == from) {
            Some(place) => Course { place, left, addresses: vec![from], waits: false },
            // A peer of a dynamic entry.
            None => Course { left: 1, addresses: vec![from], ..Course::default() },
        }
    }

    /// Whom a want turns to now.
    pub(crate) fn whom(&mut self, id: WantId, entry: &Entry) -> Whom {
        let Some(course) = self.wants.course(id) else { return Whom::Nobody };
        if course.waits {
            return Whom::Wait;
        }
        if course.left == 0 {
            return Whom::Nobody;
        }
        if let Some(peer) = course.tries() {
            return Whom::Peer(peer);
        }
        let peer = entry.peers.get(course.place);
        match peer {
            Some(Peer::Address(address)) => {
                self.wants.steer(id, |course| course.addresses = vec![*address]);
                Whom::Peer(*address)
            }
            Some(Peer::Host(name)) => self.look_up(id, entry, name),
            None => Whom::Nobody,
        }
    }

    /// A session that is there needs no new address.
    fn look_up(&mut self, id: WantId, entry: &Entry, name: &str) -> Whom {
        let known = self.core.index.addresses(entry.front, &Peer::Host(name.to_owned()));
        if let Some(peer) = known.into_iter().find(|peer| self.session_for(entry, *peer, None).is_some()) {
            self.wants.steer(id, |course| course.addresses = vec![peer]);
            return Whom::Peer(peer);
        }
        self.wants.steer(id, |course| course.waits = true);
        self.core.ask(Asker::Name(id), Ask::Resolve { front: entry.front, name: name.to_owned() });
        Whom::Wait
    }

    /// A host name was looked for.
    pub(crate) fn resolved(&mut self, id: WantId, mut addresses: Vec<IpAddr>) {
        let entry = self.wants.policy(id).and_then(|policy| self.core.index.entry(policy));
        let host = entry.and_then(|entry| self.wants.course(id)?.host(entry));
        let Some((entry, host)) = entry.zip(host) else { return };
        let (front, path, host) = (entry.front, path_to(entry, entry.local), host.to_owned());
        addresses.retain(|address| address.is_ipv4() == entry.local.is_ipv4());
        self.wants.steer(id, |course| {
            course.waits = false;
            course.addresses.clone_from(&addresses);
        });
        if addresses.is_empty() {
            self.core.refuse(None, &path, &no_such_host(&host));
            self.next_peer(id);
        } else {
            Arc::make_mut(&mut self.core.index).resolve(front, host, addresses);
        }
        self.pursue(id);
    }

    /// The peer that a want tries is of no use.
    pub(crate) fn next_peer(&mut self, id: WantId) {
        let Some(policy) = self.wants.policy(id) else { return };
        let places = self.core.index.entry(policy).map_or(0, |entry| entry.peers.len());
        self.wants.steer(id, |course| course.advance(places));
        if let Some(place) = self.wants.course(id).map(|course| course.place) {
            self.wants.current.insert(policy, place);
        }
    }

    /// A peer has been heard from: it is the one to negotiate with.
    pub(crate) fn turn_to(&mut self, id: WantId, remote: IpAddr) {
        let index = self.core.index.clone();
        let Some(entry) = self.wants.policy(id).and_then(|policy| index.entry(policy)) else { return };
        let course = self.course(entry, Some(remote));
        let place = course.place;
        self.wants.steer(id, |old| *old = course);
        self.wants.current.insert(entry.policy, place);
    }

    /// The connection to a peer of the entry was lost: the next one's turn, or the preferred one's.
    pub(crate) fn pass_over(&mut self, policy: PolicyId, remote: IpAddr) {
        let Some(entry) = self.core.index.entry(policy) else { return };
        let place = self.course(entry, Some(remote)).place;
        let next = (place + 1).checked_rem(entry.peers.len()).unwrap_or(0);
        let next = if entry.prefers_first { 0 } else { next };
        self.wants.current.insert(policy, next);
    }

    /// Nothing is carried any more: the preferred peer's turn, if there is one.
    pub(crate) fn rewind(&mut self, policy: PolicyId) {
        let entry = self.core.index.entry(policy);
        if entry.is_some_and(|entry| entry.prefers_first || entry.idle_resets_peer) {
            self.wants.current.remove(&policy);
        }
    }
}

fn no_such_host(name: &str) -> Refusal {
    let detail = format!("the peer's name {name} has no address: check the name and the name servers");
    Refusal::because(Blame::Refused, "peer-name-unknown", detail)
}
