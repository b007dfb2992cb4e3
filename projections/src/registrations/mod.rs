//! Who is registered, and who was? One row for each binding, now and before, and one for each thing that happened to it.

mod project;
mod query;
mod row;
mod write;

pub use query::{HistoryPage, HistoryQuery, ListQuery, Page, RegistrationReader};
pub use row::{BindingRow, Happening, HistoryRow};

pub(crate) use project::Registrations;

/// The tables.
pub(crate) static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("src/registrations/migrations");
