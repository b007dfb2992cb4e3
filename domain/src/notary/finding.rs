//! What a verification can find.

use crate::log::{Position, ReadError, Recorded, Revision, StreamName};
use serde::Serialize;

/// What is wrong with an event, or with what proves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wrong {
    /// The event is not what was written.
    Altered,
    /// An event was there and is not any more.
    Missing,
    /// Events are there in another order.
    Reordered,
    /// An event was put in between.
    Added,
    /// What is stored is not even an event any more.
    Unreadable,
    /// The log ends before it did.
    Truncated,
    /// A root's signature is not its key's, or it is no root.
    RootForged,
    /// A root is signed with a key that is not trusted.
    RootForeign,
    /// A root does not follow the one before it.
    RootBroken,
    /// Roots of the log and exported ones are not the same.
    ExportDiffers,
}

/// One thing that is wrong. Where a stream or revision is not known it is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub wrong: Wrong,
    /// Where in the log: of the event, or of the first one after what is missing.
    pub position: Position,
    /// The stream.
    pub stream: Option<StreamName>,
    /// Place in the stream.
    pub revision: Option<Revision>,
    /// What is wrong, for a reader.
    pub what: String,
}

impl Finding {
    /// Of a place in the log.
    pub fn at(wrong: Wrong, position: Position, what: impl Into<String>) -> Self {
        Self { wrong, position, stream: None, revision: None, what: what.into() }
    }

    /// Of an event.
    pub fn of(wrong: Wrong, event: &Recorded, what: impl Into<String>) -> Self {
        let (stream, revision) = (Some(event.stream.clone()), Some(event.revision));
        Self { wrong, position: event.position, stream, revision, what: what.into() }
    }

    /// Of a place that a reader stopped at; an error that says nothing about the log is given back.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`].
    pub fn met(error: ReadError) -> Result<Self, ReadError> {
        match error {
            ReadError::Damaged { position, what } => Ok(Self::at(Wrong::Unreadable, position, what)),
            ReadError::Unavailable(_) => Err(error),
        }
    }
}
