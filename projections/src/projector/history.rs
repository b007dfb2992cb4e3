//! What a read model must remember of a session that was live when the process started.

use super::{Fault, NoBeginning, Projection, Seen, fault_of, read, session_of};
use crate::progress::Stopped;
use domain::log::{Direction, EventLog, Recorded, Revision};
use domain::ports::Keyring;

const PAGE: usize = 500;

/// Folds what a session's stream holds before `next` into a read model whose rows have it already.
pub(super) async fn recall(
    log: &dyn EventLog,
    keyring: &dyn Keyring,
    model: &mut dyn Projection,
    next: &Recorded,
) -> Result<(), Fault> {
    let mut from = Revision(0);
    while from < next.revision {
        let events = log.read_stream(&next.stream, from, Direction::Forwards, PAGE).await.map_err(fault_of)?;
        let Some(last) = events.last() else { return Ok(()) };
        from = Revision(last.revision.0 + 1);
        for recorded in events.iter().filter(|event| event.revision < next.revision) {
            recall_one(keyring, model, recorded).map_err(Fault::Stop)?;
        }
    }
    Ok(())
}

fn recall_one(keyring: &dyn Keyring, model: &mut dyn Projection, recorded: &Recorded) -> Result<(), Stopped> {
    if !model.kinds().contains(&&*recorded.kind) {
        return Ok(());
    }
    let stop = |why: String| Stopped { at: recorded.position, why };
    let event = read(recorded, keyring).map_err(|error| stop(error.to_string()))?;
    let seen = Seen { session: session_of(recorded), recorded, event: &event };
    model.apply(seen, true).map_err(|NoBeginning| stop(format!("{} before its beginning", recorded.kind)))
}
