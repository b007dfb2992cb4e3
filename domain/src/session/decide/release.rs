//! A leg ends, and with it the others.

use crate::ids::LegId;
use crate::session::event::{EndCause, LegReleased, RefusalCause, ReleaseCause, SessionEnded, SessionEvent};
use crate::session::leg::{LegRole, LegStatus};
use crate::session::order::{Context, Order};
use crate::session::state::{Ending, Session};
use crate::sip::endpoint::SessionHeaders;

impl Session {
    /// The peer said BYE and has its 200.
    pub(super) fn on_hung_up(&mut self, context: &mut Context<'_>, leg: LegId) {
        let Some(status) = self.leg(leg).map(|leg| leg.status) else { return };
        if self.replaced_by(leg).is_some() {
            return self.newcomer_left(context, leg, ReleaseCause::Bye);
        }
        if self.is_beside(leg) {
            return self.on_loser_hung_up(context, leg, status);
        }
        if self.may_leave(leg) {
            return self.asker_left(context, leg, ReleaseCause::Bye);
        }
        let cause = match status {
            LegStatus::Inviting | LegStatus::Alerting => EndCause::Cancelled,
            // Who asked for a call by REFER gives up before the target is there.
            LegStatus::Answered | LegStatus::Confirmed if self.mode.is_none() => EndCause::Cancelled,
            LegStatus::Answered | LegStatus::Confirmed | LegStatus::Releasing | LegStatus::Away | LegStatus::Gone => {
                EndCause::Completed
            }
        };
        let final_status = if self.mode.is_some() { 200 } else { 487 };
        self.ending.get_or_insert(Ending { cause, status: Some(final_status), by: Some(leg) });
        self.record(context, SessionEvent::LegReleased(LegReleased { leg, cause: ReleaseCause::Bye }));
        self.release_all(context, ReleaseCause::OtherLeg);
    }

    /// Whether the call goes on without this leg: two others talk, or it lost, or others ring beside it.
    fn is_beside(&self, leg: LegId) -> bool {
        let Some(found) = self.leg(leg) else { return false };
        if self.is_aside(leg) {
            return self.ending.is_none();
        }
        let others_ring = self.early_callees().any(|early| early != leg);
        let lost = !found.is_early() && self.peer_of(leg).is_none();
        found.role == LegRole::Callee && self.ending.is_none() && (lost || found.is_early() && others_ring)
    }

    /// A callee hangs up that lost, or that rings beside others: they go on without it.
    fn on_loser_hung_up(&mut self, context: &mut Context<'_>, leg: LegId, status: LegStatus) {
        match status {
            LegStatus::Inviting | LegStatus::Alerting => {
                self.leg_failed(context, leg, 487, RefusalCause::Response);
                self.fail_over(context);
            }
            LegStatus::Answered | LegStatus::Confirmed | LegStatus::Releasing | LegStatus::Away | LegStatus::Gone => {
                self.release_leg(context, leg, ReleaseCause::Bye);
                self.target_left(context, leg);
                self.end_if_all_gone(context);
            }
        }
    }

    /// Our 2xx was never acknowledged: nobody is there.
    pub(super) fn on_ack_missing(&mut self, context: &mut Context<'_>, leg: LegId) {
        if !self.leg(leg).is_some_and(crate::session::leg::Leg::is_answered) {
            return;
        }
        if self.replaced_by(leg).is_some() {
            context.order(Order::Bye { leg });
            return self.newcomer_left(context, leg, ReleaseCause::AckMissing);
        }
        self.ending.get_or_insert(Ending { cause: EndCause::Lost, status: Some(200), by: Some(leg) });
        self.complete_waiting_answer(context, leg);
        context.order(Order::Bye { leg });
        self.release_leg(context, leg, ReleaseCause::AckMissing);
        self.release_all(context, ReleaseCause::OtherLeg);
    }

    /// A late offer that will never be answered: its 2xx still wants an ACK before the BYE.
    fn complete_waiting_answer(&mut self, context: &mut Context<'_>, leg: LegId) {
        let Some(peer) = self.peer_of(leg) else { return };
        let late = self.offer.is_some_and(|offer| offer.late && offer.from == leg)
            || self.leg(peer).is_some_and(|peer| peer.status == LegStatus::Answered && peer.role == LegRole::Callee);
        if late {
            context.order(Order::Acknowledge { leg: peer, body: None });
        }
    }

    pub(super) fn release_leg(&mut self, context: &mut Context<'_>, leg: LegId, cause: ReleaseCause) {
        self.record(context, SessionEvent::LegReleased(LegReleased { leg, cause }));
    }

    /// Whether two others talk, and this leg is in the call no more, or not yet.
    pub(super) fn is_aside(&self, leg: LegId) -> bool {
        self.bridged.is_some() && self.peer_of(leg).is_none()
    }

    /// A message of ours on this leg could not be built: the call cannot go on. A callee that is not in it is another
    /// matter: its INVITE counts as unanswered, and whatever else it is owed does not concern the others.
    pub fn on_unbuildable(&mut self, context: &mut Context<'_>, leg: LegId) {
        if self.replaced_by(leg).is_some() {
            return self.newcomer_left(context, leg, ReleaseCause::Unusable);
        }
        let callee = self.leg(leg).is_some_and(|leg| leg.role == LegRole::Callee);
        if !self.is_aside(leg) && (!callee || self.peer_of(leg).is_some()) {
            self.release_all(context, ReleaseCause::Unusable);
        }
    }

    /// Ends every leg that is still live, each the way its state asks for.
    pub fn release_all(&mut self, context: &mut Context<'_>, cause: ReleaseCause) {
        self.abandon_transfer(context);
        let cause_of_end = if self.mode.is_some() { EndCause::Completed } else { EndCause::Failed };
        self.ending.get_or_insert(Ending { cause: cause_of_end, status: None, by: None });
        let live: Vec<(LegId, LegRole, LegStatus)> =
            self.legs.iter().filter(|leg| leg.is_live()).map(|leg| (leg.id, leg.role, leg.status)).collect();
        for (leg, role, status) in live {
            let early = matches!(status, LegStatus::Inviting | LegStatus::Alerting);
            match (early, role) {
                (true, LegRole::Caller) => {
                    let headers = SessionHeaders::default();
                    context.order(Order::Answer { leg, status: 480, headers, body: None });
                    self.release_leg(context, leg, ReleaseCause::Refused);
                }
                (true, LegRole::Callee) => {
                    context.order(Order::Cancel { leg });
                    self.release_leg(context, leg, cause);
                }
                (false, role) => {
                    if status == LegStatus::Answered && role == LegRole::Callee {
                        context.order(Order::Acknowledge { leg, body: None });
                    }
                    context.order(Order::Bye { leg });
                    self.release_leg(context, leg, cause);
                }
            }
        }
        self.close_media(context);
        self.end_if_all_gone(context);
    }

    /// The wire has nothing more to say about a leg.
    pub(super) fn on_gone(&mut self, context: &mut Context<'_>, leg: LegId) {
        if let Some(leg) = self.leg_mut(leg)
            && leg.status == LegStatus::Releasing
        {
            leg.status = LegStatus::Gone;
        }
        self.end_if_all_gone(context);
    }

    /// The end is recorded once no leg waits for the wire and every media path is counted.
    pub(super) fn end_if_all_gone(&mut self, context: &mut Context<'_>) {
        let wire_done = self.legs.iter().all(|leg| leg.status == LegStatus::Gone);
        let media_done = self.paths.iter().all(Option::is_none);
        if self.ended || !wire_done || !media_done || !self.watchers.is_empty() {
            return;
        }
        self.record_measures(context);
        let ending = self.ending.unwrap_or(Ending { cause: EndCause::Failed, status: None, by: None });
        let ended = SessionEnded { cause: ending.cause, status: ending.status, by: ending.by };
        self.record(context, SessionEvent::SessionEnded(ended));
    }
}
