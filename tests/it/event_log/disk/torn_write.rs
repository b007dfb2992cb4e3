//! A process or machine that died in the middle of a write, or a disk that lost or changed its end.

use crate::event_log::given::{Folder, after, closing, first, one, soon, stream};
use adapters::event_log::sqlite::{Settings, SqliteLog};
use domain::log::{Append, Direction, EventLog, Filter, Position, Recorded, Revision};
use std::path::Path;

/// What was acknowledged, and how long the write-ahead log was then.
struct Written {
    append: Append,
    end: usize,
}

/// Sizes chosen so that appends share a page, fill one, and need several.
async fn write(log: &SqliteLog, wal: &Path) -> Vec<Written> {
    let mut written = Vec::new();
    for round in 0..12_u64 {
        let name = format!("session-{}", round % 4);
        let last = round / 4 * 3;
        let mut append = if round < 4 { first(&name, 3) } else { after(&name, last - 1, 3) };
        if round == 9 {
            append = closing(append);
        }
        append.events[1].data = format!("\"{}\"", "x".repeat([10, 3_900, 9_000][round as usize % 3])).into();
        drop(one(log, append.clone()).await);
        written.push(Written { append, end: std::fs::metadata(wal).unwrap().len() as usize });
    }
    written
}

async fn everything(log: &SqliteLog) -> Vec<Recorded> {
    soon(log.read_all(Position(0), Direction::Forwards, &Filter::default(), 1_000)).await.unwrap()
}

/// Opens a copy whose write-ahead log is this, and checks it against what `kept` appends left.
async fn check(database: &Path, wal: &[u8], kept: &[Written]) {
    let folder = Folder::new();
    let path = folder.path().join("log.db");
    std::fs::copy(database, &path).unwrap();
    std::fs::write(folder.path().join("log.db-wal"), wal).unwrap();
    let log = SqliteLog::open(&path, Settings::default()).unwrap();
    let expected: Vec<_> = kept.iter().flat_map(|w| w.append.events.iter().map(|e| (e.id, e.data.clone()))).collect();
    let events = everything(&log).await;
    let read: Vec<_> = events.iter().map(|event| (event.id, event.data.clone())).collect();
    assert_eq!(read, expected, "all that was acknowledged, nothing by halves");
    assert_eq!(log.head(), Position(expected.len() as u64));
    let mut opened: Vec<_> = kept.iter().map(|w| w.append.stream.to_string()).take(4).collect();
    if kept.len() > 9 {
        opened.remove(1);
    }
    let open = soon(log.open_streams()).await.unwrap();
    assert_eq!(open.iter().map(ToString::to_string).collect::<Vec<_>>(), opened);

    let count = kept.iter().filter(|w| w.append.stream == stream("session-0")).count() as u64;
    let next = if count == 0 { first("session-0", 2) } else { after("session-0", count * 3 - 1, 2) };
    let durable = one(&log, next).await;
    assert_eq!(durable.position(), Position(expected.len() as u64 + 2), "no gap and no repeat");
    assert_eq!(durable.last(), Revision(count * 3 + 1));
    let positions: Vec<_> = everything(&log).await.iter().map(|event| event.position.0).collect();
    assert_eq!(positions, (1..=expected.len() as u64 + 2).collect::<Vec<_>>());
}

struct Image {
    _folder: Folder,
    database: std::path::PathBuf,
    wal: Vec<u8>,
    written: Vec<Written>,
    /// Before the first append.
    start: usize,
}

/// A log whose process has died: its files as they were before anything tidied them up.
async fn image() -> Image {
    let folder = Folder::new();
    let path = folder.path().join("log.db");
    let wal_path = folder.path().join("log.db-wal");
    // Opened twice, so that the tables are in the main file and the write-ahead log begins with the first append.
    drop(SqliteLog::open(&path, Settings::default()).unwrap());
    let log = SqliteLog::open(&path, Settings::default()).unwrap();
    let start = std::fs::metadata(&wal_path).map_or(0, |wal| wal.len() as usize);
    let written = write(&log, &wal_path).await;
    let database = folder.path().join("copy.db");
    std::fs::copy(&path, &database).unwrap();
    let wal = std::fs::read(&wal_path).unwrap();
    assert!(start < written[0].end && written.is_sorted_by(|a, b| a.end < b.end), "each commit made the file longer");
    Image { _folder: folder, database, wal, written, start }
}

/// The appends whose commit ends at or before this byte.
fn until(image: &Image, end: usize) -> &[Written] {
    &image.written[..image.written.partition_point(|written| written.end <= end)]
}

/// Places around every boundary, and many between.
fn places(image: &Image) -> Vec<usize> {
    let boundaries = image.written.iter().map(|written| written.end).chain([image.start, 32]);
    let mut places: Vec<_> = boundaries.flat_map(|end| [end.saturating_sub(1), end, end + 1, end + 24]).collect();
    places.extend((0..image.wal.len()).step_by(image.wal.len() / 60));
    places.retain(|place| *place < image.wal.len());
    places
}

#[tokio::test]
async fn a_log_cut_anywhere_keeps_every_commit_before_the_cut_and_nothing_by_halves() {
    let image = image().await;
    check(&image.database, &image.wal, &image.written).await;
    for cut in places(&image) {
        check(&image.database, &image.wal[..cut], until(&image, cut)).await;
    }
}

#[tokio::test]
async fn a_changed_byte_loses_its_commit_and_what_follows_but_nothing_before() {
    let image = image().await;
    for place in places(&image) {
        let mut wal = image.wal.clone();
        wal[place] ^= 0x40;
        check(&image.database, &wal, until(&image, place)).await;
    }
}

#[tokio::test]
async fn zeros_and_old_bytes_after_the_end_are_not_taken_for_commits() {
    let image = image().await;
    for cut in image.written.iter().map(|written| written.end) {
        let mut zeros = image.wal.clone();
        zeros[cut..].fill(0);
        check(&image.database, &zeros, until(&image, cut)).await;
        let mut old = image.wal[..cut].to_vec();
        old.extend_from_slice(&image.wal[32..]);
        check(&image.database, &old, until(&image, cut)).await;
    }
}
