//! A bound listener, before the thread that serves it takes it.

use super::{TcpPump, TcpSettings};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Connections that may wait to be accepted; the system's limit may be lower.
const BACKLOG: i32 = 1_024;

/// See the module.
pub struct TcpListener {
    pub(super) socket: std::net::TcpListener,
    /// The address that peers know: the bound one, or the one configured for it.
    pub(super) advertised: SocketAddr,
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
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
        Self::of(socket.into(), advertised)
    }

    /// A socket that listened before.
    ///
    /// # Errors
    /// It is no socket with an address.
    pub fn held(socket: OwnedFd, advertised: Option<SocketAddr>) -> io::Result<Self> {
        Self::of(socket.into(), advertised)
    }

    fn of(socket: std::net::TcpListener, advertised: Option<SocketAddr>) -> io::Result<Self> {
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
