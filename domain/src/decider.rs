//! The shape of every rule in this crate: a command and a state give events or a refusal, and events give the state.

use bytes::Bytes;
use std::error::Error;
use std::fmt::Debug;

/// A thing with a history of its own: one stream, one writer.
///
/// Everything a decision needs beside its own history (time, ids, facts about other streams) stands in the command:
/// nothing here looks anything up.
pub trait Aggregate: Default {
    /// What its streams' names begin with.
    const CATEGORY: &'static str;
    /// What is asked of it; may be refused.
    type Command;
    /// What happened to it; past tense, never refused.
    type Event: StoredEvent;
    /// Why a command was refused: a rule said no, trying again changes nothing.
    type Rejection: Error + PartialEq;

    /// Decides; changes nothing. No events means that everything is already as asked.
    fn decide(&self, command: Self::Command) -> Result<Vec<Self::Event>, Self::Rejection>;

    /// The state after an event.
    #[must_use]
    fn evolve(self, event: &Self::Event) -> Self;

    /// The state after a history.
    fn fold<'a>(events: impl IntoIterator<Item = &'a Self::Event>) -> Self
    where
        Self::Event: 'a,
    {
        events.into_iter().fold(Self::default(), Self::evolve)
    }
}

/// An event that has a place in the log: a stable name, a version of its shape, and JSON.
pub trait StoredEvent: Sized + Debug + PartialEq {
    /// Stable type name.
    fn kind(&self) -> &'static str;

    /// Version of the shape that [`Self::encode`] writes.
    fn version(&self) -> u16;

    /// The event as JSON.
    fn encode(&self) -> Result<Bytes, EncodeError>;

    /// Reads what any version wrote.
    fn decode(kind: &str, version: u16, data: &[u8]) -> Result<Self, DecodeError>;
}

/// An event that cannot be written: a fault of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {kind} cannot be written as JSON: {why}")]
pub struct EncodeError {
    /// Its type name.
    pub kind: &'static str,
    /// What is wrong.
    pub why: String,
}

/// An event that this build cannot read. Readers stop here: skipping it would make a false state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A type or version that this build does not know.
    #[error("event {kind} version {version} is unknown to this build: run the build that wrote it, or a newer one")]
    Unknown {
        /// Its type name.
        kind: String,
        /// Its version.
        version: u16,
    },
    /// A known type whose JSON has another shape.
    #[error("event {kind} version {version} is not what was written: {why}")]
    Misshapen {
        /// Its type name.
        kind: String,
        /// Its version.
        version: u16,
        /// What is wrong.
        why: String,
    },
}

/// Writes [`StoredEvent`] for an enum whose variants each wrap one serde struct, all of version 1.
macro_rules! stored_events {
    ($events:ident { $($variant:ident($shape:ty) = $kind:literal),+ $(,)? }) => {
        impl $crate::decider::StoredEvent for $events {
            fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => $kind,)+ }
            }

            fn version(&self) -> u16 { 1 }

            fn encode(&self) -> Result<bytes::Bytes, $crate::decider::EncodeError> {
                match self { $(Self::$variant(event) => serde_json::to_vec(event),)+ }
                    .map(bytes::Bytes::from)
                    .map_err(|e| $crate::decider::EncodeError { kind: self.kind(), why: e.to_string() })
            }

            fn decode(kind: &str, version: u16, data: &[u8]) -> Result<Self, $crate::decider::DecodeError> {
                match (kind, version) {
                    $(($kind, 1) => serde_json::from_slice::<$shape>(data).map(Self::$variant),)+
                    _ => return Err($crate::decider::DecodeError::Unknown { kind: kind.to_owned(), version }),
                }
                .map_err(|e| $crate::decider::DecodeError::Misshapen {
                    kind: kind.to_owned(),
                    version,
                    why: e.to_string(),
                })
            }
        }
    };
}
pub(crate) use stored_events;

/// Serde for a value that is text outside and has a strict `FromStr`.
macro_rules! serde_as_text {
    ($name:ty) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;
