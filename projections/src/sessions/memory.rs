//! Sessions that live, and those that ended but are not written yet.

use super::row::SessionRow;
use domain::ids::SessionId;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Shared by the projector, which changes it, and queries. Locks are held for no longer than a look takes.
#[derive(Debug, Default)]
pub(crate) struct Memory(RwLock<HashMap<SessionId, SessionRow>>);

impl Memory {
    /// To look at.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, HashMap<SessionId, SessionRow>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// To change. A row is taken out only after it was written.
    pub(super) fn write(&self) -> RwLockWriteGuard<'_, HashMap<SessionId, SessionRow>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
