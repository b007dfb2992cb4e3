//! Streams that are read together: what a start needs.

use super::{Direction, EventLog, PortFuture, ReadError, Recorded, Revision, StreamName};
use std::vec::IntoIter;

/// Streams with their events.
pub type Together = Vec<(StreamName, Vec<Recorded>)>;

/// Many streams, some at a time, in the order that they were asked for in.
pub trait ReadTogether: Send {
    /// The next ones, each with what [`EventLog::read_stream`] gives of it; none when all were given.
    fn next(&mut self) -> PortFuture<'_, Result<Together, ReadError>>;
}

/// How much of each stream is read, as [`EventLog::read_stream`] is told.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// From which revision on, inclusive.
    pub from: Revision,
    /// In which direction.
    pub direction: Direction,
    /// At most so many events.
    pub limit: usize,
}

/// One stream after the other: for logs that find them no faster together.
pub(super) struct OneByOne<'l, L: ?Sized> {
    log: &'l L,
    streams: IntoIter<StreamName>,
    part: Part,
}

impl<'l, L: EventLog + ?Sized> OneByOne<'l, L> {
    pub(super) fn new(log: &'l L, streams: Vec<StreamName>, part: Part) -> Self {
        Self { log, streams: streams.into_iter(), part }
    }
}

impl<L: EventLog + ?Sized> ReadTogether for OneByOne<'_, L> {
    fn next(&mut self) -> PortFuture<'_, Result<Together, ReadError>> {
        Box::pin(async move {
            let Some(stream) = self.streams.next() else { return Ok(vec![]) };
            let Part { from, direction, limit } = self.part;
            let events = self.log.read_stream(&stream, from, direction, limit).await?;
            Ok(vec![(stream, events)])
        })
    }
}
