//! The index: where the appends of each stream stand. It lies in SQLite and can be made again from the segments.
//!
//! A row for each stream in one tree would cost a page written at random for each call. So places are kept in runs, as a
//! log-structured merge tree does: a batch of appends becomes a run, sixteen runs become one of the next level. A run's
//! places lie by hash of the stream's name in buckets, one row each; a filter in memory tells which runs to ask.

mod run;
mod thread;

use super::frame::LogId;
use super::places::{ByStream, LiveChanges, Place};
use crate::private_file;
use domain::log::StreamName;
pub(super) use run::hash_of;
use run::{Bits, Entry, LAST_LEVEL, Run, TIER};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, params};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
pub(super) use thread::IndexThread;

/// Version of the tables and of what is in them, in `PRAGMA user_version`.
const FORMAT: i64 = 1;

const SCHEMA: &str = "
    -- Everything up to the event at `complete` is indexed, and the frame that ends there has this checksum. `live` is a
    -- sum over the table of that name.
    CREATE TABLE state (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        log BLOB NOT NULL,
        complete INTEGER NOT NULL,
        checksum INTEGER NOT NULL,
        live INTEGER NOT NULL
    );
    -- Appends from the event at `first` to that at `last`. `checksum` covers the other columns.
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        level INTEGER NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        filled BLOB NOT NULL,
        filter BLOB NOT NULL,
        checksum INTEGER NOT NULL
    );
    -- The id is the run's and the bucket's number.
    CREATE TABLE buckets (id INTEGER PRIMARY KEY, places BLOB NOT NULL);
    -- Streams whose last append left them open, with the position of the append that opened them.
    CREATE TABLE live (opened INTEGER PRIMARY KEY, name TEXT NOT NULL);
";

/// Why the index could not be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum IndexError {
    #[error("{0}")]
    Store(#[from] rusqlite::Error),
    #[error("{0}")]
    File(#[from] io::Error),
    /// It does not hold together: it must be made again.
    #[error("{0}")]
    Damaged(&'static str),
}

/// What the index gets at a time.
#[derive(Debug)]
pub(super) struct Batch {
    pub places: Arc<ByStream>,
    pub live: LiveChanges,
    /// Position of the batch's first event.
    pub first: u64,
    /// Position of its last event, with which a frame ends.
    pub last: u64,
    /// Checksum of that frame.
    pub checksum: u32,
}

/// The runs, for everyone who looks something up.
pub(super) struct Runs {
    /// In the order of the log.
    list: RwLock<Vec<Arc<Run>>>,
    seed: u32,
}

/// The one who writes the index.
pub(super) struct Index {
    connection: Connection,
    runs: Arc<Runs>,
    /// Everything up to here is in it …
    pub complete: u64,
    /// … and this is the checksum of the frame that ends there.
    pub checksum: u32,
    live: u64,
}

/// An index, the streams that live, and runs that are not needed any more.
type Loaded = (Index, BTreeMap<u64, StreamName>, Vec<Arc<Run>>);

/// The file of the index and those that SQLite keeps beside it.
pub(super) fn files(path: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    })
}

/// A connection that can only read.
pub(super) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection)
}

fn live_sum(opened: u64, name: &str) -> u64 {
    run::mix(hash_of(name) ^ run::mix(opened))
}

impl Index {
    /// Makes an empty index for a log.
    pub fn create(path: &Path, log: LogId) -> Result<Self, IndexError> {
        let connection = connect(path)?;
        connection.execute_batch(&format!("BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT;"))?;
        connection.execute("INSERT INTO state VALUES (1, ?1, 0, 0, 0)", [&log.0[..]])?;
        let runs = Arc::new(Runs { list: RwLock::default(), seed: log.seed() });
        Ok(Self { connection, runs, complete: 0, checksum: 0, live: 0 })
    }

    /// Opens the index of a log, and checks what can be checked without reading all of it.
    pub fn open(path: &Path, log: LogId) -> Result<(Self, BTreeMap<u64, StreamName>), IndexError> {
        let (index, streams, merged) = Self::load(connect(path)?, log)?;
        index.remove(&merged)?;
        Ok((index, streams))
    }

    /// Opens the index of a log as it is now, beside the one who writes it: what is written later is not seen.
    pub fn look(path: &Path, log: LogId) -> Result<(Self, BTreeMap<u64, StreamName>), IndexError> {
        let connection = reader(path)?;
        // Lasts as long as the connection: runs that are merged meanwhile stay where they are for this reader.
        connection.execute_batch("BEGIN")?;
        let (index, streams, _) = Self::load(connection, log)?;
        Ok((index, streams))
    }

    /// An index that holds nothing, for whoever reads a log that has none.
    pub fn none(log: LogId) -> Result<Self, IndexError> {
        let runs = Arc::new(Runs { list: RwLock::default(), seed: log.seed() });
        Ok(Self { connection: Connection::open_in_memory()?, runs, complete: 0, checksum: 0, live: 0 })
    }

    /// The connection, for lookups.
    pub fn into_connection(self) -> Connection {
        self.connection
    }

    fn load(connection: Connection, log: LogId) -> Result<Loaded, IndexError> {
        let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found != FORMAT {
            return Err(IndexError::Damaged("it has another format"));
        }
        let state = connection.query_row("SELECT log, complete, checksum, live FROM state", [], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?, row.get::<_, u32>(2)?, row.get::<_, i64>(3)?))
        });
        let (of, complete, checksum, live) = state?;
        if of != log.0 {
            return Err(IndexError::Damaged("it is the index of another log"));
        }
        let runs = Arc::new(Runs { list: RwLock::default(), seed: log.seed() });
        let (complete, live) = (complete.cast_unsigned(), live.cast_unsigned());
        let index = Self { connection, runs, complete, checksum, live };
        let merged = index.load_runs()?;
        let streams = index.load_live()?;
        Ok((index, streams, merged))
    }

    /// Runs must cover the log without a gap; answers those that were merged into another but not removed yet.
    fn load_runs(&self) -> Result<Vec<Arc<Run>>, IndexError> {
        let query =
            "SELECT id, level, first, last, filled, filter, checksum FROM runs ORDER BY first, level DESC, last DESC";
        let mut statement = self.connection.prepare(query)?;
        let runs = statement.query_map([], |row| {
            let number = |column| row.get::<_, i64>(column);
            let run = Run {
                id: number(0)?,
                level: number(1)?.unsigned_abs() as usize,
                first: number(2)?.cast_unsigned(),
                last: number(3)?.cast_unsigned(),
                filled: Bits(row.get(4)?),
                filter: Bits(row.get(5)?),
            };
            Ok((run, row.get::<_, u32>(6)?))
        })?;
        let (mut list, mut covered, mut merged) = (Vec::new(), 0, Vec::new());
        for run in runs {
            let (run, checksum) = run?;
            if !run.is_sound() || self.checksum_of(&run) != checksum {
                return Err(IndexError::Damaged("the description of a part of it is wrong"));
            }
            if run.last <= covered {
                merged.push(Arc::new(run));
                continue;
            }
            if run.first != covered + 1 {
                return Err(IndexError::Damaged("a part of it is missing"));
            }
            covered = run.last;
            list.push(Arc::new(run));
        }
        if covered != self.complete {
            return Err(IndexError::Damaged("its parts do not end where it says"));
        }
        drop(statement);
        *self.runs.list.write().unwrap_or_else(PoisonError::into_inner) = list;
        Ok(merged)
    }

    fn load_live(&self) -> Result<BTreeMap<u64, StreamName>, IndexError> {
        let mut statement = self.connection.prepare("SELECT opened, name FROM live ORDER BY opened")?;
        let mut rows = statement.query([])?;
        let (mut streams, mut sum) = (Vec::new(), 0_u64);
        while let Some(row) = rows.next()? {
            let wrong = || IndexError::Damaged("a live stream's name is wrong");
            let opened = row.get::<_, i64>(0)?.cast_unsigned();
            let name = row.get_ref(1)?.as_str().map_err(|_| wrong())?;
            sum = sum.wrapping_add(live_sum(opened, name));
            streams.push((opened, StreamName::parse(name).ok_or_else(wrong)?));
        }
        if sum != self.live {
            return Err(IndexError::Damaged("its list of live streams is wrong"));
        }
        // They come in order: a tree of them is built at once.
        Ok(streams.into_iter().collect())
    }

    pub fn runs(&self) -> Arc<Runs> {
        Arc::clone(&self.runs)
    }

    fn checksum_of(&self, run: &Run) -> u32 {
        let numbers = [run.id as u64, run.level as u64, run.first, run.last].map(u64::to_be_bytes);
        let sum = crc32c::crc32c_append(self.runs.seed, numbers.as_flattened());
        crc32c::crc32c_append(crc32c::crc32c_append(sum, &run.filled.0), &run.filter.0)
    }

    /// Adds a batch that follows what is in the index. Where this fails nothing was added.
    pub fn store(&mut self, batch: &Batch) -> Result<(), IndexError> {
        let mut entries: Vec<(u64, &Vec<Place>)> =
            batch.places.iter().map(|(stream, places)| (hash_of(stream.as_str()), places)).collect();
        entries.sort_unstable_by_key(|(hash, places)| (*hash, places.first().copied()));
        let id = self.next_id()?;
        let mut run = Run::new(id, 0, (batch.first, batch.last), entries.len());
        entries.iter().for_each(|(hash, _)| run.add(*hash));
        let transaction = self.connection.unchecked_transaction()?;
        for bucket in entries.chunk_by(|(a, _), (b, _)| run.bucket(*a) == run.bucket(*b)) {
            let mut merged: Vec<Entry> = Vec::with_capacity(bucket.len());
            bucket.iter().for_each(|(hash, places)| join(&mut merged, *hash, places));
            let number = bucket.first().map_or(0, |(hash, _)| run.bucket(*hash));
            put(&transaction, &run, number, &merged, self.runs.seed)?;
        }
        self.describe(&transaction, &run)?;
        let mut live = self.live;
        for opened in &batch.live.closed {
            let find = "DELETE FROM live WHERE opened = ?1 RETURNING name";
            let name =
                transaction.prepare_cached(find)?.query_row([opened.cast_signed()], |row| row.get::<_, String>(0));
            live = live.wrapping_sub(name.optional()?.map_or(0, |name| live_sum(*opened, &name)));
        }
        for (opened, stream) in &batch.live.opened {
            let add = "INSERT INTO live VALUES (?1, ?2)";
            transaction.prepare_cached(add)?.execute(params![opened.cast_signed(), stream.as_str()])?;
            live = live.wrapping_add(live_sum(*opened, stream.as_str()));
        }
        let state = params![batch.last.cast_signed(), batch.checksum, live.cast_signed()];
        transaction.prepare_cached("UPDATE state SET complete = ?1, checksum = ?2, live = ?3")?.execute(state)?;
        transaction.commit()?;
        (self.complete, self.checksum, self.live) = (batch.last, batch.checksum, live);
        self.runs.list.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(run));
        Ok(())
    }

    /// Merges runs of one level into one of the next, where there are enough; answers whether it did.
    pub fn merge(&mut self) -> Result<bool, IndexError> {
        let list = self.runs.snapshot();
        let Some(old) = due(&list) else { return Ok(false) };
        let (Some(first), Some(last)) = (old.first(), old.last()) else { return Ok(false) };
        let (from, level) = (first.level, first.level + 1);
        // A filter too large by the streams that are in several runs does no harm.
        let streams: usize = old.iter().map(|run| run.filter.0.len() * 8 / 10).sum();
        let mut run = Run::new(self.next_id()?, level, (first.first, last.last), streams);
        let transaction = self.connection.unchecked_transaction()?;
        for bucket in 0..run::buckets(from) {
            let mut entries: Vec<Entry> = Vec::new();
            for part in old.iter().filter(|part| part.is_filled(bucket)) {
                let found = get(&transaction, part, bucket, self.runs.seed, |_| true)?;
                entries.extend(found.ok_or(IndexError::Damaged("a bucket is missing"))?);
            }
            // Stable: the places of one hash stay in the order of the runs.
            entries.sort_by_key(|(hash, _)| *hash);
            let mut merged: Vec<Entry> = Vec::with_capacity(entries.len());
            entries.iter().for_each(|(hash, places)| join(&mut merged, *hash, places));
            merged.iter().for_each(|(hash, _)| run.add(*hash));
            for part in merged.chunk_by(|(a, _), (b, _)| run.bucket(*a) == run.bucket(*b)) {
                let number = part.first().map_or(0, |(hash, _)| run.bucket(*hash));
                put(&transaction, &run, number, part, self.runs.seed)?;
            }
        }
        self.describe(&transaction, &run)?;
        transaction.commit()?;
        let old: Vec<Arc<Run>> = old.to_vec();
        let gone = |run: &Arc<Run>| old.iter().any(|old| old.id == run.id);
        {
            let mut list = self.runs.list.write().unwrap_or_else(PoisonError::into_inner);
            let at = list.iter().position(gone).unwrap_or(list.len());
            list.insert(at, Arc::new(run));
            list.retain(|run| !gone(run));
        }
        // Whoever looked at the old list finds buckets missing and looks again.
        self.remove(&old)?;
        Ok(true)
    }

    fn remove(&self, runs: &[Arc<Run>]) -> Result<(), IndexError> {
        let transaction = self.connection.unchecked_transaction()?;
        for run in runs {
            transaction.execute("DELETE FROM runs WHERE id = ?1", [run.id])?;
            let until = run.row(run::buckets(run.level));
            transaction.execute("DELETE FROM buckets WHERE id >= ?1 AND id < ?2", [run.row(0), until])?;
        }
        Ok(transaction.commit()?)
    }

    fn next_id(&self) -> Result<i64, IndexError> {
        Ok(self.connection.query_row("SELECT coalesce(max(id), 0) + 1 FROM runs", [], |row| row.get(0))?)
    }

    fn describe(&self, transaction: &Transaction<'_>, run: &Run) -> Result<(), IndexError> {
        let add = "INSERT INTO runs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let (first, last) = (run.first.cast_signed(), run.last.cast_signed());
        let row = params![run.id, run.level as i64, first, last, run.filled.0, run.filter.0, self.checksum_of(run)];
        transaction.prepare_cached(add)?.execute(row)?;
        Ok(())
    }
}

/// Opens or makes the file: a crash loses at most its newest transactions, never a part of one.
fn connect(path: &Path) -> Result<Connection, IndexError> {
    // SQLite gives its other files the permissions of this one.
    private_file::open_or_make(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(connection)
}

/// Adds places to the entry of their hash, which is the last one if it is there.
fn join(entries: &mut Vec<Entry>, hash: u64, places: &[Place]) {
    match entries.last_mut().filter(|(last, _)| *last == hash) {
        Some((_, known)) => {
            known.extend_from_slice(places);
            known.sort_unstable();
        }
        None => entries.push((hash, places.to_vec())),
    }
}

fn put(to: &Transaction<'_>, run: &Run, bucket: usize, entries: &[Entry], seed: u32) -> Result<(), IndexError> {
    let row = run.row(bucket);
    let add = "INSERT INTO buckets VALUES (?1, ?2)";
    to.prepare_cached(add)?.execute(params![row, run::encode(entries, seed, row)])?;
    Ok(())
}

/// Wanted entries of a bucket; `None` where it is gone.
fn get(
    from: &Connection,
    run: &Run,
    bucket: usize,
    seed: u32,
    wanted: impl Fn(u64) -> bool,
) -> Result<Option<Vec<Entry>>, IndexError> {
    let row = run.row(bucket);
    let mut find = from.prepare_cached("SELECT places FROM buckets WHERE id = ?1")?;
    let mut rows = find.query([row])?;
    let Some(found) = rows.next()? else { return Ok(None) };
    let bytes = found.get_ref(0)?.as_blob().map_err(|_| IndexError::Damaged("a bucket is no blob"))?;
    run::decode(bytes, seed, row, wanted).map(Some).map_err(IndexError::Damaged)
}

/// The oldest runs of one level that are enough to be merged.
fn due(list: &[Arc<Run>]) -> Option<&[Arc<Run>]> {
    list.chunk_by(|a, b| a.level == b.level)
        .find(|runs| runs.len() >= TIER && runs.first().is_some_and(|run| run.level < LAST_LEVEL))
        .and_then(|runs| runs.get(..TIER))
}

impl Runs {
    fn snapshot(&self) -> Vec<Arc<Run>> {
        self.list.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Places of many streams, given by their hashes in order and a mark of each, newest run first: a bucket is read once,
    /// whoever is in it. `enough` hears a stream's places in a run, and says whether older ones are of no interest. Streams
    /// are given back whose bucket was merged into another meanwhile: they are to be searched one by one.
    pub fn search_together(
        &self,
        connection: &Connection,
        mut wanted: Vec<(u64, usize)>,
        mut enough: impl FnMut(usize, &[Place]) -> bool,
    ) -> Result<Vec<usize>, IndexError> {
        let mut missed = Vec::new();
        for run in self.snapshot().iter().rev() {
            let mut left = Vec::with_capacity(wanted.len());
            for group in wanted.chunk_by(|(a, _), (b, _)| run.bucket(*a) == run.bucket(*b)) {
                let Some((hash, _)) = group.iter().find(|(hash, _)| run.may_hold(*hash)) else {
                    left.extend_from_slice(group);
                    continue;
                };
                let is_wanted = |hash| group.binary_search_by_key(&hash, |(hash, _)| *hash).is_ok();
                let Some(entries) = get(connection, run, run.bucket(*hash), self.seed, is_wanted)? else {
                    missed.extend(group.iter().map(|(_, mark)| *mark));
                    continue;
                };
                let places = |hash| entries.iter().filter(move |(entry, _)| *entry == hash).map(|(_, places)| places);
                left.extend(group.iter().filter(|(hash, mark)| !places(*hash).any(|places| enough(*mark, places))));
            }
            wanted = left;
        }
        Ok(missed)
    }

    /// Places of streams with this hash, newest run first, until `enough` says so of a run's places.
    pub fn search<E: From<IndexError>>(
        &self,
        connection: &Connection,
        hash: u64,
        mut enough: impl FnMut(Vec<Place>) -> Result<bool, E>,
    ) -> Result<(), E> {
        let mut below = u64::MAX;
        // A bucket that is gone was merged into another since the list was taken. That cannot go on for ever.
        'again: for _ in 0..64 {
            // The read lock is held for a pass over the filters only.
            let list: Vec<Arc<Run>> = {
                let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
                list.iter().rev().filter(|run| run.first < below && run.may_hold(hash)).cloned().collect()
            };
            for run in list {
                let found = get(connection, &run, run.bucket(hash), self.seed, |entry| entry == hash)?;
                let Some(entries) = found else { continue 'again };
                let mut places: Vec<Place> = entries.into_iter().flat_map(|(_, places)| places).collect();
                places.retain(|place| place.position < below);
                below = run.first;
                if !places.is_empty() && enough(places)? {
                    return Ok(());
                }
            }
            return Ok(());
        }
        Err(IndexError::Damaged("a bucket is missing").into())
    }
}
