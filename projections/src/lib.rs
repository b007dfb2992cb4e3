//! Everything with a table: read models and their queries.
//!
//! A read model is a folder named after the question it answers: its tables (`migrations`), how events become rows
//! (`project.rs`) and what is asked of them (`query.rs`). Questions about one session's or MESSAGE's history need no table:
//! they read its stream.

mod beginning;
mod cursor;
mod database;
pub mod erasures;
pub mod events;
pub mod exports;
pub mod messages;
mod model;
mod names;
mod pages;
mod progress;
mod projector;
mod rebuilds;
pub mod registrations;
pub mod replay;
pub mod routing;
pub mod sessions;
pub mod timelines;
pub mod uplinks;
mod views;

pub use database::{Database, NoPostgresUrl, NoSchemaPrefix, PostgresUrl, SchemaPrefix, StoreError};
pub use model::{Model, NoSuchModel};
pub use progress::{NotThere, Progress, Standing, Stopped};
pub use projector::WINDOW;
pub use rebuilds::{Ended, Rebuild, RebuildError, Stand, rebuild_alone};
pub use views::Views;
