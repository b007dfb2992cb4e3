//! Which sessions were and are there? One row each.

mod project;
mod query;

pub use query::{Cursor, ListQuery, Page, SessionRow, State, find, list};

pub(crate) use project::Sessions;

/// The tables.
pub(crate) static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("src/sessions/migrations");
