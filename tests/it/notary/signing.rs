//! What the notary signs, and when.

use super::{ENGINES, Writer, check, check_by, export_in, key, memory, notary, plan, sign, signed, signer};
use crate::event_log::given::{Folder, first, next, soon, until_caught_up, write};
use adapters::event_log::memory::MemoryLog;
use adapters::notary::{KeyError, Plan, signer as key_file, verify};
use domain::log::{Direction, EventLog, Filter, Followed, Position, Revision};
use domain::notary::{RootSigned, SignedRoot, stream_of};
use domain::time::WallTime;
use event_store_db::client::StoreLog;
use event_store_db::door::{Door, DoorSettings};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

async fn roots(log: &dyn EventLog) -> Vec<RootSigned> {
    let events = log.read_stream(&stream_of(1), Revision(0), Direction::Forwards, 1_000).await.unwrap();
    events.iter().map(|event| RootSigned::decode(event).unwrap()).collect()
}

fn spans(roots: &[RootSigned]) -> Vec<(u64, u64, u64)> {
    roots.iter().map(|root| &root.signed.root).map(|root| (root.after.0, root.through.0, root.events)).collect()
}

#[tokio::test]
async fn a_root_covers_so_many_events_and_the_last_one_the_rest() {
    let (folder, log) = (Folder::new(), memory());
    let mut writer = Writer::default();
    writer.rounds(&*log, 12).await;
    sign(&log, signer(1), &export_in(folder.path()), 1).await;
    assert_eq!(
        spans(&roots(&*log).await),
        [(0, 10, 10), (10, 20, 10), (20, 26, 6)],
        "24 events and the first two roots"
    );
    // Nothing but roots came since: none is due.
    sign(&log, signer(1), &export_in(folder.path()), 2).await;
    assert_eq!(log.head(), Position(27));
    writer.append(&*log, "session-9", 2).await;
    sign(&log, signer(1), &export_in(folder.path()), 3).await;
    assert_eq!(spans(&roots(&*log).await)[3..], [(26, 29, 3)], "the root before it is covered too");
    let lines = std::fs::read_to_string(export_in(folder.path())).unwrap();
    let exported: Vec<_> = lines.lines().map(|line| SignedRoot::from_line(line).unwrap()).collect();
    assert_eq!(exported, roots(&*log).await.iter().map(|root| root.signed).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_root_is_made_when_its_time_has_come() {
    let (folder, log) = (Folder::new(), memory());
    let mut follow = log.follow(Position(0), Filter { categories: vec!["notary".into()], kinds: vec![] });
    until_caught_up(&mut *follow).await;
    let running = notary(&log, signer(1), export_in(folder.path()), 1, Duration::from_millis(1));
    Writer::default().rounds(&*log, 1).await;
    let told = loop {
        if let Followed::Events(events) = next(&mut *follow).await {
            break events;
        }
    };
    assert_eq!((told.len(), told[0].position), (1, Position(3)));
    let standing = Arc::clone(running.standing());
    running.stop(Duration::from_secs(30)).await;
    assert_eq!((standing.through(), standing.roots()), (Position(2), 1));
    assert_eq!(log.head(), Position(3));
}

#[tokio::test]
async fn lines_that_a_crash_left_out_are_exported_at_the_next_start() {
    let (folder, log) = (Folder::new(), memory());
    let (mut writer, export) = (Writer::default(), export_in(folder.path()));
    writer.rounds(&*log, 12).await;
    sign(&log, signer(1), &export, 1).await;
    let whole = std::fs::read_to_string(&export).unwrap();
    assert_eq!(std::fs::metadata(&export).unwrap().permissions().mode() & 0o777, 0o600);
    for cut in [0, 1, 100, whole.len() / 2, whole.len() - 1, whole.len()] {
        std::fs::write(&export, &whole[..cut]).unwrap();
        sign(&log, signer(1), &export, 2).await;
        assert_eq!(std::fs::read_to_string(&export).unwrap(), whole, "cut at {cut}");
    }
    std::fs::remove_file(&export).unwrap();
    sign(&log, signer(1), &export, 3).await;
    assert_eq!(std::fs::read_to_string(&export).unwrap(), whole);
}

#[tokio::test]
async fn a_log_as_it_was_written_is_proved_up_to_its_last_root() {
    let folder = Folder::new();
    for engine in ENGINES {
        let data = signed(&folder, engine).await;
        let report = check(&data).await;
        assert_eq!(report.finding, None);
        assert_eq!((report.events, report.roots, report.exported), (91, 9, 9));
        assert_eq!(report.unproved, Some((Position(91), Position(91))), "the last root itself");
        let log = engine.open(&data);
        // Beside the exchange that writes it.
        assert_eq!(check(&data).await.finding, None);
        Writer { counter: 900, ..Writer::default() }.append(&*log, "session-9", 4).await;
        let report = check(&data).await;
        assert_eq!(
            (report.finding, report.unproved),
            (None, Some((Position(92), Position(95)))),
            "the root is signed itself"
        );
        assert_eq!(report.unproved_since, Some(WallTime::from_micros(901)));
    }
}

#[tokio::test]
async fn a_part_of_a_log_is_verified_by_whole_spans() {
    let folder = Folder::new();
    for engine in ENGINES {
        let data = signed(&folder, engine).await;
        for (from, to, found) in [(1, 5, (1, 10)), (15, 31, (11, 40)), (11, 20, (11, 20)), (85, 1_000, (81, 91))] {
            let report = check_by(&data, &Plan { from: Position(from), to: Some(Position(to)), ..plan(&data) }).await;
            assert_eq!(report.finding, None, "{from} to {to}");
            assert_eq!((report.from.0, report.to.0), found, "{from} to {to}");
            assert_eq!(report.events, found.1 + 1 - found.0);
        }
    }
}

#[tokio::test]
async fn a_log_without_roots_is_followed_by_its_chains_alone() {
    let log = memory();
    Writer::default().rounds(&*log, 12).await;
    let plan = Plan { from: Position(1), to: None, nodes: vec![1], trusted: vec![key(1)], exported: vec![] };
    let report = soon(verify(&*log, &plan, |_| {})).await.unwrap();
    assert_eq!((report.finding, report.events, report.roots), (None, 24, 0));
    assert_eq!(report.unproved, Some((Position(1), Position(24))));
}

/// Positions of what a client sees have gaps where its list of live streams is noted.
#[tokio::test]
async fn what_is_not_an_event_to_a_client_is_not_unproved_to_it() {
    let (folder, behind) = (Folder::new(), Arc::new(MemoryLog::new()));
    let settings = DoorSettings { writable: true, ..DoorSettings::at("127.0.0.1:0".parse().unwrap()) };
    let door = Door::open(behind.clone(), settings).await.unwrap();
    let url = format!("esdb://{}?tls=false&discoveryInterval=1", door.address());
    let log: Arc<dyn EventLog> = Arc::new(StoreLog::connect(url.parse().unwrap(), 1).await.unwrap());
    Writer::default().append(&*log, "session-9", 2).await;
    write(&*behind, first("live-9", 4)).await;
    let ends = log.head();
    sign(&log, signer(1), &export_in(folder.path()), 1).await;
    let report = soon(verify(&*log, &plan(folder.path()), |_| {})).await.unwrap();
    let root = Position(ends.0 + 5);
    assert_eq!((report.finding, report.events, report.unproved), (None, 3, Some((root, root))));
    write(&*behind, first("live-8", 4)).await;
    Writer { counter: 9, ..Writer::default() }.append(&*log, "session-8", 1).await;
    let report = soon(verify(&*log, &plan(folder.path()), |_| {})).await.unwrap();
    let event = log.head();
    assert!(event.0 > root.0 + 4, "notes lie before it");
    assert_eq!((report.finding, report.unproved), (None, Some((event, event))));
    door.close().await;
}

/// A notary that was far behind signs one root after the other: the last ones cover nothing but roots, and are due no root.
#[tokio::test]
async fn roots_upon_roots_are_not_unproved() {
    let (folder, log) = (Folder::new(), memory());
    Writer::default().rounds(&*log, 10).await;
    for _ in 0..3 {
        sign(&log, signer(1), &export_in(folder.path()), 1).await;
    }
    let roots = roots(&*log).await;
    let (last, head) = (roots.last().unwrap().signed.root.through, log.head());
    assert!(last.0 + 1 < head.0, "several roots stand after what the last one covers: {last} {head}");
    let report = soon(verify(&*log, &plan(folder.path()), |_| {})).await.unwrap();
    assert_eq!((report.finding, report.unproved), (None, Some((head, head))));
}

#[test]
fn the_key_is_made_once_kept_to_this_user_and_missed_when_it_is_gone() {
    let folder = Folder::new();
    let path = folder.path().join("notary.key");
    let made = key_file(&path, false).unwrap().key();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(key_file(&path, true).unwrap().key(), made);
    std::fs::write(&path, "short").unwrap();
    assert!(matches!(key_file(&path, true), Err(KeyError::Damaged(_))));
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(key_file(&path, true), Err(KeyError::Missing(_))));
    assert_ne!(key_file(&path, false).unwrap().key(), made);
}

#[tokio::test]
async fn what_is_not_there_proves_nothing() {
    let folder = Folder::new();
    for engine in ENGINES {
        let data = signed(&folder, engine).await;
        for (from, to, events) in [(91, 91, 1), (99_999, 100_000, 0)] {
            let report = check_by(&data, &Plan { from: Position(from), to: Some(Position(to)), ..plan(&data) }).await;
            assert_eq!(
                (report.finding.is_none(), report.events, report.proves()),
                (true, events, false),
                "from {from}"
            );
        }
        let report = check_by(&data, &Plan { nodes: vec![1, 7], ..plan(&data) }).await;
        assert_eq!((report.finding.is_none(), report.unknown), (true, vec![7]));
    }
}

#[tokio::test]
async fn roots_that_an_exported_file_lacks_are_told() {
    let folder = Folder::new();
    for engine in ENGINES {
        let data = signed(&folder, engine).await;
        let text = std::fs::read_to_string(export_in(&data)).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (file, missing) in [
            (text.clone(), vec![]),
            (String::new(), (0..9).collect()),
            (lines[..6].join("\n"), vec![6, 7, 8]),
            (lines[4..].join("\n"), vec![0, 1, 2, 3]),
        ] {
            let report = check_by(&data, &Plan { exported: vec![file], ..plan(&data) }).await;
            let told: Vec<u64> = report.unexported.iter().map(|root| root.index).collect();
            assert_eq!((report.finding, told), (None, missing));
        }
        assert!(check_by(&data, &Plan { exported: vec![], ..plan(&data) }).await.unexported.is_empty());
    }
}
