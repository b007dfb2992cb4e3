//! Opening a log for reading, beside the one who writes it and after.

use super::segments::{BLOCK, copy, segments};
use crate::event_log::given::{Folder, after, closing, first, stream, try_one, until_caught_up, write};
use adapters::event_log::reading::{OpenError, open_for_reading};
use adapters::event_log::segment::{self, SegmentLog};
use adapters::event_log::sqlite::{Settings, SqliteLog};
use domain::log::{AppendError, Direction, EventLog, Filter, Position, ReadError, Recorded, Revision, StreamName};
use std::path::Path;
use std::sync::Arc;

/// Logs of both engines, some of which remember nothing, in segments of a few frames.
fn logs(folder: &Folder) -> Vec<(std::path::PathBuf, Arc<dyn EventLog>)> {
    let small = segment::Settings { segment_bytes: 16_384, ..segment::Settings::default() };
    let forgetful = segment::Settings { index_appends: 1, tail_bytes: 0, ..small.clone() };
    let data = |name: &str| folder.path().join(name);
    let segments = |name: &str, settings| -> (std::path::PathBuf, Arc<dyn EventLog>) {
        (data(name), Arc::new(SegmentLog::open(data(name).join("log"), settings).unwrap()))
    };
    let sqlite = SqliteLog::open(data("c").join("log.db"), Settings::default()).unwrap();
    vec![segments("a", small), segments("b", forgetful), (data("c"), Arc::new(sqlite))]
}

/// A few streams, one of them closed, in appends of several events.
async fn write_some(log: &dyn EventLog, round: u64) {
    for number in 0..5 {
        let name = format!("session-{number}");
        match round {
            0 => write(log, first(&name, 3)).await,
            round => write(log, after(&name, round * 3 - 1, 3)).await,
        }
    }
    write(log, closing(first(&format!("message-{round}"), 2))).await;
}

async fn all(log: &dyn EventLog) -> Result<Vec<Recorded>, ReadError> {
    log.read_all(Position(0), Direction::Forwards, &Filter::default(), usize::MAX).await
}

async fn of(log: &dyn EventLog, name: &StreamName) -> Vec<Recorded> {
    log.read_stream(name, Revision(0), Direction::Forwards, usize::MAX).await.unwrap()
}

async fn assert_same(reading: &dyn EventLog, writing: &dyn EventLog) {
    assert_eq!(reading.head(), writing.head());
    let events = all(writing).await.unwrap();
    assert_eq!(all(reading).await.unwrap(), events);
    assert_eq!(until_caught_up(&mut *reading.follow(Position(0), Filter::default())).await, events);
    assert_eq!(reading.open_streams().await.unwrap(), writing.open_streams().await.unwrap());
    for name in ["session-0", "session-4", "message-1", "message-9"].map(stream) {
        assert_eq!(of(reading, &name).await, of(writing, &name).await);
    }
    let last = writing.read_all(Position(u64::MAX), Direction::Backwards, &Filter::default(), 7).await.unwrap();
    assert_eq!(reading.read_all(Position(u64::MAX), Direction::Backwards, &Filter::default(), 7).await.unwrap(), last);
}

#[tokio::test]
async fn a_log_is_read_beside_its_writer_as_it_was_when_it_was_opened() {
    let folder = Folder::new();
    for (data, log) in logs(&folder) {
        assert_eq!(open_for_reading(&data).unwrap().head(), Position(0));
        for round in 0..12 {
            write_some(&*log, round).await;
            assert_same(&*open_for_reading(&data).unwrap(), &*log).await;
        }
        let reading = open_for_reading(&data).unwrap();
        let (head, before) = (log.head(), all(&*log).await.unwrap());
        // Index runs are merged meanwhile, and segments begun.
        for round in 12..40 {
            write_some(&*log, round).await;
        }
        assert_eq!(reading.head(), head);
        assert!(all(&*reading).await.unwrap() == before, "{}", data.display());
        assert_eq!(of(&*reading, &stream("session-2")).await.len(), 36);
        drop(reading);
        assert_same(&*open_for_reading(&data).unwrap(), &*log).await;
        let index = data.join("log/index.db");
        drop(log);
        let reading = open_for_reading(&data).unwrap();
        let whole = all(&*reading).await.unwrap();
        if index.exists() {
            std::fs::remove_file(index).unwrap();
            let without = open_for_reading(&data).unwrap();
            assert_same(&*without, &*reading).await;
        }
        assert_eq!(whole.len(), 40 * 17, "{}", data.display());
    }
}

#[tokio::test]
async fn nothing_is_written_by_who_opened_for_reading() {
    let folder = Folder::new();
    for (data, log) in logs(&folder) {
        write_some(&*log, 0).await;
        let reading = open_for_reading(&data).unwrap();
        let refused = try_one(&*reading, first("session-9", 1)).await.unwrap_err();
        assert_eq!(refused, AppendError::Invalid("the log was opened for reading".into()));
        assert!(of(&*reading, &stream("session-9")).await.is_empty());
        drop(reading);
        assert_eq!(log.head(), Position(17));
        write_some(&*log, 1).await;
    }
    let nothing = open_for_reading(&folder.path().join("d")).err().unwrap();
    assert!(matches!(nothing, OpenError::None(_)), "{nothing}");
    assert!(!folder.path().join("d").exists());
}

/// How far events can be read, and what stops the reader.
async fn readable(data: &Path) -> (u64, Option<(u64, String)>) {
    let log = open_for_reading(data).unwrap();
    let mut seen = Position(0);
    loop {
        match log.read_all(seen, Direction::Forwards, &Filter::default(), 1).await {
            Ok(events) => match events.last() {
                Some(event) => seen = event.position,
                None => return (seen.0, None),
            },
            Err(ReadError::Damaged { position, what }) => return (seen.0, Some((position.0, what))),
            Err(other) => panic!("{other}"),
        }
    }
}

/// Ten commits of three events in three segments; with or without an index.
async fn image(folder: &Folder, index: bool) -> std::path::PathBuf {
    let log = super::segments::open(&folder.path().join("log")).unwrap();
    super::segments::write(&log, 10).await;
    if index {
        drop(log);
    }
    let copied = folder.path().join("copied");
    copy(&folder.path().join("log"), &copied.join("log"), index);
    copied
}

#[tokio::test]
async fn damage_is_met_where_it_is() {
    for index in [false, true] {
        let folder = Folder::new();
        let data = image(&folder, index).await;
        assert_eq!(readable(&data).await, (30, None));
        for (number, path) in segments(&data.join("log")).iter().enumerate() {
            let whole = std::fs::read(path).unwrap();
            let used = whole.iter().rposition(|byte| *byte != 0).unwrap() / BLOCK;
            // Without an index nothing tells a damaged last frame from one that was never finished.
            let last = if number == 2 && !index { used } else { used + 1 };
            for block in 1..last {
                // Of the frame's magic, the record's checksum, its position, its data.
                for within in [0, 37, 45, 200] {
                    let mut bytes = whole.clone();
                    bytes[block * BLOCK + within] ^= 0x10;
                    std::fs::write(path, &bytes).unwrap();
                    let frame = (number * 4 + block - 1) as u64;
                    let (seen, damage) = readable(&data).await;
                    let (position, what) = damage.unwrap();
                    assert_eq!(position, frame * 3 + 1, "block {block} of segment {number}, byte {within}: {what}");
                    assert!(seen == frame * 3 || within == 0, "everything before it is read, {seen} of {frame}");
                    assert_eq!(std::fs::read(path).unwrap(), bytes);
                }
            }
            std::fs::write(path, whole).unwrap();
        }
        assert_eq!(readable(&data).await, (30, None));
    }
}

#[tokio::test]
async fn a_log_shorter_than_its_index_knows_is_missed_at_its_end() {
    let folder = Folder::new();
    let data = image(&folder, true).await;
    let last = segments(&data.join("log")).pop().unwrap();
    let mut bytes = std::fs::read(&last).unwrap();
    bytes[2 * BLOCK..].fill(0);
    std::fs::write(&last, &bytes).unwrap();
    let (seen, damage) = readable(&data).await;
    assert_eq!((seen, damage.map(|(position, _)| position)), (27, Some(28)));
    std::fs::remove_file(data.join("log/index.db")).unwrap();
    assert_eq!(readable(&data).await, (27, None));
}
