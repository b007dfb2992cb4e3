//! The caller gives up before an answer, or an asker its re-INVITE.

use crate::ids::LegId;
use crate::session::event::{EndCause, LegReleased, OfferRefused, ReleaseCause, SessionEvent};
use crate::session::leg::LegStatus;
use crate::session::order::{Context, Order};
use crate::session::state::{Ending, Session};
use crate::sip::endpoint::SessionHeaders;

impl Session {
    pub(super) fn on_cancelled(&mut self, context: &mut Context<'_>, leg: LegId) {
        if self.replaced_by(leg).is_some() {
            context.order(Order::Answer { leg, status: 487, headers: SessionHeaders::default(), body: None });
            return self.newcomer_left(context, leg, ReleaseCause::Cancel);
        }
        match self.leg(leg).map(|leg| leg.status) {
            // Answered: our 2xx waits for the PRACK to what went before, so that the INVITE can still be cancelled.
            Some(LegStatus::Inviting | LegStatus::Alerting | LegStatus::Answered) => self.cancel_session(context, leg),
            Some(LegStatus::Confirmed | LegStatus::Releasing | LegStatus::Away | LegStatus::Gone) | None => {}
        }
    }

    fn cancel_session(&mut self, context: &mut Context<'_>, leg: LegId) {
        context.order(Order::Answer { leg, status: 487, headers: SessionHeaders::default(), body: None });
        self.ending.get_or_insert(Ending { cause: EndCause::Cancelled, status: Some(487), by: Some(leg) });
        self.record(context, SessionEvent::LegReleased(LegReleased { leg, cause: ReleaseCause::Cancel }));
        self.release_all(context, ReleaseCause::OtherLeg);
    }

    pub(super) fn on_reinvite_cancelled(&mut self, context: &mut Context<'_>, leg: LegId) {
        let Some(offer) = self.offer.filter(|offer| offer.from == leg && !offer.cancelled) else { return };
        context.order(Order::Answer { leg, status: 487, headers: SessionHeaders::default(), body: None });
        context.order(Order::Cancel { leg: offer.to });
        self.record(context, SessionEvent::OfferRefused(OfferRefused { leg, status: 487 }));
        self.offer = Some(crate::session::PendingOffer { cancelled: true, ..offer });
    }
}
