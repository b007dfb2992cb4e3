//! One append, however it came: whose stream it is for, whether it may be written, and what becomes of it.

use super::envelope::{ContentType, Proposed};
use super::foreign;
use super::names::{NameFault, Place, place};
use super::status::{Expectation, Refusal};
use super::{Shared, envelope};
use crate::metadata::Metadata;
use crate::wire::streams::MapEntry;
use bytes::Bytes;
use domain::ids::EventId;
use domain::log::{Append, Committed, Draft, Expected, Life, Outcome, Revision, StreamName};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use uuid::Uuid;

/// The most bytes of a foreign append: the log keeps it in more than that.
pub const MOST_FOREIGN: usize = 8 << 20;
/// A type name as the log takes it, in bytes.
const LONGEST_KIND: usize = 255;
/// Longer content types than this, in bytes, are refused.
const LONGEST_TYPE: usize = 255;
/// Longer names than this, in bytes, are not even repeated in an answer.
const LONGEST_NAME: usize = 1_024;
/// What an event costs in memory beside what it says, roughly.
const EVENT: usize = 256;

/// An append as a client proposes it.
#[derive(Debug)]
pub struct Proposal {
    /// The stream, as the client names it.
    pub stream: Bytes,
    /// What it must look like.
    pub expected: Expectation,
    /// The events.
    pub events: Vec<Proposed>,
    /// Bytes of data and metadata.
    pub bytes: usize,
    /// Bytes in memory.
    weight: usize,
    /// Room for them.
    held: Option<OwnedSemaphorePermit>,
}

impl Proposal {
    /// An append without events yet.
    ///
    /// # Errors
    /// The name is longer than any that is kept for an answer.
    pub fn new(stream: &[u8], expected: Expectation) -> Result<Self, Refusal> {
        if stream.len() > LONGEST_NAME {
            return Err(NameFault::TooLong.into());
        }
        let stream = Bytes::copy_from_slice(stream);
        Ok(Self { stream, expected, events: Vec::new(), bytes: 0, weight: 0, held: None })
    }

    /// The stream's name as text, for answers.
    pub fn name(&self) -> String {
        String::from_utf8_lossy(&self.stream).into_owned()
    }

    /// Takes room for what it has, where there is some: who brings an append in parts may never end it.
    ///
    /// # Errors
    /// There is none.
    pub fn gather(&mut self, room: &Arc<Semaphore>) -> Result<(), Refusal> {
        let wanted = self.wanted();
        let full = |_| Refusal::Away("too much is being appended at once: try again".to_owned());
        self.hold(Arc::clone(room).try_acquire_many_owned(wanted).map_err(full)?);
        Ok(())
    }

    /// Waits for room for what it has: those who have it are on their way into the log.
    pub async fn wait(&mut self, room: &Arc<Semaphore>) {
        let wanted = self.wanted();
        // The room is never closed.
        if let Ok(permit) = Arc::clone(room).acquire_many_owned(wanted).await {
            self.hold(permit);
        }
    }

    fn wanted(&self) -> u32 {
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        u32::try_from(self.weight.saturating_sub(held)).unwrap_or(u32::MAX)
    }

    fn hold(&mut self, permit: OwnedSemaphorePermit) {
        match &mut self.held {
            Some(held) => held.merge(permit),
            None => self.held = Some(permit),
        }
    }

    /// Adds an event. What is kept of it is copied: a slice would keep all of the message that it came in.
    ///
    /// # Errors
    /// It is not whole, or one too many, or too large.
    pub fn add(
        &mut self,
        id: Option<Uuid>,
        said: &[MapEntry],
        metadata: &[u8],
        data: &[u8],
        most: usize,
    ) -> Result<(), Refusal> {
        let malformed = |what: &str| Err(Refusal::Malformed(what.to_owned()));
        let Some(id) = id else { return malformed("an event has no id") };
        let Some(kind) = text_of(said, b"type", LONGEST_KIND).map(Arc::<str>::from) else {
            return malformed("an event's type is a text of 1 to 255 bytes");
        };
        let Some(content_type) = text_of(said, b"content-type", LONGEST_TYPE).map(ContentType::from) else {
            return malformed("an event's content-type is a text of 1 to 255 bytes");
        };
        self.bytes += metadata.len() + data.len();
        if self.bytes > most || self.events.len() >= Append::MAX_EVENTS {
            return Err(Refusal::TooLarge { most });
        }
        self.weight += metadata.len() + data.len() + kind.len() + content_type.as_str().len() + EVENT;
        let (metadata, data) = (Bytes::copy_from_slice(metadata), Bytes::copy_from_slice(data));
        self.events.push(Proposed { id, kind, content_type, metadata, data });
        Ok(())
    }
}

/// What is said under a key, where that is a text of 1 to so many bytes. The last entry of a key counts, as in any map.
fn text_of<'a>(said: &'a [MapEntry], key: &[u8], longest: usize) -> Option<&'a str> {
    let entry = said.iter().rfind(|entry| entry.key == key)?;
    std::str::from_utf8(&entry.value).ok().filter(|text| (1..=longest).contains(&text.len()))
}

/// Where an append was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The stream's last revision; `None` while it has no event.
    pub last: Option<u64>,
    /// Position of that event; `None` where nothing was written.
    pub position: Option<u64>,
}

/// What is to be done with a proposal.
pub enum Task {
    /// An exchange's own append, for the log as it is, and the room that it takes.
    Ours(Append, Option<OwnedSemaphorePermit>),
    /// A stranger's, which is looked at first.
    Foreign(super::names::Foreign, Proposal),
}

/// Sorts a proposal.
///
/// # Errors
/// It may not be written.
pub fn sort(mut proposal: Proposal) -> Result<Task, Refusal> {
    match place(&proposal.stream)? {
        Place::Ours(stream) => {
            let held = proposal.held.take();
            ours(stream, proposal).map(|append| Task::Ours(append, held))
        }
        Place::Foreign(foreign) => Ok(Task::Foreign(foreign, proposal)),
    }
}

/// Does what is to be done and waits for the log.
///
/// # Errors
/// It was refused, or the log could not do it.
pub async fn carry_out(shared: &Arc<Shared>, task: Task) -> Result<Written, Refusal> {
    match task {
        Task::Ours(append, _held) => {
            let expected = expectation(append.expected);
            write(shared, append).await.map_err(|error| Refusal::of_log(error, expected))
        }
        Task::Foreign(foreign, proposal) => foreign::append(shared, foreign, proposal).await,
    }
}

/// As the protocol says it.
pub const fn expectation(expected: Expected) -> Expectation {
    match expected {
        Expected::NoStream => Expectation::NoStream,
        Expected::Exactly(Revision(revision)) => Expectation::Revision(revision),
    }
}

/// Streams of ours are written by an exchange alone: with all that an event of ours carries, at an exact revision.
fn ours(stream: StreamName, proposal: Proposal) -> Result<Append, Refusal> {
    let denied = Refusal::Denied("only an exchange writes streams of this category, with all of an event's metadata");
    let expected = match proposal.expected {
        Expectation::NoStream => Expected::NoStream,
        Expectation::Revision(revision) => Expected::Exactly(Revision(revision)),
        Expectation::Any | Expectation::Exists => return Err(denied),
    };
    let mut whole: Option<Metadata> = None;
    let mut events = Vec::with_capacity(proposal.events.len());
    for event in proposal.events {
        let metadata = Metadata::read(&event.metadata).filter(|metadata| metadata.version != envelope::VERSION);
        let metadata = metadata.ok_or_else(|| denied.clone())?;
        let first = whole.get_or_insert(metadata);
        if (first.correlation, first.node, first.life) != (metadata.correlation, metadata.node, metadata.life) {
            return Err(denied);
        }
        events.push(Draft {
            id: EventId::from_uuid(event.id),
            kind: event.kind.into(),
            version: metadata.version,
            at: metadata.at,
            cause: metadata.cause,
            previous: metadata.previous,
            data: event.data,
        });
    }
    let Some(Metadata { correlation, node, life, .. }) = whole else { return Err(denied) };
    Ok(Append { stream, expected, life, correlation, node, events })
}

/// Receives the one outcome of one append.
struct Reply(Mutex<Option<oneshot::Sender<Outcome>>>);

impl Committed for Reply {
    fn committed(&self, outcomes: Vec<Outcome>) {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some(waiting), Some(outcome)) = (waiting, outcomes.into_iter().next()) {
            // Whoever waited has gone; what is written stays written.
            let _ = waiting.send(outcome);
        }
    }
}

/// Writes and waits.
///
/// # Errors
/// The log's.
pub async fn write(shared: &Shared, append: Append) -> Result<Written, domain::log::AppendError> {
    let stream = append.stream.clone();
    let (sender, receiver) = oneshot::channel();
    shared.log.submit(vec![append], Arc::new(Reply(Mutex::new(Some(sender)))));
    match receiver.await {
        Ok(outcome) => outcome.result.map(|durable| written(&durable)),
        Err(_) => Err(domain::log::AppendError::Unknown(stream)),
    }
}

/// As the protocol answers it.
pub const fn written(durable: &domain::log::Durable) -> Written {
    Written { last: Some(durable.last().0), position: Some(durable.position().0) }
}

/// What an append of strangers' events does to the set of live streams: nothing of it is recovered.
pub const FOREIGN_LIFE: Life = Life::Closed;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_as_the_map_that_they_are() {
        let entry = |key: &'static [u8], value: &'static [u8]| MapEntry { key: key.into(), value: value.into() };
        let said = [entry(b"type", b"A"), entry(b"other", b"x"), entry(b"type", b"B"), entry(b"wrong", b"\xff")];
        assert_eq!(text_of(&said, b"type", 1), Some("B"), "the last of a key counts");
        assert_eq!(text_of(&said, b"wrong", 9), None, "it is no text");
        assert_eq!(text_of(&said, b"none", 9), None);
        assert_eq!(text_of(&[entry(b"type", b"AB")], b"type", 1), None, "it is too long");
        assert_eq!(text_of(&[entry(b"type", b"")], b"type", 1), None, "it is empty");
    }
}
