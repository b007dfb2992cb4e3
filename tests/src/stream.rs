//! One stream in the making, an append at a time, as the exchange would write it.

use crate::calls::{Keys, submit};
use domain::codec::Encoded;
use domain::codec::seal::{KeyRef, SealKey};
use domain::ids::EventId;
use domain::log::{Append, Draft, EventHash, EventLog, Expected, Life, Revision, StreamName};
use domain::time::WallTime;
use uuid::Uuid;

/// 2026-01-02T03:04:05Z.
pub(crate) const EPOCH: i64 = 1_767_323_045_000_000;

/// What is in the log of a stream, and how its next append is made.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    category: &'static str,
    id: Uuid,
    /// Tells the ids of this stream's events from those of all others.
    mark: u32,
    appended: u64,
    previous: EventHash,
}

impl Stream {
    pub(crate) const fn new(category: &'static str, id: Uuid, mark: u32) -> Self {
        Self { category, id, mark, appended: 0, previous: EventHash::NONE }
    }

    /// Appends these events as one.
    pub(crate) fn append<E>(
        &mut self,
        log: &dyn EventLog,
        events: &[(i64, E)],
        closed: bool,
        encode: impl Fn(&E, EventId, KeyRef, &SealKey) -> Encoded,
    ) {
        if events.is_empty() {
            return;
        }
        let last = self.appended.checked_sub(1);
        let mut append = Append {
            stream: StreamName::new(self.category, self.id),
            expected: last.map_or(Expected::NoStream, |last| Expected::Exactly(Revision(last))),
            life: if closed { Life::Closed } else { Life::Open },
            correlation: self.id,
            node: 3,
            events: Vec::new(),
        };
        let (key, secret) = Keys::pair();
        for (at, event) in events {
            let id = EventId::minted(3, self.mark, 1, self.appended);
            let Encoded { kind, version, data } = encode(event, id, key, &secret);
            let (at, previous) = (WallTime::from_micros(*at), self.previous);
            append.events.push(Draft { id, kind: kind.into(), version, at, cause: None, previous, data });
            self.previous = append.hash_of(append.events.len() - 1).unwrap();
            self.appended += 1;
        }
        submit(log, vec![append]);
    }
}
