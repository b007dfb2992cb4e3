//! What a number's or a user's stream comes to, as bytes: all of its events, as they are in the log, where they are few.

use super::inner::Recall;
use super::load::recall;
use crate::kept::{Derive, Derived};
use domain::credential::Credential;
use domain::decider::Aggregate;
use domain::ids::EventId;
use domain::log::{
    Direction, EventHash, EventLog, Part, PortFuture, Position, ReadError, Recorded, Revision, StreamName,
};
use domain::number::Number;
use domain::routing::{Provisioned, ProvisioningEvent};
use domain::time::WallTime;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Categories of which there may be many streams.
pub(super) const CATEGORIES: [&str; 2] = [Number::CATEGORY, Credential::CATEGORY];
/// Streams with more events are read from the log.
const MOST: usize = 8;

/// An event, and the hash that its successor carries.
#[derive(Serialize, Deserialize)]
struct Kept<'k> {
    revision: u64,
    position: u64,
    at: WallTime,
    id: EventId,
    hash: EventHash,
    #[serde(borrow)]
    kind: Cow<'k, str>,
    version: u16,
    #[serde(borrow)]
    data: &'k RawValue,
}

/// The events of a whole stream as bytes; none where they are many, or break its chain.
fn keep(stream: &StreamName, page: &[Recorded]) -> Option<Vec<u8>> {
    if page.is_empty() || page.len() >= MOST {
        return None;
    }
    let recalls = recall(stream, page.to_vec(), EventHash::NONE).ok()?;
    if recalls.len() != page.len() {
        return None;
    }
    let kept: Option<Vec<Kept<'_>>> =
        page.iter().zip(&recalls).map(|(recorded, recall)| kept_of(recorded, recall)).collect();
    serde_json::to_vec(&kept?).ok()
}

fn kept_of<'r>(recorded: &'r Recorded, recall: &Recall) -> Option<Kept<'r>> {
    Some(Kept {
        revision: recorded.revision.0,
        position: recorded.position.0,
        at: recorded.at,
        id: recorded.id,
        hash: recall.hash,
        kind: Cow::Borrowed(&recorded.kind),
        version: recorded.version,
        data: serde_json::from_slice(&recorded.data).ok()?,
    })
}

/// What the bytes say; none where they are not such.
pub(super) fn kept(stream: &StreamName, bytes: &[u8]) -> Option<Vec<Recall>> {
    let all: Vec<Kept<'_>> = serde_json::from_slice(bytes).ok()?;
    let recall = |Kept { revision, position, at, id, hash, kind, version, data }: Kept<'_>| {
        let event = ProvisioningEvent::decode(stream.category(), &kind, version, data.get().as_bytes()).ok()??;
        let event = Provisioned { position: Position(position), revision: Revision(revision), at, event };
        Some(Recall { event, id, hash })
    };
    all.into_iter().map(recall).collect()
}

/// Reads numbers and users for what is kept of them.
pub struct Numbers {
    /// The log.
    pub log: Arc<dyn EventLog>,
}

impl Derive for Numbers {
    fn categories(&self) -> &'static [&'static str] {
        &CATEGORIES
    }

    fn derive(&self, streams: Vec<StreamName>, out: mpsc::Sender<Derived>) -> PortFuture<'_, Result<(), ReadError>> {
        Box::pin(async move {
            let part = Part { from: Revision(0), direction: Direction::Forwards, limit: MOST };
            let mut reading = self.log.read_together(streams, part);
            loop {
                let together = reading.next().await?;
                if together.is_empty() {
                    return Ok(());
                }
                let derived = together.into_iter().filter_map(|(stream, page)| {
                    let bytes = keep(&stream, &page)?;
                    Some((stream, bytes))
                });
                // Who asked may have gone.
                let _ = out.send(derived.collect()).await;
            }
        })
    }
}
