//! Each engine under the contract.

use super::contract::{self, Home};
use super::given::Folder;
use adapters::event_log::memory::MemoryLog;
use adapters::event_log::sqlite::{Settings, SqliteLog};
use domain::log::EventLog;
use std::sync::Arc;
use std::time::Duration;

struct InMemory(Arc<MemoryLog>);

impl Home for InMemory {
    fn open(&mut self) -> Arc<dyn EventLog> {
        self.0.clone()
    }
}

struct OnDisk {
    folder: Folder,
    settings: Settings,
}

impl Home for OnDisk {
    fn open(&mut self) -> Arc<dyn EventLog> {
        Arc::new(SqliteLog::open(self.folder.path().join("log.db"), self.settings.clone()).unwrap())
    }
}

#[tokio::test]
async fn the_memory_log_keeps_the_contract() {
    contract::all(|| Box::new(InMemory(Arc::new(MemoryLog::new())))).await;
}

#[tokio::test]
async fn the_sqlite_log_keeps_the_contract() {
    contract::all(|| Box::new(OnDisk { folder: Folder::new(), settings: Settings::default() })).await;
}

/// No memory of the newest events, none of streams, a checkpoint after every commit: every answer is the file's.
#[tokio::test]
async fn the_sqlite_log_keeps_the_contract_when_it_remembers_nothing() {
    let settings = Settings {
        pace: Duration::ZERO,
        tail_bytes: 0,
        known_streams: 1,
        checkpoint_bytes: 1,
        readers: 1,
        ..Settings::default()
    };
    contract::all(|| Box::new(OnDisk { folder: Folder::new(), settings: settings.clone() })).await;
}
