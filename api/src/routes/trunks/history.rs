//! `/v1/trunks/{id}/history`: how a trunk stood, and why. [O10, O11]

use crate::auth::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Id, Params};
use crate::paging::List;
use crate::routes::query::{HistoryParams, no_rows, written};
use crate::routes::sessions::SessionState;
use axum::Json;
use axum::extract::State;
use domain::ids::TrunkId;
use projections::uplinks::{HistoryQuery, HistoryRow, Told};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The route, with its state.
pub fn history_routes(state: SessionState) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(tell)).with_state(state)
}

/// One thing that happened to our registration at a trunk, or to its health.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrunkHappened {
    /// Position of its event.
    position: u64,
    /// RFC 3339.
    at: String,
    /// From a start or a change of settings to the next: `uplink` of its events in `/v1/events`.
    #[schema(example = "UL0123456789abcdef0123456789abcdef")]
    uplink: String,
    /// `begun` and `ended`: the exchange registers there or looks after it from here on, or no more; where one begins without
    /// an end before it, the process was cut off. `registered`, `refused`, `lost`: our registration there, and `refreshed`
    /// where that was refused just before. `down` and `up`: whether calls go around it.
    what: &'static str,
    /// Why, in words.
    reason: Option<String>,
    /// The SIP status that said so; `null` where nothing came.
    status: Option<u16>,
    /// How long the registration holds, in seconds.
    expires: Option<u32>,
    /// Until when (RFC 3339).
    until: Option<String>,
    /// When it is tried again (RFC 3339).
    again: Option<String>,
}

impl TrunkHappened {
    fn of(row: &HistoryRow) -> Self {
        let HistoryRow { position, uplink, at, told } = row;
        let Told { what, reason, status, expires, until, again } = told;
        Self {
            position: position.0,
            at: at.to_string(),
            uplink: uplink.to_string(),
            what: what.name(),
            reason: reason.clone(),
            status: *status,
            expires: *expires,
            until: until.map(|until| until.to_string()),
            again: again.map(|again| again.to_string()),
        }
    }
}

/// Tells when we were registered at a trunk and when calls had a chance there, and why not, the newest first. Also of a trunk
/// that was removed.
#[utoipa::path(get, path = "/v1/trunks/{id}/history", tag = "trunks", params(("id" = String, Path), HistoryParams),
    security(("basic" = [])), responses((status = 200, body = List<TrunkHappened>), (status = "4XX", body = ErrorBody)))]
async fn tell(
    caller: Caller,
    State(state): State<SessionState>,
    Id(trunk): Id<TrunkId>,
    Params(params): Params<HistoryParams>,
) -> Result<Json<List<TrunkHappened>>, ApiError> {
    written(&state.app, &state.views, params.at_least).await?;
    let reader = state.views.uplinks();
    let directory = state.app.provisioning.directory();
    let owner = match directory.trunk(trunk) {
        Some(found) => Some(found.item.account),
        None => reader.owner(trunk).await.map_err(no_rows)?,
    };
    owner.filter(|account| caller.may_use(directory, *account)).ok_or_else(ApiError::not_found)?;
    let query = HistoryQuery {
        trunk,
        after: params.after.map(|at| at.0),
        limit: params.limit.map_or(50, |limit| limit.0.into()),
    };
    let page = reader.history(&query).await.map_err(no_rows)?;
    let items = page.rows.iter().map(TrunkHappened::of).collect();
    Ok(Json(List { items, next: page.next.map(|next| next.0.to_string()) }))
}
