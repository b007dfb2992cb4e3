//! Which sessions were and are there? One row each, written when it ended; those that live are kept in memory.

mod memory;
mod project;
mod query;
mod row;

pub use crate::cursor::{Cursor, MalformedCursor};
pub use query::{ListQuery, Page, SessionReader};
pub use row::{SessionRow, State};

pub(crate) use memory::Memory;
pub(crate) use project::Sessions;

/// The tables.
pub(crate) static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("src/sessions/migrations");
