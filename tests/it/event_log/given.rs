//! Building blocks of the log's tests.

use bytes::Bytes;
use domain::ids::EventId;
use domain::log::{
    Append, AppendError, Committed, Draft, Durable, EventHash, EventLog, Expected, Follow, Followed, Life, Outcome,
    Part, Recorded, Revision, StreamName, Together,
};
use domain::time::WallTime;
use event_store_db::client::StoreLog;
use event_store_db::door::{Door, DoorSettings};
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use uuid::Uuid;

static COUNTER: AtomicU64 = AtomicU64::new(1);

/// A number that no other call in this process gets.
pub fn fresh() -> u64 {
    COUNTER.fetch_add(1, Ordering::Relaxed)
}

/// A folder that goes away with the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("log-{}-{}", std::process::id(), fresh()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Fails instead of hanging.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("the log answers within 30 s")
}

pub fn stream(name: &str) -> StreamName {
    StreamName::parse(name).unwrap()
}

pub fn draft(kind: &'static str, data: &str) -> Draft {
    let counter = fresh();
    Draft {
        id: EventId::minted(1, 1, 1, counter),
        kind: kind.into(),
        version: 1,
        at: WallTime::from_micros(counter as i64),
        cause: counter.is_multiple_of(2).then(|| EventId::minted(1, 1, 2, counter)),
        previous: EventHash::NONE,
        data: Bytes::copy_from_slice(data.as_bytes()),
    }
}

/// An append of one event of each of these types.
pub fn append(name: &str, expected: Expected, kinds: &[&'static str]) -> Append {
    Append {
        stream: stream(name),
        expected,
        life: Life::Open,
        correlation: Uuid::from_u128(u128::from(fresh())),
        node: 7,
        events: kinds.iter().map(|kind| draft(kind, &format!("{{\"n\":{}}}", fresh()))).collect(),
    }
}

/// The first append of a stream, with `count` events of type `Noted`.
pub fn first(name: &str, count: usize) -> Append {
    append(name, Expected::NoStream, &vec!["Noted"; count])
}

/// A later append, with `count` events of type `Noted`, after this revision.
pub fn after(name: &str, last: u64, count: usize) -> Append {
    append(name, Expected::Exactly(Revision(last)), &vec!["Noted"; count])
}

/// The same append, after which its stream is closed.
pub fn closing(append: Append) -> Append {
    Append { life: Life::Closed, ..append }
}

/// Receives outcomes into a channel, one message a call.
pub struct Inbox(mpsc::UnboundedSender<Vec<Outcome>>);

impl Inbox {
    pub fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<Vec<Outcome>>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Arc::new(Self(sender)), receiver)
    }
}

impl Committed for Inbox {
    fn committed(&self, outcomes: Vec<Outcome>) {
        let _ = self.0.send(outcomes);
    }
}

/// Submits in one call and waits for every outcome.
pub async fn submit(log: &dyn EventLog, appends: Vec<Append>) -> Vec<Outcome> {
    let (inbox, mut outcomes) = Inbox::new();
    let count = appends.len();
    log.submit(appends, inbox);
    let mut all = Vec::new();
    while all.len() < count {
        all.extend(soon(outcomes.recv()).await.expect("the log keeps the receiver until it answered"));
    }
    assert_eq!(all.len(), count, "each append has exactly one outcome");
    all
}

/// Submits one append.
pub async fn try_one(log: &dyn EventLog, append: Append) -> Result<Durable, AppendError> {
    submit(log, vec![append]).await.remove(0).result
}

/// Submits one append that must succeed.
pub async fn one(log: &dyn EventLog, append: Append) -> Durable {
    try_one(log, append).await.unwrap()
}

/// Writes one append whose place does not matter.
pub async fn write(log: &dyn EventLog, append: Append) {
    drop(one(log, append).await);
}

/// The ids of an append's events, for comparison with what is read.
pub fn ids<'a>(appends: impl IntoIterator<Item = &'a Append>) -> Vec<EventId> {
    appends.into_iter().flat_map(|append| append.events.iter().map(|event| event.id)).collect()
}

pub fn recorded_ids(events: &[Recorded]) -> Vec<EventId> {
    events.iter().map(|event| event.id).collect()
}

pub async fn next(follow: &mut dyn Follow) -> Followed {
    soon(follow.next()).await.unwrap()
}

/// The next page of events. What is written for the log's own purposes may move the checkpoint before.
pub async fn next_events(follow: &mut dyn Follow) -> Vec<Recorded> {
    loop {
        match next(follow).await {
            Followed::Events(events) => return events,
            Followed::Checkpoint(_) => {}
            Followed::CaughtUp(position) => panic!("nothing came up to {position}"),
        }
    }
}

/// Events handed over until the follower has caught up; checks on the way that nothing goes backwards.
pub async fn until_caught_up(follow: &mut dyn Follow) -> Vec<Recorded> {
    let mut all: Vec<Recorded> = Vec::new();
    let mut told = domain::log::Position(0);
    loop {
        match next(follow).await {
            Followed::Events(events) => {
                assert!(!events.is_empty(), "a page of events has some");
                for event in events {
                    assert!(event.position > told, "{} comes after {told}", event.position);
                    told = event.position;
                    all.push(event);
                }
            }
            Followed::Checkpoint(position) => {
                assert!(position > told);
                told = position;
            }
            Followed::CaughtUp(position) => {
                assert!(position >= told);
                return all;
            }
        }
    }
}

/// A part of each of many streams, read together.
pub async fn together(log: &dyn EventLog, streams: &[StreamName], part: Part) -> Together {
    let (mut reading, mut all) = (log.read_together(streams.to_vec(), part), vec![]);
    loop {
        let mut some = soon(reading.next()).await.unwrap();
        if some.is_empty() {
            return all;
        }
        all.append(&mut some);
    }
}

/// The node that writes by a door.
pub const NODE: u16 = 7;

/// The door of a log, at a free port.
pub async fn door_of(log: impl EventLog + 'static) -> Door {
    door_at(log, "127.0.0.1:0".parse().unwrap()).await
}

/// The same at this address.
pub async fn door_at(log: impl EventLog + 'static, listen: SocketAddr) -> Door {
    let settings = DoorSettings { writable: true, ..DoorSettings::at(listen) };
    Door::open(Arc::new(log), settings).await.unwrap()
}

/// A client at a door.
pub async fn connect(door: &Door) -> StoreLog {
    let url = format!("esdb://{}?tls=false&discoveryInterval=1", door.address());
    StoreLog::connect(url.parse().unwrap(), NODE).await.unwrap()
}

/// The names of the streams that are live.
pub async fn open_streams(log: &dyn EventLog) -> Vec<String> {
    soon(log.open_streams()).await.unwrap().iter().map(StreamName::to_string).collect()
}
