//! A log whose followers pass through a test's hands: it learns of each, and may tell him something else.

use adapters::event_log::memory::MemoryLog;
use domain::log::{
    Append, Committed, Direction, EventLog, Filter, Follow, PortFuture, Position, ReadError, Recorded, Revision,
    StreamName,
};
use std::sync::Arc;

/// See the module.
pub struct Watched<F> {
    /// The log itself.
    pub log: MemoryLog,
    /// What each follower gets in place of his own.
    pub each: F,
}

impl<F: Fn(Box<dyn Follow>) -> Box<dyn Follow> + Send + Sync + 'static> EventLog for Watched<F> {
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
        (self.each)(self.log.follow(after, filter))
    }

    fn open_streams(&self) -> PortFuture<'_, Result<Vec<StreamName>, ReadError>> {
        self.log.open_streams()
    }

    fn head(&self) -> Position {
        self.log.head()
    }
}
