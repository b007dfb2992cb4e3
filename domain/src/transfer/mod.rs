//! An attended transfer (RFC 5589 §7) as a process: one session gives a leg away, another takes it, and what came of it is
//! known to both. Its stream `transfer-<uuid>` says who is in it and how it ended; each step is one session's, and the next
//! is taken when that is durable. A step that was taken already does nothing.

use crate::ids::{AccountId, LegId, SessionId};
use serde::{Deserialize, Serialize};

/// One event of a transfer's stream. Nothing in it is personal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum TransferEvent {
    /// A party of one call asks that the other be joined with the other party of a second call of its own.
    TransferBegun(TransferBegun),
    /// It is done, or came to nothing and both calls are as they were, as far as their parties are still there.
    TransferEnded(TransferEnded),
}

/// See [`TransferEvent::TransferBegun`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferBegun {
    /// Whose calls they are.
    pub account: AccountId,
    /// The session that takes the leg: the REFER came in it.
    pub taking: SessionId,
    /// Its leg whose peer asks.
    pub asking: LegId,
    /// Its leg whose peer is transferred.
    pub remaining: LegId,
    /// The session that gives the leg away.
    pub giving: SessionId,
    /// Its leg whose peer asks too: the one that the REFER names.
    pub replaced: LegId,
    /// The leg that changes its session.
    pub moved: LegId,
}

/// See [`TransferEvent::TransferEnded`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferEnded {
    /// Whether the two parties are joined.
    pub completed: bool,
    /// What the asker is told: 200, or why not.
    pub status: u16,
    /// Where the stream of the taking session was frozen: that session could neither go on nor say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<Frozen>,
}

/// Where the leg was when the stream of the taking session was frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frozen {
    /// In the taking session: it is lost with that.
    WithLeg,
    /// Still in the giving session, which goes on with it.
    WithoutLeg,
}

impl TransferEnded {
    /// The taking session says so.
    pub const fn told(completed: bool, status: u16) -> Self {
        Self { completed, status, frozen: None }
    }
}

/// What follows once something is durable; see [`crate::exchange::Effect::Proceed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferStep {
    /// The REFER is accepted: the process begins.
    Begin,
    /// It has begun: the one session gives the leg away.
    Give,
    /// It is given away: the other session takes it.
    Take,
    /// The taking session is done with it.
    End(TransferEnded),
    /// The stream of the taking session is frozen: the end comes without its word.
    Freeze,
    /// It has ended: the giving session ends, or has its leg back.
    Settle,
    /// It ended without the word of this session, which may have one again after a start.
    Missed(SessionId),
    /// This leg, given away by that session, was lost with a session that never said that it had it.
    Lost(SessionId, LegId),
}

impl TransferEvent {
    /// The category of the streams.
    pub const CATEGORY: &'static str = "transfer";
}
