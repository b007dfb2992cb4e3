//! Connections, and a transaction on one.

use super::row::Row;
use super::sql::Sql;
use sqlx::{PgPool, Postgres, Row as _, Sqlite, SqlitePool};

/// Connections to one read model's tables.
#[derive(Debug, Clone)]
pub(super) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Pool {
    pub(super) async fn all(&self, sql: Sql) -> Result<Vec<Row>, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(pool) => sql.for_sqlite().fetch_all(pool).await?.into_iter().map(Row::Sqlite).collect(),
            Self::Postgres(pool) => sql.for_postgres().fetch_all(pool).await?.into_iter().map(Row::Postgres).collect(),
        })
    }

    pub(super) async fn one(&self, sql: Sql) -> Result<Option<Row>, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(pool) => sql.for_sqlite().fetch_optional(pool).await?.map(Row::Sqlite),
            Self::Postgres(pool) => sql.for_postgres().fetch_optional(pool).await?.map(Row::Postgres),
        })
    }

    pub(super) async fn begin(&self) -> Result<Transaction, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(pool) => Transaction::Sqlite(pool.begin().await?),
            Self::Postgres(pool) => Transaction::Postgres(pool.begin().await?),
        })
    }

    /// Has nothing of earlier contents of pages beside the tables; whether that was done. Waits for readers, as long as it waits
    /// for anybody. What a server keeps in its own write-ahead log is the server's.
    pub(super) async fn forget(&self) -> Result<bool, sqlx::Error> {
        match self {
            Self::Sqlite(pool) => {
                let done = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(pool).await?;
                Ok(done.try_get::<i64, _>("busy")? == 0)
            }
            Self::Postgres(_) => Ok(true),
        }
    }

    /// Closes every connection once it is idle, and waits for it.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// What happens together or not at all. Dropped, it never happened.
#[derive(Debug)]
pub(crate) enum Transaction {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Transaction {
    /// Runs a statement and says how many rows it changed.
    pub(crate) async fn run(&mut self, sql: Sql) -> Result<u64, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(open) => sql.for_sqlite().execute(&mut **open).await?.rows_affected(),
            Self::Postgres(open) => sql.for_postgres().execute(&mut **open).await?.rows_affected(),
        })
    }

    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(open) => open.commit().await,
            Self::Postgres(open) => open.commit().await,
        }
    }
}
