//! INVITE with Replaces (RFC 3891): who sends it takes the place of a party of the call. Its offer goes to the other party as
//! re-INVITE; that one's answer is its own. Until then nothing changes for the two that talk, and if it comes to nothing
//! nothing has.

use crate::ids::LegId;
use crate::session::event::{
    EndCause, LegAnswered, LegReleased, LegReplaced, OfferAccepted, OfferChange, OfferMade, OfferRefused, ReleaseCause,
    ReplacementAsked, ReplacementRefused, SessionEvent,
};
use crate::session::leg::{Leg, LegStatus};
use crate::session::media::sdp_of;
use crate::session::order::{Context, Order};
use crate::session::state::{Ending, PendingOffer, Session};
use crate::sip::endpoint::{SessionHeaders, content_refusal};
use crate::sip::wire::Message;

/// A status and why, in one sentence without personal data.
type Refusal = (u16, &'static str);

impl Session {
    /// A new leg asks for the place of another. `early_only`: only before an answer.
    pub fn on_replacing(
        &mut self,
        context: &mut Context<'_>,
        asked: ReplacementAsked,
        early_only: bool,
        request: &Message,
    ) {
        let (leg, replaced, late) = (asked.leg, asked.replaces, asked.late_offer);
        self.record(context, SessionEvent::ReplacementAsked(asked));
        self.hear(leg, request);
        if self.rings(replaced) {
            let picked_up = self.pick_up(context, leg, replaced, request);
            return picked_up.unwrap_or_else(|refusal| self.refuse_newcomer(context, leg, refusal));
        }
        let ready = self.may_replace(replaced, early_only, request).and_then(|remaining| {
            let body = self.offer_body(context, leg, remaining, late);
            body.map(|body| (remaining, body)).map_err(|fault| (fault.status(), "its media cannot be relayed"))
        });
        let (remaining, body) = match ready {
            Ok(ready) => ready,
            Err(refusal) => return self.refuse_newcomer(context, leg, refusal),
        };
        let change = if late { OfferChange::Late } else { OfferChange::Media };
        self.record(context, SessionEvent::OfferMade(OfferMade { leg, change }));
        self.keep_offer(leg);
        let (asked_by, by_update, cancelled, ours) = (None, false, false, false);
        self.offer = Some(PendingOffer { from: leg, to: remaining, late, asked_by, by_update, cancelled, ours });
        context.order(Order::Reinvite { leg: remaining, body });
    }

    fn refuse_newcomer(&mut self, context: &mut Context<'_>, leg: LegId, (status, reason): Refusal) {
        let refused = ReplacementRefused { leg, status, reason: reason.into() };
        self.record(context, SessionEvent::ReplacementRefused(refused));
        context.order(Order::Answer { leg, status, headers: SessionHeaders::default(), body: None });
        self.let_newcomer_go(context, leg, ReleaseCause::Refused);
    }

    /// The other party, where the place of this leg can be taken.
    fn may_replace(&self, replaced: LegId, early_only: bool, request: &Message) -> Result<LegId, Refusal> {
        let remaining = self.peer_of(replaced).filter(|_| self.leg(replaced).is_some_and(Leg::is_answered));
        let remaining = remaining.ok_or((603, "the call is over"))?;
        if early_only {
            return Err((486, "the call is answered, and its place was wanted only before that"));
        }
        if let Some(status) = content_refusal(request) {
            return Err((status, "its body cannot be read"));
        }
        if self.offer.is_some() || self.transfer.is_some() {
            return Err((491, "a change of media or a transfer is on its way"));
        }
        if !self.is_confirmed(replaced) || !self.is_confirmed(remaining) {
            return Err((491, "the call's answer is not confirmed yet"));
        }
        Ok(remaining)
    }

    /// The leg whose place this one asks for.
    pub(super) fn replaced_by(&self, leg: LegId) -> Option<LegId> {
        self.leg(leg).filter(|leg| leg.is_live())?.replaces.filter(|_| self.peer_of(leg).is_none())
    }

    /// Whether the other party waits for somebody who is to take the place of this leg.
    pub(super) fn is_being_replaced(&self, leg: LegId) -> bool {
        self.offer.is_some_and(|offer| self.replaced_by(offer.from) == Some(leg))
    }

    /// The other party's offer goes to the new leg in a 2xx.
    pub(super) fn answer_newcomer(&mut self, context: &mut Context<'_>, leg: LegId) {
        if self.replaced_by(leg).is_some() {
            self.record(context, SessionEvent::LegAnswered(LegAnswered { leg }));
        }
    }

    /// Both agree: the new leg is in the call from here on, and the one it replaces is not.
    pub(super) fn take_place(&mut self, context: &mut Context<'_>, leg: LegId) {
        let Some(replaced) = self.replaced_by(leg) else { return self.relay_bridge(context) };
        if self.leg(leg).is_some_and(Leg::is_early) {
            self.record(context, SessionEvent::LegAnswered(LegAnswered { leg }));
        }
        self.record(context, SessionEvent::LegReplaced(LegReplaced { leg: replaced, by: leg }));
        self.relay_bridge(context);
        self.close_paths_of(context, replaced);
        if self.leg(replaced).is_some_and(Leg::is_live) {
            context.order(Order::Bye { leg: replaced });
            self.release_leg(context, replaced, ReleaseCause::Replaced);
        }
        self.return_ports(context, replaced);
    }

    /// The new leg's ACK answers the other party's offer. One without SDP answers nothing: the call stays as it was.
    pub(super) fn on_newcomer_acknowledged(&mut self, context: &mut Context<'_>, offer: PendingOffer, ack: &Message) {
        let answered = sdp_of(ack).is_some() && self.describe_heard(offer.from).is_ok();
        let body = answered.then(|| self.rewrite_heard(offer.from, offer.to).ok()).flatten();
        if body.is_none() {
            context.order(Order::Bye { leg: offer.from });
            return self.newcomer_left(context, offer.from, ReleaseCause::Unusable);
        }
        self.agree(offer.to);
        self.agree(offer.from);
        context.order(Order::Acknowledge { leg: offer.to, body });
        self.record(context, SessionEvent::OfferAccepted(OfferAccepted { leg: offer.from }));
        self.take_place(context, offer.from);
    }

    /// The new leg was told that it comes to nothing. Where the other party had `agreed`, it is asked back.
    pub(super) fn newcomer_refused(&mut self, context: &mut Context<'_>, offer: PendingOffer, agreed: bool) {
        let Some(replaced) = self.replaced_by(offer.from) else { return };
        if agreed && let Ok(body) = self.rewrite_agreed(replaced, offer.to) {
            self.offer_ourselves(context, replaced, offer.to, body);
        }
        self.let_newcomer_go(context, offer.from, ReleaseCause::Refused);
    }

    /// The new leg gave up, or is lost, before it took the place: what the other party was asked is taken back.
    pub(super) fn newcomer_left(&mut self, context: &mut Context<'_>, leg: LegId, cause: ReleaseCause) {
        let pending = self.offer.filter(|offer| offer.from == leg);
        if let (Some(offer), Some(replaced)) = (pending, self.replaced_by(leg)) {
            let refused = OfferRefused { leg, status: 487 };
            self.record(context, SessionEvent::OfferRefused(refused));
            match self.leg(leg).map(|leg| leg.status) {
                // It has the other party's offer, whose 2xx still wants its ACK: the answer of before stands.
                Some(LegStatus::Answered | LegStatus::Confirmed) => {
                    let body = self.rewrite_agreed(replaced, offer.to).ok();
                    context.order(Order::Acknowledge { leg: offer.to, body });
                }
                Some(LegStatus::Inviting | LegStatus::Alerting | LegStatus::Releasing)
                | Some(LegStatus::Away | LegStatus::Gone)
                | None => {
                    context.order(Order::Cancel { leg: offer.to });
                    self.offer = Some(PendingOffer { from: replaced, cancelled: true, ..offer });
                }
            }
        }
        self.let_newcomer_go(context, leg, cause);
    }

    /// The new leg is over. If the one that it was to replace has gone meanwhile, so is the call.
    fn let_newcomer_go(&mut self, context: &mut Context<'_>, leg: LegId, cause: ReleaseCause) {
        let replaced = self.replaced_by(leg);
        self.record(context, SessionEvent::LegReleased(LegReleased { leg, cause }));
        self.return_ports(context, leg);
        let left = replaced.filter(|replaced| !self.leg(*replaced).is_some_and(Leg::is_live));
        if let Some(left) = left.filter(|left| self.peer_of(*left).is_some()) {
            self.ending.get_or_insert(Ending { cause: EndCause::Completed, status: Some(200), by: Some(left) });
            self.release_all(context, ReleaseCause::OtherLeg);
        }
    }
}
