//! The sockets: every port pair is bound once and kept, so that a call costs no `socket`, `bind` or `close`.

use super::MediaSettings;
use crate::descriptors;
use crate::holder::Holder;
use domain::media::PortPair;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::socket::{setsockopt, sockopt};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Descriptors left to everything else: log, signalling, HTTP.
const RESERVED_DESCRIPTORS: u64 = 1024;

/// A pair's states. Only the holder of a pair moves it on, so one atomic each is enough.
pub(super) mod state {
    /// No sockets.
    pub const UNBOUND: u8 = 0;
    /// Bound, and in a queue to be taken.
    pub const FREE: u8 = 1;
    /// Handed out, in no path yet.
    pub const TAKEN: u8 = 2;
    /// Part of a path.
    pub const IN_PATH: u8 = 3;
}

/// Every even port of the machine with its sockets, if any.
pub(super) struct PortTable {
    slots: Box<[Slot]>,
    epolls: Box<[Epoll]>,
    address: IpAddr,
    dscp: u8,
    binding: Mutex<()>,
    holder: Arc<Holder>,
}

#[derive(Default)]
struct Slot {
    sockets: OnceLock<[UdpSocket; 2]>,
    state: AtomicU8,
    /// The thread whose epoll set the sockets are in.
    home: AtomicU8,
}

impl PortTable {
    pub fn new(settings: &MediaSettings, epolls: Box<[Epoll]>) -> Self {
        let slots = (0..=u16::MAX / 2).map(|_| Slot::default()).collect();
        let (address, dscp) = (settings.address, settings.dscp);
        Self { slots, epolls, address, dscp, binding: Mutex::new(()), holder: Arc::clone(&settings.holder) }
    }

    /// How many pairs are taken or in a path.
    pub fn in_use(&self) -> usize {
        let used = |slot: &&Slot| matches!(slot.state.load(Ordering::Relaxed), state::TAKEN | state::IN_PATH);
        self.slots.iter().filter(used).count()
    }

    /// The set a thread waits on.
    pub fn epoll(&self, thread: usize) -> Option<&Epoll> {
        self.epolls.get(thread)
    }

    /// The socket of a port, if bound.
    pub fn socket(&self, port: u16) -> Option<&UdpSocket> {
        self.slots[usize::from(port / 2)].sockets.get().map(|pair| &pair[usize::from(port % 2)])
    }

    /// Moves a pair on, if it was in the state given.
    pub fn advance(&self, ports: PortPair, from: u8, to: u8) -> bool {
        self.slot(ports).state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Binds a pair that has no sockets yet, registers it with a thread and leaves it in the state given. False where
    /// it was bound already.
    ///
    /// # Errors
    /// Of `socket`, `bind` (somebody else has a port) or `epoll_ctl`; the pair stays unbound then.
    pub fn bind(&self, ports: PortPair, then: u8) -> io::Result<bool> {
        if self.slot(ports).state.load(Ordering::Acquire) != state::UNBOUND {
            return Ok(false);
        }
        let _one_at_a_time = self.binding.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = self.slot(ports);
        if slot.state.load(Ordering::Acquire) != state::UNBOUND {
            return Ok(false);
        }
        if slot.sockets.get().is_none() {
            let pair = self.sockets(ports)?;
            // The sockets must be findable before the first event for them.
            let _ = slot.sockets.set(pair);
        }
        let home = usize::from(ports.rtp() / 2) % self.epolls.len();
        slot.home.store(home as u8, Ordering::Release);
        self.register(ports, home)?;
        slot.state.store(then, Ordering::Release);
        Ok(true)
    }

    /// Takes a pair that a call has had since before the process began, bound or not.
    ///
    /// # Errors
    /// As [`Self::bind`].
    pub fn claim(&self, ports: PortPair) -> io::Result<()> {
        if !self.bind(ports, state::TAKEN)? {
            self.advance(ports, state::FREE, state::TAKEN);
        }
        Ok(())
    }

    /// Makes a pair ready for a path of this thread: a recorded one is bound or claimed from the pool, and packets of
    /// whoever had it before are read away. Does nothing to a pair that is in a path.
    ///
    /// # Errors
    /// As [`Self::bind`].
    pub fn prepare(&self, ports: PortPair, thread: usize) -> io::Result<()> {
        let fresh = self.bind(ports, state::TAKEN)?;
        self.advance(ports, state::FREE, state::TAKEN);
        if self.slot(ports).state.load(Ordering::Acquire) == state::TAKEN {
            self.bring_home(ports, thread)?;
            if !fresh {
                self.drain(ports);
            }
        }
        Ok(())
    }

    /// Reads away what lies in the queues of a pair: packets for whoever had it before.
    fn drain(&self, ports: PortPair) {
        let mut packet = [0; 1];
        for socket in [ports.rtp(), ports.rtcp()].into_iter().filter_map(|port| self.socket(port)) {
            // A flood must not hold the caller: what is left then is the flooder's, and the source rule's matter.
            for _ in 0..1024 {
                if socket.recv_from(&mut packet).is_err() {
                    break;
                }
            }
        }
    }

    /// Brings a pair to a thread, so that both sides of a path are on one.
    fn bring_home(&self, ports: PortPair, thread: usize) -> io::Result<()> {
        let slot = self.slot(ports);
        let home = usize::from(slot.home.load(Ordering::Acquire));
        if home == thread {
            return Ok(());
        }
        if let (Some(pair), Some(epoll)) = (slot.sockets.get(), self.epolls.get(home)) {
            for socket in pair {
                epoll.delete(socket)?;
            }
        }
        slot.home.store(thread as u8, Ordering::Release);
        self.register(ports, thread)
    }

    fn register(&self, ports: PortPair, thread: usize) -> io::Result<()> {
        let (Some(pair), Some(epoll)) = (self.slot(ports).sockets.get(), self.epolls.get(thread)) else {
            return Ok(());
        };
        for (socket, port) in pair.iter().zip([ports.rtp(), ports.rtcp()]) {
            epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, u64::from(port)))?;
        }
        Ok(())
    }

    fn slot(&self, ports: PortPair) -> &Slot {
        &self.slots[usize::from(ports.rtp() / 2)]
    }

    /// A pair that the process before had, or a new one.
    fn sockets(&self, ports: PortPair) -> io::Result<[UdpSocket; 2]> {
        let name = format!("rtp {}", ports.rtp());
        if let Some(held) = self.holder.take(&name)
            && let Ok([rtp, rtcp]) = <[OwnedFd; 2]>::try_from(held)
        {
            return Ok([rtp.into(), rtcp.into()]);
        }
        let pair = [self.bound(ports.rtp())?, self.bound(ports.rtcp())?];
        self.holder.keep(&name, &[pair[0].as_fd(), pair[1].as_fd()]);
        Ok(pair)
    }

    fn bound(&self, port: u16) -> io::Result<UdpSocket> {
        let socket = match self.address {
            IpAddr::V6(address) if address.is_unspecified() => dual_stack(port)?,
            address => UdpSocket::bind(SocketAddr::new(address, port))?,
        };
        socket.set_nonblocking(true)?;
        let traffic_class = i32::from(self.dscp) << 2;
        match self.address {
            IpAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4Tos, &traffic_class)?,
            IpAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6TClass, &traffic_class)?,
        }
        Ok(socket)
    }
}

fn dual_stack(port: u16) -> io::Result<UdpSocket> {
    let socket = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::DGRAM, None)?;
    socket.set_only_v6(false)?;
    socket.bind(&SocketAddr::new(IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED), port).into())?;
    Ok(socket.into())
}

/// Raises the limit of open files to the hard limit; the number of pairs that fit under it.
pub(super) fn pairs_under_descriptor_limit() -> usize {
    let limit = descriptors::raise().unwrap_or(RESERVED_DESCRIPTORS);
    usize::try_from(limit.saturating_sub(RESERVED_DESCRIPTORS.min(limit / 4)) / 2).unwrap_or(usize::MAX)
}
