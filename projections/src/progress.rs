//! How far the read models are, for queries that want to be fresh and for the metric.

use domain::log::Position;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Why the read models stand still: nothing after this event is in them until it can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// The event that could not be taken in.
    pub at: Position,
    /// What is wrong with it.
    pub why: String,
}

/// Where the read models are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// Everything up to here is in the rows.
    pub position: Position,
    /// Set when an event could not be taken in.
    pub stopped: Option<Stopped>,
}

/// Why a query cannot be as fresh as it was asked to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotThere {
    /// Time ran out.
    #[error("read models are at position {at}, not yet at {wanted}: ask again")]
    Late {
        /// Where they are.
        at: Position,
        /// Where they were wanted.
        wanted: Position,
    },
    /// They will not get there.
    #[error("read models stopped at position {}: {}", .0.at, .0.why)]
    Stopped(Stopped),
}

/// A view on the projector's progress; clones are cheap.
#[derive(Debug, Clone)]
pub struct Progress {
    standing: watch::Receiver<Standing>,
    /// Read models by name with the position that each had stored before this start.
    models: Arc<[(&'static str, Position)]>,
    hurry: Arc<Notify>,
}

impl Progress {
    pub(crate) fn new(
        standing: watch::Receiver<Standing>,
        models: Arc<[(&'static str, Position)]>,
        hurry: Arc<Notify>,
    ) -> Self {
        Self { standing, models, hurry }
    }

    /// Where the read models are now.
    pub fn now(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// Position by read model, for the metric `strowger_read_model_position{name}`.
    pub fn positions(&self) -> Vec<(&'static str, Position)> {
        let common = self.standing.borrow().position;
        self.models.iter().map(|(name, before)| (*name, common.max(*before))).collect()
    }

    /// Waits until everything up to `wanted` is in the rows. The projector stops gathering and writes at once.
    pub async fn wait_for(&self, wanted: Position, at_most: Duration) -> Result<(), NotThere> {
        let mut standing = self.standing.clone();
        let reached = |now: &Standing| now.position >= wanted || now.stopped.is_some();
        if !reached(&standing.borrow()) {
            self.hurry.notify_one();
            // A time-out and a projector that is gone are answered below alike.
            let _ = tokio::time::timeout(at_most, standing.wait_for(reached)).await;
        }
        let now = self.now();
        match now.stopped {
            _ if now.position >= wanted => Ok(()),
            Some(stopped) => Err(NotThere::Stopped(stopped)),
            None => Err(NotThere::Late { at: now.position, wanted }),
        }
    }
}
