//! Generations as schemas of a PostgreSQL database: `<prefix>_<model>_<generation>`.

use super::pool::Pool;
use super::{StoreError, Tables};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How long a query may wait for a connection: whoever asks waits with it.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where the database is: `postgres://user@host:5432/database?sslmode=verify-full`. Its texts never show a password.
#[derive(Clone)]
pub struct PostgresUrl {
    options: PgConnectOptions,
    /// Without user and password.
    shown: String,
}

/// Why a text is no address of a PostgreSQL database. It is not repeated: a password may stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no address of a PostgreSQL database: write postgres://user@host:5432/database, the user percent-encoded"
)]
pub struct NoPostgresUrl;

impl FromStr for PostgresUrl {
    type Err = NoPostgresUrl;

    fn from_str(text: &str) -> Result<Self, NoPostgresUrl> {
        let rest =
            text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")).ok_or(NoPostgresUrl)?;
        let options: PgConnectOptions = text.parse().map_err(|_| NoPostgresUrl)?;
        let (path, _) = rest.split_once('?').unwrap_or((rest, ""));
        let at = path.rsplit_once('@').map_or(path, |(_, at)| at);
        let shown = format!("postgres://{}:***@{at}", options.get_username());
        Ok(Self { options: options.application_name("strowger").disable_statement_logging(), shown })
    }
}

impl PostgresUrl {
    /// With a password that stands elsewhere.
    #[must_use]
    pub fn with_password(self, password: &str) -> Self {
        Self { options: self.options.password(password), ..self }
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// Masked.
impl Serialize for PostgresUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PostgresUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What names of schemas begin with: 1 to 32 small letters, digits and `_`, a letter first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SchemaPrefix(String);

/// A text that is no [`SchemaPrefix`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to 32 small letters, digits and _, a letter first")]
pub struct NoSchemaPrefix;

impl Default for SchemaPrefix {
    fn default() -> Self {
        Self("strowger".to_owned())
    }
}

impl TryFrom<String> for SchemaPrefix {
    type Error = NoSchemaPrefix;

    fn try_from(text: String) -> Result<Self, NoSchemaPrefix> {
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        let begins = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        if plain && begins && text.len() <= 32 { Ok(Self(text)) } else { Err(NoSchemaPrefix) }
    }
}

impl From<SchemaPrefix> for String {
    fn from(prefix: SchemaPrefix) -> Self {
        prefix.0
    }
}

#[derive(Debug, Clone)]
pub(super) struct Server {
    options: PgConnectOptions,
    prefix: String,
}

impl Server {
    pub(super) fn new(url: &PostgresUrl, prefix: &SchemaPrefix) -> Self {
        Self { options: url.options.clone(), prefix: prefix.0.clone() }
    }

    /// Names of models are our own, of small letters alone.
    fn schemas(&self, model: &str) -> String {
        format!("{}_{model}_", self.prefix)
    }

    /// Generations of this model, in no order.
    pub(super) async fn generations(&self, model: &str) -> Result<Vec<u32>, StoreError> {
        let mut connection = self.connect().await?;
        let found = sqlx::query("SELECT nspname::text FROM pg_namespace WHERE starts_with(nspname::text, $1)")
            .bind(self.schemas(model))
            .fetch_all(&mut connection)
            .await?;
        let names: Vec<String> = found.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        let of = |name: &str| name.strip_prefix(&self.schemas(model))?.parse().ok();
        Ok(names.iter().filter_map(|name| of(name)).collect())
    }

    pub(super) async fn remove(&self, model: &str, generation: u32) -> Result<(), StoreError> {
        let mut connection = self.connect().await?;
        let sql = format!("DROP SCHEMA IF EXISTS {} CASCADE", self.schema(model, generation));
        sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }

    pub(super) async fn open(&self, model: &str, generation: u32) -> Result<Tables, StoreError> {
        let schema = self.schema(model, generation);
        let mut connection = self.connect().await?;
        sqlx::query(AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS {schema}"))).execute(&mut connection).await?;
        connection.close().await?;
        let options = self.options.clone().options([("search_path", schema.as_str())]);
        let pool = |most| PgPoolOptions::new().max_connections(most).min_connections(0).acquire_timeout(PATIENCE);
        let writer = pool(1).connect_with(options.clone()).await?;
        let reader = pool(2).connect_lazy_with(options);
        Ok(Tables::new(Pool::Postgres(writer), Pool::Postgres(reader), generation))
    }

    fn schema(&self, model: &str, generation: u32) -> String {
        format!("{}{generation}", self.schemas(model))
    }

    async fn connect(&self) -> Result<PgConnection, StoreError> {
        let connected = tokio::time::timeout(PATIENCE, self.options.connect()).await;
        Ok(connected.map_err(|_| sqlx::Error::PoolTimedOut)??)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_plain_name() {
        for good in ["a", "exchange_2"] {
            assert!(SchemaPrefix::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "2a", "_a", "A", "a;b", "a\"b", &"a".repeat(33)] {
            assert_eq!(SchemaPrefix::try_from(bad.to_owned()), Err(NoSchemaPrefix), "{bad}");
        }
    }

    #[test]
    fn no_text_of_an_address_shows_its_password() {
        let url: PostgresUrl = "postgres://al%40x:s3cret@db.example:5433/calls?sslmode=require".parse().unwrap();
        assert_eq!(url.to_string(), "postgres://al@x:***@db.example:5433/calls");
        assert_eq!(format!("{url:?}"), url.to_string());
        let url = url.with_password("hidden");
        assert!(!format!("{url:?}").contains("hidden"));
        for text in ["", "mysql://u@h/d", "postgres//u@h", "sqlite::memory:"] {
            assert_eq!(text.parse::<PostgresUrl>().err(), Some(NoPostgresUrl), "{text}");
        }
    }
}
