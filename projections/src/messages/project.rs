//! Events into rows. Most MESSAGEs are over within one write, and are one row written once.

use super::known::Known;
use super::row::MessageRow;
use crate::projector::{NoBeginning, Projection, Seen};
use crate::store::sql_position;
use domain::codec::DecodeError;
use domain::codec::pager::{decode, decode_clear};
use domain::ids::{MessageId, SessionId};
use domain::log::{PortFuture, Recorded};
use domain::pager::PagerEvent;
use domain::ports::Keyring;
use domain::time::WallTime;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
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
    fn name(&self) -> &'static str {
        "messages"
    }

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

    fn write<'a>(&'a self, sql: &'a mut SqliteConnection) -> PortFuture<'a, Result<(), sqlx::Error>> {
        Box::pin(async move {
            let mut new = Vec::new();
            for (id, known) in &self.changes {
                match known.row(*id) {
                    Some(row) => new.push(row),
                    None => update(*id, known, sql).await?,
                }
            }
            // In the order of the table, so that neighbours are written together.
            new.sort_unstable_by_key(|row| row.offered);
            for chunk in new.chunks(CHUNK) {
                insert(chunk).build().execute(&mut *sql).await?;
            }
            Ok(())
        })
    }

    fn written(&mut self) {
        self.changes.clear();
    }
}

fn insert(rows: &[MessageRow]) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new(
        "INSERT INTO messages (offered, position, id, account, sender, recipient, call_id, edge, trunk, user, domain, \
         number, rule, reason, started_at, ended_at, status, target) ",
    );
    sql.push_values(rows, |mut values, row| {
        values
            .push_bind(sql_position(row.offered))
            .push_bind(sql_position(row.position))
            .push_bind(bytes(row.id.bits()))
            .push_bind(bytes(row.account.bits()))
            .push_bind(row.sender.clone())
            .push_bind(row.recipient.clone())
            .push_bind(row.call_id.clone())
            .push_bind(row.edge.clone())
            .push_bind(row.trunk.map(|trunk| bytes(trunk.bits())))
            .push_bind(row.user.map(|user| bytes(user.bits())))
            .push_bind(row.domain.map(|domain| bytes(domain.bits())))
            .push_bind(row.number.map(|number| bytes(number.bits())))
            .push_bind(row.rule.clone())
            .push_bind(row.reason.clone())
            .push_bind(row.started_at.micros())
            .push_bind(row.ended_at.map(WallTime::micros))
            .push_bind(row.status.map(i64::from))
            .push_bind(row.target.map(i64::from));
    });
    sql
}

/// What came after the row was written.
async fn update(id: MessageId, known: &Known, sql: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let (routed, ended) = (known.routed.as_ref(), known.ended.as_ref());
    sqlx::query(
        "UPDATE messages SET position = ?, number = coalesce(?, number), rule = coalesce(?, rule), \
         reason = coalesce(?, reason), ended_at = coalesce(?, ended_at), status = coalesce(?, status), \
         target = coalesce(?, target) WHERE id = ?",
    )
    .bind(sql_position(known.position))
    .bind(routed.and_then(|routed| routed.number).map(|number| bytes(number.bits())))
    .bind(routed.map(|routed| routed.rule.clone()))
    .bind(routed.map(|routed| routed.reason.clone()))
    .bind(ended.map(|(at, _)| at.micros()))
    .bind(ended.map(|(_, ended)| i64::from(ended.status)))
    .bind(ended.and_then(|(_, ended)| ended.target).map(i64::from))
    .bind(bytes(id.bits()))
    .execute(sql)
    .await
    .map(|_| ())
}

fn bytes(id: u128) -> Vec<u8> {
    id.to_be_bytes().to_vec()
}
