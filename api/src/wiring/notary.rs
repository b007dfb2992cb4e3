//! The notary of this node, with its key and its file.

use super::StartError;
use crate::AppState;
use crate::config::Config;
use crate::metrics::{Exposition, Kind, Metrics};
use crate::routes::notary::NotaryState;
use adapters::node::{EventIds, Node};
use adapters::notary::{Notary, NotaryParts, Standing, signer};
use domain::log::{Direction, EventLog, Revision};
use domain::notary::stream_of;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Shard number of the notary in event ids.
const NOTARY_SHARD: u16 = 0xffe;

/// The notary's key in a data folder.
pub fn key_in(data: &Path) -> PathBuf {
    data.join("notary.key")
}

pub(super) async fn start(
    config: &Config,
    log: &Arc<dyn EventLog>,
    node: Node,
    app: &AppState,
) -> Result<(Notary, NotaryState), StartError> {
    let stream = stream_of(node.number);
    let last = log.read_stream(&stream, Revision(u64::MAX), Direction::Backwards, 1).await?;
    let signer = signer(&key_in(&config.data), !last.is_empty())?;
    let state = NotaryState { app: app.clone(), log: Arc::clone(log), node: node.number, key: signer.key() };
    let notary = Notary::start(NotaryParts {
        log: Arc::clone(log),
        ids: EventIds::new(node, NOTARY_SHARD),
        signer,
        export: config.notary.export_in(&config.data),
        events: config.notary.events,
        every: Duration::from_secs(config.notary.every_s),
    });
    register_metrics(&app.metrics, Arc::clone(notary.standing()));
    Ok((notary, state))
}

fn register_metrics(metrics: &Metrics, standing: Arc<Standing>) {
    metrics.register(move |to: &mut Exposition| {
        let (through, roots) = (standing.through().0 as f64, standing.roots() as f64);
        to.single(
            Kind::Counter,
            "strowger_notary_position",
            "Everything up to here is covered by signed roots.",
            through,
        );
        to.single(Kind::Counter, "strowger_notary_roots", "Signed roots so far.", roots);
    });
}
