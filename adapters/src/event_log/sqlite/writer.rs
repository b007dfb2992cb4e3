//! The log thread: takes everything that waits, commits it as one transaction, then answers.

use super::super::answer::{self, Tried};
use super::super::queue::{Queue, Submission};
use super::super::tail::Tail;
use super::super::{Stored, Written, fail};
use super::append::{Appender, Failure, Placed};
use super::{Settings, store};
use domain::log::{AppendError, Outcome};
use rusqlite::{Connection, ErrorCode};
use std::sync::Arc;

/// What the log thread needs.
pub(super) struct Writer {
    pub connection: Connection,
    pub queue: Arc<Queue>,
    pub tail: Arc<Tail>,
    pub settings: Settings,
    pub written: Arc<Written>,
}

/// What one transaction did.
#[derive(Default)]
struct Group {
    tried: Vec<Tried>,
    fresh: Vec<Arc<Stored>>,
    bytes: usize,
}

impl Writer {
    /// Runs until the queue is closed and empty. Any failure of the disk ends the process: what an fdatasync that
    /// failed left behind cannot be known, so it is never tried again.
    pub fn run(self) {
        let fatal = self.settings.on_fatal;
        let work = std::panic::AssertUnwindSafe(|| self.work());
        match std::panic::catch_unwind(work) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => fail(fatal, &format!("writing failed: {error}")),
            Err(_) => fail(fatal, "its thread panicked"),
        }
    }

    fn work(&self) -> rusqlite::Result<()> {
        let mut appender = Appender::new(&self.connection, self.tail.head(), self.settings.known_streams)?;
        let mut transaction = Transaction::new(&self.connection)?;
        let mut since_checkpoint = 0;
        while let Some(submissions) = self.queue.take() {
            let group = self.commit(&mut appender, &mut transaction, submissions)?;
            self.written.count(group.bytes);
            since_checkpoint += group.bytes + group.fresh.len() * self.settings.page_size as usize;
            self.answer(group);
            if since_checkpoint >= self.settings.checkpoint_bytes {
                store::checkpoint(&self.connection)?;
                since_checkpoint = 0;
            }
        }
        store::checkpoint(&self.connection)
    }

    fn commit(
        &self,
        appender: &mut Appender<'_>,
        transaction: &mut Transaction<'_>,
        submissions: Vec<Submission>,
    ) -> rusqlite::Result<Group> {
        let mut group = Group::default();
        transaction.begin()?;
        let mut rest = submissions.into_iter();
        let mut written = Ok(());
        for submission in rest.by_ref() {
            written = group.add(appender, submission);
            if written.is_err() {
                break;
            }
        }
        match written.and_then(|()| transaction.commit()) {
            Ok(()) => Ok(group),
            // A full disk is the one failure that leaves nothing unsure: SQLite wrote no commit.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => {
                transaction.roll_back()?;
                appender.forget(self.tail.head());
                group.refuse(rest, &AppendError::Unavailable("the disk is full: free some space".into()));
                Ok(group)
            }
            Err(error) => Err(error),
        }
    }

    /// Moves the head, then tells every submitter once.
    fn answer(&self, group: Group) {
        self.tail.publish(group.fresh);
        answer::answer(group.tried);
    }
}

impl Group {
    /// Tries a submission's appends; fails only where the transaction does.
    fn add(&mut self, appender: &mut Appender<'_>, submission: Submission) -> rusqlite::Result<()> {
        let mut outcomes = Vec::with_capacity(submission.appends.len());
        let mut failed = Ok(());
        for append in submission.appends {
            let stream = append.stream.clone();
            let result = match failed {
                Ok(()) => appender.append(&append),
                // The outcome is replaced when the transaction is given up.
                Err(_) => Err(Failure::Refused(AppendError::Unknown(stream.clone()))),
            };
            let result = match result {
                Ok(Placed { durable, first, bytes }) => {
                    self.bytes += bytes;
                    self.fresh.extend(first.map(|first| Arc::new(Stored { first, append })));
                    Ok(durable)
                }
                Err(Failure::Refused(error)) => Err(error),
                Err(Failure::Store(error)) => {
                    failed = Err(error);
                    Err(AppendError::Unknown(stream.clone()))
                }
            };
            outcomes.push(Outcome { stream, result });
        }
        self.tried.push(Tried { reply: submission.reply, outcomes });
        failed
    }

    /// Nothing of the group was written: everything in it, and what was not tried yet, is answered with `error`.
    fn refuse(&mut self, rest: impl Iterator<Item = Submission>, error: &AppendError) {
        self.fresh.clear();
        self.bytes = 0;
        for outcome in self.tried.iter_mut().flat_map(|tried| &mut tried.outcomes) {
            outcome.result = Err(error.clone());
        }
        self.tried.extend(rest.map(|submission| answer::refused(submission, error)));
    }
}

/// The statements around a group.
struct Transaction<'c> {
    connection: &'c Connection,
    begin: rusqlite::Statement<'c>,
    commit: rusqlite::Statement<'c>,
}

impl<'c> Transaction<'c> {
    fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self { connection, begin: connection.prepare("BEGIN IMMEDIATE")?, commit: connection.prepare("COMMIT")? })
    }

    fn begin(&mut self) -> rusqlite::Result<()> {
        self.begin.execute([]).map(drop)
    }

    /// Returns after fdatasync.
    fn commit(&mut self) -> rusqlite::Result<()> {
        self.commit.execute([]).map(drop)
    }

    fn roll_back(&mut self) -> rusqlite::Result<()> {
        // Some failures have rolled back by themselves.
        if self.connection.is_autocommit() { Ok(()) } else { self.connection.execute_batch("ROLLBACK") }
    }
}
