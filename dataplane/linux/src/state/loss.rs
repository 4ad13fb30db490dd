//! What the kernel takes along when a device is lost, without a word for each.

use std::collections::BTreeMap;

use super::State;
use crate::policy::Scope;
use crate::thing::{self, Key, Name, Thing};

/// What happened to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loss {
    /// Its last IPv4 address went, and its IPv4 routes with it.
    Bare,
    /// It went down: its routes and neighbours are gone.
    Down,
    /// It has another name.
    Renamed,
    /// It is no more; it had this number.
    Gone(u32),
}

impl State {
    /// The kernel took away what was on these devices, and did not tell for each.
    pub(crate) fn devices_lost(&mut self, lost: &BTreeMap<Name, Loss>) {
        if lost.is_empty() {
            return;
        }
        let hit = |(key, thing): (&Key, &Thing)| {
            let loss = *lost.get(&thing::device(key, thing)?)?;
            takes(loss, key).then(|| (key.clone(), left(key, thing, loss)))
        };
        let gone: Vec<(Key, Option<(Key, Thing)>)> = self.holdings().filter_map(hit).collect();
        for (key, left) in gone {
            self.found(&key, None);
            if let Some((key, thing)) = left {
                self.found(&key, Some(thing));
            }
        }
    }
}

/// Whether the kernel drops what is under `key` when its device is lost like this.
fn takes(loss: Loss, key: &Key) -> bool {
    let is_no_more = matches!(loss, Loss::Renamed | Loss::Gone(_));
    match key {
        Key::Route(_, _, prefix) => !matches!(loss, Loss::Bare) || prefix.address().is_ipv4(),
        Key::Neighbour(_, address) => !matches!(loss, Loss::Bare) || address.is_ipv4(),
        Key::Address(_, address) => is_no_more || loss == Loss::Down && address.is_ipv6(),
        Key::Port(_) | Key::Mark(_) | Key::Policy(..) => is_no_more,
        Key::Label(_) => matches!(loss, Loss::Gone(_)),
        Key::Device(_) | Key::Sa(..) | Key::End(..) => false,
    }
}

/// The kernel keeps the policies of a port, under the number that nothing has now.
fn left(key: &Key, thing: &Thing, loss: Loss) -> Option<(Key, Thing)> {
    match (key, loss) {
        (Key::Policy(_, hook, selector), Loss::Gone(index)) => {
            Some((Key::Policy(Scope::Gone(index), *hook, *selector), thing.clone()))
        }
        _ => None,
    }
}
