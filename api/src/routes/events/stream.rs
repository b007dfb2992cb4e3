//! Events as server-sent events: `id` is the position, so a client that reconnects goes on without a gap.

use super::Allowed;
use crate::error::ApiError;
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use domain::log::Position;
use futures_util::Stream;
use futures_util::stream;
use projections::events::{EventView, FeedError, Live};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

/// A comment is sent when nothing else was for so long, so that proxies keep the connection. So often at least it is asked
/// whether the reader still may.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often a client whose events are rare is told how far the log was looked at.
const MILESTONE: Duration = Duration::from_secs(10);

/// The position after which a client that comes back wants to go on.
pub(super) fn last_event_id(headers: &HeaderMap) -> Result<Option<Position>, ApiError> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let position = value.to_str().ok().and_then(|text| text.parse().ok());
    let message = "must be the id of an event of this stream: a position";
    position.map(|position| Some(Position(position))).ok_or_else(|| ApiError::invalid("Last-Event-ID", message))
}

/// A stream that ends when the client goes or may read no more, or after an event that cannot be read.
pub(super) fn respond(
    live: Live,
    allowed: Allowed,
    place: OwnedSemaphorePermit,
) -> Sse<impl Stream<Item = Result<Event, axum::Error>>> {
    let feed = Feed { live, allowed, waiting: VecDeque::new(), told: Instant::now(), over: false, _place: place };
    let events = stream::unfold(feed, |mut feed| async move { Some((feed.next().await?, feed)) });
    Sse::new(events)
}

struct Feed {
    live: Live,
    allowed: Allowed,
    waiting: VecDeque<EventView>,
    told: Instant,
    over: bool,
    _place: OwnedSemaphorePermit,
}

impl Feed {
    async fn next(&mut self) -> Option<Result<Event, axum::Error>> {
        loop {
            if self.over || !(self.allowed)() {
                return None;
            }
            if let Some(view) = self.waiting.pop_front() {
                self.told = Instant::now();
                return Some(Event::default().id(view.position.to_string()).json_data(&view));
            }
            let Ok(page) = timeout(HEARTBEAT, self.live.next()).await else {
                return Some(Ok(Event::default().comment("")));
            };
            match page {
                Ok(page) if !page.events.is_empty() => self.waiting.extend(page.events),
                // An id alone moves the client's Last-Event-ID and is no event to it.
                Ok(page) if self.told.elapsed() >= MILESTONE => {
                    self.told = Instant::now();
                    return Some(Ok(Event::default().id(page.next.to_string())));
                }
                Ok(_) => {}
                Err(error) => {
                    self.over = true;
                    return Some(Ok(failure(&error)));
                }
            }
        }
    }
}

fn failure(error: &FeedError) -> Event {
    tracing::error!(%error, "a stream of events ended");
    Event::default().event("error").data("the log cannot be read on; the log of the exchange tells why")
}
