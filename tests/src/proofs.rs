//! Erasures and a notary's key, for tests of the whole API.

use crate::calls::Keys;
use adapters::erasure::Erasures;
use adapters::node::{EventIds, Node};
use api::AppState;
use api::routes::erasures::ErasureState;
use api::routes::notary::NotaryState;
use domain::codec::seal::SealKey;
use domain::log::EventLog;
use domain::notary::NotaryKey;
use domain::ports::KeyEraser;
use projections::Views;
use std::sync::Arc;

/// What these routes need; nothing has a root yet.
pub fn proofs(
    app: &AppState,
    views: &Arc<Views>,
    log: &Arc<dyn EventLog>,
    keys: &Arc<Keys>,
) -> (ErasureState, NotaryState) {
    let erasures = Arc::new(erasures(log, keys, 1));
    let (app, log) = (app.clone(), Arc::clone(log));
    let notary = NotaryState { app: app.clone(), log: log.clone(), node: 1, key: NotaryKey([7; 32]) };
    (ErasureState { app, views: Arc::clone(views), log, keyring: keys.clone(), erasures }, notary)
}

/// Who erases, in an epoch of its own.
pub fn erasures(log: &Arc<dyn EventLog>, keys: &Arc<impl KeyEraser + 'static>, epoch: u32) -> Erasures {
    let ids = EventIds::new(Node { number: 1, epoch }, 0xffd);
    let keys: Arc<dyn KeyEraser> = keys.clone();
    Erasures::new(Arc::clone(log), keys, ids, SealKey::from_bytes([3; 32]))
}
