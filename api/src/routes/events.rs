//! `/v1/events` and `/v1/sessions/{id}/events`: the log as an account may see it, in pages, by long poll or as a
//! stream, without gaps.

mod stream;

use super::query::{At, Flag, Within};
use super::sessions::accepts;
use crate::auth::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::extract::{Id, Params, from_text};
use crate::state::AppState;
use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use domain::ids::{AccountId, SessionId};
use domain::log::Position;
use projections::events::{EventFeed, EventView, FeedError, FeedPage, Live, Visible};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Requests that wait or stream at the same time.
const MOST_WAITING: usize = 512;

/// What these routes read from.
#[derive(Clone)]
pub struct EventState {
    app: AppState,
    feed: Arc<EventFeed>,
    waiting: Arc<Semaphore>,
}

impl EventState {
    /// Routes over this feed.
    pub fn new(app: AppState, feed: Arc<EventFeed>) -> Self {
        Self { app, feed, waiting: Arc::new(Semaphore::new(MOST_WAITING)) }
    }
}

impl FromRef<EventState> for AppState {
    fn from_ref(state: &EventState) -> Self {
        state.app.clone()
    }
}

/// The routes, with their state.
pub fn routes(state: EventState) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(list_of_session)).with_state(state)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EventParams {
    /// `next` of the page before, or an event's position; from the first event on by default.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<u64>)]
    after: Option<At>,
    /// At most so many (1 to 1000, by default 100).
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<u16>)]
    limit: Option<Within<1, 1_000>>,
    /// Where there is no event yet, wait so many seconds for one, at most 60.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<u8>)]
    wait: Option<Within<0, 60>>,
    /// 1: messages come with their bytes in base64.
    #[serde(default, deserialize_with = "from_text")]
    #[param(value_type = Option<u8>)]
    raw: Option<Flag>,
    /// Only this account's; by default the caller's and those of accounts below it.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    account: Option<AccountId>,
}

/// Some events in the order of the log.
#[derive(Debug, Serialize, ToSchema)]
struct EventsBody {
    /// The events.
    items: Vec<EventView>,
    /// What `after` must be to go on without a gap.
    next: u64,
    /// Whether there is more already.
    more: bool,
}

/// Asked again while an answer goes on.
type Allowed = Arc<dyn Fn() -> bool + Send + Sync>;

/// What a request asks for.
struct Asked {
    /// Whether who asks may still.
    allowed: Allowed,
    visible: Visible,
    session: Option<SessionId>,
    after: Position,
    limit: usize,
    wait: Duration,
    raw: bool,
}

/// Events after a position, of sessions and transfers that join two, of MESSAGEs outside calls, and of what the exchange does at
/// trunks of its own accord: a page, a page worth waiting for, or with `Accept: text/event-stream` a stream that ends when the key
/// is revoked, and goes on after `Last-Event-ID`.
#[utoipa::path(get, path = "/v1/events", tag = "events", params(EventParams), security(("basic" = [])),
    responses((status = 200, content((EventsBody = "application/json"), (String = "text/event-stream"))),
        (status = "4XX", body = ErrorBody)))]
async fn list(
    caller: Caller,
    State(state): State<EventState>,
    Params(params): Params<EventParams>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let asked = state.asked(caller, None, &params)?;
    state.answer(asked, &headers).await
}

/// Events of one session after a position; as `/v1/events` otherwise.
#[utoipa::path(get, path = "/v1/sessions/{id}/events", tag = "events", params(("id" = String, Path), EventParams),
    security(("basic" = [])),
    responses((status = 200, content((EventsBody = "application/json"), (String = "text/event-stream"))),
        (status = "4XX", body = ErrorBody)))]
async fn list_of_session(
    caller: Caller,
    State(state): State<EventState>,
    Id(id): Id<SessionId>,
    Params(params): Params<EventParams>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let asked = state.asked(caller, Some(id), &params)?;
    let owner = state.feed.owner(id).await.map_err(no_events)?;
    if !owner.is_some_and(|owner| (asked.visible)(owner)) {
        return Err(ApiError::not_found());
    }
    state.answer(asked, &headers).await
}

impl EventState {
    fn asked(&self, caller: Caller, session: Option<SessionId>, params: &EventParams) -> Result<Asked, ApiError> {
        let provisioning = self.app.provisioning.clone();
        let asking = provisioning.clone();
        let allowed: Allowed = Arc::new(move || caller.still_may(asking.directory()));
        let visible: Visible = match params.account {
            Some(named) => {
                let account = caller.scope(provisioning.directory(), Some(named))?;
                Arc::new(move |owner| owner == account)
            }
            None => Arc::new(move |owner| caller.may_use(provisioning.directory(), owner)),
        };
        Ok(Asked {
            allowed,
            visible,
            session,
            after: params.after.unwrap_or_default().0,
            limit: params.limit.map_or(100, |limit| limit.0.into()),
            wait: Duration::from_secs(params.wait.map_or(0, |wait| wait.0.into())),
            raw: params.raw.is_some_and(|raw| raw.0),
        })
    }

    async fn answer(&self, mut asked: Asked, headers: &HeaderMap) -> Result<Response, ApiError> {
        if accepts(headers, "text/event-stream") {
            if let Some(last) = stream::last_event_id(headers)? {
                asked.after = last;
            }
            return Ok(stream::respond(self.live(&asked)?, asked.allowed, self.place()?).into_response());
        }
        let mut page = self.page(&asked).await?;
        if page.events.is_empty() && !page.more && !asked.wait.is_zero() {
            asked.after = page.next;
            page = self.wait(&asked).await?;
            if !(asked.allowed)() {
                return Err(ApiError::unauthenticated());
            }
        }
        Ok(Json(EventsBody { items: page.events, next: page.next.0, more: page.more }).into_response())
    }

    async fn page(&self, asked: &Asked) -> Result<FeedPage, ApiError> {
        let page = match asked.session {
            Some(session) => self.feed.page_of(session, asked.after, asked.limit, asked.raw).await,
            None => self.feed.page(&asked.visible, asked.after, asked.limit, asked.raw).await,
        };
        page.map_err(no_events)
    }

    /// The first events that come, or none when the time is up.
    async fn wait(&self, asked: &Asked) -> Result<FeedPage, ApiError> {
        let _place = self.place()?;
        let deadline = Instant::now() + asked.wait;
        let mut live = self.live(asked)?;
        let mut next = asked.after;
        while let Ok(page) = timeout_at(deadline, live.next()).await {
            let mut page = page.map_err(no_events)?;
            if page.events.len() > asked.limit {
                page.events.truncate(asked.limit);
                page.more = true;
                page.next = page.events.last().map_or(page.next, |event| Position(event.position));
            }
            if !page.events.is_empty() || !(asked.allowed)() {
                return Ok(page);
            }
            next = next.max(page.next);
        }
        Ok(FeedPage { events: Vec::new(), next, more: false })
    }

    fn live(&self, asked: &Asked) -> Result<Live, ApiError> {
        if asked.after > self.feed.head() {
            return Err(ApiError::invalid("after", "this lies beyond the end of the log"));
        }
        Ok(self.feed.live(asked.visible.clone(), asked.session, asked.after, asked.raw))
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let full = |_| ApiError::unavailable("too many requests wait for events already: try again");
        self.waiting.clone().try_acquire_owned().map_err(full)
    }
}

fn no_events(error: FeedError) -> ApiError {
    tracing::error!(%error, "events could not be read");
    ApiError::unavailable("the events cannot be read now; the exchange's own log tells why")
}
