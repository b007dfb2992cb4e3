//! What a foreign stream's metadata stream says about it: from where on it is read, and whether it was deleted.
//!
//! Nothing is ever removed: reads obey what stands here.

use super::Shared;
use super::envelope;
use super::names::Foreign;
use domain::log::{Direction, ReadError, Recorded, Revision};
use domain::time::WallTime;
use serde_json::{Map, Value};
use std::time::Duration;

/// Type of the events that state a stream's metadata.
pub const STATED: &str = "$metadata";
/// Type of the event after which a stream is gone for good.
pub const TOMBSTONE: &str = "$streamDeleted";
/// What is read from here on comes after all that ever will: the stream is deleted, until it is written again.
pub const DELETED: u64 = i64::MAX as u64;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Retention {
    /// The last document as it was stated.
    document: Map<String, Value>,
    /// Whether the stream is gone for good.
    pub tombstone: bool,
    /// Whether the stream says something about another one, of which the last word alone counts.
    last_only: bool,
}

impl Retention {
    /// What holds for a stream now.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn of(shared: &Shared, foreign: &Foreign) -> Result<Self, ReadError> {
        let metadata = foreign.metadata();
        let stated = last(shared, metadata.as_ref().unwrap_or(foreign)).await?;
        let tombstone = stated.as_ref().is_some_and(|event| &*event.kind == TOMBSTONE);
        if foreign.is_metadata() {
            return Ok(Self { document: Map::new(), tombstone, last_only: true });
        }
        let data = stated.and_then(|event| envelope::unwrap(&event)).map(|(_, _, data)| data);
        let document = data.and_then(|data| serde_json::from_slice(&data).ok()).unwrap_or_default();
        Ok(Self { document, tombstone, last_only: false })
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.document.get(name).and_then(Value::as_u64)
    }

    /// Whether the stream was deleted and not written since.
    pub fn is_deleted(&self) -> bool {
        self.number("$tb") == Some(DELETED)
    }

    /// The document with another revision from which on the stream is read.
    pub fn truncated(&self, before: u64) -> Vec<u8> {
        let mut document = self.document.clone();
        document.insert("$tb".into(), before.into());
        serde_json::to_vec(&document).unwrap_or_default()
    }

    /// The first revision that is read of a stream that ends with this one.
    pub fn first(&self, last: u64) -> u64 {
        let most = if self.last_only { Some(1) } else { self.number("$maxCount") };
        let counted = most.map_or(0, |most| (last + 1).saturating_sub(most));
        self.number("$tb").unwrap_or(0).max(counted)
    }

    /// Whether an event is too old to be read.
    pub fn outlived(&self, event: &Recorded, now: WallTime) -> bool {
        self.number("$maxAge").is_some_and(|seconds| now.since(event.at) > Duration::from_secs(seconds))
    }
}

/// A stream's last event.
///
/// # Errors
/// The log cannot be read.
pub async fn last(shared: &Shared, foreign: &Foreign) -> Result<Option<Recorded>, ReadError> {
    let mut events = shared.log.read_stream(&foreign.stream, Revision(u64::MAX), Direction::Backwards, 1).await?;
    Ok(events.pop())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn stated(document: Value) -> Retention {
        Retention { document: document.as_object().cloned().unwrap(), ..Retention::default() }
    }

    #[test]
    fn the_latest_of_all_bounds_holds() {
        assert_eq!(stated(json!({})).first(9), 0);
        assert_eq!(stated(json!({"$maxCount": 3})).first(9), 7);
        assert_eq!(stated(json!({"$maxCount": 3, "$tb": 8})).first(9), 8);
        assert_eq!(stated(json!({"$maxCount": 30, "$tb": 2})).first(9), 2);
        assert_eq!(stated(json!({"$maxCount": -1, "$tb": "x"})).first(9), 0);
    }

    #[test]
    fn of_what_is_said_about_a_stream_the_last_word_counts() {
        assert_eq!(Retention { last_only: true, ..Retention::default() }.first(4), 4);
    }

    #[test]
    fn deletion_keeps_what_else_was_stated() {
        let retention = stated(json!({"$maxCount": 3, "owner": "x"}));
        let deleted: Value = serde_json::from_slice(&retention.truncated(DELETED)).unwrap();
        assert_eq!(deleted, json!({"$maxCount": 3, "owner": "x", "$tb": i64::MAX}));
        assert!(stated(deleted).is_deleted() && !retention.is_deleted());
    }
}
