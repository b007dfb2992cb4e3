//! A re-INVITE from either side: carried to the other leg, answered by its answer. A 491 goes back to the asker as it is:
//! who asked waits as RFC 3261 §14.1 says and asks again, for its role in its dialog tells how long.

use crate::ids::LegId;
use crate::sdp;
use crate::session::event::{
    EndCause, OfferAccepted, OfferChange, OfferMade, OfferRefused, ReleaseCause, SessionEvent,
};
use crate::session::leg::{Leg, LegStatus};
use crate::session::media::{MediaFault, sdp_of};
use crate::session::order::{Context, Order};
use crate::session::state::{Ending, OwnOffer, PendingOffer, Session};
use crate::sip::endpoint::{Body, SessionHeaders};
use crate::sip::wire::Message;

impl Session {
    pub(super) fn on_reinvited(&mut self, context: &mut Context<'_>, leg: LegId, request: &Message) {
        let here = self.given_away(leg).is_none();
        let peer = self.peer_of(leg).filter(|peer| here && self.is_confirmed(*peer) && self.offer.is_none());
        let Some(peer) = peer else { return self.answer_reinvite(context, leg, 491, None) };
        // What is asked of it now goes before what we would have asked again.
        self.own_offer.take_if(|own| own.to == peer);
        let late = sdp_of(request).is_none();
        let body = match self.offer_body(context, leg, peer, late) {
            Ok(body) => body,
            Err(fault) => {
                let status = fault.status();
                self.record(context, SessionEvent::OfferMade(OfferMade { leg, change: OfferChange::Media }));
                self.record(context, SessionEvent::OfferRefused(OfferRefused { leg, status }));
                return self.answer_reinvite(context, leg, status, None);
            }
        };
        let change = if late { OfferChange::Late } else { self.change_of(leg) };
        self.record(context, SessionEvent::OfferMade(OfferMade { leg, change }));
        self.keep_offer(leg);
        let offer =
            PendingOffer { from: leg, to: peer, late, asked_by: None, by_update: false, cancelled: false, ours: false };
        self.offer = Some(offer);
        context.order(Order::Reinvite { leg: peer, body });
    }

    pub(super) fn is_confirmed(&self, leg: LegId) -> bool {
        self.leg(leg).is_some_and(|leg| leg.status == LegStatus::Confirmed)
    }

    pub(super) fn offer_body(
        &mut self,
        context: &mut Context<'_>,
        from: LegId,
        to: LegId,
        late: bool,
    ) -> Result<Option<Body>, MediaFault> {
        if late {
            return Ok(None);
        }
        let described = self.describe_heard(from)?;
        self.reserve(context, from, &described)?;
        self.reserve(context, to, &described)?;
        self.rewrite_heard(from, to).map(Some)
    }

    pub(super) fn change_of(&self, leg: LegId) -> OfferChange {
        let Some(leg) = self.leg(leg) else { return OfferChange::Media };
        let read = |body: &Option<bytes::Bytes>| body.as_ref().and_then(|body| sdp::describe(body).ok());
        match (read(&leg.agreed), read(&leg.heard)) {
            (Some(before), Some(after)) => match sdp::change(&before, &after) {
                sdp::Change::Hold => OfferChange::Hold,
                sdp::Change::Resume => OfferChange::Resume,
                sdp::Change::Refresh => OfferChange::Refresh,
                sdp::Change::Other => OfferChange::Media,
            },
            (None, _) | (_, None) => OfferChange::Media,
        }
    }

    fn answer_reinvite(&mut self, context: &mut Context<'_>, leg: LegId, status: u16, body: Option<Body>) {
        context.order(Order::Answer { leg, status, headers: SessionHeaders::default(), body });
    }

    /// Answers who asked, by whatever it asked.
    pub(super) fn answer_offer(
        &mut self,
        context: &mut Context<'_>,
        offer: PendingOffer,
        status: u16,
        body: Option<Body>,
    ) {
        match offer.asked_by {
            None => self.answer_reinvite(context, offer.from, status, body),
            Some(transaction) => {
                let headers = SessionHeaders::default();
                context.order(Order::Respond { transaction, status, headers, body });
            }
        }
    }

    /// The asked leg said yes.
    pub(super) fn on_offer_accepted(&mut self, context: &mut Context<'_>, leg: LegId, described: bool) {
        let Some(offer) = self.offer_to(leg) else {
            return context.order(Order::Acknowledge { leg, body: None });
        };
        if offer.cancelled {
            return self.restore(context, offer);
        }
        if offer.ours {
            return self.on_own_offer_accepted(context, offer, described);
        }
        if offer.late {
            return self.pass_late_offer(context, offer);
        }
        context.order(Order::Acknowledge { leg, body: None });
        self.conclude(context, offer, described);
    }

    /// The asked leg agreed; its answer is the asker's.
    pub(super) fn conclude(&mut self, context: &mut Context<'_>, offer: PendingOffer, described: bool) {
        let body = described.then(|| self.answer_heard(offer.to, offer.from).ok()).flatten();
        let Some(body) = body else {
            self.record(context, SessionEvent::OfferRefused(OfferRefused { leg: offer.from, status: 488 }));
            self.answer_offer(context, offer, 488, None);
            return self.newcomer_refused(context, offer, true);
        };
        self.agree_to_offer(offer.from);
        self.agree(offer.to);
        self.record(context, SessionEvent::OfferAccepted(OfferAccepted { leg: offer.from }));
        self.answer_offer(context, offer, 200, Some(body));
        self.take_place(context, offer.from);
    }

    /// The 2xx of the asked leg carries the offer: it goes to the asker, whose ACK will answer it.
    fn pass_late_offer(&mut self, context: &mut Context<'_>, offer: PendingOffer) {
        let ready = self.describe_heard(offer.to).and_then(|described| {
            self.reserve(context, offer.from, &described)?;
            self.reserve(context, offer.to, &described)?;
            self.rewrite_heard(offer.to, offer.from)
        });
        match ready {
            Ok(body) => {
                self.answer_newcomer(context, offer.from);
                self.answer_reinvite(context, offer.from, 200, Some(body));
            }
            Err(fault) => {
                context.order(Order::Acknowledge { leg: offer.to, body: None });
                let status = fault.status();
                self.record(context, SessionEvent::OfferRefused(OfferRefused { leg: offer.from, status }));
                self.answer_reinvite(context, offer.from, status, None);
                self.newcomer_refused(context, offer, false);
            }
        }
    }

    /// The asker's ACK answers the late offer. One without SDP keeps what was in force.
    pub(super) fn on_late_answer(&mut self, context: &mut Context<'_>, from: LegId, to: LegId, described: bool) {
        self.agree(to);
        let answer = match described {
            true => self.rewrite_heard(from, to),
            false => self.rewrite_agreed(from, to),
        };
        context.order(Order::Acknowledge { leg: to, body: answer.ok() });
        if described {
            self.agree(from);
        }
        self.record(context, SessionEvent::OfferAccepted(OfferAccepted { leg: from }));
        self.relay_bridge(context);
    }

    /// The asker had given up, but the asked leg changed: it is asked back to what is in force.
    fn restore(&mut self, context: &mut Context<'_>, offer: PendingOffer) {
        context.order(Order::Acknowledge { leg: offer.to, body: None });
        self.offer = None;
        self.ask(context, OwnOffer::new(offer.from, offer.to));
    }

    /// The asked leg said no; 481 and 408 mean that its dialog is gone (RFC 5057 §5.1).
    pub(super) fn on_offer_refused(&mut self, context: &mut Context<'_>, leg: LegId, status: u16) {
        if matches!(status, 408 | 481) {
            return self.on_dialog_gone(context, leg);
        }
        let Some(offer) = self.offer_to(leg) else { return };
        if !self.is_refreshing(leg)
            && let Some(leg) = self.leg_mut(leg)
        {
            leg.told_in_vain = true;
        }
        if offer.cancelled {
            self.offer = None;
            return;
        }
        if offer.ours {
            return self.on_own_offer_refused(context, offer, status);
        }
        let status = super::refuse::mapped(status);
        self.record(context, SessionEvent::OfferRefused(OfferRefused { leg: offer.from, status }));
        self.answer_offer(context, offer, status, None);
        self.newcomer_refused(context, offer, false);
    }

    pub(super) fn on_dialog_gone(&mut self, context: &mut Context<'_>, leg: LegId) {
        self.lose_leg(context, leg, ReleaseCause::DialogGone);
    }

    /// A leg's peer is not there any more. Of one that is released already nothing follows: what was asked of it before
    /// that may be refused long after.
    pub(super) fn lose_leg(&mut self, context: &mut Context<'_>, leg: LegId, cause: ReleaseCause) {
        let there = |leg: &Leg| leg.is_answered() || leg.status == LegStatus::Away;
        if !self.leg(leg).is_some_and(there) {
            return;
        }
        context.order(Order::Bye { leg });
        if self.taken_from(leg).is_some() {
            self.release_leg(context, leg, cause);
            return self.target_left(context, leg);
        }
        if self.may_leave(leg) {
            return self.asker_left(context, leg, cause);
        }
        self.ending.get_or_insert(Ending { cause: EndCause::Lost, status: Some(200), by: Some(leg) });
        self.release_leg(context, leg, cause);
        self.release_all(context, ReleaseCause::OtherLeg);
    }

    /// Relays what is in force between those who hear each other, before an answer too.
    pub(super) fn relay_bridge(&mut self, context: &mut Context<'_>) {
        let early = || Some((self.caller()?.id, self.early_leg?));
        if let Some((caller, callee)) = self.bridged.or_else(early) {
            self.relay(context, caller, callee);
        }
    }
}
