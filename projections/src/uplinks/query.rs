//! What is asked about trunks.

use super::row::{Happening, HistoryRow, Told};
use crate::database::{Row, Serving, Sql, StoreError, id};
use domain::ids::{AccountId, TrunkId, UplinkId};
use domain::log::Position;

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
    serving: Serving,
}

impl UplinkReader {
    pub(crate) const fn new(serving: Serving) -> Self {
        Self { serving }
    }

    /// Whose a trunk is or was; `None` where the exchange never did anything there of its own accord.
    pub async fn owner(&self, trunk: TrunkId) -> Result<Option<AccountId>, StoreError> {
        let sql = Sql::new("SELECT account FROM uplinks WHERE trunk = ").bind(id(trunk.bits())).push(" LIMIT 1");
        let found = self.serving.tables().await?.one(sql).await?;
        found.map(|row| row.id("account").map(AccountId::from_bits)).transpose()
    }

    /// What happened to a trunk. Whether it may be seen is for the caller to know.
    pub async fn history(&self, query: &HistoryQuery) -> Result<HistoryPage, StoreError> {
        let limit = query.limit.clamp(1, HistoryQuery::MOST);
        let mut sql = Sql::new("SELECT * FROM trunk_history WHERE trunk = ").bind(id(query.trunk.bits()));
        if let Some(after) = query.after {
            sql = sql.push(" AND position < ").bind(after);
        }
        // One more than asked for tells whether there is a next page.
        let wanted = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let sql = sql.push(" ORDER BY position DESC LIMIT ").bind(wanted);
        let found = self.serving.tables().await?.all(sql).await?;
        let mut rows: Vec<HistoryRow> = found.iter().map(row).collect::<Result<_, _>>()?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().map(|row| row.position).filter(|_| more);
        Ok(HistoryPage { rows, next })
    }
}

fn row(row: &Row) -> Result<HistoryRow, StoreError> {
    Ok(HistoryRow {
        position: row.position("position")?,
        uplink: UplinkId::from_bits(row.id("uplink")?),
        at: row.time("at")?,
        told: Told {
            what: Happening::of(&row.text("what")?).ok_or(StoreError::Damaged("a word for what happened"))?,
            reason: row.maybe_text("reason")?,
            status: row.maybe_number("status")?,
            expires: row.maybe_number("expires")?,
            until: row.maybe_time("until")?,
            again: row.maybe_time("again")?,
        },
    })
}
