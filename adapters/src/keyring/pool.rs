//! Keys made ahead of use, so that no call waits for a disk.

use domain::codec::seal::{KeyRef, SealKey};
use domain::ids::AccountId;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// So many keys lie ready for idle accounts, all together: 2 MB of the file.
const TOGETHER: usize = 65_536;
/// What an idle account has at least, however many there are …
const SMALLEST: usize = 64;
/// … and at most: more than calls begin in a second, which a slow disk may take for a block.
const AMPLE: usize = 1_024;
/// Keys of a busy account's block at most.
const LARGEST: usize = 8_192;
/// A block is to last so long at the rate at which the one before was used.
const LASTS: Duration = Duration::from_secs(10);

/// Keys of an account, durable.
pub(super) type Made = (AccountId, Vec<(KeyRef, SealKey)>);

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
    /// Keys that it is to have ready.
    block: usize,
    /// Since when keys are counted, and how many were taken since.
    filled: Instant,
    taken: usize,
    wanting: bool,
    /// Somebody got none since it was filled.
    dry: bool,
}

/// What was found in an account's pool.
#[derive(Default)]
pub(super) struct Taken {
    /// A key no one else gets.
    pub key: Option<(KeyRef, SealKey)>,
    /// By this the account began to want keys.
    pub wants: bool,
    /// This was the first to find none.
    pub ran_dry: bool,
}

impl Pools {
    /// Keys that an idle account has ready where so many more accounts are to come.
    pub fn share(&self, more: usize) -> usize {
        (TOGETHER / (self.pools.len() + more).max(1)).clamp(SMALLEST, AMPLE)
    }

    pub fn take(&mut self, account: AccountId) -> Taken {
        let Some(pool) = self.pools.get_mut(&account) else { return Taken::default() };
        let key = pool.ready.pop_front();
        pool.taken += usize::from(key.is_some());
        let wants = !pool.wanting && pool.ready.len() < pool.block / 4 * 3;
        if wants {
            pool.wanting = true;
            self.wanting.push_back(account);
        }
        let ran_dry = key.is_none() && !std::mem::replace(&mut pool.dry, key.is_none());
        Taken { key, wants, ran_dry }
    }

    /// The next account that needs keys, and how many to make.
    pub fn next(&mut self, now: Instant) -> Option<(AccountId, usize)> {
        let share = self.share(0);
        let account = self.wanting.pop_front()?;
        let pool = self.pools.get_mut(&account)?;
        let lasted = now.duration_since(pool.filled).max(Duration::from_millis(1));
        let wanted = pool.taken as f64 * LASTS.as_secs_f64() / lasted.as_secs_f64();
        pool.block = (wanted as usize).clamp(share, LARGEST);
        Some((account, pool.block.saturating_sub(pool.ready.len()).max(SMALLEST)))
    }

    /// Adds keys; none, after a failure, lets the account want again.
    pub fn fill(&mut self, account: AccountId, keys: Vec<(KeyRef, SealKey)>, now: Instant) {
        // Whoever has few wants more with the first that is taken.
        let block = keys.len().max(SMALLEST);
        let fresh = || Pool { ready: VecDeque::new(), block, filled: now, taken: 0, wanting: false, dry: false };
        let pool = self.pools.entry(account).or_insert_with(fresh);
        if !keys.is_empty() {
            (pool.filled, pool.taken, pool.dry) = (now, 0, false);
        }
        pool.ready.extend(keys);
        pool.wanting = false;
    }

    /// Adds keys of several accounts.
    pub fn fill_each(&mut self, made: Vec<Made>, now: Instant) {
        made.into_iter().for_each(|(account, keys)| self.fill(account, keys, now));
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

    fn filled(count: usize, now: Instant) -> Pools {
        let mut pools = Pools::default();
        pools.fill(ACCOUNT, keys(count), now);
        pools
    }

    /// Takes as many a second until the account wants more, then fills it. Answers how many keys it is to have ready.
    fn use_up(pools: &mut Pools, now: &mut Instant, each_second: u32) -> usize {
        let took = std::iter::repeat_with(|| pools.take(ACCOUNT).wants).take_while(|wants| !wants).count() + 1;
        *now += Duration::from_secs(1) * took as u32 / each_second;
        let (account, count) = pools.next(*now).unwrap();
        assert_eq!(account, ACCOUNT);
        pools.fill(account, keys(count), *now);
        pools.pools[&ACCOUNT].block
    }

    #[test]
    fn who_takes_more_has_more_ready() {
        let mut now = Instant::now();
        let mut pools = filled(AMPLE, now);
        let mut sizes = |each_second: u32| [(); 3].map(|()| use_up(&mut pools, &mut now, each_second));
        let about = |sizes: [usize; 3], expected: usize| {
            assert!(sizes.iter().all(|size| size.abs_diff(expected) <= expected / 100), "{sizes:?}, {expected}");
        };
        about(sizes(300), 3_000);
        about(sizes(10_000), LARGEST);
        about(sizes(1), AMPLE);
    }

    #[test]
    fn idle_accounts_share_what_lies_ready() {
        let mut pools = Pools::default();
        assert_eq!(pools.share(1), AMPLE);
        assert_eq!(pools.share(200), 327);
        assert_eq!(pools.share(1_000_000), SMALLEST);
        for account in 0..1_023 {
            pools.fill(AccountId::from_bits(account), keys(1), Instant::now());
        }
        assert_eq!(pools.share(1), SMALLEST);
    }

    #[test]
    fn an_account_wants_once_and_again_after_a_failure() {
        let now = Instant::now();
        let mut pools = filled(SMALLEST, now);
        let wants = (0..SMALLEST).filter(|_| pools.take(ACCOUNT).wants).count();
        assert_eq!(wants, 1);
        assert!(pools.take(ACCOUNT).key.is_none(), "an empty pool has nothing to give");
        assert!(pools.next(now).is_some() && pools.next(now).is_none());
        pools.fill(ACCOUNT, Vec::new(), now);
        assert!(pools.take(ACCOUNT).wants);
    }

    #[test]
    fn an_account_that_begins_with_few_wants_more() {
        let mut pools = filled(1, Instant::now());
        assert!(pools.take(ACCOUNT).wants);
    }

    #[test]
    fn a_pool_runs_dry_once_until_it_is_filled() {
        let now = Instant::now();
        let mut pools = filled(2, now);
        let dry = |pools: &mut Pools| [(); 4].map(|()| pools.take(ACCOUNT).ran_dry);
        assert_eq!(dry(&mut pools), [false, false, true, false]);
        pools.fill(ACCOUNT, Vec::new(), now);
        assert_eq!(dry(&mut pools), [false; 4], "a failure fills nothing");
        pools.fill(ACCOUNT, keys(1), now);
        assert_eq!(dry(&mut pools), [false, true, false, false]);
    }
}
