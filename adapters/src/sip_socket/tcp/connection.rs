//! One connection: its stream, what it is in the middle of, and by when that must be over.

use super::TcpSettings;
use super::queue::SendQueue;
use bytes::Bytes;
use domain::sip::wire::StreamFramer;
use domain::time::Moment;
use nix::sys::epoll::EpollFlags;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Read};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// An answer to a stream that is broken has this long to leave, and the peer to close its side.
const FAREWELL: Duration = Duration::from_secs(1);

/// Bytes that are read and thrown away while a connection closes, so that the answer is not lost to a reset.
const FAREWELL_BYTES: usize = 256 << 10;

/// A quiet connection is probed after this long, by the system.
const KEEPALIVE_AFTER_S: u32 = 60;
/// Seconds between probes that are not answered.
const KEEPALIVE_EVERY_S: u32 = 10;
/// This many unanswered probes end the connection.
const KEEPALIVE_PROBES: u32 = 3;

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// We asked for it.
    Connecting,
    /// It is there.
    Open,
    /// It could be read no further: an answer may leave, then it ends.
    Closing,
    /// The answer left; the peer is to close.
    Shut,
}

/// See the module.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) remote: SocketAddr,
    pub(super) phase: Phase,
    /// Whether the peer opened it.
    pub(super) accepted: bool,
    pub(super) framer: StreamFramer,
    pub(super) queue: SendQueue,
    /// What the epoll set is asked to watch.
    pub(super) watched: EpollFlags,
    /// The deadline by which it is looked at again: never later than the true one.
    pub(super) armed: Option<Moment>,
    since: Moment,
    message_since: Option<Moment>,
    had_message: bool,
    last_traffic: Moment,
    /// Whether something was to be sent since it began to close.
    farewell: bool,
    thrown_away: usize,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, remote: SocketAddr, phase: Phase, accepted: bool, now: Moment) -> Self {
        Self {
            stream,
            remote,
            phase,
            accepted,
            framer: StreamFramer::new(),
            queue: SendQueue::default(),
            watched: EpollFlags::empty(),
            armed: None,
            since: now,
            message_since: None,
            had_message: false,
            last_traffic: now,
            farewell: false,
            thrown_away: 0,
        }
    }

    /// What is to be watched for: room to write only while something waits.
    pub(super) fn interest(&self) -> EpollFlags {
        match self.phase {
            Phase::Connecting => EpollFlags::EPOLLOUT,
            Phase::Open | Phase::Closing if !self.queue.is_empty() => EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT,
            Phase::Open | Phase::Closing | Phase::Shut => EpollFlags::EPOLLIN,
        }
    }

    /// Reads once. `Ok(None)`: nothing is there; `Ok(Some(0))`: the peer has closed.
    pub(super) fn read(&mut self, buffer: &mut [u8], now: Moment) -> io::Result<Option<usize>> {
        match self.stream.read(buffer) {
            Ok(count) => {
                self.last_traffic = now;
                Ok(Some(count))
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes in how far the framer came: whether it gave messages, and whether one has begun since.
    pub(super) fn framed(&mut self, messages: usize, now: Moment) {
        self.had_message |= messages > 0;
        self.message_since = match (self.framer.is_amid_message(), self.message_since) {
            (false, _) => None,
            (true, Some(since)) if messages == 0 => Some(since),
            (true, Some(_) | None) => Some(now),
        };
    }

    /// Has this written in its turn.
    pub(super) fn enqueue(&mut self, bytes: Bytes) {
        self.farewell |= self.phase == Phase::Closing;
        self.queue.push(bytes);
    }

    /// Writes what waits. When all has left of a connection that closes, the peer is told that no more will come.
    pub(super) fn flush(&mut self, now: Moment) -> io::Result<()> {
        if self.queue.is_empty() || self.phase == Phase::Connecting {
            return Ok(());
        }
        self.last_traffic = now;
        self.queue.flush(&mut self.stream)?;
        if self.farewell && self.phase == Phase::Closing && self.queue.is_empty() {
            self.stream.shutdown(Shutdown::Write)?;
            self.phase = Phase::Shut;
        }
        Ok(())
    }

    /// From here on only what answers the peer leaves.
    pub(super) fn begin_closing(&mut self, now: Moment) {
        self.phase = Phase::Closing;
        self.since = now;
    }

    /// Counts bytes that are read for nothing; `false` when it was enough.
    pub(super) const fn throw_away(&mut self, count: usize) -> bool {
        self.thrown_away += count;
        self.thrown_away < FAREWELL_BYTES
    }

    /// Whether it is closed for being slow, if its deadline has come.
    pub(super) fn is_slow(&self, settings: &TcpSettings, now: Moment) -> bool {
        self.phase == Phase::Open && self.slow_at(settings).is_some_and(|at| at <= now)
    }

    fn slow_at(&self, settings: &TcpSettings) -> Option<Moment> {
        let first = (self.accepted && !self.had_message).then(|| self.since + settings.first_message);
        let message = self.message_since.map(|since| since + settings.message);
        [first, message].into_iter().flatten().min()
    }

    /// When it is over unless something happens before.
    pub(super) fn deadline(&self, settings: &TcpSettings) -> Moment {
        match self.phase {
            Phase::Connecting => self.since + settings.connect,
            Phase::Closing | Phase::Shut => self.since + FAREWELL,
            Phase::Open => {
                let idle = self.last_traffic + settings.idle;
                self.slow_at(settings).map_or(idle, |slow| slow.min(idle))
            }
        }
    }

    /// It came about after all; its time counts from here.
    pub(super) const fn opened(&mut self, now: Moment) {
        self.phase = Phase::Open;
        self.since = now;
        self.last_traffic = now;
    }
}

/// Asks for a connection from an address of ours; it may be there at once.
pub(super) fn connect(from: IpAddr, to: SocketAddr, settings: &TcpSettings) -> io::Result<(TcpStream, Phase)> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    tune(&socket, settings.unacknowledged)?;
    // Peers know us by the address that we listen on.
    if !from.is_unspecified() && from.is_ipv4() == to.is_ipv4() {
        socket.bind(&SocketAddr::new(from, 0).into())?;
    }
    let phase = match socket.connect(&to.into()) {
        Ok(()) => Phase::Open,
        Err(error) if error.raw_os_error() == Some(nix::errno::Errno::EINPROGRESS as i32) => Phase::Connecting,
        Err(error) => return Err(error),
    };
    Ok((socket.into(), phase))
}

/// No waiting for more to send, and peers that are gone are found out.
///
/// # Errors
/// The system refused an option.
pub fn tune(socket: &impl std::os::fd::AsFd, unacknowledged: Duration) -> io::Result<()> {
    let millis = u32::try_from(unacknowledged.as_millis()).unwrap_or(u32::MAX);
    setsockopt(socket, sockopt::TcpNoDelay, &true)?;
    setsockopt(socket, sockopt::KeepAlive, &true)?;
    setsockopt(socket, sockopt::TcpKeepIdle, &KEEPALIVE_AFTER_S)?;
    setsockopt(socket, sockopt::TcpKeepInterval, &KEEPALIVE_EVERY_S)?;
    setsockopt(socket, sockopt::TcpKeepCount, &KEEPALIVE_PROBES)?;
    setsockopt(socket, sockopt::TcpUserTimeout, &millis)?;
    Ok(())
}
