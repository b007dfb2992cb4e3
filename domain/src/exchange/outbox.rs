//! One stream's way into the log: at most one append in flight, what is decided meanwhile joins the next, effects wait
//! for theirs.

use super::held::{Effect, Held};
use crate::codec::{Desk, Encoded};
use crate::ids::EventId;
use crate::log::{
    Append, AppendError, Draft, Durable, EventHash, Expected, Hashed, Life, Recorded, Revision, StreamEnd, StreamName,
};
use crate::time::WallTime;
use std::collections::VecDeque;
use uuid::Uuid;

/// An append is full with this many bytes of JSON: half of what every log takes, and one event is far smaller.
const FULL: usize = 8 << 20;

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
    /// Appends that are full already and wait for their turn: the log was away long.
    full: VecDeque<Batch>,
    batch: Batch,
    flight: Option<Flight>,
    /// The newest event that is on disk with all older ones of the stream.
    durable: Option<EventId>,
    /// The newest event that is on disk.
    newest: Option<EventId>,
    frozen: bool,
}

/// What becomes one append, and what leaves with it.
#[derive(Debug)]
struct Batch {
    events: Vec<Draft>,
    bytes: usize,
    held: Held<Effect>,
    life: Life,
}

impl Batch {
    const fn new(life: Life) -> Self {
        Self { events: Vec::new(), bytes: 0, held: Held(Vec::new()), life }
    }

    const fn is_full(&self) -> bool {
        self.events.len() >= Append::MAX_EVENTS || self.bytes >= FULL
    }
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
    /// The stream is not ours to write any more, or nobody knows, or the log can never take what was decided: nothing
    /// more of it leaves.
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
            full: VecDeque::new(),
            batch: Batch::new(Life::Open),
            flight: None,
            durable: None,
            newest: None,
            frozen: false,
        }
    }

    /// Adds an event, chained to its predecessor by hash.
    pub fn record(&mut self, desk: &mut Desk, id: EventId, at: WallTime, cause: Option<EventId>, event: Encoded) {
        if self.frozen {
            return;
        }
        if self.batch.is_full() {
            let next = Batch::new(self.batch.life);
            self.full.push_back(std::mem::replace(&mut self.batch, next));
        }
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
        self.batch.bytes += data.len();
        self.batch.events.push(Draft { id, kind: kind.into(), version, at, cause, previous: self.last_hash, data });
        self.last_hash = hash;
        self.next += 1;
    }

    /// Adds an effect of what was recorded last.
    pub fn hold(&mut self, effect: Effect) {
        if !self.frozen {
            self.batch.held.hold(effect);
        }
    }

    /// The outbox of a stream whose last event is this.
    pub fn restored(last: &Recorded, node: u16) -> Self {
        Self::new(last.stream.clone(), last.correlation, node).after(StreamEnd::at(last))
    }

    /// The same of a stream that exists, and ends there.
    pub const fn after(mut self, end: StreamEnd) -> Self {
        self.expected = Expected::Exactly(end.revision);
        self.next = end.revision.0 + 1;
        self.last_hash = end.hash;
        (self.newest, self.durable) = (Some(end.last), Some(end.last));
        self
    }

    /// Where the stream ends, once all that was decided is durable; nowhere while something is on its way, or before there
    /// is anything in it.
    pub fn end(&self) -> Option<StreamEnd> {
        let revision = Revision(self.next.checked_sub(1)?);
        let last = self.durable.filter(|_| self.is_idle() && !self.frozen)?;
        Some(StreamEnd { revision, hash: self.last_hash, last })
    }

    /// This event of the stream is durable, and the newest.
    pub fn knows(&mut self, newest: EventId) {
        self.newest = self.newest.max(Some(newest));
        self.durable = self.newest;
    }

    /// From here on the stream's life is over, whatever is still noted in it.
    pub const fn close(&mut self) {
        self.set_life(Life::Closed);
    }

    /// What the next append does to the stream's life.
    pub const fn set_life(&mut self, life: Life) {
        self.batch.life = life;
    }

    /// Whether an append can be taken.
    pub fn is_ready(&self) -> bool {
        (!self.batch.events.is_empty() || !self.full.is_empty()) && self.flight.is_none() && !self.frozen
    }

    /// Whether the next event begins an append.
    pub fn begins_append(&self) -> bool {
        self.batch.events.is_empty() && self.batch.held.is_empty()
    }

    /// Whether nothing is pending or in flight.
    pub fn is_idle(&self) -> bool {
        self.batch.events.is_empty() && self.batch.held.is_empty() && self.full.is_empty() && self.flight.is_none()
    }

    /// Whether the event is on disk. Event ids of a stream rise with its turns.
    pub fn is_durable(&self, event: EventId) -> bool {
        self.durable.is_some_and(|durable| event <= durable)
    }

    /// The stream and the revision of its newest event, pending ones included; `None` while it has none.
    pub fn last(&self) -> Option<(&StreamName, Revision)> {
        Some((&self.stream, Revision(self.next.checked_sub(1)?)))
    }

    /// Whether nothing of the stream is written or leaves any more.
    pub const fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// Moves `durable` to the newest event that is durable with all older ones. Where a full append ended within a turn,
    /// the rest of the turn, which waits, may have ids before those of events that have landed.
    fn note_durable(&mut self, landed: &Append) {
        let rest = self.full.front().unwrap_or(&self.batch);
        let waiting = rest.events.iter().map(|draft| draft.id).min();
        let before = |id: &EventId| waiting.is_none_or(|waiting| *id < waiting);
        let ids = || landed.events.iter().map(|draft| draft.id);
        self.newest = self.newest.max(ids().max());
        let whole = self.newest.filter(before).or_else(|| ids().filter(before).max());
        self.durable = self.durable.max(whole);
    }

    /// What waits would wait for ever, and grow as long as somebody talks to us: it is let go.
    fn freeze(&mut self) {
        self.frozen = true;
        self.full = VecDeque::new();
        self.batch = Batch::new(self.batch.life);
    }

    /// Takes what is pending as one append, or where that is more than one holds, the oldest of it.
    pub fn take(&mut self) -> Option<Append> {
        if !self.is_ready() {
            return None;
        }
        let next = Batch::new(self.batch.life);
        let Batch { events, held, life, .. } =
            self.full.pop_front().unwrap_or_else(|| std::mem::replace(&mut self.batch, next));
        let last = self.expected.next().0 + events.len() as u64 - 1;
        let append = Append {
            stream: self.stream.clone(),
            expected: self.expected,
            life,
            correlation: self.correlation,
            node: self.node,
            events: events.into_boxed_slice().into_vec(),
        };
        self.expected = Expected::Exactly(Revision(last));
        self.flight = Some(Flight { append: append.clone(), held });
        Some(append)
    }

    /// The log's word on the append in flight.
    pub fn landed(&mut self, result: Result<Durable, AppendError>) -> Landed {
        let Some(flight) = self.flight.take() else { return Landed::Effects(Vec::new()) };
        match result {
            Ok(proof) => {
                self.note_durable(&flight.append);
                Landed::Effects(flight.held.open(&proof))
            }
            Err(AppendError::Unavailable(_)) => {
                let append = flight.append.clone();
                self.flight = Some(flight);
                Landed::Retry(append)
            }
            Err(error @ (AppendError::WrongRevision { .. } | AppendError::Unknown(_) | AppendError::Invalid(_))) => {
                self.freeze();
                Landed::Frozen(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{Flow, Transport};
    use crate::log::Position;
    use bytes::Bytes;

    fn stream() -> StreamName {
        StreamName::new("session", Uuid::nil())
    }

    fn outbox() -> Outbox {
        Outbox::new(stream(), Uuid::nil(), 1)
    }

    /// The event of this number, and the message that it lets out.
    fn record(outbox: &mut Outbox, number: u64, data: &Bytes) {
        let event = Encoded { kind: "Noted", version: 1, data: data.clone() };
        outbox.record(&mut Desk::default(), EventId::minted(1, 1, 0, number), WallTime::from_micros(0), None, event);
        outbox.hold(effect(number));
    }

    fn effect(number: u64) -> Effect {
        let address = "192.0.2.1:5060".parse().unwrap();
        let flow = Flow { transport: Transport::Udp, local: address, remote: address };
        Effect::Transmit { flow, bytes: number.to_string().into() }
    }

    fn durable(append: &Append) -> Result<Durable, AppendError> {
        let last = Revision(append.expected.next().0 + append.events.len() as u64 - 1);
        Ok(Durable::after_commit(stream(), last, Position(last.0 + 1)))
    }

    #[test]
    fn an_append_that_the_log_can_never_take_freezes_the_stream_and_is_not_tried_again() {
        let mut outbox = outbox();
        record(&mut outbox, 1, &"{}".into());
        outbox.take().unwrap();
        record(&mut outbox, 2, &"{}".into());
        let landed = outbox.landed(Err(AppendError::Invalid("it has no events".into())));
        assert!(matches!(landed, Landed::Frozen(AppendError::Invalid(_))), "{landed:?}");
        assert!(outbox.is_frozen() && outbox.take().is_none());
    }

    #[test]
    fn a_frozen_stream_keeps_nothing_however_much_is_still_decided() {
        let mut outbox = outbox();
        record(&mut outbox, 1, &"{}".into());
        outbox.take().unwrap();
        record(&mut outbox, 2, &"{}".into());
        assert!(matches!(outbox.landed(Err(AppendError::Unknown(stream()))), Landed::Frozen(_)));
        record(&mut outbox, 3, &"{}".into());
        assert!(outbox.is_idle(), "so that its session can be forgotten");
        assert!(!outbox.is_ready());
    }

    #[test]
    fn an_event_whose_turn_went_half_into_a_full_append_is_not_taken_for_durable() {
        let mut outbox = outbox();
        for number in (1..Append::MAX_EVENTS as u64).chain([2_000, 1_500]) {
            record(&mut outbox, number, &"{}".into());
        }
        let append = outbox.take().unwrap();
        assert!(matches!(outbox.landed(durable(&append)), Landed::Effects(_)));
        let id = |number| EventId::minted(1, 1, 0, number);
        assert!(outbox.is_durable(id(999)) && !outbox.is_durable(id(1_500)));
        assert!(!outbox.is_durable(id(2_000)));
        let append = outbox.take().unwrap();
        assert!(matches!(outbox.landed(durable(&append)), Landed::Effects(_)));
        assert!(outbox.is_durable(id(2_000)));
    }

    #[test]
    fn more_than_an_append_holds_goes_in_several_each_with_its_own_effects() {
        for (data, most) in [(Bytes::from("{}"), Append::MAX_EVENTS as u64), (vec![b' '; 1 << 20].into(), 8)] {
            let mut outbox = outbox();
            for number in 1..=2 * most + 1 {
                record(&mut outbox, number, &data);
            }
            outbox.close();
            let (mut hash, mut number) = (EventHash::NONE, 0);
            for (count, life) in [(most, Life::Open), (most, Life::Open), (1, Life::Closed)] {
                let append = outbox.take().unwrap();
                assert_eq!(append.expected.next(), Revision(number));
                assert_eq!((append.events.len() as u64, append.life), (count, life));
                for (index, event) in append.events.iter().enumerate() {
                    assert_eq!(event.previous, hash);
                    hash = append.hash_of(index).unwrap();
                }
                assert!(outbox.take().is_none(), "one append is in flight");
                let Landed::Effects(effects) = outbox.landed(durable(&append)) else { panic!("it has landed") };
                assert_eq!(effects, (number + 1..=number + count).map(effect).collect::<Vec<_>>());
                number += count;
            }
            assert!(outbox.is_idle());
        }
    }
}
