//! A file an event type and version: `LegAlerted.1.jsonl`, one event a line.

use super::samples::{joining, samples};
use super::{files, write_if_asked};
use domain::codec::seal::{KeyRef, SealKey};
use domain::codec::{Desk, Encoded, session, transfer};
use domain::ids::EventId;
use domain::log::{EventHash, Position, Recorded, Revision, StreamName};
use domain::ports::Keyring;
use domain::session::event::SessionEvent;
use domain::time::WallTime;
use domain::transfer::TransferEvent;
use std::collections::HashMap;
use std::fmt::Write;
use uuid::Uuid;

const KEY: KeyRef = KeyRef(1);

fn secret() -> SealKey {
    SealKey::from_bytes([0x5e; 32])
}

struct OneKey;

impl Keyring for OneKey {
    fn key(&self, reference: KeyRef) -> Option<SealKey> {
        (reference == KEY).then(secret)
    }
}

/// The id under which a line of a golden file is sealed.
fn id(line: usize) -> EventId {
    EventId::minted(1, 1, 0, line as u64 + 1)
}

/// An event of any stream that has golden files.
#[derive(Debug, PartialEq)]
enum Event {
    Session(SessionEvent),
    Transfer(TransferEvent),
}

impl Event {
    fn kind(&self) -> &'static str {
        match self {
            Self::Session(event) => session::kind(event),
            Self::Transfer(event) => transfer::kind(event),
        }
    }

    fn encode(&self, id: EventId) -> Encoded {
        match self {
            Self::Session(event) => session::encode(&mut Desk::default(), event, id, KEY, &secret()),
            Self::Transfer(event) => transfer::encode(event),
        }
    }
}

/// Every type with the version that this build writes.
fn versions() -> impl Iterator<Item = (&'static str, u16)> {
    session::VERSIONS.iter().chain(transfer::VERSIONS).copied()
}

fn samples_of(name: &str) -> Vec<Event> {
    let sessions = samples().into_iter().map(Event::Session);
    let all = sessions.chain(joining().into_iter().map(Event::Transfer));
    all.filter(|event| event.kind() == name).collect()
}

/// How this build writes a type.
fn written(name: &str) -> String {
    let mut lines = String::new();
    for (line, event) in samples_of(name).iter().enumerate() {
        let encoded = event.encode(id(line));
        writeln!(lines, "{}", std::str::from_utf8(&encoded.data).unwrap()).unwrap();
    }
    lines
}

fn read(name: &str, version: u16, line: usize, data: &str) -> Event {
    let joins = transfer::VERSIONS.iter().any(|(kind, _)| *kind == name);
    let category = if joins { TransferEvent::CATEGORY } else { "session" };
    let recorded = Recorded {
        position: Position(1),
        stream: StreamName::new(category, Uuid::nil()),
        revision: Revision(0),
        id: id(line),
        kind: name.into(),
        version,
        at: WallTime::from_micros(0),
        correlation: Uuid::nil(),
        cause: None,
        node: 1,
        previous: EventHash::NONE,
        life: domain::log::Life::Open,
        data: data.to_owned().into(),
    };
    let read = match joins {
        true => transfer::decode(&recorded).map(Event::Transfer),
        false => session::decode(&recorded, &OneKey).map(Event::Session),
    };
    read.unwrap_or_else(|error| {
        panic!(
            "{name}.{version}.jsonl, line {}: {error}\nWhat an earlier build stored must be read for ever.",
            line + 1
        )
    })
}

/// What to do about a type that is written otherwise than its golden file says; `None` where it is not.
fn complaint(name: &str, version: u16, golden: Option<&str>) -> Option<String> {
    let now = written(name);
    match golden {
        None => Some(format!(
            "There is no golden file of {name} version {version}. Commit tests/it/golden/events/{name}.{version}.jsonl:\n{now}"
        )),
        Some(golden) if golden == now => None,
        Some(golden) => Some(format!(
            "{name} is written in another shape than version {version} has. What is stored never changes, so:\n\
             1. give the type its next version in `session_codec!` (domain/src/codec/session.rs): {name} = {next}\n\
             2. add an upcaster from version {version} to `UPCASTERS` (domain/src/codec/upcast.rs)\n\
             3. leave {name}.{version}.jsonl as it is, and commit tests/it/golden/events/{name}.{next}.jsonl:\n{now}\n\
             (If only a sample was added, and no line has changed, its line is added to the golden file.)\n\
             The golden file of version {version} is:\n{golden}",
            next = version + 1,
        )),
    }
}

#[test]
fn every_event_is_written_in_the_shape_that_its_version_has() {
    for (name, version) in versions() {
        write_if_asked("events", &format!("{name}.{version}.jsonl"), || written(name));
    }
    let golden: HashMap<_, _> = files("events").into_iter().collect();
    let of = |name: &str, version: u16| golden.get(&format!("{name}.{version}")).map(String::as_str);
    let complaints: Vec<_> =
        versions().filter_map(|(name, version)| complaint(name, version, of(name, version))).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn every_event_that_was_ever_stored_is_read() {
    let versions: HashMap<_, _> = versions().collect();
    for (file, text) in files("events") {
        let (name, version) = file.split_once('.').unwrap();
        let version: u16 = version.parse().unwrap();
        let Some(current) = versions.get(name) else {
            panic!(
                "{file}: this build has forgotten a type that is stored: keep it as long as there may be logs with it"
            )
        };
        let samples = samples_of(name);
        for (line, data) in text.lines().enumerate() {
            let event = read(name, version, line, data);
            assert_eq!(event.kind(), name);
            if version == *current {
                assert_eq!(Some(&event), samples.get(line), "{file}, line {}", line + 1);
            }
        }
    }
}

#[test]
fn every_version_from_the_first_to_the_present_has_its_golden_file() {
    let golden: Vec<_> = files("events").into_iter().map(|(file, _)| file).collect();
    let mut owed: Vec<_> = versions().flat_map(|(name, last)| (1..=last).map(move |v| format!("{name}.{v}"))).collect();
    owed.sort();
    assert_eq!(golden, owed);
}

#[test]
fn every_type_has_a_sample() {
    for (name, _) in versions() {
        assert!(!samples_of(name).is_empty(), "{name} has no sample in tests/it/golden/samples.rs");
    }
}

#[test]
fn a_change_of_shape_is_noticed_and_the_way_out_is_told() {
    let told = complaint("LegAnswered", 1, Some("{\"limb\":\"00\"}\n")).unwrap();
    for what in ["LegAnswered = 2", "LegAnswered.2.jsonl", "upcaster from version 1", &written("LegAnswered")] {
        assert!(told.contains(what), "{told}");
    }
    assert!(complaint("LegAnswered", 1, None).unwrap().contains("LegAnswered.1.jsonl"));
    assert_eq!(complaint("LegAnswered", 1, Some(&written("LegAnswered"))), None);
}
