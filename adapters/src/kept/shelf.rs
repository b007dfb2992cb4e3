//! Where a file stands, and how a start takes it up.

use super::Openers;
use super::file::{Chunk, Reader, Through, Writer};
use crate::event_log::lock;
use crate::keyring::Keyring;
use crate::private_file;
use domain::codec::seal::KeyRef;
use domain::log::{Direction, EventLog, Filter, Position, ReadError, StreamName};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::task::spawn_blocking;

/// Events read at a time where it is looked which streams were written.
const PAGE: usize = 4_096;

/// The place of one file.
pub struct Shelf {
    path: PathBuf,
    keyring: Arc<Keyring>,
    /// How often what stood here was destroyed. Held while a file is put here or destroyed.
    destroyed: Mutex<u64>,
    /// Whether a part of what stands here was found to be of no use.
    damaged: Arc<AtomicBool>,
}

impl Shelf {
    /// For a file at `path`, in a folder that is there.
    pub fn new(path: PathBuf, keyring: Arc<Keyring>) -> Self {
        Self { path, keyring, destroyed: Mutex::default(), damaged: Arc::default() }
    }

    /// The file that stands here, if it is of this log.
    pub(super) async fn open(&self, log: &dyn EventLog) -> Result<Option<Reader>, ReadError> {
        let Some(reader) = Reader::open(&self.path, &self.keyring) else { return Ok(None) };
        let Through { position, hash } = reader.through;
        let before = Position(position.0.saturating_sub(1));
        if position > log.head() {
            return Ok(None);
        }
        let found = log.read_all(before, Direction::Forwards, &Filter::default(), 1).await?;
        Ok(Some(reader)
            .filter(|_| found.first().is_some_and(|event| event.position == position && event.hash() == hash)))
    }

    /// Whether a start found that a part of what stands here says nothing, and had to read the log for it.
    pub(super) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Gives up what was begun: on a full disk it is in the way.
    pub(super) fn give_up(&self) {
        let _made = lock(&self.destroyed);
        let key = Reader::open(&self.fresh(), &self.keyring).map(|begun| begun.reference);
        // What stays is overwritten by the next one, and says nothing without its key.
        let _ = key.map(|key| self.keyring.erase(&[key]));
        let _ = std::fs::remove_file(self.fresh());
    }

    /// How often it was destroyed.
    pub(super) fn generation(&self) -> u64 {
        *lock(&self.destroyed)
    }

    /// Begins a file that will stand here.
    pub(super) fn begin(&self, through: Through) -> io::Result<Writer> {
        Writer::new(&self.fresh(), &self.keyring, through)
    }

    fn fresh(&self) -> PathBuf {
        self.path.with_extension("new")
    }

    /// Puts a file here, unless what it was made of was destroyed meanwhile. The key of the one before is destroyed.
    pub(super) fn put(&self, writer: Writer, generation: u64) -> io::Result<()> {
        let reference = writer.key.0;
        writer.finish()?;
        let destroyed = lock(&self.destroyed);
        let gone = if *destroyed == generation {
            let old = Reader::open(&self.path, &self.keyring).map(|old| old.reference);
            private_file::rename(&self.fresh(), &self.path)?;
            self.damaged.store(false, Ordering::Relaxed);
            old
        } else {
            std::fs::remove_file(self.fresh())?;
            Some(reference)
        };
        let gone: Vec<KeyRef> = gone.into_iter().collect();
        self.keyring.erase(&gone).map_err(|error| io::Error::other(error.to_string()))
    }

    /// Destroys what stands here, and whatever is being made: something in it is erased. Waits for the disk.
    ///
    /// # Errors
    /// The disk fails: it may stand there still.
    pub fn destroy(&self) -> Result<(), String> {
        let mut destroyed = lock(&self.destroyed);
        *destroyed += 1;
        if let Some(old) = Reader::open(&self.path, &self.keyring) {
            self.keyring.erase(&[old.reference]).map_err(|error| error.to_string())?;
        }
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(format!("{}: {error}", self.path.display())),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Hands over what is kept of these streams, which are all that are open of these categories; `take` says of which it
    /// can make nothing. The streams that are left are to be read, best in this order.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn take_up<T>(
        &self,
        log: &dyn EventLog,
        categories: &[&str],
        open: Vec<StreamName>,
        take: T,
    ) -> Result<Vec<StreamName>, ReadError>
    where
        T: Fn(Vec<(StreamName, Vec<u8>)>) -> Vec<StreamName> + Clone + Send + 'static,
    {
        let Some(mut reader) = self.open(log).await? else { return Ok(open) };
        let written = written_since(log, reader.through.position, categories).await?;
        let mut left: HashSet<StreamName> = open.into_iter().collect();
        let mut openers = Openers::default();
        while let Some(chunk) = reader.next() {
            let wanted = |stream: &StreamName| !written.contains_key(stream) && left.contains(stream);
            let streams: HashSet<StreamName> = chunk.streams.iter().filter(|stream| wanted(stream)).cloned().collect();
            for stream in &streams {
                left.remove(stream);
            }
            let (take, damaged) = (take.clone(), Arc::clone(&self.damaged));
            let taking = move || {
                let (given_back, opens) = take_chunk(&chunk, streams, take);
                damaged.fetch_or(!opens || !given_back.is_empty(), Ordering::Relaxed);
                given_back
            };
            openers.open(taking).await?;
        }
        let given_back = openers.finish().await?;
        self.damaged.fetch_or(!reader.is_whole, Ordering::Relaxed);
        Ok(as_written(left.into_iter().chain(given_back), &written))
    }
}

/// Opens a chunk and hands over what is wanted of it; what nobody can make anything of is given back. And whether it opens.
fn take_chunk<T>(chunk: &Chunk, mut wanted: HashSet<StreamName>, take: T) -> (Vec<StreamName>, bool)
where
    T: Fn(Vec<(StreamName, Vec<u8>)>) -> Vec<StreamName>,
{
    let mut kept = Vec::with_capacity(wanted.len());
    let opened = chunk.open(|stream, what| {
        if wanted.remove(stream) {
            kept.push((stream.clone(), what.to_vec()));
        }
    });
    if opened.is_none() {
        wanted.extend(kept.drain(..).map(|(stream, _)| stream));
        return (wanted.into_iter().collect(), false);
    }
    (take(kept), true)
}

/// Where streams were written last.
pub(super) type Written = HashMap<StreamName, Position>;

/// The streams of these categories that were written after a position.
pub(super) async fn written_since(
    log: &dyn EventLog,
    mut after: Position,
    categories: &[&str],
) -> Result<Written, ReadError> {
    let filter = Filter { categories: categories.iter().map(|name| (*name).to_owned()).collect(), kinds: vec![] };
    let mut written = Written::new();
    loop {
        let events = log.read_all(after, Direction::Forwards, &filter, PAGE).await?;
        let Some(last) = events.last() else { return Ok(written) };
        after = last.position;
        written.extend(events.into_iter().map(|event| (event.stream, event.position)));
    }
}

/// Streams in the order in which they were written last: their events and keys lie together then.
pub(super) fn as_written(streams: impl IntoIterator<Item = StreamName>, written: &Written) -> Vec<StreamName> {
    let mut streams: Vec<StreamName> = streams.into_iter().collect();
    streams.sort_by_cached_key(|stream| written.get(stream).copied());
    streams
}

/// Runs what waits for the disk.
pub(super) async fn on_disk<R: Send + 'static>(work: impl FnOnce() -> io::Result<R> + Send + 'static) -> io::Result<R> {
    spawn_blocking(work).await.unwrap_or_else(|_| Err(io::Error::other("it was broken off")))
}
