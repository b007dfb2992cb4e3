//! Settings of SIP by TCP.

use super::ConfigError;
use super::error::wrong;
use serde::{Deserialize, Serialize};

/// Limits of a listener's connections by TCP.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tcp {
    /// Connections in all, those that the exchange opens included: 10 to 1000000.
    pub connections: usize,
    /// Connections that one host may have open: 1 or more.
    pub connections_per_host: usize,
    /// Seconds without traffic after which a connection is closed: 30 to 86400.
    pub idle_s: u64,
}

impl Default for Tcp {
    fn default() -> Self {
        Self { connections: 10_000, connections_per_host: 64, idle_s: 600 }
    }
}

impl Tcp {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if !(10..=1_000_000).contains(&self.connections) {
            return wrong("sip.tcp.connections", "must be 10 to 1000000");
        }
        if self.connections_per_host == 0 {
            return wrong("sip.tcp.connections_per_host", "must be 1 or more");
        }
        if !(30..=86_400).contains(&self.idle_s) {
            return wrong("sip.tcp.idle_s", "must be 30 to 86400");
        }
        Ok(())
    }
}
