//! What a read model must remember of a session that was live when the process started.

use super::fold::{Fold, read, session_of};
use super::{Fault, NoBeginning, Projection, SESSIONS, Seen};
use crate::progress::Stopped;
use domain::log::{EventLog, Pages, Position, Recorded, StreamName};
use domain::ports::Keyring;

/// Folds the sessions that live now into every read model, each up to where its rows are.
pub(super) async fn restore(all: &mut Fold) -> Result<(), Fault> {
    if all.slots.iter().all(|slot| slot.stored == Position(0)) {
        return Ok(());
    }
    let open = all.log.open_streams().await?;
    for stream in open.iter().filter(|stream| stream.category() == SESSIONS) {
        for slot in all.slots.iter_mut().filter(|slot| slot.is_of_sessions()) {
            let stored = slot.stored;
            fold(&*all.log, &*all.keyring, &mut *slot.model, stream, |event| event.position <= stored).await?;
        }
    }
    Ok(())
}

/// Folds what a session's stream holds before `next` into a read model that has it in its rows or counters already.
pub(super) async fn recall(
    log: &dyn EventLog,
    keyring: &dyn Keyring,
    model: &mut dyn Projection,
    next: &Recorded,
) -> Result<(), Fault> {
    fold(log, keyring, model, &next.stream, |event| event.revision < next.revision).await
}

async fn fold(
    log: &dyn EventLog,
    keyring: &dyn Keyring,
    model: &mut dyn Projection,
    stream: &StreamName,
    before: impl Fn(&Recorded) -> bool,
) -> Result<(), Fault> {
    let mut pages = Pages::of(log, stream);
    loop {
        let events = pages.next().await?;
        for recorded in events.iter().take_while(|event| before(event)) {
            recall_one(keyring, model, recorded).map_err(Fault::Stop)?;
        }
        if !events.last().is_some_and(&before) {
            return Ok(());
        }
    }
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
