//! The file: a header, and chunks of streams whose names stand in clear, as they do in the log, before what is sealed. A chunk
//! without names is the end.

use crate::keyring::Keyring;
use domain::codec::seal::{KeyRef, SealKey};
use domain::ids::AccountId;
use domain::log::{EventHash, Position, StreamName};
use domain::ports::Keyring as _;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// What a file begins with; the last byte is the version: another one where what is kept means something else, for what it
/// says is believed.
const MAGIC: [u8; 8] = *b"SWKEPT\0\x02";
/// Bytes of a header: the above, a key's reference, a position, a hash.
const HEADER: usize = 8 + 8 + 8 + 32;
/// A chunk is written when it holds so much.
const CHUNK: usize = 256 * 1024;
/// No chunk holds more: what claims to is damaged.
const LARGEST: usize = 64 * 1024 * 1024;
/// Whose keys seal these files: no account's.
const NOBODY: AccountId = AccountId::from_bits(0);

/// How far a file goes: what it says of a stream is true if that was not written after this event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Through {
    /// The event's place.
    pub position: Position,
    /// Its hash: another log has another one there.
    pub hash: EventHash,
}

/// Writes a file.
pub struct Writer {
    file: BufWriter<File>,
    pub key: (KeyRef, SealKey),
    names: Vec<u8>,
    plain: Vec<u8>,
    chunks: u64,
}

impl Writer {
    /// A file at `path`, mode 0600, under a fresh key.
    pub fn new(path: &Path, keyring: &Keyring, through: Through) -> io::Result<Self> {
        let away = |_| io::Error::other("the keyring makes no key");
        keyring.ensure_accounts(&[NOBODY]).map_err(away)?;
        let key = keyring.take(NOBODY).ok_or_else(|| io::Error::other("the keyring has no key ready"))?;
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        let mut file = BufWriter::new(file);
        file.write_all(&MAGIC)?;
        file.write_all(&key.0.0.to_be_bytes())?;
        file.write_all(&through.position.0.to_be_bytes())?;
        file.write_all(&through.hash.0)?;
        Ok(Self { file, key, names: vec![], plain: vec![], chunks: 0 })
    }

    /// What a stream comes to.
    pub fn put(&mut self, stream: &StreamName, what: &[u8]) -> io::Result<()> {
        put_sized(&mut self.names, stream.as_str().as_bytes())?;
        put_sized(&mut self.plain, what)?;
        if self.plain.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.names.is_empty() {
            return Ok(());
        }
        let mut salt = [0; 24];
        getrandom::fill(&mut salt).map_err(|_| io::Error::other("the machine gives no randomness"))?;
        let place = place(self.chunks, &self.names);
        let sealed = self.key.1.seal_at(self.key.0, salt, &place, &self.plain);
        for part in [&self.names, &sealed] {
            self.file.write_all(&size(part.len())?)?;
            self.file.write_all(part)?;
        }
        self.chunks += 1;
        self.names.clear();
        self.plain.clear();
        Ok(())
    }

    /// Makes it durable.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.file.write_all(&size(0)?)?;
        self.file.flush()?;
        self.file.get_ref().sync_all()
    }
}

/// A chunk opens at its own place in the file, with its own names alone.
fn place(chunk: u64, names: &[u8]) -> String {
    format!("kept {chunk} {}", blake3::hash(names).to_hex())
}

fn size(length: usize) -> io::Result<[u8; 4]> {
    let sized = u32::try_from(length).ok().filter(|_| length <= LARGEST);
    Ok(sized.ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?.to_be_bytes())
}

fn put_sized(out: &mut Vec<u8>, part: &[u8]) -> io::Result<()> {
    out.extend_from_slice(&size(part.len())?);
    out.extend_from_slice(part);
    Ok(())
}

/// The next part of bytes that [`put_sized`] wrote.
fn take_sized<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let (part, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    *rest = after;
    Some(part)
}

/// Reads a file.
pub struct Reader {
    file: BufReader<File>,
    /// The reference of its key.
    pub reference: KeyRef,
    key: SealKey,
    /// How far it goes.
    pub through: Through,
    /// Whether it was read to its end.
    pub is_whole: bool,
    chunks: u64,
}

/// Some streams, and what they come to.
pub struct Chunk {
    /// The streams.
    pub streams: Vec<StreamName>,
    place: String,
    sealed: Vec<u8>,
    key: SealKey,
}

impl Reader {
    /// Begins to read; none where there is no such file, no key, or something else.
    pub fn open(path: &Path, keyring: &Keyring) -> Option<Self> {
        let mut file = BufReader::with_capacity(CHUNK, File::open(path).ok()?);
        let mut header = [0; HEADER];
        file.read_exact(&mut header).ok()?;
        let rest = header.strip_prefix(&MAGIC)?;
        let (reference, rest) = rest.split_first_chunk::<8>()?;
        let (position, hash) = rest.split_first_chunk::<8>()?;
        let reference = KeyRef(u64::from_be_bytes(*reference));
        let through =
            Through { position: Position(u64::from_be_bytes(*position)), hash: EventHash(hash.try_into().ok()?) };
        let key = keyring.key(reference)?;
        Some(Self { file, reference, key, through, is_whole: false, chunks: 0 })
    }

    fn part(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 4];
        self.file.read_exact(&mut length).ok()?;
        let length = Some(u32::from_be_bytes(length) as usize).filter(|length| *length <= LARGEST)?;
        let mut part = vec![0; length];
        self.file.read_exact(&mut part).ok()?;
        Some(part)
    }

    /// The next chunk; none at the end, and where the file is damaged: what it would have said is in the log.
    pub fn next(&mut self) -> Option<Chunk> {
        let names = self.part()?;
        if names.is_empty() {
            self.is_whole = true;
            return None;
        }
        let sealed = self.part()?;
        let (mut rest, mut streams) = (&names[..], vec![]);
        while !rest.is_empty() {
            streams.push(StreamName::parse(std::str::from_utf8(take_sized(&mut rest)?).ok()?)?);
        }
        let place = place(self.chunks, &names);
        self.chunks += 1;
        Some(Chunk { streams, place, sealed, key: self.key.clone() })
    }
}

impl Chunk {
    /// Opens it, and shows each stream with what it comes to. None where it was altered.
    pub fn open(&self, mut show: impl FnMut(&StreamName, &[u8])) -> Option<()> {
        let plain = self.key.open_at(&self.place, &self.sealed).ok()?;
        let mut rest = &plain[..];
        for stream in &self.streams {
            show(stream, take_sized(&mut rest)?);
        }
        Some(())
    }
}
