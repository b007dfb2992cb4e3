//! What the log alone tells, read back from it: nothing that left is missing, chains hold, every event reads, and the
//! fold of a stream is what memory holds.

use super::World;
use super::surroundings::{committed, received};
use super::watch::by_address;
use adapters::event_log::memory::MemoryLog;
use bytes::Bytes;
use domain::address::Flow;
use domain::codec::registration;
use domain::codec::session::decode;
use domain::ids::SessionId;
use domain::log::{Direction, EventHash, EventLog, Filter, PortFuture, Position, Recorded, StreamName};
use domain::ports::Keyring;
use domain::registration::{Aor, Registration};
use domain::session::Session;
use domain::session::event::SessionEvent;
use domain::session::leg::LegStatus;
use domain::sip::wire::Message;
use std::collections::{BTreeMap, HashSet};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// The result of a future of the log in memory, which never waits.
pub(super) fn now<T>(future: PortFuture<'_, T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the log in memory waits"),
    }
}

/// Everything that a log has.
pub(super) fn everything(log: &MemoryLog) -> Vec<Recorded> {
    now(log.read_all(Position(0), Direction::Forwards, &Filter::default(), usize::MAX)).unwrap()
}

impl World {
    /// See the module. Fails with the ladder where something is amiss.
    #[track_caller]
    pub fn examine(&self) {
        let all = everything(&self.log);
        let mut streams: BTreeMap<StreamName, Vec<Recorded>> = BTreeMap::new();
        for event in all {
            streams.entry(event.stream.clone()).or_default().push(event);
        }
        let mut stories: BTreeMap<StreamName, Vec<SessionEvent>> = BTreeMap::new();
        for (stream, events) in &streams {
            self.check_chain(stream, events);
            if stream.category() == "session" {
                let decoded = events.iter().map(|event| decode(event, &self.mint as &dyn Keyring).unwrap());
                stories.insert(stream.clone(), decoded.collect());
            }
        }
        // Where a stream is frozen the others go on without it.
        if self.frozen.is_empty() {
            super::joined::check(&streams, &stories, &self.ever_frozen);
        }
        // Streams that the log does not have at all, too.
        for (stream, told) in self.watch.told() {
            let stored = streams.get(stream).map_or(0, Vec::len) as u64;
            assert!(told.0 < stored, "{stream} does not hold what the log said was durable\n{}", self.ladder);
        }
        self.check_sent(&streams);
        self.watch.check_bindings(&self.exchange);
        self.check_bindings(&streams);
        for (session, landed) in self.exchange.sessions() {
            if landed {
                let stream = StreamName::new("session", session.id.uuid());
                self.check_fold(session, stories.get(&stream).map_or(&[], Vec::as_slice));
            }
        }
    }

    #[track_caller]
    fn check_chain(&self, stream: &StreamName, events: &[Recorded]) {
        let mut previous = EventHash::NONE;
        for (revision, event) in events.iter().enumerate() {
            assert_eq!(event.revision.0, revision as u64, "{stream} has a gap\n{}", self.ladder);
            assert_eq!(event.previous, previous, "the chain of {stream} breaks at {revision}\n{}", self.ladder);
            previous = event.hash();
        }
        let told = self.watch.last_durable(stream);
        assert!(
            told.map_or(0, |revision| revision.0 + 1) <= events.len() as u64,
            "{stream} does not hold what the log said was durable\n{}",
            self.ladder
        );
    }

    #[track_caller]
    fn check_sent(&self, streams: &BTreeMap<StreamName, Vec<Recorded>>) {
        let all = || streams.values().flatten();
        let left: Vec<_> = all().filter_map(|event| committed(event, &self.mint)).collect();
        let came = all().filter_map(|event| received(event, &self.mint));
        came.for_each(|wire| super::watch::assert_no_credentials(&wire.bytes));
        left.iter().for_each(|wire| super::watch::assert_no_credentials(&wire.bytes));
        let durable: HashSet<(Flow, Bytes)> = left.into_iter().map(|wire| (wire.flow, wire.bytes)).collect();
        for (flow, bytes) in &self.sent {
            if durable.contains(&(*flow, bytes.clone())) || super::watch::keeps_alive(bytes) {
                continue;
            }
            let message = Message::scan(bytes.clone()).unwrap();
            assert!(
                super::watch::is_stateless(&message),
                "left, and the log does not know it:\n{}\n{}",
                String::from_utf8_lossy(bytes),
                self.ladder
            );
        }
    }

    /// Calls find what the log says, as far as the exchange was told that it says so.
    #[track_caller]
    fn check_bindings(&self, streams: &BTreeMap<StreamName, Vec<Recorded>>) {
        let mut folds = vec![];
        for (stream, events) in streams.iter().filter(|(stream, _)| stream.category() == Aor::CATEGORY) {
            let Some(last) = self.watch.last_durable(stream) else { continue };
            let (mut fold, mut aor) = (Registration::default(), None);
            for recorded in events.iter().take_while(|event| event.revision <= last) {
                let event = registration::decode(recorded, &self.mint as &dyn Keyring).unwrap();
                aor = event.aor().cloned().or(aor);
                fold.apply(recorded.at, &event);
            }
            folds.extend(aor.map(|aor| (aor, fold)));
        }
        for (aor, fold) in by_address(folds.iter().map(|(aor, fold)| (aor.clone(), fold))) {
            assert_eq!(self.exchange.bindings_of(&aor), fold, "log and memory differ\n{}", self.ladder);
        }
    }

    #[track_caller]
    fn check_fold(&self, session: &Session, events: &[SessionEvent]) {
        let mut fold = Session::new(session.id);
        events.iter().for_each(|event| fold.evolve(event));
        assert_eq!(outline(&fold), outline(session), "log and memory differ\n{}", self.ladder);
    }
}

/// What log and memory must agree on. That the wire has answered our BYE is not an event: it counts as said.
fn outline(session: &Session) -> String {
    let legs = session.legs.iter().map(|leg| {
        let status = if leg.status == LegStatus::Gone { LegStatus::Releasing } else { leg.status };
        (leg.id, leg.role, status)
    });
    let legs: Vec<_> = legs.collect();
    let id: SessionId = session.id;
    format!(
        "{id:?} {:?} {legs:?} {:?} {:?} {} {}",
        session.account, session.bridged, session.mode, session.next_target, session.ended
    )
}
