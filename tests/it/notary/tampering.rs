//! Logs that a forger changed, with valid checksums: each is found, and what is wrong is named.

use super::forge::Entry;
use super::{ENGINES, Writer, check, check_by, export_in, key, plan, sign, signed, signer};
use crate::event_log::given::Folder;
use adapters::notary::Plan;
use domain::log::Position;
use domain::notary::{Finding, Wrong};

/// The append that holds event `n`.
fn holding(all: &[Entry], n: u64) -> usize {
    let text = format!("\"n\":{n:05}");
    all.iter().position(|entry| entry.row.windows(text.len()).any(|part| part == text.as_bytes())).unwrap()
}

type Tamper = fn(&mut Vec<Entry>);

/// Name, what is done, what it is found to be, and the position, stream and revision that are named.
type Case = (&'static str, Tamper, Wrong, u64, Option<(&'static str, u64)>);

fn alter(all: &mut [Entry], n: u64, from: &str, to: &str) {
    let at = holding(all, n);
    all[at].replace(from, to);
}

fn without(all: &mut Vec<Entry>, n: u64) {
    let at = holding(all, n);
    all.remove(at);
}

fn exchange(all: &mut [Entry], a: u64, b: u64) {
    let (a, b) = (holding(all, a), holding(all, b));
    all.swap(a, b);
}

/// Appends of two events go to
/// `session-0` to `session-4` in turn, so that event 41 is revision 8 of `session-0`; at position 41, since roots come last.
#[rustfmt::skip]
const TAMPERED: &[Case] = &[
    ("a byte of data", |all| alter(all, 41, "\"n\":00041", "\"n\":00091"), Wrong::Altered, 41, Some(("session-0", 8))),
    ("a byte of the last event of a stream", |all| alter(all, 80, "\"n\":00080", "\"n\":00081"), Wrong::Altered, 80, Some(("session-4", 15))),
    ("a sealed byte", |all| alter(all, 42, "c2Vhb00042ZWQ", "c2Vhc00042ZWQ"), Wrong::Altered, 42, Some(("session-0", 9))),
    ("a type name", |all| alter(all, 42, "Noted", "Moved"), Wrong::Altered, 41, Some(("session-0", 8))),
    ("a time", |all| { let at = holding(all, 43); all[at].shift_time(); }, Wrong::Altered, 43, Some(("session-1", 8))),
    ("an append removed", |all| without(all, 41), Wrong::Missing, 49, Some(("session-0", 8))),
    ("the first append of a stream removed", |all| without(all, 3), Wrong::Missing, 3, None),
    ("the last append of a stream removed", |all| without(all, 75), Wrong::Missing, 75, None),
    ("the last append of a span removed", |all| without(all, 79), Wrong::Altered, 79, Some(("notary-1", 0))),
    ("two appends of a stream exchanged", |all| exchange(all, 41, 51), Wrong::Reordered, 41, Some(("session-0", 8))),
    ("appends of two streams exchanged", |all| exchange(all, 43, 47), Wrong::Reordered, 43, Some(("session-3", 8))),
    ("the content of two appends exchanged", |all| {
        let (a, b) = (holding(all, 41), holding(all, 51));
        let (first, second) = all.split_at_mut(b);
        std::mem::swap(&mut first[a].row, &mut second[0].row);
    }, Wrong::Altered, 32, Some(("session-0", 7))),
    ("an append put into a stream's name", |all| { let at = holding(all, 49); all[at].stream = "session-7".into(); }, Wrong::Missing, 49, Some(("session-7", 0))),
    ("an append put in between", |all| {
        let (at, from) = (holding(all, 45), holding(all, 1));
        let made_up = Entry { stream: "session-8".into(), ..all[from].clone() };
        all.insert(at, made_up);
    }, Wrong::Altered, 45, Some(("session-8", 0))),
    ("a stream put in between", |all| {
        let (at, from) = (holding(all, 45), holding(all, 1));
        let mut made_up = Entry { stream: "session-8".into(), ..all[from].clone() };
        // Its first event alone, which carries no hash.
        let second = made_up.row.windows(5).rposition(|part| part == b"Noted").unwrap() - 60;
        made_up.row.truncate(second);
        made_up.count = 1;
        all.insert(at, made_up);
    }, Wrong::Added, 45, Some(("session-8", 0))),
    ("a root altered", |all| { let at = all.iter().position(|entry| entry.stream == "notary-1").unwrap() + 2; all[at].replace("\"events\":10", "\"events\":11"); },
        Wrong::Altered, 83, Some(("notary-1", 2))),
    ("the last root altered", |all| all.last_mut().unwrap().replace("\"index\":8", "\"index\":7"), Wrong::RootForged, 91, Some(("notary-1", 8))),
    ("a root removed", |all| { let at = all.iter().position(|entry| entry.stream == "notary-1").unwrap() + 2; all.remove(at); },
        Wrong::Missing, 83, Some(("notary-1", 2))),
    ("the log cut", |all| all.truncate(27), Wrong::Truncated, 55, None),
    ("the last root cut off", |all| { all.pop(); }, Wrong::Truncated, 91, None),
];

#[tokio::test]
async fn whatever_a_forger_does_is_found_and_named() {
    let folder = Folder::new();
    for engine in ENGINES {
        let data = signed(&folder, engine).await;
        let whole = engine.load(&data);
        assert_eq!(whole.len(), 50);
        engine.store(&data, &whole);
        assert_eq!(check(&data).await.finding, None, "{engine:?}: the forger's tools change nothing by themselves");
        for (name, tamper, wrong, position, event) in TAMPERED {
            let mut all = whole.clone();
            tamper(&mut all);
            engine.store(&data, &all);
            let Some(found) = check(&data).await.finding else { panic!("{engine:?}: {name} is not found") };
            let Finding { stream, revision, what, .. } = &found;
            let named =
                stream.as_ref().map(|stream| (stream.as_str(), revision.map_or(u64::MAX, |revision| revision.0)));
            assert_eq!(
                (found.wrong, found.position.0, named),
                (*wrong, *position, *event),
                "{engine:?}: {name}: {what}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_behind_the_last_root_and_was_cut_off_is_not_proved_to_be_missing() {
    let folder = Folder::new();
    for engine in ENGINES {
        let data = signed(&folder, engine).await;
        Writer { counter: 900, ..Writer::default() }.append(&*engine.open(&data), "session-9", 4).await;
        let mut all = engine.load(&data);
        all.pop();
        engine.store(&data, &all);
        let report = check(&data).await;
        assert_eq!((report.finding, report.unproved), (None, Some((Position(91), Position(91)))));
    }
}

#[tokio::test]
async fn a_foreign_key_is_named() {
    let folder = Folder::new();
    for engine in ENGINES {
        let data = signed(&folder, engine).await;
        let log = engine.open(&data);
        Writer { counter: 900, ..Writer::default() }.append(&*log, "session-9", 4).await;
        sign(&log, signer(2), &export_in(&data), 2).await;
        drop(log);
        let found = check(&data).await.finding.unwrap();
        assert_eq!((found.wrong, found.position), (Wrong::RootForeign, Position(90)), "in the exported file first");
        let in_log = check_by(&data, &Plan { exported: vec![], ..plan(&data) }).await.finding.unwrap();
        assert_eq!(
            (in_log.wrong, in_log.position.0, in_log.revision.map(|revision| revision.0)),
            (Wrong::RootForeign, 96, Some(9))
        );
        assert!(in_log.what.contains(&key(2).to_string()), "{}", in_log.what);
        let both = Plan { trusted: vec![key(1), key(2)], ..plan(&data) };
        assert_eq!(check_by(&data, &both).await.finding, None, "who trusts both has no complaint");
    }
}

#[tokio::test]
async fn a_log_rewritten_by_who_has_the_key_does_not_fit_what_was_exported() {
    let folder = Folder::new();
    for engine in ENGINES {
        let data = signed(&folder, engine).await;
        let other = Folder::new();
        let rewritten = other.path().join("rewritten");
        let log = engine.open(&rewritten);
        let mut writer = Writer::default();
        writer.rounds(&*log, 20).await;
        writer.counter += 1;
        writer.rounds(&*log, 20).await;
        sign(&log, signer(1), &export_in(&rewritten), 1).await;
        drop(log);
        assert_eq!(check(&rewritten).await.finding, None, "it is sound by itself");
        let against = Plan { exported: plan(&data).exported, ..plan(&rewritten) };
        let found = check_by(&rewritten, &against).await.finding.unwrap();
        // Times of roots differ too: the very first one is another.
        assert_eq!((found.wrong, found.position), (Wrong::ExportDiffers, Position(1)), "{}", found.what);
    }
}

#[tokio::test]
async fn a_rewritten_export_is_named_with_its_line() {
    let folder = Folder::new();
    for engine in ENGINES {
        let data = signed(&folder, engine).await;
        let text = std::fs::read_to_string(export_in(&data)).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let changed = |line: usize, from: &str, to: &str| {
            let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            assert!(lines[line].contains(from));
            lines[line] = lines[line].replacen(from, to, 1);
            lines.join("\n")
        };
        let without = |line: usize| [&lines[..line], &lines[line + 1..]].concat().join("\n");
        for (file, wrong, position, says) in [
            (changed(4, "\"events\":10", "\"events\":12"), Wrong::RootForged, 40, "line 5"),
            (changed(4, "{", "["), Wrong::RootForged, 40, "line 5"),
            (without(4), Wrong::RootBroken, 40, "line 5"),
            ([text.as_str(), lines[3]].concat(), Wrong::RootBroken, 90, "line 10"),
        ] {
            let found = check_by(&data, &Plan { exported: vec![file], ..plan(&data) }).await.finding.unwrap();
            assert_eq!((found.wrong, found.position.0), (wrong, position), "{}", found.what);
            assert!(found.what.contains(says), "{}", found.what);
        }
        // A file that begins later, as one that was put away each month.
        let later = check_by(&data, &Plan { exported: vec![lines[4..].join("\n")], ..plan(&data) }).await;
        assert_eq!((later.finding, later.exported), (None, 5));
    }
}
