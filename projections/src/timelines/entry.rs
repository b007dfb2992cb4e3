//! An event as a line of a timeline.

use super::legs::{self, LegLine};
use super::message::{self, MessageLine};
use super::{millis, words};
use crate::events::data_of;
use domain::ids::{EventId, LegId};
use domain::log::Recorded;
use domain::session::event::{SessionEvent, Way};
use serde::Serialize;
use std::collections::HashMap;
use utoipa::ToSchema;

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Entry {
    /// Place in the whole log.
    pub position: u64,
    /// Place in the session's stream.
    pub revision: u64,
    /// When it happened, RFC 3339.
    pub at: String,
    /// Milliseconds since the session's first event.
    pub since_start_ms: f64,
    /// Type name, e.g. `RouteChosen`.
    pub event: String,
    /// The leg it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub leg: Option<LegId>,
    /// The leg's name: `caller`, `callee 1` …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// For messages: which way it went.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub direction: Option<Way>,
    /// For messages: the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageLine>,
    /// What happened and why, in a sentence.
    pub text: String,
    /// The event's own fields; absent for messages, which say it all above.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub data: Option<serde_json::Value>,
}

pub(super) fn entries(events: &[(Recorded, SessionEvent)], legs: &[LegLine], raw: bool) -> Vec<Entry> {
    let Some(start) = events.first().map(|(recorded, _)| recorded.at) else { return Vec::new() };
    // Repeats name the event that holds the bytes.
    let mut summaries: HashMap<EventId, String> = HashMap::new();
    let mut entries = Vec::with_capacity(events.len());
    for (recorded, event) in events {
        let direction = message::way_of(event);
        let message = message::message_of(event).map(|message| message::line(message, raw));
        let text = match (&message, event) {
            (Some(message), _) => message.summary.clone(),
            (None, SessionEvent::SipMessageRepeated(repeated)) => {
                let what = summaries.get(&repeated.of).map_or("a message", String::as_str);
                words::repeated(what, repeated.times)
            }
            (None, event) => words::say(event, legs),
        };
        if let Some(message) = &message {
            summaries.insert(recorded.id, message.summary.clone());
        }
        let leg = legs::leg_of(event);
        entries.push(Entry {
            position: recorded.position.0,
            revision: recorded.revision.0,
            at: recorded.at.to_string(),
            since_start_ms: millis(recorded.at, start),
            event: recorded.kind.to_string(),
            leg,
            role: leg.map(|leg| legs::role(legs, leg)),
            direction,
            data: message.is_none().then(|| data_of(recorded, event, false).data),
            message,
            text,
        });
    }
    entries
}
