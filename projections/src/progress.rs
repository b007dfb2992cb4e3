//! How far the read models are, for queries that want to be fresh and for the metric.

use crate::model::Model;
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
    /// Queries know everything up to here.
    pub position: Position,
    /// By read model: its rows hold everything up to here, and a restart reads on from it.
    pub written: Vec<(Model, Position)>,
    /// Set when an event could not be taken in.
    pub stopped: Option<Stopped>,
}

impl Standing {
    /// The rows of every read model hold everything up to here.
    pub fn rows(&self) -> Position {
        self.written.iter().map(|(_, position)| *position).min().unwrap_or_default()
    }
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
    wishes: Arc<Wishes>,
}

/// What readers ask of the projector.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    /// Stop gathering: someone waits.
    pub hurry: Notify,
    /// Write what is gathered.
    pub write: Notify,
}

impl Progress {
    pub(crate) const fn new(standing: watch::Receiver<Standing>, wishes: Arc<Wishes>) -> Self {
        Self { standing, wishes }
    }

    /// Where the read models are now.
    pub fn now(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// Position of the rows by read model, for the metric `strowger_read_model_position{name}`.
    pub fn positions(&self) -> Vec<(Model, Position)> {
        self.standing.borrow().written.clone()
    }

    /// Waits until queries about sessions know everything up to `wanted`.
    pub async fn wait_for(&self, wanted: Position, at_most: Duration) -> Result<(), NotThere> {
        self.wait(wanted, at_most, &self.wishes.hurry, |now| now.position).await
    }

    /// Waits until the rows of every read model hold everything up to `wanted`.
    pub async fn wait_for_rows(&self, wanted: Position, at_most: Duration) -> Result<(), NotThere> {
        self.wait_for(wanted, at_most).await?;
        self.wait(wanted, at_most, &self.wishes.write, Standing::rows).await
    }

    async fn wait(
        &self,
        wanted: Position,
        at_most: Duration,
        wish: &Notify,
        at: fn(&Standing) -> Position,
    ) -> Result<(), NotThere> {
        let mut standing = self.standing.clone();
        let reached = |now: &Standing| at(now) >= wanted || now.stopped.is_some();
        if !reached(&standing.borrow()) {
            wish.notify_one();
            // A time-out and a projector that is gone are answered below alike.
            let _ = tokio::time::timeout(at_most, standing.wait_for(reached)).await;
        }
        let now = self.now();
        match now.stopped.clone() {
            _ if at(&now) >= wanted => Ok(()),
            Some(stopped) => Err(NotThere::Stopped(stopped)),
            None => Err(NotThere::Late { at: at(&now), wanted }),
        }
    }
}
