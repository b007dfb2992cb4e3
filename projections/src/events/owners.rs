//! Whose stream is it? Remembered for streams asked about lately.

use crate::beginning::{Beginning, begins};
use crate::projector::SESSIONS;
use domain::codec::session::decode_clear;
use domain::codec::{pager, transfer, uplink};
use domain::ids::AccountId;
use domain::log::{Direction, EventLog, ReadError, Recorded, Revision};
use domain::pager::PagerEvent;
use domain::transfer::TransferEvent;
use domain::uplink::UplinkEvent;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// Streams a generation.
const MOST: usize = 50_000;
/// A session and a MESSAGE tell their account in one of their first events, a transfer and an uplink in their first.
const FIRST_EVENTS: usize = 8;

/// Two generations: what is asked for moves to the young one, a full young one replaces the old one.
#[derive(Debug, Default)]
pub(super) struct Owners(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Uuid, AccountId>,
    old: HashMap<Uuid, AccountId>,
}

impl Owners {
    /// The account of the stream that an event belongs to; `None` while that does not say.
    pub(super) async fn of(&self, log: &dyn EventLog, recorded: &Recorded) -> Result<Option<AccountId>, ReadError> {
        let stream = recorded.correlation;
        if let Some(account) = self.known().get(stream) {
            return Ok(Some(account));
        }
        if let Some(account) = told_by(recorded) {
            self.known().put(stream, account);
            return Ok(Some(account));
        }
        let first = log.read_stream(&recorded.stream, Revision(0), Direction::Forwards, FIRST_EVENTS).await?;
        let account = first.iter().find_map(told_by);
        if let Some(account) = account {
            self.known().put(stream, account);
        }
        Ok(account)
    }

    fn known(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn get(&mut self, stream: Uuid) -> Option<AccountId> {
        if let Some(account) = self.young.get(&stream) {
            return Some(*account);
        }
        let account = self.old.remove(&stream)?;
        self.put(stream, account);
        Some(account)
    }

    fn put(&mut self, stream: Uuid, account: AccountId) {
        if self.young.len() >= MOST {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(stream, account);
    }
}

fn told_by(recorded: &Recorded) -> Option<AccountId> {
    match (recorded.stream.category(), &*recorded.kind) {
        (TransferEvent::CATEGORY, "TransferBegun") => match transfer::decode(recorded) {
            Ok(TransferEvent::TransferBegun(begun)) => Some(begun.account),
            Ok(TransferEvent::TransferEnded(_)) | Err(_) => None,
        },
        (PagerEvent::CATEGORY, "MessageOffered") => match pager::decode_clear(recorded) {
            Ok(PagerEvent::MessageOffered(offered)) => Some(offered.account),
            Ok(_) | Err(_) => None,
        },
        (UplinkEvent::CATEGORY, "UplinkBegun") => match uplink::decode_clear(recorded) {
            Ok(UplinkEvent::UplinkBegun(begun)) => Some(begun.account),
            Ok(_) | Err(_) => None,
        },
        (SESSIONS, kind) if begins(kind) => told_by_session(recorded),
        (_, _) => None,
    }
}

fn told_by_session(recorded: &Recorded) -> Option<AccountId> {
    decode_clear(recorded).ok().and_then(|event| Beginning::of(&event).map(|begun| begun.account))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_forgotten_in_bounds() {
        let mut known = Generations::default();
        let account = AccountId::from_bits(7);
        let kept = Uuid::from_u128(u128::MAX);
        known.put(kept, account);
        for n in 0..(MOST as u128 * 3) {
            known.put(Uuid::from_u128(n), account);
            assert!(!n.is_multiple_of(1_000) || known.get(kept) == Some(account), "at {n}");
        }
        assert!(known.young.len() + known.old.len() <= 2 * MOST);
        assert_eq!(known.get(Uuid::from_u128(0)), None);
    }
}
