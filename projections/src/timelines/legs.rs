//! Legs by the names a reader gives them.

use crate::names::name_of;
use domain::ids::{LegId, TrunkId};
use domain::log::Recorded;
use domain::session::event::SessionEvent;
use serde::Serialize;
use utoipa::ToSchema;

/// One leg.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LegLine {
    /// The leg; also our tag in its dialog.
    #[schema(value_type = String)]
    pub leg: LegId,
    /// `caller` (the dialog of the REFER, where one began it), `callee 1`, `callee 2` …, `newcomer 1` who asked for another's place …, `joined 1` from another
    /// session …
    pub role: String,
    /// The trunk it came or leaves by.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub trunk: Option<TrunkId>,
    /// Index of its target in the route, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<u8>,
    /// What became of it: `answered`, or why and with which status it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released: Option<String>,
}

/// A session's legs, the caller's first, then in the order of their invitation.
pub(super) fn legs(events: &[(Recorded, SessionEvent)]) -> Vec<LegLine> {
    let mut legs = Vec::new();
    events.iter().for_each(|(_, event)| take(&mut legs, event));
    legs
}

/// The next event of a session, for its legs.
pub(crate) fn take(legs: &mut Vec<LegLine>, event: &SessionEvent) {
    match event {
        SessionEvent::SessionOffered(offered) => {
            legs.insert(0, line(offered.leg, "caller".to_owned(), offered.trunk, None));
        }
        SessionEvent::SessionReferred(asked) => {
            legs.insert(0, line(asked.leg, "caller".to_owned(), asked.trunk, None));
        }
        SessionEvent::LegInvited(invited) => {
            let callees = legs.iter().filter(|leg| leg.role.starts_with("callee")).count();
            let role = format!("callee {}", callees + 1);
            legs.push(line(invited.leg, role, invited.trunk, Some(invited.target)));
        }
        SessionEvent::ReplacementAsked(asked) => {
            let newcomers = legs.iter().filter(|leg| leg.role.starts_with("newcomer")).count();
            legs.push(line(asked.leg, format!("newcomer {}", newcomers + 1), asked.trunk, None));
        }
        SessionEvent::LegTaken(taken) => {
            let others = legs.iter().filter(|leg| leg.role.starts_with("joined")).count();
            legs.push(line(taken.leg, format!("joined {}", others + 1), taken.trunk, None));
        }
        SessionEvent::LegAnswered(answered) => {
            set(legs, answered.leg, |leg| leg.outcome = Some("answered".to_owned()));
        }
        SessionEvent::LegRefused(refused) => {
            let outcome = format!("{} {}", name_of(&refused.cause), refused.status);
            set(legs, refused.leg, |leg| leg.outcome = Some(outcome));
        }
        SessionEvent::LegReleased(released) => {
            set(legs, released.leg, |leg| leg.released = Some(name_of(&released.cause)));
        }
        SessionEvent::SipMessageReceived(_)
        | SessionEvent::SipMessageCommitted(_)
        | SessionEvent::SipMessageRepeated(_)
        | SessionEvent::RouteChosen(_)
        | SessionEvent::RouteRefused(_)
        | SessionEvent::LegAlerted(_)
        | SessionEvent::LegChallenged(_)
        | SessionEvent::LegConfirmed(_)
        | SessionEvent::LegsBridged(_)
        | SessionEvent::ModeEntered(_)
        | SessionEvent::MediaReserved(_)
        | SessionEvent::OfferMade(_)
        | SessionEvent::OfferAccepted(_)
        | SessionEvent::OfferRefused(_)
        | SessionEvent::SessionTimerSet(_)
        | SessionEvent::ConnectionLost(_)
        | SessionEvent::TransferAsked(_)
        | SessionEvent::TransferRefused(_)
        | SessionEvent::ReplacementRefused(_)
        | SessionEvent::TransferLinked(_)
        | SessionEvent::LegGivenAway(_)
        | SessionEvent::LegReturned(_)
        | SessionEvent::LegRegained(_)
        | SessionEvent::LegReplaced(_)
        | SessionEvent::TransferCompleted(_)
        | SessionEvent::TransferFailed(_)
        | SessionEvent::MediaLatched(_)
        | SessionEvent::MediaFellSilent(_)
        | SessionEvent::MediaHeard(_)
        | SessionEvent::MediaMeasured(_)
        | SessionEvent::SessionEnded(_) => {}
    }
}

fn line(leg: LegId, role: String, trunk: Option<TrunkId>, target: Option<u8>) -> LegLine {
    LegLine { leg, role, trunk, target, outcome: None, released: None }
}

fn set(legs: &mut [LegLine], leg: LegId, change: impl FnOnce(&mut LegLine)) {
    if let Some(line) = legs.iter_mut().find(|line| line.leg == leg) {
        change(line);
    }
}

/// The name of a leg; its id where it never began.
pub(crate) fn role(legs: &[LegLine], leg: LegId) -> String {
    legs.iter().find(|line| line.leg == leg).map_or_else(|| leg.to_string(), |line| line.role.clone())
}

/// The leg that an event is about.
pub(crate) fn leg_of(event: &SessionEvent) -> Option<LegId> {
    match event {
        SessionEvent::SipMessageReceived(message) | SessionEvent::SipMessageCommitted(message) => Some(message.leg),
        SessionEvent::SipMessageRepeated(repeated) => Some(repeated.leg),
        SessionEvent::SessionOffered(offered) => Some(offered.leg),
        SessionEvent::SessionReferred(asked) => Some(asked.leg),
        SessionEvent::LegInvited(invited) => Some(invited.leg),
        SessionEvent::LegAlerted(alerted) => Some(alerted.leg),
        SessionEvent::LegChallenged(challenged) => Some(challenged.leg),
        SessionEvent::LegAnswered(answered) => Some(answered.leg),
        SessionEvent::LegConfirmed(confirmed) => Some(confirmed.leg),
        SessionEvent::LegRefused(refused) => Some(refused.leg),
        SessionEvent::ModeEntered(entered) => Some(entered.by),
        SessionEvent::MediaReserved(reserved) => Some(reserved.leg),
        SessionEvent::OfferMade(made) => Some(made.leg),
        SessionEvent::OfferAccepted(accepted) => Some(accepted.leg),
        SessionEvent::OfferRefused(refused) => Some(refused.leg),
        SessionEvent::SessionTimerSet(set) => Some(set.leg),
        SessionEvent::TransferAsked(asked) => Some(asked.leg),
        SessionEvent::TransferRefused(refused) => Some(refused.leg),
        SessionEvent::ReplacementAsked(asked) => Some(asked.leg),
        SessionEvent::ReplacementRefused(refused) => Some(refused.leg),
        SessionEvent::TransferLinked(linked) => Some(linked.leg),
        SessionEvent::LegGivenAway(given) => Some(given.leg),
        SessionEvent::LegTaken(taken) => Some(taken.leg),
        SessionEvent::LegReturned(returned) => Some(returned.leg),
        SessionEvent::LegRegained(regained) => Some(regained.leg),
        SessionEvent::LegReplaced(replaced) => Some(replaced.leg),
        SessionEvent::TransferCompleted(completed) => Some(completed.leg),
        SessionEvent::TransferFailed(failed) => Some(failed.leg),
        SessionEvent::MediaLatched(latched) => Some(latched.leg),
        SessionEvent::MediaFellSilent(silent) => Some(silent.leg),
        SessionEvent::MediaHeard(heard) => Some(heard.leg),
        SessionEvent::LegReleased(released) => Some(released.leg),
        SessionEvent::SessionEnded(ended) => ended.by,
        SessionEvent::RouteChosen(_)
        | SessionEvent::RouteRefused(_)
        | SessionEvent::LegsBridged(_)
        | SessionEvent::ConnectionLost(_)
        | SessionEvent::MediaMeasured(_) => None,
    }
}
