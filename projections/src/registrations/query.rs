//! What is asked about registrations.

use super::row::{BindingRow, Happening, HistoryRow};
use crate::database::{Row, Serving, Sql, StoreError, id};
use domain::ids::{AccountId, BindingId, DomainId, RegistrationId, TrunkId};
use domain::log::Position;
use domain::registration::Q;
use domain::time::WallTime;

/// Which bindings, the one added last first.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Only these accounts', at most [`ListQuery::MOST_ACCOUNTS`]; none of them means no binding.
    pub accounts: Vec<AccountId>,
    /// Of users of this domain.
    pub domain: Option<DomainId>,
    /// Of this address of record, `user@domain` with the domain in lower case.
    pub aor: Option<String>,
    /// Those that hold, or those that ended.
    pub online: Option<bool>,
    /// Those that held at this time.
    pub held_at: Option<WallTime>,
    /// Go on after the row that was added at this position.
    pub after: Option<Position>,
    /// Rows a page, 1 to [`ListQuery::MOST`].
    pub limit: usize,
}

impl ListQuery {
    /// Rows a page at most.
    pub const MOST: usize = 200;
    /// Accounts a query at most.
    pub const MOST_ACCOUNTS: usize = 1_000;
}

/// What happened to the bindings of an address of record, the newest first.
#[derive(Debug, Clone)]
pub struct HistoryQuery {
    /// The address, by its id.
    pub registration: RegistrationId,
    /// Go on before this position.
    pub after: Option<Position>,
    /// Rows a page, 1 to [`ListQuery::MOST`].
    pub limit: usize,
}

/// A page of bindings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The bindings.
    pub rows: Vec<BindingRow>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Position>,
}

/// A page of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPage {
    /// What happened.
    pub rows: Vec<HistoryRow>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Position>,
}

/// Asks about registrations.
#[derive(Debug, Clone)]
pub struct RegistrationReader {
    serving: Serving,
}

impl RegistrationReader {
    pub(crate) const fn new(serving: Serving) -> Self {
        Self { serving }
    }

    /// Lists bindings.
    pub async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        let limit = query.limit.clamp(1, ListQuery::MOST);
        let found = self.serving.tables().await?.all(select(query, limit)).await?;
        let mut rows: Vec<BindingRow> = found.iter().map(binding).collect::<Result<_, _>>()?;
        // One more than asked for tells whether there is a next page.
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().map(|row| row.added).filter(|_| more);
        Ok(Page { rows, next })
    }

    /// One binding. Whether it may be seen is for the caller to know.
    pub async fn find(&self, wanted: BindingId) -> Result<Option<BindingRow>, StoreError> {
        let sql = Sql::new("SELECT * FROM registrations WHERE binding = ").bind(id(wanted.bits()));
        let found = self.serving.tables().await?.one(sql).await?;
        found.as_ref().map(binding).transpose()
    }

    /// Whose an address of record is; `None` where nothing ever was registered there.
    pub async fn owner(&self, wanted: RegistrationId) -> Result<Option<AccountId>, StoreError> {
        let sql = Sql::new("SELECT account FROM registrations WHERE registration = ").bind(id(wanted.bits()));
        let found = self.serving.tables().await?.one(sql.push(" ORDER BY added DESC LIMIT 1")).await?;
        found.map(|row| row.id("account").map(AccountId::from_bits)).transpose()
    }

    /// What happened to the bindings of an address of record. Whether it may be seen is for the caller to know.
    pub async fn history(&self, query: &HistoryQuery) -> Result<HistoryPage, StoreError> {
        let limit = query.limit.clamp(1, ListQuery::MOST);
        let mut sql =
            Sql::new("SELECT * FROM registration_history WHERE registration = ").bind(id(query.registration.bits()));
        if let Some(after) = query.after {
            sql = sql.push(" AND position < ").bind(after);
        }
        let sql = sql.push(" ORDER BY position DESC LIMIT ").bind(wanted(limit));
        let found = self.serving.tables().await?.all(sql).await?;
        let mut rows: Vec<HistoryRow> = found.iter().map(happening).collect::<Result<_, _>>()?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().map(|row| row.position).filter(|_| more);
        Ok(HistoryPage { rows, next })
    }
}

fn wanted(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}

fn select(query: &ListQuery, limit: usize) -> Sql {
    let accounts = query.accounts.iter().map(|account| id(account.bits()));
    let mut sql = Sql::new("SELECT * FROM registrations WHERE account IN ").list(accounts);
    if let Some(domain) = query.domain {
        sql = sql.push(" AND domain = ").bind(id(domain.bits()));
    }
    if let Some(aor) = &query.aor {
        sql = sql.push(" AND aor = ").bind(aor.clone());
    }
    sql = match query.online {
        Some(true) => sql.push(" AND ended_at IS NULL"),
        Some(false) => sql.push(" AND ended_at IS NOT NULL"),
        None => sql,
    };
    if let Some(at) = query.held_at {
        sql = sql.push(" AND since <= ").bind(at).push(" AND (ended_at IS NULL OR ended_at > ").bind(at).push(")");
    }
    if let Some(after) = query.after {
        sql = sql.push(" AND added < ").bind(after);
    }
    sql.push(" ORDER BY added DESC LIMIT ").bind(wanted(limit))
}

fn binding(row: &Row) -> Result<BindingRow, StoreError> {
    let q = row.maybe_number::<u16>("q")?.map(|q| Q::try_from(q).map_err(|_| StoreError::Damaged("a priority")));
    Ok(BindingRow {
        binding: BindingId::from_bits(row.id("binding")?),
        registration: RegistrationId::from_bits(row.id("registration")?),
        account: AccountId::from_bits(row.id("account")?),
        domain: row.maybe_id("domain")?.map(DomainId::from_bits),
        trunk: row.maybe_id("trunk")?.map(TrunkId::from_bits),
        aor: row.maybe_text("aor")?,
        contact: row.maybe_text("contact")?,
        user_agent: row.maybe_text("user_agent")?,
        instance: row.maybe_text("instance")?,
        reg_id: row.maybe_number("reg_id")?,
        q: q.transpose()?,
        transport: row.maybe_text("transport")?,
        address: row.maybe_text("address")?,
        api: row.flag("api")?,
        reach: row.text("reach")?,
        since: row.time("since")?,
        refreshed_at: row.time("refreshed_at")?,
        refreshes: row.number("refreshes")?,
        expires_at: row.maybe_time("expires_at")?,
        ended_at: row.maybe_time("ended_at")?,
        cause: row.maybe_text("cause")?,
        added: row.position("added")?,
        position: row.position("position")?,
    })
}

fn happening(row: &Row) -> Result<HistoryRow, StoreError> {
    Ok(HistoryRow {
        position: row.position("position")?,
        binding: BindingId::from_bits(row.id("binding")?),
        at: row.time("at")?,
        what: Happening::of(&row.text("what")?).ok_or(StoreError::Damaged("a word for what happened"))?,
        cause: row.maybe_text("cause")?,
        contact: row.maybe_text("contact")?,
        user_agent: row.maybe_text("user_agent")?,
        transport: row.maybe_text("transport")?,
        address: row.maybe_text("address")?,
    })
}
