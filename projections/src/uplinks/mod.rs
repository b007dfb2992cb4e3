//! How did this trunk stand, and why? One row for each thing that happened to our registration there and to its health.

mod project;
mod query;
mod row;

pub use query::{HistoryPage, HistoryQuery, UplinkReader};
pub use row::{Happening, HistoryRow, Told};

pub(crate) use project::Uplinks;

/// The tables.
pub(crate) static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("src/uplinks/migrations");
