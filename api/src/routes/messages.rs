//! `/v1/messages`: SIP MESSAGEs outside calls, and what became of each. [A5]

mod body;

use super::query::{At, Flag, Party, Time, Within, no_history, no_rows, reached, written};
use super::sessions::{SessionState, accounts};
use crate::auth::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Id, Params, from_text};
use crate::paging::List;
use axum::Json;
use axum::extract::State;
pub use body::{Message, MessageHistory};
use domain::ids::{AccountId, MessageId};
use projections::messages::{Cursor, ListQuery, State as Stage, story};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes, with their state.
pub fn routes(state: SessionState) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).with_state(state)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Whose messages; the caller's and those of accounts below it by default.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    account: Option<AccountId>,
    /// Sent at this time (RFC 3339) or later.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<String>)]
    from: Option<Time>,
    /// Sent before this time.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<String>)]
    to: Option<Time>,
    /// Sent by exactly this number or user name.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<String>)]
    sender: Option<Party>,
    /// For exactly this number or user name.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<String>)]
    recipient: Option<Party>,
    /// `under-way`, `accepted` or `refused`.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<String>)]
    state: Option<Stage>,
    /// At most so many (1 to 200, by default 50).
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<u16>)]
    limit: Option<Within<1, 200>>,
    /// The `next` of the page before.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<String>)]
    after: Option<Cursor>,
    /// Answer only with everything up to this log position.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<u64>)]
    at_least: Option<At>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ShowParams {
    /// 1: what went over the wire comes with its text, what was said included.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<u8>)]
    raw: Option<Flag>,
    /// Answer only with everything up to this log position.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<u64>)]
    at_least: Option<At>,
}

/// Lists messages outside calls, newest first.
#[utoipa::path(get, path = "/v1/messages", tag = "messages", params(ListParams), security(("basic" = [])),
    responses((status = 200, body = List<Message>), (status = "4XX", body = ErrorBody)))]
async fn list(
    caller: Caller,
    State(state): State<SessionState>,
    Params(params): Params<ListParams>,
) -> Result<Json<List<Message>>, ApiError> {
    let accounts = accounts(&state.app, caller, params.account)?;
    let query = ListQuery {
        accounts,
        from: params.from.map(|time| time.0),
        to: params.to.map(|time| time.0),
        sender: params.sender.map(|party| party.0),
        recipient: params.recipient.map(|party| party.0),
        state: params.state,
        after: params.after,
        limit: params.limit.map_or(50, |limit| limit.0.into()),
    };
    written(&state.app, &state.views, params.at_least).await?;
    let page = state.views.messages().list(&query).await.map_err(no_rows)?;
    let items = page.rows.iter().map(Message::of).collect();
    Ok(Json(List { items, next: page.next.map(|cursor| cursor.to_string()) }))
}

/// Shows a message and everything that happened to it, in order: what went over the wire, where it was to go and why, and what
/// its sender was told.
#[utoipa::path(get, path = "/v1/messages/{id}", tag = "messages", params(("id" = String, Path), ShowParams),
    security(("basic" = [])), responses((status = 200, body = MessageHistory), (status = "4XX", body = ErrorBody)))]
async fn show(
    caller: Caller,
    State(state): State<SessionState>,
    Id(id): Id<MessageId>,
    Params(params): Params<ShowParams>,
) -> Result<Json<MessageHistory>, ApiError> {
    // Histories come from the log itself: what is durable is in them.
    reached(params.at_least, state.app.log.head())?;
    let raw = params.raw.is_some_and(|raw| raw.0);
    let told = story(&*state.app.log, &*state.app.keyring, id, raw).await.map_err(no_history)?;
    let visible = told.filter(|told| caller.may_use(state.app.provisioning.directory(), told.row.account));
    visible.map(|told| Json(MessageHistory::of(told))).ok_or_else(ApiError::not_found)
}
