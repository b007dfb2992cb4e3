//! Erasures, those that a crash cut off first.

use super::StartError;
use super::kept::{Eraser, Shelves};
use adapters::erasure::Erasures;
use adapters::keyring::Keyring;
use adapters::node::{EventIds, Node};
use domain::log::EventLog;
use std::sync::Arc;

/// Shard number of erasures in event ids.
const ERASURE_SHARD: u16 = 0xffd;

/// Before any reader sees the log: what was to be erased is gone then.
pub(super) async fn start(
    log: &Arc<dyn EventLog>,
    (keyring, shelves): (&Arc<Keyring>, &Shelves),
    node: Node,
) -> Result<Arc<Erasures>, StartError> {
    let eraser = Arc::new(Eraser { keyring: Arc::clone(keyring), shelves: shelves.clone() });
    let ids = EventIds::new(node, ERASURE_SHARD);
    let erasures = Erasures::new(Arc::clone(log), eraser, ids, keyring.derived("erasures"));
    let finished = erasures.resume().await?;
    if finished > 0 {
        tracing::info!(erasures = finished, "erasures that were cut off are finished");
    }
    Ok(Arc::new(erasures))
}
