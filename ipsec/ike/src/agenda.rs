//! When whom to wake: one moment for each key, and the earliest of all at hand.

use std::collections::{BTreeMap, BTreeSet};

use base::Instant;

pub(crate) struct Agenda<K> {
    moments: BTreeMap<K, Instant>,
    order: BTreeSet<(Instant, K)>,
}

impl<K: Ord + Copy> Agenda<K> {
    pub(crate) const fn new() -> Self {
        Self { moments: BTreeMap::new(), order: BTreeSet::new() }
    }

    /// From now on `key` is due at `moment`, or never.
    pub(crate) fn set(&mut self, key: K, moment: Option<Instant>) {
        if let Some(before) = self.moments.remove(&key) {
            self.order.remove(&(before, key));
        }
        if let Some(moment) = moment {
            self.moments.insert(key, moment);
            self.order.insert((moment, key));
        }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.order.first().map(|(moment, _)| *moment)
    }

    /// A key whose moment has come; it is off the agenda then.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<K> {
        let (moment, key) = *self.order.first()?;
        (moment <= now).then(|| self.set(key, None)).map(|()| key)
    }
}
