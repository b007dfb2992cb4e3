//! A read model's place in a projector: the model, its tables, and how far they are.

use super::{Projection, SESSIONS};
use crate::database::{StoreError, Tables, WriteError};
use crate::erasures::Erased;
use crate::model::Model;
use domain::codec::DecodeError;
use domain::erasure::ErasureEvent;
use domain::log::{EventLog, Mark, Position, Recorded};
use domain::ports::Keyring;
use std::time::Duration;
use tokio::time::Instant;

/// Pause before what remains of somebody who was erased is tried again.
const AGAIN: Duration = Duration::from_secs(10);

pub(crate) struct Slot {
    pub name: Model,
    pub model: Box<dyn Projection>,
    pub tables: Tables,
    /// What its rows hold already.
    pub stored: Position,
    /// Who was erased since.
    erased: Vec<Erased>,
    wrote: Instant,
    remains: Remains,
}

/// Whether what was masked may be read beside the tables still, in pages as they were before.
enum Remains {
    Nothing,
    /// And when it is tried next to have it gone.
    Something(Instant),
}

impl Slot {
    /// A read model whose rows are where its tables say.
    pub(crate) async fn open(name: Model, model: Box<dyn Projection>, tables: Tables) -> Result<Self, StoreError> {
        let stored = tables.position().await?;
        // A crash may have come after rows were masked.
        let remains = if stored > Position(0) { Remains::Something(Instant::now()) } else { Remains::Nothing };
        Ok(Self { name, model, tables, stored, erased: Vec::new(), wrote: Instant::now(), remains })
    }

    /// Whether the rows were made from this log, as far as can be told now: one that is away is taken for the right one.
    pub(crate) async fn is_of(&self, log: &dyn EventLog) -> Result<bool, StoreError> {
        let holds = match self.tables.last().await? {
            Some(last) => last.is_in(log).await,
            None => Ok(true),
        };
        Ok(holds.map_or(true, |holds| holds && self.stored <= log.head()))
    }

    /// Categories of streams that it is told of.
    pub(super) fn categories(&self) -> [&'static str; 2] {
        [self.model.category(), ErasureEvent::CATEGORY]
    }

    pub(super) fn is_of_sessions(&self) -> bool {
        self.model.category() == SESSIONS
    }

    /// Whether it is to take in this event of its category.
    pub(super) fn wants(&self, recorded: &Recorded) -> bool {
        recorded.position > self.stored
            && self.model.category() == recorded.stream.category()
            && self.model.kinds().contains(&&*recorded.kind)
    }

    /// Takes in an event of no session.
    pub(super) fn take(&mut self, recorded: &Recorded, keyring: &dyn Keyring) -> Result<(), DecodeError> {
        if recorded.stream.category() == ErasureEvent::CATEGORY && recorded.position > self.stored {
            if let ErasureEvent::SubjectErased(erased) = ErasureEvent::decode(recorded)? {
                self.erased.push(Erased { at: recorded.position, targets: erased.targets });
            }
            return Ok(());
        }
        if self.wants(recorded) { self.model.take(recorded, keyring) } else { Ok(()) }
    }

    /// When it is to be written next, if anything came after `seen`.
    pub(super) fn due(&self, seen: Position) -> Option<Instant> {
        (self.stored < seen).then(|| self.wrote + self.model.cadence())
    }

    /// Writes rows and checkpoint, in one transaction.
    pub(super) async fn write(&mut self, seen: Position, last: Option<&Mark>) -> Result<(), WriteError> {
        let mut sql = self.tables.begin().await?;
        if self.model.pending() {
            self.model.write(&mut sql).await?;
        }
        for erased in &self.erased {
            self.model.mask(erased, &mut sql).await?;
        }
        self.tables.commit(sql, (self.stored, seen), last).await?;
        self.model.written();
        if !self.erased.is_empty() {
            self.remains = Remains::Something(Instant::now());
            self.erased.clear();
        }
        // Before anybody is told that the rows are there.
        self.forget().await;
        self.stored = seen;
        self.wrote = Instant::now();
        Ok(())
    }

    /// Has nothing stay beside the tables of what was masked. A reader that does not end (somebody else's: ours do) is not
    /// waited for any longer than that: it is tried again with a later write.
    pub(super) async fn forget(&mut self) {
        match self.remains {
            Remains::Something(next) if next <= Instant::now() => {}
            Remains::Something(_) | Remains::Nothing => return,
        }
        self.remains = match self.tables.forget().await {
            Ok(true) => Remains::Nothing,
            Ok(false) => {
                tracing::warn!(model = %self.name, "somebody reads the file of a read model: until that ends, what was erased may be left in its -wal file");
                Remains::Something(Instant::now() + AGAIN)
            }
            Err(error) => {
                tracing::warn!(model = %self.name, %error, "what was erased may be left in the -wal file of a read model: trying again");
                Remains::Something(Instant::now() + AGAIN)
            }
        };
    }
}
