//! Erasures carried out: what goes is written down first, then the keys are destroyed, then that is written down. What a
//! crash left between is made good at the next start, before anything is read.

mod restored;

pub use restored::{back_again, destroy_again, keep_up};

use crate::entropy::Entropy;
use crate::event_log::{commit::commit, lock};
use crate::exchange::machine_time;
use crate::node::EventIds;
use domain::codec::seal::{KeyRef, SealKey};
use domain::codec::{DecodeError, key_named_in};
use domain::erasure::{
    Erasure, ErasureEvent, KeysDestroyed, SubjectDigest, SubjectErased, SubjectKind, Targets, id_of, stream_of,
};
use domain::exchange::needs;
use domain::ids::{AccountId, ErasureId};
use domain::log::{
    Append, AppendError, Direction, Draft, EventHash, EventLog, Expected, Life, Pages, Position, ReadError, Revision,
    StreamName, read_whole,
};
use domain::ports::KeyEraser;
use domain::registration::Aor;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// Streams that one event names at most.
const PER_EVENT: usize = 500;
/// Why an erasure is not done. What is written down of it is done at the next start.
#[derive(Debug, thiserror::Error)]
pub enum ErasureError {
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log did not take it.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The keys are still there.
    #[error("the keys could not be destroyed: {0}")]
    Keys(String),
    /// Calls that still run have legs that were in some of these, or the other way round: after a crash neither could be
    /// taken up without the other.
    #[error("{0} calls that still run are joined with some of these: end them, or ask again when they have ended")]
    Joined(usize),
    /// Something was written of an address since it was looked whether bindings hold: their key would go with the rest.
    #[error("a device registered meanwhile, or was removed: ask again")]
    Changed,
    /// An erasure in the log cannot be understood.
    #[error("an erasure in the log cannot be read: {0}")]
    Decode(#[from] DecodeError),
}

/// Carries out erasures, one at a time.
pub struct Erasures {
    log: Arc<dyn EventLog>,
    keys: Arc<dyn KeyEraser>,
    ids: EventIds,
    digests: SealKey,
    entropy: Mutex<Entropy>,
    turn: tokio::sync::Mutex<()>,
}

impl Erasures {
    /// Streams that one erasure may be about.
    pub const MOST: usize = 100_000;

    /// Over this log and these keys. `digests` is the key that subjects are hashed with.
    pub fn new(log: Arc<dyn EventLog>, keys: Arc<dyn KeyEraser>, ids: EventIds, digests: SealKey) -> Self {
        let entropy = Mutex::new(Entropy::new());
        Self { log, keys, ids, digests, entropy, turn: tokio::sync::Mutex::default() }
    }

    /// Erases what is personal in these streams, at most [`Erasures::MOST`], of which somebody looked at `known` that nothing
    /// runs or holds; answers the erasure and its position.
    ///
    /// # Errors
    /// [`ErasureError`].
    pub async fn erase(
        &self,
        account: AccountId,
        (subject, text): (SubjectKind, &str),
        targets: Targets,
        known: Position,
    ) -> Result<(Erasure, Position), ErasureError> {
        let _turn = self.turn.lock().await;
        let (keys, needed) = self.read(&targets, known).await?;
        let running = self.running_among(needed).await?;
        if running > 0 {
            return Err(ErasureError::Joined(running));
        }
        let digest = SubjectDigest::of(&self.digests, account, subject, text);
        let id = ErasureId::from_bits(lock(&self.entropy).wide_bits());
        let erased = SubjectErased { account, subject, digest, targets, keys };
        let events = parts(&erased).into_iter().map(ErasureEvent::SubjectErased).collect();
        let newest = self.append(id, None, events, Life::Open).await?;
        let position = self.destroy(id, newest, erased.keys).await?;
        match self.find(id).await? {
            Some(erasure) => Ok((erasure, position)),
            None => Err(ReadError::Unavailable("an erasure that was just written is not there".into()).into()),
        }
    }

    /// Finishes erasures that a crash cut off; answers how many.
    ///
    /// # Errors
    /// [`ErasureError`].
    pub async fn resume(&self) -> Result<usize, ErasureError> {
        let _turn = self.turn.lock().await;
        let open = self.log.open_streams().await?;
        let mut finished = 0;
        for id in open.iter().filter_map(id_of) {
            let stream = stream_of(id);
            let last = self.log.read_stream(&stream, Revision(u64::MAX), Direction::Backwards, 1).await?;
            if let (Some(last), Some(erasure)) = (last.first(), self.find(id).await?)
                && erasure.completed_at.is_none()
            {
                self.destroy(id, (last.revision, last.hash()), erasure.keys).await?;
                finished += 1;
            }
        }
        Ok(finished)
    }

    /// An erasure as the log tells it.
    ///
    /// # Errors
    /// [`ErasureError`].
    pub async fn find(&self, id: ErasureId) -> Result<Option<Erasure>, ErasureError> {
        let mut events = Vec::new();
        for recorded in read_whole(&*self.log, &stream_of(id)).await? {
            events.push((recorded.at, ErasureEvent::decode(&recorded)?));
        }
        Ok(Erasure::of(id, events.iter().map(|(at, event)| (*at, event))))
    }

    /// The keys that sealed anything in these streams, and the streams that share legs with them.
    async fn read(
        &self,
        targets: &Targets,
        known: Position,
    ) -> Result<(Vec<KeyRef>, BTreeSet<StreamName>), ErasureError> {
        let (mut keys, mut needed) = (BTreeSet::new(), BTreeSet::new());
        for stream in targets.streams() {
            let mut pages = Pages::of(&*self.log, &stream);
            loop {
                let page = pages.next().await?;
                let Some(last) = page.last() else { break };
                if stream.category() == Aor::CATEGORY && last.position > known {
                    return Err(ErasureError::Changed);
                }
                keys.extend(page.iter().filter_map(|event| key_named_in(&event.data)));
                needed.extend(needs(&page));
            }
        }
        Ok((keys.into_iter().collect(), needed))
    }

    /// How many sessions run among these streams and those that share legs with them in turn.
    async fn running_among(&self, mut streams: BTreeSet<StreamName>) -> Result<usize, ReadError> {
        if streams.is_empty() {
            return Ok(0);
        }
        let open: BTreeSet<StreamName> = self.log.open_streams().await?.into_iter().collect();
        let (mut known, mut running) = (BTreeSet::new(), 0);
        while let Some(stream) = streams.pop_first() {
            if known.insert(stream.clone()) {
                running += usize::from(stream.category() == "session" && open.contains(&stream));
                streams.extend(needs(&read_whole(&*self.log, &stream).await?));
            }
        }
        Ok(running)
    }

    /// Destroys the keys, and writes down that they are gone.
    async fn destroy(
        &self,
        id: ErasureId,
        newest: (Revision, EventHash),
        keys: Vec<KeyRef>,
    ) -> Result<Position, ErasureError> {
        let (eraser, count) = (Arc::clone(&self.keys), keys.len() as u64);
        let erased = tokio::task::spawn_blocking(move || eraser.erase(&keys)).await;
        erased.unwrap_or_else(|error| Err(error.to_string())).map_err(ErasureError::Keys)?;
        let done = vec![ErasureEvent::KeysDestroyed(KeysDestroyed { keys: count })];
        self.append(id, Some(newest), done, Life::Closed).await?;
        let last = self.log.read_stream(&stream_of(id), Revision(u64::MAX), Direction::Backwards, 1).await?;
        Ok(last.first().map_or_else(|| self.log.head(), |last| last.position))
    }

    /// Appends events, and answers revision and hash of the last.
    async fn append(
        &self,
        id: ErasureId,
        newest: Option<(Revision, EventHash)>,
        events: Vec<ErasureEvent>,
        life: Life,
    ) -> Result<(Revision, EventHash), ErasureError> {
        let expected = newest.map_or(Expected::NoStream, |(revision, _)| Expected::Exactly(revision));
        let mut previous = newest.map_or(EventHash::NONE, |(_, hash)| hash);
        let (stream, correlation, node) = (stream_of(id), id.uuid(), self.ids.node());
        let mut append = Append { stream, expected, life, correlation, node, events: Vec::new() };
        let at = machine_time();
        for (index, event) in events.iter().enumerate() {
            let encoded = event.encode();
            let (kind, version, data) = (encoded.kind.into(), encoded.version, encoded.data);
            append.events.push(Draft { id: self.ids.next(), kind, version, at, cause: None, previous, data });
            previous = append.hash_of(index).unwrap_or_default();
        }
        let last = Revision(expected.next().0 + append.events.len() as u64 - 1);
        for outcome in commit(&*self.log, vec![append]).await {
            drop(outcome?);
        }
        Ok((last, previous))
    }
}

/// As many events as it takes, none of them large.
fn parts(whole: &SubjectErased) -> Vec<SubjectErased> {
    let Targets { sessions, messages, registrations } = &whole.targets;
    let count = [sessions.len(), messages.len(), registrations.len(), whole.keys.len()].map(|n| n.div_ceil(PER_EVENT));
    let count = count.into_iter().max().unwrap_or(0).max(1);
    (0..count)
        .map(|part| SubjectErased {
            targets: Targets {
                sessions: piece(sessions, part),
                messages: piece(messages, part),
                registrations: piece(registrations, part),
            },
            keys: piece(&whole.keys, part),
            ..whole.clone()
        })
        .collect()
}

fn piece<T: Copy>(all: &[T], part: usize) -> Vec<T> {
    all.iter().skip(part * PER_EVENT).take(PER_EVENT).copied().collect()
}
