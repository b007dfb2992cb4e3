//! Network addresses as SIP sees them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;

/// A transport as Via and URI parameters name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Datagrams: we retransmit.
    Udp,
}

impl Transport {
    /// Whether the transport delivers by itself, so that we need not retransmit (RFC 3261 §17).
    pub const fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
        }
    }

    /// The name in a Via header.
    pub const fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
        }
    }
}

/// The path a message came or goes on: our address and the peer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Flow {
    /// The transport.
    pub transport: Transport,
    /// Our listening address.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} - {}", self.transport.via_name(), self.local, self.remote)
    }
}

/// What a listener's neighbours are, which decides authentication and trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EdgeRole {
    /// Trusted peers by address: a source that is no trunk of kind `carrier` is refused.
    Carrier,
    /// Any endpoint or PBX; a request that no account answers for is refused statelessly.
    Public,
}
