//! By what is kept beside a log tells that log from another.

use super::{Direction, EventHash, EventLog, ReadError, Recorded, Revision, StreamName};

/// An event by which a log is known again. Positions and ids count up alike in every log; a hash does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Its stream.
    pub stream: StreamName,
    /// Its place there.
    pub revision: Revision,
    /// Its hash.
    pub hash: EventHash,
}

impl Mark {
    /// The mark that is this event.
    pub fn of(recorded: &Recorded) -> Self {
        Self { stream: recorded.stream.clone(), revision: recorded.revision, hash: recorded.hash() }
    }

    /// Whether this log holds it.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn is_in(&self, log: &dyn EventLog) -> Result<bool, ReadError> {
        let found = log.read_stream(&self.stream, self.revision, Direction::Forwards, 1).await?;
        Ok(found.first().is_some_and(|event| Self::of(event) == *self))
    }
}
