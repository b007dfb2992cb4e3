//! A media thread: an epoll set, one read per readable socket, and the relay between the two sides of each path.
//! Per packet there is no allocation, lock, log line or formatting: buffers and paths are the thread's own.

use super::path::{RelayPath, RelaySide, spelled};
use super::paths::Paths;
use super::pool::Freed;
use super::ports::{PortTable, state};
use super::relay::Relay;
use super::{Counters, MediaSettings};
use domain::media::{MediaOrder, MediaReport, PathId, PortPair, Side};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollEvent, EpollTimeout};
use nix::sys::eventfd::EventFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

/// Events a turn takes from the kernel at most.
const EVENTS_A_TURN: usize = 512;
/// The largest UDP payload.
const LARGEST_PACKET: usize = 65_535;
/// The token of the eventfd; ports are 16 bits.
pub(super) const WAKE: u64 = u64::MAX;

/// How the outside reaches a thread.
pub(super) struct Doorbell {
    /// Watched edge-triggered, so it is never read.
    pub event: EventFd,
    /// Rung and not yet answered: further orders need no system call.
    pub rung: AtomicBool,
    pub stop: AtomicBool,
}

impl Doorbell {
    /// Wakes the thread; after this returns, it sees the orders before any packet that comes later.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel)
            && let Err(error) = self.event.write(1)
        {
            tracing::error!(%error, "media.wake: a media thread could not be woken; orders wait for the next packet");
        }
    }
}

/// What a thread is given.
pub(super) struct Equipment {
    pub index: usize,
    pub settings: MediaSettings,
    pub table: Arc<PortTable>,
    pub doorbell: Arc<Doorbell>,
    pub orders: Receiver<Vec<MediaOrder>>,
    pub freed: Sender<Freed>,
    pub counters: Arc<Counters>,
    pub reports: Arc<dyn Fn(Vec<MediaReport>) + Send + Sync>,
}

/// A thread's state.
pub(super) struct Worker {
    with: Equipment,
    dual_stack: bool,
    started: Instant,
    now_us: u64,
    paths: Paths,
    to_report: Vec<MediaReport>,
    buffer: Box<[u8]>,
}

impl Worker {
    pub fn new(with: Equipment) -> Self {
        Self {
            dual_stack: matches!(with.settings.address, std::net::IpAddr::V6(ip) if ip.is_unspecified()),
            with,
            started: Instant::now(),
            now_us: 0,
            paths: Paths::new(),
            to_report: Vec::new(),
            buffer: vec![0; LARGEST_PACKET].into_boxed_slice(),
        }
    }

    /// Works until told to stop.
    pub fn run(mut self) {
        let table = self.with.table.clone();
        let Some(epoll) = table.epoll(self.with.index) else { return };
        let mut events = [EpollEvent::empty(); EVENTS_A_TURN];
        let check_every =
            (self.with.settings.silence_after / 4).clamp(Duration::from_millis(1), Duration::from_secs(1));
        let mut next_check = Instant::now() + check_every;
        while !self.with.doorbell.stop.load(Ordering::Acquire) {
            let ready = self.wait(epoll, &mut events, check_every);
            let turn_began = Instant::now();
            self.now_us = u64::try_from((turn_began - self.started).as_micros()).unwrap_or(u64::MAX);
            // Answered before the queue is read: an order that comes meanwhile rings again.
            if self.with.doorbell.rung.swap(false, Ordering::AcqRel) {
                self.take_orders();
            }
            for event in events.iter().take(ready).filter(|event| event.data() != WAKE) {
                self.read_one(event.data() as u16);
            }
            if turn_began >= next_check {
                self.listen_for_silence();
                next_check = turn_began + check_every;
            }
            if !self.to_report.is_empty() {
                (self.with.reports)(std::mem::take(&mut self.to_report));
            }
            if self.paths.len() > self.with.settings.tick_above {
                std::thread::sleep(self.with.settings.tick.saturating_sub(turn_began.elapsed()));
            }
        }
    }

    fn wait(&self, epoll: &Epoll, events: &mut [EpollEvent], check_every: Duration) -> usize {
        let timeout = if self.paths.len() == 0 {
            EpollTimeout::NONE
        } else {
            EpollTimeout::try_from(check_every).unwrap_or(EpollTimeout::ZERO)
        };
        match epoll.wait(events, timeout) {
            Ok(ready) => ready,
            Err(Errno::EINTR) => 0,
            Err(error) => {
                tracing::error!(%error, "media.wait: epoll failed; trying again in a moment");
                std::thread::sleep(check_every);
                0
            }
        }
    }

    fn take_orders(&mut self) {
        while let Ok(batch) = self.with.orders.try_recv() {
            for order in batch {
                match order {
                    MediaOrder::Relay { path, sides } => {
                        let dual_stack = self.dual_stack;
                        self.relay(path, sides.map(|side| spelled(side, dual_stack)));
                    }
                    MediaOrder::Close { path } => self.close(path),
                    MediaOrder::Return { ports } => self.give_back(ports, state::TAKEN),
                }
            }
        }
    }

    /// Makes a path what the order says. An order for ports that another path holds, or that could not be bound, is
    /// refused as a whole: it would tear two calls apart instead of one.
    fn relay(&mut self, id: PathId, sides: [Side; 2]) {
        let held = self.paths.get(id).map_or([None; 2], |path| path.sides.each_ref().map(|side| Some(side.ports)));
        let wanted = sides.each_ref().map(|side| side.ports);
        if wanted[0] == wanted[1] || !self.occupy(wanted, held) {
            self.with.counters.refused_orders.fetch_add(1, Ordering::Relaxed);
            tracing::error!(path = ?id, ports = ?wanted, "media.order: ports are not free for this path; it is not relayed");
            return;
        }
        let now_us = self.now_us;
        let [first, second] = match self.paths.remove(id) {
            Some(mut path) => {
                path.sides.iter_mut().zip(&sides).for_each(|(side, order)| side.apply(order, now_us));
                path.sides
            }
            None => sides.map(|order| RelaySide::new(&order, now_us)),
        };
        self.paths.put(RelayPath { id, sides: [first, second] });
        for ports in held.into_iter().flatten().filter(|ports| !wanted.contains(ports)) {
            self.give_back(ports, state::IN_PATH);
        }
    }

    /// Brings the wanted pairs into a path that holds some already; none of them where one cannot be had.
    fn occupy(&self, wanted: [PortPair; 2], held: [Option<PortPair>; 2]) -> bool {
        let table = &self.with.table;
        let mut occupied = [None; 2];
        for (ports, new) in wanted.into_iter().zip(&mut occupied) {
            if held.contains(&Some(ports)) {
                continue;
            }
            if table.advance(ports, state::TAKEN, state::IN_PATH) {
                *new = Some(ports);
            } else {
                for ports in occupied.into_iter().flatten() {
                    table.advance(ports, state::IN_PATH, state::TAKEN);
                }
                return false;
            }
        }
        true
    }

    fn close(&mut self, id: PathId) {
        let Some(path) = self.paths.remove(id) else { return };
        for side in &path.sides {
            self.give_back(side.ports, state::IN_PATH);
        }
        let sides = path.sides.map(|side| (side.leg, side.meter.statistics()));
        self.to_report.push(MediaReport::Closed { path: id, sides });
    }

    fn give_back(&self, ports: PortPair, from: u8) {
        if self.with.table.advance(ports, from, state::FREE) {
            // Fails only while everything is shut down.
            let _ = self.with.freed.send(Freed { ports, at: Instant::now() });
        }
    }

    fn listen_for_silence(&mut self) {
        let (now_us, after) = (self.now_us, self.with.settings.silence_after);
        for path in self.paths.iter_mut() {
            for side in &mut path.sides {
                if let Some(silence) = side.meter.silence(now_us, after) {
                    self.to_report.push(MediaReport::Silent {
                        path: path.id,
                        leg: side.leg,
                        lasted: silence.lasted,
                        rtcp_alive: silence.rtcp_alive,
                    });
                }
            }
        }
    }

    /// One read per readable socket: a second one, to find the queue empty, would cost more than it finds.
    fn read_one(&mut self, port: u16) {
        let table = &self.with.table;
        let Some(Ok((length, from))) = table.socket(port).map(|socket| socket.recv_from(&mut self.buffer)) else {
            return;
        };
        match self.paths.at(port) {
            Some((path, side)) => {
                let relay = Relay { table, counters: &self.with.counters, now_us: self.now_us };
                relay.packet(path, side, port, from, &self.buffer[..length], &mut self.to_report);
            }
            None => {
                self.with.counters.idle_packets.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
