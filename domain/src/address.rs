//! Network addresses as SIP sees them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;

/// A transport as Via and URI parameters name it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Datagrams: we retransmit.
    #[default]
    Udp,
    /// Connections that deliver, or fail as a whole.
    Tcp,
}

impl Transport {
    /// Whether the transport delivers by itself, so that we need not retransmit (RFC 3261 §17).
    pub const fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp => true,
        }
    }

    /// The name in a Via header.
    pub const fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }

    /// What a URI says of the transport, with its semicolon; nothing for the one that counts where nothing is said
    /// (RFC 3263 §4.1).
    pub const fn uri_suffix(self) -> &'static str {
        match self {
            Self::Udp => "",
            Self::Tcp => ";transport=tcp",
        }
    }

    /// Reads the value of a URI's `transport` parameter, in any case (RFC 3261 §19.1.1); `None` for one we do not speak.
    pub const fn from_param(value: &str) -> Option<Self> {
        if value.eq_ignore_ascii_case("udp") {
            return Some(Self::Udp);
        }
        if value.eq_ignore_ascii_case("tcp") { Some(Self::Tcp) } else { None }
    }
}

/// The path a message came or goes on: our address and the peer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_uri_is_given_for_a_transport_reads_back() {
        for transport in [Transport::Udp, Transport::Tcp] {
            let value = transport.uri_suffix().strip_prefix(";transport=").unwrap_or("UDP");
            assert_eq!(Transport::from_param(value), Some(transport));
        }
        assert_eq!([Transport::from_param("tls"), Transport::from_param("")], [None; 2]);
    }

    #[test]
    fn only_datagrams_may_get_lost() {
        assert_eq!([Transport::Udp, Transport::Tcp].map(Transport::is_reliable), [false, true]);
    }
}
