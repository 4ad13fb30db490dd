//! How far each peer was told everything, and what of it waits until the peer takes more.

use std::sync::Arc;

use base::{Instant, Prefix};

use super::compose::Tally;
use super::{Key, Outward, Told, Wire};
use crate::io::AddressFamily;
use crate::ribs::Ribs;
use crate::session::Refresh;
use crate::table::OURSELVES;
use crate::update::Update;

/// How far a peer was told everything.
pub(crate) struct Walk {
    place: u32,
    after: Option<Prefix>,
    begun: bool,
    why: Whole,
}

/// Why everything is announced.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whole {
    /// The peer knows nothing.
    Initial,
    /// It asked for it again.
    Refresh,
    /// Its terms changed: what it may not know any more is withdrawn.
    Again,
}

/// How many routes are looked at before asking again whether the peer takes more.
const CHUNK: usize = if cfg!(test) { 2 } else { 512 };

impl Walk {
    pub(crate) fn new(why: Whole) -> Self {
        Self { place: 0, after: None, begun: false, why }
    }

    fn is_past(&self, key: Key) -> bool {
        self.begun && (self.place, self.after) >= (key.place, Some(key.prefix))
    }

    /// Whether a change there is still to be told beside the walk.
    pub(super) fn leaves(&self, key: Key) -> bool {
        self.why != Whole::Initial || self.is_past(key)
    }

    /// Whether the peer may know what stood there before its terms changed.
    pub(super) fn will_withdraw(&self, key: Key) -> bool {
        self.why == Whole::Again && !self.is_past(key)
    }

    /// Whether a route there counts among those that were told already: `Again` counts anew.
    pub(super) fn counts(&self, key: Key) -> bool {
        self.why != Whole::Again || self.is_past(key)
    }
}

impl Ribs {
    /// Tells a peer everything from the beginning.
    pub(crate) fn walk(&mut self, peer: u32, family: AddressFamily, why: Whole) {
        let Some(its) = self.per_family(peer, family).filter(|its| its.group.is_some()) else { return };
        let why = if its.walk.is_some() { Whole::Again } else { why };
        if why == Whole::Again {
            its.sent = 0;
        }
        its.walk = Some(Walk::new(why));
        self.busy.insert((peer, family));
    }

    /// A peer is to be told later; `true`: it knows something of it. What is known of a place already stays.
    pub(crate) fn postpone(&mut self, peer: u32, family: AddressFamily, keys: Vec<(Key, bool)>) {
        if keys.is_empty() {
            return;
        }
        let Some(its) = self.per_family(peer, family) else { return };
        for (key, told) in keys {
            its.pending.entry(key).or_insert(told);
        }
        self.busy.insert((peer, family));
    }

    /// The next of what a peer was not told yet; whether to go on.
    pub(super) fn step(
        &mut self,
        now: Instant,
        number: u32,
        family: AddressFamily,
        wire: &mut impl Wire,
    ) -> bool {
        let Some(peer) = self.peer(number) else { return false };
        let Some(its) = peer.families.get(&family) else { return false };
        if !wire.room(peer.id) || its.hold.is_some_and(|until| now < until) {
            return false;
        }
        let Some(terms) = its.group.and_then(|group| self.groups.get(group)).map(|group| group.terms.clone())
        else {
            return false;
        };
        if !its.pending.is_empty() {
            self.catch_up(number, &terms, wire);
            return true;
        }
        if its.walk.is_some() {
            self.walk_on(number, &terms, wire);
            return true;
        }
        self.busy.remove(&(number, family));
        false
    }

    fn catch_up(&mut self, number: u32, terms: &Arc<Outward>, wire: &mut impl Wire) {
        let Some(its) = self.per_family(number, terms.family) else { return };
        let mut keys = Vec::new();
        while keys.len() < CHUNK
            && let Some((key, told)) = its.pending.pop_first()
        {
            keys.push((key, told.then_some(Told { peer: OURSELVES, slot: None })));
        }
        let batch = self.compose(terms, keys.into_iter());
        self.deliver(number, terms.family, batch.entries.iter(), &batch.attributes, Tally::Changes, wire);
    }

    fn walk_on(&mut self, number: u32, terms: &Arc<Outward>, wire: &mut impl Wire) {
        let Some(its) = self.per_family(number, terms.family) else { return };
        its.hold = None;
        let Some(mut walk) = its.walk.take() else { return };
        let Some(peer) = self.peer(number).map(|peer| peer.id) else { return };
        if !walk.begun && walk.why == Whole::Refresh {
            wire.refresh(peer, terms.family, Refresh::Begin);
        }
        let keys = self.next_keys(&mut walk, terms);
        let told = (walk.why == Whole::Again).then_some(Told { peer: OURSELVES, slot: None });
        let batch = self.compose(terms, keys.iter().map(|key| (*key, told)));
        let why = walk.why;
        let done = keys.is_empty();
        if !done && let Some(its) = self.per_family(number, terms.family) {
            its.walk = Some(walk);
        }
        let tally = if why == Whole::Refresh { Tally::Nothing } else { Tally::All };
        self.deliver(number, terms.family, batch.entries.iter(), &batch.attributes, tally, wire);
        match (done, why) {
            (true, Whole::Initial | Whole::Again) => wire.send(peer, &Update::EndOfRib(terms.family)),
            (true, Whole::Refresh) => wire.refresh(peer, terms.family, Refresh::End),
            (false, _) => (),
        }
    }

    fn next_keys(&self, walk: &mut Walk, terms: &Outward) -> Vec<Key> {
        let Some(family) = terms.family.family() else { return Vec::new() };
        let mut keys = Vec::new();
        if !terms.family.is_vpn() {
            let (view, any) = (self.views.get(&terms.vrf), Prefix::any(family));
            // Also a default route that is not originated any more has to be withdrawn.
            let default = terms.has_default() || walk.why == Whole::Again;
            if !walk.begun && default && view.is_none_or(|view| !view.has(any)) {
                keys.push(Key { place: terms.vrf.0, prefix: any });
            }
            let next = view.map_or_else(Vec::new, |view| view.routes.behind(family, walk.after, CHUNK));
            (walk.begun, walk.place) = (true, terms.vrf.0);
            walk.after = next.last().copied().or(walk.after);
            keys.extend(next.into_iter().map(|prefix| Key { place: terms.vrf.0, prefix }));
            return keys;
        }
        walk.begun = true;
        while let Some(table) = self.table(walk.place) {
            let its =
                if table.rd.is_some() { table.paths.behind(family, walk.after, CHUNK) } else { Vec::new() };
            if let Some(last) = its.last() {
                walk.after = Some(*last);
                keys.extend(its.into_iter().map(|prefix| Key { place: walk.place, prefix }));
                return keys;
            }
            (walk.place, walk.after) = (walk.place + 1, None);
        }
        keys
    }
}
