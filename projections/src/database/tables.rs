//! The tables of one read model, of one generation.

use super::pool::{Pool, Transaction};
use super::row::Row;
use super::sql::Sql;
use super::{StoreError, WriteError, schema};
use domain::log::{EventHash, Mark, Position, Revision, StreamName};
use sqlx::migrate::Migrator;

/// Connections to the tables of one generation: one that writes, at most two that read.
#[derive(Debug, Clone)]
pub(crate) struct Tables {
    writer: Pool,
    reader: Pool,
    generation: u32,
}

impl Tables {
    pub(super) const fn new(writer: Pool, reader: Pool, generation: u32) -> Self {
        Self { writer, reader, generation }
    }

    pub(super) async fn prepare(&self, model: &Migrator) -> Result<(), StoreError> {
        schema::prepare(&self.writer, model).await
    }

    /// Which one it is; the newest that serves is the highest.
    pub(crate) const fn generation(&self) -> u32 {
        self.generation
    }

    /// Everything that a query finds.
    pub(crate) async fn all(&self, sql: Sql) -> Result<Vec<Row>, StoreError> {
        Ok(self.reader.all(sql).await?)
    }

    /// The one row that a query finds, if any.
    pub(crate) async fn one(&self, sql: Sql) -> Result<Option<Row>, StoreError> {
        Ok(self.reader.one(sql).await?)
    }

    /// The position that the rows hold everything up to; zero before the first event.
    pub(crate) async fn position(&self) -> Result<Position, StoreError> {
        self.about("position").await?.position("position")
    }

    /// The last event that the rows were made of; `None` before the first, or where an earlier build wrote them.
    pub(crate) async fn last(&self) -> Result<Option<Mark>, StoreError> {
        let row = self.about("last_stream, last_revision, last_hash").await?;
        let Some(stream) = row.maybe_text("last_stream")? else { return Ok(None) };
        let stream = StreamName::parse(&stream).ok_or(StoreError::Damaged("a stream's name"))?;
        let hash = EventHash::parse(&row.text("last_hash")?).ok_or(StoreError::Damaged("a hash"))?;
        Ok(Some(Mark { stream, revision: Revision(row.number("last_revision")?), hash }))
    }

    /// Whether queries are answered from it.
    pub(super) async fn serves(&self) -> Result<bool, StoreError> {
        self.about("serves").await?.flag("serves")
    }

    async fn about(&self, columns: &str) -> Result<Row, StoreError> {
        let row = self.writer.one(Sql::new("SELECT ").push(columns).push(" FROM about")).await?;
        row.ok_or(StoreError::Damaged("its position is missing"))
    }

    /// From here on queries are answered from it, also after a restart.
    pub(crate) async fn serve(&self) -> Result<(), StoreError> {
        let mut open = self.writer.begin().await?;
        open.run(Sql::new("UPDATE about SET serves = 1")).await?;
        Ok(open.commit().await?)
    }

    pub(crate) async fn begin(&self) -> Result<Transaction, WriteError> {
        Ok(self.writer.begin().await?)
    }

    /// Ends a transaction that took the rows from one position to another, of which `last` is an event. Where the answer to
    /// it was lost before, and the rows are there already, it is dropped.
    pub(crate) async fn commit(
        &self,
        mut open: Transaction,
        (from, to): (Position, Position),
        last: Option<&Mark>,
    ) -> Result<(), WriteError> {
        let mut moved = Sql::new("UPDATE about SET position = ").bind(to);
        if let Some(Mark { stream, revision, hash }) = last {
            moved = moved.push(", last_stream = ").bind(stream.as_str());
            moved = moved.push(", last_revision = ").bind(Position(revision.0));
            moved = moved.push(", last_hash = ").bind(hash.to_string());
        }
        if open.run(moved.push(" WHERE position = ").bind(from)).await? == 1 {
            return Ok(open.commit().await?);
        }
        drop(open);
        match self.position().await {
            Ok(at) if at == to => Ok(()),
            Ok(_) => Err(WriteError::Shared),
            Err(StoreError::Sql(error)) => Err(error.into()),
            Err(_) => Err(WriteError::Shared),
        }
    }

    /// See [`Pool::forget`].
    pub(crate) async fn forget(&self) -> Result<bool, sqlx::Error> {
        self.writer.forget().await
    }

    /// Closes every connection and waits for it.
    pub(crate) async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}
