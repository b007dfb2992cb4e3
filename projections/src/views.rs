//! All read models together: one file, one projector.

use crate::erasures::Erasures;
use crate::messages::{MessageReader, Messages};
use crate::progress::Progress;
use crate::projector::{Projection, Projector, WINDOW};
use crate::registrations::{RegistrationReader, Registrations};
use crate::routing::Routing;
use crate::sessions::{Memory, SessionReader, Sessions};
use crate::store::{Store, StoreError};
use crate::uplinks::{UplinkReader, Uplinks};
use domain::log::EventLog;
use domain::ports::Keyring;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// The read models, following the log until dropped or closed.
#[derive(Debug)]
pub struct Views {
    store: Store,
    sessions: SessionReader,
    progress: Progress,
    projector: JoinHandle<()>,
}

impl Views {
    /// Opens the file at `path` and follows the log from where its rows end. To rebuild, start with no file.
    pub async fn open(path: &Path, log: Arc<dyn EventLog>, keyring: Arc<dyn Keyring>) -> Result<Self, StoreError> {
        Self::open_with_window(path, log, keyring, WINDOW).await
    }

    /// As [`Views::open`], gathering for `window` before each write.
    pub async fn open_with_window(
        path: &Path,
        log: Arc<dyn EventLog>,
        keyring: Arc<dyn Keyring>,
        window: Duration,
    ) -> Result<Self, StoreError> {
        let store = Store::open(path).await?;
        let memory: Arc<Memory> = Arc::default();
        let models: Vec<Box<dyn Projection>> = vec![
            Box::new(Sessions::new(memory.clone())),
            Box::new(Routing::default()),
            Box::new(Registrations::default()),
            Box::new(Messages::default()),
            Box::new(Uplinks::default()),
            // The last one: it masks rows of the others, in the same transaction or a later one.
            Box::new(Erasures::default()),
        ];
        let sessions = SessionReader::new(store.clone(), memory);
        let projector = Projector::new(log, keyring, store.clone(), models, window).await?;
        let progress = projector.progress();
        Ok(Self { store, sessions, progress, projector: tokio::spawn(projector.run()) })
    }

    /// Asks about sessions.
    pub const fn sessions(&self) -> &SessionReader {
        &self.sessions
    }

    /// Asks about registrations, as far as rows are written: [`Progress::wait_for_rows`].
    pub fn registrations(&self) -> RegistrationReader {
        RegistrationReader::new(self.store.clone())
    }

    /// Asks about MESSAGEs outside calls, as far as rows are written: [`Progress::wait_for_rows`].
    pub fn messages(&self) -> MessageReader {
        MessageReader::new(self.store.clone())
    }

    /// Asks how trunks stood, as far as rows are written: [`Progress::wait_for_rows`].
    pub fn uplinks(&self) -> UplinkReader {
        UplinkReader::new(self.store.clone())
    }

    /// Where the other queries read.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// How far the rows are.
    pub const fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Stops following and closes the file. What was not written yet is read from the log again next time.
    pub async fn close(&self) {
        self.projector.abort();
        self.store.close().await;
    }
}

impl Drop for Views {
    fn drop(&mut self) {
        self.projector.abort();
    }
}
