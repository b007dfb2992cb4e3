//! Generations as SQLite files: `views/<model>-<generation>.db`.

use super::pool::Pool;
use super::{StoreError, Tables};
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Pages of write-ahead log between two checkpoints of SQLite (4 KiB each): few checkpoints, each page copied once.
const PAGES_BETWEEN_CHECKPOINTS: &str = "8192";
/// Who writes is alone, and waits for readers where what was erased is to leave the write-ahead log: not as long as somebody who
/// asked for the erasure waits for rows.
const READERS_TAKE: Duration = Duration::from_secs(2);
/// What SQLite puts beside a file.
const SUFFIXES: [&str; 4] = ["", "-wal", "-shm", "-journal"];

#[derive(Debug, Clone)]
pub(super) struct Folder {
    views: PathBuf,
    /// One file for all read models, as builds before this one had it. What it holds in clear is to be gone.
    old: PathBuf,
}

impl Folder {
    pub(super) fn new(data: &Path) -> Self {
        Self { views: data.join("views"), old: data.join("views.db") }
    }

    pub(super) fn claim(&self) -> Result<File, StoreError> {
        let made = self.make().and_then(|()| private(&self.views.join("lock")));
        let lock = made.map_err(|source| self.refused(source))?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse(self.views.display().to_string())),
            Err(TryLockError::Error(source)) => Err(self.refused(source)),
        }
    }

    /// Generations of this model, in no order.
    pub(super) fn generations(&self, model: &str) -> Result<Vec<u32>, StoreError> {
        let listed = self.make().and_then(|()| fs::read_dir(&self.views));
        let names = listed
            .map_err(|source| self.refused(source))?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(names
            .filter_map(|name| name.strip_prefix(model)?.strip_prefix('-')?.strip_suffix(".db")?.parse().ok())
            .collect())
    }

    fn make(&self) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.views)?;
        remove(&self.old)
    }

    pub(super) fn remove(&self, model: &str, generation: u32) -> Result<(), StoreError> {
        remove(&self.file(model, generation)).map_err(|source| self.refused(source))
    }

    pub(super) async fn open(&self, model: &str, generation: u32) -> Result<Tables, StoreError> {
        let file = self.file(model, generation);
        keep_private(&file).map_err(|source| self.refused(source))?;
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A power cut may cost the newest rows; the checkpoint goes with them and the log gives them again.
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(5))
            .pragma("wal_autocheckpoint", PAGES_BETWEEN_CHECKPOINTS)
            .pragma("journal_size_limit", "67108864")
            .pragma("temp_store", "memory")
            // What is masked is to be gone, not only out of sight; from the write-ahead log too: `Slot::forget`.
            .pragma("secure_delete", "on")
            .thread_name(|number| format!("views-{number}"))
            .disable_statement_logging();
        let pool = |most| {
            SqlitePoolOptions::new()
                .max_connections(most)
                .min_connections(0)
                .test_before_acquire(false)
                .max_lifetime(None)
        };
        let writer = options.clone().busy_timeout(READERS_TAKE);
        let writer = pool(1).idle_timeout(None).connect_with(writer).await?;
        let reader = pool(2).connect_lazy_with(options.read_only(true));
        Ok(Tables::new(Pool::Sqlite(writer), Pool::Sqlite(reader), generation))
    }

    fn file(&self, model: &str, generation: u32) -> PathBuf {
        self.views.join(format!("{model}-{generation}.db"))
    }

    fn refused(&self, source: io::Error) -> StoreError {
        StoreError::Folder { folder: self.views.display().to_string(), source }
    }
}

/// Opens a file that nobody else on this machine may read, made where it is not there.
fn private(file: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(file)
}

/// Makes a database that is nobody else's, or makes one so that an earlier build left readable for others. What SQLite puts
/// beside it has the mode of the file itself.
fn keep_private(file: &Path) -> io::Result<()> {
    private(file)?;
    for path in all_of(file) {
        match fs::set_permissions(path, Permissions::from_mode(0o600)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// A database's file and what SQLite puts beside it.
fn all_of(file: &Path) -> impl Iterator<Item = OsString> {
    SUFFIXES.iter().map(|suffix| {
        let mut path = file.as_os_str().to_owned();
        path.push(suffix);
        path
    })
}

fn remove(file: &Path) -> io::Result<()> {
    for path in all_of(file) {
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}
