//! Reading, away from the log thread and the async threads. Nothing after the head is seen.

use super::super::collect::{self, Collect, damaged};
use super::super::tail::Page;
use super::super::{Kinds, lock};
use super::frame::Record;
use super::places::{Marked, Place};
use super::segments::{FrameAt, Frames};
use super::{Shared, find, index};
use domain::log::{Direction, Filter, Part, Position, ReadError, Recorded, Revision, StreamName, Together};
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

/// Appends looked at for one page of a follower.
const SCAN: usize = 2_048;

/// Readers of the log, so many at a time.
pub(super) struct Readers {
    shared: Arc<Shared>,
    index: PathBuf,
    idle: Mutex<Vec<(Connection, Kinds)>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub fn new(shared: Arc<Shared>, index: PathBuf, count: usize) -> Self {
        Self { shared, index, idle: Mutex::default(), permits: Arc::new(Semaphore::new(count.max(1))) }
    }

    /// One reader at a time, over a connection that sees the index as it was once.
    pub fn over(shared: Arc<Shared>, index: PathBuf, connection: Connection) -> Self {
        let idle = Mutex::new(vec![(connection, Kinds::default())]);
        Self { shared, index, idle, permits: Arc::new(Semaphore::new(1)) }
    }

    /// Runs a query on a thread that may block.
    pub async fn run<T, F>(self: Arc<Self>, query: F) -> Result<T, ReadError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Reader<'_>) -> Result<T, ReadError> + Send + 'static,
    {
        let away = |_| ReadError::Unavailable("it is shutting down".into());
        let permit = self.permits.clone().acquire_owned().await.map_err(away)?;
        let work = move || {
            let _permit = permit;
            let idle = lock(&self.idle).pop();
            let (index, mut kinds) = match idle {
                Some(idle) => idle,
                None => (index::reader(&self.index).map_err(index::IndexError::from)?, Kinds::default()),
            };
            let answer = query(&mut Reader { shared: &self.shared, index: &index, kinds: &mut kinds });
            lock(&self.idle).push((index, kinds));
            answer
        };
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(ReadError::Unavailable("a read failed".into())))
    }
}

/// One reader, during one query.
pub(super) struct Reader<'r> {
    shared: &'r Shared,
    index: &'r Connection,
    kinds: &'r mut Kinds,
}

impl Reader<'_> {
    /// [`domain::log::EventLog::read_stream`].
    pub fn stream(
        &mut self,
        stream: &StreamName,
        from: Revision,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        let head = self.shared.tail.head().0;
        let lowest = match direction {
            Direction::Forwards => from.0,
            Direction::Backwards => 0,
        };
        let mut places = find::all(self.shared, self.index, stream, lowest)?;
        places.retain(|place| place.last() <= head);
        match direction {
            Direction::Forwards => places.retain(|place| place.last_revision() >= from.0),
            Direction::Backwards => {
                places.retain(|place| place.revision <= from.0);
                places.reverse();
            }
        }
        let inside = |_, revision| match direction {
            Direction::Forwards => revision >= from,
            Direction::Backwards => revision <= from,
        };
        let mut collect = Collect { page: Page::default(), limit, direction, kinds: self.kinds };
        for place in places {
            if collect.full() {
                break;
            }
            let bytes = self.shared.segments.record(place)?;
            let record = self.shared.segments.open(place, &bytes)?;
            is_of(&record, stream, place)?;
            collect.events(&at(&record, stream.clone()), record.row, &|_, _| true, &inside)?;
        }
        Ok(collect.page.events)
    }

    /// Where the appends of many streams stand, as far as a part of each needs them.
    pub fn places(&mut self, streams: &[StreamName], part: Part) -> Result<Vec<Vec<Place>>, ReadError> {
        find::together(self.shared, self.index, streams, part)
    }

    /// A part of each of these streams, whose appends stand there. What lies close together is read at once.
    pub fn together(&mut self, streams: Vec<(StreamName, Vec<Place>)>, part: Part) -> Result<Together, ReadError> {
        let places = streams.iter().enumerate();
        let mut places: Vec<Marked> =
            places.flat_map(|(mark, (_, places))| places.iter().map(move |place| (*place, mark))).collect();
        places.sort_unstable();
        let wanted = |places: &[Place]| {
            let first = Revision(find::first_of(places, part));
            first..=if part.direction == Direction::Forwards { Revision(u64::MAX) } else { part.from }
        };
        let mut found: Vec<_> = streams.into_iter().map(|(stream, places)| (stream, wanted(&places), vec![])).collect();
        let (limit, direction) = (usize::MAX, Direction::Forwards);
        let mut collect = Collect { page: Page::default(), limit, direction, kinds: self.kinds };
        let (mut rest, mut room) = (places.as_slice(), Vec::new());
        while !rest.is_empty() {
            let (near, bytes) = self.shared.segments.stretch(rest, &mut room)?;
            let start = near.first().map_or(0, |(place, _)| place.offset);
            for (place, mark) in near {
                let from = (place.offset - start) as usize;
                let record = bytes.get(from..from + place.size as usize).unwrap_or_default();
                let record = self.shared.segments.open(*place, record)?;
                let Some((stream, wanted, events)) = found.get_mut(*mark) else { continue };
                is_of(&record, stream, *place)?;
                collect.page.events = std::mem::take(events);
                let inside = |_, revision| wanted.contains(&revision);
                collect.events(&at(&record, stream.clone()), record.row, &|_, _| true, &inside)?;
                *events = std::mem::take(&mut collect.page.events);
            }
            rest = rest.get(near.len().max(1)..).unwrap_or_default();
        }
        let in_order = |(stream, _, mut events): (_, _, Vec<Recorded>)| {
            if part.direction == Direction::Backwards {
                events.reverse();
            }
            events.truncate(part.limit);
            (stream, events)
        };
        Ok(found.into_iter().map(in_order).collect())
    }

    /// [`domain::log::EventLog::read_all`].
    pub fn all(
        &mut self,
        from: Position,
        direction: Direction,
        filter: &Filter,
        limit: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        let head = self.shared.tail.head();
        match direction {
            Direction::Forwards => self.forwards(from, head, filter, limit, usize::MAX).map(|page| page.events),
            Direction::Backwards => self.backwards(from, head, filter, limit),
        }
    }

    /// A page for a follower: events after a position, not after `head`.
    pub fn page(&mut self, after: Position, head: Position, filter: &Filter, limit: usize) -> Result<Page, ReadError> {
        let page = self.forwards(after, head, filter, limit, SCAN)?;
        if page.seen <= after {
            let what = format!("nothing follows it, but the log ends at {head}");
            return Err(damaged(after, &what));
        }
        Ok(page)
    }

    fn forwards(
        &mut self,
        after: Position,
        head: Position,
        filter: &Filter,
        limit: usize,
        appends: usize,
    ) -> Result<Page, ReadError> {
        let page = Page { events: Vec::new(), seen: after };
        let mut collect = Collect { page, limit, direction: Direction::Forwards, kinds: self.kinds };
        let shared = self.shared;
        let (mut left, mut next) = (appends, after.0.saturating_add(1));
        while next <= head.0 && left > 0 && !collect.full() {
            let Some(frames) = shared.segments.frames(next)? else {
                return Err(damaged(Position(next), "no segment holds it"));
            };
            for frame in frames.from(next) {
                if frame.first > head.0 || left == 0 || collect.full() {
                    break;
                }
                let bytes = shared.segments.frame(frames.first, *frame)?;
                for record in records(shared.segments.seed(), &frames, *frame, &bytes)? {
                    if left == 0 || collect.full() {
                        break;
                    }
                    if record.last() > after.0 {
                        take(&mut collect, &record, filter, &|position, _| position > after)?;
                        left -= 1;
                    }
                }
                next = collect.page.seen.0 + 1;
            }
            let end = frames.next.map_or(head.0, |next| head.0.min(next - 1));
            if collect.page.seen.0 < end && left > 0 && !collect.full() {
                return Err(damaged(Position(next), "commits are missing in its segment"));
            }
        }
        Ok(collect.page)
    }

    fn backwards(
        &mut self,
        before: Position,
        head: Position,
        filter: &Filter,
        limit: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        let mut collect = Collect { page: Page::default(), limit, direction: Direction::Backwards, kinds: self.kinds };
        let shared = self.shared;
        let mut next = before.0.saturating_sub(1).min(head.0);
        while next > 0 && !collect.full() {
            let Some(frames) = shared.segments.frames(next)? else {
                return Err(damaged(Position(next), "no segment holds it"));
            };
            for frame in frames.until(next).iter().rev() {
                let bytes = shared.segments.frame(frames.first, *frame)?;
                for record in records(shared.segments.seed(), &frames, *frame, &bytes)?.into_iter().rev() {
                    if collect.full() {
                        break;
                    }
                    if record.position < before.0 && record.last() <= head.0 {
                        take(&mut collect, &record, filter, &|position, _| position < before)?;
                    }
                }
                if collect.full() {
                    break;
                }
            }
            next = frames.first - 1;
        }
        Ok(collect.page.events)
    }
}

/// The records of a frame, each where it should be.
fn records<'b>(seed: u32, frames: &Frames, frame: FrameAt, bytes: &'b [u8]) -> Result<Vec<Record<'b>>, ReadError> {
    let (mut found, mut rest, mut position) = (Vec::new(), bytes, frame.first);
    while !rest.is_empty() {
        let broken = |what| {
            let whose = Record::seems(rest).map_or(String::new(), |whose| format!(", {whose}"));
            damaged(Position(position), &format!("segment {:020}{whose}: {what}", frames.first))
        };
        let (record, size) = Record::open(rest, seed).map_err(broken)?;
        if record.position != position {
            return Err(broken("an append has another position"));
        }
        position += u64::from(record.count);
        found.push(record);
        rest = &rest[size..];
    }
    Ok(found)
}

/// What stands where the index says must be the stream's.
fn is_of(record: &Record<'_>, stream: &StreamName, place: Place) -> Result<(), ReadError> {
    if record.stream == stream.as_str() {
        return Ok(());
    }
    let what = "an append of another stream stands where the index says that it is";
    Err(damaged(Position(place.position), what))
}

/// Adds what is wanted of a record.
fn take(
    collect: &mut Collect<'_>,
    record: &Record<'_>,
    filter: &Filter,
    inside: &impl Fn(Position, Revision) -> bool,
) -> Result<(), ReadError> {
    let stream = record.name().map_err(|what| damaged(Position(record.position), what))?;
    let admits = |stream: &StreamName, kind: &str| filter.admits(stream, kind);
    collect.events(&at(record, stream), record.row, &admits, inside)
}

fn at(record: &Record<'_>, stream: StreamName) -> collect::Place {
    let position = Position(record.position);
    collect::Place { position, stream, revision: record.revision, count: record.count.into() }
}
