//! How often something may happen: events to the control plane and ICMP errors, bounded in memory too.

use core::time::Duration;
use std::collections::BTreeMap;

use base::Instant;

/// Lets each key through once in a period.
pub(crate) struct Once<K> {
    period: Duration,
    last: BTreeMap<K, Instant>,
}

impl<K: Ord> Once<K> {
    /// Keys remembered; when they are all recent, no other key gets through.
    const KEYS: usize = 4096;

    pub(crate) fn every(period: Duration) -> Self {
        Self { period, last: BTreeMap::new() }
    }

    pub(crate) fn allows(&mut self, key: K, now: Instant) -> bool {
        if self.last.get(&key).is_some_and(|last| now.since(*last) < self.period) {
            return false;
        }
        if self.last.len() >= Self::KEYS {
            let period = self.period;
            self.last.retain(|_, last| now.since(*last) < period);
        }
        let room = self.last.len() < Self::KEYS;
        if room {
            self.last.insert(key, now);
        }
        room
    }
}

/// A token bucket: bursts of `burst`, then one each `period`.
pub(crate) struct Bucket {
    period: Duration,
    burst: u32,
    /// When the bucket is full again.
    full_at: Instant,
}

impl Bucket {
    pub(crate) fn new(period: Duration, burst: u32) -> Self {
        Self { period, burst, full_at: Instant::START }
    }

    pub(crate) fn allows(&mut self, now: Instant) -> bool {
        let base = self.full_at.max(now);
        let missing = base.since(now);
        let allowed = missing < self.period.saturating_mul(self.burst);
        if allowed {
            self.full_at = base + self.period;
        }
        allowed
    }
}
