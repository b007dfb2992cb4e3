//! Statements, written once for both databases: text with places and the values for them. Types of columns are whole numbers,
//! texts and bytes, for these mean the same everywhere.
//!
//! A place is `?` for SQLite, which looks for each numbered one among all before it: for a statement of a thousand values that took
//! as long as everything else together. PostgreSQL knows `$1`, `$2` … only.

use domain::log::Position;
use domain::time::WallTime;
use sqlx::postgres::{PgArguments, Postgres};
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments};
use sqlx::{AssertSqlSafe, Database};

/// A value of a column. One that is missing still says what it would be: PostgreSQL asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Number(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

/// An id as a column holds it.
pub(crate) fn id(bits: u128) -> Value {
    Value::Bytes(Some(bits.to_be_bytes().to_vec()))
}

/// An id that may be missing.
pub(crate) fn maybe_id(bits: Option<u128>) -> Value {
    Value::Bytes(bits.map(|bits| bits.to_be_bytes().to_vec()))
}

/// A number that may be missing.
pub(crate) fn maybe_number(number: Option<impl Into<i64>>) -> Value {
    Value::Number(number.map(Into::into))
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

/// Positions count events, so they stay far below 2^63.
impl From<Position> for Value {
    fn from(position: Position) -> Self {
        i64::try_from(position.0).unwrap_or(i64::MAX).into()
    }
}

/// Microseconds since 1970.
impl From<WallTime> for Value {
    fn from(time: WallTime) -> Self {
        time.micros().into()
    }
}

impl From<Option<WallTime>> for Value {
    fn from(time: Option<WallTime>) -> Self {
        Self::Number(time.map(WallTime::micros))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(Some(bytes))
    }
}

/// A statement that is being written. What comes from outside is bound, never pushed.
#[derive(Debug, Clone)]
pub(crate) struct Sql {
    text: String,
    /// Where in the text each value's `?` stands.
    places: Vec<usize>,
    values: Vec<Value>,
}

impl Sql {
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), places: Vec::new(), values: Vec::new() }
    }

    pub(crate) fn push(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.place(value.into());
        self
    }

    /// `(?, ? …)`; a list of nothing finds nothing.
    pub(crate) fn list(mut self, values: impl IntoIterator<Item = Value>) -> Self {
        self.row(values);
        self
    }

    /// ` VALUES (?, ? …), (?, …) …`.
    pub(crate) fn rows<T, const N: usize>(mut self, items: &[T], row: impl Fn(&T) -> [Value; N]) -> Self {
        for (index, item) in items.iter().enumerate() {
            self.text.push_str(if index == 0 { " VALUES " } else { ", " });
            self.row(row(item));
        }
        self
    }

    fn row(&mut self, values: impl IntoIterator<Item = Value>) {
        self.text.push('(');
        let mut separator = "";
        for value in values {
            self.text.push_str(separator);
            self.place(value);
            separator = ", ";
        }
        self.text.push_str(if separator.is_empty() { "NULL)" } else { ")" });
    }

    fn place(&mut self, value: Value) {
        self.values.push(value);
        self.places.push(self.text.len());
        self.text.push('?');
    }

    /// The text with its places numbered.
    fn numbered(&self) -> String {
        let mut numbered = String::with_capacity(self.text.len() + 4 * self.places.len());
        let mut from = 0;
        for (number, place) in (1..).zip(&self.places) {
            numbered.push_str(&self.text[from..*place]);
            numbered.push('$');
            numbered.push_str(&number.to_string());
            from = place + 1;
        }
        numbered + &self.text[from..]
    }

    pub(super) fn for_sqlite(self) -> Query<'static, Sqlite, SqliteArguments> {
        // Only what was pushed is in the text, and that is written here in the source.
        let query = sqlx::query::<Sqlite>(AssertSqlSafe(self.text));
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Number(number) => query.bind(number),
            Value::Text(text) => query.bind(text),
            Value::Bytes(bytes) => query.bind(bytes),
        })
    }

    pub(super) fn for_postgres(self) -> Query<'static, Postgres, <Postgres as Database>::Arguments> {
        let query: Query<'_, Postgres, PgArguments> = sqlx::query::<Postgres>(AssertSqlSafe(self.numbered()));
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Number(number) => query.bind(number),
            // PostgreSQL's texts hold no zero bytes; nobody is called so.
            Value::Text(text) => query.bind(text.map(|text| text.replace('\0', "\u{fffd}"))),
            Value::Bytes(bytes) => query.bind(bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbered_in_their_order_and_never_part_of_the_text() {
        let sql = Sql::new("SELECT * FROM t WHERE a IN ").list([id(1), id(2)]).push(" AND b = ").bind("x' OR 1=1");
        assert_eq!(sql.text, "SELECT * FROM t WHERE a IN (?, ?) AND b = ?");
        assert_eq!(sql.numbered(), "SELECT * FROM t WHERE a IN ($1, $2) AND b = $3");
        assert_eq!(sql.values.len(), 3);
    }

    #[test]
    fn rows_are_values_and_a_list_of_nothing_finds_nothing() {
        let sql = Sql::new("INSERT INTO t (a, b)").rows(&[1_i64, 2], |n| [(*n).into(), Value::Text(None)]);
        assert_eq!(sql.text, "INSERT INTO t (a, b) VALUES (?, ?), (?, ?)");
        assert_eq!(Sql::new("x IN ").list([]).text, "x IN (NULL)");
    }

    #[test]
    fn a_question_mark_of_the_text_is_no_place() {
        let sql = Sql::new("SELECT '?' WHERE a = ").bind(1).push(" AND b <> '?'");
        assert_eq!(sql.numbered(), "SELECT '?' WHERE a = $1 AND b <> '?'");
    }
}
