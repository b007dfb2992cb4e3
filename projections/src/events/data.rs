//! An event as JSON for people who may see it.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use domain::ids::{AccountId, MessageId, SessionId, TransferId, UplinkId};
use domain::log::Recorded;
use domain::pager::PagerEvent;
use domain::session::event::{ReplacementAsked, SessionEvent, SessionOffered, SessionReferred, Wire};
use domain::uplink::UplinkEvent;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// One event of a session, of a transfer that joins two, of a MESSAGE outside calls, or of what the exchange does at a
/// trunk of its own accord.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct EventView {
    /// Place in the whole log.
    pub position: u64,
    /// Place in its stream: that of its session, transfer, MESSAGE or uplink.
    pub revision: u64,
    /// Identity.
    pub id: String,
    /// The session; absent where the event is none's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub session: Option<SessionId>,
    /// The transfer; its first event names the sessions that it joins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub transfer: Option<TransferId>,
    /// The MESSAGE outside calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub message: Option<MessageId>,
    /// What the exchange does at a trunk, from a start or a change of settings to the next; its first event names the
    /// trunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub uplink: Option<UplinkId>,
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
    /// What was personal in it was erased; absent where it was not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}

impl EventView {
    pub(crate) fn of(recorded: &Recorded, event: &SessionEvent, account: AccountId, raw: bool) -> Self {
        let session = Some(SessionId::from_bits(recorded.correlation.as_u128()));
        Self { session, ..Self::bare(recorded, account, data_of(recorded, event, raw)) }
    }

    pub(super) fn of_transfer(recorded: &Recorded, account: AccountId) -> Self {
        let transfer = Some(TransferId::from_bits(recorded.correlation.as_u128()));
        // Nothing of a transfer is sealed.
        Self { transfer, ..Self::bare(recorded, account, Clear::of(recorded).told()) }
    }

    pub(super) fn of_message(recorded: &Recorded, event: &PagerEvent, account: AccountId, raw: bool) -> Self {
        let message = Some(MessageId::from_bits(recorded.correlation.as_u128()));
        Self { message, ..Self::bare(recorded, account, data_of_message(recorded, event, raw)) }
    }

    pub(super) fn of_uplink(recorded: &Recorded, event: &UplinkEvent, account: AccountId, raw: bool) -> Self {
        let uplink = Some(UplinkId::from_bits(recorded.correlation.as_u128()));
        Self { uplink, ..Self::bare(recorded, account, data_of_uplink(recorded, event, raw)) }
    }

    fn bare(recorded: &Recorded, account: AccountId, told: Told) -> Self {
        let Told { data, erased } = told;
        Self {
            position: recorded.position.0,
            revision: recorded.revision.0,
            id: recorded.id.to_string(),
            session: None,
            transfer: None,
            message: None,
            uplink: None,
            account,
            kind: recorded.kind.to_string(),
            version: recorded.version,
            at: recorded.at.to_string(),
            cause: recorded.cause.map(|cause| cause.to_string()),
            data,
            erased,
        }
    }
}

/// An event's own fields, as far as its reader may know them.
pub(crate) struct Told {
    pub data: Value,
    /// Something was sealed, and no key opens it any more.
    pub erased: bool,
}

/// The clear fields of an event, to which those are added that a key opened.
struct Clear {
    data: Map<String, Value>,
    sealed: bool,
    fields: usize,
}

impl Clear {
    fn of(recorded: &Recorded) -> Self {
        let mut data: Map<String, Value> = serde_json::from_slice(&recorded.data).unwrap_or_default();
        let sealed = data.remove("sealed").is_some();
        Self { fields: data.len(), data, sealed }
    }

    /// What is sealed has one part at most, so that nothing was opened where nothing was added.
    fn told(self) -> Told {
        let erased = self.sealed && self.data.len() == self.fields;
        Told { data: Value::Object(self.data), erased }
    }
}

/// The clear fields as the log has them, and in clear what the reader's keys opened. With `raw`, messages come with
/// their bytes in base64.
pub(crate) fn data_of(recorded: &Recorded, event: &SessionEvent, raw: bool) -> Told {
    let mut clear = Clear::of(recorded);
    let data = &mut clear.data;
    match event {
        SessionEvent::SipMessageReceived(message) | SessionEvent::SipMessageCommitted(message) => {
            message.wire.known().into_iter().for_each(|wire| insert_wire(data, wire, raw));
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
        SessionEvent::ConnectionLost(lost) => {
            if let Some(flow) = lost.flow.known() {
                data.insert("transport".into(), json!(flow.transport));
                data.insert("remote".into(), json!(flow.remote));
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
    clear.told()
}

/// The same of an event of a MESSAGE.
pub(crate) fn data_of_message(recorded: &Recorded, event: &PagerEvent, raw: bool) -> Told {
    let mut clear = Clear::of(recorded);
    match event {
        PagerEvent::MessageHeard(message) | PagerEvent::MessageSent(message) => {
            message.wire.known().into_iter().for_each(|wire| insert_wire(&mut clear.data, wire, raw));
        }
        PagerEvent::MessageOffered(offered) => {
            if let Some(parties) = offered.parties.known() {
                clear.data.insert("parties".into(), json!(parties));
            }
        }
        PagerEvent::MessageRouted(route) => {
            if let Some(targets) = route.targets.known() {
                clear.data.insert("targets".into(), json!(targets));
            }
        }
        PagerEvent::MessageUnroutable(_) | PagerEvent::MessageEnded(_) => {}
    }
    clear.told()
}

/// The same of an event of an uplink.
fn data_of_uplink(recorded: &Recorded, event: &UplinkEvent, raw: bool) -> Told {
    let mut clear = Clear::of(recorded);
    match event {
        UplinkEvent::UplinkSent(message) | UplinkEvent::UplinkHeard(message) => {
            message.wire.known().into_iter().for_each(|wire| insert_wire(&mut clear.data, wire, raw));
        }
        UplinkEvent::UplinkBegun(_)
        | UplinkEvent::UplinkRegistered(_)
        | UplinkEvent::UplinkRefreshed(_)
        | UplinkEvent::UplinkRefused(_)
        | UplinkEvent::UplinkLost(_)
        | UplinkEvent::TrunkDown(_)
        | UplinkEvent::TrunkUp(_)
        | UplinkEvent::UplinkEnded(_) => {}
    }
    clear.told()
}

fn insert_wire(data: &mut Map<String, Value>, wire: &Wire, raw: bool) {
    data.insert("flow".into(), json!(wire.flow));
    if raw {
        data.insert("raw".into(), BASE64.encode(&wire.bytes).into());
    }
}
