//! Settings of the guard at the edge.

use super::ConfigError;
use super::error::wrong;
use domain::exchange::{Allowance, GuardSettings};
use domain::trunk::TrunkAddress;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How much is answered to sources that are no trunk's, outside calls that run. A source is an IPv4 address or an IPv6
/// network of 64 bits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Guard {
    /// Whether there is a limit at all.
    pub enabled: bool,
    /// Requests a second that a source is answered where nobody has proved himself by password: 1 to 1000000.
    pub requests_per_second: u32,
    /// Requests at once, after a rest: 1 to 1000000.
    pub burst: u32,
    /// Requests a second that a source is answered where somebody has proved himself within a day: 1 to 1000000.
    pub known_requests_per_second: u32,
    /// Requests at once there, after a rest: 1 to 1000000.
    pub known_burst: u32,
    /// So many failed logins and scans make a source unheard for a while: 1 to 100000. Where somebody has proved himself
    /// it takes ten times as many.
    pub failures: u32,
    /// For how long, in seconds: 1 to 86400. In the same time the failures are forgotten.
    pub ban_s: u32,
    /// The most sources that are remembered, some 150 bytes each: 100 to 10000000.
    pub sources: usize,
    /// Whether requests of known scanners are dropped.
    pub scanners: bool,
    /// Sources without limits: `ip`, `ip:port` or `network/length`. At most 1000.
    pub exempt: Vec<TrunkAddress>,
}

impl Default for Guard {
    fn default() -> Self {
        let GuardSettings { enabled, strangers, known, failures, ban, sources, scanners, exempt } =
            GuardSettings::default();
        Self {
            enabled,
            requests_per_second: strangers.per_second,
            burst: strangers.burst,
            known_requests_per_second: known.per_second,
            known_burst: known.burst,
            failures,
            ban_s: u32::try_from(ban.as_secs()).unwrap_or(u32::MAX),
            sources,
            scanners,
            exempt,
        }
    }
}

impl Guard {
    /// As the exchange takes them.
    pub fn settings(&self) -> GuardSettings {
        GuardSettings {
            enabled: self.enabled,
            strangers: Allowance { per_second: self.requests_per_second, burst: self.burst },
            known: Allowance { per_second: self.known_requests_per_second, burst: self.known_burst },
            failures: self.failures,
            ban: Duration::from_secs(u64::from(self.ban_s)),
            sources: self.sources,
            scanners: self.scanners,
            exempt: self.exempt.clone(),
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let rates = [
            ("sip.guard.requests_per_second", self.requests_per_second),
            ("sip.guard.burst", self.burst),
            ("sip.guard.known_requests_per_second", self.known_requests_per_second),
            ("sip.guard.known_burst", self.known_burst),
        ];
        if let Some((setting, _)) = rates.into_iter().find(|(_, rate)| !(1..=1_000_000).contains(rate)) {
            return wrong(setting, "must be 1 to 1000000");
        }
        if !(1..=100_000).contains(&self.failures) {
            return wrong("sip.guard.failures", "must be 1 to 100000");
        }
        if !(1..=86_400).contains(&self.ban_s) {
            return wrong("sip.guard.ban_s", "must be 1 to 86400");
        }
        if !(100..=10_000_000).contains(&self.sources) {
            return wrong("sip.guard.sources", "must be 100 to 10000000");
        }
        if self.exempt.len() > 1_000 {
            return wrong("sip.guard.exempt", "must be at most 1000 addresses and networks");
        }
        Ok(())
    }
}
