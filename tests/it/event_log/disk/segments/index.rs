//! An index that is missing, behind, ahead, of another log, or broken: it only says where to look.

use super::{check, copy, everything, open, segments, settings, write};
use crate::event_log::given::{Folder, after, closing, first, ids, one, recorded_ids, soon, stream, submit};
use adapters::event_log::segment::{OpenError, SegmentLog, Settings};
use domain::log::{Append, Direction, EventLog, Position, ReadError, Revision};
use std::path::Path;

/// Every commit becomes a run of its own.
fn eager() -> Settings {
    Settings { index_appends: 1, known_streams: 1, ..settings() }
}

/// A log of ten commits that was closed: its index is complete.
async fn closed(folder: &Path, settings: Settings) -> Vec<Append> {
    write(&SegmentLog::open(folder, settings).unwrap(), 10).await
}

#[tokio::test]
async fn a_missing_index_is_made_again() {
    for settings in [settings(), eager()] {
        let folder = Folder::new();
        let written = closed(folder.path(), settings.clone()).await;
        for file in ["index.db", "index.db-wal", "index.db-shm"] {
            let _ = std::fs::remove_file(folder.path().join(file));
        }
        check(&SegmentLog::open(folder.path(), settings).unwrap(), &written).await;
    }
}

#[tokio::test]
async fn an_index_that_is_behind_catches_up() {
    for behind in 0..10 {
        let folder = Folder::new();
        let log = folder.path().join("log");
        let early = write(&SegmentLog::open(&log, eager()).unwrap(), behind).await;
        let old = folder.path().join("old");
        copy(&log, &old, true);
        let open_log = SegmentLog::open(&log, eager()).unwrap();
        let mut written = early;
        for round in behind..10 {
            let name = format!("session-{}", round % 4);
            let append = if round < 4 { first(&name, 3) } else { after(&name, round / 4 * 3 - 1, 3) };
            let append = if round == 5 { closing(append) } else { append };
            drop(one(&open_log, append.clone()).await);
            written.push(append);
        }
        drop(open_log);
        std::fs::copy(old.join("index.db"), log.join("index.db")).unwrap();
        check(&open(&log).unwrap(), &written).await;
    }
}

#[tokio::test]
async fn an_index_that_knows_more_than_the_segments_is_not_believed() {
    let folder = Folder::new();
    let log = folder.path().join("log");
    drop(write(&open(&log).unwrap(), 3).await);
    let backup = folder.path().join("backup");
    copy(&log, &backup, false);
    let open_log = open(&log).unwrap();
    drop(one(&open_log, first("session-later", 1)).await);
    drop(open_log);
    // The segments come from the backup, the index does not.
    let segment = segments(&log).remove(0);
    std::fs::copy(&segments(&backup)[0], &segment).unwrap();
    let error = open(&log).err().unwrap();
    assert!(matches!(error, OpenError::Shorter { head: 9, complete: 10, .. }), "{error}");
    assert!(error.to_string().contains("delete index.db"), "{error}");
    std::fs::remove_file(log.join("index.db")).unwrap();
    assert_eq!(open(&log).unwrap().head(), Position(9));
}

#[tokio::test]
async fn the_index_of_another_history_is_made_again() {
    let folder = Folder::new();
    let log = folder.path().join("log");
    drop(write(&open(&log).unwrap(), 3).await);
    let backup = folder.path().join("backup");
    copy(&log, &backup, true);
    let one_way = open(&log).unwrap();
    submit(&one_way, vec![first("session-one", 2)]).await;
    drop(one_way);
    // From the backup on the log went another way, and further than this index knows.
    let other_way = open(&backup).unwrap();
    let other = first("session-other", 2);
    drop(one(&other_way, other.clone()).await);
    drop(one(&other_way, first("session-more", 2)).await);
    drop(other_way);
    std::fs::copy(log.join("index.db"), backup.join("index.db")).unwrap();
    let log = open(&backup).unwrap();
    assert_eq!(log.head(), Position(13));
    let events = soon(log.read_stream(&stream("session-other"), Revision(0), Direction::Forwards, 9)).await.unwrap();
    assert_eq!(recorded_ids(&events), ids([&other]));
    assert!(
        soon(log.read_stream(&stream("session-one"), Revision(0), Direction::Forwards, 9)).await.unwrap().is_empty()
    );
    drop(log);

    // An index of another log altogether.
    let stranger = folder.path().join("stranger");
    let written = closed(&stranger, settings()).await;
    std::fs::copy(backup.join("index.db"), stranger.join("index.db")).unwrap();
    check(&open(&stranger).unwrap(), &written).await;
}

#[tokio::test]
async fn a_changed_byte_of_the_index_never_makes_an_answer_wrong() {
    let folder = Folder::new();
    let log = folder.path().join("log");
    let written = closed(&log, eager()).await;
    let whole = std::fs::read(log.join("index.db")).unwrap();
    let segment = segments(&log).pop().unwrap();
    let newest = std::fs::read(&segment).unwrap();
    let (mut right, mut noticed) = (0, 0);
    for at in (0..whole.len()).step_by(whole.len() / 150) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x24;
        std::fs::write(log.join("index.db"), bytes).unwrap();
        std::fs::write(&segment, &newest).unwrap();
        for file in ["index.db-wal", "index.db-shm"] {
            let _ = std::fs::remove_file(log.join(file));
        }
        let open_log = match SegmentLog::open(&log, eager()) {
            Ok(open_log) => open_log,
            Err(OpenError::Shorter { .. }) => continue,
            Err(other) => panic!("byte {at}: {other}"),
        };
        assert_eq!(everything(&open_log).await.len(), 30);
        for append in &written {
            let from = append.expected.next();
            match soon(open_log.read_stream(&append.stream, from, Direction::Forwards, 3)).await {
                Ok(events) => assert_eq!(recorded_ids(&events), ids([append]), "byte {at}"),
                Err(ReadError::Damaged { what, .. }) => {
                    assert!(what.contains("delete index.db"), "byte {at}: {what}");
                    noticed += 1;
                    continue;
                }
                Err(other) => panic!("byte {at}: {other}"),
            }
            right += 1;
        }
    }
    assert!(right > 900, "{right} right, {noticed} noticed");
}

#[tokio::test]
async fn runs_are_merged_and_nothing_is_lost_on_the_way() {
    const STREAMS: u64 = 40;
    let folder = Folder::new();
    let settings =
        Settings { index_appends: 1, known_streams: 1, tail_bytes: 0, segment_bytes: 1 << 20, ..Settings::default() };
    let open = || SegmentLog::open(folder.path(), settings.clone()).unwrap();
    let mut written = Vec::new();
    let mut log = open();
    for round in 0..600 {
        let name = format!("session-{}", round % STREAMS);
        let append = if round < STREAMS { first(&name, 2) } else { after(&name, (round / STREAMS) * 2 - 1, 2) };
        drop(one(&log, append.clone()).await);
        written.push(append);
        if round % 250 == 249 {
            drop(log);
            log = open();
        }
    }
    for again in [false, true] {
        if again {
            drop(log);
            log = open();
        }
        for index in 0..STREAMS {
            let name = stream(&format!("session-{index}"));
            let events = soon(log.read_stream(&name, Revision(0), Direction::Forwards, 1_000)).await.unwrap();
            assert_eq!(recorded_ids(&events), ids(written.iter().filter(|append| append.stream == name)));
            let events = soon(log.read_stream(&name, Revision(9), Direction::Backwards, 4)).await.unwrap();
            assert_eq!(events.iter().map(|event| event.revision.0).collect::<Vec<_>>(), [9, 8, 7, 6]);
        }
        for append in written.iter().step_by(37) {
            drop(one(&log, append.clone()).await);
        }
        assert_eq!(log.head(), Position(1_200));
    }
}
