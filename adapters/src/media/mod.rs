//! Media: bound port pairs, and OS threads that relay RTP and RTCP between the legs of a call.
//!
//! Tokio is not involved: one read and one send per packet are 60 to 80 % of the cost, so a thread waits on an epoll
//! set of its own, level-triggered, reads each readable socket once a turn, and while many paths are live sleeps until
//! the next tick instead of being woken by each packet. Arrival times, and so jitter, are as fine as that tick.
//!
//! A restart gives the recorded `Relay` orders *before* anything takes ports: an order claims its ports, also ones
//! that are not bound yet or wait in the pool.

mod meter;
mod mos;
mod packet;
mod path;
mod paths;
mod pool;
mod ports;
mod relay;
#[cfg(test)]
mod tests;
mod worker;

pub use pool::PortPool;

use crate::holder::Holder;
use domain::media::{MediaOrder, MediaReport, PortPair};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};
use pool::{Grower, PoolSettings};
use ports::PortTable;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use worker::{Doorbell, Equipment, WAKE, Worker};

/// How media is done here.
#[derive(Debug, Clone)]
pub struct MediaSettings {
    /// The address that sockets are bound to; `::` takes IPv4 and IPv6.
    pub address: IpAddr,
    /// The address that SDP names; another one behind a static NAT.
    pub advertised: IpAddr,
    /// Ports for RTP (even) and RTCP (the odd one above). Below the machine's ephemeral range, so that nobody else
    /// gets them by chance.
    pub ports: RangeInclusive<u16>,
    /// Media threads, 1 to 64; at most one less than there are cores.
    pub threads: usize,
    /// A side that should send and does not for this long is reported as silent.
    pub silence_after: Duration,
    /// Pairs kept bound and ready; more are bound in the background when there are fewer.
    pub ready_pairs: usize,
    /// A pair given back rests for this long while others are to be had, so that a late packet of the call before
    /// finds nobody.
    pub rest: Duration,
    /// With more live paths than this on a thread, it wakes once a tick only.
    pub tick_above: usize,
    /// The tick.
    pub tick: Duration,
    /// DiffServ code point of everything sent: 46 is Expedited Forwarding (RFC 3246).
    pub dscp: u8,
    /// What holds the sockets beyond this process.
    pub holder: Arc<Holder>,
}

impl Default for MediaSettings {
    fn default() -> Self {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self {
            address: loopback,
            advertised: loopback,
            ports: 20_000..=29_999,
            threads: std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1)),
            silence_after: Duration::from_secs(20),
            ready_pairs: 128,
            rest: Duration::from_secs(2),
            tick_above: 16,
            tick: Duration::from_millis(1),
            dscp: 46,
            holder: Arc::default(),
        }
    }
}

/// Why media could not start.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// Not one pair of the range could be bound.
    #[error(
        "no media port of {address} {first}-{last} can be bound: {source}; check the address, or give another range"
    )]
    Ports {
        /// The address.
        address: IpAddr,
        /// First port of the range.
        first: u16,
        /// Last port of the range.
        last: u16,
        /// What the last attempt said.
        source: io::Error,
    },
    /// The machine refused an epoll set or eventfd.
    #[error("media threads need epoll and eventfd: {0}; raise the limit of open files")]
    Events(#[from] Errno),
    /// The machine refused a thread.
    #[error("a media thread could not start: {0}; raise the limit of processes")]
    Thread(#[from] io::Error),
}

/// What belongs to no path, counted since the start.
#[derive(Debug, Default)]
struct Counters {
    idle_packets: AtomicU64,
    failed_sends: AtomicU64,
    refused_orders: AtomicU64,
}

/// A snapshot of what belongs to no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaCounters {
    /// Packets that came to ports of no path, and were dropped.
    pub idle_packets: u64,
    /// Packets that the kernel would not send.
    pub failed_sends: u64,
    /// Orders for ports that another path held or that could not be bound.
    pub refused_orders: u64,
}

/// The media threads. Dropping it ends them.
pub struct MediaPlane {
    orders: MediaOrders,
    workers: Vec<JoinHandle<()>>,
    grower: Option<Grower>,
    counters: Arc<Counters>,
}

/// Gives orders to the media threads; cheap to clone, one per shard.
#[derive(Clone)]
pub struct MediaOrders {
    threads: Arc<[Entrance]>,
    table: Arc<PortTable>,
}

/// The way into one thread.
#[derive(Clone)]
struct Entrance {
    orders: Sender<Vec<MediaOrder>>,
    doorbell: Arc<Doorbell>,
}

impl MediaPlane {
    /// Binds the first ports and starts the threads. `reports` is called on a media thread with what happened in a
    /// turn; it must not block. The limit of open files is raised to its hard limit.
    ///
    /// # Errors
    /// [`MediaError`]: no port, no epoll, no thread.
    pub fn start(
        settings: MediaSettings,
        reports: impl Fn(Vec<MediaReport>) + Send + Sync + 'static,
    ) -> Result<(Self, PortPool), MediaError> {
        let threads = settings.threads.clamp(1, 64);
        let epolls = (0..threads).map(|_| Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)).collect::<Result<_, _>>()?;
        let table = Arc::new(PortTable::new(&settings, epolls));
        let pool = PoolSettings {
            advertised: settings.advertised,
            range: settings.ports.clone(),
            ready: settings.ready_pairs,
            rest: settings.rest,
            most: ports::pairs_under_descriptor_limit(),
        };
        let (grower, pool, freed) = Grower::start(table.clone(), pool).map_err(|source| MediaError::Ports {
            address: settings.address,
            first: *settings.ports.start(),
            last: *settings.ports.end(),
            source,
        })?;
        let mut plane = Self {
            orders: MediaOrders { threads: Arc::new([]), table: table.clone() },
            workers: Vec::new(),
            grower: Some(grower),
            counters: Arc::default(),
        };
        let reports = Arc::new(reports);
        let mut entrances = Vec::new();
        for index in 0..threads {
            let (sender, orders) = channel();
            let doorbell = Arc::new(Doorbell {
                event: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?,
                rung: AtomicBool::new(false),
                stop: AtomicBool::new(false),
            });
            if let Some(epoll) = table.epoll(index) {
                epoll.add(&doorbell.event, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, WAKE))?;
            }
            entrances.push(Entrance { orders: sender, doorbell: doorbell.clone() });
            plane.orders.threads = entrances.clone().into();
            let worker = Worker::new(Equipment {
                index,
                settings: settings.clone(),
                table: table.clone(),
                doorbell,
                orders,
                freed: freed.clone(),
                counters: plane.counters.clone(),
                reports: reports.clone(),
            });
            let thread = std::thread::Builder::new().name(format!("media-{index}"));
            plane.workers.push(thread.spawn(move || worker.run())?);
        }
        Ok((plane, pool))
    }

    /// A handle for giving orders.
    pub fn orders(&self) -> MediaOrders {
        self.orders.clone()
    }

    /// What belongs to no path, counted since the start.
    pub fn counters(&self) -> MediaCounters {
        MediaCounters {
            idle_packets: self.counters.idle_packets.load(Ordering::Relaxed),
            failed_sends: self.counters.failed_sends.load(Ordering::Relaxed),
            refused_orders: self.counters.refused_orders.load(Ordering::Relaxed),
        }
    }

    /// Ends the threads and waits for them. Live paths end without a report: their sessions outlive this process.
    pub fn shutdown(self) {
        drop(self);
    }
}

impl Drop for MediaPlane {
    fn drop(&mut self) {
        for entrance in self.orders.threads.iter() {
            entrance.doorbell.stop.store(true, Ordering::Release);
            entrance.doorbell.ring();
        }
        for worker in self.workers.drain(..) {
            if worker.join().is_err() {
                tracing::error!("media.threads: a media thread had died");
            }
        }
        if let Some(grower) = self.grower.take() {
            grower.stop();
        }
    }
}

impl MediaOrders {
    /// Port pairs that calls hold.
    pub fn ports_in_use(&self) -> usize {
        self.table.in_use()
    }

    /// Gives orders. Returns at once; a packet that arrives later finds them obeyed, one that arrived earlier for the
    /// ports of a new path is thrown away. Never blocks; costs at most one system call per thread to wake it, and two
    /// per new pair to empty its queues.
    pub fn order(&self, orders: Vec<MediaOrder>) {
        for order in &orders {
            let thread = thread_of(order, self.threads.len());
            match order {
                MediaOrder::Relay { sides, .. } => sides.iter().for_each(|side| self.prepare(side.ports, thread)),
                MediaOrder::Close { .. } | MediaOrder::Return { .. } => {}
            }
        }
        let mut batches = vec![Vec::new(); self.threads.len()];
        match batches.as_mut_slice() {
            [only] => *only = orders,
            several => orders.into_iter().for_each(|order| several[thread_of(&order, several.len())].push(order)),
        }
        for (batch, entrance) in batches.into_iter().zip(self.threads.iter()) {
            // The receiver is gone only when the plane is shut down.
            if !batch.is_empty() && entrance.orders.send(batch).is_ok() {
                entrance.doorbell.ring();
            }
        }
    }
}

impl MediaOrders {
    fn prepare(&self, ports: PortPair, thread: usize) {
        if let Err(error) = self.table.prepare(ports, thread) {
            tracing::error!(%error, port = ports.rtp(), "media.ports: recorded ports cannot be bound");
        }
    }
}

/// The thread of an order: a path stays on one for life.
fn thread_of(order: &MediaOrder, threads: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    match order {
        MediaOrder::Relay { path, .. } | MediaOrder::Close { path } => path.hash(&mut hasher),
        MediaOrder::Return { ports } => ports.hash(&mut hasher),
    }
    (hasher.finish() % threads.max(1) as u64) as usize
}
