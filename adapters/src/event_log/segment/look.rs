//! Opening a log for reading beside the one who writes it: nothing is changed, and damage is left for readers to meet.

use super::error::OpenError;
use super::file;
use super::frame::{FRAME_HEAD, FrameHeader, LogId, SegmentHeader};
use super::index::{Index, IndexError};
use super::places::{Live, Unindexed};
use super::recover::{self, index_path};
use super::scan::{self, End, Window};
use super::segments::FrameAt;
use domain::log::Position;
use std::fs::File;
use std::io;
use std::path::Path;

/// A log as it was found.
pub(super) struct Seen {
    pub log: LogId,
    /// First positions of the segments.
    pub list: Vec<u64>,
    /// Frames of the last one.
    pub newest: Vec<FrameAt>,
    /// Where the log ends, or ought to by its index: readers meet what is missing before it.
    pub head: Position,
    pub index: Index,
    pub unindexed: Unindexed,
    pub live: Live,
}

/// Looks at the log in this folder.
pub(super) fn look(folder: &Path) -> Result<Seen, OpenError> {
    let log = headers(folder)?.first().map_or(LogId([0; 16]), |header| header.log);
    let failed = |error: IndexError| OpenError::Index { path: index_path(folder), what: error.to_string() };
    // Before the segments are listed for good: what the index holds is in them.
    match Index::look(&index_path(folder), log) {
        Ok((index, live)) => match Walk::through(folder, index, Live::restored(live))? {
            Some(seen) => return Ok(seen),
            None => tracing::warn!("the log's index does not belong to its segments: they are read instead"),
        },
        Err(error) => tracing::warn!(%error, "the log's index cannot be used: the segments are read instead"),
    }
    let seen = Walk::through(folder, Index::none(log).map_err(failed)?, Live::default())?;
    seen.ok_or_else(|| recover::damaged(folder, 0, "it holds no segment"))
}

fn headers(folder: &Path) -> Result<Vec<SegmentHeader>, OpenError> {
    let list = file::list(folder).map_err(|source| OpenError::File { path: folder.to_owned(), source })?;
    match recover::read_headers(folder, &list)? {
        headers if headers.is_empty() => Err(recover::damaged(folder, 0, "it holds no segment")),
        headers => Ok(headers),
    }
}

/// Brings together what the index knows and what the segments hold beyond it.
struct Walk {
    complete: u64,
    checksum: u32,
    /// A frame was met that ends where the index does, or the index is empty.
    met: bool,
    newest: Vec<FrameAt>,
    unindexed: Unindexed,
    live: Live,
}

impl Walk {
    /// `None` where the index is not this log's.
    fn through(folder: &Path, index: Index, live: Live) -> Result<Option<Seen>, OpenError> {
        let (complete, checksum) = (index.complete, index.checksum);
        let (newest, unindexed) = (Vec::new(), Unindexed::default());
        let mut walk = Self { complete, checksum, met: complete == 0, newest, unindexed, live };
        let headers = headers(folder)?;
        let start = headers.partition_point(|header| header.first <= complete).saturating_sub(1);
        let mut end = 0;
        for header in headers.get(start..).unwrap_or_default() {
            let path = file::path_of(folder, header.first);
            end = walk.segment(&path, header).map_err(|source| OpenError::File { path, source })? - 1;
        }
        // Where the segments end before the index does, they were cut: readers are to meet that.
        if !walk.met && end >= complete {
            return Ok(None);
        }
        let log = headers.first().map_or(LogId([0; 16]), |header| header.log);
        let list = headers.iter().map(|header| header.first).collect();
        let Self { newest, unindexed, live, .. } = walk;
        Ok(Some(Seen { log, list, newest, head: Position(end.max(complete)), index, unindexed, live }))
    }

    /// Reads a segment as far as it is whole, and beyond what is not where whole frames follow; answers the position
    /// that comes after it.
    fn segment(&mut self, path: &Path, header: &SegmentHeader) -> io::Result<u64> {
        let (file, seed) = (File::open(path)?, header.log.seed());
        let (mut end, mut tried) = (End::before(header), None);
        self.newest.clear();
        loop {
            let mut window = Window::new(&file)?;
            end.wrong = None;
            end = scan::walk(&mut window, seed, end, |at, frame, records| self.frame(at, frame, records, seed))?;
            let (_, follows) = scan::rest(&mut window, header, &end)?;
            let Some(offset) = follows else { return Ok(end.next) };
            // The one who writes may have finished a frame between the two looks.
            if tried.replace(end.offset) != Some(end.offset) {
                continue;
            }
            let Some(next) = FrameHeader::decode(window.get(offset, FRAME_HEAD)?) else { return Ok(end.next) };
            let room = usize::try_from(offset - end.offset).unwrap_or(usize::MAX);
            let broken =
                FrameHeader::decode(window.get(end.offset, FRAME_HEAD)?).map_or(FRAME_HEAD, |broken| broken.bytes());
            self.newest.push(FrameAt { first: end.next, offset: end.offset as u32, bytes: broken.min(room) as u32 });
            end = End { next: next.first, previous: next.previous, offset, wrong: None };
        }
    }

    fn frame(&mut self, at: FrameAt, frame: &FrameHeader, bytes: &[u8], seed: u32) -> io::Result<()> {
        self.newest.push(at);
        let last = frame.first + u64::from(frame.events) - 1;
        if last <= self.complete {
            self.met |= last == self.complete && frame.checksum == self.checksum;
            return Ok(());
        }
        for append in scan::appends(at, bytes, seed) {
            let (stream, place, life) = append?;
            self.unindexed.push(&stream, place);
            self.live.took(&stream, Position(place.position), life);
        }
        Ok(())
    }
}
