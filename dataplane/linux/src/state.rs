//! What the kernel should hold beside what it holds; the difference becomes batches of requests.

mod loss;

use core::mem::discriminant;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use crate::ground::Ground;
use crate::netlink::Refused;
use crate::request::Request;
use crate::sa::{self, KernelSa};
use crate::thing::{self, Key, Name, Thing, Unable};

pub(crate) use loss::Loss;

/// Every thing that is wanted or held.
#[derive(Default)]
pub(crate) struct State {
    entries: BTreeMap<Key, Entry>,
    to_set: BTreeSet<Key>,
    to_unset: BTreeSet<Key>,
    /// What waits for a device to come or to come up.
    waiting: BTreeMap<Name, BTreeSet<Key>>,
    /// The SAs that take over the keys of one with another name.
    predecessors: BTreeMap<Key, Key>,
    /// SAs that the kernel has lost, until they are wanted no more or have other keys.
    buried: BTreeMap<Key, Box<KernelSa>>,
    /// Numbers that were given to the predecessor of an SA, whether it came to be or not.
    floors: BTreeMap<Key, u64>,
    /// What an earlier run left, and stays until something better is there.
    kept: BTreeSet<Key>,
}

#[derive(Default)]
struct Entry {
    wanted: Option<Thing>,
    held: Held,
}

#[derive(Default)]
enum Held {
    #[default]
    Nothing,
    AsWanted,
    Other(Thing),
}

/// Requests that can be sent together, and which key each belongs to.
pub(crate) struct Batch {
    pub(crate) requests: Vec<Request>,
    steps: Vec<Step>,
}

struct Step {
    key: Key,
    set: bool,
    requests: usize,
}

/// A key that could not be brought to what is wanted of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) key: Key,
    pub(crate) reason: String,
}

impl State {
    /// What should be under `key` from now on. What was refused is tried again.
    pub(crate) fn want(&mut self, key: &Key, mut thing: Option<Thing>) {
        if let (Some(Thing::Sa(new)), Some(old)) = (&thing, self.buried.get(key))
            && new.continues(old)
        {
            return;
        }
        self.buried.remove(key);
        let floor = self.floors.remove(key);
        let entry = self.entries.entry(key.clone()).or_default();
        if let Some(Thing::Sa(new)) = &mut thing {
            let old = match &entry.wanted {
                Some(Thing::Sa(old)) if new.continues(old) => old.begins_after,
                _ => 0,
            };
            new.begins_after = new.begins_after.max(old).max(floor.unwrap_or(0));
        }
        if let (Held::AsWanted, Some(old), Some(new)) = (&entry.held, &entry.wanted, &mut thing) {
            new.is_whose(old);
        }
        let old = core::mem::replace(&mut entry.wanted, thing);
        if entry.wanted != old {
            old.iter().for_each(|old| no_longer_waits(&mut self.waiting, key, old));
            if matches!(entry.held, Held::AsWanted) {
                entry.held = old.map_or(Held::Nothing, Held::Other);
            }
        }
        self.review(key);
    }

    /// What the kernel has under `key`, by a dump or a notification.
    pub(crate) fn found(&mut self, key: &Key, thing: Option<Thing>) {
        if thing.is_none() && !self.entries.contains_key(key) {
            return;
        }
        let entry = self.entries.entry(key.clone()).or_default();
        entry.held = thing.map_or(Held::Nothing, Held::Other);
        self.review(key);
    }

    /// The kernel lost what is wanted under `key`, and it must not be set again.
    pub(crate) fn bury(&mut self, key: &Key) {
        self.kept.remove(key);
        self.to_set.remove(key);
        self.to_unset.remove(key);
        let entry = self.entries.remove(key);
        if let Some(Thing::Sa(sa)) = entry.and_then(|entry| entry.wanted) {
            self.buried.insert(key.clone(), sa);
        }
    }

    /// The SA under `key` has the keys of the one under `before`, if the kernel holds that.
    pub(crate) fn succeeds(&mut self, key: &Key, before: &Key) {
        if let Some(Thing::Sa(old)) = self.wanted(before) {
            self.floors.insert(key.clone(), old.begins_after);
        }
        if self.held(before).is_some() {
            self.predecessors.insert(key.clone(), before.clone());
        } else if let Some(sa) = self.buried.get(before) {
            self.buried.insert(key.clone(), sa.clone());
        }
    }

    /// The SAs to be made with keys that were used already, and where the kernel has those that used them.
    pub(crate) fn made_anew(&mut self) -> Vec<(Key, Key)> {
        let mut anew: Vec<(Key, Key)> = core::mem::take(&mut self.predecessors).into_iter().collect();
        anew.retain(|(key, _)| self.to_set.contains(key));
        let sas = self.to_set.iter().filter(|key| matches!(key, Key::Sa(..)));
        let same =
            sas.filter(|key| match self.entries.get(*key).map(|entry| (&entry.wanted, entry.held())) {
                Some((Some(Thing::Sa(wanted)), Some(Thing::Sa(held)))) => sa::is_made_anew(wanted, held),
                _ => false,
            });
        anew.extend(same.map(|key| (key.clone(), key.clone())));
        anew
    }

    /// What the kernel has under `before` now: the SA under `key` begins beyond its numbers.
    pub(crate) fn goes_on(&mut self, key: &Key, before: &Key, now: Box<KernelSa>) {
        if key == before {
            self.found(key, Some(Thing::Sa(now)));
        } else if let Some(Thing::Sa(wanted)) =
            self.entries.get_mut(key).and_then(|entry| entry.wanted.as_mut())
            && wanted.continues(&now)
        {
            wanted.begin_after(&now);
        }
    }

    /// Leaves what is under `key` as it is, whatever is wanted, until it is released or something is wanted that
    /// [carries traffic](thing::carries).
    pub(crate) fn keep(&mut self, key: Key) {
        self.kept.insert(key.clone());
        self.review(&key);
    }

    pub(crate) fn release(&mut self, key: &Key) {
        if self.kept.remove(key) {
            self.review(key);
        }
    }

    /// The addresses wanted on `device`, with their lengths.
    pub(crate) fn addresses(&self, device: &Name) -> impl Iterator<Item = (IpAddr, u8)> {
        let first = Key::Address(device.clone(), Ipv4Addr::UNSPECIFIED.into());
        let here = self
            .entries
            .range(first..)
            .take_while(move |(key, _)| matches!(key, Key::Address(on, _) if on == device));
        here.filter_map(|(key, entry)| match (key, &entry.wanted) {
            (Key::Address(_, address), Some(Thing::Address(on))) => Some((*address, on.length)),
            _ => None,
        })
    }

    /// Whether an IPv4 address is on `device`, as far as we know.
    pub(crate) fn has_address(&self, device: &Name) -> bool {
        let first = Key::Address(device.clone(), Ipv4Addr::UNSPECIFIED.into());
        let last = Key::Address(device.clone(), Ipv4Addr::BROADCAST.into());
        self.entries.range(first..=last).any(|(_, entry)| entry.held.is_some())
    }

    pub(crate) fn wanted(&self, key: &Key) -> Option<&Thing> {
        self.entries.get(key)?.wanted.as_ref()
    }

    /// Whether the kernel has something else under `key` than is wanted, or nothing.
    pub(crate) fn lacks(&self, key: &Key) -> bool {
        self.entries
            .get(key)
            .is_some_and(|entry| entry.wanted.is_some() && entry.held() != entry.wanted.as_ref())
    }

    /// What is in the kernel under `key`, as far as we know.
    pub(crate) fn held(&self, key: &Key) -> Option<&Thing> {
        self.entries.get(key)?.held()
    }

    /// The keys of what the kernel holds, in order.
    pub(crate) fn holdings(&self) -> impl Iterator<Item = (&Key, &Thing)> {
        self.entries.iter().filter_map(|(key, entry)| Some((key, entry.held()?)))
    }

    /// Nothing is to be done, but for what waits for a device.
    pub(crate) fn is_settled(&self) -> bool {
        self.to_set.is_empty() && self.to_unset.is_empty()
    }

    /// How many things wait for each device.
    pub(crate) fn waits(&self) -> impl Iterator<Item = (&Name, usize)> {
        self.waiting.iter().map(|(device, keys)| (device, keys.len()))
    }

    /// A dump of everything came to an end: what is not in `found` is not there.
    pub(crate) fn resync(&mut self, found: BTreeMap<Key, Thing>) {
        let missing = |(key, _): &(&Key, &Thing)| !found.contains_key(*key);
        let gone: Vec<Key> = self.holdings().filter(missing).map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.found(&key, None);
        }
        for (key, thing) in found {
            self.found(&key, Some(thing));
        }
    }

    /// A device came, or came up, or changed what is under it: what waited for it is tried again.
    pub(crate) fn device_changed(&mut self, device: &Name) {
        self.to_set.extend(self.waiting.remove(device).unwrap_or_default());
    }

    /// The next requests: sets in order of dependency, then unsets in the reverse order; at most about
    /// `limit` things of one kind. What cannot be asked for goes to `refusals`.
    pub(crate) fn batch(
        &mut self,
        ground: &Ground,
        limit: usize,
        refusals: &mut Vec<Refusal>,
    ) -> Option<Batch> {
        let mut batch = Batch { requests: Vec::new(), steps: Vec::new() };
        while batch.steps.is_empty() {
            let set = !self.to_set.is_empty();
            let keys = self.next(set, limit)?;
            for key in keys {
                self.step(key, set, ground, &mut batch, refusals);
            }
        }
        Some(batch)
    }

    /// What became of a batch.
    pub(crate) fn answered(
        &mut self,
        batch: Batch,
        answers: Vec<Result<(), Refused>>,
        refusals: &mut Vec<Refusal>,
    ) {
        let mut answers = batch.requests.iter().zip(answers);
        for step in batch.steps {
            let of_step: Vec<_> = answers.by_ref().take(step.requests).collect();
            let mut refused =
                of_step.into_iter().filter_map(|(request, answer)| Some((request, answer.err()?)));
            // What is to be taken away may be gone.
            match refused.find(|(request, refused)| !request.takes_away() || !refused.is_absence()) {
                Some((_, refused)) => self.failed(step, &refused, refusals),
                None => self.succeeded(&step),
            }
        }
    }

    /// Puts `key` where it belongs by what is wanted and held.
    fn review(&mut self, key: &Key) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        if let (Some(wanted), Held::Other(held)) = (&mut entry.wanted, &entry.held)
            && wanted == held
        {
            wanted.is_whose(held);
            entry.held = Held::AsWanted;
        }
        let (wanted, held) = (entry.wanted.is_some(), entry.held.is_some());
        self.to_set.remove(key);
        self.to_unset.remove(key);
        if held && !entry.wanted.as_ref().is_some_and(thing::carries) && self.kept.contains(key) {
            return;
        }
        self.kept.remove(key);
        match (wanted, &entry.held) {
            (true, Held::AsWanted) => {}
            (true, Held::Nothing | Held::Other(_)) => drop(self.to_set.insert(key.clone())),
            (false, _) if held => drop(self.to_unset.insert(key.clone())),
            (false, _) => drop(self.entries.remove(key)),
        }
    }

    /// Takes the next keys of one kind.
    fn next(&mut self, set: bool, limit: usize) -> Option<Vec<Key>> {
        let queue = if set { &mut self.to_set } else { &mut self.to_unset };
        let pop = |queue: &mut BTreeSet<Key>| if set { queue.pop_first() } else { queue.pop_last() };
        let mut keys = vec![pop(queue)?];
        let kind = keys.first().map(discriminant);
        while keys.len() < limit {
            let next = if set { queue.first() } else { queue.last() };
            if next.is_none() || next.map(discriminant) != kind {
                break;
            }
            keys.extend(pop(queue));
        }
        Some(keys)
    }

    fn step(&mut self, key: Key, set: bool, ground: &Ground, batch: &mut Batch, refusals: &mut Vec<Refusal>) {
        let Some(entry) = self.entries.get(&key) else { return };
        let held = entry.held();
        let requests = match (&entry.wanted, held) {
            (Some(wanted), held) if set => thing::set(&key, wanted, held, ground),
            (None, Some(held)) if !set => thing::unset(&key, held, ground),
            _ => return,
        };
        match requests {
            Ok(requests) => {
                batch.steps.push(Step { key, set, requests: requests.len() });
                batch.requests.extend(requests);
            }
            Err(Unable::Wait(device)) if set => {
                self.waiting.entry(device).or_default().insert(key);
            }
            // Its device is gone, and it with it.
            Err(Unable::Wait(_)) => self.found(&key, None),
            Err(Unable::Never(reason)) => refusals.push(Refusal { key, reason }),
        }
    }

    fn succeeded(&mut self, step: &Step) {
        let Some(entry) = self.entries.get_mut(&step.key) else { return };
        if let (true, Some(Thing::Address(on))) = (step.set, &mut entry.wanted) {
            on.ours = true;
        }
        entry.held = if step.set { Held::AsWanted } else { Held::Nothing };
        self.review(&step.key);
    }

    fn failed(&mut self, step: Step, refused: &Refused, refusals: &mut Vec<Refusal>) {
        let Some(entry) = self.entries.get_mut(&step.key) else { return };
        // Of several requests some may have worked: what is there now is not what was.
        if step.requests > 1 {
            entry.held = Held::Nothing;
        }
        let wanted = entry.wanted.as_ref().filter(|_| step.set);
        let hangs_on = wanted.and_then(|wanted| thing::device(&step.key, wanted));
        let hangs_on = hangs_on.filter(|_| refused.is_of_device());
        let named = wanted.filter(|_| refused.is_of_number()).into_iter().flat_map(thing::stands_on);
        let missing: BTreeSet<Name> = hangs_on.into_iter().chain(named).collect();
        if missing.is_empty() {
            refusals.push(Refusal { key: step.key.clone(), reason: refused.to_string() });
        }
        for device in missing {
            self.waiting.entry(device).or_default().insert(step.key.clone());
        }
    }
}

/// What was wanted as `thing` until now.
fn no_longer_waits(waiting: &mut BTreeMap<Name, BTreeSet<Key>>, key: &Key, thing: &Thing) {
    if waiting.is_empty() {
        return;
    }
    for device in thing::device(key, thing).into_iter().chain(thing::stands_on(thing)) {
        if let Some(keys) = waiting.get_mut(&device) {
            keys.remove(key);
            if keys.is_empty() {
                waiting.remove(&device);
            }
        }
    }
}

impl Entry {
    const fn held(&self) -> Option<&Thing> {
        match &self.held {
            Held::Nothing => None,
            Held::AsWanted => self.wanted.as_ref(),
            Held::Other(thing) => Some(thing),
        }
    }
}

impl Held {
    const fn is_some(&self) -> bool {
        !matches!(self, Self::Nothing)
    }
}

#[cfg(test)]
mod tests;
