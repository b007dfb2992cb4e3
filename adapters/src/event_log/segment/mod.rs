//! The log in segments: files filled with zeros ahead of use, into which each commit is written with one pwrite and made
//! durable with one fdatasync, around the page cache. A SQLite file tells where the appends of a stream stand; it can be
//! made again from the segments.

mod error;
mod file;
mod find;
mod frame;
mod index;
mod judge;
mod look;
mod places;
mod read;
mod recover;
mod scan;
mod segments;
mod space;
mod together;
mod writer;

use super::follow::{Follower, Source};
use super::queue::{Queue, Submission};
use super::tail::{Page, Tail};
use super::{Written, answer, lock};
use crate::fatal::{self, OnFatal};
use domain::log::{
    Append, Committed, Direction, EventLog, Filter, Follow, Part, PortFuture, Position, ReadError, ReadTogether,
    Recorded, Revision, StreamName,
};
pub use error::OpenError;
use index::{IndexThread, Runs};
use judge::Judge;
use nix::fcntl::Flock;
use places::{Live, Unindexed};
use read::Readers;
use segments::Segments;
use space::Space;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use together::Streams;
use writer::Writer;

/// Size of a log's first segment; each is twice as large as the one before, up to [`Settings::segment_bytes`].
const FIRST_SEGMENT: u64 = 4 << 20;
/// The largest segment; offsets are 32 bits.
const LARGEST_SEGMENT: u64 = 1 << 30;

/// How the log trades latency, memory and processor time.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Appends that may wait; more are answered with [`AppendError::Unavailable`].
    pub queue_appends: usize,
    /// Bytes of JSON that may wait.
    pub queue_bytes: usize,
    /// Bytes of the newest events kept in memory for followers.
    pub tail_bytes: usize,
    /// Bytes of a segment, at most 1 GiB. As much again is filled with zeros ahead of use.
    pub segment_bytes: u64,
    /// Appends whose places are in memory before the index gets them. More cost memory, and time at the next start
    /// after a crash; fewer cost processor time.
    pub index_appends: usize,
    /// Live streams whose state is kept in memory; others are looked up.
    pub known_streams: usize,
    /// Reads at a time.
    pub readers: usize,
    /// What happens when the disk fails.
    pub on_fatal: OnFatal,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            queue_appends: 16_384,
            queue_bytes: 64 << 20,
            tail_bytes: 4 << 20,
            segment_bytes: 64 << 20,
            index_appends: 16_384,
            known_streams: 65_536,
            readers: 4,
            on_fatal: fatal::exit,
        }
    }
}

impl Settings {
    /// Bytes of the segment with this number.
    fn size_of(&self, number: u64) -> u64 {
        let grown = FIRST_SEGMENT << number.min(10);
        file::segment_size(self.segment_bytes.min(LARGEST_SEGMENT).min(grown))
    }
}

/// The log in a folder. Reads need a tokio runtime around them. Dropping it writes what still waits.
pub struct SegmentLog {
    reading: Arc<Reading>,
    written: Arc<Written>,
    /// `None` where the log was opened for reading.
    writing: Option<Writing>,
}

/// What the one who writes has beside what readers need.
struct Writing {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
    /// Released last.
    _lock: Flock<File>,
}

/// What the log thread and readers share.
struct Shared {
    tail: Tail,
    segments: Segments,
    unindexed: Arc<Unindexed>,
    runs: Arc<Runs>,
    live: Mutex<Live>,
}

struct Reading {
    shared: Arc<Shared>,
    readers: Arc<Readers>,
}

impl SegmentLog {
    /// Opens the log in this folder or makes it, with its folder (mode 0700) and files (mode 0600), and starts its
    /// threads. One process at a time may have it open. The rest of a commit that was never answered is erased;
    /// anything else that is not as it was written is refused.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(folder: impl AsRef<Path>, settings: Settings) -> Result<Self, OpenError> {
        let folder = folder.as_ref();
        let opened = recover::open(folder, &settings)?;
        let index_path = recover::index_path(folder);
        let shared = Arc::new(Shared {
            tail: Tail::new(opened.head, settings.tail_bytes),
            segments: Segments::new(folder.to_owned(), opened.log.seed(), opened.list, opened.newest),
            unindexed: Arc::new(opened.unindexed),
            runs: opened.index.runs(),
            live: Mutex::new(opened.live),
        });
        let readers = Arc::new(Readers::new(Arc::clone(&shared), index_path.clone(), settings.readers));
        let queue = Arc::new(Queue::new(settings.queue_appends, settings.queue_bytes));
        let written = Arc::new(Written::default());
        let lookups = index::reader(&index_path);
        let lookups = lookups.map_err(|error| OpenError::Index { path: index_path, what: error.to_string() })?;
        let writer = Writer {
            judge: Judge::new(Arc::clone(&shared), lookups, settings.known_streams),
            queue: Arc::clone(&queue),
            folder: folder.to_owned(),
            log: opened.log,
            active: opened.active,
            space: Space::start(folder.to_owned()).map_err(OpenError::Thread)?,
            indexed: opened.index.complete,
            index: IndexThread::start(opened.index, Arc::clone(&shared.unindexed)).map_err(OpenError::Thread)?,
            full: false,
            settings,
            written: Arc::clone(&written),
            shared: Arc::clone(&shared),
        };
        let thread = std::thread::Builder::new().name("log".into()).spawn(|| writer.run());
        let thread = Some(thread.map_err(OpenError::Thread)?);
        let writing = Some(Writing { queue, thread, _lock: opened.lock });
        Ok(Self { reading: Arc::new(Reading { shared, readers }), written, writing })
    }

    /// Opens the log in this folder as it is now, for reading alone, also beside the process that writes it. Nothing is
    /// changed or repaired. Damage does not keep it from opening: readers meet it where it is. What is written later is
    /// not seen; followers wait for ever at the head.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_for_reading(folder: impl AsRef<Path>) -> Result<Self, OpenError> {
        let folder = folder.as_ref();
        let seen = look::look(folder)?;
        let shared = Arc::new(Shared {
            tail: Tail::new(seen.head, 0),
            segments: Segments::new(folder.to_owned(), seen.log.seed(), seen.list, seen.newest),
            unindexed: Arc::new(seen.unindexed),
            runs: seen.index.runs(),
            live: Mutex::new(seen.live),
        });
        let connection = seen.index.into_connection();
        let readers = Arc::new(Readers::over(Arc::clone(&shared), recover::index_path(folder), connection));
        Ok(Self { reading: Arc::new(Reading { shared, readers }), written: Arc::default(), writing: None })
    }

    /// What was written since the start.
    pub fn written(&self) -> Arc<Written> {
        Arc::clone(&self.written)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            // The thread ends the process itself where it fails.
            let _ = thread.join();
        }
    }
}

impl Source for Reading {
    fn tail(&self) -> &Tail {
        &self.shared.tail
    }

    fn older(
        &self,
        after: Position,
        head: Position,
        filter: Arc<Filter>,
        limit: usize,
    ) -> PortFuture<'_, Result<Page, ReadError>> {
        Box::pin(self.readers.clone().run(move |reader| reader.page(after, head, &filter, limit)))
    }
}

impl EventLog for SegmentLog {
    /// Where the queue is full the outcomes come at once, on the caller's thread.
    fn submit(&self, appends: Vec<Append>, reply: Arc<dyn Committed>) {
        answer::submit(self.writing.as_ref().map(|writing| &*writing.queue), Submission { appends, reply });
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamName,
        from: Revision,
        direction: Direction,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Recorded>, ReadError>> {
        let stream = stream.clone();
        Box::pin(self.reading.readers.clone().run(move |reader| reader.stream(&stream, from, direction, limit)))
    }

    fn read_together(&self, streams: Vec<StreamName>, part: Part) -> Box<dyn ReadTogether + '_> {
        Box::new(Streams::new(Arc::clone(&self.reading.readers), streams, part))
    }

    fn read_all<'a>(
        &'a self,
        from: Position,
        direction: Direction,
        filter: &'a Filter,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Recorded>, ReadError>> {
        let filter = filter.clone();
        Box::pin(self.reading.readers.clone().run(move |reader| reader.all(from, direction, &filter, limit)))
    }

    fn follow(&self, after: Position, filter: Filter) -> Box<dyn Follow> {
        Box::new(Follower::new(self.reading.clone(), after, filter))
    }

    fn open_streams(&self) -> PortFuture<'_, Result<Vec<StreamName>, ReadError>> {
        let streams = lock(&self.reading.shared.live).streams();
        Box::pin(std::future::ready(Ok(streams)))
    }

    fn head(&self) -> Position {
        self.reading.shared.tail.head()
    }
}
