//! Checks from outside, at every effect: nothing leaves before the event that says so is durable, and the log alone
//! tells what memory holds.

use super::surroundings::{committed, received, recorded};
use bytes::Bytes;
use domain::address::{Flow, Transport};
use domain::codec::registration;
use domain::codec::session::decode;
use domain::exchange::Exchange;
use domain::ids::LegId;
use domain::log::{Append, AppendError, EventHash, Expected, Outcome, Recorded, Revision, StreamName};
use domain::media::PortPair;
use domain::pager::PagerEvent;
use domain::ports::Keyring;
use domain::registration::{Aor, Registration, RegistrationEvent};
use domain::session::event::{SessionEvent, Wire};
use domain::sip::wire::{HeaderName, Message, Method};
use domain::time::WallTime;
use domain::uplink::UplinkEvent;
use std::collections::{BTreeMap, HashMap, HashSet};

/// An append of a registration.
#[derive(Default)]
struct Registering {
    answers: Vec<Wire>,
    events: Vec<(WallTime, RegistrationEvent)>,
}

/// See the module.
#[derive(Default)]
pub struct Watch {
    /// Submitted, not landed.
    waiting: HashMap<StreamName, Vec<SessionEvent>>,
    /// The last append by stream.
    flights: HashMap<StreamName, Append>,
    /// What is durable, by stream.
    durable: HashMap<StreamName, Vec<SessionEvent>>,
    /// Messages that may leave.
    allowed: HashSet<(Flow, Bytes)>,
    /// Last revision and hash by stream.
    chains: HashMap<StreamName, (Revision, EventHash)>,
    /// Newest durable revision by stream.
    landed: HashMap<StreamName, Revision>,
    /// Streams that are not to be written any more.
    frozen: HashSet<StreamName>,
    /// Answers to REGISTERs that are not durable yet, and what happens to bindings with them.
    registering: HashMap<StreamName, Registering>,
    /// What uplinks and MESSAGEs say that is not durable yet.
    uplinks: HashMap<StreamName, Vec<Wire>>,
    /// Bindings by stream, as the log said they are durable.
    bindings: BTreeMap<StreamName, Registration>,
    /// Whose the streams of registrations are.
    addresses: HashMap<StreamName, Aor>,
    /// Messages that left without a stream: stateless answers.
    pub stateless: usize,
}

impl Registering {
    fn of(recorded: &[Recorded], keyring: &dyn Keyring) -> Self {
        let events = recorded.iter().map(|event| (event.at, registration::decode(event, keyring).unwrap()));
        recorded
            .iter()
            .filter_map(|event| received(event, keyring))
            .for_each(|wire| assert_no_credentials(&wire.bytes));
        let answers = recorded.iter().filter_map(|event| committed(event, keyring));
        Self { answers: answers.collect(), events: events.collect() }
    }
}

impl Watch {
    /// Appends were handed to the log.
    pub fn submitted(&mut self, appends: &[Append], keyring: &dyn Keyring) {
        for append in appends {
            assert!(!self.frozen.contains(&append.stream), "{} is frozen, and appended to", append.stream);
            let again = self.flights.get(&append.stream).is_some_and(|flight| flight == append);
            if again {
                continue;
            }
            self.flights.insert(append.stream.clone(), append.clone());
            self.check_chain(append);
            if append.stream.category() == Aor::CATEGORY {
                let recorded: Vec<_> = (0..append.events.len()).map(|index| recorded(append, index)).collect();
                let before = self.registering.insert(append.stream.clone(), Registering::of(&recorded, keyring));
                assert!(before.is_none(), "two appends of {} in flight", append.stream);
            }
            if matches!(append.stream.category(), UplinkEvent::CATEGORY | PagerEvent::CATEGORY) {
                let recorded = (0..append.events.len()).map(|index| recorded(append, index));
                let wires = recorded.filter_map(|event| committed(&event, keyring)).collect();
                let before = self.uplinks.insert(append.stream.clone(), wires);
                assert!(before.is_none(), "two appends of {} in flight", append.stream);
            }
            if append.stream.category() != "session" {
                continue;
            }
            let events = (0..append.events.len()).map(|index| decode(&recorded(append, index), keyring).unwrap());
            let before = self.waiting.insert(append.stream.clone(), events.collect());
            assert!(before.is_none(), "two appends of {} in flight", append.stream);
        }
    }

    fn check_chain(&mut self, append: &Append) {
        let (expected, mut previous) = match self.chains.get(&append.stream) {
            Some((last, hash)) => (Expected::Exactly(*last), *hash),
            None => (Expected::NoStream, EventHash::NONE),
        };
        if append.stream.category() == Aor::CATEGORY
            && append.expected == Expected::NoStream
            && expected != append.expected
        {
            // A REGISTER supposes that its address has no stream yet: the log refuses, and it is taken in again.
            return;
        }
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
        let durable = match &outcome.result {
            Ok(durable) => durable,
            // It is submitted again, the same.
            Err(AppendError::Unavailable(_)) => return,
            Err(AppendError::WrongRevision { .. } | AppendError::Unknown(_) | AppendError::Invalid(_)) => {
                self.waiting.remove(&outcome.stream);
                self.registering.remove(&outcome.stream);
                self.uplinks.remove(&outcome.stream);
                self.frozen.insert(outcome.stream.clone());
                return;
            }
        };
        self.landed.insert(outcome.stream.clone(), durable.last());
        if let Some(registering) = self.registering.remove(&outcome.stream) {
            self.registered(&outcome.stream, registering);
        }
        let wires = self.uplinks.remove(&outcome.stream).unwrap_or_default();
        self.allowed.extend(wires.into_iter().map(|wire| (wire.flow, wire.bytes)));
        let Some(events) = self.waiting.remove(&outcome.stream) else { return };
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
        if keeps_alive(bytes) {
            self.stateless += 1;
            return;
        }
        let message = Message::scan(bytes.clone()).unwrap();
        // What came again by a connection is unknown there, as what came first may be to the other leg, in the same words.
        let again = flow.transport == Transport::Tcp && message.status() == Some(481);
        let stateless = is_stateless(&message) && (again || !self.is_waiting(bytes));
        assert!(stateless, "left before its event was durable:\n{}", String::from_utf8_lossy(bytes));
        self.stateless += 1;
    }

    /// A relay is set up between these ports of ours: which leg has them must be durable, or after a death nobody knows
    /// whose media they carry.
    #[track_caller]
    pub fn ordered(&self, stream: &StreamName, ends: [(LegId, PortPair); 2]) {
        let known = self.durable.get(stream).map_or(&[][..], Vec::as_slice);
        for end in ends {
            let reserved = known.iter().any(|event| match event {
                SessionEvent::MediaReserved(reserved) => reserved.leg == end.0 && reserved.ports.contains(&Some(end.1)),
                _ => false,
            });
            assert!(reserved, "{:?} of leg {:?} was ordered before its event was durable", end.1, end.0);
        }
    }

    fn registered(&mut self, stream: &StreamName, registering: Registering) {
        self.allowed.extend(registering.answers.into_iter().map(|wire| (wire.flow, wire.bytes)));
        for (at, event) in registering.events {
            if let Some(aor) = event.aor() {
                self.addresses.insert(stream.clone(), aor.clone());
            }
            if self.addresses.contains_key(stream) {
                self.bindings.entry(stream.clone()).or_default().apply(at, &event);
            }
        }
    }

    /// Calls find those bindings that are durable, and no others.
    #[track_caller]
    pub fn check_bindings(&self, exchange: &Exchange) {
        let folds = self.bindings.iter().map(|(stream, fold)| (self.addresses[stream].clone(), fold));
        for (aor, durable) in &by_address(folds) {
            let durable = *durable;
            assert_eq!(exchange.bindings_of(aor), durable, "bindings of {aor} are not what is durable");
        }
        let count: usize = self.bindings.values().map(Registration::len).sum();
        assert_eq!(exchange.binding_count(), count, "bindings without an event");
    }

    /// The process began anew: it knows nothing.
    pub fn restarted(&mut self) {
        let gone = |stream: &StreamName| stream.category() == Aor::CATEGORY;
        self.chains.retain(|stream, _| !gone(stream));
        self.landed.retain(|stream, _| !gone(stream));
        self.registering.clear();
        self.bindings.clear();
    }

    /// The process died and begins anew: what the log has counts, and nothing else.
    pub fn reborn(&mut self, all: &[Recorded], keyring: &dyn Keyring) {
        self.restarted();
        (self.waiting, self.flights, self.uplinks) = (HashMap::new(), HashMap::new(), HashMap::new());
        self.frozen.clear();
        self.durable.clear();
        self.chains.clear();
        self.landed.clear();
        for event in all.iter().filter(|event| event.stream.category() != Aor::CATEGORY) {
            self.chains.insert(event.stream.clone(), (event.revision, event.hash()));
            self.landed.insert(event.stream.clone(), event.revision);
            self.allowed.extend(committed(event, keyring).map(|wire| (wire.flow, wire.bytes)));
            if event.stream.category() == "session" {
                let event_read = decode(event, keyring).unwrap();
                self.durable.entry(event.stream.clone()).or_default().push(event_read);
            }
        }
    }

    /// The exchange is told a stream as the log has it.
    pub fn restored(&mut self, stream: &StreamName, events: &[Recorded], keyring: &dyn Keyring) {
        self.frozen.remove(stream);
        self.flights.remove(stream);
        let Some(last) = events.last() else {
            self.chains.remove(stream);
            return;
        };
        self.chains.insert(stream.clone(), (last.revision, last.hash()));
        self.landed.insert(stream.clone(), last.revision);
        self.bindings.remove(stream);
        self.registered(stream, Registering::of(events, keyring));
    }

    fn is_waiting(&self, bytes: &Bytes) -> bool {
        if self.registering.values().flat_map(|append| &append.answers).any(|wire| wire.bytes == *bytes) {
            return true;
        }
        if self.uplinks.values().flatten().any(|wire| wire.bytes == *bytes) {
            return true;
        }
        self.waiting.values().flatten().any(|event| match event {
            SessionEvent::SipMessageCommitted(message) => message.wire.known().is_some_and(|wire| wire.bytes == *bytes),
            _ => false,
        })
    }

    /// Streams of which the log said that something of them was durable, but for the edge's.
    pub(super) fn told(&self) -> impl Iterator<Item = (&StreamName, Revision)> {
        let all = self.landed.iter().map(|(stream, revision)| (stream, *revision));
        all.filter(|(stream, _)| stream.category() != "edge")
    }

    /// The newest revision of a stream that the log said was durable.
    pub fn last_durable(&self, stream: &StreamName) -> Option<Revision> {
        self.landed.get(stream).copied()
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
        let waiting = [self.waiting.len(), self.registering.len(), self.uplinks.len()];
        assert_eq!(waiting, [0; 3], "appends are still waiting");
        for (stream, events) in &self.durable {
            let ends = events.iter().filter(|event| matches!(event, SessionEvent::SessionEnded(_))).count();
            assert_eq!(ends, 1, "{stream} has {ends} ends");
        }
    }
}

/// The bindings of each address, from those in each of its streams: it has a new one when its domain is another, and bindings
/// in one of them alone.
#[track_caller]
pub(super) fn by_address<'f>(
    folds: impl Iterator<Item = (Aor, &'f Registration)>,
) -> BTreeMap<Aor, Option<&'f Registration>> {
    let mut all = BTreeMap::new();
    for (aor, fold) in folds {
        let known = all.entry(aor).or_insert(None);
        if !fold.is_empty() {
            assert_eq!(known.replace(fold), None, "bindings of an address stand in two streams");
        }
    }
    all
}

/// What proves who somebody is never reaches the log.
pub(super) fn assert_no_credentials(bytes: &Bytes) {
    let shown = || String::from_utf8_lossy(bytes);
    let Ok(message) = Message::scan(bytes.clone()) else {
        return assert!(!shown().contains("response="), "credentials are in the log:\n{}", shown());
    };
    // What somebody writes into another header proves nothing to anybody.
    let proves = |name| matches!(name, HeaderName::Authorization | HeaderName::ProxyAuthorization);
    for header in message.headers().filter(|header| proves(header.name)) {
        assert!(!header.value.contains("response="), "credentials are in the log:\n{}", shown());
    }
}

/// Whether this answers what keeps a flow alive: an empty line, or STUN.
pub(super) fn keeps_alive(bytes: &Bytes) -> bool {
    **bytes == *b"\r\n" || bytes.first() == Some(&1)
}

/// Whether this may leave without an event: a ping of ours, or an answer that no stream holds. Its To has a tag of 20 digits of ours, or keeps what the peer
/// put there: the tag of a dialog that nobody knows, or something that cannot be read. Where the rest of a request was
/// broken, the tag may even be a leg's.
pub(super) fn is_stateless(message: &Message) -> bool {
    let Some(status) = message.status() else { return message.method() == Some(&Method::Options) };
    let foreign = match message.to() {
        Ok(to) => to.tag().is_some_and(|tag| LegId::from_tag(tag).is_none()),
        Err(_) => true,
    };
    foreign || matches!(status, 400 | 416 | 481 | 501 | 505 | 513)
}
