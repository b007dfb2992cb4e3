//! How registrations are read: from the end of their stream back to the last summary.

use super::{BindingsStated, STATE_EVERY};
use crate::log::{Direction, EventLog, ReadError, Recorded, Revision, StreamName};

/// Events a reading: most streams have no more since their last summary.
const PAGE: usize = STATE_EVERY + 20;

/// The events of a registration's stream from its last summary on, up to `last` or the end before it, oldest first; all
/// of them where it has no summary.
///
/// # Errors
/// The log cannot be read.
pub async fn read_tail(log: &dyn EventLog, stream: &StreamName, last: Revision) -> Result<Vec<Recorded>, ReadError> {
    let mut tail: Vec<Recorded> = Vec::new();
    let mut from = Some(last);
    while let Some(at) = from {
        let mut page = log.read_stream(stream, at, Direction::Backwards, PAGE).await?;
        let summary = page.iter().position(|event| *event.kind == *BindingsStated::KIND);
        page.truncate(summary.map_or(page.len(), |at| at + 1));
        let first = page.last().and_then(|event| event.revision.0.checked_sub(1));
        from = first.filter(|_| summary.is_none()).map(Revision);
        tail.extend(page);
    }
    tail.reverse();
    Ok(tail)
}
