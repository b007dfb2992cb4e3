//! Registrations at the start of an exchange, and when the shard finds a stream elsewhere than it thought.

use adapters::exchange::{Inbox, Notice};
use adapters::keyring::Keyring;
use domain::exchange::MAY_NOT_HAVE_LEFT;
use domain::log::{Direction, EventLog, Filter, Position, ReadError, Revision, StreamName, Together};
use domain::registration::{Aor, Restored, TAIL, read_tail, since_stated};
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
) -> JoinHandle<Result<(), ReadError>> {
    tokio::spawn(restore_registrations(Arc::clone(log), Arc::clone(keyring), Arc::clone(inbox)))
}

/// Bindings live longer than the process: every address's stream that is open is taken up again. What they say is read
/// here, so that the shard has but to keep it.
async fn restore_registrations(
    log: Arc<dyn EventLog>,
    keyring: Arc<Keyring>,
    inbox: Arc<Inbox>,
) -> Result<(), ReadError> {
    let mut streams = log.open_streams().await?;
    streams.retain(|stream| stream.category() == Aor::CATEGORY);
    let newest = log.read_all(Position(u64::MAX), Direction::Backwards, &Filter::default(), 1).await?;
    let answered_since = newest.first().map_or(WallTime::default(), |event| event.at - MAY_NOT_HAVE_LEFT);
    let mut reading = log.read_together(streams, TAIL);
    let mut opening = JoinSet::new();
    loop {
        let together = reading.next().await?;
        if together.is_empty() {
            break;
        }
        // Opening what is sealed costs most of all: every processor has its part of it.
        let reader = Reader { log: Arc::clone(&log), keyring: Arc::clone(&keyring), answered_since };
        opening.spawn(reader.take_in(together, Arc::clone(&inbox)));
        while opening.len() > AT_ONCE {
            opening.join_next().await.map_or(Ok(()), finished)?;
        }
    }
    while let Some(opened) = opening.join_next().await {
        finished(opened)?;
    }
    Ok(())
}

/// What is needed to read bindings.
struct Reader {
    log: Arc<dyn EventLog>,
    keyring: Arc<Keyring>,
    /// Who was answered since then may not have heard it.
    answered_since: WallTime,
}

impl Reader {
    async fn take_in(self, together: Together, inbox: Arc<Inbox>) -> Result<(), ReadError> {
        let mut bindings = Vec::with_capacity(together.len());
        for (stream, page) in together {
            let events = match since_stated(page) {
                Some(events) => events,
                None => read_tail(&*self.log, &stream, Revision(u64::MAX)).await?,
            };
            bindings.push((stream, Restored::read(&events, &*self.keyring, self.answered_since)));
        }
        inbox.tell(Notice::Bindings(bindings));
        Ok(())
    }
}

/// What became of a task; one that panicked read nothing.
pub(super) fn finished(task: Result<Result<(), ReadError>, JoinError>) -> Result<(), ReadError> {
    task.unwrap_or_else(|_| Err(ReadError::Unavailable("reading bindings was broken off".into())))
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
