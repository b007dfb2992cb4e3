//! What stands in a segment. Numbers are big endian; checksums are CRC-32C, begun with the log's id.
//!
//! ```text
//! segment   header, frames; each begins at a multiple of 4096, what lies between is zero
//! header    magic:[8] · number:u64 · first:u64 · log:[16] · previous:u32 · checksum:u32 (of all before it)
//! frame     magic:[4] · checksum:u32 · previous:u32 · appends:u32 · length:u32 · events:u32 · first:u64 · records
//! record    length:u32 (after the checksum) · checksum:u32 (of what follows) · position:u64 · revision:u64 · count:u16 ·
//!           name_len:u8 · name · row (see `row.rs`)
//! ```
//!
//! A frame is one commit. Its checksum covers its header after the checksum and the length and checksum of each record,
//! and through these all bytes. `previous` is the checksum of the frame before it, also across segments: bytes of another
//! log or of an older life of the place cannot be taken for the next frame. No block that an answered commit wrote is
//! ever written again, so a torn write harms nothing before it.

use super::super::row;
use domain::log::{Append, StreamName};

/// Frames begin at multiples of this, bytes; direct input and output need it too.
pub(super) const BLOCK: usize = 4_096;
/// Bytes before a frame's records.
pub(super) const FRAME_HEAD: usize = 32;
/// Bytes before what a record's checksum covers.
const RECORD_HEAD: usize = 8;
/// Bytes of a record beside its stream's name and its row.
const RECORD_FIXED: usize = RECORD_HEAD + 8 + 8 + 2 + 1;
const SEGMENT_HEAD: usize = 48;
const SEGMENT_MAGIC: [u8; 8] = *b"SWGRLOG\x01";
const FRAME_MAGIC: [u8; 4] = *b"SWF\x01";

/// A log's identity, drawn when it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogId(pub [u8; 16]);

impl LogId {
    /// What this log's checksums begin with.
    pub fn seed(self) -> u32 {
        crc32c::crc32c(&self.0)
    }
}

/// The next multiple of [`BLOCK`].
pub(super) const fn whole_blocks(bytes: usize) -> usize {
    bytes.next_multiple_of(BLOCK)
}

/// A segment's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// Counts the log's segments from 0.
    pub number: u64,
    /// Position of its first event.
    pub first: u64,
    pub log: LogId,
    /// Checksum of the last frame before it; of a new log, 0.
    pub previous: u32,
}

impl SegmentHeader {
    pub fn encode(&self) -> [u8; SEGMENT_HEAD] {
        let mut bytes = [0; SEGMENT_HEAD];
        bytes[..8].copy_from_slice(&SEGMENT_MAGIC);
        bytes[8..16].copy_from_slice(&self.number.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.first.to_be_bytes());
        bytes[24..40].copy_from_slice(&self.log.0);
        bytes[40..44].copy_from_slice(&self.previous.to_be_bytes());
        let checksum = crc32c::crc32c(&bytes[..44]);
        bytes[44..].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }

    /// An error says what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut fields = Fields(bytes);
        if fields.array()? != SEGMENT_MAGIC {
            return Err("it does not begin as a segment of this format does");
        }
        let header =
            Self { number: fields.u64()?, first: fields.u64()?, log: LogId(fields.array()?), previous: fields.u32()? };
        if fields.u32()? != crc32c::crc32c(&bytes[..SEGMENT_HEAD - 4]) {
            return Err("its header's checksum is wrong");
        }
        Ok(header)
    }
}

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub checksum: u32,
    pub previous: u32,
    pub appends: u32,
    /// Bytes of its records.
    pub length: u32,
    pub events: u32,
    pub first: u64,
}

impl FrameHeader {
    /// `None` where no frame begins.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let read = |fields: &mut Fields<'_>| -> Result<(bool, Self), &'static str> {
            let magic = fields.array()? == FRAME_MAGIC;
            let (checksum, previous, appends) = (fields.u32()?, fields.u32()?, fields.u32()?);
            let (length, events, first) = (fields.u32()?, fields.u32()?, fields.u64()?);
            Ok((magic, Self { checksum, previous, appends, length, events, first }))
        };
        read(&mut fields).ok().filter(|(magic, _)| *magic).map(|(_, header)| header)
    }

    /// Bytes of the whole frame without its padding.
    pub const fn bytes(&self) -> usize {
        FRAME_HEAD + self.length as usize
    }

    /// Whether these are this frame's records, and the header what was written.
    pub fn verify(&self, frame: &[u8], seed: u32) -> Result<(), &'static str> {
        let (Some(head), Some(records)) = (frame.get(8..FRAME_HEAD), frame.get(FRAME_HEAD..self.bytes())) else {
            return Err("it is cut short");
        };
        let (mut checksum, mut appends, mut events, mut rest) = (seed, 0_u32, 0_u64, records);
        while !rest.is_empty() {
            let (record, size) = Record::open(rest, seed)?;
            if record.position != self.first + events {
                return Err("a record in it has another position");
            }
            checksum = crc32c::crc32c_append(checksum, &rest[..RECORD_HEAD]);
            appends += 1;
            events += u64::from(record.count);
            rest = &rest[size..];
        }
        if crc32c::crc32c_append(checksum, head) != self.checksum {
            return Err("its checksum is wrong");
        }
        if appends != self.appends || events != u64::from(self.events) || events == 0 {
            return Err("it does not hold what it says");
        }
        Ok(())
    }
}

/// One append as it stands in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// Position of its first event.
    pub position: u64,
    /// Revision of its first event.
    pub revision: u64,
    pub count: u16,
    pub stream: &'a str,
    pub row: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads the record that these bytes begin with, and answers how many bytes it has.
    pub fn open(bytes: &'a [u8], seed: u32) -> Result<(Self, usize), &'static str> {
        let mut fields = Fields(bytes);
        let (length, checksum) = (fields.u32()? as usize, fields.u32()?);
        let body = fields.take(length)?;
        if crc32c::crc32c_append(seed, body) != checksum {
            return Err("a record's checksum is wrong");
        }
        Ok((Self::read(body)?, RECORD_HEAD + length))
    }

    fn read(body: &'a [u8]) -> Result<Self, &'static str> {
        let mut fields = Fields(body);
        let (position, revision, count) = (fields.u64()?, fields.u64()?, u16::from_be_bytes(fields.array()?));
        let [name] = fields.array()?;
        let stream = std::str::from_utf8(fields.take(name.into())?).map_err(|_| "a stream's name is not UTF-8")?;
        Ok(Self { position, revision, count, stream, row: fields.0 })
    }

    /// Whose append a broken record seems to be, for people; `None` where not even that can be read.
    pub fn seems(bytes: &'a [u8]) -> Option<String> {
        let record = Self::read(bytes.get(RECORD_HEAD..)?).ok()?;
        let stream = record.name().ok()?;
        Some(format!("an append to {stream} from revision {} on, as it seems", record.revision))
    }

    /// Position of its last event.
    pub const fn last(&self) -> u64 {
        self.position + (self.count as u64).saturating_sub(1)
    }

    /// The name of its stream; an error says what is wrong with it.
    pub fn name(&self) -> Result<StreamName, &'static str> {
        StreamName::parse(self.stream).ok_or("a stream has a name that breaks the rules")
    }
}

/// Bytes of an append, whose limits were checked, as a record.
pub(super) fn record_size(append: &Append) -> usize {
    RECORD_FIXED + append.stream.as_str().len() + row::size(append)
}

/// A frame in the making. It is kept, with its memory, from commit to commit.
#[derive(Debug)]
pub(super) struct Frame {
    /// Begins at a multiple of [`BLOCK`] in memory after `start` bytes, for direct output.
    bytes: Vec<u8>,
    start: usize,
    seed: u32,
    heads: u32,
    appends: u32,
    events: u32,
    first: u64,
}

impl Frame {
    /// An empty frame of a log whose checksums begin with `seed`.
    pub fn new(seed: u32, capacity: usize) -> Self {
        let (bytes, start) = aligned(capacity);
        let mut frame = Self { bytes, start, seed, heads: seed, appends: 0, events: 0, first: 0 };
        frame.clear(0);
        frame
    }

    /// Empties it; its first event will have this position.
    pub fn clear(&mut self, first: u64) {
        self.bytes.truncate(self.start);
        self.bytes.resize(self.start + FRAME_HEAD, 0);
        (self.heads, self.appends, self.events, self.first) = (self.seed, 0, 0, first);
    }

    pub const fn is_empty(&self) -> bool {
        self.appends == 0
    }

    /// Bytes so far, without padding.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Position of its first event.
    pub const fn first(&self) -> u64 {
        self.first
    }

    /// Position that the next event gets.
    pub const fn next(&self) -> u64 {
        self.first + self.events as u64
    }

    /// Whether the event at this position is in it.
    pub const fn holds(&self, position: u64) -> bool {
        position >= self.first && position < self.next()
    }

    /// Adds an append; answers where its record begins in the frame, and its size.
    pub fn push(&mut self, append: &Append, size: usize) -> (usize, usize) {
        // Room for the padding too, so that nothing moves in `seal`.
        if self.bytes.capacity() < self.bytes.len() + size + BLOCK {
            let (mut larger, start) = aligned((self.len() + size).saturating_mul(2));
            larger.extend_from_slice(&self.bytes[self.start..]);
            (self.bytes, self.start) = (larger, start);
        }
        let at = self.bytes.len();
        let name = append.stream.as_str().as_bytes();
        // Lengths fit: `check` refused longer ones.
        self.bytes.extend_from_slice(&((size - RECORD_HEAD) as u32).to_be_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&self.next().to_be_bytes());
        self.bytes.extend_from_slice(&append.expected.next().0.to_be_bytes());
        self.bytes.extend_from_slice(&(append.events.len() as u16).to_be_bytes());
        self.bytes.push(name.len() as u8);
        self.bytes.extend_from_slice(name);
        row::encode(append, &mut self.bytes);
        let checksum = crc32c::crc32c_append(self.seed, &self.bytes[at + RECORD_HEAD..]);
        self.bytes[at + 4..at + 8].copy_from_slice(&checksum.to_be_bytes());
        self.heads = crc32c::crc32c_append(self.heads, &self.bytes[at..at + RECORD_HEAD]);
        self.appends += 1;
        self.events += append.events.len() as u32;
        (at - self.start, self.bytes.len() - at)
    }

    /// The record that begins there.
    pub fn record(&self, at: usize) -> Result<Record<'_>, &'static str> {
        Record::open(self.bytes.get(self.start + at..).unwrap_or_default(), self.seed).map(|(record, _)| record)
    }

    /// Finishes it: its bytes, whole blocks of them, and its checksum.
    pub fn seal(&mut self, previous: u32) -> (&[u8], u32) {
        let length = (self.len() - FRAME_HEAD) as u32;
        let head = &mut self.bytes[self.start..self.start + FRAME_HEAD];
        head[..4].copy_from_slice(&FRAME_MAGIC);
        head[8..12].copy_from_slice(&previous.to_be_bytes());
        head[12..16].copy_from_slice(&self.appends.to_be_bytes());
        head[16..20].copy_from_slice(&length.to_be_bytes());
        head[20..24].copy_from_slice(&self.events.to_be_bytes());
        head[24..32].copy_from_slice(&self.first.to_be_bytes());
        let checksum = crc32c::crc32c_append(self.heads, &head[8..]);
        head[4..8].copy_from_slice(&checksum.to_be_bytes());
        let padded = self.start + whole_blocks(self.len());
        self.bytes.resize(padded, 0);
        (&self.bytes[self.start..], checksum)
    }
}

/// An empty buffer with this much room after the bytes that lead to a multiple of [`BLOCK`] in memory.
pub(super) fn aligned(capacity: usize) -> (Vec<u8>, usize) {
    let mut bytes = Vec::with_capacity(whole_blocks(capacity) + 3 * BLOCK);
    let address = bytes.as_ptr() as usize;
    let start = address.next_multiple_of(BLOCK) - address;
    bytes.resize(start, 0);
    (bytes, start)
}

/// Reads fields one after the other.
pub(super) struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or("it is cut short")?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        self.take(N)?.try_into().map_err(|_| "it is cut short")
    }

    pub fn u32(&mut self) -> Result<u32, &'static str> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, &'static str> {
        self.array().map(u64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use domain::ids::EventId;
    use domain::log::{Draft, EventHash, Expected, Life, Revision};
    use domain::time::WallTime;
    use uuid::Uuid;

    fn append(last: u64, bytes: usize) -> Append {
        let event = |counter| Draft {
            id: EventId::minted(1, 2, 3, counter),
            kind: "SessionOffered".into(),
            version: 3,
            at: WallTime::from_micros(-5),
            cause: None,
            previous: EventHash::NONE,
            data: Bytes::from(vec![b'x'; bytes]),
        };
        Append {
            stream: StreamName::new("session", 1),
            expected: Expected::Exactly(Revision(last)),
            life: Life::Open,
            correlation: Uuid::nil(),
            node: 1,
            events: vec![event(1), event(2)],
        }
    }

    #[test]
    fn a_frame_gives_back_its_appends_and_is_whole_blocks_that_begin_at_one() {
        let mut frame = Frame::new(7, 100);
        for round in 0..3 {
            frame.clear(10 + round);
            for last in 0..9 {
                let append = append(last, 1_000 << round);
                let size = record_size(&append);
                let (at, pushed) = frame.push(&append, size);
                assert_eq!(pushed, size);
                let record = frame.record(at).unwrap();
                assert_eq!((record.revision, record.count, record.stream), (last + 1, 2, "session-1"));
            }
            let (bytes, checksum) = frame.seal(99);
            assert!(bytes.len().is_multiple_of(BLOCK) && (bytes.as_ptr() as usize).is_multiple_of(BLOCK));
            let header = FrameHeader::decode(bytes).unwrap();
            assert_eq!((header.previous, header.appends, header.events), (99, 9, 18));
            assert_eq!((header.first, header.checksum), (10 + round, checksum));
            assert_eq!(header.verify(bytes, 7), Ok(()));
            assert!(header.verify(bytes, 8).is_err(), "a frame of another log");
        }
    }

    #[test]
    fn any_changed_byte_of_a_frame_is_noticed() {
        let mut frame = Frame::new(7, 100);
        frame.clear(1);
        frame.push(&append(0, 50), record_size(&append(0, 50)));
        frame.push(&append(2, 50), record_size(&append(2, 50)));
        let length = frame.len();
        let (bytes, _) = frame.seal(0);
        for at in 0..length {
            for bit in 0..8 {
                let mut changed = bytes.to_vec();
                changed[at] ^= 1 << bit;
                let sound = FrameHeader::decode(&changed).is_some_and(|header| header.verify(&changed, 7).is_ok());
                assert!(!sound, "bit {bit} of byte {at}");
            }
        }
    }
}
