//! What did calls to this number or by this trunk take, and how did it go? Attempts counted by hour.

mod project;
mod query;

pub use query::{RoutingReader, UseQuery, Used};

pub(crate) use project::Routing;

/// The tables.
pub(crate) static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("src/routing/migrations");
