//! A forger's tools: reads and writes the engines' files without the engines, checksums and all.

use super::Engine;
use std::path::{Path, PathBuf};

const BLOCK: usize = 4_096;

/// An append as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub stream: String,
    pub revision: u64,
    pub count: u16,
    pub row: Vec<u8>,
}

impl Entry {
    /// Changes the one place where `from` stands, of the same length.
    pub fn replace(&mut self, from: &str, to: &str) {
        assert_eq!(from.len(), to.len());
        let at = self.row.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
        self.row[at..at + to.len()].copy_from_slice(to.as_bytes());
    }

    /// Changes the time of its first event by a microsecond.
    pub fn shift_time(&mut self) {
        // After format, flags, node, correlation; then id and version.
        self.row[20 + 16 + 2 + 7] ^= 1;
    }
}

impl Engine {
    /// Every append of a log that nobody has open.
    pub fn load(self, data: &Path) -> Vec<Entry> {
        match self {
            Self::Segments => segments(data).iter().flat_map(|path| entries(&std::fs::read(path).unwrap())).collect(),
            Self::Sqlite => {
                let connection = rusqlite::Connection::open(data.join("log.db")).unwrap();
                let query =
                    "SELECT name, revision, count, events FROM log JOIN streams ON id = stream ORDER BY position";
                let mut statement = connection.prepare(query).unwrap();
                let rows = statement.query_map([], |row| {
                    let (revision, count) = (row.get::<_, i64>(1)? as u64, row.get::<_, i64>(2)? as u16);
                    Ok(Entry { stream: row.get(0)?, revision, count, row: row.get(3)? })
                });
                rows.unwrap().map(Result::unwrap).collect()
            }
        }
    }

    /// Puts these in their place, as if nothing else had ever been written.
    pub fn store(self, data: &Path, all: &[Entry]) {
        match self {
            Self::Segments => {
                let paths = segments(data);
                let log: [u8; 16] = std::fs::read(&paths[0]).unwrap()[24..40].try_into().unwrap();
                let size = paths.iter().map(|path| std::fs::metadata(path).unwrap().len()).sum::<u64>() as usize;
                paths[1..].iter().for_each(|path| std::fs::remove_file(path).unwrap());
                let mut bytes = frames(log, all);
                bytes.resize(size.max(bytes.len()), 0);
                std::fs::write(&paths[0], bytes).unwrap();
                for entry in std::fs::read_dir(data.join("log")).unwrap() {
                    let path = entry.unwrap().path();
                    if path.file_name().unwrap().to_str().unwrap().starts_with("index.db") {
                        std::fs::remove_file(path).unwrap();
                    }
                }
            }
            Self::Sqlite => {
                let connection = rusqlite::Connection::open(data.join("log.db")).unwrap();
                connection.execute_batch("DELETE FROM log; DELETE FROM streams; DELETE FROM live;").unwrap();
                let mut position = 1_i64;
                for entry in all {
                    let name = &entry.stream;
                    connection.execute("INSERT OR IGNORE INTO streams VALUES (?1, ?2)", (position, name)).unwrap();
                    let add = "INSERT INTO log SELECT ?1, id, ?3, ?4, ?5 FROM streams WHERE name = ?2";
                    let row = (position, name, entry.revision as i64, entry.count, &entry.row);
                    assert_eq!(connection.execute(add, row).unwrap(), 1);
                    position += i64::from(entry.count);
                }
            }
        }
    }
}

pub fn segments(data: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(data.join("log")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end == "segment")).collect();
    paths.sort();
    paths
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

fn entries(segment: &[u8]) -> Vec<Entry> {
    let (mut found, mut at) = (Vec::new(), BLOCK);
    while segment.get(at..at + 4).is_some_and(|magic| magic == b"SWF\x01") {
        let length = number(&segment[at + 16..at + 20]);
        let mut records = &segment[at + 32..at + 32 + length];
        while !records.is_empty() {
            let (record, rest) = records.split_at(8 + number(&records[..4]));
            let name = usize::from(record[26]);
            found.push(Entry {
                stream: String::from_utf8(record[27..27 + name].to_vec()).unwrap(),
                revision: number(&record[16..24]) as u64,
                count: number(&record[24..26]) as u16,
                row: record[27 + name..].to_vec(),
            });
            records = rest;
        }
        at += (32 + length).next_multiple_of(BLOCK);
    }
    found
}

/// One segment with a frame for each append.
fn frames(log: [u8; 16], all: &[Entry]) -> Vec<u8> {
    let seed = crc32c::crc32c(&log);
    let mut bytes = b"SWGRLOG\x01".to_vec();
    bytes.extend(0_u64.to_be_bytes().iter().chain(&1_u64.to_be_bytes()).chain(&log).chain(&[0; 4]));
    bytes.extend(crc32c::crc32c(&bytes).to_be_bytes());
    let (mut previous, mut position) = (0_u32, 1_u64);
    for entry in all {
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        let mut body = position.to_be_bytes().to_vec();
        body.extend(entry.revision.to_be_bytes().iter().chain(&entry.count.to_be_bytes()));
        body.push(entry.stream.len() as u8);
        body.extend(entry.stream.as_bytes().iter().chain(&entry.row));
        let mut record = (body.len() as u32).to_be_bytes().to_vec();
        record.extend(crc32c::crc32c_append(seed, &body).to_be_bytes().iter().chain(&body));
        let mut head = previous.to_be_bytes().to_vec();
        head.extend(1_u32.to_be_bytes().iter().chain(&(record.len() as u32).to_be_bytes()));
        head.extend(u32::from(entry.count).to_be_bytes().iter().chain(&position.to_be_bytes()));
        previous = crc32c::crc32c_append(crc32c::crc32c_append(seed, &record[..8]), &head);
        bytes.extend(b"SWF\x01".iter().chain(&previous.to_be_bytes()).chain(&head).chain(&record));
        position += u64::from(entry.count);
    }
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes
}
