//! Each engine under the contract.

use super::contract::{self, Home};
use super::given::Folder;
use adapters::event_log::memory::MemoryLog;
use adapters::event_log::segment::{self, SegmentLog};
use adapters::event_log::sqlite::{Settings, SqliteLog};
use domain::log::{EventLog, PortFuture};
use event_store_db::client::StoreLog;
use event_store_db::door::{Door, DoorSettings};
use std::sync::Arc;

struct InMemory(Arc<MemoryLog>);

impl Home for InMemory {
    fn open(&mut self) -> PortFuture<'_, Arc<dyn EventLog>> {
        let log = self.0.clone();
        Box::pin(async move { log as Arc<dyn EventLog> })
    }
}

struct OnDisk {
    folder: Folder,
    settings: Settings,
}

impl Home for OnDisk {
    fn open(&mut self) -> PortFuture<'_, Arc<dyn EventLog>> {
        Box::pin(async {
            Arc::new(SqliteLog::open(self.folder.path().join("log.db"), self.settings.clone()).unwrap()) as _
        })
    }
}

struct InSegments {
    folder: Folder,
    settings: segment::Settings,
}

impl Home for InSegments {
    fn open(&mut self) -> PortFuture<'_, Arc<dyn EventLog>> {
        Box::pin(async {
            Arc::new(SegmentLog::open(self.folder.path().join("log"), self.settings.clone()).unwrap()) as _
        })
    }
}

#[tokio::test]
async fn the_memory_log_keeps_the_contract() {
    contract::all(|| Box::new(InMemory(Arc::new(MemoryLog::new())))).await;
    contract::own(|| Box::new(InMemory(Arc::new(MemoryLog::new())))).await;
}

#[tokio::test]
async fn the_sqlite_log_keeps_the_contract() {
    contract::all(|| Box::new(OnDisk { folder: Folder::new(), settings: Settings::default() })).await;
    contract::own(|| Box::new(OnDisk { folder: Folder::new(), settings: Settings::default() })).await;
}

/// No memory of the newest events, none of streams, a checkpoint after every commit: every answer is the file's.
#[tokio::test]
async fn the_sqlite_log_keeps_the_contract_when_it_remembers_nothing() {
    let settings = Settings { tail_bytes: 0, known_streams: 1, checkpoint_bytes: 1, readers: 1, ..Settings::default() };
    contract::all(|| Box::new(OnDisk { folder: Folder::new(), settings: settings.clone() })).await;
}

#[tokio::test]
async fn the_segment_log_keeps_the_contract() {
    // Smaller than by default: each log of each rule fills its segments with zeros.
    let settings = segment::Settings { segment_bytes: 1 << 20, ..segment::Settings::default() };
    contract::all(|| Box::new(InSegments { folder: Folder::new(), settings: settings.clone() })).await;
    contract::own(|| Box::new(InSegments { folder: Folder::new(), settings: settings.clone() })).await;
}

/// No memory of the newest events, none of streams, segments that hold a frame or two, every append in a run of its
/// own: every answer is the files'.
#[tokio::test]
async fn the_segment_log_keeps_the_contract_when_it_remembers_nothing() {
    let settings = segment::Settings {
        tail_bytes: 0,
        known_streams: 1,
        segment_bytes: 16_384,
        index_appends: 1,
        readers: 1,
        ..segment::Settings::default()
    };
    contract::all(|| Box::new(InSegments { folder: Folder::new(), settings: settings.clone() })).await;
}

/// The index gets nothing while the log is open: every answer is memory's, and the segments' after a crash.
#[tokio::test]
async fn the_segment_log_keeps_the_contract_when_its_index_knows_nothing() {
    let settings =
        segment::Settings { tail_bytes: 0, known_streams: 1, segment_bytes: 8_192, ..segment::Settings::default() };
    contract::all(|| Box::new(WithoutIndex(InSegments { folder: Folder::new(), settings: settings.clone() }))).await;
}

/// Loses its index whenever it is closed.
struct WithoutIndex(InSegments);

impl Home for WithoutIndex {
    fn open(&mut self) -> PortFuture<'_, Arc<dyn EventLog>> {
        let index = self.0.folder.path().join("log/index.db");
        if index.exists() {
            std::fs::remove_file(index).unwrap();
        }
        self.0.open()
    }
}

/// A log behind its door, and the client in front of it: two ends of the same protocol.
struct BehindDoor {
    inner: Box<dyn Home>,
    door: Option<Door>,
}

impl BehindDoor {
    fn of(inner: impl Home + 'static) -> Box<dyn Home> {
        Box::new(Self { inner: Box::new(inner), door: None })
    }
}

impl Home for BehindDoor {
    fn open(&mut self) -> PortFuture<'_, Arc<dyn EventLog>> {
        Box::pin(async {
            if let Some(door) = self.door.take() {
                door.close().await;
            }
            let settings = DoorSettings { writable: true, ..DoorSettings::at("127.0.0.1:0".parse().unwrap()) };
            let door = Door::open(self.inner.open().await, settings).await.unwrap();
            let url = format!("esdb://{}?tls=false&discoveryInterval=1", door.address());
            self.door = Some(door);
            Arc::new(StoreLog::connect(url.parse().unwrap(), 7).await.unwrap()) as _
        })
    }
}

#[tokio::test]
async fn the_client_keeps_the_contract_before_a_door_of_the_memory_log() {
    contract::all(|| BehindDoor::of(InMemory(Arc::new(MemoryLog::new())))).await;
}

#[tokio::test]
async fn the_client_keeps_the_contract_before_a_door_of_the_sqlite_log() {
    contract::all(|| BehindDoor::of(OnDisk { folder: Folder::new(), settings: Settings::default() })).await;
}
