//! Events that are not ours: how they lie in the log, and how any event looks to a client.

use super::names::{FOREIGN, wire_name};
use crate::metadata::Metadata;
use crate::wire::{StreamIdentifier, TICKS_PER_MICRO, streams, write_uuid};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use domain::log::Recorded;
use domain::time::WallTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tonic::Status;

/// Version of the shape of what is not ours: no event of ours has it.
pub const VERSION: u16 = 0;

/// The content type of events of ours.
const JSON: &str = "application/json";

/// An event as a client proposes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    /// Identity.
    pub id: uuid::Uuid,
    /// Type name.
    pub kind: Arc<str>,
    /// What its data is.
    pub content_type: ContentType,
    /// What its writer says beside.
    pub metadata: Bytes,
    /// The event.
    pub data: Bytes,
}

/// What an event's data is said to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContentType {
    /// As all events of ours are.
    Json,
    /// Anything else.
    Other(String),
}

impl From<&str> for ContentType {
    fn from(text: &str) -> Self {
        if text == JSON { Self::Json } else { Self::Other(text.to_owned()) }
    }
}

impl ContentType {
    /// As the protocol says it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Json => JSON,
            Self::Other(text) => text,
        }
    }
}

/// A foreign event's data as the log holds it: JSON, whatever it is.
#[derive(Serialize, Deserialize)]
struct Envelope {
    content_type: String,
    metadata: String,
    data: String,
}

/// What the log keeps of a foreign event.
pub fn wrap(event: &Proposed) -> Bytes {
    let envelope = Envelope {
        content_type: event.content_type.as_str().to_owned(),
        metadata: STANDARD_NO_PAD.encode(&event.metadata),
        data: STANDARD_NO_PAD.encode(&event.data),
    };
    serde_json::to_vec(&envelope).unwrap_or_default().into()
}

/// Content type, metadata and data of a foreign event.
pub fn unwrap(recorded: &Recorded) -> Option<(String, Bytes, Bytes)> {
    let envelope: Envelope = serde_json::from_slice(&recorded.data).ok()?;
    let open = |text: &str| STANDARD_NO_PAD.decode(text).ok().map(Bytes::from);
    Some((envelope.content_type, open(&envelope.metadata)?, open(&envelope.data)?))
}

/// The machine's clock: it says when a stranger's event came, and when somebody caught up.
pub fn now() -> WallTime {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime::from_micros(i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX))
}

/// An event as a client reads it. Its position stands for commit and prepare alike.
///
/// # Errors
/// What is stored is not what was written.
pub fn read_event(recorded: &Recorded, structured: bool) -> Result<streams::ReadResp, Status> {
    let (content_type, custom_metadata, data) = if recorded.stream.category() == FOREIGN {
        unwrap(recorded).ok_or_else(|| Status::data_loss(format!("the event at {} is damaged", recorded.position)))?
    } else {
        (JSON.to_owned(), metadata_of(recorded).write().into(), recorded.data.clone())
    };
    // Clients read ticks as a number without a sign.
    let created = recorded.at.micros().max(0).saturating_mul(TICKS_PER_MICRO);
    let metadata = BTreeMap::from([
        ("type".to_owned(), recorded.kind.to_string()),
        ("content-type".to_owned(), content_type),
        ("created".to_owned(), created.to_string()),
    ]);
    let position = recorded.position.0;
    let event = streams::read_resp::read_event::RecordedEvent {
        id: Some(write_uuid(recorded.id.uuid(), structured)),
        stream_identifier: Some(identifier(&wire_name(&recorded.stream))),
        stream_revision: recorded.revision.0,
        prepare_position: position,
        commit_position: position,
        metadata,
        custom_metadata,
        data,
    };
    let event = streams::read_resp::ReadEvent {
        event: Some(event),
        link: None,
        position: Some(streams::read_resp::read_event::Position::CommitPosition(position)),
    };
    Ok(answer(streams::read_resp::Content::Event(event)))
}

/// One message of a read's answer.
pub const fn answer(content: streams::read_resp::Content) -> streams::ReadResp {
    streams::ReadResp { content: Some(content) }
}

/// A stream's name as the protocol carries it.
pub fn identifier(name: &str) -> StreamIdentifier {
    StreamIdentifier { stream_name: Bytes::copy_from_slice(name.as_bytes()) }
}

const fn metadata_of(recorded: &Recorded) -> Metadata {
    Metadata {
        correlation: recorded.correlation,
        cause: recorded.cause,
        version: recorded.version,
        node: recorded.node,
        at: recorded.at,
        previous: recorded.previous,
        life: recorded.life,
    }
}
