//! A session as JSON.

use projections::sessions::SessionRow;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// A session. What did not happen yet, or was erased, is `null`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Session {
    /// Its id.
    id: String,
    /// Whose it is.
    account: String,
    /// Number or SIP URI of the caller.
    caller: Option<String>,
    /// Number or SIP URI as dialled.
    called: Option<String>,
    /// SIP Call-ID of the caller's leg, or of the REFER that asked for the call.
    call_id: Option<String>,
    /// The trunk it came from.
    trunk: Option<String>,
    /// The credential of the user who called; absent where a trunk did.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// The number called, where it is one of the account's.
    number: Option<String>,
    /// The routing rule that decided.
    route_rule: Option<String>,
    /// `offered`, `ringing`, `answered` or `ended`.
    state: &'static str,
    /// RFC 3339.
    started_at: String,
    /// RFC 3339.
    ringing_at: Option<String>,
    /// RFC 3339.
    answered_at: Option<String>,
    /// RFC 3339.
    ended_at: Option<String>,
    /// From answer to end, milliseconds.
    duration_ms: Option<u64>,
    /// From offer to end, milliseconds.
    total_ms: Option<u64>,
    /// `completed`, `cancelled`, `busy`, `no-answer`, `failed`, `transferred` or `lost`.
    end_cause: Option<String>,
    /// The final status of the caller's INVITE, or of what its REFER asked for.
    final_status: Option<u16>,
    /// The mode it runs in, or ran in at the end.
    mode: Option<String>,
    /// What was personal in it was erased; absent where it was not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    erased: bool,
    /// Position of the newest event shown here.
    position: u64,
}

impl Session {
    pub(super) fn of(row: &SessionRow) -> Self {
        let millis = |span: Option<Duration>| span.and_then(|span| u64::try_from(span.as_millis()).ok());
        Self {
            id: row.id.to_string(),
            account: row.account.to_string(),
            caller: row.caller.clone(),
            called: row.called.clone(),
            call_id: row.call_id.clone(),
            trunk: row.trunk.map(|trunk| trunk.to_string()),
            user: row.user.map(|user| user.to_string()),
            number: row.number.map(|number| number.to_string()),
            route_rule: row.rule.clone(),
            state: row.state.name(),
            started_at: row.started_at.to_string(),
            ringing_at: row.ringing_at.map(|at| at.to_string()),
            answered_at: row.answered_at.map(|at| at.to_string()),
            ended_at: row.ended_at.map(|at| at.to_string()),
            duration_ms: millis(row.talked()),
            total_ms: millis(row.lasted()),
            end_cause: row.end_cause.clone(),
            final_status: row.final_status,
            mode: row.mode.clone(),
            erased: row.is_erased(),
            position: row.position.0,
        }
    }
}
