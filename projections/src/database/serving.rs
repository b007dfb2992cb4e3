//! The generation that queries are answered from, also while it changes.

use super::{StoreError, Tables};
use std::sync::Arc;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Clones are cheap, and the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Serving(Arc<RwLock<Option<Tables>>>);

impl Serving {
    /// The tables, which stay while this is held.
    pub(crate) async fn tables(&self) -> Result<RwLockReadGuard<'_, Tables>, StoreError> {
        RwLockReadGuard::try_map(self.0.read().await, Option::as_ref).map_err(|_| StoreError::NotOpen)
    }

    /// To put others in their place. Waits for queries that run; those that come wait for this.
    pub(crate) async fn change(&self) -> RwLockWriteGuard<'_, Option<Tables>> {
        self.0.write().await
    }
}
