//! A UDP listener: many datagrams a system call, both ways.

use bytes::Bytes;
use nix::cmsg_space;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage, recvmmsg, sendmmsg, setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Datagrams per system call.
const BATCH: usize = 32;

/// The largest datagram there is (RFC 3261 §18.1.1).
const MAX_DATAGRAM: usize = 65_535;

/// What the kernel shall keep for us while we wait for the log or have too much to do, bytes. It counts some 2,300 for an
/// INVITE: under three times the load of a small machine that is a second's.
const SOCKET_BUFFER: usize = 16 << 20;

/// A bound listener, before the thread that serves it takes it.
pub struct UdpListener {
    socket: UdpSocket,
    /// The address that peers know: the bound one, or the one configured for it.
    advertised: SocketAddr,
}

impl AsFd for UdpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A listener in its thread, with the buffers of its system calls.
pub struct UdpPump {
    socket: UdpSocket,
    advertised: SocketAddr,
    buffers: Vec<Vec<u8>>,
    receiving: MultiHeaders<SockaddrStorage>,
    sending: MultiHeaders<SockaddrStorage>,
}

impl UdpListener {
    /// Binds an address. Port 0 takes a free one.
    pub fn bind(address: SocketAddr, advertised: Option<SocketAddr>) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        enlarge_buffers(&socket);
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        Self::of(socket.into(), advertised)
    }

    /// A socket that was bound before.
    ///
    /// # Errors
    /// It is no socket with an address.
    pub fn held(socket: OwnedFd, advertised: Option<SocketAddr>) -> io::Result<Self> {
        Self::of(socket.into(), advertised)
    }

    fn of(socket: UdpSocket, advertised: Option<SocketAddr>) -> io::Result<Self> {
        let advertised = advertised.unwrap_or(socket.local_addr()?);
        Ok(Self { socket, advertised })
    }

    /// The address that peers know.
    pub const fn address(&self) -> SocketAddr {
        self.advertised
    }

    /// Makes it ready, in the thread that will serve it.
    pub fn pump(self) -> UdpPump {
        // Where the system does not tell when datagrams came, none is known to have waited.
        let _ = setsockopt(&self.socket, sockopt::ReceiveTimestampns, &true);
        UdpPump {
            socket: self.socket,
            advertised: self.advertised,
            buffers: vec![vec![0; MAX_DATAGRAM]; BATCH],
            receiving: MultiHeaders::preallocate(BATCH, Some(cmsg_space!(TimeSpec))),
            sending: MultiHeaders::preallocate(BATCH, None),
        }
    }
}

impl UdpPump {
    /// The address that peers know.
    pub const fn address(&self) -> SocketAddr {
        self.advertised
    }

    /// Receives what is there, at most one batch; how many. Fewer than [`UdpPump::batch`] means that nothing is left. Tells of
    /// the first, which is the oldest, when it came: time since 1970 by the machine's clock.
    pub fn receive(&mut self, mut each: impl FnMut(SocketAddr, Bytes, Option<Duration>)) -> io::Result<usize> {
        let mut slices: Vec<[IoSliceMut<'_>; 1]> =
            self.buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let received =
            recvmmsg(self.socket.as_raw_fd(), &mut self.receiving, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None);
        let messages = match received {
            Ok(messages) => messages,
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => return Ok(0),
            // An ICMP error of an earlier send: that peer is not there. Its transaction will time out.
            Err(nix::errno::Errno::ECONNREFUSED) => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        let mut count = 0;
        for message in messages {
            let first_came = if count == 0 { came(&message) } else { None };
            count += 1;
            let source = message.address.as_ref().and_then(socket_address);
            if let (Some(source), Some(bytes)) = (source, message.iovs().next()) {
                each(source, Bytes::copy_from_slice(bytes), first_came);
            }
        }
        Ok(count)
    }

    /// How many datagrams one [`UdpPump::receive`] takes at most.
    pub const fn batch() -> usize {
        BATCH
    }

    /// Sends datagrams in order. What the kernel refuses is lost, as any datagram may be; returns how many were.
    pub fn send(&mut self, datagrams: &[(SocketAddr, Bytes)]) -> usize {
        let mut lost = 0;
        let mut rest = datagrams;
        while !rest.is_empty() {
            let batch = &rest[..rest.len().min(BATCH)];
            match self.send_batch(batch) {
                0 => {
                    lost += 1;
                    rest = &rest[1..];
                }
                sent => rest = &rest[sent..],
            }
        }
        lost
    }

    fn send_batch(&mut self, batch: &[(SocketAddr, Bytes)]) -> usize {
        if let [(to, bytes)] = batch {
            return usize::from(self.socket.send_to(bytes, to).is_ok());
        }
        let slices: Vec<[IoSlice<'_>; 1]> = batch.iter().map(|(_, bytes)| [IoSlice::new(bytes)]).collect();
        let addresses: Vec<Option<SockaddrStorage>> = batch.iter().map(|(to, _)| Some((*to).into())).collect();
        sendmmsg(self.socket.as_raw_fd(), &mut self.sending, &slices, &addresses, [], MsgFlags::MSG_DONTWAIT)
            .map_or(0, Iterator::count)
    }
}

impl AsFd for UdpPump {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Past the system's limit where we may, up to it where not.
fn enlarge_buffers(socket: &Socket) {
    if setsockopt(socket, sockopt::RcvBufForce, &SOCKET_BUFFER).is_err() {
        let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
    }
    if setsockopt(socket, sockopt::SndBufForce, &SOCKET_BUFFER).is_err() {
        let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
    }
}

/// When the kernel took a datagram in.
fn came(message: &RecvMsg<'_, '_, SockaddrStorage>) -> Option<Duration> {
    let stamp = |control| {
        if let ControlMessageOwned::ScmTimestampns(stamp) = control { Some(Duration::from(stamp)) } else { None }
    };
    message.cmsgs().ok()?.find_map(stamp)
}

fn socket_address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|address| SocketAddr::new(IpAddr::V4(address.ip()), address.port()));
    v4.or_else(|| storage.as_sockaddr_in6().map(|address| SocketAddr::new(IpAddr::V6(address.ip()), address.port())))
}
