//! What became of an append whose answer was lost or was no yes: the end of its stream tells.

use super::connection::{Connection, Trouble};
use super::event::same;
use super::read::{end, last, stream_of};
use domain::log::{Append, Direction, Durable, Expected, Life, Revision};

/// What a stream tells of an append.
#[derive(Debug)]
pub enum Found {
    /// It is there, as it was to be written; and how its stream stands since.
    Written(Durable, Life),
    /// The stream is elsewhere.
    Elsewhere(Option<Revision>),
    /// The stream is where the append expects it: it was not written, and may be sent again with the same ids.
    NotThere,
}

/// Reads the stream where the append should be. What is told here of the stream is of this one alone: where the store
/// lets nobody read anything, it is [`Trouble::Away`].
pub async fn resolve(connection: &Connection, append: &Append) -> Result<Found, Trouble> {
    match look(connection, append).await {
        Err(Trouble::Refused(why)) => match end(connection).await {
            Ok(_) => Err(Trouble::Refused(why)),
            Err(_) => Err(Trouble::Away(why)),
        },
        found => found,
    }
}

async fn look(connection: &Connection, append: &Append) -> Result<Found, Trouble> {
    let first = append.expected.next();
    let count = append.events.len();
    // One more than was written: it says whether the stream went on.
    let stored = stream_of(connection, &append.stream, first.0, Direction::Forwards, count + 1).await?;
    let whole =
        stored.len() >= count && stored.iter().zip(&append.events).all(|(event, draft)| same(append, draft, event));
    if let Some(event) = count.checked_sub(1).and_then(|at| stored.get(at)).filter(|_| whole) {
        let durable = Durable::after_commit(append.stream.clone(), event.revision, event.position);
        let since = if stored.len() > count { last(connection, &append.stream).await? } else { None };
        return Ok(Found::Written(durable, since.map_or(append.life, |event| event.life)));
    }
    let last = last(connection, &append.stream).await?.map(|event| event.revision);
    if last.map_or(Expected::NoStream, Expected::Exactly) == append.expected {
        return Ok(Found::NotThere);
    }
    Ok(Found::Elsewhere(last))
}
