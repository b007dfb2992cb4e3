//! `/v1/sessions`: which there are, and the history of each.

mod body;

use super::params::Params;
use super::{Problem, Reach};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use body::{SessionBody, SessionsBody};
use domain::ids::{AccountId, SessionId};
use domain::log::EventLog;
use domain::ports::Keyring;
use projections::Views;
use projections::sessions::{Cursor, ListQuery, State as SessionState, find, list};
use projections::timelines::{Timeline, timeline};
use std::sync::Arc;
use std::time::Duration;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// How long a query waits for read models to be as fresh as it asks.
const FRESHNESS: Duration = Duration::from_secs(5);
/// Longest text that a filter compares with.
const LONGEST: usize = 512;

/// What the routes read from.
#[derive(Clone)]
pub struct Sessions {
    /// Rows.
    pub views: Arc<Views>,
    /// Histories.
    pub log: Arc<dyn EventLog>,
    /// Keys of what is sealed in them.
    pub keyring: Arc<dyn Keyring>,
}

/// The routes.
pub fn router(sessions: Sessions) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(list_sessions))
        .routes(routes!(get_session))
        .routes(routes!(get_timeline))
        .routes(routes!(get_ladder))
        .with_state(sessions)
}

/// Lists sessions, newest first.
#[utoipa::path(get, path = "/v1/sessions", tag = "sessions", params(
    ("from" = Option<String>, Query, description = "offered at this time (RFC 3339) or later"),
    ("to" = Option<String>, Query, description = "offered before this time"),
    ("number" = Option<String>, Query, description = "the caller or the called party is exactly this"),
    ("call_id" = Option<String>, Query, description = "SIP Call-ID of the caller's leg"),
    ("state" = Option<String>, Query, description = "offered, ringing, answered or ended"),
    ("account" = Option<String>, Query, description = "only this account's, yours or one below it"),
    ("limit" = Option<u16>, Query, description = "sessions a page, 1 to 200, 50 by default"),
    ("after" = Option<String>, Query, description = "`next` of the page before"),
    ("at_least" = Option<u64>, Query, description = "be as fresh as this position of the log"),
), responses((status = 200, body = SessionsBody), (status = 422, body = Problem)))]
async fn list_sessions(
    State(sessions): State<Sessions>,
    Reach(accounts): Reach,
    params: Params,
) -> Result<Json<SessionsBody>, Problem> {
    params.only(&["from", "to", "number", "call_id", "state", "account", "limit", "after", "at_least"])?;
    let query = ListQuery {
        accounts: within(&params, &accounts)?,
        from: params.time("from")?,
        to: params.time("to")?,
        number: bounded("number", params.with_plus("number"))?,
        call_id: bounded("call_id", params.text("call_id").map(str::to_owned))?,
        state: params.text("state").map(state).transpose()?,
        after: params.read::<Cursor>("after")?,
        limit: usize::try_from(params.number("limit", 1, ListQuery::MOST as u64, 50)?).unwrap_or(ListQuery::MOST),
    };
    sessions.fresh(&params).await?;
    let page = list(sessions.views.store(), &query).await?;
    Ok(Json(SessionsBody::of(&page)))
}

/// One session.
#[utoipa::path(get, path = "/v1/sessions/{id}", tag = "sessions", params(
    ("id" = String, Path, description = "the session"),
    ("at_least" = Option<u64>, Query, description = "be as fresh as this position of the log"),
), responses((status = 200, body = SessionBody), (status = 404, body = Problem)))]
async fn get_session(
    State(sessions): State<Sessions>,
    Reach(accounts): Reach,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<SessionBody>, Problem> {
    params.only(&["at_least"])?;
    let id = session_id(&id)?;
    sessions.fresh(&params).await?;
    let row = find(sessions.views.store(), &accounts, id).await?;
    row.map(|row| Json(SessionBody::of(&row))).ok_or_else(|| Problem::not_found("session"))
}

/// Everything that happened in a session, in order, with reasons and durations.
#[utoipa::path(get, path = "/v1/sessions/{id}/timeline", tag = "sessions", params(
    ("id" = String, Path, description = "the session"),
    ("raw" = Option<u8>, Query, description = "1: messages come with their text"),
    ("at_least" = Option<u64>, Query, description = "be as fresh as this position of the log"),
), responses((status = 200, body = Timeline), (status = 404, body = Problem)))]
async fn get_timeline(
    State(sessions): State<Sessions>,
    Reach(accounts): Reach,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<Timeline>, Problem> {
    params.only(&["raw", "at_least"])?;
    sessions.tell(&accounts, &id, &params).await.map(Json)
}

/// A session as a ladder: text, or SVG where asked for by `format` or `Accept`.
#[utoipa::path(get, path = "/v1/sessions/{id}/ladder", tag = "sessions", params(
    ("id" = String, Path, description = "the session"),
    ("format" = Option<String>, Query, description = "text or svg"),
    ("at_least" = Option<u64>, Query, description = "be as fresh as this position of the log"),
), responses(
    (status = 200, content((String = "text/plain"), (String = "image/svg+xml"))),
    (status = 404, body = Problem)))]
async fn get_ladder(
    State(sessions): State<Sessions>,
    Reach(accounts): Reach,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    params.only(&["format", "at_least"])?;
    let svg = match params.text("format") {
        Some("svg") => true,
        Some("text") => false,
        Some(_) => return Err(Problem::field("format", "must be text or svg")),
        None => accepts(&headers, "image/svg+xml"),
    };
    let told = sessions.tell(&accounts, &id, &params).await?;
    let (kind, body) = match svg {
        true => ("image/svg+xml", told.ladder_svg()),
        false => ("text/plain; charset=utf-8", told.ladder_text()),
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

impl Sessions {
    /// Waits until the rows are as fresh as the request asks.
    async fn fresh(&self, params: &Params) -> Result<(), Problem> {
        match params.position("at_least")? {
            Some(wanted) => Ok(self.views.progress().wait_for(wanted, FRESHNESS).await?),
            None => Ok(()),
        }
    }

    async fn tell(&self, accounts: &[AccountId], id: &str, params: &Params) -> Result<Timeline, Problem> {
        let raw = params.flag("raw")?;
        // Histories come from the log itself: what is durable is in them.
        if params.position("at_least")?.is_some_and(|wanted| wanted > self.log.head()) {
            return Err(Problem::busy("log_behind", "the log has not come that far"));
        }
        let told = timeline(&*self.log, &*self.keyring, session_id(id)?, raw).await?;
        let visible = |told: &Timeline| told.account.is_some_and(|account| accounts.contains(&account));
        told.filter(visible).ok_or_else(|| Problem::not_found("session"))
    }
}

/// What cannot be an id is no session either.
pub(super) fn session_id(text: &str) -> Result<SessionId, Problem> {
    text.parse().map_err(|_| Problem::not_found("session"))
}

/// The accounts that a request is about: one it names, or all it may see.
pub(super) fn within(params: &Params, accounts: &[AccountId]) -> Result<Vec<AccountId>, Problem> {
    match params.read::<AccountId>("account")? {
        None => Ok(accounts.to_vec()),
        Some(account) if accounts.contains(&account) => Ok(vec![account]),
        Some(_) => Err(Problem::not_found("account")),
    }
}

/// Whether a client prefers this media type over those it has not named.
pub(super) fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    let named = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    named.flat_map(|value| value.split(',')).any(|part| part.split(';').next().unwrap_or_default().trim() == kind)
}

fn state(name: &str) -> Result<SessionState, Problem> {
    SessionState::parse(name).ok_or_else(|| Problem::field("state", "must be offered, ringing, answered or ended"))
}

fn bounded(name: &str, text: Option<String>) -> Result<Option<String>, Problem> {
    match text {
        Some(text) if text.is_empty() || text.len() > LONGEST => {
            Err(Problem::field(name, format!("must have 1 to {LONGEST} characters")))
        }
        text => Ok(text),
    }
}
