//! A read model built anew from the first event on, beside the one that serves.

use super::fold::Fold;
use super::slot::Slot;
use super::{Fault, RETRY};
use crate::database::{Database, StoreError};
use crate::model::Model;
use domain::log::{EventLog, Position};
use domain::ports::Keyring;
use std::sync::Arc;
use tokio::time::sleep;

/// So close to the one that serves, the rest is done while that one waits.
const CLOSE: u64 = 1_000;
/// Events of one step: progress is told after each.
const STEP: u64 = 20_000;

/// How far it is to go now.
pub(crate) type Goal<'a> = &'a (dyn Fn() -> Position + Send + Sync);

/// A rebuild under way.
pub(crate) struct Builder {
    pub database: Database,
    pub model: Model,
    fold: Fold,
}

impl Builder {
    /// Begins a generation after the one that serves.
    pub(crate) async fn begin(
        database: Database,
        model: Model,
        serving: u32,
        log: Arc<dyn EventLog>,
        keyring: Arc<dyn Keyring>,
        shown: &Arc<crate::sessions::Memory>,
    ) -> Result<Self, StoreError> {
        let tables = database.next(model, serving).await?;
        let slot = Slot::open(model, model.projection(shown), tables).await?;
        Ok(Self { database, model, fold: Fold::new(log, keyring, vec![slot]) })
    }

    /// Takes in everything but the last few events before the goal, which moves on meanwhile; `told` hears how far it is.
    pub(crate) async fn run(&mut self, goal: Goal<'_>, told: &(dyn Fn(Position) + Send + Sync)) -> Result<(), Fault> {
        loop {
            let left = goal().0.saturating_sub(self.fold.seen.0);
            if left <= CLOSE {
                return Ok(());
            }
            match self.fold.run_to(Position(self.fold.seen.0 + left.min(STEP))).await {
                Ok(()) => told(self.fold.seen),
                Err(Fault::Again(why)) => {
                    tracing::warn!(model = %self.model, why, "a rebuild waits");
                    sleep(RETRY).await;
                }
                Err(stop @ Fault::Stop(_)) => return Err(stop),
            }
        }
    }

    /// Takes in everything up to a position, and nothing after it.
    pub(crate) async fn run_to(&mut self, goal: Position) -> Result<(), Fault> {
        self.fold.run_to(goal).await
    }

    pub(crate) fn into_fold(self) -> Fold {
        self.fold
    }

    /// Gives it up.
    pub(crate) async fn abandon(self) {
        for slot in self.fold.slots {
            let generation = slot.tables.generation();
            slot.tables.close().await;
            if let Err(error) = self.database.remove(self.model, generation).await {
                tracing::warn!(model = %self.model, generation, %error, "what a rebuild had written could not be removed");
            }
        }
    }
}
