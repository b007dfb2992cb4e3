//! All read models together: one database, one projector.

use crate::database::{Database, Serving, StoreError};
use crate::messages::MessageReader;
use crate::model::Model;
use crate::progress::{Progress, Standing, Wishes};
use crate::projector::{Fold, Projector, RETRY, Slot, WINDOW};
use crate::rebuilds::{RebuildError, Rebuilds, Stand};
use crate::registrations::RegistrationReader;
use crate::routing::RoutingReader;
use crate::sessions::{Memory, SessionReader};
use crate::uplinks::UplinkReader;
use domain::log::{EventLog, Position};
use domain::ports::Keyring;
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// The read models, following the log until dropped or closed.
#[derive(Debug)]
pub struct Views {
    serving: BTreeMap<Model, Serving>,
    memory: Arc<Memory>,
    progress: Progress,
    rebuilds: Arc<Rebuilds>,
    projector: JoinHandle<()>,
    /// Keeps others away.
    claim: Mutex<Option<File>>,
}

impl Views {
    /// Opens the read models and follows the log from where their rows end. Where the database is elsewhere and away, this
    /// does not wait for it: queries are refused until it is there.
    ///
    /// # Errors
    /// [`StoreError`], where the files on this disk cannot be used.
    pub async fn open(
        database: Database,
        log: Arc<dyn EventLog>,
        keyring: Arc<dyn Keyring>,
    ) -> Result<Self, StoreError> {
        Self::open_with_window(database, log, keyring, WINDOW).await
    }

    /// As [`Views::open`], gathering for `window` before each write.
    ///
    /// # Errors
    /// As [`Views::open`].
    pub async fn open_with_window(
        database: Database,
        log: Arc<dyn EventLog>,
        keyring: Arc<dyn Keyring>,
        window: Duration,
    ) -> Result<Self, StoreError> {
        // Nothing is known before what lives is restored, wherever the rows are.
        let (standing, stands) = watch::channel(Standing::default());
        let wishes: Arc<Wishes> = Arc::default();
        let (adopt, adoptions) = mpsc::channel(1);
        let progress = Progress::new(stands, Arc::clone(&wishes));
        let memory: Arc<Memory> = Arc::default();
        let parts = (database.clone(), Arc::clone(&log), Arc::clone(&keyring));
        let rebuilds = Rebuilds::new(parts, Arc::clone(&memory), adopt, progress.clone());
        let serving: BTreeMap<Model, Serving> = Model::ALL.map(|model| (model, Serving::default())).into();
        let opening =
            Opening { database, serving: serving.clone(), memory: Arc::clone(&memory), log: Arc::clone(&log) };
        let claim = opening.database.claim()?;
        let opened = if opening.database.is_elsewhere() { None } else { Some(opening.slots().await?) };
        let projector = tokio::spawn(async move {
            let slots = match opened {
                Some(slots) => slots,
                None => opening.slots_in_the_end().await,
            };
            let fold = Fold::new(log, keyring, slots);
            Projector::new(fold, window, standing, wishes, adoptions).run().await;
        });
        Ok(Self { serving, memory, progress, rebuilds, projector, claim: Mutex::new(claim) })
    }

    fn serving(&self, model: Model) -> Serving {
        self.serving.get(&model).cloned().unwrap_or_default()
    }

    /// Asks about sessions.
    pub fn sessions(&self) -> SessionReader {
        SessionReader::new(self.serving(Model::Sessions), Arc::clone(&self.memory))
    }

    /// Asks about routing, as far as rows are written: [`Progress::wait_for_rows`].
    pub fn routing(&self) -> RoutingReader {
        RoutingReader::new(self.serving(Model::Routing))
    }

    /// Asks about registrations, as far as rows are written: [`Progress::wait_for_rows`].
    pub fn registrations(&self) -> RegistrationReader {
        RegistrationReader::new(self.serving(Model::Registrations))
    }

    /// Asks about MESSAGEs outside calls, as far as rows are written: [`Progress::wait_for_rows`].
    pub fn messages(&self) -> MessageReader {
        MessageReader::new(self.serving(Model::Messages))
    }

    /// Asks how trunks stood, as far as rows are written: [`Progress::wait_for_rows`].
    pub fn uplinks(&self) -> UplinkReader {
        UplinkReader::new(self.serving(Model::Uplinks))
    }

    /// How far the rows are.
    pub const fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Builds a read model anew from the whole log while queries are answered from the old one; it takes its place when it is
    /// as far. Returns at once.
    ///
    /// # Errors
    /// [`RebuildError`].
    pub async fn rebuild(&self, model: Model) -> Result<(), RebuildError> {
        self.rebuilds.begin(model, self.serving(model)).await
    }

    /// Where each read model is.
    pub async fn stands(&self) -> Vec<Stand> {
        let written: BTreeMap<_, _> = self.progress.positions().into_iter().collect();
        let mut stands = Vec::with_capacity(Model::ALL.len());
        for model in Model::ALL {
            let generation = self.serving(model).tables().await.ok().map(|tables| tables.generation());
            let position = written.get(&model).copied().unwrap_or(Position(0));
            stands.push(Stand { model, generation, position, rebuild: self.rebuilds.of(model) });
        }
        stands
    }

    /// Stops following and closes the database. What was not written yet is read from the log again next time.
    pub async fn close(&self) {
        self.stop();
        for serving in self.serving.values() {
            let tables = serving.change().await.take();
            if let Some(tables) = tables {
                tables.close().await;
            }
        }
        drop(self.claim.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn stop(&self) {
        self.rebuilds.stop();
        self.projector.abort();
    }
}

impl Drop for Views {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Read models that are being opened.
struct Opening {
    database: Database,
    serving: BTreeMap<Model, Serving>,
    memory: Arc<Memory>,
    log: Arc<dyn EventLog>,
}

impl Opening {
    async fn slots(&self) -> Result<Vec<Slot>, StoreError> {
        let mut slots = Vec::with_capacity(self.serving.len());
        for (model, serving) in &self.serving {
            let tables = self.database.serving(*model).await?;
            let mut slot = Slot::open(*model, model.projection(&self.memory), tables).await?;
            if !slot.is_of(&*self.log).await? {
                tracing::warn!(%model, "a read model was made from another log than this one: it is built anew");
                let tables = self.database.anew(*model, slot.tables).await?;
                slot = Slot::open(*model, model.projection(&self.memory), tables).await?;
            }
            slot.model.serve();
            *serving.change().await = Some(slot.tables.clone());
            slots.push(slot);
        }
        Ok(slots)
    }

    async fn slots_in_the_end(&self) -> Vec<Slot> {
        loop {
            match self.slots().await {
                Ok(slots) => return slots,
                Err(error) => {
                    tracing::warn!(%error, "the database of the read models is away: calls go on, queries are refused");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }
}
