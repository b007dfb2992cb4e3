//! What the routes of this crate share.

use crate::metrics::Metrics;
use adapters::provisioning::Provisioning;
use domain::log::EventLog;
use domain::ports::Keyring;
use domain::uplink::Standings;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// State of the provisioning routes. Routes with more to share keep a state of their own that holds this one
/// (`FromRef`), so that [`crate::auth::Caller`] works there too.
#[derive(Clone)]
pub struct AppState {
    /// Accounts, numbers and trunks.
    pub provisioning: Provisioning,
    /// Histories.
    pub log: Arc<dyn EventLog>,
    /// Keys of what is sealed in them.
    pub keyring: Arc<dyn Keyring>,
    /// How trunks stand.
    pub standings: Arc<dyn Standings>,
    /// Whether calls are taken.
    pub readiness: Readiness,
    /// What `/metrics` tells.
    pub metrics: Arc<Metrics>,
    /// How long a query waits for the log position it asks for.
    pub patience: Duration,
}

/// Whether the exchange takes calls: `/readyz`. Clones share it; it begins unready.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Ready after recovery; unready again while draining.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Relaxed);
    }

    /// Whether it is.
    pub fn is_ready(&self) -> bool {
        self.0.load(Relaxed)
    }
}
