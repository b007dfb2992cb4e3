//! Appends to streams that are not ours: any expectation, repeats recognised by their ids as the protocol promises.

use super::Shared;
use super::append::{FOREIGN_LIFE, MOST_FOREIGN, Proposal, Written, write};
use super::envelope::{ContentType, Proposed, VERSION, now, wrap};
use super::names::Foreign;
use super::retention::{self, Retention, STATED};
use super::status::{Expectation, Refusal};
use bytes::Bytes;
use domain::ids::EventId;
use domain::log::{Append, Direction, Draft, EventHash, Expected, Recorded, Revision};
use std::future::Future;
use std::sync::Arc;
use uuid::Uuid;

/// How many events may have come after one that is repeated, where it expects nothing of its stream.
const LOOK_BACK: usize = 256;

/// Appends to a foreign stream. Goes on where nobody waits any more: else the stream's lock would be free while the log
/// still has the append before it.
///
/// # Errors
/// The stream is not as expected, or gone, or the log cannot do it.
pub async fn append(shared: &Arc<Shared>, foreign: Foreign, proposal: Proposal) -> Result<Written, Refusal> {
    if proposal.bytes > MOST_FOREIGN {
        return Err(Refusal::TooLarge { most: MOST_FOREIGN });
    }
    let shared = Arc::clone(shared);
    to_its_end(async move { append_alone(&shared, &foreign, proposal).await }).await
}

/// Does what must not be left halfway, whatever becomes of the call that asked for it.
pub async fn to_its_end(
    work: impl Future<Output = Result<Written, Refusal>> + Send + 'static,
) -> Result<Written, Refusal> {
    tokio::spawn(work).await.unwrap_or(Err(Refusal::Unknown))
}

async fn append_alone(shared: &Shared, foreign: &Foreign, proposal: Proposal) -> Result<Written, Refusal> {
    let _alone = shared.lock(foreign.base()).lock().await;
    let retention = Retention::of(shared, foreign).await?;
    if retention.tombstone {
        return Err(Refusal::Deleted);
    }
    let last = retention::last(shared, foreign).await?;
    let deleted = retention.is_deleted();
    let fits = meets(proposal.expected, last.as_ref(), deleted);
    if let Some(written) = repeat(shared, foreign, &proposal, last.as_ref(), fits).await? {
        return Ok(written);
    }
    if !fits {
        let actual = last.map(|event| event.revision.0);
        return Err(Refusal::WrongVersion { expected: proposal.expected, actual });
    }
    if proposal.events.is_empty() {
        return Ok(Written { last: last.map(|event| event.revision.0), position: None });
    }
    if deleted {
        // First: were the process to die in between, nothing that was answered would be hidden.
        let next = last.as_ref().map_or(0, |event| event.revision.0 + 1);
        state(shared, foreign, retention.truncated(next)).await?;
    }
    store(shared, foreign, last, proposal.events, proposal.expected).await
}

/// Whether a stream is where it is expected.
pub fn meets(expected: Expectation, last: Option<&Recorded>, deleted: bool) -> bool {
    match expected {
        Expectation::Any => true,
        Expectation::NoStream => last.is_none() || deleted,
        Expectation::Exists => last.is_some() && !deleted,
        Expectation::Revision(revision) => last.is_some_and(|event| event.revision.0 == revision),
    }
}

/// Where the same events were written before.
async fn repeat(
    shared: &Shared,
    foreign: &Foreign,
    proposal: &Proposal,
    last: Option<&Recorded>,
    fits: bool,
) -> Result<Option<Written>, Refusal> {
    let Some(first) = proposal.events.first() else { return Ok(None) };
    let Some(last) = last else { return Ok(None) };
    let (from, count) = match proposal.expected {
        Expectation::Revision(_) | Expectation::NoStream if fits => return Ok(None),
        Expectation::Revision(revision) => (revision.saturating_add(1), proposal.events.len()),
        Expectation::NoStream => (0, proposal.events.len()),
        Expectation::Any | Expectation::Exists => {
            let count = LOOK_BACK + proposal.events.len();
            ((last.revision.0 + 1).saturating_sub(count as u64), count)
        }
    };
    let events = shared.log.read_stream(&foreign.stream, Revision(from), Direction::Forwards, count).await?;
    let begins = events.iter().position(|event| event.id.uuid() == first.id);
    let known = begins.and_then(|at| events.get(at..at + proposal.events.len()));
    let known = known.filter(|known| known.iter().zip(&proposal.events).all(|(one, new)| one.id.uuid() == new.id));
    Ok(known
        .and_then(<[Recorded]>::last)
        .map(|event| Written { last: Some(event.revision.0), position: Some(event.position.0) }))
}

/// States a stream's metadata anew.
pub async fn state(shared: &Shared, foreign: &Foreign, document: Vec<u8>) -> Result<Written, Refusal> {
    note(shared, foreign, STATED, document.into()).await
}

/// Notes something in a stream's metadata stream. The caller holds the stream's lock.
pub async fn note(shared: &Shared, foreign: &Foreign, kind: &str, data: Bytes) -> Result<Written, Refusal> {
    let about = foreign.metadata().ok_or(Refusal::Denied("what is said about a stream is itself not deleted"))?;
    let last = retention::last(shared, &about).await?;
    let (kind, content_type) = (kind.into(), ContentType::Json);
    let event = Proposed { id: Uuid::new_v4(), kind, content_type, metadata: Bytes::new(), data };
    store(shared, &about, last, vec![event], Expectation::Any).await
}

/// Writes events after the stream's last one, chained as ours are.
async fn store(
    shared: &Shared,
    foreign: &Foreign,
    last: Option<Recorded>,
    events: Vec<Proposed>,
    expectation: Expectation,
) -> Result<Written, Refusal> {
    let at = now();
    let mut previous = last.as_ref().map_or(EventHash::NONE, Recorded::hash);
    let mut append = Append {
        stream: foreign.stream.clone(),
        expected: last.map_or(Expected::NoStream, |event| Expected::Exactly(event.revision)),
        life: FOREIGN_LIFE,
        correlation: Uuid::nil(),
        node: shared.node,
        events: Vec::with_capacity(events.len()),
    };
    for event in events {
        append.events.push(Draft {
            id: EventId::from_uuid(event.id),
            data: wrap(&event),
            kind: event.kind.into(),
            version: VERSION,
            at,
            cause: None,
            previous,
        });
        previous = append.hash_of(append.events.len() - 1).unwrap_or(EventHash::NONE);
    }
    write(shared, append).await.map_err(|error| Refusal::of_log(error, expectation))
}
