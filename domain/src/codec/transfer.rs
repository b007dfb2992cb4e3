//! Transfer events to and from the log. Nothing in them is personal, so nothing is sealed.

use super::part::{DecodeError, Encoded};
use crate::log::Recorded;
use crate::transfer::TransferEvent;

/// Every type name with the version of the shape that this build writes.
pub const VERSIONS: &[(&str, u16)] = &[("TransferBegun", 1), ("TransferEnded", 1)];

/// The stable type name of an event.
pub const fn kind(event: &TransferEvent) -> &'static str {
    match event {
        TransferEvent::TransferBegun(_) => "TransferBegun",
        TransferEvent::TransferEnded(_) => "TransferEnded",
    }
}

/// Makes an event ready for the log.
pub fn encode(event: &TransferEvent) -> Encoded {
    // Ids, flags and numbers only: this cannot fail, and an empty object would say so.
    let data = serde_json::to_vec(event).unwrap_or_else(|_| b"{}".to_vec());
    Encoded { kind: kind(event), version: 1, data: data.into() }
}

/// Reads a stored transfer event.
pub fn decode(recorded: &Recorded) -> Result<TransferEvent, DecodeError> {
    let Recorded { kind, version, data, .. } = recorded;
    let read = match (&**kind, *version) {
        ("TransferBegun", 1) => serde_json::from_slice(data).map(TransferEvent::TransferBegun),
        ("TransferEnded", 1) => serde_json::from_slice(data).map(TransferEvent::TransferEnded),
        (_, version) => return Err(DecodeError::Unknown { kind: kind.to_string(), version }),
    };
    read.map_err(|error| DecodeError::Malformed { kind: kind.to_string(), what: error.to_string() })
}
