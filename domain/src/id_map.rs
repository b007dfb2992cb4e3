//! Maps by ids that we draw or count ourselves.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// A map by ids that are ours: nobody outside can choose keys that fall together, so hashing them is one multiplication,
/// where the standard hasher's defence is a twentieth of the work for a message. What peers name goes by [`HashMap`].
pub type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// A set of ids that are ours: see [`IdMap`].
pub type IdSet<K> = HashSet<K, BuildHasherDefault<IdHasher>>;

/// 2^64 divided by the golden ratio: numbers that follow each other end up far apart.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// See [`IdMap`].
#[derive(Debug, Clone, Copy, Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * u128::from(SPREAD);
        // The upper half depends on all bits, the lower one tells apart what differs in few.
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    fn write_u128(&mut self, bits: u128) {
        self.write_u64(bits as u64);
        self.write_u64((bits >> 64) as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SessionId;
    use crate::sip::timer::TransactionId;
    use std::collections::BTreeSet;
    use std::hash::{BuildHasher, Hash};

    /// How many of the hashes differ in the bits that choose a bucket, of 4,096, and in those that tell apart within one.
    fn spread(keys: impl Iterator<Item = impl Hash>) -> (usize, usize) {
        let state = BuildHasherDefault::<IdHasher>::default();
        let hashes: Vec<u64> = keys.map(|key| state.hash_one(key)).collect();
        let low: BTreeSet<_> = hashes.iter().map(|hash| hash & 0xfff).collect();
        let high: BTreeSet<_> = hashes.iter().map(|hash| hash >> 57).collect();
        (low.len(), high.len())
    }

    #[test]
    fn numbers_that_follow_each_other_spread_over_the_table() {
        let (low, high) = spread((0..4_096).map(TransactionId));
        assert!(low > 2_400 && high == 128, "{low} buckets, {high} tags");
    }

    #[test]
    fn ids_that_differ_in_either_half_spread_over_the_table() {
        for shift in [0, 20, 64, 100] {
            let (low, high) = spread((0..4_096_u128).map(|number| SessionId::from_bits(7 + (number << shift))));
            assert!(low > 2_200 && high == 128, "shifted by {shift}: {low} buckets, {high} tags");
        }
    }
}
