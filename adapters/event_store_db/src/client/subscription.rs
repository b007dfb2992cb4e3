//! One catch-up subscription at the store, with our own checkpoints: the client crate's stops where it last delivered an
//! event, which says nothing of what a filter left out.

use super::connection::{Connection, Trouble};
use super::event::{position_of, recorded};
use super::read;
use domain::log::{Filter, Followed, Position, ReadError, Recorded};
use kurrentdb::{SubscribeToAllOptions, SubscriptionEvent};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Events that wait for a reader. Beyond that the store waits.
const AHEAD: usize = 512;
/// Events handed over at a time.
pub const PAGE: usize = 512;
/// After a failure the store is asked again after this long, and after up to so long where it goes on.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What the store tells.
enum Told {
    Event(Box<Recorded>),
    Checkpoint(Position),
    CaughtUp(Position),
    Damaged(ReadError),
}

/// See the module.
pub struct Subscription {
    told: mpsc::Receiver<Told>,
    /// What came after a page of events.
    next: Option<Told>,
    /// Up to here the reader was told.
    seen: Position,
    task: AbortHandle,
}

impl Subscription {
    pub fn new(connection: Arc<Connection>, after: Position, filter: Filter) -> Self {
        let (out, told) = mpsc::channel(AHEAD);
        let task = tokio::spawn(Source { connection, filter, seen: after, out }.follow());
        Self { told, next: None, seen: after, task: task.abort_handle() }
    }

    /// Waits for the next page, checkpoint or caught-up.
    pub async fn next(&mut self) -> Result<Followed, ReadError> {
        loop {
            let next = match self.next.take() {
                Some(next) => Some(next),
                None => self.told.recv().await,
            };
            match next {
                None => return Err(ReadError::Unavailable("it was closed".into())),
                Some(Told::Event(event)) => return Ok(Followed::Events(self.page(*event))),
                Some(Told::Checkpoint(position)) if position > self.seen => {
                    self.seen = position;
                    return Ok(Followed::Checkpoint(position));
                }
                Some(Told::Checkpoint(_)) => {}
                Some(Told::CaughtUp(position)) => {
                    self.seen = self.seen.max(position);
                    return Ok(Followed::CaughtUp(self.seen));
                }
                Some(Told::Damaged(error)) => return Err(error),
            }
        }
    }

    /// An event and those that have come after it.
    fn page(&mut self, first: Recorded) -> Vec<Recorded> {
        let mut page = vec![first];
        while page.len() < PAGE {
            match self.told.try_recv() {
                Ok(Told::Event(event)) => page.push(*event),
                Ok(other) => {
                    self.next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        if let Some(last) = page.last() {
            self.seen = last.position;
        }
        page
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The task that reads: a subscription of the client crate cannot be left in the midst of waiting.
struct Source {
    connection: Arc<Connection>,
    filter: Filter,
    seen: Position,
    out: mpsc::Sender<Told>,
}

impl Source {
    /// Follows for ever: a store that is away comes back.
    async fn follow(mut self) {
        let mut pause = AGAIN.0;
        if !self.belongs_here(&mut pause).await {
            return;
        }
        loop {
            let before = self.seen;
            let Err(trouble) = self.subscribe().await else { return };
            if let Trouble::Damaged(position, what) = trouble {
                // It does not pass. If nobody listens, the reader has gone.
                let _ = self.out.send(Told::Damaged(ReadError::Damaged { position, what })).await;
                return;
            }
            if self.seen > before {
                pause = AGAIN.0;
            }
            self.wait(&trouble, &mut pause).await;
        }
    }

    async fn wait(&self, trouble: &Trouble, pause: &mut Duration) {
        tracing::warn!(%trouble, after = self.seen.0, "following the store is interrupted");
        tokio::time::sleep(*pause).await;
        *pause = (*pause * 2).min(AGAIN.1);
    }

    /// Whether the store goes as far as the reader has come: a reader's checkpoint may be of another store.
    async fn belongs_here(&self, pause: &mut Duration) -> bool {
        loop {
            match read::end(&self.connection).await {
                Ok(end) if self.seen <= end => return true,
                Ok(end) => {
                    let what =
                        format!("the store ends at {end}, before this reader's checkpoint: it is not the same one");
                    // The reader has gone.
                    let _ = self.out.send(Told::Damaged(ReadError::Damaged { position: self.seen, what })).await;
                    return false;
                }
                Err(trouble) => self.wait(&trouble, pause).await,
            }
        }
    }

    /// Reads one subscription to its end; `Ok` where the reader has gone.
    async fn subscribe(&mut self) -> Result<(), Trouble> {
        let options = SubscribeToAllOptions::default().position(read::start_after(self.seen));
        let options = options.filter(read::at_the_store(&self.filter));
        let mut subscription = self.connection.subscribe(options).await?;
        loop {
            let told = match subscription.next_subscription_event().await {
                Ok(event) => self.take(event),
                Err(error) => return Err(self.connection.broken(&error)),
            };
            if let Some(told) = told
                && self.out.send(told).await.is_err()
            {
                return Ok(());
            }
        }
    }

    fn take(&mut self, event: SubscriptionEvent) -> Option<Told> {
        match event {
            SubscriptionEvent::EventAppeared(resolved) => {
                let event = resolved.link.or(resolved.event)?;
                let position = position_of(&event);
                if position <= self.seen {
                    return None;
                }
                self.seen = position;
                let event = recorded(&event).filter(|event| read::wanted(&self.filter, event));
                Some(event.map_or(Told::Checkpoint(position), |event| Told::Event(Box::new(event))))
            }
            SubscriptionEvent::Checkpoint(position) => {
                self.seen = self.seen.max(Position(position.commit));
                Some(Told::Checkpoint(self.seen))
            }
            SubscriptionEvent::CaughtUp(caught_up) => {
                let position = caught_up.and_then(|caught_up| caught_up.position);
                self.seen = self.seen.max(position.map_or(Position(0), |position| Position(position.commit)));
                Some(Told::CaughtUp(self.seen))
            }
            SubscriptionEvent::Confirmed(_)
            | SubscriptionEvent::FirstStreamPosition(_)
            | SubscriptionEvent::LastStreamPosition(_)
            | SubscriptionEvent::LastAllPosition(_)
            | SubscriptionEvent::FellBehind(_) => None,
        }
    }
}
