//! Finding the appends of a stream: what is not indexed yet first, then the index, never trusting it.

use super::super::collect::damaged;
use super::Shared;
use super::index::{IndexError, hash_of};
use super::places::Place;
use domain::log::{Direction, Part, Position, ReadError, StreamName};
use rusqlite::{Connection, ErrorCode};
use std::collections::HashSet;

impl From<IndexError> for ReadError {
    fn from(error: IndexError) -> Self {
        let what = format!(
            "the log's index: {error}; stop, delete index.db and start again: it is made anew from the segments"
        );
        match error {
            IndexError::Store(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => damaged(Position(0), &what),
                _ => Self::Unavailable(what),
            },
            IndexError::File(_) => Self::Unavailable(what),
            IndexError::Damaged(_) => damaged(Position(0), &what),
        }
    }
}

/// The stream's newest append, durable or not.
pub(super) fn newest(shared: &Shared, index: &Connection, stream: &StreamName) -> Result<Option<Place>, ReadError> {
    let place = shared.unindexed.newest(stream);
    if place.is_some() {
        return Ok(place);
    }
    let mut newest = None;
    shared.runs.search(index, hash_of(stream.as_str()), |places| {
        for place in places.into_iter().rev() {
            if is_of(shared, place, stream)? {
                newest = Some(place);
                return Ok::<_, ReadError>(true);
            }
        }
        Ok(false)
    })?;
    Ok(newest)
}

/// All appends of the stream in order, durable or not; those that lie wholly before the revision `from` may be missing.
pub(super) fn all(
    shared: &Shared,
    index: &Connection,
    stream: &StreamName,
    from: u64,
) -> Result<Vec<Place>, ReadError> {
    let found = gather(shared, index, stream, Some(from))?;
    if follow_each_other(&found, from) {
        return Ok(found);
    }
    // Another stream's name may have the same hash. What is not indexed is known by name, and may not be on disk yet.
    let (certain, mut own) = (shared.unindexed.places(stream), Vec::new());
    for place in gather(shared, index, stream, None)? {
        if certain.contains(&place) || is_of(shared, place, stream)? {
            own.push(place);
        }
    }
    if follow_each_other(&own, from) {
        return Ok(own);
    }
    Err(IndexError::Damaged("appends of a stream are missing in it").into())
}

/// The appends of many streams, each in order, durable ones alone; those that lie wholly before what `part` asks for may
/// be missing.
pub(super) fn together(
    shared: &Shared,
    index: &Connection,
    streams: &[StreamName],
    part: Part,
) -> Result<Vec<Vec<Place>>, ReadError> {
    let head = shared.tail.head().0;
    // In this order: what moves into the index meanwhile is seen twice, not never.
    let mut found: Vec<Vec<Place>> = shared.unindexed.places_of(streams);
    found.iter_mut().for_each(|places| places.retain(|place| place.last() <= head));
    let mut wanted: Vec<(u64, usize)> =
        streams.iter().enumerate().map(|(mark, stream)| (hash_of(stream.as_str()), mark)).collect();
    wanted.retain(|(_, mark)| !found.get(*mark).is_some_and(|places| reach(places, part)));
    wanted.sort_unstable();
    let missed = shared.runs.search_together(index, wanted, |mark, places| {
        let Some(known) = found.get_mut(mark) else { return true };
        known.extend_from_slice(places);
        reach(known, part)
    })?;
    let missed: HashSet<usize> = missed.into_iter().collect();
    for (mark, (stream, places)) in streams.iter().zip(&mut found).enumerate() {
        places.sort_unstable();
        places.dedup_by_key(|place| place.position);
        // As in `all`: another stream's name may have the same hash.
        if missed.contains(&mark) || !follow_each_other(places, first_of(places, part)) {
            *places = all(shared, index, stream, 0)?;
            places.retain(|place| place.last() <= head);
        }
    }
    Ok(found)
}

/// The first revision of a part that is wanted of a stream whose newest appends these are.
pub(super) fn first_of(places: &[Place], part: Part) -> u64 {
    let newest = places.iter().map(Place::last_revision).max().unwrap_or(0);
    match part.direction {
        Direction::Forwards => part.from.0,
        Direction::Backwards => newest.min(part.from.0).saturating_sub(part.limit.saturating_sub(1) as u64),
    }
}

/// Whether what is wanted of a stream is in these appends, the newest of it.
fn reach(places: &[Place], part: Part) -> bool {
    let first = first_of(places, part);
    places.iter().any(|place| place.revision <= first)
}

/// Places of the stream, and of others with the same hash, in the order of the log: all, or enough of them to begin
/// with a revision.
fn gather(
    shared: &Shared,
    index: &Connection,
    stream: &StreamName,
    from: Option<u64>,
) -> Result<Vec<Place>, ReadError> {
    let enough = |place: &Place| place.revision <= from.unwrap_or(0);
    // In this order: what moves into the index meanwhile is seen twice, not never.
    let mut found = shared.unindexed.places(stream);
    if !found.first().is_some_and(enough) {
        shared.runs.search(index, hash_of(stream.as_str()), |places| {
            let stop = from.is_some() && places.first().is_some_and(enough);
            found.extend(places);
            Ok::<_, ReadError>(stop)
        })?;
    }
    found.sort_unstable();
    found.dedup_by_key(|place| place.position);
    Ok(found)
}

/// Whether these are the appends of one stream without a gap, from the one on that holds this revision.
fn follow_each_other(places: &[Place], from: u64) -> bool {
    let gap = |pair: &[Place]| !matches!(pair, [a, b] if a.last_revision() + 1 == b.revision);
    places.first().is_none_or(|place| place.revision <= from) && !places.windows(2).any(gap)
}

/// Whether the append there is the stream's, and not that of another with the same hash.
fn is_of(shared: &Shared, place: Place, stream: &StreamName) -> Result<bool, ReadError> {
    let bytes = shared.segments.record(place)?;
    let record = shared.segments.open(place, &bytes)?;
    if record.stream == stream.as_str() {
        return Ok(true);
    }
    if hash_of(record.stream) == hash_of(stream.as_str()) {
        return Ok(false);
    }
    Err(damaged(Position(place.position), "an append of another stream stands where the index says that it is"))
}
