//! Disks that fail, injected below the log in a process of its own.

use crate::event_log::given::{Folder, Inbox, after, first, one, soon, stream, submit, try_one};
use adapters::event_log::segment::{self, SegmentLog};
use adapters::event_log::sqlite::{Settings, SqliteLog};
use adapters::fatal::EXIT_FATAL;
use domain::log::{AppendError, Direction, EventLog, Filter, Position, Revision};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Set for the process whose disk fails; names its folder.
const CHILD: &str = "LOG_TEST_FAILING_DISK";

/// The folder, in the process whose disk fails.
fn child_folder() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// Runs a test of this binary alone, in a process whose disk can fail.
fn run_with_failing_disk(test: &str, folder: &Path) -> Output {
    let library = folder.join("failing_disk.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/it/event_log/disk/failing_disk.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).args([source, "-ldl"]).status();
    assert!(built.expect("a C compiler (Debian: gcc) is installed").success());
    Command::new(std::env::current_exe().unwrap())
        .args([&format!("event_log::disk::failing_disk::{test}"), "--exact", "--nocapture"])
        .env(CHILD, folder)
        .env("FAILING_SYNC", folder.join("fail"))
        .env("FULL_DISK", folder.join("full"))
        .env("FAILING_WRITE", folder.join("fail-write"))
        .env("NO_SPACE", folder.join("no-space"))
        .env("LD_PRELOAD", &library)
        .output()
        .unwrap()
}

/// The log of either engine in a folder.
fn open(folder: &Path, engine: &str) -> Box<dyn EventLog> {
    match engine {
        "sqlite" => Box::new(SqliteLog::open(folder.join("log.db"), Settings::default()).unwrap()),
        _ => Box::new(SegmentLog::open(folder.join("log"), small()).unwrap()),
    }
}

/// Segments of four blocks: a header and three commits.
fn small() -> segment::Settings {
    segment::Settings { segment_bytes: 16_384, ..segment::Settings::default() }
}

#[tokio::test]
async fn a_failed_sync_ends_the_process_and_acknowledges_nothing() {
    die("a_failed_sync_ends_the_process_and_acknowledges_nothing", "sqlite", "fail").await;
}

#[tokio::test]
async fn a_failed_sync_of_a_segment_ends_the_process_and_acknowledges_nothing() {
    die("a_failed_sync_of_a_segment_ends_the_process_and_acknowledges_nothing", "segments", "fail").await;
}

#[tokio::test]
async fn a_failed_write_into_a_segment_ends_the_process_and_acknowledges_nothing() {
    die("a_failed_write_into_a_segment_ends_the_process_and_acknowledges_nothing", "segments", "fail-write").await;
}

async fn die(test: &str, engine: &str, command: &str) {
    if let Some(folder) = child_folder() {
        return append_until_the_disk_fails(&folder, engine, command).await;
    }
    let folder = Folder::new();
    let child = run_with_failing_disk(test, folder.path());
    let (said, told) = (String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert_eq!(child.status.code(), Some(EXIT_FATAL), "{said}\n{told}");
    assert!(said.contains("acknowledged 3") && !said.contains("acknowledged 4"), "{said}");
    assert!(told.contains("the event log failed and cannot go on") && told.contains("Check the disk"), "{told}");

    // What was acknowledged is there; a new process goes on.
    let log = open(folder.path(), engine);
    for index in 1..=3 {
        let name = stream(&format!("session-{index}"));
        let events = soon(log.read_stream(&name, Revision(0), Direction::Forwards, 10)).await.unwrap();
        assert_eq!(events.len(), 2, "{name}");
    }
    let all = soon(log.read_all(Position(0), Direction::Forwards, &Filter::default(), 100)).await.unwrap();
    assert_eq!(all.last().map_or(Position(0), |event| event.position), log.head());
    assert!(one(&*log, first("session-new", 1)).await.position() > Position(6));
}

async fn append_until_the_disk_fails(folder: &Path, engine: &str, command: &str) {
    let log = open(folder, engine);
    for index in 1..=3 {
        println!("acknowledged {}", one(&*log, first(&format!("session-{index}"), 2)).await.position().0 / 2);
    }
    std::fs::write(folder.join(command), "").unwrap();
    let (inbox, mut outcomes) = Inbox::new();
    for index in 4..=9 {
        log.submit(vec![first(&format!("session-{index}"), 2)], inbox.clone());
    }
    let outcome = soon(outcomes.recv()).await;
    println!("acknowledged 4 or refused it: {outcome:?}");
}

#[tokio::test]
async fn a_full_disk_refuses_appends_and_the_log_goes_on_when_there_is_space() {
    if let Some(folder) = child_folder() {
        return append_to_a_full_disk(&folder).await;
    }
    let folder = Folder::new();
    let test = "a_full_disk_refuses_appends_and_the_log_goes_on_when_there_is_space";
    let child = run_with_failing_disk(test, folder.path());
    let (said, told) = (String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success() && said.contains("written again"), "{said}\n{told}");
    let log = SqliteLog::open(folder.path().join("log.db"), Settings::default()).unwrap();
    assert_eq!(log.head(), Position(7));
}

async fn append_to_a_full_disk(folder: &Path) {
    let log = SqliteLog::open(folder.join("log.db"), Settings::default()).unwrap();
    assert_eq!(one(&log, first("session-1", 2)).await.position(), Position(2));
    let full = folder.join("full");
    std::fs::write(&full, "").unwrap();
    let refused = [after("session-1", 1, 2), first("session-2", 1)];
    for append in &refused {
        let result = try_one(&log, append.clone()).await;
        assert!(matches!(&result, Err(AppendError::Unavailable(why)) if why.contains("disk is full")), "{result:?}");
    }
    assert_eq!(log.head(), Position(2));
    std::fs::remove_file(full).unwrap();
    for append in refused {
        drop(one(&log, append).await);
    }
    assert_eq!(one(&log, after("session-1", 3, 2)).await.position(), Position(7));
    println!("written again");
}

#[tokio::test]
async fn without_space_for_another_segment_appends_are_refused_and_go_on_when_there_is() {
    if let Some(folder) = child_folder() {
        return append_without_space(&folder).await;
    }
    let folder = Folder::new();
    let test = "without_space_for_another_segment_appends_are_refused_and_go_on_when_there_is";
    let child = run_with_failing_disk(test, folder.path());
    let (said, told) = (String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success() && said.contains("written again"), "{said}\n{told}");
    let log = SegmentLog::open(folder.path().join("log"), small()).unwrap();
    let all = soon(log.read_all(Position(0), Direction::Forwards, &Filter::default(), 100)).await.unwrap();
    assert_eq!(all.len() as u64, log.head().0);
    assert_eq!(all.iter().filter(|event| event.stream == stream("session-refused")).count(), 3);
}

async fn append_without_space(folder: &Path) {
    let log = SegmentLog::open(folder.join("log"), small()).unwrap();
    drop(one(&log, first("session-before", 1)).await);
    std::fs::write(folder.join("no-space"), "").unwrap();
    // What was set aside is used up first: the rest of this segment, and maybe the spare.
    let mut written = 0;
    while let Ok(durable) = try_one(&log, first(&format!("session-{written}"), 1)).await {
        written += 1;
        assert!(durable.position() == Position(written + 1) && written < 20, "{durable:?}");
    }
    assert!(written >= 2, "{written}");
    let refused = [first("session-refused", 2), after("session-refused", 1, 1)];
    for outcome in submit(&log, refused.to_vec()).await {
        assert!(
            matches!(&outcome.result, Err(AppendError::Unavailable(why)) if why.contains("disk is full")),
            "{outcome:?}"
        );
    }
    assert_eq!(log.head(), Position(written + 1));
    std::fs::remove_file(folder.join("no-space")).unwrap();
    for append in refused {
        drop(one(&log, append).await);
    }
    assert_eq!(log.head(), Position(written + 4));
    println!("written again");
}
