//! How registrations are read: from the end of their stream back to the last summary.

use super::{BindingsStated, STATE_EVERY};
use crate::log::{Direction, EventLog, Part, ReadError, Recorded, Revision, StreamName};

/// Events a reading: most streams have no more since their last summary.
const PAGE: usize = STATE_EVERY + 20;

/// What a start reads of each registration's stream, for [`since_stated`].
pub const TAIL: Part = Part { from: Revision(u64::MAX), direction: Direction::Backwards, limit: PAGE };

/// The events of a registration's stream from its last summary on, up to `last` or the end before it, oldest first; all
/// of them where it has no summary.
///
/// # Errors
/// The log cannot be read.
pub async fn read_tail(log: &dyn EventLog, stream: &StreamName, last: Revision) -> Result<Vec<Recorded>, ReadError> {
    let mut tail: Vec<Recorded> = Vec::new();
    let mut from = Some(last);
    while let Some(at) = from {
        let page = log.read_stream(stream, at, Direction::Backwards, PAGE).await?;
        let (page, before) = cut(page);
        from = before;
        tail.extend(page);
    }
    tail.reverse();
    Ok(tail)
}

/// The same from a page of the newest events, newest first; none where it does not reach as far back.
pub fn since_stated(page: Vec<Recorded>) -> Option<Vec<Recorded>> {
    let (mut tail, before) = cut(page);
    tail.reverse();
    before.is_none().then_some(tail)
}

/// A page as far as its summary, and from where on backwards there is more to read.
fn cut(mut page: Vec<Recorded>) -> (Vec<Recorded>, Option<Revision>) {
    let summary = page.iter().position(|event| *event.kind == *BindingsStated::KIND);
    page.truncate(summary.map_or(page.len(), |at| at + 1));
    let before = page.last().and_then(|event| event.revision.0.checked_sub(1));
    (page, before.filter(|_| summary.is_none()).map(Revision))
}
