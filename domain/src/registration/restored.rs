//! An address's stream as it is taken up: read and folded away from the thread that serves calls.

use super::{Aor, Binding, BindingAdded, BindingRefreshed, Device, Registration, RegistrationEvent};
use crate::codec::DecodeError;
use crate::codec::registration::{decode, decode_clear};
use crate::ids::{AccountId, BindingId};
use crate::log::{Recorded, Revision, StreamEnd};
use crate::ports::Keyring;
use crate::session::event::Wire;
use crate::sip::wire::Message;
use crate::time::WallTime;
use bytes::Bytes;

/// What the events of a stream say: all of them, or the newest, from one on that tells all bindings.
#[derive(Debug, Clone, Default)]
pub struct Restored {
    /// The bindings.
    pub registration: Registration,
    /// Whether the events tell all bindings: they begin with the stream, or one of them does.
    pub is_whole: bool,
    /// Where the stream ends.
    pub end: Option<StreamEnd>,
    /// Events since the last one that told all bindings.
    pub since_stated: usize,
    /// Whether any of the bindings is reached by its flow alone ([`Binding::is_behind_nat`]).
    pub is_behind_nat: bool,
    /// REGISTERs that were answered since: what came, without what proves who sent it, and the answer.
    pub answered: Vec<(Bytes, Wire)>,
    pub(super) aor: Option<Aor>,
}

impl Restored {
    /// Reads them, oldest first, with the answers since then.
    ///
    /// # Errors
    /// An event cannot be read.
    pub fn read(recorded: &[Recorded], keyring: &dyn Keyring, answered_since: WallTime) -> Result<Self, DecodeError> {
        let answered = answers(recorded.iter().filter(|recorded| recorded.at >= answered_since), keyring)?;
        let (events, since_stated) = read(recorded, keyring)?;
        let begins = recorded.first().is_none_or(|first| first.revision == Revision(0));
        let is_whole = begins || since_stated < recorded.len();
        let end = recorded.last().map(StreamEnd::at);
        let mut restored = Self { is_whole, end, since_stated, answered, ..Self::default() };
        for (at, event) in events {
            restored.registration.apply(at, &event);
            if let Some(aor) = event.aor() {
                restored.aor = Some(aor.clone());
            }
        }
        restored.is_behind_nat = restored.registration.all().iter().any(Binding::is_behind_nat);
        Ok(restored)
    }

    /// What this REGISTER was answered: it is not taken in again.
    pub fn answer_to(&self, request: &Message) -> Option<Wire> {
        let request = request.without_credentials();
        self.answered.iter().rev().find(|(came, _)| *came == request).map(|(_, answer)| answer.clone())
    }

    /// Whose bindings these are. A stream does not say so that has nothing but refusals, or whose keys were erased.
    pub fn whose(&self) -> Option<(Aor, AccountId)> {
        self.aor.clone().zip(self.registration.account())
    }
}

/// What the events say of bindings, from the last one on that tells all, and how many come after that.
fn read(
    recorded: &[Recorded],
    keyring: &dyn Keyring,
) -> Result<(Vec<(WallTime, RegistrationEvent)>, usize), DecodeError> {
    let (mut events, mut newest) = (Vec::with_capacity(1), Newest::default());
    let mut since_stated = recorded.len();
    for (after, recorded) in recorded.iter().rev().enumerate().filter(|(_, recorded)| !is_message(recorded)) {
        let event = newest.open(recorded, keyring)?;
        let tells_all = event.tells_all();
        events.push((recorded.at, event));
        if tells_all {
            since_stated = after;
            break;
        }
    }
    events.reverse();
    Ok((events, since_stated))
}

/// The newest device of each binding, as far as its events were read, from the last one on. Each of them holds all of the
/// device: only the newest is opened, which is what costs, and stands for those before it.
#[derive(Default)]
struct Newest(Vec<(BindingId, Device)>);

impl Newest {
    fn open(&mut self, recorded: &Recorded, keyring: &dyn Keyring) -> Result<RegistrationEvent, DecodeError> {
        // The very last is opened in any case.
        let mut event = if self.0.is_empty() { decode(recorded, keyring)? } else { decode_clear(recorded)? };
        let known = self.0.iter().find(|(binding, _)| event.binding() == Some(*binding)).map(|(_, device)| device);
        match (&mut event, known) {
            (RegistrationEvent::BindingAdded(BindingAdded { device, .. }), Some(known))
            | (RegistrationEvent::BindingRefreshed(BindingRefreshed { device, .. }), Some(known)) => {
                *device = Device::clone(known).into();
                return Ok(event);
            }
            (
                RegistrationEvent::BindingAdded(_)
                | RegistrationEvent::BindingRefreshed(_)
                | RegistrationEvent::BindingsStated(_),
                _,
            ) if !self.0.is_empty() => event = decode(recorded, keyring)?,
            // It is opened already, or nothing in it is sealed, or nothing that counts.
            (
                RegistrationEvent::BindingAdded(_)
                | RegistrationEvent::BindingRefreshed(_)
                | RegistrationEvent::BindingsStated(_)
                | RegistrationEvent::RegisterReceived(_)
                | RegistrationEvent::RegisterAnswered(_)
                | RegistrationEvent::BindingRemoved(_)
                | RegistrationEvent::BindingReachChanged(_),
                _,
            ) => {}
        }
        if let (Some(binding), Some(device)) = (event.binding(), event.device())
            && !event.tells_all()
        {
            self.0.push((binding, device.clone()));
        }
        Ok(event)
    }
}

/// Messages with their answers.
fn answers<'a>(
    recorded: impl Iterator<Item = &'a Recorded>,
    keyring: &dyn Keyring,
) -> Result<Vec<(Bytes, Wire)>, DecodeError> {
    let (mut came, mut answers) = (None, vec![]);
    for recorded in recorded.filter(|recorded| is_message(recorded)) {
        match decode(recorded, keyring)? {
            RegistrationEvent::RegisterReceived(received) => came = received.wire.known().cloned(),
            RegistrationEvent::RegisterAnswered(answered) => {
                let answer = answered.wire.known().cloned();
                answers.extend(came.take().zip(answer).map(|(came, answer)| (came.bytes, answer)));
            }
            RegistrationEvent::BindingAdded(_)
            | RegistrationEvent::BindingRefreshed(_)
            | RegistrationEvent::BindingRemoved(_)
            | RegistrationEvent::BindingReachChanged(_)
            | RegistrationEvent::BindingsStated(_) => {}
        }
    }
    Ok(answers)
}

/// Whether it is a message, of the one version there is: what it changed stands in other events.
fn is_message(recorded: &Recorded) -> bool {
    recorded.version == 1 && matches!(&*recorded.kind, "RegisterReceived" | "RegisterAnswered")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Desk;
    use crate::codec::registration::encode;
    use crate::codec::seal::{KeyRef, SealKey};
    use crate::ids::EventId;
    use crate::log::{EventHash, Life, Position, StreamName};
    use crate::registration::tests::{ALICE, Device, at, keep};

    struct Keys;

    impl Keyring for Keys {
        fn key(&self, reference: KeyRef) -> Option<SealKey> {
            (reference == KeyRef(1)).then(|| SealKey::from_bytes([1; 32]))
        }
    }

    fn recorded(index: usize, time: WallTime, event: &RegistrationEvent, key: KeyRef) -> Recorded {
        let id = EventId::minted(1, 1, 0, index as u64);
        let encoded = encode(&mut Desk::default(), event, id, key, &SealKey::from_bytes([1; 32]));
        Recorded {
            position: Position(index as u64 + 1),
            stream: StreamName::new(Aor::CATEGORY, "1"),
            revision: Revision(index as u64),
            id,
            kind: encoded.kind.into(),
            version: encoded.version,
            at: time,
            correlation: uuid::Uuid::nil(),
            cause: None,
            node: 1,
            previous: EventHash::NONE,
            life: Life::Open,
            data: encoded.data,
        }
    }

    /// Two devices that come, refresh from elsewhere, and of which one goes, comes back, and goes for good.
    fn story() -> Vec<(WallTime, RegistrationEvent)> {
        let (aor, mut registration) = (ALICE.parse().unwrap(), Registration::default());
        let one = |cseq, port| Device::at("sip:alice@192.0.2.1").call_id("one").cseq(cseq).from(port);
        let two = |cseq| Device::at("sip:alice@192.0.2.2").call_id("two").cseq(cseq);
        let steps = [
            one(1, 5060),
            two(1),
            one(2, 5061),
            one(3, 5062),
            two(2).expires(0),
            two(3),
            one(4, 5063),
            two(4).expires(0),
            one(5, 5063),
            one(6, 5063),
        ];
        let steps = steps.into_iter().zip(0..);
        let step = |(device, second)| {
            let events = keep(&mut registration, &aor, &device, at(second));
            events.into_iter().map(move |event| (at(second), event))
        };
        steps.flat_map(step).collect()
    }

    /// The story in the log, sealed with the key that each event has.
    fn log(story: &[(WallTime, RegistrationEvent)], key: impl Fn(usize) -> KeyRef) -> Vec<Recorded> {
        story.iter().enumerate().map(|(n, (at, event))| recorded(n, *at, event, key(n))).collect()
    }

    /// Every event opened, from the first one on.
    fn all_of(log: &[Recorded]) -> Registration {
        let mut all = Registration::default();
        log.iter().for_each(|recorded| all.apply(recorded.at, &decode(recorded, &Keys).unwrap()));
        all
    }

    #[test]
    fn the_newest_events_give_what_all_of_them_opened_give_where_they_reach_back_far_enough() {
        let story = story();
        let (mut enough, mut short) = (0, 0);
        for length in 0..=story.len() {
            let log = log(&story[..length], |_| KeyRef(1));
            for from in 0..=length.saturating_sub(1) {
                let (tail, all) = (&log[from..], all_of(&log));
                let restored = Restored::read(tail, &Keys, WallTime::default()).unwrap();
                if !restored.is_whole {
                    short += 1;
                    continue;
                }
                assert_eq!(restored.registration, all, "{length} events from {from}");
                assert_eq!(restored.end, log.last().map(StreamEnd::at));
                let told = log.iter().rposition(|recorded| decode(recorded, &Keys).unwrap().tells_all());
                assert_eq!(restored.since_stated, told.map_or(0, |told| length - 1 - told), "{length} events");
                enough += usize::from(from > 0);
            }
        }
        assert!(enough > 10 && short > 10, "{enough} {short}");
    }

    #[test]
    fn what_is_kept_says_the_same() {
        let (story, mut kept) = (story(), 0);
        for length in 1..=story.len() {
            let log = log(&story[..length], |_| KeyRef(1));
            let restored = Restored::read(&log, &Keys, WallTime::default()).unwrap();
            let Some(bytes) = restored.keep() else {
                assert!(restored.registration.is_empty());
                continue;
            };
            let again = Restored::kept(&bytes).unwrap();
            assert_eq!(
                (&again.registration, again.end, again.since_stated),
                (&restored.registration, restored.end, restored.since_stated)
            );
            assert_eq!((again.whose(), again.is_behind_nat), (restored.whose(), restored.is_behind_nat));
            assert!(Restored::kept(&bytes[..bytes.len() - 1]).is_none());
            kept += 1;
        }
        assert!(kept > 5, "{kept}");
        // Not all of its stream was read.
        let part = Restored::read(&log(&story, |_| KeyRef(1))[story.len() - 1..], &Keys, WallTime::default()).unwrap();
        assert!(part.is_whole || part.keep().is_none());
    }

    #[test]
    fn where_the_newest_is_masked_the_one_before_it_counts() {
        let story = story();
        let end = story.iter().rposition(|(_, event)| event.device().is_some() && !event.tells_all()).unwrap();
        let log = log(&story[..=end], |n| KeyRef(1 + u64::from(n == end)));
        assert_eq!(Restored::read(&log, &Keys, WallTime::default()).unwrap().registration, all_of(&log));
        assert_eq!(all_of(&log).len(), 2);
    }

    #[test]
    fn of_a_sole_binding_that_is_masked_nothing_is_left() {
        let story = story();
        let end = story.iter().rposition(|(_, event)| event.tells_all() && event.binding().is_some()).unwrap();
        let log = log(&story[..=end], |n| KeyRef(1 + u64::from(n == end)));
        assert_eq!(Restored::read(&log, &Keys, WallTime::default()).unwrap().registration, all_of(&log));
        assert!(all_of(&log).is_empty());
    }
}
