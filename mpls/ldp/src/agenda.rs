//! Timers by name: each is due at most once, and the next one is found at once.

use std::collections::{BTreeMap, BTreeSet};

use base::Instant;

pub(crate) struct Agenda<K> {
    due: BTreeSet<(Instant, K)>,
    times: BTreeMap<K, Instant>,
}

impl<K: Copy + Ord> Agenda<K> {
    pub(crate) const fn new() -> Self {
        Self { due: BTreeSet::new(), times: BTreeMap::new() }
    }

    /// Sets a timer, or stops it.
    pub(crate) fn set(&mut self, timer: K, at: Option<Instant>) {
        let old = match at {
            Some(at) => self.times.insert(timer, at),
            None => self.times.remove(&timer),
        };
        if let Some(old) = old {
            self.due.remove(&(old, timer));
        }
        self.due.extend(at.map(|at| (at, timer)));
    }

    pub(crate) fn is_set(&self, timer: &K) -> bool {
        self.times.contains_key(timer)
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// A timer that is due; it runs no more.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<K> {
        let (_, timer) = self.due.first().copied().filter(|(at, _)| *at <= now)?;
        self.set(timer, None);
        Some(timer)
    }
}
