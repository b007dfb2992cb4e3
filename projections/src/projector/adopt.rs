//! A read model that was built anew takes the place of the one that serves.

use super::fold::Fold;
use crate::database::{Database, Serving, Tables};
use crate::model::Model;
use tokio::sync::oneshot;

/// A read model that is as far as the one that serves, or almost.
pub(crate) struct Adopt {
    /// With that read model alone.
    pub built: Fold,
    pub serving: Serving,
    pub database: Database,
    pub done: oneshot::Sender<Result<(), String>>,
}

impl Adopt {
    /// Takes it to where the others are, exactly, then lets queries see it. They wait no longer than those take that run.
    pub(super) async fn take_place(mut self, others: &mut Fold) {
        let result = self.replace(others).await;
        // Whoever asked for it may have gone.
        let _ = self.done.send(result);
    }

    async fn replace(&mut self, others: &mut Fold) -> Result<(), String> {
        self.built.run_to(others.seen).await.map_err(|fault| fault.to_string())?;
        let Some(mut new) = self.built.slots.pop() else { return Ok(()) };
        let Some(place) = others.slots.iter_mut().find(|slot| slot.name == new.name) else { return Ok(()) };
        new.tables.serve().await.map_err(|error| error.to_string())?;
        let mut serving = self.serving.change().await;
        new.model.serve();
        *serving = Some(new.tables.clone());
        let old = std::mem::replace(place, new);
        drop(serving);
        let retiring = retire(self.database.clone(), old.name, old.tables);
        if self.database.is_elsewhere() {
            tokio::spawn(retiring);
        } else {
            // Nobody is told of a later erasure while the old files hold in clear what it is about.
            retiring.await;
        }
        Ok(())
    }
}

/// Removes tables that serve no more.
async fn retire(database: Database, model: Model, tables: Tables) {
    let generation = tables.generation();
    tables.close().await;
    if let Err(error) = database.remove(model, generation).await {
        // The next start tries again.
        tracing::warn!(%model, generation, %error, "the tables before the rebuild could not be removed");
    }
}
