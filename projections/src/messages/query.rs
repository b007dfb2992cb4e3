//! What is asked about MESSAGEs.

use super::row::{MessageRow, State};
use crate::cursor::Cursor;
use crate::store::{Store, StoreError, sql_position};
use domain::ids::{AccountId, CredentialId, DomainId, MessageId, NumberId, TrunkId};
use domain::log::Position;
use domain::time::WallTime;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

/// Which MESSAGEs, newest first.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Only these accounts', at most [`ListQuery::MOST_ACCOUNTS`]; none of them means no MESSAGE.
    pub accounts: Vec<AccountId>,
    /// Offered at this time or later.
    pub from: Option<WallTime>,
    /// Offered before this time.
    pub to: Option<WallTime>,
    /// Sent by exactly this number or user name.
    pub sender: Option<String>,
    /// For exactly this number or user name.
    pub recipient: Option<String>,
    /// Of which this has become.
    pub state: Option<State>,
    /// Go on after this row.
    pub after: Option<Cursor>,
    /// Rows a page, 1 to [`ListQuery::MOST`].
    pub limit: usize,
}

impl ListQuery {
    /// Rows a page at most.
    pub const MOST: usize = 200;
    /// Accounts a query at most.
    pub const MOST_ACCOUNTS: usize = 1_000;
}

/// A page of MESSAGEs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The MESSAGEs, newest first.
    pub rows: Vec<MessageRow>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Cursor>,
}

/// Asks about MESSAGEs.
#[derive(Debug, Clone)]
pub struct MessageReader {
    store: Store,
}

impl MessageReader {
    pub(crate) const fn new(store: Store) -> Self {
        Self { store }
    }

    /// Lists MESSAGEs.
    pub async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        let limit = query.limit.clamp(1, ListQuery::MOST);
        let found = select(query, limit).build().fetch_all(&self.store.reader).await?;
        let mut rows: Vec<MessageRow> = found.iter().map(row).collect::<Result<_, _>>()?;
        // One more than asked for tells whether there is a next page.
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().map(MessageRow::cursor).filter(|_| more);
        Ok(Page { rows, next })
    }

    /// One MESSAGE. Whether it may be seen is for the caller to know.
    pub async fn find(&self, id: MessageId) -> Result<Option<MessageRow>, StoreError> {
        let sql = sqlx::query("SELECT * FROM messages WHERE id = ?").bind(id.bits().to_be_bytes().to_vec());
        let found = sql.fetch_optional(&self.store.reader).await?;
        found.as_ref().map(row).transpose()
    }
}

fn select(query: &ListQuery, limit: usize) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new("SELECT * FROM messages WHERE account IN (");
    let mut accounts = sql.separated(", ");
    for account in &query.accounts {
        accounts.push_bind(account.bits().to_be_bytes().to_vec());
    }
    sql.push(")");
    for (column, wanted) in [("sender", &query.sender), ("recipient", &query.recipient)] {
        if let Some(wanted) = wanted {
            sql.push(" AND ").push(column).push(" = ").push_bind(wanted.clone());
        }
    }
    match query.state {
        Some(State::UnderWay) => drop(sql.push(" AND status IS NULL")),
        Some(State::Accepted) => drop(sql.push(" AND status BETWEEN 200 AND 299")),
        Some(State::Refused) => drop(sql.push(" AND status NOT BETWEEN 200 AND 299")),
        None => {}
    }
    if let Some(from) = query.from {
        sql.push(" AND started_at >= ").push_bind(from.micros());
    }
    if let Some(to) = query.to {
        sql.push(" AND started_at < ").push_bind(to.micros());
    }
    if let Some(after) = query.after {
        sql.push(" AND (started_at, offered) < (").push_bind(after.started_at.micros());
        sql.push(", ").push_bind(sql_position(after.offered)).push(")");
    }
    let wanted = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    sql.push(" ORDER BY started_at DESC, offered DESC LIMIT ").push_bind(wanted);
    sql
}

fn row(row: &SqliteRow) -> Result<MessageRow, StoreError> {
    let position = |column| {
        let stored: i64 = row.try_get(column)?;
        u64::try_from(stored).map(Position).map_err(|_| StoreError::Damaged("a position"))
    };
    Ok(MessageRow {
        id: MessageId::from_bits(bits(row, "id")?.ok_or(StoreError::Damaged("an id"))?),
        account: AccountId::from_bits(bits(row, "account")?.ok_or(StoreError::Damaged("an id"))?),
        sender: row.try_get("sender")?,
        recipient: row.try_get("recipient")?,
        call_id: row.try_get("call_id")?,
        edge: row.try_get("edge")?,
        trunk: bits(row, "trunk")?.map(TrunkId::from_bits),
        user: bits(row, "user")?.map(CredentialId::from_bits),
        domain: bits(row, "domain")?.map(DomainId::from_bits),
        number: bits(row, "number")?.map(NumberId::from_bits),
        rule: row.try_get("rule")?,
        reason: row.try_get("reason")?,
        started_at: WallTime::from_micros(row.try_get("started_at")?),
        ended_at: row.try_get::<Option<i64>, _>("ended_at")?.map(WallTime::from_micros),
        status: row.try_get::<Option<u16>, _>("status")?,
        target: row.try_get::<Option<u8>, _>("target")?,
        offered: position("offered")?,
        position: position("position")?,
    })
}

fn bits(row: &SqliteRow, column: &str) -> Result<Option<u128>, StoreError> {
    let Some(stored) = row.try_get::<Option<Vec<u8>>, _>(column)? else { return Ok(None) };
    let bytes: [u8; 16] = stored.try_into().map_err(|_| StoreError::Damaged("an id"))?;
    Ok(Some(u128::from_be_bytes(bytes)))
}
