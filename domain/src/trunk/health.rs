//! How the exchange finds out whether calls to a trunk have a chance. [O11]

use serde::{Deserialize, Serialize};

/// What tells whether calls to a trunk have a chance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthRule {
    /// Nothing: it is always tried.
    #[default]
    Off,
    /// What calls meet there: no answer, or 503.
    Failures,
    /// OPTIONS every so often, and what calls meet there.
    Options,
}

/// When a trunk counts as down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkHealth {
    /// By what.
    #[serde(default)]
    pub rule: HealthRule,
    /// Between two OPTIONS, in seconds: 5 to 3,600.
    #[serde(default = "half_a_minute")]
    pub interval: u16,
    /// After so many failures in a row: 1 to 100.
    #[serde(default = "three")]
    pub failures: u32,
}

impl Default for TrunkHealth {
    fn default() -> Self {
        Self { rule: HealthRule::default(), interval: half_a_minute(), failures: three() }
    }
}

impl TrunkHealth {
    /// Whether `interval` is in its range.
    pub fn interval_fits(&self) -> bool {
        (5..=3_600).contains(&self.interval)
    }

    /// Whether `failures` is in its range.
    pub fn failures_fit(&self) -> bool {
        (1..=100).contains(&self.failures)
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

const fn half_a_minute() -> u16 {
    30
}

const fn three() -> u32 {
    3
}
