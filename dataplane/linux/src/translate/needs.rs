//! What each object stands on: what to look at again when that changes.

use base::{PolicyId, PortId, SaId, VrfId};
use dataplane::{Hop, Key as Noun, LabelAction, Link, Object, Port};
use ipsec::Policy;

use crate::ground::Carrier;

/// What an object stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    Vrf(VrfId),
    /// The addresses of its ports.
    Addresses(VrfId),
    Port(PortId),
    Carrier(Carrier),
    Policy(PolicyId),
    Sa(SaId),
}

pub(super) fn policy_of(noun: &Noun) -> Option<PolicyId> {
    match noun {
        Noun::Policy(id) => Some(*id),
        Noun::Vrf(_) | Noun::Port(_) | Noun::Neighbour(..) => None,
        Noun::Sa(_) | Noun::Label(_) | Noun::Route(..) => None,
    }
}

pub(super) fn carrier_of(policy: &Policy) -> Carrier {
    match policy.interface {
        Some(_) => Carrier::Interface(policy.id),
        None => Carrier::Map { port: policy.port, inside: policy.inside },
    }
}

/// Whether it protects packets of its port's own VRF: those pass no XFRM interface.
pub(super) fn is_own(policy: &Policy) -> bool {
    policy.interface.is_none() && policy.inside == policy.front
}

pub(super) fn needs(object: &Object) -> Vec<Need> {
    match object {
        Object::Vrf(_) => Vec::new(),
        Object::Port(port) => [Need::Vrf(port.vrf)].into_iter().chain(parent_of(port)).collect(),
        Object::Neighbour(neighbour) => vec![Need::Port(neighbour.port)],
        Object::Sa(sa) => vec![Need::Vrf(sa.front), Need::Addresses(sa.front), Need::Policy(sa.policy)],
        Object::Policy(policy) => {
            let bundles = policy.bundles.iter().map(|bundle| Need::Sa(bundle.outbound));
            let stands = [Need::Vrf(policy.front), Need::Vrf(policy.inside), Need::Port(policy.port)];
            bundles.chain(stands).chain([Need::Carrier(carrier_of(policy))]).collect()
        }
        Object::Label { action: LabelAction::PopTo(vrf), .. } => vec![Need::Vrf(*vrf)],
        Object::Label { action: LabelAction::Swap(_, hop), .. } => needs_of_hop(hop, None),
        Object::Route(route) => {
            let mut needs = needs_of_hop(&route.hop, Some(route.vrf));
            needs.push(Need::Vrf(route.vrf));
            needs.extend((route.hop == Hop::Local).then_some(Need::Addresses(route.vrf)));
            needs
        }
    }
}

fn parent_of(port: &Port) -> Option<Need> {
    match port.link {
        Link::Vlan { parent, .. } => Some(Need::Port(parent)),
        Link::Ethernet { .. } | Link::Tunnel(_) | Link::Host => None,
    }
}

fn needs_of_hop(hop: &Hop, vrf: Option<VrfId>) -> Vec<Need> {
    match hop {
        Hop::Local | Hop::Drop => Vec::new(),
        Hop::Out { port, .. } => {
            let carrier = vrf.map(|inside| Need::Carrier(Carrier::Map { port: *port, inside }));
            [Need::Port(*port)].into_iter().chain(carrier).collect()
        }
        Hop::Protect(policy) => vec![Need::Carrier(Carrier::Interface(*policy))],
        Hop::Lookup(vrf) => vec![Need::Vrf(*vrf)],
    }
}
