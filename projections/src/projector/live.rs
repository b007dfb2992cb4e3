//! The read models that queries are answered from, following the log for ever.

use super::adopt::Adopt;
use super::fold::Fold;
use super::{Fault, MOST_EVENTS, RETRY, history};
use crate::database::WriteError;
use crate::pages::Pages;
use crate::progress::{Standing, Stopped, Wishes};
use domain::log::{Followed, Position, ReadError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// While farther behind the head than this, nothing is gathered: reading goes on at once.
const BEHIND: u64 = 10_000;
/// How long one drain may wait for pages that the log is still reading.
const DRAIN: Duration = Duration::from_millis(50);
/// When nothing is to be written, the next look is so far away.
const NEVER: Duration = Duration::from_secs(3_600);
/// Everything that comes.
const NO_GOAL: Position = Position(u64::MAX);

pub(crate) struct Projector {
    fold: Fold,
    window: Duration,
    standing: watch::Sender<Standing>,
    wishes: Arc<Wishes>,
    adoptions: mpsc::Receiver<Adopt>,
}

impl Projector {
    pub(crate) const fn new(
        fold: Fold,
        window: Duration,
        standing: watch::Sender<Standing>,
        wishes: Arc<Wishes>,
        adoptions: mpsc::Receiver<Adopt>,
    ) -> Self {
        Self { fold, window, standing, wishes, adoptions }
    }

    /// Runs until an event cannot be taken in. Everything before that event is in the rows then.
    pub(crate) async fn run(mut self) {
        let mut restored = false;
        loop {
            match self.pass(&mut restored).await {
                Fault::Again(why) => {
                    tracing::warn!(position = self.fold.seen.0, why, "read models wait for the log");
                    sleep(RETRY).await;
                }
                Fault::Stop(stopped) => {
                    tracing::error!(position = stopped.at.0, why = stopped.why, "read models stopped at an event");
                    self.standing.send_modify(|standing| standing.stopped = Some(stopped));
                    return;
                }
            }
        }
    }

    async fn pass(&mut self, restored: &mut bool) -> Fault {
        if !*restored {
            if let Err(fault) = history::restore(&mut self.fold).await {
                return fault;
            }
            *restored = true;
            self.publish();
            self.fold.forget().await;
        }
        let mut pages = self.fold.pages();
        loop {
            let next_write = self.fold.next_write().unwrap_or_else(|| Instant::now() + NEVER);
            let wishes = self.wishes.clone();
            let taken = tokio::select! {
                page = pages.next() => self.gather(page, &mut pages).await,
                () = sleep_until(next_write) => Ok(()),
                () = wishes.write.notified() => self.write(true).await,
                Some(adopt) = self.adoptions.recv() => self.adopt(adopt).await,
            };
            self.publish();
            // What came before an event that cannot be taken in is to be there.
            let wrote = self.write(taken.is_err()).await;
            if let Err(fault) = taken.and(wrote) {
                return fault;
            }
        }
    }

    /// Takes in a page, and what else comes within the window.
    async fn gather(&mut self, page: Result<Followed, ReadError>, pages: &mut Pages) -> Result<(), Fault> {
        let mut taken = self.fold.take(page, NO_GOAL).await?;
        let close = self.fold.log.head().0.saturating_sub(self.fold.seen.0) < BEHIND;
        if close {
            tokio::select! {
                () = sleep(self.window) => {}
                () = self.wishes.hurry.notified() => {}
            }
        }
        let goal = self.fold.log.head();
        let deadline = Instant::now() + DRAIN;
        while self.fold.seen < goal && taken < MOST_EVENTS {
            let Ok(page) = timeout_at(deadline, pages.next()).await else { break };
            taken += self.fold.take(page, NO_GOAL).await?;
        }
        Ok(())
    }

    /// Puts a read model that was built anew in the place of the one that serves, at the same position.
    async fn adopt(&mut self, adopt: Adopt) -> Result<(), Fault> {
        self.write(true).await?;
        adopt.take_place(&mut self.fold).await;
        Ok(())
    }

    /// Writes whatever is due, or all; tries until the database takes it.
    async fn write(&mut self, all: bool) -> Result<(), Fault> {
        loop {
            match self.fold.write(all).await {
                Ok(false) => return Ok(()),
                Ok(true) => {
                    self.publish();
                    return Ok(());
                }
                Err(WriteError::Sql(error)) => {
                    tracing::warn!(%error, "rows of the read models could not be written: trying again");
                    sleep(RETRY).await;
                }
                Err(error @ WriteError::Shared) => {
                    return Err(Fault::Stop(Stopped { at: self.fold.seen, why: error.to_string() }));
                }
            }
        }
    }

    fn publish(&self) {
        let written: Vec<_> = self.fold.slots.iter().map(|slot| (slot.name, slot.stored)).collect();
        let seen = self.fold.seen;
        self.standing.send_if_modified(|standing| {
            let moved = standing.position != seen || standing.written != written;
            standing.position = seen;
            standing.written = written;
            moved
        });
    }
}
