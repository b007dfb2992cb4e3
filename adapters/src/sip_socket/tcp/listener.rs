//! A bound listener, before the thread that serves it takes it.

use super::{TcpPump, TcpSettings};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;

/// Connections that may wait to be accepted; the system's limit may be lower.
const BACKLOG: i32 = 1_024;

/// See the module.
pub struct TcpListener {
    pub(super) socket: std::net::TcpListener,
    /// The address that peers know: the bound one, or the one configured for it.
    pub(super) advertised: SocketAddr,
}

impl TcpListener {
    /// Binds an address. Port 0 takes a free one.
    ///
    /// # Errors
    /// The address is not ours, or its port is taken.
    pub fn bind(address: SocketAddr, advertised: Option<SocketAddr>) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // Connections of a former start that are still closing must not keep us from listening.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let socket: std::net::TcpListener = socket.into();
        let advertised = advertised.unwrap_or(socket.local_addr()?);
        Ok(Self { socket, advertised })
    }

    /// The address that peers know.
    pub const fn address(&self) -> SocketAddr {
        self.advertised
    }

    /// Makes it ready, in the thread that will serve it.
    ///
    /// # Errors
    /// The system refuses an epoll set.
    pub fn pump(self, settings: TcpSettings) -> io::Result<TcpPump> {
        TcpPump::new(self, settings)
    }
}
