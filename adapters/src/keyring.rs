//! The keys that seal what is personal: kept outside the log, so that erasing a key erases what it sealed.
//!
//! The master key wraps each account's key, an account's key wraps its sessions' keys. Session keys are made in
//! blocks and are durable before anyone can take one; what a crash leaves untaken is never used.

mod pool;
mod reader;
#[cfg(test)]
mod tests;
mod vault;
mod wrap;

use crate::cache::Cache;
use crate::event_log::lock;
use crate::fatal::{self, OnFatal};
use crate::private_file;
use domain::codec::seal::{KeyRef, SealKey};
use domain::ids::AccountId;
use domain::log::{Mark, Position};
use pool::{Pools, Taken};
use rusqlite::ErrorCode;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use vault::Vault;
use zeroize::Zeroizing;

pub use reader::KeyringReader;

/// The most keys that are made at once for an account that was busy before a start.
const MOST_EXPECTED: usize = 1_024;
/// Keys remembered, per generation of the cache.
const REMEMBERED: usize = 16_384;
/// Pause after a block could not be made, so that a full disk is not asked a thousand times a second.
const PAUSE: Duration = Duration::from_secs(1);

/// Where the master key comes from. Who has it and the keyring's file can read everything.
pub enum Master {
    /// 32 bytes in a file of mode 0600, made when the keyring is.
    File(PathBuf),
    /// 32 bytes from elsewhere.
    Bytes(Zeroizing<[u8; 32]>),
}

/// Why the keyring cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// Another process has it.
    #[error("{} is in use by another process: stop that one, or give this one another data folder", .0.display())]
    InUse(PathBuf),
    /// A file cannot be made, read or written.
    #[error("{} cannot be used: {source}; check that its folder exists and belongs to this user", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is a keyring, but not its master key.
    #[error("the master key {} is missing or not 32 bytes long: restore it, without it nothing sealed can be read", .0.display())]
    NoMaster(PathBuf),
    /// The master key is not the one that the keyring was made with.
    #[error("{} was made with another master key: give the one it was made with", .0.display())]
    OtherMaster(PathBuf),
    /// Written by another version of this program, or not a keyring.
    #[error("{} has format {found}, which this program does not read: use the version that wrote it", .path.display())]
    Format {
        /// Which.
        path: PathBuf,
        /// What it says it is.
        found: i64,
    },
    /// The file system or SQLite would not promise durability and erasure.
    #[error("{} cannot be made durable: put it on a local disk", .0.display())]
    NotDurable(PathBuf),
    /// Its last change was cut off, and a reader may not undo it.
    #[error("{} was cut off in the middle of a change: start the exchange once, which undoes it", .0.display())]
    Unfinished(PathBuf),
    /// It is no database any more, or a wrapped key does not open although the master key is right.
    #[error("keyring.db is damaged: restore it from a backup; what is sealed with keys that are lost stays sealed")]
    Damaged,
    /// SQLite failed.
    #[error("the keyring failed: {0}")]
    Store(rusqlite::Error),
    /// The machine gives no random bytes.
    #[error("the machine gives no randomness: check /dev/urandom")]
    NoRandomness,
    /// The background thread could not be started.
    #[error("the keyring's thread cannot be started: {0}")]
    Thread(io::Error),
}

impl From<rusqlite::Error> for KeyringError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged,
            Some(_) | None => Self::Store(error),
        }
    }
}

/// Up to where the erasures of a log are carried out in a keyring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasedUpTo {
    /// The position of an event …
    pub position: Position,
    /// … which tells whether it is this log.
    pub mark: Mark,
}

/// The keyring of one node. Dropping it erases the keys that nobody took.
pub struct Keyring {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    vault: Mutex<Vault>,
    pools: Mutex<Pools>,
    wanted: Condvar,
    cache: Mutex<Cache<KeyRef, SealKey>>,
    /// Which key seals an account's secrets, as far as it was asked.
    secrets: Mutex<Cache<AccountId, KeyRef>>,
    on_fatal: OnFatal,
}

impl Keyring {
    /// Opens the keyring at `path`, or makes it (folder mode 0700, files 0600) and, where asked for, its master key.
    pub fn open(path: &Path, master: &Master) -> Result<Self, KeyringError> {
        let shared = Arc::new(Shared {
            vault: Mutex::new(Vault::open(path, master)?),
            pools: Mutex::default(),
            wanted: Condvar::new(),
            cache: Mutex::new(Cache::new(REMEMBERED)),
            secrets: Mutex::new(Cache::new(REMEMBERED)),
            on_fatal: fatal::exit,
        });
        let refill = shared.clone();
        let thread = std::thread::Builder::new().name("keyring".into()).spawn(move || refill.keep_full());
        Ok(Self { shared, thread: Some(thread.map_err(KeyringError::Thread)?) })
    }

    /// Has keys ready for accounts when it returns; at once where it has been called for them before. Waits for the
    /// disk, once for all of them: not for the call path.
    ///
    /// # Errors
    /// The disk fails.
    pub fn ensure_accounts(&self, accounts: &[AccountId]) -> Result<(), KeyringError> {
        let mut vault = lock(&self.shared.vault);
        let (fresh, share) = {
            let pools = lock(&self.shared.pools);
            let fresh: BTreeSet<_> = accounts.iter().copied().filter(|account| !pools.knows(*account)).collect();
            let share = pools.share(fresh.len());
            (fresh, share)
        };
        if fresh.is_empty() {
            return Ok(());
        }
        let wanted: Vec<_> = fresh.into_iter().map(|account| (account, share)).collect();
        let made = vault.make(&wanted)?;
        lock(&self.shared.pools).fill_each(made, Instant::now());
        Ok(())
    }

    /// Has keys ready for accounts that were busy before this process began, for as many calls as each had at least when it
    /// returns. Waits for the disk: not for the call path.
    ///
    /// # Errors
    /// The disk fails.
    pub fn expect_calls(&self, accounts: &BTreeMap<AccountId, usize>) -> Result<(), KeyringError> {
        let wanted: Vec<_> = accounts.iter().map(|(account, calls)| (*account, (*calls).min(MOST_EXPECTED))).collect();
        let mut vault = lock(&self.shared.vault);
        let made = vault.make(&wanted)?;
        lock(&self.shared.pools).fill_each(made, Instant::now());
        Ok(())
    }

    /// A fresh key for a session of this account, durable already. Never waits for the disk; `None` where the
    /// account is not ensured or more were taken than the disk keeps up with.
    pub fn take(&self, account: AccountId) -> Option<(KeyRef, SealKey)> {
        let Taken { key, wants, ran_dry } = lock(&self.shared.pools).take(account);
        if wants {
            self.shared.wanted.notify_one();
        }
        if ran_dry {
            tracing::warn!(
                %account,
                "calls begin faster than their keys can be written, so that some wait or get 503: give keyring.db a faster disk"
            );
        }
        let (reference, key) = key?;
        lock(&self.shared.cache).insert(reference, key.clone());
        Some((reference, key))
    }

    /// The one key that seals an account's secrets of provisioning (passwords and the like), durable when this returns.
    /// Waits for the disk the first time: not for the call path. Erasing it makes those secrets useless.
    pub fn secrets_key(&self, account: AccountId) -> Result<(KeyRef, SealKey), KeyringError> {
        let mut vault = lock(&self.shared.vault);
        let known = lock(&self.shared.secrets).get(&account).copied();
        if let Some(reference) = known
            && let Some(key) = lock(&self.shared.cache).get(&reference)
        {
            return Ok((reference, key.clone()));
        }
        let (reference, key) = vault.secrets_key(account)?;
        lock(&self.shared.secrets).insert(account, reference);
        lock(&self.shared.cache).insert(reference, key.clone());
        Ok((reference, key))
    }

    /// A key that stays the same for the keyring's life and tell nothing of its keys; `purpose` tells uses apart.
    pub fn derived(&self, purpose: &str) -> SealKey {
        lock(&self.shared.vault).derived(purpose)
    }

    /// Up to where the erasures of a log are carried out here; `None` where nothing says so.
    ///
    /// # Errors
    /// The disk fails.
    pub fn erased_up_to(&self) -> Result<Option<ErasedUpTo>, KeyringError> {
        lock(&self.shared.vault).erased_up_to()
    }

    /// Notes, durably, that all erasures of a log up to there are carried out.
    ///
    /// # Errors
    /// The disk fails.
    pub fn set_erased_up_to(&self, up_to: &ErasedUpTo) -> Result<(), KeyringError> {
        lock(&self.shared.vault).set_erased_up_to(up_to)
    }

    /// Gives no key a number up to this one any more: it was given by a keyring of which this is an older copy.
    ///
    /// # Errors
    /// The disk fails.
    pub fn never_give(&self, highest: KeyRef) -> Result<(), KeyringError> {
        lock(&self.shared.vault).never_give(highest)
    }

    /// Erases keys, all or none: what they sealed is gone for good, and no byte of them is left in the file. Waits
    /// for the disk.
    pub fn erase(&self, references: &[KeyRef]) -> Result<(), KeyringError> {
        // The vault stays locked until the cache has forgotten, or a reader could put a key back.
        let mut vault = lock(&self.shared.vault);
        vault.erase(references)?;
        let mut cache = lock(&self.shared.cache);
        references.iter().for_each(|reference| cache.remove(reference));
        Ok(())
    }
}

impl domain::ports::KeyEraser for Keyring {
    fn erase(&self, keys: &[KeyRef]) -> Result<(), String> {
        Self::erase(self, keys).map_err(|error| error.to_string())
    }
}

impl domain::ports::Keyring for Keyring {
    /// Waits for the disk where the key was not used lately. What cannot be read now is logged and shown as a mask.
    fn key(&self, reference: KeyRef) -> Option<SealKey> {
        look_up(&self.shared.cache, &self.shared.vault, reference)
    }
}

fn look_up(cache: &Mutex<Cache<KeyRef, SealKey>>, vault: &Mutex<Vault>, reference: KeyRef) -> Option<SealKey> {
    if let Some(key) = lock(cache).get(&reference) {
        return Some(key.clone());
    }
    // The vault stays locked until the cache knows, or what is erased meanwhile could come back.
    let mut vault = lock(vault);
    match vault.key(reference) {
        Ok(key) => {
            let key = key?;
            lock(cache).insert(reference, key.clone());
            Some(key)
        }
        Err(error) => {
            tracing::error!(key.reference = reference.0, %error, "a key could not be read");
            None
        }
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        lock(&self.shared.pools).closed = true;
        self.shared.wanted.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let unused = lock(&self.shared.pools).drain();
        if let Err(error) = lock(&self.shared.vault).erase(&unused) {
            tracing::warn!(%error, "unused keys stay in the keyring; that wastes space and harms nothing");
        }
    }
}

impl Shared {
    /// Refills pools until the keyring is dropped.
    fn keep_full(&self) {
        let mut pools = lock(&self.pools);
        loop {
            if pools.closed {
                return;
            }
            let Some((account, count)) = pools.next(Instant::now()) else {
                pools = self.wanted.wait(pools).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(pools);
            let made = lock(&self.vault).make(&[(account, count)]);
            pools = lock(&self.pools);
            match made {
                Ok(made) => pools.fill_each(made, Instant::now()),
                Err(error) if is_passing(&error) => {
                    tracing::error!(%account, %error, "no keys could be made for new sessions; trying again");
                    let pause = self.wanted.wait_timeout(pools, PAUSE);
                    pools = pause.unwrap_or_else(PoisonError::into_inner).0;
                    pools.fill(account, Vec::new(), Instant::now());
                }
                Err(error) => (self.on_fatal)(&format!(
                    "the keyring cannot go on: {error}. No session was given a key that is not on disk. Check the disk, then start again."
                )),
            }
        }
    }
}

/// Whether trying again is safe and may help: not after a failed write, whose effect cannot be known.
fn is_passing(error: &KeyringError) -> bool {
    match error {
        KeyringError::Store(error) => {
            matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy))
        }
        _ => false,
    }
}

/// The master key; makes its file along with a fresh keyring.
fn master_key(master: &Master, fresh: bool) -> Result<SealKey, KeyringError> {
    let path = match master {
        Master::Bytes(bytes) => return Ok(SealKey::from_bytes(**bytes)),
        Master::File(path) => path,
    };
    let file = |source| KeyringError::File { path: path.clone(), source };
    match std::fs::read(path).map(Zeroizing::new) {
        Ok(bytes) => {
            let bytes = bytes[..].try_into().map_err(|_| KeyringError::NoMaster(path.clone()))?;
            Ok(SealKey::from_bytes(bytes))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && fresh => {
            let mut bytes = Zeroizing::new([0; 32]);
            getrandom::fill(&mut bytes[..]).map_err(|_| KeyringError::NoRandomness)?;
            private_file::make_folder_of(path).map_err(file)?;
            private_file::replace(path, &bytes[..]).map_err(file)?;
            Ok(SealKey::from_bytes(*bytes))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(KeyringError::NoMaster(path.clone())),
        Err(error) => Err(file(error)),
    }
}
