//! Start: every open provisioning stream is read and folded.

use super::TablesSink;
use super::directory::Directory;
use super::inner::Recall;
use super::kept::{CATEGORIES, kept};
use crate::kept::{Derived, Shelf};
use domain::decider::{Aggregate, DecodeError};
use domain::log::{
    Direction, EventHash, EventLog, Part, PortFuture, ReadError, ReadTogether, Recorded, Revision, StreamName,
    read_whole,
};
use domain::number::Number;
use domain::routing::{Provisioned, ProvisioningEvent};
use tokio::sync::mpsc;

/// Events read at a time.
const PAGE: usize = 500;
/// Streams from their beginning on.
const WHOLE: Part = Part { from: Revision(0), direction: Direction::Forwards, limit: PAGE };

/// Why provisioning could not be read. The exchange must not run without it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The log failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An event that this build cannot read.
    #[error("stream {stream} revision {}: {source}", .revision.0)]
    Decode {
        /// Where.
        stream: StreamName,
        /// Where in it.
        revision: Revision,
        /// Why.
        source: DecodeError,
    },
    /// The hash chain is broken.
    #[error("stream {stream} revision {}: its predecessor is not the one it was written after; the log was altered", .revision.0)]
    BrokenChain {
        /// Where.
        stream: StreamName,
        /// Where in it.
        revision: Revision,
    },
}

pub(super) async fn load(
    log: &dyn EventLog,
    sink: &dyn TablesSink,
    shelf: Option<&Shelf>,
) -> Result<Directory, LoadError> {
    let directory = Directory::default();
    let mut streams = log.open_streams().await?;
    streams.retain(|stream| ProvisioningEvent::CATEGORIES.contains(&stream.category()));
    let numbers = streams.iter().filter(|stream| stream.category() == Number::CATEGORY).count();
    directory.expect(numbers);
    sink.expect(numbers);
    let (many, few): (Vec<_>, _) = streams.into_iter().partition(|stream| CATEGORIES.contains(&stream.category()));
    read_in_order(log, sink, &directory, few).await?;
    let left = match shelf {
        Some(shelf) => take_up(log, sink, &directory, (shelf, many)).await?,
        None => many,
    };
    read(log, sink, &directory, left).await?;
    Ok(directory)
}

/// Takes up what is kept of these streams; those that are left are to be read.
async fn take_up(
    log: &dyn EventLog,
    sink: &dyn TablesSink,
    directory: &Directory,
    (shelf, streams): (&Shelf, Vec<StreamName>),
) -> Result<Vec<StreamName>, LoadError> {
    let (out, mut decoded) = mpsc::unbounded_channel::<Vec<Recall>>();
    let take = move |derived: Derived| {
        let (mut recalls, mut refused) = (Vec::with_capacity(derived.len()), vec![]);
        for (stream, bytes) in derived {
            match kept(&stream, &bytes) {
                Some(all) => recalls.extend(all),
                None => refused.push(stream),
            }
        }
        // Who takes them is there until all of them are told.
        let _ = out.send(recalls);
        refused
    };
    let telling = async {
        let mut applied = vec![];
        while let Some(recalls) = decoded.recv().await {
            applied.push(route_by(sink, &recalls));
            directory.apply(&recalls);
        }
        for page in applied {
            page.await;
        }
    };
    let (taken, ()) = tokio::join!(shelf.take_up(log, &CATEGORIES, streams, take), telling);
    Ok(taken?)
}

/// Reads whole streams, none of which has anything to do with another.
async fn read(
    log: &dyn EventLog,
    sink: &dyn TablesSink,
    directory: &Directory,
    streams: Vec<StreamName>,
) -> Result<(), LoadError> {
    let mut reading = log.read_together(streams, WHOLE);
    // The shard has bindings to take up besides: nobody waits for it a page at a time.
    let mut applied = vec![];
    while let Some(recalls) = recalls_of_some(log, &mut *reading).await? {
        applied.push(route_by(sink, &recalls));
        directory.apply(&recalls);
    }
    for page in applied {
        page.await;
    }
    Ok(())
}

/// Reads whole streams, and tells of all together in the order of the log: an address or a user name may have gone from one
/// trunk to another.
async fn read_in_order(
    log: &dyn EventLog,
    sink: &dyn TablesSink,
    directory: &Directory,
    streams: Vec<StreamName>,
) -> Result<(), LoadError> {
    let (mut reading, mut all) = (log.read_together(streams, WHOLE), vec![]);
    while let Some(mut recalls) = recalls_of_some(log, &mut *reading).await? {
        all.append(&mut recalls);
    }
    all.sort_by_key(|recall| recall.event.position);
    route_by(sink, &all).await;
    directory.apply(&all);
    Ok(())
}

/// What the next streams tell; none once all have been read.
async fn recalls_of_some(log: &dyn EventLog, reading: &mut dyn ReadTogether) -> Result<Option<Vec<Recall>>, LoadError> {
    let together = reading.next().await?;
    let (any, mut recalls) = (!together.is_empty(), vec![]);
    for (stream, page) in together {
        let events = if page.len() < PAGE { page } else { read_whole(log, &stream).await? };
        recalls.append(&mut recall(&stream, events, EventHash::NONE)?);
    }
    Ok(any.then_some(recalls))
}

/// Reads what a stream holds beyond the directory's knowledge of it, and applies that.
pub(super) async fn catch_up(
    log: &dyn EventLog,
    sink: &dyn TablesSink,
    directory: &Directory,
    stream: &StreamName,
) -> Result<Vec<Recall>, LoadError> {
    let mut all = vec![];
    loop {
        let (next, previous) = match directory.end_of(stream) {
            Some((last, hash)) => (Revision(last.0 + 1), hash),
            None => (Revision(0), EventHash::NONE),
        };
        let page = log.read_stream(stream, next, Direction::Forwards, PAGE).await?;
        let full = page.len() == PAGE;
        let mut recalls = recall(stream, page, previous)?;
        if recalls.is_empty() {
            return Ok(all);
        }
        route_by(sink, &recalls).await;
        directory.apply(&recalls);
        all.append(&mut recalls);
        if !full {
            return Ok(all);
        }
    }
}

/// The events of a stream after the one with the hash `previous`.
pub(super) fn recall(
    stream: &StreamName,
    page: Vec<Recorded>,
    mut previous: EventHash,
) -> Result<Vec<Recall>, LoadError> {
    let mut recalls = Vec::with_capacity(page.len());
    for recorded in page {
        let revision = recorded.revision;
        if recorded.previous != previous {
            return Err(LoadError::BrokenChain { stream: stream.clone(), revision });
        }
        previous = recorded.hash();
        let decoded = Provisioned::read(&recorded);
        let event = decoded.map_err(|source| LoadError::Decode { stream: stream.clone(), revision, source })?;
        recalls.extend(event.map(|event| Recall { event, id: recorded.id, hash: previous }));
    }
    Ok(recalls)
}

/// What this gives is done when calls are routed by these events.
pub(super) fn route_by<'s>(sink: &'s dyn TablesSink, recalls: &[Recall]) -> PortFuture<'s, ()> {
    sink.apply(recalls.iter().map(|recall| recall.event.clone()).collect())
}
