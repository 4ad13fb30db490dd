//! What was fetched, kept until it ends; and what failed, so that a dead server is not asked by every peer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Something new, until when it may be kept (seconds since 1970), and what it takes in memory.
pub(super) struct Fetched<V> {
    pub(super) value: V,
    pub(super) until: u64,
    pub(super) bytes: usize,
}

/// By key. Whoever wants what another thread is fetching waits for that; whoever wants something else does not.
pub(super) struct Cache<K, V> {
    slots: Mutex<BTreeMap<K, Slot<V>>>,
    /// What all values together may take in memory.
    limit: usize,
}

struct Slot<V> {
    held: Arc<Mutex<Option<Held<V>>>>,
    /// What stands in `held`, for whoever must not wait for its lock.
    value: Option<Arc<V>>,
    until: u64,
    bytes: usize,
}

struct Held<V> {
    outcome: Result<Arc<V>, String>,
    until: u64,
}

impl<V> Default for Slot<V> {
    fn default() -> Self {
        Self { held: Arc::default(), value: None, until: 0, bytes: 0 }
    }
}

/// Keys whose fetch failed, or runs: they take little, but URLs come from certificates.
const MOST: usize = 8192;

impl<K: Ord + Clone, V> Cache<K, V> {
    pub(super) const fn new(limit: usize) -> Self {
        Self { slots: Mutex::new(BTreeMap::new()), limit }
    }

    /// What is kept, else what `fetch` brings. A failure is kept until `pause`.
    pub(super) fn get(
        &self,
        key: K,
        now: u64,
        pause: u64,
        fetch: impl FnOnce() -> Result<Fetched<V>, String>,
    ) -> Result<Arc<V>, String> {
        let held = Arc::clone(&self.slots().entry(key.clone()).or_default().held);
        let mut held = lock(&held);
        if let Some(held) = held.as_ref().filter(|held| now < held.until) {
            return held.outcome.clone();
        }
        let (outcome, until, bytes) = match fetch() {
            Ok(fetched) => (Ok(Arc::new(fetched.value)), fetched.until, fetched.bytes),
            Err(why) => (Err(why), pause, 0),
        };
        *held = Some(Held { outcome: outcome.clone(), until });
        self.keep(&key, outcome.as_ref().ok(), until, bytes);
        outcome
    }

    /// Every value that is kept.
    pub(super) fn all(&self) -> Vec<(K, Arc<V>)> {
        let slots = self.slots();
        slots.iter().filter_map(|(key, slot)| Some((key.clone(), Arc::clone(slot.value.as_ref()?)))).collect()
    }

    /// How many values there were.
    pub(super) fn clear(&self) -> usize {
        let slots = std::mem::take(&mut *self.slots());
        slots.values().filter(|slot| slot.value.is_some()).count()
    }

    /// What would end first makes room; the new one stays. Nothing is kept if it was cleared meanwhile.
    fn keep(&self, key: &K, value: Option<&Arc<V>>, until: u64, bytes: usize) {
        let mut slots = self.slots();
        let Some(slot) = slots.get_mut(key) else { return };
        (slot.value, slot.until, slot.bytes) = (value.cloned(), until, bytes);
        while slots.len() > MOST || slots.values().map(|slot| slot.bytes).sum::<usize>() > self.limit {
            let others = slots.iter().filter(|(other, _)| *other != key);
            let Some(first) = others.min_by_key(|(_, slot)| slot.until).map(|(first, _)| first.clone())
            else {
                return;
            };
            slots.remove(&first);
        }
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<K, Slot<V>>> {
        lock(&self.slots)
    }
}

/// A panic ends the daemon, so nobody sees what one left behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;
    use std::thread::scope;

    use super::*;

    fn fetched(value: u8, until: u64, bytes: usize) -> Result<Fetched<u8>, String> {
        Ok(Fetched { value, until, bytes })
    }

    fn get(cache: &Cache<&'static str, u8>, key: &'static str, now: u64, new: u8) -> Result<u8, String> {
        cache.get(key, now, now + 30, || fetched(new, now + 100, 10)).map(|value| *value)
    }

    #[test]
    fn what_was_fetched_is_kept_until_it_ends() {
        let cache = Cache::new(100);
        assert_eq!(get(&cache, "a", 1000, 1), Ok(1));
        assert_eq!(get(&cache, "a", 1099, 2), Ok(1));
        assert_eq!(get(&cache, "a", 1100, 3), Ok(3));
        assert_eq!(get(&cache, "b", 1100, 4), Ok(4));
        assert_eq!(
            cache.all().into_iter().map(|(key, value)| (key, *value)).collect::<Vec<_>>(),
            [("a", 3), ("b", 4)]
        );
        assert_eq!(cache.clear(), 2);
        assert_eq!(get(&cache, "a", 1100, 5), Ok(5));
    }

    #[test]
    fn a_failure_is_kept_for_its_pause_and_no_longer() {
        let cache: Cache<&str, u8> = Cache::new(100);
        let fail = |now| cache.get("a", now, now + 30, || Err("dead".to_owned()));
        assert_eq!(fail(1000), Err("dead".to_owned()));
        assert_eq!(get(&cache, "a", 1029, 1), Err("dead".to_owned()));
        assert!(cache.all().is_empty());
        assert_eq!(get(&cache, "a", 1030, 1), Ok(1));
    }

    #[test]
    fn room_is_made_by_what_ends_first() {
        let cache = Cache::new(25);
        for (key, until) in [("a", 300), ("b", 200), ("c", 400)] {
            let _ = cache.get(key, 100, 130, || fetched(0, until, 10));
        }
        assert_eq!(cache.all().into_iter().map(|(key, _)| key).collect::<Vec<_>>(), ["a", "c"]);
        let _ = cache.get("d", 100, 130, || fetched(0, 110, 1000));
        assert_eq!(
            cache.all().into_iter().map(|(key, _)| key).collect::<Vec<_>>(),
            ["d"],
            "too large, but new"
        );
    }

    #[test]
    fn many_who_want_the_same_fetch_it_once_and_others_do_not_wait() {
        let cache: Cache<&str, u8> = Cache::new(100);
        let fetches = AtomicUsize::new(0);
        let (release, held) = channel::<()>();
        let (begun, started) = channel();
        scope(|scope| {
            let slow = scope.spawn(|| {
                let held = held;
                cache.get("slow", 0, 30, || {
                    fetches.fetch_add(1, Ordering::Relaxed);
                    let _ = begun.send(());
                    let _ = held.recv();
                    fetched(7, 100, 1)
                })
            });
            let _ = started.recv();
            let same = scope.spawn(|| {
                cache.get("slow", 0, 30, || {
                    fetches.fetch_add(1, Ordering::Relaxed);
                    fetched(8, 100, 1)
                })
            });
            assert_eq!(get(&cache, "other", 0, 1), Ok(1), "while the slow one is held");
            assert_eq!(cache.all().len(), 1, "and it can be shown");
            let _ = release.send(());
            assert_eq!(*slow.join().unwrap().unwrap(), 7);
            assert_eq!(*same.join().unwrap().unwrap(), 7);
        });
        assert_eq!(fetches.into_inner(), 1);
    }
}
