//! A bounded map that forgets what was not used lately.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Holds between `limit` and twice as many entries: two generations, of which the older is dropped whole when the
/// younger is full. Cheaper than an exact least-recently-used list, and as good for what can be looked up again.
#[derive(Debug)]
pub struct Cache<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    limit: usize,
}

impl<K: Eq + Hash, V> Cache<K, V> {
    /// A cache whose generations hold `limit` entries each, at least one.
    pub fn new(limit: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), limit: limit.max(1) }
    }

    /// The entry of `key`, which thereby counts as used.
    pub fn get<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        // Mostly there is no older generation; then a lookup hashes once.
        if !self.old.is_empty()
            && let Some((key, value)) = self.old.remove_entry(key)
        {
            self.insert(key, value);
        }
        self.young.get(key)
    }

    /// Adds or replaces an entry.
    pub fn insert(&mut self, key: K, value: V) {
        if !self.old.is_empty() {
            self.old.remove(&key);
        }
        if self.young.len() >= self.limit && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    /// Forgets one entry.
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.young.remove(key);
        if !self.old.is_empty() {
            self.old.remove(key);
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_what_is_not_goes() {
        let mut cache = Cache::new(2);
        cache.insert(0, 'a');
        for key in 1..10 {
            cache.insert(key, 'b');
            assert_eq!(cache.get(&0), Some(&'a'), "used after {key}");
        }
        assert_eq!(cache.get(&1), None);
        assert!(cache.young.len() + cache.old.len() <= 4);
    }

    #[test]
    fn a_replaced_entry_is_not_shadowed_by_its_older_self() {
        let mut cache = Cache::new(1);
        cache.insert(1, 'a');
        cache.insert(2, 'b');
        cache.insert(1, 'c');
        assert_eq!(cache.get(&1), Some(&'c'));
        cache.remove(&1);
        assert_eq!(cache.get(&1), None);
    }
}
