//! What is asked about sessions: answered from memory for those that live, from rows for those that ended.

use super::memory::Memory;
use super::row::{SessionRow, State};
use crate::cursor::Cursor;
use crate::database::{Row, Serving, Sql, StoreError, Tables, id};
use domain::ids::{AccountId, CredentialId, NumberId, SessionId, TrunkId};
use domain::time::WallTime;
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
    serving: Serving,
    memory: Arc<Memory>,
}

impl SessionReader {
    pub(crate) const fn new(serving: Serving, memory: Arc<Memory>) -> Self {
        Self { serving, memory }
    }

    /// Lists sessions.
    pub async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        let limit = query.limit.clamp(1, ListQuery::MOST);
        let tables = self.serving.tables().await?;
        // Memory first: what is taken out of it meanwhile is in the rows already, so nothing falls in between.
        let mut rows: Vec<_> = self.memory.read().values().filter(|row| query.admits(row)).cloned().collect();
        if query.state.is_none_or(|state| state == State::Ended) {
            // One more than asked for tells whether there is a next page.
            rows.extend(written(&tables, query, limit as i64 + 1).await?);
        }
        rows.sort_unstable_by_key(|row| std::cmp::Reverse((row.cursor(), row.position)));
        rows.dedup_by_key(|row| row.offered);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(SessionRow::cursor) } else { None };
        Ok(Page { rows, next })
    }

    /// One session. Whether it may be seen is for the caller to know.
    pub async fn find(&self, session: SessionId) -> Result<Option<SessionRow>, StoreError> {
        let tables = self.serving.tables().await?;
        let live = self.memory.read().get(&session).cloned();
        if live.is_some() {
            return Ok(live);
        }
        let found = tables.one(Sql::new("SELECT * FROM sessions WHERE id = ").bind(id(session.bits()))).await?;
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

async fn written(tables: &Tables, query: &ListQuery, wanted: i64) -> Result<Vec<SessionRow>, StoreError> {
    let sql = match &query.number {
        None => select(Sql::new(""), query, None, wanted),
        Some(number) => {
            // Two index walks that stop early, where OR would sort everything the number ever did.
            let callers = select(Sql::new("SELECT * FROM ("), query, Some(("caller", number)), wanted);
            let called = callers.push(") AS callers UNION SELECT * FROM (");
            let both = select(called, query, Some(("called", number)), wanted).push(") AS called");
            both.push(" ORDER BY started_at DESC, offered DESC LIMIT ").bind(wanted)
        }
    };
    tables.all(sql).await?.iter().map(row).collect()
}

fn select(sql: Sql, query: &ListQuery, party: Option<(&str, &String)>, wanted: i64) -> Sql {
    let accounts = query.accounts.iter().map(|account| id(account.bits()));
    let mut sql = sql.push("SELECT * FROM sessions WHERE account IN ").list(accounts);
    if let Some((column, number)) = party {
        sql = sql.push(" AND ").push(column).push(" = ").bind(number.clone());
    }
    if let Some(call_id) = &query.call_id {
        sql = sql.push(" AND call_id = ").bind(call_id.clone());
    }
    if let Some(from) = query.from {
        sql = sql.push(" AND started_at >= ").bind(from);
    }
    if let Some(to) = query.to {
        sql = sql.push(" AND started_at < ").bind(to);
    }
    if let Some(after) = query.after {
        sql =
            sql.push(" AND (started_at, offered) < (").bind(after.started_at).push(", ").bind(after.offered).push(")");
    }
    sql.push(" ORDER BY started_at DESC, offered DESC LIMIT ").bind(wanted)
}

fn row(row: &Row) -> Result<SessionRow, StoreError> {
    Ok(SessionRow {
        id: SessionId::from_bits(row.id("id")?),
        account: AccountId::from_bits(row.id("account")?),
        caller: row.maybe_text("caller")?,
        called: row.maybe_text("called")?,
        call_id: row.maybe_text("call_id")?,
        trunk: row.maybe_id("trunk")?.map(TrunkId::from_bits),
        user: row.maybe_id("credential")?.map(CredentialId::from_bits),
        number: row.maybe_id("number")?.map(NumberId::from_bits),
        rule: row.maybe_text("rule")?,
        state: State::Ended,
        started_at: row.time("started_at")?,
        ringing_at: row.maybe_time("ringing_at")?,
        answered_at: row.maybe_time("answered_at")?,
        ended_at: row.maybe_time("ended_at")?,
        end_cause: row.maybe_text("end_cause")?,
        final_status: row.maybe_number("final_status")?,
        mode: row.maybe_text("mode")?,
        offered: row.position("offered")?,
        position: row.position("position")?,
    })
}
