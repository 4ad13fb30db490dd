//! Which object is to be told of what the kernel refused.

use std::collections::BTreeMap;

use dataplane::Key as Noun;

use crate::ground::{Carrier, Ground};
use crate::policy::Scope;
use crate::thing::Key;

/// Of some objects the things that each wants, and the carriers that each policy is on.
#[derive(Default)]
pub(crate) struct Owners<'a> {
    pub(super) keys: BTreeMap<&'a Key, Noun>,
    pub(super) carriers: BTreeMap<Carrier, Noun>,
}

impl Owners<'_> {
    pub(crate) fn of(&self, key: &Key, ground: &Ground) -> Option<Noun> {
        let carrier = if let Key::Policy(Scope::Tunnel(if_id), ..) = key {
            ground.carrier(*if_id).copied()
        } else if let Key::Device(name) | Key::Mark(name) = key {
            ground.carrier_of(name).copied()
        } else if let Key::Policy(Scope::Port(device), ..) = key {
            ground.port_on(device).map(|port| Carrier::Map { port: port.id, inside: port.vrf })
        } else {
            None
        };
        self.keys.get(key).or_else(|| self.carriers.get(&carrier?)).copied()
    }
}
