//! What an append costs through client and door, both in this process, against the same append straight into the log:
//! processor time of everything, sync included. `cargo bench -p official [events in an append]`
//!
//! 64 writers at once, each with one call after the other: four appends of 8 events of 700 bytes, the last closes.

#![allow(clippy::unwrap_used, missing_docs)]

use adapters::event_log::segment::{self, SegmentLog};
use adapters::event_log::sqlite::{Settings, SqliteLog};
use domain::ids::EventId;
use domain::log::{Append, Committed, Draft, EventHash, EventLog, Expected, Life, Outcome, Revision, StreamName};
use domain::time::WallTime;
use event_store_db::client::StoreLog;
use event_store_db::door::{Door, DoorSettings};
use nix::sys::resource::{UsageWho, getrusage};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use uuid::Uuid;

/// The exchange's own allocator.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const WRITERS: u64 = 64;
const CALLS: u64 = 40;
const PARTS: u64 = 4;
const ROUNDS: usize = 5;

static CALL: AtomicU64 = AtomicU64::new(1);

/// The `part`-th append of a call.
fn append(call: u64, part: u64, count: u64) -> Append {
    let event = |index| Draft {
        id: EventId::minted(1, 1, 1, (call << 20) + part * count + index),
        kind: "SipMessageReceived".into(),
        version: 1,
        at: WallTime::from_micros(1),
        cause: Some(EventId::minted(1, 1, 1, call << 20)),
        previous: EventHash([7; 32]),
        data: format!("{{\"sealed\":\"{}\"}}", "x".repeat(685)).into(),
    };
    Append {
        stream: StreamName::new("session", Uuid::from_u128(u128::from(call))),
        expected: (part * count).checked_sub(1).map_or(Expected::NoStream, |last| Expected::Exactly(Revision(last))),
        life: if part + 1 == PARTS { Life::Closed } else { Life::Open },
        correlation: Uuid::from_u128(u128::from(call)),
        node: 1,
        events: (0..count).map(event).collect(),
    }
}

struct Answer(Mutex<Option<oneshot::Sender<Outcome>>>);

impl Committed for Answer {
    fn committed(&self, outcomes: Vec<Outcome>) {
        for (answer, outcome) in self.0.lock().unwrap().take().into_iter().zip(outcomes) {
            let _ = answer.send(outcome);
        }
    }
}

async fn write(log: &dyn EventLog, append: Append) {
    let (answer, answered) = oneshot::channel();
    log.submit(vec![append], Arc::new(Answer(Mutex::new(Some(answer)))));
    drop(answered.await.unwrap().result.unwrap());
}

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let of = |time: nix::sys::time::TimeVal| Duration::new(time.tv_sec() as u64, time.tv_usec() as u32 * 1_000);
    of(usage.user_time()) + of(usage.system_time())
}

/// Processor time of an append in µs, and appends a second.
async fn measure(log: &Arc<dyn EventLog>, count: u64) -> (f64, f64) {
    let (before, began) = (cpu(), Instant::now());
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let log = Arc::clone(log);
            tokio::spawn(async move {
                for _ in 0..CALLS {
                    let call = CALL.fetch_add(1, Ordering::Relaxed);
                    for part in 0..PARTS {
                        write(&*log, append(call, part, count)).await;
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let appends = (WRITERS * CALLS * PARTS) as f64;
    ((cpu() - before).as_secs_f64() * 1e6 / appends, appends / began.elapsed().as_secs_f64())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

async fn compare(name: &str, log: Arc<dyn EventLog>, count: u64) {
    let settings = DoorSettings { writable: true, ..DoorSettings::at("127.0.0.1:0".parse().unwrap()) };
    let door = Door::open(Arc::clone(&log), settings).await.unwrap();
    let url = format!("esdb://{}?tls=false&discoveryInterval=1", door.address());
    let store: Arc<dyn EventLog> = Arc::new(StoreLog::connect(url.parse().unwrap(), 1).await.unwrap());
    let (mut direct, mut through) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        direct.push(measure(&log, count).await);
        through.push(measure(&store, count).await);
    }
    let cost = |of: &[(f64, f64)]| median(of.iter().map(|(cpu, _)| *cpu).collect());
    let rate = |of: &[(f64, f64)]| median(of.iter().map(|(_, rate)| *rate).collect());
    let ratios = direct.iter().zip(&through).map(|(direct, through)| through.0 / direct.0).collect();
    println!(
        "{name}, {count} events an append: direct {:.0} µs CPU ({:.0}/s), through client and door {:.0} µs ({:.0}/s): {:.2} times",
        cost(&direct),
        rate(&direct),
        cost(&through),
        rate(&through),
        median(ratios)
    );
}

/// A folder on the disk that holds the build.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("door-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    path
}

#[tokio::main]
async fn main() {
    let count = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(8);
    let (one, other) = (folder("segments"), folder("sqlite"));
    let segments = SegmentLog::open(one.join("log"), segment::Settings::default()).unwrap();
    compare("segments", Arc::new(segments), count).await;
    compare("sqlite", Arc::new(SqliteLog::open(other.join("log.db"), Settings::default()).unwrap()), count).await;
    for folder in [one, other] {
        std::fs::remove_dir_all(folder).unwrap();
    }
}
