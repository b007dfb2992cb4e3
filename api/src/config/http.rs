//! Settings of the HTTP API.

use super::ConfigError;
use super::error::wrong;
use crate::server::Places;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};

/// Of the files that may be open HTTP takes no more than one in so many: what calls and phones need is theirs.
const SHARE: u64 = 8;

/// The HTTP API.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Connections in all: 10 to 100000, and never more than an eighth of the files that the process may open.
    pub connections: usize,
    /// Connections that one host may have open, this machine excepted: 1 or more.
    pub connections_per_host: usize,
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: (Ipv4Addr::LOCALHOST, 8080).into(), connections: 512, connections_per_host: 128 }
    }
}

impl Http {
    /// Places for connections where so many files may be open.
    pub fn places(&self, descriptors: Option<u64>) -> Places {
        let share = descriptors.map_or(usize::MAX, |all| usize::try_from(all / SHARE).unwrap_or(usize::MAX));
        if share < self.connections {
            tracing::warn!(
                connections = share,
                "http.connections is more than an eighth of the files that may be open: raise their limit"
            );
        }
        Places::new(self.connections.min(share), self.connections_per_host)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if !(10..=100_000).contains(&self.connections) {
            return wrong("http.connections", "must be 10 to 100000");
        }
        if self.connections_per_host == 0 {
            return wrong("http.connections_per_host", "must be 1 or more");
        }
        Ok(())
    }
}
