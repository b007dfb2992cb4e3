//! A MESSAGE outside calls as JSON.

use projections::messages::{MessageRow, Story, TargetLine};
use projections::timelines::Entry;
use serde::Serialize;
use utoipa::ToSchema;

/// A SIP MESSAGE outside calls. What did not happen yet, or was erased, is `null`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Message {
    /// Its id.
    #[schema(example = "SM0123456789abcdef0123456789abcdef")]
    id: String,
    /// Whose it is.
    account: String,
    /// Number or user name of who sent it.
    sender: Option<String>,
    /// Number or user name that it was for.
    recipient: Option<String>,
    /// SIP Call-ID with which it came.
    call_id: Option<String>,
    /// The edge it came in on: `carrier` or `public`.
    edge: String,
    /// The trunk it came from; `null` where a user sent it.
    trunk: Option<String>,
    /// The credential of the user who sent it.
    user: Option<String>,
    /// The domain of that user, by its id.
    domain: Option<String>,
    /// The number that it was for, where it is one of the account's.
    number: Option<String>,
    /// The routing rule that decided.
    route_rule: Option<String>,
    /// Why it went where it went, or nowhere.
    route_reason: Option<String>,
    /// `under-way`: its sender has no answer yet, or never got one since the exchange ended meanwhile. `accepted`: a target
    /// took it, its sender was told a 2xx. `refused`: its sender was told no.
    state: &'static str,
    /// RFC 3339.
    started_at: String,
    /// When its sender was answered (RFC 3339).
    ended_at: Option<String>,
    /// From its arrival to the answer, milliseconds.
    total_ms: Option<u64>,
    /// What its sender was told.
    final_status: Option<u16>,
    /// Which of the targets took it, from 0.
    target: Option<u8>,
    /// What was personal in it was erased; absent where it was not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    erased: bool,
    /// Position of the newest event shown here.
    position: u64,
}

impl Message {
    pub(super) fn of(row: &MessageRow) -> Self {
        Self {
            id: row.id.to_string(),
            account: row.account.to_string(),
            sender: row.sender.clone(),
            recipient: row.recipient.clone(),
            call_id: row.call_id.clone(),
            edge: row.edge.clone(),
            trunk: row.trunk.map(|trunk| trunk.to_string()),
            user: row.user.map(|user| user.to_string()),
            domain: row.domain.map(|domain| domain.to_string()),
            number: row.number.map(|number| number.to_string()),
            route_rule: row.rule.clone(),
            route_reason: row.reason.clone(),
            state: row.state().name(),
            started_at: row.started_at.to_string(),
            ended_at: row.ended_at.map(|at| at.to_string()),
            total_ms: row.lasted().and_then(|span| u64::try_from(span.as_millis()).ok()),
            final_status: row.status,
            target: row.target,
            erased: row.is_erased(),
            position: row.position.0,
        }
    }
}

/// A message with its history.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageHistory {
    #[serde(flatten)]
    message: Message,
    /// Whom it went to, in the order of asking.
    targets: Vec<TargetLine>,
    /// Every event in order.
    entries: Vec<Entry>,
    /// There are more events than are shown.
    truncated: bool,
}

impl MessageHistory {
    pub(super) fn of(told: Story) -> Self {
        let Story { row, targets, entries, truncated } = told;
        Self { message: Message::of(&row), targets, entries, truncated }
    }
}
