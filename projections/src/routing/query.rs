//! What is asked about routing.

use crate::store::{Store, StoreError};
use domain::ids::{AccountId, NumberId, TrunkId};
use domain::time::WallTime;
use sqlx::{QueryBuilder, Row};

const HOUR: i64 = 3_600_000_000;
/// Different ways and outcomes in one answer.
const MOST: i64 = 1_000;

/// Whose calls, to what and when.
#[derive(Debug, Clone, Default)]
pub struct UseQuery {
    /// Only these accounts' calls.
    pub accounts: Vec<AccountId>,
    /// Calls to this number.
    pub number: Option<NumberId>,
    /// Attempts that left by this trunk.
    pub trunk: Option<TrunkId>,
    /// From the hour that holds this time.
    pub from: Option<WallTime>,
    /// To the hour that holds this time, inclusive.
    pub to: Option<WallTime>,
}

/// One way that attempts took and how they went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// The rule that decided; empty where none did.
    pub rule: String,
    /// Index of the target in the rule's order; `None` where no target was tried.
    pub target: Option<u8>,
    /// The trunk it left by; `None` for a number's own SIP target.
    pub trunk: Option<TrunkId>,
    /// `answered`, `refused` (by a rule of ours), a cause of refusal, or how the call ended meanwhile.
    pub outcome: String,
    /// The status that the far end, or our refusal, gave; 0 where none was.
    pub status: u16,
    /// How often.
    pub attempts: u64,
    /// When last.
    pub last_at: WallTime,
}

/// Counts attempts by way and outcome, most frequent first.
pub async fn used(store: &Store, query: &UseQuery) -> Result<Vec<Used>, StoreError> {
    let mut sql = QueryBuilder::new(
        "SELECT rule, target, trunk, outcome, status, sum(attempts) AS attempts, max(last_at) AS last_at \
         FROM routing WHERE account IN (",
    );
    let mut accounts = sql.separated(", ");
    for account in &query.accounts {
        accounts.push_bind(account.bits().to_be_bytes().to_vec());
    }
    sql.push(")");
    if let Some(from) = query.from {
        sql.push(" AND hour >= ").push_bind(from.micros().div_euclid(HOUR));
    }
    if let Some(to) = query.to {
        sql.push(" AND hour <= ").push_bind(to.micros().div_euclid(HOUR));
    }
    if let Some(number) = query.number {
        sql.push(" AND number = ").push_bind(number.bits().to_be_bytes().to_vec());
    }
    if let Some(trunk) = query.trunk {
        sql.push(" AND trunk = ").push_bind(trunk.bits().to_be_bytes().to_vec());
    }
    sql.push(" GROUP BY rule, target, trunk, outcome, status ORDER BY attempts DESC, rule, target, outcome LIMIT ");
    sql.push_bind(MOST);
    let rows = sql.build().fetch_all(&store.reader).await?;
    rows.iter().map(used_of).collect()
}

fn used_of(row: &sqlx::sqlite::SqliteRow) -> Result<Used, StoreError> {
    let trunk: &[u8] = row.try_get("trunk")?;
    let trunk = match <[u8; 16]>::try_from(trunk) {
        Ok(bytes) => Some(TrunkId::from_bits(u128::from_be_bytes(bytes))),
        Err(_) if trunk.is_empty() => None,
        Err(_) => return Err(StoreError::Damaged("an id")),
    };
    Ok(Used {
        rule: row.try_get("rule")?,
        target: u8::try_from(row.try_get::<i64, _>("target")?).ok(),
        trunk,
        outcome: row.try_get("outcome")?,
        status: row.try_get("status")?,
        attempts: u64::try_from(row.try_get::<i64, _>("attempts")?).map_err(|_| StoreError::Damaged("a count"))?,
        last_at: WallTime::from_micros(row.try_get("last_at")?),
    })
}
