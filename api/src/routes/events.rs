//! `/v1/events` and `/v1/sessions/{id}/events`: the log as an account may see it, in pages, by long poll or as a
//! stream, without gaps.

mod stream;

use super::params::Params;
use super::sessions::{accepts, session_id, within};
use super::{Problem, Reach};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use domain::ids::{AccountId, SessionId};
use domain::log::Position;
use projections::events::{EventFeed, EventView, FeedPage};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Longest wait of a long poll, seconds.
const LONGEST_WAIT: u64 = 60;
/// Requests that wait or stream at the same time.
const MOST_WAITING: usize = 512;

/// What the routes read from.
#[derive(Clone)]
pub struct Events {
    feed: Arc<EventFeed>,
    waiting: Arc<Semaphore>,
}

impl Events {
    /// Routes over this feed.
    pub fn new(feed: Arc<EventFeed>) -> Self {
        Self { feed, waiting: Arc::new(Semaphore::new(MOST_WAITING)) }
    }
}

/// The routes.
pub fn router(events: Events) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(list_events)).routes(routes!(list_session_events)).with_state(events)
}

/// Some events in the order of the log.
#[derive(Debug, Serialize, ToSchema)]
struct EventsBody {
    /// The events.
    events: Vec<EventView>,
    /// What `after` must be to go on without a gap.
    next: u64,
    /// Whether there is more already.
    more: bool,
}

/// What a request asks for.
struct Asked {
    accounts: Arc<[AccountId]>,
    session: Option<SessionId>,
    after: Position,
    limit: usize,
    wait: Duration,
    raw: bool,
}

/// Events of your sessions after a position; with `Accept: text/event-stream` as a stream that never ends.
#[utoipa::path(get, path = "/v1/events", tag = "events", params(
    ("after" = Option<u64>, Query, description = "`next` of the page before, or an event's position; from the first by default"),
    ("limit" = Option<u16>, Query, description = "events a page, 1 to 1000, 100 by default"),
    ("wait" = Option<u8>, Query, description = "seconds to wait for an event where there is none yet, at most 60"),
    ("raw" = Option<u8>, Query, description = "1: messages come with their bytes in base64"),
    ("account" = Option<String>, Query, description = "only this account's, yours or one below it"),
    ("Last-Event-ID" = Option<u64>, Header, description = "for streams: go on after this position"),
), responses((status = 200, content((EventsBody = "application/json"), (String = "text/event-stream"))),
    (status = 422, body = Problem)))]
async fn list_events(
    State(events): State<Events>,
    Reach(accounts): Reach,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    params.only(&["after", "limit", "wait", "raw", "account"])?;
    let accounts = within(&params, &accounts)?.into();
    events.answer(asked(accounts, None, &params)?, &headers).await
}

/// Events of one session after a position; as a stream too.
#[utoipa::path(get, path = "/v1/sessions/{id}/events", tag = "events", params(
    ("id" = String, Path, description = "the session"),
    ("after" = Option<u64>, Query, description = "`next` of the page before, or an event's position"),
    ("limit" = Option<u16>, Query, description = "events a page, 1 to 1000, 100 by default"),
    ("wait" = Option<u8>, Query, description = "seconds to wait for an event where there is none yet, at most 60"),
    ("raw" = Option<u8>, Query, description = "1: messages come with their bytes in base64"),
    ("Last-Event-ID" = Option<u64>, Header, description = "for streams: go on after this position"),
), responses((status = 200, content((EventsBody = "application/json"), (String = "text/event-stream"))),
    (status = 404, body = Problem)))]
async fn list_session_events(
    State(events): State<Events>,
    Reach(accounts): Reach,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    params.only(&["after", "limit", "wait", "raw"])?;
    let session = session_id(&id)?;
    match events.feed.owner(session).await? {
        Some(owner) if accounts.contains(&owner) => {}
        Some(_) | None => return Err(Problem::not_found("session")),
    }
    events.answer(asked(accounts, Some(session), &params)?, &headers).await
}

fn asked(accounts: Arc<[AccountId]>, session: Option<SessionId>, params: &Params) -> Result<Asked, Problem> {
    let limit = params.number("limit", 1, EventFeed::MOST as u64, 100)?;
    Ok(Asked {
        accounts,
        session,
        after: params.position("after")?.unwrap_or_default(),
        limit: usize::try_from(limit).unwrap_or(EventFeed::MOST),
        wait: Duration::from_secs(params.number("wait", 0, LONGEST_WAIT, 0)?),
        raw: params.flag("raw")?,
    })
}

impl Events {
    async fn answer(&self, mut asked: Asked, headers: &HeaderMap) -> Result<Response, Problem> {
        if accepts(headers, "text/event-stream") {
            if let Some(last) = stream::last_event_id(headers)? {
                asked.after = last;
            }
            return Ok(stream::respond(self.live(&asked)?, self.turnstile()?).into_response());
        }
        let page = self.page(&asked).await?;
        let page = if page.events.is_empty() && !page.more && !asked.wait.is_zero() {
            asked.after = page.next;
            self.wait(&asked).await?
        } else {
            page
        };
        Ok(Json(EventsBody { events: page.events, next: page.next.0, more: page.more }).into_response())
    }

    async fn page(&self, asked: &Asked) -> Result<FeedPage, Problem> {
        let page = match asked.session {
            Some(session) => self.feed.page_of(session, asked.after, asked.limit, asked.raw).await,
            None => self.feed.page(&asked.accounts, asked.after, asked.limit, asked.raw).await,
        };
        Ok(page?)
    }

    /// The first events that come, or none when the time is up.
    async fn wait(&self, asked: &Asked) -> Result<FeedPage, Problem> {
        let _place = self.turnstile()?;
        let deadline = Instant::now() + asked.wait;
        let mut live = self.live(asked)?;
        let mut next = asked.after;
        while let Ok(page) = timeout_at(deadline, live.next()).await {
            let mut page = page?;
            if page.events.len() > asked.limit {
                page.events.truncate(asked.limit);
                page.more = true;
                page.next = page.events.last().map_or(page.next, |event| Position(event.position));
            }
            if !page.events.is_empty() {
                return Ok(page);
            }
            next = next.max(page.next);
        }
        Ok(FeedPage { events: Vec::new(), next, more: false })
    }

    fn live(&self, asked: &Asked) -> Result<projections::events::Live, Problem> {
        if asked.after > self.feed.head() {
            return Err(Problem::field("after", "lies beyond the end of the log"));
        }
        Ok(self.feed.live(asked.accounts.clone(), asked.session, asked.after, asked.raw))
    }

    fn turnstile(&self) -> Result<tokio::sync::OwnedSemaphorePermit, Problem> {
        let full = |_| Problem::busy("too_many_waiting", "too many requests wait for events already");
        self.waiting.clone().try_acquire_owned().map_err(full)
    }
}
