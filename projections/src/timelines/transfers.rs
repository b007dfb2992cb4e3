//! Transfers that join a session with another, as the session's stream and each transfer's own tell.

use super::TimelineError;
use domain::codec::transfer::decode;
use domain::ids::{SessionId, TransferId};
use domain::log::{Direction, EventLog, Recorded, Revision, StreamName};
use domain::session::event::SessionEvent;
use domain::transfer::TransferEvent;
use serde::Serialize;
use utoipa::ToSchema;

/// Transfers shown at most: each is a stream to be read.
const MOST: usize = 64;
/// More than a transfer's stream holds.
const EVENTS: usize = 16;

/// What a session does in a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// It takes a leg: the transfer was asked for in it.
    Takes,
    /// It gives a leg away.
    Gives,
}

/// One transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TransferLine {
    /// The transfer.
    #[schema(value_type = String)]
    pub transfer: TransferId,
    /// What this session does in it.
    pub part: Part,
    /// The session that it is joined with.
    #[schema(value_type = String)]
    pub with: SessionId,
    /// When it began, RFC 3339; absent where nothing of its own is in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub began_at: Option<String>,
    /// When it ended; absent while it lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// Whether the parties were joined; absent while it lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed: Option<bool>,
    /// What who asked was told at the end: 200, or why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// Every transfer that a session's events name, as far as its own stream tells.
pub(super) async fn told(
    log: &dyn EventLog,
    events: &[(Recorded, SessionEvent)],
) -> Result<Vec<TransferLine>, TimelineError> {
    let mut lines: Vec<TransferLine> = Vec::new();
    for (_, event) in events {
        let (transfer, part, with) = match event {
            SessionEvent::TransferLinked(linked) => (linked.transfer, Part::Takes, linked.with),
            SessionEvent::LegGivenAway(given) => (given.transfer, Part::Gives, given.to),
            _ => continue,
        };
        if lines.len() < MOST && lines.iter().all(|line| line.transfer != transfer) {
            let (began_at, ended_at, completed, status) = (None, None, None, None);
            lines.push(TransferLine { transfer, part, with, began_at, ended_at, completed, status });
        }
    }
    for line in &mut lines {
        let stream = StreamName::new(TransferEvent::CATEGORY, line.transfer.uuid());
        for recorded in log.read_stream(&stream, Revision(0), Direction::Forwards, EVENTS).await? {
            let at = Some(recorded.at.to_string());
            match decode(&recorded).map_err(|source| TimelineError::Decode { at: recorded.position, source })? {
                TransferEvent::TransferBegun(_) => line.began_at = at,
                TransferEvent::TransferEnded(ended) => {
                    line.ended_at = at;
                    (line.completed, line.status) = (Some(ended.completed), Some(ended.status));
                }
            }
        }
    }
    Ok(lines)
}
