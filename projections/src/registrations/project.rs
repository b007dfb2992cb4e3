//! Events into rows. Refreshes come often and change little, so the last one that waits stands for those before it.

use super::write;
use crate::database::Transaction;
use crate::erasures::{Erased, mask};
use crate::projector::{NoBeginning, Projection, Seen};
use domain::codec::DecodeError;
use domain::codec::registration::{decode, decode_clear};
use domain::ids::{BindingId, SessionId};
use domain::log::{PortFuture, Position, Recorded};
use domain::ports::Keyring;
use domain::registration::{Device, RegistrationEvent};
use domain::time::WallTime;
use std::collections::HashMap;
use std::time::Duration;

/// Time between two writes.
const CADENCE: Duration = Duration::from_secs(2);

/// The read model `registrations`.
#[derive(Default)]
pub(crate) struct Registrations {
    changes: Vec<Change>,
    /// Where a binding's last refresh waits.
    waiting: HashMap<BindingId, usize>,
}

/// What an event changes.
pub(super) struct Change {
    pub position: Position,
    pub at: WallTime,
    pub registration: Vec<u8>,
    event: RegistrationEvent,
    /// How many refreshes it stands for.
    pub count: i64,
    /// The first of these.
    pub first: (Position, WallTime),
}

impl Registrations {
    fn push(&mut self, recorded: &Recorded, event: RegistrationEvent) {
        let mut change = Change {
            position: recorded.position,
            at: recorded.at,
            registration: recorded.correlation.as_bytes().to_vec(),
            event,
            count: 1,
            first: (recorded.position, recorded.at),
        };
        if let RegistrationEvent::BindingRefreshed(new) = &change.event {
            let waits = self.waiting.get(&new.binding).and_then(|at| self.changes.get_mut(*at));
            if let Some(old) = waits
                && let RegistrationEvent::BindingRefreshed(known) = &old.event
                && same_place(known.device.known(), new.device.known())
            {
                change.count += old.count;
                change.first = old.first;
                *old = change;
                return;
            }
            self.waiting.insert(new.binding, self.changes.len());
        }
        self.changes.push(change);
    }
}

/// Whether nobody would call that a move.
fn same_place(one: Option<&Device>, other: Option<&Device>) -> bool {
    let place = |device: &Device| (device.contact.clone(), device.flow);
    one.map(place) == other.map(place)
}

impl Projection for Registrations {
    fn kinds(&self) -> &'static [&'static str] {
        &["BindingAdded", "BindingRefreshed", "BindingRemoved", "BindingReachChanged"]
    }

    fn cadence(&self) -> Duration {
        CADENCE
    }

    fn category(&self) -> &'static str {
        "registration"
    }

    /// It is told of no sessions.
    fn knows(&self, _: SessionId) -> bool {
        true
    }

    fn apply(&mut self, _: Seen<'_>, _: bool) -> Result<(), NoBeginning> {
        Ok(())
    }

    fn take(&mut self, recorded: &Recorded, keyring: &dyn Keyring) -> Result<(), DecodeError> {
        let clear = matches!(&*recorded.kind, "BindingRemoved" | "BindingReachChanged");
        let event = if clear { decode_clear(recorded)? } else { decode(recorded, keyring)? };
        self.push(recorded, event);
        Ok(())
    }

    fn pending(&self) -> bool {
        !self.changes.is_empty()
    }

    fn write<'a>(&'a self, sql: &'a mut Transaction) -> PortFuture<'a, Result<(), sqlx::Error>> {
        Box::pin(async move {
            let (mut added, mut refreshed) = (Vec::new(), Vec::new());
            let (mut reached, mut removed) = (Vec::new(), Vec::new());
            for change in &self.changes {
                match &change.event {
                    RegistrationEvent::BindingAdded(event) => added.push((change, event)),
                    RegistrationEvent::BindingRefreshed(event) => refreshed.push((change, event)),
                    RegistrationEvent::BindingRemoved(event) => removed.push((change, event)),
                    RegistrationEvent::BindingReachChanged(event) => reached.push((change, event)),
                    RegistrationEvent::RegisterReceived(_)
                    | RegistrationEvent::RegisterAnswered(_)
                    | RegistrationEvent::BindingsStated(_) => {}
                }
            }
            // The order of every binding's life: ids of bindings are never used again.
            write::add(&added, sql).await?;
            write::refresh(&refreshed, sql).await?;
            write::reach(&reached, sql).await?;
            write::remove(&removed, sql).await
        })
    }

    fn mask<'a>(&'a self, erased: &'a Erased, sql: &'a mut Transaction) -> PortFuture<'a, Result<(), sqlx::Error>> {
        Box::pin(async move {
            let ids: Vec<_> = erased.targets.registrations.iter().map(|id| id.bits()).collect();
            // The address may have been registered again since, and just before: then the binding holds, under a key of its own.
            let masked = "UPDATE registrations SET aor = NULL, contact = NULL, user_agent = NULL, instance = NULL, \
                          address = NULL WHERE ended_at IS NOT NULL AND registration IN ";
            mask(masked, ids.clone(), Some(("added", erased.at)), sql).await?;
            // That a binding moved shows in what is gone alone: rows that are made again do not tell it.
            let moves = "DELETE FROM registration_history WHERE what = 'moved' AND registration IN ";
            mask(moves, ids.clone(), Some(("position", erased.at)), sql).await?;
            let masked = "UPDATE registration_history SET contact = NULL, user_agent = NULL, address = NULL \
                          WHERE registration IN ";
            mask(masked, ids, Some(("position", erased.at)), sql).await
        })
    }

    fn written(&mut self) {
        self.changes.clear();
        self.waiting.clear();
    }
}
