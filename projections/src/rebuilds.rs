//! Rebuilds while queries go on: at most one of each read model at a time. What became of the last one is remembered.

use crate::database::{Database, Serving, StoreError};
use crate::model::Model;
use crate::progress::Progress;
use crate::projector::{Adopt, Builder};
use crate::sessions::Memory;
use domain::log::{EventLog, Position};
use domain::ports::Keyring;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Where a read model is, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stand {
    /// Which one.
    pub model: Model,
    /// The generation that queries are answered from; `None` while the database is away since the start.
    pub generation: Option<u32>,
    /// Its rows hold everything up to here.
    pub position: Position,
    /// The rebuild that runs, or how the last one since the start ended.
    pub rebuild: Option<Rebuild>,
}

/// A rebuild.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuild {
    /// It has everything up to here.
    pub position: Position,
    /// Where it has to get to.
    pub goal: Position,
    /// Since its beginning; till its end, if it has ended.
    pub took: Duration,
    /// How it ended; `None` while it runs.
    pub ended: Option<Ended>,
}

/// How a rebuild ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Queries are answered from what it built.
    Serves,
    /// Queries are answered as before; the exchange's own log tells why.
    Failed,
}

impl Rebuild {
    /// Positions a second, from its beginning on.
    pub fn rate(&self) -> u64 {
        let micros = u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX).max(1);
        self.position.0.saturating_mul(1_000_000) / micros
    }

    /// Seconds left at that rate; `None` before it has one, and at its end.
    pub fn left(&self) -> Option<u64> {
        let rate = Some(self.rate()).filter(|rate| *rate > 0 && self.ended.is_none())?;
        Some(self.goal.0.saturating_sub(self.position.0).div_ceil(rate))
    }
}

/// Why a rebuild does not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RebuildError {
    /// One of this read model runs.
    #[error("{0} is being rebuilt already: wait for its end")]
    Running(Model),
    /// Its database is away.
    #[error("the database of {0} is not open yet: try again when it is there")]
    NotOpen(Model),
}

struct Known {
    position: Position,
    began: Instant,
    ended: Option<(Ended, Duration)>,
}

/// What rebuilds share.
pub(crate) struct Rebuilds {
    pub database: Database,
    pub log: Arc<dyn EventLog>,
    pub keyring: Arc<dyn Keyring>,
    pub memory: Arc<Memory>,
    pub adoptions: mpsc::Sender<Adopt>,
    pub progress: Progress,
    known: Mutex<BTreeMap<Model, Known>>,
    running: Mutex<JoinSet<()>>,
}

impl Rebuilds {
    pub(crate) fn new(
        (database, log, keyring): (Database, Arc<dyn EventLog>, Arc<dyn Keyring>),
        memory: Arc<Memory>,
        adoptions: mpsc::Sender<Adopt>,
        progress: Progress,
    ) -> Arc<Self> {
        let (known, running) = (Mutex::default(), Mutex::default());
        Arc::new(Self { database, log, keyring, memory, adoptions, progress, known, running })
    }

    /// The rebuild of a read model, as it is now.
    pub(crate) fn of(&self, model: Model) -> Option<Rebuild> {
        let known = lock(&self.known);
        let Known { position, began, ended } = known.get(&model)?;
        Some(Rebuild {
            position: *position,
            goal: self.log.head().max(*position),
            took: ended.map_or_else(|| began.elapsed(), |(_, took)| took),
            ended: ended.map(|(ended, _)| ended),
        })
    }

    /// Begins one, in the background.
    pub(crate) async fn begin(self: &Arc<Self>, model: Model, serving: Serving) -> Result<(), RebuildError> {
        let generation = match serving.tables().await {
            Ok(tables) => tables.generation(),
            Err(_) => return Err(RebuildError::NotOpen(model)),
        };
        let mut known = lock(&self.known);
        if known.get(&model).is_some_and(|known| known.ended.is_none()) {
            return Err(RebuildError::Running(model));
        }
        known.insert(model, Known { position: Position(0), began: Instant::now(), ended: None });
        drop(known);
        let all = Arc::clone(self);
        lock(&self.running).spawn(async move {
            let ended = match all.run(model, generation, serving).await {
                Ok(()) => Ended::Serves,
                Err(why) => {
                    tracing::error!(%model, why, "a read model could not be rebuilt: queries are answered as before");
                    Ended::Failed
                }
            };
            all.change(model, |known| known.ended = Some((ended, known.began.elapsed())));
            tracing::info!(%model, ended = ?ended, "a rebuild ended");
        });
        Ok(())
    }

    async fn run(&self, model: Model, generation: u32, serving: Serving) -> Result<(), String> {
        let (log, keyring) = (Arc::clone(&self.log), Arc::clone(&self.keyring));
        let begun = Builder::begin(self.database.clone(), model, generation, log, keyring, &self.memory);
        let mut builder = begun.await.map_err(|error: StoreError| error.to_string())?;
        let goal = || self.progress.now().position;
        let told = |position| self.change(model, |known| known.position = position);
        if let Err(fault) = builder.run(&goal, &told).await {
            builder.abandon().await;
            return Err(fault.to_string());
        }
        let (done, adopted) = oneshot::channel();
        let adopt = Adopt { built: builder.into_fold(), serving, database: self.database.clone(), done };
        let gone = "the read models have stopped; the exchange's own log tells at which event";
        self.adoptions.send(adopt).await.map_err(|_| gone)?;
        adopted.await.map_err(|_| gone)??;
        self.change(model, |known| known.position = self.progress.now().position);
        Ok(())
    }

    fn change(&self, model: Model, change: impl FnOnce(&mut Known)) {
        if let Some(known) = lock(&self.known).get_mut(&model) {
            change(known);
        }
    }

    /// Ends those that run; what they have written is removed at the next start.
    pub(crate) fn stop(&self) {
        lock(&self.running).abort_all();
    }
}

/// Rebuilds a read model where no exchange runs: its next start finds the tables. `told` hears how far it is.
///
/// # Errors
/// [`StoreError`]; within, what is wrong with an event of the log.
pub async fn rebuild_alone(
    database: &Database,
    model: Model,
    log: Arc<dyn EventLog>,
    keyring: Arc<dyn Keyring>,
    told: &(dyn Fn(Rebuild) + Send + Sync),
) -> Result<Result<Duration, String>, StoreError> {
    let _claim = database.claim()?;
    let (began, goal) = (Instant::now(), log.head());
    let serving = database.serving(model).await?;
    let generation = serving.generation();
    let mut builder = Builder::begin(database.clone(), model, generation, log, keyring, &Arc::default()).await?;
    let rebuild = |position| Rebuild { position, goal, took: began.elapsed(), ended: None };
    let ran = match builder.run(&|| goal, &|position| told(rebuild(position))).await {
        Ok(()) => builder.run_to(goal).await,
        Err(fault) => Err(fault),
    };
    if let Err(fault) = ran {
        serving.close().await;
        builder.abandon().await;
        return Ok(Err(fault.to_string()));
    }
    for slot in builder.into_fold().slots {
        slot.tables.serve().await?;
        slot.tables.close().await;
    }
    serving.close().await;
    database.remove(model, generation).await?;
    Ok(Ok(began.elapsed()))
}

impl std::fmt::Debug for Rebuilds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rebuilds").finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
