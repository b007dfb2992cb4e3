//! Events into rows. Most MESSAGEs are over within one write, and are one row written once.

use super::known::Known;
use super::row::MessageRow;
use crate::database::{Sql, Transaction, Value, id, maybe_id, maybe_number};
use crate::erasures::{Erased, mask};
use crate::projector::{NoBeginning, Projection, Seen};
use domain::codec::DecodeError;
use domain::codec::pager::{decode, decode_clear};
use domain::ids::{CredentialId, DomainId, MessageId, NumberId, SessionId, TrunkId};
use domain::log::{PortFuture, Recorded};
use domain::pager::PagerEvent;
use domain::ports::Keyring;
use std::collections::HashMap;
use std::time::Duration;

/// Time between two writes.
const CADENCE: Duration = Duration::from_secs(2);
/// Rows a statement.
const CHUNK: usize = 64;

/// The read model `messages`.
#[derive(Default)]
pub(crate) struct Messages {
    /// What is to be written.
    changes: HashMap<MessageId, Known>,
}

impl Projection for Messages {
    fn kinds(&self) -> &'static [&'static str] {
        &["MessageOffered", "MessageRouted", "MessageUnroutable", "MessageEnded"]
    }

    fn cadence(&self) -> Duration {
        CADENCE
    }

    fn category(&self) -> &'static str {
        PagerEvent::CATEGORY
    }

    /// It is told of no sessions.
    fn knows(&self, _: SessionId) -> bool {
        true
    }

    fn apply(&mut self, _: Seen<'_>, _: bool) -> Result<(), NoBeginning> {
        Ok(())
    }

    fn take(&mut self, recorded: &Recorded, keyring: &dyn Keyring) -> Result<(), DecodeError> {
        // Only the parties are ever needed of what is sealed.
        let sealed = &*recorded.kind == "MessageOffered";
        let event = if sealed { decode(recorded, keyring)? } else { decode_clear(recorded)? };
        let id = MessageId::from_bits(recorded.correlation.as_u128());
        self.changes.entry(id).or_default().apply(recorded, &event);
        Ok(())
    }

    fn pending(&self) -> bool {
        !self.changes.is_empty()
    }

    fn write<'a>(&'a self, sql: &'a mut Transaction) -> PortFuture<'a, Result<(), sqlx::Error>> {
        Box::pin(async move {
            let mut new = Vec::new();
            for (id, known) in &self.changes {
                match known.row(*id) {
                    Some(row) => new.push(row),
                    None => drop(sql.run(update(*id, known)).await?),
                }
            }
            // In the order of the table, so that neighbours are written together.
            new.sort_unstable_by_key(|row| row.offered);
            for chunk in new.chunks(CHUNK) {
                sql.run(insert(chunk)).await?;
            }
            Ok(())
        })
    }

    fn mask<'a>(&'a self, erased: &'a Erased, sql: &'a mut Transaction) -> PortFuture<'a, Result<(), sqlx::Error>> {
        let ids = erased.targets.messages.iter().map(|id| id.bits());
        let masked = "UPDATE messages SET sender = NULL, recipient = NULL, call_id = NULL WHERE id IN ";
        Box::pin(mask(masked, ids.collect(), None, sql))
    }

    fn written(&mut self) {
        self.changes.clear();
    }
}

fn insert(rows: &[MessageRow]) -> Sql {
    let sql = Sql::new(
        "INSERT INTO messages (offered, position, id, account, sender, recipient, call_id, edge, trunk, credential, \
         domain, number, rule, reason, started_at, ended_at, status, target)",
    );
    sql.rows(rows, values)
}

fn values(row: &MessageRow) -> [Value; 18] {
    [
        row.offered.into(),
        row.position.into(),
        id(row.id.bits()),
        id(row.account.bits()),
        row.sender.clone().into(),
        row.recipient.clone().into(),
        row.call_id.clone().into(),
        row.edge.clone().into(),
        maybe_id(row.trunk.map(TrunkId::bits)),
        maybe_id(row.user.map(CredentialId::bits)),
        maybe_id(row.domain.map(DomainId::bits)),
        maybe_id(row.number.map(NumberId::bits)),
        row.rule.clone().into(),
        row.reason.clone().into(),
        row.started_at.into(),
        row.ended_at.into(),
        maybe_number(row.status),
        maybe_number(row.target),
    ]
}

/// What came after the row was written.
fn update(message: MessageId, known: &Known) -> Sql {
    let (routed, ended) = (known.routed.as_ref(), known.ended.as_ref());
    let number = maybe_id(routed.and_then(|routed| routed.number).map(NumberId::bits));
    let sql = Sql::new("UPDATE messages SET position = ").bind(known.position);
    let sql = sql.push(", number = coalesce(").bind(number).push(", number)");
    let sql = sql.push(", rule = coalesce(").bind(routed.map(|routed| routed.rule.clone())).push(", rule)");
    let sql = sql.push(", reason = coalesce(").bind(routed.map(|routed| routed.reason.clone())).push(", reason)");
    let sql = sql.push(", ended_at = coalesce(").bind(ended.map(|(at, _)| *at)).push(", ended_at)");
    let status = maybe_number(ended.map(|(_, ended)| ended.status));
    let sql = sql.push(", status = coalesce(").bind(status).push(", status)");
    let target = maybe_number(ended.and_then(|(_, ended)| ended.target));
    sql.push(", target = coalesce(").bind(target).push(", target) WHERE id = ").bind(id(message.bits()))
}
