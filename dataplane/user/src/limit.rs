//! How often something may happen: events to the control plane and ICMP errors, bounded in memory too.

use core::time::Duration;
use std::collections::BTreeMap;

use base::Instant;

/// Lets each key through once in a period.
pub(crate) struct Once<K> {
    period: Duration,
    last: BTreeMap<K, Instant>,
    /// When old keys were last looked for: once a period, for whoever forges keys should not cost more.
    swept: Instant,
}

impl<K: Ord> Once<K> {
    /// Keys remembered; when they are all recent, no other key gets through.
    const KEYS: usize = 4096;

    pub(crate) fn every(period: Duration) -> Self {
        Self { period, last: BTreeMap::new(), swept: Instant::START }
    }

    pub(crate) fn allows(&mut self, key: K, now: Instant) -> bool {
        if self.last.get(&key).is_some_and(|last| now.since(*last) < self.period) {
            return false;
        }
        if self.last.len() >= Self::KEYS && now.since(self.swept) >= self.period {
            self.swept = now;
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
        let allowed = missing.saturating_add(self.period) <= self.period.saturating_mul(self.burst);
        if allowed {
            self.full_at = base + self.period;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_passes_once_a_period() {
        let mut once = Once::every(Duration::from_secs(1));
        let at = Instant::from_secs;
        assert!(once.allows(1, at(5)) && once.allows(2, at(5)));
        assert!(!once.allows(1, at(5)));
        assert!(once.allows(1, at(6)));
    }

    #[test]
    fn more_keys_than_fit_wait_until_old_ones_are_forgotten() {
        let mut once = Once::every(Duration::from_secs(1));
        let passed = (0..5000).filter(|key| once.allows(*key, Instant::from_secs(5))).count();
        assert_eq!(passed, Once::<i32>::KEYS);
        assert!(!once.allows(9999, Instant::from_micros(5_900_000)));
        assert!(once.allows(9999, Instant::from_secs(6)));
    }

    #[test]
    fn a_bucket_gives_a_burst_and_then_one_a_period() {
        let mut bucket = Bucket::new(Duration::from_millis(10), 3);
        let mut at = |millis: u64| bucket.allows(Instant::from_micros(1_000_000 + millis * 1000));
        assert_eq!([at(0), at(0), at(0), at(0)], [true, true, true, false]);
        assert_eq!([at(10), at(10), at(19), at(20)], [true, false, false, true]);
    }
}
