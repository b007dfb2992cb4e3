//! Brings batches into the index, away from the log thread.

use super::super::super::lock;
use super::super::places::Unindexed;
use super::{Batch, Index, IndexError};
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Rest before what failed is tried again.
const REST: Duration = Duration::from_secs(1);

/// The thread that writes the index.
pub(in super::super) struct IndexThread {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    unindexed: Arc<Unindexed>,
}

#[derive(Default)]
struct State {
    /// Not in the index yet.
    batch: Option<Arc<Batch>>,
    /// Why the last try failed.
    failed: Option<String>,
    closed: bool,
}

impl IndexThread {
    pub fn start(index: Index, unindexed: Arc<Unindexed>) -> io::Result<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), unindexed });
        let its = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("log-index".into()).spawn(move || its.work(index))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Whether it can take a batch.
    pub fn is_idle(&self) -> bool {
        lock(&self.shared.state).batch.is_none()
    }

    /// Gives it a batch; it must be idle.
    pub fn give(&self, batch: Batch) {
        lock(&self.shared.state).batch = Some(Arc::new(batch));
        self.shared.changed.notify_all();
    }

    /// Waits until it is idle; an error says why it cannot get there now.
    pub fn wait(&self) -> Result<(), String> {
        let mut state = lock(&self.shared.state);
        loop {
            match (&state.batch, &state.failed) {
                (None, _) => return Ok(()),
                (Some(_), Some(why)) => return Err(why.clone()),
                (Some(_), None) => state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

impl Shared {
    fn work(&self, mut index: Index) {
        let mut state = lock(&self.state);
        loop {
            let Some(batch) = state.batch.clone() else {
                if state.closed {
                    return;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            // Whoever waits is answered whatever happens.
            let store = std::panic::AssertUnwindSafe(|| index.store(&batch));
            let stored = std::panic::catch_unwind(store).unwrap_or(Err(IndexError::Damaged("its thread panicked")));
            if stored.is_ok() {
                self.unindexed.stored();
            }
            state = lock(&self.state);
            match stored {
                Ok(()) => {
                    (state.batch, state.failed) = (None, None);
                    self.changed.notify_all();
                    drop(state);
                    merge(&mut index);
                    state = lock(&self.state);
                }
                Err(error) => {
                    tracing::warn!(%error, "the log's index cannot be written; it is tried again");
                    state.failed = Some(error.to_string());
                    self.changed.notify_all();
                    // What it does not hold is read from the segments at the next start.
                    if state.closed {
                        return;
                    }
                    state = self.changed.wait_timeout(state, REST).unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }
}

/// Tidies the index up. It is as right without.
fn merge(index: &mut Index) {
    loop {
        match index.merge() {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return tracing::warn!(%error, "the log's index cannot be tidied up"),
        }
    }
}

impl Drop for IndexThread {
    fn drop(&mut self) {
        lock(&self.shared.state).closed = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // What it could not do is done at the next start.
            let _ = thread.join();
        }
    }
}
