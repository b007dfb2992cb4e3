//! What became of an append whose answer was lost or was no yes: the end of its stream tells.

use super::connection::{Connection, Trouble};
use super::event::same;
use super::read::{last, stream_of};
use domain::log::{Append, Direction, Durable, Expected, Revision};

/// What a stream tells of an append.
#[derive(Debug)]
pub enum Found {
    /// It is there, as it was to be written.
    Written(Durable),
    /// The stream is elsewhere.
    Elsewhere(Option<Revision>),
    /// The stream is where the append expects it: it was not written, and may be sent again with the same ids.
    NotThere,
}

/// Reads the stream where the append should be.
pub async fn resolve(connection: &Connection, append: &Append) -> Result<Found, Trouble> {
    let first = append.expected.next();
    let count = append.events.len();
    let stored = stream_of(connection, &append.stream, first.0, Direction::Forwards, count).await?;
    let whole =
        stored.len() == count && stored.iter().zip(&append.events).all(|(event, draft)| same(append, draft, event));
    if let Some(event) = stored.last().filter(|_| whole) {
        return Ok(Found::Written(Durable::after_commit(append.stream.clone(), event.revision, event.position)));
    }
    let last = last(connection, &append.stream).await?.map(|event| event.revision);
    if last.map_or(Expected::NoStream, Expected::Exactly) == append.expected {
        return Ok(Found::NotThere);
    }
    Ok(Found::Elsewhere(last))
}
