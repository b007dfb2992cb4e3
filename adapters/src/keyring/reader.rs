//! The keyring of another process, for reading alone: what an auditor's commands open beside a running exchange.

use super::vault::Vault;
use super::{KeyringError, Master, REMEMBERED};
use crate::cache::Cache;
use domain::codec::seal::{KeyRef, SealKey};
use std::path::Path;
use std::sync::Mutex;

/// See the module. It makes nothing, changes nothing and takes no lock but for the time of one look-up, for which the exchange
/// waits where it has to. What is erased meanwhile is gone here too, but for the keys that were asked for before.
pub struct KeyringReader {
    vault: Mutex<Vault>,
    cache: Mutex<Cache<KeyRef, SealKey>>,
}

impl KeyringReader {
    /// Opens the keyring at `path`, which must be there.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn open(path: &Path, master: &Master) -> Result<Self, KeyringError> {
        let vault = Mutex::new(Vault::open_for_reading(path, master)?);
        Ok(Self { vault, cache: Mutex::new(Cache::new(REMEMBERED)) })
    }

    /// See [`super::Keyring::derived`].
    pub fn derived(&self, purpose: &str) -> SealKey {
        super::lock(&self.vault).derived(purpose)
    }
}

impl domain::ports::Keyring for KeyringReader {
    fn key(&self, reference: KeyRef) -> Option<SealKey> {
        super::look_up(&self.cache, &self.vault, reference)
    }
}
