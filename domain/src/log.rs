//! The log's contract: streams of events with exact revisions, one global order, durable before answered.
//!
//! Engines (SQLite, memory, later EventStoreDB) implement [`EventLog`]; one conformance suite holds them to this text.

mod mark;
mod name;
mod pages;
mod together;

pub use mark::Mark;
pub use name::{CATEGORIES, Kind, StreamName};
pub use pages::{Pages, read_whole};
use together::OneByOne;
pub use together::{Part, ReadTogether, Together};

use crate::hex;
use crate::ids::EventId;
use crate::time::WallTime;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use uuid::Uuid;

/// Place of an event in its stream, from 0 without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

/// Place of an event in the whole log, from 1; rising, given at commit by one writer, so never seen late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Position(pub u64);

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// BLAKE3 over an event and, through [`Draft::previous`], over all that its stream held before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct EventHash(pub [u8; 32]);

impl EventHash {
    /// The predecessor of a stream's first event.
    pub const NONE: Self = Self([0; 32]);

    /// Reads what it shows itself as: 64 hex digits, upper or lower case.
    pub fn parse(text: &str) -> Option<Self> {
        hex::parse(text).map(Self)
    }
}

hex::hexed!(EventHash, 32);

impl Serialize for EventHash {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        hex::serialize(self, to)
    }
}

impl<'de> Deserialize<'de> for EventHash {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        hex::deserialize(from)
    }
}

impl fmt::Display for EventHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(hex::write(&mut [0; 64], &self.0))
    }
}

impl fmt::Debug for EventHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An event on its way into the log. `data` is JSON; what is personal in it is sealed already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Identity; a repeated append is recognised by it.
    pub id: EventId,
    /// Stable type name.
    pub kind: Kind,
    /// Version of the type's shape; upcasters lead from each to the next.
    pub version: u16,
    /// When it happened.
    pub at: WallTime,
    /// The event that caused this one.
    pub cause: Option<EventId>,
    /// Hash of the stream's previous event; [`EventHash::NONE`] for the first.
    pub previous: EventHash,
    /// The event as JSON.
    pub data: Bytes,
}

/// What a stream must look like for an append to succeed. There is no "any": every writer owns its streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The stream has no event yet.
    NoStream,
    /// The stream's last event has this revision.
    Exactly(Revision),
}

impl Expected {
    /// The revision that the append's first event gets.
    pub const fn next(self) -> Revision {
        match self {
            Self::NoStream => Revision(0),
            Self::Exactly(last) => Revision(last.0 + 1),
        }
    }
}

/// What an append does to the set of live streams that recovery reads ([`EventLog::open_streams`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// The stream is or becomes live.
    Open,
    /// This append ends the stream's life: nothing is to be recovered from it.
    Closed,
}

/// One atomic batch for one stream: all of its events become durable or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// The stream.
    pub stream: StreamName,
    /// Exact expected revision.
    pub expected: Expected,
    /// Live or not afterwards.
    pub life: Life,
    /// What all its events belong to (the session's UUID for a session's stream).
    pub correlation: Uuid,
    /// The node that writes.
    pub node: u16,
    /// At least one event, at most [`Append::MAX_EVENTS`].
    pub events: Vec<Draft>,
}

impl Append {
    /// More events than this in one batch are a fault of ours.
    pub const MAX_EVENTS: usize = 1_000;
}

/// An event as the log returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Place in the whole log.
    pub position: Position,
    /// Its stream.
    pub stream: StreamName,
    /// Place in its stream.
    pub revision: Revision,
    /// Identity.
    pub id: EventId,
    /// Stable type name.
    pub kind: Arc<str>,
    /// Version of its shape.
    pub version: u16,
    /// When it happened.
    pub at: WallTime,
    /// What it belongs to.
    pub correlation: Uuid,
    /// What caused it.
    pub cause: Option<EventId>,
    /// Who wrote it.
    pub node: u16,
    /// Hash of its predecessor in the stream.
    pub previous: EventHash,
    /// Whether its append left the stream live.
    pub life: Life,
    /// The event as JSON.
    pub data: Bytes,
}

/// Where a stream ends: what its next event follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamEnd {
    /// Place of its last event.
    pub revision: Revision,
    /// That event's hash.
    pub hash: EventHash,
    /// That event.
    pub last: EventId,
}

impl StreamEnd {
    /// The end of a stream whose last event is this.
    pub fn at(last: &Recorded) -> Self {
        Self { revision: last.revision, hash: last.hash(), last: last.id }
    }
}

/// The facts that an event's hash covers, in the one order that every engine and verifier uses.
#[derive(Debug, Clone, Copy)]
pub struct Hashed<'a> {
    /// Its stream.
    pub stream: &'a StreamName,
    /// Place in its stream.
    pub revision: Revision,
    /// Identity.
    pub id: EventId,
    /// Stable type name.
    pub kind: &'a str,
    /// Version of its shape.
    pub version: u16,
    /// When it happened.
    pub at: WallTime,
    /// What it belongs to.
    pub correlation: Uuid,
    /// What caused it.
    pub cause: Option<EventId>,
    /// Who wrote it.
    pub node: u16,
    /// Hash of its predecessor.
    pub previous: EventHash,
    /// The event as JSON, sealed parts sealed: erasing a key leaves every hash true.
    pub data: &'a [u8],
}

impl Hashed<'_> {
    /// BLAKE3 over the fields in order; texts and data are preceded by their length (u32, big endian).
    pub fn hash(&self) -> EventHash {
        self.hash_in(&mut Vec::with_capacity(self.data.len() + 320))
    }

    /// As [`Hashed::hash`], with a buffer that the caller keeps: it is taken of every event on the call path.
    pub fn hash_in(&self, text: &mut Vec<u8>) -> EventHash {
        text.clear();
        for part in [self.stream.as_str().as_bytes(), self.kind.as_bytes(), self.data] {
            text.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            text.extend_from_slice(part);
        }
        text.extend_from_slice(&self.revision.0.to_be_bytes());
        text.extend_from_slice(self.id.uuid().as_bytes());
        text.extend_from_slice(&self.version.to_be_bytes());
        text.extend_from_slice(&self.at.micros().to_be_bytes());
        text.extend_from_slice(self.correlation.as_bytes());
        text.extend_from_slice(&self.cause.map_or([0; 16], |cause| *cause.uuid().as_bytes()));
        text.extend_from_slice(&self.node.to_be_bytes());
        text.extend_from_slice(&self.previous.0);
        EventHash(*blake3::hash(text).as_bytes())
    }
}

impl Append {
    /// The hash of the batch's event at `index`; its successor's `previous` must equal it.
    pub fn hash_of(&self, index: usize) -> Option<EventHash> {
        let event = self.events.get(index)?;
        let facts = Hashed {
            stream: &self.stream,
            revision: Revision(self.expected.next().0 + index as u64),
            id: event.id,
            kind: &event.kind,
            version: event.version,
            at: event.at,
            correlation: self.correlation,
            cause: event.cause,
            node: self.node,
            previous: event.previous,
            data: &event.data,
        };
        Some(facts.hash())
    }
}

impl Recorded {
    /// This event's hash, which its successor carries as `previous`.
    pub fn hash(&self) -> EventHash {
        self.hashed().hash()
    }

    /// What its hash covers.
    pub fn hashed(&self) -> Hashed<'_> {
        Hashed {
            stream: &self.stream,
            revision: self.revision,
            id: self.id,
            kind: &self.kind,
            version: self.version,
            at: self.at,
            correlation: self.correlation,
            cause: self.cause,
            node: self.node,
            previous: self.previous,
            data: &self.data,
        }
    }
}

/// Proof that an append is on disk. Only log engines make one; only it opens held effects.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "effects wait for this"]
pub struct Durable {
    stream: StreamName,
    last: Revision,
    position: Position,
}

impl Durable {
    /// For log engines alone, after the commit that covers the append has returned from fdatasync.
    pub const fn after_commit(stream: StreamName, last: Revision, position: Position) -> Self {
        Self { stream, last, position }
    }

    /// The stream appended to.
    pub const fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// Revision of the append's last event.
    pub const fn last(&self) -> Revision {
        self.last
    }

    /// Position of the append's last event.
    pub const fn position(&self) -> Position {
        self.position
    }
}

/// Why an append did not become durable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Another writer, or a fault of ours: the stream is not where the append expected it.
    #[error("stream {stream} is at {actual:?}, the append expected {expected:?}: re-read it before deciding again")]
    WrongRevision {
        /// The stream.
        stream: StreamName,
        /// What the append expected.
        expected: Expected,
        /// Where the stream is.
        actual: Option<Revision>,
    },
    /// Nothing was written and nothing will be: try again later.
    #[error("the log is away: {0}")]
    Unavailable(String),
    /// A fault of ours: no log may store such an append. Nothing was written, and trying again is of no use.
    #[error("the append is malformed and is not tried again: {0}")]
    Invalid(String),
    /// It may or may not be on disk: the stream is frozen until it is re-read.
    #[error("outcome of the append to {0} is unknown: re-read the stream")]
    Unknown(StreamName),
}

/// What became of one submitted append.
#[derive(Debug)]
pub struct Outcome {
    /// The stream of the append.
    pub stream: StreamName,
    /// Proof or reason.
    pub result: Result<Durable, AppendError>,
}

/// Receives outcomes, one call per submitter and commit, on the log's own thread: it must not block.
pub trait Committed: Send + Sync {
    /// The outcomes of appends submitted with this receiver, in the order of submission; what the log is away for may
    /// overtake what it still owes an answer for.
    fn committed(&self, outcomes: Vec<Outcome>);
}

/// Which way to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Oldest first.
    Forwards,
    /// Newest first.
    Backwards,
}

/// Which events a reader wants. Empty lists want everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Stream categories, e.g. `session`.
    pub categories: Vec<String>,
    /// Type names, e.g. `SessionEnded`.
    pub kinds: Vec<String>,
}

impl Filter {
    /// Whether an event of this stream and type passes.
    pub fn admits(&self, stream: &StreamName, kind: &str) -> bool {
        let category = self.categories.is_empty() || self.categories.iter().any(|c| c == stream.category());
        category && (self.kinds.is_empty() || self.kinds.iter().any(|k| k == kind))
    }
}

/// Why the log could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The store cannot be reached or failed; trying again may help.
    #[error("the log cannot be read now: {0}")]
    Unavailable(String),
    /// What is stored is not what was written. Readers stop here, at a known place.
    #[error("the log is damaged at position {position}: {what}")]
    Damaged {
        /// Where.
        position: Position,
        /// What is wrong.
        what: String,
    },
}

/// What a follower hands over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// Matching events in log order; the checkpoint after them is the last one's position.
    Events(Vec<Recorded>),
    /// Everything up to here was seen, whether it matched or not: store it as the checkpoint.
    Checkpoint(Position),
    /// Everything committed up to here was handed over; what follows is live. Also a checkpoint.
    CaughtUp(Position),
}

/// A future that a port returns.
pub type PortFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A catch-up subscription; it never ends by itself.
pub trait Follow: Send {
    /// Waits for the next page, checkpoint or caught-up.
    fn next(&mut self) -> PortFuture<'_, Result<Followed, ReadError>>;
}

/// The durable log.
pub trait EventLog: Send + Sync {
    /// Hands appends to the log and returns at once. They are committed in order; those of one call may share
    /// a commit with others. Each gets exactly one [`Outcome`]. At most one append per stream may be in flight.
    /// A repeat (same stream, expected revision and event ids) answers what the first answered.
    fn submit(&self, appends: Vec<Append>, reply: Arc<dyn Committed>);

    /// Events of one stream from `from` on (inclusive) in that direction, at most `limit`; empty where none is.
    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamName,
        from: Revision,
        direction: Direction,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Recorded>, ReadError>>;

    /// Reads this part of each of many streams.
    fn read_together(&self, streams: Vec<StreamName>, part: Part) -> Box<dyn ReadTogether + '_> {
        Box::new(OneByOne::new(self, streams, part))
    }

    /// Events of the whole log after (forwards) or before (backwards) a position, exclusive, at most `limit`.
    fn read_all<'a>(
        &'a self,
        from: Position,
        direction: Direction,
        filter: &'a Filter,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Recorded>, ReadError>>;

    /// Follows the log after a position.
    fn follow(&self, after: Position, filter: Filter) -> Box<dyn Follow>;

    /// Streams whose last append left them [`Life::Open`], in the order of their opening.
    fn open_streams(&self) -> PortFuture<'_, Result<Vec<StreamName>, ReadError>>;

    /// Position of the newest durable event; zero for an empty log.
    fn head(&self) -> Position;
}
