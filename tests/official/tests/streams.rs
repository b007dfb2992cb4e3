//! The official client's own suite of streams: appends, reads, filters, metadata, deletion, tombstones, subscriptions, batch
//! appends. Against a door in this process, by each kind of log, or against a real store where `STROWGER_EVENTSTOREDB` names
//! one (`esdb://user:password@host:2113?tls=…`).

use adapters::event_log::memory::MemoryLog;
use adapters::event_log::sqlite::{Settings, SqliteLog};
use domain::log::EventLog;
use event_store_db::door::{Credentials, Door, DoorSettings};
use std::sync::Arc;

include!(concat!(env!("OUT_DIR"), "/suite.rs"));

async fn suite(url: &str) {
    event_store_db::choose_crypto();
    let client = kurrentdb::Client::new(url.parse().unwrap()).unwrap();
    streams::tests(client).await.unwrap();
}

/// Behind a door that asks for a password.
async fn holds_behind_a_door(log: Arc<dyn EventLog>) {
    let credentials = Some(Credentials::new("admin", "changeit"));
    let settings = DoorSettings { writable: true, credentials, ..DoorSettings::at("127.0.0.1:0".parse().unwrap()) };
    let door = Door::open(log, settings).await.unwrap();
    suite(&format!("esdb://admin:changeit@{}?tls=false&discoveryInterval=1", door.address())).await;
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_suite_of_streams_passes_behind_a_door_of_the_memory_log() {
    holds_behind_a_door(Arc::new(MemoryLog::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_suite_of_streams_passes_behind_a_door_of_the_sqlite_log() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("official-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    holds_behind_a_door(Arc::new(SqliteLog::open(folder.join("log.db"), Settings::default()).unwrap())).await;
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Nothing to do where no real store is named.
#[tokio::test(flavor = "multi_thread")]
async fn the_official_suite_of_streams_passes_before_a_real_store() {
    if let Ok(url) = std::env::var("STROWGER_EVENTSTOREDB") {
        suite(&url).await;
    }
}
