//! Checks from outside, at every effect: nothing leaves before the event that says so is durable, and the log alone
//! tells what memory holds.

use bytes::Bytes;
use domain::address::Flow;
use domain::codec::session::decode;
use domain::log::{Append, EventHash, Expected, Outcome, Position, Recorded, Revision, StreamName};
use domain::ports::Keyring;
use domain::session::event::SessionEvent;
use domain::sip::wire::Message;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// See the module.
#[derive(Default)]
pub struct Watch {
    /// Submitted, not landed.
    waiting: HashMap<StreamName, Vec<SessionEvent>>,
    /// What is durable, by stream.
    durable: HashMap<StreamName, Vec<SessionEvent>>,
    /// Messages that may leave.
    allowed: HashSet<(Flow, Bytes)>,
    /// Last revision and hash by stream.
    chains: HashMap<StreamName, (Revision, EventHash)>,
    /// Messages that left without a stream: stateless answers.
    pub stateless: usize,
}

impl Watch {
    /// Appends were handed to the log.
    pub fn submitted(&mut self, appends: &[Append], keyring: &dyn Keyring) {
        for append in appends {
            self.check_chain(append);
            if append.stream.category() != "session" {
                continue;
            }
            let events = append.events.iter().enumerate().map(|(index, draft)| {
                let recorded = Recorded {
                    position: Position(0),
                    stream: append.stream.clone(),
                    revision: Revision(append.expected.next().0 + index as u64),
                    id: draft.id,
                    kind: Arc::from(draft.kind),
                    version: draft.version,
                    at: draft.at,
                    correlation: append.correlation,
                    cause: draft.cause,
                    node: append.node,
                    previous: draft.previous,
                    data: draft.data.clone(),
                };
                decode(&recorded, keyring).unwrap()
            });
            let before = self.waiting.insert(append.stream.clone(), events.collect());
            assert!(before.is_none(), "two appends of {} in flight", append.stream);
        }
    }

    fn check_chain(&mut self, append: &Append) {
        let (expected, mut previous) = match self.chains.get(&append.stream) {
            Some((last, hash)) => (Expected::Exactly(*last), *hash),
            None => (Expected::NoStream, EventHash::NONE),
        };
        assert_eq!(append.expected, expected, "{} is not where its writer thinks", append.stream);
        for (index, event) in append.events.iter().enumerate() {
            assert_eq!(event.previous, previous, "the chain of {} is broken", append.stream);
            previous = append.hash_of(index).unwrap();
        }
        let last = Revision(append.expected.next().0 + append.events.len() as u64 - 1);
        self.chains.insert(append.stream.clone(), (last, previous));
    }

    /// The log answered.
    pub fn landed(&mut self, outcome: &Outcome) {
        let Some(events) = self.waiting.remove(&outcome.stream) else { return };
        if outcome.result.is_err() {
            return;
        }
        for event in &events {
            if let SessionEvent::SipMessageCommitted(message) = event {
                let wire = message.wire.known().unwrap();
                self.allowed.insert((wire.flow, wire.bytes.clone()));
            }
        }
        self.durable.entry(outcome.stream.clone()).or_default().extend(events);
    }

    /// A message leaves.
    #[track_caller]
    pub fn left(&mut self, flow: Flow, bytes: &Bytes) {
        if self.allowed.contains(&(flow, bytes.clone())) {
            return;
        }
        let message = Message::scan(bytes.clone()).unwrap();
        let stateless =
            message.status().is_some_and(|_| message.to().is_ok_and(|to| to.tag().is_some_and(|tag| tag.len() == 20)));
        assert!(stateless, "left before its event was durable:\n{}", String::from_utf8_lossy(bytes));
        self.stateless += 1;
    }

    /// Names of the durable events of every session, in order, without messages.
    pub fn story(&self) -> Vec<&'static str> {
        let mut streams: Vec<_> = self.durable.iter().collect();
        streams.sort_by_key(|(name, _)| (*name).clone());
        let all = streams.into_iter().flat_map(|(_, events)| events);
        all.filter(|event| !matches!(event, SessionEvent::SipMessageReceived(_) | SessionEvent::SipMessageCommitted(_)))
            .map(domain::codec::session::kind)
            .collect()
    }

    /// The durable events of every session.
    pub fn events(&self) -> impl Iterator<Item = &SessionEvent> {
        self.durable.values().flatten()
    }

    /// Every session that began has its end in the log, as its last word but for repeats.
    #[track_caller]
    pub fn assert_sessions_ended(&self) {
        assert!(self.waiting.is_empty(), "appends are still waiting");
        for (stream, events) in &self.durable {
            let ends = events.iter().filter(|event| matches!(event, SessionEvent::SessionEnded(_))).count();
            assert_eq!(ends, 1, "{stream} has {ends} ends");
        }
    }
}
