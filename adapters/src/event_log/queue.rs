//! What waits for the log thread: bounded, taken all at once.

use super::{lock, size_of};
use domain::log::{Append, Committed};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Appends of one call of `submit`.
pub(super) struct Submission {
    pub appends: Vec<Append>,
    pub reply: Arc<dyn Committed>,
}

/// The queue in front of the log thread.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    max_appends: usize,
    max_bytes: usize,
}

#[derive(Default)]
struct Waiting {
    submissions: Vec<Submission>,
    appends: usize,
    bytes: usize,
    /// The log thread sleeps until something arrives; while it works, nobody needs to wake it.
    idle: bool,
    closed: bool,
}

impl Queue {
    pub fn new(max_appends: usize, max_bytes: usize) -> Self {
        Self { waiting: Mutex::default(), arrived: Condvar::new(), max_appends, max_bytes }
    }

    /// Adds a submission, or gives it back where the queue is full or closed.
    pub fn push(&self, submission: Submission) -> Result<(), Submission> {
        let bytes: usize = submission.appends.iter().map(size_of).sum();
        let mut waiting = lock(&self.waiting);
        let appends = waiting.appends + submission.appends.len();
        let full = appends > self.max_appends || waiting.bytes + bytes > self.max_bytes;
        // An empty queue takes anything, so that no limit makes a single submission impossible.
        if waiting.closed || (full && !waiting.submissions.is_empty()) {
            return Err(submission);
        }
        waiting.appends = appends;
        waiting.bytes += bytes;
        waiting.submissions.push(submission);
        if std::mem::take(&mut waiting.idle) {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Waits until something is there and takes everything. `None` once the queue is closed and empty. Nothing is
    /// waited for beyond that: whoever submits decides what shares a commit.
    pub fn take(&self) -> Option<Vec<Submission>> {
        let mut waiting = lock(&self.waiting);
        while waiting.submissions.is_empty() {
            if waiting.closed {
                return None;
            }
            waiting.idle = true;
            waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.idle = false;
        waiting.appends = 0;
        waiting.bytes = 0;
        Some(std::mem::take(&mut waiting.submissions))
    }

    /// Takes nothing more; what waits is still taken out.
    pub fn close(&self) {
        lock(&self.waiting).closed = true;
        self.arrived.notify_one();
    }
}
