//! The newest committed appends in memory, so that followers at the head never ask the store.

use super::{Kinds, Stored, lock, size_of};
use domain::log::{Filter, Position, Recorded};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// Appends looked at for one page; bounds how long a page takes when little matches.
const SCAN: usize = 1_024;
/// What an append costs in memory beside its JSON, roughly.
const OVERHEAD: usize = 256;

/// A part of the log as a follower sees it.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Matching events.
    pub events: Vec<Recorded>,
    /// Everything up to here was looked at.
    pub seen: Position,
}

/// The newest appends, and the head that followers wait on.
pub(super) struct Tail {
    recent: Mutex<Recent>,
    kinds: Mutex<Kinds>,
    head: watch::Sender<Position>,
    limit: usize,
}

#[derive(Default)]
struct Recent {
    appends: VecDeque<Arc<Stored>>,
    bytes: usize,
}

impl Tail {
    /// The tail of a log whose newest event is at `head`; it keeps some `limit` bytes.
    pub fn new(head: Position, limit: usize) -> Self {
        Self { recent: Mutex::default(), kinds: Mutex::default(), head: watch::Sender::new(head), limit }
    }

    /// Position of the newest durable event.
    pub fn head(&self) -> Position {
        *self.head.borrow()
    }

    /// Tells of every new head.
    pub fn watch(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    /// Type names in use.
    pub fn kinds(&self) -> &Mutex<Kinds> {
        &self.kinds
    }

    /// Adds what was just committed, in order, and moves the head.
    pub fn publish(&self, fresh: Vec<Arc<Stored>>) {
        let Some(head) = fresh.last().map(|stored| stored.last()) else { return };
        let mut recent = lock(&self.recent);
        for stored in fresh {
            recent.bytes += weight(&stored);
            recent.appends.push_back(stored);
        }
        while recent.bytes > self.limit {
            let Some(oldest) = recent.appends.pop_front() else { break };
            recent.bytes -= weight(&oldest);
        }
        // Before anybody can read what was published: no reader is ever past the head.
        self.head.send_replace(head);
        drop(recent);
    }

    /// At most `limit` matching events after a position; `None` where the tail no longer holds what comes next.
    pub fn page(&self, after: Position, filter: &Filter, limit: usize) -> Option<Page> {
        let appends: Vec<Arc<Stored>> = {
            let recent = lock(&self.recent);
            let from = recent.appends.partition_point(|stored| stored.last() <= after);
            let first = recent.appends.get(from)?;
            if first.first.0 > after.0 + 1 {
                return None;
            }
            recent.appends.range(from..).take(SCAN).cloned().collect()
        };
        let mut page = Page { events: Vec::new(), seen: after };
        let mut kinds = lock(&self.kinds);
        for stored in appends {
            let skipped = (page.seen.0 + 1).saturating_sub(stored.first.0);
            for (index, event) in stored.append.events.iter().enumerate().skip(skipped as usize) {
                if page.events.len() >= limit {
                    return Some(page);
                }
                if filter.admits(&stored.append.stream, &event.kind) {
                    page.events.extend(stored.recorded(index, &mut kinds));
                }
                page.seen = Position(stored.first.0 + index as u64);
            }
        }
        Some(page)
    }
}

fn weight(stored: &Stored) -> usize {
    size_of(&stored.append) + stored.append.events.len() * std::mem::size_of::<domain::log::Draft>() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use domain::ids::EventId;
    use domain::log::{Append, Draft, EventHash, Expected, Life, StreamName};
    use domain::time::WallTime;

    fn stored(position: u64) -> Arc<Stored> {
        let event = Draft {
            id: EventId::minted(1, 1, 0, position),
            kind: "E".into(),
            version: 1,
            at: WallTime::default(),
            cause: None,
            previous: EventHash::NONE,
            data: Bytes::from_static(b"{}"),
        };
        let append = Append {
            stream: StreamName::new("session", position),
            expected: Expected::NoStream,
            life: Life::Closed,
            correlation: uuid::Uuid::nil(),
            node: 1,
            events: vec![event],
        };
        Arc::new(Stored { first: Position(position), append })
    }

    #[test]
    fn no_reader_is_ever_past_the_head() {
        const LAST: u64 = 20_000;
        let tail = Tail::new(Position(0), 1 << 30);
        std::thread::scope(|scope| {
            scope.spawn(|| (1..=LAST).for_each(|position| tail.publish(vec![stored(position)])));
            let mut after = Position(0);
            while after < Position(LAST) {
                if let Some(page) = tail.page(after, &Filter::default(), 64) {
                    assert!(page.seen <= tail.head(), "{} was read, the head is {}", page.seen, tail.head());
                    after = page.seen;
                }
            }
        });
    }
}
