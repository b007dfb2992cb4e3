//! Events into rows, in the order of the log. They are few: a trunk that is well has none but refreshes.

use super::row::{Happening, HistoryRow, Told};
use crate::database::{Sql, Transaction, id, maybe_number};
use crate::projector::{NoBeginning, Projection, Seen};
use domain::codec::DecodeError;
use domain::codec::uplink::decode_clear;
use domain::ids::{SessionId, UplinkId};
use domain::log::{PortFuture, Recorded};
use domain::ports::Keyring;
use domain::uplink::{UplinkBegun, UplinkEvent};
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

    fn write<'a>(&'a self, sql: &'a mut Transaction) -> PortFuture<'a, Result<(), sqlx::Error>> {
        Box::pin(async move {
            for change in &self.changes {
                let statement = match change {
                    Change::Begun(uplink, begun) => begin(*uplink, begun),
                    Change::Happened(row) => happen(row),
                };
                sql.run(statement).await?;
            }
            Ok(())
        })
    }

    fn written(&mut self) {
        self.changes.clear();
    }
}

fn begin(uplink: UplinkId, begun: &UplinkBegun) -> Sql {
    Sql::new("INSERT INTO uplinks (id, trunk, account)").rows(&[(uplink, begun)], |(uplink, begun)| {
        [id(uplink.bits()), id(begun.trunk.bits()), id(begun.account.bits())]
    })
}

/// A refresh is worth telling where it ends what a refusal began.
const AFTER_REFUSAL: &str = " AND (SELECT what FROM trunk_history WHERE uplink = uplinks.id \
     AND what IN ('registered', 'refreshed', 'refused', 'lost') ORDER BY position DESC LIMIT 1) = 'refused'";

fn happen(row: &HistoryRow) -> Sql {
    let HistoryRow { position, uplink, at, told } = row;
    let sql = Sql::new(
        "INSERT INTO trunk_history (position, at, what, reason, status, expires, until, again, trunk, uplink) SELECT ",
    );
    let sql = sql.bind(*position).push(", ").bind(*at).push(", ").bind(told.what.name());
    let sql = sql.push(", ").bind(told.reason.clone()).push(", ").bind(maybe_number(told.status));
    let sql = sql.push(", ").bind(maybe_number(told.expires)).push(", ").bind(told.until);
    let sql = sql.push(", ").bind(told.again).push(", trunk, id FROM uplinks WHERE id = ").bind(id(uplink.bits()));
    sql.push(if told.what == Happening::Refreshed { AFTER_REFUSAL } else { "" })
}
