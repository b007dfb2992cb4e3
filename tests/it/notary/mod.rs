//! Tamper evidence: what the notary signs, and what a verification finds in logs that somebody changed.

#![allow(clippy::unwrap_used, clippy::panic)]

mod damage;
mod forge;
mod signing;
mod tampering;

use crate::event_log::given::{Folder, write};
use adapters::event_log::memory::MemoryLog;
use adapters::event_log::reading::open_for_reading;
use adapters::event_log::segment::{self, SegmentLog};
use adapters::event_log::sqlite::{self, SqliteLog};
use adapters::node::{EventIds, Node};
use adapters::notary::{Notary, NotaryParts, Plan, Report, verify};
use bytes::Bytes;
use domain::ids::EventId;
use domain::log::{Append, Draft, EventHash, EventLog, Expected, Life, Position, Revision, StreamName};
use domain::notary::{NotaryKey, Signer};
use domain::time::WallTime;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;
use zeroize::Zeroizing;

/// The engines whose logs are tampered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Segments,
    Sqlite,
}

pub const ENGINES: [Engine; 2] = [Engine::Segments, Engine::Sqlite];

impl Engine {
    fn open(self, data: &Path) -> Arc<dyn EventLog> {
        match self {
            Self::Segments => Arc::new(SegmentLog::open(data.join("log"), segment::Settings::default()).unwrap()),
            Self::Sqlite => Arc::new(SqliteLog::open(data.join("log.db"), sqlite::Settings::default()).unwrap()),
        }
    }
}

pub fn signer(byte: u8) -> Signer {
    Signer::from_bytes(&Zeroizing::new([byte; 32]))
}

/// Writes streams whose events carry the hashes of their predecessors.
#[derive(Default)]
struct Writer {
    counter: u64,
    newest: HashMap<String, (u64, EventHash)>,
}

impl Writer {
    /// An append of so many events; event `n` of all holds `"n":<n>` and a part that looks sealed.
    async fn append(&mut self, log: &dyn EventLog, name: &str, events: usize) {
        let stream = StreamName::parse(name).unwrap();
        let newest = self.newest.get(name).copied();
        let expected = newest.map_or(Expected::NoStream, |(revision, _)| Expected::Exactly(Revision(revision)));
        let (life, correlation) = (Life::Open, Uuid::from_u128(1));
        let mut append = Append { stream, expected, life, correlation, node: 1, events: Vec::new() };
        let mut previous = newest.map_or(EventHash::NONE, |(_, hash)| hash);
        for index in 0..events {
            self.counter += 1;
            let number = self.counter;
            let data = format!("{{\"n\":{number:05},\"sealed\":\"c2Vhb{number:05}ZWQ\"}}");
            let (id, at) = (EventId::minted(1, 1, 0, number), WallTime::from_micros(number as i64));
            let (kind, version, cause, data) = ("Noted", 1, None, Bytes::from(data));
            append.events.push(Draft { id, kind: kind.into(), version, at, cause, previous, data });
            previous = append.hash_of(index).unwrap();
        }
        self.newest.insert(name.to_owned(), (append.expected.next().0 + events as u64 - 1, previous));
        write(log, append).await;
    }

    /// Appends of two events to five streams in turn.
    async fn rounds(&mut self, log: &dyn EventLog, count: usize) {
        for round in 0..count {
            self.append(log, &format!("session-{}", round % 5), 2).await;
        }
    }
}

/// A notary of node 1 that signs every ten events.
fn notary(log: &Arc<dyn EventLog>, signer: Signer, export: PathBuf, epoch: u32, every: Duration) -> Notary {
    let (log, ids) = (Arc::clone(log), EventIds::new(Node { number: 1, epoch }, 0xffe));
    Notary::start(NotaryParts { log, ids, signer, export, events: 10, every })
}

/// Lets a notary sign whatever is there.
pub async fn sign(log: &Arc<dyn EventLog>, signer: Signer, export: &Path, epoch: u32) {
    notary(log, signer, export.to_owned(), epoch, Duration::from_secs(3_600)).stop(Duration::from_secs(30)).await;
}

fn export_in(data: &Path) -> PathBuf {
    data.join("notary.jsonl")
}

/// A signed log in a folder of its own: 40 appends, at positions 1 to 80, eight roots, another append, at 89 and 90, and a
/// root over these ten.
async fn signed(folder: &Folder, engine: Engine) -> PathBuf {
    let data = folder.path().join(format!("{engine:?}"));
    let log = engine.open(&data);
    let mut writer = Writer::default();
    for (epoch, appends) in [(1, 40), (2, 1)] {
        writer.rounds(&*log, appends).await;
        sign(&log, signer(1), &export_in(&data), epoch).await;
    }
    data
}

fn plan(data: &Path) -> Plan {
    let exported = std::fs::read_to_string(export_in(data)).into_iter().collect();
    Plan { from: Position(1), to: None, nodes: vec![1], trusted: vec![key(1)], exported }
}

fn key(byte: u8) -> NotaryKey {
    signer(byte).key()
}

async fn check(data: &Path) -> Report {
    check_by(data, &plan(data)).await
}

async fn check_by(data: &Path, plan: &Plan) -> Report {
    let log = open_for_reading(data).unwrap();
    verify(&*log, plan, |_| {}).await.unwrap()
}

fn memory() -> Arc<dyn EventLog> {
    Arc::new(MemoryLog::new())
}
