//! From objects to things: what each object is in the kernel, and which objects to look at again when
//! something that they stand on changes.

mod needs;
mod nouns;
mod owners;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use base::{PolicyId, PortId, SaId, Spi};
use dataplane::{Key as Noun, Object, Op, Plan, Port};
use ipsec::{Policy, Sa};

use crate::device::Device;
use crate::ground::{Carrier, Ground, Wish};
use crate::mark::{Hook, Mark};
use crate::mtu::{self, Room};
use crate::state::State;
use crate::thing::{Key, Thing, Unable};
use crate::tunnels::Tunnels;
use needs::{Need, carrier_of, is_own, needs, policy_of};

pub(crate) use owners::Owners;

/// Every object, and what was made of it.
#[derive(Default)]
pub(crate) struct Translator {
    plan: Plan,
    made: BTreeMap<Noun, Vec<Key>>,
    /// How often a key is claimed beyond the first object that claims it.
    shared: BTreeMap<Key, u32>,
    /// Which objects stand on what.
    users: BTreeMap<Need, BTreeSet<Noun>>,
    carriers: BTreeMap<PolicyId, Carrier>,
    policies: BTreeMap<Carrier, BTreeSet<PolicyId>>,
    /// The worst SA that each carrier ever had.
    rooms: BTreeMap<Carrier, Room>,
    sas: BTreeMap<Key, SaId>,
}

/// What the things of objects are put into.
pub(crate) struct Site<'a> {
    pub(crate) ground: &'a mut Ground,
    pub(crate) tunnels: &'a mut Tunnels,
    pub(crate) state: &'a mut State,
}

/// An object that could not be brought into force, and why.
pub(crate) struct Fault {
    pub(crate) object: Noun,
    pub(crate) reason: String,
}

impl Translator {
    /// Changes what is wanted; nothing is sent yet. The cost is that of the objects of `ops` and of those
    /// that stand on a VRF, port or carrier that changed.
    pub(crate) fn apply(&mut self, ops: &[Op], site: &mut Site<'_>) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut dirty = BTreeSet::new();
        for op in ops {
            self.change(op, &mut dirty);
        }
        self.place(&mut dirty, site, &mut faults);
        self.carry(&mut dirty, site);
        for noun in dirty {
            if let Err(reason) = self.derive(noun, site) {
                faults.push(Fault { object: noun, reason });
            }
        }
        faults
    }

    /// Which of these objects wants each thing.
    pub(crate) fn owners(&self, among: impl Iterator<Item = Noun>) -> Owners<'_> {
        let mut owners = Owners::default();
        for noun in among {
            owners.keys.extend(self.made.get(&noun).into_iter().flatten().map(|key| (key, noun)));
            let carrier = policy_of(&noun).and_then(|id| self.carriers.get(&id));
            owners.carriers.extend(carrier.map(|carrier| (*carrier, noun)));
        }
        owners
    }

    /// Whose SA the kernel has under `key`.
    pub(crate) fn sa(&self, key: &Key) -> Option<SaId> {
        self.sas.get(key).copied()
    }

    /// Where the kernel has an SA.
    pub(crate) fn place_of(&self, sa: SaId) -> Option<&Key> {
        self.made.get(&Noun::Sa(sa))?.first()
    }

    /// The inbound SA of an address of ours; its SPI is unique there.
    pub(crate) fn inbound(&self, local: IpAddr, spi: Spi) -> Option<&Sa> {
        let from = Key::Sa(local, spi, 0);
        let mut here = self
            .sas
            .range(from..)
            .take_while(|(key, _)| matches!(key, Key::Sa(to, number, _) if *to == local && *number == spi));
        match self.plan.get(&Noun::Sa(*here.next()?.1)) {
            Some(Object::Sa(sa)) => Some(sa),
            _ => None,
        }
    }

    /// Every SA and where the kernel has it.
    pub(crate) fn sas(&self) -> impl Iterator<Item = (SaId, &Key)> {
        self.sas.iter().map(|(key, id)| (*id, key))
    }

    /// Notes an op: the plan, who stands on what, and who must be looked at.
    fn change(&mut self, op: &Op, dirty: &mut BTreeSet<Noun>) {
        let noun = op.key();
        for need in self.plan.get(&noun).map(needs).unwrap_or_default() {
            if let Some(users) = self.users.get_mut(&need) {
                users.remove(&noun);
            }
        }
        match op {
            Op::Set(object) => {
                self.dirty_of_sa(noun, Some(object), dirty);
                for need in needs(object) {
                    self.users.entry(need).or_default().insert(noun);
                }
                self.plan.set(object.clone());
            }
            Op::Unset(_) => {
                self.dirty_of_sa(noun, None, dirty);
                self.plan.unset(noun);
            }
        }
        if let Noun::Policy(id) = noun {
            self.dirty_users(Need::Policy(id), dirty);
        }
        dirty.insert(noun);
    }

    /// Who seals with an SA names its addresses.
    fn dirty_of_sa(&self, noun: Noun, new: Option<&Object>, dirty: &mut BTreeSet<Noun>) {
        let ends = |object: &Object| {
            let Object::Sa(sa) = object else { return None };
            Some((sa.local, sa.remote, sa.mode))
        };
        if let Noun::Sa(id) = noun
            && self.plan.get(&noun).and_then(ends) != new.and_then(ends)
        {
            self.dirty_users(Need::Sa(id), dirty);
        }
    }

    fn dirty_users(&self, need: Need, dirty: &mut BTreeSet<Noun>) {
        dirty.extend(self.users.get(&need).into_iter().flatten());
    }

    /// VRFs and ports take their places.
    fn place(&mut self, dirty: &mut BTreeSet<Noun>, site: &mut Site<'_>, faults: &mut Vec<Fault>) {
        let grounds: Vec<Noun> =
            dirty.iter().take_while(|noun| matches!(noun, Noun::Vrf(_) | Noun::Port(_))).copied().collect();
        for noun in grounds {
            match (noun, self.plan.get(&noun)) {
                (Noun::Vrf(id), Some(Object::Vrf(vrf))) => {
                    let old = site.ground.vrfs.get(&id).cloned();
                    if let Err(reason) = site.ground.place_vrf(vrf) {
                        faults.push(Fault { object: noun, reason });
                    }
                    if site.ground.vrfs.get(&id) != old.as_ref() {
                        self.dirty_users(Need::Vrf(id), dirty);
                    }
                }
                (Noun::Vrf(id), _) => {
                    site.ground.vrfs.remove(&id);
                    self.dirty_users(Need::Vrf(id), dirty);
                }
                (Noun::Port(id), Some(Object::Port(port))) => {
                    let old = site.ground.ports.insert(id, port.clone());
                    if old.as_ref() != Some(port) {
                        self.dirty_of_port(id, old.as_ref(), Some(port), dirty);
                    }
                }
                (Noun::Port(id), _) => {
                    let old = site.ground.ports.remove(&id);
                    self.dirty_of_port(id, old.as_ref(), None, dirty);
                }
                _ => {}
            }
        }
    }

    fn dirty_of_port(&self, id: PortId, old: Option<&Port>, new: Option<&Port>, dirty: &mut BTreeSet<Noun>) {
        self.dirty_users(Need::Port(id), dirty);
        for port in [old, new].into_iter().flatten() {
            self.dirty_users(Need::Addresses(port.vrf), dirty);
        }
    }

    /// Carriers come and go with their policies.
    fn carry(&mut self, dirty: &mut BTreeSet<Noun>, site: &mut Site<'_>) {
        let policies: Vec<PolicyId> = dirty.iter().filter_map(policy_of).collect();
        for id in &policies {
            let new = self.policy(*id).map(carrier_of);
            // A carrier whose port has come into its inside VRF needs no XFRM interface any more, and the reverse.
            let turned = |old: &Carrier| {
                self.policy(*id).is_some_and(|policy| is_own(policy) == site.ground.tunnels.contains_key(old))
            };
            let leaves = |old: &Carrier| Some(*old) != new || turned(old);
            if let Some(old) = self.carriers.get(id).copied().filter(leaves) {
                self.leave(*id, old, dirty, site);
            }
        }
        let mut carriers = BTreeSet::new();
        for id in policies {
            let Some(policy) = self.policy(id) else { continue };
            let carrier = carrier_of(policy);
            self.carriers.insert(id, carrier);
            self.policies.entry(carrier).or_default().insert(id);
            carriers.insert(carrier);
        }
        for carrier in self.narrowed(dirty).chain(carriers).collect::<BTreeSet<_>>() {
            self.raise(carrier, dirty, site);
        }
    }

    /// A policy leaves its carrier, which goes with its last.
    fn leave(&mut self, id: PolicyId, carrier: Carrier, dirty: &mut BTreeSet<Noun>, site: &mut Site<'_>) {
        for (key, thing) in site.tunnels.unset_policy(id, carrier, &self.plan) {
            site.state.want(&key, thing);
        }
        self.carriers.remove(&id);
        let Some(policies) = self.policies.get_mut(&carrier) else { return };
        policies.remove(&id);
        if !policies.is_empty() {
            return;
        }
        self.policies.remove(&carrier);
        self.rooms.remove(&carrier);
        if let Some(tunnel) = site.ground.remove_tunnel(carrier) {
            site.state.want(&Key::Mark(tunnel.device.clone()), None);
            site.state.want(&Key::Device(tunnel.device), None);
        }
        self.dirty_users(Need::Carrier(carrier), dirty);
    }

    /// The carriers whose SAs leave less room for a packet than those before.
    fn narrowed(&mut self, dirty: &BTreeSet<Noun>) -> impl Iterator<Item = Carrier> + use<> {
        let mut narrowed = Vec::new();
        for noun in dirty {
            let Some(Object::Sa(sa)) = self.plan.get(noun) else { continue };
            let Some(carrier) = self.policy(sa.policy).map(carrier_of) else { continue };
            if self.rooms.entry(carrier).or_default().narrow(sa) {
                narrowed.push(carrier);
            }
        }
        narrowed.into_iter()
    }

    /// Makes a carrier's XFRM interface wanted as it should be now.
    fn raise(&mut self, carrier: Carrier, dirty: &mut BTreeSet<Noun>, site: &mut Site<'_>) {
        let first = self.policies.get(&carrier).and_then(BTreeSet::first);
        let Some(policy) = first.and_then(|id| self.policy(*id)) else { return };
        if is_own(policy) {
            return;
        }
        let Some(mark) = site.ground.vrfs.get(&policy.front).map(|place| place.mark) else { return };
        let port = site.ground.ports.get(&policy.port).map_or(mtu::ETHERNET, |port| u32::from(port.mtu));
        let usual = Room::default();
        let room = self.rooms.get(&carrier).unwrap_or(&usual);
        let wish = Wish {
            carrier,
            name: policy.interface.as_deref(),
            front: policy.front,
            inside: policy.inside,
            mtu: room.inside(port, policy.fragmentation),
        };
        let old = site.ground.tunnels.get(&carrier).cloned();
        let tunnel = site.ground.place_tunnel(&wish).clone();
        let device = Device::of_tunnel(&tunnel, site.ground);
        site.state.want(&Key::Device(tunnel.device.clone()), Some(Thing::Device(device)));
        let mark = Mark { value: mark, hook: Hook::Egress };
        site.state.want(&Key::Mark(tunnel.device.clone()), Some(Thing::Mark(mark)));
        let same = |old: crate::ground::Tunnel| crate::ground::Tunnel { mtu: tunnel.mtu, ..old } == tunnel;
        if !old.is_some_and(same) {
            self.dirty_users(Need::Carrier(carrier), dirty);
        }
    }

    /// Wants what the object at `noun` is now, and nothing more of what it was.
    fn derive(&mut self, noun: Noun, site: &mut Site<'_>) -> Result<(), String> {
        if let Some(policy) = policy_of(&noun).and_then(|id| self.policy(id)) {
            let (wanted, fault) =
                site.tunnels.set_policy(policy, carrier_of(policy), site.ground, &self.plan);
            wanted.into_iter().for_each(|(key, thing)| site.state.want(&key, thing));
            if let Some(fault) = fault {
                return Err(fault.to_owned());
            }
        }
        let things = self.plan.get(&noun).map(|object| self.things(object, site.ground)).transpose();
        let (things, fault) = match things {
            Ok(Some(things)) if self.is_another_s(noun, &things) => (
                Vec::new(),
                Some(
                    "another SA to this peer has this SPI, and the kernel cannot tell them apart".to_owned(),
                ),
            ),
            Ok(things) => (things.unwrap_or_default(), None),
            Err(Unable::Never(reason)) => (Vec::new(), Some(reason)),
            Err(Unable::Wait(device)) => (Vec::new(), Some(format!("the device {device} is missing"))),
        };
        self.claim(noun, things, site.state);
        fault.map_or(Ok(()), Err)
    }

    /// Whether the kernel's place for an SA is taken by another SA.
    fn is_another_s(&self, noun: Noun, things: &[(Key, Thing)]) -> bool {
        let Noun::Sa(id) = noun else { return false };
        let holder = things.first().and_then(|(key, _)| self.sas.get(key));
        holder.is_some_and(|holder| *holder != id && self.plan.get(&Noun::Sa(*holder)).is_some())
    }

    /// An object's things in place of those it had.
    fn claim(&mut self, noun: Noun, things: Vec<(Key, Thing)>, state: &mut State) {
        let old = self.made.remove(&noun).unwrap_or_default();
        if let (Noun::Sa(_), Some(before), Some((key, _))) = (noun, old.first(), things.first())
            && before != key
        {
            state.succeeds(key, before);
        }
        let new: Vec<Key> = things.iter().map(|(key, _)| key.clone()).collect();
        let new_set: BTreeSet<&Key> = new.iter().collect();
        let kept: BTreeSet<&Key> = old.iter().filter(|key| new_set.contains(key)).collect();
        for key in old.iter().filter(|key| !new_set.contains(key)) {
            self.release(noun, key, state);
        }
        for (key, thing) in things {
            if !kept.contains(&key) && state.wanted(&key).is_some() {
                *self.shared.entry(key.clone()).or_default() += 1;
            }
            if let Noun::Sa(id) = noun {
                self.sas.insert(key.clone(), id);
            }
            state.want(&key, Some(thing));
        }
        if !new.is_empty() {
            self.made.insert(noun, new);
        }
    }

    fn release(&mut self, noun: Noun, key: &Key, state: &mut State) {
        if let Noun::Sa(id) = noun
            && self.sas.get(key) == Some(&id)
        {
            self.sas.remove(key);
        }
        match self.shared.get_mut(key) {
            Some(1) => drop(self.shared.remove(key)),
            Some(claims) => *claims -= 1,
            None => state.want(key, None),
        }
    }

    fn policy(&self, id: PolicyId) -> Option<&Policy> {
        match self.plan.get(&Noun::Policy(id)) {
            Some(Object::Policy(policy)) => Some(policy),
            _ => None,
        }
    }

    /// Carriers are no must: a route to one that is not there leads nowhere.
    fn is_met(&self, need: Need, ground: &Ground) -> bool {
        match need {
            Need::Vrf(id) => ground.vrfs.contains_key(&id),
            Need::Port(id) => ground.ports.contains_key(&id),
            Need::Policy(id) => self.policy(id).is_some(),
            Need::Carrier(_) | Need::Sa(_) | Need::Addresses(_) => true,
        }
    }
}
