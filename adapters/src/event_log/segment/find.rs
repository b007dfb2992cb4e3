//! Finding the appends of a stream: what is not indexed yet first, then the index, never trusting it.

use super::super::collect::damaged;
use super::Shared;
use super::index::{IndexError, hash_of};
use super::places::Place;
use domain::log::{Position, ReadError, StreamName};
use rusqlite::{Connection, ErrorCode};

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
