//! Settings of the notary.

use super::ConfigError;
use super::error::wrong;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// How often the log is signed, and where to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Notary {
    /// A signed root covers so many events at most: 1 to 100000.
    pub events: u64,
    /// Seconds after which an event is covered by a root at the latest: 1 to 3600.
    pub every_s: u64,
    /// File that roots are exported to, a line each; `notary.jsonl` in the data folder where not set. It proves more where
    /// whoever could rewrite the log cannot rewrite it too.
    pub export: Option<PathBuf>,
}

impl Default for Notary {
    fn default() -> Self {
        Self { events: 10_000, every_s: 60, export: None }
    }
}

impl Notary {
    /// The exported file.
    pub fn export_in(&self, data: &Path) -> PathBuf {
        self.export.clone().unwrap_or_else(|| data.join("notary.jsonl"))
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if !(1..=100_000).contains(&self.events) {
            return wrong("notary.events", "must be 1 to 100000");
        }
        if !(1..=3_600).contains(&self.every_s) {
            return wrong("notary.every_s", "must be 1 to 3600");
        }
        Ok(())
    }
}
