//! The file of the read models: SQLite through sqlx, rebuildable from the log at any time.

use domain::log::Position;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Row, SqliteConnection, SqlitePool};
use std::path::Path;
use std::time::Duration;

/// Why a read model could not be opened, written or asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite said no.
    #[error("read models: {0}")]
    Sql(sqlx::Error),
    /// The file is no database any more.
    #[error("views.db is damaged: stop, delete it, start again; all of it is made again from the log")]
    Unreadable,
    /// The file was made by another build. It holds nothing that the log does not.
    #[error("tables of the read models cannot be brought up to date ({0}): stop, delete the file, start again")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A row holds what this build never writes.
    #[error("a row of the read models is damaged: {0}")]
    Damaged(&'static str),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if is_damage(&error) { Self::Unreadable } else { Self::Sql(error) }
    }
}

/// Whether SQLite says that the file is damaged (`SQLITE_CORRUPT`, also extended) or none of its own (`SQLITE_NOTADB`).
fn is_damage(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| matches!(code & 0xff, 11 | 26))
}

/// Connections to the file: one that writes, at most two that read.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) writer: SqlitePool,
    pub(crate) reader: SqlitePool,
}

/// Pages of write-ahead log between two checkpoints of SQLite (4 KiB each): few checkpoints, each page copied once.
const PAGES_BETWEEN_CHECKPOINTS: &str = "8192";

impl Store {
    /// Opens or makes the file at `path` and brings its tables up to date.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A power cut may cost the newest rows; the checkpoint goes with them and the log gives them again.
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(5))
            .pragma("wal_autocheckpoint", PAGES_BETWEEN_CHECKPOINTS)
            .pragma("journal_size_limit", "67108864")
            .pragma("temp_store", "memory")
            // What is masked is to be gone, not only out of sight.
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
        let writer = pool(1).idle_timeout(None).connect_with(options.clone()).await?;
        migrate(&writer, &crate::sessions::MIGRATIONS).await?;
        migrate(&writer, &crate::routing::MIGRATIONS).await?;
        migrate(&writer, &crate::registrations::MIGRATIONS).await?;
        migrate(&writer, &crate::messages::MIGRATIONS).await?;
        migrate(&writer, &crate::uplinks::MIGRATIONS).await?;
        let reader = pool(2).connect_lazy_with(options.read_only(true));
        Ok(Self { writer, reader })
    }

    /// Closes every connection and waits for it.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    /// The position that a read model has stored; zero before its first event.
    pub(crate) async fn checkpoint(&self, name: &str) -> Result<Position, StoreError> {
        let row = sqlx::query("SELECT position FROM checkpoints WHERE name = ?")
            .bind(name)
            .fetch_optional(&self.writer)
            .await?;
        let position = row.map(|row| row.try_get::<i64, _>(0)).transpose()?.unwrap_or(0);
        u64::try_from(position).map(Position).map_err(|_| StoreError::Damaged("negative checkpoint"))
    }
}

/// Stores a checkpoint in the transaction of the rows it covers.
pub(crate) async fn store_checkpoint(
    sql: &mut SqliteConnection,
    name: &str,
    position: Position,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO checkpoints (name, position) VALUES (?, ?) \
         ON CONFLICT (name) DO UPDATE SET position = excluded.position WHERE excluded.position > position",
    )
    .bind(name)
    .bind(sql_position(position))
    .execute(sql)
    .await
    .map(|_| ())
}

/// A position as SQLite holds it. Positions count events, so they stay far below 2^63.
pub(crate) fn sql_position(position: Position) -> i64 {
    i64::try_from(position.0).unwrap_or(i64::MAX)
}

async fn migrate(pool: &SqlitePool, migrations: &Migrator) -> Result<(), StoreError> {
    let mut own = Migrator::with_migrations(migrations.iter().cloned().collect());
    // Each read model has its own folder; they share one table of applied migrations.
    own.set_ignore_missing(true);
    Ok(own.run(pool).await?)
}
