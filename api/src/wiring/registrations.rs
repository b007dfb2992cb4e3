//! Registrations at the start of an exchange, and when the shard finds a stream elsewhere than it thought.

use adapters::exchange::{Inbox, Notice};
use adapters::keyring::Keyring;
use domain::log::{EventLog, ReadError, Revision, StreamName, Together};
use domain::registration::{Aor, Restored, TAIL, read_tail, since_stated};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};

/// Pages of registrations that are opened at a time.
const AT_ONCE: usize = 4;
/// A registration's stream that could not be read is read again after this long.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// Bindings live longer than the process: every address's stream that is open is taken up again. What they say is read
/// here, so that the shard has but to keep it.
pub(super) async fn restore_registrations(
    log: Arc<dyn EventLog>,
    keyring: Arc<Keyring>,
    inbox: Arc<Inbox>,
) -> Result<(), ReadError> {
    let mut streams = log.open_streams().await?;
    streams.retain(|stream| stream.category() == Aor::CATEGORY);
    let mut reading = log.read_together(streams, TAIL);
    let mut opening = JoinSet::new();
    loop {
        let together = reading.next().await?;
        if together.is_empty() {
            break;
        }
        // Opening what is sealed costs most of all: every processor has its part of it.
        opening.spawn(take_in(together, Arc::clone(&log), Arc::clone(&keyring), Arc::clone(&inbox)));
        while opening.len() > AT_ONCE {
            opening.join_next().await.map_or(Ok(()), finished)?;
        }
    }
    while let Some(opened) = opening.join_next().await {
        finished(opened)?;
    }
    Ok(())
}

async fn take_in(
    together: Together,
    log: Arc<dyn EventLog>,
    keyring: Arc<Keyring>,
    inbox: Arc<Inbox>,
) -> Result<(), ReadError> {
    let mut bindings = Vec::with_capacity(together.len());
    for (stream, page) in together {
        let events = match since_stated(page) {
            Some(events) => events,
            None => read_tail(&*log, &stream, Revision(u64::MAX)).await?,
        };
        bindings.push((stream, Restored::read(&events, &*keyring)));
    }
    inbox.tell(Notice::Bindings(bindings));
    Ok(())
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
