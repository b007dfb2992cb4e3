//! A session's state at an instant, as a reader sees it.

use domain::ids::{AccountId, LegId, SessionId, TransferId, TrunkId};
use serde::Serialize;
use utoipa::ToSchema;

/// A session as it stood after the last event that had happened at an instant. It stood so until the next event.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SessionAt {
    /// The session.
    #[schema(value_type = String)]
    pub session: SessionId,
    /// Whose it is.
    #[schema(value_type = Option<String>)]
    pub account: Option<AccountId>,
    /// `offered`, `ringing`, `answered` or `ended`.
    pub status: &'static str,
    /// The mode it runs in, or ran in at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// Number or SIP URI of the caller; absent once erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// Number or SIP URI as dialled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub called: Option<String>,
    /// SIP Call-ID of the caller's leg, or of the REFER that asked for the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    /// The routing rule that decided last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route_rule: Option<String>,
    /// Its legs in the order of their beginning, the caller's first.
    pub legs: Vec<LegAt>,
    /// A re-INVITE or UPDATE that one party asked for and that the other has not answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeAt>,
    /// A transfer on its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer: Option<TransferAt>,
    /// Timers that run, those that end first before the others. Retransmissions are not among them.
    pub timers: Vec<TimerAt>,
    /// The last event that had happened.
    pub last_event: EventAt,
    /// When the next event happened, RFC 3339; absent where none has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_at: Option<String>,
}

/// A leg at an instant.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LegAt {
    /// The leg; also our tag in its dialog.
    #[schema(value_type = String)]
    pub leg: LegId,
    /// The leg's name: `caller`, `callee 1` …
    pub role: String,
    /// `incoming`: its peer called the exchange; `outgoing`: the exchange called it.
    pub direction: &'static str,
    /// `inviting`, `alerting`, `answered` (its ACK has not come), `confirmed`, `releasing`, `away` (another session has
    /// it) or `gone`.
    pub status: &'static str,
    /// The trunk it came or leaves by.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub trunk: Option<TrunkId>,
    /// The leg that it talks with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub talks_with: Option<LegId>,
    /// Why and with which status it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released: Option<String>,
    /// What is agreed with it, by m-line; empty before an answer, early ones included, and once erased.
    pub media: Vec<StreamAt>,
    /// An offer within its dialog that has no final answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offer: Option<OfferAt>,
}

/// A media stream as it is agreed with a leg's peer.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct StreamAt {
    /// Index of the m-line.
    pub stream: u8,
    /// `audio`, `video`, `image` or `other`.
    pub kind: &'static str,
    /// What the peer says: `sendrecv`, `sendonly`, `recvonly`, `inactive` or `rejected`.
    pub says: &'static str,
    /// What it was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<&'static str>,
    /// Where it wants RTP; absent where it wants none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wants_at: Option<String>,
    /// The exchange's RTP port that it was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The source that a latch pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latched: Option<String>,
    /// RTP payload types of the peer's SDP whose clock rate is known.
    pub payload_types: Vec<u8>,
    /// Nothing is heard of it although it should send.
    pub silent: bool,
}

/// An offer on its way.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OfferAt {
    /// `peer` or `exchange`.
    pub by: &'static str,
    /// Since when, RFC 3339.
    pub since: String,
    /// What is offered, by m-line: the directions.
    pub says: Vec<&'static str>,
}

/// A change that one party asked for.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ChangeAt {
    /// Whose peer asked.
    #[schema(value_type = String)]
    pub leg: LegId,
    /// The leg's name.
    pub role: String,
    /// `hold`, `resume`, `refresh`, `media` or `late`.
    pub change: String,
}

/// A transfer on its way.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TransferAt {
    /// The leg whose peer asked.
    #[schema(value_type = String)]
    pub by: LegId,
    /// The leg of the other party, which is to be connected elsewhere.
    #[schema(value_type = String)]
    pub remaining: LegId,
    /// The transfer that joins this session with another.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub joins: Option<TransferId>,
}

/// A timer that runs.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TimerAt {
    /// `no-answer` (the leg is given up), `refresh` (its session is refreshed) or `expires` (its session is over).
    pub timer: &'static str,
    /// Its leg.
    #[schema(value_type = String)]
    pub leg: LegId,
    /// The leg's name.
    pub role: String,
    /// When it ends, RFC 3339.
    pub ends_at: String,
}

/// An event by its place.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct EventAt {
    /// Place in the whole log.
    pub position: u64,
    /// Place in the session's stream.
    pub revision: u64,
    /// When it happened, RFC 3339.
    pub at: String,
    /// Type name.
    pub event: String,
    /// What happened, in a sentence.
    pub text: String,
}
