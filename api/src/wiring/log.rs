//! The log: of our own on this disk, or in an event store elsewhere; and the door through which others read it.

use super::{StartError, make_private_folder};
use crate::config::{Config, LogEngine};
use adapters::event_log::segment::{self, SegmentLog};
use adapters::event_log::sqlite::{self, SqliteLog};
use adapters::event_log::{Written, reading};
use domain::log::{EventLog, Position};
use event_store_db::client::{ConnectionString, StoreError, StoreLog};
use event_store_db::door::{Credentials, Door, DoorSettings, Identity, Limits};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// An open log.
pub(super) struct Opened {
    pub log: Arc<dyn EventLog>,
    /// What it wrote since; nothing is known of a store elsewhere.
    pub written: Option<Arc<Written>>,
    /// Whether this node has never written to it.
    pub is_new: bool,
}

/// Opens the log that the configuration names; another one beside it is never overlooked.
pub(super) async fn open(config: &Config) -> Result<Opened, StartError> {
    let Some(store) = &config.store else { return open_here(config) };
    for found in [config.data.join("log.db"), config.data.join("log")] {
        if found.exists() {
            return Err(StartError::LogBesideStore { found: found.display().to_string() });
        }
    }
    let log = StoreLog::connect(with_password(config, store)?, config.node).await?;
    let is_new = log.is_new_node();
    Ok(Opened { log: Arc::new(log), written: None, is_new })
}

fn with_password(config: &Config, store: &ConnectionString) -> Result<ConnectionString, StartError> {
    Ok(match &config.store_password_file {
        Some(file) => store.clone().with_password(&secret("store_password_file", file)?),
        None => store.clone(),
    })
}

/// Why a log could not be opened for reading.
#[derive(Debug, thiserror::Error)]
pub enum ReadingError {
    /// It is in the data folder.
    #[error(transparent)]
    Folder(#[from] reading::OpenError),
    /// It is in an event store, whose password cannot be read.
    #[error(transparent)]
    Password(#[from] Box<StartError>),
    /// It is in an event store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The log that the configuration names, as it is now, also beside the exchange that writes it. Nothing is changed.
///
/// # Errors
/// [`ReadingError`].
pub async fn open_for_reading(config: &Config) -> Result<Arc<dyn EventLog>, ReadingError> {
    let Some(store) = &config.store else { return Ok(reading::open_for_reading(&config.data)?) };
    let store = with_password(config, store).map_err(Box::new)?;
    Ok(Arc::new(StoreLog::open_for_reading(store, config.node).await?))
}

fn open_here(config: &Config) -> Result<Opened, StartError> {
    let (file, folder) = (config.data.join("log.db"), config.data.join("log"));
    let other = |path: &Path, engine| match path.exists() {
        true => Err(StartError::OtherEngine { found: path.display().to_string(), engine }),
        false => Ok(()),
    };
    let (log, written): (Arc<dyn EventLog>, _) = match config.log.engine {
        LogEngine::Segments => {
            other(&file, "sqlite")?;
            let segment_bytes = config.log.segment_mib << 20;
            let settings = segment::Settings { segment_bytes, ..segment::Settings::default() };
            let log = SegmentLog::open(folder, settings)?;
            let written = log.written();
            (Arc::new(log), written)
        }
        LogEngine::Sqlite => {
            other(&folder, "segments")?;
            let log = SqliteLog::open(file, sqlite::Settings::default())?;
            let written = log.written();
            (Arc::new(log), written)
        }
    };
    let is_new = log.head() == Position(0);
    Ok(Opened { log, written: Some(written), is_new })
}

/// Opens the log's door, where the configuration has one.
pub(super) async fn open_door(config: &Config, log: &Arc<dyn EventLog>) -> Result<Option<Door>, StartError> {
    let Some(door) = &config.log.door else { return Ok(None) };
    let credentials = match (&door.user, &door.password_file) {
        (Some(user), Some(file)) => Some(Credentials::new(user, &secret("log.door.password_file", file)?)),
        _ => None,
    };
    let identity = match (&door.tls_cert, &door.tls_key) {
        (Some(certificate), Some(key)) => {
            Some(Identity { certificate: read("log.door.tls_cert", certificate)?, key: read("log.door.tls_key", key)? })
        }
        _ => None,
    };
    let limits = Limits { connections: door.connections, ..Limits::default() };
    let settings =
        DoorSettings { listen: door.listen, credentials, identity, writable: door.writable, node: config.node, limits };
    Ok(Some(Door::open(Arc::clone(log), settings).await?))
}

fn read(setting: &'static str, file: &Path) -> Result<Vec<u8>, StartError> {
    std::fs::read(file).map_err(|source| StartError::File { setting, file: file.display().to_string(), source })
}

/// A secret in a file, which may end with a line end.
pub(super) fn secret(setting: &'static str, file: &Path) -> Result<String, StartError> {
    let text = String::from_utf8_lossy(&read(setting, file)?).into_owned();
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// A server of the log alone: for exchanges elsewhere, and for tests.
pub struct LogServer {
    door: Door,
}

impl LogServer {
    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.door.address()
    }

    /// Stops it, the log last.
    pub async fn stop(self) {
        self.door.close().await;
    }
}

/// Serves the log of a configuration through its door, without an exchange.
///
/// # Errors
/// [`StartError`].
pub async fn serve_log(config: &Config) -> Result<LogServer, StartError> {
    let folder = || config.data.display().to_string();
    make_private_folder(&config.data).map_err(|source| StartError::Folder { folder: folder(), source })?;
    let Opened { log, .. } = open_here(config)?;
    let door = open_door(config, &log).await?.ok_or(StartError::NoDoor)?;
    Ok(LogServer { door })
}
