//! Disks that fail, injected below SQLite in a process of its own.

use crate::event_log::given::{Folder, Inbox, after, first, one, soon, stream, try_one};
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
        .env("LD_PRELOAD", &library)
        .output()
        .unwrap()
}

#[tokio::test]
async fn a_failed_sync_ends_the_process_and_acknowledges_nothing() {
    if let Some(folder) = child_folder() {
        return append_until_the_sync_fails(&folder).await;
    }
    let folder = Folder::new();
    let child = run_with_failing_disk("a_failed_sync_ends_the_process_and_acknowledges_nothing", folder.path());
    let (said, told) = (String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert_eq!(child.status.code(), Some(EXIT_FATAL), "{said}\n{told}");
    assert!(said.contains("acknowledged 3") && !said.contains("acknowledged 4"), "{said}");
    assert!(told.contains("the event log failed and cannot go on") && told.contains("Check the disk"), "{told}");

    // What was acknowledged is there; a new process goes on.
    let log = SqliteLog::open(folder.path().join("log.db"), Settings::default()).unwrap();
    for index in 1..=3 {
        let name = stream(&format!("session-{index}"));
        let events = soon(log.read_stream(&name, Revision(0), Direction::Forwards, 10)).await.unwrap();
        assert_eq!(events.len(), 2, "{name}");
    }
    let all = soon(log.read_all(Position(0), Direction::Forwards, &Filter::default(), 100)).await.unwrap();
    assert_eq!(all.last().map_or(Position(0), |event| event.position), log.head());
    assert!(one(&log, first("session-new", 1)).await.position() > Position(6));
}

async fn append_until_the_sync_fails(folder: &Path) {
    let log = SqliteLog::open(folder.join("log.db"), Settings::default()).unwrap();
    for index in 1..=3 {
        println!("acknowledged {}", one(&log, first(&format!("session-{index}"), 2)).await.position().0 / 2);
    }
    std::fs::write(folder.join("fail"), "").unwrap();
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
