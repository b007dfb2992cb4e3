//! An event as JSON for people who may see it.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use domain::ids::{AccountId, SessionId, TransferId};
use domain::log::Recorded;
use domain::session::event::{ReplacementAsked, SessionEvent, SessionOffered, SessionReferred, Wire};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// One event of a session, or of a transfer that joins two.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct EventView {
    /// Place in the whole log.
    pub position: u64,
    /// Place in the stream of its session or transfer.
    pub revision: u64,
    /// Identity.
    pub id: String,
    /// The session; absent where the event is a transfer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub session: Option<SessionId>,
    /// The transfer; its first event names the sessions that it joins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub transfer: Option<TransferId>,
    /// Whose it is.
    #[schema(value_type = String)]
    pub account: AccountId,
    /// Type name, e.g. `RouteChosen`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Version of the type's shape.
    pub version: u16,
    /// When it happened, RFC 3339.
    pub at: String,
    /// The event that caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Its own fields; what was erased is absent.
    #[schema(value_type = Object)]
    pub data: Value,
}

impl EventView {
    pub(super) fn of(recorded: &Recorded, event: &SessionEvent, account: AccountId, raw: bool) -> Self {
        let session = Some(SessionId::from_bits(recorded.correlation.as_u128()));
        Self { session, ..Self::bare(recorded, account, data_of(recorded, event, raw)) }
    }

    /// Nothing of a transfer is sealed.
    pub(super) fn of_transfer(recorded: &Recorded, account: AccountId) -> Self {
        let transfer = Some(TransferId::from_bits(recorded.correlation.as_u128()));
        let data = serde_json::from_slice(&recorded.data).unwrap_or_default();
        Self { transfer, ..Self::bare(recorded, account, data) }
    }

    fn bare(recorded: &Recorded, account: AccountId, data: Value) -> Self {
        Self {
            position: recorded.position.0,
            revision: recorded.revision.0,
            id: recorded.id.to_string(),
            session: None,
            transfer: None,
            account,
            kind: recorded.kind.to_string(),
            version: recorded.version,
            at: recorded.at.to_string(),
            cause: recorded.cause.map(|cause| cause.to_string()),
            data,
        }
    }
}

/// The clear fields as the log has them, and in clear what the reader's keys opened. With `raw`, messages come with
/// their bytes in base64.
pub(crate) fn data_of(recorded: &Recorded, event: &SessionEvent, raw: bool) -> Value {
    let mut data: Map<String, Value> = serde_json::from_slice(&recorded.data).unwrap_or_default();
    data.remove("sealed");
    match event {
        SessionEvent::SipMessageReceived(message) | SessionEvent::SipMessageCommitted(message) => {
            message.wire.known().into_iter().for_each(|wire| insert_wire(&mut data, wire, raw));
        }
        SessionEvent::SessionOffered(SessionOffered { parties, .. })
        | SessionEvent::SessionReferred(SessionReferred { parties, .. })
        | SessionEvent::ReplacementAsked(ReplacementAsked { parties, .. }) => {
            if let Some(parties) = parties.known() {
                data.insert("parties".into(), json!(parties));
            }
        }
        SessionEvent::LegTaken(taken) => {
            if let Some(carried) = taken.carried.known() {
                data.insert("carried".into(), json!(carried));
            }
        }
        SessionEvent::RouteChosen(route) => {
            if let Some(targets) = route.targets.known() {
                data.insert("targets".into(), json!(targets));
            }
        }
        SessionEvent::TransferAsked(asked) => {
            if let Some(target) = asked.target.known() {
                data.insert("target".into(), json!(target));
            }
        }
        SessionEvent::MediaLatched(latched) => {
            if let Some(source) = latched.source.known() {
                data.insert("source".into(), json!(source));
            }
        }
        SessionEvent::SipMessageRepeated(_)
        | SessionEvent::RouteRefused(_)
        | SessionEvent::LegInvited(_)
        | SessionEvent::LegAlerted(_)
        | SessionEvent::LegChallenged(_)
        | SessionEvent::LegAnswered(_)
        | SessionEvent::LegConfirmed(_)
        | SessionEvent::LegRefused(_)
        | SessionEvent::LegsBridged(_)
        | SessionEvent::ModeEntered(_)
        | SessionEvent::MediaReserved(_)
        | SessionEvent::OfferMade(_)
        | SessionEvent::OfferAccepted(_)
        | SessionEvent::OfferRefused(_)
        | SessionEvent::SessionTimerSet(_)
        | SessionEvent::TransferRefused(_)
        | SessionEvent::ReplacementRefused(_)
        | SessionEvent::TransferLinked(_)
        | SessionEvent::LegGivenAway(_)
        | SessionEvent::LegReturned(_)
        | SessionEvent::LegRegained(_)
        | SessionEvent::LegReplaced(_)
        | SessionEvent::TransferCompleted(_)
        | SessionEvent::TransferFailed(_)
        | SessionEvent::MediaFellSilent(_)
        | SessionEvent::MediaHeard(_)
        | SessionEvent::MediaMeasured(_)
        | SessionEvent::LegReleased(_)
        | SessionEvent::SessionEnded(_) => {}
    }
    Value::Object(data)
}

fn insert_wire(data: &mut Map<String, Value>, wire: &Wire, raw: bool) {
    data.insert("flow".into(), json!(wire.flow));
    if raw {
        data.insert("raw".into(), BASE64.encode(&wire.bytes).into());
    }
}
