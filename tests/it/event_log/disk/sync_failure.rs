//! A failed fdatasync, injected below SQLite, ends the process: nothing more is acknowledged, nothing is tried again.

use crate::event_log::given::{Folder, Inbox, first, one, soon, stream};
use adapters::event_log::sqlite::{EXIT_LOG_FAILED, Settings, SqliteLog};
use domain::log::{Direction, EventLog, Filter, Position, Revision};
use std::path::Path;
use std::process::Command;

/// Set for the process that is to die; names its folder.
const CHILD: &str = "LOG_TEST_SYNC_FAILURE";
const THIS: &str = "event_log::disk::sync_failure::a_failed_sync_ends_the_process_and_acknowledges_nothing";

#[tokio::test]
async fn a_failed_sync_ends_the_process_and_acknowledges_nothing() {
    if let Some(folder) = std::env::var_os(CHILD) {
        return die(Path::new(&folder)).await;
    }
    let folder = Folder::new();
    let library = folder.path().join("failing_sync.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/it/event_log/disk/failing_sync.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).args([source, "-ldl"]).status();
    assert!(built.expect("a C compiler (Debian: gcc) is installed").success());

    let child = Command::new(std::env::current_exe().unwrap())
        .args([THIS, "--exact", "--nocapture"])
        .env(CHILD, folder.path())
        .env("FAILING_SYNC", folder.path().join("fail"))
        .env("LD_PRELOAD", &library)
        .output()
        .unwrap();
    let (said, told) = (String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert_eq!(child.status.code(), Some(EXIT_LOG_FAILED), "{said}\n{told}");
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

/// The part of the process that dies.
async fn die(folder: &Path) {
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
