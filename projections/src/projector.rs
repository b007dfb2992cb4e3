//! The engine of the read models: follows the log once for all of them, folds events in memory, and writes rows and
//! checkpoint in one SQL transaction, each read model at its own pace.

mod history;

use crate::beginning::begins;
use crate::pages::Pages;
use crate::progress::{Standing, Stopped, Wishes};
use crate::store::{Store, store_checkpoint};
use domain::codec::DecodeError;
use domain::codec::session::{decode, decode_clear};
use domain::ids::SessionId;
use domain::log::{EventLog, Filter, Followed, PortFuture, Position, ReadError, Recorded};
use domain::ports::Keyring;
use domain::session::event::SessionEvent;
use sqlx::SqliteConnection;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// How long events are gathered before they are taken in together.
pub const WINDOW: Duration = Duration::from_millis(250);
/// While farther behind the head than this, nothing is gathered: reading goes on at once.
const BEHIND: u64 = 10_000;
/// Events taken in before it is seen whether a write is due, however fast they come.
const MOST_EVENTS: usize = 20_000;
/// How long one drain may wait for pages that the log is still reading.
const DRAIN: Duration = Duration::from_millis(50);
/// When nothing is to be written, the next look is so far away.
const NEVER: Duration = Duration::from_secs(3_600);
/// Pause before the log or the database is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The category of sessions' streams.
pub(crate) const SESSIONS: &str = "session";

/// An event of a session as a read model sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub session: SessionId,
    pub recorded: &'a Recorded,
    pub event: &'a SessionEvent,
}

/// A session's stream does not begin as every session does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoBeginning;

/// A read model: events into memory, memory into rows.
pub(crate) trait Projection: Send + Sync {
    fn name(&self) -> &'static str;
    /// The only types it is shown; nothing else is even parsed for it.
    fn kinds(&self) -> &'static [&'static str];
    /// Time between two writes: rows and checkpoint, also when nothing but the checkpoint moved.
    fn cadence(&self) -> Duration;
    fn knows(&self, session: SessionId) -> bool;
    /// Takes in an event; with `counted` its rows and counters have it already, and only what later events build
    /// on is to be remembered.
    fn apply(&mut self, seen: Seen<'_>, counted: bool) -> Result<(), NoBeginning>;
    /// The category of the streams that it is about.
    fn category(&self) -> &'static str {
        SESSIONS
    }
    /// Takes in an event of another category than `session`, which it reads by itself.
    fn take(&mut self, _recorded: &Recorded, _keyring: &dyn Keyring) -> Result<(), DecodeError> {
        Ok(())
    }
    /// Whether there is something to write.
    fn pending(&self) -> bool;
    /// Writes what changed. Called again with the same content when the transaction failed.
    fn write<'a>(&'a self, sql: &'a mut SqliteConnection) -> PortFuture<'a, Result<(), sqlx::Error>>;
    /// The write is committed.
    fn written(&mut self);
}

struct Slot {
    model: Box<dyn Projection>,
    /// What its rows hold already.
    stored: Position,
    wrote: Instant,
}

/// Follows the log for a set of read models.
pub(crate) struct Projector {
    log: Arc<dyn EventLog>,
    keyring: Arc<dyn Keyring>,
    store: Store,
    window: Duration,
    slots: Vec<Slot>,
    seen: Position,
    standing: watch::Sender<Standing>,
    wishes: Arc<Wishes>,
}

/// What ends one pass over the log.
#[derive(Debug)]
enum Fault {
    /// Trying again may help.
    Again(String),
    /// It stays as it is until someone acts.
    Stop(Stopped),
}

impl Projector {
    /// A projector that goes on where the rows end.
    pub(crate) async fn new(
        log: Arc<dyn EventLog>,
        keyring: Arc<dyn Keyring>,
        store: Store,
        models: Vec<Box<dyn Projection>>,
        window: Duration,
    ) -> Result<Self, crate::store::StoreError> {
        let mut slots = Vec::with_capacity(models.len());
        for model in models {
            let stored = store.checkpoint(model.name()).await?;
            slots.push(Slot { model, stored, wrote: Instant::now() });
        }
        let seen = slots.iter().map(|slot| slot.stored).min().unwrap_or_default();
        // Nothing is known before what lives is restored, wherever the rows are.
        let (standing, _) = watch::channel(Standing::default());
        Ok(Self { log, keyring, store, window, slots, seen, standing, wishes: Arc::default() })
    }

    /// A view on its progress.
    pub(crate) fn progress(&self) -> crate::Progress {
        crate::Progress::new(self.standing.subscribe(), self.wishes.clone())
    }

    /// Runs until an event cannot be taken in. Everything before that event is in the rows then.
    pub(crate) async fn run(mut self) {
        let mut restored = false;
        loop {
            match self.pass(&mut restored).await {
                Fault::Again(why) => {
                    tracing::warn!(position = self.seen.0, why, "read models wait for the log");
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
            if let Err(fault) = history::restore(&*self.log, &*self.keyring, &mut self.slots).await {
                return fault;
            }
            *restored = true;
            self.publish();
        }
        let mut pages = Pages::of(self.log.follow(self.seen, self.filter()));
        loop {
            let next_write = self.next_write();
            let wishes = self.wishes.clone();
            let taken = tokio::select! {
                page = pages.next() => self.gather(page, &mut pages).await,
                () = sleep_until(next_write) => Ok(()),
                () = wishes.write.notified() => {
                    self.write(true).await;
                    Ok(())
                }
            };
            self.publish();
            self.write(taken.is_err()).await;
            if let Err(fault) = taken {
                return fault;
            }
        }
    }

    fn filter(&self) -> Filter {
        let mut kinds: Vec<String> = Vec::new();
        for kind in self.slots.iter().flat_map(|slot| slot.model.kinds()) {
            if !kinds.iter().any(|known| known == kind) {
                kinds.push((*kind).to_owned());
            }
        }
        let mut categories: Vec<String> = self.slots.iter().map(|slot| slot.model.category().to_owned()).collect();
        categories.sort_unstable();
        categories.dedup();
        Filter { categories, kinds }
    }

    /// Takes in a page, and what else comes within the window.
    async fn gather(&mut self, page: Result<Followed, ReadError>, pages: &mut Pages) -> Result<(), Fault> {
        let mut taken = self.take(page).await?;
        let close = self.log.head().0.saturating_sub(self.seen.0) < BEHIND;
        if close {
            tokio::select! {
                () = sleep(self.window) => {}
                () = self.wishes.hurry.notified() => {}
            }
        }
        let goal = self.log.head();
        let deadline = Instant::now() + DRAIN;
        while self.seen < goal && taken < MOST_EVENTS {
            let Ok(page) = timeout_at(deadline, pages.next()).await else { break };
            taken += self.take(page).await?;
        }
        Ok(())
    }

    async fn take(&mut self, page: Result<Followed, ReadError>) -> Result<usize, Fault> {
        match page.map_err(fault_of)? {
            Followed::Events(events) => {
                for recorded in &events {
                    self.fold(recorded).await?;
                    self.seen = recorded.position;
                }
                Ok(events.len())
            }
            Followed::Checkpoint(position) | Followed::CaughtUp(position) => {
                self.seen = self.seen.max(position);
                Ok(0)
            }
        }
    }

    async fn fold(&mut self, recorded: &Recorded) -> Result<(), Fault> {
        let kind: &str = &recorded.kind;
        if recorded.stream.category() != SESSIONS {
            return self.fold_other(recorded);
        }
        if !self.slots.iter().any(|slot| slot.model.kinds().contains(&kind)) {
            return Ok(());
        }
        let stop = |why: String| Fault::Stop(Stopped { at: recorded.position, why });
        let event = read(recorded, &*self.keyring).map_err(|error| stop(error.to_string()))?;
        let session = session_of(recorded);
        let position = recorded.position;
        let due = |slot: &Slot| position > slot.stored && slot.model.kinds().contains(&kind);
        // First whatever can fail for a while, so that an event is applied to all read models or to none.
        for slot in self.slots.iter_mut().filter(|slot| due(slot)) {
            if !begins(kind) && !slot.model.knows(session) {
                history::recall(&*self.log, &*self.keyring, &mut *slot.model, recorded).await?;
            }
        }
        for slot in self.slots.iter_mut().filter(|slot| due(slot)) {
            let seen = Seen { session, recorded, event: &event };
            slot.model.apply(seen, false).map_err(|NoBeginning| stop(format!("{kind} before its session began")))?;
        }
        Ok(())
    }

    /// An event of no session: each read model reads it by itself.
    fn fold_other(&mut self, recorded: &Recorded) -> Result<(), Fault> {
        let kind: &str = &recorded.kind;
        for slot in &mut self.slots {
            let meant = slot.model.category() == recorded.stream.category() && slot.model.kinds().contains(&kind);
            if meant && recorded.position > slot.stored {
                let taken = slot.model.take(recorded, &*self.keyring);
                taken.map_err(|error| Fault::Stop(Stopped { at: recorded.position, why: error.to_string() }))?;
            }
        }
        Ok(())
    }

    fn next_write(&self) -> Instant {
        let behind = self.slots.iter().filter(|slot| slot.stored < self.seen);
        let due = behind.map(|slot| slot.wrote + slot.model.cadence()).min();
        due.unwrap_or_else(|| Instant::now() + NEVER)
    }

    /// Writes whatever is due, or all; tries until the database takes it.
    async fn write(&mut self, all: bool) {
        while let Err(error) = self.try_write(all).await {
            tracing::warn!(%error, "rows of the read models could not be written: trying again");
            sleep(RETRY).await;
        }
    }

    async fn try_write(&mut self, all: bool) -> Result<(), sqlx::Error> {
        let (now, seen) = (Instant::now(), self.seen);
        let due = |slot: &Slot| slot.stored < seen && (all || slot.wrote + slot.model.cadence() <= now);
        if !self.slots.iter().any(due) {
            return Ok(());
        }
        let mut sql = self.store.writer.begin().await?;
        for slot in self.slots.iter().filter(|slot| due(slot)) {
            if slot.model.pending() {
                slot.model.write(&mut sql).await?;
            }
            store_checkpoint(&mut sql, slot.model.name(), seen).await?;
        }
        sql.commit().await?;
        for slot in self.slots.iter_mut().filter(|slot| due(slot)) {
            slot.model.written();
            slot.stored = seen;
            slot.wrote = now;
        }
        self.publish();
        Ok(())
    }

    fn publish(&self) {
        let written: Vec<_> = self.slots.iter().map(|slot| (slot.model.name(), slot.stored)).collect();
        self.standing.send_if_modified(|standing| {
            let moved = standing.position != self.seen || standing.written != written;
            standing.position = self.seen;
            standing.written = written;
            moved
        });
    }
}

fn fault_of(error: ReadError) -> Fault {
    match error {
        ReadError::Unavailable(why) => Fault::Again(why),
        ReadError::Damaged { position, what } => Fault::Stop(Stopped { at: position, why: what }),
    }
}

/// The session that an event of category `session` belongs to.
fn session_of(recorded: &Recorded) -> SessionId {
    SessionId::from_bits(recorded.correlation.as_u128())
}

/// Only the parties are ever needed of what is sealed.
fn read(recorded: &Recorded, keyring: &dyn Keyring) -> Result<SessionEvent, DecodeError> {
    if begins(&recorded.kind) { decode(recorded, keyring) } else { decode_clear(recorded) }
}
