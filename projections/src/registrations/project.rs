//! Events into rows. Refreshes come often and change little, so the last one that waits stands for those before it.

use crate::names::name_of;
use crate::projector::{NoBeginning, Projection, Seen};
use crate::store::sql_position;
use domain::codec::DecodeError;
use domain::codec::registration::{decode, decode_clear};
use domain::ids::{BindingId, SessionId};
use domain::log::{PortFuture, Position, Recorded};
use domain::ports::Keyring;
use domain::registration::{BindingAdded, BindingRefreshed, BindingRemoved, Device, RegistrationEvent};
use domain::time::WallTime;
use sqlx::SqliteConnection;
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
struct Change {
    position: Position,
    at: WallTime,
    registration: Vec<u8>,
    event: RegistrationEvent,
    /// How many refreshes it stands for.
    count: i64,
    /// The first of these.
    first: (Position, WallTime),
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
    fn name(&self) -> &'static str {
        "registrations"
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["BindingAdded", "BindingRefreshed", "BindingRemoved"]
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
        let clear = &*recorded.kind == "BindingRemoved";
        let event = if clear { decode_clear(recorded)? } else { decode(recorded, keyring)? };
        self.push(recorded, event);
        Ok(())
    }

    fn pending(&self) -> bool {
        !self.changes.is_empty()
    }

    fn write<'a>(&'a self, sql: &'a mut SqliteConnection) -> PortFuture<'a, Result<(), sqlx::Error>> {
        Box::pin(async move {
            for change in &self.changes {
                match &change.event {
                    RegistrationEvent::BindingAdded(added) => change.add(added, sql).await?,
                    RegistrationEvent::BindingRefreshed(refreshed) => change.refresh(refreshed, sql).await?,
                    RegistrationEvent::BindingRemoved(removed) => change.remove(removed, sql).await?,
                    RegistrationEvent::RegisterReceived(_) | RegistrationEvent::RegisterAnswered(_) => {}
                }
            }
            Ok(())
        })
    }

    fn written(&mut self) {
        self.changes.clear();
        self.waiting.clear();
    }
}

fn id(binding: BindingId) -> Vec<u8> {
    binding.bits().to_be_bytes().to_vec()
}

fn contact(device: Option<&Device>) -> Option<String> {
    device.map(|device| device.contact.to_string())
}

fn address(device: Option<&Device>) -> Option<String> {
    Some(device?.flow?.remote.to_string())
}

fn user_agent(device: Option<&Device>) -> Option<String> {
    device?.user_agent.as_deref().map(str::to_owned)
}

fn instance(device: Option<&Device>) -> Option<String> {
    device?.instance.as_deref().map(str::to_owned)
}

impl Change {
    async fn add(&self, added: &BindingAdded, sql: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let device = added.device.known();
        sqlx::query(
            "INSERT INTO registrations (added, position, binding, registration, account, domain, aor, contact, \
             user_agent, instance, reg_id, q, transport, address, api, since, refreshed_at, refreshes, expires_at) \
             VALUES (?1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?15, 0, ?16)",
        )
        .bind(sql_position(self.position))
        .bind(id(added.binding))
        .bind(&self.registration)
        .bind(added.account.bits().to_be_bytes().to_vec())
        .bind(added.domain.bits().to_be_bytes().to_vec())
        .bind(device.map(|device| device.aor.to_string()))
        .bind(contact(device))
        .bind(user_agent(device))
        .bind(instance(device))
        .bind(added.reg_id.map(i64::from))
        .bind(added.q.map(|q| i64::from(q.thousandths())))
        .bind(added.transport.map(|transport| name_of(&transport)))
        .bind(address(device))
        .bind(added.api)
        .bind(self.at.micros())
        .bind(added.until.map(WallTime::micros))
        .execute(&mut *sql)
        .await?;
        self.note("added", added.binding, sql).await
    }

    async fn refresh(&self, refreshed: &BindingRefreshed, sql: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let device = refreshed.device.known();
        let moved = "SELECT 1 FROM registrations WHERE binding = ? AND (contact IS NOT ? OR address IS NOT ?)";
        let moved = sqlx::query(moved).bind(id(refreshed.binding)).bind(contact(device)).bind(address(device));
        let moved = moved.fetch_optional(&mut *sql).await?.is_some();
        sqlx::query(
            "UPDATE registrations SET position = ?, contact = ?, user_agent = ?, instance = ?, reg_id = ?, q = ?, \
             transport = ?, address = ?, refreshed_at = ?, refreshes = refreshes + ?, expires_at = ? WHERE binding = ?",
        )
        .bind(sql_position(self.position))
        .bind(contact(device))
        .bind(user_agent(device))
        .bind(instance(device))
        .bind(refreshed.reg_id.map(i64::from))
        .bind(refreshed.q.map(|q| i64::from(q.thousandths())))
        .bind(refreshed.transport.map(|transport| name_of(&transport)))
        .bind(address(device))
        .bind(self.at.micros())
        .bind(self.count)
        .bind(refreshed.until.micros())
        .bind(id(refreshed.binding))
        .execute(&mut *sql)
        .await?;
        if moved { self.note("moved", refreshed.binding, sql).await } else { Ok(()) }
    }

    async fn remove(&self, removed: &BindingRemoved, sql: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE registrations SET position = ?, ended_at = ?, cause = ? WHERE binding = ?")
            .bind(sql_position(self.position))
            .bind(self.at.micros())
            .bind(name_of(&removed.cause))
            .bind(id(removed.binding))
            .execute(&mut *sql)
            .await?;
        self.note("removed", removed.binding, sql).await
    }

    /// A row of history, out of the binding's row as it is now.
    async fn note(&self, what: &str, binding: BindingId, sql: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO registration_history (position, registration, account, binding, at, what, cause, contact, \
             user_agent, transport, address) SELECT ?, registration, account, binding, ?, ?, cause, contact, \
             user_agent, transport, address FROM registrations WHERE binding = ?",
        )
        .bind(sql_position(self.first.0))
        .bind(self.first.1.micros())
        .bind(what)
        .bind(id(binding))
        .execute(&mut *sql)
        .await
        .map(|_| ())
    }
}
