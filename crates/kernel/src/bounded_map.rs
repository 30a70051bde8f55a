//! A map of bounded size whose entries have an end: the ground of every in-process cache and counter.
//!
//! It is cut into shards, each under its own lock, so that cores do not wait for one another. A full shard first
//! drops what is over, then the quarter that would end soonest, which keeps the cost of making room constant
//! per insert.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::time::Timestamp;

const SHARDS: usize = 64;

struct Slot<V> {
    value: V,
    ends_at: Timestamp,
}

type Shard<K, V> = HashMap<K, Slot<V>, RandomState>;

/// At most so many entries, each with the moment from which it may be dropped.
pub struct BoundedMap<K, V> {
    shards: Vec<Mutex<Shard<K, V>>>,
    hasher: RandomState,
    shard_entries_max: usize,
}

impl<K: Hash + Eq + Clone, V: Clone> BoundedMap<K, V> {
    /// A map of about `entries_max` entries, never more by over 64.
    pub fn new(entries_max: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            shard_entries_max: entries_max.div_ceil(SHARDS).max(1),
        }
    }

    /// The value, also when it is over: the caller knows what that means.
    pub fn get(&self, key: &K) -> Option<V> {
        self.shard(key)?.get(key).map(|slot| slot.value.clone())
    }

    /// The value, and when it is over.
    pub fn get_with_end(&self, key: &K) -> Option<(V, Timestamp)> {
        self.shard(key)?.get(key).map(|slot| (slot.value.clone(), slot.ends_at))
    }

    /// Stores a value until `ends_at`. Answers whether another entry that was not over had to go.
    pub fn insert(&self, key: K, value: V, ends_at: Timestamp, now: Timestamp) -> bool {
        let Some(mut shard) = self.shard(&key) else { return false };
        let evicted = !shard.contains_key(&key) && make_room(&mut shard, self.shard_entries_max, now);
        shard.insert(key, Slot { value, ends_at });
        evicted
    }

    /// Changes a value under its lock: `change` sees what is there and gives the new value, its end and the answer.
    pub fn update<R>(
        &self,
        key: K,
        now: Timestamp,
        change: impl FnOnce(Option<&V>) -> (V, Timestamp, R),
    ) -> Option<R> {
        let mut shard = self.shard(&key)?;
        let (value, ends_at, answer) = change(shard.get(&key).map(|slot| &slot.value));
        if !shard.contains_key(&key) {
            make_room(&mut shard, self.shard_entries_max, now);
        }
        shard.insert(key, Slot { value, ends_at });
        Some(answer)
    }

    /// Forgets one entry.
    pub fn remove(&self, key: &K) {
        if let Some(mut shard) = self.shard(key) {
            shard.remove(key);
        }
    }

    /// Forgets everything.
    pub fn clear(&self) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Always `Some`: the index is taken modulo the number of shards.
    fn shard(&self, key: &K) -> Option<MutexGuard<'_, Shard<K, V>>> {
        let shards = u64::try_from(SHARDS).unwrap_or(1);
        let index = usize::try_from(self.hasher.hash_one(key) % shards).unwrap_or(0);
        self.shards.get(index).map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Makes room for one more; answers whether something that was not over had to go.
fn make_room<K: Hash + Eq + Clone, V>(shard: &mut Shard<K, V>, entries_max: usize, now: Timestamp) -> bool {
    if shard.len() < entries_max {
        return false;
    }
    shard.retain(|_, slot| slot.ends_at > now);
    if shard.len() < entries_max {
        return false;
    }
    let mut by_end: Vec<(Timestamp, K)> =
        shard.iter().map(|(key, slot)| (slot.ends_at, key.clone())).collect();
    by_end.sort_by_key(|(ends_at, _)| *ends_at);
    for (_, key) in by_end.into_iter().take((entries_max / 4).max(1)) {
        shard.remove(&key);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    #[test]
    fn it_never_grows_beyond_its_bound() {
        let map = BoundedMap::new(640);
        for key in 0..10_000_i64 {
            map.insert(key, key, NOW.plus_millis(key), NOW);
        }
        assert!(map.len() <= 640, "{}", map.len());
        assert!(map.get(&9_999).is_some());
    }

    #[test]
    fn what_is_over_goes_before_what_is_not() {
        let map = BoundedMap::new(1);
        let mut evicted = false;
        for key in 0..1_000 {
            evicted |= map.insert(key, (), NOW.plus_millis(key), NOW.plus_millis(key));
        }
        assert!(!evicted);
        for key in 1_000..2_000 {
            evicted |= map.insert(key, (), NOW.plus_millis(1_000_000), NOW.plus_millis(1_000));
        }
        assert!(evicted);
    }

    #[test]
    fn an_update_sees_what_the_last_one_left() {
        let map = BoundedMap::new(10);
        for wanted in 1..=3 {
            let seen = map.update("k", NOW, |old| {
                let next = old.copied().unwrap_or(0) + 1;
                (next, NOW, next)
            });
            assert_eq!(seen, Some(wanted));
        }
        map.remove(&"k");
        assert_eq!(map.get(&"k"), None);
        map.insert("k", 1, NOW, NOW);
        map.clear();
        assert!(map.is_empty());
    }
}
