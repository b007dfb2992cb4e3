//! Bytes that were answered as durable and are not what they were: refused with a place, and left alone.

use super::{BLOCK, copy, open, segments, write};
use crate::event_log::given::{Folder, soon, stream};
use adapters::event_log::segment::OpenError;
use domain::log::{Direction, EventLog, Filter, Position, ReadError, Revision};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A log of ten commits in three segments, four to each that is full, without an index.
async fn image(folder: &Folder) -> PathBuf {
    let log = folder.path().join("log");
    let open_log = open(&log).unwrap();
    write(&open_log, 10).await;
    let copied = folder.path().join("copied");
    copy(&log, &copied, false);
    assert_eq!(segments(&copied).len(), 3);
    copied
}

fn refused(log: &Path) -> (PathBuf, u64, String) {
    let error = open(log).err().expect("a damaged log does not open");
    let text = error.to_string();
    match error {
        OpenError::Damaged { path, offset, .. } => {
            assert!(text.contains(&*path.to_string_lossy()) && text.contains(&offset.to_string()), "{text}");
            (path, offset, text)
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_changed_byte_before_the_last_commit_is_refused_and_nothing_is_touched() {
    let folder = Folder::new();
    let image = image(&folder).await;
    for (number, path) in segments(&image).iter().enumerate() {
        let whole = std::fs::read(path).unwrap();
        let used = whole.iter().rposition(|byte| *byte != 0).unwrap() / BLOCK;
        let last = if number == 2 { used } else { used + 1 };
        for block in 1..last {
            for within in [0, 4, 9, 14, 18, 22, 30, 33, 37, 45, 60, 200, 300] {
                let mut bytes = whole.clone();
                bytes[block * BLOCK + within] ^= 0x10;
                std::fs::write(path, &bytes).unwrap();
                let (named, offset, _) = refused(&image);
                assert_eq!((&named, offset), (path, (block * BLOCK) as u64), "byte {within}");
                assert_eq!(std::fs::read(path).unwrap(), bytes);
            }
        }
        std::fs::write(path, whole).unwrap();
    }
    assert_eq!(open(&image).unwrap().head(), Position(30));
}

#[tokio::test]
async fn a_segment_that_is_missing_or_cut_or_not_its_own_is_refused() {
    let folder = Folder::new();
    let image = image(&folder).await;
    let paths = segments(&image);
    let whole = std::fs::read(&paths[1]).unwrap();

    std::fs::remove_file(&paths[1]).unwrap();
    assert!(refused(&image).2.contains("missing"));
    std::fs::write(&paths[1], &whole[..3 * BLOCK]).unwrap();
    assert!(refused(&image).2.contains("missing"));
    std::fs::write(&paths[1], &whole[..100]).unwrap();
    refused(&image);
    std::fs::write(&paths[1], "").unwrap();
    refused(&image);
    for byte in [0, 7, 8, 15, 16, 23, 24, 39, 40, 43, 44, 47] {
        let mut bytes = whole.clone();
        bytes[byte] ^= 1;
        std::fs::write(&paths[1], &bytes).unwrap();
        assert_eq!(refused(&image).0, paths[1], "byte {byte} of its header");
    }
    let other = Folder::new();
    let other = self::image(&other).await;
    std::fs::copy(&segments(&other)[1], &paths[1]).unwrap();
    assert!(refused(&image).2.contains("another log"));
    std::fs::write(&paths[1], &whole).unwrap();
    std::fs::rename(&paths[2], image.join("00000000000000000099.segment")).unwrap();
    assert!(refused(&image).2.contains("name"));
}

#[tokio::test]
async fn a_log_whose_segments_are_all_gone_is_not_begun_anew() {
    let folder = Folder::new();
    let image = image(&folder).await;
    drop(open(&image).unwrap());
    for path in segments(&image) {
        std::fs::remove_file(path).unwrap();
    }
    assert!(refused(&image).2.contains("no segment"));
    assert!(segments(&image).is_empty());
}

#[tokio::test]
async fn a_reader_stops_at_what_was_damaged_while_the_log_was_open() {
    let folder = Folder::new();
    let image = image(&folder).await;
    let log = open(&image).unwrap();
    // The first segment's second commit is the one of session-1 at positions 4 to 6.
    let file = std::fs::OpenOptions::new().write(true).open(&segments(&image)[0]).unwrap();
    file.write_all_at(b"?", 2 * BLOCK as u64 + 200).unwrap();
    let events = soon(log.read_stream(&stream("session-1"), Revision(0), Direction::Forwards, 9)).await;
    assert!(matches!(events, Err(ReadError::Damaged { position: Position(4), .. })), "{events:?}");
    for direction in [Direction::Forwards, Direction::Backwards] {
        let from = if direction == Direction::Forwards { Position(3) } else { Position(7) };
        let events = soon(log.read_all(from, direction, &Filter::default(), 9)).await;
        assert!(matches!(events, Err(ReadError::Damaged { position: Position(4), .. })), "{events:?}");
    }
    let others = soon(log.read_stream(&stream("session-2"), Revision(0), Direction::Forwards, 9)).await;
    assert_eq!(others.unwrap().len(), 6);
    // A header that is wrong is found by whoever passes it.
    file.write_all_at(b"?", 3 * BLOCK as u64).unwrap();
    let events = soon(log.read_all(Position(6), Direction::Forwards, &Filter::default(), 9)).await;
    assert!(matches!(events, Err(ReadError::Damaged { position: Position(7), .. })), "{events:?}");
}
