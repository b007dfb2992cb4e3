//! What is asked about sessions.

use crate::store::{Store, StoreError};
use domain::ids::{AccountId, NumberId, SessionId, TrunkId};
use domain::log::Position;
use domain::time::WallTime;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How far a session has come; it only moves on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// An INVITE came.
    Offered,
    /// A far end rings.
    Ringing,
    /// A far end answered.
    Answered,
    /// Every leg is over.
    Ended,
}

impl State {
    const ALL: [Self; 4] = [Self::Offered, Self::Ringing, Self::Answered, Self::Ended];

    pub(super) const fn code(self) -> i64 {
        self as i64
    }

    fn of_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Ringing => "ringing",
            Self::Answered => "answered",
            Self::Ended => "ended",
        }
    }
}

impl FromStr for State {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, &'static str> {
        let found = Self::ALL.into_iter().find(|state| state.name() == name);
        found.ok_or("expected offered, ringing, answered or ended")
    }
}

/// One session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub account: AccountId,
    /// Number or SIP URI of the caller; `None` once erased.
    pub caller: Option<String>,
    /// Number or SIP URI as dialled; `None` once erased.
    pub called: Option<String>,
    /// SIP Call-ID of the caller's leg; `None` once erased.
    pub call_id: Option<String>,
    /// The trunk it came from.
    pub trunk: TrunkId,
    /// The number called, where it is one of ours.
    pub number: Option<NumberId>,
    /// The routing rule that decided.
    pub rule: Option<String>,
    /// How far it has come.
    pub state: State,
    /// When it was offered.
    pub started_at: WallTime,
    /// When a far end first rang.
    pub ringing_at: Option<WallTime>,
    /// When a far end answered.
    pub answered_at: Option<WallTime>,
    /// When it ended.
    pub ended_at: Option<WallTime>,
    /// How it ended, e.g. `no-answer`.
    pub end_cause: Option<String>,
    /// The final status of the caller's INVITE.
    pub final_status: Option<u16>,
    /// The mode it runs in, or ran in at the end.
    pub mode: Option<String>,
    /// Position of its offer.
    pub offered: Position,
    /// Position of the newest event that the row shows.
    pub position: Position,
}

impl SessionRow {
    /// From answer to end; `None` while it lasts or where it was never answered.
    pub fn talked(&self) -> Option<Duration> {
        Some(self.ended_at?.since(self.answered_at?))
    }

    /// From offer to end; `None` while it lasts.
    pub fn lasted(&self) -> Option<Duration> {
        Some(self.ended_at?.since(self.started_at))
    }

    /// Where the page that ends with this row goes on.
    pub const fn cursor(&self) -> Cursor {
        Cursor { started_at: self.started_at, offered: self.offered }
    }
}

/// The last row of a page. Opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    started_at: WallTime,
    offered: Position,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{:x}", self.started_at.micros(), self.offered.0)
    }
}

/// A cursor that this exchange never gave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this list: take `next` of the page before")]
pub struct MalformedCursor;

impl FromStr for Cursor {
    type Err = MalformedCursor;

    fn from_str(text: &str) -> Result<Self, MalformedCursor> {
        let (started, offered) = text.split_once('.').ok_or(MalformedCursor)?;
        let started = i64::from_str_radix(started, 16).map_err(|_| MalformedCursor)?;
        let offered = u64::from_str_radix(offered, 16).map_err(|_| MalformedCursor)?;
        Ok(Self { started_at: WallTime::from_micros(started), offered: Position(offered) })
    }
}

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

/// Lists sessions.
pub async fn list(store: &Store, query: &ListQuery) -> Result<Page, StoreError> {
    let limit = query.limit.clamp(1, ListQuery::MOST);
    // One more than asked for tells whether there is a next page.
    let wanted = limit as i64 + 1;
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
    let mut rows = found.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = if more { rows.last().map(SessionRow::cursor) } else { None };
    Ok(Page { rows, next })
}

/// One session. Whether it may be seen is for the caller to know.
pub async fn find(store: &Store, id: SessionId) -> Result<Option<SessionRow>, StoreError> {
    let mut sql = QueryBuilder::new("SELECT * FROM sessions WHERE id = ");
    sql.push_bind(id.bits().to_be_bytes().to_vec());
    let found = sql.build().fetch_optional(&store.reader).await?;
    found.as_ref().map(row).transpose()
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
    match query.state {
        // As the index of live sessions spells it.
        Some(state) if state < State::Ended => {
            sql.push(" AND state < 3 AND state = ").push_bind(state.code());
        }
        Some(state) => {
            sql.push(" AND state = ").push_bind(state.code());
        }
        None => {}
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
        trunk: TrunkId::from_bits(bits(row, "trunk")?),
        number: match row.try_get::<Option<Vec<u8>>, _>("number")? {
            Some(_) => Some(NumberId::from_bits(bits(row, "number")?)),
            None => None,
        },
        rule: row.try_get("rule")?,
        state: State::of_code(row.try_get("state")?).ok_or(StoreError::Damaged("a state"))?,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_what_it_prints_and_nothing_else() {
        let cursor = Cursor { started_at: WallTime::from_micros(1_700_000_000_000_000), offered: Position(77) };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", ".", "1", "x.1", "1.x", "1.-1", "1.1.1", "ffffffffffffffffff.1"] {
            assert_eq!(text.parse::<Cursor>(), Err(MalformedCursor), "{text}");
        }
    }

    #[test]
    fn every_state_is_found_by_its_name_and_its_code() {
        for state in State::ALL {
            assert_eq!(state.name().parse(), Ok(state));
            assert_eq!(State::of_code(state.code()), Some(state));
        }
        assert!("held".parse::<State>().is_err());
    }
}
