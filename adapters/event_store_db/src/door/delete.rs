//! Deletion of foreign streams: until they are written again, or for good. Either is an event about the stream.

use super::Shared;
use super::append::Written;
use super::foreign::{meets, note, state, to_its_end};
use super::names::{Foreign, Place, place};
use super::retention::{self, DELETED, Retention, TOMBSTONE};
use super::status::{Expectation, Refusal};
use bytes::Bytes;
use std::sync::Arc;

/// How a stream is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// Until it is written again; its numbering goes on.
    Soft,
    /// For good.
    Tombstone,
}

/// Deletes a stream.
///
/// # Errors
/// It is ours, or not as expected, or gone already, or the log cannot do it.
pub async fn delete(
    shared: &Arc<Shared>,
    stream: &[u8],
    expected: Expectation,
    deletion: Deletion,
) -> Result<Written, Refusal> {
    let Place::Foreign(foreign) = place(stream)? else {
        return Err(Refusal::Denied("the exchange's own streams are not deleted"));
    };
    let shared = Arc::clone(shared);
    to_its_end(async move { delete_alone(&shared, &foreign, expected, deletion).await }).await
}

async fn delete_alone(
    shared: &Shared,
    foreign: &Foreign,
    expected: Expectation,
    deletion: Deletion,
) -> Result<Written, Refusal> {
    let _alone = shared.lock(foreign.base()).lock().await;
    let retention = Retention::of(shared, foreign).await?;
    if retention.tombstone {
        return Err(Refusal::Deleted);
    }
    let last = retention::last(shared, foreign).await?;
    if !meets(expected, last.as_ref(), retention.is_deleted()) {
        let actual = last.filter(|_| !retention.is_deleted()).map(|event| event.revision.0);
        return Err(Refusal::WrongVersion { expected, actual });
    }
    match deletion {
        Deletion::Soft => state(shared, foreign, retention.truncated(DELETED)).await,
        Deletion::Tombstone => note(shared, foreign, TOMBSTONE, Bytes::from_static(b"{}")).await,
    }
}
