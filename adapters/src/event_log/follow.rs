//! Catch-up subscriptions, the same for every engine.

use super::tail::{Page, Tail};
use domain::log::{Filter, Follow, Followed, PortFuture, Position, ReadError};
use std::sync::Arc;
use tokio::sync::watch;

/// Events handed over at a time.
const PAGE: usize = 512;

/// What a follower reads from.
pub(super) trait Source: Send + Sync + 'static {
    /// The newest part.
    fn tail(&self) -> &Tail;

    /// At most `limit` matching events after a position and not after `head`, from the store.
    fn older(
        &self,
        after: Position,
        head: Position,
        filter: Arc<Filter>,
        limit: usize,
    ) -> PortFuture<'_, Result<Page, ReadError>>;
}

/// One subscription.
pub(super) struct Follower<S> {
    source: Arc<S>,
    filter: Arc<Filter>,
    head: watch::Receiver<Position>,
    /// Everything up to here was looked at …
    seen: Position,
    /// … and up to here the reader was told so.
    told: Position,
    /// The reader was told that it caught up and has not fallen behind since.
    live: bool,
}

impl<S: Source> Follower<S> {
    pub fn new(source: Arc<S>, after: Position, filter: Filter) -> Self {
        let head = source.tail().watch();
        Self { source, filter: Arc::new(filter), head, seen: after, told: after, live: false }
    }

    async fn advance(&mut self) -> Result<Followed, ReadError> {
        loop {
            let head = *self.head.borrow_and_update();
            if self.seen > head {
                let what = format!("the log ends at {head}, before this reader's checkpoint: it is not the same log");
                return Err(ReadError::Damaged { position: self.seen, what });
            }
            if self.seen == head {
                if let Some(followed) = self.at_head() {
                    return Ok(followed);
                }
                let closed = |_| ReadError::Unavailable("it was closed".into());
                self.head.changed().await.map_err(closed)?;
                continue;
            }
            let page = match self.source.tail().page(self.seen, &self.filter, PAGE) {
                Some(page) => page,
                None => {
                    self.live = false;
                    self.source.older(self.seen, head, self.filter.clone(), PAGE).await?
                }
            };
            self.seen = page.seen;
            if let Some(last) = page.events.last() {
                self.told = last.position;
                return Ok(Followed::Events(page.events));
            }
            if self.seen < head {
                self.told = self.seen;
                return Ok(Followed::Checkpoint(self.seen));
            }
        }
    }

    /// What is still to be told to a reader who has seen everything.
    fn at_head(&mut self) -> Option<Followed> {
        let told = std::mem::replace(&mut self.told, self.seen);
        if !std::mem::replace(&mut self.live, true) {
            return Some(Followed::CaughtUp(self.seen));
        }
        (told < self.seen).then_some(Followed::Checkpoint(self.seen))
    }
}

impl<S: Source> Follow for Follower<S> {
    fn next(&mut self) -> PortFuture<'_, Result<Followed, ReadError>> {
        Box::pin(self.advance())
    }
}
