//! Events of the log into read models, and what they hold into rows.

use super::slot::Slot;
use super::{Fault, MOST_EVENTS, SESSIONS, Seen, history};
use crate::beginning::begins;
use crate::database::WriteError;
use crate::pages::Pages;
use crate::progress::Stopped;
use domain::codec::DecodeError;
use domain::codec::session::{decode, decode_clear};
use domain::ids::SessionId;
use domain::log::{EventLog, Filter, Followed, Mark, Position, ReadError, Recorded};
use domain::ports::Keyring;
use domain::session::event::SessionEvent;
use std::sync::Arc;
use tokio::time::Instant;

/// What an erasure says; the keys that went with it are of no interest.
const ERASED: &str = "SubjectErased";

/// A set of read models that follow the log together.
pub(crate) struct Fold {
    pub log: Arc<dyn EventLog>,
    pub keyring: Arc<dyn Keyring>,
    pub slots: Vec<Slot>,
    /// Every one of them has taken in everything up to here.
    pub seen: Position,
    /// The last event of these; `None` while the rows are as they were found.
    last: Option<Recorded>,
}

impl Fold {
    /// Read models that go on where their rows end.
    pub(crate) fn new(log: Arc<dyn EventLog>, keyring: Arc<dyn Keyring>, slots: Vec<Slot>) -> Self {
        let seen = slots.iter().map(|slot| slot.stored).min().unwrap_or_default();
        Self { log, keyring, slots, seen, last: None }
    }

    /// Follows the log from here on.
    pub(super) fn pages(&self) -> Pages {
        Pages::of(self.log.follow(self.seen, self.filter()))
    }

    fn filter(&self) -> Filter {
        let mut kinds: Vec<String> = vec![ERASED.to_owned()];
        for kind in self.slots.iter().flat_map(|slot| slot.model.kinds()) {
            if !kinds.iter().any(|known| known == kind) {
                kinds.push((*kind).to_owned());
            }
        }
        let mut categories: Vec<String> = self.slots.iter().flat_map(Slot::categories).map(str::to_owned).collect();
        categories.sort_unstable();
        categories.dedup();
        Filter { categories, kinds }
    }

    /// Takes in a page, as far as `goal`, and says how many events that were.
    pub(super) async fn take(&mut self, page: Result<Followed, ReadError>, goal: Position) -> Result<usize, Fault> {
        match page? {
            Followed::Events(events) => {
                let wanted = events.iter().take_while(|recorded| recorded.position <= goal);
                let mut taken: usize = 0;
                for recorded in wanted {
                    self.fold(recorded).await?;
                    self.seen = recorded.position;
                    taken += 1;
                }
                if let Some(last) = taken.checked_sub(1).and_then(|index| events.get(index)) {
                    self.last = Some(last.clone());
                }
                if taken < events.len() {
                    self.seen = goal;
                }
                Ok(taken)
            }
            Followed::Checkpoint(position) | Followed::CaughtUp(position) => {
                self.seen = self.seen.max(position.min(goal));
                Ok(0)
            }
        }
    }

    async fn fold(&mut self, recorded: &Recorded) -> Result<(), Fault> {
        let stop = |error: DecodeError| Fault::Stop(Stopped { at: recorded.position, why: error.to_string() });
        if recorded.stream.category() != SESSIONS {
            return self.slots.iter_mut().try_for_each(|slot| slot.take(recorded, &*self.keyring)).map_err(stop);
        }
        if !self.slots.iter().any(|slot| slot.wants(recorded)) {
            return Ok(());
        }
        let event = read(recorded, &*self.keyring).map_err(stop)?;
        let session = session_of(recorded);
        // First whatever can fail for a while, so that an event is applied to all read models or to none.
        for slot in self.slots.iter_mut().filter(|slot| slot.wants(recorded)) {
            if !begins(&recorded.kind) && !slot.model.knows(session) {
                history::recall(&*self.log, &*self.keyring, &mut *slot.model, recorded).await?;
            }
        }
        for slot in self.slots.iter_mut().filter(|slot| slot.wants(recorded)) {
            let applied = slot.model.apply(Seen { session, recorded, event: &event }, false);
            applied.map_err(|_| {
                let why = format!("{} before its session began", recorded.kind);
                Fault::Stop(Stopped { at: recorded.position, why })
            })?;
        }
        Ok(())
    }

    /// Makes good what a crash left between the masking of rows and the end of what they were: see [`Slot::forget`].
    pub(super) async fn forget(&mut self) {
        for slot in &mut self.slots {
            slot.forget().await;
        }
    }

    /// When the next write is due; none where everything is written.
    pub(super) fn next_write(&self) -> Option<Instant> {
        self.slots.iter().filter_map(|slot| slot.due(self.seen)).min()
    }

    /// Writes whatever is due, or all, and says whether anything was.
    pub(super) async fn write(&mut self, all: bool) -> Result<bool, WriteError> {
        let (now, seen) = (Instant::now(), self.seen);
        let is_due = |slot: &Slot| slot.due(seen).is_some_and(|due| all || due <= now);
        if !self.slots.iter().any(is_due) {
            return Ok(false);
        }
        let last = self.last.as_ref().map(Mark::of);
        for slot in self.slots.iter_mut().filter(|slot| is_due(slot)) {
            slot.write(seen, last.as_ref()).await?;
        }
        Ok(true)
    }

    /// Takes in and writes everything up to `goal`, which the log has reached, and nothing after it.
    pub(super) async fn run_to(&mut self, goal: Position) -> Result<(), Fault> {
        let mut pages = self.pages();
        while self.seen < goal {
            let mut taken = 0;
            while self.seen < goal && taken < MOST_EVENTS {
                taken += self.take(pages.next().await, goal).await?;
            }
            self.write(true).await?;
        }
        Ok(())
    }
}

/// The session that an event of category `session` belongs to.
pub(super) fn session_of(recorded: &Recorded) -> SessionId {
    SessionId::from_bits(recorded.correlation.as_u128())
}

/// Only the parties are ever needed of what is sealed.
pub(super) fn read(recorded: &Recorded, keyring: &dyn Keyring) -> Result<SessionEvent, DecodeError> {
    if begins(&recorded.kind) { decode(recorded, keyring) } else { decode_clear(recorded) }
}
