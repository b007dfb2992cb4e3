//! Tables made and brought up to date. They are described once, in SQLite's words.

use super::StoreError;
use super::pool::Pool;
use sqlx::migrate::{Migration, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr};

/// What every generation has beside its model's tables: how far its rows are, of which log, and whether it serves.
static ABOUT: Migrator = sqlx::migrate!("src/database/migrations");

/// The same in PostgreSQL's words. Texts are compared as bytes, as SQLite does.
const WORDS: [(&str, &str); 4] =
    [("INTEGER", "BIGINT"), ("BLOB", "BYTEA"), ("TEXT", "TEXT COLLATE \"C\""), (" WITHOUT ROWID", "")];

pub(super) async fn prepare(pool: &Pool, model: &Migrator) -> Result<(), StoreError> {
    let all = ABOUT.iter().chain(model.iter()).cloned();
    match pool {
        Pool::Sqlite(pool) => Migrator::with_migrations(all.collect()).run(pool).await?,
        Pool::Postgres(pool) => {
            Migrator::with_migrations(all.map(|one| for_postgres(&one)).collect()).run(pool).await?
        }
    }
    Ok(())
}

fn for_postgres(migration: &Migration) -> Migration {
    let words = WORDS.iter().fold(migration.sql.as_str().to_owned(), |sql, (here, there)| sql.replace(here, there));
    let sql = AssertSqlSafe(words).into_sql_str();
    Migration::new(migration.version, migration.description.clone(), migration.migration_type, sql, migration.no_tx)
}
