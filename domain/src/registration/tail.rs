//! How registrations are read: from the end of their stream as far back as is needed to know all bindings.

use super::STATE_EVERY;
use crate::codec::registration::decode_clear;
use crate::log::{Direction, EventLog, Part, ReadError, Recorded, Revision, StreamName};

/// Events a reading: a stream whose user has several devices has no more since its last summary.
const PAGE: usize = STATE_EVERY + 20;

/// What a start reads of each registration's stream first: what a REGISTER made of the bindings, and its answer. Of users with
/// one device that is all that is needed.
pub const LAST_TURN: Part = Part { from: Revision(u64::MAX), direction: Direction::Backwards, limit: 2 };

/// What it reads of the others.
pub const TAIL: Part = Part { from: Revision(u64::MAX), direction: Direction::Backwards, limit: PAGE };

/// The newest events of a registration's stream, up to `last` or the end before it, oldest first: at least from the last
/// one on that tells all bindings, all of them where none does.
///
/// # Errors
/// The log cannot be read.
pub async fn read_tail(log: &dyn EventLog, stream: &StreamName, last: Revision) -> Result<Vec<Recorded>, ReadError> {
    let mut tail: Vec<Recorded> = Vec::new();
    let mut from = Some(last);
    while let Some(at) = from {
        let page = log.read_stream(stream, at, Direction::Backwards, PAGE).await?;
        let before = page.last().and_then(|oldest| oldest.revision.0.checked_sub(1)).map(Revision);
        from = before.filter(|_| !page.iter().any(tells_all));
        tail.extend(page);
    }
    tail.reverse();
    Ok(tail)
}

/// An event that cannot be read is for whoever takes the stream up to tell of.
fn tells_all(event: &Recorded) -> bool {
    let may = matches!(&*event.kind, "BindingsStated" | "BindingAdded" | "BindingRefreshed");
    may && decode_clear(event).is_ok_and(|event| event.tells_all())
}
