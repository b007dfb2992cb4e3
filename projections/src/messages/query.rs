//! What is asked about MESSAGEs.

use super::row::{MessageRow, State};
use crate::cursor::Cursor;
use crate::database::{Row, Serving, Sql, StoreError, id};
use domain::ids::{AccountId, CredentialId, DomainId, MessageId, NumberId, TrunkId};
use domain::time::WallTime;

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
    serving: Serving,
}

impl MessageReader {
    pub(crate) const fn new(serving: Serving) -> Self {
        Self { serving }
    }

    /// Lists MESSAGEs.
    pub async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        let limit = query.limit.clamp(1, ListQuery::MOST);
        let found = self.serving.tables().await?.all(select(query, limit)).await?;
        let mut rows: Vec<MessageRow> = found.iter().map(row).collect::<Result<_, _>>()?;
        // One more than asked for tells whether there is a next page.
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().map(MessageRow::cursor).filter(|_| more);
        Ok(Page { rows, next })
    }

    /// One MESSAGE. Whether it may be seen is for the caller to know.
    pub async fn find(&self, message: MessageId) -> Result<Option<MessageRow>, StoreError> {
        let sql = Sql::new("SELECT * FROM messages WHERE id = ").bind(id(message.bits()));
        let found = self.serving.tables().await?.one(sql).await?;
        found.as_ref().map(row).transpose()
    }
}

fn select(query: &ListQuery, limit: usize) -> Sql {
    let accounts = query.accounts.iter().map(|account| id(account.bits()));
    let mut sql = Sql::new("SELECT * FROM messages WHERE account IN ").list(accounts);
    for (column, wanted) in [("sender", &query.sender), ("recipient", &query.recipient)] {
        if let Some(wanted) = wanted {
            sql = sql.push(" AND ").push(column).push(" = ").bind(wanted.clone());
        }
    }
    sql = match query.state {
        Some(State::UnderWay) => sql.push(" AND status IS NULL"),
        Some(State::Accepted) => sql.push(" AND status BETWEEN 200 AND 299"),
        Some(State::Refused) => sql.push(" AND status NOT BETWEEN 200 AND 299"),
        None => sql,
    };
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
    let wanted = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    sql.push(" ORDER BY started_at DESC, offered DESC LIMIT ").bind(wanted)
}

fn row(row: &Row) -> Result<MessageRow, StoreError> {
    Ok(MessageRow {
        id: MessageId::from_bits(row.id("id")?),
        account: AccountId::from_bits(row.id("account")?),
        sender: row.maybe_text("sender")?,
        recipient: row.maybe_text("recipient")?,
        call_id: row.maybe_text("call_id")?,
        edge: row.text("edge")?,
        trunk: row.maybe_id("trunk")?.map(TrunkId::from_bits),
        user: row.maybe_id("credential")?.map(CredentialId::from_bits),
        domain: row.maybe_id("domain")?.map(DomainId::from_bits),
        number: row.maybe_id("number")?.map(NumberId::from_bits),
        rule: row.maybe_text("rule")?,
        reason: row.maybe_text("reason")?,
        started_at: row.time("started_at")?,
        ended_at: row.maybe_time("ended_at")?,
        status: row.maybe_number("status")?,
        target: row.maybe_number("target")?,
        offered: row.position("offered")?,
        position: row.position("position")?,
    })
}
