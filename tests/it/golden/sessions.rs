//! Whole sessions as earlier builds stored them, `basic.1.jsonl`: one event a line. Each build tells them alike.

use super::{files, write_if_asked};
use crate::ladder::{answered, hang_up};
use crate::views::{Folder, PATIENCE};
use adapters::event_log::memory::MemoryLog;
use domain::exchange::Verdict;
use domain::ids::{EventId, SessionId};
use domain::log::{
    Append, Direction, Draft, EventHash, EventLog, Expected, Filter, Life, Position, Recorded, Revision, StreamName,
    read_whole,
};
use domain::ports::Mint;
use domain::time::WallTime;
use projections::timelines::timeline;
use projections::{Database, Views};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;
use tests::calls::submit;
use tests::world::{SeedMint, World};

/// The stored session: stream, node, and its events, each with the append that it begins or goes on with.
struct Golden {
    session: SessionId,
    appends: Vec<Append>,
}

fn text<'a>(event: &'a Value, field: &str) -> &'a str {
    event[field].as_str().unwrap_or_else(|| panic!("{field} of {event}"))
}

fn id(text: &str) -> EventId {
    serde_json::from_value(json!(text)).unwrap()
}

fn hash(text: &str) -> EventHash {
    let mut bytes = [0; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).unwrap();
    }
    EventHash(bytes)
}

impl Golden {
    fn parse(lines: &str) -> Self {
        let mut appends: Vec<Append> = Vec::new();
        let mut session = None;
        for (revision, line) in lines.lines().enumerate() {
            let fields: std::collections::BTreeMap<&str, &RawValue> = serde_json::from_str(line).unwrap();
            let event: Value = serde_json::from_str(line).unwrap();
            let kind = domain::codec::session::KINDS.iter().find(|kind| **kind == text(&event, "kind")).unwrap();
            let draft = Draft {
                id: id(text(&event, "id")),
                kind: (*kind).into(),
                version: event["version"].as_u64().unwrap() as u16,
                at: WallTime::from_micros(event["at"].as_i64().unwrap()),
                cause: event["cause"].as_str().map(id),
                previous: hash(text(&event, "previous")),
                data: fields["data"].get().to_owned().into(),
            };
            let stream = StreamName::parse(text(&event, "stream")).unwrap();
            let correlation = uuid::Uuid::parse_str(stream.id()).unwrap();
            session = Some(SessionId::from_bits(correlation.as_u128()));
            let expected = match revision.checked_sub(1) {
                None => Expected::NoStream,
                Some(last) => Expected::Exactly(Revision(last as u64)),
            };
            let life = if *kind == "SessionEnded" { Life::Closed } else { Life::Open };
            let node = event["node"].as_u64().unwrap() as u16;
            appends.push(Append { stream, expected, life, correlation, node, events: vec![draft] });
        }
        Self { session: session.unwrap(), appends }
    }

    /// The hash that each event names is that of the event before, as this build takes it.
    #[track_caller]
    fn check_chain(&self) {
        let mut previous = EventHash::NONE;
        for append in &self.appends {
            assert_eq!(append.events[0].previous, previous, "the hash of an event is taken otherwise than it was");
            previous = append.hash_of(0).unwrap();
        }
    }
}

/// The basic call as this build stores it, as a golden file would hold it.
async fn recorded_now() -> String {
    let mut world = World::default();
    let (mut caller, mut callee) = answered(&mut world);
    world.pass(Duration::from_secs(3));
    hang_up(&mut world, &mut caller, &mut callee);
    world.assert_nothing_left();
    let all = world.log.read_all(Position(0), Direction::Forwards, &Filter::default(), 1_000).await.unwrap();
    let mut lines = String::new();
    for event in all {
        let Recorded { stream, id, kind, version, at, cause, node, previous, data, .. } = event;
        let cause = cause.map_or(Value::Null, |cause| json!(cause));
        let data = std::str::from_utf8(&data).unwrap();
        writeln!(
            lines,
            r#"{{"stream":"{stream}","kind":"{kind}","version":{version},"id":{},"at":{},"cause":{cause},"node":{node},"previous":"{previous}","data":{data}}}"#,
            json!(id),
            at.micros(),
        )
        .unwrap();
    }
    lines
}

/// What readers make of a session: its row, and its ladder.
async fn told(golden: &Golden) -> String {
    let log = MemoryLog::new();
    golden.appends.iter().for_each(|append| submit(&log, vec![append.clone()]));
    let keys = Arc::new(SeedMint::new(1));
    let folder = Folder::new();
    let shared: Arc<dyn EventLog> = Arc::new(log.clone());
    let window = Duration::from_millis(5);
    let views =
        Views::open_with_window(Database::files(&folder.file("data")), shared, keys.clone(), window).await.unwrap();
    views.progress().wait_for_rows(log.head(), PATIENCE).await.unwrap();
    let row = views.sessions().find(golden.session).await.unwrap().unwrap();
    let told = timeline(&log, &*keys, golden.session, true).await.unwrap().unwrap();
    let entries = serde_json::to_string_pretty(&told).unwrap();
    format!("{row:#?}\n\n{}\n{entries}\n", told.ladder_text())
}

#[tokio::test]
async fn every_stored_session_is_told_as_it_was() {
    let now = recorded_now().await;
    write_if_asked("sessions", "basic.1.jsonl", || now.clone());
    let stored = files("sessions");
    if stored.is_empty() {
        panic!("there is no golden session: commit tests/it/golden/sessions/basic.1.jsonl:\n{now}");
    }
    for (name, lines) in stored {
        let golden = Golden::parse(&lines);
        golden.check_chain();
        insta::assert_snapshot!(name, told(&golden).await);
    }
}

#[tokio::test]
async fn the_basic_call_of_this_build_is_stored_as_its_golden_file_would_be() {
    let golden = Golden::parse(&recorded_now().await);
    golden.check_chain();
    assert!(told(&golden).await.contains("completed (200)"));
}

#[tokio::test]
async fn every_stored_session_is_decided_as_it_was() {
    let mut decider = World::decider_of_another_build(|_| {});
    let (mut mint, keys) = (SeedMint::new(1), SeedMint::new(1));
    for (name, lines) in files("sessions") {
        let golden = Golden::parse(&lines);
        let log = MemoryLog::new();
        golden.appends.iter().for_each(|append| submit(&log, vec![append.clone()]));
        let stream = read_whole(&log, &StreamName::new("session", golden.session.uuid())).await.unwrap();
        let again = decider.decide_again(mint.draws(), &keys, &[stream]).remove(0);
        assert!(
            matches!(again.verdict, Verdict::Alike),
            "{name}: this build decides a call otherwise than it was decided, and would end it at a start: {again:#?}"
        );
    }
}
