//! The file: who may open it, how it is set up, what is checked before it is used.

use crate::private_file;
use domain::log::Position;
use nix::fcntl::Flock;
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Version of the tables below and of [`super::row`]'s outer shape, in `PRAGMA user_version`.
const FORMAT: i64 = 1;

const SCHEMA: &str = "
    -- A stream's id is the position of its first event.
    CREATE TABLE streams (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    -- One append a row: positions and revisions count events, so the next row's are higher by `count`.
    CREATE TABLE log (
        position INTEGER PRIMARY KEY,
        stream INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        count INTEGER NOT NULL,
        events BLOB NOT NULL
    );
    CREATE UNIQUE INDEX log_by_stream ON log (stream, revision);
    -- Streams whose last append left them open, with the position of the append that opened them.
    CREATE TABLE live (stream INTEGER PRIMARY KEY, opened INTEGER NOT NULL);
";

/// Why the log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process writes it.
    #[error("{} is in use by another process: stop that one, or give this one another data folder", .0.display())]
    InUse(PathBuf),
    /// A file or folder cannot be made or opened.
    #[error("{} cannot be opened: {source}; check that its folder exists on a local disk and belongs to this user", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// SQLite refused.
    #[error("{} cannot be opened as a log: {source}; restore it from a backup if it is damaged", .path.display())]
    Store {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// Written by another version of this program, or not a log.
    #[error("{} has format {found}, this program reads {FORMAT}: use the version that wrote it", .path.display())]
    Format {
        /// Which.
        path: PathBuf,
        /// What it says it is.
        found: i64,
    },
    /// The store would not promise durability.
    #[error("{} cannot be made durable ({setting} is {found}): put it on a local disk", .path.display())]
    NotDurable {
        /// Which.
        path: PathBuf,
        /// The setting that was not obeyed.
        setting: &'static str,
        /// What it is instead.
        found: String,
    },
    /// The log thread could not be started.
    #[error("the log thread cannot be started: {0}")]
    Thread(io::Error),
}

/// A log that is ours alone, set up and checked.
pub(super) struct Opened {
    pub connection: Connection,
    /// Held as long as the connection is.
    pub lock: Flock<File>,
    pub head: Position,
}

/// Opens the log at `path`, or makes it.
pub(super) fn open(path: &Path, page_size: u32) -> Result<Opened, OpenError> {
    let file = |source| OpenError::File { path: path.to_owned(), source };
    let store = |source| OpenError::Store { path: path.to_owned(), source };
    private_file::make_folder_of(path).map_err(file)?;
    let lock = private_file::claim(path).map_err(file)?.ok_or_else(|| OpenError::InUse(path.to_owned()))?;
    // SQLite gives its other files the permissions of this one.
    private_file::open_or_make(path).map_err(file)?;
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(store)?;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(store)?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(store)?;
    let fresh = found == 0 && tables == 0;
    if !fresh && found != FORMAT {
        return Err(OpenError::Format { path: path.to_owned(), found });
    }
    if fresh {
        connection.pragma_update(None, "page_size", page_size).map_err(store)?;
    }
    make_durable(&connection, path)?;
    if fresh {
        let script = format!("BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT;");
        connection.execute_batch(&script).map_err(store)?;
    }
    // A process that died between writing and fdatasync left commits that can be read but may not be on disk yet.
    // This brings them there before anyone sees them.
    checkpoint(&connection).map_err(store)?;
    let head = head_of(&connection).map_err(store)?;
    Ok(Opened { connection, lock, head })
}

/// Checks that a log lies at `path`, and says where it ends now. Nothing is changed.
pub(super) fn look(path: &Path) -> Result<Position, OpenError> {
    std::fs::metadata(path).map_err(|source| OpenError::File { path: path.to_owned(), source })?;
    let store = |source| OpenError::Store { path: path.to_owned(), source };
    let connection = reader(path).map_err(store)?;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(store)?;
    if found != FORMAT {
        return Err(OpenError::Format { path: path.to_owned(), found });
    }
    head_of(&connection).map_err(store)
}

/// Position of the newest event.
fn head_of(connection: &Connection) -> rusqlite::Result<Position> {
    let head = "SELECT coalesce(max(position + count - 1), 0) FROM (SELECT * FROM log ORDER BY position DESC LIMIT 1)";
    connection.query_row(head, [], |row| row.get::<_, i64>(0)).map(|head| Position(head.unsigned_abs()))
}

/// Copies the write-ahead log into the main file, both with fdatasync, so that it can start over.
pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

/// A connection that can only read.
pub(super) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection)
}

/// Every commit returns after fdatasync. The library's defaults are not trusted: what we set is read back.
fn make_durable(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let store = |source| OpenError::Store { path: path.to_owned(), source };
    let wrong = |setting, found| OpenError::NotDurable { path: path.to_owned(), setting, found };
    let mode = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0));
    let mode = mode.map_err(store)?;
    if mode != "wal" {
        return Err(wrong("journal_mode", mode));
    }
    connection.pragma_update(None, "synchronous", "FULL").map_err(store)?;
    let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0)).map_err(store)?;
    if synchronous != 2 {
        return Err(wrong("synchronous", synchronous.to_string()));
    }
    // The log thread checkpoints after it has answered, and looks at the result; SQLite would do neither.
    connection
        .pragma_update_and_check(None, "wal_autocheckpoint", 0, |row| row.get::<_, i64>(0))
        .map(drop)
        .map_err(store)
}
