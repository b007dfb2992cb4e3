//! What the log's benches share.

use bytes::Bytes;
use domain::ids::EventId;
use domain::log::{Append, Committed, Draft, EventHash, EventLog, Expected, Life, Outcome, Revision, StreamName};
use domain::time::WallTime;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use uuid::Uuid;

/// A folder on the disk that holds the build, which goes away with the bench.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{}", std::process::id()));
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

/// The `part`-th append, of `count` events of 600 bytes, of a call.
pub fn append(call: u64, part: u64, count: u64) -> Append {
    let event = |index| Draft {
        id: EventId::minted(1, 1, 1, (call << 20) + part * count + index),
        kind: "SipMessageReceived".into(),
        version: 1,
        at: WallTime::from_micros(1),
        cause: None,
        previous: EventHash([7; 32]),
        data: Bytes::from_static(&[b'x'; 600]),
    };
    Append {
        stream: StreamName::new("session", call),
        expected: (part * count).checked_sub(1).map_or(Expected::NoStream, |last| Expected::Exactly(Revision(last))),
        life: Life::Open,
        correlation: Uuid::from_u128(u128::from(call)),
        node: 1,
        events: (0..count).map(event).collect(),
    }
}

struct Answers(mpsc::Sender<Vec<Outcome>>);

impl Committed for Answers {
    fn committed(&self, outcomes: Vec<Outcome>) {
        let _ = self.0.send(outcomes);
    }
}

/// Submits in one call and waits until everything is durable.
pub fn submit(log: &dyn EventLog, appends: Vec<Append>) {
    let (sender, outcomes) = mpsc::channel();
    log.submit(appends, Arc::new(Answers(sender)));
    for outcome in outcomes.iter().flatten() {
        drop(outcome.result.unwrap());
    }
}
