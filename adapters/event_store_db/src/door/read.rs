//! Reads that end: of one stream, and of all.

use super::envelope::{answer, identifier, now, read_event};
use super::filter::Wanted;
use super::names::Place;
use super::retention::Retention;
use super::status::{deleted, unreadable};
use super::{Answers, Shared, answers};
use crate::wire::streams::ReadResp;
use crate::wire::streams::read_resp::{Content, StreamNotFound};
use domain::log::{Direction, Position, Recorded, Revision, StreamName};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tonic::Status;

/// Events read from the log at a time: what a reader that does not read costs.
const PAGE: usize = 128;
/// Events made ready for the wire ahead of their reader.
pub const AHEAD: usize = 32;

/// Where a read of one stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// At its first event.
    Start,
    /// At its last event.
    End,
    /// At this revision.
    Revision(u64),
}

/// How events are read.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// Which way.
    pub direction: Direction,
    /// The most events.
    pub count: u64,
    /// Whether ids are structured.
    pub structured: bool,
    /// Whether first and last position are told.
    pub positions: bool,
}

/// A stream as a reader finds it.
pub struct Found {
    /// As the log names it.
    pub stream: StreamName,
    /// As clients name it.
    pub name: String,
    /// What may be read of it.
    pub retention: Retention,
    /// Its last revision; `None` where there is no stream, or a deleted one.
    pub last: Option<u64>,
    /// The revision that its next event gets, deleted or not.
    pub next: u64,
}

/// Looks a stream up.
///
/// # Errors
/// It was deleted for good, or the log cannot be read.
pub async fn find(shared: &Shared, place: Place) -> Result<Found, Status> {
    let (stream, name, retention) = match place {
        Place::Ours(stream) => (stream.clone(), stream.as_str().to_owned(), Retention::default()),
        Place::Foreign(foreign) => {
            let retention = Retention::of(shared, &foreign).await.map_err(|error| unreadable(&error))?;
            (foreign.stream, foreign.name, retention)
        }
    };
    if retention.tombstone {
        return Err(deleted(&name));
    }
    let last = shared.log.read_stream(&stream, Revision(u64::MAX), Direction::Backwards, 1).await;
    let last = last.map_err(|error| unreadable(&error))?.pop().map(|event| event.revision.0);
    let next = last.map_or(0, |last| last + 1);
    Ok(Found { stream, name, last: last.filter(|_| !retention.is_deleted()), next, retention })
}

/// A permit for a call of that kind.
///
/// # Errors
/// There are as many as may be.
pub fn permit(room: &Arc<tokio::sync::Semaphore>, what: &str) -> Result<OwnedSemaphorePermit, Status> {
    Arc::clone(room).try_acquire_owned().map_err(|_| Status::resource_exhausted(format!("too many {what} at once")))
}

/// Reads one stream.
///
/// # Errors
/// As [`find`], or too many read.
pub async fn stream(shared: Arc<Shared>, place: Place, from: From, how: How) -> Result<Answers<ReadResp>, Status> {
    let permit = permit(&shared.rooms.reads, "reads")?;
    let found = find(&shared, place).await?;
    let (out, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let _permit = permit;
        if let Err(status) = send_stream(&shared, &found, from, how, &out).await {
            // The reader has gone.
            let _ = out.send(Err(status)).await;
        }
    });
    Ok(answers(receiver))
}

/// Where events are sent to; an error is told to the reader.
type Out = mpsc::Sender<Result<ReadResp, Status>>;

/// Sends one answer; false where the reader has gone.
pub async fn send(out: &Out, content: Content) -> bool {
    out.send(Ok(answer(content))).await.is_ok()
}

async fn send_stream(shared: &Shared, found: &Found, from: From, how: How, out: &Out) -> Result<(), Status> {
    let Some(last) = found.last else {
        let stream_identifier = Some(identifier(&found.name));
        send(out, Content::StreamNotFound(StreamNotFound { stream_identifier })).await;
        return Ok(());
    };
    let first = found.retention.first(last);
    if how.positions && !send(out, Content::FirstStreamPosition(first)).await {
        return Ok(());
    }
    let now = now();
    let mut left = how.count;
    let mut at = match (from, how.direction) {
        (From::Start, _) => Some(first),
        (From::End, _) => Some(last),
        (From::Revision(revision), Direction::Forwards) => Some(revision.max(first)),
        (From::Revision(revision), Direction::Backwards) => Some(revision.min(last)),
    };
    while let Some(from) = at.filter(|_| left > 0) {
        let limit = PAGE.min(usize::try_from(left).unwrap_or(PAGE));
        let page = shared.log.read_stream(&found.stream, Revision(from), how.direction, limit).await;
        let page = page.map_err(|error| unreadable(&error))?;
        at = page.last().filter(|_| page.len() == limit).and_then(|event| match how.direction {
            Direction::Forwards => event.revision.0.checked_add(1),
            Direction::Backwards => event.revision.0.checked_sub(1),
        });
        for event in &page {
            let inside = event.revision.0 >= first && event.revision.0 <= last;
            if !inside || found.retention.outlived(event, now) {
                continue;
            }
            if out.send(Ok(read_event(event, how.structured)?)).await.is_err() {
                return Ok(());
            }
            left -= 1;
        }
        // What comes next is before the first, or came since.
        if page.last().is_some_and(|event| match how.direction {
            Direction::Forwards => event.revision.0 >= last,
            Direction::Backwards => event.revision.0 <= first,
        }) {
            break;
        }
    }
    if how.positions {
        send(out, Content::LastStreamPosition(last)).await;
    }
    Ok(())
}

/// Reads all streams: forwards from a position on, backwards from before it.
///
/// # Errors
/// Too many read.
pub fn all(shared: Arc<Shared>, from: Position, how: How, wanted: Option<Wanted>) -> Result<Answers<ReadResp>, Status> {
    let permit = permit(&shared.rooms.reads, "reads")?;
    let (out, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let _permit = permit;
        if let Err(status) = send_all(&shared, from, how, wanted.as_ref(), &out).await {
            // The reader has gone.
            let _ = out.send(Err(status)).await;
        }
    });
    Ok(answers(receiver))
}

async fn send_all(shared: &Shared, from: Position, how: How, wanted: Option<&Wanted>, out: &Out) -> Result<(), Status> {
    let filter = wanted.map(Wanted::narrowed).unwrap_or_default();
    // What comes while it is read is not part of it: else a slow reader would never see the end.
    let head = shared.log.head();
    let mut left = how.count;
    let mut at = match how.direction {
        // The log's readers name the position before.
        Direction::Forwards => Position(from.0.saturating_sub(1)),
        Direction::Backwards => from,
    };
    while left > 0 {
        let page = shared.log.read_all(at, how.direction, &filter, PAGE).await.map_err(|error| unreadable(&error))?;
        for event in &page {
            let past = how.direction == Direction::Forwards && event.position > head;
            if past || left == 0 {
                return Ok(());
            }
            if !admits(wanted, event)? {
                continue;
            }
            if out.send(Ok(read_event(event, how.structured)?)).await.is_err() {
                return Ok(());
            }
            left -= 1;
        }
        match page.last().filter(|_| page.len() == PAGE && !out.is_closed()) {
            Some(event) => at = event.position,
            None => return Ok(()),
        }
    }
    Ok(())
}

/// Whether a filter lets an event pass.
///
/// # Errors
/// As [`Wanted::admits`].
pub fn admits(wanted: Option<&Wanted>, event: &Recorded) -> Result<bool, Status> {
    wanted.map_or(Ok(true), |wanted| wanted.admits(event))
}
