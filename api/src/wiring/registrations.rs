//! Registrations at the start of an exchange, and when the shard finds a stream elsewhere than it thought.

use super::StartError;
use adapters::exchange::{Inbox, Notice};
use domain::log::{EventLog, Revision, StreamName};
use domain::registration::{Aor, read_tail};
use std::sync::Arc;
use std::time::Duration;

/// A registration's stream that could not be read is read again after this long.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// Bindings live longer than the process: every address's stream that is open is taken up again.
pub(super) async fn restore_registrations(log: &Arc<dyn EventLog>, inbox: &Inbox) -> Result<(), StartError> {
    for stream in log.open_streams().await? {
        if stream.category() == Aor::CATEGORY {
            let events = read_tail(&**log, &stream, Revision(u64::MAX)).await?;
            inbox.tell(Notice::Restored(stream, events));
        }
    }
    Ok(())
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
