//! Who may open the files, when a segment ends, and what happens at the edges.

use super::{BLOCK, everything, open, segments, settings};
use crate::event_log::given::{Folder, Inbox, first, ids, one, recorded_ids, submit, write};
use adapters::event_log::segment::{OpenError, SegmentLog, Settings};
use domain::log::{AppendError, EventLog, Position};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_folder_is_made_and_no_one_else_can_read_the_files() {
    let folder = Folder::new();
    let path = folder.path().join("data/node/log");
    let log = open(&path).unwrap();
    write(&log, first("session-1", 1)).await;
    assert_eq!(mode(&path), 0o700);
    let files: Vec<_> = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        assert!(!file.exists() || mode(&file) == 0o600, "{}", file.display());
    }
    drop(log);
    let left: Vec<_> = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.contains(&"spare".into()), "{left:?}");
}

#[test]
fn a_second_process_is_refused_until_the_first_is_gone() {
    let folder = Folder::new();
    let log = open(folder.path()).unwrap();
    let refused = open(folder.path()).err().unwrap();
    assert!(matches!(refused, OpenError::InUse(_)), "{refused}");
    assert!(refused.to_string().contains("in use by another process: stop that one"), "{refused}");
    drop(log);
    assert!(open(folder.path()).is_ok());
}

#[tokio::test]
async fn a_batch_goes_on_in_the_next_segments_where_one_is_full() {
    let folder = Folder::new();
    let log = open(folder.path()).unwrap();
    let large = |index: usize, bytes: usize| {
        let mut append = first(&format!("session-{index}"), 2);
        append.events[0].data = format!("\"{}\"", "x".repeat(bytes)).into();
        append
    };
    // Less than a block, several to a segment, nearly a segment, more than one.
    let sizes = [10, 3_000, 100, 7_000, 9_000, 5, 15_000, 16_100, 40, 70_000, 4_000, 100_000, 1];
    let appends: Vec<_> = sizes.iter().enumerate().map(|(index, bytes)| large(index, *bytes)).collect();
    let outcomes = submit(&log, appends.clone()).await;
    let positions: Vec<_> = outcomes.iter().map(|outcome| outcome.result.as_ref().unwrap().position().0).collect();
    assert_eq!(positions, (1..=sizes.len() as u64).map(|index| index * 2).collect::<Vec<_>>());
    assert_eq!(recorded_ids(&everything(&log).await), ids(&appends));
    drop(log);
    assert!(segments(folder.path()).len() > 5);
    assert_eq!(recorded_ids(&everything(&open(folder.path()).unwrap()).await), ids(&appends));
}

#[tokio::test]
async fn the_first_append_may_be_larger_than_the_first_segment() {
    let folder = Folder::new();
    let log = open(folder.path()).unwrap();
    let mut large = first("session-1", 1);
    large.events[0].data = format!("\"{}\"", "x".repeat(50_000)).into();
    write(&log, large.clone()).await;
    write(&log, first("session-2", 1)).await;
    drop(log);
    assert_eq!(segments(folder.path()).len(), 2, "the empty segment was replaced");
    let log = open(folder.path()).unwrap();
    assert_eq!(everything(&log).await[0].data, large.events[0].data);
    assert_eq!(one(&log, first("session-3", 1)).await.position(), Position(3));
}

#[tokio::test]
async fn commits_use_up_a_segment_block_by_block_and_its_size_never_changes() {
    let folder = Folder::new();
    let log = open(folder.path()).unwrap();
    for index in 0..9 {
        write(&log, first(&format!("session-{index}"), 1)).await;
    }
    drop(log);
    let files = segments(folder.path());
    let names: Vec<_> = files.iter().map(|file| file.file_stem().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["00000000000000000001", "00000000000000000005", "00000000000000000009"]);
    for file in files {
        assert_eq!(std::fs::metadata(file).unwrap().len(), 5 * BLOCK as u64);
    }
}

#[tokio::test]
async fn what_waits_when_the_log_is_dropped_is_still_written() {
    let folder = Folder::new();
    let log = open(folder.path()).unwrap();
    let (inbox, mut outcomes) = Inbox::new();
    for index in 0..100 {
        log.submit(vec![first(&format!("session-{index}"), 1)], inbox.clone());
    }
    drop((log, inbox));
    let mut answered = 0;
    while let Some(group) = outcomes.recv().await {
        answered += group.iter().filter(|outcome| outcome.result.is_ok()).count();
    }
    assert_eq!(answered, 100);
    assert_eq!(open(folder.path()).unwrap().head(), Position(100));
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_what_it_took_is_written() {
    let folder = Folder::new();
    let log = SegmentLog::open(folder.path(), Settings { queue_appends: 10, ..settings() }).unwrap();
    let (inbox, mut outcomes) = Inbox::new();
    // Ten thousand arrive faster than one commit takes.
    for index in 0..10_000 {
        log.submit(vec![first(&format!("session-{index}"), 1)], inbox.clone());
    }
    drop(inbox);
    let (mut written, mut refused) = (0, 0);
    while written + refused < 10_000 {
        for outcome in outcomes.recv().await.unwrap() {
            match outcome.result {
                Ok(_) => written += 1,
                Err(AppendError::Unavailable(_)) => refused += 1,
                Err(other) => panic!("{other}"),
            }
        }
    }
    assert!(refused > 0 && written >= 10, "{written} written, {refused} refused");
    assert_eq!(log.head(), Position(written));
    assert_eq!(one(&log, first("session-later", 1)).await.position(), Position(written + 1));
}
