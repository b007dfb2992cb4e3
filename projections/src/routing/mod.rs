//! What did calls to this number or by this trunk take, and how did it go? Attempts counted by hour.

mod project;
mod query;

pub use query::{UseQuery, Used, used};

pub(crate) use project::Routing;

/// The tables.
pub(crate) static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("src/routing/migrations");
