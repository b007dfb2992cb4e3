//! What is asked about routing.

use crate::database::{Row, Serving, Sql, StoreError, id};
use domain::ids::{AccountId, NumberId, TrunkId};
use domain::time::WallTime;

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

/// Asks about routing.
#[derive(Debug, Clone)]
pub struct RoutingReader {
    serving: Serving,
}

impl RoutingReader {
    pub(crate) const fn new(serving: Serving) -> Self {
        Self { serving }
    }

    /// Counts attempts by way and outcome, most frequent first.
    pub async fn used(&self, query: &UseQuery) -> Result<Vec<Used>, StoreError> {
        self.serving.tables().await?.all(select(query)).await?.iter().map(used_of).collect()
    }
}

fn select(query: &UseQuery) -> Sql {
    let sql = Sql::new(
        "SELECT rule, target, trunk, outcome, status, CAST(sum(attempts) AS BIGINT) AS used, max(last_at) AS last_at \
         FROM routing WHERE account IN ",
    );
    let mut sql = sql.list(query.accounts.iter().map(|account| id(account.bits())));
    if let Some(from) = query.from {
        sql = sql.push(" AND hour >= ").bind(from.micros().div_euclid(HOUR));
    }
    if let Some(to) = query.to {
        sql = sql.push(" AND hour <= ").bind(to.micros().div_euclid(HOUR));
    }
    if let Some(number) = query.number {
        sql = sql.push(" AND number = ").bind(id(number.bits()));
    }
    if let Some(trunk) = query.trunk {
        sql = sql.push(" AND trunk = ").bind(id(trunk.bits()));
    }
    sql.push(" GROUP BY rule, target, trunk, outcome, status ORDER BY used DESC, rule, target, outcome LIMIT ")
        .bind(MOST)
}

fn used_of(row: &Row) -> Result<Used, StoreError> {
    Ok(Used {
        rule: row.text("rule")?,
        target: u8::try_from(row.number::<i64>("target")?).ok(),
        trunk: row.maybe_id("trunk")?.map(TrunkId::from_bits),
        outcome: row.text("outcome")?,
        status: row.number("status")?,
        attempts: row.number("used")?,
        last_at: row.time("last_at")?,
    })
}
