//! Keys made ahead of use, so that no call waits for a disk.

use domain::codec::seal::{KeyRef, SealKey};
use domain::ids::AccountId;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Keys of a first block, and of an idle account's.
pub(super) const SMALLEST: usize = 64;
/// Keys of a busy account's block.
const LARGEST: usize = 4_096;
/// An account that empties half a block sooner than this gets blocks of twice the size …
const BUSY: Duration = Duration::from_secs(5);
/// … and one that takes longer than this, of half the size.
const IDLE: Duration = Duration::from_secs(120);

/// The keys ready for use.
#[derive(Default)]
pub(super) struct Pools {
    pools: HashMap<AccountId, Pool>,
    /// Accounts that need a block, each once.
    wanting: VecDeque<AccountId>,
    pub closed: bool,
}

struct Pool {
    ready: VecDeque<(KeyRef, SealKey)>,
    block: usize,
    filled: Instant,
    wanting: bool,
}

impl Pools {
    /// A key no one else gets, and whether an account began to want keys by that.
    pub fn take(&mut self, account: AccountId) -> (Option<(KeyRef, SealKey)>, bool) {
        let Some(pool) = self.pools.get_mut(&account) else { return (None, false) };
        let key = pool.ready.pop_front();
        let wants = !pool.wanting && pool.ready.len() < pool.block / 2;
        if wants {
            pool.wanting = true;
            self.wanting.push_back(account);
        }
        (key, wants)
    }

    /// The next account that needs a block, and the size to make it.
    pub fn next(&mut self, now: Instant) -> Option<(AccountId, usize)> {
        let account = self.wanting.pop_front()?;
        let pool = self.pools.get_mut(&account)?;
        let lasted = now.duration_since(pool.filled);
        if lasted < BUSY {
            pool.block = (pool.block * 2).min(LARGEST);
        } else if lasted > IDLE {
            pool.block = (pool.block / 2).max(SMALLEST);
        }
        Some((account, pool.block))
    }

    /// Adds a block; an empty one, after a failure, lets the account want again.
    pub fn fill(&mut self, account: AccountId, keys: Vec<(KeyRef, SealKey)>, now: Instant) {
        let fresh = || Pool { ready: VecDeque::new(), block: SMALLEST, filled: now, wanting: false };
        let pool = self.pools.entry(account).or_insert_with(fresh);
        if !keys.is_empty() {
            pool.filled = now;
        }
        pool.ready.extend(keys);
        pool.wanting = false;
    }

    /// An account is as busy as blocks of this size tell.
    pub fn expect(&mut self, account: AccountId, block: usize) {
        if let Some(pool) = self.pools.get_mut(&account) {
            pool.block = pool.block.max(block.min(LARGEST));
        }
    }

    pub fn knows(&self, account: AccountId) -> bool {
        self.pools.contains_key(&account)
    }

    /// What was made but never taken.
    pub fn drain(&mut self) -> Vec<KeyRef> {
        self.pools.drain().flat_map(|(_, pool)| pool.ready).map(|(reference, _)| reference).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: AccountId = AccountId::from_bits(1);

    fn keys(count: usize) -> Vec<(KeyRef, SealKey)> {
        (0..count).map(|index| (KeyRef(index as u64), SealKey::from_bytes([0; 32]))).collect()
    }

    /// Takes until the account wants more; answers the size of the block it then gets.
    fn use_up(pools: &mut Pools, now: Instant) -> usize {
        while !pools.take(ACCOUNT).1 {}
        let (account, count) = pools.next(now).unwrap();
        assert_eq!(account, ACCOUNT);
        pools.fill(account, keys(count), now);
        count
    }

    #[test]
    fn blocks_grow_with_use_and_shrink_without() {
        let mut pools = Pools::default();
        let mut now = Instant::now();
        pools.fill(ACCOUNT, keys(SMALLEST), now);
        let sizes: Vec<_> = (0..8).map(|_| use_up(&mut pools, now)).collect();
        assert_eq!(sizes, [128, 256, 512, 1_024, 2_048, 4_096, 4_096, 4_096]);
        now += Duration::from_secs(60);
        assert_eq!(use_up(&mut pools, now), 4_096);
        now += Duration::from_secs(3_600);
        assert_eq!(use_up(&mut pools, now), 2_048);
    }

    #[test]
    fn an_account_wants_once_and_again_after_a_failure() {
        let mut pools = Pools::default();
        let now = Instant::now();
        pools.fill(ACCOUNT, keys(SMALLEST), now);
        let wants = (0..SMALLEST).filter(|_| pools.take(ACCOUNT).1).count();
        assert_eq!(wants, 1);
        assert!(pools.take(ACCOUNT).0.is_none(), "an empty pool has nothing to give");
        assert!(pools.next(now).is_some() && pools.next(now).is_none());
        pools.fill(ACCOUNT, Vec::new(), now);
        assert!(pools.take(ACCOUNT).1);
    }
}
