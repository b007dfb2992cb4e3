//! The newest events of the store in memory, read by one subscription for all who have caught up.

use super::connection::Connection;
use super::read;
use super::subscription::{PAGE, Subscription};
use domain::log::{Filter, Followed, Position, Recorded};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Events looked at for one page; bounds how long a page takes when little matches.
const SCAN: usize = 1_024;
/// Bytes of events that are kept. Who falls behind further asks the store.
const KEPT: usize = 16 << 20;
/// What an event costs in memory beside its JSON, roughly.
const OVERHEAD: usize = 256;

/// A part of the log as a follower sees it.
pub struct Page {
    /// Matching events.
    pub events: Vec<Recorded>,
    /// Everything up to here was looked at.
    pub seen: Position,
}

/// See the module.
pub struct Recent {
    window: Arc<Window>,
    /// Reads while somebody may follow; none before the first has caught up.
    task: Mutex<Option<AbortHandle>>,
}

impl Recent {
    pub fn new() -> Self {
        Self { window: Arc::new(Window::new()), task: Mutex::default() }
    }

    /// Lets a follower read here that has seen everything up to a position: told when there is more. The first one decides
    /// where reading begins. `None` where what comes next is not here.
    pub fn join(&self, connection: &Arc<Connection>, seen: Position) -> Option<watch::Receiver<Position>> {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.is_none() {
            self.window.begin(seen);
            let subscription = Subscription::new(Arc::clone(connection), seen, Filter::default());
            *task = Some(tokio::spawn(fill(Arc::clone(&self.window), subscription)).abort_handle());
        }
        drop(task);
        (self.window.lock().from <= seen).then(|| self.window.end.subscribe())
    }

    /// Matching events after a position; `None` where what comes next is no longer here.
    pub fn page(&self, after: Position, filter: &Filter) -> Option<Page> {
        self.window.page(after, filter)
    }
}

impl Drop for Recent {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task.take() {
            task.abort();
        }
    }
}

/// Takes in what the store tells; ends where the subscription does.
async fn fill(window: Arc<Window>, mut subscription: Subscription) {
    loop {
        match subscription.next().await {
            Ok(Followed::Events(events)) => window.add(events),
            Ok(Followed::Checkpoint(position) | Followed::CaughtUp(position)) => window.reach(position),
            Err(error) => {
                tracing::error!(%error, "what followers share is not read any more: each asks the store");
                return window.give_up();
            }
        }
    }
}

/// Events in the order of the log, without gaps.
struct Window {
    held: Mutex<Held>,
    end: watch::Sender<Position>,
}

#[derive(Default)]
struct Held {
    /// Everything after this one is here …
    from: Position,
    /// … up to this one.
    seen: Position,
    events: VecDeque<Recorded>,
    bytes: usize,
}

impl Window {
    fn new() -> Self {
        Self { held: Mutex::default(), end: watch::Sender::new(Position(0)) }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, at: Position) {
        *self.lock() = Held { from: at, seen: at, ..Held::default() };
    }

    fn add(&self, events: Vec<Recorded>) {
        let mut held = self.lock();
        for event in events {
            held.seen = event.position;
            held.bytes += weight(&event);
            held.events.push_back(event);
        }
        while held.bytes > KEPT {
            let Some(oldest) = held.events.pop_front() else { break };
            held.bytes -= weight(&oldest);
            held.from = oldest.position;
        }
        self.tell(held);
    }

    fn reach(&self, position: Position) {
        let mut held = self.lock();
        if position > held.seen {
            held.seen = position;
            self.tell(held);
        }
    }

    /// Nobody finds here any more what comes next.
    fn give_up(&self) {
        let mut held = self.lock();
        *held = Held { from: Position(u64::MAX), ..Held::default() };
        self.tell(held);
    }

    fn tell(&self, held: MutexGuard<'_, Held>) {
        let end = held.seen;
        drop(held);
        self.end.send_replace(end);
    }

    fn page(&self, after: Position, filter: &Filter) -> Option<Page> {
        let held = self.lock();
        if after < held.from {
            return None;
        }
        let first = held.events.partition_point(|event| event.position <= after);
        let mut page = Page { events: Vec::new(), seen: after };
        for event in held.events.range(first..).take(SCAN) {
            if page.events.len() >= PAGE {
                return Some(page);
            }
            if read::wanted(filter, event) {
                page.events.push(event.clone());
            }
            page.seen = event.position;
        }
        if first + SCAN >= held.events.len() {
            page.seen = page.seen.max(held.seen);
        }
        Some(page)
    }
}

fn weight(event: &Recorded) -> usize {
    event.data.len() + OVERHEAD
}
