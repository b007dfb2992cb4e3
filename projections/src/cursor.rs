//! Where a page of a list ends that is in the order of time, and of the log within it.

use domain::log::Position;
use domain::time::WallTime;
use std::fmt;
use std::str::FromStr;

/// The last row of a page. Opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    pub(crate) started_at: WallTime,
    pub(crate) offered: Position,
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
}
