//! One run of the index: places of the appends of a stretch of the log, by hash of their stream's name, in buckets.

use super::super::frame::Fields;
use super::super::places::Place;

/// Bits of the hash that choose a bucket, by level.
const BUCKET_BITS: [u32; 3] = [6, 10, 14];
/// Runs of one level that are merged into one of the next. Those of the last level stay.
pub(super) const TIER: usize = 16;
/// The level whose runs are not merged.
pub(super) const LAST_LEVEL: usize = BUCKET_BITS.len() - 1;
/// Bits of the filter for each stream: one in a hundred lookups of what is not there is let through.
const FILTER_BITS: usize = 10;
/// Words of a block of the filter, a cache line.
const WORDS: usize = 8;
/// Bits set in a block for each stream.
const PROBES: u32 = 5;
const PLACE: usize = 26;

/// Hash of a stream's name: FNV-1a, then MurmurHash3's finaliser, since buckets need good high bits. It is in the file,
/// so it never changes. Names are ours, not a peer's: nobody can choose colliding ones.
pub(in super::super) fn hash_of(name: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    mix(name.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

/// MurmurHash3's finaliser of 64 bits.
pub(super) const fn mix(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// A bit pattern kept as bytes, as the file holds it.
#[derive(Debug, Clone, Default)]
pub(super) struct Bits(pub Vec<u8>);

impl Bits {
    fn get(&self, bit: usize) -> bool {
        self.0.get(bit / 8).is_some_and(|byte| byte & (1 << (bit % 8)) != 0)
    }

    fn set(&mut self, bit: usize) {
        if let Some(byte) = self.0.get_mut(bit / 8) {
            *byte |= 1 << (bit % 8);
        }
    }
}

/// What is known of a run without looking into its buckets.
#[derive(Debug)]
pub(super) struct Run {
    pub id: i64,
    pub level: usize,
    /// Position of its first event.
    pub first: u64,
    /// Position of its last event.
    pub last: u64,
    /// Buckets that are not empty.
    pub filled: Bits,
    /// A Bloom filter over its streams, in blocks.
    pub filter: Bits,
}

impl Run {
    /// A run without streams yet, with room for this many in its filter.
    pub fn new(id: i64, level: usize, (first, last): (u64, u64), streams: usize) -> Self {
        let blocks = (streams * FILTER_BITS).div_ceil(WORDS * 64).max(1);
        let filled = Bits(vec![0; buckets(level) / 8]);
        Self { id, level, first, last, filled, filter: Bits(vec![0; blocks * WORDS * 8]) }
    }

    /// Whether the file's fields fit together.
    pub fn is_sound(&self) -> bool {
        let blocks = !self.filter.0.is_empty() && self.filter.0.len().is_multiple_of(WORDS * 8);
        self.level <= LAST_LEVEL && self.filled.0.len() == buckets(self.level) / 8 && blocks && self.first <= self.last
    }

    /// Which bucket a stream's places are in.
    pub fn bucket(&self, hash: u64) -> usize {
        (hash >> (64 - BUCKET_BITS[self.level.min(LAST_LEVEL)])) as usize
    }

    /// Row of a bucket.
    pub const fn row(&self, bucket: usize) -> i64 {
        (self.id << BUCKET_BITS[LAST_LEVEL]) | bucket as i64
    }

    pub fn is_filled(&self, bucket: usize) -> bool {
        self.filled.get(bucket)
    }

    /// Whether a stream with this hash may be in it.
    pub fn may_hold(&self, hash: u64) -> bool {
        self.is_filled(self.bucket(hash)) && self.probes(hash).all(|bit| self.filter.get(bit))
    }

    /// Notes that a stream with this hash is in it.
    pub fn add(&mut self, hash: u64) {
        let bucket = self.bucket(hash);
        self.filled.set(bucket);
        for bit in self.probes(hash) {
            self.filter.set(bit);
        }
    }

    fn probes(&self, hash: u64) -> impl Iterator<Item = usize> + use<> {
        let blocks = (self.filter.0.len() / (WORDS * 8)).max(1);
        let mixed = mix(hash ^ 0x9e37_79b9_7f4a_7c15);
        let block = (mixed >> 32) as usize % blocks * WORDS * 64;
        (0..PROBES).map(move |probe| block + (mix(mixed.wrapping_add(u64::from(probe))) % (WORDS as u64 * 64)) as usize)
    }
}

/// Buckets of a run of that level.
pub(super) fn buckets(level: usize) -> usize {
    1 << BUCKET_BITS[level.min(LAST_LEVEL)]
}

/// Places of streams with this hash.
pub(super) type Entry = (u64, Vec<Place>);

/// A bucket as its row holds it: checksum, then hash, count and places of each entry.
pub(super) fn encode(entries: &[Entry], seed: u32, row: i64) -> Vec<u8> {
    let size = entries.iter().map(|(_, places)| 12 + places.len() * PLACE).sum::<usize>();
    let mut bytes = Vec::with_capacity(4 + size);
    bytes.extend_from_slice(&[0; 4]);
    for (hash, places) in entries {
        bytes.extend_from_slice(&hash.to_be_bytes());
        bytes.extend_from_slice(&(places.len() as u32).to_be_bytes());
        for place in places {
            bytes.extend_from_slice(&place.position.to_be_bytes());
            bytes.extend_from_slice(&place.revision.to_be_bytes());
            bytes.extend_from_slice(&place.count.to_be_bytes());
            bytes.extend_from_slice(&place.offset.to_be_bytes());
            bytes.extend_from_slice(&place.size.to_be_bytes());
        }
    }
    let checksum = checksum(&bytes[4..], seed, row).to_be_bytes();
    bytes[..4].copy_from_slice(&checksum);
    bytes
}

fn checksum(body: &[u8], seed: u32, row: i64) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(seed, &row.to_be_bytes()), body)
}

/// Entries of a bucket that are wanted.
pub(super) fn decode(
    bytes: &[u8],
    seed: u32,
    row: i64,
    wanted: impl Fn(u64) -> bool,
) -> Result<Vec<Entry>, &'static str> {
    let mut fields = Fields(bytes);
    if fields.u32()? != checksum(fields.0, seed, row) {
        return Err("a checksum is wrong");
    }
    let mut entries = Vec::new();
    while !fields.0.is_empty() {
        let (hash, count) = (fields.u64()?, fields.u32()? as usize);
        let places = fields.take(count.saturating_mul(PLACE))?;
        if wanted(hash) {
            entries.push((hash, places.chunks_exact(PLACE).map(place).collect::<Result<_, _>>()?));
        }
    }
    Ok(entries)
}

fn place(bytes: &[u8]) -> Result<Place, &'static str> {
    let mut fields = Fields(bytes);
    Ok(Place {
        position: fields.u64()?,
        revision: fields.u64()?,
        count: u16::from_be_bytes(fields.array()?),
        offset: fields.u32()?,
        size: fields.u32()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(hash: u64, count: u64) -> Entry {
        let place = |n| Place { position: hash ^ n, revision: n, count: 3, offset: 4_096, size: 77 };
        (hash, (0..count).map(place).collect())
    }

    #[test]
    fn a_bucket_gives_back_what_was_put_in_and_notices_every_changed_byte() {
        let entries = vec![entry(5, 2), entry(9, 1), entry(u64::MAX, 3)];
        let bytes = encode(&entries, 1, 7);
        assert_eq!(decode(&bytes, 1, 7, |_| true), Ok(entries.clone()));
        assert_eq!(decode(&bytes, 1, 7, |hash| hash == 9), Ok(vec![entries[1].clone()]));
        assert!(decode(&bytes, 1, 8, |_| true).is_err(), "in another's place");
        assert!(decode(&bytes, 2, 7, |_| true).is_err(), "of another log");
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(decode(&changed, 1, 7, |_| true).is_err(), "byte {at}");
            assert!(decode(&bytes[..at], 1, 7, |_| true).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_filter_lets_all_through_that_was_added_and_little_else() {
        let mut run = Run::new(1, LAST_LEVEL, (1, 2), 10_000);
        let hash = |n: u64| hash_of(&format!("session-{n}"));
        (0..10_000).for_each(|n| run.add(hash(n)));
        assert!((0..10_000).all(|n| run.may_hold(hash(n))));
        let probes = |n| run.probes(hash(n)).all(|bit| run.filter.get(bit));
        let wrong = (10_000..30_000).filter(|n| probes(*n)).count();
        assert!(wrong < 600, "{wrong} of 20000");
    }

    #[test]
    fn the_hash_of_a_name_never_changes() {
        assert_eq!(hash_of("session-1"), 17_467_118_465_826_753_311);
    }
}
