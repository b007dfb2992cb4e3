//! Changes into SQL, many rows a statement: each statement is a message to SQLite's thread and a wake-up of it, which costs
//! more than the row.

use super::project::Change;
use crate::names::name_of;
use crate::store::sql_position;
use domain::ids::{BindingId, DomainId};
use domain::registration::{BindingAdded, BindingReachChanged, BindingRefreshed, BindingRemoved, Device};
use domain::time::WallTime;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use std::collections::HashSet;

/// Rows of one statement. SQLite takes 32,766 values.
const CHUNK: usize = 64;

/// Rows for bindings that are new, and of their histories.
pub(super) async fn add(changes: &[(&Change, &BindingAdded)], sql: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    for chunk in changes.chunks(CHUNK) {
        rows_of(chunk).build().execute(&mut *sql).await?;
        history_of(chunk).build().execute(&mut *sql).await?;
    }
    Ok(())
}

fn rows_of(chunk: &[(&Change, &BindingAdded)]) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new(
        "INSERT INTO registrations (added, position, binding, registration, account, domain, trunk, aor, contact, \
         user_agent, instance, reg_id, q, transport, address, api, reach, since, refreshed_at, refreshes, expires_at) ",
    );
    sql.push_values(chunk, |mut row, (change, added)| {
        let device = added.device.known();
        row.push_bind(sql_position(change.position))
            .push_bind(sql_position(change.position))
            .push_bind(id(added.binding))
            .push_bind(change.registration.clone())
            .push_bind(added.account.bits().to_be_bytes().to_vec())
            .push_bind(added.domain.map_or(0, DomainId::bits).to_be_bytes().to_vec())
            .push_bind(added.trunk.map(|trunk| trunk.bits().to_be_bytes().to_vec()))
            .push_bind(device.map(|device| device.aor.to_string()))
            .push_bind(contact(device))
            .push_bind(user_agent(device))
            .push_bind(instance(device))
            .push_bind(added.reg_id.map(i64::from))
            .push_bind(added.q.map(|q| i64::from(q.thousandths())))
            .push_bind(added.transport.map(|transport| name_of(&transport)))
            .push_bind(address(device))
            .push_bind(added.api)
            .push_bind(if added.api { "contact" } else { "flow" })
            .push_bind(change.at.micros())
            .push_bind(change.at.micros())
            .push("0")
            .push_bind(added.until.map(WallTime::micros));
    });
    sql
}

fn history_of(chunk: &[(&Change, &BindingAdded)]) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new(
        "INSERT INTO registration_history (position, registration, account, binding, at, what, contact, user_agent, \
         transport, address) ",
    );
    sql.push_values(chunk, |mut row, (change, added)| {
        let device = added.device.known();
        row.push_bind(sql_position(change.position))
            .push_bind(change.registration.clone())
            .push_bind(added.account.bits().to_be_bytes().to_vec())
            .push_bind(id(added.binding))
            .push_bind(change.at.micros())
            .push("'added'")
            .push_bind(contact(device))
            .push_bind(user_agent(device))
            .push_bind(added.transport.map(|transport| name_of(&transport)))
            .push_bind(address(device));
    });
    sql
}

/// What refreshes change; the moves among them are history.
pub(super) async fn refresh(
    changes: &[(&Change, &BindingRefreshed)],
    sql: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    for chunk in once_each(changes) {
        let mut moves = with_new(chunk);
        moves.push(
            " INSERT INTO registration_history (position, registration, account, binding, at, what, cause, contact, \
             user_agent, transport, address) SELECT new.first, old.registration, old.account, old.binding, \
             new.first_at, 'moved', old.cause, new.contact, new.user_agent, new.transport, new.address \
             FROM new JOIN registrations AS old ON old.binding = new.binding \
             WHERE old.contact IS NOT new.contact OR old.address IS NOT new.address",
        );
        moves.build().execute(&mut *sql).await?;
        let mut rows = with_new(chunk);
        rows.push(
            " UPDATE registrations SET position = new.position, contact = new.contact, user_agent = new.user_agent, \
             instance = new.instance, reg_id = new.reg_id, q = new.q, transport = new.transport, \
             address = new.address, reach = 'flow', refreshed_at = new.at, refreshes = refreshes + new.count, \
             expires_at = new.expires_at FROM new WHERE registrations.binding = new.binding",
        );
        rows.build().execute(&mut *sql).await?;
    }
    Ok(())
}

/// A chunk as a table named `new`.
fn with_new(chunk: &[(&Change, &BindingRefreshed)]) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new(
        "WITH new (binding, position, first, first_at, contact, user_agent, instance, reg_id, q, transport, address, \
         at, count, expires_at) AS (",
    );
    sql.push_values(chunk, |mut row, (change, refreshed)| {
        let device = refreshed.device.known();
        row.push_bind(id(refreshed.binding))
            .push_bind(sql_position(change.position))
            .push_bind(sql_position(change.first.0))
            .push_bind(change.first.1.micros())
            .push_bind(contact(device))
            .push_bind(user_agent(device))
            .push_bind(instance(device))
            .push_bind(refreshed.reg_id.map(i64::from))
            .push_bind(refreshed.q.map(|q| i64::from(q.thousandths())))
            .push_bind(refreshed.transport.map(|transport| name_of(&transport)))
            .push_bind(address(device))
            .push_bind(change.at.micros())
            .push_bind(change.count)
            .push_bind(refreshed.until.micros());
    });
    sql.push(")");
    sql
}

/// Chunks in order in which no binding stands twice: a statement sees the rows as they were before it.
fn once_each<'a, 'b>(
    mut changes: &'a [(&'b Change, &'b BindingRefreshed)],
) -> Vec<&'a [(&'b Change, &'b BindingRefreshed)]> {
    let mut chunks = Vec::new();
    while !changes.is_empty() {
        let mut seen = HashSet::new();
        let repeated = changes.iter().take(CHUNK).position(|(_, refreshed)| !seen.insert(refreshed.binding));
        let (chunk, rest) = changes.split_at(repeated.unwrap_or_else(|| changes.len().min(CHUNK)));
        chunks.push(chunk);
        changes = rest;
    }
    chunks
}

/// Other ways to bindings; one that a refresh came after is history alone.
pub(super) async fn reach(
    changes: &[(&Change, &BindingReachChanged)],
    sql: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    for (change, changed) in changes {
        let (position, reach) = (sql_position(change.position), name_of(&changed.reach));
        sqlx::query("UPDATE registrations SET position = ?, reach = ? WHERE binding = ? AND position < ?")
            .bind(position)
            .bind(&reach)
            .bind(id(changed.binding))
            .bind(position)
            .execute(&mut *sql)
            .await?;
        sqlx::query(
            "INSERT INTO registration_history (position, registration, account, binding, at, what, cause, contact, \
             user_agent, transport, address) SELECT ?, registration, account, binding, ?, 'reach', ?, contact, \
             user_agent, transport, address FROM registrations WHERE binding = ?",
        )
        .bind(position)
        .bind(change.at.micros())
        .bind(&reach)
        .bind(id(changed.binding))
        .execute(&mut *sql)
        .await?;
    }
    Ok(())
}

/// Ends of bindings. They are few, and each tells its history from its row.
pub(super) async fn remove(
    changes: &[(&Change, &BindingRemoved)],
    sql: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    for (change, removed) in changes {
        sqlx::query("UPDATE registrations SET position = ?, ended_at = ?, cause = ? WHERE binding = ?")
            .bind(sql_position(change.position))
            .bind(change.at.micros())
            .bind(name_of(&removed.cause))
            .bind(id(removed.binding))
            .execute(&mut *sql)
            .await?;
        sqlx::query(
            "INSERT INTO registration_history (position, registration, account, binding, at, what, cause, contact, \
             user_agent, transport, address) SELECT ?, registration, account, binding, ?, 'removed', cause, contact, \
             user_agent, transport, address FROM registrations WHERE binding = ?",
        )
        .bind(sql_position(change.position))
        .bind(change.at.micros())
        .bind(id(removed.binding))
        .execute(&mut *sql)
        .await?;
    }
    Ok(())
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
