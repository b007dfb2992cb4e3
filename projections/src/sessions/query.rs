//! What is asked about sessions: answered from memory for those that live, from rows for those that ended.

use super::memory::Memory;
use super::row::{SessionRow, State};
use crate::cursor::Cursor;
use crate::store::{Store, StoreError};
use domain::ids::{AccountId, CredentialId, NumberId, SessionId, TrunkId};
use domain::log::Position;
use domain::time::WallTime;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};
use std::sync::Arc;

/// Which sessions, newest first.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Only these accounts' sessions, at most [`ListQuery::MOST_ACCOUNTS`]; none of them means no session.
    pub accounts: Vec<AccountId>,
    /// Offered at this time or later.
    pub from: Option<WallTime>,
    /// Offered before this time.
    pub to: Option<WallTime>,
    /// The caller or the called party is exactly this.
    pub number: Option<String>,
    /// The SIP Call-ID of the caller's leg.
    pub call_id: Option<String>,
    /// In this state now.
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

/// A page of sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The sessions, newest first.
    pub rows: Vec<SessionRow>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Cursor>,
}

/// Asks about sessions.
#[derive(Debug, Clone)]
pub struct SessionReader {
    store: Store,
    memory: Arc<Memory>,
}

impl SessionReader {
    pub(crate) const fn new(store: Store, memory: Arc<Memory>) -> Self {
        Self { store, memory }
    }

    /// Lists sessions.
    pub async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        let limit = query.limit.clamp(1, ListQuery::MOST);
        // Memory first: what is taken out of it meanwhile is in the rows already, so nothing falls in between.
        let mut rows: Vec<_> = self.memory.read().values().filter(|row| query.admits(row)).cloned().collect();
        if query.state.is_none_or(|state| state == State::Ended) {
            // One more than asked for tells whether there is a next page.
            rows.extend(written(&self.store, query, limit as i64 + 1).await?);
        }
        rows.sort_unstable_by_key(|row| std::cmp::Reverse((row.cursor(), row.position)));
        rows.dedup_by_key(|row| row.offered);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(SessionRow::cursor) } else { None };
        Ok(Page { rows, next })
    }

    /// One session. Whether it may be seen is for the caller to know.
    pub async fn find(&self, id: SessionId) -> Result<Option<SessionRow>, StoreError> {
        let live = self.memory.read().get(&id).cloned();
        if live.is_some() {
            return Ok(live);
        }
        let mut sql = QueryBuilder::new("SELECT * FROM sessions WHERE id = ");
        sql.push_bind(id.bits().to_be_bytes().to_vec());
        let found = sql.build().fetch_optional(&self.store.reader).await?;
        found.as_ref().map(row).transpose()
    }
}

impl ListQuery {
    /// The same question as [`select`], to a row in memory.
    fn admits(&self, row: &SessionRow) -> bool {
        let is = |field: &Option<String>, wanted: &String| field.as_ref() == Some(wanted);
        self.accounts.contains(&row.account)
            && self.state.is_none_or(|state| row.state == state)
            && self.from.is_none_or(|from| row.started_at >= from)
            && self.to.is_none_or(|to| row.started_at < to)
            && self.number.as_ref().is_none_or(|number| is(&row.caller, number) || is(&row.called, number))
            && self.call_id.as_ref().is_none_or(|call_id| is(&row.call_id, call_id))
            && self.after.is_none_or(|after| row.cursor() < after)
    }
}

async fn written(store: &Store, query: &ListQuery, wanted: i64) -> Result<Vec<SessionRow>, StoreError> {
    let mut sql = QueryBuilder::new("");
    match &query.number {
        None => select(&mut sql, query, None, wanted),
        Some(number) => {
            // Two index walks that stop early, where OR would sort everything the number ever did.
            sql.push("SELECT * FROM (");
            select(&mut sql, query, Some(("caller", number)), wanted);
            sql.push(") UNION SELECT * FROM (");
            select(&mut sql, query, Some(("called", number)), wanted);
            sql.push(") ORDER BY started_at DESC, offered DESC LIMIT ");
            sql.push_bind(wanted);
        }
    }
    let found = sql.build().fetch_all(&store.reader).await?;
    found.iter().map(row).collect()
}

fn select(sql: &mut QueryBuilder<Sqlite>, query: &ListQuery, party: Option<(&str, &String)>, wanted: i64) {
    sql.push("SELECT * FROM sessions WHERE account IN (");
    let mut accounts = sql.separated(", ");
    for account in &query.accounts {
        accounts.push_bind(account.bits().to_be_bytes().to_vec());
    }
    sql.push(")");
    if let Some((column, number)) = party {
        sql.push(" AND ").push(column).push(" = ").push_bind(number.clone());
    }
    if let Some(call_id) = &query.call_id {
        sql.push(" AND call_id = ").push_bind(call_id.clone());
    }
    if let Some(from) = query.from {
        sql.push(" AND started_at >= ").push_bind(from.micros());
    }
    if let Some(to) = query.to {
        sql.push(" AND started_at < ").push_bind(to.micros());
    }
    if let Some(after) = query.after {
        sql.push(" AND (started_at, offered) < (").push_bind(after.started_at.micros());
        sql.push(", ").push_bind(crate::store::sql_position(after.offered)).push(")");
    }
    sql.push(" ORDER BY started_at DESC, offered DESC LIMIT ").push_bind(wanted);
}

fn row(row: &SqliteRow) -> Result<SessionRow, StoreError> {
    let time = |column| Ok::<_, StoreError>(row.try_get::<Option<i64>, _>(column)?.map(WallTime::from_micros));
    let position = |column| {
        let stored: i64 = row.try_get(column)?;
        u64::try_from(stored).map(Position).map_err(|_| StoreError::Damaged("a position"))
    };
    Ok(SessionRow {
        id: SessionId::from_bits(bits(row, "id")?),
        account: AccountId::from_bits(bits(row, "account")?),
        caller: row.try_get("caller")?,
        called: row.try_get("called")?,
        call_id: row.try_get("call_id")?,
        // An empty one stands for none: the column was there before users called.
        trunk: match row.try_get::<Vec<u8>, _>("trunk")?.is_empty() {
            true => None,
            false => Some(TrunkId::from_bits(bits(row, "trunk")?)),
        },
        user: match row.try_get::<Option<Vec<u8>>, _>("user")? {
            Some(_) => Some(CredentialId::from_bits(bits(row, "user")?)),
            None => None,
        },
        number: match row.try_get::<Option<Vec<u8>>, _>("number")? {
            Some(_) => Some(NumberId::from_bits(bits(row, "number")?)),
            None => None,
        },
        rule: row.try_get("rule")?,
        state: State::Ended,
        started_at: WallTime::from_micros(row.try_get("started_at")?),
        ringing_at: time("ringing_at")?,
        answered_at: time("answered_at")?,
        ended_at: time("ended_at")?,
        end_cause: row.try_get("end_cause")?,
        final_status: row.try_get::<Option<u16>, _>("final_status")?,
        mode: row.try_get("mode")?,
        offered: position("offered")?,
        position: position("position")?,
    })
}

fn bits(row: &SqliteRow, column: &str) -> Result<u128, StoreError> {
    let stored: &[u8] = row.try_get(column)?;
    let bytes: [u8; 16] = stored.try_into().map_err(|_| StoreError::Damaged("an id"))?;
    Ok(u128::from_be_bytes(bytes))
}
