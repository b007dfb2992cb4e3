//! A request within one leg's dialog that the other leg shall have: INFO, MESSAGE.

use super::refuse::mapped;
use crate::ids::LegId;
use crate::session::leg::{LegRole, LegStatus};
use crate::session::order::{Context, Order};
use crate::session::state::Session;
use crate::sip::endpoint::{Body, RequestPlan, SessionHeaders};
use crate::sip::timer::TransactionId;
use crate::sip::wire::{HeaderName, Message, Method};

/// Headers of a request that pass: what the body is, and what it is for.
const PASSED: [&str; 9] = [
    "Info-Package",
    "Recv-Info",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "MIME-Version",
    "Subject",
    "Priority",
    "User-to-User",
];

/// Headers of an answer that pass: which INFO its sender would have taken (RFC 6086 §5.2.2).
const PASSED_BACK: [&str; 1] = ["Recv-Info"];

impl Session {
    /// The peer of `leg` sent a request that waits for what the other leg says.
    pub(super) fn on_requested(
        &mut self,
        context: &mut Context<'_>,
        leg: LegId,
        transaction: TransactionId,
        request: &Message,
    ) {
        let Some(method) = request.method().cloned() else { return };
        match method {
            Method::Update => return self.on_update(context, leg, transaction, 500),
            // It cannot be said again: nothing that invites to that.
            Method::Prack => {
                self.hear_prack(leg, request);
                return self.on_update(context, leg, transaction, 488);
            }
            _ => {}
        }
        let live = self.leg(leg).is_some_and(crate::session::leg::Leg::is_live);
        match self.counterpart(leg) {
            Some(peer) => {
                let plan = relayed(peer, method, transaction, request);
                context.order(Order::Request(Box::new(plan)));
            }
            // Nobody is there yet, or it is not clear who of several: later.
            None if live => self.respond(context, transaction, 500),
            None => self.respond(context, transaction, 481),
        }
    }

    /// What the leg said to a request that was sent for another's; 481, 408 and silence mean that its dialog is gone
    /// (RFC 3261 §12.2.1.2).
    pub(super) fn on_responded(
        &mut self,
        context: &mut Context<'_>,
        leg: LegId,
        asked_by: TransactionId,
        response: Option<&Message>,
    ) {
        if let Some(offer) = self.offer_to(leg).filter(|offer| offer.by_update && offer.asked_by == Some(asked_by)) {
            return self.on_update_answered(context, offer, response);
        }
        let status = response.and_then(Message::status).unwrap_or(408);
        let headers = response.map(passed_back).unwrap_or_default();
        // Said before the call may end by it; after its time nobody waits for it.
        let told = if (200..300).contains(&status) { status } else { told(status) };
        context.order(Order::Respond { transaction: asked_by, status: told, headers, body: None });
        // A leg that rings has its INVITE's final response to come.
        let answered = self.leg(leg).is_some_and(crate::session::leg::Leg::is_answered);
        if answered && matches!(status, 408 | 481) {
            self.on_dialog_gone(context, leg);
        }
    }

    pub(super) fn respond(&mut self, context: &mut Context<'_>, transaction: TransactionId, status: u16) {
        context.order(Order::Respond { transaction, status, headers: SessionHeaders::default(), body: None });
    }

    /// The leg that hears what this one says: the bridged one, or while the call rings the caller and the only callee
    /// that rings.
    pub(super) fn counterpart(&self, leg: LegId) -> Option<LegId> {
        if self.bridged.is_some() {
            let peer = self.peer_of(leg)?;
            return self.leg(peer).filter(|peer| peer.is_answered()).map(|peer| peer.id);
        }
        let rings = |leg: &&crate::session::leg::Leg| leg.status == LegStatus::Alerting;
        let asker = self.leg(leg).filter(|leg| leg.is_early())?;
        match asker.role {
            LegRole::Callee => self.caller().filter(|caller| caller.is_early()).map(|caller| caller.id),
            LegRole::Caller => {
                let mut ringing = self.legs.iter().filter(|leg| leg.role == LegRole::Callee).filter(rings);
                ringing.next().filter(|_| ringing.next().is_none()).map(|callee| callee.id)
            }
        }
    }
}

/// What an asker is told: what was meant for it, else as INVITEs are answered. A 408 is never sent to anything but INVITE
/// (RFC 4320 §4.2).
pub(super) const fn told(status: u16) -> u16 {
    match status {
        408 => 500,
        other => mapped(other),
    }
}

fn relayed(leg: LegId, method: Method, asked_by: TransactionId, request: &Message) -> RequestPlan {
    let max_forwards = request.max_forwards().ok().flatten().unwrap_or(70).saturating_sub(1);
    let bytes = request.body_bytes();
    let content_type = request.header(HeaderName::ContentType).unwrap_or("application/octet-stream");
    let body = (!bytes.is_empty()).then(|| Body { content_type: content_type.into(), bytes });
    RequestPlan { leg, method, asked_by, max_forwards, headers: passed(request), body }
}

fn passed(request: &Message) -> SessionHeaders {
    picked(request, &PASSED)
}

/// Headers of an answer that pass.
pub(super) fn passed_back(response: &Message) -> SessionHeaders {
    picked(response, &PASSED_BACK)
}

/// Headers of these names, in the message's order.
fn picked(message: &Message, names: &[&str]) -> SessionHeaders {
    let headers =
        message.headers().filter(|header| names.iter().any(|name| header.raw_name.eq_ignore_ascii_case(name)));
    SessionHeaders(headers.map(|header| (header.raw_name.into(), header.value.into())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_408_is_ever_sent_to_anything_but_invite() {
        assert_eq!([408, 481, 469, 415].map(told), [500, 500, 469, 415]);
    }
}
