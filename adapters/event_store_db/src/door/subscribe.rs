//! Subscriptions: what was there, then what comes, for as long as the reader reads. One that does not makes us wait, not
//! remember.

use super::envelope::{now, read_event};
use super::filter::Wanted;
use super::names::Place;
use super::read::{AHEAD, From, admits, find, permit, send};
use super::status::unreadable;
use super::{Answers, Shared, answers};
use crate::wire::streams::ReadResp;
use crate::wire::streams::read_resp::{self as resp, CaughtUp, Checkpoint, Content, SubscriptionConfirmation};
use domain::log::{Direction, Filter, Follow, Followed, Position, Recorded, Revision, StreamName};
use std::sync::Arc;
use tokio::sync::mpsc;
use tonic::Status;
use uuid::Uuid;

/// Events read from the log at a time.
const PAGE: usize = 128;

/// Where events are sent to.
type Out = mpsc::Sender<Result<ReadResp, Status>>;

/// Follows all streams after a position.
///
/// # Errors
/// Too many do, or the position is none of this log.
pub async fn all(
    shared: Arc<Shared>,
    after: Position,
    structured: bool,
    wanted: Option<Wanted>,
) -> Result<Answers<ReadResp>, Status> {
    let permit = permit(&shared.rooms.subscriptions, "subscriptions")?;
    if after > shared.log.head() {
        return Err(Status::out_of_range("the log ends before that position: is it another log?"));
    }
    let (out, receiver) = mpsc::channel(AHEAD);
    confirm(&out).await;
    let filter = wanted.as_ref().map(Wanted::narrowed).unwrap_or_default();
    let follow = shared.log.follow(after, filter);
    tokio::spawn(async move {
        let _permit = permit;
        if let Err(status) = (All { structured, wanted, out: &out }).follow(follow).await {
            // The reader has gone.
            let _ = out.send(Err(status)).await;
        }
    });
    Ok(answers(receiver))
}

/// Follows one stream from a revision on.
///
/// # Errors
/// Too many do, the stream was deleted for good, or the log cannot be read.
pub async fn stream(
    shared: Arc<Shared>,
    place: Place,
    after: From,
    structured: bool,
) -> Result<Answers<ReadResp>, Status> {
    let permit = permit(&shared.rooms.subscriptions, "subscriptions")?;
    let found = find(&shared, place).await?;
    let first = found.last.map_or(found.next, |last| found.retention.first(last));
    let next = match after {
        From::Start => first,
        From::Revision(revision) => revision.saturating_add(1).max(first),
        From::End => found.next,
    };
    let (out, receiver) = mpsc::channel(AHEAD);
    confirm(&out).await;
    tokio::spawn(async move {
        let _permit = permit;
        if let Err(status) = (One { stream: found.stream, structured, next, out: &out }).follow(&shared).await {
            // The reader has gone.
            let _ = out.send(Err(status)).await;
        }
    });
    Ok(answers(receiver))
}

async fn confirm(out: &Out) {
    // The channel is new: there is room.
    let _ = send(out, Content::Confirmation(SubscriptionConfirmation { subscription_id: Uuid::new_v4().to_string() }))
        .await;
}

/// The next of a follower; `None` where the reader has gone.
async fn next(follow: &mut dyn Follow, out: &Out) -> Result<Option<Followed>, Status> {
    tokio::select! {
        () = out.closed() => Ok(None),
        followed = follow.next() => followed.map(Some).map_err(|error| unreadable(&error)),
    }
}

fn timestamp() -> prost_types::Timestamp {
    let micros = now().micros();
    let nanos = (micros.rem_euclid(1_000_000) * 1_000) as i32;
    prost_types::Timestamp { seconds: micros.div_euclid(1_000_000), nanos }
}

/// A subscription to all streams.
struct All<'a> {
    structured: bool,
    wanted: Option<Wanted>,
    out: &'a Out,
}

impl All<'_> {
    async fn follow(&self, mut follow: Box<dyn Follow>) -> Result<(), Status> {
        while let Some(followed) = next(&mut *follow, self.out).await? {
            let reads = match followed {
                Followed::Events(events) => self.events(&events).await?,
                Followed::Checkpoint(position) => self.checkpoint(position).await,
                Followed::CaughtUp(position) => self.caught_up(position).await,
            };
            if !reads {
                break;
            }
        }
        Ok(())
    }

    async fn events(&self, events: &[Recorded]) -> Result<bool, Status> {
        let mut told = true;
        for event in events {
            told = admits(self.wanted.as_ref(), event)?;
            if told && self.out.send(Ok(read_event(event, self.structured)?)).await.is_err() {
                return Ok(false);
            }
        }
        // What the reader does not want, it need not look at again after a restart.
        match events.last().filter(|_| !told) {
            Some(event) => Ok(self.checkpoint(event.position).await),
            None => Ok(true),
        }
    }

    async fn checkpoint(&self, position: Position) -> bool {
        let (commit_position, prepare_position) = (position.0, position.0);
        let timestamp = Some(timestamp());
        send(self.out, Content::Checkpoint(Checkpoint { commit_position, prepare_position, timestamp })).await
    }

    async fn caught_up(&self, position: Position) -> bool {
        let place = resp::Position { commit_position: position.0, prepare_position: position.0 };
        let position = (position > Position(0)).then_some(place);
        send(self.out, Content::CaughtUp(CaughtUp { timestamp: Some(timestamp()), stream_revision: None, position }))
            .await
    }
}

/// A subscription to one stream.
struct One<'a> {
    stream: StreamName,
    structured: bool,
    /// The revision that comes next.
    next: u64,
    out: &'a Out,
}

impl One<'_> {
    async fn follow(&mut self, shared: &Shared) -> Result<(), Status> {
        // Taken before the stream is read: what comes meanwhile is seen twice rather than never.
        let head = shared.log.head();
        loop {
            let page = shared.log.read_stream(&self.stream, Revision(self.next), Direction::Forwards, PAGE).await;
            let page = page.map_err(|error| unreadable(&error))?;
            if !self.events(&page).await? {
                return Ok(());
            }
            if page.len() < PAGE {
                break;
            }
        }
        let filter = Filter { categories: vec![self.stream.category().to_owned()], kinds: Vec::new() };
        let mut follow = shared.log.follow(head, filter);
        while let Some(followed) = next(&mut *follow, self.out).await? {
            let reads = match followed {
                Followed::Events(events) => self.events(&events).await?,
                Followed::Checkpoint(_) => true,
                Followed::CaughtUp(_) => self.caught_up().await,
            };
            if !reads {
                break;
            }
        }
        Ok(())
    }

    async fn events(&mut self, events: &[Recorded]) -> Result<bool, Status> {
        for event in events.iter().filter(|event| event.stream == self.stream) {
            if event.revision.0 < self.next {
                continue;
            }
            self.next = event.revision.0 + 1;
            if self.out.send(Ok(read_event(event, self.structured)?)).await.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn caught_up(&self) -> bool {
        let stream_revision = self.next.checked_sub(1).and_then(|revision| i64::try_from(revision).ok());
        let caught_up = CaughtUp { timestamp: Some(timestamp()), stream_revision, position: None };
        send(self.out, Content::CaughtUp(caught_up)).await
    }
}
