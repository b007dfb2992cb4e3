//! Which bindings had an address of record at an instant? Its stream may be long: the place is found by halving, and read
//! backwards to the last summary before it.

use crate::timelines::TimelineError;
use domain::codec::registration::decode;
use domain::ids::RegistrationId;
use domain::log::{Direction, EventLog, Position, ReadError, Revision, StreamName};
use domain::ports::Keyring;
use domain::registration::{Registration, read_tail};
use domain::time::WallTime;

/// An address of record at an instant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BindingsAt {
    /// Its bindings, expired ones that were not removed yet among them.
    pub state: Registration,
    /// Position of the last event that had happened.
    pub position: Position,
}

/// The bindings of an address of record at an instant. Times are taken to
/// rise along the stream: where a clock was set back, an instant in between is answered by one of its two places.
pub async fn bindings_at(
    log: &dyn EventLog,
    keyring: &dyn Keyring,
    registration: RegistrationId,
    at: WallTime,
) -> Result<BindingsAt, TimelineError> {
    let stream = StreamName::new("registration", registration.uuid());
    let mut found = BindingsAt::default();
    let Some(last) = last_before(log, &stream, at).await? else { return Ok(found) };
    for recorded in read_tail(log, &stream, last).await? {
        let event = decode(&recorded, keyring);
        let event = event.map_err(|source| TimelineError::Decode { at: recorded.position, source })?;
        found.state.apply(recorded.at, &event);
        found.position = recorded.position;
    }
    Ok(found)
}

/// The last event that had happened.
async fn last_before(log: &dyn EventLog, stream: &StreamName, at: WallTime) -> Result<Option<Revision>, ReadError> {
    let newest = log.read_stream(stream, Revision(u64::MAX), Direction::Backwards, 1).await?;
    let Some(newest) = newest.first() else { return Ok(None) };
    // Before `low` everything had happened, from `high` on nothing.
    let (mut low, mut high) = (0, newest.revision.0 + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let found = log.read_stream(stream, Revision(middle), Direction::Forwards, 1).await?;
        match found.first().is_some_and(|event| event.at <= at) {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    Ok(low.checked_sub(1).map(Revision))
}
