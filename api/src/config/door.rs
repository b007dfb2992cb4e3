//! Settings of the log's door.

use super::ConfigError;
use super::error::wrong;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Where others read the log, by the EventStoreDB protocol.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Door {
    /// Where it listens. An address that others reach needs a user, a password and TLS.
    pub listen: SocketAddr,
    /// Who may come in; everybody where nobody is named.
    #[serde(default)]
    pub user: Option<String>,
    /// File with that user's password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// PEM file with the certificate and what leads from it to a root.
    #[serde(default)]
    pub tls_cert: Option<PathBuf>,
    /// PEM file with the certificate's key.
    #[serde(default)]
    pub tls_key: Option<PathBuf>,
    /// Whether exchanges elsewhere may write their events here, and strangers streams of their own. The exchange's own
    /// streams are never written by anybody else.
    #[serde(default)]
    pub writable: bool,
    /// Connections at once: 1 to 1000.
    #[serde(default = "connections")]
    pub connections: usize,
}

const fn connections() -> usize {
    64
}

impl Door {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.user.is_some() != self.password_file.is_some() {
            return wrong("log.door.user", "goes with password_file: set both or neither");
        }
        if self.user.as_ref().is_some_and(|user| user.is_empty() || user.contains(':')) {
            return wrong("log.door.user", "must be a name without a colon");
        }
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            return wrong("log.door.tls_cert", "goes with tls_key: set both or neither");
        }
        if !self.listen.ip().is_loopback() && (self.user.is_none() || self.tls_cert.is_none()) {
            return wrong(
                "log.door.listen",
                "a door that others reach needs user and password_file, tls_cert and tls_key",
            );
        }
        if !(1..=1_000).contains(&self.connections) {
            return wrong("log.door.connections", "must be 1 to 1000");
        }
        Ok(())
    }
}
