//! The engine of the read models: follows the log once for all of them, folds events in memory, and writes rows and
//! checkpoint in one SQL transaction, each read model at its own pace.

mod adopt;
mod fold;
mod history;
mod live;
mod rebuild;
mod slot;

pub(crate) use adopt::Adopt;
pub(crate) use fold::Fold;
pub(crate) use live::Projector;
pub(crate) use rebuild::Builder;
pub(crate) use slot::Slot;

use crate::database::{Transaction, WriteError};
use crate::erasures::Erased;
use crate::progress::Stopped;
use domain::codec::DecodeError;
use domain::ids::SessionId;
use domain::log::{PortFuture, ReadError, Recorded};
use domain::ports::Keyring;
use domain::session::event::SessionEvent;
use std::time::Duration;

/// How long events are gathered before they are taken in together.
pub const WINDOW: Duration = Duration::from_millis(250);
/// Events taken in before it is seen whether a write is due, however fast they come.
const MOST_EVENTS: usize = 20_000;
/// Pause before the log or the database is tried again.
pub(crate) const RETRY: Duration = Duration::from_secs(1);

/// The category of sessions' streams.
pub(crate) const SESSIONS: &str = "session";

/// An event of a session as a read model sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub session: SessionId,
    pub recorded: &'a Recorded,
    pub event: &'a SessionEvent,
}

/// A session's stream does not begin as every session does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoBeginning;

/// A read model: events into memory, memory into rows.
pub(crate) trait Projection: Send + Sync {
    /// The only types it is shown; nothing else is even parsed for it.
    fn kinds(&self) -> &'static [&'static str];
    /// Time between two writes: rows and checkpoint, also when nothing but the checkpoint moved.
    fn cadence(&self) -> Duration;
    fn knows(&self, session: SessionId) -> bool;
    /// Takes in an event; with `counted` its rows and counters have it already, and only what later events build
    /// on is to be remembered.
    fn apply(&mut self, seen: Seen<'_>, counted: bool) -> Result<(), NoBeginning>;
    /// The category of the streams that it is about.
    fn category(&self) -> &'static str {
        SESSIONS
    }
    /// Takes in an event of another category than `session`, which it reads by itself.
    fn take(&mut self, _recorded: &Recorded, _keyring: &dyn Keyring) -> Result<(), DecodeError> {
        Ok(())
    }
    /// Whether there is something to write.
    fn pending(&self) -> bool;
    /// Writes what changed. Called again with the same content when the transaction failed.
    fn write<'a>(&'a self, sql: &'a mut Transaction) -> PortFuture<'a, Result<(), sqlx::Error>>;
    /// Masks what its rows hold of whom was erased; comes after [`Projection::write`], in the same transaction.
    fn mask<'a>(&'a self, _erased: &'a Erased, _sql: &'a mut Transaction) -> PortFuture<'a, Result<(), sqlx::Error>> {
        Box::pin(async { Ok(()) })
    }
    /// The write is committed.
    fn written(&mut self);
    /// Queries are answered from it from here on: what it has in memory for them is to be put where they look.
    fn serve(&mut self) {}
}

/// What ends one pass over the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// Trying again may help.
    #[error("{0}")]
    Again(String),
    /// It stays as it is until someone acts.
    #[error("event {}: {}", .0.at, .0.why)]
    Stop(Stopped),
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(why) => Self::Again(why),
            ReadError::Damaged { position, what } => Self::Stop(Stopped { at: position, why: what }),
        }
    }
}

impl From<WriteError> for Fault {
    fn from(error: WriteError) -> Self {
        Self::Again(error.to_string())
    }
}
