//! Which MESSAGEs were there outside calls, and what became of each? One row each; its history comes from its stream.

mod known;
mod project;
mod query;
mod row;
mod story;
mod words;

pub use crate::cursor::{Cursor, MalformedCursor};
pub use query::{ListQuery, MessageReader, Page};
pub use row::{MessageRow, State};
pub use story::{MOST_EVENTS, Story, TargetLine, story};

pub(crate) use project::Messages;

/// The tables.
pub(crate) static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("src/messages/migrations");
