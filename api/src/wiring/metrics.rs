//! What `/metrics` tells of the parts that run.

use crate::metrics::{Exposition, Kind, Metrics};
use adapters::event_log::Written;
use adapters::exchange::Gauges;
use adapters::media::MediaOrders;
use domain::log::EventLog;
use projections::Views;
use std::sync::Arc;

/// Whose figures they are.
pub(super) struct Parts<'a> {
    pub gauges: &'a Arc<Gauges>,
    pub media: MediaOrders,
    pub views: &'a Arc<Views>,
    pub log: &'a Arc<dyn EventLog>,
    /// What was written here; what is written elsewhere is counted there.
    pub written: Option<Arc<Written>>,
}

impl Parts<'_> {
    pub fn metrics(self) -> Metrics {
        let metrics = Metrics::default();
        register(&metrics, Arc::clone(self.gauges), self.media, Arc::clone(self.views));
        register_log(&metrics, Arc::clone(self.log), self.written);
        metrics
    }
}

fn register(metrics: &Metrics, gauges: Arc<Gauges>, media: MediaOrders, views: Arc<Views>) {
    metrics.register(move |to: &mut Exposition| {
        for (name, help, value) in gauges.read() {
            let kind = if name.ends_with("_total") { Kind::Counter } else { Kind::Gauge };
            to.single(kind, name, help, value as f64);
        }
    });
    metrics.register(move |to: &mut Exposition| {
        let ports = media.ports_in_use() as f64;
        to.single(Kind::Gauge, "strowger_media_ports", "Pairs of media ports that calls hold.", ports);
        let mut positions = to.family(Kind::Counter, "strowger_read_model_position", "How far a read model is.");
        for (name, position) in views.progress().positions() {
            positions.sample(&[("name", name.name())], position.0 as f64);
        }
    });
}

fn register_log(metrics: &Metrics, log: Arc<dyn EventLog>, written: Option<Arc<Written>>) {
    metrics.register(move |to: &mut Exposition| {
        to.single(Kind::Counter, "strowger_log_position", "Position of the newest durable event.", log.head().0 as f64);
        let Some(written) = &written else { return };
        let (commits, bytes) = (written.commits() as f64, written.bytes() as f64);
        to.single(Kind::Counter, "strowger_log_commits_total", "Commits since the start, an fdatasync each.", commits);
        to.single(Kind::Counter, "strowger_log_bytes_total", "Bytes of rows written since the start.", bytes);
    });
}
