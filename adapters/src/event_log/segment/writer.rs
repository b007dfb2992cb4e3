//! The log thread: takes everything that waits, writes it as one frame, syncs, then answers.

use super::super::answer::{self, Tried};
use super::super::queue::{Queue, Submission};
use super::super::{Stored, Written, fail, lock};
use super::file;
use super::frame::{BLOCK, FRAME_HEAD, Frame, LogId, SegmentHeader, whole_blocks};
use super::index::{Batch, IndexThread};
use super::judge::{Change, Judge, Verdict};
use super::segments::FrameAt;
use super::space::{self, Space};
use super::{Settings, Shared};
use domain::log::{Append, AppendError, Committed, Durable, Outcome, ReadError};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

/// A commit gathers no more than this, bytes, but for a single append that is larger.
const MAX_FRAME: usize = 8 << 20;
/// Bytes that the frame's memory has room for at first.
const FIRST_FRAME: usize = 256 << 10;
/// Batches that may wait for the index, the one it works on among them, before appends do.
const BATCHES: usize = 4;

/// Why the log cannot go on.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("writing a commit failed: {0}")]
    Write(io::Error),
    #[error("syncing a commit failed: {0}")]
    Sync(io::Error),
    #[error("beginning a segment failed: {0}")]
    Segment(io::Error),
    #[error("a stream could not be looked up: {0}")]
    Lookup(#[from] ReadError),
}

/// The segment being written.
#[derive(Debug)]
pub(super) struct Active {
    pub file: File,
    pub size: u64,
    pub header: SegmentHeader,
    /// Where its next frame begins.
    pub offset: u64,
    /// Checksum of the newest frame, here or before.
    pub previous: u32,
}

/// What the log thread needs.
pub(super) struct Writer {
    pub shared: Arc<Shared>,
    pub queue: Arc<Queue>,
    pub folder: PathBuf,
    pub log: LogId,
    pub active: Active,
    pub judge: Judge,
    pub space: Space,
    pub index: IndexThread,
    /// Everything up to here was given to the index.
    pub indexed: u64,
    /// There was no space for another segment when this commit began to need one.
    pub full: bool,
    pub settings: Settings,
    pub written: Arc<Written>,
}

/// What waits for the frame to be durable.
struct Group {
    frame: Frame,
    tried: Vec<Tried>,
    fresh: Vec<Arc<Stored>>,
}

impl Writer {
    /// Runs until the queue is closed and empty. Any failure of the disk ends the process: what an fdatasync that
    /// failed left behind cannot be known, so it is never tried again.
    pub fn run(mut self) {
        let fatal = self.settings.on_fatal;
        let work = std::panic::AssertUnwindSafe(|| self.work());
        match std::panic::catch_unwind(work) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => fail(fatal, &error.to_string()),
            Err(_) => fail(fatal, "its thread panicked"),
        }
    }

    fn work(&mut self) -> Result<(), Broken> {
        let mut frame = Frame::new(self.log.seed(), FIRST_FRAME);
        frame.clear(self.shared.tail.head().0 + 1);
        let mut group = Group { frame, tried: Vec::new(), fresh: Vec::new() };
        self.space.prepare(self.settings.size_of(self.active.header.number + 1));
        while let Some(submissions) = self.queue.take() {
            self.commit(&mut group, submissions)?;
        }
        self.give_to_index();
        // Where this fails, the next start reads from the segments what is missing.
        let _ = self.index.wait();
        Ok(())
    }

    fn commit(&mut self, group: &mut Group, submissions: Vec<Submission>) -> Result<(), Broken> {
        self.full = false;
        for submission in submissions {
            let refusal = self.room_for_places().err();
            group.begin(&submission.reply, submission.appends.len());
            for append in submission.appends {
                let stream = append.stream.clone();
                let result = match &refusal {
                    Some(error) => Err(error.clone()),
                    None => self.add(group, append)?,
                };
                group.outcome(&submission.reply, Outcome { stream, result });
            }
        }
        self.write(group)
    }

    /// Tries an append: it is in the frame afterwards, or was before, or is refused.
    fn add(&mut self, group: &mut Group, append: Append) -> Result<Result<Durable, AppendError>, Broken> {
        let size = match Judge::size(&append) {
            Ok(size) => size,
            Err(error) => return Ok(Err(error)),
        };
        let with_it = whole_blocks(group.frame.len() + size);
        if !group.frame.is_empty() && (with_it > MAX_FRAME || self.active.offset + with_it as u64 > self.active.size) {
            self.write(group)?;
        }
        let alone = whole_blocks(FRAME_HEAD + size) as u64;
        if group.frame.is_empty() && self.active.offset + alone > self.active.size {
            let begun = if self.full { Ok(()) } else { self.begin_segment(group.frame.next(), alone) };
            match begun {
                Ok(()) => {}
                Err(error) if file::is_full(&error) => self.full = true,
                Err(error) => return Err(Broken::Segment(error)),
            }
            if self.full {
                return Ok(Err(AppendError::Unavailable("the disk is full: free some space".into())));
            }
        }
        let verdict = self.judge.judge(&append, size, &mut group.frame, self.active.offset)?;
        Ok(match verdict {
            Verdict::Added(durable, first) => {
                group.fresh.push(Arc::new(Stored { first, append }));
                Ok(durable)
            }
            Verdict::Repeats(durable) => Ok(durable),
            Verdict::Refused(error) => Err(error),
        })
    }

    /// Makes the frame durable, then moves the head and answers.
    fn write(&mut self, group: &mut Group) -> Result<(), Broken> {
        if !group.frame.is_empty() {
            let (first, next, length) = (group.frame.first(), group.frame.next(), group.frame.len());
            let (bytes, checksum) = group.frame.seal(self.active.previous);
            self.active.file.write_all_at(bytes, self.active.offset).map_err(Broken::Write)?;
            self.active.file.sync_data().map_err(Broken::Sync)?;
            let at = FrameAt { first, offset: self.active.offset as u32, bytes: length as u32 };
            self.active.offset += bytes.len() as u64;
            self.active.previous = checksum;
            self.written.count(length);
            self.space.used(bytes.len());
            group.frame.clear(next);
            self.shared.segments.wrote(at);
            self.carry_out_changes();
        }
        self.shared.tail.publish(std::mem::take(&mut group.fresh));
        answer::answer(std::mem::take(&mut group.tried));
        if self.shared.unindexed.fresh() >= self.settings.index_appends && self.index.is_idle() {
            self.give_to_index();
        }
        Ok(())
    }

    fn carry_out_changes(&mut self) {
        let changes = self.judge.take_changes();
        if changes.is_empty() {
            return;
        }
        let mut live = lock(&self.shared.live);
        for (stream, change) in changes {
            match change {
                Change::Opened(position) => live.open(&stream, position),
                Change::Closed => live.close(&stream),
            }
        }
    }

    /// Gives the index what it does not hold. Only between frames: the index ends where a frame ends.
    fn give_to_index(&mut self) {
        let last = self.shared.tail.head().0;
        if last == self.indexed || self.index.wait().is_err() {
            return;
        }
        let places = self.shared.unindexed.batch();
        let live = lock(&self.shared.live).take_changes();
        let first = self.indexed + 1;
        self.index.give(Batch { places, live, first, last, checksum: self.active.previous });
        self.indexed = last;
    }

    /// Waits for an index that does not keep up, since what it does not hold is in memory; fails where it cannot.
    fn room_for_places(&mut self) -> Result<(), AppendError> {
        if self.shared.unindexed.fresh() < self.settings.index_appends.saturating_mul(BATCHES) {
            return Ok(());
        }
        self.index.wait().map_err(|why| AppendError::Unavailable(format!("the index cannot be written: {why}")))
    }

    /// Goes on in another segment, which has room for a frame of this size. Where it fails, nothing has changed, unless
    /// it is another error than a full disk.
    fn begin_segment(&mut self, first: u64, frame: u64) -> io::Result<()> {
        // A segment without frames is replaced: its name is taken.
        let number = self.active.header.number + u64::from(self.active.header.first != first);
        let size = self.settings.size_of(number).max(file::segment_size(BLOCK as u64 + frame));
        let spare = self.space.take(size)?;
        let header = SegmentHeader { number, first, log: self.log, previous: self.active.previous };
        file::write_blocks(&spare.file, &header.encode(), 0)?;
        spare.file.sync_data()?;
        std::fs::rename(space::path(&self.folder), file::path_of(&self.folder, first))?;
        file::sync_folder(&self.folder)?;
        self.active.file = spare.file;
        (self.active.size, self.active.offset, self.active.header) = (spare.size, BLOCK as u64, header);
        self.shared.segments.began(first);
        self.space.prepare(self.settings.size_of(number + 1));
        Ok(())
    }
}

impl Group {
    /// Makes room for the outcomes of a submission.
    fn begin(&mut self, reply: &Arc<dyn Committed>, appends: usize) {
        match self.tried.last_mut() {
            Some(last) if Arc::ptr_eq(&last.reply, reply) => last.outcomes.reserve(appends),
            Some(_) | None => {
                self.tried.push(Tried { reply: Arc::clone(reply), outcomes: Vec::with_capacity(appends) });
            }
        }
    }

    fn outcome(&mut self, reply: &Arc<dyn Committed>, outcome: Outcome) {
        match self.tried.last_mut() {
            Some(last) if Arc::ptr_eq(&last.reply, reply) => last.outcomes.push(outcome),
            Some(_) | None => self.tried.push(Tried { reply: Arc::clone(reply), outcomes: vec![outcome] }),
        }
    }
}
