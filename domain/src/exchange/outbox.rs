//! One stream's way into the log: at most one append in flight, what is decided meanwhile joins the next, effects wait
//! for theirs.

use super::held::{Effect, Held};
use crate::codec::{Desk, Encoded};
use crate::ids::EventId;
use crate::log::{Append, AppendError, Draft, Durable, EventHash, Expected, Hashed, Life, Revision, StreamName};
use crate::time::WallTime;
use uuid::Uuid;

/// See the module.
#[derive(Debug)]
pub struct Outbox {
    stream: StreamName,
    correlation: Uuid,
    node: u16,
    /// Where the stream will be when everything pending is written.
    expected: Expected,
    /// Revision that the next event gets.
    next: u64,
    /// Hash of the last event, written or pending.
    last_hash: EventHash,
    pending: Vec<Draft>,
    held: Held<Effect>,
    flight: Option<Flight>,
    durable: Option<EventId>,
    life: Life,
    frozen: bool,
}

#[derive(Debug)]
struct Flight {
    append: Append,
    held: Held<Effect>,
}

/// What a commit means for the stream's effects.
#[derive(Debug)]
pub enum Landed {
    /// These may leave now.
    Effects(Vec<Effect>),
    /// The log is away: the same append must be submitted again.
    Retry(Append),
    /// The stream is not ours to write any more, or nobody knows: nothing of it leaves until it is re-read.
    Frozen(AppendError),
}

impl Outbox {
    /// The outbox of a stream that does not exist yet.
    pub const fn new(stream: StreamName, correlation: Uuid, node: u16) -> Self {
        Self {
            stream,
            correlation,
            node,
            expected: Expected::NoStream,
            next: 0,
            last_hash: EventHash::NONE,
            pending: Vec::new(),
            held: Held(Vec::new()),
            flight: None,
            durable: None,
            life: Life::Open,
            frozen: false,
        }
    }

    /// Adds an event, chained to its predecessor by hash.
    pub fn record(&mut self, desk: &mut Desk, id: EventId, at: WallTime, cause: Option<EventId>, event: Encoded) {
        let Encoded { kind, version, data } = event;
        let facts = Hashed {
            stream: &self.stream,
            revision: Revision(self.next),
            id,
            kind,
            version,
            at,
            correlation: self.correlation,
            cause,
            node: self.node,
            previous: self.last_hash,
            data: &data,
        };
        let hash = facts.hash_in(desk.hashed());
        self.pending.push(Draft { id, kind, version, at, cause, previous: self.last_hash, data });
        self.last_hash = hash;
        self.next += 1;
    }

    /// Adds an effect of what was recorded last.
    pub fn hold(&mut self, effect: Effect) {
        self.held.hold(effect);
    }

    /// From here on the stream's life is over, whatever is still noted in it.
    pub const fn close(&mut self) {
        self.life = Life::Closed;
    }

    /// Whether an append can be taken.
    pub const fn is_ready(&self) -> bool {
        !self.pending.is_empty() && self.flight.is_none() && !self.frozen
    }

    /// Whether nothing is pending or in flight.
    pub const fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.flight.is_none() && self.held.is_empty()
    }

    /// Whether the event is on disk. Event ids of a stream rise with its turns.
    pub fn is_durable(&self, event: EventId) -> bool {
        self.durable.is_some_and(|durable| event <= durable)
    }

    /// Takes what is pending as one append.
    pub fn take(&mut self) -> Option<Append> {
        if !self.is_ready() {
            return None;
        }
        let append = Append {
            stream: self.stream.clone(),
            expected: self.expected,
            life: self.life,
            correlation: self.correlation,
            node: self.node,
            events: std::mem::take(&mut self.pending).into_boxed_slice().into_vec(),
        };
        self.expected = Expected::Exactly(Revision(self.next - 1));
        let held = std::mem::take(&mut self.held);
        self.flight = Some(Flight { append: append.clone(), held });
        Some(append)
    }

    /// The log's word on the append in flight.
    pub fn landed(&mut self, result: Result<Durable, AppendError>) -> Landed {
        let Some(flight) = self.flight.take() else { return Landed::Effects(Vec::new()) };
        match result {
            Ok(proof) => {
                let newest = flight.append.events.iter().map(|draft| draft.id).max();
                self.durable = self.durable.max(newest);
                Landed::Effects(flight.held.open(&proof))
            }
            Err(AppendError::Unavailable(_)) => {
                let append = flight.append.clone();
                self.flight = Some(flight);
                Landed::Retry(append)
            }
            Err(error @ (AppendError::WrongRevision { .. } | AppendError::Unknown(_))) => {
                self.frozen = true;
                Landed::Frozen(error)
            }
        }
    }
}
