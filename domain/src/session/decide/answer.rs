//! A callee rings or answers.

use super::pass::passed_back;
use crate::ids::LegId;
use crate::session::event::{
    LegAlerted, LegAnswered, LegConfirmed, LegReleased, LegsBridged, ModeEntered, ReleaseCause, SessionEvent,
};
use crate::session::leg::LegStatus;
use crate::session::media::sdp_of;
use crate::session::mode::Mode;
use crate::session::order::{Context, Order};
use crate::session::state::Session;
use crate::sip::endpoint::Body;
use crate::sip::wire::Message;

impl Session {
    pub(super) fn on_progress(&mut self, context: &mut Context<'_>, leg: LegId, response: &Message) {
        if self.calls_referrer() {
            return self.on_referrer_progress(context, leg, response);
        }
        let (Some(caller), Some(callee)) = (self.caller().cloned(), self.leg(leg)) else { return };
        if self.hunts_for_transfer() && callee.is_early() {
            return self.on_target_progress(context, leg, response);
        }
        if !callee.is_early() || !caller.is_early() {
            return;
        }
        if self.takes_early_offer(leg, response) {
            return self.on_early_offer(context, caller.id, leg, response);
        }
        let early_media = sdp_of(response).is_some() && !self.late_offer;
        self.note_early_answer(leg, response);
        let status = response.status().unwrap_or(180);
        self.record(context, SessionEvent::LegAlerted(LegAlerted { leg, status, early_media }));
        let first = caller.told.is_none();
        let mine = self.early_leg.is_none_or(|early| early == leg);
        let body = (early_media && mine).then(|| self.connect_early_media(context, caller.id, leg)).flatten();
        if self.is_news(status, first && body.is_some(), mine) {
            self.tell_progress(context, caller.id, status, passed_back(response), body);
        }
    }

    /// Whether a callee's provisional response tells the caller something: it sees one dialog, in which ringing and early
    /// media begin once and are not taken back. `mine`: no other callee's early media is heard.
    fn is_news(&self, status: u16, first_sdp: bool, mine: bool) -> bool {
        let quiet = !self.progress.ringing && self.early_leg.is_none();
        match status {
            // RFC 6228: one fork of several is over; the caller knows of none.
            199 => first_sdp,
            180 => first_sdp || (mine && !self.progress.ringing),
            _ => first_sdp || (quiet && self.progress.status != Some(status)),
        }
    }

    /// Puts the early SDP of a callee into force and relays. The caller is given the first that there is, and from then on
    /// the same; what differs in another's it hears of with the answer.
    pub(super) fn connect_early_media(
        &mut self,
        context: &mut Context<'_>,
        caller: LegId,
        callee: LegId,
    ) -> Option<Body> {
        self.describe_heard(callee).ok()?;
        let body = match self.leg(caller)?.told.clone() {
            Some(bytes) => Body { content_type: "application/sdp".into(), bytes },
            None => self.rewrite_heard(callee, caller).ok()?,
        };
        self.early_leg = Some(callee);
        let changed = self.leg(callee).is_some_and(|leg| leg.agreed != leg.heard);
        if changed {
            self.agree(callee);
            self.relay(context, caller, callee);
        }
        Some(body)
    }

    /// Puts the callee's answer into force, relays, and gives what the caller is to be told.
    fn connect_media(&mut self, context: &mut Context<'_>, caller: LegId, callee: LegId) -> Option<Body> {
        let body = self.answer_for_caller(callee, caller).ok()?;
        self.agree(callee);
        self.relay(context, caller, callee);
        Some(body)
    }

    pub(super) fn on_accepted(&mut self, context: &mut Context<'_>, leg: LegId, response: &Message) {
        let Some(status) = self.leg(leg).map(|leg| leg.status) else { return };
        match status {
            LegStatus::Inviting | LegStatus::Alerting if self.hunts_for_transfer() => {
                self.on_target_answered(context, leg);
            }
            LegStatus::Inviting | LegStatus::Alerting if self.calls_referrer() => {
                self.on_referrer_answered(context, leg);
            }
            LegStatus::Inviting | LegStatus::Alerting => self.on_answer(context, leg, response),
            LegStatus::Answered | LegStatus::Confirmed | LegStatus::Away => {
                self.on_offer_accepted(context, leg, sdp_of(response).is_some())
            }
            // It crossed our CANCEL: RFC 3261 §9.1 asks for ACK and BYE.
            LegStatus::Releasing | LegStatus::Gone => {
                context.order(Order::Acknowledge { leg, body: None });
                context.order(Order::Bye { leg });
            }
        }
    }

    fn on_answer(&mut self, context: &mut Context<'_>, leg: LegId, response: &Message) {
        let Some(caller) = self.caller().map(|caller| caller.id) else { return };
        self.record(context, SessionEvent::LegAnswered(LegAnswered { leg }));
        let before = self.leg(caller).filter(|caller| caller.takes_reliable).and_then(|caller| caller.told.clone());
        let Ok(answer) = self.answer_for_callee(context, caller, leg) else { return self.give_up_answer(context, leg) };
        let body = match self.late_offer {
            true => self.late_offer_body(context, caller, leg).ok(),
            false => self.connect_media(context, caller, leg),
        };
        let Some(body) = body else { return self.give_up_answer(context, leg) };
        if !self.late_offer {
            context.order(Order::Acknowledge { leg, body: answer });
            self.record(context, SessionEvent::LegConfirmed(LegConfirmed { leg }));
        }
        self.record(context, SessionEvent::LegAnswered(LegAnswered { leg: caller }));
        self.record(context, SessionEvent::LegsBridged(LegsBridged { caller, callee: leg }));
        let entered = ModeEntered { mode: Mode::Trunking, cause: "answer".into(), by: leg };
        self.record(context, SessionEvent::ModeEntered(entered));
        let headers = passed_back(response);
        let body = self.left_to_say(before, body, (caller, leg));
        context.order(Order::Answer { leg: caller, status: 200, headers, body });
        self.early_leg = None;
        self.give_up_callees(context);
    }

    /// The callee answered with nothing that can be relayed. Others may ring on.
    pub(super) fn give_up_answer(&mut self, context: &mut Context<'_>, leg: LegId) {
        context.order(Order::Acknowledge { leg, body: None });
        context.order(Order::Bye { leg });
        let released = LegReleased { leg, cause: ReleaseCause::Unusable };
        self.record(context, SessionEvent::LegReleased(released));
        self.return_ports(context, leg);
        self.fail_over(context);
    }

    pub(super) fn on_acknowledged(&mut self, context: &mut Context<'_>, leg: LegId, request: &Message) {
        let answered = self.leg(leg).is_some_and(|leg| leg.status == LegStatus::Answered);
        if answered {
            self.record(context, SessionEvent::LegConfirmed(LegConfirmed { leg }));
            self.ask_when_confirmed(context, leg);
        }
        if let Some(offer) =
            self.offer.filter(|offer| offer.late && offer.from == leg && self.replaced_by(leg).is_some())
        {
            return self.on_newcomer_acknowledged(context, offer, request);
        }
        let Some(peer) = self.peer_of(leg) else { return };
        if self.offer.is_some_and(|offer| offer.late && offer.from == leg) {
            return self.on_late_answer(context, leg, peer, sdp_of(request).is_some());
        }
        let waits = self.leg(peer).is_some_and(|peer| peer.status == LegStatus::Answered);
        if answered && self.late_offer && waits {
            self.complete_late_offer(context, leg, peer, sdp_of(request).is_some());
        }
    }

    /// The caller's ACK answers the callee's offer.
    fn complete_late_offer(&mut self, context: &mut Context<'_>, caller: LegId, callee: LegId, answered: bool) {
        self.agree(callee);
        let body = answered.then(|| self.rewrite_heard(caller, callee).ok()).flatten();
        let usable = body.is_some();
        context.order(Order::Acknowledge { leg: callee, body });
        self.record(context, SessionEvent::LegConfirmed(LegConfirmed { leg: callee }));
        if usable {
            self.agree(caller);
            self.relay(context, caller, callee);
        } else {
            self.release_all(context, ReleaseCause::Unusable);
        }
    }
}
