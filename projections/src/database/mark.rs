//! By what rows know the log again that they were made from.

use domain::log::{Direction, EventHash, EventLog, ReadError, Recorded, Revision, StreamName};

/// The last event that rows were made of. Positions and ids count up alike in every log; a hash does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub stream: StreamName,
    pub revision: Revision,
    pub hash: EventHash,
}

impl Mark {
    pub(crate) fn of(recorded: &Recorded) -> Self {
        Self { stream: recorded.stream.clone(), revision: recorded.revision, hash: recorded.hash() }
    }

    /// Whether this log holds it.
    pub(crate) async fn is_in(&self, log: &dyn EventLog) -> Result<bool, ReadError> {
        let found = log.read_stream(&self.stream, self.revision, Direction::Forwards, 1).await?;
        Ok(found.first().is_some_and(|event| Self::of(event) == *self))
    }
}
