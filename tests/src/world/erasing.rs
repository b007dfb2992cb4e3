//! Erasures as `adapters::erasure` carries them out, in virtual time: what goes is in the log before its keys are destroyed,
//! and what a death left between is made good before anything is read. Who holds the exchange against the log keeps every key.

use super::seed::SeedKeys;
use super::{ACCOUNT, Outcomes, World, autopsy};
use domain::codec::key_named_in;
use domain::codec::registration;
use domain::codec::seal::{KeyRef, SealKey};
use domain::erasure::{
    Erasure, ErasureEvent, KeysDestroyed, SubjectDigest, SubjectErased, SubjectKind, Targets, id_of, stream_of,
};
use domain::ids::{ErasureId, EventId, MessageId, RegistrationId, SessionId};
use domain::log::{Append, Committed, Draft, EventHash, EventLog, Expected, Life, Outcome, Recorded, StreamName};
use domain::pager::PagerEvent;
use domain::ports::{KeyEraser, Keyring};
use domain::registration::{Aor, Registration};
use domain::session::event::SessionEvent;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use uuid::Uuid;

/// Shard number of erasures in event ids.
const SHARD: u16 = 0xffd;

/// The keyring of the exchange and its readers: every key follows from its reference, until it is destroyed.
#[derive(Debug, Default)]
pub struct Keys(Mutex<BTreeSet<KeyRef>>);

impl Keyring for Keys {
    fn key(&self, reference: KeyRef) -> Option<SealKey> {
        if self.0.lock().unwrap().contains(&reference) { None } else { SeedKeys.key(reference) }
    }
}

impl KeyEraser for Keys {
    fn erase(&self, keys: &[KeyRef]) -> Result<(), String> {
        self.0.lock().unwrap().extend(keys);
        Ok(())
    }
}

/// Erasures that are being carried out.
#[derive(Default)]
pub(super) struct Erasing {
    outcomes: Arc<Outcomes>,
    minted: u64,
}

impl World {
    /// The keys that are left.
    pub fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys)
    }

    /// What is personal in these streams is to go: its keys do as soon as that is durable.
    pub fn erase(&mut self, streams: &[StreamName]) {
        let events = streams.iter().flat_map(|stream| self.stream_of(stream));
        let keys: BTreeSet<KeyRef> = events.filter_map(|event| key_named_in(&event.data)).collect();
        self.erasing.minted += 1;
        let id = ErasureId::from_bits(u128::from(self.epoch) << 64 | u128::from(self.erasing.minted));
        let erased = SubjectErased {
            account: ACCOUNT,
            subject: SubjectKind::Session,
            digest: SubjectDigest([7; 32]),
            targets: targets(streams),
            keys: keys.into_iter().collect(),
        };
        self.say_of_erasure(id, &ErasureEvent::SubjectErased(erased), Life::Open);
        self.settle();
    }

    fn say_of_erasure(&mut self, id: ErasureId, event: &ErasureEvent, life: Life) {
        let stream = stream_of(id);
        let last = self.stream_of(&stream).pop();
        let (expected, previous) =
            last.map_or((Expected::NoStream, EventHash::NONE), |last| (Expected::Exactly(last.revision), last.hash()));
        self.erasing.minted += 1;
        let encoded = event.encode();
        let draft = Draft {
            id: EventId::minted(1, self.epoch, SHARD, self.erasing.minted),
            kind: encoded.kind.into(),
            version: encoded.version,
            at: self.now.wall,
            cause: None,
            previous,
            data: encoded.data,
        };
        let append = Append { stream, expected, life, correlation: id.uuid(), node: 1, events: vec![draft] };
        self.log.submit(vec![append], Arc::clone(&self.erasing.outcomes) as Arc<dyn Committed>);
    }

    /// The log answered: keys are destroyed of which it is durable that they will be.
    pub(super) fn go_on_erasing(&mut self) {
        if self.is_dead() {
            return;
        }
        let outcomes: Vec<Outcome> = std::mem::take(&mut *self.erasing.outcomes.0.lock().unwrap());
        for outcome in outcomes.into_iter().filter(|outcome| outcome.result.is_ok()) {
            self.destroy_keys_of(&outcome.stream);
        }
    }

    /// The next process begins: erasures that were cut off are finished, as far as the log takes it.
    pub(super) fn finish_erasures(&mut self) {
        self.erasing.outcomes.0.lock().unwrap().clear();
        for stream in autopsy::now(self.log.open_streams()).unwrap() {
            self.destroy_keys_of(&stream);
        }
        self.log.commit_next(usize::MAX);
    }

    /// Whether one waits for the next start.
    pub fn has_open_erasures(&self) -> bool {
        autopsy::now(self.log.open_streams()).unwrap().iter().any(|stream| id_of(stream).is_some())
    }

    fn destroy_keys_of(&mut self, stream: &StreamName) {
        let Some((id, erasure)) = self.erasure(stream).filter(|(_, erasure)| erasure.completed_at.is_none()) else {
            return;
        };
        let keys = erasure.keys.len() as u64;
        self.keys.erase(&erasure.keys).unwrap();
        self.say_of_erasure(id, &ErasureEvent::KeysDestroyed(KeysDestroyed { keys }), Life::Closed);
    }

    fn erasure(&self, stream: &StreamName) -> Option<(ErasureId, Erasure)> {
        let id = id_of(stream)?;
        let events: Vec<_> = self.stream_of(stream).iter().map(|event| (event.at, decoded(event))).collect();
        Some((id, Erasure::of(id, events.iter().map(|(at, event)| (*at, event)))?))
    }

    /// Streams of calls and MESSAGEs that are over, and of addresses without bindings, as far as nothing of them was erased
    /// and no call that runs is bound to them; and those of calls that run.
    pub fn erasable(&self) -> [Vec<StreamName>; 2] {
        let mut streams: BTreeMap<StreamName, Vec<Recorded>> = BTreeMap::new();
        for event in autopsy::everything(&self.log) {
            streams.entry(event.stream.clone()).or_default().push(event);
        }
        streams.retain(|_, events| self.is_readable(events));
        let runs = |(stream, events): &(StreamName, Vec<Recorded>)| stream.category() == "session" && !is_over(events);
        let (running, others): (Vec<_>, Vec<_>) = streams.into_iter().partition(runs);
        let running: Vec<StreamName> = running.into_iter().map(|(stream, _)| stream).collect();
        let over = others.into_iter().filter(|(_, events)| is_over(events)).map(|(stream, _)| stream);
        [over.filter(|stream| !self.is_bound_to(stream, &running)).collect(), running]
    }

    fn is_readable(&self, events: &[Recorded]) -> bool {
        events.iter().filter_map(|event| key_named_in(&event.data)).all(|key| self.keys.key(key).is_some())
    }

    /// Whether one of these calls cannot be taken up without this stream.
    fn is_bound_to(&self, stream: &StreamName, running: &[StreamName]) -> bool {
        self.with_needed(vec![stream.clone()]).iter().any(|events| running.contains(&events[0].stream))
    }

    /// Whether a stream cannot be opened any more, or one without which it cannot be taken up.
    pub(super) fn needs_erased(&self, stream: &StreamName) -> bool {
        self.with_needed(vec![stream.clone()]).iter().any(|events| !self.is_readable(events))
    }

    /// No address of record has anything sealed with a key that was to be erased by then. What a call that is over still
    /// hears goes with it.
    #[track_caller]
    pub fn assert_nothing_sealed_anew(&self) {
        for event in autopsy::everything(&self.log).iter().filter(|event| id_of(&event.stream).is_some()) {
            let ErasureEvent::SubjectErased(SubjectErased { targets, keys, .. }) = decoded(event) else { continue };
            for stream in targets.streams().filter(|stream| stream.category() == Aor::CATEGORY) {
                let later = self.stream_of(&stream).into_iter().filter(|later| later.position > event.position);
                let mut sealed = later.filter_map(|later| key_named_in(&later.data));
                let anew = sealed.any(|key| keys.contains(&key));
                assert!(!anew, "something of {stream} was sealed with an erased key\n{}", self.ladder);
            }
        }
    }
}

fn decoded(event: &Recorded) -> ErasureEvent {
    ErasureEvent::decode(event).unwrap()
}

/// Whether nothing of it runs or holds.
fn is_over(events: &[Recorded]) -> bool {
    let Some(first) = events.first() else { return false };
    match first.stream.category() {
        "session" => events.iter().any(|event| *event.kind == *SessionEvent::ENDED),
        PagerEvent::CATEGORY => events.iter().any(|event| *event.kind == *PagerEvent::ENDED),
        Aor::CATEGORY => {
            let mut fold = Registration::default();
            events.iter().for_each(|event| fold.apply(event.at, &registration::decode(event, &SeedKeys).unwrap()));
            fold.is_empty()
        }
        _ => false,
    }
}

fn targets(streams: &[StreamName]) -> Targets {
    let mut targets = Targets::default();
    for stream in streams {
        let id = Uuid::parse_str(stream.id()).unwrap().as_u128();
        match stream.category() {
            "session" => targets.sessions.push(SessionId::from_bits(id)),
            PagerEvent::CATEGORY => targets.messages.push(MessageId::from_bits(id)),
            Aor::CATEGORY => targets.registrations.push(RegistrationId::from_bits(id)),
            other => panic!("nobody erases {other}"),
        }
    }
    targets
}
