//! Why an exchange could not start.

use crate::config::ConfigError;
use adapters::event_log::{segment, sqlite};
use adapters::exchange::ShardError;
use adapters::keyring::KeyringError;
use adapters::media::MediaError;
use adapters::node::NodeError;
use adapters::provisioning::LoadError;
use domain::log::ReadError;
use event_store_db::client::StoreError;
use event_store_db::door::DoorError;
use std::io;
use std::net::SocketAddr;

/// Why an exchange could not start. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data folder.
    #[error("the data folder {folder} cannot be made: {source}; set `data` to a folder that this user may write")]
    Folder {
        /// Which.
        folder: String,
        /// Why.
        source: io::Error,
    },
    /// The log in SQLite.
    #[error(transparent)]
    Log(#[from] sqlite::OpenError),
    /// The log in segments.
    #[error(transparent)]
    Segments(#[from] segment::OpenError),
    /// There is a log, but of the other engine.
    #[error(
        "{found} is a log of the engine \"{engine}\": set log.engine = \"{engine}\" to go on with it, or start with another data folder"
    )]
    OtherEngine {
        /// Its file or folder.
        found: String,
        /// The engine that wrote it.
        engine: &'static str,
    },
    /// There is a log here, but the settings name an event store elsewhere.
    #[error(
        "{found} is a log, and the settings name an event store: take `store` out to go on with the log, or start with another data folder"
    )]
    LogBesideStore {
        /// Its file or folder.
        found: String,
    },
    /// The event store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log's door.
    #[error(transparent)]
    Door(#[from] DoorError),
    /// A file that a setting names.
    #[error("{setting}: {file} cannot be read: {source}; name a file that this user may read")]
    File {
        /// The setting's path.
        setting: &'static str,
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// A server of the log alone has a door.
    #[error("a server of the log alone needs a door: set log.door.listen")]
    NoDoor,
    /// What the log holds cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The node's identity.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The keys.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// A SIP listener.
    #[error("SIP cannot listen on {address}: {source}; is another program using the port?")]
    Sip {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The HTTP listener.
    #[error("HTTP cannot listen on {address}: {source}; is another program using the port? set http.listen")]
    Http {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Media.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The notary's key.
    #[error(transparent)]
    Notary(#[from] adapters::notary::KeyError),
    /// An erasure that a crash cut off.
    #[error("an erasure could not be finished: {0}")]
    Erasure(#[from] adapters::erasure::ErasureError),
    /// The shard.
    #[error(transparent)]
    Shard(#[from] ShardError),
    /// Configuration in the log.
    #[error(transparent)]
    Provisioning(#[from] LoadError),
    /// The read models.
    #[error("the read models cannot be opened: {0}")]
    Views(#[from] projections::StoreError),
    /// The first account.
    #[error("the first account cannot be made: {0}")]
    FirstAccount(String),
    /// Anything of the system.
    #[error("the system refused: {0}")]
    System(#[from] io::Error),
}
