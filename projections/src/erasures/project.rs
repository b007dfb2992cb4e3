//! Masks rows of the other read models. It comes after them: their rows of what happened before are written by then, or are
//! made of events whose keys are gone.

use crate::projector::{NoBeginning, Projection, Seen};
use crate::store::sql_position;
use domain::codec::DecodeError;
use domain::erasure::{ErasureEvent, Targets};
use domain::ids::SessionId;
use domain::log::{PortFuture, Position, Recorded};
use domain::ports::Keyring;
use sqlx::{QueryBuilder, SqliteConnection};
use std::time::Duration;

/// Time between two writes: nobody is to wait for it.
const CADENCE: Duration = Duration::from_millis(250);
/// Ids of one statement.
const CHUNK: usize = 200;

/// The read model `erasures`.
#[derive(Default)]
pub(crate) struct Erasures {
    changes: Vec<(Position, Targets)>,
}

impl Projection for Erasures {
    fn name(&self) -> &'static str {
        "erasures"
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["SubjectErased"]
    }

    fn cadence(&self) -> Duration {
        CADENCE
    }

    fn category(&self) -> &'static str {
        ErasureEvent::CATEGORY
    }

    /// It is told of no sessions.
    fn knows(&self, _: SessionId) -> bool {
        true
    }

    fn apply(&mut self, _: Seen<'_>, _: bool) -> Result<(), NoBeginning> {
        Ok(())
    }

    fn take(&mut self, recorded: &Recorded, _: &dyn Keyring) -> Result<(), DecodeError> {
        if let ErasureEvent::SubjectErased(erased) = ErasureEvent::decode(recorded)? {
            self.changes.push((recorded.position, erased.targets));
        }
        Ok(())
    }

    fn pending(&self) -> bool {
        !self.changes.is_empty()
    }

    fn write<'a>(&'a self, sql: &'a mut SqliteConnection) -> PortFuture<'a, Result<(), sqlx::Error>> {
        Box::pin(async move {
            for (at, targets) in &self.changes {
                let sessions: Vec<_> = targets.sessions.iter().map(|id| id.bits()).collect();
                let masked = "UPDATE sessions SET caller = NULL, called = NULL, call_id = NULL WHERE id IN (";
                mask(masked, &sessions, None, sql).await?;
                let messages: Vec<_> = targets.messages.iter().map(|id| id.bits()).collect();
                let masked = "UPDATE messages SET sender = NULL, recipient = NULL, call_id = NULL WHERE id IN (";
                mask(masked, &messages, None, sql).await?;
                let registrations: Vec<_> = targets.registrations.iter().map(|id| id.bits()).collect();
                let masked = "UPDATE registrations SET aor = NULL, contact = NULL, user_agent = NULL, instance = NULL, \
                              address = NULL WHERE registration IN (";
                mask(masked, &registrations, Some(("added", *at)), sql).await?;
                let masked = "UPDATE registration_history SET contact = NULL, user_agent = NULL, address = NULL \
                              WHERE registration IN (";
                mask(masked, &registrations, Some(("position", *at)), sql).await?;
            }
            Ok(())
        })
    }

    fn written(&mut self) {
        self.changes.clear();
    }
}

/// Runs an update that ends with the beginning of a list of ids; of rows before a position alone, where one is given.
async fn mask(
    update: &str,
    ids: &[u128],
    before: Option<(&str, Position)>,
    sql: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    for chunk in ids.chunks(CHUNK) {
        let mut query = QueryBuilder::new(update);
        let mut list = query.separated(", ");
        for id in chunk {
            list.push_bind(id.to_be_bytes().to_vec());
        }
        query.push(")");
        if let Some((column, position)) = before {
            query.push(" AND ").push(column).push(" < ").push_bind(sql_position(position));
        }
        query.build().execute(&mut *sql).await?;
    }
    Ok(())
}
