//! The task that makes files anew, when enough was written since.

use super::file::Through;
use super::shelf::{Shelf, Written, as_written, on_disk, written_since};
use domain::log::{Direction, EventLog, Filter, PortFuture, Position, ReadError, StreamName};
use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What streams come to, by their names.
pub type Derived = Vec<(StreamName, Vec<u8>)>;

/// Reads streams from the log, and says what they come to.
pub trait Derive: Send + Sync + 'static {
    /// Of which categories.
    fn categories(&self) -> &'static [&'static str];

    /// Reads these streams; `out` takes what they come to, a page at a time. What is better read at each start is left out.
    fn derive(&self, streams: Vec<StreamName>, out: mpsc::Sender<Derived>) -> PortFuture<'_, Result<(), ReadError>>;
}

/// How often is looked whether a file is due.
const LOOK: Duration = Duration::from_secs(2);
/// One is due when so many events were written since …
const EVENTS: u64 = 20_000;
/// … and the last one is so old: what was written within less time is read soon.
const FRESH: Duration = Duration::from_secs(60);
/// Who was answered may not have heard it for so long, and is answered again by what the log tells: a file goes no farther
/// than that.
const SETTLE: Duration = Duration::from_secs(3);
/// Between two files lies so many times what it took to make one.
const REST: u32 = 200;
/// After a fault the next file is tried no sooner.
const AFTER_FAULT: Duration = Duration::from_secs(60);

/// A running task; it ends when this is dropped.
pub struct Keeper {
    task: JoinHandle<()>,
}

impl Keeper {
    /// Starts it.
    pub fn start(shelf: Arc<Shelf>, log: Arc<dyn EventLog>, derive: Arc<dyn Derive>) -> Self {
        Self { task: tokio::spawn(Keep { shelf, log, derive }.run()) }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the task works with.
pub(crate) struct Keep {
    pub shelf: Arc<Shelf>,
    pub log: Arc<dyn EventLog>,
    pub derive: Arc<dyn Derive>,
}

/// Why no file was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{0}")]
    Read(#[from] ReadError),
    #[error("{0}")]
    Write(#[from] io::Error),
}

impl Keep {
    async fn run(self) {
        let mut made: Option<Instant> = None;
        loop {
            tokio::time::sleep(LOOK).await;
            if !self.is_due(made.map(|made| made.elapsed())).await {
                continue;
            }
            let head = self.log.head();
            tokio::time::sleep(SETTLE).await;
            let began = Instant::now();
            match self.make(head).await {
                Ok(streams) => {
                    made = Some(began);
                    tracing::debug!(streams, ms = began.elapsed().as_millis(), "kept for the next start");
                }
                Err(fault) => {
                    tracing::warn!(%fault, "nothing is kept for the next start, which takes longer");
                    let shelf = Arc::clone(&self.shelf);
                    // It is tried again in any case.
                    let _ = on_disk(move || {
                        shelf.give_up();
                        Ok(())
                    })
                    .await;
                    tokio::time::sleep(AFTER_FAULT).await;
                }
            }
            tokio::time::sleep(began.elapsed() * REST).await;
        }
    }

    /// Whether there is no file, or one that is damaged or lacks much; `age` is how old the one is that this process made.
    pub async fn is_due(&self, age: Option<Duration>) -> bool {
        let through = match self.shelf.open(&*self.log).await {
            Ok(file) => file.map(|file| file.through.position),
            Err(_) => return false,
        };
        let head = self.log.head();
        let is_fresh = age.is_some_and(|age| age < FRESH);
        let lacks_much = through.is_none_or(|through| head.0.saturating_sub(through.0) >= EVENTS && !is_fresh);
        head > Position(0) && (lacks_much || self.shelf.is_damaged())
    }

    /// Makes a file that goes through `head`: what the old one says that is still true, and the rest from the log. Answers how
    /// many streams are in it.
    pub async fn make(&self, head: Position) -> Result<usize, Fault> {
        let (log, categories, generation) = (&*self.log, self.derive.categories(), self.shelf.generation());
        let before = Position(head.0.saturating_sub(1));
        let last = log.read_all(before, Direction::Forwards, &Filter::default(), 1).await?;
        let Some(last) = last.first().filter(|last| last.position == head) else { return Ok(0) };
        let through = Through { position: head, hash: last.hash() };
        let old = self.shelf.open(log).await?;
        let since = old.as_ref().map_or(Position(0), |old| old.through.position);
        let mut open: HashSet<StreamName> = log.open_streams().await?.into_iter().collect();
        open.retain(|stream| categories.contains(&stream.category()));
        let written = if old.is_some() { written_since(log, since, categories).await? } else { Written::new() };
        let (out, mut derived) = mpsc::channel::<Derived>(2);
        let shelf = Arc::clone(&self.shelf);
        let (told, stale) = tokio::sync::oneshot::channel();
        let writing = on_disk(move || {
            let (mut writer, mut count) = (shelf.begin(through)?, 0);
            let mut old = old;
            while let Some(chunk) = old.as_mut().and_then(super::file::Reader::next) {
                let mut written_so = Ok(());
                // What does not open is read from the log.
                let _ = chunk.open(|stream, what| {
                    if !written.contains_key(stream) && open.remove(stream) {
                        count += 1;
                        let wrote = writer.put(stream, what);
                        written_so = std::mem::replace(&mut written_so, Ok(())).and(wrote);
                    }
                });
                written_so?;
            }
            // Who asked may have gone.
            let _ = told.send(as_written(open, &written));
            while let Some(page) = derived.blocking_recv() {
                for (stream, what) in page {
                    count += 1;
                    writer.put(&stream, &what)?;
                }
            }
            shelf.put(writer, generation)?;
            Ok(count)
        });
        let deriving = async {
            match stale.await {
                Ok(streams) => self.derive.derive(streams, out).await,
                // The file could not be begun.
                Err(_) => Ok(()),
            }
        };
        let (count, read) = tokio::join!(writing, deriving);
        read?;
        Ok(count?)
    }
}
