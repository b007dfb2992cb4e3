//! The log in one SQLite file: write-ahead log, `synchronous=FULL`, one writing thread with group commit.

mod append;
mod read;
mod store;
mod writer;

use super::Written;
use super::answer;
use super::follow::{Follower, Source};
use super::queue::{Queue, Submission};
use super::tail::{Page, Tail};
use crate::fatal::{self, OnFatal};
use domain::log::{
    Append, Committed, Direction, EventLog, Filter, Follow, PortFuture, Position, ReadError, Recorded, Revision,
    StreamName,
};
use nix::fcntl::Flock;
use read::Readers;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
pub use store::OpenError;
use writer::Writer;

/// How the log trades latency, memory and processor time.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Appends that may wait; more are answered with [`AppendError::Unavailable`].
    pub queue_appends: usize,
    /// Bytes of JSON that may wait.
    pub queue_bytes: usize,
    /// Bytes of the newest events kept in memory for followers.
    pub tail_bytes: usize,
    /// Bytes written, roughly, after which the write-ahead log is copied into the main file.
    pub checkpoint_bytes: usize,
    /// Page size of a new file, bytes.
    pub page_size: u32,
    /// Live streams whose state is kept in memory; others are looked up.
    pub known_streams: usize,
    /// Connections that read.
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
            checkpoint_bytes: 16 << 20,
            page_size: 8_192,
            known_streams: 65_536,
            readers: 4,
            on_fatal: fatal::exit,
        }
    }
}

/// The log in one file. Reads need a tokio runtime around them. Dropping it writes what still waits.
pub struct SqliteLog {
    shared: Arc<Shared>,
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

struct Shared {
    tail: Arc<Tail>,
    readers: Arc<Readers>,
}

impl SqliteLog {
    /// Opens the log at `path` or makes it, with its folder (mode 0700) and files (mode 0600), and starts the log
    /// thread. One process at a time may have it open. Nothing is repaired: what a torn write left is not seen.
    pub fn open(path: impl AsRef<Path>, settings: Settings) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let opened = store::open(path, settings.page_size)?;
        let tail = Arc::new(Tail::new(opened.head, settings.tail_bytes));
        let readers = Arc::new(Readers::new(path.to_owned(), settings.readers));
        let queue = Arc::new(Queue::new(settings.queue_appends, settings.queue_bytes));
        let written = Arc::new(Written::default());
        let connection = opened.connection;
        let writer =
            Writer { connection, queue: queue.clone(), tail: tail.clone(), settings, written: Arc::clone(&written) };
        let thread = std::thread::Builder::new().name("log".into()).spawn(|| writer.run());
        let thread = Some(thread.map_err(OpenError::Thread)?);
        let writing = Some(Writing { queue, thread, _lock: opened.lock });
        Ok(Self { shared: Arc::new(Shared { tail, readers }), written, writing })
    }

    /// Opens the log at `path` as it is now, for reading alone, also beside the process that writes it. Nothing is
    /// changed. What is written later is not seen; followers wait for ever at the head.
    pub fn open_for_reading(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let head = store::look(path)?;
        let tail = Arc::new(Tail::new(head, 0));
        let readers = Arc::new(Readers::until(head, path.to_owned(), Settings::default().readers));
        Ok(Self { shared: Arc::new(Shared { tail, readers }), written: Arc::default(), writing: None })
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

impl Source for Shared {
    fn tail(&self) -> &Tail {
        &self.tail
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

impl EventLog for SqliteLog {
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
        Box::pin(self.shared.readers.clone().run(move |reader| reader.stream(&stream, from, direction, limit)))
    }

    fn read_all<'a>(
        &'a self,
        from: Position,
        direction: Direction,
        filter: &'a Filter,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Recorded>, ReadError>> {
        let filter = filter.clone();
        Box::pin(self.shared.readers.clone().run(move |reader| reader.all(from, direction, &filter, limit)))
    }

    fn follow(&self, after: Position, filter: Filter) -> Box<dyn Follow> {
        Box::new(Follower::new(self.shared.clone(), after, filter))
    }

    fn open_streams(&self) -> PortFuture<'_, Result<Vec<StreamName>, ReadError>> {
        Box::pin(self.shared.readers.clone().run(|reader| reader.open_streams()))
    }

    fn head(&self) -> Position {
        self.shared.tail.head()
    }
}
