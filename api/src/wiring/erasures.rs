//! Erasures, those that a crash cut off first.

use super::StartError;
use super::kept::{Eraser, Shelves};
use adapters::erasure::{Erasures, destroy_again, keep_up};
use adapters::keyring::Keyring;
use adapters::node::{EventIds, Node};
use domain::log::EventLog;
use domain::ports::KeyEraser;
use std::sync::Arc;

/// Shard number of erasures in event ids.
const ERASURE_SHARD: u16 = 0xffd;

/// Before the keyring gives any key: what was erased after the copy that it was restored from goes again, and what is kept of it.
pub(super) async fn again(
    log: &Arc<dyn EventLog>,
    keyring: &Arc<Keyring>,
    shelves: &Shelves,
) -> Result<(), StartError> {
    let eraser: Arc<dyn KeyEraser> = Arc::new(Eraser { keyring: Arc::clone(keyring), shelves: shelves.clone() });
    let destroyed = destroy_again(&**log, keyring, &eraser).await?;
    if destroyed > 0 {
        tracing::warn!(
            keys = destroyed,
            "the keyring had keys that erasures destroyed, as one that was restored from a copy has: they are destroyed again"
        );
    }
    Ok(())
}

/// Before any reader sees the log: what was to be erased is gone then.
pub(super) async fn start(
    log: &Arc<dyn EventLog>,
    (keyring, shelves): (&Arc<Keyring>, &Shelves),
    node: Node,
) -> Result<Arc<Erasures>, StartError> {
    let eraser: Arc<dyn KeyEraser> = Arc::new(Eraser { keyring: Arc::clone(keyring), shelves: shelves.clone() });
    // It ends by itself, with who erases.
    drop(keep_up(log, keyring, &eraser));
    let ids = EventIds::new(node, ERASURE_SHARD);
    let erasures = Erasures::new(Arc::clone(log), eraser, ids, keyring.derived("erasures"));
    let finished = erasures.resume().await?;
    if finished > 0 {
        tracing::info!(erasures = finished, "erasures that were cut off are finished");
    }
    Ok(Arc::new(erasures))
}
