//! Scripts into a log, as the exchange would append them.

use super::CallScript;
use domain::codec::Desk;
use domain::codec::seal::{KeyRef, SealKey};
use domain::codec::session::encode;
use domain::ids::EventId;
use domain::log::{Append, Committed, Draft, EventHash, EventLog, Expected, Life, Outcome, Revision, StreamName};
use domain::ports::{KeyEraser, Keyring};
use std::sync::{Arc, Mutex};

/// One key for everything; erased when empty.
#[derive(Default)]
pub struct Keys(Mutex<bool>);

impl Keys {
    const KEY: KeyRef = KeyRef(1);

    /// From now on everything sealed is masked.
    pub fn erase(&self) {
        *self.0.lock().unwrap() = true;
    }

    /// The key and its name.
    pub fn pair() -> (KeyRef, SealKey) {
        (Self::KEY, Self::secret())
    }

    fn secret() -> SealKey {
        SealKey::from_bytes([9; 32])
    }
}

impl Keyring for Keys {
    fn key(&self, reference: KeyRef) -> Option<SealKey> {
        (reference == Self::KEY && !*self.0.lock().unwrap()).then(Self::secret)
    }
}

impl KeyEraser for Keys {
    /// There is but one, so everything goes with it.
    fn erase(&self, keys: &[KeyRef]) -> Result<(), String> {
        assert!(keys.iter().all(|key| *key == Self::KEY), "{keys:?}");
        if !keys.is_empty() {
            Self::erase(self);
        }
        Ok(())
    }
}

/// Fails the test where an append did not become durable.
struct MustCommit;

impl Committed for MustCommit {
    fn committed(&self, outcomes: Vec<Outcome>) {
        for outcome in outcomes {
            assert!(outcome.result.is_ok(), "an append of the fixture is durable: {outcome:?}");
        }
    }
}

/// Appends a call's whole history.
pub fn record(log: &dyn EventLog, script: &CallScript) {
    log.submit(appends(script).into_iter().map(|(_, append)| append).collect(), Arc::new(MustCommit));
}

/// Appends several calls interleaved by their times.
pub fn record_together(log: &dyn EventLog, scripts: &[CallScript]) {
    log.submit(interleaved(scripts).into_iter().map(|(_, append)| append).collect(), Arc::new(MustCommit));
}

/// The appends of several calls in the order of their times, with these in microseconds.
pub fn interleaved(scripts: &[CallScript]) -> Vec<(i64, Append)> {
    let mut all: Vec<_> = scripts.iter().flat_map(appends).collect();
    all.sort_by_key(|(at, _)| *at);
    all
}

/// Submits appends and fails the test where one does not become durable.
pub fn submit(log: &dyn EventLog, appends: Vec<Append>) {
    log.submit(appends, Arc::new(MustCommit));
}

fn appends(script: &CallScript) -> Vec<(i64, Append)> {
    let ids = script.turns().into_iter().flatten().map(|step| step.id(script.session));
    sealed(script, (Keys::KEY, &Keys::secret()), ids)
}

/// The appends of a call with their times in microseconds, sealed by this key and with these ids.
pub fn sealed(
    script: &CallScript,
    (key, secret): (KeyRef, &SealKey),
    ids: impl IntoIterator<Item = EventId>,
) -> Vec<(i64, Append)> {
    let (mut ids, mut desk) = (ids.into_iter(), Desk::default());
    let mut done: Vec<(i64, Append)> = Vec::new();
    let mut previous = EventHash::NONE;
    let mut revision = 0;
    let turns = script.turns();
    let count = turns.len();
    for (index, turn) in turns.into_iter().enumerate() {
        let at = turn[0].at.micros();
        let expected = if revision == 0 { Expected::NoStream } else { Expected::Exactly(Revision(revision - 1)) };
        let life = if index + 1 == count && script.ends() { Life::Closed } else { Life::Open };
        let mut append = Append {
            stream: StreamName::new("session", script.session.uuid()),
            expected,
            life,
            correlation: script.session.uuid(),
            node: 1,
            events: Vec::new(),
        };
        for step in turn {
            let id = ids.next().expect("an id for each event");
            let encoded = encode(&mut desk, &step.event, id, key, secret);
            append.events.push(Draft {
                id,
                kind: encoded.kind.into(),
                version: encoded.version,
                at: step.at,
                cause: None,
                previous,
                data: encoded.data,
            });
            previous = append.hash_of(append.events.len() - 1).unwrap();
            revision += 1;
        }
        done.push((at, append));
    }
    done
}

/// The id of a script's event.
pub(super) fn event_id(call: u16, index: u64) -> EventId {
    EventId::minted(1, u32::from(call), 0, index)
}
