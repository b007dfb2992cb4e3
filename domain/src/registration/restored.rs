//! An address's stream as it is taken up: read and folded away from the thread that serves calls.

use super::{Aor, BindingAdded, BindingRefreshed, BindingsStated, Device, Registration, RegistrationEvent};
use crate::codec::DecodeError;
use crate::codec::registration::{decode, decode_clear};
use crate::ids::AccountId;
use crate::log::Recorded;
use crate::ports::Keyring;
use crate::session::event::Wire;
use crate::sip::wire::Message;
use crate::time::WallTime;
use bytes::Bytes;

/// What the events of a stream say: all of them, or those from a [`BindingsStated`] on.
#[derive(Debug, Clone, Default)]
pub struct Restored {
    /// The bindings.
    pub registration: Registration,
    /// The newest event.
    pub last: Option<Recorded>,
    /// Events since the last summary.
    pub since_stated: usize,
    /// REGISTERs that were answered since: what came, without what proves who sent it, and the answer.
    pub answered: Vec<(Bytes, Wire)>,
    aor: Option<Aor>,
}

impl Restored {
    /// Reads them, oldest first, with the answers since then.
    ///
    /// # Errors
    /// An event cannot be read.
    pub fn read(recorded: &[Recorded], keyring: &dyn Keyring, answered_since: WallTime) -> Result<Self, DecodeError> {
        let stated = recorded.first().is_some_and(|first| *first.kind == *BindingsStated::KIND);
        let since_stated = recorded.len() - usize::from(stated);
        let answered = answers(recorded.iter().filter(|recorded| recorded.at >= answered_since), keyring)?;
        let mut restored = Self { last: recorded.last().cloned(), since_stated, answered, ..Self::default() };
        for (at, event) in read(recorded, keyring)? {
            restored.registration.apply(at, &event);
            if let Some(aor) = event.aor() {
                restored.aor = Some(aor.clone());
            }
        }
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

/// What the events say of bindings. Each event of a binding holds all of its device: only the newest is opened, which is what
/// costs, and stands for those before it.
fn read(recorded: &[Recorded], keyring: &dyn Keyring) -> Result<Vec<(WallTime, RegistrationEvent)>, DecodeError> {
    let (mut events, mut newest) = (Vec::with_capacity(recorded.len()), Vec::new());
    for recorded in recorded.iter().rev().filter(|recorded| !is_message(recorded)) {
        let mut event = decode_clear(recorded)?;
        let known = newest.iter().find(|(binding, _)| event.binding() == Some(*binding)).map(|(_, device)| device);
        match (&mut event, known) {
            (RegistrationEvent::BindingAdded(BindingAdded { device, .. }), Some(known))
            | (RegistrationEvent::BindingRefreshed(BindingRefreshed { device, .. }), Some(known)) => {
                *device = Device::clone(known).into();
            }
            (
                RegistrationEvent::BindingAdded(_)
                | RegistrationEvent::BindingRefreshed(_)
                | RegistrationEvent::BindingsStated(_),
                _,
            ) => event = decode(recorded, keyring)?,
            // Nothing in them is sealed, or nothing that counts.
            (
                RegistrationEvent::RegisterReceived(_)
                | RegistrationEvent::RegisterAnswered(_)
                | RegistrationEvent::BindingRemoved(_)
                | RegistrationEvent::BindingReachChanged(_),
                _,
            ) => {}
        }
        if let (None, Some(binding), Some(device)) = (known, event.binding(), event.device()) {
            newest.push((binding, device.clone()));
        }
        events.push((recorded.at, event));
    }
    events.reverse();
    Ok(events)
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
    use crate::log::{EventHash, Life, Position, Revision, StreamName};
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

    /// Two devices that come, refresh from elsewhere, and of which one goes.
    fn story() -> Vec<(WallTime, RegistrationEvent)> {
        let (aor, mut registration) = (ALICE.parse().unwrap(), Registration::default());
        let one = |cseq, port| Device::at("sip:alice@192.0.2.1").call_id("one").cseq(cseq).from(port);
        let two = |cseq| Device::at("sip:alice@192.0.2.2").call_id("two").cseq(cseq);
        let steps = [one(1, 5060), two(1), one(2, 5061), one(3, 5062), two(2).expires(0), two(3), one(4, 5063)];
        let steps = steps.into_iter().zip(0..);
        let step = |(device, second)| {
            let events = keep(&mut registration, &aor, &device, at(second));
            events.into_iter().map(move |event| (at(second), event))
        };
        steps.flat_map(step).collect()
    }

    #[test]
    fn opening_the_newest_event_of_a_binding_gives_what_opening_all_gives() {
        let story = story();
        for length in 0..=story.len() {
            let story = &story[..length];
            let log: Vec<_> =
                story.iter().enumerate().map(|(n, (at, event))| recorded(n, *at, event, KeyRef(1))).collect();
            let mut all = Registration::default();
            log.iter().for_each(|recorded| all.apply(recorded.at, &decode(recorded, &Keys).unwrap()));
            let restored = Restored::read(&log, &Keys, WallTime::default()).unwrap();
            assert_eq!(restored.registration, all, "{length} events");
            assert_eq!((restored.last, restored.since_stated), (log.last().cloned(), length));
        }
    }

    #[test]
    fn where_the_newest_is_masked_the_one_before_it_counts() {
        let story = story();
        let key = |n| KeyRef(1 + u64::from(n + 1 == story.len()));
        let log: Vec<_> = story.iter().enumerate().map(|(n, (at, event))| recorded(n, *at, event, key(n))).collect();
        let mut all = Registration::default();
        log.iter().for_each(|recorded| all.apply(recorded.at, &decode(recorded, &Keys).unwrap()));
        assert_eq!(Restored::read(&log, &Keys, WallTime::default()).unwrap().registration, all);
    }
}
