//! What is asked about trunks.

use super::row::{Happening, HistoryRow, Told};
use crate::store::{Store, StoreError, sql_position};
use domain::ids::{AccountId, TrunkId, UplinkId};
use domain::log::Position;
use domain::time::WallTime;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row};

/// What happened to a trunk, the newest first.
#[derive(Debug, Clone)]
pub struct HistoryQuery {
    /// The trunk.
    pub trunk: TrunkId,
    /// Go on before this position.
    pub after: Option<Position>,
    /// Rows a page, 1 to [`HistoryQuery::MOST`].
    pub limit: usize,
}

impl HistoryQuery {
    /// Rows a page at most.
    pub const MOST: usize = 200;
}

/// A page of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPage {
    /// What happened.
    pub rows: Vec<HistoryRow>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Position>,
}

/// Asks how trunks stood.
#[derive(Debug, Clone)]
pub struct UplinkReader {
    store: Store,
}

impl UplinkReader {
    pub(crate) const fn new(store: Store) -> Self {
        Self { store }
    }

    /// Whose a trunk is or was; `None` where the exchange never did anything there of its own accord.
    pub async fn owner(&self, trunk: TrunkId) -> Result<Option<AccountId>, StoreError> {
        let sql = sqlx::query("SELECT account FROM uplinks WHERE trunk = ? LIMIT 1").bind(bytes(trunk));
        let found = sql.fetch_optional(&self.store.reader).await?;
        found.map(|row| bits(&row, "account").map(AccountId::from_bits)).transpose()
    }

    /// What happened to a trunk. Whether it may be seen is for the caller to know.
    pub async fn history(&self, query: &HistoryQuery) -> Result<HistoryPage, StoreError> {
        let limit = query.limit.clamp(1, HistoryQuery::MOST);
        let mut sql = QueryBuilder::new("SELECT * FROM trunk_history WHERE trunk = ");
        sql.push_bind(bytes(query.trunk));
        if let Some(after) = query.after {
            sql.push(" AND position < ").push_bind(sql_position(after));
        }
        // One more than asked for tells whether there is a next page.
        let wanted = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        sql.push(" ORDER BY position DESC LIMIT ").push_bind(wanted);
        let found = sql.build().fetch_all(&self.store.reader).await?;
        let mut rows: Vec<HistoryRow> = found.iter().map(row).collect::<Result<_, _>>()?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().map(|row| row.position).filter(|_| more);
        Ok(HistoryPage { rows, next })
    }
}

fn row(row: &SqliteRow) -> Result<HistoryRow, StoreError> {
    let time = |column| Ok::<_, StoreError>(row.try_get::<Option<i64>, _>(column)?.map(WallTime::from_micros));
    let position: i64 = row.try_get("position")?;
    let what: String = row.try_get("what")?;
    Ok(HistoryRow {
        position: u64::try_from(position).map(Position).map_err(|_| StoreError::Damaged("a position"))?,
        uplink: UplinkId::from_bits(bits(row, "uplink")?),
        at: WallTime::from_micros(row.try_get("at")?),
        told: Told {
            what: Happening::of(&what).ok_or(StoreError::Damaged("a word for what happened"))?,
            reason: row.try_get("reason")?,
            status: row.try_get::<Option<u16>, _>("status")?,
            expires: row.try_get::<Option<u32>, _>("expires")?,
            until: time("until")?,
            again: time("again")?,
        },
    })
}

fn bytes(trunk: TrunkId) -> Vec<u8> {
    trunk.bits().to_be_bytes().to_vec()
}

fn bits(row: &SqliteRow, column: &str) -> Result<u128, StoreError> {
    let stored: Vec<u8> = row.try_get(column)?;
    stored.try_into().map(u128::from_be_bytes).map_err(|_| StoreError::Damaged("an id"))
}
