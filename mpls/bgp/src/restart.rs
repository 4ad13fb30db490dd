//! Sessions come and go: what stays of their routes meanwhile (RFC 4724, both roles), and route refresh.

use core::time::Duration;
use std::sync::Arc;

use base::Instant;

use crate::io::{AddressFamily, PeerId};
use crate::rib_out::{Walk, Whole};
use crate::ribs::Ribs;
use crate::session::{Negotiated, Refresh};

/// How long VPN routes wait for the peer to say which targets it wants, RFC 4684 section 6.
const TARGETS: Duration = Duration::from_secs(60);

/// How many routes of a session that ended go before everybody else has a turn.
const AT_ONCE: usize = 8192;

impl Ribs {
    pub(crate) fn up(&mut self, now: Instant, id: PeerId, terms: &Arc<Negotiated>) {
        let Some(number) = self.numbers.get(&id).copied() else { return };
        let Some(peer) = self.peer_mut(number) else { return };
        let another = peer.terms.as_ref().is_some_and(|old| old.router_id != terms.router_id);
        let old: Vec<AddressFamily> = peer.families.keys().copied().collect();
        for family in old {
            let kept = terms.families.get(&family).is_some_and(|family| family.preserved == Some(true));
            if self.leaving.remove(&(number, family)).is_some() || another || !kept {
                self.sweep(number, family, false, usize::MAX);
                self.peer_mut(number).into_iter().for_each(|peer| drop(peer.families.remove(&family)));
            }
        }
        let stale = self.config.graceful_restart.map(|restart| now + restart.stale_path);
        let Some(peer) = self.peer_mut(number) else { return };
        let kept = !peer.families.is_empty();
        (peer.terms, peer.up) = (Some(terms.clone()), true);
        for family in terms.families.keys() {
            peer.families.entry(*family).or_default();
        }
        self.stale_at(number, stale.filter(|_| kept));
        let constrains = terms.families.contains_key(&AddressFamily::RouteTarget);
        for family in terms.families.keys().copied() {
            let Some(terms) = self.peer(number).and_then(|peer| self.outward(peer, family)) else { continue };
            if family == AddressFamily::RouteTarget {
                self.per_family(number, family)
                    .into_iter()
                    .for_each(|its| its.walk = Some(Walk::new(Whole::Initial)));
                self.constrained = true;
                continue;
            }
            self.join(number, terms);
            self.walk(number, family, Whole::Initial);
            if constrains && family.is_vpn() {
                self.per_family(number, family).into_iter().for_each(|its| its.hold = Some(now + TARGETS));
            }
        }
        self.undefer();
    }

    pub(crate) fn down(&mut self, now: Instant, id: PeerId, graceful: bool) {
        let Some(number) = self.numbers.get(&id).copied() else { return };
        let helps = self.config.graceful_restart.filter(|_| graceful);
        let Some(peer) = self.peer_mut(number) else { return };
        peer.up = false;
        let Some(terms) = peer.terms.clone() else { return };
        let time = terms.restart.filter(|_| helps.is_some()).map(|restart| restart.time);
        self.leave(number);
        for family in terms.families.keys().copied() {
            self.part(number, family);
            let kept =
                time.is_some() && terms.families.get(&family).is_some_and(|terms| terms.preserved.is_some());
            if kept && family != AddressFamily::RouteTarget {
                if self.leaving.remove(&(number, family)).is_some() {
                    self.sweep(number, family, true, usize::MAX);
                }
                self.age(number, family);
                self.per_family(number, family).into_iter().for_each(|its| its.complete = false);
                continue;
            }
            self.age(number, family);
            self.leaving.insert((number, family), now);
        }
        let stays = |family: &AddressFamily| !self.leaving.contains_key(&(number, *family));
        let kept = self.peer(number).is_some_and(|peer| peer.families.keys().any(stays));
        self.stale_at(number, time.filter(|_| kept).map(|time| now + time));
        self.take_leave();
    }

    /// Takes out some of the routes that are to go: a million at once would keep everybody else waiting.
    fn take_leave(&mut self) {
        let mut room = AT_ONCE;
        while room > 0
            && let Some((number, family)) = self.leaving.keys().next().copied()
        {
            let taken = self.sweep(number, family, true, room);
            if taken < room {
                self.leaving.remove(&(number, family));
                self.gone(number, family);
            }
            room -= taken;
        }
    }

    /// Nothing is kept of a family of a neighbour without session.
    fn gone(&mut self, number: u32, family: AddressFamily) {
        let Some(peer) = self.peer_mut(number).filter(|peer| !peer.up) else { return };
        peer.families.remove(&family);
        if peer.families.is_empty() {
            peer.terms = None;
        }
    }

    /// A neighbour without session was configured anew: what is kept of its routes goes if it cannot tell them again.
    pub(crate) fn disown(&mut self, number: u32, is_another: bool) {
        let all = is_another || self.config.graceful_restart.is_none();
        let Some(peer) = self.peer(number).filter(|peer| !peer.up) else { return };
        let gone = peer.families.keys().filter(|family| all || !peer.neighbor.families.contains_key(family));
        for family in gone.copied().collect::<Vec<_>>() {
            self.leaving.remove(&(number, family));
            self.sweep(number, family, false, usize::MAX);
            self.gone(number, family);
        }
        if self.peer(number).is_some_and(|peer| peer.families.is_empty()) {
            self.stale_at(number, None);
        }
    }

    fn stale_at(&mut self, number: u32, at: Option<Instant>) {
        let Some(peer) = self.peers.get_mut(number as usize).and_then(Option::as_mut) else { return };
        let old = core::mem::replace(&mut peer.stale_until, at);
        if let Some(old) = old {
            self.stale.remove(&(old, number));
        }
        self.stale.extend(at.map(|at| (at, number)));
    }

    /// Routes that were kept too long go.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some((at, number)) = self.stale.first().copied()
            && at <= now
        {
            self.stale_at(number, None);
            let families = self.peer(number).into_iter().flat_map(|peer| peer.families.keys());
            let families: Vec<_> = families.map(|family| ((number, *family), now)).collect();
            self.leaving.extend(families);
        }
        self.take_leave();
    }

    /// The peer has told everything it has of a family: what it did not tell again is gone.
    pub(crate) fn complete(&mut self, number: u32, family: AddressFamily) {
        let Some(its) = self.per_family(number, family) else { return };
        its.complete = true;
        if family == AddressFamily::RouteTarget {
            let vpn = [AddressFamily::Vpnv4, AddressFamily::Vpnv6];
            vpn.into_iter().for_each(|family| {
                self.per_family(number, family).into_iter().for_each(|its| its.hold = None)
            });
        } else if self.peer(number).is_some_and(|peer| peer.stale_until.is_some()) {
            self.sweep(number, family, true, usize::MAX);
            if self.peer(number).is_some_and(|peer| peer.families.values().all(|its| its.complete)) {
                self.stale_at(number, None);
            }
        }
        self.undefer();
    }

    /// A restarted speaker announces when all its peers have told what they have, RFC 4724 section 4.1.
    fn undefer(&mut self) {
        if self.deferred.is_none() {
            return;
        }
        let waits = |(id, neighbor): (&PeerId, &crate::config::Neighbor)| {
            let peer = self.numbers.get(id).and_then(|number| self.peer(*number));
            let done = peer.is_some_and(|peer| {
                let restart = peer.terms.as_ref().and_then(|terms| terms.restart);
                let silent = restart.is_none_or(|restart| restart.restarting);
                peer.up && (silent || peer.families.values().all(|its| its.complete))
            });
            !neighbor.shutdown && !done
        };
        if !self.config.neighbors.iter().any(waits) {
            self.deferred = None;
        }
    }

    pub(crate) fn refresh(&mut self, id: PeerId, family: AddressFamily, what: Refresh) {
        let Some(number) = self.numbers.get(&id).copied() else { return };
        match what {
            Refresh::Request if family == AddressFamily::RouteTarget => {
                self.peer_mut(number).into_iter().for_each(|peer| peer.told.clear());
                self.constrained = true;
            }
            Refresh::Request => self.walk(number, family, Whole::Refresh),
            Refresh::Begin => self.age(number, family),
            Refresh::End => drop(self.sweep(number, family, true, usize::MAX)),
        }
    }

    /// Nothing is heard of a family any more, though the session lives.
    pub(crate) fn disable(&mut self, id: PeerId, family: AddressFamily) {
        let Some(number) = self.numbers.get(&id).copied() else { return };
        if family == AddressFamily::RouteTarget {
            self.leave(number);
            return;
        }
        self.sweep(number, family, false, usize::MAX);
        self.per_family(number, family).into_iter().for_each(|its| its.complete = true);
    }
}
