//! The notary of a node: follows the whole log and appends signed roots ([`domain::notary`]) to `notary-<node>`, and to a
//! file outside the log. And the verification of a log by its roots.

mod export;
mod key;
mod verify;
mod work;

pub use key::{KeyError, read_key, signer};
pub use verify::{Plan, Progress, Report, verify};

use crate::node::EventIds;
use domain::log::{EventLog, Position};
use domain::notary::Signer;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use work::Work;

/// What a notary needs.
pub struct NotaryParts {
    /// The log that it follows, and writes its roots to.
    pub log: Arc<dyn EventLog>,
    /// Ids for its events; their node is the one whose notary it is.
    pub ids: EventIds,
    /// Its key.
    pub signer: Signer,
    /// The file that roots are exported to, a line each.
    pub export: PathBuf,
    /// A root covers so many events at most.
    pub events: u64,
    /// A root is made so long after the first event that it covers, at the latest.
    pub every: Duration,
}

/// A running notary.
pub struct Notary {
    standing: Arc<Standing>,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

/// How far a notary is.
#[derive(Debug, Default)]
pub struct Standing {
    through: AtomicU64,
    roots: AtomicU64,
}

impl Standing {
    /// Everything up to here is covered by roots.
    pub fn through(&self) -> Position {
        Position(self.through.load(Ordering::Relaxed))
    }

    /// How many roots there are.
    pub fn roots(&self) -> u64 {
        self.roots.load(Ordering::Relaxed)
    }
}

impl Notary {
    /// Starts the notary; it goes on after its last root.
    pub fn start(parts: NotaryParts) -> Self {
        let (stop, stopped) = oneshot::channel();
        let standing = Arc::new(Standing::default());
        let task = tokio::spawn(Work::new(parts, Arc::clone(&standing)).run(stopped));
        Self { standing, stop, task }
    }

    /// How far it is.
    pub fn standing(&self) -> &Arc<Standing> {
        &self.standing
    }

    /// Ends it with a root over everything that is in the log by now. Where the log or the file is away, what this would
    /// have covered is left to the next start.
    pub async fn stop(self, patience: Duration) {
        // It may have stopped by itself, at damage.
        let _ = self.stop.send(());
        if tokio::time::timeout(patience, self.task).await.is_err() {
            tracing::warn!("the last events have no signed root yet: the next start makes it");
        }
    }
}
