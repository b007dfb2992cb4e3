//! What the log alone tells, read back from it: nothing that left is missing, chains hold, every event reads, and the
//! fold of a stream is what memory holds.

use super::World;
use bytes::Bytes;
use domain::address::Flow;
use domain::codec::session::decode;
use domain::ids::SessionId;
use domain::log::{Direction, EventHash, EventLog, Filter, PortFuture, Position, Recorded, StreamName};
use domain::ports::Keyring;
use domain::session::Session;
use domain::session::event::SessionEvent;
use domain::session::leg::LegStatus;
use domain::sip::wire::Message;
use std::collections::{BTreeMap, HashSet};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// The result of a future of the log in memory, which never waits.
fn now<T>(future: PortFuture<'_, T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the log in memory waits"),
    }
}

impl World {
    /// See the module. Fails with the ladder where something is amiss.
    #[track_caller]
    pub fn examine(&self) {
        let all = now(self.log.read_all(Position(0), Direction::Forwards, &Filter::default(), usize::MAX)).unwrap();
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
        let registered = streams.iter().filter(|(stream, _)| stream.category() == "registration");
        let answers = registered.flat_map(|(_, events)| events);
        let answers = answers.filter_map(|event| super::watch::answer(event, &self.mint as &dyn Keyring)).collect();
        self.check_sent(&stories, &answers);
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
    fn check_sent(&self, stories: &BTreeMap<StreamName, Vec<SessionEvent>>, answers: &HashSet<(Flow, Bytes)>) {
        for event in stories.values().flatten() {
            if let SessionEvent::SipMessageReceived(message) = event {
                super::watch::assert_no_credentials(&message.wire.known().unwrap().bytes);
            }
        }
        let committed = stories.values().flatten().filter_map(|event| match event {
            SessionEvent::SipMessageCommitted(message) => message.wire.known(),
            _ => None,
        });
        let durable: HashSet<(Flow, &[u8])> = committed.map(|wire| (wire.flow, wire.bytes.as_ref())).collect();
        for (flow, bytes) in &self.sent {
            if durable.contains(&(*flow, bytes.as_ref())) || answers.contains(&(*flow, bytes.clone())) {
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
