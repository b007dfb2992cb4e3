//! A log in segments whose files are not as it left them.

mod damage;
mod files;
mod index;
mod torn;

use crate::event_log::given::{after, closing, first, one, soon};
use adapters::event_log::segment::{OpenError, SegmentLog, Settings};
use domain::log::{Append, Direction, EventLog, Filter, Position, Recorded, Revision, StreamName};
use std::path::{Path, PathBuf};

/// Frames begin at multiples of this.
pub const BLOCK: usize = 4_096;

fn settings() -> Settings {
    Settings { segment_bytes: 5 * BLOCK as u64, ..Settings::default() }
}

pub fn open(folder: &Path) -> Result<SegmentLog, OpenError> {
    SegmentLog::open(folder, settings())
}

async fn everything(log: &dyn EventLog) -> Vec<Recorded> {
    soon(log.read_all(Position(0), Direction::Forwards, &Filter::default(), 10_000)).await.unwrap()
}

/// The segments in a folder, oldest first.
pub fn segments(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end == "segment")).collect();
    paths.sort();
    paths
}

/// Copies what is in a folder, as the death of the process would leave it; without the index where not wanted.
pub fn copy(from: &Path, to: &Path, with_index: bool) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let index = name.starts_with("index.db");
        if name.ends_with(".segment") || (index && with_index && !name.ends_with("-shm")) {
            std::fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

/// Appends of four streams, of which the second is closed, one a commit.
pub async fn write(log: &SegmentLog, rounds: u64) -> Vec<Append> {
    let mut written = Vec::new();
    for round in 0..rounds {
        let name = format!("session-{}", round % 4);
        let mut append = if round < 4 { first(&name, 3) } else { after(&name, round / 4 * 3 - 1, 3) };
        if round == 5 {
            append = closing(append);
        }
        drop(one(log, append.clone()).await);
        written.push(append);
    }
    written
}

/// A log must hold these appends of [`write`] and nothing else, know what it should, and go on.
async fn check(log: &SegmentLog, kept: &[Append]) {
    let wanted: Vec<_> = kept.iter().flat_map(|append| append.events.iter().map(|e| (e.id, e.data.clone()))).collect();
    let read: Vec<_> = everything(log).await.into_iter().map(|event| (event.id, event.data)).collect();
    assert_eq!(read, wanted, "all that was acknowledged, nothing by halves");
    assert_eq!(log.head(), Position(wanted.len() as u64));
    let mut live: Vec<_> = kept.iter().map(|append| append.stream.to_string()).take(4).collect();
    if kept.len() > 5 {
        live.remove(1);
        live.extend((kept.len() > 9).then(|| "session-1".to_owned()));
    }
    let found = soon(log.open_streams()).await.unwrap();
    assert_eq!(found.iter().map(StreamName::to_string).collect::<Vec<_>>(), live);
    for append in kept {
        let from = append.expected.next();
        let events = soon(log.read_stream(&append.stream, from, Direction::Forwards, 3)).await.unwrap();
        assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), super::super::given::ids([append]));
        assert_eq!(one(log, append.clone()).await.last(), Revision(from.0 + 2), "a repeat is known");
    }
    let count = kept.iter().filter(|append| append.stream.id() == "0").count() as u64;
    let next = if count == 0 { first("session-0", 2) } else { after("session-0", count * 3 - 1, 2) };
    let durable = one(log, next).await;
    assert_eq!(durable.position(), Position(wanted.len() as u64 + 2), "no gap and no repeat");
    assert_eq!(durable.last(), Revision(count * 3 + 1));
}
