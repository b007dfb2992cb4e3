//! Appends handed to the log, and their outcomes waited for.

use domain::log::{Append, AppendError, Committed, Durable, EventLog, Outcome, StreamName};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Outcomes in the order of the appends, each of another stream.
pub(crate) async fn commit(log: &dyn EventLog, appends: Vec<Append>) -> Vec<Result<Durable, AppendError>> {
    let streams: Vec<StreamName> = appends.iter().map(|append| append.stream.clone()).collect();
    let (reply, mut outcomes) = mpsc::unbounded_channel();
    if !appends.is_empty() {
        log.submit(appends, Arc::new(Reply(reply)));
    }
    let mut found: Vec<Option<Result<Durable, AppendError>>> = streams.iter().map(|_| None).collect();
    while found.iter().any(Option::is_none) {
        let Some(more) = outcomes.recv().await else { break };
        for Outcome { stream, result } in more {
            if let Some(at) = streams.iter().position(|known| *known == stream) {
                found[at] = Some(result);
            }
        }
    }
    // A log that ends without an answer leaves the outcome open.
    let unknown = |stream: StreamName| Err(AppendError::Unknown(stream));
    found.into_iter().zip(streams).map(|(result, stream)| result.unwrap_or_else(|| unknown(stream))).collect()
}

/// Hands outcomes to the waiting writer.
struct Reply(mpsc::UnboundedSender<Vec<Outcome>>);

impl Committed for Reply {
    fn committed(&self, outcomes: Vec<Outcome>) {
        // The writer waits for these; if it is gone, so is everybody who asked.
        drop(self.0.send(outcomes));
    }
}
