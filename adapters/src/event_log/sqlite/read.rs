//! Reading on connections of its own, away from the log thread and the async threads.

use super::super::collect::{Collect, Place, damaged};
use super::super::tail::Page;
use super::super::{Kinds, lock};
use super::store;
use crate::cache::Cache;
use domain::log::{Direction, Filter, Position, ReadError, Recorded, Revision, StreamName};
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

/// Rows looked at for one page of a follower.
const SCAN: u64 = 2_048;
/// Streams whose names are remembered, per generation.
const NAMES: usize = 16_384;
const MAX: u64 = i64::MAX as u64;

/// The read-only connections.
pub(super) struct Readers {
    path: PathBuf,
    /// Nothing after this position is seen.
    last: Position,
    idle: Mutex<Vec<(Connection, Kinds)>>,
    permits: Arc<Semaphore>,
    names: Mutex<Cache<i64, StreamName>>,
}

impl Readers {
    /// Readers of everything that is committed.
    pub fn new(path: PathBuf, count: usize) -> Self {
        Self::until(Position(MAX), path, count)
    }

    /// Readers of what stands up to a position.
    pub fn until(last: Position, path: PathBuf, count: usize) -> Self {
        let permits = Arc::new(Semaphore::new(count.max(1)));
        Self { path, last, idle: Mutex::default(), permits, names: Mutex::new(Cache::new(NAMES)) }
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
            let (connection, mut kinds) = match idle {
                Some(idle) => idle,
                None => (store::reader(&self.path).map_err(|error| failed(&error, Position(0)))?, Kinds::default()),
            };
            let (names, last) = (&self.names, self.last);
            let answer = query(&mut Reader { connection: &connection, kinds: &mut kinds, names, last });
            lock(&self.idle).push((connection, kinds));
            answer
        };
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(ReadError::Unavailable("a read failed".into())))
    }
}

/// One connection, during one query.
pub(super) struct Reader<'r> {
    connection: &'r Connection,
    kinds: &'r mut Kinds,
    names: &'r Mutex<Cache<i64, StreamName>>,
    last: Position,
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
        let at = |error| failed(&error, Position(0));
        let find = "SELECT id FROM streams WHERE name = ?1";
        let mut find = self.connection.prepare_cached(find).map_err(at)?;
        let Some(id) = find.query_row([stream.as_str()], |row| row.get::<_, i64>(0)).optional().map_err(at)? else {
            return Ok(Vec::new());
        };
        let query = match direction {
            Direction::Forwards => {
                "SELECT position, stream, revision, count, events FROM log WHERE stream = ?1 AND revision >=
                 coalesce((SELECT max(revision) FROM log WHERE stream = ?1 AND revision <= ?2), 0) ORDER BY revision"
            }
            Direction::Backwards => {
                "SELECT position, stream, revision, count, events FROM log WHERE stream = ?1 AND revision <= ?2
                 ORDER BY revision DESC"
            }
        };
        let last = self.last;
        let inside = |position, revision| match direction {
            Direction::Forwards => revision >= from && position <= last,
            Direction::Backwards => revision <= from && position <= last,
        };
        let bounds = params![id, from.0.min(MAX) as i64];
        self.collect(query, bounds, direction, limit, |_, _| true, inside).map(|page| page.events)
    }

    /// [`domain::log::EventLog::read_all`].
    pub fn all(
        &mut self,
        from: Position,
        direction: Direction,
        filter: &Filter,
        limit: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        match direction {
            Direction::Forwards => self.forwards(from, self.last, filter, limit, MAX).map(|page| page.events),
            Direction::Backwards => {
                let query = "SELECT position, stream, revision, count, events FROM log WHERE position < ?1
                             ORDER BY position DESC";
                let from = from.min(Position(self.last.0.saturating_add(1)));
                let inside = |position, _| position < from;
                let admits = |stream: &StreamName, kind: &str| filter.admits(stream, kind);
                let bounds = params![from.0.min(MAX) as i64];
                self.collect(query, bounds, direction, limit, admits, inside).map(|page| page.events)
            }
        }
    }

    /// A page for a follower: events after a position, not after `head`.
    pub fn page(&mut self, after: Position, head: Position, filter: &Filter, limit: usize) -> Result<Page, ReadError> {
        let page = self.forwards(after, head, filter, limit, SCAN)?;
        if page.seen <= after {
            return Err(ReadError::Damaged {
                position: after,
                what: format!("nothing follows it, but the log ends at {head}"),
            });
        }
        Ok(page)
    }

    fn forwards(
        &mut self,
        after: Position,
        head: Position,
        filter: &Filter,
        limit: usize,
        rows: u64,
    ) -> Result<Page, ReadError> {
        let query = "SELECT position, stream, revision, count, events FROM log WHERE position >=
                     coalesce((SELECT max(position) FROM log WHERE position <= ?1), 0) AND position <= ?2
                     ORDER BY position LIMIT ?3";
        let bounds = params![after.0.saturating_add(1).min(MAX) as i64, head.0.min(MAX) as i64, rows as i64];
        let inside = |position, _| position > after;
        let admits = |stream: &StreamName, kind: &str| filter.admits(stream, kind);
        self.collect(query, bounds, Direction::Forwards, limit, admits, inside)
    }

    fn collect(
        &mut self,
        query: &str,
        bounds: impl rusqlite::Params,
        direction: Direction,
        limit: usize,
        admits: impl Fn(&StreamName, &str) -> bool,
        inside: impl Fn(Position, Revision) -> bool,
    ) -> Result<Page, ReadError> {
        let at = |error: &rusqlite::Error| failed(error, Position(0));
        let mut statement = self.connection.prepare_cached(query).map_err(|error| at(&error))?;
        let mut rows = statement.query(bounds).map_err(|error| at(&error))?;
        let mut collect = Collect { page: Page::default(), limit, direction, kinds: self.kinds };
        while collect.page.events.len() < limit {
            let Some(row) = rows.next().map_err(|error| failed(&error, collect.page.seen))? else { break };
            let place = Self::place(row, |id, position| Self::name(self.connection, self.names, id, position))?;
            let blob = row.get_ref(4).ok().and_then(|blob| blob.as_blob().ok());
            let blob = blob.ok_or_else(|| damaged(place.position, "its row holds no events"))?;
            collect.events(&place, blob, &admits, &inside)?;
        }
        Ok(collect.page)
    }

    fn place(
        row: &rusqlite::Row<'_>,
        name: impl Fn(i64, Position) -> Result<StreamName, ReadError>,
    ) -> Result<Place, ReadError> {
        let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
        let position = number(0).map(Position).map_err(|error| failed(&error, Position(0)))?;
        let at = |error: rusqlite::Error| failed(&error, position);
        let stream = name(row.get(1).map_err(at)?, position)?;
        Ok(Place { position, stream, revision: number(2).map_err(at)?, count: number(3).map_err(at)? })
    }

    fn name(
        connection: &Connection,
        names: &Mutex<Cache<i64, StreamName>>,
        id: i64,
        position: Position,
    ) -> Result<StreamName, ReadError> {
        if let Some(name) = lock(names).get(&id) {
            return Ok(name.clone());
        }
        let at = |error| failed(&error, position);
        let mut find = connection.prepare_cached("SELECT name FROM streams WHERE id = ?1").map_err(at)?;
        let name = find.query_row([id], |row| row.get::<_, String>(0)).optional().map_err(at)?;
        let name =
            name.as_deref().and_then(StreamName::parse).ok_or_else(|| damaged(position, "its stream has no name"))?;
        lock(names).insert(id, name.clone());
        Ok(name)
    }

    /// [`domain::log::EventLog::open_streams`].
    pub fn open_streams(&self) -> Result<Vec<StreamName>, ReadError> {
        let at = |error| failed(&error, Position(0));
        let query = "SELECT name FROM live JOIN streams ON streams.id = live.stream ORDER BY opened";
        let mut statement = self.connection.prepare_cached(query).map_err(at)?;
        let names = statement.query_map([], |row| row.get::<_, String>(0)).map_err(at)?;
        let parse = |name: String| {
            StreamName::parse(&name).ok_or_else(|| damaged(Position(0), &format!("a stream is called {name:?}")))
        };
        names.map(|name| name.map_err(at).and_then(parse)).collect()
    }
}

fn failed(error: &rusqlite::Error, near: Position) -> ReadError {
    match (error.sqlite_error_code(), error) {
        (Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase), _)
        // A column holds something else than was written.
        | (None, rusqlite::Error::InvalidColumnType(..) | rusqlite::Error::FromSqlConversionFailure(..)) => {
            damaged(near, &error.to_string())
        }
        _ => ReadError::Unavailable(error.to_string()),
    }
}
