//! Changes into SQL, many rows a statement: each statement is a message to SQLite's thread and a wake-up of it, which costs
//! more than the row.

use super::project::Change;
use crate::database::{Sql, Transaction, Value, id, maybe_id, maybe_number};
use crate::names::name_of;
use domain::ids::{DomainId, TrunkId};
use domain::registration::{BindingAdded, BindingReachChanged, BindingRefreshed, BindingRemoved, Device};
use std::collections::HashSet;

/// Rows of one statement. SQLite takes 32,766 values.
const CHUNK: usize = 64;

/// Rows for bindings that are new, and of their histories.
pub(super) async fn add(changes: &[(&Change, &BindingAdded)], sql: &mut Transaction) -> Result<(), sqlx::Error> {
    for chunk in changes.chunks(CHUNK) {
        let rows = Sql::new(
            "INSERT INTO registrations (added, position, binding, registration, account, domain, trunk, aor, contact, \
             user_agent, instance, reg_id, q, transport, address, api, reach, since, refreshed_at, refreshes, expires_at)",
        );
        sql.run(rows.rows(chunk, |(change, added)| row_of(change, added))).await?;
        let history = Sql::new(
            "INSERT INTO registration_history (position, registration, account, binding, at, what, contact, user_agent, \
             transport, address)",
        );
        sql.run(history.rows(chunk, |(change, added)| history_of(change, added))).await?;
    }
    Ok(())
}

fn row_of(change: &Change, added: &BindingAdded) -> [Value; 21] {
    let device = added.device.known();
    [
        change.position.into(),
        change.position.into(),
        id(added.binding.bits()),
        change.registration.clone().into(),
        id(added.account.bits()),
        maybe_id(added.domain.map(DomainId::bits)),
        maybe_id(added.trunk.map(TrunkId::bits)),
        device.map(|device| device.aor.to_string()).into(),
        contact(device).into(),
        user_agent(device).into(),
        instance(device).into(),
        maybe_number(added.reg_id),
        maybe_number(added.q.map(|q| q.thousandths())),
        added.transport.map(|transport| name_of(&transport)).into(),
        address(device).into(),
        i64::from(added.api).into(),
        if added.api { "contact" } else { "flow" }.into(),
        change.at.into(),
        change.at.into(),
        0.into(),
        added.until.into(),
    ]
}

fn history_of(change: &Change, added: &BindingAdded) -> [Value; 10] {
    let device = added.device.known();
    [
        change.position.into(),
        change.registration.clone().into(),
        id(added.account.bits()),
        id(added.binding.bits()),
        change.at.into(),
        "added".into(),
        contact(device).into(),
        user_agent(device).into(),
        added.transport.map(|transport| name_of(&transport)).into(),
        address(device).into(),
    ]
}

/// What refreshes change; the moves among them are history.
pub(super) async fn refresh(
    changes: &[(&Change, &BindingRefreshed)],
    sql: &mut Transaction,
) -> Result<(), sqlx::Error> {
    for chunk in once_each(changes) {
        let moves = with_new(chunk).push(
            "INSERT INTO registration_history (position, registration, account, binding, at, what, cause, contact, \
             user_agent, transport, address) SELECT new.first, old.registration, old.account, old.binding, \
             new.first_at, 'moved', old.cause, new.contact, new.user_agent, new.transport, new.address \
             FROM new JOIN registrations AS old ON old.binding = new.binding \
             WHERE old.contact IS DISTINCT FROM new.contact OR old.address IS DISTINCT FROM new.address",
        );
        sql.run(moves).await?;
        let rows = with_new(chunk).push(
            "UPDATE registrations SET position = new.position, contact = new.contact, user_agent = new.user_agent, \
             instance = new.instance, reg_id = new.reg_id, q = new.q, transport = new.transport, \
             address = new.address, reach = 'flow', refreshed_at = new.at, refreshes = refreshes + new.count, \
             expires_at = new.expires_at FROM new WHERE registrations.binding = new.binding",
        );
        sql.run(rows).await?;
    }
    Ok(())
}

/// A chunk as a table named `new`.
fn with_new(chunk: &[(&Change, &BindingRefreshed)]) -> Sql {
    let sql = Sql::new(
        "WITH new (binding, position, first, first_at, contact, user_agent, instance, reg_id, q, transport, address, \
         at, count, expires_at) AS (",
    );
    sql.rows(chunk, |(change, refreshed)| new_of(change, refreshed)).push(") ")
}

fn new_of(change: &Change, refreshed: &BindingRefreshed) -> [Value; 14] {
    let device = refreshed.device.known();
    [
        id(refreshed.binding.bits()),
        change.position.into(),
        change.first.0.into(),
        change.first.1.into(),
        contact(device).into(),
        user_agent(device).into(),
        instance(device).into(),
        maybe_number(refreshed.reg_id),
        maybe_number(refreshed.q.map(|q| q.thousandths())),
        refreshed.transport.map(|transport| name_of(&transport)).into(),
        address(device).into(),
        change.at.into(),
        change.count.into(),
        refreshed.until.into(),
    ]
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
    sql: &mut Transaction,
) -> Result<(), sqlx::Error> {
    for (change, changed) in changes {
        let (binding, reach) = (id(changed.binding.bits()), name_of(&changed.reach));
        let row = Sql::new("UPDATE registrations SET position = ").bind(change.position);
        let row = row.push(", reach = ").bind(reach.clone()).push(" WHERE binding = ").bind(binding.clone());
        sql.run(row.push(" AND position < ").bind(change.position)).await?;
        sql.run(from_row(change, binding, "reach", reach)).await?;
    }
    Ok(())
}

/// Ends of bindings. They are few, and each tells its history from its row.
pub(super) async fn remove(changes: &[(&Change, &BindingRemoved)], sql: &mut Transaction) -> Result<(), sqlx::Error> {
    for (change, removed) in changes {
        let (binding, cause) = (id(removed.binding.bits()), name_of(&removed.cause));
        let row = Sql::new("UPDATE registrations SET position = ").bind(change.position);
        let row = row.push(", ended_at = ").bind(change.at).push(", cause = ").bind(cause.clone());
        sql.run(row.push(" WHERE binding = ").bind(binding.clone())).await?;
        sql.run(from_row(change, binding, "removed", cause)).await?;
    }
    Ok(())
}

/// What happened to a binding, with the particulars of its row.
fn from_row(change: &Change, binding: Value, what: &str, cause: String) -> Sql {
    let sql = Sql::new(
        "INSERT INTO registration_history (position, at, what, cause, registration, account, binding, contact, \
         user_agent, transport, address) SELECT ",
    );
    let sql = sql.bind(change.position).push(", ").bind(change.at).push(", ").bind(what).push(", ").bind(cause);
    let sql = sql.push(", registration, account, binding, contact, user_agent, transport, address FROM registrations");
    sql.push(" WHERE binding = ").bind(binding)
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
