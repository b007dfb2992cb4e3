//! Bound pairs that wait to be taken, and the thread that binds more before they run out.

use super::ports::{PortTable, state};
use domain::media::{PortPair, PortSource};
use std::io;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

/// A range without a free port is not searched again for this long.
const SEARCH_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Bound pairs to take from; for one consumer.
///
/// Order: the pair that has been free longest, once it has rested; else one that was never used; else, when the range
/// is used up, the longest free one anyway.
pub struct PortPool {
    table: Arc<PortTable>,
    advertised: IpAddr,
    rest: Duration,
    fresh: Receiver<PortPair>,
    freed: Receiver<Freed>,
    oldest_freed: Option<Freed>,
    stock: Arc<Stock>,
    grower: Thread,
}

/// A pair and when it was given back.
pub(super) struct Freed {
    pub ports: PortPair,
    pub at: Instant,
}

/// What pool and grower share.
struct Stock {
    /// Pairs in `fresh`.
    ready: AtomicUsize,
    low_water: usize,
    stop: AtomicBool,
}

impl PortSource for PortPool {
    fn take(&mut self) -> Option<PortPair> {
        let taken = self.rested().or_else(|| self.fresh()).or_else(|| self.freed(Duration::ZERO));
        if self.stock.ready.load(Ordering::Relaxed) < self.stock.low_water {
            self.grower.unpark();
        }
        taken
    }

    fn address(&self) -> IpAddr {
        self.advertised
    }
}

impl PortPool {
    fn rested(&mut self) -> Option<PortPair> {
        self.freed(self.rest)
    }

    /// The oldest freed pair, if it has been free for long enough. A queue may hold a pair that was claimed since.
    fn freed(&mut self, rest: Duration) -> Option<PortPair> {
        loop {
            let oldest = self.oldest_freed.take().or_else(|| self.freed.try_recv().ok())?;
            if oldest.at.elapsed() < rest {
                self.oldest_freed = Some(oldest);
                return None;
            }
            if self.table.advance(oldest.ports, state::FREE, state::TAKEN) {
                return Some(oldest.ports);
            }
        }
    }

    fn fresh(&mut self) -> Option<PortPair> {
        loop {
            let ports = self.fresh.try_recv().ok()?;
            self.stock.ready.fetch_sub(1, Ordering::Relaxed);
            if self.table.advance(ports, state::FREE, state::TAKEN) {
                return Some(ports);
            }
        }
    }
}

/// The thread that binds more pairs.
pub(super) struct Grower {
    stock: Arc<Stock>,
    thread: JoinHandle<()>,
}

/// What the pool is made of.
pub(super) struct PoolSettings {
    pub advertised: IpAddr,
    pub range: RangeInclusive<u16>,
    pub ready: usize,
    pub rest: Duration,
    pub most: usize,
}

impl Grower {
    /// Binds the first pairs and starts the thread for more.
    ///
    /// # Errors
    /// Where not even one pair could be bound, with the last reason; or where the thread could not start.
    pub fn start(table: Arc<PortTable>, settings: PoolSettings) -> io::Result<(Self, PortPool, Sender<Freed>)> {
        let stock =
            Arc::new(Stock { ready: AtomicUsize::new(0), low_water: settings.ready, stop: AtomicBool::new(false) });
        let (ready_sender, fresh) = channel();
        let mut search = Search::new(table.clone(), &settings, stock.clone(), ready_sender);
        if search.step() == 0 {
            return Err(search.refused.take().unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()));
        }
        let thread = std::thread::Builder::new().name("media-ports".into()).spawn(move || search.run())?;
        let (free_sender, freed) = channel();
        let pool = PortPool {
            table,
            advertised: settings.advertised,
            rest: settings.rest,
            fresh,
            freed,
            oldest_freed: None,
            stock: stock.clone(),
            grower: thread.thread().clone(),
        };
        Ok((Self { stock, thread }, pool, free_sender))
    }

    /// Ends the thread and waits for it.
    pub fn stop(self) {
        self.stock.stop.store(true, Ordering::Release);
        self.thread.thread().unpark();
        if self.thread.join().is_err() {
            tracing::error!("media.ports: the thread that binds ports had died");
        }
    }
}

/// The walk through the range, from a random start.
struct Search {
    table: Arc<PortTable>,
    stock: Arc<Stock>,
    ready: Sender<PortPair>,
    pairs: Vec<PortPair>,
    cursor: usize,
    bound: usize,
    most: usize,
    refused: Option<io::Error>,
}

impl Search {
    fn new(table: Arc<PortTable>, settings: &PoolSettings, stock: Arc<Stock>, ready: Sender<PortPair>) -> Self {
        let last = *settings.range.end();
        let pairs: Vec<_> = settings.range.clone().filter(|port| *port < last).filter_map(PortPair::at).collect();
        // Where no randomness is to be had, the range is walked from its beginning.
        let cursor = getrandom::u32().map_or(0, |random| random as usize % pairs.len().max(1));
        Self { table, stock, ready, pairs, cursor, bound: 0, most: settings.most, refused: None }
    }

    fn run(mut self) {
        while !self.stock.stop.load(Ordering::Acquire) {
            if self.stock.ready.load(Ordering::Relaxed) >= self.stock.low_water {
                std::thread::park();
            } else if self.step() == 0 {
                std::thread::park_timeout(SEARCH_AGAIN_AFTER);
            }
        }
    }

    /// Binds up to one stock of pairs; how many it found.
    fn step(&mut self) -> usize {
        let mut found = 0;
        for _ in 0..self.pairs.len() {
            if found >= self.stock.low_water.max(1) || self.bound >= self.most {
                break;
            }
            self.cursor = (self.cursor + 1) % self.pairs.len();
            let ports = self.pairs[self.cursor];
            match self.table.bind(ports, state::FREE) {
                Ok(true) => {
                    self.bound += 1;
                    found += 1;
                    self.stock.ready.fetch_add(1, Ordering::Relaxed);
                    if self.ready.send(ports).is_err() {
                        break;
                    }
                }
                Ok(false) => {}
                Err(refused) => self.refused = Some(refused),
            }
        }
        found
    }
}
