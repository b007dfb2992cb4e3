//! Opening a log: what is there, where it ends, what the index does not know yet.

use super::super::lock;
use super::error::OpenError;
use super::file::{self, Zeros};
use super::frame::{BLOCK, FrameHeader, LogId, SegmentHeader};
use super::index::{self, Batch, Index, IndexError};
use super::places::{Live, Place, Unindexed};
use super::scan::{self, End, Window};
use super::segments::FrameAt;
use super::writer::Active;
use super::{Settings, space};
use crate::private_file;
use domain::log::{Life, Position, StreamName};
use nix::fcntl::Flock;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Segments read between two lines that tell how far it is.
const TELL_EVERY: usize = 16;

/// A log ready to be written.
pub(super) struct Opened {
    pub lock: Flock<File>,
    pub log: LogId,
    /// First positions of the segments.
    pub list: Vec<u64>,
    /// Frames of the last one.
    pub newest: Vec<FrameAt>,
    pub active: Active,
    pub head: Position,
    pub index: Index,
    pub unindexed: Unindexed,
    pub live: Live,
}

/// The index's file in a log's folder.
pub(super) fn index_path(folder: &Path) -> PathBuf {
    folder.join("index.db")
}

/// Opens the log in this folder, or makes it.
pub(super) fn open(folder: &Path, settings: &Settings) -> Result<Opened, OpenError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::File { path, source }
    };
    private_file::make_folder_of(&index_path(folder)).map_err(at(folder))?;
    let lock = private_file::claim(&folder.join("log")).map_err(at(folder))?;
    let lock = lock.ok_or_else(|| OpenError::InUse(folder.to_owned()))?;
    match std::fs::remove_file(space::path(folder)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&space::path(folder))(error)),
        Ok(()) | Err(_) => {}
    }
    let mut list = file::list(folder).map_err(at(folder))?;
    if list.is_empty() {
        if index_path(folder).exists() {
            let what = "its index.db is there, but no segment";
            return Err(OpenError::Damaged { path: folder.to_owned(), offset: 0, what: what.into() });
        }
        make_first(folder, settings).map_err(at(folder))?;
        list.push(1);
    }
    // Entries that a crash kept from the disk get there before anyone relies on them.
    file::sync_folder(folder).map_err(at(folder))?;
    let headers = read_headers(folder, &list)?;
    let log = headers.last().map_or(LogId([0; 16]), |header| header.log);
    let mut recovery = Recovery::begin(folder, settings, log)?;
    let walked = match recovery.walk(&headers)? {
        Some(walked) => walked,
        None => {
            tracing::warn!("the log's index does not belong to its segments");
            recovery = Recovery::anew(folder, settings, log)?;
            recovery.walk(&headers)?.ok_or_else(|| recovery.failed("a new one does not belong to the log either"))?
        }
    };
    let Walked { end, header, newest } = walked;
    let head = Position(end.next - 1);
    if recovery.index.complete > head.0 {
        let complete = recovery.index.complete;
        return Err(OpenError::Shorter { folder: folder.to_owned(), head: head.0, complete });
    }
    let path = file::path_of(folder, header.first);
    let active = make_active(&path, header, &end, newest.last()).map_err(at(&path))?;
    let active =
        active.map_err(|offset| damaged(&path, end.offset, &format!("whole commits follow at byte {offset}")))?;
    let Recovery { index, unindexed, live, .. } = recovery;
    let live = live.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(Opened { lock, log, list, newest, active, head, index, unindexed, live })
}

/// The first segment of a new log, under its name only when it is whole.
fn make_first(folder: &Path, settings: &Settings) -> io::Result<()> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| io::Error::other(error.to_string()))?;
    let spare = space::path(folder);
    let file = file::open_direct(&spare, true)?;
    let size = settings.size_of(0);
    file::reserve(&file, size)?;
    let header = SegmentHeader { number: 0, first: 1, log: LogId(id), previous: 0 };
    file::write_blocks(&file, &header.encode(), 0)?;
    Zeros::new().write(&file, BLOCK as u64, size, || true)?;
    file.sync_all()?;
    std::fs::rename(spare, file::path_of(folder, 1))
}

/// Headers must be whole, of one log, and follow each other.
pub(super) fn read_headers(folder: &Path, list: &[u64]) -> Result<Vec<SegmentHeader>, OpenError> {
    let mut headers: Vec<SegmentHeader> = Vec::with_capacity(list.len());
    for (number, first) in list.iter().enumerate() {
        let path = file::path_of(folder, *first);
        let read = || {
            let file = File::open(&path)?;
            Window::new(&file)?.get(0, BLOCK).map(SegmentHeader::decode)
        };
        let header = read().map_err(|source| OpenError::File { path: path.clone(), source })?;
        let header = header.map_err(|what| damaged(&path, 0, what))?;
        if header.first != *first {
            return Err(damaged(&path, 0, "its name is not that of its first position"));
        }
        if headers.last().is_some_and(|before| before.log != header.log) {
            return Err(damaged(&path, 0, "it belongs to another log than the segment before it"));
        }
        if header.number != number as u64 {
            return Err(damaged(&path, 0, "a segment before it is missing"));
        }
        headers.push(header);
    }
    Ok(headers)
}

pub(super) fn damaged(path: &Path, offset: u64, what: &str) -> OpenError {
    OpenError::Damaged { path: path.to_owned(), offset, what: what.into() }
}

/// The last segment, read to its end.
struct Walked {
    end: End,
    header: SegmentHeader,
    newest: Vec<FrameAt>,
}

/// What stopped a walk.
enum Trouble {
    Segment(io::Error),
    Index(IndexError),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Segment(error)
    }
}

impl From<IndexError> for Trouble {
    fn from(error: IndexError) -> Self {
        Self::Index(error)
    }
}

/// Brings together what the index knows and what the segments hold.
struct Recovery<'s> {
    folder: &'s Path,
    settings: &'s Settings,
    index: Index,
    /// A frame was met that ends where the index does, or the index is empty.
    met: bool,
    unindexed: Unindexed,
    live: std::sync::Mutex<Live>,
}

impl<'s> Recovery<'s> {
    fn begin(folder: &'s Path, settings: &'s Settings, log: LogId) -> Result<Self, OpenError> {
        let path = index_path(folder);
        if !path.exists() {
            return Self::anew(folder, settings, log);
        }
        match Index::open(&path, log) {
            Ok((index, live)) => Ok(Self::with(folder, settings, index, Live::restored(live))),
            Err(error) => {
                tracing::warn!(%error, "the log's index cannot be used");
                Self::anew(folder, settings, log)
            }
        }
    }

    /// With an empty index in the place of whatever is there.
    fn anew(folder: &'s Path, settings: &'s Settings, log: LogId) -> Result<Self, OpenError> {
        let path = index_path(folder);
        for file in index::files(&path) {
            match std::fs::remove_file(&file) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(OpenError::File { path: file, source });
                }
                Ok(()) | Err(_) => {}
            }
        }
        let index = Index::create(&path, log);
        let index = index.map_err(|error| OpenError::Index { path, what: error.to_string() })?;
        Ok(Self::with(folder, settings, index, Live::default()))
    }

    fn with(folder: &'s Path, settings: &'s Settings, index: Index, live: Live) -> Self {
        let met = index.complete == 0;
        Self { folder, settings, index, met, unindexed: Unindexed::default(), live: live.into() }
    }

    fn failed(&self, what: &str) -> OpenError {
        OpenError::Index { path: index_path(self.folder), what: what.into() }
    }

    /// Reads everything from the segment on where the index ends; `None` where the index is not this log's.
    fn walk(&mut self, headers: &[SegmentHeader]) -> Result<Option<Walked>, OpenError> {
        let start = headers.partition_point(|header| header.first <= self.index.complete).saturating_sub(1);
        let parts = headers.get(start..).unwrap_or_default();
        if parts.len() > 1 {
            tracing::info!(segments = parts.len(), "the log's index catches up with its segments");
        }
        let mut walked = None;
        for (number, header) in parts.iter().enumerate() {
            let path = file::path_of(self.folder, header.first);
            let (end, newest) = self.segment(&path, header).map_err(|trouble| match trouble {
                Trouble::Segment(source) => OpenError::File { path: path.clone(), source },
                Trouble::Index(error) => self.failed(&error.to_string()),
            })?;
            if !self.met && end.next > self.index.complete {
                return Ok(None);
            }
            if let Some(next) = parts.get(number + 1)
                && (next.first != end.next || next.previous != end.previous)
            {
                let what = end.wrong.unwrap_or("commits are missing before the next segment");
                return Err(damaged(&path, end.offset, what));
            }
            if number % TELL_EVERY == TELL_EVERY - 1 {
                tracing::info!(segment = number + 1, of = parts.len(), "the log's index catches up");
            }
            walked = Some(Walked { end, header: *header, newest });
        }
        walked.map(Some).ok_or_else(|| self.failed("there are no segments"))
    }

    fn segment(&mut self, path: &Path, header: &SegmentHeader) -> Result<(End, Vec<FrameAt>), Trouble> {
        let file = File::open(path)?;
        let mut window = Window::new(&file)?;
        let (mut newest, seed) = (Vec::new(), header.log.seed());
        let end = scan::walk(&mut window, seed, End::before(header), |at, frame, records| {
            newest.push(at);
            self.frame(at, frame, records, seed)
        })?;
        Ok((end, newest))
    }

    fn frame(&mut self, at: FrameAt, frame: &FrameHeader, bytes: &[u8], seed: u32) -> Result<(), Trouble> {
        let last = frame.first + u64::from(frame.events) - 1;
        if last <= self.index.complete {
            self.met |= last == self.index.complete && frame.checksum == self.index.checksum;
            return Ok(());
        }
        if !self.met {
            return Ok(());
        }
        for append in scan::appends(at, bytes, seed) {
            let (stream, place, life) = append?;
            self.append(&stream, place, life);
        }
        if self.unindexed.fresh() >= self.settings.index_appends {
            let (places, live) = (self.unindexed.batch(), lock(&self.live).take_changes());
            let first = self.index.complete + 1;
            self.index.store(&Batch { places, live, first, last, checksum: frame.checksum })?;
            self.unindexed.stored();
            while self.index.merge()? {}
        }
        Ok(())
    }

    fn append(&self, stream: &StreamName, place: Place, life: Life) {
        self.unindexed.push(stream, place);
        lock(&self.live).took(stream, Position(place.position), life);
    }
}

/// Makes the last segment ready to be written; fails with a place where whole frames follow what is no frame.
fn make_active(
    path: &Path,
    header: SegmentHeader,
    end: &End,
    last: Option<&FrameAt>,
) -> io::Result<Result<Active, u64>> {
    let reading = File::open(path)?;
    let mut window = Window::new(&reading)?;
    let (used, follows) = scan::rest(&mut window, &header, end)?;
    if let Some(follows) = follows {
        return Ok(Err(follows));
    }
    let file = file::open_direct(path, false)?;
    let size = window.size().next_multiple_of(BLOCK as u64);
    if size != window.size() {
        file.set_len(size)?;
    }
    if let Some(used) = used {
        tracing::warn!(segment = %path.display(), from = end.offset, until = used, "the rest of a commit that was never answered is erased");
        Zeros::new().write(&file, end.offset, used.next_multiple_of(BLOCK as u64), || true)?;
    }
    if let Some(last) = last {
        // Its fdatasync may have failed, or never been called. Reading it back proves nothing: it may come from memory
        // that is taken for clean. Once it is written again, the fdatasync below covers it.
        let frame = window.get(last.offset.into(), last.bytes as usize)?;
        file::write_blocks(&file, frame, last.offset.into())?;
    }
    file.sync_all()?;
    let (offset, previous) = (end.offset, end.previous);
    Ok(Ok(Active { file, size, header, offset, previous }))
}
