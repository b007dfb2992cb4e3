//! What an auditor asks at the command line: `strowger replay` and `strowger export`. They read the log and the keys that the
//! configuration names, also while the exchange runs, and change nothing in them.

mod decide;
mod differs;
mod export;
mod replay;
mod text;

pub use export::{ExportOptions, export};
pub use replay::{ReplayOptions, decide_again, replay};

use crate::config::{Config, ConfigError};
use crate::wiring::{PastError, ReadingError, open_for_reading};
use adapters::keyring::{KeyringError, KeyringReader, Master};
use domain::ids::SessionId;
use domain::log::EventLog;
use projections::exports::NoScenario;
use projections::replay::Before;
use projections::timelines::TimelineError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why an auditor gets no answer. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The log.
    #[error(transparent)]
    Log(#[from] ReadingError),
    /// The keys.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// What the log holds cannot be read.
    #[error(transparent)]
    History(#[from] TimelineError),
    /// There is no such stream.
    #[error("the log in {place} has no session {session}")]
    NoSession {
        /// Which was asked for.
        session: SessionId,
        /// The data folder, or the store.
        place: String,
    },
    /// The past cannot be decided again.
    #[error(transparent)]
    Past(#[from] PastError),
    /// Neither a session nor a time was named.
    #[error("name a session, or a time: --decide --from TIME --to TIME")]
    NothingAsked,
    /// No session began between two times.
    #[error("the range is empty: no session began at --from or later and before --to")]
    EmptyRange,
    /// Nothing had happened yet.
    #[error("nothing of the session had happened yet: its first event is of {}", .0.begins)]
    Before(Before),
    /// It cannot be played again.
    #[error(transparent)]
    NoScenario(#[from] NoScenario),
    /// A capture would garble a terminal.
    #[error("a capture is no text: name a file with --output FILE, or send it through a pipe")]
    Terminal,
    /// The file that it should go to.
    #[error("{} cannot be written: {source}; name a file that is not there yet", .path.display())]
    Output {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The output.
    #[error("the output cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// The log of a configuration, and the keys of its data folder.
struct Records {
    config: Config,
    log: Arc<dyn EventLog>,
    keyring: Arc<KeyringReader>,
}

impl Records {
    async fn open(config: Option<&Path>) -> Result<Self, AuditError> {
        let config = Config::load(config)?;
        let log = open_for_reading(&config).await?;
        let master = Master::File(config.data.join("keyring.key"));
        let keyring = Arc::new(KeyringReader::open(&config.data.join("keyring.db"), &master)?);
        Ok(Self { config, log, keyring })
    }

    fn no_session(&self, session: SessionId) -> AuditError {
        let place = match &self.config.store {
            Some(store) => store.to_string(),
            None => self.config.data.display().to_string(),
        };
        AuditError::NoSession { session, place }
    }
}

/// Whoever reads may stop before the end, as `head` does: that is no failure.
fn until_closed(result: Result<(), AuditError>) -> Result<(), AuditError> {
    match result {
        Err(AuditError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
