//! `/v1/sessions`: which there are, and the history of each. [L5]

mod body;
mod export;

use super::past::before;
use super::query::{At, Flag, Party, Text, Time, Within, no_history, no_rows, reached};
use crate::auth::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Id, Params, from_text};
use crate::paging::List;
use crate::state::AppState;
use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
pub use body::Session;
use domain::ids::{AccountId, SessionId};
use projections::replay::{Found, SessionAt, stood};
use projections::sessions::{Cursor, ListQuery, State as Stage};
use projections::timelines::{Timeline, timeline};
use projections::{NotThere, Views};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What these routes read from, and those of messages and of trunks' histories.
#[derive(Clone)]
pub struct SessionState {
    /// Who asks, and for how long a query waits.
    pub app: AppState,
    /// Rows.
    pub views: Arc<Views>,
}

impl FromRef<SessionState> for AppState {
    fn from_ref(state: &SessionState) -> Self {
        state.app.clone()
    }
}

/// The routes, with their state.
pub fn routes(state: SessionState) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(tell))
        .routes(routes!(draw))
        .merge(export::routes())
        .with_state(state)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Whose sessions; the caller's and those of accounts below it by default.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    account: Option<AccountId>,
    /// Offered at this time (RFC 3339) or later.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<String>)]
    from: Option<Time>,
    /// Offered before this time.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<String>)]
    to: Option<Time>,
    /// The caller or the called party is exactly this.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<String>)]
    number: Option<Party>,
    /// SIP Call-ID of the caller's leg.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<String>)]
    call_id: Option<Text>,
    /// `offered`, `ringing`, `answered` or `ended`.
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
    /// As it stood at this time (RFC 3339), with its legs, media, offers and timers, as its events tell it.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<String>)]
    at: Option<Time>,
    /// Answer only with everything up to this log position.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<u64>)]
    at_least: Option<At>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TellParams {
    /// 1: messages come with their text.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<u8>)]
    raw: Option<Flag>,
    /// Answer only with everything up to this log position.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<u64>)]
    at_least: Option<At>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DrawParams {
    /// `text` or `svg`; by default what `Accept` asks for, else text.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    format: Option<Format>,
    /// Answer only with everything up to this log position.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<u64>)]
    at_least: Option<At>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    Text,
    Svg,
}

/// Lists sessions, newest first.
#[utoipa::path(get, path = "/v1/sessions", tag = "sessions", params(ListParams), security(("basic" = [])),
    responses((status = 200, body = List<Session>), (status = "4XX", body = ErrorBody)))]
async fn list(
    caller: Caller,
    State(state): State<SessionState>,
    Params(params): Params<ListParams>,
) -> Result<Json<List<Session>>, ApiError> {
    let accounts = accounts(&state.app, caller, params.account)?;
    let query = ListQuery {
        accounts,
        from: params.from.map(|time| time.0),
        to: params.to.map(|time| time.0),
        number: params.number.map(|party| party.0),
        call_id: params.call_id.map(|text| text.0),
        state: params.state,
        after: params.after,
        limit: params.limit.map_or(50, |limit| limit.0.into()),
    };
    state.fresh(params.at_least).await?;
    let page = state.views.sessions().list(&query).await.map_err(no_rows)?;
    let items = page.rows.iter().map(Session::of).collect();
    Ok(Json(List { items, next: page.next.map(|cursor| cursor.to_string()) }))
}

/// A session: as it is, or how it stood.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum Shown {
    /// As it is.
    Now(Box<Session>),
    /// As it stood at the time that was asked for.
    Then(Box<SessionAt>),
}

/// Shows a session; with `at` how it stood then.
#[utoipa::path(get, path = "/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path), ShowParams),
    security(("basic" = [])), responses((status = 200, body = Shown), (status = "4XX", body = ErrorBody)))]
async fn show(
    caller: Caller,
    State(state): State<SessionState>,
    Id(id): Id<SessionId>,
    Params(params): Params<ShowParams>,
) -> Result<Json<Shown>, ApiError> {
    let directory = state.app.provisioning.directory();
    if let Some(Time(at)) = params.at {
        reached(params.at_least, state.app.log.head())?;
        let found = stood(&*state.app.log, &*state.app.keyring, id, at).await.map_err(no_history)?;
        let visible = |found: &Found| found.account.is_some_and(|account| caller.may_use(directory, account));
        let found = found.filter(visible).ok_or_else(ApiError::not_found)?;
        let stood = found.stood.map_err(|early| before(early.begins))?;
        return Ok(Json(Shown::Then(Box::new(stood))));
    }
    state.fresh(params.at_least).await?;
    let row = state.views.sessions().find(id).await.map_err(no_rows)?;
    let visible = row.filter(|row| caller.may_use(directory, row.account)).ok_or_else(ApiError::not_found)?;
    Ok(Json(Shown::Now(Box::new(Session::of(&visible)))))
}

/// Tells everything that happened in a session, in order, with reasons and durations.
#[utoipa::path(get, path = "/v1/sessions/{id}/timeline", tag = "sessions", params(("id" = String, Path), TellParams),
    security(("basic" = [])), responses((status = 200, body = Timeline), (status = "4XX", body = ErrorBody)))]
async fn tell(
    caller: Caller,
    State(state): State<SessionState>,
    Id(id): Id<SessionId>,
    Params(params): Params<TellParams>,
) -> Result<Json<Timeline>, ApiError> {
    let raw = params.raw.is_some_and(|raw| raw.0);
    state.history(caller, id, raw, params.at_least).await.map(Json)
}

/// Draws a session as a ladder.
#[utoipa::path(get, path = "/v1/sessions/{id}/ladder", tag = "sessions", params(("id" = String, Path), DrawParams),
    security(("basic" = [])),
    responses((status = 200, content((String = "text/plain"), (String = "image/svg+xml"))),
        (status = "4XX", body = ErrorBody)))]
async fn draw(
    caller: Caller,
    State(state): State<SessionState>,
    Id(id): Id<SessionId>,
    Params(params): Params<DrawParams>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let told = state.history(caller, id, false, params.at_least).await?;
    let asked = if accepts(&headers, "image/svg+xml") { Format::Svg } else { Format::Text };
    let (kind, body) = match params.format.unwrap_or(asked) {
        Format::Svg => ("image/svg+xml", told.ladder_svg()),
        Format::Text => ("text/plain; charset=utf-8", told.ladder_text()),
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::VARY, "accept"),
        (header::CACHE_CONTROL, "private, no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
    ];
    Ok((headers, body).into_response())
}

impl SessionState {
    /// Waits until the rows are as fresh as the request asks.
    async fn fresh(&self, at_least: Option<At>) -> Result<(), ApiError> {
        let Some(At(wanted)) = at_least else { return Ok(()) };
        self.views.progress().wait_for(wanted, self.app.patience).await.map_err(|not_there| match not_there {
            NotThere::Late { at, wanted } => ApiError::too_early(wanted, at),
            NotThere::Stopped(_) => ApiError::unavailable(not_there),
        })
    }

    async fn history(
        &self,
        caller: Caller,
        id: SessionId,
        raw: bool,
        at_least: Option<At>,
    ) -> Result<Timeline, ApiError> {
        // Histories come from the log itself: what is durable is in them.
        reached(at_least, self.app.log.head())?;
        let told = timeline(&*self.app.log, &*self.app.keyring, id, raw).await.map_err(no_history)?;
        let directory = self.app.provisioning.directory();
        let visible = |told: &Timeline| told.account.is_some_and(|account| caller.may_use(directory, account));
        told.filter(visible).ok_or_else(ApiError::not_found)
    }
}

/// The account that a request names, or the caller's and all below it.
pub(super) fn accounts(app: &AppState, caller: Caller, named: Option<AccountId>) -> Result<Vec<AccountId>, ApiError> {
    let directory = app.provisioning.directory();
    if named.is_some() {
        return caller.scope(directory, named).map(|account| vec![account]);
    }
    let page = directory.accounts(caller.account, None, ListQuery::MOST_ACCOUNTS, |_| true);
    if page.more {
        let message = format!("more than {} accounts are below yours: name one", ListQuery::MOST_ACCOUNTS);
        return Err(ApiError::invalid("account", message));
    }
    Ok(page.items.into_iter().map(|listed| listed.item.id).collect())
}

/// Whether a client names this media type.
pub(super) fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    let named = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    named.flat_map(|value| value.split(',')).any(|part| part.split(';').next().unwrap_or_default().trim() == kind)
}
