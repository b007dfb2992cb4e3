//! What happened to this MESSAGE, in order? No table: the question reads its stream.

use super::known::Known;
use super::row::MessageRow;
use super::words;
use crate::events::data_of_message;
use crate::timelines::{Entry, TimelineError, message_line, millis};
use domain::codec::pager::decode;
use domain::ids::{LegId, MessageId, TrunkId};
use domain::log::{Direction, EventLog, Recorded, Revision, StreamName};
use domain::pager::PagerEvent;
use domain::ports::Keyring;
use domain::session::event::{SipMessage, Target, Way};
use serde::Serialize;
use utoipa::ToSchema;

/// Events shown at most: many times what a MESSAGE to the most targets that are asked leaves.
pub const MOST_EVENTS: usize = 1_000;

/// A target that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TargetLine {
    /// Which of the route's targets, from 0.
    pub target: u8,
    /// Our side of the transaction with it.
    #[schema(value_type = String)]
    pub leg: LegId,
    /// The trunk by which it was asked; absent for others, or once erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub trunk: Option<TrunkId>,
    /// Its SIP URI; absent once erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Where the MESSAGE was sent; absent once erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// What it said last; absent where nothing came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// A MESSAGE's history.
#[derive(Debug, Clone, PartialEq)]
pub struct Story {
    /// The MESSAGE, as its row would be.
    pub row: MessageRow,
    /// Whom it went to, in the order of asking.
    pub targets: Vec<TargetLine>,
    /// Every event in order.
    pub entries: Vec<Entry>,
    /// There are more events than [`MOST_EVENTS`].
    pub truncated: bool,
}

/// Tells a MESSAGE's history; `None` where there is no such stream. With `raw`, messages come with their text.
pub async fn story(
    log: &dyn EventLog,
    keyring: &dyn Keyring,
    id: MessageId,
    raw: bool,
) -> Result<Option<Story>, TimelineError> {
    let stream = StreamName::new(PagerEvent::CATEGORY, id.uuid());
    let mut events = log.read_stream(&stream, Revision(0), Direction::Forwards, MOST_EVENTS + 1).await?;
    let truncated = events.len() > MOST_EVENTS;
    events.truncate(MOST_EVENTS);
    let (mut read, mut known) = (Vec::with_capacity(events.len()), Known::default());
    for recorded in events {
        let event =
            decode(&recorded, keyring).map_err(|source| TimelineError::Decode { at: recorded.position, source })?;
        known.apply(&recorded, &event);
        read.push((recorded, event));
    }
    let Some(row) = known.row(id) else { return Ok(None) };
    let sender = known.offered.map(|(_, _, offered)| offered.leg);
    let targets = targets(sender, &read);
    let entries = entries(sender, &targets, &read, raw);
    Ok(Some(Story { row, targets, entries, truncated }))
}

/// Targets are asked in their order, each by a leg of its own.
fn targets(sender: Option<LegId>, events: &[(Recorded, PagerEvent)]) -> Vec<TargetLine> {
    let mut chosen: &[Target] = &[];
    let mut lines: Vec<TargetLine> = Vec::new();
    for (_, event) in events {
        match event {
            PagerEvent::MessageRouted(route) => chosen = route.targets.known().map_or(&[], Vec::as_slice),
            PagerEvent::MessageSent(message) if message.status.is_none() => {
                // One that asked who we are is asked again, by the same leg.
                if Some(message.leg) != sender && lines.iter().all(|line| line.leg != message.leg) {
                    lines.push(line(message.leg, lines.len(), chosen));
                }
            }
            PagerEvent::MessageHeard(message) => {
                if let Some(line) = lines.iter_mut().find(|line| line.leg == message.leg) {
                    line.status = message.status;
                }
            }
            PagerEvent::MessageSent(_)
            | PagerEvent::MessageOffered(_)
            | PagerEvent::MessageUnroutable(_)
            | PagerEvent::MessageEnded(_) => {}
        }
    }
    lines
}

fn line(leg: LegId, index: usize, chosen: &[Target]) -> TargetLine {
    let target = chosen.get(index);
    TargetLine {
        // A route has far fewer.
        target: u8::try_from(index).unwrap_or(u8::MAX),
        leg,
        trunk: target.and_then(|target| target.trunk),
        uri: target.map(|target| target.uri.clone()),
        destination: target.map(|target| target.destination.to_string()),
        status: None,
    }
}

fn entries(sender: Option<LegId>, targets: &[TargetLine], events: &[(Recorded, PagerEvent)], raw: bool) -> Vec<Entry> {
    let Some(start) = events.first().map(|(recorded, _)| recorded.at) else { return Vec::new() };
    let entry = |(recorded, event): &(Recorded, PagerEvent)| {
        let (direction, message) = wire_of(event).unzip();
        let message = message.map(|message| message_line(message, raw));
        let leg = leg_of(event);
        Entry {
            position: recorded.position.0,
            revision: recorded.revision.0,
            at: recorded.at.to_string(),
            since_start_ms: millis(recorded.at, start),
            event: recorded.kind.to_string(),
            leg,
            role: leg.map(|leg| words::role(sender, targets, leg)),
            direction,
            data: message.is_none().then(|| data_of_message(recorded, event, false).data),
            text: message.as_ref().map_or_else(|| words::say(event), |message| message.summary.clone()),
            message,
        }
    };
    events.iter().map(entry).collect()
}

/// The message that an event holds, and which way it went.
const fn wire_of(event: &PagerEvent) -> Option<(Way, &SipMessage)> {
    match event {
        PagerEvent::MessageHeard(message) => Some((Way::Received, message)),
        PagerEvent::MessageSent(message) => Some((Way::Sent, message)),
        PagerEvent::MessageOffered(_)
        | PagerEvent::MessageRouted(_)
        | PagerEvent::MessageUnroutable(_)
        | PagerEvent::MessageEnded(_) => None,
    }
}

/// The leg that an event is about.
const fn leg_of(event: &PagerEvent) -> Option<LegId> {
    match event {
        PagerEvent::MessageHeard(message) | PagerEvent::MessageSent(message) => Some(message.leg),
        PagerEvent::MessageOffered(offered) => Some(offered.leg),
        PagerEvent::MessageRouted(_) | PagerEvent::MessageUnroutable(_) | PagerEvent::MessageEnded(_) => None,
    }
}
