//! Events of ours as the store has them, and back.

use crate::metadata::Metadata;
use domain::ids::EventId;
use domain::log::{Append, Draft, Position, Recorded, Revision, StreamName};
use kurrentdb::EventData;
use serde_json::value::RawValue;

/// A draft as the store takes it.
pub fn data_of(append: &Append, draft: &Draft) -> EventData {
    let metadata = Metadata {
        correlation: append.correlation,
        cause: draft.cause,
        version: draft.version,
        node: append.node,
        at: draft.at,
        previous: draft.previous,
        life: append.life,
    };
    // JSON is said to be JSON, for the store's own tools; whatever is not goes as bytes, so that nothing is changed.
    let json = serde_json::from_slice::<&RawValue>(&draft.data).ok().filter(|raw| raw.get().len() == draft.data.len());
    let event = json.and_then(|raw| EventData::json(&*draft.kind, &raw).ok());
    let event = event.unwrap_or_else(|| EventData::binary(&*draft.kind, draft.data.clone()));
    event.id(draft.id.uuid()).metadata(metadata.write().into())
}

/// An event of the store, where it is one of ours.
pub fn recorded(event: &kurrentdb::RecordedEvent) -> Option<Recorded> {
    let metadata = Metadata::read(&event.custom_metadata)?;
    // The crate does not look whether it is UTF-8.
    let stream = StreamName::parse(std::str::from_utf8(event.stream_id().as_bytes()).ok()?)?;
    Some(Recorded {
        position: position_of(event),
        stream,
        revision: Revision(event.revision),
        id: EventId::from_uuid(event.id),
        kind: event.event_type.as_str().into(),
        version: metadata.version,
        at: metadata.at,
        correlation: metadata.correlation,
        cause: metadata.cause,
        node: metadata.node,
        previous: metadata.previous,
        life: metadata.life,
        data: event.data.clone(),
    })
}

/// Where an event stands in the store. Prepare and commit are the same for all that is written without a transaction of
/// several calls, which since version 20 is everything.
pub const fn position_of(event: &kurrentdb::RecordedEvent) -> Position {
    Position(event.position.commit)
}

/// Whether what is stored is what was to be written.
pub fn same(append: &Append, draft: &Draft, stored: &Recorded) -> bool {
    let identity = (stored.id, &*stored.kind, stored.version) == (draft.id, draft.kind.as_str(), draft.version);
    let said = (stored.at, stored.cause, stored.previous) == (draft.at, draft.cause, draft.previous);
    let whole = (stored.correlation, stored.node, stored.life) == (append.correlation, append.node, append.life);
    identity && said && whole && stored.data == draft.data
}
