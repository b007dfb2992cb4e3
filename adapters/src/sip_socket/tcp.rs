//! SIP over TCP (RFC 3261 §18) without threads or tasks of its own: a [`TcpPump`] serves a listener and all connections that
//! came by it or were opened for it. It has one file descriptor to watch, [`TcpPump::as_fd`]; when that is readable,
//! [`TcpPump::turn`] does what there is to do, and when [`TcpPump::next_deadline`] has come, [`TcpPump::expire`].
//!
//! A flow is the listener's address and the peer's. Whatever ends a connection, or keeps one from coming about, is told as
//! [`TcpInput::Closed`] with that flow; the exchange then knows that what it sent may not have arrived.

mod connection;
mod listener;
mod pump;
mod queue;
mod slab;
#[cfg(test)]
mod tests;

pub use connection::tune;
pub use listener::TcpListener;
pub use pump::TcpPump;

use bytes::Bytes;
use domain::sip::wire::StreamFault;
use std::io;
use std::time::Duration;

/// Limits of a listener's connections.
#[derive(Debug, Clone)]
pub struct TcpSettings {
    /// Connections in all, those that we open included. A tenth is kept for these.
    pub connections: usize,
    /// Connections that one host may have open to us; of IPv6 the /64 counts.
    pub connections_per_host: usize,
    /// A connection without traffic is closed after this long.
    pub idle: Duration,
    /// Within this time a connection of ours comes about.
    pub connect: Duration,
    /// Within this time after a peer connected its first message is whole.
    pub first_message: Duration,
    /// Within this time a message that has begun is whole.
    pub message: Duration,
    /// What may wait for a peer that reads slowly, in bytes. Beyond that its connection is closed.
    pub unsent: usize,
    /// A peer that acknowledges nothing for this long is gone (`TCP_USER_TIMEOUT`).
    pub unacknowledged: Duration,
}

impl Default for TcpSettings {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_host: 64,
            idle: Duration::from_secs(600),
            connect: Duration::from_secs(5),
            first_message: Duration::from_secs(30),
            message: Duration::from_secs(10),
            unsent: 256 << 10,
            unacknowledged: Duration::from_secs(30),
        }
    }
}

/// What a connection brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TcpInput {
    /// A whole message.
    Message(Bytes),
    /// A keep-alive, which is being answered (RFC 5626 §3.5.1).
    Ping,
    /// The stream can be read no further. An answer that follows at once still leaves; then the connection closes.
    Broken(StreamFault),
    /// There is no connection any more, or none came about.
    Closed,
}

/// Why a message will not leave. Its flow is told as [`TcpInput::Closed`] besides.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No room for another connection.
    #[error("there are as many TCP connections as allowed; raise sip.tcp.connections")]
    TooMany,
    /// The peer does not read.
    #[error("the peer reads too slowly: its connection was closed")]
    SlowReader,
    /// The system refused.
    #[error("the system refused: {0}")]
    System(#[from] io::Error),
}

/// Counts since the start, and the connections there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TcpFigures {
    /// Connections now.
    pub open: usize,
    /// Connections that peers opened.
    pub accepted: u64,
    /// Connections that peers opened beyond a limit: they were closed at once.
    pub refused: u64,
    /// Connections of ours that came about.
    pub connected: u64,
    /// Connections of ours that did not.
    pub unconnected: u64,
    /// Keep-alives that were answered (RFC 5626 §3.5.1).
    pub pings: u64,
    /// Streams that could be read no further.
    pub broken: u64,
    /// Connections closed for slowness: a message not whole in time, or a peer that does not read.
    pub slow: u64,
    /// Connections closed for idleness.
    pub idle: u64,
}
