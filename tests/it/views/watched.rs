//! A log that tells when someone begins to follow it, so that a test can act just then.

use adapters::event_log::memory::MemoryLog;
use domain::log::{
    Append, Committed, Direction, EventLog, Filter, Follow, PortFuture, Position, ReadError, Recorded, Revision,
    StreamName,
};
use std::sync::Arc;
use tokio::sync::Notify;

#[derive(Clone)]
pub struct Watched {
    pub log: MemoryLog,
    /// Told once for each follower.
    pub followed: Arc<Notify>,
}

impl EventLog for Watched {
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
        self.followed.notify_one();
        self.log.follow(after, filter)
    }

    fn open_streams(&self) -> PortFuture<'_, Result<Vec<StreamName>, ReadError>> {
        self.log.open_streams()
    }

    fn head(&self) -> Position {
        self.log.head()
    }
}
