//! Registrations at the start of an exchange, and when the shard finds a stream elsewhere than it thought.

use adapters::exchange::{Inbox, Notice};
use adapters::keyring::Keyring;
use domain::exchange::MAY_NOT_HAVE_LEFT;
use domain::log::{Direction, EventLog, Filter, Part, Position, ReadError, Recorded, Revision, StreamName, Together};
use domain::registration::{LAST_TURN, Restored, TAIL, read_tail};
use domain::time::WallTime;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinError, JoinHandle, JoinSet};

/// Pages of registrations that are opened at a time.
const AT_ONCE: usize = 4;
/// A registration's stream that could not be read is read again after this long.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// See [`restore_registrations`]: it runs on by itself.
pub(super) fn restoring(
    log: &Arc<dyn EventLog>,
    keyring: &Arc<Keyring>,
    inbox: &Arc<Inbox>,
    streams: Vec<StreamName>,
) -> JoinHandle<Result<(), ReadError>> {
    tokio::spawn(restore_registrations(Arc::clone(log), Arc::clone(keyring), Arc::clone(inbox), streams))
}

/// Bindings live longer than the process: every address's stream that is open is taken up again. What they say is read
/// here, so that the shard has but to keep it.
async fn restore_registrations(
    log: Arc<dyn EventLog>,
    keyring: Arc<Keyring>,
    inbox: Arc<Inbox>,
    mut streams: Vec<StreamName>,
) -> Result<(), ReadError> {
    inbox.tell(Notice::ExpectAddresses(streams.len()));
    let newest = log.read_all(Position(u64::MAX), Direction::Backwards, &Filter::default(), 1).await?;
    let answered_since = newest.first().map_or(WallTime::default(), |event| event.at - MAY_NOT_HAVE_LEFT);
    let reader = Reader { log, keyring, inbox, answered_since };
    for part in [LAST_TURN, TAIL] {
        streams = reader.take_up(streams, part).await?;
    }
    for stream in streams {
        let events = read_tail(&*reader.log, &stream, Revision(u64::MAX)).await?;
        let restored = Restored::read(&events, &*reader.keyring, answered_since);
        reader.inbox.tell(Notice::Bindings(vec![(stream, restored)]));
    }
    Ok(())
}

/// What is needed to read bindings.
#[derive(Clone)]
struct Reader {
    log: Arc<dyn EventLog>,
    keyring: Arc<Keyring>,
    inbox: Arc<Inbox>,
    /// Who was answered since then may not have heard it.
    answered_since: WallTime,
}

impl Reader {
    /// Takes up the streams of which that part is enough; the others are given back.
    async fn take_up(&self, streams: Vec<StreamName>, part: Part) -> Result<Vec<StreamName>, ReadError> {
        let mut reading = self.log.read_together(streams, part);
        let (mut opening, mut others) = (JoinSet::new(), vec![]);
        loop {
            let together = reading.next().await?;
            if together.is_empty() {
                break;
            }
            // Opening what is sealed costs most of all: every processor has its part of it.
            let reader = self.clone();
            opening.spawn(async move { reader.take_in(together) });
            if opening.len() > AT_ONCE
                && let Some(opened) = opening.join_next().await
            {
                others.extend(opened.map_err(broken_off)?);
            }
        }
        while let Some(opened) = opening.join_next().await {
            others.extend(opened.map_err(broken_off)?);
        }
        Ok(others)
    }

    /// Tells the shard of the streams of which these newest events, newest first, are enough; the others are given back.
    fn take_in(&self, together: Together) -> Vec<StreamName> {
        let (mut bindings, mut others) = (Vec::with_capacity(together.len()), vec![]);
        for (stream, mut newest) in together {
            newest.reverse();
            match Restored::read(&newest, &*self.keyring, self.answered_since) {
                Ok(restored) if !restored.is_whole || !self.has_all_answers(&newest) => others.push(stream),
                restored => bindings.push((stream, restored)),
            }
        }
        self.inbox.tell(Notice::Bindings(bindings));
        others
    }

    /// Whether these newest events hold all that was answered of late.
    fn has_all_answers(&self, newest: &[Recorded]) -> bool {
        newest.first().is_none_or(|oldest| oldest.revision == Revision(0) || oldest.at < self.answered_since)
    }
}

fn broken_off(_: JoinError) -> ReadError {
    ReadError::Unavailable("reading bindings was broken off".into())
}

/// What became of a task; one that panicked read nothing.
pub(super) fn finished(task: Result<Result<(), ReadError>, JoinError>) -> Result<(), ReadError> {
    task.unwrap_or_else(|gone| Err(broken_off(gone)))
}

/// Reads a registration's stream for the shard, when that does not know it or finds it elsewhere than it thought.
pub(super) fn reader_of(log: Arc<dyn EventLog>, inbox: Arc<Inbox>) -> Box<dyn Fn(StreamName) + Send> {
    let runtime = tokio::runtime::Handle::current();
    Box::new(move |stream| {
        let (log, inbox) = (Arc::clone(&log), Arc::clone(&inbox));
        runtime.spawn(async move {
            // Until it is read its user cannot register: there is nothing better to do than to try again.
            loop {
                match read_tail(&*log, &stream, Revision(u64::MAX)).await {
                    Ok(events) => return inbox.tell(Notice::Restored(stream, events)),
                    Err(error) => tracing::error!(%error, %stream, "a registration's stream cannot be read"),
                }
                tokio::time::sleep(READ_AGAIN).await;
            }
        });
    })
}
