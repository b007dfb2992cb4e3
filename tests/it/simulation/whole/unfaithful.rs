//! A log whose followers are told something else than what it has: for sabotage.

use adapters::event_log::memory::MemoryLog;
use domain::log::{
    Append, Committed, Direction, EventLog, Filter, Follow, Followed, PortFuture, Position, ReadError, Recorded,
    Revision, StreamName,
};
use std::sync::Arc;

/// What becomes of every event of a type.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lie {
    /// Followers never hear of it.
    Misses(&'static str),
    /// They hear of it twice.
    Doubles(&'static str),
}

/// See the module.
pub(super) struct Unfaithful {
    pub(super) log: MemoryLog,
    pub(super) lie: Lie,
}

struct Liar {
    follow: Box<dyn Follow>,
    lie: Lie,
}

impl Lie {
    fn told(self, event: Recorded) -> Vec<Recorded> {
        match self {
            Self::Misses(kind) if &*event.kind == kind => vec![Recorded { kind: Arc::from("Overlooked"), ..event }],
            Self::Doubles(kind) if &*event.kind == kind => vec![event.clone(), event],
            Self::Misses(_) | Self::Doubles(_) => vec![event],
        }
    }
}

impl Follow for Liar {
    fn next(&mut self) -> PortFuture<'_, Result<Followed, ReadError>> {
        Box::pin(async move {
            Ok(match self.follow.next().await? {
                Followed::Events(events) => {
                    Followed::Events(events.into_iter().flat_map(|event| self.lie.told(event)).collect())
                }
                other => other,
            })
        })
    }
}

impl EventLog for Unfaithful {
    fn submit(&self, appends: Vec<Append>, reply: Arc<dyn Committed>) {
        self.log.submit(appends, reply);
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamName,
        from: Revision,
        direction: Direction,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Recorded>, ReadError>> {
        self.log.read_stream(stream, from, direction, limit)
    }

    fn read_all<'a>(
        &'a self,
        from: Position,
        direction: Direction,
        filter: &'a Filter,
        limit: usize,
    ) -> PortFuture<'a, Result<Vec<Recorded>, ReadError>> {
        self.log.read_all(from, direction, filter, limit)
    }

    fn follow(&self, after: Position, filter: Filter) -> Box<dyn Follow> {
        Box::new(Liar { follow: self.log.follow(after, filter), lie: self.lie })
    }

    fn open_streams(&self) -> PortFuture<'_, Result<Vec<StreamName>, ReadError>> {
        self.log.open_streams()
    }

    fn head(&self) -> Position {
        self.log.head()
    }
}
