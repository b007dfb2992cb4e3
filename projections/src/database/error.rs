//! What may go wrong with a database.

use sqlx::migrate::MigrateError;

/// Why a read model could not be opened or asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database said no, or nothing.
    #[error("read models: {0}")]
    Sql(#[from] sqlx::Error),
    /// The folder of the files.
    #[error("the folder of the read models, {folder}: {source}")]
    Folder {
        /// Where it is.
        folder: String,
        /// What the machine said.
        source: std::io::Error,
    },
    /// Another process writes there.
    #[error("the read models in {0} are in use by another process: stop it first, or let it do this")]
    InUse(String),
    /// Tables could not be made or brought up to date.
    #[error("tables of the read models could not be made: {0}")]
    Migrate(#[from] MigrateError),
    /// A row holds what this build never writes.
    #[error("a row of the read models is damaged ({0}): rebuild them with strowger rebuild")]
    Damaged(&'static str),
    /// Nothing is open yet, for the database is away.
    #[error("the database of the read models is not open yet: the exchange's own log tells why")]
    NotOpen,
}

impl StoreError {
    /// Whether what is there is of no use, and the log has to give it again.
    pub(super) fn is_useless(&self) -> bool {
        match self {
            Self::Migrate(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _))
            | Self::Sql(error) => is_broken(error),
            // Made by another build.
            Self::Migrate(_) | Self::Damaged(_) => true,
            Self::Folder { .. } | Self::InUse(_) | Self::NotOpen => false,
        }
    }
}

/// SQLITE_CORRUPT and SQLITE_NOTADB, with whatever more precise code.
fn is_broken(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    let code = error
        .try_downcast_ref::<sqlx::sqlite::SqliteError>()
        .and_then(|error| sqlx::error::DatabaseError::code(error).and_then(|code| code.parse::<i32>().ok()));
    code.is_some_and(|code| matches!(code & 0xff, 11 | 26))
}

/// Why rows were not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// The database said no, or nothing: trying again may help.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    /// Somebody else moved the checkpoint.
    #[error(
        "another exchange writes the same read models: give each a database of its own, then restart, or rebuild them with strowger rebuild"
    )]
    Shared,
}
