//! Walking through a segment frame by frame, checking every byte, when the log is opened.

use super::super::row::Row;
use super::frame::{BLOCK, FRAME_HEAD, FrameHeader, Record, SegmentHeader, whole_blocks};
use super::places::Place;
use super::segments::FrameAt;
use domain::log::{Life, StreamName};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// What a block holds in which nothing was ever written.
const NOTHING: [u8; BLOCK] = [0; BLOCK];
/// Bytes read at a time.
const WINDOW: usize = 1 << 20;

/// A file read in large pieces.
pub(super) struct Window<'f> {
    file: &'f File,
    size: u64,
    at: u64,
    bytes: Vec<u8>,
}

impl<'f> Window<'f> {
    pub fn new(file: &'f File) -> io::Result<Self> {
        Ok(Self { file, size: file.metadata()?.len(), at: 0, bytes: Vec::new() })
    }

    /// Bytes of the file.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Bytes from a place on, fewer where the file ends.
    pub fn get(&mut self, at: u64, count: usize) -> io::Result<&[u8]> {
        let count = (self.size.saturating_sub(at)).min(count as u64) as usize;
        let held = at >= self.at && at + count as u64 <= self.at + self.bytes.len() as u64;
        if !held {
            let length = self.size.saturating_sub(at).min(count.max(WINDOW) as u64);
            self.bytes.resize(length as usize, 0);
            self.file.read_exact_at(&mut self.bytes, at)?;
            self.at = at;
        }
        let from = (at - self.at) as usize;
        Ok(&self.bytes[from..from + count])
    }
}

/// Where the frames of a segment end.
#[derive(Debug)]
pub(super) struct End {
    /// Position that the next event gets.
    pub next: u64,
    /// Checksum of the last frame.
    pub previous: u32,
    /// Where the next frame would begin.
    pub offset: u64,
    /// What is wrong with what stands there; `None` where it looks like the end.
    pub wrong: Option<&'static str>,
}

impl End {
    /// Of a segment whose frames are still to be read.
    pub const fn before(header: &SegmentHeader) -> Self {
        Self { next: header.first, previous: header.previous, offset: BLOCK as u64, wrong: None }
    }
}

/// Hands over every frame from `end` on that is whole and follows the one before, with its records.
pub(super) fn walk<E: From<io::Error>>(
    window: &mut Window<'_>,
    seed: u32,
    mut end: End,
    mut take: impl FnMut(FrameAt, &FrameHeader, &[u8]) -> Result<(), E>,
) -> Result<End, E> {
    loop {
        let head = window.get(end.offset, FRAME_HEAD)?;
        if head.iter().all(|byte| *byte == 0) {
            return Ok(end);
        }
        let Some(frame) = FrameHeader::decode(head) else {
            end.wrong = Some("no frame begins there");
            return Ok(end);
        };
        let bytes = window.get(end.offset, frame.bytes())?;
        let follows = frame.previous == end.previous && frame.first == end.next;
        if let Err(wrong) = frame.verify(bytes, seed).and(if follows { Ok(()) } else { Err("it does not follow") }) {
            end.wrong = Some(wrong);
            return Ok(end);
        }
        let at = FrameAt { first: frame.first, offset: end.offset as u32, bytes: frame.bytes() as u32 };
        take(at, &frame, bytes.get(FRAME_HEAD..).unwrap_or_default())?;
        end.next += u64::from(frame.events);
        end.previous = frame.checksum;
        end.offset += whole_blocks(frame.bytes()) as u64;
    }
}

/// The records of a frame that was verified, with their offsets behind its header.
fn records(bytes: &[u8], seed: u32) -> impl Iterator<Item = (usize, usize, Record<'_>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (record, size) = Record::open(bytes.get(at..).filter(|rest| !rest.is_empty())?, seed).ok()?;
        at += size;
        Some((at - size, size, record))
    })
}

/// The appends of a frame that was verified: whose each is, where it stands, and what it did to its stream.
pub(super) fn appends(
    at: FrameAt,
    bytes: &[u8],
    seed: u32,
) -> impl Iterator<Item = io::Result<(StreamName, Place, Life)>> {
    records(bytes, seed).map(move |(offset, size, record)| {
        let wrong = |what| io::Error::other(format!("an append at position {}: {what}", record.position));
        let (stream, life) = (record.name().map_err(wrong)?, Row::open(record.row).map_err(wrong)?.life);
        let offset = at.offset + (FRAME_HEAD + offset) as u32;
        let (position, revision, count) = (record.position, record.revision, record.count);
        Ok((stream, Place { position, revision, count, offset, size: size as u32 }, life))
    })
}

/// Looks through what follows the last frame: the end of the last byte that is not zero, and where a whole frame of
/// this log begins, if any does.
pub(super) fn rest(
    window: &mut Window<'_>,
    header: &SegmentHeader,
    end: &End,
) -> io::Result<(Option<u64>, Option<u64>)> {
    let (mut used, mut at) = (None, end.offset);
    while at < window.size() {
        let block = window.get(at, BLOCK)?;
        // Most are as they were reserved, and to compare is faster than to look at each byte.
        if NOTHING.get(..block.len()) != Some(block)
            && let Some(last) = block.iter().rposition(|byte| *byte != 0)
        {
            used = Some(at + last as u64 + 1);
            if let Some(frame) = FrameHeader::decode(block).filter(|frame| frame.first >= end.next) {
                let bytes = window.get(at, frame.bytes())?;
                if frame.verify(bytes, header.log.seed()).is_ok() {
                    return Ok((used, Some(at)));
                }
            }
        }
        at += BLOCK as u64;
    }
    Ok((used, None))
}
