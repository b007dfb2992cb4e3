//! What is asked about registrations.

use super::row::{BindingRow, Happening, HistoryRow};
use crate::store::{Store, StoreError, sql_position};
use domain::ids::{AccountId, BindingId, DomainId, RegistrationId, TrunkId};
use domain::log::Position;
use domain::registration::Q;
use domain::time::WallTime;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

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
    store: Store,
}

impl RegistrationReader {
    pub(crate) const fn new(store: Store) -> Self {
        Self { store }
    }

    /// Lists bindings.
    pub async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        let limit = query.limit.clamp(1, ListQuery::MOST);
        let found = select(query, limit).build().fetch_all(&self.store.reader).await?;
        let mut rows: Vec<BindingRow> = found.iter().map(binding).collect::<Result<_, _>>()?;
        // One more than asked for tells whether there is a next page.
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().map(|row| row.added).filter(|_| more);
        Ok(Page { rows, next })
    }

    /// One binding. Whether it may be seen is for the caller to know.
    pub async fn find(&self, id: BindingId) -> Result<Option<BindingRow>, StoreError> {
        let sql = sqlx::query("SELECT * FROM registrations WHERE binding = ?").bind(id.bits().to_be_bytes().to_vec());
        let found = sql.fetch_optional(&self.store.reader).await?;
        found.as_ref().map(binding).transpose()
    }

    /// Whose an address of record is; `None` where nothing ever was registered there.
    pub async fn owner(&self, id: RegistrationId) -> Result<Option<AccountId>, StoreError> {
        let sql = "SELECT account FROM registrations WHERE registration = ? ORDER BY added DESC LIMIT 1";
        let found = sqlx::query(sql).bind(id.bits().to_be_bytes().to_vec()).fetch_optional(&self.store.reader).await?;
        found.map(|row| bits(&row, "account").map(AccountId::from_bits)).transpose()
    }

    /// What happened to the bindings of an address of record. Whether it may be seen is for the caller to know.
    pub async fn history(&self, query: &HistoryQuery) -> Result<HistoryPage, StoreError> {
        let limit = query.limit.clamp(1, ListQuery::MOST);
        let mut sql = QueryBuilder::new("SELECT * FROM registration_history WHERE registration = ");
        sql.push_bind(query.registration.bits().to_be_bytes().to_vec());
        if let Some(after) = query.after {
            sql.push(" AND position < ").push_bind(sql_position(after));
        }
        sql.push(" ORDER BY position DESC LIMIT ").push_bind(wanted(limit));
        let found = sql.build().fetch_all(&self.store.reader).await?;
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

fn select(query: &ListQuery, limit: usize) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new("SELECT * FROM registrations WHERE account IN (");
    let mut accounts = sql.separated(", ");
    for account in &query.accounts {
        accounts.push_bind(account.bits().to_be_bytes().to_vec());
    }
    sql.push(")");
    if let Some(domain) = query.domain {
        sql.push(" AND domain = ").push_bind(domain.bits().to_be_bytes().to_vec());
    }
    if let Some(aor) = &query.aor {
        sql.push(" AND aor = ").push_bind(aor.clone());
    }
    match query.online {
        Some(true) => drop(sql.push(" AND ended_at IS NULL")),
        Some(false) => drop(sql.push(" AND ended_at IS NOT NULL")),
        None => {}
    }
    if let Some(at) = query.held_at {
        sql.push(" AND since <= ").push_bind(at.micros());
        sql.push(" AND (ended_at IS NULL OR ended_at > ").push_bind(at.micros()).push(")");
    }
    if let Some(after) = query.after {
        sql.push(" AND added < ").push_bind(sql_position(after));
    }
    sql.push(" ORDER BY added DESC LIMIT ").push_bind(wanted(limit));
    sql
}

fn bits(row: &SqliteRow, column: &str) -> Result<u128, StoreError> {
    let bytes: Vec<u8> = row.try_get(column)?;
    bytes.try_into().map(u128::from_be_bytes).map_err(|_| StoreError::Damaged("an id"))
}

fn position(row: &SqliteRow, column: &str) -> Result<Position, StoreError> {
    let stored: i64 = row.try_get(column)?;
    u64::try_from(stored).map(Position).map_err(|_| StoreError::Damaged("a position"))
}

fn binding(row: &SqliteRow) -> Result<BindingRow, StoreError> {
    let time = |column| Ok::<_, StoreError>(row.try_get::<Option<i64>, _>(column)?.map(WallTime::from_micros));
    let number = |column| Ok::<_, StoreError>(row.try_get::<Option<i64>, _>(column)?);
    let q = number("q")?.map(|q| u16::try_from(q).ok().and_then(|q| Q::try_from(q).ok()));
    let q = q.map(|q| q.ok_or(StoreError::Damaged("a priority"))).transpose()?;
    let reg_id = number("reg_id")?.map(|id| u32::try_from(id).map_err(|_| StoreError::Damaged("a reg-id")));
    let trunk: Option<Vec<u8>> = row.try_get("trunk")?;
    let trunk = trunk.map(|_| bits(row, "trunk").map(TrunkId::from_bits)).transpose()?;
    let domain = Some(DomainId::from_bits(bits(row, "domain")?)).filter(|_| trunk.is_none());
    Ok(BindingRow {
        binding: BindingId::from_bits(bits(row, "binding")?),
        registration: RegistrationId::from_bits(bits(row, "registration")?),
        account: AccountId::from_bits(bits(row, "account")?),
        domain,
        trunk,
        aor: row.try_get("aor")?,
        contact: row.try_get("contact")?,
        user_agent: row.try_get("user_agent")?,
        instance: row.try_get("instance")?,
        reg_id: reg_id.transpose()?,
        q,
        transport: row.try_get("transport")?,
        address: row.try_get("address")?,
        api: row.try_get("api")?,
        reach: row.try_get("reach")?,
        since: WallTime::from_micros(row.try_get("since")?),
        refreshed_at: WallTime::from_micros(row.try_get("refreshed_at")?),
        refreshes: u64::try_from(row.try_get::<i64, _>("refreshes")?).unwrap_or(0),
        expires_at: time("expires_at")?,
        ended_at: time("ended_at")?,
        cause: row.try_get("cause")?,
        added: position(row, "added")?,
        position: position(row, "position")?,
    })
}

fn happening(row: &SqliteRow) -> Result<HistoryRow, StoreError> {
    let what: String = row.try_get("what")?;
    Ok(HistoryRow {
        position: position(row, "position")?,
        binding: BindingId::from_bits(bits(row, "binding")?),
        at: WallTime::from_micros(row.try_get("at")?),
        what: Happening::of(&what).ok_or(StoreError::Damaged("a word for what happened"))?,
        cause: row.try_get("cause")?,
        contact: row.try_get("contact")?,
        user_agent: row.try_get("user_agent")?,
        transport: row.try_get("transport")?,
        address: row.try_get("address")?,
    })
}
