//! Events into rows, in the order of the log. They are few: a trunk that is well has none but refreshes.

use super::row::{Happening, HistoryRow, Told};
use crate::projector::{NoBeginning, Projection, Seen};
use crate::store::sql_position;
use domain::codec::DecodeError;
use domain::codec::uplink::decode_clear;
use domain::ids::{SessionId, UplinkId};
use domain::log::{PortFuture, Recorded};
use domain::ports::Keyring;
use domain::time::WallTime;
use domain::uplink::{UplinkBegun, UplinkEvent};
use sqlx::SqliteConnection;
use std::time::Duration;

/// Time between two writes.
const CADENCE: Duration = Duration::from_secs(2);

/// The read model `uplinks`.
#[derive(Default)]
pub(crate) struct Uplinks {
    changes: Vec<Change>,
}

/// What an event changes.
enum Change {
    Begun(UplinkId, UplinkBegun),
    Happened(HistoryRow),
}

impl Projection for Uplinks {
    fn name(&self) -> &'static str {
        "uplinks"
    }

    fn kinds(&self) -> &'static [&'static str] {
        &[
            "UplinkBegun",
            "UplinkRegistered",
            "UplinkRefreshed",
            "UplinkRefused",
            "UplinkLost",
            "TrunkDown",
            "TrunkUp",
            "UplinkEnded",
        ]
    }

    fn cadence(&self) -> Duration {
        CADENCE
    }

    fn category(&self) -> &'static str {
        UplinkEvent::CATEGORY
    }

    /// It is told of no sessions.
    fn knows(&self, _: SessionId) -> bool {
        true
    }

    fn apply(&mut self, _: Seen<'_>, _: bool) -> Result<(), NoBeginning> {
        Ok(())
    }

    fn take(&mut self, recorded: &Recorded, _: &dyn Keyring) -> Result<(), DecodeError> {
        let event = decode_clear(recorded)?;
        let uplink = UplinkId::from_bits(recorded.correlation.as_u128());
        if let UplinkEvent::UplinkBegun(begun) = &event {
            self.changes.push(Change::Begun(uplink, *begun));
        }
        if let Some(told) = Told::by(&event) {
            let row = HistoryRow { position: recorded.position, uplink, at: recorded.at, told };
            self.changes.push(Change::Happened(row));
        }
        Ok(())
    }

    fn pending(&self) -> bool {
        !self.changes.is_empty()
    }

    fn write<'a>(&'a self, sql: &'a mut SqliteConnection) -> PortFuture<'a, Result<(), sqlx::Error>> {
        Box::pin(async move {
            for change in &self.changes {
                match change {
                    Change::Begun(uplink, begun) => begin(*uplink, begun, &mut *sql).await?,
                    Change::Happened(row) => happen(row, &mut *sql).await?,
                }
            }
            Ok(())
        })
    }

    fn written(&mut self) {
        self.changes.clear();
    }
}

async fn begin(uplink: UplinkId, begun: &UplinkBegun, sql: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO uplinks (id, trunk, account) VALUES (?, ?, ?)")
        .bind(bytes(uplink.bits()))
        .bind(bytes(begun.trunk.bits()))
        .bind(bytes(begun.account.bits()))
        .execute(sql)
        .await
        .map(|_| ())
}

const HAPPENED: &str = "INSERT INTO trunk_history (position, trunk, uplink, at, what, reason, status, expires, until, again) \
     SELECT ?, trunk, id, ?, ?, ?, ?, ?, ?, ? FROM uplinks WHERE id = ?";

/// A refresh is worth telling where it ends what a refusal began.
const REFRESHED: &str = "INSERT INTO trunk_history (position, trunk, uplink, at, what, reason, status, expires, until, again) \
     SELECT ?, trunk, id, ?, ?, ?, ?, ?, ?, ? FROM uplinks WHERE id = ? AND (SELECT what FROM trunk_history \
     WHERE uplink = uplinks.id AND what IN ('registered', 'refreshed', 'refused', 'lost') \
     ORDER BY position DESC LIMIT 1) = 'refused'";

async fn happen(row: &HistoryRow, sql: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let HistoryRow { position, uplink, at, told } = row;
    let statement = if told.what == Happening::Refreshed { REFRESHED } else { HAPPENED };
    sqlx::query(statement)
        .bind(sql_position(*position))
        .bind(at.micros())
        .bind(told.what.name())
        .bind(told.reason.clone())
        .bind(told.status.map(i64::from))
        .bind(told.expires.map(i64::from))
        .bind(told.until.map(WallTime::micros))
        .bind(told.again.map(WallTime::micros))
        .bind(bytes(uplink.bits()))
        .execute(sql)
        .await
        .map(|_| ())
}

fn bytes(id: u128) -> Vec<u8> {
    id.to_be_bytes().to_vec()
}
