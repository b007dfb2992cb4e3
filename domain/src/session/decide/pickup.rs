//! Picking up a call that rings: an INVITE with Replaces names an early dialog that we began (RFC 3891 §3). Its sender
//! answers in the place of the phone that rings, which is cancelled with all that ring beside it. It has made an offer, as
//! the caller has: each is the answer to the other, where they have the same streams and a codec that both know.

use crate::ids::LegId;
use crate::sdp;
use crate::session::event::{LegAnswered, LegReplaced, LegsBridged, ModeEntered, SessionEvent};
use crate::session::leg::{Leg, LegRole};
use crate::session::media::MediaFault;
use crate::session::mode::Mode;
use crate::session::order::{Context, Order};
use crate::session::state::Session;
use crate::sip::endpoint::{Body, SessionHeaders, content_refusal};
use crate::sip::wire::Message;
use bytes::Bytes;

/// A status and why, in one sentence without personal data.
type Refusal = (u16, &'static str);

impl Session {
    /// Whether this leg rings for the call's own caller.
    pub(super) fn rings(&self, leg: LegId) -> bool {
        self.leg(leg).is_some_and(|leg| leg.role == LegRole::Callee && leg.is_early())
    }

    /// The new leg answers for one that rings.
    pub(super) fn pick_up(
        &mut self,
        context: &mut Context<'_>,
        leg: LegId,
        replaced: LegId,
        request: &Message,
    ) -> Result<(), Refusal> {
        let caller = self.may_pick_up(request)?;
        let before = self.leg(caller).filter(|caller| caller.takes_reliable).and_then(|caller| caller.told.clone());
        let (answer, body) = self.answer_each_other(context, caller, leg)?;
        self.agree(leg);
        self.relay(context, caller, leg);
        self.record(context, SessionEvent::LegAnswered(LegAnswered { leg }));
        self.record(context, SessionEvent::LegReplaced(LegReplaced { leg: replaced, by: leg }));
        self.answer(context, leg, Some(answer));
        self.record(context, SessionEvent::LegAnswered(LegAnswered { leg: caller }));
        self.record(context, SessionEvent::LegsBridged(LegsBridged { caller, callee: leg }));
        let entered = ModeEntered { mode: Mode::Trunking, cause: "pickup".into(), by: leg };
        self.record(context, SessionEvent::ModeEntered(entered));
        let body = self.left_to_say(before, body, (caller, leg));
        self.answer(context, caller, body);
        self.early_leg = None;
        self.give_up_callees(context);
        Ok(())
    }

    fn answer(&self, context: &mut Context<'_>, leg: LegId, body: Option<Body>) {
        context.order(Order::Answer { leg, status: 200, headers: SessionHeaders::default(), body });
    }

    /// The caller, where somebody may answer it.
    fn may_pick_up(&self, request: &Message) -> Result<LegId, Refusal> {
        if self.transfer.is_some() || self.calls_referrer() {
            return Err((481, "what rings for a transfer is not picked up"));
        }
        let caller = self.caller().filter(|caller| caller.is_early()).map(|caller| caller.id);
        let caller = caller.ok_or((603, "the call is over"))?;
        if let Some(status) = content_refusal(request) {
            return Err((status, "its body cannot be read"));
        }
        if self.late_offer || self.early_offer.is_some() {
            return Err((488, "the caller has made no offer"));
        }
        match self.offer {
            Some(_) => Err((491, "a change of media is on its way")),
            None => Ok(caller),
        }
    }

    /// What each is told as the other's answer: the new leg first, then the caller.
    fn answer_each_other(
        &mut self,
        context: &mut Context<'_>,
        caller: LegId,
        leg: LegId,
    ) -> Result<(Body, Body), Refusal> {
        let refused = |fault: MediaFault| (fault.status(), "its media cannot be relayed");
        let said = |leg: Option<&Leg>, agreed: bool| {
            let sdp = leg.and_then(|leg| if agreed { leg.agreed.clone() } else { leg.heard.clone() });
            sdp.ok_or(MediaFault::Missing)
        };
        let called = said(self.leg(caller), true).map_err(refused)?;
        let offered = said(self.leg(leg), false).map_err(refused)?;
        let fitting = fit(&called, &offered).and_then(|to_leg| Ok((to_leg, fit(&offered, &called)?)));
        let (to_leg, to_caller) = fitting.map_err(refused)?;
        if !sdp::suit_each_other(&called, &offered) {
            return Err((488, "what caller and picker offer does not answer each other"));
        }
        if let Some(leg) = self.leg_mut(leg) {
            leg.heard = Some(to_caller);
        }
        let bodies = sdp::describe(&to_leg).map_err(MediaFault::from).and_then(|described| {
            self.reserve(context, leg, &described)?;
            Ok((self.rewrite(&to_leg, leg)?, self.answer_for_caller(leg, caller)?))
        });
        bodies.map_err(refused)
    }
}

/// What one said, with the streams of an offer whose answer it becomes.
fn fit(said: &Bytes, offer: &Bytes) -> Result<Bytes, MediaFault> {
    let offered = sdp::describe(offer)?;
    let fitting = sdp::extend(sdp::cut(said, offered.streams.len()), offer).into_owned();
    let answered = sdp::describe(&fitting)?;
    sdp::answers(&offered, &answered)?;
    // RFC 3264 §6.1: nothing is sent that the other does not receive, nor awaited that it does not send.
    let crossed = offered.streams.iter().zip(&answered.streams).any(|(asked, given)| {
        let sends = given.direction.sends() && !asked.direction.receives();
        given.port != 0 && (sends || given.direction.receives() && !asked.direction.sends())
    });
    if crossed { Err(MediaFault::Missing) } else { Ok(fitting.into()) }
}
