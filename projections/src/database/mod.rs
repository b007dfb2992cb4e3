//! Where read models lie: SQLite files in a folder, or schemas of a PostgreSQL database.
//!
//! Each read model has tables of its own, apart from all others, in a *generation*: a file or a schema that is numbered. A
//! rebuild fills the next one, which then takes the place of the one before. Which one serves is written in it.

mod error;
mod generations;
mod pool;
mod postgres;
mod row;
mod schema;
mod serving;
mod sql;
mod sqlite;
mod tables;

pub use error::StoreError;
pub use postgres::{NoPostgresUrl, NoSchemaPrefix, PostgresUrl, SchemaPrefix};

pub(crate) use error::WriteError;
pub(crate) use pool::Transaction;
pub(crate) use row::Row;
pub(crate) use serving::Serving;
pub(crate) use sql::{Sql, Value, id, maybe_id, maybe_number};
pub(crate) use tables::Tables;

use std::fs::File;
use std::path::Path;

/// A database of read models.
#[derive(Debug, Clone)]
pub struct Database(Place);

#[derive(Debug, Clone)]
enum Place {
    Files(sqlite::Folder),
    Schemas(Box<postgres::Server>),
}

impl Database {
    /// Files in the folder `views` of a data folder.
    pub fn files(data: &Path) -> Self {
        Self(Place::Files(sqlite::Folder::new(data)))
    }

    /// Schemas of a PostgreSQL database whose names begin with this; another exchange may have others there.
    pub fn postgres(url: &PostgresUrl, prefix: &SchemaPrefix) -> Self {
        Self(Place::Schemas(Box::new(postgres::Server::new(url, prefix))))
    }

    /// Keeps others on this machine away while the answer is held: who writes must be alone.
    pub(crate) fn claim(&self) -> Result<Option<File>, StoreError> {
        match &self.0 {
            Place::Files(folder) => folder.claim().map(Some),
            // There it is seen when the checkpoint moves.
            Place::Schemas(_) => Ok(None),
        }
    }

    /// Whether it is elsewhere, and may be away when we are not.
    pub(crate) const fn is_elsewhere(&self) -> bool {
        matches!(self.0, Place::Schemas(_))
    }
}
