//! Engines of the log ([`domain::log::EventLog`]): one contract, one conformance suite, several stores.

mod answer;
mod collect;
pub(crate) mod commit;
mod follow;
pub mod memory;
mod queue;
pub mod reading;
mod row;
pub mod segment;
pub mod sqlite;
mod tail;

use crate::fatal::OnFatal;
use domain::log::{Append, AppendError, Expected, Position, Recorded, Revision, StreamName};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// More bytes of JSON than this in one append are a fault of ours.
pub const MAX_BYTES: usize = 16 << 20;
/// Longer type names than this, in bytes, are a fault of ours.
pub const MAX_KIND: usize = 255;
/// Type names remembered; a log holds some hundred.
const MAX_KINDS: usize = 4_096;

/// Locks even what a panicking thread left locked: every critical section here leaves its data whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a log wrote since it was opened.
#[derive(Debug, Default)]
pub struct Written {
    commits: AtomicU64,
    bytes: AtomicU64,
}

impl Written {
    /// Commits, each with its fdatasync.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Bytes of rows.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn count(&self, bytes: usize) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// Ends the process: what is on the disk can no longer be known.
fn fail(fatal: OnFatal, what: &str) {
    fatal(&format!(
        "the event log failed and cannot go on: {what}. Nothing unanswered was promised to anyone. Check the disk, then start again."
    ))
}

/// Refuses what no engine may store: every engine asks this before it writes anything of the append.
fn check(append: &Append) -> Result<(), AppendError> {
    let refuse = |why: &str| Err(AppendError::Invalid(format!("{why} (stream {})", append.stream)));
    if append.events.is_empty() {
        return refuse("it has no events");
    }
    if append.events.len() > Append::MAX_EVENTS {
        return refuse("it has too many events");
    }
    if append.events.iter().any(|event| event.kind.is_empty() || event.kind.len() > MAX_KIND) {
        return refuse("a type name is empty or too long");
    }
    if size_of(append) > MAX_BYTES {
        return refuse("its events are too large");
    }
    if StreamName::parse(append.stream.as_str()).is_none() {
        return refuse("the stream's name breaks the rules");
    }
    match append.expected {
        Expected::Exactly(Revision(last)) if last >= i64::MAX as u64 - Append::MAX_EVENTS as u64 => {
            refuse("the expected revision is out of range")
        }
        Expected::Exactly(_) | Expected::NoStream => Ok(()),
    }
}

/// Bytes of JSON in an append.
fn size_of(append: &Append) -> usize {
    append.events.iter().map(|event| event.data.len()).sum()
}

/// A committed append.
#[derive(Debug)]
struct Stored {
    /// Position of its first event.
    first: Position,
    append: Append,
}

impl Stored {
    fn last(&self) -> Position {
        Position(self.first.0 + self.append.events.len() as u64 - 1)
    }

    /// Revision of its last event.
    fn last_revision(&self) -> Revision {
        Revision(self.append.expected.next().0 + self.append.events.len() as u64 - 1)
    }

    /// Its event at `index` as readers get it.
    fn recorded(&self, index: usize, kinds: &mut Kinds) -> Option<Recorded> {
        let event = self.append.events.get(index)?;
        Some(Recorded {
            position: Position(self.first.0 + index as u64),
            stream: self.append.stream.clone(),
            revision: Revision(self.append.expected.next().0 + index as u64),
            id: event.id,
            kind: kinds.intern(&event.kind),
            version: event.version,
            at: event.at,
            correlation: self.append.correlation,
            cause: event.cause,
            node: self.append.node,
            previous: event.previous,
            life: self.append.life,
            data: event.data.clone(),
        })
    }
}

/// Type names, each allocated once.
#[derive(Debug, Default)]
struct Kinds(HashSet<Arc<str>>);

impl Kinds {
    fn intern(&mut self, kind: &str) -> Arc<str> {
        if let Some(known) = self.0.get(kind) {
            return known.clone();
        }
        let kind: Arc<str> = kind.into();
        if self.0.len() < MAX_KINDS {
            self.0.insert(kind.clone());
        }
        kind
    }
}
