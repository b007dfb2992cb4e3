//! Who may open the files, and what is said when they cannot be used.

use crate::event_log::given::{Folder, append, first, one, submit, write};
use adapters::event_log::sqlite::{OpenError, Settings, SqliteLog};
use domain::log::{AppendError, EventLog, Expected, Position};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn open(path: &Path) -> Result<SqliteLog, OpenError> {
    SqliteLog::open(path, Settings::default())
}

#[tokio::test]
async fn the_folder_is_made_and_no_one_else_can_read_the_files() {
    let folder = Folder::new();
    let path = folder.path().join("data/node/log.db");
    let log = open(&path).unwrap();
    write(&log, first("session-1", 1)).await;
    let data = path.parent().unwrap();
    assert_eq!(mode(data), 0o700);
    let files: Vec<_> = std::fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn a_second_process_is_refused_until_the_first_is_gone() {
    let folder = Folder::new();
    let path = folder.path().join("log.db");
    let log = open(&path).unwrap();
    let refused = open(&path).err().unwrap();
    assert!(matches!(refused, OpenError::InUse(_)), "{refused}");
    assert!(refused.to_string().contains("in use by another process: stop that one"), "{refused}");
    drop(log);
    assert!(open(&path).is_ok());
}

#[test]
fn another_format_and_another_file_are_refused() {
    let folder = Folder::new();
    let path = folder.path().join("log.db");
    drop(open(&path).unwrap());
    // The header's user_version, byte 60 to 63.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[63] = 99;
    std::fs::write(&path, bytes).unwrap();
    let refused = open(&path).err().unwrap();
    assert!(matches!(refused, OpenError::Format { found: 99, .. }), "{refused}");

    let path = folder.path().join("letter.txt");
    std::fs::write(&path, "Dear all, this is no database, whatever its name says.".repeat(99)).unwrap();
    let refused = open(&path).err().unwrap();
    assert!(matches!(refused, OpenError::Store { .. }), "{refused}");
}

#[tokio::test]
async fn what_waits_when_the_log_is_dropped_is_still_written() {
    let folder = Folder::new();
    let path = folder.path().join("log.db");
    let log = open(&path).unwrap();
    let (inbox, mut outcomes) = crate::event_log::given::Inbox::new();
    for index in 0..100 {
        log.submit(vec![first(&format!("session-{index}"), 1)], inbox.clone());
    }
    drop((log, inbox));
    let mut answered = 0;
    while let Some(group) = outcomes.recv().await {
        answered += group.iter().filter(|outcome| outcome.result.is_ok()).count();
    }
    assert_eq!(answered, 100);
    assert_eq!(open(&path).unwrap().head(), Position(100));
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_what_it_took_is_written() {
    let folder = Folder::new();
    let settings = Settings { queue_appends: 10, ..Settings::default() };
    let log = SqliteLog::open(folder.path().join("log.db"), settings).unwrap();
    let (inbox, mut outcomes) = crate::event_log::given::Inbox::new();
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

#[tokio::test]
async fn a_single_submission_larger_than_the_queue_is_taken_by_an_idle_log() {
    let folder = Folder::new();
    let settings = Settings { queue_appends: 2, queue_bytes: 1, ..Settings::default() };
    let log = SqliteLog::open(folder.path().join("log.db"), settings).unwrap();
    let appends = (0..5).map(|index| append(&format!("session-{index}"), Expected::NoStream, &["Noted"])).collect();
    assert!(submit(&log, appends).await.iter().all(|outcome| outcome.result.is_ok()));
}
