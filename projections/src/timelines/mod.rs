//! What happened in this session, in order? No table: the question reads the session's stream.

mod entry;
pub mod ladder;
pub(crate) mod legs;
mod message;
mod transfers;
mod words;

pub use entry::Entry;
pub use legs::LegLine;
pub use message::MessageLine;
pub use transfers::{Part, TransferLine};

pub(crate) use message::{line as message_line, message_of};
pub(crate) use words::{ended, few_letters, route_chosen, route_refused};

use crate::beginning::Beginning;
use domain::codec::DecodeError;
use domain::codec::personal::Personal;
use domain::codec::session::decode;
use domain::ids::{AccountId, SessionId};
use domain::log::{EventLog, Pages, Position, ReadError, Recorded, StreamName};
use domain::ports::Keyring;
use domain::session::event::{Parties, SessionEvent};
use domain::time::WallTime;
use serde::Serialize;
use utoipa::ToSchema;

/// Events shown at most; a longer history is cut at the end and says so.
pub const MOST_EVENTS: usize = 10_000;
/// What happened, in a sentence.
pub(crate) fn say_event(event: &SessionEvent, legs: &[LegLine]) -> String {
    match message::message_of(event) {
        Some(message) => message::line(message, false).summary,
        None => words::say(event, legs),
    }
}

/// Why a timeline cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum TimelineError {
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An event could not be understood; nothing is left out silently.
    #[error("event at position {at}: {source}")]
    Decode {
        /// Which.
        at: Position,
        /// Why.
        source: DecodeError,
    },
}

/// How long its phases lasted, in milliseconds; absent where a phase did not come.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, ToSchema)]
pub struct Durations {
    /// From the offer to the first ringing, or to the answer where none rang.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_dial_delay_ms: Option<f64>,
    /// From the first ringing to the answer or the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring_ms: Option<f64>,
    /// From the answer to the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub talk_ms: Option<f64>,
    /// From the offer to the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_ms: Option<f64>,
}

/// A session's history.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Timeline {
    /// The session.
    #[schema(value_type = String)]
    pub session: SessionId,
    /// Whose it is; absent where its stream does not say.
    #[schema(value_type = Option<String>)]
    pub account: Option<AccountId>,
    /// Who talks to whom; absent once erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub parties: Option<Parties>,
    /// What was personal in it was erased; absent where it was not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
    /// When its first event happened, RFC 3339.
    pub started_at: String,
    /// How it ended; absent while it lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// How long its phases lasted.
    pub durations: Durations,
    /// Its legs in the order of their beginning, the caller's first.
    pub legs: Vec<LegLine>,
    /// Transfers that join it with another session, in the order of their beginning.
    pub transfers: Vec<TransferLine>,
    /// Every event in order.
    pub entries: Vec<Entry>,
    /// Position of the last event shown.
    pub position: u64,
    /// There are more events than [`MOST_EVENTS`].
    pub truncated: bool,
}

/// Tells a session's history; `None` where there is no such stream. With `raw`, messages come with their text.
pub async fn timeline(
    log: &dyn EventLog,
    keyring: &dyn Keyring,
    session: SessionId,
    raw: bool,
) -> Result<Option<Timeline>, TimelineError> {
    let (events, truncated) = history(log, keyring, session).await?;
    tell(log, session, &events, (raw, truncated)).await
}

/// The same of events that were read already.
pub(crate) async fn tell(
    log: &dyn EventLog,
    session: SessionId,
    events: &[(Recorded, SessionEvent)],
    (raw, truncated): (bool, bool),
) -> Result<Option<Timeline>, TimelineError> {
    let transfers = transfers::told(log, events).await?;
    Ok(Timeline::of(session, events, raw, truncated).map(|told| Timeline { transfers, ..told }))
}

/// A session's events in order, [`MOST_EVENTS`] at most, and whether there are more.
pub(crate) async fn history(
    log: &dyn EventLog,
    keyring: &dyn Keyring,
    session: SessionId,
) -> Result<(Vec<(Recorded, SessionEvent)>, bool), TimelineError> {
    let stream = StreamName::new("session", session.uuid());
    let mut events: Vec<(Recorded, SessionEvent)> = Vec::new();
    let mut pages = Pages::of(log, &stream);
    loop {
        let page = pages.next().await?;
        let last = page.is_empty();
        for recorded in page {
            if events.len() == MOST_EVENTS {
                return Ok((events, true));
            }
            let event =
                decode(&recorded, keyring).map_err(|source| TimelineError::Decode { at: recorded.position, source })?;
            events.push((recorded, event));
        }
        if last {
            return Ok((events, false));
        }
    }
}

impl Timeline {
    fn of(session: SessionId, events: &[(Recorded, SessionEvent)], raw: bool, truncated: bool) -> Option<Self> {
        let (first, (last, _)) = (events.first()?.0.at, events.last()?);
        let legs = legs::legs(events);
        let begun = events.iter().find_map(|(_, event)| Beginning::of(event));
        let parties = match begun.map(|begun| begun.parties) {
            Some(Personal::Known(parties)) => Some(parties.clone()),
            Some(Personal::Masked) | None => None,
        };
        let ended = events.iter().find_map(|(_, event)| match event {
            SessionEvent::SessionEnded(ended) => Some(words::ended(ended)),
            _ => None,
        });
        Some(Self {
            session,
            account: begun.map(|begun| begun.account),
            erased: begun.is_some() && parties.is_none(),
            parties,
            started_at: first.to_string(),
            ended,
            durations: durations(events),
            transfers: Vec::new(),
            entries: entry::entries(events, &legs, raw),
            legs,
            position: last.position.0,
            truncated,
        })
    }
}

fn durations(events: &[(Recorded, SessionEvent)]) -> Durations {
    let when = |wanted: fn(&SessionEvent) -> bool| {
        events.iter().find(|(_, event)| wanted(event)).map(|(recorded, _)| recorded.at)
    };
    let offered = when(|event| Beginning::of(event).is_some());
    let alerted = when(|event| matches!(event, SessionEvent::LegAlerted(_)));
    let answered = when(|event| matches!(event, SessionEvent::ModeEntered(_)));
    let ended = when(|event| matches!(event, SessionEvent::SessionEnded(_)));
    let span = |from: Option<WallTime>, to: Option<WallTime>| Some(millis(to?, from?));
    Durations {
        post_dial_delay_ms: span(offered, alerted.or(answered)),
        ring_ms: span(alerted, answered.or(ended)),
        talk_ms: span(answered, ended),
        total_ms: span(offered, ended),
    }
}

/// Milliseconds from `start` to `at`, with the microseconds behind the point; negative where the clock was set back.
pub(crate) fn millis(at: WallTime, start: WallTime) -> f64 {
    (at.micros().saturating_sub(start.micros())) as f64 / 1_000.0
}
