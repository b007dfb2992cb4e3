//! Which generations of a read model there are, and which of them serves.

use super::{Database, Place, StoreError, Tables};
use crate::model::Model;

impl Database {
    /// The generation that serves, made where there is none. What is left of others is removed.
    pub(crate) async fn serving(&self, model: Model) -> Result<Tables, StoreError> {
        let mut generations = self.generations(model).await?;
        generations.sort_unstable_by(|one, other| other.cmp(one));
        let next = generations.first().map_or(1, |newest| newest + 1);
        let mut serving = None;
        for generation in generations {
            if serving.is_none() {
                serving = self.useful(model, generation).await?;
                if serving.is_some() {
                    continue;
                }
            }
            self.remove(model, generation).await?;
        }
        match serving {
            Some(tables) => Ok(tables),
            None => {
                let tables = self.open(model, next).await?;
                tables.serve().await?;
                Ok(tables)
            }
        }
    }

    /// A generation, if it serves and this build can use it.
    async fn useful(&self, model: Model, generation: u32) -> Result<Option<Tables>, StoreError> {
        let tables = match self.open(model, generation).await {
            Ok(tables) => tables,
            Err(error) if error.is_useless() => return Ok(useless(model, &error)),
            Err(error) => return Err(error),
        };
        match tables.serves().await {
            Ok(true) => return Ok(Some(tables)),
            // A rebuild that came to no end.
            Ok(false) => {}
            Err(error) if error.is_useless() => drop(useless(model, &error)),
            Err(error) => return Err(error),
        }
        tables.close().await;
        Ok(None)
    }

    /// Empty tables in the place of some that serve, which go.
    pub(crate) async fn anew(&self, model: Model, old: Tables) -> Result<Tables, StoreError> {
        let generation = old.generation();
        old.close().await;
        let tables = self.next(model, generation).await?;
        tables.serve().await?;
        self.remove(model, generation).await?;
        Ok(tables)
    }

    /// The generation after that one, empty.
    pub(crate) async fn next(&self, model: Model, serving: u32) -> Result<Tables, StoreError> {
        let next = serving + 1;
        self.remove(model, next).await?;
        self.open(model, next).await
    }

    async fn open(&self, model: Model, generation: u32) -> Result<Tables, StoreError> {
        let tables = match &self.0 {
            Place::Files(folder) => folder.open(model.name(), generation).await?,
            Place::Schemas(server) => server.open(model.name(), generation).await?,
        };
        if let Err(error) = tables.prepare(model.migrations()).await {
            tables.close().await;
            return Err(error);
        }
        Ok(tables)
    }

    /// Removes a generation; nobody may have it open.
    pub(crate) async fn remove(&self, model: Model, generation: u32) -> Result<(), StoreError> {
        match &self.0 {
            Place::Files(folder) => folder.remove(model.name(), generation),
            Place::Schemas(server) => server.remove(model.name(), generation).await,
        }
    }

    async fn generations(&self, model: Model) -> Result<Vec<u32>, StoreError> {
        match &self.0 {
            Place::Files(folder) => folder.generations(model.name()),
            Place::Schemas(server) => server.generations(model.name()).await,
        }
    }
}

fn useless(model: Model, error: &StoreError) -> Option<Tables> {
    tracing::warn!(%model, %error, "a read model cannot be used as it is: it is built anew from the log");
    None
}
