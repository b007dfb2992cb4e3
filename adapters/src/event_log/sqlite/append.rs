//! One append inside the open transaction: exact expected revision, idempotent repeat, at best one row.

use super::super::{check, row};
use crate::cache::Cache;
use domain::log::{Append, AppendError, Durable, Expected, Life, Position, Revision, StreamName};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Statement, params};

/// Why an append was not written.
#[derive(Debug)]
pub(super) enum Failure {
    /// It alone is refused; the transaction goes on.
    Refused(AppendError),
    /// The store failed; so does the transaction.
    Store(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error)
    }
}

/// What became of an append, if the transaction commits.
#[derive(Debug)]
pub(super) struct Placed {
    pub durable: Durable,
    /// Position of its first event; `None` where it repeats an earlier one and nothing was written.
    pub first: Option<Position>,
    /// Bytes of its row.
    pub bytes: usize,
}

/// What is known of a stream.
#[derive(Debug, Clone, Copy)]
struct Known {
    id: i64,
    last: Revision,
    live: bool,
}

/// Writes appends through prepared statements.
pub(super) struct Appender<'c> {
    find_stream: Statement<'c>,
    add_stream: Statement<'c>,
    find_last: Statement<'c>,
    find_row: Statement<'c>,
    add_row: Statement<'c>,
    find_live: Statement<'c>,
    open: Statement<'c>,
    close: Statement<'c>,
    /// Live streams as they will be after the transaction.
    known: Cache<StreamName, Known>,
    /// Position of the next event.
    next: u64,
    row: Vec<u8>,
}

impl<'c> Appender<'c> {
    pub fn new(connection: &'c Connection, head: Position, cache: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            find_stream: connection.prepare("SELECT id FROM streams WHERE name = ?1")?,
            add_stream: connection.prepare("INSERT INTO streams (id, name) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?,
            find_last: connection
                .prepare("SELECT revision + count - 1 FROM log WHERE stream = ?1 ORDER BY revision DESC LIMIT 1")?,
            find_row: connection
                .prepare("SELECT position, count, events FROM log WHERE stream = ?1 AND revision = ?2")?,
            add_row: connection
                .prepare("INSERT INTO log (position, stream, revision, count, events) VALUES (?1, ?2, ?3, ?4, ?5)")?,
            find_live: connection.prepare("SELECT 1 FROM live WHERE stream = ?1")?,
            open: connection.prepare("INSERT INTO live (stream, opened) VALUES (?1, ?2)")?,
            close: connection.prepare("DELETE FROM live WHERE stream = ?1")?,
            known: Cache::new(cache),
            next: head.0 + 1,
            row: Vec::new(),
        })
    }

    /// The transaction was rolled back: the newest event is at `head` again.
    pub fn forget(&mut self, head: Position) {
        self.known.clear();
        self.next = head.0 + 1;
    }

    /// Writes one append, unless it repeats an earlier one or is refused.
    pub fn append(&mut self, append: &Append) -> Result<Placed, Failure> {
        check(append).map_err(Failure::Refused)?;
        self.row.clear();
        row::encode(append, &mut self.row);
        let (known, fresh) = match self.stream(append)? {
            Some(known) => (known, false),
            None if append.expected == Expected::NoStream => {
                (Known { id: self.next as i64, last: Revision(0), live: false }, true)
            }
            None => return Err(wrong_revision(append, None)),
        };
        if !fresh && append.expected != Expected::Exactly(known.last) {
            return self.repeat(append, known);
        }
        self.write(append, known)
    }

    fn write(&mut self, append: &Append, known: Known) -> Result<Placed, Failure> {
        let first = self.next;
        let revision = append.expected.next().0;
        let count = append.events.len() as u64;
        let row = params![first as i64, known.id, revision as i64, count as i64, &self.row[..]];
        match self.add_row.execute(row) {
            Ok(_) => {}
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                return Err(wrong_revision(append, Some(known.last)));
            }
            Err(error) => return Err(error.into()),
        }
        match (append.life, known.live) {
            (Life::Open, false) => drop(self.open.execute(params![known.id, first as i64])?),
            (Life::Closed, true) => drop(self.close.execute(params![known.id])?),
            (Life::Open, true) | (Life::Closed, false) => {}
        }
        self.next += count;
        let last = Revision(revision + count - 1);
        match append.life {
            Life::Open => self.known.insert(append.stream.clone(), Known { id: known.id, last, live: true }),
            Life::Closed => self.known.remove(&append.stream),
        }
        Ok(Placed {
            durable: Durable::after_commit(append.stream.clone(), last, Position(self.next - 1)),
            first: Some(Position(first)),
            bytes: self.row.len(),
        })
    }

    /// What is known of the append's stream. A stream that is expected to be new is added on the way, which costs
    /// one look into the names instead of two.
    fn stream(&mut self, append: &Append) -> Result<Option<Known>, rusqlite::Error> {
        if let Some(known) = self.known.get(&append.stream) {
            return Ok(Some(*known));
        }
        let name = append.stream.as_str();
        if append.expected == Expected::NoStream && self.add_stream.execute(params![self.next as i64, name])? == 1 {
            return Ok(None);
        }
        let Some(id) = self.find_stream.query_row([name], |row| row.get::<_, i64>(0)).optional()? else {
            return Ok(None);
        };
        let last: i64 = self.find_last.query_row([id], |row| row.get(0))?;
        let live = self.find_live.exists([id])?;
        let known = Known { id, last: Revision(last.unsigned_abs()), live };
        self.known.insert(append.stream.clone(), known);
        Ok(Some(known))
    }

    /// Answers an append that is in the log already as it was answered first. `self.row` holds it encoded.
    fn repeat(&mut self, append: &Append, known: Known) -> Result<Placed, Failure> {
        let revision = append.expected.next().0 as i64;
        let encoded = &self.row;
        let stored = self.find_row.query_row(params![known.id, revision], |row| {
            let same = row.get_ref(2)?.as_blob().is_ok_and(|stored| stored == &encoded[..]);
            Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, i64>(1)?.unsigned_abs(), same))
        });
        match stored.optional()? {
            Some((first, count, true)) => {
                let last = Revision(append.expected.next().0 + count - 1);
                let durable = Durable::after_commit(append.stream.clone(), last, Position(first + count - 1));
                Ok(Placed { durable, first: None, bytes: 0 })
            }
            Some((_, _, false)) | None => Err(wrong_revision(append, Some(known.last))),
        }
    }
}

fn wrong_revision(append: &Append, actual: Option<Revision>) -> Failure {
    let stream = append.stream.clone();
    Failure::Refused(AppendError::WrongRevision { stream, expected: append.expected, actual })
}
