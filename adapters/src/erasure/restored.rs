//! A keyring that was restored from a copy has keys again that were destroyed since. The keyring itself says how far along the
//! log its erasures are carried out, so that an older copy says less, and whatever the log tells after that is done again.

use super::ErasureError;
use crate::keyring::{ErasedUpTo, Keyring, KeyringError};
use domain::codec::seal::KeyRef;
use domain::erasure::ErasureEvent;
use domain::log::{Direction, EventLog, Filter, Followed, Mark, Position, StreamName};
use domain::ports::{KeyEraser, Keyring as _};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::task::{JoinHandle, spawn_blocking};

/// The next start reads at most about so many events …
const MOST_BEHIND: u64 = 20_000;
/// … and what came since the last look.
const LOOK: Duration = Duration::from_secs(60);

/// Destroys every key that an erasure in the log names and that is there again; answers how many. Before any key is made: a
/// keyring that was restored would give numbers again that the log knows as erased.
///
/// # Errors
/// [`ErasureError`].
pub async fn destroy_again(
    log: &dyn EventLog,
    keyring: &Arc<Keyring>,
    eraser: &Arc<dyn KeyEraser>,
) -> Result<usize, ErasureError> {
    let newest = log.read_all(Position(u64::MAX), Direction::Backwards, &Filter::default(), 1).await?;
    let Some(newest) = newest.first() else { return Ok(0) };
    let known = keyring.erased_up_to().map_err(failed)?;
    let after = match known {
        Some(known) if known.mark.is_in(log).await? => known.position,
        Some(_) | None => Position(0),
    };
    let mut named = BTreeSet::new();
    erasures_after(log, after, |_, event| {
        if let ErasureEvent::SubjectErased(erased) = event {
            named.extend(erased.keys);
        }
    })
    .await?;
    let up_to = ErasedUpTo { position: newest.position, mark: Mark::of(newest) };
    let (keyring, eraser) = (Arc::clone(keyring), Arc::clone(eraser));
    let done = spawn_blocking(move || carry_out(&keyring, &*eraser, &named, &up_to)).await;
    done.unwrap_or_else(|error| Err(error.to_string())).map_err(ErasureError::Keys)
}

fn carry_out(
    keyring: &Keyring,
    eraser: &dyn KeyEraser,
    named: &BTreeSet<KeyRef>,
    up_to: &ErasedUpTo,
) -> Result<usize, String> {
    let there: Vec<KeyRef> = named.iter().copied().filter(|reference| keyring.key(*reference).is_some()).collect();
    if !there.is_empty() {
        eraser.erase(&there)?;
    }
    let text = |error: KeyringError| error.to_string();
    if let Some(highest) = named.last() {
        keyring.never_give(*highest).map_err(text)?;
    }
    keyring.set_erased_up_to(up_to).map_err(text)?;
    Ok(there.len())
}

/// Has the keyring say from time to time how far it is, so that the next start has little to read.
pub fn keep_up(log: &Arc<dyn EventLog>, keyring: &Arc<Keyring>, eraser: &Arc<dyn KeyEraser>) -> JoinHandle<()> {
    // Whoever has them ends with the exchange, and the keyring then erases what nobody took.
    let weak = (Arc::downgrade(log), Arc::downgrade(keyring), Arc::downgrade(eraser));
    let mut said = log.head();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(LOOK).await;
            let parts = (Weak::upgrade(&weak.0), Weak::upgrade(&weak.1), Weak::upgrade(&weak.2));
            let (Some(log), Some(keyring), Some(eraser)) = parts else { return };
            let head = log.head();
            if head.0.saturating_sub(said.0) < MOST_BEHIND {
                continue;
            }
            match destroy_again(&*log, &keyring, &eraser).await {
                Ok(_) => said = head,
                Err(error) => {
                    tracing::warn!(%error, "how far erasures are carried out could not be noted: trying again")
                }
            }
        }
    })
}

/// How many keys are there that an erasure says it destroyed; changes nothing.
///
/// # Errors
/// [`ErasureError`].
pub async fn back_again(log: &dyn EventLog, keyring: &dyn domain::ports::Keyring) -> Result<usize, ErasureError> {
    let (mut ordered, mut there) = (HashMap::<StreamName, Vec<KeyRef>>::new(), 0);
    erasures_after(log, Position(0), |stream, event| match event {
        ErasureEvent::SubjectErased(erased) => ordered.entry(stream).or_default().extend(erased.keys),
        // Before this the exchange may be at it.
        ErasureEvent::KeysDestroyed(_) => {
            let keys = ordered.remove(&stream).unwrap_or_default();
            there += keys.iter().filter(|reference| keyring.key(**reference).is_some()).count();
        }
    })
    .await?;
    Ok(there)
}

/// Hands over what the log tells of erasures, with their streams. By following it: where they are rare, a store elsewhere
/// says from time to time how far it has looked, and a read of the next one says nothing until it is found.
async fn erasures_after(
    log: &dyn EventLog,
    after: Position,
    mut each: impl FnMut(StreamName, ErasureEvent) + Send,
) -> Result<(), ErasureError> {
    let filter = Filter { categories: vec![ErasureEvent::CATEGORY.to_owned()], kinds: Vec::new() };
    let mut follow = log.follow(after, filter);
    loop {
        match follow.next().await? {
            Followed::Events(events) => {
                for event in events {
                    each(event.stream.clone(), ErasureEvent::decode(&event)?);
                }
            }
            Followed::Checkpoint(_) => {}
            Followed::CaughtUp(_) => return Ok(()),
        }
    }
}

fn failed(error: KeyringError) -> ErasureError {
    ErasureError::Keys(error.to_string())
}
