//! A listener and its connections, in the thread that serves them.

use super::connection::{Connection, Phase, connect, tune};
use super::slab::{Slab, Slot};
use super::{SendError, TcpFigures, TcpInput, TcpListener, TcpSettings};
use bytes::Bytes;
use domain::address::{Flow, Transport};
use domain::sip::wire::Framed;
use domain::time::Moment;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// Connections that are looked at in one turn.
const EVENTS_A_TURN: usize = 64;

/// Connections that are accepted in one turn, so that a flood of them leaves room for those that are there.
const ACCEPTS_A_TURN: usize = 16;

/// What is read from one connection before others get their turn, bytes.
const READ: usize = 16 << 10;

/// Token of the listening socket.
const LISTENER: u64 = u64::MAX;

/// Without file descriptors nothing is accepted for so long.
const BREATHE: Duration = Duration::from_millis(100);

/// Between two complaints of that in the program's log.
const SILENCE: Duration = Duration::from_secs(1);

/// The answer to a ping (RFC 5626 §3.5.1).
const PONG: Bytes = Bytes::from_static(b"\r\n");

/// See the module.
pub struct TcpPump {
    listener: std::net::TcpListener,
    bound: IpAddr,
    advertised: SocketAddr,
    settings: TcpSettings,
    /// The listener and all connections: whoever serves us watches this one.
    epoll: Epoll,
    connections: Slab,
    /// The connection that a flow means: of two with the same peer the younger.
    by_remote: HashMap<SocketAddr, Slot>,
    /// Connections that peers opened, by host.
    by_host: HashMap<IpAddr, usize>,
    accepted: usize,
    deadlines: BTreeSet<(Moment, Slot)>,
    /// Flows that failed while nobody could be told.
    failed: Vec<SocketAddr>,
    /// When accepting goes on.
    accept_again: Option<Moment>,
    /// That accepting fails is not said again before.
    silent_until: Option<Moment>,
    buffer: Vec<u8>,
    figures: TcpFigures,
}

impl TcpPump {
    pub(super) fn new(listener: TcpListener, settings: TcpSettings) -> io::Result<Self> {
        let TcpListener { socket, advertised } = listener;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
        Ok(Self {
            bound: socket.local_addr()?.ip(),
            listener: socket,
            advertised,
            settings,
            epoll,
            connections: Slab::default(),
            by_remote: HashMap::new(),
            by_host: HashMap::new(),
            accepted: 0,
            deadlines: BTreeSet::new(),
            failed: Vec::new(),
            accept_again: None,
            silent_until: None,
            buffer: vec![0; READ],
            figures: TcpFigures::default(),
        })
    }

    /// The address that peers know.
    pub const fn address(&self) -> SocketAddr {
        self.advertised
    }

    /// What was counted.
    pub const fn figures(&self) -> TcpFigures {
        TcpFigures { open: self.connections.len(), ..self.figures }
    }

    /// When [`TcpPump::expire`] is due.
    pub fn next_deadline(&self) -> Option<Moment> {
        if !self.failed.is_empty() {
            return Some(Moment::default());
        }
        let first = self.deadlines.first().map(|(at, _)| *at);
        [first, self.accept_again].into_iter().flatten().min()
    }

    /// Reads, writes and accepts what is ready: each connection once, at most 64 of them. When more is ready, the file
    /// descriptor says so again.
    ///
    /// # Errors
    /// The system refuses to say what is ready.
    pub fn turn(&mut self, now: Moment, mut each: impl FnMut(Flow, TcpInput)) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); EVENTS_A_TURN];
        let ready = match self.epoll.wait(&mut events, EpollTimeout::ZERO) {
            Ok(ready) => ready,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        for event in events.iter().take(ready) {
            match (event.data(), self.connections.slot(event.data())) {
                (LISTENER, _) => self.accept(now),
                (_, Some(slot)) => self.serve(now, slot, event.events(), &mut each),
                // Closed since, in this very turn.
                (_, None) => {}
            }
        }
        self.tell_failures(&mut each);
        Ok(())
    }

    /// Sends over the connection of a flow, or over a new one where there is none. What cannot be written now waits.
    ///
    /// # Errors
    /// [`SendError`]: the message is lost, and [`TcpInput::Closed`] will say so too.
    pub fn send(&mut self, now: Moment, flow: Flow, bytes: Bytes) -> Result<(), SendError> {
        let slot = match self.by_remote.get(&flow.remote) {
            Some(slot) => *slot,
            None => match self.open(now, flow.remote) {
                Ok(slot) => slot,
                Err(error) => {
                    self.failed.push(flow.remote);
                    self.figures.unconnected += 1;
                    return Err(error);
                }
            },
        };
        let sent = self.write(now, slot, bytes);
        if sent.is_err() {
            self.fail(slot);
        }
        sent
    }

    /// Closes what has run out of time, and tells failures that [`TcpPump::send`] could not.
    pub fn expire(&mut self, now: Moment, mut each: impl FnMut(Flow, TcpInput)) {
        while let Some((_, slot)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.deadlines.pop_first();
            let Some(connection) = self.connections.get_mut(slot) else { continue };
            connection.armed = None;
            if connection.deadline(&self.settings) > now {
                self.arm(slot);
                continue;
            }
            match connection.phase {
                Phase::Open if connection.is_slow(&self.settings, now) => self.figures.slow += 1,
                Phase::Open => self.figures.idle += 1,
                Phase::Connecting => self.figures.unconnected += 1,
                Phase::Closing | Phase::Shut => {}
            }
            self.close(slot, &mut each);
        }
        if self.accept_again.is_some_and(|at| at <= now) {
            self.accept_again = None;
            let event = EpollEvent::new(EpollFlags::EPOLLIN, LISTENER);
            if self.epoll.add(&self.listener, event).is_err() {
                self.accept_again = Some(now + BREATHE);
            }
        }
        self.tell_failures(&mut each);
    }

    fn flow(&self, remote: SocketAddr) -> Flow {
        Flow { transport: Transport::Tcp, local: self.advertised, remote }
    }

    fn tell_failures(&mut self, each: &mut impl FnMut(Flow, TcpInput)) {
        for remote in std::mem::take(&mut self.failed) {
            each(self.flow(remote), TcpInput::Closed);
        }
    }

    fn accept(&mut self, now: Moment) {
        for _ in 0..ACCEPTS_A_TURN {
            match self.listener.accept() {
                Ok((stream, remote)) => self.welcome(now, stream, remote),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The peer was gone before we came to it.
                Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {
                }
                Err(error) => {
                    self.complain(now, &error);
                    // The listener stays ready; without a pause this would be all we do.
                    if self.epoll.delete(&self.listener).is_ok() {
                        self.accept_again = Some(now + BREATHE);
                    }
                    return;
                }
            }
        }
    }

    /// Says at most once a second why nothing is accepted, however often it is tried.
    fn complain(&mut self, now: Moment, error: &io::Error) {
        if self.silent_until.is_none_or(|until| until <= now) {
            self.silent_until = Some(now + SILENCE);
            let listener = self.advertised;
            tracing::error!(%error, %listener, "a connection cannot be accepted: check the limit on file descriptors");
        }
    }

    fn welcome(&mut self, now: Moment, stream: TcpStream, remote: SocketAddr) {
        let host = host(remote.ip());
        let here = self.by_host.get(&host).copied().unwrap_or(0);
        let most = self.settings.connections - self.settings.connections / 10;
        let room = self.accepted < most && self.connections.len() < self.settings.connections;
        let ready = stream.set_nonblocking(true).and_then(|()| tune(&stream, self.settings.unacknowledged));
        if !room || here >= self.settings.connections_per_host || ready.is_err() {
            self.figures.refused += 1;
            return;
        }
        self.figures.accepted += 1;
        if self.add(Connection::new(stream, remote, Phase::Open, true, now)).is_ok() {
            self.accepted += 1;
            self.by_host.insert(host, here + 1);
        }
    }

    fn open(&mut self, now: Moment, remote: SocketAddr) -> Result<Slot, SendError> {
        if self.connections.len() >= self.settings.connections {
            return Err(SendError::TooMany);
        }
        let (stream, phase) = connect(self.bound, remote, &self.settings)?;
        self.figures.connected += u64::from(phase == Phase::Open);
        Ok(self.add(Connection::new(stream, remote, phase, false, now))?)
    }

    fn add(&mut self, mut connection: Connection) -> io::Result<Slot> {
        let remote = connection.remote;
        connection.watched = connection.interest();
        let slot = self.connections.insert(connection);
        let token = self.connections.token(slot);
        if let Some(connection) = self.connections.get_mut(slot)
            && let Err(error) = self.epoll.add(&connection.stream, EpollEvent::new(connection.watched, token))
        {
            self.connections.remove(slot);
            return Err(error.into());
        }
        self.by_remote.insert(remote, slot);
        self.arm(slot);
        Ok(slot)
    }

    fn write(&mut self, now: Moment, slot: Slot, bytes: Bytes) -> Result<(), SendError> {
        let Some(connection) = self.connections.get_mut(slot) else { return Ok(()) };
        if connection.queue.length() + bytes.len() > self.settings.unsent {
            self.figures.slow += 1;
            return Err(SendError::SlowReader);
        }
        connection.enqueue(bytes);
        connection.flush(now)?;
        self.watch(slot)?;
        Ok(())
    }

    fn serve(&mut self, now: Moment, slot: Slot, events: EpollFlags, each: &mut impl FnMut(Flow, TcpInput)) {
        let served = self.serve_phase(now, slot, events, each);
        if served.is_ok() && self.watch(slot).is_ok() {
            self.arm(slot);
        } else {
            self.close(slot, each);
        }
    }

    /// `Err` ends the connection, whatever it says.
    fn serve_phase(
        &mut self,
        now: Moment,
        slot: Slot,
        events: EpollFlags,
        each: &mut impl FnMut(Flow, TcpInput),
    ) -> io::Result<()> {
        let Some(connection) = self.connections.get_mut(slot) else { return Ok(()) };
        match connection.phase {
            Phase::Connecting => {
                if let Some(error) = connection.stream.take_error()? {
                    self.figures.unconnected += 1;
                    return Err(error);
                }
                connection.opened(now);
                self.figures.connected += 1;
                connection.flush(now)
            }
            Phase::Open | Phase::Closing | Phase::Shut => {
                if events.contains(EpollFlags::EPOLLOUT) {
                    connection.flush(now)?;
                }
                match events.intersects(EpollFlags::EPOLLIN | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR) {
                    true => self.read(now, slot, each),
                    false => Ok(()),
                }
            }
        }
    }

    fn read(&mut self, now: Moment, slot: Slot, each: &mut impl FnMut(Flow, TcpInput)) -> io::Result<()> {
        let local = self.advertised;
        let Some(connection) = self.connections.get_mut(slot) else { return Ok(()) };
        let count = match connection.read(&mut self.buffer, now)? {
            None => return Ok(()),
            Some(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Some(count) => count,
        };
        if connection.phase != Phase::Open {
            return if connection.throw_away(count) { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) };
        }
        connection.framer.push(self.buffer.get(..count).unwrap_or_default());
        let flow = Flow { transport: Transport::Tcp, local, remote: connection.remote };
        let mut messages = 0;
        while let Some(framed) = connection.framer.next() {
            match framed {
                Framed::Message(bytes) => {
                    messages += 1;
                    each(flow, TcpInput::Message(bytes));
                }
                Framed::Ping => {
                    self.figures.pings += 1;
                    each(flow, TcpInput::Ping);
                    if connection.queue.length() < self.settings.unsent {
                        connection.enqueue(PONG);
                    }
                }
                Framed::Pong => {}
                Framed::Fatal(fault) => {
                    self.figures.broken += 1;
                    let answerable = !fault.head.is_empty();
                    each(flow, TcpInput::Broken(fault));
                    if !answerable {
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                    connection.begin_closing(now);
                    return Ok(());
                }
            }
        }
        connection.framed(messages, now);
        connection.flush(now)
    }

    /// Has the epoll set watch for what the connection waits for.
    fn watch(&mut self, slot: Slot) -> io::Result<()> {
        let token = self.connections.token(slot);
        let Some(connection) = self.connections.get_mut(slot) else { return Ok(()) };
        let interest = connection.interest();
        if interest != connection.watched {
            self.epoll.modify(&connection.stream, &mut EpollEvent::new(interest, token))?;
            connection.watched = interest;
        }
        Ok(())
    }

    /// Sees to it that the connection is looked at by its deadline. Later deadlines are found out when the earlier one
    /// comes, so that traffic does not move them.
    fn arm(&mut self, slot: Slot) {
        let Some(connection) = self.connections.get_mut(slot) else { return };
        let at = connection.deadline(&self.settings);
        if connection.armed.is_some_and(|armed| armed <= at) {
            return;
        }
        if let Some(armed) = connection.armed.replace(at) {
            self.deadlines.remove(&(armed, slot));
        }
        self.deadlines.insert((at, slot));
    }

    fn close(&mut self, slot: Slot, each: &mut impl FnMut(Flow, TcpInput)) {
        if let Some(remote) = self.remove(slot) {
            each(self.flow(remote), TcpInput::Closed);
        }
    }

    fn fail(&mut self, slot: Slot) {
        let remote = self.remove(slot);
        self.failed.extend(remote);
    }

    /// Takes a connection away; its peer, where its flow has no other connection.
    fn remove(&mut self, slot: Slot) -> Option<SocketAddr> {
        let connection = self.connections.remove(slot)?;
        // Closing the socket would do; this says so when it does not.
        let _ = self.epoll.delete(&connection.stream);
        if let Some(armed) = connection.armed {
            self.deadlines.remove(&(armed, slot));
        }
        if connection.accepted {
            self.accepted = self.accepted.saturating_sub(1);
            let host = host(connection.remote.ip());
            match self.by_host.get_mut(&host) {
                Some(count) if *count > 1 => *count -= 1,
                Some(_) | None => drop(self.by_host.remove(&host)),
            }
        }
        let current = self.by_remote.get(&connection.remote) == Some(&slot);
        current.then(|| {
            self.by_remote.remove(&connection.remote);
            connection.remote
        })
    }
}

impl AsFd for TcpPump {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

/// Whom limits count: an address, or the network that one IPv6 host can have for itself.
fn host(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
    }
}
