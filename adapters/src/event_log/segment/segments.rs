//! The segments as everyone but the log thread sees them: which there are, where frames begin, what stands there.

use super::super::collect::damaged;
use super::super::lock;
use super::file;
use super::frame::{BLOCK, FRAME_HEAD, FrameHeader, Record, whole_blocks};
use super::places::{Marked, Place};
use crate::cache::Cache;
use domain::log::{Position, ReadError};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Files kept open, per generation.
const FILES: usize = 32;
/// Segments whose frames are remembered, per generation.
const TABLES: usize = 16;

/// Bytes between two records that are read along with them.
const GAP: u32 = 8 << 10;
/// Bytes that are read at once at most, where records lie close together.
const STRETCH: u32 = 1 << 20;

/// Where a frame begins in its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameAt {
    /// Position of its first event.
    pub first: u64,
    pub offset: u32,
    /// Bytes without padding.
    pub bytes: u32,
}

/// All segments.
pub(super) struct Segments {
    folder: PathBuf,
    seed: u32,
    /// First positions, in order; the last segment is the one being written.
    list: RwLock<Vec<u64>>,
    /// Frames of the last segment.
    newest: Mutex<Vec<FrameAt>>,
    files: Mutex<Cache<u64, Arc<File>>>,
    tables: Mutex<Cache<u64, Arc<Vec<FrameAt>>>>,
}

impl Segments {
    pub fn new(folder: PathBuf, seed: u32, list: Vec<u64>, newest: Vec<FrameAt>) -> Self {
        let (files, tables) = (Mutex::new(Cache::new(FILES)), Mutex::new(Cache::new(TABLES)));
        Self { folder, seed, list: RwLock::new(list), newest: Mutex::new(newest), files, tables }
    }

    /// What checksums begin with.
    pub const fn seed(&self) -> u32 {
        self.seed
    }

    /// A frame was written into the last segment.
    pub fn wrote(&self, frame: FrameAt) {
        lock(&self.newest).push(frame);
    }

    /// Another segment begins, or an empty one is replaced.
    pub fn began(&self, first: u64) {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        let full = std::mem::take(&mut *lock(&self.newest));
        match list.last().copied() {
            Some(last) if last == first => lock(&self.files).remove(&first),
            Some(last) => {
                lock(&self.tables).insert(last, Arc::new(full));
                list.push(first);
            }
            None => list.push(first),
        }
    }

    /// First position of the segment that holds this one.
    fn holding(&self, position: u64) -> Option<u64> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        list.get(list.partition_point(|first| *first <= position).checked_sub(1)?).copied()
    }

    /// Frames of the segment that holds a position, and where they end: at the first position of the next segment,
    /// if there is one.
    pub fn frames(&self, position: u64) -> Result<Option<Frames>, ReadError> {
        let (first, next) = {
            let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
            let at = list.partition_point(|first| *first <= position);
            let Some(first) = at.checked_sub(1).and_then(|at| list.get(at)).copied() else { return Ok(None) };
            let Some(next) = list.get(at).copied() else {
                let frames = Arc::new(lock(&self.newest).clone());
                return Ok(Some(Frames { first, next: None, frames }));
            };
            (first, next)
        };
        let known = lock(&self.tables).get(&first).cloned();
        let frames = match known {
            Some(frames) => frames,
            None => {
                let frames = Arc::new(self.hop(first, next)?);
                lock(&self.tables).insert(first, Arc::clone(&frames));
                frames
            }
        };
        Ok(Some(Frames { first, next: Some(next), frames }))
    }

    /// Finds the frames of a segment by their headers.
    fn hop(&self, first: u64, next: u64) -> Result<Vec<FrameAt>, ReadError> {
        let (mut frames, mut position, mut offset) = (Vec::new(), first, BLOCK);
        while position < next {
            let mut head = [0; FRAME_HEAD];
            self.read(first, &mut head, offset as u64, position)?;
            let header = FrameHeader::decode(&head).filter(|header| header.first == position && header.events > 0);
            let header =
                header.ok_or_else(|| self.broken(position, first, offset, "no frame begins where one should"))?;
            frames.push(FrameAt { first: position, offset: offset as u32, bytes: header.bytes() as u32 });
            position += u64::from(header.events);
            offset += whole_blocks(header.bytes());
        }
        if position == next { Ok(frames) } else { Err(self.broken(next, first, offset, "a frame goes on too far")) }
    }

    /// The records of a frame of the segment that begins with `first`.
    pub fn frame(&self, first: u64, at: FrameAt) -> Result<Vec<u8>, ReadError> {
        let mut bytes = vec![0; at.bytes as usize];
        self.read(first, &mut bytes, at.offset.into(), at.first)?;
        let sound = FrameHeader::decode(&bytes).is_some_and(|header| header.first == at.first);
        if !sound {
            return Err(self.broken(at.first, first, at.offset as usize, "no frame begins where one should"));
        }
        bytes.drain(..FRAME_HEAD);
        Ok(bytes)
    }

    /// Bytes at a place that should be its record.
    pub fn record(&self, place: Place) -> Result<Vec<u8>, ReadError> {
        let first =
            self.holding(place.position).ok_or_else(|| damaged(Position(place.position), "no segment holds it"))?;
        let mut bytes = vec![0; place.size as usize];
        self.read(first, &mut bytes, place.offset.into(), place.position)?;
        Ok(bytes)
    }

    /// The first of these places, which are in order, with those that lie close behind it, and all bytes from the first to
    /// the last, in `room` from one reading to the next: reading what lies between costs less than reading twice.
    pub fn stretch<'p, 'r>(
        &self,
        places: &'p [Marked],
        room: &'r mut Vec<u8>,
    ) -> Result<(&'p [Marked], &'r [u8]), ReadError> {
        let Some((place, _)) = places.first() else { return Ok((&[], &[])) };
        let segment = |place: &Place| {
            self.holding(place.position).ok_or_else(|| damaged(Position(place.position), "no segment holds it"))
        };
        let (first, mut end, mut count) = (segment(place)?, place.end(), 1);
        for (next, _) in places.iter().skip(1) {
            let near = next.offset >= end && next.offset - end <= GAP && next.end() - place.offset <= STRETCH;
            if !near || segment(next)? != first {
                break;
            }
            (end, count) = (next.end(), count + 1);
        }
        let size = (end - place.offset) as usize;
        if room.len() < size {
            room.resize(size, 0);
        }
        let bytes = room.get_mut(..size).unwrap_or_default();
        self.read(first, bytes, place.offset.into(), place.position)?;
        Ok((places.get(..count).unwrap_or_default(), bytes))
    }

    /// Reads the record at a place; what is there must be what the place says.
    pub fn open<'a>(&self, place: Place, bytes: &'a [u8]) -> Result<Record<'a>, ReadError> {
        let at = Position(place.position);
        let (record, _) = Record::open(bytes, self.seed).map_err(|what| damaged(at, what))?;
        let same =
            record.position == place.position && record.revision == place.revision && record.count == place.count;
        if same { Ok(record) } else { Err(damaged(at, "another append stands where the index says that it is")) }
    }

    fn read(&self, first: u64, to: &mut [u8], offset: u64, near: u64) -> Result<(), ReadError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.broken(near, first, offset as usize, "it ends too early"),
            io::ErrorKind::NotFound => self.broken(near, first, offset as usize, "it is missing"),
            _ => ReadError::Unavailable(format!("{}: {error}", file::path_of(&self.folder, first).display())),
        };
        self.file(first).and_then(|file| file.read_exact_at(to, offset)).map_err(failed)
    }

    fn file(&self, first: u64) -> io::Result<Arc<File>> {
        if let Some(file) = lock(&self.files).get(&first) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(File::open(file::path_of(&self.folder, first))?);
        lock(&self.files).insert(first, Arc::clone(&file));
        Ok(file)
    }

    fn broken(&self, position: u64, first: u64, offset: usize, what: &str) -> ReadError {
        let path = file::path_of(&self.folder, first);
        damaged(Position(position), &format!("{} at byte {offset}: {what}", path.display()))
    }
}

/// Frames of one segment.
pub(super) struct Frames {
    /// Position of its first event.
    pub first: u64,
    /// First position of the next segment.
    pub next: Option<u64>,
    frames: Arc<Vec<FrameAt>>,
}

impl Frames {
    /// Those from the one on that holds this position.
    pub fn from(&self, position: u64) -> &[FrameAt] {
        let at = self.frames.partition_point(|frame| frame.first <= position);
        self.frames.get(at.saturating_sub(1)..).unwrap_or_default()
    }

    /// Those up to the one that holds this position.
    pub fn until(&self, position: u64) -> &[FrameAt] {
        let end = self.frames.partition_point(|frame| frame.first <= position);
        self.frames.get(..end).unwrap_or_default()
    }
}
