//! Segments filled with zeros ahead of use, on a thread of its own: an fdatasync into them has no size and no extent to
//! bring to disk, and a full disk shows here instead of in a commit.

use super::super::lock;
use super::file::{self, Zeros};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Its name until a segment begins in it.
const SPARE: &str = "spare";
/// Rest between two strides while nobody waits, so that commits get their turn at the disk.
const REST: Duration = Duration::from_millis(8);
/// Rest while commits have not used enough for more.
const LONG_REST: Duration = Duration::from_millis(100);
/// Zeros are laid this many times as fast as commits use them: a spare is ready when half a segment is used, and a disk
/// that is busy with zeros does not keep commits waiting.
const AHEAD: u64 = 2;

/// A file of zeros, durable, under the name of the spare.
#[derive(Debug)]
pub(super) struct Spare {
    pub file: File,
    pub size: u64,
}

/// The thread that keeps one spare.
pub(super) struct Space {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    folder: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
    /// Bytes that commits have used since the spare at hand was begun.
    used: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Size of the spare to be made.
    wanted: Option<u64>,
    made: Option<io::Result<Spare>>,
    /// Somebody waits: no rests.
    hurry: bool,
    closed: bool,
}

/// Where the spare lies.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join(SPARE)
}

impl Space {
    pub fn start(folder: PathBuf) -> io::Result<Self> {
        let shared =
            Arc::new(Shared { folder, state: Mutex::default(), changed: Condvar::new(), used: AtomicU64::new(0) });
        let its = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("log-space".into()).spawn(move || its.work())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Has a spare made, unless there is one.
    pub fn prepare(&self, size: u64) {
        let mut state = lock(&self.shared.state);
        if state.made.is_none() && state.wanted.is_none() {
            state.wanted = Some(size);
            self.shared.changed.notify_all();
        }
    }

    /// A commit used so many bytes.
    pub fn used(&self, bytes: usize) {
        self.shared.used.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Takes the spare, which has at least this size; waits for it where it is not ready.
    pub fn take(&self, size: u64) -> io::Result<Spare> {
        let mut state = lock(&self.shared.state);
        // A failure of earlier, or a spare that is too small, is no answer to this.
        if !matches!(&state.made, Some(Ok(spare)) if spare.size >= size) {
            state.made = None;
            state.wanted = Some(size.max(state.wanted.unwrap_or(0)));
        }
        loop {
            match state.made.take() {
                Some(Ok(spare)) if spare.size < size => {
                    state.wanted = Some(size);
                }
                Some(made) => {
                    state.hurry = false;
                    return made;
                }
                None => {}
            }
            state.hurry = true;
            self.shared.changed.notify_all();
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Shared {
    fn work(&self) {
        let zeros = Zeros::new();
        let mut state = lock(&self.state);
        while !state.closed {
            let Some(size) = state.wanted else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            // Whoever waits is answered whatever happens.
            let make = std::panic::AssertUnwindSafe(|| self.make(&zeros, size));
            let made = std::panic::catch_unwind(make).unwrap_or_else(|_| Err(io::Error::other("its thread panicked")));
            if made.is_err() {
                // What it holds helps nobody.
                let _ = std::fs::remove_file(path(&self.folder));
            }
            state = lock(&self.state);
            // Somebody may want a larger one meanwhile.
            if state.wanted == Some(size) {
                state.wanted = None;
                state.made = Some(made);
                self.changed.notify_all();
            }
        }
        drop(state);
        let _ = std::fs::remove_file(path(&self.folder));
    }

    fn make(&self, zeros: &Zeros, size: u64) -> io::Result<Spare> {
        let file = file::open_direct(&path(&self.folder), true)?;
        file::reserve(&file, size)?;
        self.used.store(0, Ordering::Relaxed);
        let mut laid = 0;
        zeros.write(&file, 0, size, || {
            let go_on = self.rest(laid);
            laid += file::STRIDE as u64;
            go_on
        })?;
        if file.metadata()?.len() != size {
            return Err(io::Error::other("the log is being closed"));
        }
        file.sync_all()?;
        Ok(Spare { file, size })
    }

    /// Lets others have the disk, until commits have used enough; whether to go on.
    fn rest(&self, laid: u64) -> bool {
        let (mut state, mut rest) = (lock(&self.state), REST);
        loop {
            if state.hurry || state.closed {
                return !state.closed;
            }
            state = self.changed.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0;
            if laid <= AHEAD * self.used.load(Ordering::Relaxed) {
                return !state.closed;
            }
            rest = LONG_REST;
        }
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        lock(&self.shared.state).closed = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // It reports through its state alone.
            let _ = thread.join();
        }
    }
}
