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
/// is used up, the longest free one anyway. Where a burst outruns the thread that binds, `take` binds by itself.
pub struct PortPool {
    table: Arc<PortTable>,
    advertised: IpAddr,
    rest: Duration,
    fresh: Receiver<PortPair>,
    freed: Receiver<Freed>,
    oldest_freed: Option<Freed>,
    stock: Arc<Stock>,
    grower: Thread,
    search: Search,
    search_again: Option<Instant>,
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
    /// Pairs bound so far, and how many descriptors allow.
    bound: AtomicUsize,
    most: usize,
    /// The last search found nothing; there is no point in waking the thread for another one yet.
    used_up: AtomicBool,
    stop: AtomicBool,
}

impl PortSource for PortPool {
    fn take(&mut self) -> Option<PortPair> {
        let taken = self.freed(self.rest).or_else(|| self.fresh()).or_else(|| self.bind_now());
        let taken = taken.or_else(|| self.freed(Duration::ZERO));
        let low = self.stock.ready.load(Ordering::Relaxed) < self.stock.low_water;
        if low && !self.stock.used_up.load(Ordering::Relaxed) {
            self.grower.unpark();
        }
        taken
    }

    fn claim(&mut self, ports: PortPair) {
        if let Err(error) = self.table.claim(ports) {
            tracing::error!(%error, port = ports.rtp(), "media.ports: recorded ports cannot be bound");
        }
    }

    fn address(&self) -> IpAddr {
        self.advertised
    }
}

impl PortPool {
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

    fn bind_now(&mut self) -> Option<PortPair> {
        if self.search_again.is_some_and(|at| Instant::now() < at) {
            return None;
        }
        let bound = self.search.next(state::TAKEN);
        self.search_again = if bound.is_none() { Some(Instant::now() + SEARCH_AGAIN_AFTER) } else { None };
        bound
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
        let stock = Arc::new(Stock {
            ready: AtomicUsize::new(0),
            low_water: settings.ready.max(1),
            bound: AtomicUsize::new(0),
            most: settings.most,
            used_up: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        let search = Search::new(table.clone(), settings.range, stock.clone());
        let (ready, fresh) = channel();
        let mut growth = Growth { search: search.clone(), ready };
        if growth.step() == 0 {
            let refused = growth.search.refused;
            return Err(refused.unwrap_or(io::ErrorKind::AddrNotAvailable).into());
        }
        let thread = std::thread::Builder::new().name("media-ports".into()).spawn(move || growth.run())?;
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
            search,
            search_again: None,
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
#[derive(Clone)]
struct Search {
    table: Arc<PortTable>,
    stock: Arc<Stock>,
    pairs: Arc<[PortPair]>,
    cursor: usize,
    refused: Option<io::ErrorKind>,
}

impl Search {
    fn new(table: Arc<PortTable>, range: RangeInclusive<u16>, stock: Arc<Stock>) -> Self {
        let last = *range.end();
        let pairs: Arc<[_]> = range.filter(|port| *port < last).filter_map(PortPair::at).collect();
        // Where no randomness is to be had, the range is walked from its beginning.
        let cursor = getrandom::u32().map_or(0, |random| random as usize % pairs.len().max(1));
        Self { table, stock, pairs, cursor, refused: None }
    }

    /// Binds the next pair that can be had and leaves it in the state given. `None` where there is no other, or no
    /// more descriptors.
    fn next(&mut self, then: u8) -> Option<PortPair> {
        for _ in 0..self.pairs.len() {
            if self.stock.bound.load(Ordering::Relaxed) >= self.stock.most {
                return None;
            }
            self.cursor = (self.cursor + 1) % self.pairs.len();
            let ports = self.pairs[self.cursor];
            match self.table.bind(ports, then) {
                Ok(true) => {
                    self.stock.bound.fetch_add(1, Ordering::Relaxed);
                    return Some(ports);
                }
                Ok(false) => {}
                Err(refused) => self.refused = Some(refused.kind()),
            }
        }
        None
    }
}

/// The work of the thread.
struct Growth {
    search: Search,
    ready: Sender<PortPair>,
}

impl Growth {
    fn run(mut self) {
        let stock = self.search.stock.clone();
        while !stock.stop.load(Ordering::Acquire) {
            if stock.ready.load(Ordering::Relaxed) >= stock.low_water {
                std::thread::park();
            } else if self.step() == 0 {
                stock.used_up.store(true, Ordering::Relaxed);
                std::thread::park_timeout(SEARCH_AGAIN_AFTER);
                stock.used_up.store(false, Ordering::Relaxed);
            }
        }
    }

    /// Binds up to one stock of pairs; how many it found.
    fn step(&mut self) -> usize {
        let stock = self.search.stock.clone();
        for found in 0..stock.low_water {
            let Some(ports) = self.search.next(state::FREE) else { return found };
            stock.ready.fetch_add(1, Ordering::Relaxed);
            if self.ready.send(ports).is_err() {
                return found;
            }
        }
        stock.low_water
    }
}
