//! What an auditor asks at the command line: `strowger replay` and `strowger export`. They read the data folder that the
//! configuration names, also while the exchange runs, and change nothing in it.

mod export;
mod replay;
mod text;

pub use export::{ExportOptions, export};
pub use replay::{ReplayOptions, replay};

use crate::config::{Config, ConfigError};
use adapters::event_log::reading::{self, open_for_reading};
use adapters::keyring::{KeyringError, KeyringReader, Master};
use domain::ids::SessionId;
use domain::log::EventLog;
use domain::ports::Keyring;
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
    Log(#[from] reading::OpenError),
    /// The keys.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// What the log holds cannot be read.
    #[error(transparent)]
    History(#[from] TimelineError),
    /// There is no such stream.
    #[error("the log in {} has no session {session}", .folder.display())]
    NoSession {
        /// Which was asked for.
        session: SessionId,
        /// The data folder.
        folder: PathBuf,
    },
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

/// The log and the keys of a data folder.
struct Records {
    folder: PathBuf,
    log: Arc<dyn EventLog>,
    keyring: Arc<dyn Keyring>,
}

impl Records {
    fn open(config: Option<&Path>) -> Result<Self, AuditError> {
        let folder = Config::load(config)?.data;
        let log = open_for_reading(&folder)?;
        let master = Master::File(folder.join("keyring.key"));
        let keyring = Arc::new(KeyringReader::open(&folder.join("keyring.db"), &master)?);
        Ok(Self { folder, log, keyring })
    }

    fn no_session(&self, session: SessionId) -> AuditError {
        AuditError::NoSession { session, folder: self.folder.clone() }
    }
}

/// Whoever reads may stop before the end, as `head` does: that is no failure.
fn until_closed(result: Result<(), AuditError>) -> Result<(), AuditError> {
    match result {
        Err(AuditError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
