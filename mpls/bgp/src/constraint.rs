//! Route-target constraint, RFC 4684: what we want is announced, what peers want filters what they are sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::Family;
use vrf::{RouteTarget, Source};

use crate::attributes::{Attributes, Origin};
use crate::io::AddressFamily;
use crate::rib_out::{Key, Wire};
use crate::ribs::{Peer, Ribs};
use crate::store::Shared;
use crate::table::{Kind, OURSELVES};
use crate::update::{Membership, Update};

impl Peer {
    /// Whether it filters: it negotiated the family.
    fn constrains(&self) -> bool {
        self.up && self.families.contains_key(&AddressFamily::RouteTarget)
    }

    /// Whether it is to be sent routes with these targets.
    pub(crate) fn wants_any(&self, targets: &[RouteTarget]) -> bool {
        let wanted = |target: &RouteTarget| self.wants.contains(&Some(*target));
        !self.constrains() || self.wants.contains(&None) || targets.iter().any(wanted)
    }
}

impl Ribs {
    /// A peer wants these, or with `None` as attributes does not any more.
    pub(crate) fn member(
        &mut self,
        number: u32,
        attributes: Option<&Arc<Attributes>>,
        memberships: &[Membership],
    ) {
        let kept =
            attributes.filter(|attributes| !self.is_loop(number, AddressFamily::RouteTarget, attributes));
        let slot = kept.map(|attributes| self.membership_slot(attributes.clone()));
        for membership in memberships {
            let its = self.members.entry(*membership).or_default();
            let old = match slot {
                Some(slot) => its.insert(number, slot),
                None => its.remove(&number),
            };
            if its.is_empty() {
                self.members.remove(membership);
            }
            slot.into_iter().for_each(|slot| self.store.retain(slot, 1));
            old.into_iter().for_each(|old| self.store.release(old, &mut self.out));
        }
        slot.into_iter().for_each(|slot| self.store.release(slot, &mut self.out));
        self.constrained = true;
    }

    /// A peer's memberships go with its session.
    pub(crate) fn leave(&mut self, number: u32) {
        let its = self.members.iter().filter(|(_, who)| who.contains_key(&number));
        let its: Vec<Membership> = its.map(|(membership, _)| *membership).collect();
        self.member(number, None, &its);
        if let Some(peer) = self.peer_mut(number) {
            peer.told.clear();
            peer.wants.clear();
        }
    }

    fn membership_slot(&mut self, attributes: Arc<Attributes>) -> u32 {
        let shared = Shared {
            attributes,
            exported: None,
            weight: 0,
            tag: 0,
            source: Source::Bgp,
            gateway: None,
            vrf: None,
        };
        self.store.hold(shared, &mut self.out)
    }

    /// What the VRFs import is wanted from everybody; without the filter, everything is.
    pub(crate) fn want(&mut self) {
        let attributes = Attributes::new(Origin::Igp, self.config.router_id.into());
        let slot = self.membership_slot(Arc::new(attributes));
        let asn = self.config.asn;
        let targets: BTreeSet<Option<RouteTarget>> = if self.keeps_all {
            BTreeSet::from([None])
        } else {
            self.importers.keys().map(|(_, target)| Some(*target)).collect()
        };
        // Everything is the default of length zero, RFC 4684 section 4: who filters may know no other without a target.
        let membership = |target: Option<RouteTarget>| Membership { asn: target.map_or(0, |_| asn), target };
        let wanted: BTreeSet<Membership> = targets.into_iter().map(membership).collect();
        let ours = self.members.iter().filter(|(_, who)| who.contains_key(&OURSELVES));
        let gone: Vec<Membership> = ours.map(|(its, _)| *its).filter(|its| !wanted.contains(its)).collect();
        self.member(OURSELVES, None, &gone);
        for membership in wanted {
            if self.members.entry(membership).or_default().insert(OURSELVES, slot).is_none() {
                self.store.retain(slot, 1);
            }
        }
        self.store.release(slot, &mut self.out);
        self.constrained = true;
    }

    /// Memberships changed: peers are told those of others, and routes go out or are withdrawn by their own.
    pub(crate) fn constrain(&mut self, wire: &mut impl Wire) {
        if !core::mem::take(&mut self.constrained) {
            return;
        }
        let peers = (0..).zip(&self.peers).filter(|(_, peer)| peer.as_ref().is_some_and(Peer::constrains));
        for number in peers.map(|(number, _)| number).collect::<Vec<u32>>() {
            self.tell_members(number, wire);
            self.refilter(number);
        }
    }

    fn tell_members(&mut self, number: u32, wire: &mut impl Wire) {
        let Some(peer) = self.peer(number) else { return };
        let mut reach: BTreeMap<Attributes, Vec<Membership>> = BTreeMap::new();
        let mut told = BTreeSet::new();
        for (membership, who) in &self.members {
            let Some(attributes) = self.member_attributes(number, peer, who) else { continue };
            told.insert(*membership);
            if !peer.told.contains(membership) {
                reach.entry(attributes).or_default().push(*membership);
            }
        }
        let gone: Vec<Membership> = peer.told.difference(&told).copied().collect();
        let id = peer.id;
        if !gone.is_empty() {
            wire.send(id, &Update::WantsNot(gone));
        }
        for (attributes, targets) in reach {
            wire.send(id, &Update::Wants { attributes: Arc::new(attributes), targets });
        }
        let family = AddressFamily::RouteTarget;
        if self.per_family(number, family).is_some_and(|its| its.walk.take().is_some()) {
            wire.send(id, &Update::EndOfRib(family));
        }
        let Some(peer) = self.peer_mut(number) else { return };
        peer.told = told;
        if let Some(its) = peer.families.get_mut(&AddressFamily::RouteTarget) {
            its.sent = u32::try_from(peer.told.len()).unwrap_or(u32::MAX);
        }
    }

    /// As what a peer is told of a membership: ours first, else that of the lowest peer it may hear of.
    fn member_attributes(&self, number: u32, peer: &Peer, who: &BTreeMap<u32, u32>) -> Option<Attributes> {
        let family = AddressFamily::RouteTarget;
        let terms = self.outward(peer, family)?;
        let may = |source: u32| {
            let from = self.peer(source)?;
            let client = from.is_client(family) || peer.is_client(family);
            (source != number && (from.external() || peer.external() || client)).then_some(from)
        };
        let (source, slot) =
            who.iter().find(|(source, _)| **source == OURSELVES || may(**source).is_some())?;
        let mut attributes = self.store.slot(*slot)?.shared.attributes.as_ref().clone();
        if let Some(from) = may(*source)
            && !from.external()
            && !peer.external()
        {
            attributes.originator.get_or_insert_with(|| from.router_id());
            attributes.clusters.insert(0, self.config.cluster_id.unwrap_or(self.config.router_id));
        }
        attributes.next_hop = terms.local;
        self.address(&terms, &mut attributes);
        Some(attributes)
    }

    /// What a peer wants changed: routes that it did not get are told, those that it should not have are withdrawn.
    fn refilter(&mut self, number: u32) {
        let its = self.members.iter().filter(|(_, who)| who.contains_key(&number));
        let new: BTreeSet<Option<RouteTarget>> = its.map(|(membership, _)| membership.target).collect();
        let Some(peer) = self.peer(number).filter(|peer| peer.wants != new) else { return };
        let vpn = [AddressFamily::Vpnv4, AddressFamily::Vpnv6].into_iter();
        let ready = |family: &AddressFamily| peer.families.get(family).is_some_and(|its| its.hold.is_none());
        let vpn: Vec<AddressFamily> = vpn.filter(ready).collect();
        for family in vpn.iter().copied() {
            let waiting = self.unsaid(number, family);
            self.postpone(number, family, waiting);
        }
        let Some(peer) = self.peer_mut(number) else { return };
        let old = core::mem::replace(&mut peer.wants, new.clone());
        if let Some(its) = peer.families.get_mut(&AddressFamily::RouteTarget) {
            its.accepted = u32::try_from(new.len()).unwrap_or(u32::MAX);
        }
        for family in vpn {
            let keys = family.family().map_or_else(Vec::new, |afi| self.changed(number, afi, &old, &new));
            self.postpone(number, family, keys);
        }
    }

    /// The VPN routes that are wanted now and were not, or the other way, which is `true`.
    fn changed(
        &self,
        number: u32,
        family: Family,
        old: &BTreeSet<Option<RouteTarget>>,
        new: &BTreeSet<Option<RouteTarget>>,
    ) -> Vec<(Key, bool)> {
        let wants = |wanted: &BTreeSet<Option<RouteTarget>>, slot: u32| {
            let targets = self.store.slot(slot).map_or(&[][..], |slot| &slot.targets);
            wanted.contains(&None) || targets.iter().any(|target| wanted.contains(&Some(*target)))
        };
        let differs = |slot: &u32| wants(old, *slot) != wants(new, *slot);
        let (mut keys, vpn) = (Vec::new(), Kind::Vpn.address_family(family));
        for (place, table) in (0..).zip(&self.tables).filter(|(_, table)| table.slots.keys().any(differs)) {
            let prefixes = table.paths.iter(family).map(|(prefix, _)| prefix);
            keys.extend(prefixes.filter_map(|prefix| {
                let (key, best) = (Key { place, prefix }, self.vpn_best(place, prefix)?);
                let told = differs(&best.path.slot) && self.tells(number, vpn, key, best);
                told.then(|| (key, wants(old, best.path.slot)))
            }));
        }
        keys
    }
}
