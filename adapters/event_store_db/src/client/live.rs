//! Which of this node's streams are live, kept in a stream of its own, `live-<node>`: a store has no such list.
//!
//! An opening is durable there before the first append of its stream is sent, so that a stream with events that is live is
//! never missing. A closing is noted afterwards, when there is something else to note or after a second. What a crash
//! leaves in the list too much is found when it is read: the last event of each stream says whether it is live. From time
//! to time the whole list is stated anew, so that reading it costs by live streams, not by history.

use domain::ids::EventId;
use domain::log::{Append, Draft, EventHash, Expected, Life, Recorded, Revision, StreamName};
use domain::time::WallTime;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// Category of these streams.
pub const CATEGORY: &str = "live";
/// A stream is about to be written that was not live.
pub const OPENED: &str = "StreamOpened";
/// A stream is live no more.
pub const CLOSED: &str = "StreamClosed";
/// All streams that are live before what follows.
pub const STATED: &str = "LiveStated";
/// Streams in one statement's event.
const STATED_AT_ONCE: usize = 500;
/// At least so many notes lie between two statements.
const STATE_AFTER: u64 = 1_000;
/// More notes than this do not go in one append.
const MOST_NOTES: usize = 400;

/// An opening or a closing.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Note {
    Opened(StreamName),
    Closed(StreamName),
}

/// How a listed stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// To be listed before anything of it is sent.
    Asked,
    /// Listed; nothing of it is known to be durable.
    Listed,
    /// Listed, and its last append left it live.
    Live,
}

#[derive(Serialize, Deserialize)]
struct Named {
    stream: StreamName,
}

#[derive(Serialize, Deserialize)]
struct Stated {
    part: usize,
    streams: Vec<StreamName>,
}

/// See the module.
#[derive(Debug)]
pub struct Live {
    stream: StreamName,
    node: u16,
    expected: Expected,
    previous: EventHash,
    /// Revision of the last statement's first event.
    stated: u64,
    standings: HashMap<StreamName, (u64, Standing)>,
    order: BTreeMap<u64, StreamName>,
    next: u64,
    notes: Vec<Note>,
    /// How many notes the append in flight holds; they stand first.
    flying: usize,
}

impl Live {
    /// The stream of a node's list.
    pub fn stream_of(node: u16) -> StreamName {
        StreamName::new(CATEGORY, node)
    }

    /// The list of a node that has none yet.
    pub fn new(node: u16) -> Self {
        Self {
            stream: Self::stream_of(node),
            node,
            expected: Expected::NoStream,
            previous: EventHash::NONE,
            stated: 0,
            standings: HashMap::new(),
            order: BTreeMap::new(),
            next: 0,
            notes: Vec::new(),
            flying: 0,
        }
    }

    /// Takes up what the list's stream says, oldest first, from its last statement's first event on.
    pub fn read(node: u16, events: &[Recorded]) -> Self {
        let mut live = Self::new(node);
        if let (Some(first), Some(last)) = (events.first(), events.last()) {
            live.stated = first.revision.0;
            live.expected = Expected::Exactly(last.revision);
            live.previous = last.hash();
        }
        for event in events {
            let named = || serde_json::from_slice::<Named>(&event.data).ok();
            match &*event.kind {
                OPENED => named().into_iter().for_each(|named| live.set(named.stream, Standing::Live)),
                CLOSED => named().into_iter().for_each(|named| live.remove(&named.stream)),
                STATED => {
                    let stated = serde_json::from_slice::<Stated>(&event.data).ok();
                    stated
                        .into_iter()
                        .flat_map(|stated| stated.streams)
                        .for_each(|name| live.set(name, Standing::Live));
                }
                // A later build may note more.
                _ => {}
            }
        }
        live
    }

    /// Whether an event begins a statement: nothing before it is needed.
    pub fn begins_statement(event: &Recorded) -> bool {
        &*event.kind == STATED && serde_json::from_slice::<Stated>(&event.data).is_ok_and(|stated| stated.part == 0)
    }

    fn set(&mut self, stream: StreamName, standing: Standing) {
        if let Some((_, known)) = self.standings.get_mut(&stream) {
            *known = standing;
            return;
        }
        self.order.insert(self.next, stream.clone());
        self.standings.insert(stream, (self.next, standing));
        self.next += 1;
    }

    fn remove(&mut self, stream: &StreamName) {
        if let Some((order, _)) = self.standings.remove(stream) {
            self.order.remove(&order);
        }
    }

    /// Streams that are live, in the order of their opening.
    pub fn streams(&self) -> Vec<StreamName> {
        let live = |stream: &&StreamName| self.standings.get(*stream).is_some_and(|(_, at)| *at == Standing::Live);
        self.order.values().filter(live).cloned().collect()
    }

    /// Whether an append of this stream may be sent; where it may not, its opening is asked for.
    pub fn admits(&mut self, stream: &StreamName, life: Life) -> bool {
        match (life, self.standings.get(stream).map(|(_, standing)| *standing)) {
            (Life::Closed, None) | (_, Some(Standing::Listed | Standing::Live)) => true,
            (_, Some(Standing::Asked)) => false,
            (Life::Open, None) => {
                self.notes.push(Note::Opened(stream.clone()));
                self.set(stream.clone(), Standing::Asked);
                false
            }
        }
    }

    /// An append was written.
    pub fn written(&mut self, stream: &StreamName, life: Life) {
        match life {
            Life::Open => self.set(stream.clone(), Standing::Live),
            Life::Closed => self.close(stream),
        }
    }

    /// An append was not written, or had been before: if its stream was listed for it, that was for nothing.
    pub fn not_written(&mut self, stream: &StreamName) {
        if self.standings.get(stream).is_some_and(|(_, standing)| *standing == Standing::Listed) {
            self.close(stream);
        }
    }

    /// The stream is live no more.
    pub fn close(&mut self, stream: &StreamName) {
        if self.standings.contains_key(stream) {
            self.remove(stream);
            self.notes.push(Note::Closed(stream.clone()));
        }
    }

    /// How many notes wait, beside those in flight, and whether appends wait for one of them.
    pub fn waiting(&self) -> (usize, bool) {
        let waiting = &self.notes[self.flying..];
        (waiting.len(), waiting.iter().any(|note| matches!(note, Note::Opened(_))))
    }

    /// Whether notes are in flight.
    pub const fn is_flying(&self) -> bool {
        self.flying > 0
    }

    /// The notes that wait, as one append.
    pub fn take(&mut self) -> Append {
        self.flying = self.notes.len().min(MOST_NOTES);
        let mut append = Append {
            stream: self.stream.clone(),
            expected: self.expected,
            life: Life::Closed,
            correlation: Uuid::nil(),
            node: self.node,
            events: Vec::new(),
        };
        let mut previous = self.previous;
        for (kind, data) in self.statement().into_iter().chain(self.notes[..self.flying].iter().map(encode)) {
            let id = EventId::from_uuid(Uuid::new_v4());
            let event =
                Draft { id, kind: kind.into(), version: 1, at: now(), cause: None, previous, data: data.into() };
            append.events.push(event);
            previous = append.hash_of(append.events.len() - 1).unwrap_or(EventHash::NONE);
        }
        append
    }

    /// The whole list, where it is time and it goes into one append.
    fn statement(&self) -> Vec<(&'static str, Vec<u8>)> {
        let since = self.expected.next().0.saturating_sub(self.stated);
        let durable = |stream: &&StreamName| self.standings.get(*stream).is_some_and(|(_, at)| *at != Standing::Asked);
        let listed: Vec<StreamName> = self.order.values().filter(durable).cloned().collect();
        let parts = listed.chunks(STATED_AT_ONCE);
        if since < STATE_AFTER.max(4 * listed.len() as u64) || parts.len() + MOST_NOTES > Append::MAX_EVENTS {
            return Vec::new();
        }
        let part = |(part, streams): (usize, &[StreamName])| {
            (STATED, serde_json::to_vec(&Stated { part, streams: streams.to_vec() }).unwrap_or_default())
        };
        if listed.is_empty() { vec![part((0, &[]))] } else { parts.enumerate().map(part).collect() }
    }

    /// The notes in flight are durable.
    pub fn landed(&mut self, append: &Append) {
        if append.events.first().is_some_and(|event| &*event.kind == STATED) {
            self.stated = append.expected.next().0;
        }
        let last = append.events.len().saturating_sub(1);
        self.previous = append.hash_of(last).unwrap_or(EventHash::NONE);
        self.expected = Expected::Exactly(Revision(append.expected.next().0 + last as u64));
        for note in self.notes.drain(..std::mem::take(&mut self.flying)).collect::<Vec<_>>() {
            if let Note::Opened(stream) = note
                && let Some((_, standing @ Standing::Asked)) = self.standings.get_mut(&stream)
            {
                *standing = Standing::Listed;
            }
        }
    }

    /// The notes in flight were not written: they wait again, and what was asked for them is asked for anew.
    pub fn lost(&mut self) {
        self.flying = 0;
    }

    /// Another process wrote to the list: where it ends now, and the hash of the last event there that an exchange wrote.
    pub fn overtaken(&mut self, last: Revision, hash: Option<EventHash>) {
        self.flying = 0;
        self.expected = Expected::Exactly(last);
        self.previous = hash.unwrap_or(self.previous);
    }

    /// A stream that is listed cannot be read: it is not among those that are live, and stays listed until it is looked at
    /// again.
    pub fn unreadable(&mut self, stream: &StreamName) {
        if let Some((_, standing)) = self.standings.get_mut(stream) {
            *standing = Standing::Listed;
        }
    }
}

fn encode(note: &Note) -> (&'static str, Vec<u8>) {
    let (kind, stream) = match note {
        Note::Opened(stream) => (OPENED, stream),
        Note::Closed(stream) => (CLOSED, stream),
    };
    (kind, serde_json::to_vec(&Named { stream: stream.clone() }).unwrap_or_default())
}

fn now() -> WallTime {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime::from_micros(i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX))
}
