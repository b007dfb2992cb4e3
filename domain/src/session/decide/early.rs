//! What is agreed before an answer, by reliable provisional responses (RFC 3262 §5) and their PRACKs. Each leg is reliable or
//! not for itself: what one says reliably, the other is told as it takes it.

use crate::ids::LegId;
use crate::sdp;
use crate::session::event::{
    EndCause, LegAlerted, LegConfirmed, LegReleased, OfferAccepted, OfferChange, OfferMade, RefusalCause, ReleaseCause,
    SessionEvent,
};
use crate::session::leg::{Leg, LegRole, LegStatus};
use crate::session::media::{MediaFault, is_reliable, sdp_of};
use crate::session::order::{Context, Order};
use crate::session::state::{EarlyOffer, Ending, OwnOffer, Session};
use crate::sip::endpoint::{Body, SessionHeaders};
use crate::sip::wire::Message;
use bytes::Bytes;

impl Session {
    /// Notes what may come early of a leg that is about to be invited. An INVITE without an offer asks for one: it may come
    /// early only where the caller can answer it early, and one alone.
    pub(super) fn expect_early(&mut self, leg: LegId) {
        if self.calls_referrer() {
            // Its offer is awaited with its answer.
            return;
        }
        let late = self.late_offer;
        let caller = self.caller().is_some_and(|caller| caller.takes_reliable);
        let group = self.legs.get(1..).unwrap_or_default().iter().filter(|leg| leg.target >= self.group_from).count();
        let of_group = |target: &&crate::session::event::Target| {
            self.targets.get(self.group_from).is_some_and(|first| first.group == target.group)
        };
        let alone =
            group == 1 && self.targets.get(self.group_from..).unwrap_or_default().iter().filter(of_group).count() == 1;
        if let Some(leg) = self.leg_mut(leg) {
            leg.lacks_answer = late;
            leg.takes_reliable = !late || (caller && alone);
        }
    }

    pub(super) fn takes_reliable(&self, leg: LegId) -> bool {
        self.leg(leg).is_some_and(|leg| leg.takes_reliable)
    }

    /// Whether a provisional response makes the offer that its INVITE had not.
    pub(super) fn takes_early_offer(&self, leg: LegId, response: &Message) -> bool {
        let lacks = self.leg(leg).is_some_and(|leg| leg.lacks_answer && leg.takes_reliable);
        lacks && is_reliable(response) && sdp_of(response).is_some()
    }

    /// Notes a reliable answer to our offer.
    pub(super) fn note_early_answer(&mut self, leg: LegId, response: &Message) {
        let settles = is_reliable(response) && sdp_of(response).is_some();
        if let Some(leg) = self.leg_mut(leg).filter(|leg| leg.takes_reliable && !leg.lacks_answer) {
            leg.settled |= settles;
        }
    }

    /// A callee offers: the caller is told, reliably, and its PRACK will have the answer. Where the caller has answered
    /// another already, that is the answer here too.
    pub(super) fn on_early_offer(&mut self, context: &mut Context<'_>, caller: LegId, leg: LegId, response: &Message) {
        let tag = response.to().ok().and_then(|to| to.tag().map(Box::from)).unwrap_or_default();
        let first = self.leg(leg).is_some_and(|leg| leg.early.first().is_some_and(|early| early.tag == tag));
        if !first {
            // Another fork of the same leg: without a PRACK it gives up by itself.
            return;
        }
        let status = response.status().unwrap_or(183);
        self.record(context, SessionEvent::LegAlerted(LegAlerted { leg, status, early_media: true }));
        if self.early_offer.is_some() {
            // The caller has one of a leg that failed: its answer is for this one.
            return;
        }
        let headers = super::pass::passed_back(response);
        if !self.late_offer {
            let answered = self.answer_early(context, caller, leg, &tag);
            return match answered {
                Ok(body) => self.tell_progress(context, caller, status, headers, body),
                Err(fault) => self.give_up_early(context, leg, fault.status()),
            };
        }
        match self.late_offer_body(context, caller, leg) {
            Ok(body) => {
                self.record(context, SessionEvent::OfferMade(OfferMade { leg, change: OfferChange::Media }));
                self.early_offer = Some(EarlyOffer { leg, tag });
                self.tell_progress(context, caller, status, headers, Some(body));
            }
            Err(fault) => self.give_up_early(context, leg, fault.status()),
        }
    }

    /// A callee's offer for the caller: ports are set aside for both legs.
    pub(super) fn late_offer_body(
        &mut self,
        context: &mut Context<'_>,
        caller: LegId,
        callee: LegId,
    ) -> Result<Body, MediaFault> {
        let described = self.describe_heard(callee)?;
        self.reserve(context, caller, &described)?;
        self.reserve(context, callee, &described)?;
        self.rewrite_heard(callee, caller)
    }

    /// What the caller has said answers the callee's offer, and the callee's media is heard early.
    fn answer_early(
        &mut self,
        context: &mut Context<'_>,
        caller: LegId,
        leg: LegId,
        tag: &str,
    ) -> Result<Option<Body>, MediaFault> {
        let answer = self.answer_for(context, caller, leg)?;
        context.order(Order::Prack { leg, tag: tag.into(), body: Some(answer) });
        self.settle(leg);
        let mine = self.early_leg.is_none_or(|early| early == leg);
        Ok(if mine { self.connect_early_media(context, caller, leg) } else { None })
    }

    /// The answer in the ACK to a 2xx that offers, where the caller has said already what it takes; nothing where the 2xx
    /// answers.
    pub(super) fn answer_for_callee(
        &mut self,
        context: &mut Context<'_>,
        caller: LegId,
        leg: LegId,
    ) -> Result<Option<Body>, MediaFault> {
        let lacks = !self.late_offer && self.leg(leg).is_some_and(|leg| leg.lacks_answer);
        lacks.then(|| self.answer_for(context, caller, leg)).transpose()
    }

    /// The caller's SDP as the answer to what the callee offers; its lines must be the offer's.
    fn answer_for(&mut self, context: &mut Context<'_>, caller: LegId, leg: LegId) -> Result<Body, MediaFault> {
        let offered = self.describe_heard(leg)?;
        let agreed = self.leg(caller).and_then(|caller| caller.agreed.clone()).ok_or(MediaFault::Missing)?;
        if sdp::describe(&agreed)?.streams.len() != offered.streams.len() {
            return Err(MediaFault::Missing);
        }
        self.reserve(context, leg, &offered)?;
        self.rewrite_agreed(caller, leg)
    }

    fn settle(&mut self, callee: LegId) {
        if let Some(leg) = self.leg_mut(callee) {
            (leg.lacks_answer, leg.settled) = (false, true);
        }
    }

    /// The caller acknowledged a provisional response. `answer` is the PRACK that answers a callee's early offer.
    pub(super) fn on_pracked(
        &mut self,
        context: &mut Context<'_>,
        caller: LegId,
        settled: bool,
        answer: Option<&Message>,
    ) {
        if let Some(leg) = self.leg_mut(caller) {
            leg.settled |= settled;
        }
        let Some(EarlyOffer { leg: callee, tag }) = self.early_offer.take() else { return };
        let Some(answer) = answer else {
            // An offer without an answer: there is nothing that the callee's PRACK could say.
            self.give_up_callees(context);
            return self.refuse_caller(context, 488, 488);
        };
        self.hear_prack(caller, answer);
        self.agree(caller);
        self.record(context, SessionEvent::OfferAccepted(OfferAccepted { leg: callee }));
        let Some((callee, tag)) = self.answerable(callee, tag) else { return };
        let early = self.leg(callee).is_some_and(Leg::is_early);
        let body = match self.answer_for(context, caller, callee) {
            Ok(body) => Some(body),
            Err(fault) if early => return self.give_up_early(context, callee, fault.status()),
            Err(_) => return self.release_all(context, ReleaseCause::Unusable),
        };
        if early {
            context.order(Order::Prack { leg: callee, tag, body });
            self.early_leg = Some(callee);
        } else {
            context.order(Order::Acknowledge { leg: callee, body });
            self.record(context, SessionEvent::LegConfirmed(LegConfirmed { leg: callee }));
        }
        self.settle(callee);
        self.agree(callee);
        self.relay(context, caller, callee);
    }

    /// The leg whose offer the caller has answered, or one that offered when that had failed: it rings, or did not wait for
    /// its PRACK. With it the To tag of what it said reliably.
    fn answerable(&self, callee: LegId, tag: Box<str>) -> Option<(LegId, Box<str>)> {
        let answered =
            |leg: &&Leg| leg.role == LegRole::Callee && leg.lacks_answer && leg.status == LegStatus::Answered;
        if let Some(leg) = self.legs.iter().find(answered) {
            return Some((leg.id, tag));
        }
        if self.leg(callee).is_some_and(Leg::is_early) {
            return Some((callee, tag));
        }
        self.legs.iter().filter(|leg| leg.role == LegRole::Callee && leg.is_early() && leg.lacks_answer).find_map(
            |leg| {
                let early = leg.early.first().filter(|early| early.reliable)?;
                Some((leg.id, early.tag.clone()))
            },
        )
    }

    /// What the 2xx to the caller still has to say. Once SDP went reliably it is the answer, and no other may follow
    /// (RFC 3261 §13.2.1): where another callee's is in force now, it is offered as soon as the call is confirmed.
    pub(super) fn left_to_say(
        &mut self,
        reliably_told: Option<Bytes>,
        body: Body,
        (caller, callee): (LegId, LegId),
    ) -> Option<Body> {
        let Some(told) = reliably_told else { return Some(body) };
        if told != body.bytes {
            self.own_offer = Some(OwnOffer::new(callee, caller));
        }
        None
    }

    /// A callee's early offer cannot be relayed, or what the caller said does not answer it.
    fn give_up_early(&mut self, context: &mut Context<'_>, leg: LegId, status: u16) {
        context.order(Order::Cancel { leg });
        self.leg_failed(context, leg, status, RefusalCause::Unacknowledged);
        self.fail_over(context);
    }

    /// A callee said no to our PRACK, or nothing: with its early dialog the leg is gone, though its INVITE waits.
    pub(super) fn on_prack_refused(&mut self, context: &mut Context<'_>, leg: LegId, status: u16) {
        if self.leg(leg).is_some_and(Leg::is_early) {
            self.give_up_early(context, leg, status);
        }
    }

    /// The caller never acknowledged what we said reliably: its INVITE is refused (RFC 3262 §3), also where a callee has
    /// answered meanwhile.
    pub(super) fn on_prack_missing(&mut self, context: &mut Context<'_>, leg: LegId) {
        match self.leg(leg).map(|leg| leg.status) {
            Some(LegStatus::Inviting | LegStatus::Alerting) => {
                self.give_up_callees(context);
                self.refuse_caller(context, 504, 504);
            }
            Some(LegStatus::Answered) => {
                context.order(Order::Answer { leg, status: 504, headers: SessionHeaders::default(), body: None });
                self.ending.get_or_insert(Ending { cause: EndCause::Lost, status: Some(504), by: Some(leg) });
                self.record(context, SessionEvent::LegReleased(LegReleased { leg, cause: ReleaseCause::Refused }));
                self.release_all(context, ReleaseCause::OtherLeg);
            }
            Some(LegStatus::Confirmed | LegStatus::Releasing | LegStatus::Away | LegStatus::Gone) | None => {}
        }
    }

    /// The leg that hears of a change which this one wants before an answer: offer and answer must have been exchanged
    /// reliably on both (RFC 3311 §5.1), and its peer must take UPDATE.
    pub(super) fn early_peer(&self, leg: LegId) -> Option<LegId> {
        let peer = self.counterpart(leg)?;
        let both = [leg, peer].into_iter().all(|leg| self.leg(leg).is_some_and(|leg| leg.settled));
        let heard = [Some(leg), Some(peer)].contains(&self.early_leg);
        self.leg(peer).filter(|peer| both && heard && peer.takes_update).map(|peer| peer.id)
    }

    /// Takes in the SDP of a PRACK that was found to belong to something.
    pub(super) fn hear_prack(&mut self, leg: LegId, prack: &Message) {
        if let (Some(leg), Some(sdp)) = (self.leg_mut(leg), sdp_of(prack)) {
            leg.heard = Some(sdp);
        }
    }

    /// What was offered before an answer and refused is not what the leg says.
    pub(super) fn forget_early_offer(&mut self, leg: LegId) {
        if let Some(leg) = self.leg_mut(leg).filter(|leg| leg.is_early() && leg.agreed.is_some()) {
            leg.heard = leg.agreed.clone();
        }
    }
}
