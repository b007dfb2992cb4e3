//! What a query finds, of whichever database.

use super::StoreError;
use domain::log::Position;
use domain::time::WallTime;
use sqlx::postgres::{PgRow, Postgres};
use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::{Decode, Type};

/// A row.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    fn get<T>(&self, column: &str) -> Result<T, StoreError>
    where
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => Ok(sqlx::Row::try_get(row, column)?),
            Self::Postgres(row) => Ok(sqlx::Row::try_get(row, column)?),
        }
    }

    pub(crate) fn text(&self, column: &str) -> Result<String, StoreError> {
        self.get(column)
    }

    pub(crate) fn maybe_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        self.get(column)
    }

    pub(crate) fn number<N: TryFrom<i64>>(&self, column: &str) -> Result<N, StoreError> {
        self.maybe_number(column)?.ok_or(StoreError::Damaged("a number is missing"))
    }

    pub(crate) fn maybe_number<N: TryFrom<i64>>(&self, column: &str) -> Result<Option<N>, StoreError> {
        let number: Option<i64> = self.get(column)?;
        number
            .map(|number| N::try_from(number).map_err(|_| StoreError::Damaged("a number is out of range")))
            .transpose()
    }

    pub(crate) fn flag(&self, column: &str) -> Result<bool, StoreError> {
        Ok(self.number::<i64>(column)? != 0)
    }

    pub(crate) fn position(&self, column: &str) -> Result<Position, StoreError> {
        self.number(column).map(Position)
    }

    pub(crate) fn time(&self, column: &str) -> Result<WallTime, StoreError> {
        self.number(column).map(WallTime::from_micros)
    }

    pub(crate) fn maybe_time(&self, column: &str) -> Result<Option<WallTime>, StoreError> {
        Ok(self.maybe_number(column)?.map(WallTime::from_micros))
    }

    /// The bits of an id.
    pub(crate) fn id(&self, column: &str) -> Result<u128, StoreError> {
        self.maybe_id(column)?.ok_or(StoreError::Damaged("an id is missing"))
    }

    /// The bits of an id; where it may be missing in a key, empty bytes stand for none.
    pub(crate) fn maybe_id(&self, column: &str) -> Result<Option<u128>, StoreError> {
        let bytes: Option<Vec<u8>> = self.get(column)?;
        let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) else { return Ok(None) };
        bytes.try_into().map(|bytes| Some(u128::from_be_bytes(bytes))).map_err(|_| StoreError::Damaged("an id"))
    }
}
