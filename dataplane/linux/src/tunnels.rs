//! What crypto maps and tunnel interfaces protect, as policies of the kernel.
//!
//! Packets of another VRF than the port's pass an XFRM interface. Packets of the port's own VRF do not: they are held to
//! policies of the port, as they leave by it, and of its VRF, as they come in by a port with a crypto map.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use base::{PolicyId, Prefix, SaId};
use dataplane::{Key as Noun, Object, Plan};
use ipsec::{DfBit, Policy, Rule, Selector};

use crate::ground::{Carrier, Ground};
use crate::policy::{self, Hook, KernelPolicy, Scope};
use crate::sa::{Home, KernelSa};
use crate::spd::{Action, Change, Spd};
use crate::thing::{Key, Name, Thing};
use crate::xfrm::GUARDED;

/// What each carrier protects.
#[derive(Default)]
pub(crate) struct Tunnels {
    spds: BTreeMap<Carrier, (Seat, Spd)>,
    /// What arrives in a VRF is held to the maps of all its ports.
    guards: BTreeMap<Key, BTreeMap<Carrier, KernelPolicy>>,
}

/// What should be under a key of the kernel now.
pub(crate) type Wanted = (Key, Option<Thing>);

/// Where in the kernel a carrier's policies stand.
#[derive(Clone, PartialEq, Eq)]
struct Seat {
    /// Stands for the front VRF.
    mark: u32,
    at: At,
}

#[derive(Clone, PartialEq, Eq)]
enum At {
    /// The XFRM interface with this `if_id`.
    Interface(u32),
    Port(Name),
}

impl Tunnels {
    /// Puts an entry in, or changes it. Says what is not as it should be.
    pub(crate) fn set_policy(
        &mut self,
        policy: &Policy,
        carrier: Carrier,
        ground: &Ground,
        plan: &Plan,
    ) -> (Vec<Wanted>, Option<&'static str>) {
        let Some(seat) = Seat::of(carrier, ground) else { return (Vec::new(), None) };
        let mut wanted = self.move_to(carrier, seat, plan);
        let Some((seat, spd)) = self.spds.get_mut(&carrier) else { return (wanted, None) };
        let mut changes = spd.set(policy);
        let is_too_large = spd.is_too_large();
        if is_too_large {
            changes.extend(spd.set(&without_denials(policy)));
        }
        // The addresses of SAs that it seals with may have changed.
        let sealed: BTreeSet<_> =
            policy.bundles.iter().flat_map(|bundle| spd.sealed_with(bundle.outbound)).collect();
        changes.extend(sealed.into_iter().map(|selector| (selector, spd.line(&selector))));
        let seat = seat.clone();
        changes.iter().for_each(|change| self.want(carrier, &seat, change, plan, &mut wanted));
        (wanted, is_too_large.then_some(TOO_LARGE))
    }

    /// Takes an entry out; a carrier goes with its last.
    pub(crate) fn unset_policy(&mut self, id: PolicyId, carrier: Carrier, plan: &Plan) -> Vec<Wanted> {
        let Some((seat, spd)) = self.spds.get_mut(&carrier) else { return Vec::new() };
        let changes = spd.unset(id);
        let (seat, is_empty) = (seat.clone(), spd.is_empty());
        let mut wanted = Vec::new();
        changes.iter().for_each(|change| self.want(carrier, &seat, change, plan, &mut wanted));
        if is_empty {
            wanted.extend(seat.gates().map(|(key, _)| (key, None)));
            self.spds.remove(&carrier);
        }
        wanted
    }

    /// The entry and the index of its line that the kernel asks for: of an XFRM interface, or where `if_id` is zero
    /// of the port whose device has this index.
    pub(crate) fn asked(
        &self,
        if_id: u32,
        device: u32,
        ticket: u32,
        ground: &Ground,
    ) -> Option<(PolicyId, usize)> {
        if let Some(carrier) = ground.carrier(if_id) {
            return self.spds.get(carrier)?.1.asked(ticket);
        }
        let at = At::Port(ground.device(device)?.clone());
        let here = self.spds.values().filter(|(seat, _)| seat.at == at);
        here.filter_map(|(_, spd)| spd.asked(ticket)).next()
    }

    /// Has a carrier's policies stand where it is now.
    fn move_to(&mut self, carrier: Carrier, seat: Seat, plan: &Plan) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        let Some((old, spd)) = self.spds.get_mut(&carrier) else {
            let spd = if seat.is_port() { Spd::own() } else { Spd::default() };
            wanted.extend(seat.gates().map(|(key, thing)| (key, Some(thing))));
            self.spds.insert(carrier, (seat, spd));
            return wanted;
        };
        if *old == seat {
            return wanted;
        }
        let old = core::mem::replace(old, seat.clone());
        let lines: Vec<Change> = spd.lines().map(|(selector, line)| (selector, Some(line))).collect();
        wanted.extend(old.gates().map(|(key, _)| (key, None)));
        lines
            .iter()
            .for_each(|(selector, _)| self.want(carrier, &old, &(*selector, None), plan, &mut wanted));
        wanted.extend(seat.gates().map(|(key, thing)| (key, Some(thing))));
        lines.iter().for_each(|change| self.want(carrier, &seat, change, plan, &mut wanted));
        wanted
    }

    /// What a line of a carrier's SPD asks of the kernel.
    fn want(
        &mut self,
        carrier: Carrier,
        seat: &Seat,
        (selector, line): &Change,
        plan: &Plan,
        wanted: &mut Vec<Wanted>,
    ) {
        let outbound = line.map(|line| {
            let seal = match line.action {
                Action::Seal(id) => seal(id, plan),
                Action::Acquire { .. } | Action::Pass | Action::Block => None,
            };
            Thing::Policy(KernelPolicy::of(line, seat.outbound_mark(), seal.as_ref()))
        });
        match &seat.at {
            At::Interface(if_id) => {
                wanted.push((Key::Policy(Scope::Tunnel(*if_id), Hook::Out, *selector), outbound));
            }
            At::Port(name) => {
                let scope = Scope::Port(name.clone());
                wanted.push((Key::Policy(scope, Hook::Out, *selector), outbound));
                let mark = seat.mark | GUARDED;
                let inbound = line.and_then(|line| KernelPolicy::mirror(line, mark));
                for hook in [Hook::In, Hook::Forward] {
                    let key = Key::Policy(Scope::Front(mark), hook, *selector);
                    wanted.push(self.guard(carrier, key, inbound));
                }
            }
        }
    }

    /// The first port's map that speaks of a selector decides.
    fn guard(&mut self, carrier: Carrier, key: Key, policy: Option<KernelPolicy>) -> Wanted {
        let claims = self.guards.entry(key.clone()).or_default();
        match policy {
            Some(policy) => drop(claims.insert(carrier, policy)),
            None => drop(claims.remove(&carrier)),
        }
        let first = claims.values().next().copied();
        if first.is_none() {
            self.guards.remove(&key);
        }
        (key, first.map(Thing::Policy))
    }
}

impl Seat {
    /// `None`: nowhere as yet.
    fn of(carrier: Carrier, ground: &Ground) -> Option<Self> {
        let mark = |vrf| ground.vrfs.get(vrf).map(|place| place.mark);
        if let Some(tunnel) = ground.tunnels.get(&carrier) {
            return Some(Self { mark: mark(&tunnel.front)?, at: At::Interface(tunnel.if_id) });
        }
        match carrier {
            Carrier::Map { port, inside } => {
                let port = ground.ports.get(&port).filter(|port| port.vrf == inside)?;
                Some(Self { mark: mark(&inside)?, at: At::Port(Name::from(port.device.as_str())) })
            }
            Carrier::Interface(_) => None,
        }
    }

    const fn is_port(&self) -> bool {
        matches!(self.at, At::Port(_))
    }

    /// What the box itself sends by a port has no mark.
    const fn outbound_mark(&self) -> u32 {
        if self.is_port() { 0 } else { self.mark }
    }

    /// What lets packets in that SAs of the XFRM interface have opened.
    fn gates(&self) -> impl Iterator<Item = (Key, Thing)> + use<> {
        let if_id = match self.at {
            At::Interface(if_id) => Some(if_id),
            At::Port(_) => None,
        };
        if_id.into_iter().flat_map(policy::inbound)
    }
}

const TOO_LARGE: &str =
    "its deny lines overlap in too many ways for the kernel: it protects what they deny, too";

/// The same entry, its lines in their places, but nothing is let out: a deny line permits what no packet is.
fn without_denials(policy: &Policy) -> Policy {
    let nowhere = Prefix::host(IpAddr::from([0; 4]));
    let nothing = Rule { permit: true, selector: Selector::between(nowhere, nowhere) };
    let rules = policy.rules.iter().map(|rule| if rule.permit { *rule } else { nothing }).collect();
    Policy { rules, ..policy.clone() }
}

/// The SA as far as a policy names it.
fn seal(id: SaId, plan: &Plan) -> Option<KernelSa> {
    let Some(Object::Sa(sa)) = plan.get(&Noun::Sa(id)) else { return None };
    let home = Home { mark: 0, if_id: 0, df: DfBit::Copy, offload: None, told_direction: false };
    KernelSa::of(sa, home).ok()
}

#[cfg(test)]
mod tests;
