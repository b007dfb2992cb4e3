//! One append on its way into a frame: exact expected revision, idempotent repeat.

use super::super::check;
use super::super::row;
use super::Shared;
use super::find;
use super::frame::{Frame, record_size};
use super::places::Place;
use crate::cache::Cache;
use domain::log::{Append, AppendError, Durable, Expected, Life, Position, ReadError, Revision, StreamName};
use rusqlite::Connection;
use std::collections::HashMap;
use std::sync::Arc;

/// What is to become of an append.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is in the frame; this is its proof once the frame is durable, and the position of its first event.
    Added(Durable, Position),
    /// It is in the log already and was answered so.
    Repeats(Durable),
    Refused(AppendError),
}

/// What is known of a stream.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// Revision of its last event.
    last: u64,
    live: bool,
}

/// What an append does to the set of live streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Opened(Position),
    Closed,
}

/// Decides on appends, and puts what is accepted into the frame.
pub(super) struct Judge {
    shared: Arc<Shared>,
    index: Connection,
    /// Live streams as they will be after the frame.
    known: Cache<StreamName, Known>,
    /// Changes by the frame that are not carried out yet …
    pub changes: Vec<(StreamName, Change)>,
    /// … and what they lead to.
    after: HashMap<StreamName, bool>,
    row: Vec<u8>,
}

impl Judge {
    pub fn new(shared: Arc<Shared>, index: Connection, cache: usize) -> Self {
        let (changes, after, row) = (Vec::new(), HashMap::new(), Vec::new());
        Self { shared, index, known: Cache::new(cache), changes, after, row }
    }

    /// Refuses what is malformed; answers how many bytes of a frame an append needs.
    pub fn size(append: &Append) -> Result<usize, AppendError> {
        check(append).map(|()| record_size(append))
    }

    /// Decides on an append of that size. The frame has room for it and will begin at this byte of the segment.
    pub fn judge(
        &mut self,
        append: &Append,
        size: usize,
        frame: &mut Frame,
        offset: u64,
    ) -> Result<Verdict, ReadError> {
        let live = match (append.expected, self.known(&append.stream)?) {
            (Expected::NoStream, None) => false,
            (Expected::Exactly(Revision(expected)), Some(known)) if expected == known.last => known.live,
            (Expected::Exactly(_), None) => return Ok(Verdict::Refused(wrong_revision(append, None))),
            (Expected::NoStream | Expected::Exactly(_), Some(known)) => {
                return self.repeat(append, known, frame, offset);
            }
        };
        let position = frame.next();
        let (at, size) = frame.push(append, size);
        let revision = append.expected.next().0;
        let (offset, size) = ((offset as usize + at) as u32, size as u32);
        let place = Place { position, revision, count: append.events.len() as u16, offset, size };
        self.shared.unindexed.push(&append.stream, place);
        self.remember(append, place, live);
        let durable =
            Durable::after_commit(append.stream.clone(), Revision(place.last_revision()), Position(place.last()));
        Ok(Verdict::Added(durable, Position(position)))
    }

    /// The frame is durable: answers what it changed.
    pub fn take_changes(&mut self) -> Vec<(StreamName, Change)> {
        self.after.clear();
        std::mem::take(&mut self.changes)
    }

    fn remember(&mut self, append: &Append, place: Place, live: bool) {
        let stream = &append.stream;
        let last = place.last_revision();
        match append.life {
            Life::Open => self.known.insert(stream.clone(), Known { last, live: true }),
            Life::Closed => self.known.remove(stream),
        }
        match (append.life, live) {
            (Life::Open, false) => {
                self.changes.push((stream.clone(), Change::Opened(Position(place.position))));
                self.after.insert(stream.clone(), true);
            }
            (Life::Closed, true) => {
                self.changes.push((stream.clone(), Change::Closed));
                self.after.insert(stream.clone(), false);
            }
            (Life::Open, true) | (Life::Closed, false) => {}
        }
    }

    fn known(&mut self, stream: &StreamName) -> Result<Option<Known>, ReadError> {
        if let Some(known) = self.known.get(stream) {
            return Ok(Some(*known));
        }
        let Some(place) = find::newest(&self.shared, &self.index, stream)? else { return Ok(None) };
        let live = self.after.get(stream).copied();
        let live = live.unwrap_or_else(|| super::lock(&self.shared.live).is_open(stream));
        let known = Known { last: place.last_revision(), live };
        self.known.insert(stream.clone(), known);
        Ok(Some(known))
    }

    /// Answers an append that is in the log, or in the frame, as it was answered first.
    fn repeat(&mut self, append: &Append, known: Known, frame: &Frame, offset: u64) -> Result<Verdict, ReadError> {
        let first = append.expected.next().0;
        let wrong = || Ok(Verdict::Refused(wrong_revision(append, Some(known.last))));
        if first > known.last {
            return wrong();
        }
        let places = find::all(&self.shared, &self.index, &append.stream, first)?;
        let Some(place) = places.into_iter().find(|place| place.revision == first) else { return wrong() };
        self.row.clear();
        row::encode(append, &mut self.row);
        let at = Position(place.position);
        let stored;
        let record = if frame.holds(place.position) {
            let within = (u64::from(place.offset) - offset) as usize;
            frame.record(within).map_err(|what| ReadError::Damaged { position: at, what: what.into() })?
        } else {
            stored = self.shared.segments.record(place)?;
            self.shared.segments.open(place, &stored)?
        };
        if record.stream != append.stream.as_str() || record.row != &self.row[..] {
            return wrong();
        }
        let last = Revision(place.last_revision());
        Ok(Verdict::Repeats(Durable::after_commit(append.stream.clone(), last, Position(place.last()))))
    }
}

fn wrong_revision(append: &Append, actual: Option<u64>) -> AppendError {
    let (stream, expected) = (append.stream.clone(), append.expected);
    AppendError::WrongRevision { stream, expected, actual: actual.map(Revision) }
}
